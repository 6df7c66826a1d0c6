// SPDX-License-Identifier: BSD-2-Clause
/* A vhost-user-fs device: the probe is the driver, and its memory the guest. */
#include "../log.h"
#include "../vhost/driver.h"
#include "link.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_SIZE   64U
#define QUEUE_COUNT  2U /* for FORGET, and for all else */
#define MEMORY_ADDR  UINT64_C(0x40000000)
#define MEMORY_BYTES (2 * (size_t)LINK_MESSAGE_MAX)

/* As Linux cuts a message into buffers. */
#define IN_HEADER  40U
#define OUT_HEADER 16U

struct virtio {
	struct vhost_driver driver;
	char *in;  /* a request */
	char *out; /* its reply */
};

static int set_up(struct link *link, struct virtio *virtio)
{
	struct vhost_driver_config config = {
		.protocol_features = VHOST_PF_CONFIG,
		.queue_min = QUEUE_COUNT,
		.queue_max = QUEUE_COUNT,
		.queue_size = QUEUE_SIZE,
		.memory_addr = MEMORY_ADDR,
		.memory_size = MEMORY_BYTES,
		.timeout = (unsigned int)((link->timeout + 999) / 1000),
	};
	struct vhost_driver *driver = &virtio->driver;
	int fd = vhost_connect(link->argument);
	int r;

	if (fd < 0)
		return fd;
	r = vhost_driver_open(driver, fd, &config);
	if (r < 0)
		return r;
	virtio->in = vhost_driver_alloc(driver, LINK_MESSAGE_MAX);
	virtio->out = vhost_driver_alloc(driver, LINK_MESSAGE_MAX);
	return virtio->out ? vhost_driver_start(driver) : -ENOMEM;
}

static void virtio_close(struct link *link)
{
	struct virtio *virtio = link->more;

	if (!virtio)
		return;
	vhost_driver_close(&virtio->driver);
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
	virtio->driver = VHOST_DRIVER_NONE;
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

/* What a guest that reboots does: nothing is under way after it. */
static int virtio_restart(struct link *link)
{
	struct virtio *virtio = link->more;
	int r;

	if (!virtio)
		return -ENOTCONN;
	r = vhost_driver_stop(&virtio->driver);
	return r < 0 ? r : vhost_driver_start(&virtio->driver);
}

/* 0 once the device has used the buffer, with what it says it wrote. */
static int wait_used(struct virtio *virtio, struct vhost_driver_queue *queue,
		     int64_t deadline, uint32_t *ret_len)
{
	void *token;
	int r;

	for (;;) {
		int64_t left = deadline - link_now();

		r = driver_ring_reap(&queue->ring, &token, ret_len);
		if (r != 0)
			return r < 0 ? r : 0;
		r = vhost_driver_wait(&virtio->driver, queue,
				      left > 0 ? (int)left : 0);
		if (r < 0)
			return r == -EREMOTEIO ? -ECONNRESET : r;
	}
}

static unsigned int cut(const struct virtio *virtio,
			struct driver_segment *segments, const char *at,
			size_t header, size_t len)
{
	size_t first = len < header ? len : header;

	/* Memory of the driver's, and not at its end: this does not fail. */
	vhost_driver_segment(&virtio->driver, at, first, &segments[0]);
	vhost_driver_segment(&virtio->driver, at + first, len - first,
			     &segments[1]);
	return len > first ? 2 : 1;
}

static int virtio_send(struct link *link, const void *message, size_t len,
		       size_t room)
{
	struct virtio *virtio = link->more;
	struct vhost_driver_queue *queue;
	struct driver_segment segments[4] = { 0 };
	unsigned int out, in = 0;
	uint32_t used;
	int r;

	if (!virtio)
		return -ENOTCONN;
	if (len == 0 || len > LINK_MESSAGE_MAX || room > LINK_MESSAGE_MAX)
		return -EMSGSIZE;
	queue = &virtio->driver.queues[room ? 1 : 0];
	memcpy(virtio->in, message, len);
	memset(virtio->out, 0xee, OUT_HEADER);
	out = cut(virtio, segments, virtio->in, IN_HEADER, len);
	if (room)
		in = cut(virtio, segments + out, virtio->out, OUT_HEADER, room);
	r = driver_ring_add(&queue->ring, segments, out, in, queue);
	if (r < 0)
		return r;
	r = vhost_queue_kick(queue);
	if (r < 0 || room)
		return r < 0 ? r : 0;
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
	r = wait_used(virtio, &virtio->driver.queues[1], deadline, &len);
	if (r < 0)
		return r;
	if (len > size || len > LINK_MESSAGE_MAX)
		return -EBADMSG;
	memcpy(message, virtio->out, len);
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
