// SPDX-License-Identifier: BSD-2-Clause
/*
 * connect: a server at the other end of a stream. Whoever submits a request
 * writes it; one thread reads what comes back. A conversation has a connection
 * of its own, so that the server forgets one that is over.
 */
#include "connect.h"
#include "../../log.h"
#include "../../options.h"
#include "../../thread.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Pieces of a request's data that are sent. */
#define PIECES 64

static uint64_t reconnect = RECONNECT_NEVER;

static const struct option connect_rows[] = {
	OPTION("reconnect", NUMBER, &reconnect, "SECONDS",
	       "try to reach a lost server again; requests wait so long"),
	{ 0 },
};

extern const struct server_port_ops connect_port_ops;

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
	epoch_notification(&server->epoch, server->notification, header->len);
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
		call_fail(call, ret < 0 ? connect_lost_error(call) : -EIO);
		return ret;
	}
	memcpy(call->out, header, sizeof(*header));
	ret = link_read(&server->link, call_out_arg(call),
			head_len - sizeof(*header));
	if (ret == 0)
		ret = read_data(&server->link, call, len - head_len);
	if (ret < 0) {
		call_fail(call, server->cancelled ? -EINTR
						  : connect_lost_error(call));
		return ret;
	}
	if (call->state.opcode == CF_INIT)
		connect_agreed(server, call, head_len);
	else
		epoch_reply(&server->epoch, call, head_len);
	call_forward(call, head_len, len - head_len);
	return 0;
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
	} while (ret > 0 || connect_again(server, ret));
	return NULL;
}

/*
 * Before anything is sent: a server speaks only when it is asked, so that the
 * thread that listens is not needed until then.
 */
static int make_ready(struct connect_server *server, const struct call *call)
{
	int ret = 0;

	if (atomic_load(&server->used))
		return 0;
	/* Another conversation than INIT's has ended with its connection. */
	if (!server->connected && call->state.opcode != CF_INIT)
		return -ENOTCONN;
	if (!server->connected)
		ret = connect_begin(server);
	if (ret < 0)
		return ret;
	pthread_mutex_lock(&server->lock);
	if (!server->used)
		ret = thread_start(&server->reader, 0, reader_main, server);
	if (ret == 0)
		atomic_store(&server->used, true);
	pthread_mutex_unlock(&server->lock);
	return ret;
}

/* With the gate held. */
static int send_call(struct connect_server *server, struct call *call)
{
	struct iovec iov[PIECES + 1] = { { call->head, call->head_len } };
	int ret;

	if (call->state.opcode == CF_INIT)
		connect_asked(server, call);
	else if (call->state.opcode == CF_DESTROY)
		connect_destroyed(server);
	ret = epoch_request(&server->epoch, call);
	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	iov[0].iov_len = call->head_len;
	for (unsigned int i = 0; i < call->data_count; i++)
		iov[i + 1] = call->data[i];
	ret = link_write(&server->link, iov, (int)call->data_count + 1);
	if (ret == 0)
		return 0;
	/* The reader finds it at its end, and sees to the rest. */
	if (server->port->reconnect == RECONNECT_NEVER)
		connect_lose(server, ret);
	return server->cancelled ? -EINTR : connect_lost_error(call);
}

static int connect_submit(struct server *base, struct call *call)
{
	struct connect_server *server = (struct connect_server *)base;
	int ret;

	if (call->data_count > PIECES)
		return -EIO;
	ret = make_ready(server, call);
	if (ret == 0)
		ret = connect_enter(server, call);
	if (ret < 0)
		return crossfuse_opcode_has_reply(call->state.opcode) ? ret : 0;
	ret = send_call(server, call);
	pthread_rwlock_unlock(&server->gate);
	return ret;
}

/* What waits in submit() for a server that does not read ends, too. */
static void connect_cancel(struct server *base)
{
	struct connect_server *server = (struct connect_server *)base;

	if (server->used)
		connect_cut(server);
}

/* The next conversation begins with a connection. */
static void connect_reset(struct server *base)
{
	struct connect_server *server = (struct connect_server *)base;

	if (!server->used)
		return;
	connect_cut(server);
	connect_end(server);
}

static void destroy(struct connect_server *server)
{
	pthread_cond_destroy(&server->changed);
	pthread_mutex_destroy(&server->lock);
	pthread_rwlock_destroy(&server->gate);
	free(server->notification);
	free(server);
}

static void connect_detach(struct server *base)
{
	struct connect_server *server = (struct connect_server *)base;

	connect_cut(server);
	connect_end(server);
	destroy(server);
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
	server->epoch.number = server->port->reconnect == RECONNECT_NEVER ? 0
									  : 1;
	pthread_rwlock_init(&server->gate, NULL);
	pthread_mutex_init(&server->lock, NULL);
	thread_cond_init(&server->changed);
	ret = connect_begin(server);
	if (ret < 0) {
		destroy(server);
		return ret;
	}
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
	port->reconnect = reconnect;
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

static const struct option *const option_lists[] = { stream_rows, connect_rows,
						     NULL };

const struct server_port_ops connect_port_ops = {
	.scheme = "connect",
	.argument = "ADDRESS",
	.help = "a server at unix:PATH, tcp:HOST:PORT, cmd:COMMAND, ...",
	.options = option_lists,
	.open = connect_open,
	.attach = connect_attach,
	.close = connect_close,
};
