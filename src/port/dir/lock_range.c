// SPDX-License-Identifier: BSD-2-Clause
#include "lock_range.h"
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <unistd.h>

/* A client can make as many as it likes: up to here. */
#define MOST_RANGES (1u << 20)

static atomic_uint ranges_now;

static struct lock_range *range_new(void)
{
	struct lock_range *range;

	if (atomic_fetch_add(&ranges_now, 1) < MOST_RANGES) {
		range = calloc(1, sizeof(*range));
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

void wait_append(struct wait_list *list, struct lock_waiter *waiter)
{
	if (!list->first)
		list->last = &list->first;
	waiter->list = list;
	waiter->next = NULL;
	waiter->at = list->last;
	*list->last = waiter;
	list->last = &waiter->next;
}

void wait_remove(struct lock_waiter *waiter)
{
	*waiter->at = waiter->next;
	if (waiter->next)
		waiter->next->at = waiter->at;
	else
		waiter->list->last = waiter->at;
	waiter->next = NULL;
	waiter->list = NULL;
}

static void wait_move(struct lock_waiter *waiter, struct wait_list *to)
{
	wait_remove(waiter);
	wait_append(to, waiter);
}

void wait_move_all(struct wait_list *from, struct wait_list *to)
{
	while (from->first)
		wait_move(from->first, to);
}

bool range_conflicts(const struct lock_range *range,
		     const struct lock_request *request)
{
	return range->owner->id != request->owner &&
	       range->start <= request->end && request->start <= range->end &&
	       (range->type == F_WRLCK || request->type == F_WRLCK);
}

struct lock_range *range_conflict(struct lock_file *file,
				  const struct lock_request *request)
{
	struct lock_range *range = file->latest;

	/* Who got the lock that many waited for is in the way of the rest. */
	if (range && range_conflicts(range, request))
		return range;
	range = tree_first(file->ranges, request->start, request->end);
	while (range) {
		file->visits++;
		if (range_conflicts(range, request))
			break;
		range = tree_next(range, request->start, request->end);
	}
	return range;
}

static void link_range(struct lock_file *file, struct lock_owner *owner,
		       struct lock_range *range)
{
	range->owner = owner;
	range->next = owner->ranges;
	range->at = &owner->ranges;
	if (range->next)
		range->next->at = &range->next;
	owner->ranges = range;
	tree_insert(&file->ranges, range);
}

/* Takes a range out for good; nobody waits for it. */
static void drop_range(struct lock_file *file, struct lock_range *range)
{
	tree_remove(&file->ranges, range);
	*range->at = range->next;
	if (range->next)
		range->next->at = range->at;
	if (file->latest == range)
		file->latest = NULL;
	range_free(range);
}

/* START to END of RANGE became free, or its type changed. */
static void wake(struct lock_file *file, struct lock_range *range,
		 uint64_t start, uint64_t end, struct wait_list *woken)
{
	struct lock_waiter *waiter, *next;

	for (waiter = range->waiters.first; waiter; waiter = next) {
		next = waiter->next;
		file->visits++;
		if (waiter->request.start <= end &&
		    waiter->request.end >= start)
			wait_move(waiter, woken);
	}
}

/* Gives what is behind END to a range of its own, with who waits for it. */
static void split(struct lock_file *file, struct lock_range *range,
		  struct lock_range *rest, uint64_t end)
{
	struct lock_waiter *waiter, *next;

	rest->start = end + 1;
	rest->end = range->end;
	rest->type = range->type;
	rest->pid = range->pid;
	for (waiter = range->waiters.first; waiter; waiter = next) {
		next = waiter->next;
		if (waiter->request.start > end)
			wait_move(waiter, &rest->waiters);
	}
	link_range(file, range->owner, rest);
}

/* Takes START to END out of RANGE; what is left may be two pieces. */
static void cut(struct lock_file *file, struct lock_range *range,
		uint64_t start, uint64_t end, struct range_spare *spare,
		struct wait_list *woken)
{
	bool before = range->start<start, behind = range->end> end;

	wake(file, range, start, end, woken);
	if (!before && !behind) {
		drop_range(file, range);
		return;
	}
	tree_remove(&file->ranges, range);
	if (before && behind) {
		split(file, range, spare->second, end);
		spare->second = NULL;
	}
	if (before)
		range->end = start - 1;
	else
		range->start = end + 1;
	tree_insert(&file->ranges, range);
}

/* RANGE becomes a part of INTO, which is of the same type. */
static void join(struct lock_file *file, struct lock_range *range,
		 struct lock_range *into)
{
	if (range->start < into->start)
		into->start = range->start;
	if (range->end > into->end)
		into->end = range->end;
	wait_move_all(&range->waiters, &into->waiters);
	drop_range(file, range);
}

void range_set(struct lock_file *file, struct lock_owner *owner,
	       const struct lock_request *request, struct range_spare *spare,
	       struct wait_list *woken)
{
	uint64_t start = request->start, end = request->end;
	uint64_t from = start ? start - 1 : 0, to = end + 1;
	struct lock_range *set = spare->first, *range, *next;

	set->start = start;
	set->end = end;
	set->type = request->type;
	set->pid = request->pid;
	for (range = tree_first(file->ranges, from, to); range; range = next) {
		next = tree_next(range, from, to);
		file->visits++;
		if (range->owner != owner)
			continue;
		if (range->type == request->type)
			join(file, range, set);
		else if (range->start <= end && range->end >= start)
			cut(file, range, start, end, spare, woken);
	}
	if (request->type == F_UNLCK)
		return;
	spare->first = NULL;
	link_range(file, owner, set);
	file->latest = set;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

struct lock_owner *owner_find(struct lock_file *file, uint64_t id)
{
	struct lock_owner **found = tfind(&id, &file->owners, compare);

	return found ? *found : NULL;
}

struct lock_owner *owner_new(struct lock_file *file, uint64_t id, int fd,
			     struct lock_handle *handle)
{
	struct lock_owner *owner = calloc(1, sizeof(*owner));

	if (!owner)
		return NULL;
	owner->id = id;
	owner->fd = fd;
	if (!tsearch(owner, &file->owners, compare)) {
		free(owner);
		return NULL;
	}
	owner->next = handle->owners;
	owner->at = &handle->owners;
	if (owner->next)
		owner->next->at = &owner->next;
	handle->owners = owner;
	return owner;
}

void owner_drop(struct lock_file *file, struct lock_owner *owner,
		struct wait_list *woken)
{
	while (owner->ranges) {
		wake(file, owner->ranges, 0, INT64_MAX, woken);
		drop_range(file, owner->ranges);
	}
	*owner->at = owner->next;
	if (owner->next)
		owner->next->at = owner->at;
	tdelete(owner, &file->owners, compare);
	close(owner->fd);
	free(owner);
}

bool flock_conflicts(const struct lock_file *file, const struct handle *handle,
		     int type)
{
	const struct handle *exclusive = file->flock_exclusive;
	unsigned int mine = handle->locks.flock == F_RDLCK;

	if (type == F_UNLCK)
		return false;
	return (exclusive && exclusive != handle) ||
	       (type == F_WRLCK && file->flock_shared > mine);
}

void flock_set(struct lock_file *file, struct handle *handle, int type,
	       struct wait_list *woken)
{
	int old = handle->locks.flock;

	handle->locks.flock = type;
	if (old == F_RDLCK)
		file->flock_shared--;
	else if (old == F_WRLCK)
		file->flock_exclusive = NULL;
	if (type == F_RDLCK)
		file->flock_shared++;
	else if (type == F_WRLCK)
		file->flock_exclusive = handle;
	if (old != F_UNLCK && old != type)
		wait_move_all(&file->flock_waiters, woken);
}
