// SPDX-License-Identifier: BSD-2-Clause
#include "guest.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SPIN_MAX 10000000U /* some tenths of a second */

/* Linux asks for a page at a time; two that are needed in turn lie apart. */
char *guest_data_page(const struct guest_call *call, size_t index)
{
	size_t pages = call->data_len / GUEST_PAGE;
	size_t at = index ^ 1;

	return call->data + (at < pages ? at : index) * GUEST_PAGE;
}

/* AT is in memory of the driver's, by the way it was had. */
static struct driver_segment segment(const struct guest *guest, const char *at,
				     size_t len)
{
	struct driver_segment segment = { 0 };

	vhost_driver_segment(&guest->driver, at, len, &segment);
	return segment;
}

static unsigned int put_data(const struct guest *guest,
			     const struct guest_call *call, size_t len,
			     struct driver_segment *segments)
{
	unsigned int count = 0;

	for (size_t at = 0; at < len; at += GUEST_PAGE) {
		size_t part = len - at < GUEST_PAGE ? len - at : GUEST_PAGE;

		segments[count] = segment(
			guest, guest_data_page(call, at / GUEST_PAGE), part);
		count++;
	}
	return count;
}

static uint64_t next_unique(struct guest *guest)
{
	return __atomic_add_fetch(&guest->unique, guest->unique_step,
				  __ATOMIC_RELAXED);
}

static void put_header(struct guest *guest, struct cf_in_header *header,
		       uint32_t opcode, uint64_t nodeid, uint64_t unique)
{
	*header = (struct cf_in_header){
		.opcode = guest_u32(guest, opcode),
		.unique = guest_u64(guest, unique),
		.nodeid = guest_u64(guest, nodeid),
		.pid = guest_u32(guest, 4711),
	};
}

void *guest_begin(struct guest *guest, struct guest_call *call, uint32_t opcode,
		  uint64_t nodeid, size_t arg_len)
{
	call->opcode = opcode;
	call->unique = next_unique(guest);
	call->done = false;
	put_header(guest, (struct cf_in_header *)call->head, opcode, nodeid,
		   call->unique);
	return memset(call->head + GUEST_ARG_AT, 0, arg_len);
}

static int kick(struct guest_queue *queue)
{
	int r = vhost_queue_kick(queue->vq);

	if (r < 0)
		return r;
	queue->kicks += (uint64_t)r;
	return 0;
}

int guest_send(struct guest *guest, struct guest_queue *queue,
	       struct guest_call *call, const struct guest_shape *shape)
{
	struct cf_in_header *header = (struct cf_in_header *)call->head;
	struct driver_segment segments[GUEST_SEGMENT_MAX];
	unsigned int out = 0, in = 0;
	int r;

	header->len =
		guest_u32(guest, (uint32_t)(sizeof(*header) + shape->arg_len +
					    shape->write_len));
	segments[out++] = segment(guest, call->head, sizeof(*header));
	if (shape->arg_len)
		segments[out++] = segment(guest, call->head + GUEST_ARG_AT,
					  shape->arg_len);
	out += put_data(guest, call, shape->write_len, segments + out);
	memset(call->head + GUEST_REPLY_AT, 0xee, sizeof(struct cf_out_header));
	segments[out + in++] = segment(guest, call->head + GUEST_REPLY_AT,
				       sizeof(struct cf_out_header));
	if (shape->out_len)
		segments[out + in++] = segment(guest, call->head + GUEST_OUT_AT,
					       shape->out_len);
	in += put_data(guest, call, shape->read_len, segments + out + in);
	r = driver_ring_add(&queue->vq->ring, segments, out, in, call);
	return r < 0 ? r : kick(queue);
}

