// SPDX-License-Identifier: BSD-2-Clause
#include "proto.h"
#include "../thread.h"
#include <byteswap.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a payload consists of, as far as byte order is concerned. */
enum payload_form {
	FORM_NONE,
	FORM_U64,
	FORM_STATE,  /* struct vhost_vring_state */
	FORM_ADDR,   /* struct vhost_vring_addr */
	FORM_MEMORY, /* struct vhost_memory */
	FORM_REGION, /* struct vhost_single_region */
	FORM_CONFIG, /* struct vhost_config: its data is not the protocol's */
};

/*
 * A reply has the form of its request, or FORM_U64 if the request has none or
 * the reply is but an acknowledgement (told by its length).
 */
static const struct {
	const char *name;
	enum payload_form form;
} requests[VHOST_REQUEST_COUNT] = {
	[VHOST_GET_FEATURES] = { "GET_FEATURES", FORM_NONE },
	[VHOST_SET_FEATURES] = { "SET_FEATURES", FORM_U64 },
	[VHOST_SET_OWNER] = { "SET_OWNER", FORM_NONE },
	[VHOST_RESET_OWNER] = { "RESET_OWNER", FORM_NONE },
	[VHOST_SET_MEM_TABLE] = { "SET_MEM_TABLE", FORM_MEMORY },
	[VHOST_SET_LOG_BASE] = { "SET_LOG_BASE", FORM_U64 },
	[VHOST_SET_LOG_FD] = { "SET_LOG_FD", FORM_NONE },
	[VHOST_SET_VRING_NUM] = { "SET_VRING_NUM", FORM_STATE },
	[VHOST_SET_VRING_ADDR] = { "SET_VRING_ADDR", FORM_ADDR },
	[VHOST_SET_VRING_BASE] = { "SET_VRING_BASE", FORM_STATE },
	[VHOST_GET_VRING_BASE] = { "GET_VRING_BASE", FORM_STATE },
	[VHOST_SET_VRING_KICK] = { "SET_VRING_KICK", FORM_U64 },
	[VHOST_SET_VRING_CALL] = { "SET_VRING_CALL", FORM_U64 },
	[VHOST_SET_VRING_ERR] = { "SET_VRING_ERR", FORM_U64 },
	[VHOST_GET_PROTOCOL_FEATURES] = { "GET_PROTOCOL_FEATURES", FORM_NONE },
	[VHOST_SET_PROTOCOL_FEATURES] = { "SET_PROTOCOL_FEATURES", FORM_U64 },
	[VHOST_GET_QUEUE_NUM] = { "GET_QUEUE_NUM", FORM_NONE },
	[VHOST_SET_VRING_ENABLE] = { "SET_VRING_ENABLE", FORM_STATE },
	[VHOST_SEND_RARP] = { "SEND_RARP", FORM_U64 },
	[VHOST_NET_SET_MTU] = { "NET_SET_MTU", FORM_U64 },
	[VHOST_SET_BACKEND_REQ_FD] = { "SET_BACKEND_REQ_FD", FORM_NONE },
	[VHOST_IOTLB_MSG] = { "IOTLB_MSG", FORM_NONE },
	[VHOST_SET_VRING_ENDIAN] = { "SET_VRING_ENDIAN", FORM_STATE },
	[VHOST_GET_CONFIG] = { "GET_CONFIG", FORM_CONFIG },
	[VHOST_SET_CONFIG] = { "SET_CONFIG", FORM_CONFIG },
	[VHOST_CREATE_CRYPTO_SESSION] = { "CREATE_CRYPTO_SESSION", FORM_NONE },
	[VHOST_CLOSE_CRYPTO_SESSION] = { "CLOSE_CRYPTO_SESSION", FORM_U64 },
	[VHOST_POSTCOPY_ADVISE] = { "POSTCOPY_ADVISE", FORM_NONE },
	[VHOST_POSTCOPY_LISTEN] = { "POSTCOPY_LISTEN", FORM_NONE },
	[VHOST_POSTCOPY_END] = { "POSTCOPY_END", FORM_NONE },
	[VHOST_GET_INFLIGHT_FD] = { "GET_INFLIGHT_FD", FORM_NONE },
	[VHOST_SET_INFLIGHT_FD] = { "SET_INFLIGHT_FD", FORM_NONE },
	[VHOST_GPU_SET_SOCKET] = { "GPU_SET_SOCKET", FORM_NONE },
	[VHOST_RESET_DEVICE] = { "RESET_DEVICE", FORM_NONE },
	[VHOST_VRING_KICK] = { "VRING_KICK", FORM_STATE },
	[VHOST_GET_MAX_MEM_SLOTS] = { "GET_MAX_MEM_SLOTS", FORM_NONE },
	[VHOST_ADD_MEM_REG] = { "ADD_MEM_REG", FORM_REGION },
	[VHOST_REM_MEM_REG] = { "REM_MEM_REG", FORM_REGION },
	[VHOST_SET_STATUS] = { "SET_STATUS", FORM_U64 },
	[VHOST_GET_STATUS] = { "GET_STATUS", FORM_NONE },
	[VHOST_GET_SHARED_OBJECT] = { "GET_SHARED_OBJECT", FORM_NONE },
	[VHOST_SET_DEVICE_STATE_FD] = { "SET_DEVICE_STATE_FD", FORM_NONE },
	[VHOST_CHECK_DEVICE_STATE] = { "CHECK_DEVICE_STATE", FORM_NONE },
};

