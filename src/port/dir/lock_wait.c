// SPDX-License-Identifier: BSD-2-Clause
#include "lock_wait.h"
#include "hash.h"
#include "lock.h"
#include <errno.h>
#include <stdlib.h>

/*
 * A search for a deadlock follows at most so many locks in the way of
 * waiters. It holds up other requests that begin to wait, so it has an end.
 */
#define MOST_VISITS (1u << 20)

static struct lock_waiter **bucket_of(struct lock_table *table, uint64_t owner)
{
	return &table->buckets[hash_pair(owner, 0) % LOCK_BUCKETS];
}

static void hash_add(struct lock_table *table, struct lock_waiter *waiter)
{
	struct lock_waiter **at = bucket_of(table, waiter->request.owner);

	waiter->hash_at = at;
	waiter->hash_next = *at;
	if (*at)
		(*at)->hash_at = &waiter->hash_next;
	*at = waiter;
}

static void hash_remove(struct lock_waiter *waiter)
{
	*waiter->hash_at = waiter->hash_next;
	if (waiter->hash_next)
		waiter->hash_next->hash_at = waiter->hash_at;
}

void lock_end(struct lock_waiter *waiter, int result, struct lock_waiter **done)
{
	waiter->ended = true;
	waiter->result = result;
	waiter->next = *done;
	*done = waiter;
}

static struct lock_file *file_of(const struct lock_waiter *waiter)
{
	return lock_file_of(waiter->request.handle->inode);
}

/* Ends WAITER unless it has ended; with the table's mutex held. */
static void end_early(struct lock_waiter *waiter, int result,
		      struct lock_waiter **done)
{
	struct lock_file *file = file_of(waiter);

	pthread_mutex_lock(&file->mutex);
	if (!waiter->ended) {
		wait_remove(waiter);
		lock_end(waiter, result, done);
	}
	pthread_mutex_unlock(&file->mutex);
}

/* They were put there last first: gives them in the order they ended. */
static struct lock_waiter *in_order(struct lock_waiter *done)
{
	struct lock_waiter *first = NULL, *next;

	for (; done; done = next) {
		next = done->next;
		done->next = first;
		first = done;
	}
	return first;
}

/* From here on no search sees them. */
static void forget(struct lock_table *table, struct lock_waiter *done)
{
	pthread_mutex_lock(&table->mutex);
	for (; done; done = done->next)
		hash_remove(done);
	pthread_mutex_unlock(&table->mutex);
}

static void answer(struct lock_waiter *waiter)
{
	struct call *call = waiter->call;
	int result = waiter->result;

	handle_put(waiter->dir, waiter->request.handle);
	free(waiter);
	call_reply_error(call, result);
}

/*
 * A handle that was closed while it waited goes with its answer, and what it
 * had just got goes to the next, to be answered too: those join the ones that
 * this thread is busy with, so that a row of them does not use up its stack.
 */
void lock_answer(struct dir *dir, struct lock_waiter *done)
{
	static _Thread_local struct lock_waiter **last;
	struct lock_waiter *waiter;
	bool busy = last;

	if (!done)
		return;
	forget(&dir->locks, done);
	done = in_order(done);
	if (busy)
		*last = done;
	for (waiter = done; waiter; waiter = waiter->next)
		last = &waiter->next;
	if (busy)
		return;
	while ((waiter = done)) {
		if (last == &waiter->next)
			last = &done;
		done = waiter->next;
		answer(waiter);
	}
	last = NULL;
}

struct search {
	struct lock_table *table;
	uint64_t number, target;
	unsigned int visits;
	struct lock_waiter **last; /* of those still to be looked at */
};

static void search_add(struct search *search, struct lock_waiter *waiter)
{
	waiter->searched = search->number;
	waiter->search_next = NULL;
	*search->last = waiter;
	search->last = &waiter->search_next;
}

/* All requests by which OWNER waits. */
static void search_owner(struct search *search, uint64_t owner)
{
	struct lock_waiter *at = *bucket_of(search->table, owner);

	for (; at; at = at->hash_next)
		if (at->request.owner == owner && !at->request.flock &&
		    at->searched != search->number)
			search_add(search, at);
}

/* Whether the target is in WAITER's way; adds whoever else is. */
static bool search_waiter(struct search *search, struct lock_waiter *waiter)
{
	const struct lock_request *request = &waiter->request;
	struct lock_file *file = file_of(waiter);
	struct lock_range *at = NULL;

	pthread_mutex_lock(&file->mutex);
	search->table->visits++;
	if (!waiter->ended)
		at = tree_first(file->ranges, request->start, request->end);
	for (; at; at = tree_next(at, request->start, request->end)) {
		file->visits++;
		if (search->visits++ >= MOST_VISITS)
			break;
		if (at->owner->searched == search->number ||
		    !range_conflicts(at, request))
			continue;
		if (at->owner->id == search->target)
			break;
		at->owner->searched = search->number;
		search_owner(search, at->owner->id);
	}
	pthread_mutex_unlock(&file->mutex);
	return at && search->visits <= MOST_VISITS;
}

