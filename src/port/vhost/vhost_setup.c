// SPDX-License-Identifier: BSD-2-Clause
/* The connection to the back end, and the memory that it is given. */
#include "../../log.h"
#include "../../thread.h"
#include "vhost.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Ours, above all that a guest has. */
#define MEMORY_ADDR  (UINT64_C(1) << 52)
#define MEMORY_BYTES ((size_t)128 << 20)

#define ANSWER_SECONDS 5

/* How long requests may be under way when memory is taken away. */
#define DRAIN_SECONDS 5

void vhost_wake(const struct vhost_server *server)
{
	uint64_t one = 1;

	if (write(server->wake_fd, &one, sizeof(one)) < 0)
		log_debug("cannot wake a thread: %m");
}

static struct vhost_driver_region as_driver(const struct relay_region *region)
{
	return (struct vhost_driver_region){
		.base = region->address,
		.size = region->size,
		.addr = region->guest,
		.fd = region->fd,
		.offset = region->offset,
	};
}

static bool same(const struct relay_region *a, const struct relay_region *b)
{
	return a->address == b->address && a->size == b->size &&
	       a->guest == b->guest && a->offset == b->offset;
}

static bool among(const struct relay_region *region,
		  const struct relay_region *regions, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (same(region, &regions[i]))
			return true;
	return false;
}

static int add_region(struct vhost_server *server,
		      const struct relay_region *region)
{
	struct vhost_driver_region added = as_driver(region);
	int ret = vhost_driver_add_region(&server->driver, &added);

	if (ret == -E2BIG)
		log_error("%s: it takes %u parts of memory, and the guest has "
			  "more",
			  server->path, server->driver.frontend.region_max - 1);
	else if (ret < 0)
		log_error("%s: cannot be given the guest's memory: %s",
			  server->path, strerror(-ret));
	return ret;
}

/* No request is sent until resume(); those under way end. */
static int pause_queues(struct vhost_server *server)
{
	uint64_t until = thread_now() + DRAIN_SECONDS * SECOND_NS;
	int ret = 0;

	for (unsigned int i = 0; i < server->queue_count; i++) {
		struct vhost_queue *queue = &server->queues[i];

		pthread_mutex_lock(&queue->lock);
		queue->runs = false;
		while (ret == 0 && queue->sent.first && !queue->broken)
			if (!thread_wait(&queue->drained, &queue->lock, until))
				ret = -ETIMEDOUT;
		pthread_mutex_unlock(&queue->lock);
	}
	return ret;
}

static void resume_queues(struct vhost_server *server)
{
	for (unsigned int i = 0; i < server->queue_count; i++) {
		struct vhost_queue *queue = &server->queues[i];

		pthread_mutex_lock(&queue->lock);
		queue->runs = !queue->broken;
		vhost_queue_send(queue);
		pthread_mutex_unlock(&queue->lock);
	}
}

/* A copy with descriptors of its own. */
static struct relay_region *copy_regions(const struct relay_region *regions,
					 unsigned int count)
{
	struct relay_region *copy = calloc(count + 1, sizeof(*copy));

	for (unsigned int i = 0; copy && i < count; i++) {
		copy[i] = regions[i];
		copy[i].fd = fcntl(regions[i].fd, F_DUPFD_CLOEXEC, 0);
		if (copy[i].fd >= 0)
			continue;
		while (i--)
			close(copy[i].fd);
		free(copy);
		return NULL;
	}
	return copy;
}

static void free_regions(struct relay_region *regions, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		close(regions[i].fd);
	free(regions);
}

static int change_regions(struct vhost_server *server,
			  const struct relay_region *regions,
			  unsigned int count)
{
	int ret = 0;

	for (unsigned int i = 0; i < server->region_count; i++)
		if (!among(&server->regions[i], regions, count))
			vhost_driver_remove_region(&server->driver,
						   server->regions[i].address);
	for (unsigned int i = 0; ret == 0 && i < count; i++)
		if (!among(&regions[i], server->regions, server->region_count))
			ret = add_region(server, &regions[i]);
	return ret;
}

