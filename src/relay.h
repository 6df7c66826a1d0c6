/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One connection at work: a client, a server, the session that translates
 * between them, and the calls in flight.
 */
#ifndef RELAY_H
#define RELAY_H

#include "call.h"
#include <crossfuse/inflight.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

struct client;
struct meter;
struct options;
struct relay_region;
struct server;
struct server_port;
struct trace;

/*
 * How many calls are in flight, spread over cache lines: a call may begin on
 * one and end on another, only their sum has a meaning.
 */
#define RELAY_STRIPES 16

struct relay_stripe {
	alignas(64) atomic_long calls;
};

/* The calls of a numbered server. */
struct relay_flight {
	pthread_mutex_t lock;
	struct crossfuse_inflight table;
	void *memory;
	int failed; /* what calls get instead, a negative errno; 0: none */
	int dead;   /* the same, until reset */
};

/* What a test, or a user who wonders, may want to know. */
struct relay_counters {
	atomic_ulong late;    /* replies to calls that are not in flight */
	atomic_ulong refused; /* notifications that the client could not get */
};

struct relay {
	struct crossfuse_session session; /* client's form <-> server's */
	struct crossfuse_session far; /* where the server's peer negotiates */
	struct crossfuse_config config;
	struct crossfuse_config far_config;
	struct client *client;
	struct server *server;
	/*
	 * Set by the owner before the first call, TRACE also while the relay is
	 * held; NULL: nothing is recorded, nothing counted.
	 */
	_Atomic(struct trace *) trace;
	struct meter *meter;
	uint32_t number; /* the client's, for METER */
	struct relay_counters counters;
	bool proxied;		     /* numbered, or its peer negotiates */
	atomic_bool ready;	     /* relay_init() is done */
	struct relay_flight *flight; /* NULL: the server is not numbered */

	/*
	 * The gate: FUSE_INIT and FUSE_DESTROY run alone, and relay_hold()
	 * lets nothing new pass. CLOSED says that one of the two is so.
	 */
	struct relay_stripe stripes[RELAY_STRIPES];
	atomic_long waiting; /* calls in flight that call_waits() */
	atomic_bool closed;
	_Atomic(struct call *) alone;
	unsigned int holds;
	bool cancelled; /* by the client: nobody waits in the gate */
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

/*
 * Joins CLIENT (NULL: it cannot be notified) to a new connection of PORT.
 * MONITOR is the ABI that the client port could tell of its peer, or NULL.
 * 0 or -errno, logged.
 */
int relay_init(struct relay *relay, struct client *client,
	       struct server_port *port, const struct options *options,
	       const struct crossfuse_abi *monitor);

/* No call is in flight. Detaches the server. */
void relay_destroy(struct relay *relay);

/* For clients. */

/*
 * How many bytes of a request of TOTAL_LEN bytes belong into call->head.
 * HEADER is a private copy of its first 40 bytes. Negative: the request is
 * malformed (its length is a lie); the client answers nothing.
 */
ssize_t relay_head_len(struct relay *relay, const void *header,
		       size_t total_len);

/* Memory for call->head and call->out, 8-byte aligned; NULL: there is none. */
void *relay_alloc(struct relay *relay, size_t size);
void relay_free(struct relay *relay, void *memory, size_t size);

/* Enlarges call->out to SIZE bytes, keeping its header. 0 or -ENOMEM. */
int relay_reserve(struct call *call, size_t size);

/*
 * The client's memory is another one, see struct server_ops. 0 or -errno,
 * logged: the server cannot reach it.
 */
int relay_memory(struct relay *relay, const struct relay_region *regions,
		 unsigned int count);

/* Takes a call whose request is filled in, to be completed once. */
void relay_submit(struct relay *relay, struct call *call);

/* As if the server had not taken it: ERROR is an errno of this machine. */
void relay_refuse(struct relay *relay, struct call *call, int error);

/*
 * Writes a reply of this machine's to call->out, in the client's form, in the
 * place of one that it cannot take.
 */
void relay_write_error(struct call *call, int error);

/* Completes what the server's peer has answered; see struct server_ops. */
bool relay_poll(struct relay *relay, bool more);

/*
 * The client's driver is no more, or it shall be: calls that wait, for a lock,
 * a peer or at the gate, end soon with EINTR, and those that come, too, until
 * relay_reset(). Not with a lock held that completing a call takes.
 */
void relay_cancel(struct relay *relay);

/*
 * After relay_cancel(): waits for the calls in flight, which may be others' to
 * end. The client submits none any more.
 */
void relay_drain(struct relay *relay);

/*
 * The client is gone or was reset: no call is in flight and none of its files,
 * locks or inode references exist any longer.
 */
void relay_reset(struct relay *relay);

/*
 * Lets no new call pass, and waits up to TIMEOUT_NS for those in flight that
 * do not wait for ever. 0, or -ETIMEDOUT: some are in flight still. Each is
 * followed by a relay_release(), whatever it returned.
 */
int relay_hold(struct relay *relay, uint64_t timeout_ns);
void relay_release(struct relay *relay);

/* How many calls are in flight; exact only when nothing moves. */
long relay_in_flight(const struct relay *relay);

/* For servers. */

/*
 * The call that a reply is for, which is from here on the caller's to end.
 * HEADER is the reply's first 16 bytes. NULL: there is none, since it is
 * unknown, was answered already, has ended or must not be answered any more;
 * then there is nothing more to do but to throw the reply away.
 */
struct call *relay_take(struct relay *relay, const void *header);

/*
 * A notification in the server's form, which is only read. 0; or -errno:
 * -EOPNOTSUPP the client cannot be notified, -EAGAIN none is connected yet,
 * -EBADMSG and its like it is malformed.
 */
int relay_notify(struct relay *relay, const struct iovec *iov, int count);

/*
 * The server has died: every call in flight and every one that comes, until
 * relay_reset(), fails with ERROR, a negative errno of this machine.
 */
void relay_fail_all(struct relay *relay, int error);

/* There is one again, in its place. */
void relay_revive(struct relay *relay);

/*
 * The server's connection is lost, and another one will come: every call that
 * is in flight now fails with what ERROR says of it, a negative errno. Those
 * that come are submitted.
 */
void relay_fail_each(struct relay *relay,
		     int (*error)(const struct call *call));

/* For call.c: see there. */
void relay_complete(struct call *call);
void relay_forward(struct call *call);
void relay_fail(struct call *call, int error);
void relay_call_waits(struct call *call);

#endif
