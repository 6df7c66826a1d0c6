// SPDX-License-Identifier: BSD-2-Clause
/* Requests on their way to the back end and back. */
#include "../../log.h"
#include "vhost.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* As Linux cuts a message into buffers, which some back ends count on. */
#define IN_HEADER  sizeof(struct cf_in_header)
#define OUT_HEADER sizeof(struct cf_out_header)

/* No reply but a file's bytes comes near it. */
#define REPLY_MAX ((size_t)4 << 20)

#define ALIGN8(len) (((len) + 7) & ~(size_t)7)

void vhost_list_add(struct vhost_list *list, struct vhost_flight *request)
{
	request->next = NULL;
	request->previous = list->last;
	if (list->last)
		list->last->next = request;
	else
		list->first = request;
	list->last = request;
}

void vhost_list_remove(struct vhost_list *list, struct vhost_flight *request)
{
	if (request->previous)
		request->previous->next = request->next;
	else
		list->first = request->next;
	if (request->next)
		request->next->previous = request->previous;
	else
		list->last = request->previous;
}

/* What the descriptors of a request name. */
struct shape {
	const struct vhost_driver *driver;
	struct driver_segment segments[VHOST_PIECES];
	unsigned int count;
};

/* Memory that is known to be in one of the back end's regions. */
static void name(struct shape *shape, const void *at, size_t len)
{
	if (len && vhost_driver_segment(shape->driver, at, len,
					&shape->segments[shape->count]) == 0)
		shape->count++;
}

/* The first LEN bytes of the client's pieces. */
static void name_pieces(struct shape *shape, const struct iovec *iov,
			size_t len)
{
	for (; len; iov++) {
		size_t part = iov->iov_len < len ? iov->iov_len : len;

		name(shape, iov->iov_base, part);
		len -= part;
	}
}

/* Whether the back end reaches the first LEN bytes of the client's pieces. */
static bool reaches(const struct vhost_driver *driver, const struct iovec *iov,
		    unsigned int count, size_t len)
{
	struct driver_segment segment;

	/* Four are for what is our own. */
	if (count > VHOST_PIECES - 4)
		return false;
	for (unsigned int i = 0; i < count && len; i++) {
		size_t part = iov[i].iov_len < len ? iov[i].iov_len : len;

		if (part && vhost_driver_segment(driver, iov[i].iov_base, part,
						 &segment) < 0)
			return false;
		len -= part;
	}
	return len == 0;
}

/* How long a reply there can be. */
static size_t reply_bound(const struct call *call)
{
	size_t room = OUT_HEADER + call->room_len;
	int64_t len;

	if (!crossfuse_opcode_has_reply(call->state.opcode))
		return call->state.opcode == CF_INTERRUPT ? OUT_HEADER : 0;
	len = crossfuse_reply_max_len(&call->state, call->head, call->head_len);
	if (len >= (int64_t)OUT_HEADER && (uint64_t)len < room)
		room = (size_t)len;
	return room < REPLY_MAX ? room : REPLY_MAX;
}

static size_t copy_in(char *to, const struct iovec *iov, unsigned int count)
{
	size_t done = 0;

	for (unsigned int i = 0; i < count; i++) {
		memcpy(to + done, iov[i].iov_base, iov[i].iov_len);
		done += iov[i].iov_len;
	}
	return done;
}

static void copy_out(const struct iovec *iov, const char *from, size_t len)
{
	for (; len; iov++) {
		size_t part = iov->iov_len < len ? iov->iov_len : len;

		memcpy(iov->iov_base, from, part);
		from += part;
		len -= part;
	}
}

static void name_request(struct vhost_flight *request, struct shape *shape,
			 bool direct)
{
	const struct call *call = request->call;
	char *memory = request->memory;
	size_t len = call->head_len;

	memcpy(memory, call->head, len);
	name(shape, memory, IN_HEADER);
	name(shape, memory + IN_HEADER, len - IN_HEADER);
	if (direct) {
		name_pieces(shape, call->data, call->data_len);
	} else {
		copy_in(memory + len, call->data, call->data_count);
		name(shape, memory + len, call->data_len);
	}
}

static void name_reply(struct vhost_flight *request, struct shape *shape,
		       size_t bound)
{
	const struct call *call = request->call;
	size_t rest = bound > OUT_HEADER ? bound - OUT_HEADER : 0;

	if (!bound)
		return;
	/* One that the back end does not write is none. */
	memset(request->reply, 0, OUT_HEADER);
	name(shape, request->reply, OUT_HEADER);
	if (request->in_place)
		name_pieces(shape, call->room, rest);
	else
		name(shape, request->reply + OUT_HEADER, rest);
}

/* -ENOSPC or -ENOMEM: not now. */
static int send_one(struct vhost_queue *queue, struct vhost_flight *request)
{
	struct vhost_server *server = queue->server;
	const struct call *call = request->call;
	const struct vhost_driver *driver = &server->driver;
	size_t bound = reply_bound(call);
	bool direct =
		reaches(driver, call->data, call->data_count, call->data_len);
	size_t own = ALIGN8(call->head_len + (direct ? 0 : call->data_len));
	struct shape shape = { .driver = driver };
	unsigned int out;
	int ret;

	request->in_place = call->state.opcode == CF_READ &&
			    bound > OUT_HEADER &&
			    reaches(driver, call->room, call->room_count,
				    bound - OUT_HEADER);
	request->lends = request->in_place || (direct && call->data_len);
	request->reply_len = request->in_place ? OUT_HEADER : bound;
	request->size = own + request->reply_len;
	request->memory = vhost_pool_take(&server->pool, request->size);
	if (!request->memory)
		return -ENOMEM;
	request->reply = request->memory + own;
	name_request(request, &shape, direct);
	out = shape.count;
	name_reply(request, &shape, bound);
	ret = driver_ring_add(&queue->queue->ring, shape.segments, out,
			      shape.count - out, request);
	if (ret < 0)
		vhost_pool_give(&server->pool, request->memory, request->size);
	return ret;
}

