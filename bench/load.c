// SPDX-License-Identifier: BSD-2-Clause
#include "load.h"
#include "cputime.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

uint64_t load_random(struct worker *worker)
{
	uint64_t x = worker->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	worker->random = x;
	return x;
}

int load_wrong(const struct slot *slot, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "virtiofs-bench: %s, opcode %u, step %u: ",
		slot->worker->operation->name, slot->call.opcode, slot->step);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return -EPROTO;
}

/* Sends a request; where the queue has no room, later. */
static int submit(struct slot *slot)
{
	struct worker *worker = slot->worker;
	int r = -ENOSPC;

	if (!worker->waiting)
		r = guest_send(worker->guest, worker->queue, &slot->call,
			       &slot->shape);
	if (r != -ENOSPC)
		return r;
	slot->next = NULL;
	*worker->waiting_end = slot;
	worker->waiting_end = &slot->next;
	return 0;
}

static int resubmit(struct worker *worker)
{
	while (worker->waiting) {
		struct slot *slot = worker->waiting;
		int r = guest_send(worker->guest, worker->queue, &slot->call,
				   &slot->shape);

		if (r == -ENOSPC)
			break;
		if (r < 0)
			return r;
		worker->waiting = slot->next;
		if (!worker->waiting)
			worker->waiting_end = &worker->waiting;
	}
	return 0;
}

static int begin(struct slot *slot)
{
	struct worker *worker = slot->worker;

	slot->step = 0;
	slot->serial = worker->begun++;
	slot->started = now();
	worker->operation->request(slot);
	return submit(slot);
}

static bool wants_more(const struct worker *worker)
{
	return worker->begun < worker->limit &&
	       !__atomic_load_n(worker->stop, __ATOMIC_RELAXED);
}

/* Handles a reply. 1: the slot is idle now; 0: it goes on. */
static int handle(struct slot *slot)
{
	struct worker *worker = slot->worker;
	int32_t error = 0, expected = 0;
	ssize_t len;
	int r;

	if (worker->operation->error)
		expected = worker->operation->error(slot);
	len = guest_check(worker->guest, &slot->call, &error);
	if (len < 0)
		return load_wrong(slot, "bad reply header, %u bytes",
				  slot->call.used_len);
	if (error != -expected)
		return load_wrong(slot, "error %d instead of %d", error,
				  -expected);
	r = worker->operation->reply(slot, (size_t)len);
	if (r < 0)
		return r;
	if (r == 0) {
		slot->step++;
		worker->operation->request(slot);
		return submit(slot);
	}
	histogram_add(worker->latency, now() - slot->started);
	worker->done++;
	if (!wants_more(worker))
		return 1;
	return begin(slot);
}

/* Handles what has come back. 0 or -errno. */
static int drain(struct worker *worker, unsigned int *busy)
{
	struct guest_call *call;
	int r;

	while ((r = guest_reap(worker->queue, &call)) > 0) {
		struct slot *slot =
			(struct slot *)((char *)call -
					offsetof(struct slot, call));

		r = handle(slot);
		if (r < 0)
			return r;
		*busy -= (unsigned int)r;
	}
	return r < 0 ? r : resubmit(worker);
}

static int measure(struct worker *worker)
{
	unsigned int busy = 0;
	int r = 0;

	worker->waiting_end = &worker->waiting;
	driver_ring_disable(&worker->queue->vq->ring);
	/* Each slot does one at least, however late this thread is. */
	for (; busy < worker->depth && worker->begun < worker->limit; busy++) {
		r = begin(&worker->slots[busy]);
		if (r < 0)
			return r;
	}
	while (busy) {
		r = drain(worker, &busy);
		if (r == 0 && busy)
			r = guest_wait(worker->guest, worker->queue);
		if (r < 0)
			return r;
	}
	worker->ended = now();
	return 0;
}

static void *run_worker(void *arg)
{
	struct worker *worker = arg;

	if (worker->operation->prepare)
		worker->error = worker->operation->prepare(worker);
	pthread_barrier_wait(worker->barrier);
	/* The main thread reads the clocks here. */
	pthread_barrier_wait(worker->barrier);
	if (worker->error == 0)
		worker->error = measure(worker);
	pthread_barrier_wait(worker->barrier);
	pthread_barrier_wait(worker->barrier);
	if (worker->error == 0 && worker->operation->finish)
		worker->error = worker->operation->finish(worker);
	return NULL;
}

static int make_slots(struct worker *worker, char **heads, char **data)
{
	size_t io = worker->operation->uses_data ? worker->guest->io_max
						 : GUEST_PAGE;

	worker->slots = calloc(worker->depth, sizeof(*worker->slots));
	worker->latency = calloc(1, sizeof(*worker->latency));
	if (!worker->slots || !worker->latency)
		return -ENOMEM;
	for (unsigned int i = 0; i < worker->depth; i++) {
		worker->slots[i].worker = worker;
		worker->slots[i].index = i;
		worker->slots[i].call = (struct guest_call){ .head = *heads,
							     .data = *data,
							     .data_len = io };
		*heads += GUEST_PAGE;
		*data += io;
	}
	return 0;
}

