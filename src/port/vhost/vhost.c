// SPDX-License-Identifier: BSD-2-Clause
#include "vhost.h"
#include "../../log.h"
#include "../../options.h"
#include "../../sandbox/sandbox.h"
#include "../../thread.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* After that what a client has cancelled is left to the back end. */
#define CANCEL_SECONDS 5

struct vhost_port {
	struct server_port port;
	const char *path; /* of the socket, as it was given */
	struct sandbox_options sandbox;
	char *directory; /* of the socket */
	char *socket;	 /* from where this process is */
};

static struct vhost_server *server_of(struct server *base)
{
	return (struct vhost_server *)base;
}

/* Each thread keeps to one queue. */
static struct vhost_queue *choose(struct vhost_server *server, uint32_t opcode)
{
	static atomic_uint next;
	static _Thread_local unsigned int mine; /* counted from 1 */
	unsigned int others = server->queue_count - 1;

	if (opcode == CF_INTERRUPT || !crossfuse_opcode_has_reply(opcode))
		return &server->queues[0];
	if (!mine)
		mine = atomic_fetch_add(&next, 1) + 1;
	return &server->queues[1 + (mine - 1) % others];
}

/* What the next back end is asked, should this one end. */
static void save_init(struct vhost_server *server, const struct call *call)
{
	vhost_forget_client(server);
	server->init.len = 0;
	if (call->head_len > sizeof(server->init.bytes))
		return;
	memcpy(server->init.bytes, call->head, call->head_len);
	server->init.len = call->head_len;
}

/*
 * What needs no back end. An INTERRUPT does not: no virtiofsd acts upon one,
 * and that of QEMU (7.2) answers some twice, from memory that is freed.
 */
static bool ends_here(struct vhost_server *server, struct call *call)
{
	switch (call->state.opcode) {
	case CF_INTERRUPT:
		call_done(call);
		return true;
	case CF_DESTROY:
		if (atomic_exchange(&server->inited, false) &&
		    !atomic_load(&server->gone))
			return false;
		call_reply(call, 0);
		return true;
	case CF_INIT:
		save_init(server, call);
		return false;
	default:
		return false;
	}
}

/* Whose back end is no more has nothing to give back. */
static bool end_stale(struct call *call)
{
	if (!crossfuse_opcode_has_reply(call->state.opcode))
		call_done(call);
	else if (call->state.opcode == CF_RELEASE ||
		 call->state.opcode == CF_RELEASEDIR)
		call_reply(call, 0);
	else
		return false;
	return true;
}

/* With the queue's lock held. */
static int put(struct vhost_queue *queue, struct vhost_flight *request)
{
	struct vhost_server *server = queue->server;
	bool init = request->call->state.opcode == CF_INIT;
	int gone = atomic_load(&server->gone), ret;

	if (atomic_load(&server->cancelled))
		return -EINTR;
	if (gone && gone != -EAGAIN && !init)
		return gone;
	ret = vhost_nodes_request(server, request->call);
	if (ret < 0)
		return ret;
	if (gone && init) {
		atomic_store(&server->wanted, true);
		vhost_wake(server);
	}
	vhost_list_add(&queue->waiting, request);
	vhost_queue_send(queue);
	return 0;
}

static int vhost_submit(struct server *base, struct call *call)
{
	struct vhost_server *server = server_of(base);
	struct vhost_flight *request;
	struct vhost_queue *queue;
	int ret;

	if (ends_here(server, call))
		return 0;
	request = calloc(1, sizeof(*request));
	if (!request)
		return -ENOMEM;
	request->call = call;
	call_waits(call);
	queue = choose(server, call->state.opcode);
	pthread_mutex_lock(&queue->lock);
	ret = put(queue, request);
	pthread_mutex_unlock(&queue->lock);
	if (ret < 0)
		free(request);
	return ret == -ESTALE && end_stale(call) ? 0 : ret;
}

/* What this thread sends goes to one queue, and comes back there. */
static bool vhost_poll(struct server *base, bool more)
{
	struct vhost_server *server = server_of(base);
	struct vhost_queue *queue = choose(server, CF_GETATTR);
	bool found;

	if (!more)
		return vhost_queue_reap(queue, true);
	if (pthread_mutex_trylock(&queue->lock) != 0)
		return false;
	found = queue->runs && driver_ring_pending(&queue->queue->ring);
	if (queue->runs && !found)
		driver_ring_disable(&queue->queue->ring);
	pthread_mutex_unlock(&queue->lock);
	return found && vhost_queue_reap(queue, false);
}

/*
 * Nobody waits for what the back end still has. What it may write to, or read
 * from, in the client's memory is waited for, within reason.
 */
static void vhost_cancel(struct server *base)
{
	struct vhost_server *server = server_of(base);

	atomic_store(&server->cancelled, true);
	atomic_store(&server->patience,
		     thread_now() + CANCEL_SECONDS * SECOND_NS);
	for (unsigned int i = 0; i < VHOST_QUEUES; i++)
		vhost_queue_abandon(&server->queues[i], -EINTR, false);
	vhost_wake(server);
}

/* The client has no files any more: nor does the back end. */
static void vhost_reset(struct server *base)
{
	struct vhost_server *server = server_of(base);

	atomic_store(&server->patience, 0);
	atomic_store(&server->cancelled, false);
	vhost_forget_client(server);
}

static int vhost_memory(struct server *base, const struct relay_region *regions,
			unsigned int count)
{
	return vhost_set_memory(server_of(base), regions, count);
}

