// SPDX-License-Identifier: BSD-2-Clause
#include "listen.h"

/* Calls kept for reuse; each may have touched 2 MiB. */
#define CALLS_KEPT 16

/*
 * What a client may have in flight; with more, nothing is read until some of it
 * is answered. Many calls may wait for locks.
 */
#define CALLS_MAX 16384
#define BYTES_MAX (32u << 20)

/* A WRITE must have room in our buffers, whatever the server offers. */
static void arrange_init(struct stream_call *scall)
{
	struct cf_init_out *out = call_out_arg(&scall->base.call);
	const struct cf_out_header *header = scall->base.call.out;
	/* In the client's byte order. */
	bool swapped = header->len != scall->base.call.out_len;
	uint32_t max_write;

	if (header->error || scall->base.call.out_len < sizeof(*header) + 24)
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
				{ scall->base.room.iov_base,
				  call->out_data_len } };

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
};

void stream_calls_begin(struct stream_client *client)
{
	client->calls = (struct buffered_calls){
		.relay = client->relay,
		.ops = &ops,
		.call_size = sizeof(struct stream_call),
		.request_max = STREAM_MAX_MESSAGE,
		.room_max = client->max_write,
		.keep = CALLS_KEPT,
	};
	buffered_calls_init(&client->calls);
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
	if (!is_full(client))
		scall = buffered_call_get(&client->calls);
	if (scall) {
		scall->client = client;
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
	size_t len = scall->len;

	buffered_call_put(&scall->base);
	pthread_mutex_lock(&client->lock);
	client->bytes -= len;
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
	buffered_calls_destroy(&client->calls);
}

void stream_call_submit(struct stream_call *scall, size_t head_len)
{
	struct buffered_call *base = &scall->base;

	base->data.iov_base = base->in + head_len;
	base->data.iov_len = scall->len - head_len;
	buffered_call_submit(base, head_len);
}
