// SPDX-License-Identifier: BSD-2-Clause
/*
 * How a queue's leader waits for the next request: it looks on for a short
 * time, for two wake-ups cost far more than most requests, then it sleeps.
 */
#include "../../thread.h"
#include "virtio.h"
#include <sched.h>
#include <sys/epoll.h>

/*
 * A sleep that was shorter than the maximum would have been better spent
 * looking, so the time is raised; looking in vain halves it, to nothing. A
 * guest that is idle, or sends a request now and then, costs nothing.
 */
#define SPIN_MAX_NS   50000U
#define SPIN_FIRST_NS 10000U
#define SPIN_LEAST_NS 2000U

/*
 * A look that took so much longer than it should says that others want this
 * core. Whoever looks on then waits for his turn, whereas a sleeper would be
 * woken at once: no more of it for a while.
 */
#define CROWDED_NS 50000U
#define PAUSE_NS   100000000U

/*
 * The reply to a request that another program has is looked for, too, whenever
 * one was sent. Looking in vain halves that time; a reply that came so soon
 * while all slept brings it back.
 */
#define REPLY_NS SPIN_MAX_NS

/* Looks between two glances at the clock, and at the replies. */
#define SPIN_LOOKS 16

/* What came of looking. */
enum seen {
	NOTHING,
	REQUEST,
	REPLY,
};

/* How long after a kick its request may be missing. */
#define UNSEEN_MS 500

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
	__asm__ __volatile__("yield" ::: "memory");
#else
	__asm__ __volatile__("" ::: "memory");
#endif
}

/*
 * Looks at the ring, and for replies, without the lock. *RET_NOW is the time at
 * the end.
 */
static enum seen look_on(struct queue *queue, const struct virtqueue *vq,
			 uint64_t until, uint64_t *ret_now)
{
	struct relay *relay = queue->client->relay;
	enum seen seen = NOTHING;

	do {
		if (relay_poll(relay, true))
			seen = REPLY;
		for (unsigned int i = 0; i < SPIN_LOOKS && !seen; i++) {
			if (virtqueue_pending(vq))
				seen = REQUEST;
			relax();
		}
		*ret_now = thread_now();
		if (seen || atomic_load_explicit(&queue->attention,
						 memory_order_relaxed))
			break;
		/* Whoever sends the next request may need this very core. */
		sched_yield();
	} while (*ret_now < until);
	if (relay_poll(relay, false) && !seen)
		seen = REPLY;
	return seen;
}

/* How long to look; 0: not at all. With the lock held, as below. */
static unsigned int look_ns(const struct queue *queue)
{
	if (queue->sent && queue->spin_ns < queue->reply_ns)
		return queue->reply_ns;
	return queue->spin_ns;
}

static void halve(unsigned int *ns)
{
	*ns /= 2;
	if (*ns < SPIN_LEAST_NS)
		*ns = 0;
}

void queue_note_reply(struct queue *queue)
{
	if (queue->reply_ns < REPLY_NS &&
	    thread_now() - queue->sent_at < REPLY_NS)
		queue->reply_ns = REPLY_NS;
}

/* Whether there is something to take. */
static bool spin(struct queue *queue)
{
	enum seen seen = REPLY;

	while (seen == REPLY && look_ns(queue) && !queue->halt &&
	       queue_usable(queue)) {
		struct virtqueue vq = queue->vq;
		struct view *view = queue->view;
		uint64_t now = thread_now(), until = now + look_ns(queue);
		bool sent = queue->sent;

		if (now < queue->no_spin_before)
			break;
		/* The ring's memory stays while it is being looked at. */
		view->holders++;
		pthread_mutex_unlock(&queue->lock);
		seen = look_on(queue, &vq, until, &now);
		pthread_mutex_lock(&queue->lock);
		view_drop(view);
		/* Others may be on their way back, too. */
		queue->sent = seen == REPLY && queue->under_way;
		if (now > until + CROWDED_NS) {
			queue->spin_ns = 0;
			queue->no_spin_before = now + PAUSE_NS;
		} else if (!seen) {
			halve(&queue->spin_ns);
			if (sent)
				halve(&queue->reply_ns);
		} else if (seen == REPLY) {
			queue->reply_ns = REPLY_NS;
		}
	}
	return seen == REQUEST;
}

static bool is_blank(struct queue *queue)
{
	struct view *view = queue->view;
	bool blank;

	view->holders++;
	pthread_mutex_unlock(&queue->lock);
	blank = memory_is_blank(view->memory);
	pthread_mutex_lock(&queue->lock);
	view_drop(view);
	return blank;
}

/*
 * A guest kicks when it has made a request available. If none ever was there,
 * a while after that still none, it may have written to another copy of its
 * memory than the one here; but some monitors kick once by themselves.
 */
static void look_for_copy(struct queue *queue, bool kicked)
{
	bool seen = !queue_usable(queue) || queue->under_way ||
		    queue->free_calls || virtqueue_pending(&queue->vq);

	if (!seen && !kicked && queue->unseen && is_blank(queue))
		queue_tell_unshared(queue, "the guest has kicked, and there is "
					   "no request in its memory as it is "
					   "seen here");
	queue->unseen = !seen && kicked;
}

static void sleep_until_kick(struct queue *queue)
{
	struct epoll_event event;
	uint64_t begin, end;
	int timeout = -1, n;

	if (queue->polled)
		timeout = 1;
	else if (queue->unseen)
		timeout = UNSEEN_MS;
	pthread_mutex_unlock(&queue->lock);
	begin = thread_now();
	n = epoll_wait(queue->wait_fd, &event, 1, timeout);
	end = thread_now();
	pthread_mutex_lock(&queue->lock);
	if (!queue->polled)
		look_for_copy(queue, n > 0);
	if (end - begin >= SPIN_MAX_NS || end < queue->no_spin_before)
		return;
	queue->spin_ns = queue->spin_ns ? 2 * queue->spin_ns : SPIN_FIRST_NS;
	if (queue->spin_ns > SPIN_MAX_NS)
		queue->spin_ns = SPIN_MAX_NS;
}

void queue_wait(struct queue *queue)
{
	if (!queue_usable(queue)) {
		sleep_until_kick(queue);
		return;
	}
	if (spin(queue) || queue->halt || !queue_usable(queue))
		return;
	if (!virtqueue_notify_on(&queue->vq))
		sleep_until_kick(queue);
	if (queue_usable(queue))
		virtqueue_notify_off(&queue->vq);
}
