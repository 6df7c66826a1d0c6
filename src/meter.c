// SPDX-License-Identifier: BSD-2-Clause
#include "meter.h"
#include <crossfuse/wire.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define SLOTS 64
#define TRIES 4 /* slots that are looked at for a free one */

/* What struct meter_count says, while it grows; written by one thread. */
struct count {
	_Atomic uint64_t requests, errors, in_bytes, out_bytes, timed, time;
	_Atomic uint64_t buckets[METER_BUCKETS];
};

/* One request in flight. SINCE is 0 where there is none. */
struct meter_slot {
	_Atomic uint64_t since; /* CLOCK_MONOTONIC, ns */
	_Atomic uint64_t unique, nodeid;
	_Atomic uint32_t opcode, client;
	bool exact; /* SINCE is, not just to the clock's tick */
};

/*
 * What one thread counts, so that it needs no bus lock. Other threads only read
 * it, and free slots. It stays when the thread ends, for another one.
 */
struct stripe {
	struct meter *meter;
	struct stripe *next;	  /* of all, for ever */
	struct stripe *next_free; /* under the lock */
	struct count counts[METER_OPCODES];
	struct meter_slot slots[SLOTS];
	unsigned int turn;  /* requests since a time was taken */
	unsigned int first; /* slot to try first */
};

struct meter {
	_Atomic(struct stripe *) stripes;
	pthread_mutex_t lock;
	struct stripe *free;
	pthread_key_t key; /* gives a thread's stripe back */
};

static _Thread_local struct stripe *self;

static uint64_t now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void give_back(void *opaque)
{
	struct stripe *stripe = opaque;
	struct meter *meter = stripe->meter;

	pthread_mutex_lock(&meter->lock);
	stripe->next_free = meter->free;
	meter->free = stripe;
	pthread_mutex_unlock(&meter->lock);
}

struct meter *meter_new(void)
{
	struct meter *meter = calloc(1, sizeof(*meter));

	if (!meter)
		return NULL;
	if (pthread_key_create(&meter->key, give_back) != 0) {
		free(meter);
		return NULL;
	}
	pthread_mutex_init(&meter->lock, NULL);
	return meter;
}

void meter_free(struct meter *meter)
{
	struct stripe *stripe, *next;

	if (!meter)
		return;
	pthread_key_delete(meter->key);
	for (stripe = meter->stripes; stripe; stripe = next) {
		next = stripe->next;
		free(stripe);
	}
	pthread_mutex_destroy(&meter->lock);
	free(meter);
}

/* For this thread from here on; NULL: no memory. */
static __attribute__((noinline)) struct stripe *take_stripe(struct meter *meter)
{
	struct stripe *stripe;

	pthread_mutex_lock(&meter->lock);
	stripe = meter->free;
	if (stripe)
		meter->free = stripe->next_free;
	pthread_mutex_unlock(&meter->lock);
	if (!stripe) {
		stripe = calloc(1, sizeof(*stripe));
		if (!stripe)
			return NULL;
		stripe->meter = meter;
		stripe->next = atomic_load(&meter->stripes);
		while (!atomic_compare_exchange_weak(&meter->stripes,
						     &stripe->next, stripe))
			;
	}
	pthread_setspecific(meter->key, stripe);
	self = stripe;
	return stripe;
}

static inline struct stripe *own_stripe(struct meter *meter)
{
	struct stripe *stripe = self;

	return stripe && stripe->meter == meter ? stripe : take_stripe(meter);
}

#define SET(at, value)	atomic_store_explicit(at, value, memory_order_relaxed)
#define GET(at)		atomic_load_explicit(at, memory_order_relaxed)
#define ADD(at, amount) SET(at, GET(at) + (amount)) /* one writer */

/* NULL: none of those that were looked at is free. */
static struct meter_slot *find_slot(struct stripe *stripe)
{
	for (unsigned int i = 0; i < TRIES; i++) {
		struct meter_slot *slot;

		slot = &stripe->slots[(stripe->first + i) % SLOTS];
		if (atomic_load_explicit(&slot->since, memory_order_acquire) ==
		    0)
			return slot;
	}
	/* They are taken for long, it seems. */
	stripe->first += TRIES;
	return NULL;
}

