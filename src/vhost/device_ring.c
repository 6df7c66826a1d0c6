// SPDX-License-Identifier: BSD-2-Clause
/* Rings as the front end sets them up, starts and stops them. */
#include "../log.h"
#include "device_request.h"
#include <errno.h>

static void drop_kick(struct vhost_ring *ring)
{
	vhost_close_fd(&ring->kick);
	ring->has_kick = false;
}

/* Stops a ring if it runs; it can be started again where it stopped. */
static void pause_ring(struct vhost_device *device, unsigned int index)
{
	struct vhost_ring *ring = &device->rings[index];

	if (!ring->started)
		return;
	ring->base = device->ops->stop(device, index);
	ring->started = false;
	ring->stopped = true;
	ring->stopped_at = ring->base;
}

/* Starts a ring if all that it takes is known. */
static int start_ring(struct vhost_device *device, unsigned int index)
{
	struct vhost_ring *ring = &device->rings[index];
	int r;

	if (ring->started || !ring->has_kick || !ring->has_place ||
	    !ring->place.num)
		return 0;
	/* Without protocol features a ring needs not be enabled. */
	if (!ring->enabled && (device->features & VHOST_F_PROTOCOL_FEATURES))
		return 0;
	if (!(device->features & VIRTIO_F_VERSION_1)) {
		log_error("the guest's driver is older than virtio 1.0, which "
			  "it must not be for a file system");
		return -EPROTO;
	}
	r = device->ops->start(device, index);
	if (r < 0)
		return r;
	ring->started = true;
	ring->stopped = false;
	return 0;
}

void vhost_device_stop(struct vhost_device *device)
{
	for (unsigned int i = 0; i < device->queue_max; i++)
		pause_ring(device, i);
}

int vhost_device_start(struct vhost_device *device)
{
	int r, ret = 0;

	for (unsigned int i = 0; i < device->queue_max; i++) {
		r = start_ring(device, i);
		if (r < 0)
			ret = r;
	}
	return ret;
}

/* Back to what the device was before any driver spoke to it. */
void vhost_device_reset(struct vhost_device *device)
{
	vhost_device_stop(device);
	for (unsigned int i = 0; i < device->queue_max; i++) {
		struct vhost_ring *ring = &device->rings[i];

		drop_kick(ring);
		*ring = (struct vhost_ring){ .kick = -1 };
		device->ops->set_call(device, i, -1);
		device->ops->set_err(device, i, -1);
	}
	device->ops->reset(device);
}

/* The ring that a message is about; NULL if there is none of that index. */
static struct vhost_ring *ring_at(struct vhost_device *device,
				  const struct request *rq, uint64_t index)
{
	if (index < device->queue_max)
		return &device->rings[index];
	log_error("%s for queue %llu, of which there is none",
		  vhost_request_name(rq->message.header.request),
		  (unsigned long long)index);
	return NULL;
}

int vhost_set_vring_num(struct vhost_device *device, struct request *rq)
{
	const struct vhost_vring_state *state = &rq->message.payload.state;
	struct vhost_ring *ring = ring_at(device, rq, state->index);

	if (!ring)
		return -EINVAL;
	if (ring->started) {
		log_error("queue %u: a new size while it runs", state->index);
		return -EBUSY;
	}
	if (!state->num || state->num > VRING_SIZE_MAX ||
	    (state->num & (state->num - 1))) {
		log_error("queue %u: %u is no size for a queue", state->index,
			  state->num);
		return -EINVAL;
	}
	ring->place.num = state->num;
	return 0;
}

int vhost_set_vring_addr(struct vhost_device *device, struct request *rq)
{
	const struct vhost_vring_addr *addr = &rq->message.payload.addr;
	struct vhost_ring *ring = ring_at(device, rq, addr->index);

	if (!ring)
		return -EINVAL;
	pause_ring(device, addr->index);
	ring->place.desc = addr->desc;
	ring->place.avail = addr->avail;
	ring->place.used = addr->used;
	ring->has_place = true;
	return start_ring(device, addr->index);
}

