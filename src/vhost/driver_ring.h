/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver's side of a split virtqueue (virtio 1.2, 2.7). What is carried is
 * of no concern here. The device is not trusted: all that it could write to is
 * only read once and checked, and what the driver must remember lies in memory
 * of its own.
 *
 * A ring is used by one thread at a time.
 */
#ifndef VHOST_DRIVER_RING_H
#define VHOST_DRIVER_RING_H

#include "proto.h"

/* A piece of a buffer, by its guest address. */
struct driver_segment {
	uint64_t addr;
	uint32_t len;
};

struct driver_ring_config {
	unsigned int num; /* descriptors; a power of two */
	/* Descriptors of the longest chain; 0: indirect is not negotiated. */
	unsigned int table_len;
	bool event_idx; /* negotiated */
	void *memory;	/* driver_ring_bytes(), aligned to 16, zeroed */
	uint64_t addr;	/* the same as a guest address */
};

struct driver_slot;

struct driver_ring {
	struct driver_ring_config config;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	struct vring_desc *tables; /* table_len for every head; or NULL */
	struct driver_slot *slots; /* private, one for each descriptor */
	uint16_t free_head;
	unsigned int free_count;
	uint16_t avail_idx; /* buffers added */
	uint16_t published; /* of these, told to the device */
	uint16_t used_idx;  /* buffers that came back */
	bool notify;	    /* the device is to interrupt */
};

/* Shared memory that a ring needs. */
size_t driver_ring_bytes(unsigned int num, unsigned int table_len);

/* 0, -EINVAL or -ENOMEM. */
int driver_ring_init(struct driver_ring *ring,
		     const struct driver_ring_config *config);
void driver_ring_release(struct driver_ring *ring);

/* Guest addresses of the parts; the guest address of memory is config.addr. */
uint64_t driver_ring_addr(const struct driver_ring *ring, const void *part);

/*
 * Adds a buffer: OUT_COUNT segments that the device reads, then IN_COUNT that
 * it writes. TOKEN, not NULL, comes back with it. -ENOSPC: the ring is full;
 * -EINVAL: no segments, or more than can ever fit.
 */
int driver_ring_add(struct driver_ring *ring,
		    const struct driver_segment *segments,
		    unsigned int out_count, unsigned int in_count, void *token);

/* Shows the added buffers to the device. True: it must be kicked. */
bool driver_ring_publish(struct driver_ring *ring);

/*
 * Takes back a buffer. 1: *RET_TOKEN and *RET_LEN, the bytes that the device
 * says it wrote, are set; 0: there is none; -EPROTO: the device lied.
 */
int driver_ring_reap(struct driver_ring *ring, void **ret_token,
		     uint32_t *ret_len);

/* Whether a buffer can be taken back: for a driver that polls. */
bool driver_ring_pending(const struct driver_ring *ring);

/*
 * Asks for an interrupt at the next buffer. True: one is already there, and
 * the interrupt may not come: reap before sleeping.
 */
bool driver_ring_enable(struct driver_ring *ring);

/* Asks the device not to interrupt (it may still do so). */
void driver_ring_disable(struct driver_ring *ring);

#endif