void meter_begin(struct meter *meter, uint32_t client, struct call *call)
{
	const struct cf_in_header *in = call_in(call);
	struct stripe *stripe = own_stripe(meter);
	struct meter_slot *slot = stripe ? find_slot(stripe) : NULL;
	bool exact;

	call->meter = slot;
	if (!slot)
		return;
	exact = stripe->turn++ % METER_SAMPLE == 0;
	slot->exact = exact;
	SET(&slot->opcode, call->state.opcode);
	SET(&slot->client, client);
	SET(&slot->unique, call->state.unique);
	SET(&slot->nodeid, in->nodeid);
	atomic_store_explicit(&slot->since,
			      now(exact ? CLOCK_MONOTONIC
					: CLOCK_MONOTONIC_COARSE),
			      memory_order_release);
}

static unsigned int bucket_of(uint64_t time)
{
	uint64_t us = time / 1000;
	unsigned int bucket = us ? 64 - (unsigned int)__builtin_clzll(us) : 0;

	return bucket < METER_BUCKETS ? bucket : METER_BUCKETS - 1;
}

static void count_time(struct count *count, uint64_t since)
{
	uint64_t time = now(CLOCK_MONOTONIC) - since;

	ADD(&count->timed, 1);
	ADD(&count->time, time);
	ADD(&count->buckets[bucket_of(time)], 1);
}

void meter_end(struct meter *meter, const struct call *call)
{
	const struct cf_out_header *out = call->out;
	uint32_t opcode = call->state.opcode;
	struct stripe *stripe = own_stripe(meter);
	struct meter_slot *slot = call->meter;
	struct count *count;

	if (!stripe) { /* no memory: it is not counted */
		if (slot)
			SET(&slot->since, 0);
		return;
	}
	if (opcode >= METER_OPCODES)
		opcode = 0;
	count = &stripe->counts[opcode];
	ADD(&count->requests, 1);
	ADD(&count->in_bytes, call->head_len + call->data_len);
	if (call->out_len) {
		ADD(&count->out_bytes, call->out_len + call->out_data_len);
		/* In whatever byte order: it is an error if it is not 0. */
		if (out->error)
			ADD(&count->errors, 1);
	}
	if (!slot)
		return;
	if (slot->exact)
		count_time(count, GET(&slot->since));
	atomic_store_explicit(&slot->since, 0, memory_order_release);
}

void meter_read(struct meter *meter, unsigned int opcode,
		struct meter_count *ret_count)
{
	struct stripe *stripe = atomic_load(&meter->stripes);

	*ret_count = (struct meter_count){ 0 };
	for (; stripe; stripe = stripe->next) {
		struct count *count = &stripe->counts[opcode];

		ret_count->requests += GET(&count->requests);
		ret_count->errors += GET(&count->errors);
		ret_count->in_bytes += GET(&count->in_bytes);
		ret_count->out_bytes += GET(&count->out_bytes);
		ret_count->timed += GET(&count->timed);
		ret_count->time += GET(&count->time);
		for (unsigned int j = 0; j < METER_BUCKETS; j++)
			ret_count->buckets[j] += GET(&count->buckets[j]);
	}
}

/* False: it is free, or became so meanwhile. */
static bool read_slot(struct meter_slot *slot, uint64_t time,
		      struct meter_request *ret_request)
{
	uint64_t since;

	since = atomic_load_explicit(&slot->since, memory_order_acquire);
	if (!since)
		return false;
	ret_request->age = time > since ? time - since : 0;
	/* Each of these before SINCE is looked at again. */
	ret_request->opcode = atomic_load(&slot->opcode);
	ret_request->client = atomic_load(&slot->client);
	ret_request->unique = atomic_load(&slot->unique);
	ret_request->nodeid = atomic_load(&slot->nodeid);
	return GET(&slot->since) == since;
}

/* Puts REQUEST where it belongs among the COUNT oldest, KNOWN of them so far. */
static void keep_oldest(struct meter_request *requests, unsigned int known,
			unsigned int count, struct meter_request request)
{
	unsigned int at = known < count ? known : count;

	while (at > 0 && requests[at - 1].age < request.age) {
		if (at < count)
			requests[at] = requests[at - 1];
		at--;
	}
	if (at < count)
		requests[at] = request;
}

unsigned int meter_oldest(struct meter *meter, struct meter_request *requests,
			  unsigned int count)
{
	struct stripe *stripe = atomic_load(&meter->stripes);
	uint64_t time = now(CLOCK_MONOTONIC);
	unsigned int known = 0;

	for (; stripe; stripe = stripe->next) {
		for (unsigned int i = 0; i < SLOTS; i++) {
			struct meter_request request;

			if (read_slot(&stripe->slots[i], time, &request))
				keep_oldest(requests, known++, count, request);
		}
	}
	return known;
}
