/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that wait for a lock: none of them holds a thread. */
#ifndef DIR_LOCK_WAIT_H
#define DIR_LOCK_WAIT_H

#include "lock_file.h"

/*
 * Lets op's call wait for REQUEST: OP_WAITS, or its end at once. Tries again
 * before it does.
 */
ssize_t lock_wait(struct op *op, const struct lock_request *request);

/* With its file's mutex held: WAITER, in no list, gets RESULT for an answer. */
void lock_end(struct lock_waiter *waiter, int result,
	      struct lock_waiter **done);

/* Answers and frees all in DONE. No mutex is held. */
void lock_answer(struct dir *dir, struct lock_waiter *done);

/* lock_poll.c, with a file's mutex held: somebody waits for the host. */
void lock_poll_add(struct dir *dir, struct lock_file *file);
int lock_poll_start(struct dir *dir);
void lock_poll_init(struct lock_poll *poll);
/* Nobody waits any longer: no inode is held when this returns. */
void lock_poll_reset(struct dir *dir);
void lock_poll_destroy(struct dir *dir);

#endif