const char *vhost_request_name(uint32_t request)
{
	if (request >= VHOST_REQUEST_COUNT || !requests[request].name)
		return "?";
	return requests[request].name;
}

static void swap32(uint32_t *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		words[i] = bswap_32(words[i]);
}

static void swap64(uint64_t *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		words[i] = bswap_64(words[i]);
}

static enum payload_form form_of(uint32_t request, bool reply, size_t len)
{
	enum payload_form form = FORM_NONE;

	if (request < VHOST_REQUEST_COUNT)
		form = requests[request].form;
	if (!reply)
		return form;
	if (form == FORM_NONE)
		return FORM_U64;
	/* An acknowledgement of a longer request, not of a vring state. */
	if (len == sizeof(uint64_t) && form != FORM_STATE)
		return FORM_U64;
	if (form == FORM_STATE && request != VHOST_GET_VRING_BASE)
		return FORM_U64;
	return form;
}

void vhost_swap_payload(uint32_t request, bool reply,
			union vhost_payload *payload, size_t len)
{
	void *at = payload;

	switch (form_of(request, reply, len)) {
	case FORM_NONE:
		break;
	case FORM_U64:
		swap64(at, 1);
		break;
	case FORM_STATE:
		swap32(at, 2);
		break;
	case FORM_ADDR:
		swap32(at, 2);
		swap64(&payload->addr.desc, 4);
		break;
	case FORM_MEMORY:
		swap32(at, 2);
		for (size_t i = 0; i < VHOST_MAX_FDS; i++)
			swap64(&payload->memory.regions[i].guest_addr, 4);
		break;
	case FORM_REGION:
		swap64(at, sizeof(payload->region) / sizeof(uint64_t));
		break;
	case FORM_CONFIG:
		swap32(at, 3);
		break;
	}
}

void vhost_swap_header(struct vhost_header *header)
{
	swap32(&header->request, 3);
}

static bool plausible(const struct vhost_header *header)
{
	return header->request > 0 && header->request < 0x10000 &&
	       (header->flags & VHOST_FLAG_VERSION_MASK) ==
		       VHOST_FLAG_VERSION &&
	       header->size <= sizeof(union vhost_payload);
}

static void close_all(const int *fds, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		close(fds[i]);
}

/*
 * Stores the descriptors of a message in FDS; -EPROTO, with all of them
 * closed, if there are more of them than fit.
 */
static int take_fds(struct msghdr *msg, int *fds, unsigned int *ret_count)
{
	unsigned int count = 0;
	bool excess = msg->msg_flags & MSG_CTRUNC;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int),
			       sizeof(int));
			if (count < VHOST_MAX_FDS) {
				fds[count++] = fd;
			} else {
				close(fd);
				excess = true;
			}
		}
	}
	if (excess) {
		close_all(fds, count);
		return -EPROTO;
	}
	*ret_count = count;
	return 0;
}

/* 0, -EAGAIN at UNTIL, or -ECANCELED. */
static int wait_readable(const struct vhost_channel *channel, uint64_t until)
{
	struct pollfd fds[] = {
		{ .fd = channel->fd, .events = POLLIN },
		{ .fd = channel->stop_fd, .events = POLLIN },
	};

	for (;;) {
		uint64_t now = thread_now();

		if (now >= until)
			return -EAGAIN;
		if (poll(fds, 2, (int)((until - now) / 1000000) + 1) < 0 &&
		    errno != EINTR)
			return -errno;
		if (fds[1].revents)
			return -ECANCELED;
		if (fds[0].revents)
			return 0;
	}
}

