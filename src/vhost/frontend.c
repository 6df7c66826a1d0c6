// SPDX-License-Identifier: BSD-2-Clause
#include "frontend.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

int vhost_frontend_attach(struct vhost_frontend *frontend, int fd,
			  unsigned int timeout)
{
	struct timeval limit = { .tv_sec = (time_t)timeout };

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)))
		return -errno;
	*frontend = (struct vhost_frontend){
		.channel = { .fd = fd, .known = true },
		.region_max = VHOST_MAX_FDS,
	};
	return 0;
}

int vhost_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

void vhost_frontend_close(struct vhost_frontend *frontend)
{
	if (frontend->channel.fd >= 0)
		close(frontend->channel.fd);
	frontend->channel.fd = -1;
}

/* A read or a write that timed out says EAGAIN. */
static int plain_error(int error)
{
	return error == -EAGAIN ? -ETIMEDOUT : error;
}

/* Reads the answer to REQUEST, of LEN bytes. */
static int receive(struct vhost_frontend *frontend, uint32_t request,
		   struct vhost_message *ret_message, size_t len)
{
	struct vhost_message message;
	int fds[VHOST_MAX_FDS];
	unsigned int count = 0;
	int r;

	r = vhost_receive(&frontend->channel, &message, fds, &count);
	if (r < 0)
		return plain_error(r);
	if (r == 0)
		return -ECONNRESET;
	for (unsigned int i = 0; i < count; i++)
		close(fds[i]); /* no answer in use here brings any */
	if (message.header.request != request ||
	    !(message.header.flags & VHOST_FLAG_REPLY) ||
	    message.header.size != len)
		return -EPROTO;
	*ret_message = message;
	return 0;
}

static int send_message(struct vhost_frontend *frontend,
			struct vhost_message *message, const int *fds,
			unsigned int fd_count)
{
	int r;

	frontend->request = message->header.request;
	message->header.flags |= VHOST_FLAG_VERSION;
	r = vhost_send(&frontend->channel, message, fds, fd_count);
	return plain_error(r);
}

/* Sends a request without an answer of its own, and has it acknowledged. */
static int tell(struct vhost_frontend *frontend, struct vhost_message *message,
		const int *fds, unsigned int fd_count)
{
	bool ack = frontend->protocol_features & VHOST_PF_REPLY_ACK;
	uint32_t request = message->header.request;
	int r;

	if (ack)
		message->header.flags |= VHOST_FLAG_NEED_REPLY;
	r = send_message(frontend, message, fds, fd_count);
	if (r < 0 || !ack)
		return r;
	r = receive(frontend, request, message, sizeof(uint64_t));
	if (r < 0)
		return r;
	return message->payload.u64 ? -EREMOTEIO : 0;
}

static int tell_u64(struct vhost_frontend *frontend, uint32_t request,
		    uint64_t value)
{
	struct vhost_message message = {
		.header = { .request = request, .size = sizeof(value) },
		.payload.u64 = value,
	};

	return tell(frontend, &message, NULL, 0);
}

static int tell_state(struct vhost_frontend *frontend, uint32_t request,
		      unsigned int index, unsigned int num)
{
	struct vhost_message message = {
		.header = { .request = request,
			    .size = sizeof(message.payload.state) },
		.payload.state = { .index = index, .num = num },
	};

	return tell(frontend, &message, NULL, 0);
}

static int tell_plain(struct vhost_frontend *frontend, uint32_t request)
{
	struct vhost_message message = { .header.request = request };

	return tell(frontend, &message, NULL, 0);
}

static int ask_u64(struct vhost_frontend *frontend, uint32_t request,
		   uint64_t *ret_value)
{
	struct vhost_message message = { .header.request = request };
	int r;

	r = send_message(frontend, &message, NULL, 0);
	if (r == 0)
		r = receive(frontend, request, &message, sizeof(uint64_t));
	if (r == 0)
		*ret_value = message.payload.u64;
	return r;
}

