// SPDX-License-Identifier: BSD-2-Clause
/*
 * A server port that hands every message, as it is, to a socket which keeps
 * messages whole; it takes the place of the command's own ports. With it and
 * --legacy=ignore the command is a plain wire between a guest's virtio-fs
 * driver and a server with the adapter.
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
	MAX_UNDER_WAY = 4096,
	MAX_REPLY = 2 << 20,
	MAX_PIECES = 512,
};

struct packet_port {
	struct server_port port; /* first */
	int fd;
	pthread_t reader;
	pthread_mutex_t lock;
	struct call *calls[MAX_UNDER_WAY];
	uint8_t reply[MAX_REPLY];
};

/* As the client wrote it, in whatever byte order. */
static uint64_t raw_unique(const void *header)
{
	uint64_t unique;

	memcpy(&unique, (const uint8_t *)header + 8, sizeof(unique));
	return unique;
}

static int remember(struct packet_port *port, struct call *call)
{
	int ret = -ENOMEM;

	pthread_mutex_lock(&port->lock);
	for (size_t i = 0; i < MAX_UNDER_WAY && ret; i++)
		if (!port->calls[i]) {
			port->calls[i] = call;
			ret = 0;
		}
	pthread_mutex_unlock(&port->lock);
	return ret;
}

static struct call *recall(struct packet_port *port, uint64_t unique)
{
	struct call *call = NULL;

	pthread_mutex_lock(&port->lock);
	for (size_t i = 0; i < MAX_UNDER_WAY && !call; i++)
		if (port->calls[i] &&
		    raw_unique(port->calls[i]->head) == unique) {
			call = port->calls[i];
			port->calls[i] = NULL;
		}
	pthread_mutex_unlock(&port->lock);
	return call;
}

static void complete(struct call *call, const uint8_t *reply, size_t len)
{
	size_t head = call->state.opcode == CF_READ ? 16 : len;
	size_t done = head;

	if (!call_reserve(call, head)) {
		call_reply_error(call, -ENOMEM);
		return;
	}
	memcpy(call->out, reply, head);
	for (unsigned int i = 0; i < call->room_count && done < len; i++) {
		size_t part = call->room[i].iov_len;

		if (part > len - done)
			part = len - done;
		memcpy(call->room[i].iov_base, reply + done, part);
		done += part;
	}
	call->out_len = head;
	call->out_data_len = done - head;
	relay_complete(call);
}

static void *read_replies(void *data)
{
	struct packet_port *port = data;
	struct call *call;
	ssize_t n;

	for (;;) {
		n = recv(port->fd, port->reply, sizeof(port->reply), 0);
		if (n < (ssize_t)sizeof(struct cf_out_header))
			break;
		call = recall(port, raw_unique(port->reply));
		if (call)
			complete(call, port->reply, (size_t)n);
	}
	log_error("the server has gone");
	_exit(1);
}

static void packet_submit(struct server_port *server, struct call *call)
{
	struct packet_port *port = (struct packet_port *)server;
	struct iovec iov[MAX_PIECES] = { { call->head, call->head_len } };
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = call->data_count + 1 };
	bool answered = crossfuse_opcode_has_reply(call->state.opcode);
	ssize_t n;

	if (call->data_count + 1 > MAX_PIECES ||
	    (answered && remember(port, call))) {
		call_reply_error(call, -EIO);
		return;
	}
	for (unsigned int i = 0; i < call->data_count; i++)
		iov[i + 1] = call->data[i];
	do
		n = sendmsg(port->fd, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (!answered)
		call_done(call);
	else if (n < 0 && recall(port, raw_unique(call->head)))
		call_reply_error(call, -EIO);
}

static int packet_open(const char *argument, const struct options *options,
		       struct server_port **ret_port);

static int packet_confine(struct server_port *server)
{
	struct packet_port *port = (struct packet_port *)server;

	return -pthread_create(&port->reader, NULL, read_replies, port);
}

static void nothing(struct server_port *server)
{
	(void)server;
}

static const struct server_port_ops packet_port_ops = {
	.scheme = "packets",
	.argument = "FD",
	.help = "messages on a socket",
	.open = packet_open,
	.confine = packet_confine,
	.submit = packet_submit,
	.cancel = nothing,
	.reset = nothing,
	.close = nothing,
};

static int packet_open(const char *argument, const struct options *options,
		       struct server_port **ret_port)
{
	struct packet_port *port = calloc(1, sizeof(*port));

	(void)options;
	if (!port)
		return -ENOMEM;
	port->port.ops = &packet_port_ops;
	port->fd = argument ? atoi(argument) : -1;
	pthread_mutex_init(&port->lock, NULL);
	*ret_port = &port->port;
	return 0;
}

/* In the place of src/port/table.c. */
const struct client_port_ops *client_port_find(const char *scheme,
					       size_t length)
{
	return length == 6 && !memcmp(scheme, "virtio", 6) ? &virtio_port_ops
							   : NULL;
}

const struct server_port_ops *server_port_find(const char *scheme,
					       size_t length)
{
	return length == 7 && !memcmp(scheme, "packets", 7) ? &packet_port_ops
							    : NULL;
}
