/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The O_PATH descriptors of files that the client knows: a bounded number, in
 * front of the handles or names by which such a file is opened again. Those
 * that no request used for a while are closed, and the others when descriptors
 * run out.
 */
#ifndef DIR_CACHE_H
#define DIR_CACHE_H

#include "mount.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct dir;
struct inode;
struct inode_shard;

/* Those of one shard and class; a hand goes round. */
struct cache_ring {
	struct inode **at;
	uint32_t count, room, hand;
};

struct cache {
	atomic_long counts[MOUNT_CLASSES];
	long most;   /* of all that can be closed at any time */
	int highest; /* a descriptor from here on is the monitor's reserve */
	_Atomic uint32_t turn; /* the shard to look at next */
	_Atomic bool scarce;   /* the reserve was reached */
	_Atomic bool told;     /* the log has said so */

	pthread_mutex_t mutex;
	pthread_cond_t wake;
	pthread_t sweeper;
	bool sweeping, ending;
};

int cache_init(struct dir *dir);
void cache_destroy(struct dir *dir);

/*
 * The O_PATH descriptor of INODE, which the caller holds: it stays open at
 * least as long as that. -ESTALE: the file is not to be found any more; or
 * another error.
 */
int inode_fd(struct dir *dir, struct inode *inode);
/* Closes it, if it can be found again and only the caller holds INODE. */
bool inode_shut(struct dir *dir, struct inode *inode);

/* With the lock of the inode's shard held. 0 or -ENOMEM. */
int cache_add(struct dir *dir, struct inode_shard *shard, struct inode *inode);
void cache_remove(struct dir *dir, struct inode_shard *shard,
		  struct inode *inode);
/* As many of CLASS as are open, counted for the sweeper. */
void cache_count(struct dir *dir, enum mount_class class, int change);
/* Closes some while there are too many. */
void cache_trim(struct dir *dir);

/*
 * *FD is what a system call gave that opens something: whether to try again,
 * since others were closed; if not, *FD is a descriptor or -errno, -ENFILE if
 * there are no more.
 */
bool descriptor_again(struct dir *dir, int *fd);
/* An openat() with O_CLOEXEC that tries again. */
int descriptor_openat(struct dir *dir, int at, const char *name, int flags);
/* FD was opened by a call that cannot be made again. */
void descriptor_check(struct dir *dir, int fd);
/*
 * Before a call that makes a file and opens it: sees to it that a descriptor
 * is left, so that the file is not made for nothing. 0 or -ENFILE.
 */
int descriptor_ready(struct dir *dir);

#endif
