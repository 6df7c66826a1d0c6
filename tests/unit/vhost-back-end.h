/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vhost-user-fs back end of the test's own, which answers as it should, lies
 * in every way that a virtqueue allows, or goes away; and a client's calls.
 */
#ifndef VHOST_BACK_END_H
#define VHOST_BACK_END_H

#include "../../src/log.h"
#include "../../src/options.h"
#include "../../src/port/port.h"
#include "../../src/relay.h"
#include "../../src/vhost/device.h"
#include "check.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define QUEUES 3U
#define BYTES  8192U

enum lie {
	HONEST,
	OTHER_ID,  /* a number that is no descriptor */
	IDLE_ID,   /* one that is not in use */
	TWICE,	   /* answers again, in the place of another */
	TOO_LONG,  /* says that it wrote more than there is room for */
	JUMP,	   /* an index far ahead */
	SHORT,	   /* less than a header */
	GARBAGE,   /* bytes that are no reply */
	OTHERS,	   /* the reply to another request */
	SAYS_MORE, /* a header that is longer than the reply */
	LEAVES,	   /* closes its socket with a request in hand */
	LIES
};

static _Atomic(enum lie) lie;

static struct vhost_device device;
static struct virtqueue vqs[QUEUES];
static int calls[QUEUES] = { -1, -1, -1 };
static atomic_uint seen;

/* Of the last request that was no FUSE_INIT. */
static _Atomic(uint64_t) seen_node;

/* Of FUSE_INIT's reply. */
static uint32_t init_flags;

/* Numbers that the back end gives out. */
#define NODE   7U
#define HANDLE 9U

static int start(struct vhost_device *of, unsigned int index)
{
	struct virtqueue *vq = &vqs[index];

	memset(vq, 0, sizeof(*vq));
	if (virtqueue_map(vq, &of->rings[index].place, of->memory) < 0)
		return -EINVAL;
	virtqueue_begin(vq, of->rings[index].base,
			of->features & VIRTIO_F_EVENT_IDX);
	return 0;
}

static uint16_t stop(struct vhost_device *of, unsigned int index)
{
	(void)of;
	return vqs[index].last_avail;
}

static void set_call(struct vhost_device *of, unsigned int index, int fd)
{
	(void)of;
	if (calls[index] >= 0)
		close(calls[index]);
	calls[index] = fd;
}

static void set_err(struct vhost_device *of, unsigned int index, int fd)
{
	(void)of;
	(void)index;
	if (fd >= 0)
		close(fd);
}

static void memory_changed(struct vhost_device *of)
{
	for (unsigned int i = 0; i < QUEUES; i++)
		if (of->rings[i].started)
			virtqueue_map(&vqs[i], &of->rings[i].place, of->memory);
}

static void reset(struct vhost_device *of)
{
	(void)of;
}

static const struct vhost_device_ops device_ops = {
	.start = start,
	.stop = stop,
	.set_call = set_call,
	.set_err = set_err,
	.memory_changed = memory_changed,
	.reset = reset,
};

/* What is written, to a chain that has room for it. */
static void put(const struct chain *chain, const void *bytes, size_t len)
{
	const struct iovec *iov = chain->iov + chain->in_count;
	const char *from = bytes;

	for (; len &&
	       CHECK(iov < chain->iov + chain->in_count + chain->out_count);
	     iov++) {
		size_t part = iov->iov_len < len ? iov->iov_len : len;

		memcpy(iov->iov_base, from, part);
		from += part;
		len -= part;
	}
}

/* An honest reply, and what it is made of a lie. */
static size_t reply(const struct chain *chain, char *bytes)
{
	struct cf_in_header in = { 0 };
	struct cf_out_header *out = (void *)bytes;

	if (CHECK(chain->iov[0].iov_len >= sizeof(in)))
		memcpy(&in, chain->iov[0].iov_base, sizeof(in));
	*out = (struct cf_out_header){ .len = sizeof(*out),
				       .unique = in.unique };
	if (in.opcode == CF_READ)
		out->len += BYTES;
	if (in.opcode == CF_INIT)
		out->len += 64;
	if (in.opcode == CF_LOOKUP)
		out->len += sizeof(struct cf_entry_out);
	if (in.opcode == CF_OPENDIR)
		out->len += sizeof(struct cf_open_out);
	memset(out + 1, in.opcode == CF_READ ? 'r' : 0,
	       out->len - sizeof(*out));
	if (in.opcode != CF_INIT)
		atomic_store(&seen_node, in.nodeid);
	if (in.opcode == CF_LOOKUP)
		((struct cf_entry_out *)(void *)(out + 1))->nodeid = NODE;
	if (in.opcode == CF_OPENDIR)
		((struct cf_open_out *)(void *)(out + 1))->fh = HANDLE;
	if (in.opcode == CF_INIT) {
		struct cf_init_out *init = (void *)(out + 1);

		memset(init, 0, 64);
		init->major = 7;
		init->minor = 31;
		init->max_write = 65536;
		init->flags = init_flags;
	} else if (lie == OTHERS) {
		out->unique += 2;
	} else if (lie == GARBAGE) {
		memset(bytes, 0x5a, sizeof(*out));
		return sizeof(*out);
	} else if (lie == SAYS_MORE) {
		out->len += 8;
		return out->len - 8;
	}
	return out->len;
}

