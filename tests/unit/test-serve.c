// SPDX-License-Identifier: BSD-2-Clause
/*
 * The loop of crossfuse_serve(): streams in pieces of any size, sockets that
 * keep messages apart, clients that lie or go, and random bytes.
 */
#include "check.h"
#include <crossfuse/serve.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SIZE = 16384,
	ROUNDS = 400,
};

struct run {
	int fd;
	int result;
	unsigned int calls, forgets;
	ssize_t init; /* what the server says to FUSE_INIT */
	size_t last_size;
};

static ssize_t handle(void *opaque, const struct cf_in_header *header,
		      const void *body, size_t body_len, void *reply,
		      size_t size)
{
	struct run *run = opaque;

	run->calls++;
	run->last_size = size;
	CHECK((uintptr_t)body % CROSSFUSE_SERVE_ALIGN == 0);
	switch (header->opcode) {
	case CF_INIT:
		return run->init;
	case CF_FORGET:
		run->forgets++;
		return -EIO; /* nobody is told */
	case CF_READ:
		/* What the client wants, or as much as it has no room for. */
		return header->nodeid == 7 ? (ssize_t)size + 1 : (ssize_t)size;
	case CF_LOOKUP:
		CHECK(strnlen(body, body_len) < body_len);
		return -ENOENT;
	case CF_WRITE:
		((struct cf_write_out *)reply)->size =
			((const struct cf_write_in *)body)->size;
		return sizeof(struct cf_write_out);
	default:
		return -ENOSYS;
	}
}

static void *serve_main(void *argument)
{
	static _Thread_local uint64_t request[SIZE / 8], reply[SIZE / 8];
	struct run *run = argument;
	struct crossfuse_session session;
	const struct crossfuse_config config = { 0 };
	const struct crossfuse_server server = {
		.in = run->fd,
		.out = run->fd,
		.request = request,
		.request_size = sizeof(request),
		.reply = reply,
		.reply_size = sizeof(reply),
		.handle = handle,
		.opaque = run,
	};

	CHECK(crossfuse_session_init(&session, &config) == 0);
	run->result = crossfuse_serve(&session, &server);
	shutdown(run->fd, SHUT_RDWR);
	return NULL;
}

static int begin(struct run *run, int type, pthread_t *ret_thread)
{
	int fds[2];

	CHECK(socketpair(AF_UNIX, type, 0, fds) == 0);
	*run = (struct run){ .fd = fds[1] };
	CHECK(pthread_create(ret_thread, NULL, serve_main, run) == 0);
	return fds[0];
}

static void end(struct run *run, int fd, pthread_t thread)
{
	shutdown(fd, SHUT_WR);
	pthread_join(thread, NULL);
	close(fd);
	close(run->fd);
}

/* A request with a body; its length. */
static size_t make(void *buf, uint32_t opcode, uint64_t nodeid,
		   const void *body, size_t body_len)
{
	struct cf_in_header header = {
		.len = (uint32_t)(sizeof(header) + body_len),
		.opcode = opcode,
		.unique = 40 + opcode,
		.nodeid = nodeid,
	};

	memcpy(buf, &header, sizeof(header));
	memcpy((char *)buf + sizeof(header), body, body_len);
	return header.len;
}

static size_t make_init(void *buf)
{
	const struct cf_init_in init = { .major = 7, .minor = 36 };

	return make(buf, CF_INIT, 0, &init, sizeof(init));
}

static size_t make_read(void *buf, uint64_t nodeid, uint32_t size)
{
	const struct cf_read_in in = { .size = size };

	return make(buf, CF_READ, nodeid, &in, sizeof(in));
}

