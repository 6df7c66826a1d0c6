/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exec:COMMAND: a FUSE daemon that was written for /dev/fuse, started by us,
 * with a socket in the place of the device: SOCK_SEQPACKET keeps messages
 * whole, and libfuse takes any descriptor as /dev/fd/N.
 */
#ifndef EXEC_H
#define EXEC_H

#include "../../relay.h"
#include "../epoch.h"
#include "../port.h"
#include <pthread.h>
#include <stdatomic.h>

/* The socket's number in the daemon, out of the way of its own. */
#define EXEC_DEVICE_FD 199

/* exec_daemon.c */
struct daemon {
	pid_t pid; /* and its process group; 0: it has been ended */
	pthread_t watcher;
	int fd;	   /* our end of the socket */
	char *dir; /* of {dir}; NULL: none */
	/* Bytes of a file that fit into one message of the socket. */
	uint32_t max_data;
};

/*
 * Starts COMMAND by the shell. "{}" in it is its device as /dev/fd/N; "{dir}" a
 * directory, for a daemon that takes nothing else, which gets the device from
 * a fusermount of ours; "{mount}" the same for one that mounts by itself. 0 or -errno, logged.
 */
int daemon_start(const char *command, struct daemon *ret_daemon);

/*
 * Ends it, by and by with less patience, and shuts the socket down, which is
 * the caller's to close. *RET_STATUS is as of waitpid(). Nothing the second
 * time.
 */
void daemon_end(struct daemon *daemon, int *ret_status);

/* exec_device.c */

/* crossfuse as fusermount or fusermount3, started by a daemon. */
int exec_fusermount(int argc, char **argv);

/* crossfuse under this name runs ARGV, which opens /dev/fuse. */
#define EXEC_DEVICE_NAME "crossfuse-device"
int exec_device(char **argv);

/* exec_bound.c: what it arranges in messages, all in this machine's form. */

/*
 * A request of FUSE_INIT, of LEN bytes, a struct cf_init_in's first 16 at
 * least: nothing that a socket cannot do, or, with SPLICES, can do badly.
 */
void exec_init_request(void *request, size_t len, bool splices);

/*
 * Its reply, of OUT_LEN bytes, there being room for 80: no message longer than
 * MAX_DATA and its header. How long it is then.
 */
size_t exec_init_reply(void *reply, size_t out_len, uint32_t max_data);

/*
 * A client that cannot be notified keeps no answer for longer than SECONDS.
 * Whether that was shorter than what the daemon said.
 */
bool exec_limit_caching(struct call *call, size_t out_len, uint64_t seconds);

struct exec_port {
	struct server_port port; /* first */
	const char *command;
	bool restart;
	bool splice;	      /* from the beginning, see exec_server */
	uint64_t max_timeout; /* seconds */
};

/* So often in a minute a daemon that died is started again. */
#define EXEC_RESTARTS 7

/* FUSE_INIT with its header; no client's is longer. */
#define EXEC_INIT_SIZE 256

/* What is agreed with the daemon that is there; see exec_life.c. */
struct exec_talk {
	uint64_t init[EXEC_INIT_SIZE / 8]; /* as the client has sent it */
	size_t init_len;		   /* 0: not yet */
	bool asked;  /* INIT is without an answer; its unique is init's */
	bool agreed; /* the answer was OUT, and no DESTROY has come */
	struct cf_init_out out;
};

struct exec_server {
	struct server server; /* first */
	const struct exec_port *port;
	struct relay *relay;
	pthread_t reader;
	/*
	 * Who sends to the daemon holds this for reading, so that UP, the
	 * epoch and daemon.fd, which only the reader changes, are of the same
	 * one.
	 */
	pthread_rwlock_t gate;
	struct daemon daemon;
	struct epoch epoch;
	bool up;   /* there is one, and it knows what was agreed */
	bool used; /* it has been sent INIT */

	pthread_mutex_t lock; /* of what follows, and of daemon.pid */
	pthread_cond_t changed;
	bool closing;
	bool renew; /* INIT wants a daemon that knows nothing */
	struct exec_talk talk;
	/* When it was started again, the last ones, in any order; ns. */
	uint64_t restarts[EXEC_RESTARTS];

	/*
	 * The daemon insists on splicing to its device: its replies may come
	 * in pieces.
	 */
	bool splices;
	atomic_bool cancelled; /* until reset() */
	bool bounded;	       /* the client is not told what has changed */
	atomic_bool told_bound;
	atomic_bool told_malformed;
};

/* exec_life.c: the daemon that is there, and the one after it. */

/*
 * INIT, in CALL, is to be sent. 1: do so; 0: it goes to a new daemon, later;
 * or -errno. With the gate held for reading.
 */
int exec_life_init(struct exec_server *server, struct call *call);

/* The client has said DESTROY. */
void exec_life_destroy(struct exec_server *server);

/* The daemon has answered INIT, with LEN bytes that the client gets. */
void exec_life_agreed(struct exec_server *server, const void *reply,
		      size_t len);

/*
 * Whether HEADER refuses an INIT because the daemon wants to splice. Another
 * one, which may, gets the same INIT once exec_life_next() is called.
 */
bool exec_life_to_splice(struct exec_server *server,
			 const struct cf_out_header *header);

/*
 * The socket is at its end. True: there is another daemon. False: there will
 * be none, all calls have failed, and the log has it unless all ends.
 */
bool exec_life_next(struct exec_server *server);

/* Ends the daemon for good. From now on exec_life_next() is false. */
void exec_life_end(struct exec_server *server);

/* exec_reply.c */

/* The reader: all that the daemons of SERVER send, one after the other. */
void *exec_read_replies(void *server);

/* As recvmsg(), but -errno. */
ssize_t exec_receive(int fd, struct iovec *iov, size_t count, int flags);

/* Throws the next message away. */
int exec_skip(struct exec_server *server);

/* Answers CALL with a reply of LEN bytes. */
void exec_answer(struct exec_server *server, struct call *call,
		 const char *reply, size_t len);

/* The daemon sends what is no message; CALL, unless NULL, gets EIO. */
void exec_malformed(struct exec_server *server, struct call *call);

/* exec_pieces.c: a reply that comes in several packets, HEADER being its. */
int exec_receive_pieces(struct exec_server *server, struct call *call,
			const struct cf_out_header *header);

#endif
