/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The back end's half of the vhost-user protocol: follows what the front end
 * says about features, memory and rings, and starts and stops the queues of
 * the device behind OPS. All of it runs in one thread.
 */
#ifndef VHOST_DEVICE_H
#define VHOST_DEVICE_H

#include "memory.h"
#include "virtqueue.h"

/* The protocol's index of a ring has eight bits. */
#define VHOST_QUEUES_MAX 256

struct vhost_device;

struct vhost_device_ops {
	/*
	 * A ring is set up and enabled: serve it from RING->base on. The
	 * kick descriptor stays the device's until stop() has returned.
	 * 0 or -errno, logged.
	 */
	int (*start)(struct vhost_device *device, unsigned int index);
	/*
	 * Stop serving a ring and wait for the requests under way. Returns
	 * the index of the next available entry. If start() is called again
	 * without reset(), the same driver goes on from there.
	 */
	uint16_t (*stop)(struct vhost_device *device, unsigned int index);
	/* The descriptor, or -1, is the callee's from here on. */
	void (*set_call)(struct vhost_device *device, unsigned int index,
			 int fd);
	void (*set_err)(struct vhost_device *device, unsigned int index,
			int fd);
	/* device->memory is another one: rings that run go over to it. */
	void (*memory_changed)(struct vhost_device *device);
	/* The driver that spoke to the device until now is no more. */
	void (*reset)(struct vhost_device *device);
};

/* What the front end said about one ring. */
struct vhost_ring {
	struct virtqueue_place place;
	bool has_place; /* SET_VRING_ADDR came */
	bool has_kick;	/* SET_VRING_KICK came, with a descriptor or without */
	bool enabled;
	bool started; /* start() was called, and stop() not yet */
	bool stopped; /* it was started once, and stopped at STOPPED_AT */
	uint16_t base;
	uint16_t stopped_at;
	int kick;
};

struct vhost_device {
	const struct vhost_device_ops *ops;
	struct vhost_channel channel;
	uint64_t offered; /* features, and protocol features */
	uint64_t offered_protocol;
	uint64_t features; /* those that were taken */
	uint64_t protocol;
	const void *config; /* configuration space; NULL: none */
	size_t config_len;
	struct memory *memory; /* never NULL */
	int backend_fd;	       /* for requests of the back end; -1: none */
	unsigned int queue_max;
	struct vhost_ring rings[VHOST_QUEUES_MAX];
};

/*
 * Sets up a device without a configuration space on a connected socket, which
 * becomes the device's. -ENOMEM, the socket then being the caller's still.
 */
int vhost_device_init(struct vhost_device *device,
		      const struct vhost_device_ops *ops, int fd,
		      unsigned int queue_max);

/* Offers a configuration space; CONFIG stays the caller's. */
void vhost_device_offer_config(struct vhost_device *device, const void *config,
			       size_t len);

/* A message that comes in pieces is waited for until STOP_FD can be read. */
void vhost_device_set_stop(struct vhost_device *device, int stop_fd);

/*
 * Reads and handles one message. 1: go on; 0: the front end has disconnected;
 * -errno, logged: it cannot be talked to any longer.
 */
int vhost_device_handle(struct vhost_device *device);

/* Stops the rings that run. */
void vhost_device_stop(struct vhost_device *device);

/* All rings are stopped. */
void vhost_device_destroy(struct vhost_device *device);

#endif
