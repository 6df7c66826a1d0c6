// SPDX-License-Identifier: BSD-2-Clause
/* listen: and stdio:, where clients come from. */
#include "listen.h"
#include "../../log.h"
#include "../../options.h"
#include "../../socket.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* Clients at a time; others wait until one has gone. */
#define CLIENTS_MAX 128

extern const struct client_port_ops listen_port_ops;
extern const struct client_port_ops stdio_port_ops;

struct listen_port {
	struct client_port port; /* first */
	struct address address;
	struct layer_maker *tls; /* NULL: without */
	int fd; /* -1: the only client, on standard input, was taken */
	bool unix_socket;
	int stop_fd; /* stop() was called */
	int wake_fd; /* a client has gone */
	atomic_uint clients;
};

static int listen_fd = -1;

static void raise_fd(int fd)
{
	uint64_t one = 1;
	int error = errno;

	/* It can only fail if it was called very often before. */
	if (write(fd, &one, sizeof(one)) < 0)
		errno = error;
}

static int open_common(struct listen_port **ret_port,
		       const struct client_port_ops *ops)
{
	struct listen_port *port = calloc(1, sizeof(*port));

	if (!port)
		return -ENOMEM;
	port->port.ops = ops;
	port->fd = -1;
	port->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	port->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	*ret_port = port;
	return port->stop_fd < 0 || port->wake_fd < 0 ? -EMFILE : 0;
}

static void listen_close(struct client_port *base)
{
	struct listen_port *port = (struct listen_port *)base;

	if (port->fd >= 0)
		close(port->fd);
	if (port->stop_fd >= 0)
		close(port->stop_fd);
	if (port->wake_fd >= 0)
		close(port->wake_fd);
	if (port->tls)
		port->tls->free(port->tls);
	address_free(&port->address);
	free(port);
}

