// SPDX-License-Identifier: BSD-2-Clause
#include "lock_tree.h"
#include "hash.h"
#include <stddef.h>

static uint64_t last_below(const struct lock_range *range)
{
	uint64_t last = range->end;

	if (range->left && range->left->last > last)
		last = range->left->last;
	if (range->right && range->right->last > last)
		last = range->right->last;
	return last;
}

/* What points to RANGE. */
static struct lock_range **link_of(struct lock_range **root,
				   struct lock_range *range)
{
	if (!range->up)
		return root;
	return range->up->left == range ? &range->up->left : &range->up->right;
}

/* Puts CHILD in the place of its parent, which goes below it. */
static void rotate_up(struct lock_range **root, struct lock_range *child)
{
	struct lock_range *parent = child->up, *moved;

	*link_of(root, parent) = child;
	child->up = parent->up;
	if (parent->left == child) {
		moved = child->right;
		parent->left = moved;
		child->right = parent;
	} else {
		moved = child->left;
		parent->right = moved;
		child->left = parent;
	}
	if (moved)
		moved->up = parent;
	parent->up = child;
	parent->last = last_below(parent);
	child->last = last_below(child);
}

void tree_insert(struct lock_range **root, struct lock_range *range)
{
	struct lock_range **link = root, *up = NULL;

	while (*link) {
		up = *link;
		if (up->last < range->end)
			up->last = range->end;
		link = range->start < up->start ? &up->left : &up->right;
	}
	range->left = NULL;
	range->right = NULL;
	range->up = up;
	range->last = range->end;
	range->priority = hash_pair((uintptr_t)range, range->start);
	*link = range;
	while (range->up && range->up->priority < range->priority)
		rotate_up(root, range);
}

void tree_remove(struct lock_range **root, struct lock_range *range)
{
	struct lock_range *up;

	while (range->left || range->right) {
		struct lock_range *left = range->left, *right = range->right;

		if (!right || (left && left->priority > right->priority))
			rotate_up(root, left);
		else
			rotate_up(root, right);
	}
	*link_of(root, range) = NULL;
	for (up = range->up; up; up = up->up)
		up->last = last_below(up);
}

/* The first from NODE down, of which one reaches START. */
static struct lock_range *first_below(struct lock_range *node, uint64_t start,
				      uint64_t end)
{
	while (node) {
		/* If the last of these begins too late, all behind it do. */
		if (node->left && node->left->last >= start) {
			node = node->left;
			continue;
		}
		if (node->start > end)
			return NULL;
		if (node->end >= start)
			return node;
		node = node->right;
		if (node && node->last < start)
			return NULL;
	}
	return NULL;
}

struct lock_range *tree_first(struct lock_range *root, uint64_t start,
			      uint64_t end)
{
	if (!root || root->last < start)
		return NULL;
	return first_below(root, start, end);
}

struct lock_range *tree_next(struct lock_range *at, uint64_t start,
			     uint64_t end)
{
	struct lock_range *from;

	for (;;) {
		if (at->right && at->right->last >= start)
			return first_below(at->right, start, end);
		do {
			from = at;
			at = at->up;
			if (!at)
				return NULL;
		} while (from == at->right);
		if (at->start > end)
			return NULL;
		if (at->end >= start)
			return at;
	}
}