/* How many of something the back end has: from 1 to MOST. */
static int ask_count(struct vhost_frontend *frontend, uint32_t request,
		     uint64_t most, unsigned int *ret_count)
{
	uint64_t value;
	int r;

	r = ask_u64(frontend, request, &value);
	if (r < 0)
		return r;
	if (value == 0 || value > most)
		return -EPROTO;
	*ret_count = (unsigned int)value;
	return 0;
}

static int negotiate_protocol(struct vhost_frontend *frontend, uint64_t wanted)
{
	uint64_t value;
	int r;

	r = ask_u64(frontend, VHOST_GET_PROTOCOL_FEATURES, &value);
	if (r < 0)
		return r;
	value &= wanted;
	r = tell_u64(frontend, VHOST_SET_PROTOCOL_FEATURES, value);
	if (r < 0)
		return r;
	frontend->protocol_features = value;
	if (value & VHOST_PF_MQ) {
		r = ask_count(frontend, VHOST_GET_QUEUE_NUM,
			      VHOST_VRING_INDEX_MASK + 1, &frontend->queue_max);
		if (r < 0)
			return r;
	}
	if (value & VHOST_PF_CONFIGURE_MEM_SLOTS)
		return ask_count(frontend, VHOST_GET_MAX_MEM_SLOTS, UINT32_MAX,
				 &frontend->region_max);
	return 0;
}

int vhost_frontend_negotiate(struct vhost_frontend *frontend, uint64_t wanted,
			     uint64_t required, uint64_t wanted_protocol)
{
	uint64_t offered;
	int r;

	r = ask_u64(frontend, VHOST_GET_FEATURES, &offered);
	if (r < 0)
		return r;
	if ((offered & required) != required)
		return -EOPNOTSUPP;
	frontend->features = offered & (wanted | required);
	if (offered & VHOST_F_PROTOCOL_FEATURES) {
		r = negotiate_protocol(frontend, wanted_protocol);
		if (r < 0)
			return r;
		/* Queues then wait for SET_VRING_ENABLE. */
		frontend->features |= VHOST_F_PROTOCOL_FEATURES;
	}
	r = tell_plain(frontend, VHOST_SET_OWNER);
	if (r < 0)
		return r;
	return tell_u64(frontend, VHOST_SET_FEATURES, frontend->features);
}

int vhost_frontend_set_memory(struct vhost_frontend *frontend,
			      const struct vhost_region *regions,
			      const int *fds, unsigned int count)
{
	struct vhost_message message = {
		.header.request = VHOST_SET_MEM_TABLE,
		.payload.memory.count = count,
	};
	size_t bytes = count * sizeof(*regions);

	if (count > VHOST_MAX_FDS)
		return -E2BIG;
	memcpy(message.payload.memory.regions, regions, bytes);
	message.header.size =
		(uint32_t)(offsetof(struct vhost_memory, regions) + bytes);
	return tell(frontend, &message, fds, count);
}

static int tell_region(struct vhost_frontend *frontend, uint32_t request,
		       const struct vhost_region *region, int fd)
{
	struct vhost_message message = {
		.header = { .request = request,
			    .size = sizeof(message.payload.region) },
		.payload.region.region = *region,
	};

	if (!(frontend->protocol_features & VHOST_PF_CONFIGURE_MEM_SLOTS))
		return -EOPNOTSUPP;
	return tell(frontend, &message, &fd, fd < 0 ? 0 : 1);
}

int vhost_frontend_add_memory(struct vhost_frontend *frontend,
			      const struct vhost_region *region, int fd)
{
	return tell_region(frontend, VHOST_ADD_MEM_REG, region, fd);
}

int vhost_frontend_remove_memory(struct vhost_frontend *frontend,
				 const struct vhost_region *region)
{
	return tell_region(frontend, VHOST_REM_MEM_REG, region, -1);
}

