// SPDX-License-Identifier: BSD-2-Clause
#include "../log.h"
#include "device_request.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* How long the rest of a message may take, and a place for an answer. */
#define MESSAGE_SECONDS 3

void vhost_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int vhost_take_fd(struct request *rq)
{
	int fd = rq->fd_count ? rq->fds[0] : -1;

	if (rq->fd_count)
		rq->fds[0] = -1;
	return fd;
}

/* A peer that reads no answers must not hold up the end. */
static void limit_patience(int fd)
{
	struct timeval limit = { .tv_sec = MESSAGE_SECONDS };

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

int vhost_device_init(struct vhost_device *device,
		      const struct vhost_device_ops *ops, int fd,
		      unsigned int queue_max)
{
	memset(device, 0, sizeof(*device));
	device->memory = memory_new();
	if (!device->memory)
		return -ENOMEM;
	limit_patience(fd);
	device->ops = ops;
	device->channel.fd = fd;
	device->offered = VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC |
			  VIRTIO_F_EVENT_IDX | VHOST_F_PROTOCOL_FEATURES;
	device->offered_protocol =
		VHOST_PF_MQ | VHOST_PF_REPLY_ACK | VHOST_PF_BACKEND_REQ |
		VHOST_PF_BACKEND_SEND_FD | VHOST_PF_RESET_DEVICE |
		VHOST_PF_CONFIGURE_MEM_SLOTS;
	device->backend_fd = -1;
	device->queue_max = queue_max < VHOST_QUEUES_MAX ? queue_max
							 : VHOST_QUEUES_MAX;
	for (unsigned int i = 0; i < VHOST_QUEUES_MAX; i++)
		device->rings[i].kick = -1;
	return 0;
}

void vhost_device_set_stop(struct vhost_device *device, int stop_fd)
{
	device->channel.message_seconds = MESSAGE_SECONDS;
	device->channel.stop_fd = stop_fd;
}

void vhost_device_offer_config(struct vhost_device *device, const void *config,
			       size_t len)
{
	device->config = config;
	device->config_len = len;
	device->offered_protocol |= VHOST_PF_CONFIG;
}

/*
 * The rings go over to MEMORY while they run; but where the front end takes
 * back some that it gave, no request may be in it any more.
 */
static int set_memory(struct vhost_device *device, struct memory *memory)
{
	struct memory *old = device->memory;
	bool shrinks = !memory_includes(memory, old);
	int r = 0;

	if (shrinks)
		vhost_device_stop(device);
	device->memory = memory;
	device->ops->memory_changed(device);
	if (shrinks)
		r = vhost_device_start(device);
	memory_drop(old);
	return r;
}

static int reply_u64(struct request *rq, uint64_t value)
{
	rq->message.header.size = sizeof(uint64_t);
	rq->message.payload.u64 = value;
	return REPLY;
}

/* Handlers: 0, REPLY, or -errno after a log line. */

static int get_features(struct vhost_device *device, struct request *rq)
{
	return reply_u64(rq, device->offered);
}

static int set_features(struct vhost_device *device, struct request *rq)
{
	uint64_t features = rq->message.payload.u64;

	if (features & ~device->offered) {
		log_error("the front end wants features that were not "
			  "offered: %#llx",
			  (unsigned long long)(features & ~device->offered));
		return -EINVAL;
	}
	device->features = features;
	return 0;
}

static int get_protocol_features(struct vhost_device *device,
				 struct request *rq)
{
	return reply_u64(rq, device->offered_protocol);
}

static int set_protocol_features(struct vhost_device *device,
				 struct request *rq)
{
	uint64_t features = rq->message.payload.u64;

	if (features & ~device->offered_protocol) {
		log_error("the front end wants protocol features that were "
			  "not offered: %#llx",
			  (unsigned long long)(features &
					       ~device->offered_protocol));
		return -EINVAL;
	}
	device->protocol = features;
	return 0;
}

static int get_queue_num(struct vhost_device *device, struct request *rq)
{
	return reply_u64(rq, device->queue_max);
}

static int set_owner(struct vhost_device *device, struct request *rq)
{
	(void)device;
	(void)rq;
	return 0;
}

static int reset(struct vhost_device *device, struct request *rq)
{
	(void)rq;
	log_debug("the device is reset");
	vhost_device_reset(device);
	return 0;
}

/* One region more in *MEMORY. */
static int add_region(struct memory **memory, const struct vhost_region *region,
		      int fd)
{
	struct memory *new;
	const char *why = "it came without a descriptor";
	int r = -EINVAL;

	if (fd >= 0)
		r = memory_add(*memory, region, fd, &new, &why);
	if (r < 0) {
		log_error("memory region at guest address %#llx, %#llx bytes: "
			  "%s: %s",
			  (unsigned long long)region->guest_addr,
			  (unsigned long long)region->size, why, strerror(-r));
		return r;
	}
	memory_drop(*memory);
	*memory = new;
	return 0;
}

static int set_mem_table(struct vhost_device *device, struct request *rq)
{
	const struct vhost_memory *table = &rq->message.payload.memory;
	struct memory *memory;
	int r = 0;

	if (table->count > VHOST_MAX_FDS || table->count != rq->fd_count ||
	    rq->message.header.size <
		    offsetof(struct vhost_memory, regions) +
			    table->count * sizeof(*table->regions)) {
		log_error("a memory table of %u regions with %u descriptors",
			  table->count, rq->fd_count);
		return -EINVAL;
	}
	memory = memory_new();
	if (!memory)
		return -ENOMEM;
	for (unsigned int i = 0; i < table->count && r == 0; i++)
		r = add_region(&memory, &table->regions[i], rq->fds[i]);
	if (r < 0) {
		memory_drop(memory);
		return r;
	}
	return set_memory(device, memory);
}

static int get_max_mem_slots(struct vhost_device *device, struct request *rq)
{
	(void)device;
	return reply_u64(rq, MEMORY_SLOTS_MAX);
}

static int add_mem_reg(struct vhost_device *device, struct request *rq)
{
	struct memory *memory = memory_hold(device->memory);
	int r;

	r = add_region(&memory, &rq->message.payload.region.region,
		       rq->fd_count == 1 ? rq->fds[0] : -1);
	if (r < 0) {
		memory_drop(memory);
		return r;
	}
	return set_memory(device, memory);
}

static int rem_mem_reg(struct vhost_device *device, struct request *rq)
{
	struct memory *memory;
	int r;

	r = memory_remove(device->memory, &rq->message.payload.region.region,
			  &memory);
	if (r < 0) {
		log_error("a memory region is to be removed that is not there");
		return r;
	}
	return set_memory(device, memory);
}

static int set_backend_req_fd(struct vhost_device *device, struct request *rq)
{
	if (rq->fd_count != 1) {
		log_error("SET_BACKEND_REQ_FD with %u descriptors",
			  rq->fd_count);
		return -EINVAL;
	}
	vhost_close_fd(&device->backend_fd);
	device->backend_fd = vhost_take_fd(rq);
	return 0;
}

static int get_config(struct vhost_device *device, struct request *rq)
{
	struct vhost_config *config = &rq->message.payload.config;
	const char *from = device->config;
	uint32_t size = config->size;

	if (!from || size > VHOST_CONFIG_MAX ||
	    config->offset > VHOST_CONFIG_MAX - size) {
		/* No payload tells the front end that it failed. */
		rq->message.header.size = 0;
		return REPLY;
	}
	memset(config->data, 0, sizeof(config->data));
	for (uint32_t i = 0; i < size; i++)
		if (config->offset + i < device->config_len)
			config->data[i] = (uint8_t)from[config->offset + i];
	rq->message.header.size =
		(uint32_t)offsetof(struct vhost_config, data) + size;
	return REPLY;
}

static int set_config(struct vhost_device *device, struct request *rq)
{
	(void)device;
	(void)rq;
	log_error("the front end writes to the device's configuration, which "
		  "is read-only");
	return -EPERM;
}

/*
 * What there is, with the least payload it takes. REPLIES: the front end waits
 * for an answer even where it did not ask for an acknowledgement.
 */
static const struct {
	int (*handle)(struct vhost_device *device, struct request *rq);
	uint32_t size;
	bool replies;
} handlers[VHOST_REQUEST_COUNT] = {
	[VHOST_GET_FEATURES] = { get_features, 0, true },
	[VHOST_SET_FEATURES] = { set_features, 8, false },
	[VHOST_SET_OWNER] = { set_owner, 0, false },
	[VHOST_RESET_OWNER] = { reset, 0, false },
	[VHOST_SET_MEM_TABLE] = { set_mem_table, 8, false },
	[VHOST_SET_VRING_NUM] = { vhost_set_vring_num, 8, false },
	[VHOST_SET_VRING_ADDR] = { vhost_set_vring_addr, 40, false },
	[VHOST_SET_VRING_BASE] = { vhost_set_vring_base, 8, false },
	[VHOST_GET_VRING_BASE] = { vhost_get_vring_base, 8, true },
	[VHOST_SET_VRING_KICK] = { vhost_set_vring_kick, 8, false },
	[VHOST_SET_VRING_CALL] = { vhost_set_vring_call, 8, false },
	[VHOST_SET_VRING_ERR] = { vhost_set_vring_err, 8, false },
	[VHOST_GET_PROTOCOL_FEATURES] = { get_protocol_features, 0, true },
	[VHOST_SET_PROTOCOL_FEATURES] = { set_protocol_features, 8, false },
	[VHOST_GET_QUEUE_NUM] = { get_queue_num, 0, true },
	[VHOST_SET_VRING_ENABLE] = { vhost_set_vring_enable, 8, false },
	[VHOST_SET_BACKEND_REQ_FD] = { set_backend_req_fd, 0, false },
	[VHOST_GET_CONFIG] = { get_config, 12, true },
	[VHOST_SET_CONFIG] = { set_config, 12, false },
	[VHOST_RESET_DEVICE] = { reset, 0, false },
	[VHOST_GET_MAX_MEM_SLOTS] = { get_max_mem_slots, 0, true },
	[VHOST_ADD_MEM_REG] = { add_mem_reg, 40, false },
	[VHOST_REM_MEM_REG] = { rem_mem_reg, 40, false },
};

/* Requests that expect an answer of their own form, known here or not. */
static bool expects_reply(uint32_t request)
{
	switch (request) {
	case VHOST_SET_LOG_BASE:
	case VHOST_CREATE_CRYPTO_SESSION:
	case VHOST_POSTCOPY_ADVISE:
	case VHOST_POSTCOPY_END:
	case VHOST_GET_INFLIGHT_FD:
	case VHOST_GET_STATUS:
	case VHOST_GET_SHARED_OBJECT:
	case VHOST_SET_DEVICE_STATE_FD:
	case VHOST_CHECK_DEVICE_STATE:
		return true;
	default:
		return request < VHOST_REQUEST_COUNT &&
		       handlers[request].replies;
	}
}

static int dispatch(struct vhost_device *device, struct request *rq)
{
	const struct vhost_header *header = &rq->message.header;

	if (header->request >= VHOST_REQUEST_COUNT ||
	    !handlers[header->request].handle) {
		log_error("request %u (%s) of the front end is not supported",
			  header->request, vhost_request_name(header->request));
		return -EOPNOTSUPP;
	}
	if (header->size < handlers[header->request].size) {
		log_error("request %s of the front end is cut short",
			  vhost_request_name(header->request));
		return -EPROTO;
	}
	return handlers[header->request].handle(device, rq);
}

/* Answers a request that was handled with RESULT, where it wants that. */
static int answer(struct vhost_device *device, struct request *rq,
		  uint32_t request, bool asked, int result)
{
	struct vhost_header *header = &rq->message.header;
	int r;

	if (result < 0 && expects_reply(request)) {
		log_error("the front end waits for an answer to %s that there "
			  "is not: the connection ends",
			  vhost_request_name(request));
		return -EPROTO;
	}
	if (result != REPLY) {
		/* Set by this very message, it counts for it already. */
		if (!asked || !(device->protocol & VHOST_PF_REPLY_ACK))
			return 1;
		reply_u64(rq, result < 0);
	}
	header->flags = VHOST_FLAG_VERSION | VHOST_FLAG_REPLY;
	r = vhost_send(&device->channel, &rq->message, NULL, 0);
	if (r == -EPIPE || r == -ECONNRESET)
		return 0;
	if (r < 0) {
		log_error("cannot answer the front end: %s", strerror(-r));
		return r;
	}
	return 1;
}

int vhost_device_handle(struct vhost_device *device)
{
	struct request rq;
	uint32_t request;
	bool asked;
	int r;

	r = vhost_receive(&device->channel, &rq.message, rq.fds, &rq.fd_count);
	if (r == 0 || r == -ECONNRESET)
		return 0;
	if (r == -ECANCELED) /* the caller knows */
		return 1;
	if (r == -EPROTO || r == -EAGAIN) {
		log_error("the front end sent a message that is not of the "
			  "vhost-user protocol: the connection ends");
		return r;
	}
	if (r < 0) {
		log_error("cannot read from the front end: %s", strerror(-r));
		return r;
	}
	request = rq.message.header.request;
	asked = rq.message.header.flags & VHOST_FLAG_NEED_REPLY;
	log_debug("front end: %s", vhost_request_name(request));
	r = dispatch(device, &rq);
	for (unsigned int i = 0; i < rq.fd_count; i++)
		vhost_close_fd(&rq.fds[i]);
	return answer(device, &rq, request, asked, r);
}

void vhost_device_destroy(struct vhost_device *device)
{
	for (unsigned int i = 0; i < VHOST_QUEUES_MAX; i++)
		vhost_close_fd(&device->rings[i].kick);
	vhost_close_fd(&device->backend_fd);
	vhost_close_fd(&device->channel.fd);
	memory_drop(device->memory);
	device->memory = NULL;
}
