/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exec:COMMAND: a FUSE daemon that was written for /dev/fuse, started by us,
 * with a socket in the place of the device: SOCK_SEQPACKET keeps messages
 * whole, and libfuse takes any descriptor as /dev/fd/N.
 */
#ifndef EXEC_H
#define EXEC_H

#include "../../relay.h"
#include "../port.h"
#include <pthread.h>
#include <stdatomic.h>

/* exec_daemon.c */
struct daemon {
	pid_t pid; /* and its process group; 0: it has been ended */
	int fd;	   /* our end of the socket */
	char *dir; /* of {dir}; NULL: none */
	/* Bytes of a file that fit into one message of the socket. */
	uint32_t max_data;
};

/*
 * Starts COMMAND by the shell. "{}" in it is its device as /dev/fd/N; "{dir}" a
 * directory, for a daemon that takes nothing else, which gets the device from
 * a fusermount of ours. 0 or -errno, logged.
 */
int daemon_start(const char *command, struct daemon *ret_daemon);

/*
 * Ends it, by and by with less patience, and shuts the socket down, which is
 * the caller's to close. *RET_STATUS is as of waitpid(). Nothing the second
 * time.
 */
void daemon_end(struct daemon *daemon, int *ret_status);

/* crossfuse as fusermount or fusermount3, started by a daemon. */
int exec_fusermount(int argc, char **argv);

/* exec_bound.c: what it arranges in messages, all in this machine's form. */

/*
 * The request of FUSE_INIT: nothing that a socket cannot do, or, with SPLICES,
 * can do badly.
 */
void exec_init_request(struct call *call, bool splices);

/*
 * Its reply, of OUT_LEN bytes, there being room for 80: no message longer than
 * MAX_DATA and its header. How long it is then.
 */
size_t exec_init_reply(struct call *call, size_t out_len, uint32_t max_data);

/*
 * A client that cannot be notified keeps no answer for longer than SECONDS.
 * Whether that was shorter than what the daemon said.
 */
bool exec_limit_caching(struct call *call, size_t out_len, uint64_t seconds);

struct exec_port {
	struct server_port port; /* first */
	const char *command;
};

struct exec_server {
	struct server server; /* first */
	const struct exec_port *port;
	struct relay *relay;
	struct daemon daemon;
	pthread_t reader;
	atomic_bool closing;
	/*
	 * The daemon insists on splicing to its device: its replies may come
	 * in pieces.
	 */
	bool splices;
	struct {
		struct cf_in_header in;
		struct cf_init_in init;
	} init; /* the client's, for a second try */
	/*
	 * That is under way, and its unique; NULL: it is not. The relay does
	 * not know it any more, so cancel() ends it: who takes it out does.
	 */
	_Atomic(struct call *) again;
	uint64_t again_unique; /* the reader's */
	atomic_bool cancelled; /* until reset() */
	bool bounded;	       /* the client cannot be told what has changed */
	atomic_bool told_bound;
	atomic_bool told_malformed;
};

/* exec_pieces.c: a reply that comes in several packets, HEADER being its. */
int exec_receive_pieces(struct exec_server *server, struct call *call,
			const struct cf_out_header *header);

/* exec.c */

/* As recvmsg(), but -errno. */
ssize_t exec_receive(int fd, struct iovec *iov, size_t count, int flags);

/* Answers CALL with a reply of LEN bytes. */
void exec_answer(struct exec_server *server, struct call *call,
		 const char *reply, size_t len);

/* The daemon sends what is no message; CALL, unless NULL, gets EIO. */
void exec_malformed(struct exec_server *server, struct call *call);

#endif