/* Another driver speaks to the device now; its rings may run already. */
static void forget_driver(struct vhost_device *device)
{
	log_debug("the guest has another driver than before");
	vhost_device_stop(device);
	for (unsigned int i = 0; i < device->queue_max; i++)
		device->rings[i].stopped = false;
	device->ops->reset(device);
	vhost_device_start(device);
}

/*
 * A ring that goes on where it was stopped belongs to a guest that was paused;
 * one that starts anew, to another driver.
 */
int vhost_set_vring_base(struct vhost_device *device, struct request *rq)
{
	const struct vhost_vring_state *state = &rq->message.payload.state;
	struct vhost_ring *ring = ring_at(device, rq, state->index);

	if (!ring)
		return -EINVAL;
	if (ring->started || state->num > UINT16_MAX) {
		log_error("queue %u: cannot begin at %u", state->index,
			  state->num);
		return -EINVAL;
	}
	if (ring->stopped && ring->stopped_at != state->num)
		forget_driver(device);
	ring->base = (uint16_t)state->num;
	return 0;
}

int vhost_get_vring_base(struct vhost_device *device, struct request *rq)
{
	struct vhost_vring_state *state = &rq->message.payload.state;
	struct vhost_ring *ring = ring_at(device, rq, state->index);

	if (!ring)
		return -EINVAL;
	pause_ring(device, state->index);
	drop_kick(ring);
	device->ops->set_call(device, state->index, -1);
	state->num = ring->base;
	rq->message.header.size = sizeof(*state);
	return REPLY;
}

/* The ring of SET_VRING_KICK and its like, and the descriptor or -1. */
static struct vhost_ring *ring_fd(struct vhost_device *device,
				  struct request *rq, unsigned int *ret_index,
				  int *ret_fd)
{
	uint64_t value = rq->message.payload.u64;
	struct vhost_ring *ring =
		ring_at(device, rq, value & VHOST_VRING_INDEX_MASK);

	if (!ring)
		return NULL;
	if (!(value & VHOST_VRING_NOFD) != (rq->fd_count == 1)) {
		log_error("%s with %u descriptors",
			  vhost_request_name(rq->message.header.request),
			  rq->fd_count);
		return NULL;
	}
	*ret_index = value & VHOST_VRING_INDEX_MASK;
	*ret_fd = vhost_take_fd(rq);
	return ring;
}

int vhost_set_vring_kick(struct vhost_device *device, struct request *rq)
{
	struct vhost_ring *ring;
	unsigned int index;
	int fd;

	ring = ring_fd(device, rq, &index, &fd);
	if (!ring)
		return -EINVAL;
	pause_ring(device, index);
	drop_kick(ring);
	ring->kick = fd;
	ring->has_kick = true;
	return start_ring(device, index);
}

int vhost_set_vring_call(struct vhost_device *device, struct request *rq)
{
	unsigned int index;
	int fd;

	if (!ring_fd(device, rq, &index, &fd))
		return -EINVAL;
	device->ops->set_call(device, index, fd);
	return 0;
}

int vhost_set_vring_err(struct vhost_device *device, struct request *rq)
{
	unsigned int index;
	int fd;

	if (!ring_fd(device, rq, &index, &fd))
		return -EINVAL;
	device->ops->set_err(device, index, fd);
	return 0;
}

int vhost_set_vring_enable(struct vhost_device *device, struct request *rq)
{
	const struct vhost_vring_state *state = &rq->message.payload.state;
	struct vhost_ring *ring = ring_at(device, rq, state->index);

	if (!ring)
		return -EINVAL;
	ring->enabled = state->num != 0;
	if (ring->enabled)
		return start_ring(device, state->index);
	pause_ring(device, state->index);
	return 0;
}
