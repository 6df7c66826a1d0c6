/* SPDX-License-Identifier: BSD-2-Clause */
/* Getting the locks of one file, at once or when they become free. */
#ifndef DIR_LOCK_FILE_H
#define DIR_LOCK_FILE_H

#include "internal.h"
#include "lock_range.h"

/* The locks of INODE; NULL if it never had any. */
static inline struct lock_file *lock_file_of(struct inode *inode)
{
	return atomic_load_explicit(&inode->locks, memory_order_acquire);
}

/* The same, made if need be; NULL: no memory. */
struct lock_file *lock_file_get(struct inode *inode);
void lock_file_free(struct lock_file *file);

/*
 * With the file's mutex held. Tries to get what is wanted now: 0, or why it
 * never will, or -EAGAIN and the list in which to wait for it. What was let
 * go on the way wakes others.
 */
int lock_file_try(struct dir *dir, struct lock_file *file,
		  const struct lock_request *request, struct wait_list *woken,
		  struct wait_list **ret_list);

/* Lets WAITER wait in LIST, which lock_file_try() told. */
void lock_file_wait(struct dir *dir, struct lock_file *file,
		    struct wait_list *list, struct lock_waiter *waiter);

/* As in the kernel, flock() lets go what it has before it tries another. */
void lock_file_let_go(struct lock_file *file, struct handle *handle, int type,
		      struct wait_list *woken);

/*
 * Tries all in WOKEN again, in order. Those that end are put into *DONE, for
 * lock_answer() when no mutex is held.
 */
void lock_file_retry(struct dir *dir, struct lock_file *file,
		     struct wait_list *woken, struct lock_waiter **done);

#endif
