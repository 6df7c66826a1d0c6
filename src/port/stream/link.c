// SPDX-License-Identifier: BSD-2-Clause
#include "../../log.h"
#include "stream.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Received at once, for small messages; large ones go where they belong. */
#define BUFFER_SIZE 65536

/* A message may take a second more for each of so many bytes. */
#define SLOWEST 4096

/* Pieces of a message. */
#define PIECES 80

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int stream_timeout_ms(void)
{
	const uint64_t day = 24 * 60 * 60;
	uint64_t seconds = stream_options.timeout;

	return (int)(seconds < day ? seconds : day) * 1000;
}

static int socket_number(int fd, int option)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -errno
								    : value;
}

int link_init(struct link *link, int in, int out, struct layer *layer)
{
	int ret = -ENOMEM;

	*link = (struct link){ .in = in, .out = out, .layer = layer };
	link->packet = socket_number(in, SO_TYPE) == SOCK_SEQPACKET;
	link->size = link->packet ? STREAM_MAX_MESSAGE : BUFFER_SIZE;
	pthread_mutex_init(&link->write_lock, NULL);
	link->buffer = malloc(link->size);
	link->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (link->end_fd < 0)
		ret = -errno;
	else if (link->buffer)
		ret = 0;
	if (ret == 0 && (fcntl(in, F_SETFL, fcntl(in, F_GETFL) | O_NONBLOCK) |
			 fcntl(out, F_SETFL, fcntl(out, F_GETFL) | O_NONBLOCK)))
		ret = -errno;
	if (ret < 0)
		link_destroy(link);
	return ret;
}

void link_destroy(struct link *link)
{
	if (link->layer)
		link->layer->ops->free(link->layer);
	/* A process that was forked meanwhile may still have it. */
	shutdown(link->in, SHUT_RDWR);
	close(link->in);
	if (link->out != link->in)
		close(link->out);
	if (link->end_fd >= 0)
		close(link->end_fd);
	pthread_mutex_destroy(&link->write_lock);
	free(link->buffer);
}

void link_end(struct link *link)
{
	uint64_t one = 1;
	int error = errno;

	atomic_store(&link->ended, true);
	/* It can only fail if it was called very often before. */
	if (write(link->end_fd, &one, sizeof(one)) < 0)
		errno = error;
}

static int why_ended(const struct link *link)
{
	int failed = atomic_load(&link->failed);

	return failed ? failed : -ECANCELED;
}

/* Waits for EVENTS of FD until DEADLINE (-1: for ever). 0 or -errno. */
static int wait_for(struct link *link, int fd, short events, int64_t deadline)
{
	struct pollfd ready[] = {
		{ .fd = fd, .events = events },
		{ .fd = link->end_fd, .events = POLLIN },
	};

	for (;;) {
		int64_t left = deadline < 0 ? -1 : deadline - now_ms();
		int ret;

		if (atomic_load(&link->ended))
			return why_ended(link);
		if (deadline >= 0 && left < 0)
			return -ETIMEDOUT;
		ret = poll(ready, 2, left > INT_MAX ? INT_MAX : (int)left);
		if (ret < 0 && errno != EINTR)
			return -errno;
		if (ret > 0 && ready[1].revents)
			return why_ended(link);
		if (ret > 0)
			return 0;
	}
}

int link_handshake(struct link *link, const char *name)
{
	int64_t deadline = now_ms() + stream_timeout_ms();
	const struct layer_ops *ops;
	int ret;

	if (!link->layer)
		return 0;
	ops = link->layer->ops;
	do {
		ret = ops->handshake(link->layer);
		if (ret <= 0)
			break;
		ret = wait_for(link, link->in, (short)ret, deadline);
	} while (ret == 0);
	if (ret == 0)
		log_info("%s: %s", name, ops->peer(link->layer));
	else if (ret != -ECANCELED)
		log_error("%s: not connected: %s", name, link_error(link, ret));
	return ret;
}

/* Up to SIZE bytes. Their number, 0 at the end; -EAGAIN: none yet; -errno. */
static ssize_t pull(struct link *link, void *bytes, size_t size)
{
	ssize_t n;

	if (link->layer)
		return link->layer->ops->read(link->layer, bytes, size);
	n = link->packet ? recv(link->in, bytes, size, MSG_TRUNC)
			 : read(link->in, bytes, size);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return (size_t)n > size ? -EMSGSIZE : n;
}

/* The same, waiting. */
static ssize_t pull_until(struct link *link, void *bytes, size_t size,
			  int64_t deadline)
{
	for (;;) {
		ssize_t n;
		int ret;

		if (atomic_load(&link->ended))
			return why_ended(link);
		n = pull(link, bytes, size);
		if (n != -EAGAIN)
			return n;
		ret = wait_for(link, link->in, POLLIN, deadline);
		if (ret < 0)
			return ret;
	}
}

/* Whether what is received is a record of TLS, and no message's length. */
static bool is_tls(const struct link *link)
{
	const char *at = link->buffer + link->start;

	return !link->layer && link->end - link->start >= 3 && at[0] >= 0x14 &&
	       at[0] <= 0x17 && at[1] == 3 && at[2] <= 4;
}

