// SPDX-License-Identifier: BSD-2-Clause
/* The ioctls that read and set the attributes of a file; no other. */
#include "internal.h"
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

/* Their numbers hold the size of the client's long, their argument is an int. */
#define GETFLAGS_32 _IOR('f', 1, uint32_t)
#define GETFLAGS_64 _IOR('f', 1, uint64_t)
#define SETFLAGS_32 _IOW('f', 2, uint32_t)
#define SETFLAGS_64 _IOW('f', 2, uint64_t)

struct command {
	unsigned long cmd; /* of this machine */
	size_t size;
	bool sets;
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

static ssize_t run(struct op *op, const struct cf_ioctl_in *in,
		   const struct command *command, int fd)
{
	struct cf_ioctl_out *out;
	union {
		int flags;
		struct fsxattr xattr;
		long align;
	} value = { .xattr = { 0 } };
	size_t out_size = command->sets ? 0 : in->out_size;

	if (command->sets) {
		if (in->in_size < command->size || op->rest_len < command->size)
			return -EINVAL;
		memcpy(&value, op->rest, command->size);
	}
	if (ioctl(fd, command->cmd, &value) < 0)
		return -errno;
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
	ret = run(op, in, &command, handle->fd);
	handle_put(op->dir, handle);
	return ret;
}