/*
 * Whether somebody WAITER waits for waits, also by way of others, for WAITER's
 * owner. With the table's mutex held nobody can begin to wait meanwhile, and
 * who waits lets nothing go: so it is right although the files are looked at
 * one after the other. Searched when a request begins to wait: only that
 * closes a circle, since who gets a lock goes on and may let it go.
 */
static bool deadlock(struct lock_table *table, struct lock_waiter *waiter)
{
	struct lock_waiter *at = NULL;
	struct search search = {
		.table = table,
		.number = ++table->searches,
		.target = waiter->request.owner,
		.last = &at,
	};

	for (search_add(&search, waiter); at; at = at->search_next) {
		if (search_waiter(&search, at))
			return true;
		if (search.visits > MOST_VISITS)
			break;
	}
	return false;
}

/* An interrupt may overtake what it interrupts, on a queue of its own. */
static bool was_interrupted(struct lock_table *table, uint64_t unique)
{
	for (unsigned int i = 0; i < LOCK_EARLY; i++) {
		struct lock_early *early = &table->early[i];

		if (!early->valid || early->unique != unique)
			continue;
		early->valid = false;
		return true;
	}
	return false;
}

/* With the table's mutex held: tries again, and waits. */
static int begin(struct dir *dir, struct lock_waiter *waiter,
		 struct lock_waiter **done)
{
	struct lock_file *file = file_of(waiter);
	struct wait_list woken = { 0 }, *list;
	int ret;

	if (dir->locks.cancelled ||
	    was_interrupted(&dir->locks, waiter->unique))
		return -EINTR;
	pthread_mutex_lock(&file->mutex);
	ret = lock_file_try(dir, file, &waiter->request, &woken, &list);
	if (ret == -EAGAIN) {
		call_waits(waiter->call);
		lock_file_wait(dir, file, list, waiter);
		hash_add(&dir->locks, waiter);
	}
	lock_file_retry(dir, file, &woken, done);
	pthread_mutex_unlock(&file->mutex);
	return ret;
}

ssize_t lock_wait(struct op *op, const struct lock_request *request)
{
	struct lock_table *table = &op->dir->locks;
	struct lock_waiter *waiter, *done = NULL;
	int ret;

	ret = lock_poll_start(op->dir);
	if (ret < 0)
		return ret;
	waiter = calloc(1, sizeof(*waiter));
	if (!waiter)
		return -ENOLCK;
	waiter->request = *request;
	waiter->dir = op->dir;
	waiter->call = op->call;
	waiter->unique = op->in->unique;
	slot_hold(&request->handle->slot);

	pthread_mutex_lock(&table->mutex);
	ret = begin(op->dir, waiter, &done);
	if (ret == -EAGAIN && !request->flock && deadlock(table, waiter))
		end_early(waiter, -EDEADLK, &done);
	pthread_mutex_unlock(&table->mutex);
	/* If it waits it is others' from here on, and may have ended. */
	if (ret != -EAGAIN) {
		handle_put(op->dir, waiter->request.handle);
		free(waiter);
	}
	lock_answer(op->dir, done);
	return ret == -EAGAIN ? OP_WAITS : ret;
}

void lock_cancel(struct dir *dir)
{
	struct lock_table *table = &dir->locks;
	struct lock_waiter *at, *done = NULL;

	pthread_mutex_lock(&table->mutex);
	table->cancelled = true;
	for (unsigned int i = 0; i < LOCK_BUCKETS; i++)
		for (at = table->buckets[i]; at; at = at->hash_next)
			end_early(at, -EINTR, &done);
	pthread_mutex_unlock(&table->mutex);
	lock_answer(dir, done);
}

static bool interrupt(struct lock_table *table, uint64_t unique,
		      struct lock_waiter **done)
{
	struct lock_waiter *at;

	for (unsigned int i = 0; i < LOCK_BUCKETS; i++)
		for (at = table->buckets[i]; at; at = at->hash_next)
			if (at->unique == unique) {
				end_early(at, -EINTR, done);
				return true;
			}
	return false;
}

void lock_interrupt(struct dir *dir, uint64_t unique)
{
	struct lock_table *table = &dir->locks;
	struct lock_waiter *done = NULL;

	pthread_mutex_lock(&table->mutex);
	if (!interrupt(table, unique, &done))
		table->early[table->next_early++ % LOCK_EARLY] =
			(struct lock_early){ unique, true };
	pthread_mutex_unlock(&table->mutex);
	lock_answer(dir, done);
}

void lock_table_init(struct lock_table *table)
{
	*table = (struct lock_table){ 0 };
	pthread_mutex_init(&table->mutex, NULL);
	lock_poll_init(&table->poll);
}

void lock_table_reset(struct dir *dir)
{
	struct lock_table *table = &dir->locks;

	lock_poll_reset(dir);
	pthread_mutex_lock(&table->mutex);
	table->cancelled = false;
	for (unsigned int i = 0; i < LOCK_EARLY; i++)
		table->early[i].valid = false;
	pthread_mutex_unlock(&table->mutex);
}

void lock_table_destroy(struct dir *dir)
{
	lock_poll_destroy(dir);
	pthread_mutex_destroy(&dir->locks.mutex);
}
