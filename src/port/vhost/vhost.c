// SPDX-License-Identifier: BSD-2-Clause
#include "vhost.h"
#include "../../log.h"
#include "../../thread.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct vhost_port {
	struct server_port port;
	const char *path;
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

/*
 * A client that begins, after the back end has ended, has one that was started
 * anew. Nothing else runs: not the reaper either, which has ended.
 */
static int begin_anew(struct vhost_server *server)
{
	int ret;

	pthread_mutex_lock(&server->lock);
	ret = atomic_load(&server->gone);
	if (ret < 0) {
		if (server->reaps)
			pthread_join(server->reaper, NULL);
		server->reaps = false;
		ret = vhost_server_connect(server);
		if (ret == 0)
			ret = thread_start(&server->reaper, 0, vhost_reaper,
					   server);
		server->reaps = ret == 0;
		if (ret < 0)
			atomic_store(&server->gone, -ENOTCONN);
	}
	pthread_mutex_unlock(&server->lock);
	return ret < 0 ? -ENOTCONN : 0;
}

static int vhost_submit(struct server *base, struct call *call)
{
	struct vhost_server *server = server_of(base);
	struct vhost_queue *queue;
	struct vhost_flight *request = calloc(1, sizeof(*request));
	int ret = 0;

	if (!request)
		return -ENOMEM;
	request->call = call;
	if (call->state.opcode == CF_INIT && atomic_load(&server->gone))
		ret = begin_anew(server);
	if (ret < 0) {
		free(request);
		return ret;
	}
	queue = choose(server, call->state.opcode);
	pthread_mutex_lock(&queue->lock);
	ret = atomic_load(&server->gone);
	if (ret == 0) {
		vhost_list_add(&queue->waiting, request);
		vhost_queue_send(queue);
	}
	pthread_mutex_unlock(&queue->lock);
	if (ret < 0)
		free(request);
	return ret;
}

static bool vhost_poll(struct server *base)
{
	struct vhost_server *server = server_of(base);
	bool found = false;

	for (unsigned int i = 0; i < server->queue_count; i++) {
		struct vhost_queue *queue = &server->queues[i];

		if (pthread_mutex_trylock(&queue->lock) != 0)
			continue;
		found = queue->runs && driver_ring_pending(&queue->queue->ring);
		pthread_mutex_unlock(&queue->lock);
		if (found)
			return vhost_queue_reap(queue, false);
	}
	return false;
}

/* Nobody waits for what the back end still has. */
static void vhost_cancel(struct server *base)
{
	struct vhost_server *server = server_of(base);

	for (unsigned int i = 0; i < VHOST_QUEUES; i++)
		vhost_queue_abandon(&server->queues[i], -EINTR);
}

static void vhost_reset(struct server *base)
{
	(void)base;
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

	atomic_store(&server->closing, true);
	vhost_wake(server);
	if (server->reaps)
		pthread_join(server->reaper, NULL);
	if (!atomic_load(
		    &server->gone)) /* the first to be told is the device */
		vhost_driver_stop(&server->driver);
	vhost_server_disconnect(server);
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
	int ret = -ENOMEM;

	if (!server)
		goto fail;
	ret = server->wake_fd < 0 ? -EMFILE : vhost_server_connect(server);
	if (ret < 0)
		goto fail;
	ret = thread_start(&server->reaper, 0, vhost_reaper, server);
	if (ret < 0) {
		vhost_server_disconnect(server);
		goto fail;
	}
	server->reaps = true;
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
	free(base);
}

extern const struct server_port_ops vhost_port_ops;

static int vhost_open(const char *argument, const struct options *options,
		      struct server_port **ret_port)
{
	struct vhost_port *port;

	(void)options;
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
	*ret_port = &port->port;
	return 0;
}

const struct server_port_ops vhost_port_ops = {
	.scheme = "vhost",
	.argument = "SOCKET",
	.help = "pass requests on to a vhost-user back end: virtiofsd",
	.open = vhost_open,
	.attach = vhost_attach,
	.close = vhost_close,
};
