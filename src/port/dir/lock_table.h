/* SPDX-License-Identifier: BSD-2-Clause */
/* The data of the lock_*.c files; only they look into it. */
#ifndef DIR_LOCK_TABLE_H
#define DIR_LOCK_TABLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct handle;
struct inode;
struct lock_file;
struct lock_owner;
struct lock_range;
struct lock_waiter;

/* Those that wait for one thing, in the order they came. */
struct wait_list {
	struct lock_waiter *first, **last;
};

/* What one handle holds; under its file's mutex. */
struct lock_handle {
	int flock; /* as for fcntl(); F_UNLCK: none, see handle_create() */
	struct lock_owner *owners; /* that came by this handle first */
};

/* The locks on one file, made when it is first locked. */
struct lock_file {
	pthread_mutex_t mutex; /* of all that follows, of this file alone */
	struct inode *inode;
	struct lock_range *ranges; /* the root of lock_tree.h */
	struct lock_range *latest; /* the one set last; often in the way */
	void *owners;		   /* of tsearch(), by their number */
	uint64_t visits;	   /* ranges and waiters ever looked at */

	unsigned int flock_shared;
	struct handle *flock_exclusive;

	/* Each waits here, or for one range, or is to be tried again. */
	struct wait_list flock_waiters;
	struct wait_list host_waiters;

	struct lock_file *poll_next; /* under the poll's mutex */
	bool polled;		     /* it is in the poll's list */
};

/* The thread that asks the host again. */
struct lock_poll {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	pthread_t thread;
	struct lock_file *files; /* their inodes are held */
	bool running, asking, ending;
};

#define LOCK_EARLY   16
#define LOCK_BUCKETS 256

/*
 * All that wait, whatever the file. The order of mutexes: this one, one
 * file's, the poll's. A lock that is free takes only its file's, and none is
 * held when a call is answered.
 */
struct lock_table {
	pthread_mutex_t mutex;
	struct lock_waiter *buckets[LOCK_BUCKETS]; /* by owner */
	uint64_t searches;			   /* for a deadlock, ever */
	uint64_t visits; /* waiters looked at by them */
	bool cancelled;	 /* nobody may wait */
	/* Interrupts that came before what they interrupt. */
	struct lock_early {
		uint64_t unique;
		bool valid;
	} early[LOCK_EARLY];
	unsigned int next_early;

	struct lock_poll poll;
};

#endif