/* One reply, of LEN bytes by its header; its error. */
static int32_t take(int fd, void *buf, size_t size, size_t *ret_len)
{
	struct cf_out_header header = { .error = INT32_MIN };
	size_t done = 0;
	ssize_t n;

	memset(buf, 0, size);
	while (done < sizeof(header) || done < header.len) {
		size_t want = done < sizeof(header) ? sizeof(header) - done
						    : header.len - done;

		n = recv(fd, (char *)buf + done, want, 0);
		if (n <= 0)
			return INT32_MIN;
		done += (size_t)n;
		if (done == sizeof(header))
			memcpy(&header, buf, sizeof(header));
		if (header.len > size)
			return INT32_MIN;
	}
	*ret_len = header.len;
	return header.error;
}

static void test_stream_in_pieces(void)
{
	static char requests[SIZE], reply[SIZE];
	static const char data[4000];
	size_t len = 0, got, at = 0;
	struct run run;
	pthread_t thread;
	struct {
		struct cf_write_in in;
		char data[sizeof(data)];
	} write = { .in.size = sizeof(data) };

	for (size_t piece = 1; piece < 3000; piece = piece * 3 + 1) {
		int fd = begin(&run, SOCK_STREAM, &thread);

		len = make_init(requests);
		len += make(requests + len, CF_LOOKUP, 1, "odd", 4);
		len += make(requests + len, CF_FORGET, 1, "12345678", 8);
		len += make(requests + len, CF_WRITE, 2, &write, sizeof(write));
		len += make_read(requests + len, 2, 100);
		for (at = 0; at < len; at += piece)
			CHECK(send(fd, requests + at,
				   piece < len - at ? piece : len - at,
				   MSG_NOSIGNAL) > 0);
		CHECK(take(fd, reply, SIZE, &got) == 0);
		CHECK(got == 16 + sizeof(struct cf_init_out));
		CHECK(((struct cf_init_out *)(reply + 16))->max_write ==
		      SIZE - 4096);
		CHECK(take(fd, reply, SIZE, &got) == -ENOENT && got == 16);
		CHECK(take(fd, reply, SIZE, &got) == 0 && got == 16 + 8);
		CHECK(((struct cf_write_out *)(reply + 16))->size == 4000);
		CHECK(take(fd, reply, SIZE, &got) == 0 && got == 116);
		end(&run, fd, thread);
		CHECK(run.result == 0 && run.calls == 5 && run.forgets == 1);
	}
}

static void test_messages(void)
{
	static char request[SIZE], reply[SIZE];
	struct run run;
	pthread_t thread;
	int fd = begin(&run, SOCK_SEQPACKET, &thread);

	CHECK(send(fd, request, make_init(request), 0) > 0);
	CHECK(recv(fd, reply, SIZE, 0) == 16 + sizeof(struct cf_init_out));
	CHECK(send(fd, request, make_read(request, 2, 5000), 0) > 0);
	CHECK(recv(fd, reply, SIZE, 0) == 5016);
	/* More than the buffer has: as much as that. */
	CHECK(send(fd, request, make_read(request, 2, 1 << 20), 0) > 0);
	CHECK(recv(fd, reply, SIZE, 0) == SIZE);
	/* A handler that returns more than it has room for. */
	CHECK(send(fd, request, make_read(request, 7, 64), 0) > 0);
	CHECK(recv(fd, reply, SIZE, 0) == 16);
	CHECK(((struct cf_out_header *)reply)->error == -EIO);
	CHECK(run.last_size == 64);
	/* Nothing comes of an INTERRUPT. */
	CHECK(send(fd, request, make(request, CF_INTERRUPT, 0, "12345678", 8),
		   0) > 0);
	/* Two bytes too few for its name: an error of its own. */
	CHECK(send(fd, request, make(request, CF_LOOKUP, 1, "ab", 2), 0) > 0);
	CHECK(recv(fd, reply, SIZE, 0) == 16);
	CHECK(((struct cf_out_header *)reply)->error < 0);
	end(&run, fd, thread);
	CHECK(run.result == 0 && run.calls == 4);
}

