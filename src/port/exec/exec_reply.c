// SPDX-License-Identifier: BSD-2-Clause
/* What the daemon sends. */
#include "../../log.h"
#include "exec.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Pieces of a guest's memory that one message may lie in. */
#define MAX_PIECES 1024

ssize_t exec_receive(int fd, struct iovec *iov, size_t count, int flags)
{
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = count };
	ssize_t n;

	do
		n = recvmsg(fd, &message, flags);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int exec_skip(struct exec_server *server)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	ssize_t n = exec_receive(server->daemon.fd, &iov, 1, 0);

	return n < 0 ? (int)n : 0;
}

/* A client that is not told of changes keeps nothing for long. */
static void bound(struct exec_server *server, struct call *call, size_t head)
{
	const struct exec_port *port = server->port;

	if (!server->bounded ||
	    !exec_limit_caching(call, head, port->max_timeout) ||
	    atomic_exchange(&server->told_bound, true))
		return;
	log_info("%s: the client %s: it keeps what it knows for %llu s at most "
		 "(--max-timeout)",
		 port->command,
		 port->restart ? "is not told of changes between two daemons"
			       : "cannot be notified of changes",
		 (unsigned long long)port->max_timeout);
}

/* A number that no other epoch can be told from: it came too late to say so. */
static bool confuses(const struct exec_server *server)
{
	return server->epoch.number > 1 && atomic_load(&server->epoch.wide);
}

/* The reply stands, HEAD bytes in call->out and DATA in call->room. */
static void forward(struct exec_server *server, struct call *call, size_t head,
		    size_t data)
{
	if (call->state.opcode == CF_INIT) {
		head = exec_init_reply(call->out, head,
				       server->daemon.max_data);
		exec_life_agreed(server, call->out, head);
	} else {
		epoch_reply(&server->epoch, call, head);
		bound(server, call, head);
	}
	if (confuses(server))
		call_fail(call, -EIO);
	else
		call_forward(call, head, data);
}

/*
 * How much of a reply of LEN bytes goes to call->out, for which there is room
 * then; 0 if it cannot be taken.
 */
static size_t make_room(struct call *call, size_t len)
{
	size_t head = crossfuse_reply_head_len(&call->state, len);

	if (head > len || len - head > call->room_len ||
	    call->room_count >= MAX_PIECES ||
	    !call_reserve(call, head - sizeof(struct cf_out_header)))
		return 0;
	return head;
}

/* The reply of LEN bytes that comes next, straight to where it belongs. */
static int receive_reply(struct exec_server *server, struct call *call,
			 size_t len)
{
	size_t head = make_room(call, len);
	struct iovec iov[MAX_PIECES];
	size_t count = 1;
	ssize_t n;

	if (!head) {
		n = exec_skip(server);
		call_fail(call, -EIO);
		return (int)n;
	}
	iov[0] = (struct iovec){ call->out, head };
	for (unsigned int i = 0; head < len && i < call->room_count; i++)
		iov[count++] = call->room[i];
	n = exec_receive(server->daemon.fd, iov, count, 0);
	if (n != (ssize_t)len) {
		call_fail(call, -EIO);
		return n < 0 ? (int)n : 0;
	}
	forward(server, call, head, len - head);
	return 0;
}

void exec_answer(struct exec_server *server, struct call *call,
		 const char *reply, size_t len)
{
	size_t head = make_room(call, len), done = head;

	if (!head) {
		call_fail(call, -EIO);
		return;
	}
	memcpy(call->out, reply, head);
	for (unsigned int i = 0; done < len; i++) {
		size_t part = call->room[i].iov_len;

		if (part > len - done)
			part = len - done;
		memcpy(call->room[i].iov_base, reply + done, part);
		done += part;
	}
	forward(server, call, head, len - head);
}

/* A notification; longer ones than any that there is are thrown away. */
static int receive_notification(struct exec_server *server, size_t len)
{
	char *text = len <= (2 << 20) ? malloc(len) : NULL;
	struct iovec iov = { text, len };
	ssize_t n;

	if (!text)
		return exec_skip(server);
	n = exec_receive(server->daemon.fd, &iov, 1, 0);
	if (n == (ssize_t)len) {
		epoch_notification(&server->epoch, text, len);
		relay_notify(server->relay, &iov, 1);
	}
	free(text);
	return n < 0 ? (int)n : 0;
}

void exec_malformed(struct exec_server *server, struct call *call)
{
	if (!atomic_exchange(&server->told_malformed, true))
		log_error("%s: sends messages that are not what their headers "
			  "say: they are left out",
			  server->port->command);
	if (call)
		call_fail(call, -EIO);
}

/* The next message is none; CALL, if it names one, gets EIO. */
static int refuse_message(struct exec_server *server, struct call *call)
{
	int ret = exec_skip(server);

	exec_malformed(server, call);
	return ret;
}

/* One message of the daemon's. Negative: there will be no more. */
static int receive_one(struct exec_server *server)
{
	struct cf_out_header header = { 0 };
	struct iovec iov = { &header, sizeof(header) };
	struct call *call;
	ssize_t n;

	/* With MSG_TRUNC, the length of the message. */
	n = exec_receive(server->daemon.fd, &iov, 1, MSG_PEEK | MSG_TRUNC);
	if (n <= 0)
		return n < 0 ? (int)n : -ENOTCONN;
	if ((size_t)n < sizeof(header))
		return refuse_message(server, NULL);
	if (!header.unique)
		return receive_notification(server, (size_t)n);
	if (exec_life_to_splice(server, &header))
		return -EPROTO;
	call = relay_take(server->relay, &header);
	if (call && header.len > (size_t)n && server->splices)
		return exec_receive_pieces(server, call, &header);
	if (header.len != (size_t)n)
		return refuse_message(server, call);
	return call ? receive_reply(server, call, (size_t)n)
		    : exec_skip(server);
}

void *exec_read_replies(void *opaque)
{
	struct exec_server *server = opaque;

	do
		while (receive_one(server) >= 0 && !confuses(server))
			;
	while (exec_life_next(server));
	return NULL;
}
