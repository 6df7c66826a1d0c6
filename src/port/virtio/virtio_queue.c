// SPDX-License-Identifier: BSD-2-Clause
/* Queues at work: requests are taken, submitted and given back. */
#include "../../log.h"
#include "../../thread.h"
#include "virtio.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Interrupt in the middle of a batch after so much was given back. */
#define SIGNAL_BYTES (64 << 10)
#define SIGNAL_CALLS 8

/* From here on with the queue's lock held, unless said. */

/*
 * Any count wakes whoever waits. A 1 in this machine's byte order, whatever the
 * front end's is: its own, read as 2^56, would soon fill the counter.
 */
void queue_write_event(struct queue *queue, int fd)
{
	const uint64_t one = 1;

	/* One that is full is signalled already. */
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_debug("queue %u: cannot signal: %m", queue->index);
}

/* Interrupts the guest if it wants that for what was given back. */
void queue_interrupt(struct queue *queue)
{
	queue->unsignalled = 0;
	queue->unsignalled_calls = 0;
	if (queue->mapped && virtqueue_wants_interrupt(&queue->vq))
		queue_write_event(queue, queue->call_fd);
}

/* The guest broke the rules: its device is not served until it is reset. */
void queue_break(struct queue *queue, const char *why)
{
	queue->broken = true;
	log_error("queue %u: %s: the guest's driver is broken, the queue is "
		  "not served until it is reset",
		  queue->index, why);
	queue_write_event(queue, queue->err_fd);
}

static const struct call_ops call_ops;

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
		queue_break(queue, "more requests than the queue holds");
		return NULL;
	}
	vcall = queue->free_calls;
	if (vcall)
		queue->free_calls = vcall->next;
	else
		vcall = virtio_call_new(queue, &call_ops);
	if (!vcall) {
		queue_break(queue, "a request that there is no memory for");
		return NULL;
	}
	r = virtqueue_pop(&queue->vq, queue->view->memory, &vcall->chain, &why);
	if (r <= 0) {
		vcall->next = queue->free_calls;
		queue->free_calls = vcall;
		if (r < 0)
			queue_break(queue, why);
		return NULL;
	}
	vcall->view = view_hold(queue->view);
	vcall->run = queue->run;
	vcall->driver = queue->driver;
	queue->under_way++;
	return vcall;
}

static void unpark(struct queue *queue, struct virtio_call *vcall)
{
	if (!vcall->parked)
		return;
	vcall->parked = false;
	queue->parked--;
	queue->touching -= vcall->call.touches;
}

void queue_free_call(struct queue *queue, struct virtio_call *vcall)
{
	view_drop(vcall->view);
	vcall->view = NULL;
	vcall->completed = false;
	vcall->resumed = false;
	unpark(queue, vcall);
	virtio_call_shrink(vcall);
	vcall->next = queue->free_calls;
	queue->free_calls = vcall;
	queue->under_way--;
}

void queue_give_back(struct queue *queue, struct virtio_call *vcall)
{
	if (vcall->driver != queue->driver) {
		queue_free_call(queue, vcall);
		return;
	}
	if (vcall->call.waits)
		virtio_call_reply(vcall);
	if (queue_usable(queue)) {
		virtqueue_push(&queue->vq, vcall->chain.head, vcall->used_len);
		queue->unsignalled += vcall->used_len + vcall->call.data_len;
		queue->unsignalled_calls++;
	}
	queue_free_call(queue, vcall);
}

/* A call is complete: the guest sees it, unless its queue does not run. */
static void finish(struct queue *queue, struct virtio_call *vcall)
{
	if (queue->view && !(queue->halt && vcall->parked)) {
		queue_give_back(queue, vcall);
	} else {
		vcall->next = queue->late;
		queue->late = vcall;
	}
	if (queue->halt)
		pthread_cond_broadcast(&queue->idle);
}

/* Another thread will complete it, or nobody will. */
static void park(struct queue *queue, struct virtio_call *vcall)
{
	if (!vcall->call.waits || vcall->resumed)
		return;
	vcall->parked = true;
	queue->parked++;
	queue->touching += vcall->call.touches;
	queue->sent = true;
	/* Among many the reply may be another one's. */
	queue->sent_at = queue->under_way == 1 ? thread_now() : 0;
	if (queue->halt)
		pthread_cond_broadcast(&queue->idle);
}

/* Gives the queue to another thread in the place of its leader. */
static void replace(struct queue *queue)
{
	struct worker *other;

	queue_interrupt(queue);
	if (queue->halt)
		return;
	other = pool_replace(&queue->client->pool, queue, queue->leader);
	if (!other)
		return;
	/* Where requests wait for a disk, looking for more is in vain. */
	queue->spin_ns = 0;
	queue->leader = other;
	/* The new leader has no request yet. */
	atomic_fetch_add_explicit(&queue->sequence, 1, memory_order_relaxed);
}