static void test_own_answer_to_init(void)
{
	static char request[SIZE], reply[SIZE];
	struct run run;
	pthread_t thread;
	int fd = begin(&run, SOCK_SEQPACKET, &thread);

	run.init = -EPERM;
	CHECK(send(fd, request, make_init(request), 0) > 0);
	CHECK(recv(fd, reply, SIZE, 0) == 16);
	CHECK(((struct cf_out_header *)reply)->error == -EPERM);
	end(&run, fd, thread);
}

static void ends_with(int type, const void *bytes, size_t len, int result)
{
	struct run run;
	pthread_t thread;
	int fd = begin(&run, type, &thread);

	char reply[SIZE];

	CHECK(send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
	shutdown(fd, SHUT_WR);
	pthread_join(thread, NULL);
	/* Nothing of it was taken for a request. */
	CHECK(recv(fd, reply, sizeof(reply), MSG_DONTWAIT) <= 0);
	close(fd);
	close(run.fd);
	CHECK(run.result == result);
}

static void test_lengths_that_lie(void)
{
	static char request[SIZE];
	struct cf_in_header *header = (struct cf_in_header *)request;

	make_init(request);
	ends_with(SOCK_STREAM, request, 20, -EBADMSG); /* and then it goes */
	ends_with(SOCK_SEQPACKET, request, 20, -EBADMSG);
	ends_with(SOCK_SEQPACKET, request, 103, -EBADMSG);
	header->len = 39;
	ends_with(SOCK_STREAM, request, 104, -EBADMSG);
	header->len = SIZE + 1;
	ends_with(SOCK_STREAM, request, 104, -EBADMSG);
	header->len = 100;
	ends_with(SOCK_SEQPACKET, request, 104, -EBADMSG);
}

static void test_random(void)
{
	static unsigned char requests[SIZE];
	unsigned int seed = 1;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct run run;
		pthread_t thread;
		int fd = begin(&run, round % 2 ? SOCK_STREAM : SOCK_SEQPACKET,
			       &thread);
		size_t len = make_init(requests);

		CHECK(send(fd, requests, len, MSG_NOSIGNAL) > 0);
		for (unsigned int i = 0; i < 20; i++) {
			len = (size_t)rand_r(&seed) % 300;
			for (size_t at = 0; at < len; at++)
				requests[at] =
					(unsigned char)(rand_r(&seed) >> 16);
			if (i % 4)
				len = make(requests,
					   (uint32_t)rand_r(&seed) % 60, 1,
					   requests + 40, len);
			/* It may have hung up. */
			if (len && send(fd, requests, len,
					MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
				break;
			while (recv(fd, requests, SIZE, MSG_DONTWAIT) > 0)
				continue;
		}
		end(&run, fd, thread);
		CHECK(run.result == 0 || run.result == -EBADMSG ||
		      run.result == -EPIPE || run.result == -ECONNRESET);
	}
}

static void test_servers_that_make_no_sense(void)
{
	static uint64_t request[SIZE / 8], reply[SIZE / 8];
	const struct crossfuse_server good = {
		.in = -1,
		.out = -1,
		.request = request,
		.request_size = SIZE,
		.reply = reply,
		.reply_size = SIZE,
		.handle = handle,
	};
	struct crossfuse_session session;
	const struct crossfuse_config config = { 0 };
	struct crossfuse_server server[7];

	CHECK(crossfuse_session_init(&session, &config) == 0);
	for (size_t i = 0; i < 7; i++)
		server[i] = good;
	server[0].handle = NULL;
	server[1].request = NULL;
	server[2].reply = (char *)reply + 1;
	server[3].request_size = CROSSFUSE_SERVE_MIN - 1;
	server[4].reply_size = 0;
	server[5].reserved[3] = 1;
	for (size_t i = 0; i < 6; i++)
		CHECK(crossfuse_serve(&session, &server[i]) == -EINVAL);
	CHECK(crossfuse_serve(&session, &server[6]) == -EBADF);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	test_stream_in_pieces();
	test_messages();
	test_own_answer_to_init();
	test_lengths_that_lie();
	test_random();
	test_servers_that_make_no_sense();
	return check_result();
}
