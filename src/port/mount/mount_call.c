// SPDX-License-Identifier: BSD-2-Clause
#include "../../background.h"
#include "../../log.h"
#include "mount.h"
#include <errno.h>
#include <string.h>

/* Calls kept for reuse; each may have touched 2 MiB. */
#define CALLS_KEPT 64

static void offer_passthrough(struct mount_call *mcall, struct cf_init_out *out)
{
	struct mount_client *client = mcall->client;
	int ret = -EOPNOTSUPP;

	if (mcall->offered & CF_INIT_PASSTHROUGH)
		ret = passthrough_init(client, mcall->base.call.backing_fd,
				       out);
	if (ret < 0 && client->passthrough_mode == PASSTHROUGH_ON)
		log_warn("%s: --passthrough on: %s: all goes through the "
			 "server",
			 client->where,
			 mcall->offered & CF_INIT_PASSTHROUGH ? "not with this "
								"server and "
								"its options"
							      : "this kernel "
								"does not do "
								"it");
}

/*
 * What kernel and port agree on, whatever the server offers: a message has
 * room in our buffers, and io_uring is between the two alone.
 */
static void arrange_init(struct mount_call *mcall)
{
	struct mount_client *client = mcall->client;
	struct cf_init_out *out = call_out_arg(&mcall->base.call);
	const struct cf_out_header *header = mcall->base.call.out;
	const uint32_t local =
		(uint32_t)((CF_INIT_OVER_IO_URING | CF_INIT_PASSTHROUGH) >> 32);

	if (header->error || mcall->base.call.out_len < sizeof(*header) + 64)
		return;
	if (out->max_write > MOUNT_MAX_DATA)
		out->max_write = MOUNT_MAX_DATA;
	if (!(out->flags & CF_INIT_EXT))
		out->flags2 = 0;
	out->flags2 &= ~local;
	if (client->passthrough_mode != PASSTHROUGH_OFF)
		offer_passthrough(mcall, out);
	if (!client->rings || !(mcall->offered & CF_INIT_OVER_IO_URING))
		return;
	out->flags |= CF_INIT_EXT;
	out->flags2 |= (uint32_t)(CF_INIT_OVER_IO_URING >> 32);
	client->rings_started = true;
}

static int answer_error(struct mount_call *mcall, int error)
{
	struct cf_out_header header = {
		.len = sizeof(header),
		.error = error,
		.unique = mcall->base.call.state.unique,
	};
	struct iovec iov = { &header, sizeof(header) };

	return mcall->answer(mcall, &iov, 1);
}

/*
 * To end a wait for a lock by EINTR without a signal shows the caller the
 * kernel's own ERESTARTSYS.
 */
static bool ends_with_mount(const struct mount_call *mcall)
{
	const struct cf_out_header *header = mcall->base.call.out;

	return atomic_load(&mcall->client->ending) && header->error == -EINTR;
}

static void hand_over(struct mount_call *mcall)
{
	struct call *call = &mcall->base.call;
	struct iovec iov[2] = { { call->out, call->out_len },
				{ mcall->base.room.iov_base,
				  call->out_data_len } };
	int ret;

	if (ends_with_mount(mcall))
		ret = answer_error(mcall, -ECONNABORTED);
	else
		ret = mcall->answer(mcall, iov, call->out_data_len ? 2 : 1);
	if (ret == 0 || ret == -ENOENT || ret == -ENODEV)
		return; /* the kernel no longer wants it, or it is unmounted */
	log_warn("%s: the kernel refuses the reply to opcode %u: %s; the "
		 "caller gets EIO",
		 mcall->client->where, call->state.opcode, strerror(-ret));
	/* What the kernel does not take must not leave a program waiting. */
	answer_error(mcall, -EIO);
}

/* A file has been opened, if one has. */
static void arrange_open(struct mount_call *mcall)
{
	struct call *call = &mcall->base.call;
	const struct cf_out_header *header = call->out;
	struct cf_create_out *created = call_out_arg(call);
	const uint32_t opcode = call->state.opcode;

	if (header->error)
		return;
	if (opcode == CF_OPEN &&
	    call->out_len >= sizeof(*header) + sizeof(struct cf_open_out))
		passthrough_open(mcall->client, call_in(call)->nodeid,
				 call->backing_fd, call_out_arg(call));
	else if ((opcode == CF_CREATE || opcode == CF_TMPFILE) &&
		 call->out_len >= sizeof(*header) + sizeof(*created))
		passthrough_open(mcall->client, created->entry.nodeid,
				 call->backing_fd, &created->open);
}

/* FUSE_INIT is answered, after which the kernel does not ask again. */
static void tell_ready(struct mount_call *mcall)
{
	const struct cf_out_header *header = mcall->base.call.out;
	struct mount_client *client = mcall->client;

	if (!header->error) {
		background_ready();
	} else if (!atomic_load(&client->ending)) {
		log_error("%s: the server refuses to be mounted: %s",
			  client->where, strerror(-header->error));
		client->refused = header->error;
		mount_client_end(client);
	}
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
	else if (client->passthrough && call->out_len)
		arrange_open(mcall);
	if (call->out_len)
		hand_over(mcall);
	if (init && client->rings_started &&
	    rings_start(client->rings, client) < 0)
		mount_client_end(client);
	if (init)
		tell_ready(mcall);
	/* That of a ring stays with its entry, and may be in use by now. */
	if (!of_ring)
		buffered_call_put(&mcall->base);
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
};

void mount_calls_init(struct mount_client *client)
{
	client->calls = (struct buffered_calls){
		.relay = client->relay,
		.ops = &ops,
		.call_size = sizeof(struct mount_call),
		.request_max = MOUNT_MAX_REQUEST,
		.room_max = MOUNT_MAX_DATA,
		.keep = CALLS_KEPT,
	};
	buffered_calls_init(&client->calls);
}

struct mount_call *mount_call_get(struct mount_client *client)
{
	struct mount_call *mcall = buffered_call_get(&client->calls);

	if (mcall)
		mcall->client = client;
	return mcall;
}

void mount_call_submit(struct mount_call *mcall, size_t head_len)
{
	const struct cf_in_header *in = (const void *)mcall->base.in;
	const struct cf_init_in *init = (const void *)(in + 1);

	mcall->offered = 0;
	if (in->opcode == CF_INIT && head_len >= sizeof(*in) + sizeof(*init) &&
	    init->flags & CF_INIT_EXT)
		mcall->offered = (uint64_t)init->flags2 << 32;
	/* With this request the kernel is done with the file. */
	if (in->opcode == CF_RELEASE && mcall->client->passthrough)
		passthrough_release(mcall->client, in->nodeid);
	buffered_call_submit(&mcall->base, head_len);
}
