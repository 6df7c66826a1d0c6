// SPDX-License-Identifier: BSD-2-Clause
#include "exec.h"
#include "../../log.h"
#include "../../options.h"
#include "../../thread.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Pieces of a guest's memory that one message may lie in. */
#define MAX_PIECES 1024

static uint64_t max_timeout = 1;

static const struct option rows[] = {
	OPTION("max-timeout", NUMBER, &max_timeout, "SECONDS",
	       "what a client that gets no notifications keeps at most (1)"),
	{ 0 },
};

static const struct option *const row_lists[] = { rows, NULL };

ssize_t exec_receive(int fd, struct iovec *iov, size_t count, int flags)
{
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = count };
	ssize_t n;

	do
		n = recvmsg(fd, &message, flags);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Throws the next message away. */
static int skip(struct exec_server *server)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	ssize_t n = exec_receive(server->daemon.fd, &iov, 1, 0);

	return n < 0 ? (int)n : 0;
}

/* A client that cannot be told of changes keeps nothing for long. */
static void bound(struct exec_server *server, struct call *call, size_t head)
{
	if (!server->bounded || !exec_limit_caching(call, head, max_timeout) ||
	    atomic_exchange(&server->told_bound, true))
		return;
	log_info("%s: the client cannot be notified of changes: it keeps what "
		 "it knows for %llu s at most (--max-timeout)",
		 server->port->command, (unsigned long long)max_timeout);
}

