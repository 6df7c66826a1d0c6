/* SPDX-License-Identifier: BSD-2-Clause */
/* The requests that libfuse has and has not answered yet. */
#include "adapter.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct pending {
	struct pending *next;
	struct crossfuse_call call;
};

void cf_calls_init(struct calls *calls)
{
	memset(calls, 0, sizeof(*calls));
	if (getrandom(&calls->multiplier, sizeof(calls->multiplier),
		      GRND_NONBLOCK) < 0)
		calls->multiplier = (uintptr_t)calls ^ 0x9e3779b97f4a7c15u;
	calls->multiplier |= 1;
	pthread_mutex_init(&calls->lock, NULL);
}

void cf_calls_free(struct calls *calls)
{
	for (size_t i = 0; i < CALL_BUCKETS; i++)
		while (calls->buckets[i]) {
			struct pending *gone = calls->buckets[i];

			calls->buckets[i] = gone->next;
			free(gone);
		}
	pthread_mutex_destroy(&calls->lock);
}

/* Where the entry of this unique hangs, or would. */
static struct pending **find(struct calls *calls, uint64_t unique)
{
	uint64_t hash = unique * calls->multiplier;
	struct pending **at =
		&calls->buckets[(hash >> 32) & (CALL_BUCKETS - 1)];

	while (*at && (*at)->call.unique != unique)
		at = &(*at)->next;
	return at;
}

static int put_pending(struct calls *calls, struct pending *new)
{
	struct pending **at;
	int err = 0;

	pthread_mutex_lock(&calls->lock);
	at = find(calls, new->call.unique);
	if (*at) {
		err = -EEXIST;
	} else if (calls->count >= MAX_CALLS) {
		err = -ENOMEM;
	} else {
		new->next = NULL;
		*at = new;
		calls->count++;
	}
	pthread_mutex_unlock(&calls->lock);
	return err;
}

int cf_calls_put(struct calls *calls, const struct crossfuse_call *call)
{
	struct pending *new;
	int err;

	if (call->opcode == CF_INTERRUPT) {
		pthread_mutex_lock(&calls->lock);
		calls->interrupts[calls->next_interrupt++ % MAX_INTERRUPTS] =
			*call;
		pthread_mutex_unlock(&calls->lock);
		return 0;
	}
	new = malloc(sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->call = *call;
	err = put_pending(calls, new);
	if (err)
		free(new);
	return err;
}

/* The latest INTERRUPT of this unique. */
static int take_interrupt(struct calls *calls, uint64_t unique,
			  struct crossfuse_call *ret_call)
{
	for (unsigned int i = 1; i <= MAX_INTERRUPTS; i++) {
		struct crossfuse_call *call =
			&calls->interrupts[(calls->next_interrupt - i) %
					   MAX_INTERRUPTS];

		if (call->opcode != CF_INTERRUPT || call->unique != unique)
			continue;
		*ret_call = *call;
		call->opcode = 0;
		return 0;
	}
	return -ENOENT;
}

int cf_calls_take(struct calls *calls, uint64_t unique,
		  struct crossfuse_call *ret_call)
{
	struct pending **at, *found;
	int err = 0;

	pthread_mutex_lock(&calls->lock);
	at = find(calls, unique);
	found = *at;
	if (found) {
		*at = found->next;
		calls->count--;
		*ret_call = found->call;
	} else {
		err = take_interrupt(calls, unique, ret_call);
	}
	pthread_mutex_unlock(&calls->lock);
	free(found);
	return err;
}
