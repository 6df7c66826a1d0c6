/* SPDX-License-Identifier: BSD-2-Clause */
/* A server at the other end of a stream, and the connection to it. */
#ifndef CONNECT_H
#define CONNECT_H

#include "../../relay.h"
#include "../epoch.h"
#include "../port.h"
#include "stream.h"

/* FUSE_INIT with its header; no client's is longer. */
#define CONNECT_INIT_SIZE 256

/* Of --reconnect: it was not given. */
#define RECONNECT_NEVER UINT64_MAX

struct connect_port {
	struct server_port port; /* first */
	struct address address;
	struct layer_maker *tls; /* NULL: without */
	uint64_t reconnect;	 /* seconds that requests wait */
};

struct connect_server {
	struct server server; /* first */
	struct connect_port *port;
	struct relay *relay;
	pthread_t reader;
	char *notification; /* STREAM_MAX_MESSAGE bytes; the reader's */

	/*
	 * Who sends holds this for reading, so that the link, the epoch and UP
	 * are of the same connection.
	 */
	pthread_rwlock_t gate;
	struct link link;
	struct epoch epoch;
	bool up;

	pthread_mutex_t lock; /* of what follows, and of LINK while it changes */
	pthread_cond_t changed;
	pid_t child;	       /* of a command; 0 */
	bool connected;	       /* there is a link, if of no use maybe */
	atomic_bool used;      /* and its reader, since something was sent */
	bool away;	       /* there will be another one */
	uint64_t until;	       /* so long requests wait for it; thread_now() */
	atomic_bool cancelled; /* it is of no use, and nobody need be told */
	atomic_bool lost;      /* the same, and it was told */
	uint64_t init[CONNECT_INIT_SIZE / 8]; /* as it was sent */
	size_t init_len;
	bool agreed; /* the answer to it was OUT, and no DESTROY has come */
	struct cf_init_out out;
};

/* connect_life.c */

/* Connects. 0 or -errno, logged. */
int connect_begin(struct connect_server *server);

/* Ends the connection, and whoever waits for another; also without one. */
void connect_cut(struct connect_server *server);

/* After that, without the lock: waits for the reader, and forgets all. */
void connect_end(struct connect_server *server);

/* Something is wrong with the connection: every call gets ENOTCONN. */
void connect_lose(struct connect_server *server, int error);

/*
 * The reader has found the connection at its end: 0, or -errno. Whether there
 * is another one, after a while.
 */
bool connect_again(struct connect_server *server, int error);

/*
 * Takes the gate for reading, once there is a connection. 0; -ENOTCONN,
 * -EINTR or -ESTALE: there is none, and the gate is not held. CALL may sleep.
 */
int connect_enter(struct connect_server *server, struct call *call);

/* What a call gets that was sent, maybe, and that nobody will answer. */
int connect_lost_error(const struct call *call);

/* FUSE_INIT is sent; was answered, OUT_LEN bytes in call->out; DESTROY is. */
void connect_asked(struct connect_server *server, const struct call *call);
void connect_agreed(struct connect_server *server, const struct call *call,
		    size_t out_len);
void connect_destroyed(struct connect_server *server);

#endif
