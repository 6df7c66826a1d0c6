/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks on the host for those of the client: an open file description for
 * each owner and file, with open-file-description locks.
 */
#ifndef DIR_LOCK_HOST_H
#define DIR_LOCK_HOST_H

#include "internal.h"
#include "lock_range.h"

/* A description of the file for one more owner; or -errno. */
int host_open(struct dir *dir, struct inode *inode);

/* -EAGAIN if the host, or another server, holds a lock against it. */
int host_lock(int fd, const struct lock_request *request);

/*
 * Fills *RET with what is held against it on the host, by others than those
 * who lock with FD; its type is F_UNLCK for nothing.
 */
void host_get(int fd, const struct lock_request *request,
	      struct cf_file_lock *ret);

/* A lock of the whole file, TYPE as for fcntl(). */
int host_flock(int fd, int type);

#endif
