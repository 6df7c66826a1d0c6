/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio client port's own parts: calls made of descriptor chains, queues,
 * and the threads that serve them.
 *
 * A queue is served by one thread, its leader, which takes a request, submits
 * it and goes on when it is done. A leader whose request waits for something
 * is replaced by another thread, and leaves when its request is done.
 *
 * Files call those that stand behind them here, and none before: virtio.c,
 * virtio_setup.c, virtio_queue.c, virtio_wait.c, then virtio_call.c,
 * virtio_pool.c and virtio_view.c, of which none knows another.
 *
 * Locks, in this order: a queue's, the pool's.
 */
#ifndef VIRTIO_H
#define VIRTIO_H

#include "../../relay.h"
#include "../../vhost/device.h"
#include "../port.h"
#include <pthread.h>
#include <stdatomic.h>

/* The high-priority queue and request queues. */
#define VIRTIO_QUEUES 65

struct queue;
struct worker;
struct virtio_client;

/*
 * The memory that a queue works on. Its calls hold it; the count is under the
 * queue's lock, so that queues do not fight over a counter.
 */
struct view {
	struct memory *memory;
	unsigned int holders;
};

/* virtio_call.c: one request as a descriptor chain. */
struct virtio_call {
	struct call call;
	struct queue *queue;
	struct virtio_call *next; /* in a list of the queue */
	struct view *view;
	struct chain chain;
	/* Where the reply's header goes: a byte each at worst. */
	struct iovec reply_head[sizeof(struct cf_out_header)];
	unsigned int reply_head_count;
	size_t head_space; /* bytes at call.head */
	uint32_t used_len; /* bytes that were written, once complete */
	bool submitted;	   /* relay_submit() has not returned yet */
	bool completed;	   /* by another thread, before it has */
	bool parked;	   /* it may wait for ever: nobody counts on its end */
	bool resumed;	   /* and does not wait any more */
	unsigned int run, driver; /* the queue's when it was taken */
};

struct virtio_call *virtio_call_new(struct queue *queue,
				    const struct call_ops *ops);
void virtio_call_free(struct virtio_call *vcall);

/* Gives up memory that only an unusual request needs. */
void virtio_call_shrink(struct virtio_call *vcall);

/*
 * Makes a request of the chain: copies what must not change under the server's
 * hands. NULL, or what is wrong with it.
 */
const char *virtio_call_prepare(struct virtio_call *vcall, struct relay *relay);

/*
 * Hands the reply to the guest. That of a call which waits, for ever perhaps,
 * not before it is given back.
 */
void virtio_call_reply(struct virtio_call *vcall);

struct queue {
	struct virtio_client *client;
	unsigned int index;
	pthread_mutex_t lock;
	pthread_cond_t idle; /* no leader, or no call, any more */
	struct virtqueue vq;
	struct virtqueue_place place;
	struct view *view; /* NULL: the queue does not run */
	bool mapped;	   /* the ring is there in the view's memory */
	bool broken; /* the guest broke the rules: left alone until reset */
	bool halt;   /* the leader is to leave */
	struct worker *leader;
	unsigned int under_way; /* calls taken and not given back */
	unsigned int parked;	/* of these, those that may wait for ever */
	unsigned int touching;	/* of these, those that use memory after that */
	unsigned int run;	/* goes up with each stop */
	unsigned int driver;	/* goes up with each other driver */
	struct virtio_call *free_calls;
	struct virtio_call *late; /* completed after the queue had stopped */
	size_t unsignalled; /* bytes given back since the last interrupt */
	unsigned int unsignalled_calls;
	int call_fd;
	int err_fd;
	int wait_fd; /* epoll: the guest's kicks, and WAKE_FD */
	int wake_fd;
	bool unseen; /* the guest has kicked, but no request is there */
	bool polled; /* there is no kick descriptor: look from time to time */
	unsigned int spin_ns;	 /* how long to look for more before sleeping */
	uint64_t no_spin_before; /* a time on the monotonic clock */
	bool sent; /* another program has a request since the last look */
	uint64_t sent_at;
	unsigned int reply_ns;	/* how long to look for its reply */
	atomic_bool complained; /* about a reply that does not fit */
	atomic_bool attention;	/* do not spin: something is to be done */
	/* Odd while the leader has a request; the watchdog looks at it. */
	atomic_uint sequence;
	unsigned int watched; /* SEQUENCE when the watchdog last looked */
};

/* Whether the ring may be touched. With the lock held. */
static inline bool queue_usable(const struct queue *queue)
{
	return queue->mapped && !queue->broken;
}

/* virtio_view.c: held once; NULL if there is no memory. */
struct view *view_new(struct memory *memory);

/* With the lock of its queue held; NULL may be dropped. */
struct view *view_hold(struct view *view);
void view_drop(struct view *view);

/* That the queue's ring cannot be seen, and why; once. */
void queue_tell_unshared(struct queue *queue, const char *why);

/* virtio_setup.c. None of these with the queue's lock held. */
int queue_init(struct queue *queue, struct virtio_client *client,
	       unsigned int index);
void queue_destroy(struct queue *queue);

/*
 * Serves the ring in RING from now on; calls that were left waiting when it
 * was stopped are still its calls.
 */
int queue_start(struct queue *queue, const struct vhost_ring *ring,
		struct memory *memory, bool event_idx);

/*
 * Stops it and waits for its calls, but for those that may wait for ever: no
 * byte of the guest's memory changes after that. The ring's next entry.
 */
