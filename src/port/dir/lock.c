// SPDX-License-Identifier: BSD-2-Clause
#include "lock.h"
#include "../../log.h"
#include "lock_host.h"
#include "lock_range.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

/* How often the host is asked whether it has let go of a lock. */
#define POLL_NSEC 20000000

/* One request that waits for its lock, or is about to. */
struct lock_waiter {
	struct lock_waiter *next;
	struct call *call;
	uint64_t unique;
	struct inode *inode;   /* held */
	struct handle *handle; /* held; of flock() only, else NULL */
	struct lock_range wanted;
	bool asks_host; /* only the host is in its way */
	bool visited;	/* by the search for a deadlock */
	int result;
};

/* Tries to get what is wanted now; 0, -EAGAIN or why it never will. */
static int try_posix(struct dir *dir, struct inode *inode,
		     const struct lock_range *wanted, bool *ret_host)
{
	struct range_spare spare;
	int ret;

	if (wanted->type != F_UNLCK && range_conflict(&inode->locks, wanted))
		return -EAGAIN;
	ret = range_spare(&spare);
	if (ret < 0)
		return ret;
	ret = host_lock(dir, inode, wanted);
	if (ret == 0)
		range_set(&inode->locks, wanted, &spare);
	else if (ret == -EAGAIN)
		*ret_host = true;
	range_spare_free(&spare);
	return ret;
}

static int try_flock(struct handle *handle, int type, bool *ret_host)
{
	struct lock_file *file = &handle->inode->locks;
	int ret;

	if (type != F_UNLCK && flock_conflict(file, &handle->flock, type))
		return -EAGAIN;
	ret = host_flock(handle->fd, type);
	if (ret == 0)
		flock_set(file, &handle->flock, type);
	else if (ret == -EAGAIN)
		*ret_host = true;
	return ret;
}

static int try_again(struct dir *dir, struct lock_waiter *waiter)
{
	waiter->asks_host = false;
	if (waiter->handle)
		return try_flock(waiter->handle, waiter->wanted.type,
				 &waiter->asks_host);
	return try_posix(dir, waiter->inode, &waiter->wanted,
			 &waiter->asks_host);
}

/* Whether OWNER waits, also by way of others, for a lock of TARGET. */
static bool waits_for(struct lock_table *table, uint64_t owner, uint64_t target)
{
	struct lock_waiter *waiter;
	const struct lock_range *range;

	for (waiter = table->waiters; waiter; waiter = waiter->next) {
		if (waiter->visited || waiter->handle ||
		    waiter->wanted.owner != owner)
			continue;
		waiter->visited = true;
		for (range = waiter->inode->locks.ranges; range;
		     range = range->next)
			if (ranges_conflict(range, &waiter->wanted) &&
			    (range->owner == target ||
			     waits_for(table, range->owner, target)))
				return true;
	}
	return false;
}

static bool deadlock(struct lock_table *table, const struct inode *inode,
		     const struct lock_range *wanted)
{
	const struct lock_range *range;
	struct lock_waiter *waiter;

	for (waiter = table->waiters; waiter; waiter = waiter->next)
		waiter->visited = false;
	for (range = inode->locks.ranges; range; range = range->next)
		if (ranges_conflict(range, wanted) &&
		    waits_for(table, range->owner, wanted->owner))
			return true;
	return false;
}

/* Takes the waiter at *AT out of the table, to be answered with RESULT. */
static void finish(struct lock_table *table, struct lock_waiter **at,
		   int result, struct lock_waiter **done)
{
	struct lock_waiter *waiter = *at;

	*at = waiter->next;
	if (table->last_waiter == &waiter->next)
		table->last_waiter = at;
	waiter->result = result;
	waiter->next = *done;
	*done = waiter;
}

/*
 * Something became free: whoever can have it gets it, in the order they came.
 * A lock that is got may be less than the owner had, so from the start again.
 * The answers are given, by answer(), when the mutex is not held.
 */
static void retry(struct dir *dir, struct lock_waiter **done)
{
	struct lock_table *table = &dir->locks;
	struct lock_waiter **at = &table->waiters;
	bool ask = false;
	int ret;

	while (*at) {
		struct lock_waiter *waiter = *at;

		ret = try_again(dir, waiter);
		if (ret == -EAGAIN && !waiter->handle &&
		    deadlock(table, waiter->inode, &waiter->wanted))
			ret = -EDEADLK;
		if (ret == -EAGAIN) {
			ask |= waiter->asks_host;
			at = &waiter->next;
			continue;
		}
		finish(table, at, ret, done);
		at = &table->waiters;
		ask = false;
	}
	if (ask)
		pthread_cond_signal(&table->wake);
}

static void answer(struct dir *dir, struct lock_waiter *done)
{
	struct lock_waiter *waiter;

	while ((waiter = done)) {
		struct call *call = waiter->call;
		int result = waiter->result;

		done = waiter->next;
		if (waiter->handle)
			handle_put(dir, waiter->handle);
		inode_put(dir, waiter->inode);
		free(waiter);
		call_reply_error(call, result);
	}
}

