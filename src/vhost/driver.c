// SPDX-License-Identifier: BSD-2-Clause
#include "driver.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096U

static size_t whole_pages(size_t size)
{
	return (size + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static unsigned int table_len(const struct vhost_driver *driver)
{
	return driver->frontend.features & VIRTIO_F_INDIRECT_DESC
		       ? driver->config.chain_max
		       : 0;
}

static size_t ring_bytes(const struct vhost_driver *driver)
{
	return driver_ring_bytes(driver->config.queue_size, table_len(driver));
}

static struct vhost_region to_wire(const struct vhost_driver_region *region)
{
	return (struct vhost_region){
		.guest_addr = region->addr,
		.size = region->size,
		.user_addr = (uint64_t)(uintptr_t)region->base,
		.mmap_offset = region->offset,
	};
}

/* Tells the device of all regions at once. */
static int tell_all(struct vhost_driver *driver)
{
	struct vhost_region regions[VHOST_MAX_FDS];
	int fds[VHOST_MAX_FDS];

	for (unsigned int i = 0; i < driver->region_count; i++) {
		regions[i] = to_wire(&driver->regions[i]);
		fds[i] = driver->regions[i].fd;
	}
	return vhost_frontend_set_memory(&driver->frontend, regions, fds,
					 driver->region_count);
}

static bool by_slots(const struct vhost_driver *driver)
{
	return driver->frontend.protocol_features &
	       VHOST_PF_CONFIGURE_MEM_SLOTS;
}

static bool overlaps(const struct vhost_driver_region *a,
		     const struct vhost_driver_region *b)
{
	return (a->addr < b->addr + b->size && b->addr < a->addr + a->size) ||
	       (a->base < b->base + b->size && b->base < a->base + a->size);
}

int vhost_driver_add_region(struct vhost_driver *driver,
			    const struct vhost_driver_region *region)
{
	struct vhost_driver_region *regions;
	unsigned int count = driver->region_count;
	struct vhost_region wire = to_wire(region);
	int r;

	if (region->size == 0 || region->addr + region->size < region->addr)
		return -EINVAL;
	for (unsigned int i = 0; i < count; i++)
		if (overlaps(region, &driver->regions[i]))
			return -EEXIST;
	if (count >= driver->frontend.region_max)
		return -E2BIG;
	regions = reallocarray(driver->regions, count + 1, sizeof(*regions));
	if (!regions)
		return -ENOMEM;
	driver->regions = regions;
	regions[count] = *region;
	driver->region_count++;
	r = by_slots(driver) ? vhost_frontend_add_memory(&driver->frontend,
							 &wire, region->fd)
			     : tell_all(driver);
	if (r < 0)
		driver->region_count--;
	return r;
}

int vhost_driver_remove_region(struct vhost_driver *driver, const void *base)
{
	struct vhost_driver_region region;
	unsigned int i = 1; /* the first is the driver's own */

	while (i < driver->region_count && driver->regions[i].base != base)
		i++;
	if (i >= driver->region_count)
		return -ENOENT;
	region = driver->regions[i];
	driver->region_count--;
	memmove(&driver->regions[i], &driver->regions[i + 1],
		(driver->region_count - i) * sizeof(region));
	if (by_slots(driver)) {
		struct vhost_region wire = to_wire(&region);

		return vhost_frontend_remove_memory(&driver->frontend, &wire);
	}
	return tell_all(driver);
}

static int add_own_region(struct vhost_driver *driver)
{
	struct vhost_driver_region own = { .addr = driver->config.memory_addr };
	int r;

	own.size = driver->queue_count * whole_pages(ring_bytes(driver)) +
		   whole_pages(driver->config.memory_size);
	own.fd = memfd_create("vhost-driver", MFD_CLOEXEC);
	if (own.fd < 0)
		return -errno;
	if (ftruncate(own.fd, (off_t)own.size) < 0) {
		r = -errno;
		goto out_fd;
	}
	own.base = mmap(NULL, own.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			own.fd, 0);
	if (own.base == MAP_FAILED) {
		r = -errno;
		goto out_fd;
	}
	r = vhost_driver_add_region(driver, &own);
	if (r == 0)
		return 0;
	munmap(own.base, own.size);
out_fd:
	close(own.fd);
	return r;
}

void *vhost_driver_alloc(struct vhost_driver *driver, size_t size)
{
	const struct vhost_driver_region *own = driver->regions;
	size_t left = own->size - driver->taken;
	char *memory = own->base + driver->taken;

	if (size > left)
		return NULL;
	size = whole_pages(size);
	driver->taken += size < left ? size : left;
	return memory; /* of a file that is new */
}

int vhost_driver_segment(const struct vhost_driver *driver, const void *at,
			 size_t len, struct driver_segment *ret_segment)
{
	for (unsigned int i = 0; i < driver->region_count; i++) {
		const struct vhost_driver_region *region = &driver->regions[i];
		uint64_t offset =
			(uint64_t)((uintptr_t)at - (uintptr_t)region->base);

		if (offset >= region->size)
			continue;
		if (len > region->size - offset || len > UINT32_MAX)
			break;
		*ret_segment = (struct driver_segment){
			.addr = region->addr + offset,
			.len = (uint32_t)len,
		};
		return 0;
	}
	return -EFAULT;
}

static int make_queue(struct vhost_driver *driver, unsigned int index)
{
	struct vhost_driver_queue *queue = &driver->queues[index];

	queue->memory = vhost_driver_alloc(driver, ring_bytes(driver));
	if (!queue->memory)
		return -ENOMEM;
	queue->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	queue->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	queue->err_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->kick_fd < 0 || queue->call_fd < 0 || queue->err_fd < 0)
		return -errno;
	return 0;
}

/* A device that does not tell how many it has is taken to have what it must. */
static int count_queues(struct vhost_driver *driver)
{
	unsigned int most = driver->frontend.queue_max;

	if (most == 0)
		most = driver->config.queue_min;
	if (most < driver->config.queue_min)
		return -ENODEV;
	if (most > driver->config.queue_max)
		most = driver->config.queue_max;
	driver->queues = calloc(most, sizeof(*driver->queues));
	if (!driver->queues)
		return -ENOMEM;
	for (unsigned int i = 0; i < most; i++) {
		struct vhost_driver_queue *queue = &driver->queues[i];

		queue->kick_fd = queue->call_fd = queue->err_fd = -1;
	}
	driver->queue_count = most;
	return 0;
}

int vhost_driver_open(struct vhost_driver *driver, int fd,
		      const struct vhost_driver_config *config)
{
	uint64_t protocol = VHOST_PF_MQ | VHOST_PF_REPLY_ACK;
	int r;

	*driver = VHOST_DRIVER_NONE;
	driver->config = *config;
	r = vhost_frontend_attach(&driver->frontend, fd, config->timeout);
	if (r < 0) {
		close(fd);
		return r;
	}
	if (config->queue_min == 0 || config->queue_min > config->queue_max ||
	    config->queue_size == 0 || config->queue_size > VRING_SIZE_MAX)
		return -EINVAL;
	r = vhost_frontend_negotiate(
		&driver->frontend, config->features | VHOST_F_PROTOCOL_FEATURES,
		VIRTIO_F_VERSION_1, config->protocol_features | protocol);
	if (r == 0)
		r = count_queues(driver);
	if (r == 0)
		r = add_own_region(driver);
	for (unsigned int i = 0; r == 0 && i < driver->queue_count; i++)
		r = make_queue(driver, i);
	return r;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void vhost_driver_close(struct vhost_driver *driver)
{
	vhost_frontend_close(&driver->frontend);
	for (unsigned int i = 0; i < driver->queue_count; i++) {
		struct vhost_driver_queue *queue = &driver->queues[i];

		driver_ring_release(&queue->ring);
		close_fd(queue->kick_fd);
		close_fd(queue->call_fd);
		close_fd(queue->err_fd);
	}
	if (driver->region_count) {
		munmap(driver->regions->base, driver->regions->size);
		close(driver->regions->fd);
	}
	free(driver->queues);
	free(driver->regions);
	*driver = VHOST_DRIVER_NONE;
}

static void drain(int event_fd)
{
	uint64_t count;

	/* That there is nothing to read is no error. */
	if (read(event_fd, &count, sizeof(count)) < 0)
		return;
}

static int start_queue(struct vhost_driver *driver, unsigned int index)
{
	struct vhost_driver_queue *queue = &driver->queues[index];
	struct driver_ring_config config = {
		.num = driver->config.queue_size,
		.table_len = table_len(driver),
		.event_idx = driver->frontend.features & VIRTIO_F_EVENT_IDX,
		.memory =
			memset(queue->memory, 0,
			       driver_ring_bytes(driver->config.queue_size, 0)),
	};
	struct driver_segment whole;
	struct vhost_frontend_ring ring = {
		.num = config.num,
		.kick_fd = queue->kick_fd,
		.call_fd = queue->call_fd,
		.err_fd = queue->err_fd,
	};
	int r;

	drain(queue->kick_fd);
	drain(queue->call_fd);
	drain(queue->err_fd);
	r = vhost_driver_segment(driver, queue->memory, ring_bytes(driver),
				 &whole);
	if (r < 0)
		return r;
	config.addr = whole.addr;
	driver_ring_release(&queue->ring);
	r = driver_ring_init(&queue->ring, &config);
	if (r < 0)
		return r;
	ring.desc = (uint64_t)(uintptr_t)queue->ring.desc;
	ring.avail = (uint64_t)(uintptr_t)queue->ring.avail;
	ring.used = (uint64_t)(uintptr_t)queue->ring.used;
	return vhost_frontend_start(&driver->frontend, index, &ring);
}

int vhost_driver_start(struct vhost_driver *driver)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < driver->queue_count; i++)
		r = start_queue(driver, i);
	return r;
}

