// SPDX-License-Identifier: BSD-2-Clause
#include "../../log.h"
#include "mount.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* At first, and kept. */
#define OUT_FIRST 4096
#define OUT_KEPT  (128 << 10)

/* No reply but a file's bytes comes near it. */
#define OUT_MAX (16 << 20)

/* Calls kept for reuse; each may have touched 2 MiB. */
#define CALLS_KEPT 64

#define BUFFERS (MOUNT_MAX_REQUEST + MOUNT_MAX_DATA)

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

/*
 * What kernel and port agree on, whatever the server offers: a message has
 * room in our buffers, and io_uring is between the two alone.
 */
static void arrange_init(struct mount_call *mcall)
{
	struct mount_client *client = mcall->client;
	struct cf_init_out *out = call_out_arg(&mcall->call);
	const struct cf_out_header *header = mcall->call.out;
	const uint32_t high = (uint32_t)(CF_INIT_OVER_IO_URING >> 32);

	if (header->error || mcall->call.out_len < sizeof(*header) + 64)
		return;
	if (out->max_write > MOUNT_MAX_DATA)
		out->max_write = MOUNT_MAX_DATA;
	if (!(out->flags & CF_INIT_EXT))
		out->flags2 = 0;
	out->flags2 &= ~high;
	if (!client->rings || !mcall->offers_io_uring)
		return;
	out->flags |= CF_INIT_EXT;
	out->flags2 |= high;
	client->rings_started = true;
}

/* An errno that the kernel does not take must not leave a program waiting. */
static int answer_eio(struct mount_call *mcall)
{
	struct cf_out_header header = {
		.len = sizeof(header),
		.error = -EIO,
		.unique = mcall->call.state.unique,
	};
	struct iovec iov = { &header, sizeof(header) };

	return mcall->answer(mcall, &iov, 1);
}

static void hand_over(struct mount_call *mcall)
{
	struct call *call = &mcall->call;
	struct iovec iov[2] = { { call->out, call->out_len },
				{ mcall->room.iov_base, call->out_data_len } };
	int ret;

	ret = mcall->answer(mcall, iov, call->out_data_len ? 2 : 1);
	if (ret == 0 || ret == -ENOENT || ret == -ENODEV)
		return; /* the kernel no longer wants it, or it is unmounted */
	log_warn("%s: the kernel refuses the reply to opcode %u: %s; the "
		 "caller gets EIO",
		 mcall->client->where, call->state.opcode, strerror(-ret));
	answer_eio(mcall);
}

/*
 * To end a wait for a lock by EINTR without a signal shows the caller the
 * kernel's own ERESTARTSYS; the end of the connection says ECONNABORTED.
 */
static bool left_to_the_end(const struct mount_call *mcall)
{
	const struct cf_out_header *header = mcall->call.out;

	return atomic_load(&mcall->client->stopping) && header->error == -EINTR;
}

static void complete(struct call *call)
{
	struct mount_call *mcall = (struct mount_call *)call;
	struct mount_client *client = mcall->client;
	/* One that the gate did not let pass has the state of another. */
	bool init = call->out_len && call->state.opcode == CF_INIT;
	bool of_ring = mcall->ring;

	if (init)
		arrange_init(mcall);
	if (call->out_len && !left_to_the_end(mcall))
		hand_over(mcall);
	if (init && client->rings_started &&
	    rings_start(client->rings, client) < 0)
		mount_client_end(client);
	/* That of a ring stays with its entry, and may be in use by now. */
	if (!of_ring)
		mount_call_put(mcall);
}

static void may_block(struct call *call)
{
	struct mount_call *mcall = (struct mount_call *)call;

	/* Readers see to it themselves that one is there. */
	if (mcall->ring)
		rings_may_wait(mcall);
}

static const struct call_ops ops = {
	.complete = complete,
	.may_block = may_block,
	.reserve = reserve,
};

static void call_free(struct mount_call *mcall)
{
	struct relay *relay = mcall->client->relay;

	if (mcall->in)
		relay_free(relay, mcall->in, BUFFERS);
	if (mcall->call.out)
		relay_free(relay, mcall->call.out, mcall->call.out_size);
	free(mcall);
}

static struct mount_call *call_new(struct mount_client *client)
{
	struct mount_call *mcall = calloc(1, sizeof(*mcall));

	if (!mcall)
		return NULL;
	mcall->client = client;
	mcall->call.ops = &ops;
	mcall->call.out = relay_alloc(client->relay, OUT_FIRST);
	mcall->call.out_size = OUT_FIRST;
	/* Pages that no message needs are never there. */
	mcall->in = relay_alloc(client->relay, BUFFERS);
	if (!mcall->call.out || !mcall->in) {
		call_free(mcall);
		return NULL;
	}
	mcall->room.iov_base = mcall->in + MOUNT_MAX_REQUEST;
	mcall->room.iov_len = MOUNT_MAX_DATA;
	return mcall;
}

struct mount_call *mount_call_get(struct mount_client *client)
{
	struct mount_call *mcall;

	pthread_mutex_lock(&client->calls_lock);
	mcall = client->free_calls;
	if (mcall) {
		client->free_calls = mcall->next;
		client->free_count--;
	}
	pthread_mutex_unlock(&client->calls_lock);
	return mcall ? mcall : call_new(client);
}

void mount_call_put(struct mount_call *mcall)
{
	struct mount_client *client = mcall->client;
	bool keep = mcall->call.out_size <= OUT_KEPT;

	pthread_mutex_lock(&client->calls_lock);
	keep = keep && client->free_count < CALLS_KEPT;
	if (keep) {
		mcall->next = client->free_calls;
		client->free_calls = mcall;
		client->free_count++;
	}
	pthread_mutex_unlock(&client->calls_lock);
	if (!keep)
		call_free(mcall);
}

void mount_calls_free(struct mount_client *client)
{
	while (client->free_calls) {
		struct mount_call *mcall = client->free_calls;

		client->free_calls = mcall->next;
		call_free(mcall);
	}
}

void mount_call_submit(struct mount_call *mcall, size_t head_len)
{
	struct call *call = &mcall->call;
	const struct cf_init_in *init =
		(const void *)(mcall->in + sizeof(struct cf_in_header));

	call->head = mcall->in;
	call->head_len = head_len;
	call->data = &mcall->data;
	call->data_count = mcall->data.iov_len ? 1 : 0;
	call->data_len = mcall->data.iov_len;
	call->room = &mcall->room;
	call->room_count = 1;
	call->room_len = mcall->room.iov_len;
	call->out_len = 0;
	call->out_data_len = 0;
	mcall->offers_io_uring =
		call_in(call)->opcode == CF_INIT &&
		call_arg_len(call) >= sizeof(*init) &&
		(init->flags & CF_INIT_EXT) &&
		(init->flags2 & (uint32_t)(CF_INIT_OVER_IO_URING >> 32));
	relay_submit(mcall->client->relay, call);
}
