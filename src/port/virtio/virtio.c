// SPDX-License-Identifier: BSD-2-Clause
#include "virtio.h"
#include "../../ending.h"
#include "../../log.h"
#include "../../socket.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Request queues that the device asks for where the monitor asks it. */
#define REQUEST_QUEUES_MAX 8

/* However many threads the administrator asks for. */
#define POOL_LIMIT_MAX 4096

extern const struct client_port_ops virtio_port_ops;

struct virtio_port {
	struct client_port port;
	struct virtio_socket socket;
	int stop_fd;
	int left_fd; /* eventfd: a client was closed */
	bool busy;   /* there is one, or was */
	/* Of the first; a sandbox hides those that come later. NULL: unknown */
	char *machine;
};

struct virtio_options virtio_options = { .listen_fd = -1,
					 .thread_pool_size = 64 };

static struct virtio_client *client_of(struct vhost_device *device)
{
	return (struct virtio_client *)((char *)device -
					offsetof(struct virtio_client, device));
}

static struct queue *queue_of(struct vhost_device *device, unsigned int index)
{
	return &client_of(device)->queues[index];
}

static int device_start(struct vhost_device *device, unsigned int index)
{
	return queue_start(queue_of(device, index), &device->rings[index],
			   device->memory,
			   device->features & VIRTIO_F_EVENT_IDX);
}

static uint16_t device_stop(struct vhost_device *device, unsigned int index)
{
	return queue_stop(queue_of(device, index));
}

static void device_set_call(struct vhost_device *device, unsigned int index,
			    int fd)
{
	queue_set_call(queue_of(device, index), fd);
}

static void device_set_err(struct vhost_device *device, unsigned int index,
			   int fd)
{
	queue_set_err(queue_of(device, index), fd);
}

/* Tells the server, which may have to share it with others. */
static void share_memory(struct virtio_client *client)
{
	struct relay_region regions[MEMORY_SLOTS_MAX];
	unsigned int count = 0;
	struct memory_part part;

	while (memory_part(client->device.memory, count, &part))
		regions[count++] = (struct relay_region){
			.fd = part.fd,
			.offset = part.offset,
			.size = part.size,
			.address = part.address,
			.user = part.user,
			.guest = part.guest,
		};
	/* If it cannot reach it, it fails the requests. */
	relay_memory(client->relay, regions, count);
}

static void device_memory_changed(struct vhost_device *device)
{
	share_memory(client_of(device));
	for (unsigned int i = 0; i < VIRTIO_QUEUES; i++)
		queue_set_memory(queue_of(device, i), device->memory);
}

static void forget_calls(struct virtio_client *client)
{
	for (unsigned int i = 0; i < VIRTIO_QUEUES; i++)
		queue_forget(&client->queues[i]);
}

static void device_reset(struct vhost_device *device)
{
	struct virtio_client *client = client_of(device);

	forget_calls(client);
	relay_reset(client->relay);
}

static const struct vhost_device_ops device_ops = {
	.start = device_start,
	.stop = device_stop,
	.set_call = device_set_call,
	.set_err = device_set_err,
	.memory_changed = device_memory_changed,
	.reset = device_reset,
};

/* The tag is for a monitor that asks the device for it. */
static void offer_tag(struct virtio_client *client, const char *tag)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t len = strnlen(tag, VIRTIO_FS_TAG);

	if (cpus < 1)
		cpus = 1;
	if (cpus > REQUEST_QUEUES_MAX)
		cpus = REQUEST_QUEUES_MAX;
	memcpy(client->config.tag, tag, len);
	client->config.num_request_queues = htole32((uint32_t)cpus);
	vhost_device_offer_config(&client->device, &client->config,
				  sizeof(client->config));
}

static int init_queues(struct virtio_client *client)
{
	for (unsigned int i = 0; i < VIRTIO_QUEUES; i++) {
		int r = queue_init(&client->queues[i], client, i);

		if (r < 0) {
			while (i--)
				queue_destroy(&client->queues[i]);
			return r;
		}
	}
	return 0;
}

