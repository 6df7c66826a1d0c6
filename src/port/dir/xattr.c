// SPDX-License-Identifier: BSD-2-Clause
/*
 * Extended attributes. There is no call that takes an O_PATH descriptor: they
 * are named as what they are in /proc/self/fd, the working directory of every
 * thread that comes here.
 */
#include "internal.h"
#include <errno.h>
#include <limits.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/xattr.h>

static bool is_acl(const char *name)
{
	return strncmp(name, "system.posix_acl_", 17) == 0;
}

/* Where the client does not enforce ACLs it must not see or set them. */
static int check(struct op *op, const char *name)
{
	if (!op->dir->options->xattr)
		return -ENOSYS;
	if (name && is_acl(name) &&
	    !(op->dir->agreed.flags & CF_INIT_POSIX_ACL))
		return -EOPNOTSUPP;
	return thread_enter_proc(op->dir);
}

/* SIZE 0 asks how long the value is; NAME NULL means the list of names. */
static ssize_t get(struct op *op, const char *name, uint32_t size)
{
	struct fd_name path = fd_name(op->inode->fd);
	struct cf_getxattr_out *out;
	char *buf = NULL;
	ssize_t ret;

	ret = check(op, name);
	if (ret < 0)
		return ret;
	if (size > XATTR_SIZE_MAX)
		size = XATTR_SIZE_MAX;
	if (size) {
		buf = call_reserve(op->call, size);
		if (!buf)
			return -ENOMEM;
	}
	ret = name ? getxattr(path.text, name, buf, size)
		   : listxattr(path.text, buf, size);
	if (ret < 0)
		return -errno;
	if (size)
		return ret;
	out = call_out_arg(op->call);
	*out = (struct cf_getxattr_out){ .size = (uint32_t)ret };
	return sizeof(*out);
}

ssize_t op_getxattr(struct op *op)
{
	const struct cf_getxattr_in *in = op->arg;

	return get(op, op->name, in->size);
}

ssize_t op_listxattr(struct op *op)
{
	const struct cf_getxattr_in *in = op->arg;

	return get(op, NULL, in->size);
}

ssize_t op_setxattr(struct op *op)
{
	bool extended = op->dir->agreed.flags & CF_INIT_SETXATTR_EXT;
	size_t fixed = extended ? sizeof(struct cf_setxattr_in)
				: CF_COMPAT_SETXATTR_IN_SIZE;
	const struct cf_setxattr_in *in = op->arg;
	struct fd_name path = fd_name(op->inode->fd);
	const char *name = (const char *)op->arg + fixed, *value;
	size_t len = call_arg_len(op->call), name_len;
	int ret;

	if (len < fixed)
		return -EINVAL;
	len -= fixed;
	name_len = strnlen(name, len);
	if (name_len == len || in->size > len - name_len - 1)
		return -EINVAL;
	value = name + name_len + 1;
	ret = check(op, name);
	if (ret < 0)
		return ret;
	/* Linux before 5.13 does not tell whether an ACL takes S_ISGID off. */
	thread_keep_setid(op, extended ? !(in->setxattr_flags &
					   CF_SETXATTR_ACL_KILL_SGID)
				       : op->in->uid == 0);
	if (setxattr(path.text, name, value, in->size, (int)in->flags) < 0)
		return -errno;
	return 0;
}

ssize_t op_removexattr(struct op *op)
{
	struct fd_name path = fd_name(op->inode->fd);
	int ret = check(op, op->name);

	if (ret < 0)
		return ret;
	return removexattr(path.text, op->name) < 0 ? -errno : 0;
}
