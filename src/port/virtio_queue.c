// SPDX-License-Identifier: BSD-2-Clause
#include "../log.h"
#include "virtio.h"
#include <byteswap.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* Interrupt in the middle of a batch after so much was given back. */
#define SIGNAL_BYTES (64 << 10)
#define SIGNAL_CALLS 8

/* How long calls may take to end by themselves when a queue is stopped. */
#define STOP_NS 50000000L

static int reopen_fd(int *fd, int new_fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = new_fd;
	return new_fd;
}

int queue_init(struct queue *queue, struct virtio_port *port,
	       unsigned int index)
{
	pthread_condattr_t attr;

	memset(queue, 0, sizeof(*queue));
	queue->port = port;
	queue->index = index;
	queue->call_fd = -1;
	queue->err_fd = -1;
	queue->wait_fd = -1;
	queue->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->wake_fd < 0)
		return -errno;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&queue->idle, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

void queue_destroy(struct queue *queue)
{
	reopen_fd(&queue->call_fd, -1);
	reopen_fd(&queue->err_fd, -1);
	reopen_fd(&queue->wake_fd, -1);
	pthread_cond_destroy(&queue->idle);
	pthread_mutex_destroy(&queue->lock);
}

/* From here on with the queue's lock held, unless said. */

static struct view *view_new(struct memory *memory)
{
	struct view *view = malloc(sizeof(*view));

	if (!view)
		return NULL;
	view->memory = memory_hold(memory);
	view->holders = 1;
	return view;
}

static struct view *view_hold(struct view *view)
{
	view->holders++;
	return view;
}

void queue_view_drop(struct view *view)
{
	if (!view || --view->holders)
		return;
	memory_drop(view->memory);
	free(view);
}

bool queue_usable(const struct queue *queue)
{
	return queue->mapped && !queue->broken;
}

/* A queue goes over to other memory, in which its ring may lie elsewhere. */
static void remap(struct queue *queue, struct view *view)
{
	bool was_mapped = queue->mapped;
	int r;

	queue_view_drop(queue->view);
	queue->view = view;
	r = virtqueue_map(&queue->vq, &queue->place, view->memory);
	queue->mapped = r == 0;
	if (r == 0 && !was_mapped)
		virtqueue_begin(&queue->vq, queue->vq.last_avail,
				queue->vq.event_idx);
	if (r < 0)
		log_warn("queue %u: its ring is not in the memory that the "
			 "front end shares",
			 queue->index);
}

/*
 * An emulated process writes to an event descriptor of another one as it is:
 * a 1 in the other byte order counts 2^56 and soon overflows.
 */
