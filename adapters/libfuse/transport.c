/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages in and out of a descriptor, whatever it is. */
#include "adapter.h"
#include "libfuse.h"
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* While it waits for a slow peer, how often a thread asks if all is over. */
enum {
	LOOK_UP_MS = 500
};

/* A thread that was cancelled leaves this lock to the next one. */
void cf_transport_lock(struct adapter *a)
{
	if (pthread_mutex_lock(&a->reading) == EOWNERDEAD)
		pthread_mutex_consistent(&a->reading);
}

/* Only this may be cancelled: everything else is over soon. */
static ssize_t read_some(struct adapter *a, int fd, void *buf, size_t size,
			 int cancel)
{
	ssize_t n;

	pthread_setcancelstate(cancel, NULL);
	if (a->transport == TRANSPORT_PACKETS)
		n = recv(fd, buf, size, MSG_TRUNC);
	else
		n = read(fd, buf, size);
	n = n < 0 ? -errno : n;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	if (n == 0 || n == -ECONNRESET || n == -EPIPE)
		return -ENODEV;
	return n;
}

static int wait_for(int fd, short events, int cancel)
{
	struct pollfd pollfd = { .fd = fd, .events = events };
	int n;

	pthread_setcancelstate(cancel, NULL);
	n = poll(&pollfd, 1, LOOK_UP_MS);
	n = n < 0 ? -errno : n;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	return n < 0 && n != -EINTR ? n : 0;
}

/* The rest of a message whose beginning is there: LEN bytes. */
static ssize_t read_rest(struct adapter *a, int fd, uint8_t *buf, size_t len,
			 int cancel)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = read_some(a, fd, buf + done, len - done, cancel);
		if (n == -EAGAIN)
			n = wait_for(fd, POLLIN, cancel);
		else if (n == -EINTR)
			n = 0;
		if (n < 0)
			return n;
		done += (size_t)n;
		if (done < len && !n && fuse_session_exited(a->se))
			return -ENODEV;
	}
	return (ssize_t)len;
}

static ssize_t request_len(struct adapter *a, const void *start, size_t size)
{
	ssize_t len;

	pthread_rwlock_rdlock(&a->gate);
	len = crossfuse_stream_request_len(&a->session, start, IN_HEADER, size);
	pthread_rwlock_unlock(&a->gate);
	return len;
}

/*
 * A header, then what it says. Where a header makes no sense, the beginning of
 * the next is not known either: that is the end of the connection.
 */
static ssize_t receive_stream(struct adapter *a, int fd, uint8_t *buf,
			      size_t size, int cancel)
{
	ssize_t len, n;

	if (size < IN_HEADER)
		return -EINVAL;
	/* The rest of a message went with the thread that was reading it. */
	if (a->midway)
		return -ENODEV;
	n = read_some(a, fd, buf, IN_HEADER, cancel);
	if (n < 0)
		return n;
	a->midway = true;
	n = read_rest(a, fd, buf + n, IN_HEADER - (size_t)n, cancel);
	if (n < 0)
		return n;
	len = request_len(a, buf, size);
	if (len < 0)
		return -ENODEV;
	n = read_rest(a, fd, buf + IN_HEADER, (size_t)len - IN_HEADER, cancel);
	if (n < 0)
		return n;
	a->midway = false;
	return len;
}

ssize_t cf_transport_receive(struct adapter *a, int fd, void *buf, size_t size,
			     int cancel)
{
	/* As the kernel has it: libfuse then takes a larger buffer. */
	if (size < atomic_load(&a->room))
		return -EINVAL;
	if (a->transport == TRANSPORT_STREAM)
		return receive_stream(a, fd, buf, size, cancel);
	return read_some(a, fd, buf, size, cancel);
}

static ssize_t write_some(const struct adapter *a, int fd, struct iovec *iov,
			  int count)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)count };
	ssize_t n;

	if (a->socket)
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	else
		n = writev(fd, iov, count);
	return n < 0 ? -errno : n;
}

static int advance(struct iovec **iov, int count, size_t done)
{
	while (count && done >= (*iov)->iov_len) {
		done -= (*iov)->iov_len;
		(*iov)++;
		count--;
	}
	if (count) {
		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + done;
		(*iov)->iov_len -= done;
	}
	return count;
}

/* Whatever keeps messages whole is done with them at once. */
static int write_all(const struct adapter *a, int fd, struct iovec *iov,
		     int count)
{
	ssize_t n;

	while (count) {
		n = write_some(a, fd, iov, count);
		if (n == -EAGAIN && fuse_session_exited(a->se))
			return -ECONNABORTED;
		if (n == -EAGAIN)
			n = wait_for(fd, POLLOUT, PTHREAD_CANCEL_DISABLE);
		else if (n == -EINTR)
			n = 0;
		else if (n >= 0 && a->transport != TRANSPORT_STREAM)
			return 0;
		if (n < 0)
			return (int)n;
		count = advance(&iov, count, (size_t)n);
	}
	return 0;
}

int cf_transport_send(struct adapter *a, int fd, struct iovec *iov, int count)
{
	int err;

	if (a->transport != TRANSPORT_STREAM)
		return write_all(a, fd, iov, count);
	pthread_mutex_lock(&a->writing);
	err = write_all(a, fd, iov, count);
	pthread_mutex_unlock(&a->writing);
	return err;
}
