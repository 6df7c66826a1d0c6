/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports move FUSE messages in and out of the process and know nothing of
 * architectures. A port is one file, or one folder, with one row in
 * src/port/table.c.
 *
 * A client port yields clients; a connection attaches to a server port; a
 * relay (src/relay.h) joins the two. Connections have nothing in common but
 * their ports and run at the same time, each client in a thread of its own.
 *
 * Unless said otherwise a function returns 0 or -errno, and has logged what is
 * wrong in one line that names the remedy.
 */
#ifndef PORT_H
#define PORT_H

#include "../call.h"
#include "../option.h"
#include "../report.h"
#include <stdbool.h>

struct options;
struct crossfuse_abi;

struct client_port;
struct client;
struct server_port;
struct server;

struct client_port_ops {
	const char *scheme;   /* "virtio" in virtio:/run/share.sock */
	const char *argument; /* "SOCKET", for the help text */
	const char *help;     /* one line */
	/* Lists of options, NULL at the end; NULL: none. May be shared. */
	const struct option *const *options;
	/*
	 * Where an inherited socket that listens is noted (-1: none), for the
	 * service manager's to be put there; NULL: the port takes none.
	 */
	int *listen_fd;
	/*
	 * The option of its own that "-o LIST" stands for; NULL: LIST is
	 * options of this program by name.
	 */
	const char *list_option;
	/* "PROGRAM SERVER DIRECTORY" names it, as libfuse programs are called. */
	bool plain_directory;
	bool local_users; /* its users are this machine's, by its numbers */

	/*
	 * Takes what stands behind the colon (NULL if that is nothing) and
	 * opens it. Never waits for a peer, starts no thread.
	 */
	int (*open)(const char *argument, const struct options *options,
		    struct client_port **ret_port);
	/*
	 * Waits for the next client. 1; 0 when none will come any more: the
	 * port was stopped, or its only client came; or -errno, logged. From
	 * the main thread. The first one comes before confine(), all others
	 * after it.
	 */
	int (*accept)(struct client_port *port, struct client **ret_client);
	/* Makes accept() return 0 from now on. Async-signal-safe. */
	void (*stop)(struct client_port *port);
	/* All its clients are closed. */
	void (*close)(struct client_port *port);
};

struct client_ops {
	/*
	 * The name of the program at the other end if that tells an
	 * architecture ("aarch64" of qemu-system-aarch64); NULL, also for the
	 * function: it does not. Found out by accept().
	 */
	const char *(*peer_machine)(struct client *client);
	/*
	 * Finds out whether the peer may be served, before a server is
	 * attached for it. 0 or -errno, logged; stop() ends it. NULL: it may.
	 */
	int (*greet)(struct client *client);
	/*
	 * Hands the client's requests to relay_submit() until it disconnects
	 * (0), stop() is called (0) or an error, which is logged (-errno).
	 * Calls relay_cancel() to make an end of calls that wait, and
	 * relay_reset() when no call is under way, as it is in the end.
	 */
	int (*serve)(struct client *client, struct relay *relay);
	/* Makes serve() return soon, also before it began. Any thread. */
	void (*stop)(struct client *client);
	/*
	 * Sends what answers no call, in the client's form: a notification, or
	 * an EAGAIN or ENOSYS to its INTERRUPT. Any thread. 0 or -errno, not
	 * logged. NULL: this client cannot be told.
	 */
	int (*notify)(struct client *client, const struct iovec *iov,
		      int count);
	void (*close)(struct client *client);
};

struct server_port_ops {
	const char *scheme;
	const char *argument;
	const char *help;
	const struct option *const *options;

	/* As above; privileges are still whole. */
	int (*open)(const char *argument, const struct options *options,
		    struct server_port **ret_port);
	/*
	 * Gives up every privilege and path that serving does not need, once,
	 * before anything is served and while there is one thread. 0: go on,
	 * in a process that may be another one (a child); 1: this is its
	 * parent, and the child has served and ended well. NULL: nothing to
	 * do.
	 */
	int (*confine)(struct server_port *port);
	/*
	 * The server's side of a new connection; may wait for a peer. From any
	 * thread. RELAY is to be remembered, and may be used, as far as it is
	 * for servers, until detach() has returned.
	 */
	int (*attach)(struct server_port *port, struct relay *relay,
		      struct server **ret_server);
	/* All its connections are detached. */
	void (*close)(struct server_port *port);
};

