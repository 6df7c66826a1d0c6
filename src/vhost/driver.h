/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vhost-user device as its driver has it: the connection, what both sides
 * can do, the memory that the device reaches, and the queues. It knows nothing
 * of what the device is.
 *
 * The driver has memory of its own, which holds the rings and whatever
 * vhost_driver_alloc() gives out. More can be added and taken away: another
 * region of the driver's, or those of a guest that are only passed on.
 *
 * All functions return 0 or a negative errno unless said otherwise; for those
 * of the connection see frontend.h, whose "request" names the step that
 * failed. One thread at a time sets the device up or changes its regions, and
 * no queue is used meanwhile; each queue is used by one thread at a time.
 */
#ifndef VHOST_DRIVER_H
#define VHOST_DRIVER_H

#include "driver_ring.h"
#include "frontend.h"

struct vhost_driver_config {
	uint64_t features;	    /* wanted, beside VIRTIO_F_VERSION_1 */
	uint64_t protocol_features; /* wanted, beside MQ and REPLY_ACK */
	unsigned int queue_min;	    /* queues that it must have */
	unsigned int queue_max;	    /* and that will be used at most */
	unsigned int queue_size;    /* descriptors; a power of two */
	/* Descriptors of the longest chain, where indirect ones are taken. */
	unsigned int chain_max;
	uint64_t memory_addr; /* of the driver's own memory, for the device */
	size_t memory_size;   /* of it, beside the rings; bytes */
	unsigned int timeout; /* seconds for any answer of the back end */
};

/* Memory that the device reaches: a part of a file, mapped here. */
struct vhost_driver_region {
	char *base;
	size_t size;
	uint64_t addr; /* as the device is told of it in descriptors */
	int fd;
	uint64_t offset; /* in the file */
};

struct vhost_driver_queue {
	struct driver_ring ring;
	void *memory; /* of the ring */
	int kick_fd;  /* eventfds that do not block */
	int call_fd;
	int err_fd; /* the device says that it serves the queue no more */
};

struct vhost_driver {
	struct vhost_frontend frontend;
	struct vhost_driver_config config;
	struct vhost_driver_queue *queues;
	unsigned int queue_count;
	/* The first is the driver's own; its descriptor and mapping, too. */
	struct vhost_driver_region *regions;
	unsigned int region_count;
	size_t taken; /* of the driver's own memory */
};

/* A driver of nothing, for vhost_driver_close(). */
#define VHOST_DRIVER_NONE                         \
	((struct vhost_driver){                   \
		.frontend = { .channel.fd = -1 }, \
	})

/*
 * Negotiates over a connected socket, which it takes over in any case, makes
 * the memory and hands it over. No queue runs yet. -EOPNOTSUPP: the device is
 * older than virtio 1; -ENODEV: it has fewer than QUEUE_MIN queues. On failure
 * vhost_driver_close() must still be called; until then
 * driver->frontend.request can be looked at.
 */
int vhost_driver_open(struct vhost_driver *driver, int fd,
		      const struct vhost_driver_config *config);
void vhost_driver_close(struct vhost_driver *driver);

/*
 * Lets the device have another region. Its mapping and its descriptor stay the
 * caller's, and must last until it is removed. -EEXIST: an address of it is
 * already taken; -E2BIG: more than the device can have.
 */
int vhost_driver_add_region(struct vhost_driver *driver,
			    const struct vhost_driver_region *region);

/* Takes the region at BASE away; -ENOENT: there is none. */
int vhost_driver_remove_region(struct vhost_driver *driver, const void *base);

/* A page or more of the driver's own memory, zeroed. NULL: none is left. */
void *vhost_driver_alloc(struct vhost_driver *driver, size_t size);

/*
 * LEN bytes at AT as a segment of a buffer. -EFAULT: they are not in one
 * region.
 */
int vhost_driver_segment(const struct vhost_driver *driver, const void *at,
			 size_t len, struct driver_segment *ret_segment);

/* Empties all rings and lets the device begin with them. */
int vhost_driver_start(struct vhost_driver *driver);

/* Stops all queues. What was under way in them never comes back. */
int vhost_driver_stop(struct vhost_driver *driver);

/* Shows the added buffers to the device. 1: it had to be kicked; or 0. */
int vhost_queue_kick(struct vhost_driver_queue *queue);

/*
 * Sleeps until buffers may have come back, for TIMEOUT milliseconds at most;
 * negative: for ever. Call events are then switched off. -ETIMEDOUT;
 * -ECONNRESET: the back end is gone; -EREMOTEIO: it has given the queue up.
 */
int vhost_driver_wait(struct vhost_driver *driver,
		      struct vhost_driver_queue *queue, int timeout);

#endif
