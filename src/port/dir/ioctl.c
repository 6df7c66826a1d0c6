// SPDX-License-Identifier: BSD-2-Clause
/* The ioctls that read and set the attributes of a file; no other. */
#include "internal.h"
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

/* Their number holds the size of a client's long; their argument is an int. */
#define GETFLAGS_32 _IOR('f', 1, uint32_t)
#define GETFLAGS_64 _IOR('f', 1, uint64_t)
#define SETFLAGS_32 _IOW('f', 2, uint32_t)
#define SETFLAGS_64 _IOW('f', 2, uint64_t)

struct command {
	unsigned long cmd; /* of this machine */
	size_t size;
	bool sets;
};

union value {
	int flags;
	struct fsxattr xattr;
};

static int find_command(uint32_t cmd, struct command *ret_command)
{
	switch (cmd) {
	case GETFLAGS_32:
	case GETFLAGS_64:
		*ret_command =
			(struct command){ FS_IOC_GETFLAGS, sizeof(int), false };
		return 0;
	case SETFLAGS_32:
	case SETFLAGS_64:
		*ret_command =
			(struct command){ FS_IOC_SETFLAGS, sizeof(int), true };
		return 0;
	case FS_IOC_FSGETXATTR:
		*ret_command = (struct command){ FS_IOC_FSGETXATTR,
						 sizeof(struct fsxattr),
						 false };
		return 0;
	case FS_IOC_FSSETXATTR:
		*ret_command = (struct command){ FS_IOC_FSSETXATTR,
						 sizeof(struct fsxattr), true };
		return 0;
	default:
		return -ENOTTY;
	}
}

/* The flags that both pairs of ioctls have. */
static const struct {
	int flag;
	uint32_t xflag;
} common[] = {
	{ FS_SYNC_FL, FS_XFLAG_SYNC },
	{ FS_IMMUTABLE_FL, FS_XFLAG_IMMUTABLE },
	{ FS_APPEND_FL, FS_XFLAG_APPEND },
	{ FS_NODUMP_FL, FS_XFLAG_NODUMP },
	{ FS_NOATIME_FL, FS_XFLAG_NOATIME },
	{ FS_DAX_FL, FS_XFLAG_DAX },
	{ FS_PROJINHERIT_FL, FS_XFLAG_PROJINHERIT },
};

#define COMMON (sizeof(common) / sizeof(*common))

static int get_by_flags(int fd, struct fsxattr *ret_xattr)
{
	int flags = 0;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return -errno;
	*ret_xattr = (struct fsxattr){ 0 };
	for (size_t i = 0; i < COMMON; i++)
		if (flags & common[i].flag)
			ret_xattr->fsx_xflags |= common[i].xflag;
	return 0;
}

static int set_by_flags(int fd, const struct fsxattr *xattr)
{
	uint32_t left = xattr->fsx_xflags;
	int flags = 0;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return -errno;
	for (size_t i = 0; i < COMMON; i++) {
		flags &= ~common[i].flag;
		if (left & common[i].xflag)
			flags |= common[i].flag;
		left &= ~common[i].xflag;
	}
	if (left || xattr->fsx_extsize || xattr->fsx_projid ||
	    xattr->fsx_cowextsize)
		return -EOPNOTSUPP;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 0;
}

/*
 * A client's kernel asks with the newer pair, also for programs that use the
 * older one; older kernels and file systems have the older one only.
 */
static int run(int fd, const struct command *command, union value *value)
{
	if (ioctl(fd, command->cmd, value) == 0)
		return 0;
	if (errno != ENOTTY && errno != ENOSYS)
		return -errno;
	if (command->cmd == FS_IOC_FSGETXATTR)
		return get_by_flags(fd, &value->xattr);
	if (command->cmd == FS_IOC_FSSETXATTR)
		return set_by_flags(fd, &value->xattr);
	return -ENOTTY;
}

/*
 * Linux checks since 5.13 that the caller owns the file, and what only the
 * superuser may; before that the server is relied upon. As the caller, then.
 */
static int set_as_caller(struct op *op, int fd, const struct command *command,
			 union value *value)
{
	const struct extensions none = { 0 };
	struct cred_scope scope;
	int ret;

	ret = cred_enter(op, &none, &scope);
	if (ret < 0)
		return ret;
	ret = run(fd, command, value);
	cred_leave(op, &scope);
	return ret;
}

static ssize_t run_and_reply(struct op *op, const struct command *command,
			     int fd)
{
	const struct cf_ioctl_in *in = op->arg;
	size_t out_size = command->sets ? 0 : in->out_size;
	union value value = { .xattr = { 0 } };
	struct cf_ioctl_out *out;
	int ret;

	if (command->sets) {
		if (in->in_size < command->size || op->rest_len < command->size)
			return -EINVAL;
		memcpy(&value, op->rest, command->size);
	}
	ret = command->sets ? set_as_caller(op, fd, command, &value)
			    : run(fd, command, &value);
	if (ret < 0)
		return ret;
	if (out_size > sizeof(value))
		out_size = sizeof(value);
	out = call_out_arg(op->call);
	*out = (struct cf_ioctl_out){ 0 };
	memcpy(out + 1, &value, out_size);
	return (ssize_t)(sizeof(*out) + out_size);
}

ssize_t op_ioctl(struct op *op)
{
	const struct cf_ioctl_in *in = op->arg;
	struct command command;
	struct handle *handle;
	ssize_t ret;

	ret = find_command(in->cmd, &command);
	if (ret < 0)
		return ret;
	if (command.sets && op->dir->options->readonly)
		return -EROFS;
	handle = handle_get(op->dir, in->fh);
	if (!handle)
		return -EBADF;
	ret = run_and_reply(op, &command, handle->fd);
	handle_put(op->dir, handle);
	return ret;
}