/*
 * Reads LEN bytes, the descriptors included that come with them; 1, 0 at the
 * end of the stream before the first byte, or -errno.
 */
static int receive_bytes(const struct vhost_channel *channel, uint64_t until,
			 void *buf, size_t len, int *fds,
			 unsigned int *fd_count)
{
	size_t done = 0;

	while (done < len) {
		/* Room for one too many, so that an excess is seen. */
		union {
			char bytes[CMSG_SPACE((VHOST_MAX_FDS + 1) *
					      sizeof(int))];
			struct cmsghdr align;
		} control;
		struct iovec iov = { (char *)buf + done, len - done };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = &control,
				      .msg_controllen = sizeof(control) };
		int more[VHOST_MAX_FDS];
		unsigned int more_count = 0;
		ssize_t n;
		int r;

		r = channel->message_seconds ? wait_readable(channel, until)
					     : 0;
		if (r < 0)
			return r;
		n = recvmsg(channel->fd, &msg, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		r = take_fds(&msg, more, &more_count);
		if (r < 0)
			return r;
		if (more_count > VHOST_MAX_FDS - *fd_count) {
			close_all(more, more_count);
			return -EPROTO;
		}
		memcpy(fds + *fd_count, more, more_count * sizeof(int));
		*fd_count += more_count;
		if (n == 0)
			return done ? -EPROTO : 0;
		done += (size_t)n;
	}
	return 1;
}

/* Checks the header, and finds out its byte order if it is the first one. */
static int accept_header(struct vhost_channel *channel,
			 struct vhost_header *header)
{
	if (!channel->known) {
		struct vhost_header other = *header;

		vhost_swap_header(&other);
		channel->swapped = !plausible(header) && plausible(&other);
		channel->known = true;
	}
	if (channel->swapped)
		vhost_swap_header(header);
	return plausible(header) ? 0 : -EPROTO;
}

int vhost_receive(struct vhost_channel *channel, struct vhost_message *message,
		  int fds[VHOST_MAX_FDS], unsigned int *ret_fd_count)
{
	uint64_t until = thread_now() + channel->message_seconds * SECOND_NS;
	unsigned int fd_count = 0;
	int r;

	/* What a short payload leaves out is 0, not the last message's. */
	memset(message, 0, sizeof(*message));
	r = receive_bytes(channel, until, &message->header,
			  sizeof(message->header), fds, &fd_count);
	if (r <= 0)
		goto fail;
	r = accept_header(channel, &message->header);
	if (r < 0)
		goto fail;
	if (message->header.size) {
		r = receive_bytes(channel, until, &message->payload,
				  message->header.size, fds, &fd_count);
		if (r == 0)
			r = -EPROTO;
		if (r < 0)
			goto fail;
	}
	if (channel->swapped)
		vhost_swap_payload(message->header.request,
				   message->header.flags & VHOST_FLAG_REPLY,
				   &message->payload, message->header.size);
	*ret_fd_count = fd_count;
	return 1;
fail:
	close_all(fds, fd_count);
	return r;
}

/* MORE: the other part of the message follows. */
static int send_bytes(int fd, const void *buf, size_t len, const int *fds,
		      unsigned int fd_count, bool more)
{
	union {
		char bytes[CMSG_SPACE(VHOST_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	size_t done = 0;

	while (done < len) {
		struct iovec iov = { (char *)(uintptr_t)buf + done,
				     len - done };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n;

		if (fd_count && !done) {
			struct cmsghdr *c = &control.align;

			msg.msg_control = &control;
			msg.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
			memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
		}
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int vhost_send(struct vhost_channel *channel,
	       const struct vhost_message *message, const int *fds,
	       unsigned int fd_count)
{
	struct vhost_message copy = *message;
	uint32_t size = copy.header.size;
	int r;

	if (size > sizeof(copy.payload) || fd_count > VHOST_MAX_FDS)
		return -EINVAL;
	if (channel->swapped) {
		vhost_swap_payload(copy.header.request,
				   copy.header.flags & VHOST_FLAG_REPLY,
				   &copy.payload, copy.header.size);
		vhost_swap_header(&copy.header);
	}
	/* In memory there may be a gap between the two. */
	r = send_bytes(channel->fd, &copy.header, sizeof(copy.header), fds,
		       fd_count, size != 0);
	if (r < 0 || !size)
		return r;
	return send_bytes(channel->fd, &copy.payload, size, NULL, 0, false);
}
