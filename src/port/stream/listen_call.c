// SPDX-License-Identifier: BSD-2-Clause
#include "../../log.h"
#include "listen.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* At first, and kept. */
#define OUT_FIRST 4096
#define OUT_KEPT  (128 << 10)

/* No reply but a file's bytes comes near it. */
#define OUT_MAX (16 << 20)

/* Calls kept for reuse; each may have touched 2 MiB. */
#define CALLS_KEPT 16

/*
 * What a client may have in flight; with more, nothing is read until some of it
 * is answered. Many calls may wait for locks.
 */
#define CALLS_MAX 16384
#define BYTES_MAX (32u << 20)

#define BUFFERS (STREAM_MAX_MESSAGE + STREAM_MAX_DATA)

static int reserve(struct call *call, size_t size)
{
	void *out;

	if (size > OUT_MAX)
		return -ENOMEM;
	out = relay_alloc(call->relay, size);
	if (!out)
		return -ENOMEM;
	memcpy(out, call->out, sizeof(struct cf_out_header));
	relay_free(call->relay, call->out, call->out_size);
	call->out = out;
	call->out_size = size;
	return 0;
}

/* A WRITE must have room in our buffers, whatever the server offers. */
static void arrange_init(struct stream_call *scall)
{
	struct cf_init_out *out = call_out_arg(&scall->call);
	const struct cf_out_header *header = scall->call.out;
	/* In the client's byte order. */
	bool swapped = header->len != scall->call.out_len;
	uint32_t max_write;

	if (header->error || scall->call.out_len < sizeof(*header) + 24)
		return;
	max_write = swapped ? __builtin_bswap32(out->max_write)
			    : out->max_write;
	if (max_write > scall->client->max_write)
		max_write = scall->client->max_write;
	out->max_write = swapped ? __builtin_bswap32(max_write) : max_write;
}

static void complete(struct call *call)
{
	struct stream_call *scall = (struct stream_call *)call;
	struct iovec iov[2] = { { call->out, call->out_len },
				{ scall->room.iov_base, call->out_data_len } };

	if (call->out_len) {
		if (call->state.opcode == CF_INIT)
			arrange_init(scall);
		/* If it fails the connection ends, which its reader tells. */
		link_write(&scall->client->link, iov,
			   call->out_data_len ? 2 : 1);
	}
	stream_call_put(scall);
}

static const struct call_ops ops = {
	.complete = complete,
	.reserve = reserve,
};

static void call_free(struct stream_call *scall)
{
	struct relay *relay = scall->client->relay;

	if (scall->in)
		relay_free(relay, scall->in, BUFFERS);
	if (scall->call.out)
		relay_free(relay, scall->call.out, scall->call.out_size);
	free(scall);
}

static struct stream_call *call_new(struct stream_client *client)
{
	struct stream_call *scall = calloc(1, sizeof(*scall));

	if (!scall)
		return NULL;
	scall->client = client;
	scall->call.ops = &ops;
	scall->call.out = relay_alloc(client->relay, OUT_FIRST);
	scall->call.out_size = OUT_FIRST;
	/* Pages that no message needs are never there. */
	scall->in = relay_alloc(client->relay, BUFFERS);
	if (!scall->call.out || !scall->in) {
		call_free(scall);
		return NULL;
	}
	scall->room.iov_base = scall->in + STREAM_MAX_MESSAGE;
	scall->room.iov_len = client->max_write;
	return scall;
}

/* With the lock held. */
static bool is_full(const struct stream_client *client)
{
	return client->in_flight >= CALLS_MAX || client->bytes >= BYTES_MAX;
}

struct stream_call *stream_call_get(struct stream_client *client, size_t len)
{
	struct stream_call *scall = NULL;

	pthread_mutex_lock(&client->lock);
	while (is_full(client) && !atomic_load(&client->link.ended))
		pthread_cond_wait(&client->changed, &client->lock);
	if (!is_full(client)) {
		scall = client->free_calls;
		if (scall) {
			client->free_calls = scall->next;
			client->free_count--;
		} else {
			scall = call_new(client);
		}
	}
	if (scall) {
		scall->len = len;
		client->in_flight++;
		client->bytes += len;
	}
	pthread_mutex_unlock(&client->lock);
	return scall;
}

void stream_call_put(struct stream_call *scall)
{
	struct stream_client *client = scall->client;
	bool keep = scall->call.out_size <= OUT_KEPT;

	pthread_mutex_lock(&client->lock);
	keep = keep && client->free_count < CALLS_KEPT;
	if (keep) {
		scall->next = client->free_calls;
		client->free_calls = scall;
		client->free_count++;
	}
	client->bytes -= scall->len;
	if (!keep)
		call_free(scall);
	/* When it is the last one, CLIENT may be gone after this. */
	client->in_flight--;
	pthread_cond_broadcast(&client->changed);
	pthread_mutex_unlock(&client->lock);
}

void stream_calls_end(struct stream_client *client)
{
	pthread_mutex_lock(&client->lock);
	while (client->in_flight)
		pthread_cond_wait(&client->changed, &client->lock);
	pthread_mutex_unlock(&client->lock);
	while (client->free_calls) {
		struct stream_call *scall = client->free_calls;

		client->free_calls = scall->next;
		call_free(scall);
	}
	client->free_count = 0;
}

void stream_call_submit(struct stream_call *scall, size_t head_len)
{
	struct call *call = &scall->call;

	scall->data.iov_base = scall->in + head_len;
	scall->data.iov_len = scall->len - head_len;
	call->head = scall->in;
	call->head_len = head_len;
	call->data = &scall->data;
	call->data_count = scall->data.iov_len ? 1 : 0;
	call->data_len = scall->data.iov_len;
	call->room = &scall->room;
	call->room_count = 1;
	call->room_len = scall->room.iov_len;
	call->out_len = 0;
	call->out_data_len = 0;
	relay_submit(scall->client->relay, call);
}