/* The memory for all slots is the same in every run. */
static int make_workers(struct guest *guest, struct worker *workers,
			const struct operation *operation,
			const struct load_config *config)
{
	unsigned int count = guest->queue_count;
	size_t taken = guest->driver.taken;
	size_t io = operation->uses_data ? guest->io_max : GUEST_PAGE;
	char *heads, *data = guest->data.base;
	int r = 0;

	heads = vhost_driver_alloc(&guest->driver,
				   (size_t)count * config->depth * GUEST_PAGE);
	guest->driver.taken = taken;
	if (!heads || (size_t)count * config->depth * io > guest->data.size)
		return -ENOMEM;
	if (config->count == 0) /* no first touches while it is measured */
		memset(data, 0, (size_t)count * config->depth * io);
	for (unsigned int i = 0; r == 0 && i < count; i++) {
		uint64_t share =
			config->count / count + (i < config->count % count);

		workers[i] = (struct worker){
			.guest = guest,
			.queue = &guest->queues[i + 1],
			.operation = operation,
			.index = i,
			.depth = config->depth,
			.random = UINT64_C(0x9e3779b97f4a7c15) * (i + 1),
			.limit = config->count ? share : UINT64_MAX,
		};
		r = make_slots(&workers[i], &heads, &data);
	}
	return r;
}

static void sleep_for(double seconds)
{
	struct timespec ts = { .tv_sec = (time_t)seconds };

	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
	nanosleep(&ts, NULL);
}

/* Runs between the barriers of the workers. */
static void conduct(struct guest *guest, pthread_barrier_t *barrier, bool *stop,
		    const struct load_config *config,
		    struct load_result *result, uint64_t *ret_start)
{
	for (unsigned int i = 1; i <= guest->queue_count; i++) {
		guest->queues[i].kicks = 0;
		guest->queues[i].sleeps = 0;
	}
	pthread_barrier_wait(barrier);
	result->cpu = config->server ? cputime_of_tree(config->server) : 0;
	*ret_start = now();
	pthread_barrier_wait(barrier);
	if (config->count == 0) {
		sleep_for(config->seconds);
		__atomic_store_n(stop, true, __ATOMIC_RELAXED);
	}
	pthread_barrier_wait(barrier);
	if (config->server)
		result->cpu = cputime_of_tree(config->server) - result->cpu;
	pthread_barrier_wait(barrier);
}

static int collect(const struct guest *guest, const struct worker *workers,
		   uint64_t start, struct load_result *result)
{
	uint64_t ended = start;

	for (unsigned int i = 0; i < guest->queue_count; i++) {
		const struct worker *worker = &workers[i];

		if (worker->error)
			return worker->error;
		if (worker->ended > ended)
			ended = worker->ended;
		result->done += worker->done;
		result->weight += worker->weight;
		result->kicks += worker->queue->kicks;
		result->sleeps += worker->queue->sleeps;
		histogram_merge(&result->latency, worker->latency);
	}
	result->seconds = (double)(ended - start) / 1e9;
	return 0;
}

int load_run(struct guest *guest, const struct operation *operation,
	     const struct load_config *config, struct load_result *ret_result)
{
	static struct worker workers[GUEST_QUEUE_MAX];
	unsigned int count = guest->queue_count;
	pthread_barrier_t barrier;
	uint64_t start = 0;
	bool stop = false;
	int r;

	memset(workers, 0, sizeof(workers));
	memset(ret_result, 0, sizeof(*ret_result));
	r = make_workers(guest, workers, operation, config);
	if (r < 0)
		goto out;
	pthread_barrier_init(&barrier, NULL, count + 1);
	for (unsigned int i = 0; i < count; i++) {
		workers[i].stop = &stop;
		workers[i].barrier = &barrier;
		r = -pthread_create(&workers[i].thread, NULL, run_worker,
				    &workers[i]);
		if (r < 0) /* the others wait at the barrier for ever */
			exit(EXIT_FAILURE);
	}
	conduct(guest, &barrier, &stop, config, ret_result, &start);
	for (unsigned int i = 0; i < count; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&barrier);
	r = collect(guest, workers, start, ret_result);
	if (r == 0)
		r = guest_forget_drain(guest);
out:
	for (unsigned int i = 0; i < count; i++) {
		free(workers[i].slots);
		free(workers[i].latency);
	}
	if (r < 0)
		fprintf(stderr, "virtiofs-bench: %s: %s\n", operation->name,
			strerror(-r));
	return r;
}
