/* SPDX-License-Identifier: BSD-2-Clause */
/* A client at the other end of a stream, and its calls. */
#ifndef LISTEN_H
#define LISTEN_H

#include "../buffered_call.h"
#include "../port.h"
#include "stream.h"

struct stream_client;

struct stream_call {
	struct buffered_call base; /* first */
	struct stream_client *client;
	size_t len; /* of the request; it counts as taken memory */
};

struct stream_client {
	struct client client; /* first */
	struct relay *relay;
	struct link link;
	char *name; /* for the log */
	void (*closed)(void *opaque);
	void *opaque;
	uint32_t max_write;  /* that one message can carry */
	atomic_bool greeted; /* it has said something */

	pthread_mutex_t read_lock; /* of the link's reading */
	int error; /* why nothing is read any more; 1: more is */

	/* Threads besides serve()'s own, and how many only wait to read. */
	atomic_uint idle;
	unsigned int threads;

	pthread_mutex_t lock; /* of THREADS and what follows */
	pthread_cond_t changed;
	struct buffered_calls calls;
	unsigned long in_flight;
	size_t bytes; /* of requests in flight */
};

/* listen_client.c: takes over as link_init() does. 0 or -errno. */
int stream_client_new(int in, int out, struct layer *layer, const char *name,
		      void (*closed)(void *opaque), void *opaque,
		      struct client **ret_client);

/* listen_call.c: MAX_WRITE is known. */
void stream_calls_begin(struct stream_client *client);

/*
 * Memory for a request of LEN bytes, once what is in flight
 * leaves room for it; NULL: there is none, or the connection ends.
 */
struct stream_call *stream_call_get(struct stream_client *client, size_t len);
void stream_call_put(struct stream_call *scall);

/* Its first HEAD_LEN bytes are the call's head. */
void stream_call_submit(struct stream_call *scall, size_t head_len);

/* Waits until no call is in flight, and frees their memory. */
void stream_calls_end(struct stream_client *client);

#endif
