/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks on the host for those of the client: an open file description for
 * each owner and file, with open-file-description locks.
 */
#ifndef DIR_LOCK_HOST_H
#define DIR_LOCK_HOST_H

#include "internal.h"
#include "lock_range.h"

/* -EAGAIN if the host, or another server, holds a lock against it. */
int host_lock(struct dir *dir, struct inode *inode,
	      const struct lock_range *wanted);

/* Fills *LOCK with what is held against it on the host; F_UNLCK: nothing. */
void host_get(struct dir *dir, struct inode *inode, struct lock_range *lock);

/* Ends all of OWNER's locks on the file. */
void host_owner_gone(struct lock_file *file, uint64_t owner);
void host_all_gone(struct lock_file *file);

/* A lock of the whole file, TYPE as for fcntl(). */
int host_flock(int fd, int type);

#endif
