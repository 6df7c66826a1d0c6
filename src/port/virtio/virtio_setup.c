// SPDX-License-Identifier: BSD-2-Clause
/* Queues from their beginning to their end. */
#include "../../ending.h"
#include "../../log.h"
#include "../../thread.h"
#include "virtio.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* How often to look again at who holds up the stop of a queue. */
#define STOP_NS 50000000U

/*
 * How long calls that wait may take to end by themselves then. After that the
 * log says what is being waited for.
 */
#define PATIENCE_NS (5 * SECOND_NS)

static int reopen_fd(int *fd, int new_fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = new_fd;
	return new_fd;
}

int queue_init(struct queue *queue, struct virtio_client *client,
	       unsigned int index)
{
	memset(queue, 0, sizeof(*queue));
	queue->client = client;
	queue->index = index;
	queue->call_fd = -1;
	queue->err_fd = -1;
	queue->wait_fd = -1;
	queue->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->wake_fd < 0)
		return -errno;
	pthread_mutex_init(&queue->lock, NULL);
	thread_cond_init(&queue->idle);
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

/* A queue goes over to other memory, in which its ring may lie elsewhere. */
static void remap(struct queue *queue, struct view *view)
{
	bool was_mapped = queue->mapped;
	int r;

	view_drop(queue->view);
	queue->view = view;
	r = virtqueue_map(&queue->vq, &queue->place, view->memory);
	queue->mapped = r == 0;
	if (r == 0 && !was_mapped)
		virtqueue_begin(&queue->vq, queue->vq.last_avail,
				queue->vq.event_idx);
	if (r < 0)
		queue_tell_unshared(queue, "its ring is not in memory that is "
					   "shared with this process");
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

/* What was completed while the guest was paused. */
static void give_late_calls(struct queue *queue)
{
	while (queue->late) {
		struct virtio_call *vcall = queue->late;

		queue->late = vcall->next;
		queue_give_back(queue, vcall);
	}
	queue_interrupt(queue);
}

int queue_start(struct queue *queue, const struct vhost_ring *ring,
		struct memory *memory, bool event_idx)
{
	struct view *view = view_new(memory);
	uint16_t used_idx;
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
	queue->unseen = false;
	queue->halt = false;
	atomic_store(&queue->attention, false);
	atomic_store(&queue->complained, false);
	atomic_store(&queue->sequence, 0);
	queue->vq.last_avail = ring->base;
	queue->vq.event_idx = event_idx;
	queue->view = NULL;
	used_idx = queue->vq.used_idx;
	remap(queue, view);
	/* At 0 a driver that begins looks like one that goes on, but for it. */
	if (queue->vq.used_idx != used_idx)
		queue->driver++;
	give_late_calls(queue);
	queue->leader = pool_lead(&queue->client->pool, queue);
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
	view_drop(view);
fail:
	log_error("queue %u: cannot be started: %s", queue->index,
		  strerror(-r));
	return r;
}

/* Waits for a call or the leader to end, for a while. False: none did. */
static bool wait_a_while(struct queue *queue)
{
	return thread_wait(&queue->idle, &queue->lock, thread_now() + STOP_NS);
}

/* The front end may go while it waits for an answer. */
static void note_end(struct virtio_client *client)
{
	struct pollfd end = { .fd = client->device.channel.fd,
			      .events = POLLRDHUP };

	if (client->left || client->ending || poll(&end, 1, 0) <= 0 ||
	    !(end.revents & (POLLRDHUP | POLLHUP | POLLERR)))
		return;
	client->left = true;
	ending_begin();
}

/* Those that must end before the guest may be told that the queue is stopped. */
static bool is_busy(const struct queue *queue)
{
	return queue->leader || queue->under_way > queue->parked;
}

/*
 * Waits until nobody serves the queue and no call is under way, but for those
 * that may wait for ever: a guest that is only paused expects their answer in
 * the end. Of these, the ones that are about to use the guest's memory have a
 * while to end by themselves. CANCEL: nobody expects anything, so that nothing
 * shall wait.
 */
static void wait_idle(struct queue *queue, bool cancel)
{
	uint64_t patience = thread_now() + PATIENCE_NS;
	bool told = false;

	while (is_busy(queue) || (queue->touching && thread_now() < patience)) {
		if (wait_a_while(queue))
			continue;
		note_end(queue->client);
		if (!told && is_busy(queue) && thread_now() >= patience) {
			log_warn("queue %u: still waiting for %u requests to "
				 "end, perhaps for a disk",
				 queue->index, queue->under_way);
			told = true;
		}
		if (!cancel || !queue->under_way)
			continue;
		/* Calls that are cancelled may complete right here. */
		pthread_mutex_unlock(&queue->lock);
		relay_cancel(queue->client->relay);
		pthread_mutex_lock(&queue->lock);
	}
	if (queue->touching)
		log_warn("queue %u: %u requests have waited for their server "
			 "for too long; with the queue stopped they end with "
			 "EINTR",
			 queue->index, queue->touching);
	/* Those that go on from here on are not let. */
	queue->run++;
}

static void free_calls(struct queue *queue)
{
	while (queue->free_calls) {
		struct virtio_call *vcall = queue->free_calls;

		queue->free_calls = vcall->next;
		virtio_call_free(vcall);
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
	wait_idle(queue, queue->client->ending);
	queue_interrupt(queue);
	next = queue->vq.last_avail;
	free_calls(queue);
	queue->mapped = false;
	view_drop(queue->view);
	queue->view = NULL;
	pthread_mutex_unlock(&queue->lock);
	reopen_fd(&queue->wait_fd, -1);
	log_debug("queue %u: stopped at %u", queue->index, next);
	return next;
}

static void free_late_calls(struct queue *queue)
{
	while (queue->late) {
		struct virtio_call *vcall = queue->late;

		queue->late = vcall->next;
		queue_free_call(queue, vcall);
	}
}

void queue_forget(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	free_late_calls(queue);
	while (queue->parked) {
		pthread_mutex_unlock(&queue->lock);
		relay_cancel(queue->client->relay);
		pthread_mutex_lock(&queue->lock);
		if (!queue->late)
			wait_a_while(queue);
		free_late_calls(queue);
	}
	free_calls(queue);
	pthread_mutex_unlock(&queue->lock);
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
			queue_break(queue, "there is no memory");
	}
	pthread_mutex_unlock(&queue->lock);
}

/* Nobody shall wait for the front end with a queue's lock held. */
static void never_block(int fd)
{
	int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);

	if (flags >= 0 && !(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

void queue_set_call(struct queue *queue, int fd)
{
	never_block(fd);
	pthread_mutex_lock(&queue->lock);
	reopen_fd(&queue->call_fd, fd);
	/* What was given back before might have been signalled nowhere. */
	if (queue->mapped)
		queue_write_event(queue, fd);
	pthread_mutex_unlock(&queue->lock);
}

void queue_set_err(struct queue *queue, int fd)
{
	never_block(fd);
	pthread_mutex_lock(&queue->lock);
	reopen_fd(&queue->err_fd, fd);
	pthread_mutex_unlock(&queue->lock);
}
