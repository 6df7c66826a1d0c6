/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * File locks. The table here knows who of the client holds what, so that it
 * can tell, wait and find deadlocks; every lock is also taken on the host, so
 * that its programs and other servers of the same directory see it.
 *
 * A request that waits holds no thread: it is answered when its lock is free.
 */
#ifndef DIR_LOCK_H
#define DIR_LOCK_H

#include "internal.h"

void lock_table_init(struct lock_table *table);
/* No request waits any longer. */
void lock_table_reset(struct dir *dir);
/* The same; the inodes are still there. */
void lock_table_destroy(struct dir *dir);

/* Ends all requests that wait with EINTR, and those to come until a reset. */
void lock_cancel(struct dir *dir);
/* Ends the one with this unique. */
void lock_interrupt(struct dir *dir, uint64_t unique);

/* OWNER closed a file: its locks on it go. */
void lock_owner_gone(struct dir *dir, struct inode *inode, uint64_t owner);
/* HANDLE is closed: what came by it goes. */
void lock_handle_gone(struct dir *dir, struct handle *handle);
/* The last that knew INODE went. */
void lock_inode_gone(struct inode *inode);

#endif
