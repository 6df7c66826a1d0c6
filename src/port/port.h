/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports move FUSE messages in and out of the process and know nothing of
 * architectures. A port is one file with one row in src/port/table.c.
 */
#ifndef PORT_H
#define PORT_H

#include "../call.h"
#include <stdbool.h>

struct options;
struct crossfuse_abi;

struct client_port;
struct server_port;

struct client_port_ops {
	const char *scheme;   /* "virtio" in virtio:/run/share.sock */
	const char *argument; /* "SOCKET", for the help text */
	const char *help;     /* one line */

	/*
	 * Takes what stands behind the colon (NULL if the endpoint comes from
	 * the options), opens it and waits for the client to connect. Every
	 * error is logged in one line that names the remedy. 0 or -errno.
	 */
	int (*open)(const char *argument, const struct options *options,
		    struct client_port **ret_port);
	/*
	 * The name of the program at the other end if that tells an
	 * architecture ("aarch64" of qemu-system-aarch64); NULL if not.
	 * Called before the process gives up its privileges.
	 */
	const char *(*peer_machine)(struct client_port *port);
	/*
	 * Serves the client until it disconnects (0), stop() is called (0) or
	 * an error, which is logged (-errno). Calls relay_reset() as needed;
	 * when it returns, no call is under way.
	 */
	int (*serve)(struct client_port *port, struct relay *relay);
	/* Makes serve() return soon. Async-signal-safe, from any thread. */
	void (*stop)(struct client_port *port);
	void (*close)(struct client_port *port);
};

struct server_port_ops {
	const char *scheme;
	const char *argument;
	const char *help;

	/* As above; nothing is served yet, privileges are still whole. */
	int (*open)(const char *argument, const struct options *options,
		    struct server_port **ret_port);
	/*
	 * Gives up every privilege and path that serving does not need
	 * (--sandbox). 0: go on, in a process that may be another one (a
	 * child); 1: this is its parent, and the child has served and ended
	 * well; -errno, logged.
	 */
	int (*confine)(struct server_port *port);
	/* The ABI of the messages that submit() takes. NULL: this machine's. */
	const struct crossfuse_abi *(*abi)(struct server_port *port);
	/* Takes a call, and sees to it that it is completed once. */
	void (*submit)(struct server_port *port, struct call *call);
	/*
	 * Makes calls that wait (locks) end soon with EINTR, so that the
	 * client port's serve() can end; from any thread.
	 */
	void (*cancel)(struct server_port *port);
	/* Forget all state of the client. No call is under way. */
	void (*reset)(struct server_port *port);
	void (*close)(struct server_port *port);
};

/* Each port's struct begins with its ops. */
struct client_port {
	const struct client_port_ops *ops;
};

struct server_port {
	const struct server_port_ops *ops;
};

extern const struct client_port_ops virtio_port_ops;
extern const struct server_port_ops dir_port_ops;

/* The row for SCHEME; NULL if there is none. */
const struct client_port_ops *client_port_find(const char *scheme,
					       size_t length);
const struct server_port_ops *server_port_find(const char *scheme,
					       size_t length);

#endif
