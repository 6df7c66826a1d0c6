// SPDX-License-Identifier: BSD-2-Clause
#include "../../log.h"
#include "../../thread.h"
#include "virtio.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Spare threads leave after a while. */
#define SPARE_SECONDS 5

/* A leader that is in one request for two looks of the watchdog is stuck. */
#define WATCH_NS    1000000U
#define WATCH_QUIET 4 /* looks without a request, then it sleeps */

_Thread_local struct worker *pool_self;

static void spare_remove(struct pool *pool, struct worker *worker)
{
	for (struct worker **at = &pool->spare; *at; at = &(*at)->next) {
		if (*at == worker) {
			*at = worker->next;
			return;
		}
	}
}

/* Waits to be given a queue. False: the thread is to end. */
static bool worker_wait(struct pool *pool, struct worker *worker)
{
	uint64_t until = thread_now() + SPARE_SECONDS * SECOND_NS;

	worker->next = pool->spare;
	pool->spare = worker;
	while (!worker->queue && !pool->closing &&
	       thread_wait(&worker->wake, &pool->lock, until))
		;
	if (worker->queue)
		return true;
	spare_remove(pool, worker);
	return false;
}

static void *worker_main(void *opaque)
{
	struct worker *worker = opaque;
	struct pool *pool = worker->pool;

	pool_self = worker;
	pthread_mutex_lock(&pool->lock);
	do {
		pthread_mutex_unlock(&pool->lock);
		pool->lead(worker->queue, worker);
		pthread_mutex_lock(&pool->lock);
		worker->queue = NULL;
		if (worker->counted)
			pool->waiting--;
		worker->counted = false;
	} while (worker_wait(pool, worker));
	pool->threads--;
	pthread_cond_broadcast(&pool->gone);
	pthread_mutex_unlock(&pool->lock);
	pthread_cond_destroy(&worker->wake);
	free(worker);
	return NULL;
}

static struct worker *worker_new(struct pool *pool, struct queue *queue)
{
	struct worker *worker;
	int r = -ENOMEM;

	worker = calloc(1, sizeof(*worker));
	if (worker) {
		worker->pool = pool;
		worker->queue = queue;
		thread_cond_init(&worker->wake);
		r = thread_start(NULL, 0, worker_main, worker);
		if (r == 0) {
			pool->threads++;
			return worker;
		}
		pthread_cond_destroy(&worker->wake);
		free(worker);
	}
	if (!pool->warned)
		log_warn("cannot start another thread: %s; requests may have "
			 "to wait for each other",
			 strerror(-r));
	pool->warned = true;
	return NULL;
}

/* With the lock held. */
static struct worker *lead(struct pool *pool, struct queue *queue)
{
	struct worker *worker = pool->spare;

	if (!worker)
		return worker_new(pool, queue);
	pool->spare = worker->next;
	worker->queue = queue;
	pthread_cond_signal(&worker->wake);
	return worker;
}

struct worker *pool_lead(struct pool *pool, struct queue *queue)
{
	struct worker *worker;

	pthread_mutex_lock(&pool->lock);
	worker = lead(pool, queue);
	pthread_mutex_unlock(&pool->lock);
	return worker;
}

struct worker *pool_replace(struct pool *pool, struct queue *queue,
			    struct worker *worker)
{
	struct worker *other = NULL;

	pthread_mutex_lock(&pool->lock);
	if (pool->waiting < pool->limit) {
		other = lead(pool, queue);
		if (other) {
			pool->waiting++;
			worker->counted = true;
		}
	}
	pthread_mutex_unlock(&pool->lock);
	return other;
}

void pool_wake_watchdog(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	atomic_store(&pool->asleep, false);
	pthread_cond_signal(&pool->tick);
	pthread_mutex_unlock(&pool->lock);
}

/* Whether any queue had a request since the last look. */
static bool look(struct pool *pool)
{
	bool active = false;

	for (unsigned int i = 0; i < pool->queue_count; i++)
		active |= pool->watch(&pool->queues[i]);
	return active;
}

/*
 * With the lock held. A request that begins sees ASLEEP, or the look here that
 * comes after setting it sees the request.
 */
static void watchdog_sleep(struct pool *pool)
{
	bool active;

	atomic_store(&pool->asleep, true);
	atomic_thread_fence(memory_order_seq_cst);
	pthread_mutex_unlock(&pool->lock);
	active = look(pool);
	pthread_mutex_lock(&pool->lock);
	while (!active && !pool->closing && atomic_load(&pool->asleep))
		pthread_cond_wait(&pool->tick, &pool->lock);
	atomic_store(&pool->asleep, false);
}

static void *watchdog_main(void *opaque)
{
	struct pool *pool = opaque;
	unsigned int quiet = 0;

	pthread_mutex_lock(&pool->lock);
	while (!pool->closing) {
		thread_wait(&pool->tick, &pool->lock, thread_now() + WATCH_NS);
		pthread_mutex_unlock(&pool->lock);
		quiet = look(pool) ? 0 : quiet + 1;
		pthread_mutex_lock(&pool->lock);
		if (quiet >= WATCH_QUIET) {
			watchdog_sleep(pool);
			quiet = 0;
		}
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

int pool_init(struct pool *pool)
{
	int r;

	pthread_mutex_init(&pool->lock, NULL);
	thread_cond_init(&pool->gone);
	thread_cond_init(&pool->tick);
	r = thread_start(&pool->watchdog, 0, watchdog_main, pool);
	if (r < 0) {
		log_error("cannot start a thread: %s", strerror(-r));
		pthread_cond_destroy(&pool->tick);
		pthread_cond_destroy(&pool->gone);
		pthread_mutex_destroy(&pool->lock);
	}
	return r;
}

void pool_destroy(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->closing = true;
	pthread_cond_signal(&pool->tick);
	for (struct worker *w = pool->spare; w; w = w->next)
		pthread_cond_signal(&w->wake);
	while (pool->threads)
		pthread_cond_wait(&pool->gone, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
	pthread_join(pool->watchdog, NULL);
	pthread_cond_destroy(&pool->tick);
	pthread_cond_destroy(&pool->gone);
	pthread_mutex_destroy(&pool->lock);
}
