// SPDX-License-Identifier: BSD-2-Clause
#include "../../log.h"
#include "../../socket.h"
#include "virtio.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MONITOR_PREFIX "qemu-system-"

/* Connections that have not said anything yet; the oldest gives way. */
#define SILENT_MAX 16

static int socket_option(int fd, int option)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -1
								    : value;
}

/* --fd: *RET_LISTENS says whether a connection must be accepted yet. */
static int check_inherited(int fd, bool *ret_listens)
{
	struct sockaddr_un peer;
	socklen_t len = sizeof(peer);

	if (socket_option(fd, SO_DOMAIN) != AF_UNIX ||
	    socket_option(fd, SO_TYPE) != SOCK_STREAM) {
		log_error("file descriptor %d is not a Unix stream socket: "
			  "pass one that listens or is connected",
			  fd);
		return -ENOTSOCK;
	}
	*ret_listens = socket_option(fd, SO_ACCEPTCONN) == 1;
	if (!*ret_listens &&
	    getpeername(fd, (struct sockaddr *)&peer, &len) < 0) {
		log_error("file descriptor %d neither listens nor is "
			  "connected",
			  fd);
		return -ENOTCONN;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

struct silent {
	int fds[SILENT_MAX];
	unsigned int count;
};

static void silent_remove(struct silent *silent, unsigned int index)
{
	silent->count--;
	memmove(silent->fds + index, silent->fds + index + 1,
		(silent->count - index) * sizeof(*silent->fds));
}

/* 0 or -errno, logged. */
static int silent_accept(struct silent *silent, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), r;

	if (fd < 0) {
		if (errno == EINTR || errno == ECONNABORTED || errno == EAGAIN)
			return 0;
		r = -errno;
		log_error("cannot accept a connection: %m");
		return r;
	}
	if (silent->count == SILENT_MAX) {
		close(silent->fds[0]);
		silent_remove(silent, 0);
	}
	silent->fds[silent->count++] = fd;
	return 0;
}

/* The first that has something to say: taken out; -1: none. Who left goes. */
static int silent_take(struct silent *silent, const struct pollfd *ready,
		       unsigned int count)
{
	for (unsigned int i = count; i-- > 0;) {
		int fd = silent->fds[i];
		ssize_t n;
		char byte;

		if (!ready[i].revents)
			continue;
		n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		silent_remove(silent, i);
		if (n == 1)
			return fd;
		close(fd);
	}
	return -1;
}

/* As below, for one time that something happens; -EAGAIN: go on. */
static int wait_for_talker(struct silent *silent, int listener, int stop_fd,
			   int *ret_fd)
{
	struct pollfd ready[2 + SILENT_MAX] = {
		{ .fd = stop_fd, .events = POLLIN },
		{ .fd = listener, .events = POLLIN },
	};
	unsigned int count = silent->count;
	int fd, r;

	for (unsigned int i = 0; i < count; i++)
		ready[2 + i] = (struct pollfd){ .fd = silent->fds[i],
						.events = POLLIN };
	if (poll(ready, 2 + count, -1) < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (ready[0].revents)
		return 0;
	fd = silent_take(silent, ready + 2, count);
	if (fd >= 0) {
		*ret_fd = fd;
		return 1;
	}
	r = ready[1].revents ? silent_accept(silent, listener) : 0;
	return r < 0 ? r : -EAGAIN;
}

/*
 * Waits for a front end that says something: a connection that is closed
 * without a word was only somebody who asks whether the socket is taken, and
 * one that stays silent keeps out nobody.
 */
static int accept_talker(int listener, int stop_fd, int *ret_fd)
{
	struct silent silent = { .count = 0 };
	int r;

	do
		r = wait_for_talker(&silent, listener, stop_fd, ret_fd);
	while (r == -EAGAIN);
	while (silent.count)
		close(silent.fds[--silent.count]);
	return r;
}

void virtio_socket_close(struct virtio_socket *sock)
{
	if (sock->fd >= 0)
		close(sock->fd);
	sock->fd = -1;
}

int virtio_socket_accept(struct virtio_socket *sock, int stop_fd, int *ret_fd)
{
	int r;

	if (sock->fd < 0)
		return 0;
	if (!sock->listens) {
		*ret_fd = sock->fd;
		sock->fd = -1;
		return 1;
	}
	r = accept_talker(sock->fd, stop_fd, ret_fd);
	/* The next one shall be refused at once, not wait. */
	if (!virtio_options.keep)
		virtio_socket_close(sock);
	return r;
}

/* What the program of process PID emulates; NULL if that is not known. */
static char *machine_of(const struct ucred *peer)
{
	char link[64], program[PATH_MAX];
	const size_t prefix = strlen(MONITOR_PREFIX);
	struct stat st;
	ssize_t n;
	char *name;

	if (peer->pid <= 0)
		return NULL;
	snprintf(link, sizeof(link), "/proc/%ld", (long)peer->pid);
	/* The process may be another one by now; its owner tells. */
	if (stat(link, &st) < 0 || (st.st_uid != peer->uid && st.st_uid != 0))
		return NULL;
	snprintf(link, sizeof(link), "/proc/%ld/exe", (long)peer->pid);
	n = readlink(link, program, sizeof(program) - 1);
	if (n < 0)
		return NULL;
	program[n] = '\0';
	name = strrchr(program, '/');
	if (!name || strncmp(name + 1, MONITOR_PREFIX, prefix) != 0)
		return NULL;
	name += 1 + prefix;
	/* " (deleted)" after an upgrade */
	name[strcspn(name, " ")] = '\0';
	return *name ? strdup(name) : NULL;
}

char *virtio_socket_machine(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return NULL;
	return machine_of(&peer);
}

int virtio_socket_open(struct virtio_socket *sock, const char *path)
{
	int fd = virtio_options.listen_fd;

	*sock = (struct virtio_socket){ .fd = -1, .listens = true };
	if (fd >= 0 && path) {
		log_error("--fd and virtio:%s: give one of them", path);
		return -EINVAL;
	}
	if (fd < 0 && !path) {
		log_error("virtio: wants a socket: give virtio:SOCKET or --fd");
		return -EINVAL;
	}
	if (path) {
		fd = socket_listen_at(path, SOCK_STREAM, SILENT_MAX);
		if (fd < 0)
			return fd;
		log_info("waiting for the monitor to connect to %s", path);
	} else {
		int r = check_inherited(fd, &sock->listens);

		if (r < 0)
			return r;
	}
	if (virtio_options.keep && !sock->listens) {
		log_error("--keep: file descriptor %d is connected: pass one "
			  "that listens",
			  fd);
		return -EINVAL;
	}
	sock->fd = fd;
	return 0;
}
