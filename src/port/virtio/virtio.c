// SPDX-License-Identifier: BSD-2-Clause
#include "virtio.h"
#include "../../log.h"
#include "../../options.h"
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

static struct virtio_port *port_of(struct vhost_device *device)
{
	return (struct virtio_port *)((char *)device -
				      offsetof(struct virtio_port, device));
}

static struct queue *queue_of(struct vhost_device *device, unsigned int index)
{
	return &port_of(device)->queues[index];
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

static void device_memory_changed(struct vhost_device *device)
{
	for (unsigned int i = 0; i < VIRTIO_QUEUES; i++)
		queue_set_memory(queue_of(device, i), device->memory);
}

static void forget_calls(struct virtio_port *port)
{
	for (unsigned int i = 0; i < VIRTIO_QUEUES; i++)
		queue_forget(&port->queues[i]);
}

static void device_reset(struct vhost_device *device)
{
	forget_calls(port_of(device));
	relay_reset(port_of(device)->relay);
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
static void offer_tag(struct virtio_port *port, const char *tag)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t len = strnlen(tag, VIRTIO_FS_TAG);

	if (cpus < 1)
		cpus = 1;
	if (cpus > REQUEST_QUEUES_MAX)
		cpus = REQUEST_QUEUES_MAX;
	memcpy(port->config.tag, tag, len);
	port->config.num_request_queues = htole32((uint32_t)cpus);
	vhost_device_offer_config(&port->device, &port->config,
				  sizeof(port->config));
}

static int init_queues(struct virtio_port *port)
{
	for (unsigned int i = 0; i < VIRTIO_QUEUES; i++) {
		int r = queue_init(&port->queues[i], port, i);

		if (r < 0) {
			while (i--)
				queue_destroy(&port->queues[i]);
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

static int virtio_open(const char *argument, const struct options *options,
		       struct client_port **ret_port)
{
	struct virtio_port *port = calloc(1, sizeof(*port));
	int r;

	if (!port)
		return -ENOMEM;
	port->port.ops = &virtio_port_ops;
	port->pool_limit = pool_limit(options->thread_pool_size);
	port->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (port->stop_fd < 0) {
		r = -errno;
		goto free_port;
	}
	r = virtio_socket_open(&port->socket, argument, options);
	if (r < 0)
		goto close_stop;
	r = vhost_device_init(&port->device, &device_ops, port->socket.fd,
			      VIRTIO_QUEUES);
	if (r < 0) {
		close(port->socket.fd);
		goto close_socket;
	}
	r = init_queues(port);
	if (r < 0)
		goto destroy_device;
	if (options->tag)
		offer_tag(port, options->tag);
	*ret_port = &port->port;
	return 0;
destroy_device:
	vhost_device_destroy(&port->device);
close_socket:
	virtio_socket_close(&port->socket);
close_stop:
	close(port->stop_fd);
free_port:
	free(port);
	return r;
}

static const char *virtio_peer_machine(struct client_port *client)
{
	return ((struct virtio_port *)client)->socket.machine;
}

/* Handles messages until the front end is gone, or stop() was called. */
static int follow(struct virtio_port *port)
{
	struct pollfd fds[] = {
		{ .fd = port->device.channel.fd, .events = POLLIN },
		{ .fd = port->stop_fd, .events = POLLIN },
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
			r = vhost_device_handle(&port->device);
	}
	if (r == 0)
		log_info("the monitor has disconnected");
	return r;
}

static int virtio_serve(struct client_port *client, struct relay *relay)
{
	struct virtio_port *port = (struct virtio_port *)client;
	int r;

	port->relay = relay;
	r = pool_init(&port->pool, port->pool_limit, port->queues,
		      VIRTIO_QUEUES);
	if (r < 0)
		return r;
	r = follow(port);
	vhost_device_stop(&port->device);
	forget_calls(port);
	relay_reset(relay);
	pool_destroy(&port->pool);
	return r;
}

static void virtio_stop(struct client_port *client)
{
	struct virtio_port *port = (struct virtio_port *)client;
	uint64_t one = 1;
	int error = errno;

	/* It can only fail if it was called very often before. */
	if (write(port->stop_fd, &one, sizeof(one)) < 0)
		errno = error;
}

static void virtio_close(struct client_port *client)
{
	struct virtio_port *port = (struct virtio_port *)client;

	for (unsigned int i = 0; i < VIRTIO_QUEUES; i++)
		queue_destroy(&port->queues[i]);
	vhost_device_destroy(&port->device);
	virtio_socket_close(&port->socket);
	close(port->stop_fd);
	free(port);
}

const struct client_port_ops virtio_port_ops = {
	.scheme = "virtio",
	.argument = "SOCKET",
	.help = "serve a virtual machine monitor (vhost-user-fs)",
	.open = virtio_open,
	.peer_machine = virtio_peer_machine,
	.serve = virtio_serve,
	.stop = virtio_stop,
	.close = virtio_close,
};
