/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ranges of one file, by start, so that those which overlap another are
 * found in logarithmic time: a treap that knows the greatest end below each
 * node. Nothing here recurs.
 */
#ifndef DIR_LOCK_TREE_H
#define DIR_LOCK_TREE_H

#include "lock_table.h"

struct lock_range {
	struct lock_range *left, *right, *up;
	uint64_t priority; /* random */
	uint64_t last;	   /* the greatest end from here down */

	uint64_t start, end; /* inclusive; not changed while in the tree */
	int type;	     /* of this machine, never F_UNLCK */
	uint32_t pid;
	struct lock_owner *owner;
	struct lock_range *next, **at; /* of the same owner */
	struct wait_list waiters;
};

void tree_insert(struct lock_range **root, struct lock_range *range);
void tree_remove(struct lock_range **root, struct lock_range *range);

/* The first that overlaps START to END, and the one behind AT; NULL: none. */
struct lock_range *tree_first(struct lock_range *root, uint64_t start,
			      uint64_t end);
struct lock_range *tree_next(struct lock_range *at, uint64_t start,
			     uint64_t end);

#endif