static bool host_is_asked(const struct lock_table *table)
{
	const struct lock_waiter *waiter;

	for (waiter = table->waiters; waiter; waiter = waiter->next)
		if (waiter->asks_host)
			return true;
	return false;
}

/* The host tells nobody when a lock is free, so it is asked again. */
static void *poll_host(void *opaque)
{
	const struct timespec pause = { .tv_nsec = POLL_NSEC };
	struct dir *dir = opaque;
	struct lock_table *table = &dir->locks;
	struct lock_waiter *done;

	pthread_mutex_lock(&table->mutex);
	while (!table->ending) {
		if (!host_is_asked(table)) {
			pthread_cond_wait(&table->wake, &table->mutex);
			continue;
		}
		pthread_mutex_unlock(&table->mutex);
		nanosleep(&pause, NULL);
		pthread_mutex_lock(&table->mutex);
		done = NULL;
		retry(dir, &done);
		pthread_mutex_unlock(&table->mutex);
		answer(dir, done);
		pthread_mutex_lock(&table->mutex);
	}
	pthread_mutex_unlock(&table->mutex);
	return NULL;
}

/* Signals are for the threads that expect them. */
static int start_polling(struct dir *dir)
{
	struct lock_table *table = &dir->locks;
	sigset_t all, old;
	int ret;

	if (table->polling)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&table->poller, NULL, poll_host, dir);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret)
		return -ENOLCK;
	table->polling = true;
	return 0;
}

/* An interrupt may overtake what it interrupts, on a queue of its own. */
static bool was_interrupted(struct lock_table *table, uint64_t unique)
{
	for (unsigned int i = 0; i < LOCK_EARLY; i++) {
		if (table->early[i] != unique)
			continue;
		table->early[i] = 0;
		return true;
	}
	return false;
}

static int enqueue(struct op *op, struct handle *handle,
		   const struct lock_range *wanted, bool asks_host)
{
	struct lock_table *table = &op->dir->locks;
	struct lock_waiter *waiter;
	int ret;

	if (table->cancelled || was_interrupted(table, op->in->unique))
		return -EINTR;
	if (!handle && deadlock(table, op->inode, wanted))
		return -EDEADLK;
	ret = start_polling(op->dir);
	if (ret < 0)
		return ret;
	waiter = malloc(sizeof(*waiter));
	if (!waiter)
		return -ENOLCK;
	*waiter = (struct lock_waiter){
		.call = op->call,
		.unique = op->in->unique,
		.inode = op->inode,
		.handle = handle,
		.wanted = *wanted,
		.asks_host = asks_host,
	};
	slot_hold(&op->inode->slot);
	if (handle)
		slot_hold(&handle->slot);
	*table->last_waiter = waiter;
	table->last_waiter = &waiter->next;
	if (asks_host)
		pthread_cond_signal(&table->wake);
	return 0;
}

/* As in the kernel, what is held is let go before something else is tried. */
static void flock_let_go(struct handle *handle, int type)
{
	if (handle->flock.type == F_UNLCK || handle->flock.type == type)
		return;
	host_flock(handle->fd, F_UNLCK);
	flock_set(&handle->inode->locks, &handle->flock, F_UNLCK);
}

static ssize_t set_lock(struct op *op, struct handle *handle,
			const struct lock_range *wanted, bool wait)
{
	struct lock_table *table = &op->dir->locks;
	struct lock_waiter *done = NULL;
	bool host = false;
	ssize_t ret;

	pthread_mutex_lock(&table->mutex);
	atomic_store(&op->inode->locks.used, true);
	if (handle) {
		flock_let_go(handle, wanted->type);
		ret = try_flock(handle, wanted->type, &host);
	} else {
		ret = try_posix(op->dir, op->inode, wanted, &host);
	}
	if (ret == -EAGAIN && wait) {
		ret = enqueue(op, handle, wanted, host);
		if (ret == 0)
			ret = OP_WAITS;
	}
	retry(op->dir, &done);
	pthread_mutex_unlock(&table->mutex);
	answer(op->dir, done);
	return ret;
}

/* The lock that is wanted, checked. */
static int wanted_lock(const struct cf_lk_in *in, struct lock_range *ret)
{
	if (in->lk.start > in->lk.end || in->lk.end > INT64_MAX)
		return -EINVAL;
	if (in->lk.type != F_RDLCK && in->lk.type != F_WRLCK &&
	    in->lk.type != F_UNLCK)
		return -EINVAL;
	*ret = (struct lock_range){
		.start = in->lk.start,
		.end = in->lk.end,
		.owner = in->owner,
		.fh = in->fh,
		.pid = in->lk.pid,
		.type = (int)in->lk.type,
	};
	return 0;
}