static int exec_submit(struct server *base, struct call *call)
{
	struct exec_server *server = (struct exec_server *)base;
	struct iovec iov[MAX_PIECES] = { { call->head, call->head_len } };
	struct msghdr message = { .msg_iov = iov,
				  .msg_iovlen = call->data_count + 1 };
	ssize_t n;

	if (call->data_count >= MAX_PIECES)
		return -EIO;
	if (call->state.opcode == CF_INIT) {
		if (call->head_len <= sizeof(server->init))
			memcpy(&server->init, call->head, call->head_len);
		exec_init_request(call, server->splices);
	}
	for (unsigned int i = 0; i < call->data_count; i++)
		iov[i + 1] = call->data[i];
	do
		n = sendmsg(server->daemon.fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	return errno == EMSGSIZE ? -EIO : -ENOTCONN;
}

static struct call *take_again(struct exec_server *server)
{
	return atomic_exchange(&server->again, NULL);
}

static void fail_again(struct exec_server *server, int error)
{
	struct call *call = take_again(server);

	if (call)
		call_fail(call, error);
}

/*
 * libfuse has refused FUSE_INIT because its program wants to splice: another
 * one is started, and asked the same. Nobody else uses the daemon: INIT runs
 * alone, and CALL is not ended yet.
 */
static int start_to_splice(struct exec_server *server, struct call *call)
{
	struct daemon daemon;
	int ret, status;

	server->splices = true;
	daemon_end(&server->daemon, &status);
	ret = daemon_start(server->port->command, &daemon);
	if (ret < 0)
		return ret;
	close(server->daemon.fd);
	server->daemon = daemon;
	memcpy(call->head, &server->init, call->head_len);
	ret = exec_submit(&server->server, call);
	if (ret < 0)
		return ret;
	/* Its reply is for this thread, so it has not been read yet. */
	server->again_unique = call_in(call)->unique;
	atomic_store(&server->again, call);
	if (atomic_load(&server->cancelled))
		fail_again(server, -EINTR);
	return 0;
}

/* The reply stands, HEAD bytes in call->out and DATA in call->room. */
static void forward(struct exec_server *server, struct call *call, size_t head,
		    size_t data)
{
	const struct cf_out_header *header = call->out;

	if (call->state.opcode == CF_INIT && header->error == -EPROTO &&
	    !server->splices && call->head_len <= sizeof(server->init) &&
	    start_to_splice(server, call) == 0)
		return;
	if (call->state.opcode == CF_INIT)
		head = exec_init_reply(call, head, server->daemon.max_data);
	else
		bound(server, call, head);
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
		n = skip(server);
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
		return skip(server);
	n = exec_receive(server->daemon.fd, &iov, 1, 0);
	if (n == (ssize_t)len)
		relay_notify(server->relay, &iov, 1);
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
	int ret = skip(server);

	exec_malformed(server, call);
	return ret;
}

/* The call that a reply is for, now the caller's to end; NULL: there is none. */
static struct call *find_call(struct exec_server *server,
			      const struct cf_out_header *header)
{
	if (!atomic_load(&server->again))
		return relay_take(server->relay, header);
	return header->unique == server->again_unique ? take_again(server)
						      : NULL;
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
	call = find_call(server, &header);
	if (call && header.len > (size_t)n && server->splices)
		return exec_receive_pieces(server, call, &header);
	if (header.len != (size_t)n)
		return refuse_message(server, call);
	return call ? receive_reply(server, call, (size_t)n) : skip(server);
}

static void *read_replies(void *opaque)
{
	struct exec_server *server = opaque;

	while (receive_one(server) >= 0)
		;
	if (!atomic_load(&server->closing))
		log_error("%s: has closed its device: the client gets "
			  "ENOTCONN; start crossfuse anew",
			  server->port->command);
	relay_fail_all(server->relay, -ENOTCONN);
	fail_again(server, -ENOTCONN);
	return NULL;
}

/* The relay ends all calls but that one. */
static void exec_cancel(struct server *base)
{
	struct exec_server *server = (struct exec_server *)base;

	atomic_store(&server->cancelled, true);
	fail_again(server, -EINTR);
}

/* The daemon has seen the client's DESTROY, or sees its next INIT. */
static void exec_reset(struct server *base)
{
	atomic_store(&((struct exec_server *)base)->cancelled, false);
}

static void exec_detach(struct server *base)
{
	struct exec_server *server = (struct exec_server *)base;
	int status;

	atomic_store(&server->closing, true);
	daemon_end(&server->daemon, &status);
	pthread_join(server->reader, NULL);
	close(server->daemon.fd);
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGTERM)
		log_warn("%s: ended by signal %d (%s)", server->port->command,
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	free(server);
}

static const struct server_ops exec_ops = {
	.numbered = true,
	.submit = exec_submit,
	.cancel = exec_cancel,
	.reset = exec_reset,
	.detach = exec_detach,
};

static int exec_attach(struct server_port *base, struct relay *relay,
		       struct server **ret_server)
{
	struct exec_server *server = calloc(1, sizeof(*server));
	int ret, status;

	if (!server)
		return -ENOMEM;
	server->server.ops = &exec_ops;
	server->port = (const struct exec_port *)base;
	server->relay = relay;
	server->bounded = !relay->client || !relay->client->ops->notify;
	ret = daemon_start(server->port->command, &server->daemon);
	if (ret < 0)
		goto fail;
	ret = thread_start(&server->reader, 0, read_replies, server);
	if (ret < 0) {
		log_error("cannot start a thread: %s", strerror(-ret));
		daemon_end(&server->daemon, &status);
		close(server->daemon.fd);
		goto fail;
	}
	*ret_server = &server->server;
	return 0;
fail:
	free(server);
	return ret;
}

static void exec_close(struct server_port *base)
{
	free(base);
}

extern const struct server_port_ops exec_port_ops;

static int exec_open(const char *argument, const struct options *options,
		     struct server_port **ret_port)
{
	struct exec_port *port;

	(void)options;
	if (!argument) {
		log_error("exec: wants a command: say exec:'sshfs host:/ {}'");
		return -EINVAL;
	}
	port = calloc(1, sizeof(*port));
	if (!port)
		return -ENOMEM;
	port->port.ops = &exec_port_ops;
	port->command = argument;
	*ret_port = &port->port;
	return 0;
}

const struct server_port_ops exec_port_ops = {
	.scheme = "exec",
	.argument = "COMMAND",
	.help = "serve what a FUSE daemon has; {} is its mount point",
	.options = row_lists,
	.open = exec_open,
	.attach = exec_attach,
	.close = exec_close,
};
