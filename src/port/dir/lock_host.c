// SPDX-License-Identifier: BSD-2-Clause
#include "lock_host.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

struct lock_owner {
	struct lock_owner *next;
	uint64_t owner;
	int fd;
};

static struct lock_owner *find_owner(const struct lock_file *file,
				     uint64_t owner)
{
	struct lock_owner *at = file->owners;

	while (at && at->owner != owner)
		at = at->next;
	return at;
}

/* Its description of the file, opened if there is none yet; or -errno. */
static int owner_fd(struct dir *dir, struct inode *inode, uint64_t owner)
{
	struct lock_owner *found = find_owner(&inode->locks, owner);
	int fd;

	if (found)
		return found->fd;
	fd = inode_reopen(dir, inode,
			  dir->options->readonly ? O_RDONLY : O_RDWR);
	if (fd == -EACCES || fd == -EROFS || fd == -EPERM || fd == -ETXTBSY)
		fd = inode_reopen(dir, inode, O_RDONLY);
	if (fd == -EACCES)
		fd = inode_reopen(dir, inode, O_WRONLY);
	if (fd < 0)
		return fd;
	found = malloc(sizeof(*found));
	if (!found) {
		close(fd);
		return -ENOLCK;
	}
	*found = (struct lock_owner){ inode->locks.owners, owner, fd };
	inode->locks.owners = found;
	return fd;
}

static struct flock flock_of(const struct lock_range *range)
{
	return (struct flock){
		.l_type = (short)range->type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)range->start,
		.l_len = range->end == INT64_MAX
				 ? 0
				 : (off_t)(range->end - range->start + 1),
	};
}

int host_lock(struct dir *dir, struct inode *inode,
	      const struct lock_range *wanted)
{
	struct flock lock = flock_of(wanted);
	int fd;

	if (wanted->type == F_UNLCK &&
	    !find_owner(&inode->locks, wanted->owner))
		return 0;
	fd = owner_fd(dir, inode, wanted->owner);
	if (fd < 0)
		return fd;
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	switch (errno) {
	case EACCES:
	case EAGAIN:
		return -EAGAIN;
	case EBADF:  /* it may not be opened like that: see owner_fd() */
	case EINVAL: /* no such locks here: only the client's own count */
	case EOPNOTSUPP:
	case ENOSYS:
		return 0;
	default:
		return -errno;
	}
}

void host_get(struct dir *dir, struct inode *inode, struct lock_range *lock)
{
	struct flock found = flock_of(lock);
	int fd = owner_fd(dir, inode, lock->owner);

	if (fd < 0 || fcntl(fd, F_OFD_GETLK, &found) < 0 ||
	    found.l_type == F_UNLCK) {
		lock->type = F_UNLCK;
		return;
	}
	lock->type = found.l_type;
	lock->start = (uint64_t)found.l_start;
	lock->end = found.l_len ? (uint64_t)(found.l_start + found.l_len - 1)
				: INT64_MAX;
	/* The number of a process of the host means nothing to the client. */
	lock->pid = 0;
}

void host_owner_gone(struct lock_file *file, uint64_t owner)
{
	struct lock_owner **at = &file->owners, *found;

	while (*at && (*at)->owner != owner)
		at = &(*at)->next;
	found = *at;
	if (!found)
		return;
	*at = found->next;
	close(found->fd);
	free(found);
}

void host_all_gone(struct lock_file *file)
{
	while (file->owners)
		host_owner_gone(file, file->owners->owner);
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
