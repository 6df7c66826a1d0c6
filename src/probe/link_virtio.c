// SPDX-License-Identifier: BSD-2-Clause
/* A vhost-user-fs device: the probe is the driver, and its memory the guest. */
#include "../log.h"
#include "../vhost/driver_ring.h"
#include "../vhost/frontend.h"
#include "link.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define QUEUE_SIZE   64U
#define QUEUE_COUNT  2U /* for FORGET, and for all else */
#define MEMORY_ADDR  UINT64_C(0x40000000)
#define RING_BYTES   (16U << 10)
#define OUT_AT	     (QUEUE_COUNT * RING_BYTES)
#define IN_AT	     (OUT_AT + LINK_MESSAGE_MAX)
#define MEMORY_BYTES (IN_AT + LINK_MESSAGE_MAX)

/* As Linux cuts a message into buffers. */
#define IN_HEADER  40U
#define OUT_HEADER 16U

struct queue {
	struct driver_ring ring;
	int kick_fd;
	int call_fd;
	int err_fd; /* the device says that it serves the queue no more */
};

struct virtio {
	struct vhost_frontend frontend;
	struct queue queues[QUEUE_COUNT];
	int memory_fd;
	char *memory;
};

static int make_memory(struct virtio *virtio)
{
	virtio->memory_fd = memfd_create("probe", MFD_CLOEXEC);
	if (virtio->memory_fd < 0 ||
	    ftruncate(virtio->memory_fd, MEMORY_BYTES) < 0)
		return -errno;
	virtio->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
			      MAP_SHARED, virtio->memory_fd, 0);
	if (virtio->memory == MAP_FAILED) {
		virtio->memory = NULL;
		return -errno;
	}
	return 0;
}

static int share_memory(struct virtio *virtio)
{
	struct vhost_region region = {
		.guest_addr = MEMORY_ADDR,
		.size = MEMORY_BYTES,
		.user_addr = (uint64_t)(uintptr_t)virtio->memory,
	};

	return vhost_frontend_set_memory(&virtio->frontend, &region,
					 &virtio->memory_fd, 1);
}

static int start_queue(struct virtio *virtio, unsigned int index)
{
	struct queue *queue = &virtio->queues[index];
	char *memory = virtio->memory + (size_t)index * RING_BYTES;
	struct driver_ring_config config = {
		.num = QUEUE_SIZE,
		.memory = memset(memory, 0, RING_BYTES),
		.addr = MEMORY_ADDR + (uint64_t)index * RING_BYTES,
	};
	struct vhost_frontend_ring ring = {
		.num = QUEUE_SIZE,
		.kick_fd = queue->kick_fd,
		.call_fd = queue->call_fd,
		.err_fd = queue->err_fd,
	};
	int r;

	if (driver_ring_bytes(QUEUE_SIZE, 0) > RING_BYTES)
		return -ENOMEM;
	r = driver_ring_init(&queue->ring, &config);
	if (r < 0)
		return r;
	ring.desc = (uint64_t)(uintptr_t)queue->ring.desc;
	ring.avail = (uint64_t)(uintptr_t)queue->ring.avail;
	ring.used = (uint64_t)(uintptr_t)queue->ring.used;
	return vhost_frontend_start(&virtio->frontend, index, &ring);
}

static int start_queues(struct virtio *virtio)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < QUEUE_COUNT; i++) {
		struct queue *queue = &virtio->queues[i];

		queue->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		queue->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		queue->err_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (queue->kick_fd < 0 || queue->call_fd < 0 ||
		    queue->err_fd < 0)
			return -errno;
		r = start_queue(virtio, i);
	}
	return r;
}

static int set_up(struct link *link, struct virtio *virtio)
{
	uint64_t protocol = VHOST_PF_MQ | VHOST_PF_REPLY_ACK | VHOST_PF_CONFIG;
	unsigned int seconds = (unsigned int)((link->timeout + 999) / 1000);
	int r;

	r = vhost_frontend_connect(&virtio->frontend, link->argument, seconds);
	if (r == 0)
		r = vhost_frontend_negotiate(&virtio->frontend,
					     VHOST_F_PROTOCOL_FEATURES,
					     VIRTIO_F_VERSION_1, protocol);
	if (r == 0)
		r = make_memory(virtio);
	if (r == 0)
		r = share_memory(virtio);
	if (r == 0)
		r = start_queues(virtio);
	return r;
}

static void virtio_close(struct link *link)
{
	struct virtio *virtio = link->more;

	if (!virtio)
		return;
	vhost_frontend_close(&virtio->frontend);
	for (unsigned int i = 0; i < QUEUE_COUNT; i++) {
		driver_ring_release(&virtio->queues[i].ring);
		if (virtio->queues[i].kick_fd >= 0)
			close(virtio->queues[i].kick_fd);
		if (virtio->queues[i].call_fd >= 0)
			close(virtio->queues[i].call_fd);
		if (virtio->queues[i].err_fd >= 0)
			close(virtio->queues[i].err_fd);
	}
	if (virtio->memory)
		munmap(virtio->memory, MEMORY_BYTES);
	if (virtio->memory_fd >= 0)
		close(virtio->memory_fd);
	free(virtio);
	link->more = NULL;
}

