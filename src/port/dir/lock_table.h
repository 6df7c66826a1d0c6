/* SPDX-License-Identifier: BSD-2-Clause */
/* The data of lock.c; only that file looks into it. */
#ifndef DIR_LOCK_TABLE_H
#define DIR_LOCK_TABLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct lock_range;
struct lock_owner;
struct lock_waiter;

/* A whole-file lock of one handle, as by flock(). */
struct lock_flock {
	int type;		 /* F_UNLCK: none; see handle_create() */
	struct lock_flock *next; /* of the same file */
};

/* The locks on one file. */
struct lock_file {
	_Atomic bool used; /* ever: most files are never locked */
	struct lock_range *ranges;
	struct lock_owner *owners;
	struct lock_flock *flocks;
};

#define LOCK_EARLY 16

struct lock_table {
	pthread_mutex_t mutex;	     /* of all locks of all files */
	struct lock_waiter *waiters; /* in the order they came */
	struct lock_waiter **last_waiter;
	bool cancelled; /* nobody may wait */
	/* Interrupts that came before what they interrupt. */
	uint64_t early[LOCK_EARLY];
	unsigned int next_early;

	/* Asks the host again, which does not tell when a lock is free. */
	pthread_t poller;
	pthread_cond_t wake;
	bool polling, ending;
};

#endif
