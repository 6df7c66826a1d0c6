// SPDX-License-Identifier: BSD-2-Clause
/*
 * A server port that hands every message, as it is, to a socket which keeps
 * messages whole. With it and --legacy=ignore the command is a plain wire
 * between a guest's virtio-fs driver and a server with the adapter.
 *
 *   packets:FD
 */
#include "../../src/log.h"
#include "../../src/port/port.h"
#include "../../src/relay.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MAX_REPLY = 2 << 20,
	MAX_PIECES = 512,
};

struct packet_port {
	struct server_port port; /* first */
	int fd;
};

struct packet_server {
	struct server server; /* first */
	struct relay *relay;
	int fd;
	pthread_t reader;
	uint8_t reply[MAX_REPLY];
};

/* Puts a file's bytes where the client wants them; how many there was room for. */
static size_t put_data(const struct call *call, const uint8_t *data, size_t len)
{
	size_t done = 0;

	for (unsigned int i = 0; i < call->room_count && done < len; i++) {
		size_t part = call->room[i].iov_len;

		if (part > len - done)
			part = len - done;
		memcpy(call->room[i].iov_base, data + done, part);
		done += part;
	}
	return done;
}

static void answer(struct call *call, const uint8_t *reply, size_t len)
{
	size_t head = crossfuse_reply_head_len(&call->state, len);

	if (head > len ||
	    !call_reserve(call, head - sizeof(struct cf_out_header))) {
		call_fail(call, -ENOMEM);
	} else if (put_data(call, reply + head, len - head) < len - head) {
		call_fail(call, -EIO);
	} else {
		memcpy(call->out, reply, head);
		call_forward(call, head, len - head);
	}
}

static void *read_replies(void *data)
{
	struct packet_server *server = data;
	struct iovec iov = { server->reply, 0 };
	const struct cf_out_header *header = (const void *)server->reply;
	struct call *call;
	ssize_t n;

	for (;;) {
		n = recv(server->fd, server->reply, sizeof(server->reply), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < (ssize_t)sizeof(*header))
			break;
		iov.iov_len = (size_t)n;
		if (!header->unique)
			relay_notify(server->relay, &iov, 1);
		else if ((call = relay_take(server->relay, header)))
			answer(call, server->reply, (size_t)n);
	}
	relay_fail_all(server->relay, -ENOTCONN);
	return NULL;
}

static int packet_submit(struct server *base, struct call *call)
{
	struct packet_server *server = (struct packet_server *)base;
	struct iovec iov[MAX_PIECES] = { { call->head, call->head_len } };
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = call->data_count + 1 };
	ssize_t n;

	if (call->data_count + 1 > MAX_PIECES)
		return -EIO;
	for (unsigned int i = 0; i < call->data_count; i++)
		iov[i + 1] = call->data[i];
	do
		n = sendmsg(server->fd, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -ENOTCONN : 0;
}

/* There is one server, and it is told nothing of it. */
static void packet_reset(struct server *base)
{
	(void)base;
}

static void packet_detach(struct server *base)
{
	struct packet_server *server = (struct packet_server *)base;

	shutdown(server->fd, SHUT_RDWR);
	pthread_join(server->reader, NULL);
	free(server);
}

static const struct server_ops packet_ops = {
	.numbered = true,
	.submit = packet_submit,
	.reset = packet_reset,
	.detach = packet_detach,
};

static int packet_attach(struct server_port *base, struct relay *relay,
			 struct server **ret_server)
{
	struct packet_port *port = (struct packet_port *)base;
	struct packet_server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->server.ops = &packet_ops;
	server->relay = relay;
	server->fd = port->fd;
	if (pthread_create(&server->reader, NULL, read_replies, server)) {
		free(server);
		return -EAGAIN;
	}
	*ret_server = &server->server;
	return 0;
}

static void packet_close(struct server_port *base)
{
	free(base);
}

extern const struct server_port_ops packets_port_ops;

static int packet_open(const char *argument, const struct options *options,
		       struct server_port **ret_port)
{
	struct packet_port *port = calloc(1, sizeof(*port));

	(void)options;
	if (!port)
		return -ENOMEM;
	port->port.ops = &packets_port_ops;
	port->fd = argument ? atoi(argument) : -1;
	*ret_port = &port->port;
	return 0;
}

const struct server_port_ops packets_port_ops = {
	.scheme = "packets",
	.argument = "FD",
	.help = "messages on a socket",
	.open = packet_open,
	.attach = packet_attach,
	.close = packet_close,
};