/* A part of the client's memory, as far as it is shared with us. */
struct relay_region {
	int fd; /* the client's, to be duplicated */
	uint64_t offset, size;
	void *address;	/* in this process */
	uint64_t user;	/* in the front end's process; 0: not known */
	uint64_t guest; /* for the guest's driver */
};

struct server_ops {
	/* The ABI of what submit() takes. NULL: this machine's. */
	const struct crossfuse_abi *(*abi)(struct server *server);
	/*
	 * A proxy: each request gets a unique of the relay's own, and the
	 * relay knows its call by that, see relay_take(). Its calls may all
	 * wait for ever. Requests without a reply end when submit() returns.
	 */
	bool numbered;
	/*
	 * Its peer may take up the handshake, so the relay is its client: a
	 * second session, with the client's role, stands between.
	 */
	bool negotiates;
	/*
	 * It sees to it itself that a request is as long as it says: the
	 * session need not look where nothing is translated.
	 */
	bool checks;
	/*
	 * Takes a call, and sees to it that it is completed once; a numbered
	 * one may be completed by others meanwhile, its memory is there until
	 * this returns. 0; or -errno, not logged: it was not taken, the client
	 * gets this error (this machine's).
	 */
	int (*submit)(struct server *server, struct call *call);
	/*
	 * Makes calls that wait end soon with EINTR, also those that were
	 * submitted and do not wait yet, until reset(). No lock of the relay's
	 * is held, from any thread. Calls of a numbered server are ended by
	 * the relay when this has returned; none of their memory may be
	 * touched after that but by submit(). NULL: no call waits, or the
	 * server is numbered and there is nothing to do.
	 */
	void (*cancel)(struct server *server);
	/*
	 * The client is gone or has started over: forget all state of it. No
	 * call is under way.
	 */
	void (*reset)(struct server *server);
	/*
	 * Completes what has been answered already, without sleeping; whether
	 * there was anything. For a client's thread that would otherwise sleep.
	 * MORE: it looks again soon, so nobody needs to be woken for what it
	 * has submitted; the last time it does not. NULL: nothing to look at.
	 */
	bool (*poll)(struct server *server, bool more);
	/*
	 * Where HEAD and OUT of calls are to live, 8-byte aligned, for
	 * relay_alloc(). NULL: on the heap.
	 */
	void *(*alloc)(struct server *server, size_t size);
	void (*free)(struct server *server, void *memory, size_t size);
	/*
	 * The client's memory from now on, before any call lies in it. What
	 * is no longer there stays mapped while calls that lie in it are under
	 * way. If this fails, requests that need the memory shall fail.
	 * NULL: it does not matter.
	 */
	int (*memory)(struct server *server, const struct relay_region *regions,
		      unsigned int count);
	/* How it is doing, for an operator. Any thread. NULL: nothing to say. */
	void (*report)(struct server *server, report_fn *report, void *opaque);
	/* No call is under way. When it returns, RELAY is not used any more. */
	void (*detach)(struct server *server);
};

/* Each of these begins a struct of the port's own. */
struct client_port {
	const struct client_port_ops *ops;
};

struct client {
	const struct client_ops *ops;
};

struct server_port {
	const struct server_port_ops *ops;
};

struct server {
	const struct server_ops *ops;
};

/* The rows, NULL at the end. */
extern const struct client_port_ops *const client_ports[];
extern const struct server_port_ops *const server_ports[];

/* The row for SCHEME; NULL if there is none. */
const struct client_port_ops *client_port_find(const char *scheme,
					       size_t length);
const struct server_port_ops *server_port_find(const char *scheme,
					       size_t length);

#endif
