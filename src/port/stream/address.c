// SPDX-License-Identifier: BSD-2-Clause
#include "../../log.h"
#include "../../socket.h"
#include "stream.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

/* Connections that wait to be accepted. */
#define BACKLOG 16

static const struct {
	const char *scheme;
	enum address_kind kind;
} schemes[] = {
	{ "unix:", ADDRESS_UNIX },   { "unixpacket:", ADDRESS_UNIXPACKET },
	{ "vsock:", ADDRESS_VSOCK }, { "tcp:", ADDRESS_TCP },
	{ "cmd:", ADDRESS_COMMAND },
};

static int parse_number(const char *text, uint32_t *ret_number)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9' || value > UINT32_MAX)
		return -EINVAL;
	*ret_number = (uint32_t)value;
	return 0;
}

/* HOST:PORT, [HOST]:PORT */
static int split_host(struct address *address, char *text)
{
	char *colon = strrchr(text, ':');

	if (!colon || colon == text || !colon[1])
		return -EINVAL;
	*colon = '\0';
	address->port = colon + 1;
	if (*text == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		text++;
	}
	address->host = text;
	return 0;
}

static int parse_rest(struct address *address, char *rest)
{
	char *colon;

	if (!*rest)
		return -EINVAL;
	switch (address->kind) {
	case ADDRESS_TCP:
		return split_host(address, rest);
	case ADDRESS_VSOCK:
		colon = strchr(rest, ':');
		if (!colon)
			return -EINVAL;
		*colon = '\0';
		if (strcmp(rest, "any") == 0)
			address->cid = VMADDR_CID_ANY;
		else if (parse_number(rest, &address->cid) < 0)
			return -EINVAL;
		return parse_number(colon + 1, &address->vsock_port);
	default:
		address->path = rest;
		return 0;
	}
}

int address_parse(const char *port, const char *text,
		  struct address *ret_address)
{
	struct address address = { 0 };
	int ret = -EINVAL;

	if (!text)
		text = "";
	address.text = strdup(text);
	address.copy = strdup(text);
	if (!address.text || !address.copy) {
		address_free(&address);
		return -ENOMEM;
	}
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i].scheme);

		if (strncmp(text, schemes[i].scheme, len) != 0)
			continue;
		address.kind = schemes[i].kind;
		ret = parse_rest(&address, address.copy + len);
		break;
	}
	if (address.kind == ADDRESS_COMMAND && strcmp(port, "listen") == 0)
		ret = -EINVAL;
	if (ret < 0) {
		log_error("%s:%s: say %s:unix:PATH, unixpacket:PATH, "
			  "vsock:CID:PORT%s or tcp:HOST:PORT",
			  port, text, port,
			  strcmp(port, "listen") ? ", cmd:COMMAND" : "");
		address_free(&address);
		return ret;
	}
	*ret_address = address;
	return 0;
}

void address_free(struct address *address)
{
	free(address->text);
	free(address->copy);
	memset(address, 0, sizeof(*address));
}

bool address_is_local(const struct address *address)
{
	struct in6_addr six;
	struct in_addr four;

	if (address->kind != ADDRESS_TCP)
		return true;
	if (inet_pton(AF_INET, address->host, &four) == 1)
		return (ntohl(four.s_addr) >> 24) == 127;
	if (inet_pton(AF_INET6, address->host, &six) == 1)
		return IN6_IS_ADDR_LOOPBACK(&six);
	/* Any other name may lead anywhere. */
	return strcmp(address->host, "localhost") == 0;
}

void stream_socket_setup(int fd)
{
	const int on = 1, idle = 30, interval = 10, probes = 3;
	const int packet = 4 * STREAM_MAX_MESSAGE, dead = stream_timeout_ms();

	/* Each of them fails on the other kinds of sockets. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead, sizeof(dead));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &packet,
		       sizeof(packet)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &packet, sizeof(packet));
}

/* A socket of one of a name's addresses; or -errno, not logged. */
static int tcp_socket(const struct addrinfo *at, bool listens)
{
	const int on = 1;
	int fd, ret;

	fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (listens) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		ret = bind(fd, at->ai_addr, at->ai_addrlen);
		if (ret == 0)
			ret = listen(fd, BACKLOG);
	} else {
		const struct timeval limit = {
			.tv_sec = (time_t)stream_options.timeout,
		};

		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		ret = connect(fd, at->ai_addr, at->ai_addrlen);
	}
	if (ret == 0)
		return fd;
	ret = errno == EINPROGRESS ? -ETIMEDOUT : -errno;
	close(fd);
	return ret;
}

static int tcp_open(const struct address *address, bool listens)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	int ret;

	ret = getaddrinfo(address->host, address->port, &hints, &list);
	if (ret) {
		log_error("%s: %s: name a host and a port", address->text,
			  gai_strerror(ret));
		return -EHOSTUNREACH;
	}
	ret = -EHOSTUNREACH;
	for (const struct addrinfo *at = list; at && ret < 0; at = at->ai_next)
		ret = tcp_socket(at, listens);
	freeaddrinfo(list);
	return ret;
}

static int vsock_open(const struct address *address, bool listens)
{
	const struct sockaddr_vm vm = { .svm_family = AF_VSOCK,
					.svm_cid = address->cid,
					.svm_port = address->vsock_port };
	int fd, ret;

	fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (listens) {
		ret = bind(fd, (const struct sockaddr *)&vm, sizeof(vm));
		if (ret == 0)
			ret = listen(fd, BACKLOG);
	} else {
		ret = connect(fd, (const struct sockaddr *)&vm, sizeof(vm));
	}
	if (ret == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

static int unix_type(const struct address *address)
{
	return address->kind == ADDRESS_UNIX ? SOCK_STREAM : SOCK_SEQPACKET;
}

static int unix_connect(const struct address *address)
{
	struct sockaddr_un un;
	int fd, ret;

	ret = socket_address(address->path, &un);
	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, unix_type(address) | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

int address_listen(const struct address *address)
{
	int fd;

	switch (address->kind) {
	case ADDRESS_TCP:
		fd = tcp_open(address, true);
		break;
	case ADDRESS_VSOCK:
		fd = vsock_open(address, true);
		break;
	default:
		return socket_listen_at(address->path, unix_type(address),
					BACKLOG);
	}
	if (fd < 0 && fd != -EHOSTUNREACH)
		log_error("cannot listen at %s: %s: choose another address",
			  address->text, strerror(-fd));
	return fd;
}

int address_connect(const struct address *address, bool again, pid_t *ret_child)
{
	int fd;

	*ret_child = 0;
	switch (address->kind) {
	case ADDRESS_TCP:
		fd = tcp_open(address, false);
		break;
	case ADDRESS_VSOCK:
		fd = vsock_open(address, false);
		break;
	case ADDRESS_COMMAND:
		fd = command_start(address->path, ret_child);
		break;
	default:
		fd = unix_connect(address);
		break;
	}
	if (fd >= 0)
		stream_socket_setup(fd);
	else if (again)
		log_debug("cannot connect to %s: %s", address->text,
			  strerror(-fd));
	else
		log_error("cannot connect to %s: %s: start the server there",
			  address->text, strerror(-fd));
	return fd;
}
