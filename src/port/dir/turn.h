/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file system below the share that does not answer keeps a thread for each
 * request, in the kernel, for as long as it likes. So only some may be under
 * way there at a time; what comes then waits without a thread, and the rest of
 * the share goes on.
 */
#ifndef DIR_TURN_H
#define DIR_TURN_H

#include <pthread.h>
#include <stdbool.h>

struct call;
struct dir;
struct mount;
struct turn;

/* Under way on one file system below the share, and on all of them. */
#define TURNS_OF_MOUNT 16
#define TURNS_OF_ALL   48

struct turns {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t thread; /* runs what has waited */
	bool started;	  /* it is there */
	bool closing;
	bool cancelled;	      /* nothing waits, until reset */
	unsigned int running; /* on all */
	struct turn *first;   /* of those that wait */
};

void turns_init(struct turns *turns);
/* No call is under way. */
void turns_destroy(struct turns *turns);

/*
 * Whether CALL may run now, to be followed by turn_end() unless *RET_MOUNT is
 * NULL; else it runs, or is ended, later.
 */
bool turn_begin(struct dir *dir, struct call *call, struct mount **ret_mount);
void turn_end(struct dir *dir, struct mount *mount);

/* Ends the calls that wait with EINTR, also those that come, until reset. */
void turns_cancel(struct dir *dir);
void turns_reset(struct dir *dir);

#endif
