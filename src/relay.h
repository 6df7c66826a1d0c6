/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The relay hands calls from a client port to a server port through a session,
 * and the replies back. One client port, one session, one server port.
 */
#ifndef RELAY_H
#define RELAY_H

#include "call.h"
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

struct options;
struct server_port;
struct trace;

/*
 * How many calls are under way, spread over cache lines: a call may begin on
 * one and end on another, only their sum has a meaning.
 */
#define RELAY_STRIPES 16

struct relay_stripe {
	alignas(64) atomic_long calls;
};

struct relay {
	struct crossfuse_session session;
	struct crossfuse_config config;
	struct server_port *server;
	struct trace *trace; /* set by the owner; NULL: nothing is recorded */

	/*
	 * FUSE_INIT and FUSE_DESTROY run alone: they close the gate, wait for
	 * the calls under way, and open it again when they are answered.
	 */
	struct relay_stripe stripes[RELAY_STRIPES];
	atomic_bool closed;
	_Atomic(struct call *) alone; /* the call that closed it */
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

/*
 * Sets up RELAY to SERVER. MONITOR is the ABI that the client port could tell
 * of its peer, or NULL. 0 or a negative errno.
 */
int relay_init(struct relay *relay, struct server_port *server,
	       const struct options *options,
	       const struct crossfuse_abi *monitor);

void relay_destroy(struct relay *relay);

/*
 * How many bytes of a request of TOTAL_LEN bytes belong into call->head.
 * HEADER is a private copy of its first 40 bytes. Negative: the request is
 * malformed (its length is a lie); the client port answers nothing.
 */
ssize_t relay_head_len(struct relay *relay, const void *header,
		       size_t total_len);

/* Takes a call whose request is filled in, to be completed once. */
void relay_submit(struct relay *relay, struct call *call);

/* For call.c: the server has filled in the reply. */
void relay_complete(struct call *call);

/*
 * The client is gone or was reset: no call is under way and none of its files,
 * locks or inode references exist any longer.
 */
void relay_reset(struct relay *relay);

#endif
