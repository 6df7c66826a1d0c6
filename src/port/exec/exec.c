// SPDX-License-Identifier: BSD-2-Clause
#include "exec.h"
#include "../../log.h"
#include "../../options.h"
#include "../../thread.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Pieces of a guest's memory that one message may lie in. */
#define MAX_PIECES 1024

static uint64_t max_timeout = 1;
static bool restart;
static bool splice_too;

static const struct option rows[] = {
	OPTION("max-timeout", NUMBER, &max_timeout, "SECONDS",
	       "what a client that gets no notifications keeps at most (1)"),
	OPTION("restart", SET, &restart, NULL,
	       "start a daemon that has died again"),
	OPTION("splice", SET, &splice_too, NULL,
	       "let the daemon splice, and store data with its client"),
	{ 0 },
};

static const struct option *const row_lists[] = { rows, NULL };

static ssize_t send_to(int fd, const struct call *call)
{
	struct iovec iov[MAX_PIECES] = { { call->head, call->head_len } };
	struct msghdr message = { .msg_iov = iov,
				  .msg_iovlen = call->data_count + 1 };
	ssize_t n;

	for (unsigned int i = 0; i < call->data_count; i++)
		iov[i + 1] = call->data[i];
	do
		n = sendmsg(fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* With the gate held, so that the daemon stays the same. */
static int submit_to_daemon(struct exec_server *server, struct call *call)
{
	int ret = server->up ? 1 : -ENOTCONN;
	ssize_t n;

	if (ret > 0 && call->state.opcode == CF_INIT)
		ret = exec_life_init(server, call);
	if (ret <= 0)
		return ret;
	if (call->state.opcode == CF_DESTROY)
		exec_life_destroy(server);
	ret = epoch_request(&server->epoch, call);
	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	n = send_to(server->daemon.fd, call);
	if (n >= 0)
		return 0;
	return n == -EMSGSIZE ? -EIO : -ENOTCONN;
}

static int exec_submit(struct server *base, struct call *call)
{
	struct exec_server *server = (struct exec_server *)base;
	int ret;

	if (call->data_count >= MAX_PIECES)
		return -EIO;
	pthread_rwlock_rdlock(&server->gate);
	ret = submit_to_daemon(server, call);
	pthread_rwlock_unlock(&server->gate);
	return ret;
}

/* A reply that comes in pieces is not waited for any more. */
static void exec_cancel(struct server *base)
{
	atomic_store(&((struct exec_server *)base)->cancelled, true);
}

/* The daemon has seen the client's DESTROY, or there is another at INIT. */
static void exec_reset(struct server *base)
{
	atomic_store(&((struct exec_server *)base)->cancelled, false);
}

static void destroy(struct exec_server *server)
{
	pthread_cond_destroy(&server->changed);
	pthread_mutex_destroy(&server->lock);
	pthread_rwlock_destroy(&server->gate);
	free(server);
}

static void exec_detach(struct server *base)
{
	struct exec_server *server = (struct exec_server *)base;

	exec_life_end(server);
	pthread_join(server->reader, NULL);
	close(server->daemon.fd);
	destroy(server);
}

static const struct server_ops exec_ops = {
	.numbered = true,
	.submit = exec_submit,
	.cancel = exec_cancel,
	.reset = exec_reset,
	.detach = exec_detach,
};

static struct exec_server *new_server(const struct exec_port *port,
				      struct relay *relay)
{
	struct exec_server *server = calloc(1, sizeof(*server));

	if (!server)
		return NULL;
	server->server.ops = &exec_ops;
	server->port = port;
	server->relay = relay;
	server->up = true;
	server->epoch.number = port->restart ? 1 : 0;
	server->splices = port->splice;
	/* What a daemon would have told while there was none, nobody does. */
	server->bounded = port->restart || !relay->client ||
			  !relay->client->ops->notify;
	pthread_rwlock_init(&server->gate, NULL);
	pthread_mutex_init(&server->lock, NULL);
	thread_cond_init(&server->changed);
	return server;
}

static int exec_attach(struct server_port *base, struct relay *relay,
		       struct server **ret_server)
{
	const struct exec_port *port = (const struct exec_port *)base;
	struct exec_server *server = new_server(port, relay);
	int ret;

	if (!server)
		return -ENOMEM;
	ret = daemon_start(port->command, &server->daemon);
	if (ret < 0)
		goto fail;
	ret = thread_start(&server->reader, 0, exec_read_replies, server);
	if (ret < 0) {
		log_error("cannot start a thread: %s", strerror(-ret));
		exec_life_end(server);
		close(server->daemon.fd);
		goto fail;
	}
	*ret_server = &server->server;
	return 0;
fail:
	destroy(server);
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
	port->restart = restart;
	port->splice = splice_too;
	port->max_timeout = max_timeout;
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