int guest_reap(struct guest_queue *queue, struct guest_call **ret_call)
{
	uint32_t len = 0;
	void *token = NULL;
	int r = driver_ring_reap(&queue->vq->ring, &token, &len);

	if (r > 0) {
		*ret_call = token;
		(*ret_call)->done = true;
		(*ret_call)->used_len = len;
	}
	return r;
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* True: there is a reply. A server that takes so long is slept for. */
static bool spin(const struct driver_ring *ring)
{
	for (unsigned int i = 0; i < SPIN_MAX; i++) {
		if (driver_ring_pending(ring))
			return true;
		relax();
	}
	return false;
}

int guest_wait(struct guest *guest, struct guest_queue *queue)
{
	if (guest->config.spin && spin(&queue->vq->ring))
		return 0;
	queue->sleeps++;
	return vhost_driver_wait(&guest->driver, queue->vq,
				 (int)GUEST_TIMEOUT * 1000);
}

ssize_t guest_check(struct guest *guest, const struct guest_call *call,
		    int32_t *ret_error)
{
	const struct cf_out_header *header =
		(const void *)(call->head + GUEST_REPLY_AT);
	uint32_t len = guest_u32(guest, header->len);

	if (call->used_len < sizeof(*header) || len != call->used_len ||
	    guest_u64(guest, header->unique) != call->unique)
		return -EPROTO;
	*ret_error = (int32_t)guest_u32(guest, (uint32_t)header->error);
	if (*ret_error && len != sizeof(*header))
		return -EPROTO;
	return (ssize_t)(len - sizeof(*header));
}

ssize_t guest_roundtrip(struct guest *guest, struct guest_queue *queue,
			struct guest_call *call,
			const struct guest_shape *shape)
{
	struct guest_call *done = NULL;
	int32_t error = 0;
	ssize_t len;
	int r;

	r = guest_send(guest, queue, call, shape);
	while (r == 0) {
		r = guest_reap(queue, &done);
		if (r == 0)
			r = guest_wait(guest, queue);
	}
	if (r < 0)
		return r;
	if (done != call)
		return -EPROTO;
	len = guest_check(guest, call, &error);
	if (len >= 0 && error) {
		fprintf(stderr, "virtiofs-bench: opcode %u: error %d\n",
			call->opcode, error);
		return -EIO;
	}
	return len;
}

/* Takes back FORGETs that are through. Called with the lock held. */
static int reap_forgets(struct guest *guest)
{
	struct guest_queue *queue = &guest->queues[0];
	uint32_t len;
	void *token;
	int r;

	while ((r = driver_ring_reap(&queue->vq->ring, &token, &len)) > 0) {
		((struct cf_in_header *)token)->len = 0;
		guest->forgets--;
	}
	return r;
}

static char *free_forget(struct guest *guest)
{
	for (size_t i = 0; i < guest->config.queue_size; i++) {
		size_t index = guest->forget_next++ % guest->config.queue_size;
		char *at = guest->forget_page + index * 64;

		if (((struct cf_in_header *)at)->len == 0)
			return at;
	}
	return NULL;
}

/* Waits until LEFT at most are under way. Called with the lock held. */
static int drain_forgets(struct guest *guest, uint64_t left)
{
	int r = reap_forgets(guest);

	while (r == 0 && guest->forgets > left) {
		r = guest_wait(guest, &guest->queues[0]);
		if (r == 0)
			r = reap_forgets(guest);
	}
	return r;
}

int guest_forget(struct guest *guest, uint64_t nodeid, uint64_t nlookup)
{
	struct guest_queue *queue = &guest->queues[0];
	struct driver_segment one;
	struct cf_forget_in *in;
	char *at;
	int r;

	pthread_mutex_lock(&guest->forget_lock);
	r = drain_forgets(guest, guest->config.queue_size / 2);
	if (r < 0)
		goto out;
	at = free_forget(guest);
	put_header(guest, (struct cf_in_header *)at, CF_FORGET, nodeid,
		   next_unique(guest));
	((struct cf_in_header *)at)->len =
		guest_u32(guest, sizeof(struct cf_in_header) + sizeof(*in));
	in = (struct cf_forget_in *)(at + sizeof(struct cf_in_header));
	in->nlookup = guest_u64(guest, nlookup);
	one = segment(guest, at, sizeof(struct cf_in_header) + sizeof(*in));
	r = driver_ring_add(&queue->vq->ring, &one, 1, 0, at);
	if (r == 0) {
		guest->forgets++;
		r = kick(queue);
	}
out:
	pthread_mutex_unlock(&guest->forget_lock);
	return r;
}

int guest_forget_drain(struct guest *guest)
{
	int r;

	pthread_mutex_lock(&guest->forget_lock);
	r = drain_forgets(guest, 0);
	pthread_mutex_unlock(&guest->forget_lock);
	return r;
}
