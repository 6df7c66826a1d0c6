// SPDX-License-Identifier: BSD-2-Clause
#include "buffered_call.h"
#include <stdlib.h>

/* At first, and kept. */
#define OUT_FIRST 4096
#define OUT_KEPT  (128 << 10)

void buffered_calls_init(struct buffered_calls *calls)
{
	calls->free = NULL;
	calls->free_count = 0;
	pthread_mutex_init(&calls->lock, NULL);
}

static size_t buffers(const struct buffered_calls *calls)
{
	return calls->request_max + calls->room_max;
}

static void call_free(struct buffered_call *buffered)
{
	const struct buffered_calls *calls = buffered->calls;

	relay_free(calls->relay, buffered->in, buffers(calls));
	relay_free(calls->relay, buffered->call.out, buffered->call.out_size);
	free(buffered);
}

void buffered_calls_destroy(struct buffered_calls *calls)
{
	while (calls->free) {
		struct buffered_call *buffered = calls->free;

		calls->free = buffered->next;
		call_free(buffered);
	}
	pthread_mutex_destroy(&calls->lock);
}

static struct buffered_call *call_new(struct buffered_calls *calls)
{
	struct buffered_call *buffered = calloc(1, calls->call_size);

	if (!buffered)
		return NULL;
	buffered->calls = calls;
	buffered->call.ops = calls->ops;
	buffered->call.out = relay_alloc(calls->relay, OUT_FIRST);
	buffered->call.out_size = OUT_FIRST;
	/* Pages that no message needs are never there. */
	buffered->in = relay_alloc(calls->relay, buffers(calls));
	if (!buffered->call.out || !buffered->in) {
		call_free(buffered);
		return NULL;
	}
	buffered->room.iov_base = buffered->in + calls->request_max;
	buffered->room.iov_len = calls->room_max;
	return buffered;
}

void *buffered_call_get(struct buffered_calls *calls)
{
	struct buffered_call *buffered;

	pthread_mutex_lock(&calls->lock);
	buffered = calls->free;
	if (buffered) {
		calls->free = buffered->next;
		calls->free_count--;
	}
	pthread_mutex_unlock(&calls->lock);
	return buffered ? buffered : call_new(calls);
}

void buffered_call_put(struct buffered_call *buffered)
{
	struct buffered_calls *calls = buffered->calls;
	bool keep = buffered->call.out_size <= OUT_KEPT;

	pthread_mutex_lock(&calls->lock);
	keep = keep && calls->free_count < calls->keep;
	if (keep) {
		buffered->next = calls->free;
		calls->free = buffered;
		calls->free_count++;
	}
	pthread_mutex_unlock(&calls->lock);
	if (!keep)
		call_free(buffered);
}

void buffered_call_submit(struct buffered_call *buffered, size_t head_len)
{
	struct call *call = &buffered->call;

	call->head = buffered->in;
	call->head_len = head_len;
	call->data = &buffered->data;
	call->data_count = buffered->data.iov_len ? 1 : 0;
	call->data_len = buffered->data.iov_len;
	call->room = &buffered->room;
	call->room_count = 1;
	call->room_len = buffered->room.iov_len;
	call->out_len = 0;
	call->out_data_len = 0;
	relay_submit(buffered->calls->relay, call);
}
