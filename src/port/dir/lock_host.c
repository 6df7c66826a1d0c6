// SPDX-License-Identifier: BSD-2-Clause
#include "lock_host.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

int host_open(struct dir *dir, struct inode *inode)
{
	int fd;

	fd = inode_reopen(dir, inode,
			  dir->options->readonly ? O_RDONLY : O_RDWR);
	if (fd == -EACCES || fd == -EROFS || fd == -EPERM || fd == -ETXTBSY)
		fd = inode_reopen(dir, inode, O_RDONLY);
	if (fd == -EACCES)
		fd = inode_reopen(dir, inode, O_WRONLY);
	return fd;
}

static struct flock flock_of(const struct lock_request *request)
{
	uint64_t len = request->end - request->start + 1;

	return (struct flock){
		.l_type = (short)request->type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)request->start,
		.l_len = request->end == INT64_MAX ? 0 : (off_t)len,
	};
}

int host_lock(int fd, const struct lock_request *request)
{
	struct flock lock = flock_of(request);

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	switch (errno) {
	case EACCES:
	case EAGAIN:
		return -EAGAIN;
	case EBADF:  /* it may not be opened like that: see host_open() */
	case EINVAL: /* no such locks here: only the client's own count */
	case EOPNOTSUPP:
	case ENOSYS:
		return 0;
	default:
		return -errno;
	}
}

void host_get(int fd, const struct lock_request *request,
	      struct cf_file_lock *ret)
{
	struct flock found = flock_of(request);

	*ret = (struct cf_file_lock){
		.start = request->start,
		.end = request->end,
		.type = F_UNLCK,
	};
	if (fcntl(fd, F_OFD_GETLK, &found) < 0 || found.l_type == F_UNLCK)
		return;
	/* The number of a process of the host means nothing to the client. */
	ret->type = (uint32_t)found.l_type;
	ret->start = (uint64_t)found.l_start;
	ret->end = found.l_len ? (uint64_t)(found.l_start + found.l_len - 1)
			       : INT64_MAX;
}

int host_flock(int fd, int type)
{
	int operation = LOCK_UN;

	if (type == F_RDLCK)
		operation = LOCK_SH | LOCK_NB;
	else if (type == F_WRLCK)
		operation = LOCK_EX | LOCK_NB;
	return flock(fd, operation) < 0 ? -errno : 0;
}