/*
 * A part of the request is in memory that the front end does not share: the
 * rest of the device goes on. WHOLE: but for a file's bytes it is there, so it
 * can be answered; else its driver waits, for a reply of nothing is none.
 */
static __attribute__((noinline)) void refuse(struct virtio_call *vcall,
					     bool whole)
{
	struct virtio_client *client = vcall->queue->client;

	if (!atomic_exchange(&client->told_outside, true))
		log_error("the guest's memory at %#llx is not shared with this "
			  "process, so its requests with it fail: give every "
			  "memory backend share=on, also one that is plugged "
			  "in",
			  (unsigned long long)vcall->chain.missing);
	if (whole)
		relay_refuse(client->relay, &vcall->call, -EIO);
}

/* Submits one request; the lock is given up meanwhile. */
static void run(struct queue *queue, struct worker *worker,
		struct virtio_call *vcall)
{
	struct relay *relay = queue->client->relay;
	const char *why;

	atomic_fetch_add_explicit(&queue->sequence, 1, memory_order_relaxed);
	worker->current = vcall;
	worker->completed = false;
	vcall->submitted = true;
	pthread_mutex_unlock(&queue->lock);
	pool_request_begins(&queue->client->pool);

	why = virtio_call_prepare(vcall, relay);
	if (__builtin_expect(vcall->chain.outside, false))
		refuse(vcall, !why);
	else if (!why)
		relay_submit(relay, &vcall->call);

	pthread_mutex_lock(&queue->lock);
	worker->current = NULL;
	vcall->submitted = false;
	if (why) {
		if (!queue->broken && !vcall->chain.outside)
			queue_break(queue, why);
		queue_free_call(queue, vcall);
	} else if (worker->completed || vcall->completed) {
		finish(queue, vcall);
	} else {
		park(queue, vcall);
	}
	if (queue->leader == worker)
		atomic_fetch_add_explicit(&queue->sequence, 1,
					  memory_order_relaxed);
	if (queue->leader != worker || queue->unsignalled > SIGNAL_BYTES ||
	    queue->unsignalled_calls >= SIGNAL_CALLS)
		queue_interrupt(queue);
}

void queue_lead(struct queue *queue, struct worker *worker)
{
	pthread_mutex_lock(&queue->lock);
	while (queue->leader == worker) {
		struct virtio_call *vcall;

		if (queue->halt) {
			queue_interrupt(queue);
			queue->leader = NULL;
			pthread_cond_broadcast(&queue->idle);
			break;
		}
		vcall = take(queue);
		if (vcall) {
			run(queue, worker, vcall);
			continue;
		}
		queue_interrupt(queue);
		queue_wait(queue);
	}
	pthread_mutex_unlock(&queue->lock);
}

/* Without the lock held. */

static void complete(struct call *call)
{
	struct virtio_call *vcall = (struct virtio_call *)call;
	struct queue *queue = vcall->queue;

	/* The guest may be gone; that is for give_back() to know. */
	if (!call->waits)
		virtio_call_reply(vcall);
	/* run() gives it back, together with taking the next one. */
	if (pool_self && pool_self->current == vcall) {
		pool_self->completed = true;
		return;
	}
	pthread_mutex_lock(&queue->lock);
	if (vcall->submitted) {
		/* Its thread still has it in hand, and will see to it. */
		vcall->completed = true;
	} else {
		queue_note_reply(queue);
		finish(queue, vcall);
		queue_interrupt(queue);
	}
	pthread_mutex_unlock(&queue->lock);
}

/* Not if the queue has been stopped since it was taken. */
static bool resume(struct call *call)
{
	struct virtio_call *vcall = (struct virtio_call *)call;
	struct queue *queue = vcall->queue;
	bool may;

	pthread_mutex_lock(&queue->lock);
	may = vcall->run == queue->run;
	if (may) {
		/* A stop waits for its end from here on. */
		vcall->resumed = true;
		unpark(queue, vcall);
	}
	pthread_mutex_unlock(&queue->lock);
	return may;
}

static void may_block(struct call *call)
{
	struct virtio_call *vcall = (struct virtio_call *)call;
	struct queue *queue = vcall->queue;
	struct worker *worker = pool_self;

	if (!worker || worker->current != vcall)
		return;
	pthread_mutex_lock(&queue->lock);
	if (queue->leader == worker)
		replace(queue);
	pthread_mutex_unlock(&queue->lock);
}

static const struct call_ops call_ops = {
	.complete = complete,
	.may_block = may_block,
	.resume = resume,
};

/* The leader has been in one request for long. */
static void relieve(struct queue *queue)
{
	queue_interrupt(queue);
	if (queue_usable(queue) && virtqueue_pending(&queue->vq))
		replace(queue);
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
	if (atomic_load_explicit(&queue->sequence, memory_order_relaxed) == now)
		relieve(queue);
	pthread_mutex_unlock(&queue->lock);
	return true;
}