int vhost_driver_stop(struct vhost_driver *driver)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < driver->queue_count; i++) {
		unsigned int base;

		r = vhost_frontend_stop(&driver->frontend, i, &base);
	}
	return r;
}

int vhost_queue_kick(struct vhost_driver_queue *queue)
{
	uint64_t one = 1;

	if (!driver_ring_publish(&queue->ring))
		return 0;
	return write(queue->kick_fd, &one, sizeof(one)) < 0 ? -errno : 1;
}

static int sleep_until_call(const struct vhost_driver *driver,
			    const struct vhost_driver_queue *queue, int timeout)
{
	struct pollfd pfds[3] = {
		{ .fd = queue->call_fd, .events = POLLIN },
		{ .fd = queue->err_fd, .events = POLLIN },
		{ .fd = driver->frontend.channel.fd, .events = POLLRDHUP },
	};
	int r = poll(pfds, 3, timeout);

	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	if (r == 0)
		return -ETIMEDOUT;
	if (pfds[0].revents) {
		drain(queue->call_fd);
		return 0;
	}
	return pfds[1].revents ? -EREMOTEIO : -ECONNRESET;
}

int vhost_driver_wait(struct vhost_driver *driver,
		      struct vhost_driver_queue *queue, int timeout)
{
	int r = 0;

	if (!driver_ring_enable(&queue->ring))
		r = sleep_until_call(driver, queue, timeout);
	driver_ring_disable(&queue->ring);
	return r;
}
