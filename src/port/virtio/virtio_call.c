// SPDX-License-Identifier: BSD-2-Clause
#include "../../log.h"
#include "virtio.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* At first, and kept: enough for all but long extended attributes and lists. */
#define HEAD_KEPT   8192
#define OUT_FIRST   4096
#define OUT_KEPT    (128 << 10)
#define PIECES_KEPT 1024

/* No request's fixed part with its names comes near it. */
#define HEAD_MAX ((1 << 20) + 4096)

/* Of a request of which too much is there to be answered: said of none. */
#define OUTSIDE "a request outside the guest's memory"

/* After this the compiler must not read guest memory again for a copy. */
#define COPIED() __asm__ __volatile__("" ::: "memory")

struct virtio_call *virtio_call_new(struct queue *queue,
				    const struct call_ops *ops)
{
	struct relay *relay = queue->client->relay;
	struct virtio_call *vcall = calloc(1, sizeof(*vcall));

	if (!vcall)
		return NULL;
	vcall->queue = queue;
	vcall->call.ops = ops;
	vcall->call.head = relay_alloc(relay, HEAD_KEPT);
	vcall->head_space = HEAD_KEPT;
	vcall->call.out = relay_alloc(relay, OUT_FIRST);
	vcall->call.out_size = OUT_FIRST;
	if (!vcall->call.head || !vcall->call.out) {
		virtio_call_free(vcall);
		return NULL;
	}
	memset(vcall->call.out, 0, OUT_FIRST);
	return vcall;
}

void virtio_call_free(struct virtio_call *vcall)
{
	struct relay *relay = vcall->queue->client->relay;

	chain_release(&vcall->chain);
	relay_free(relay, vcall->call.head, vcall->head_space);
	relay_free(relay, vcall->call.out, vcall->call.out_size);
	free(vcall);
}

/* Another piece of memory, if there is one, in the place of *MEMORY. */
static bool replace(struct relay *relay, void **memory, size_t old_size,
		    size_t size)
{
	void *other = relay_alloc(relay, size);

	if (!other)
		return false;
	relay_free(relay, *memory, old_size);
	*memory = other;
	return true;
}

static __attribute__((noinline)) void shrink(struct virtio_call *vcall)
{
	struct relay *relay = vcall->queue->client->relay;
	struct call *call = &vcall->call;

	if (vcall->head_space > HEAD_KEPT &&
	    replace(relay, &call->head, vcall->head_space, HEAD_KEPT))
		vcall->head_space = HEAD_KEPT;
	if (call->out_size > OUT_KEPT &&
	    replace(relay, &call->out, call->out_size, OUT_FIRST)) {
		memset(call->out, 0, OUT_FIRST);
		call->out_size = OUT_FIRST;
	}
	if (vcall->chain.space > PIECES_KEPT)
		chain_release(&vcall->chain);
}

void virtio_call_shrink(struct virtio_call *vcall)
{
	if (vcall->head_space > HEAD_KEPT || vcall->call.out_size > OUT_KEPT ||
	    vcall->chain.space > PIECES_KEPT)
		shrink(vcall);
}

/*
 * Moves the next LEN bytes, of which there are so many, from the pieces at
 * *IOV to BUF, and goes past them: what is left begins at *IOV.
 */
static void take_bytes(struct iovec **iov, unsigned int *count, void *buf,
		       size_t len)
{
	char *to = buf;

	while (len) {
		struct iovec *piece = *iov;
		size_t n = piece->iov_len < len ? piece->iov_len : len;

		memcpy(to, piece->iov_base, n);
		to += n;
		len -= n;
		piece->iov_base = (char *)piece->iov_base + n;
		piece->iov_len -= n;
		if (!piece->iov_len) {
			(*iov)++;
			(*count)--;
		}
	}
	COPIED();
}

/* What has been read is kept: the header. */
static int grow_head(struct virtio_call *vcall, size_t size)
{
	struct relay *relay = vcall->queue->client->relay;
	void *head = relay_alloc(relay, size);

	if (!head)
		return -ENOMEM;
	memcpy(head, vcall->call.head, sizeof(struct cf_in_header));
	relay_free(relay, vcall->call.head, vcall->head_space);
	vcall->call.head = head;
	vcall->head_space = size;
	return 0;
}

/* Whether the first LEN bytes of the pieces, of which there are so many, are. */
static bool are_there(const struct iovec *iov, size_t len)
{
	for (; len; iov++) {
		if (!iov->iov_base)
			return false;
		len -= iov->iov_len < len ? iov->iov_len : len;
	}
	return true;
}

static const char *prepare_request(struct virtio_call *vcall,
				   struct relay *relay)
{
	const size_t header_len = sizeof(struct cf_in_header);
	struct chain *chain = &vcall->chain;
	struct call *call = &vcall->call;
	struct iovec *iov = chain->iov;
	unsigned int count = chain->in_count;
	ssize_t head_len;

