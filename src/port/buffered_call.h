/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls of clients whose messages are read into memory of our own, request and
 * room for a file's bytes behind it. They are kept for reuse.
 */
#ifndef BUFFERED_CALL_H
#define BUFFERED_CALL_H

#include "../relay.h"
#include <pthread.h>

struct buffered_calls;

/* Begins a struct of the port's own. */
struct buffered_call {
	struct call call; /* first */
	struct buffered_calls *calls;
	char *in;	   /* request_max bytes */
	struct iovec data; /* of the request; set before it is submitted */
	struct iovec room; /* room_max bytes */
	struct buffered_call *next;
};

/* The owner fills in what is above LOCK. */
struct buffered_calls {
	struct relay *relay;
	const struct call_ops *ops;
	size_t call_size; /* of the port's struct */
	size_t request_max, room_max;
	unsigned int keep; /* so many; each may have touched all its memory */
	pthread_mutex_t lock;
	struct buffered_call *free;
	unsigned int free_count;
};

void buffered_calls_init(struct buffered_calls *calls);

/* All of them are back. */
void buffered_calls_destroy(struct buffered_calls *calls);

/* Any thread. NULL: there is no memory. What the port has is 0 at first. */
void *buffered_call_get(struct buffered_calls *calls);
void buffered_call_put(struct buffered_call *buffered);

/* Submits the request at IN, whose head is HEAD_LEN bytes long, and DATA. */
void buffered_call_submit(struct buffered_call *buffered, size_t head_len);

#endif
