/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vhost:SOCKET: a vhost-user-fs device of another program is the server, and
 * this is its driver. Its rings are of our own, in memory that it shares with
 * nobody else, and so are headers and names, copied in and out, since the back
 * end could change them under the translation's hands. The bytes of a file
 * stay where the client has them: the back end is given the guest's memory.
 *
 * A back end that ends may be started again at its socket (vhost_return.c): the
 * client stays, its nodes and handles are told from new ones (vhost_nodes.c).
 *
 * Locks, in this order: the server's, queues' by their number, the pool's.
 * None is held when a call is ended.
 */
#ifndef VHOST_H
#define VHOST_H

#include "../../relay.h"
#include "../../vhost/driver.h"
#include "../port.h"
#include <pthread.h>
#include <stdatomic.h>

/* Queue 0 is for what has no answer and must not wait for others. */
#define VHOST_QUEUES	 17U
#define VHOST_QUEUE_SIZE 512U
#define VHOST_PIECES	 VHOST_QUEUE_SIZE

/* Sizes of a piece of shared memory: 512 bytes, and powers of two from it. */
#define VHOST_SIZE_SHIFT 9
#define VHOST_SIZES	 16

struct vhost_server;

/* vhost_memory.c: pieces of the driver's memory, for any thread. */
struct vhost_pool {
	pthread_mutex_t lock;
	char *base;
	size_t size, taken;
	/* Pieces to be had again, by size; noted where nobody can write. */
	struct vhost_pieces {
		void **list;
		size_t count, space;
	} free[VHOST_SIZES];
};

void vhost_pool_init(struct vhost_pool *pool);
/* All pieces are given back by this. */
void vhost_pool_set(struct vhost_pool *pool, void *base, size_t size);
void vhost_pool_destroy(struct vhost_pool *pool);
void *vhost_pool_take(struct vhost_pool *pool, size_t size); /* or NULL */
void vhost_pool_give(struct vhost_pool *pool, void *piece, size_t size);

/* vhost_request.c: one request in the back end's hands, or waiting for it. */
struct vhost_flight {
	struct vhost_flight *next, *previous;
	struct call *call; /* NULL: nobody waits for it any more */
	char *memory;	   /* shared: request, then reply; NULL: not sent yet */
	size_t size;
	char *reply;
	size_t reply_len; /* of it, in MEMORY */
	bool in_place;	  /* the bytes of a READ are where they belong */
	bool lends;	  /* the back end may use the client's own memory */
};

struct vhost_list {
	struct vhost_flight *first, *last;
};

void vhost_list_add(struct vhost_list *list, struct vhost_flight *request);
void vhost_list_remove(struct vhost_list *list, struct vhost_flight *request);

struct vhost_queue {
	struct vhost_server *server;
	pthread_mutex_t lock;
	pthread_cond_t drained;		  /* SENT is empty, or BUSY 0 */
	unsigned int busy;		  /* threads that read replies */
	struct vhost_driver_queue *queue; /* NULL: there is no back end */
	struct vhost_list sent;		  /* the back end has them */
	struct vhost_list waiting;	  /* for room, or for the back end */
	bool runs;			  /* may be added to */
	bool broken;			  /* the back end broke the rules */
};

/* A message as the back end had it, or gave it. */
struct vhost_saved {
	size_t len;
	uint64_t bytes[64];
};

struct vhost_server {
	struct server server;
	const char *path;   /* of the back end's socket, for people */
	const char *socket; /* the same from where this process is */
	struct relay *relay;
	/* Of the connection: nobody sets it up or changes memory meanwhile. */
	pthread_mutex_t lock;
	struct vhost_driver driver;
	struct relay_region *regions; /* the guest's; descriptors are ours */
	unsigned int region_count;
	struct vhost_pool pool;
	struct vhost_queue queues[VHOST_QUEUES];
	unsigned int queue_count; /* of them, the back end's */
	pthread_t reaper;
	int wake_fd;
	atomic_bool closing;
	/*
	 * 0; -EAGAIN: there is no back end, and calls wait for one; or what
	 * they get. Set by the reaper, read with a queue's lock held.
	 */
	atomic_int gone;
	atomic_bool wanted; /* a client begins, and there is no back end */
	atomic_bool cancelled;
	_Atomic(uint64_t) patience; /* when what is cancelled is left; 0 */
	/* The back ends that there were before, for vhost_nodes.c. */
	atomic_uint epoch;
	atomic_bool wide;	/* this one needs all bits of its numbers */
	atomic_bool no_handles; /* it opens nothing: all are 0 */
	/* FUSE_INIT, for the next back end. */
	struct vhost_saved init, init_reply;
	atomic_bool inited; /* it has answered that */
};

extern const struct option *const vhost_options[];

/* Sends what waits as far as there is room. With the queue's lock held. */
void vhost_queue_send(struct vhost_queue *queue);

/*
 * Ends the calls that the back end has answered; whether there was anything.
 * ARM: it is to signal the next one.
 */
bool vhost_queue_reap(struct vhost_queue *queue, bool arm);

/* Those of LIST that somebody waits for get ERROR; it is freed. */
void vhost_fail(struct vhost_list *list, int error);

/*
 * Ends calls of QUEUE; what the back end has stays its own. Those that lend it
 * the client's memory are left alone, unless ALL.
 */
void vhost_queue_abandon(struct vhost_queue *queue, int error, bool all);

/*
 * Asks the back end something of our own through QUEUE, that no call uses, and
 * waits for the answer, in REPLY. 0; -ETIMEDOUT or another -errno. With the
 * queue's lock held, or before it is used.
 */
int vhost_ask(struct vhost_server *server, struct vhost_driver_queue *queue,
	      const struct vhost_saved *request, struct vhost_saved *reply);

/* The same with FUSE_DESTROY, so that it closes all files of the client. */
void vhost_forget_client(struct vhost_server *server);

/* vhost_setup.c: the connection. 0 or -errno. */
int vhost_server_connect(struct vhost_server *server);

/* Lets calls go to the back end that is connected. */
void vhost_server_begin(struct vhost_server *server);

/*
 * Ends the connection; none of its memory is used any more. RET_SENT, an array,
 * is what the back end had of each queue.
 */
void vhost_server_disconnect(struct vhost_server *server,
			     struct vhost_list *ret_sent);
int vhost_set_memory(struct vhost_server *server,
		     const struct relay_region *regions, unsigned int count);
void vhost_wake(const struct vhost_server *server);

/*
 * vhost_return.c: the thread that ends calls whose client sleeps, sees the end
 * of the back end come, and waits for another one.
 */
void *vhost_reaper(void *server);

/* vhost_nodes.c. Once, before all else. */
void vhost_nodes_init(void);

/*
 * Makes the numbers in a request the back end's. 0; -ESTALE: one of them was
 * another back end's.
 */
int vhost_nodes_request(const struct vhost_server *server, struct call *call);

/* Whether there are any but the root's. */
bool vhost_nodes_named(const struct vhost_server *server, struct call *call);

/* Makes the numbers in a reply, HEAD bytes at call->out, the client's. */
void vhost_nodes_reply(struct vhost_server *server, struct call *call,
		       size_t head);

#endif