static void free_server(struct vhost_server *server)
{
	for (unsigned int i = 0; i < server->region_count; i++)
		close(server->regions[i].fd);
	free(server->regions);
	for (unsigned int i = 0; i < VHOST_QUEUES; i++) {
		pthread_cond_destroy(&server->queues[i].drained);
		pthread_mutex_destroy(&server->queues[i].lock);
	}
	vhost_pool_destroy(&server->pool);
	pthread_mutex_destroy(&server->lock);
	if (server->wake_fd >= 0)
		close(server->wake_fd);
	free(server);
}

static void vhost_detach(struct server *base)
{
	struct vhost_server *server = server_of(base);

	struct vhost_list sent[VHOST_QUEUES];

	atomic_store(&server->closing, true);
	vhost_wake(server);
	pthread_join(server->reaper, NULL);
	if (!atomic_load(
		    &server->gone)) /* the first to be told is the device */
		vhost_driver_stop(&server->driver);
	vhost_server_disconnect(server, sent);
	for (unsigned int i = 0; i < VHOST_QUEUES; i++)
		vhost_fail(&sent[i], -ENOTCONN); /* whose clients have left */
	free_server(server);
}

static const struct server_ops vhost_ops = {
	.submit = vhost_submit,
	.cancel = vhost_cancel,
	.reset = vhost_reset,
	.poll = vhost_poll,
	.memory = vhost_memory,
	.detach = vhost_detach,
};

static struct vhost_server *new_server(const struct vhost_port *port,
				       struct relay *relay)
{
	struct vhost_server *server = calloc(1, sizeof(*server));

	if (!server)
		return NULL;
	server->server.ops = &vhost_ops;
	server->path = port->path;
	server->socket = port->socket;
	server->relay = relay;
	server->driver = VHOST_DRIVER_NONE;
	pthread_mutex_init(&server->lock, NULL);
	vhost_pool_init(&server->pool);
	for (unsigned int i = 0; i < VHOST_QUEUES; i++) {
		struct vhost_queue *queue = &server->queues[i];

		queue->server = server;
		pthread_mutex_init(&queue->lock, NULL);
		thread_cond_init(&queue->drained);
	}
	server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return server;
}

static int vhost_attach(struct server_port *base, struct relay *relay,
			struct server **ret_server)
{
	const struct vhost_port *port = (const struct vhost_port *)base;
	struct vhost_server *server = new_server(port, relay);
	struct vhost_list sent[VHOST_QUEUES];
	int ret = -ENOMEM;

	vhost_nodes_init();
	if (!server)
		goto fail;
	ret = server->wake_fd < 0 ? -EMFILE : vhost_server_connect(server);
	if (ret < 0)
		goto fail;
	vhost_server_begin(server);
	ret = thread_start(&server->reaper, 0, vhost_reaper, server);
	if (ret < 0) {
		vhost_server_disconnect(server, sent);
		goto fail;
	}
	*ret_server = &server->server;
	return 0;
fail:
	log_error("%s: no vhost-user-fs back end, such as virtiofsd, that can "
		  "be used is there: %s",
		  port->path, strerror(-ret));
	if (server)
		free_server(server);
	return ret;
}

static void vhost_close(struct server_port *base)
{
	struct vhost_port *port = (struct vhost_port *)base;

	free(port->directory);
	free(port->socket);
	free(port);
}

/* The directory of the socket, where another back end may make it anew. */
static int find_directory(struct vhost_port *port)
{
	const char *slash = strrchr(port->path, '/');
	char *directory, *real = NULL;

	directory =
		slash ? strndup(port->path, (size_t)(slash - port->path) + 1)
		      : strdup(".");
	if (directory)
		real = realpath(directory, NULL);
	free(directory);
	if (!real) {
		log_error("vhost:%s: its directory: %m: name the socket of a "
			  "virtiofsd",
			  port->path);
		return -ENOENT;
	}
	port->directory = real;
	if (asprintf(&port->socket, "%s/%s", real,
		     slash ? slash + 1 : port->path) < 0) {
		port->socket = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* Of the machine's files only the directory of the socket is left. */
static int vhost_confine(struct server_port *base)
{
	struct vhost_port *port = (struct vhost_port *)base;
	size_t directory = strlen(port->directory);
	struct sandbox_view view;
	int ret = sandbox_enter(port->directory, &port->sandbox, &view);

	if (ret != 0)
		return ret;
	close(view.root_fd);
	close(view.proc_fd);
	if (port->sandbox.mode != SANDBOX_NONE)
		memmove(port->socket, port->socket + directory,
			strlen(port->socket + directory) + 1);
	return 0;
}

extern const struct server_port_ops vhost_port_ops;

static int vhost_open(const char *argument, const struct options *options,
		      struct server_port **ret_port)
{
	struct vhost_port *port;
	int ret;

	if (!argument) {
		log_error("vhost: wants the socket of a back end: say "
			  "vhost:/run/virtiofsd.sock");
		return -EINVAL;
	}
	port = calloc(1, sizeof(*port));
	if (!port)
		return -ENOMEM;
	port->port.ops = &vhost_port_ops;
	port->path = argument;
	port->sandbox = sandbox_options;
	port->sandbox.readonly = true;
	port->sandbox.connects = true;
	port->sandbox.syslog = options->syslog;
	port->sandbox.own_uid = port->sandbox.own_gid = options->local_users;
	ret = find_directory(port);
	if (ret == 0)
		ret = sandbox_check(port->directory, &port->sandbox);
	if (ret < 0) {
		vhost_close(&port->port);
		return ret;
	}
	*ret_port = &port->port;
	return 0;
}

const struct server_port_ops vhost_port_ops = {
	.scheme = "vhost",
	.argument = "SOCKET",
	.help = "pass requests on to a vhost-user back end: virtiofsd",
	.options = vhost_options,
	.open = vhost_open,
	.confine = vhost_confine,
	.attach = vhost_attach,
	.close = vhost_close,
};
