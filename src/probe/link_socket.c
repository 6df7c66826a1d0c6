// SPDX-License-Identifier: BSD-2-Clause
/* Servers at a descriptor: a socket, a child's socket pair, a device. */
#include "../log.h"
#include "link.h"
#include <byteswap.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The descriptor that a command finds its client at. */
#define CHILD_FD 3

#define HEADER_LEN 16U

static int wait_for(struct link *link, short events, int64_t deadline)
{
	struct pollfd pfd = { .fd = link->fd, .events = events };
	int64_t left;
	int r;

	do {
		left = deadline - link_now();
		r = poll(&pfd, 1, left > 0 ? (int)left : 0);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r ? 0 : -ETIMEDOUT;
}

static int socket_send(struct link *link, const void *message, size_t len,
		       size_t room)
{
	int64_t deadline = link_now() + link->timeout;
	const char *at = message;
	ssize_t n;
	int r;

	(void)room;
	while (len) {
		r = wait_for(link, POLLOUT, deadline);
		if (r < 0)
			return r;
		n = write(link->fd, at, len);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return errno == EPIPE ? -ECONNRESET : -errno;
		if (n < 0)
			continue;
		at += n;
		len -= (size_t)n;
		if (len && link->keeps_lengths)
			return -EMSGSIZE;
	}
	return 0;
}

/* One read of SIZE bytes at most; never 0. */
static ssize_t receive_some(struct link *link, void *buf, size_t size,
			    int64_t deadline)
{
	ssize_t n;
	int r;

	do {
		r = wait_for(link, POLLIN, deadline);
		if (r < 0)
			return r;
		n = read(link->fd, buf, size);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	if (n < 0)
		return -errno;
	return n ? n : -ECONNRESET;
}

static int receive_all(struct link *link, char *buf, size_t len,
		       int64_t deadline)
{
	while (len) {
		ssize_t n = receive_some(link, buf, len, deadline);

		if (n < 0)
			return (int)n;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A length in the wrong byte order is taken too: the probe tells of it. */
static ssize_t stream_length(const struct link *link, const void *header,
			     size_t size)
{
	uint32_t len;

	memcpy(&len, header, sizeof(len));
	if (link->swap)
		len = bswap_32(len);
	if (len >= HEADER_LEN && len <= size)
		return len;
	len = bswap_32(len);
	if (len >= HEADER_LEN && len <= size)
		return len;
	return -EBADMSG;
}

static ssize_t socket_receive(struct link *link, void *message, size_t size,
			      int64_t deadline)
{
	ssize_t len;
	int r;

	if (link->keeps_lengths)
		return receive_some(link, message, size, deadline);
	r = receive_all(link, message, HEADER_LEN, deadline);
	if (r < 0)
		return r;
	len = stream_length(link, message, size);
	if (len < 0)
		return len;
	r = receive_all(link, (char *)message + HEADER_LEN,
			(size_t)len - HEADER_LEN, deadline);
	return r < 0 ? r : len;
}

static void socket_close(struct link *link)
{
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
}

static int socket_try(const struct sockaddr_un *addr, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static int connect_open(struct link *link)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(link->argument) >= sizeof(addr.sun_path)) {
		log_error("%s: the path is too long for a socket",
			  link->argument);
		return -ENAMETOOLONG;
	}
	strcpy(addr.sun_path, link->argument);
	link->keeps_lengths = true;
	fd = socket_try(&addr, SOCK_SEQPACKET);
	if (fd == -EPROTOTYPE) {
		link->keeps_lengths = false;
		fd = socket_try(&addr, SOCK_STREAM);
	}
	if (fd < 0) {
		log_error("cannot connect to %s: %s", link->argument,
			  strerror(-fd));
		return fd;
	}
	link->fd = fd;
	return 0;
}

/* Anything but a stream socket or a pipe, such as /dev/fuse, keeps lengths. */
static bool is_stream(int fd)
{
	socklen_t len = sizeof(int);
	int type = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0)
		return type == SOCK_STREAM;
	return false;
}

static int fd_open(struct link *link)
{
	char *end;
	long fd = strtol(link->argument, &end, 10);

	if (*end || fd < 0 || fd > 1 << 20) {
		log_error("fd:%s: give a number", link->argument);
		return -EINVAL;
	}
	link->fd = dup((int)fd);
	if (link->fd < 0) {
		log_error("fd:%s: %m", link->argument);
		return -EBADF;
	}
	link->keeps_lengths = !is_stream(link->fd);
	return 0;
}

/* Runs in the child. */
static void run_command(const char *command, int fd)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGPIPE, SIG_DFL);
	/* The probe's own output stays its own. */
	dup2(STDERR_FILENO, STDOUT_FILENO);
	if (fd == CHILD_FD) /* dup2() would leave it to be closed */
		fd = dup(fd);
	if (fd < 0 || dup2(fd, CHILD_FD) < 0)
		_exit(127);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static int exec_open(struct link *link)
{
	int type = link->prefer_stream ? SOCK_STREAM : SOCK_SEQPACKET;
	int pair[2];
	pid_t child;

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) < 0) {
		log_error("socket pair: %m");
		return -errno;
	}
	child = fork();
	if (child < 0) {
		log_error("cannot start a process: %m");
		close(pair[0]);
		close(pair[1]);
		return -EAGAIN;
	}
	if (child == 0)
		run_command(link->argument, pair[1]);
	setpgid(child, child); /* whoever comes first */
	close(pair[1]);
	link->fd = pair[0];
	link->child = child;
	link->keeps_lengths = !link->prefer_stream;
	return 0;
}

static void nap(void)
{
	struct timespec ts = { .tv_nsec = 5000000 };

	nanosleep(&ts, NULL);
}

/* Closing the socket ends most servers; what is left is made to end. */
static void exec_close(struct link *link)
{
	int64_t start = link_now();
	bool told = false;

	socket_close(link);
	if (link->child <= 0)
		return;
	while (waitpid(link->child, NULL, WNOHANG) == 0) {
		int64_t passed = link_now() - start;

		if (passed > 3000)
			kill(-link->child, SIGKILL);
		else if (passed > 200 && !told)
			told = kill(-link->child, SIGTERM) == 0;
		nap();
	}
	/* What the shell may have started beside it. */
	kill(-link->child, SIGKILL);
	link->child = 0;
}

const struct link_ops connect_link_ops = {
	.scheme = "connect",
	.argument = "PATH",
	.help = "a Unix socket that keeps messages apart, or a stream",
	.renewable = true,
	.open = connect_open,
	.send = socket_send,
	.receive = socket_receive,
	.close = socket_close,
};

const struct link_ops fd_link_ops = {
	.scheme = "fd",
	.argument = "N",
	.help = "a descriptor that is open already",
	.open = fd_open,
	.send = socket_send,
	.receive = socket_receive,
	.close = socket_close,
};

const struct link_ops exec_link_ops = {
	.scheme = "exec",
	.argument = "COMMAND",
	.help = "a program that serves its descriptor 3",
	.renewable = true,
	.open = exec_open,
	.send = socket_send,
	.receive = socket_receive,
	.close = exec_close,
};
