// SPDX-License-Identifier: BSD-2-Clause
/*
 * connect: a server at the other end of a stream. Whoever submits a request
 * writes it; one thread reads what comes back. A conversation has a connection
 * of its own, so that the server forgets one that is over.
 */
#include "../../log.h"
#include "../../options.h"
#include "../../relay.h"
#include "../../thread.h"
#include "../port.h"
#include "stream.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Pieces of a request's data that are sent. */
#define PIECES 64

extern const struct server_port_ops connect_port_ops;

struct connect_port {
	struct server_port port; /* first */
	struct address address;
	struct layer_maker *tls; /* NULL: without */
};

struct connect_server {
	struct server server; /* first */
	struct connect_port *port;
	struct relay *relay;
	struct link link;
	pid_t child;	       /* of a command; 0 */
	bool connected;	       /* there is a link, if of no use maybe */
	bool used;	       /* and its reader, since something was sent */
	atomic_bool cancelled; /* it is of no use, and nobody need be told */
	atomic_bool lost;      /* the same, and it was told */
	pthread_t reader;
	pthread_mutex_t lock; /* of all this */
	char *notification;   /* STREAM_MAX_MESSAGE bytes */
};

static int make_link(struct connect_server *server, int fd)
{
	const struct connect_port *port = server->port;
	const char *name = port->address.text;
	struct layer *layer = NULL;
	int ret = 0;

	if (port->tls)
		ret = port->tls->make(port->tls, fd,
				      stream_options.tls_hostname
					      ? stream_options.tls_hostname
					      : port->address.host,
				      &layer);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	ret = link_init(&server->link, fd, fd, layer);
	if (ret < 0) {
		log_error("%s: %s", name, strerror(-ret));
		return ret;
	}
	ret = link_handshake(&server->link, name);
	if (ret < 0)
		link_destroy(&server->link);
	return ret;
}

static int server_connect(struct connect_server *server)
{
	int fd, ret;

	fd = address_connect(&server->port->address, &server->child);
	if (fd < 0)
		return fd;
	ret = make_link(server, fd);
	if (ret < 0) {
		if (server->child)
			command_end(server->child, server->port->address.text);
		server->child = 0;
		return ret;
	}
	server->connected = true;
	server->used = false;
	server->cancelled = false;
	atomic_store(&server->lost, false);
	return 0;
}

static void server_disconnect(struct connect_server *server)
{
	if (!server->connected)
		return;
	link_end(&server->link);
	if (server->used)
		pthread_join(server->reader, NULL);
	link_destroy(&server->link);
	if (server->child)
		command_end(server->child, server->port->address.text);
	server->child = 0;
	server->connected = false;
	server->used = false;
}

/* Every call gets ENOTCONN at once, those that wait and those that come. */
static void lose(struct connect_server *server, int error)
{
	link_end(&server->link);
	/* Whoever has ended it sees to that. */
	if (error == -ECANCELED || server->cancelled ||
	    atomic_exchange(&server->lost, true))
		return;
	log_error("%s: the server is lost: %s", server->port->address.text,
		  link_error(&server->link, error));
	relay_fail_all(server->relay, -ENOTCONN);
}

static int read_notification(struct connect_server *server,
			     const struct cf_out_header *header)
{
	struct iovec iov;
	int ret;

	if (!server->notification)
		server->notification = malloc(STREAM_MAX_MESSAGE);
	if (!server->notification)
		return -ENOMEM;
	memcpy(server->notification, header, sizeof(*header));
	ret = link_read(&server->link, server->notification + sizeof(*header),
			header->len - sizeof(*header));
	if (ret < 0)
		return ret;
	iov.iov_base = server->notification;
	iov.iov_len = header->len;
	ret = relay_notify(server->relay, &iov, 1);
	if (ret == -EBADMSG)
		log_warn("%s: a malformed notification is thrown away",
			 server->port->address.text);
	return 0;
}

/* Whether a reply of LEN bytes can be one to this call. */
static bool fits(const struct call *call, size_t len, size_t head_len)
{
	int64_t max =
		crossfuse_reply_max_len(&call->far, call->head, call->head_len);

	return max < 0 || (int64_t)len <= max ? len - head_len <= call->room_len
					      : false;
}

/* Reads LEN bytes into the call's room. 0 or -errno. */
static int read_data(struct link *link, const struct call *call, size_t len)
{
	for (unsigned int i = 0; len; i++) {
		size_t part = call->room[i].iov_len;
		int ret;

		if (part > len)
			part = len;
		ret = link_read(link, call->room[i].iov_base, part);
		if (ret < 0)
			return ret;
		len -= part;
	}
	return 0;
}

/* The call is this thread's to end. */
static int read_reply(struct connect_server *server, struct call *call,
		      const struct cf_out_header *header)
{
	size_t len = header->len, head_len;
	const char *name = server->port->address.text;
	int ret;

	head_len = crossfuse_reply_head_len(&call->far, len);
	if (!fits(call, len, head_len) ||
	    !call_reserve(call, head_len - sizeof(*header))) {
		log_warn("%s: a reply of %zu bytes to opcode %u is too long: "
			 "the caller gets EIO",
			 name, len, call->state.opcode);
		ret = link_skip(&server->link, len - sizeof(*header));
		call_fail(call, ret < 0 ? -ENOTCONN : -EIO);
		return ret;
	}
	memcpy(call->out, header, sizeof(*header));
	ret = link_read(&server->link, call_out_arg(call),
			head_len - sizeof(*header));
	if (ret == 0)
		ret = read_data(&server->link, call, len - head_len);
	if (ret == 0)
		call_forward(call, head_len, len - head_len);
	else
		call_fail(call, server->cancelled ? -EINTR : -ENOTCONN);
	return ret;
}