/* The service manager's socket. */
static int take_inherited(struct listen_port *port,
			  const struct options *options)
{
	int value = 0, domain = AF_UNSPEC;
	socklen_t len = sizeof(value);

	if (getsockopt(listen_fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) <
		    0 ||
	    !value) {
		log_error("listen: descriptor %d is no socket that listens",
			  listen_fd);
		return -ENOTSOCK;
	}
	len = sizeof(domain);
	getsockopt(listen_fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	port->unix_socket = domain == AF_UNIX;
	port->fd = listen_fd;
	port->address.text = strdup("the passed socket");
	if (!port->address.text)
		return -ENOMEM;
	return stream_secure("listen",
			     port->unix_socket ? &port->address : NULL,
			     options->server, &port->tls);
}

static int listen_at(struct listen_port *port, const char *argument,
		     const struct options *options)
{
	int ret = address_parse("listen", argument, &port->address);

	if (ret < 0)
		return ret;
	ret = stream_secure("listen", &port->address, options->server,
			    &port->tls);
	if (ret < 0)
		return ret;
	port->fd = address_listen(&port->address);
	if (port->fd < 0)
		return port->fd;
	port->unix_socket = port->address.kind == ADDRESS_UNIX ||
			    port->address.kind == ADDRESS_UNIXPACKET;
	return 0;
}

static int listen_open(const char *argument, const struct options *options,
		       struct client_port **ret_port)
{
	struct listen_port *port = NULL;
	int ret = open_common(&port, &listen_port_ops);

	if (ret == 0 && !argument && listen_fd >= 0)
		ret = take_inherited(port, options);
	else if (ret == 0)
		ret = listen_at(port, argument, options);
	if (ret < 0) {
		if (port)
			listen_close(&port->port);
		return ret;
	}
	fcntl(port->fd, F_SETFL, fcntl(port->fd, F_GETFL) | O_NONBLOCK);
	log_info("waiting for clients at %s", port->address.text);
	*ret_port = &port->port;
	return 0;
}

/* Whether a client may be accepted now: 1; 0: stopped; -EAGAIN: ask again. */
static int wait_for_client(struct listen_port *port)
{
	bool full = atomic_load(&port->clients) >= CLIENTS_MAX;
	struct pollfd ready[] = {
		{ .fd = full ? -1 : port->fd, .events = POLLIN },
		{ .fd = port->stop_fd, .events = POLLIN },
		{ .fd = port->wake_fd, .events = POLLIN },
	};
	uint64_t count;

	if (full)
		log_debug("%s: %d clients are served, others wait",
			  port->address.text, CLIENTS_MAX);
	if (poll(ready, 3, -1) < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (ready[1].revents)
		return 0;
	if (ready[2].revents &&
	    read(port->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -errno;
	return ready[0].revents ? 1 : -EAGAIN;
}

/* Whom the kernel says that the client is. */
static void tell_peer(const struct listen_port *port, int fd)
{
	const char *name = port->address.text;
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (!port->unix_socket ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		log_info("%s: a client", name);
	else if (peer.pid)
		log_info("%s: a client of user %u, process %d", name, peer.uid,
			 peer.pid);
	else /* from the sandbox, processes outside of it have no number */
		log_info("%s: a client of user %u", name, peer.uid);
}

static void client_closed(void *opaque)
{
	struct listen_port *port = opaque;

	atomic_fetch_sub(&port->clients, 1);
	raise_fd(port->wake_fd);
}

static int take_client(struct listen_port *port, int fd,
		       struct client **ret_client)
{
	struct layer *layer = NULL;
	int ret = 0;

	tell_peer(port, fd);
	stream_socket_setup(fd);
	if (port->tls)
		ret = port->tls->make(port->tls, fd, NULL, &layer);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	return stream_client_new(fd, fd, layer, port->address.text,
				 client_closed, port, ret_client);
}

static int listen_accept(struct client_port *base, struct client **ret_client)
{
	struct listen_port *port = (struct listen_port *)base;

	for (;;) {
		int fd, ret = wait_for_client(port);

		if (ret == -EAGAIN)
			continue;
		if (ret < 0)
			log_error("%s: cannot wait for clients: %s",
				  port->address.text, strerror(-ret));
		if (ret <= 0)
			return ret;
		fd = accept4(port->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0) {
			/* Out of descriptors: until one is free. */
			if (errno == EMFILE || errno == ENFILE ||
			    errno == ENOMEM || errno == ENOBUFS)
				poll(NULL, 0, 100);
			continue;
		}
		if (take_client(port, fd, ret_client) < 0)
			continue;
		atomic_fetch_add(&port->clients, 1);
		return 1;
	}
}

static void listen_stop(struct client_port *base)
{
	raise_fd(((struct listen_port *)base)->stop_fd);
}

static const struct option *const listen_lists[] = { stream_rows,
						     socket_options, NULL };

const struct client_port_ops listen_port_ops = {
	.scheme = "listen",
	.argument = "ADDRESS",
	.help = "clients that connect to unix:PATH, tcp:HOST:PORT, ...",
	.options = listen_lists,
	.listen_fd = &listen_fd,
	.open = listen_open,
	.accept = listen_accept,
	.stop = listen_stop,
	.close = listen_close,
};

static int stdio_open(const char *argument, const struct options *options,
		      struct client_port **ret_port)
{
	struct listen_port *port = NULL;
	int ret;

	(void)options;
	if (argument) {
		log_error("stdio:%s: wants nothing behind the colon", argument);
		return -EINVAL;
	}
	if (isatty(STDIN_FILENO) || isatty(STDOUT_FILENO)) {
		log_error("stdio: a terminal is no FUSE client: it is for a "
			  "program at the other end, such as "
			  "connect:cmd:'ssh HOST crossfuse stdio: dir:/DIR'");
		return -EINVAL;
	}
	ret = open_common(&port, &stdio_port_ops);
	if (ret == 0) {
		*ret_port = &port->port;
		return 0;
	}
	if (port)
		listen_close(&port->port);
	return ret;
}

/* Nobody else shall read or write there: what prints goes to the log. */
static int take_stdio(int *ret_in, int *ret_out)
{
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

	if (nothing >= 0 && in >= 0 && out >= 0 &&
	    dup2(nothing, STDIN_FILENO) >= 0 &&
	    dup2(STDERR_FILENO, STDOUT_FILENO) >= 0) {
		close(nothing);
		*ret_in = in;
		*ret_out = out;
		return 0;
	}
	log_error("stdio: cannot take standard input and output: %m");
	if (nothing >= 0)
		close(nothing);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return -EBADF;
}

/* Once. */
static int stdio_accept(struct client_port *base, struct client **ret_client)
{
	struct listen_port *port = (struct listen_port *)base;
	int in, out, ret;

	if (atomic_exchange(&port->clients, 1))
		return 0;
	ret = take_stdio(&in, &out);
	if (ret == 0)
		ret = stream_client_new(in, out, NULL, "stdio:", NULL, NULL,
					ret_client);
	return ret < 0 ? ret : 1;
}

static const struct option *const stdio_lists[] = { stream_rows, NULL };

const struct client_port_ops stdio_port_ops = {
	.scheme = "stdio",
	.argument = "",
	.help = "the client at standard input and output",
	.options = stdio_lists,
	.open = stdio_open,
	.accept = stdio_accept,
	.stop = listen_stop,
	.close = listen_close,
};