static int virtio_open(struct link *link)
{
	struct virtio *virtio = calloc(1, sizeof(*virtio));
	int r;

	if (!virtio) {
		log_error("out of memory");
		return -ENOMEM;
	}
	virtio->frontend.channel.fd = -1;
	virtio->memory_fd = -1;
	for (unsigned int i = 0; i < QUEUE_COUNT; i++) {
		struct queue *queue = &virtio->queues[i];

		queue->kick_fd = queue->call_fd = queue->err_fd = -1;
	}
	link->more = virtio;
	link->keeps_lengths = true;
	r = set_up(link, virtio);
	if (r < 0) {
		log_error("%s: not a vhost-user-fs device that can be used: "
			  "%s",
			  link->argument, strerror(-r));
		virtio_close(link);
	}
	return r;
}

static void drain(int event_fd)
{
	uint64_t count;

	/* That there is nothing to read is no error. */
	if (read(event_fd, &count, sizeof(count)) < 0)
		return;
}

/* What a guest that reboots does: nothing is under way after it. */
static int virtio_restart(struct link *link)
{
	struct virtio *virtio = link->more;
	int r = 0;

	if (!virtio)
		return -ENOTCONN;
	for (unsigned int i = 0; r == 0 && i < QUEUE_COUNT; i++) {
		unsigned int base;

		r = vhost_frontend_stop(&virtio->frontend, i, &base);
	}
	for (unsigned int i = 0; r == 0 && i < QUEUE_COUNT; i++) {
		drain(virtio->queues[i].call_fd);
		drain(virtio->queues[i].err_fd);
		driver_ring_release(&virtio->queues[i].ring);
		r = start_queue(virtio, i);
	}
	return r;
}

/* 0 once the device has used the buffer, with what it says it wrote. */
static int wait_used(struct virtio *virtio, struct queue *queue,
		     int64_t deadline, uint32_t *ret_len)
{
	struct pollfd pfds[3] = {
		{ .fd = queue->call_fd, .events = POLLIN },
		{ .fd = queue->err_fd, .events = POLLIN },
		{ .fd = virtio->frontend.channel.fd, .events = POLLRDHUP },
	};
	uint64_t count;
	void *token;
	int r;

	for (;;) {
		int64_t left = deadline - link_now();

		r = driver_ring_reap(&queue->ring, &token, ret_len);
		if (r != 0)
			return r < 0 ? r : 0;
		if (pfds[1].revents || pfds[2].revents)
			return -ECONNRESET;
		r = poll(pfds, 3, left > 0 ? (int)left : 0);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r == 0)
			return -ETIMEDOUT;
		if (read(queue->call_fd, &count, sizeof(count)) < 0 &&
		    errno != EAGAIN)
			return -errno;
	}
}

static unsigned int cut(struct driver_segment *segments, uint64_t addr,
			size_t header, size_t len)
{
	size_t first = len < header ? len : header;

	segments[0] =
		(struct driver_segment){ MEMORY_ADDR + addr, (uint32_t)first };
	segments[1] = (struct driver_segment){ MEMORY_ADDR + addr + first,
					       (uint32_t)(len - first) };
	return len > first ? 2 : 1;
}

static int virtio_send(struct link *link, const void *message, size_t len,
		       size_t room)
{
	struct virtio *virtio = link->more;
	struct queue *queue;
	struct driver_segment segments[4];
	unsigned int out, in = 0;
	uint64_t one = 1;
	uint32_t used;
	int r;

	if (!virtio)
		return -ENOTCONN;
	if (len == 0 || len > LINK_MESSAGE_MAX || room > LINK_MESSAGE_MAX)
		return -EMSGSIZE;
	queue = &virtio->queues[room ? 1 : 0];
	memcpy(virtio->memory + OUT_AT, message, len);
	memset(virtio->memory + IN_AT, 0xee, OUT_HEADER);
	out = cut(segments, OUT_AT, IN_HEADER, len);
	if (room)
		in = cut(segments + out, IN_AT, OUT_HEADER, room);
	r = driver_ring_add(&queue->ring, segments, out, in, queue);
	if (r < 0)
		return r;
	if (driver_ring_publish(&queue->ring) &&
	    write(queue->kick_fd, &one, sizeof(one)) < 0)
		return -errno;
	if (room)
		return 0;
	return wait_used(virtio, queue, link_now() + link->timeout, &used);
}

static ssize_t virtio_receive(struct link *link, void *message, size_t size,
			      int64_t deadline)
{
	struct virtio *virtio = link->more;
	uint32_t len;
	int r;

	if (!virtio)
		return -ENOTCONN;
	r = wait_used(virtio, &virtio->queues[1], deadline, &len);
	if (r < 0)
		return r;
	if (len > size || len > LINK_MESSAGE_MAX)
		return -EBADMSG;
	memcpy(message, virtio->memory + IN_AT, len);
	return len;
}

const struct link_ops virtio_link_ops = {
	.scheme = "virtio",
	.argument = "SOCKET",
	.help = "a vhost-user-fs device: crossfuse, virtiofsd",
	.open = virtio_open,
	.send = virtio_send,
	.receive = virtio_receive,
	.restart = virtio_restart,
	.close = virtio_close,
};