/* 1; 0: the server has closed the connection; -errno. */
static int read_message(struct connect_server *server)
{
	struct link *link = &server->link;
	struct cf_out_header header;
	struct call *call;
	ssize_t len;
	int ret;

	ret = link_wait(link, -1);
	if (ret <= 0)
		return ret;
	ret = link_read(link, &header, sizeof(header));
	if (ret < 0)
		return ret;
	len = crossfuse_stream_reply_len(&server->relay->far, &header,
					 sizeof(header), STREAM_MAX_MESSAGE);
	if (len < 0)
		return (int)len;
	if (!header.unique) {
		ret = read_notification(server, &header);
	} else {
		call = relay_take(server->relay, &header);
		ret = call ? read_reply(server, call, &header)
			   : link_skip(link, (size_t)len - sizeof(header));
	}
	if (ret == 0)
		ret = link_check_end(link);
	return ret < 0 ? ret : 1;
}

static void *reader_main(void *opaque)
{
	struct connect_server *server = opaque;
	int ret;

	do {
		ret = read_message(server);
	} while (ret > 0);
	lose(server, ret);
	return NULL;
}

/*
 * Before anything is sent: a server speaks only when it is asked, so that the
 * thread that listens is not needed until then.
 */
static int make_ready(struct connect_server *server, const struct call *call)
{
	int ret = 0;

	pthread_mutex_lock(&server->lock);
	if (server->used)
		goto unlock;
	/* Another conversation than INIT's has ended with its connection. */
	if (!server->connected)
		ret = call->state.opcode == CF_INIT ? server_connect(server)
						    : -ENOTCONN;
	if (ret == 0)
		ret = thread_start(&server->reader, 0, reader_main, server);
	if (ret == 0)
		server->used = true;
unlock:
	pthread_mutex_unlock(&server->lock);
	return ret;
}

static int connect_submit(struct server *base, struct call *call)
{
	struct connect_server *server = (struct connect_server *)base;
	struct iovec iov[PIECES + 1];
	int ret;

	if (call->data_count > PIECES)
		return -EIO;
	ret = make_ready(server, call);
	if (ret < 0)
		return ret;
	iov[0].iov_base = call->head;
	iov[0].iov_len = call->head_len;
	for (unsigned int i = 0; i < call->data_count; i++)
		iov[i + 1] = call->data[i];
	ret = link_write(&server->link, iov, (int)call->data_count + 1);
	if (ret == 0)
		return 0;
	lose(server, ret);
	return server->cancelled ? -EINTR : -ENOTCONN;
}

/* What waits in submit() for a server that does not read ends, too. */
static void connect_cancel(struct server *base)
{
	struct connect_server *server = (struct connect_server *)base;

	pthread_mutex_lock(&server->lock);
	if (server->used) {
		server->cancelled = true;
		link_end(&server->link);
	}
	pthread_mutex_unlock(&server->lock);
}

/* The next conversation begins with a connection. */
static void connect_reset(struct server *base)
{
	struct connect_server *server = (struct connect_server *)base;

	pthread_mutex_lock(&server->lock);
	if (server->used)
		server_disconnect(server);
	pthread_mutex_unlock(&server->lock);
}

static void connect_detach(struct server *base)
{
	struct connect_server *server = (struct connect_server *)base;

	server->cancelled = true;
	server_disconnect(server);
	pthread_mutex_destroy(&server->lock);
	free(server->notification);
	free(server);
}

static const struct server_ops connect_server_ops = {
	.numbered = true,
	.negotiates = true,
	.submit = connect_submit,
	.cancel = connect_cancel,
	.reset = connect_reset,
	.detach = connect_detach,
};

static int connect_attach(struct server_port *base, struct relay *relay,
			  struct server **ret_server)
{
	struct connect_server *server = calloc(1, sizeof(*server));
	int ret;

	if (!server)
		return -ENOMEM;
	server->server.ops = &connect_server_ops;
	server->port = (struct connect_port *)base;
	server->relay = relay;
	ret = server_connect(server);
	if (ret < 0) {
		free(server);
		return ret;
	}
	pthread_mutex_init(&server->lock, NULL);
	*ret_server = &server->server;
	return 0;
}

static void connect_close(struct server_port *base)
{
	struct connect_port *port = (struct connect_port *)base;

	if (port->tls)
		port->tls->free(port->tls);
	address_free(&port->address);
	free(port);
}

static int connect_open(const char *argument, const struct options *options,
			struct server_port **ret_port)
{
	struct connect_port *port = calloc(1, sizeof(*port));
	int ret;

	if (!port)
		return -ENOMEM;
	port->port.ops = &connect_port_ops;
	ret = address_parse("connect", argument, &port->address);
	if (ret == 0)
		ret = stream_secure("connect", &port->address, options->client,
				    &port->tls);
	if (ret < 0) {
		connect_close(&port->port);
		return ret;
	}
	*ret_port = &port->port;
	return 0;
}

static const struct option *const option_lists[] = { stream_rows, NULL };

const struct server_port_ops connect_port_ops = {
	.scheme = "connect",
	.argument = "ADDRESS",
	.help = "a server at unix:PATH, tcp:HOST:PORT, cmd:COMMAND, ...",
	.options = option_lists,
	.open = connect_open,
	.attach = connect_attach,
	.close = connect_close,
};