static ssize_t lock(struct op *op, bool wait)
{
	const struct cf_lk_in *in = op->arg;
	struct lock_range wanted;
	struct handle *handle;
	ssize_t ret;

	ret = wanted_lock(in, &wanted);
	if (ret < 0)
		return ret;
	handle = handle_get(op->dir, in->fh);
	if (!handle)
		return -EBADF;
	if (handle->inode != op->inode)
		ret = -EBADF;
	else
		ret = set_lock(op, in->lk_flags & CF_LK_FLOCK ? handle : NULL,
			       &wanted, wait);
	handle_put(op->dir, handle);
	return ret;
}

ssize_t op_setlk(struct op *op)
{
	return lock(op, false);
}

ssize_t op_setlkw(struct op *op)
{
	return lock(op, true);
}

ssize_t op_getlk(struct op *op)
{
	const struct cf_lk_in *in = op->arg;
	struct cf_lk_out *out = call_out_arg(op->call);
	const struct lock_range *found;
	struct lock_range lock;
	int ret;

	ret = wanted_lock(in, &lock);
	if (ret < 0)
		return ret;
	if (lock.type == F_UNLCK || in->lk_flags & CF_LK_FLOCK)
		return -EINVAL;
	pthread_mutex_lock(&op->dir->locks.mutex);
	atomic_store(&op->inode->locks.used, true);
	found = range_conflict(&op->inode->locks, &lock);
	if (found)
		lock = *found;
	else
		host_get(op->dir, op->inode, &lock);
	pthread_mutex_unlock(&op->dir->locks.mutex);
	*out = (struct cf_lk_out){
		.lk = { .start = lock.start,
			.end = lock.end,
			.type = (uint32_t)lock.type,
			.pid = lock.pid },
	};
	return sizeof(*out);
}

static void let_all_go(struct lock_file *file, uint64_t owner)
{
	const struct lock_range all = {
		.end = INT64_MAX,
		.owner = owner,
		.type = F_UNLCK,
	};
	struct range_spare none = { NULL, NULL };

	range_set(file, &all, &none);
	host_owner_gone(file, owner);
}

void lock_owner_gone(struct dir *dir, struct inode *inode, uint64_t owner)
{
	struct lock_waiter *done = NULL;

	if (!atomic_load_explicit(&inode->locks.used, memory_order_acquire))
		return;
	pthread_mutex_lock(&dir->locks.mutex);
	let_all_go(&inode->locks, owner);
	retry(dir, &done);
	pthread_mutex_unlock(&dir->locks.mutex);
	answer(dir, done);
}

/*
 * The locks of a process went when it closed the file, with FLUSH. Those of an
 * open file description (F_OFD_SETLK) go now: their owner is the description,
 * which is this handle.
 */
void lock_handle_gone(struct dir *dir, struct handle *handle)
{
	struct lock_file *file = &handle->inode->locks;
	struct lock_waiter *done = NULL;
	uint64_t owner;

	if (!atomic_load_explicit(&file->used, memory_order_acquire))
		return;
	pthread_mutex_lock(&dir->locks.mutex);
	flock_let_go(handle, F_UNLCK);
	while (range_owner_of(file, handle->slot.id, &owner))
		let_all_go(file, owner);
	retry(dir, &done);
	pthread_mutex_unlock(&dir->locks.mutex);
	answer(dir, done);
}

void lock_inode_gone(struct inode *inode)
{
	range_free_all(&inode->locks);
	host_all_gone(&inode->locks);
}

static void end_some(struct dir *dir, bool all, uint64_t unique)
{
	struct lock_table *table = &dir->locks;
	struct lock_waiter **at, *done = NULL;

	pthread_mutex_lock(&table->mutex);
	table->cancelled |= all;
	for (at = &table->waiters; *at;) {
		if (all || (*at)->unique == unique)
			finish(table, at, -EINTR, &done);
		else
			at = &(*at)->next;
	}
	if (!all && !done)
		table->early[table->next_early++ % LOCK_EARLY] = unique;
	pthread_mutex_unlock(&table->mutex);
	answer(dir, done);
}

void lock_cancel(struct dir *dir)
{
	end_some(dir, true, 0);
}

void lock_interrupt(struct dir *dir, uint64_t unique)
{
	end_some(dir, false, unique);
}

void lock_table_init(struct lock_table *table)
{
	*table = (struct lock_table){ 0 };
	pthread_mutex_init(&table->mutex, NULL);
	pthread_cond_init(&table->wake, NULL);
	table->last_waiter = &table->waiters;
}

void lock_table_reset(struct lock_table *table)
{
	pthread_mutex_lock(&table->mutex);
	table->cancelled = false;
	for (unsigned int i = 0; i < LOCK_EARLY; i++)
		table->early[i] = 0;
	pthread_mutex_unlock(&table->mutex);
}

void lock_table_destroy(struct lock_table *table)
{
	pthread_mutex_lock(&table->mutex);
	table->ending = true;
	pthread_cond_signal(&table->wake);
	pthread_mutex_unlock(&table->mutex);
	if (table->polling)
		pthread_join(table->poller, NULL);
	pthread_cond_destroy(&table->wake);
	pthread_mutex_destroy(&table->mutex);
}
