// SPDX-License-Identifier: BSD-2-Clause
/* Ranges of bytes with their owners: what POSIX says of them. */
#include "lock_range.h"
#include "lock_table.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

/* A client can make as many as it likes: up to here. */
#define MOST_RANGES (1u << 20)

static atomic_uint ranges_now;

static struct lock_range *range_new(void)
{
	struct lock_range *range;

	if (atomic_fetch_add(&ranges_now, 1) < MOST_RANGES) {
		range = malloc(sizeof(*range));
		if (range)
			return range;
	}
	atomic_fetch_sub(&ranges_now, 1);
	return NULL;
}

static void range_free(struct lock_range *range)
{
	if (!range)
		return;
	atomic_fetch_sub(&ranges_now, 1);
	free(range);
}

static bool overlap(const struct lock_range *a, const struct lock_range *b)
{
	return a->start <= b->end && b->start <= a->end;
}

bool ranges_conflict(const struct lock_range *a, const struct lock_range *b)
{
	return a->owner != b->owner && overlap(a, b) &&
	       (a->type == F_WRLCK || b->type == F_WRLCK);
}

const struct lock_range *range_conflict(const struct lock_file *file,
					const struct lock_range *wanted)
{
	const struct lock_range *range;

	for (range = file->ranges; range; range = range->next)
		if (ranges_conflict(range, wanted))
			return range;
	return NULL;
}

bool range_owner_of(const struct lock_file *file, uint64_t fh,
		    uint64_t *ret_owner)
{
	const struct lock_range *range;

	for (range = file->ranges; range; range = range->next)
		if (range->fh == fh) {
			*ret_owner = range->owner;
			return true;
		}
	return false;
}

void range_free_all(struct lock_file *file)
{
	struct lock_range *range;

	while ((range = file->ranges)) {
		file->ranges = range->next;
		range_free(range);
	}
}

int range_spare(struct range_spare *spare)
{
	spare->first = range_new();
	spare->second = range_new();
	if (spare->first && spare->second)
		return 0;
	range_spare_free(spare);
	return -ENOLCK;
}

void range_spare_free(struct range_spare *spare)
{
	range_free(spare->first);
	range_free(spare->second);
	spare->first = NULL;
	spare->second = NULL;
}

/*
 * Takes WANTED's bytes out of RANGE, of the same owner; false if nothing of
 * it is left. What is left may be two pieces.
 */
static bool cut(struct lock_file *file, struct lock_range *range,
		const struct lock_range *wanted, struct range_spare *spare)
{
	struct lock_range *rest;

	if (range->start < wanted->start && range->end > wanted->end) {
		rest = spare->second;
		spare->second = NULL;
		*rest = *range;
		rest->start = wanted->end + 1;
		rest->next = file->ranges;
		file->ranges = rest;
		range->end = wanted->start - 1;
	} else if (range->start < wanted->start) {
		range->end = wanted->start - 1;
	} else if (range->end > wanted->end) {
		range->start = wanted->end + 1;
	} else {
		return false;
	}
	return true;
}

void range_set(struct lock_file *file, const struct lock_range *wanted,
	       struct range_spare *spare)
{
	struct lock_range **at = &file->ranges, *range;

	while ((range = *at)) {
		if (range->owner == wanted->owner && overlap(range, wanted) &&
		    !cut(file, range, wanted, spare)) {
			/* CUT put nothing in front of what AT points to. */
			*at = range->next;
			range_free(range);
			continue;
		}
		at = &range->next;
	}
	if (wanted->type == F_UNLCK)
		return;
	range = spare->first;
	spare->first = NULL;
	*range = *wanted;
	range->next = file->ranges;
	file->ranges = range;
}

const struct lock_flock *flock_conflict(const struct lock_file *file,
					const struct lock_flock *mine, int type)
{
	const struct lock_flock *flock;

	for (flock = file->flocks; flock; flock = flock->next)
		if (flock != mine && flock->type != F_UNLCK &&
		    (flock->type == F_WRLCK || type == F_WRLCK))
			return flock;
	return NULL;
}

void flock_set(struct lock_file *file, struct lock_flock *flock, int type)
{
	struct lock_flock **at = &file->flocks;

	if (flock->type == F_UNLCK && type != F_UNLCK) {
		flock->next = file->flocks;
		file->flocks = flock;
	} else if (flock->type != F_UNLCK && type == F_UNLCK) {
		while (*at != flock)
			at = &(*at)->next;
		*at = flock->next;
	}
	flock->type = type;
}