static void write_event(struct queue *queue, int fd, bool blocks)
{
	uint64_t one = queue->port->device.channel.swapped ? bswap_64(1) : 1;
	struct pollfd ready = { .fd = fd, .events = POLLOUT };

	if (fd < 0)
		return;
	/* One that would block is signalled already. */
	if (blocks && poll(&ready, 1, 0) != 1)
		return;
	if (write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_debug("queue %u: cannot signal: %m", queue->index);
}

/* Interrupts the guest if it wants that for what was given back. */
static void interrupt(struct queue *queue)
{
	queue->unsignalled = 0;
	queue->unsignalled_calls = 0;
	if (queue->mapped && virtqueue_wants_interrupt(&queue->vq))
		write_event(queue, queue->call_fd, queue->call_blocks);
}

/* The guest broke the rules: its device is not served until it is reset. */
static void break_queue(struct queue *queue, const char *why)
{
	queue->broken = true;
	log_error("queue %u: %s: the guest's driver is broken, the queue is "
		  "not served until it is reset",
		  queue->index, why);
	write_event(queue, queue->err_fd, true);
}

/* The next request; NULL if there is none, or the queue cannot be used. */
static struct virtio_call *take(struct queue *queue)
{
	struct virtio_call *vcall;
	const char *why;
	int r;

	if (!queue_usable(queue) || !virtqueue_pending(&queue->vq))
		return NULL;
	/* A guest that makes a descriptor available twice could go on. */
	if (queue->under_way >= queue->vq.num) {
		break_queue(queue, "more requests than the queue holds");
		return NULL;
	}
	vcall = queue->free_calls;
	if (vcall)
		queue->free_calls = vcall->next;
	else
		vcall = virtio_call_new(queue);
	if (!vcall) {
		break_queue(queue, "a request that there is no memory for");
		return NULL;
	}
	r = virtqueue_pop(&queue->vq, queue->view->memory, &vcall->chain, &why);
	if (r <= 0) {
		vcall->next = queue->free_calls;
		queue->free_calls = vcall;
		if (r < 0)
			break_queue(queue, why);
		return NULL;
	}
	vcall->view = view_hold(queue->view);
	queue->under_way++;
	return vcall;
}

/* The end of a call: GIVEN if the guest is to see it. */
static void give_back(struct queue *queue, struct virtio_call *vcall,
		      bool given)
{
	if (given && queue_usable(queue)) {
		virtqueue_push(&queue->vq, vcall->chain.head, vcall->used_len);
		queue->unsignalled += vcall->used_len + vcall->call.data_len;
		queue->unsignalled_calls++;
	}
	queue_view_drop(vcall->view);
	vcall->view = NULL;
	virtio_call_shrink(vcall);
	vcall->next = queue->free_calls;
	queue->free_calls = vcall;
	if (!--queue->under_way && queue->halt)
		pthread_cond_broadcast(&queue->idle);
}

/* Gives the queue to another thread in the place of its leader. */
static void replace(struct queue *queue, bool lock)
{
	struct worker *other;

	interrupt(queue);
	if (queue->halt)
		return;
	other = pool_replace(&queue->port->pool, queue, queue->leader, lock);
	if (!other)
		return;
	queue->leader = other;
	/* The new leader has no request yet. */
	atomic_fetch_add_explicit(&queue->sequence, 1, memory_order_relaxed);
}

/* Submits one request; the lock is given up meanwhile. */
static void run(struct queue *queue, struct worker *worker,
		struct virtio_call *vcall)
{
	struct relay *relay = queue->port->relay;
	const char *why;

	atomic_fetch_add_explicit(&queue->sequence, 1, memory_order_relaxed);
	worker->current = vcall;
	worker->completed = false;
	pthread_mutex_unlock(&queue->lock);
	pool_request_begins(&queue->port->pool);

	why = virtio_call_prepare(vcall, relay);
	if (!why)
		relay_submit(relay, &vcall->call);

	pthread_mutex_lock(&queue->lock);
	worker->current = NULL;
	if (why && !queue->broken)
		break_queue(queue, why);
	if (why || worker->completed)
		give_back(queue, vcall, !why);
	/* Else another thread completes it, or has done so. */
	if (queue->leader == worker)
		atomic_fetch_add_explicit(&queue->sequence, 1,
					  memory_order_relaxed);
	if (queue->leader != worker || queue->unsignalled > SIGNAL_BYTES ||
	    queue->unsignalled_calls >= SIGNAL_CALLS)
		interrupt(queue);
}

void queue_lead(struct queue *queue, struct worker *worker)
{
	pthread_mutex_lock(&queue->lock);
	while (queue->leader == worker) {
		struct virtio_call *vcall;

		if (queue->halt) {
			interrupt(queue);
			queue->leader = NULL;
			pthread_cond_broadcast(&queue->idle);
			break;
		}
		vcall = take(queue);
		if (vcall) {
			run(queue, worker, vcall);
			continue;
		}
		interrupt(queue);
		queue_wait(queue);
	}
	pthread_mutex_unlock(&queue->lock);
}

/* Without the lock held. */

void queue_complete(struct queue *queue, struct virtio_call *vcall)
{
	/* run() gives it back, together with taking the next one. */
	if (pool_self && pool_self->current == vcall) {
		pool_self->completed = true;
		return;
	}
	pthread_mutex_lock(&queue->lock);
	give_back(queue, vcall, true);
	interrupt(queue);
	pthread_mutex_unlock(&queue->lock);
}

void queue_may_block(struct queue *queue, struct virtio_call *vcall)
{
	struct worker *worker = pool_self;

	if (!worker || worker->current != vcall)
		return;
	pthread_mutex_lock(&queue->lock);
	if (queue->leader == worker)
		replace(queue, vcall->call.state.opcode == CF_SETLKW);
	pthread_mutex_unlock(&queue->lock);
}

bool queue_watch(struct queue *queue)
{
	unsigned int now =
		atomic_load_explicit(&queue->sequence, memory_order_relaxed);
	unsigned int before = queue->watched;

	queue->watched = now;
	if (!(now & 1))
		return now != before;
	if (now != before)
		return true;
	pthread_mutex_lock(&queue->lock);
	if (atomic_load_explicit(&queue->sequence, memory_order_relaxed) ==
	    now) {
		interrupt(queue);
		if (queue_usable(queue) && virtqueue_pending(&queue->vq))
			replace(queue, false);
	}
	pthread_mutex_unlock(&queue->lock);
	return true;
}

static int watch_fd(struct queue *queue, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	return epoll_ctl(queue->wait_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno
									: 0;
}

static int open_wait_fd(struct queue *queue, int kick)
{
	int r = 0;

	queue->wait_fd = epoll_create1(EPOLL_CLOEXEC);
	if (queue->wait_fd < 0)
		return -errno;
	queue->polled = kick < 0;
	r = watch_fd(queue, queue->wake_fd);
	if (r == 0 && kick >= 0)
		r = watch_fd(queue, kick);
	if (r < 0)
		reopen_fd(&queue->wait_fd, -1);
	return r;
}

int queue_start(struct queue *queue, const struct vhost_ring *ring,
		struct memory *memory, bool event_idx)
{
	struct view *view = view_new(memory);
	int r = -ENOMEM;

	if (!view)
		goto fail;
	r = open_wait_fd(queue, ring->kick);
	if (r < 0)
		goto drop;
	pthread_mutex_lock(&queue->lock);
	queue->place = ring->place;
	queue->mapped = false;
	queue->broken = false;
	queue->halt = false;
	atomic_store(&queue->attention, false);
	queue->vq.last_avail = ring->base;
	queue->vq.event_idx = event_idx;
	queue->view = NULL;
	remap(queue, view);
	queue->leader = pool_lead(&queue->port->pool, queue);
	r = queue->leader ? 0 : -EAGAIN;
	pthread_mutex_unlock(&queue->lock);
	if (r == 0) {
		log_debug("queue %u: started, %u entries, at %u", queue->index,
			  ring->place.num, ring->base);
		return 0;
	}
	reopen_fd(&queue->wait_fd, -1);
	queue->mapped = false;
	queue->view = NULL;
drop:
	queue_view_drop(view);
fail:
	log_error("queue %u: cannot be started: %s", queue->index,
		  strerror(-r));
	return r;
}

/* Waits until nobody serves the queue and no call is under way. */
static void wait_idle(struct queue *queue)
{
	struct server_port *server = queue->port->relay->server;

	while (queue->leader || queue->under_way) {
		struct timespec until;
		int r;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += STOP_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		r = pthread_cond_timedwait(&queue->idle, &queue->lock, &until);
		if (r != ETIMEDOUT || !server->ops->cancel)
			continue;
		/* Calls that are cancelled may complete right here. */
		pthread_mutex_unlock(&queue->lock);
		server->ops->cancel(server);
		pthread_mutex_lock(&queue->lock);
	}
}

uint16_t queue_stop(struct queue *queue)
{
	uint64_t one = 1;
	uint16_t next;

	pthread_mutex_lock(&queue->lock);
	queue->halt = true;
	atomic_store(&queue->attention, true);
	if (write(queue->wake_fd, &one, sizeof(one)) < 0)
		log_error("queue %u: cannot be woken: %m", queue->index);
	wait_idle(queue);
	interrupt(queue);
	next = queue->vq.last_avail;
	while (queue->free_calls) {
		struct virtio_call *vcall = queue->free_calls;

		queue->free_calls = vcall->next;
		virtio_call_free(vcall);
	}
	queue->mapped = false;
	queue_view_drop(queue->view);
	queue->view = NULL;
	pthread_mutex_unlock(&queue->lock);
	reopen_fd(&queue->wait_fd, -1);
	log_debug("queue %u: stopped at %u", queue->index, next);
	return next;
}

void queue_set_memory(struct queue *queue, struct memory *memory)
{
	struct view *view;

	pthread_mutex_lock(&queue->lock);
	if (queue->view) {
		view = view_new(memory);
		if (view)
			remap(queue, view);
		else
			break_queue(queue, "there is no memory");
	}
	pthread_mutex_unlock(&queue->lock);
}

void queue_set_call(struct queue *queue, int fd)
{
	pthread_mutex_lock(&queue->lock);
	reopen_fd(&queue->call_fd, fd);
	queue->call_blocks = fd >= 0 && !(fcntl(fd, F_GETFL) & O_NONBLOCK);
	/* What was given back before might have been signalled nowhere. */
	if (queue->mapped)
		write_event(queue, fd, queue->call_blocks);
	pthread_mutex_unlock(&queue->lock);
}

void queue_set_err(struct queue *queue, int fd)
{
	pthread_mutex_lock(&queue->lock);
	reopen_fd(&queue->err_fd, fd);
	pthread_mutex_unlock(&queue->lock);
}