int link_wait(struct link *link, int timeout)
{
	ssize_t n;

	if (link->start == link->end) {
		n = pull_until(link, link->buffer, link->size,
			       timeout < 0 ? -1 : now_ms() + timeout);
		if (n <= 0)
			return (int)n;
		link->start = 0;
		link->end = (size_t)n;
	}
	if (!link->begun && is_tls(link))
		return -EPROTONOSUPPORT;
	link->begun = true;
	link->deadline = now_ms() + stream_timeout_ms();
	return 1;
}

/* Some of the next LEN bytes, more than none. */
static ssize_t read_some(struct link *link, char *bytes, size_t len)
{
	size_t have = link->end - link->start;
	ssize_t n;

	if (!have) {
		if (link->packet)
			return -EBADMSG; /* it is at its end */
		if (bytes && len >= link->size / 2) {
			n = pull_until(link, bytes, len, link->deadline);
			goto received;
		}
		n = pull_until(link, link->buffer, link->size, link->deadline);
		if (n <= 0)
			goto received;
		link->start = 0;
		link->end = have = (size_t)n;
		link->deadline += n * 1000 / SLOWEST;
	}
	if (len > have)
		len = have;
	if (bytes)
		memcpy(bytes, link->buffer + link->start, len);
	link->start += len;
	return (ssize_t)len;
received:
	if (n > 0)
		link->deadline += n * 1000 / SLOWEST;
	return n ? n : -ECONNRESET;
}

int link_read(struct link *link, void *bytes, size_t len)
{
	char *at = bytes;

	while (len) {
		ssize_t n = read_some(link, at, len);

		if (n < 0)
			return (int)n;
		if (at)
			at += n;
		len -= (size_t)n;
	}
	return 0;
}

int link_skip(struct link *link, size_t len)
{
	return link_read(link, NULL, len);
}

int link_check_end(const struct link *link)
{
	return link->packet && link->start != link->end ? -EBADMSG : 0;
}

/* Drops the first DONE bytes of *IOV. */
static void advance(struct iovec **iov, int *count, size_t done)
{
	while (*count && done >= (*iov)->iov_len) {
		done -= (*iov)->iov_len;
		++*iov;
		--*count;
	}
	if (*count) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + done;
		(*iov)->iov_len -= done;
	}
}

/* What goes out of these pieces; -EAGAIN, nothing yet; -errno. */
static ssize_t push(struct link *link, const struct iovec *piece, int count)
{
	ssize_t n;

	if (link->layer)
		return link->layer->ops->write(link->layer, piece, count);
	n = writev(link->out, piece, count);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return n;
}

/* With the lock held; PIECE is the caller's to be changed. */
static int push_all(struct link *link, struct iovec *piece, int count)
{
	int64_t deadline = -1;

	while (count) {
		ssize_t n;
		int ret;

		if (atomic_load(&link->ended))
			return why_ended(link);
		n = push(link, piece, count);
		if (n >= 0) {
			advance(&piece, &count, (size_t)n);
			if (deadline >= 0)
				deadline += n * 1000 / SLOWEST;
			continue;
		}
		if (n != -EAGAIN)
			return (int)n;
		if (deadline < 0)
			deadline = now_ms() + stream_timeout_ms();
		ret = wait_for(link, link->out, POLLOUT, deadline);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int link_write(struct link *link, const struct iovec *iov, int count)
{
	struct iovec piece[PIECES];
	int ret, none = 0;

	if (count > PIECES)
		return -EMSGSIZE;
	memcpy(piece, iov, (size_t)count * sizeof(*iov));
	pthread_mutex_lock(&link->write_lock);
	ret = push_all(link, piece, count);
	/* Half of it may have gone: nothing can follow. */
	if (ret < 0) {
		if (!atomic_load(&link->ended))
			atomic_compare_exchange_strong(&link->failed, &none,
						       ret);
		link_end(link);
	}
	pthread_mutex_unlock(&link->write_lock);
	return ret;
}

size_t link_packet_max(const struct link *link)
{
	int size;

	if (!link->packet)
		return SIZE_MAX;
	size = socket_number(link->out, SO_SNDBUF);
	/* What the kernel needs for itself, see unix_dgram_sendmsg(). */
	return size > 4096 ? (size_t)size - 64 : 4096;
}

const char *link_error(const struct link *link, int error)
{
	switch (error) {
	case -EPROTO:
		if (link->layer)
			return link->layer->ops->error(link->layer);
		break;
	case -EPROTONOSUPPORT:
		return "it speaks TLS: say --tls-certificates or --tls-psk "
		       "here, too";
	case 0:
	case -ECONNRESET:
	case -EPIPE:
		return "it has closed the connection";
	case -ETIMEDOUT:
		return "it stalls; --peer-timeout says for how long it may";
	case -EBADMSG:
	case -EMSGSIZE:
		return "what it sends is no FUSE message";
	}
	return strerror(-error);
}
