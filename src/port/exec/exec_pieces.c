// SPDX-License-Identifier: BSD-2-Clause
/*
 * A daemon that splices a reply to its device sends it in several packets. Its
 * other threads may send theirs in between: whole ones are told by the number
 * of a call in flight, which no file's bytes hold by chance. Where two come in
 * pieces at once, both fail, for whose a piece is cannot be told.
 */
#include "exec.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_REPLY ((1u << 20) + 65536)

/* Between two pieces of a reply, before a client that has cancelled is let go. */
#define PATIENCE_MS 100

struct pieces {
	struct exec_server *server;
	char *reply;
	size_t len, have;
	struct call *other; /* another call, whose reply is in pieces too */
};

/* Whether LEN bytes at START may be the beginning of a message. */
static bool may_begin(const void *start, size_t len)
{
	struct cf_out_header header;

	if (len < sizeof(header))
		return false;
	memcpy(&header, start, sizeof(header));
	return header.len >= len && header.len <= MAX_REPLY &&
	       header.error <= 0 && header.error > -4096;
}

/* One packet more. False: it was not to be made sense of. */
static bool add(struct pieces *pieces, char *packet, size_t len)
{
	const struct cf_out_header *header = (const void *)packet;
	struct call *call = NULL;

	if (may_begin(packet, len))
		call = relay_take(pieces->server->relay, packet);
	if (call && header->len == len) {
		exec_answer(pieces->server, call, packet, len);
		return true;
	}
	if (call || len > pieces->len - pieces->have) {
		pieces->other = call;
		return false;
	}
	memcpy(pieces->reply + pieces->have, packet, len);
	pieces->have += len;
	return true;
}

/* False: nothing comes any more, and nobody wants it. */
static bool more_comes(const struct exec_server *server)
{
	struct pollfd ready = { .fd = server->daemon.fd, .events = POLLIN };

	while (poll(&ready, 1, PATIENCE_MS) <= 0)
		if (atomic_load(&server->cancelled))
			return false;
	return true;
}

/* 1: it is whole; 0: it cannot be; -errno: the socket is no more. */
static int collect(struct pieces *pieces, char *packet)
{
	while (pieces->have < pieces->len) {
		struct iovec iov = { packet, MAX_REPLY };
		ssize_t n;

		if (!more_comes(pieces->server))
			return 0;
		n = exec_receive(pieces->server->daemon.fd, &iov, 1, 0);
		if (n <= 0)
			return n < 0 ? (int)n : -ENOTCONN;
		if (!add(pieces, packet, (size_t)n))
			return 0;
	}
	return 1;
}

int exec_receive_pieces(struct exec_server *server, struct call *call,
			const struct cf_out_header *header)
{
	struct pieces pieces = { .server = server, .len = header->len };
	struct iovec iov;
	char *packet;
	int ret = 0;
	ssize_t n;

	pieces.reply = header->len <= MAX_REPLY ? malloc(header->len) : NULL;
	packet = malloc(MAX_REPLY);
	if (!pieces.reply || !packet)
		goto out;
	/* The first is not for add(): its call is taken. */
	iov = (struct iovec){ pieces.reply, pieces.len };
	n = exec_receive(server->daemon.fd, &iov, 1, 0);
	if (n < 0) {
		ret = (int)n;
		goto out;
	}
	pieces.have = (size_t)n;
	ret = collect(&pieces, packet);
	if (ret > 0)
		exec_answer(server, call, pieces.reply, pieces.len);
	if (pieces.other)
		exec_malformed(server, pieces.other);
out:
	if (ret <= 0)
		exec_malformed(server, call);
	free(packet);
	free(pieces.reply);
	return ret < 0 ? ret : 0;
}