/* Threads that may wait for a disk at once; 0 is the default. */
static unsigned int pool_limit(uint64_t wanted)
{
	if (!wanted)
		return 64;
	return wanted < POOL_LIMIT_MAX ? (unsigned int)wanted : POOL_LIMIT_MAX;
}

static const char *virtio_peer_machine(struct client *base)
{
	return ((struct virtio_client *)base)->machine;
}

/* Handles messages until the front end is gone, or stop() was called. */
static int follow(struct virtio_client *client)
{
	struct pollfd fds[] = {
		{ .fd = client->device.channel.fd, .events = POLLIN },
		{ .fd = client->stop_fd, .events = POLLIN },
	};
	int r = 1;

	while (r > 0) {
		if (poll(fds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			r = -errno;
			log_error("cannot wait for the front end: %m");
			return r;
		}
		if (fds[1].revents)
			return 0;
		if (fds[0].revents)
			r = vhost_device_handle(&client->device);
	}
	if (r == 0)
		log_info("the monitor has disconnected");
	return r;
}

static int virtio_serve(struct client *base, struct relay *relay)
{
	struct virtio_client *client = (struct virtio_client *)base;
	int r;

	client->relay = relay;
	client->pool = (struct pool){
		.limit = pool_limit(virtio_options.thread_pool_size),
		.queues = client->queues,
		.queue_count = VIRTIO_QUEUES,
		.lead = queue_lead,
		.watch = queue_watch,
	};
	r = pool_init(&client->pool);
	if (r < 0)
		return r;
	r = follow(client);
	client->ending = true;
	ending_begin();
	vhost_device_stop(&client->device);
	forget_calls(client);
	relay_reset(relay);
	pool_destroy(&client->pool);
	ending_over();
	if (client->left)
		ending_over();
	return r;
}

/* Async-signal-safe. */
static void raise_fd(int fd)
{
	uint64_t one = 1;
	int error = errno;

	/* It can only fail if it was called very often before. */
	if (write(fd, &one, sizeof(one)) < 0)
		errno = error;
}

static void virtio_client_stop(struct client *base)
{
	raise_fd(((struct virtio_client *)base)->stop_fd);
}

static void virtio_client_close(struct client *base)
{
	struct virtio_client *client = (struct virtio_client *)base;

	for (unsigned int i = 0; i < VIRTIO_QUEUES; i++)
		queue_destroy(&client->queues[i]);
	vhost_device_destroy(&client->device);
	close(client->stop_fd);
	if (client->left_fd >= 0)
		raise_fd(client->left_fd);
	free(client);
}

static const struct client_ops virtio_client_ops = {
	.peer_machine = virtio_peer_machine,
	.serve = virtio_serve,
	.stop = virtio_client_stop,
	.close = virtio_client_close,
};

int virtio_client_new(int fd, int left_fd, const char *machine,
		      struct client **ret_client)
{
	struct virtio_client *client = calloc(1, sizeof(*client));
	int r = -ENOMEM;

	if (!client)
		goto close_fd;
	client->client.ops = &virtio_client_ops;
	client->machine = machine;
	client->left_fd = left_fd;
	client->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (client->stop_fd < 0) {
		r = -errno;
		goto free_client;
	}
	r = vhost_device_init(&client->device, &device_ops, fd, VIRTIO_QUEUES);
	if (r < 0)
		goto close_stop;
	vhost_device_set_stop(&client->device, client->stop_fd);
	r = init_queues(client);
	if (r < 0)
		goto destroy_device;
	if (virtio_options.tag)
		offer_tag(client, virtio_options.tag);
	*ret_client = &client->client;
	return 0;
destroy_device:
	vhost_device_destroy(&client->device);
	fd = -1;
close_stop:
	close(client->stop_fd);
free_client:
	free(client);
close_fd:
	if (fd >= 0)
		close(fd);
	log_error("cannot serve the monitor: %s", strerror(-r));
	return r;
}

static void free_port(struct virtio_port *port)
{
	virtio_socket_close(&port->socket);
	if (port->stop_fd >= 0)
		close(port->stop_fd);
	if (port->left_fd >= 0)
		close(port->left_fd);
	free(port->machine);
	free(port);
}

static int virtio_open(const char *argument, const struct options *options,
		       struct client_port **ret_port)
{
	struct virtio_port *port;
	int r;

	(void)options;
	port = calloc(1, sizeof(*port));
	if (!port)
		return -ENOMEM;
	port->port.ops = &virtio_port_ops;
	port->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	port->left_fd = eventfd(0, EFD_CLOEXEC);
	r = port->stop_fd < 0 || port->left_fd < 0 ? -errno : 0;
	if (r == 0)
		r = virtio_socket_open(&port->socket, argument);
	if (r < 0) {
		free_port(port);
		return r;
	}
	*ret_port = &port->port;
	return 0;
}

/* Until the front end has left, and all of it is gone. False: stop(). */
static bool wait_until_left(struct virtio_port *port)
{
	struct pollfd fds[] = {
		{ .fd = port->stop_fd, .events = POLLIN },
		{ .fd = port->left_fd, .events = POLLIN },
	};
	uint64_t count;

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return false;
	return !fds[0].revents &&
	       read(port->left_fd, &count, sizeof(count)) > 0;
}

/* One at a time, and without --keep one at all. */
static int virtio_accept(struct client_port *base, struct client **ret_client)
{
	struct virtio_port *port = (struct virtio_port *)base;
	int fd, r;

	if (port->busy && virtio_options.keep) {
		if (!wait_until_left(port))
			return 0;
		log_info("waiting for the monitor to come back");
	}
	r = virtio_socket_accept(&port->socket, port->stop_fd, &fd);
	if (r <= 0)
		return r;
	if (!port->busy)
		port->machine = virtio_socket_machine(fd);
	port->busy = true;
	r = virtio_client_new(fd, virtio_options.keep ? port->left_fd : -1,
			      port->machine, ret_client);
	return r < 0 ? r : 1;
}

static void virtio_stop(struct client_port *base)
{
	raise_fd(((struct virtio_port *)base)->stop_fd);
}

static void virtio_close(struct client_port *base)
{
	free_port((struct virtio_port *)base);
}

static const struct option virtio_rows[] = {
	OPTION("socket-path", ARGUMENT, NULL, "PATH",
	       "the same as the client virtio:PATH"),
	OPTION("socket", ARGUMENT, NULL, "PATH", NULL),
	OPTION("vhost-user-socket", ARGUMENT, NULL, "PATH", NULL),
	OPTION("fd", INT, &virtio_options.listen_fd, "N",
	       "take this open socket, listening or connected",
	       .selects = true),
	OPTION("keep", SET, &virtio_options.keep, NULL,
	       "go on when the monitor has left, and wait for it again"),
	OPTION("tag", STRING, &virtio_options.tag, "TAG",
	       "give the device this tag (the monitor asks for it)",
	       .max = VIRTIO_FS_TAG),
	OPTION("thread-pool-size", NUMBER, &virtio_options.thread_pool_size,
	       "N", "threads that may wait for disks (64)"),
	{ 0 },
};

static const struct option *const option_lists[] = { virtio_rows,
						     socket_options, NULL };

const struct client_port_ops virtio_port_ops = {
	.scheme = "virtio",
	.argument = "SOCKET",
	.help = "a vhost-user-fs device of a virtual machine",
	.options = option_lists,
	.listen_fd = &virtio_options.listen_fd,
	.open = virtio_open,
	.accept = virtio_accept,
	.stop = virtio_stop,
	.close = virtio_close,
};