	if (chain->in_len < header_len)
		return "a request shorter than its header";
	if (chain->outside && !are_there(iov, header_len))
		return OUTSIDE;
	take_bytes(&iov, &count, call->head, header_len);
	head_len = relay_head_len(relay, call->head, chain->in_len);
	if (head_len < (ssize_t)header_len || (size_t)head_len > chain->in_len)
		return "a request whose length is not what its header says";
	if (head_len > HEAD_MAX)
		return "a request with names that are too long";
	call->head_len = (size_t)head_len;
	if (call->head_len > vcall->head_space &&
	    grow_head(vcall, call->head_len) < 0)
		return "a request that there is no memory for";
	if (chain->outside && !are_there(iov, call->head_len - header_len))
		return OUTSIDE;
	take_bytes(&iov, &count, (char *)call->head + header_len,
		   call->head_len - header_len);
	call->data = iov;
	call->data_count = count;
	call->data_len = chain->in_len - call->head_len;
	return NULL;
}

/* Sets the first 16 bytes of what may be written apart from the rest. */
static const char *prepare_reply(struct virtio_call *vcall)
{
	struct chain *chain = &vcall->chain;
	struct call *call = &vcall->call;
	struct iovec *iov = chain->iov + chain->in_count;
	unsigned int count = chain->out_count;
	size_t left = sizeof(struct cf_out_header);

	vcall->reply_head_count = 0;
	call->room = NULL;
	call->room_count = 0;
	call->room_len = 0;
	if (!chain->out_len)
		return NULL;
	if (chain->out_len < left)
		return "a request with less room than a reply's header";
	if (chain->outside && !are_there(iov, left))
		return OUTSIDE;
	while (left) {
		size_t n = iov->iov_len < left ? iov->iov_len : left;

		vcall->reply_head[vcall->reply_head_count++] =
			(struct iovec){ iov->iov_base, n };
		left -= n;
		iov->iov_base = (char *)iov->iov_base + n;
		iov->iov_len -= n;
		if (!iov->iov_len) {
			iov++;
			count--;
		}
	}
	call->room = iov;
	call->room_count = count;
	call->room_len = chain->out_len - sizeof(struct cf_out_header);
	return NULL;
}

const char *virtio_call_prepare(struct virtio_call *vcall, struct relay *relay)
{
	const char *why = prepare_request(vcall, relay);

	vcall->call.out_len = 0;
	vcall->call.out_data_len = 0;
	return why ? why : prepare_reply(vcall);
}

/* Copies LEN bytes to the pieces at IOV, which have room for them. */
static void put_bytes(const struct iovec *iov, const void *buf, size_t len)
{
	const char *from = buf;

	for (; len; iov++) {
		size_t n = iov->iov_len < len ? iov->iov_len : len;

		memcpy(iov->iov_base, from, n);
		from += n;
		len -= n;
	}
}

/* Whether the reply fits into the room that the client gave. */
static bool fits(const struct call *call)
{
	size_t body = call->out_len - sizeof(struct cf_out_header);

	if (call->out_data_len)
		return !body && call->out_data_len <= call->room_len;
	return body <= call->room_len;
}

/* Once, for a guest could fill the disk of the host with it. */
static void complain(struct virtio_call *vcall)
{
	const struct call *call = &vcall->call;

	if (atomic_exchange(&vcall->queue->complained, true))
		return;
	log_error("queue %u: a reply of %zu bytes to opcode %u does not fit in "
		  "the client's %zu; the client gets EIO",
		  vcall->queue->index, call->out_len + call->out_data_len,
		  call->state.opcode,
		  call->room_len + sizeof(struct cf_out_header));
}

/* Hands the reply to the client. Bytes that were written. */
static size_t put_reply(struct virtio_call *vcall)
{
	const size_t header_len = sizeof(struct cf_out_header);
	struct call *call = &vcall->call;

	if (call->out_len < header_len)
		return 0;
	if (!vcall->reply_head_count) {
		log_debug("queue %u: the client left no room for the reply to "
			  "opcode %u",
			  vcall->queue->index, call->state.opcode);
		return 0;
	}
	if (!fits(call)) {
		complain(vcall);
		relay_write_error(call, -EIO);
	}
	put_bytes(call->room, (char *)call->out + header_len,
		  call->out_len - header_len);
	put_bytes(vcall->reply_head, call->out, header_len);
	return call->out_len + call->out_data_len;
}

void virtio_call_reply(struct virtio_call *vcall)
{
	/* The length of a chain is less than 4 GiB. */
	vcall->used_len = (uint32_t)put_reply(vcall);
}
