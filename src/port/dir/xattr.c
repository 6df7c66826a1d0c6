// SPDX-License-Identifier: BSD-2-Clause
/*
 * Extended attributes. There is no call that takes an O_PATH descriptor: they
 * are named as what they are in /proc/self/fd, the working directory of every
 * thread that comes here.
 */
#include "internal.h"
#include "xattrmap.h"
#include <errno.h>
#include <linux/capability.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

static bool starts_with(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Where the client does not enforce ACLs it must not see or set them. */
static bool is_foreign_acl(const struct op *op, const char *name)
{
	return starts_with(name, "system.posix_acl_") &&
	       !(op->dir->agreed.flags & CF_INIT_POSIX_ACL);
}

/* Before any call: *RET_NAME is the host's form of NAME. */
static int enter(struct op *op, const char *name, struct xattr_name *ret_name)
{
	int ret;

	if (!op->dir->options->xattr)
		return -ENOSYS;
	ret = xattrmap_to_host(op->dir->options->xattrmap, name, ret_name);
	if (ret < 0)
		return ret;
	if (is_foreign_acl(op, ret_name->text))
		return -EOPNOTSUPP;
	return thread_enter_proc(op->dir);
}

/*
 * The host's answer to a change. The client has checked that its caller may:
 * where the server itself may not, there are no such attributes.
 */
static int result_of_change(const struct op *op, const char *name, int ret)
{
	if (ret == 0)
		return 0;
	if (errno == EPERM && starts_with(name, "security.") &&
	    !(op->dir->caps &
	      1ull << (strcmp(name, "security.capability") ? CAP_SYS_ADMIN
							   : CAP_SETFCAP)))
		return -EOPNOTSUPP;
	return -errno;
}

/* LEN bytes of BUF; or, if the client asked how many they are, their number. */
static ssize_t reply(struct op *op, uint32_t asked, ssize_t len)
{
	struct cf_getxattr_out *out = call_out_arg(op->call);

	if (asked)
		return len;
	*out = (struct cf_getxattr_out){ .size = (uint32_t)len };
	return sizeof(*out);
}

/* Where SIZE bytes go, no more than there can be; NULL with SIZE 0. */
static int reserve(struct op *op, uint32_t *size, char **ret_buf)
{
	char *buf = NULL;

	if (*size > XATTR_SIZE_MAX)
		*size = XATTR_SIZE_MAX;
	if (*size) {
		buf = call_reserve(op->call, *size);
		if (!buf)
			return -ENOMEM;
	}
	*ret_buf = buf;
	return 0;
}

ssize_t op_getxattr(struct op *op)
{
	const struct cf_getxattr_in *in = op->arg;
	struct fd_name path = fd_name(op->inode->fd);
	uint32_t size = in->size;
	struct xattr_name name;
	char *buf = NULL;
	ssize_t ret;

	ret = enter(op, op->name, &name);
	if (ret == 0)
		ret = reserve(op, &size, &buf);
	if (ret < 0)
		return ret;
	ret = getxattr(path.text, name.text, buf, size);
	return ret < 0 ? -errno : reply(op, size, ret);
}

/*
 * The client's form of a name that the host lists; NULL: it is not for this
 * caller. Linux itself leaves "trusted." out for whoever is not the superuser.
 */
static const char *shown_name(const struct op *op, const char *name)
{
	if (is_foreign_acl(op, name))
		return NULL;
	name = xattrmap_to_client(op->dir->options->xattrmap, name);
	if (name && op->in->uid && starts_with(name, "trusted."))
		return NULL;
	return name;
}

/* What of LIST, LEN bytes, the client sees, to the front of it; its length. */
static size_t filter_list(const struct op *op, char *list, size_t len)
{
	size_t kept = 0;

	for (size_t at = 0; at < len;) {
		const char *name = shown_name(op, list + at);
		size_t name_len;

		at += strnlen(list + at, len - at) + 1;
		if (!name || !*name)
			continue;
		name_len = strlen(name) + 1;
		memmove(list + kept, name, name_len);
		kept += name_len;
	}
	return kept;
}

ssize_t op_listxattr(struct op *op)
{
	const struct cf_getxattr_in *in = op->arg;
	struct fd_name path = fd_name(op->inode->fd);
	uint32_t size = in->size;
	ssize_t ret;
	char *list;

	if (!op->dir->options->xattr)
		return -ENOSYS;
	ret = thread_enter_proc(op->dir);
	if (ret < 0)
		return ret;
	list = call_reserve(op->call, XATTR_LIST_MAX + 1);
	if (!list)
		return -ENOMEM;
	ret = listxattr(path.text, list, XATTR_LIST_MAX);
	if (ret < 0)
		return -errno;
	list[ret] = '\0';
	ret = (ssize_t)filter_list(op, list, (size_t)ret);
	if (size && (size_t)ret > size)
		return -ERANGE;
	return reply(op, size, ret);
}

ssize_t op_setxattr(struct op *op)
{
	bool extended = op->dir->agreed.flags & CF_INIT_SETXATTR_EXT;
	const struct cf_setxattr_in *in = op->arg;
	struct fd_name path = fd_name(op->inode->fd);
	struct xattr_name host;
	int ret = enter(op, op->name, &host);

	if (ret < 0)
		return ret;
	/* Linux before 5.13 does not tell whether an ACL takes S_ISGID off. */
	ret = thread_keep_setid(op, extended ? !(in->setxattr_flags &
						 CF_SETXATTR_ACL_KILL_SGID)
					     : op->in->uid == 0);
	if (ret < 0)
		return ret;
	ret = setxattr(path.text, host.text, op->rest, in->size,
		       (int)in->flags);
	return result_of_change(op, host.text, ret);
}

ssize_t op_removexattr(struct op *op)
{
	struct fd_name path = fd_name(op->inode->fd);
	struct xattr_name name;
	int ret = enter(op, op->name, &name);

	if (ret < 0)
		return ret;
	ret = removexattr(path.text, name.text);
	return result_of_change(op, name.text, ret);
}

int xattr_label(struct op *op, int fd, const char *name, const void *value,
		size_t len)
{
	struct fd_name path = fd_name(fd);
	struct xattr_name host;
	int ret;

	ret = xattrmap_to_host(op->dir->options->xattrmap, name, &host);
	if (ret == 0)
		ret = thread_enter_proc(op->dir);
	if (ret == 0 && setxattr(path.text, host.text, value, len, 0) < 0)
		ret = -errno;
	return op->dir->options->security_label == TOGGLE_AUTO ? 0 : ret;
}

bool xattr_can_label(const struct dir *dir)
{
	const struct xattrmap *map = dir->options->xattrmap;
	struct fd_name path = fd_name(dir->root->fd);
	struct xattr_name host;

	if (!dir->options->xattr ||
	    xattrmap_to_host(map, "security.selinux", &host) < 0 ||
	    thread_enter_proc(dir) < 0)
		return false;
	/* Without SELinux they are attributes as others, for the superuser. */
	return !starts_with(host.text, "security.") ||
	       dir->caps & 1ull << CAP_SYS_ADMIN ||
	       getxattr(path.text, host.text, NULL, 0) >= 0;
}

void xattr_drop_capability(const struct op *op, int fd)
{
	const struct xattrmap *map = op->dir->options->xattrmap;
	struct fd_name path = fd_name(fd);
	struct xattr_name host;

	if (!map || xattrmap_to_host(map, "security.capability", &host) < 0 ||
	    strcmp(host.text, "security.capability") == 0)
		return;
	if (thread_enter_proc(op->dir) == 0)
		removexattr(path.text, host.text);
}
