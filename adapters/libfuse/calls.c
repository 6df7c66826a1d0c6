/* SPDX-License-Identifier: BSD-2-Clause */
/* The requests that libfuse has and has not answered yet. */
#include "adapter.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

struct pending {
	struct crossfuse_call call;
	/* The latest INTERRUPT of it, which libfuse may answer; opcode 0: none */
	struct crossfuse_call interrupt;
};

/* Numbers that a client cannot know; those of an address if need be. */
static uint64_t seed_of(const struct calls *calls)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = (uintptr_t)calls;
	return seed;
}

int cf_calls_init(struct calls *calls)
{
	size_t size = crossfuse_inflight_size(MAX_CALLS);
	int err;

	calls->memory = malloc(size);
	if (!calls->memory)
		return -ENOMEM;
	err = crossfuse_inflight_init(&calls->table, calls->memory, size,
				      MAX_CALLS, seed_of(calls));
	if (!err)
		err = -pthread_mutex_init(&calls->lock, NULL);
	if (err) {
		free(calls->memory);
		calls->memory = NULL;
	}
	return err;
}

void cf_calls_free(struct calls *calls)
{
	uint64_t unique;
	void *pending;

	if (!calls->memory)
		return;
	while (!crossfuse_inflight_next(&calls->table, 0, &unique, &pending)) {
		crossfuse_inflight_take(&calls->table, unique, &pending);
		free(pending);
	}
	free(calls->memory);
	pthread_mutex_destroy(&calls->lock);
}

static int put_interrupt(struct calls *calls, struct crossfuse_call *call,
			 void *request, size_t len)
{
	struct pending *pending;
	uint64_t unique;
	void *found;
	int err;

	err = crossfuse_interrupt_unique(call, request, len, &unique);
	if (err)
		return err;
	if (crossfuse_inflight_find(&calls->table, unique, &unique, &found))
		return -EAGAIN;
	err = crossfuse_call_renumber(call, request, len, unique);
	if (err)
		return err;
	pending = found;
	pending->interrupt = *call;
	return 0;
}

static int put_call(struct calls *calls, struct crossfuse_call *call,
		    void *request, size_t len)
{
	struct pending *pending = calloc(1, sizeof(*pending));
	uint64_t unique;

	if (!pending || crossfuse_inflight_put(&calls->table, call->unique,
					       pending, &unique)) {
		free(pending);
		return -ENOMEM;
	}
	crossfuse_call_renumber(call, request, len, unique);
	pending->call = *call;
	return 0;
}

int cf_calls_put(struct calls *calls, struct crossfuse_call *call,
		 void *request, size_t len)
{
	int err;

	pthread_mutex_lock(&calls->lock);
	if (call->opcode == CF_INTERRUPT)
		err = put_interrupt(calls, call, request, len);
	else
		err = put_call(calls, call, request, len);
	pthread_mutex_unlock(&calls->lock);
	return err;
}

/* The INTERRUPT that libfuse says could not be done. */
static int take_interrupt(struct calls *calls, uint64_t unique,
			  struct crossfuse_call *ret_call)
{
	struct pending *pending;
	void *found;

	if (crossfuse_inflight_get(&calls->table, unique, &found))
		return -ENOENT;
	pending = found;
	if (pending->interrupt.opcode != CF_INTERRUPT)
		return -ENOENT;
	*ret_call = pending->interrupt;
	pending->interrupt.opcode = 0;
	return 0;
}

int cf_calls_take(struct calls *calls, uint64_t unique,
		  struct crossfuse_call *ret_call)
{
	void *found = NULL;
	int err;

	pthread_mutex_lock(&calls->lock);
	if (unique & CF_INT_REQ_BIT)
		err = take_interrupt(calls, unique, ret_call);
	else
		err = crossfuse_inflight_take(&calls->table, unique, &found);
	pthread_mutex_unlock(&calls->lock);
	if (found)
		*ret_call = ((struct pending *)found)->call;
	free(found);
	return err;
}