void vhost_queue_send(struct vhost_queue *queue)
{
	struct vhost_flight *request;
	int ret;

	while (queue->runs && (request = queue->waiting.first)) {
		if (send_one(queue, request) < 0)
			break;
		vhost_list_remove(&queue->waiting, request);
		vhost_list_add(&queue->sent, request);
	}
	if (!queue->runs)
		return;
	ret = vhost_queue_kick(queue->queue);
	if (ret < 0)
		log_debug("%s: cannot kick: %s", queue->server->path,
			  strerror(-ret));
}

/* What the next back end has to agree to. */
static void save_init(struct vhost_server *server, const struct call *call,
		      size_t len)
{
	const struct cf_out_header *header = call->out;

	if (header->error || len > sizeof(server->init_reply.bytes))
		return;
	memcpy(server->init_reply.bytes, call->out, len);
	server->init_reply.len = len;
	atomic_store(&server->inited, true);
}

/* The reply, LEN bytes long, is copied out before it is looked at. */
static void answer(struct vhost_server *server, struct vhost_flight *request,
		   size_t len)
{
	struct call *call = request->call;
	size_t head;

	if (!crossfuse_opcode_has_reply(call->state.opcode)) {
		call_done(call);
		return;
	}
	if (!len && call->state.opcode == CF_DESTROY) {
		call_reply(call, 0); /* virtiofsd up to 1.13 has no answer */
		return;
	}
	if (!call_resumes(call)) {
		call_fail(call, -EINTR);
		return;
	}
	head = crossfuse_reply_head_len(&call->state, len);
	if (len < OUT_HEADER || !call_reserve(call, head - OUT_HEADER)) {
		call_fail(call, -EIO);
		return;
	}
	memcpy(call->out, request->reply, head);
	if (!request->in_place && len > head)
		copy_out(call->room, request->reply + head, len - head);
	if (call->state.opcode == CF_INIT)
		save_init(server, call, head);
	vhost_nodes_reply(server, call, head);
	call_forward(call, head, len - head);
}

/* The next that came back; NULL: there is none. */
static struct vhost_flight *reap_one(struct vhost_queue *queue,
				     uint32_t *ret_len)
{
	struct vhost_flight *request = NULL;
	void *token;
	int ret;

	if (!queue->queue || queue->broken)
		return NULL;
	ret = driver_ring_reap(&queue->queue->ring, &token, ret_len);
	if (ret > 0) {
		request = token;
		vhost_list_remove(&queue->sent, request);
	} else if (ret < 0) {
		queue->broken = true;
		queue->runs = false;
		log_error("%s: answers what it was not asked, or twice: it is "
			  "left",
			  queue->server->path);
		vhost_wake(queue->server);
	}
	return request;
}

/* With the queue's lock held. */
static bool rearm(struct vhost_queue *queue)
{
	return queue->runs && driver_ring_enable(&queue->queue->ring);
}

bool vhost_queue_reap(struct vhost_queue *queue, bool arm)
{
	struct vhost_server *server = queue->server;
	struct vhost_flight *request;
	bool found = false;
	uint32_t len;

	pthread_mutex_lock(&queue->lock);
	do {
		while ((request = reap_one(queue, &len))) {
			found = true;
			if (queue->waiting.first)
				vhost_queue_send(queue);
			if (!queue->sent.first)
				pthread_cond_broadcast(&queue->drained);
			queue->busy++;
			pthread_mutex_unlock(&queue->lock);
			if (request->call)
				answer(server, request, len);
			vhost_pool_give(&server->pool, request->memory,
					request->size);
			free(request);
			pthread_mutex_lock(&queue->lock);
			if (!--queue->busy)
				pthread_cond_broadcast(&queue->drained);
		}
	} while (arm && rearm(queue));
	if (found && queue->waiting.first)
		vhost_queue_send(queue);
	pthread_mutex_unlock(&queue->lock);
	return found;
}

/* Those of LIST that somebody waits for get ERROR. Without a lock. */
void vhost_fail(struct vhost_list *list, int error)
{
	while (list->first) {
		struct vhost_flight *request = list->first;

		vhost_list_remove(list, request);
		if (request->call)
			call_fail(request->call, error);
		free(request);
	}
}

void vhost_queue_abandon(struct vhost_queue *queue, int error, bool all)
{
	struct vhost_list waiting;
	struct vhost_flight *request;
	struct call *call;

	pthread_mutex_lock(&queue->lock);
	waiting = queue->waiting;
	queue->waiting = (struct vhost_list){ 0 };
	pthread_mutex_unlock(&queue->lock);
	vhost_fail(&waiting, error);
	do {
		pthread_mutex_lock(&queue->lock);
		request = queue->sent.first;
		while (request && (!request->call || (request->lends && !all)))
			request = request->next;
		call = request ? request->call : NULL;
		if (request)
			request->call = NULL;
		pthread_mutex_unlock(&queue->lock);
		if (call)
			call_fail(call, error);
	} while (call);
}