uint16_t queue_stop(struct queue *queue);

/* The driver of a stopped queue is no more: cancels calls that wait. */
void queue_forget(struct queue *queue);

/* The memory is another one. */
void queue_set_memory(struct queue *queue, struct memory *memory);
void queue_set_call(struct queue *queue, int fd);
void queue_set_err(struct queue *queue, int fd);

/* virtio_queue.c. Without the lock: */

/* Serves QUEUE while WORKER is its leader. */
void queue_lead(struct queue *queue, struct worker *worker);

/*
 * Replaces a leader that has been in one request since the last look. Whether
 * there was any request since then.
 */
bool queue_watch(struct queue *queue);

/* With the queue's lock held: */

/* Gives a call that is complete to the guest. */
void queue_give_back(struct queue *queue, struct virtio_call *vcall);

/* Ends a call that the guest does not see. */
void queue_free_call(struct queue *queue, struct virtio_call *vcall);

/* Interrupts the guest if it wants that for what was given back. */
void queue_interrupt(struct queue *queue);

/* The guest broke the rules: the queue is not served until it is reset. */
void queue_break(struct queue *queue, const char *why);

/* Signals an event descriptor of the front end. */
void queue_write_event(struct queue *queue, int fd);

/*
 * virtio_wait.c. With the queue's lock held, which is given up meanwhile:
 * waits until there may be something to take or to do.
 */
void queue_wait(struct queue *queue);

/* A call that waited has been completed by a thread that does not. */
void queue_note_reply(struct queue *queue);

/* virtio_pool.c: the threads. */
struct worker {
	struct pool *pool;
	struct queue *queue;	     /* to lead; NULL: nothing to do */
	struct virtio_call *current; /* being submitted by this thread */
	bool completed;		     /* CURRENT was completed by this thread */
	bool counted; /* replaced: it counts against the pool's limit */
	pthread_cond_t wake;
	struct worker *next; /* in the pool's list of spare ones */
};

struct pool {
	/* Set by the owner, the rest is 0. */
	unsigned int limit; /* of counted workers */
	struct queue *queues;
	unsigned int queue_count;
	void (*lead)(struct queue *queue, struct worker *worker);
	bool (*watch)(struct queue *queue);

	pthread_mutex_t lock;
	pthread_cond_t gone; /* a thread has ended */
	struct worker *spare;
	unsigned int threads;
	unsigned int waiting; /* counted workers */
	bool closing;
	bool warned;
	/* The watchdog. */
	pthread_t watchdog;
	pthread_cond_t tick;
	atomic_bool asleep; /* it must be woken for a new request */
};

/* The calling thread if it is of a pool. */
extern _Thread_local struct worker *pool_self;

/* 0 or -errno, logged. */
int pool_init(struct pool *pool);

/* A thread starts to lead QUEUE; NULL if there can be none. */
struct worker *pool_lead(struct pool *pool, struct queue *queue);

/* As above, in the place of WORKER, whose request waits for a disk. */
struct worker *pool_replace(struct pool *pool, struct queue *queue,
			    struct worker *worker);

void pool_wake_watchdog(struct pool *pool);

/* To be called when a request begins; wakes the watchdog if it sleeps. */
static inline void pool_request_begins(struct pool *pool)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&pool->asleep, memory_order_relaxed))
		pool_wake_watchdog(pool);
}

/* No queue has a leader any more: ends all threads. */
void pool_destroy(struct pool *pool);

/* virtio_socket.c: where the front end connects. */
struct virtio_socket {
	int fd;	      /* listens, or is connected; -1: it has been taken */
	bool listens; /* else FD is the connection */
};

/* The options of the port, and what they are set to. */
struct virtio_options {
	int listen_fd;	 /* --fd: a listening or connected socket; -1: none */
	const char *tag; /* 1 to 36 bytes; NULL: none */
	uint64_t thread_pool_size;
	bool keep; /* listen again when the front end has left */
};

extern struct virtio_options virtio_options;

/* PATH is NULL if the socket comes with --fd. */
int virtio_socket_open(struct virtio_socket *sock, const char *path);

/*
 * Waits for a front end: 1 and the connection; 0 if STOP_FD became readable
 * before; or -errno, logged.
 */
int virtio_socket_accept(struct virtio_socket *sock, int stop_fd, int *ret_fd);
void virtio_socket_close(struct virtio_socket *sock);

/* What the monitor at the other end of FD emulates; NULL: not known. */
char *virtio_socket_machine(int fd);

/* virtio.c: one front end and its guest. */
struct virtio_client {
	struct client client;
	struct vhost_device device;
	struct virtio_fs_config config;
	struct relay *relay;
	struct pool pool;
	struct queue queues[VIRTIO_QUEUES];
	const char *machine; /* of the monitor; NULL: not known */
	int stop_fd;
	int left_fd; /* of the port */
	bool ending; /* the front end is gone, or shall be */
	bool left;   /* it went while it was waiting for an answer */
	/* It was said that memory is not shared: all of it, or a part. */
	atomic_bool told_unshared, told_outside;
};

/*
 * On the connection FD, which it takes over, of a monitor for MACHINE, if that
 * is known; the name stays the caller's. When it is closed LEFT_FD is
 * signalled, unless that is -1. 0 or -errno, logged.
 */
int virtio_client_new(int fd, int left_fd, const char *machine,
		      struct client **ret_client);

#endif