int vhost_set_memory(struct vhost_server *server,
		     const struct relay_region *regions, unsigned int count)
{
	struct relay_region *copy = copy_regions(regions, count);
	int ret = 0;

	if (!copy) {
		log_error("%s: cannot be given the guest's memory: %s",
			  server->path, strerror(ENOMEM));
		return -ENOMEM;
	}
	pthread_mutex_lock(&server->lock);
	if (!atomic_load(&server->gone)) {
		ret = pause_queues(server);
		if (ret < 0)
			log_error("%s: has requests under way for %u s while "
				  "the guest's memory changes",
				  server->path, DRAIN_SECONDS);
		else
			ret = change_regions(server, copy, count);
		resume_queues(server);
	}
	free_regions(server->regions, server->region_count);
	server->regions = copy;
	server->region_count = count;
	pthread_mutex_unlock(&server->lock);
	return ret;
}

static int open_driver(struct vhost_server *server)
{
	struct vhost_driver_config config = {
		.features = VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX,
		.protocol_features = VHOST_PF_CONFIGURE_MEM_SLOTS,
		.queue_min = 2,
		.queue_max = VHOST_QUEUES,
		.queue_size = VHOST_QUEUE_SIZE,
		.chain_max = VHOST_PIECES,
		.memory_addr = MEMORY_ADDR,
		.memory_size = MEMORY_BYTES,
		.timeout = ANSWER_SECONDS,
	};
	int fd = vhost_connect(server->socket);
	int ret;

	if (fd < 0)
		return fd;
	ret = vhost_driver_open(&server->driver, fd, &config);
	for (unsigned int i = 0; ret == 0 && i < server->region_count; i++)
		ret = add_region(server, &server->regions[i]);
	return ret < 0 ? ret : vhost_driver_start(&server->driver);
}

int vhost_server_connect(struct vhost_server *server)
{
	struct vhost_driver *driver = &server->driver;
	int ret = open_driver(server);
	const struct vhost_driver_region *own = driver->regions;

	/* Calls know how many queues there are. */
	if (ret == 0 && driver->queue_count < server->queue_count)
		ret = -ENODEV;
	if (ret < 0) {
		vhost_driver_close(driver);
		return ret;
	}
	vhost_pool_set(&server->pool, own->base + driver->taken,
		       own->size - driver->taken);
	if (!server->queue_count)
		server->queue_count = driver->queue_count;
	return 0;
}

void vhost_server_begin(struct vhost_server *server)
{
	atomic_store(&server->wide, false);
	atomic_store(&server->no_handles, false);
	atomic_store(&server->gone, 0);
	for (unsigned int i = 0; i < server->queue_count; i++) {
		struct vhost_queue *queue = &server->queues[i];

		pthread_mutex_lock(&queue->lock);
		queue->queue = &server->driver.queues[i];
		queue->broken = false;
		queue->runs = true;
		vhost_queue_send(queue);
		pthread_mutex_unlock(&queue->lock);
	}
}

void vhost_server_disconnect(struct vhost_server *server,
			     struct vhost_list *ret_sent)
{
	for (unsigned int i = 0; i < VHOST_QUEUES; i++) {
		struct vhost_queue *queue = &server->queues[i];

		pthread_mutex_lock(&queue->lock);
		queue->queue = NULL;
		queue->runs = false;
		ret_sent[i] = queue->sent;
		queue->sent = (struct vhost_list){ 0 };
		pthread_cond_broadcast(&queue->drained);
		while (queue->busy) /* the memory is about to go */
			pthread_cond_wait(&queue->drained, &queue->lock);
		pthread_mutex_unlock(&queue->lock);
	}
	vhost_driver_close(&server->driver);
}