static void serve(struct virtqueue *vq, unsigned int index, bool init)
{
	struct chain chain = { 0 };
	char bytes[sizeof(struct cf_out_header) + BYTES];
	enum lie how = init ? HONEST : lie;
	uint64_t one = 1;
	const char *why;
	uint32_t len;

	if (!CHECK_EQ(virtqueue_pop(vq, device.memory, &chain, &why), 1))
		return;
	len = (uint32_t)reply(&chain, bytes);
	put(&chain, bytes, len);
	atomic_fetch_add(&seen, 1);
	if (how == OTHER_ID)
		virtqueue_push(vq, 4711, len);
	else if (how == IDLE_ID)
		virtqueue_push(vq, (uint16_t)(chain.head + 1), len);
	else
		virtqueue_push(vq, chain.head,
			       how == TOO_LONG ? UINT32_MAX
			       : how == SHORT  ? 7
					       : len);
	if (how == TWICE)
		virtqueue_push(vq, chain.head, len);
	if (how == JUMP)
		__atomic_store_n(&vq->used->idx, htole16(20000),
				 __ATOMIC_RELEASE);
	if (write(calls[index], &one, sizeof(one)) < 0)
		CHECK(false);
	chain_release(&chain);
}

/* Until the driver leaves. */
static void *back_end(void *opaque)
{
	bool left = false, init = true;
	int fd = accept(*(int *)opaque, NULL, NULL);

	if (!CHECK_EQ(vhost_device_init(&device, &device_ops, fd, QUEUES), 0))
		return NULL;
	while (!left) {
		struct pollfd fds[1 + QUEUES] = { { device.channel.fd, POLLIN,
						    0 } };

		for (unsigned int i = 0; i < QUEUES; i++)
			fds[1 + i] =
				(struct pollfd){ device.rings[i].started
							 ? device.rings[i].kick
							 : -1,
						 POLLIN, 0 };
		if (poll(fds, 1 + QUEUES, 20000) <= 0)
			break;
		for (unsigned int i = 0; i < QUEUES && !left; i++) {
			uint64_t count;

			if (fds[1 + i].revents &&
			    read(fds[1 + i].fd, &count, sizeof(count)) < 0)
				continue;
			while (device.rings[i].started && !left &&
			       (virtqueue_pending(&vqs[i]) ||
				virtqueue_notify_on(&vqs[i]))) {
				left = lie == LEAVES && !init;
				if (!left)
					serve(&vqs[i], i, init);
				init = false;
			}
		}
		if (fds[0].revents && vhost_device_handle(&device) <= 0)
			break;
	}
	vhost_device_stop(&device);
	vhost_device_destroy(&device);
	return NULL;
}

struct test_call {
	struct call call;
	uint64_t head[32];
	uint64_t out[64];
	struct iovec room;
	atomic_int completions;
};

static void complete(struct call *call)
{
	((struct test_call *)call)->completions++;
}

static const struct call_ops call_ops = { .complete = complete };
static struct relay relay;

static void submit(struct test_call *test, uint32_t opcode, uint64_t node,
		   const void *arg, size_t arg_len, void *room, size_t room_len)
{
	static uint64_t unique;
	struct cf_in_header header = {
		.len = (uint32_t)(sizeof(header) + arg_len),
		.opcode = opcode,
		.unique = unique += 2,
		.nodeid = node,
	};

	memset(test, 0, sizeof(*test));
	memcpy(test->head, &header, sizeof(header));
	if (arg_len)
		memcpy((char *)test->head + sizeof(header), arg, arg_len);
	test->room = (struct iovec){ room, room_len };
	test->call = (struct call){
		.ops = &call_ops,
		.head = test->head,
		.head_len = header.len,
		.out = test->out,
		.out_size = sizeof(test->out),
		.room = &test->room,
		.room_count = 1,
		.room_len = room_len,
	};
	relay_submit(&relay, &test->call);
}

/* Until it is complete: the error, or 0. */
static int wait_for(struct test_call *test)
{
	while (!atomic_load(&test->completions))
		usleep(1000); /* a test that hangs is ended by its alarm */
	return ((struct cf_out_header *)(void *)test->out)->error;
}

static int ask(struct test_call *test, uint32_t opcode, const void *arg,
	       size_t arg_len, void *room, size_t room_len)
{
	submit(test, opcode, 1, arg, arg_len, room, room_len);
	return wait_for(test);
}

static int ask_init(void)
{
	struct cf_init_in init = { .major = 7, .minor = 31 };
	char room[256];
	struct test_call test;

	return ask(&test, CF_INIT, &init, 16, room, sizeof(room));
}

static int ask_read(struct test_call *test, char *room)
{
	struct cf_read_in in = { .size = BYTES };

	return ask(test, CF_READ, &in, sizeof(in), room, BYTES);
}

/* A socket that listens at PATH. */
static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 1) < 0)
		exit(1);
	return listener;
}

#endif