static int set_fd(struct vhost_frontend *frontend, uint32_t request,
		  unsigned int index, int fd)
{
	struct vhost_message message = {
		.header = { .request = request, .size = sizeof(uint64_t) },
		.payload.u64 = index | (fd < 0 ? VHOST_VRING_NOFD : 0),
	};

	return tell(frontend, &message, &fd, fd < 0 ? 0 : 1);
}

static int set_addr(struct vhost_frontend *frontend, unsigned int index,
		    const struct vhost_frontend_ring *ring)
{
	struct vhost_message message = {
		.header = { .request = VHOST_SET_VRING_ADDR,
			    .size = sizeof(message.payload.addr) },
		.payload.addr = { .index = index,
				  .desc = ring->desc,
				  .used = ring->used,
				  .avail = ring->avail },
	};

	return tell(frontend, &message, NULL, 0);
}

int vhost_frontend_start(struct vhost_frontend *frontend, unsigned int index,
			 const struct vhost_frontend_ring *ring)
{
	int r;

	if (index > VHOST_VRING_INDEX_MASK)
		return -EINVAL;
	r = tell_state(frontend, VHOST_SET_VRING_NUM, index, ring->num);
	if (r == 0)
		r = tell_state(frontend, VHOST_SET_VRING_BASE, index,
			       ring->base);
	if (r == 0)
		r = set_addr(frontend, index, ring);
	if (r == 0 && ring->err_fd >= 0)
		r = set_fd(frontend, VHOST_SET_VRING_ERR, index, ring->err_fd);
	if (r == 0)
		r = set_fd(frontend, VHOST_SET_VRING_CALL, index,
			   ring->call_fd);
	if (r == 0)
		r = set_fd(frontend, VHOST_SET_VRING_KICK, index,
			   ring->kick_fd);
	if (r == 0 && frontend->features & VHOST_F_PROTOCOL_FEATURES)
		r = tell_state(frontend, VHOST_SET_VRING_ENABLE, index, 1);
	return r;
}

int vhost_frontend_stop(struct vhost_frontend *frontend, unsigned int index,
			unsigned int *ret_base)
{
	struct vhost_message message = {
		.header = { .request = VHOST_GET_VRING_BASE,
			    .size = sizeof(message.payload.state) },
		.payload.state.index = index,
	};
	int r;

	r = send_message(frontend, &message, NULL, 0);
	if (r == 0)
		r = receive(frontend, VHOST_GET_VRING_BASE, &message,
			    sizeof(message.payload.state));
	if (r < 0)
		return r;
	if (message.payload.state.index != index)
		return -EPROTO;
	*ret_base = message.payload.state.num;
	return 0;
}

int vhost_frontend_get_config(struct vhost_frontend *frontend,
			      unsigned int offset, void *buf, unsigned int len)
{
	struct vhost_message message = {
		.header.request = VHOST_GET_CONFIG,
		.payload.config = { .offset = offset, .size = len },
	};
	int r;

	if (!(frontend->protocol_features & VHOST_PF_CONFIG))
		return -EOPNOTSUPP;
	if (len > VHOST_CONFIG_MAX)
		return -E2BIG;
	message.header.size =
		(uint32_t)offsetof(struct vhost_config, data) + len;
	r = send_message(frontend, &message, NULL, 0);
	if (r == 0)
		r = receive(frontend, VHOST_GET_CONFIG, &message,
			    offsetof(struct vhost_config, data) + len);
	if (r == 0)
		memcpy(buf, message.payload.config.data, len);
	return r;
}

int vhost_frontend_reset(struct vhost_frontend *frontend)
{
	if (!(frontend->protocol_features & VHOST_PF_RESET_DEVICE))
		return -EOPNOTSUPP;
	return tell_plain(frontend, VHOST_RESET_DEVICE);
}

int vhost_frontend_sync(struct vhost_frontend *frontend)
{
	uint64_t features;

	return ask_u64(frontend, VHOST_GET_FEATURES, &features);
}
