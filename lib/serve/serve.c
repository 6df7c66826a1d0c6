/* SPDX-License-Identifier: BSD-2-Clause */
#include <crossfuse/serve.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_IN  sizeof(struct cf_in_header)
#define HEADER_OUT sizeof(struct cf_out_header)

/* What a WRITE has before its data, and what is left for other requests. */
#define BESIDE_DATA 4096

struct loop {
	struct crossfuse_session *session;
	const struct crossfuse_server *server;
	bool boundaries; /* one read, one request */
	size_t have;	 /* bytes in the request's buffer */
};

static bool is_aligned(const void *buf)
{
	return buf && (uintptr_t)buf % CROSSFUSE_SERVE_ALIGN == 0;
}

static bool makes_sense(const struct crossfuse_server *server)
{
	for (size_t i = 0; i < 4; i++)
		if (server->reserved[i])
			return false;
	return server->handle && is_aligned(server->request) &&
	       is_aligned(server->reply) &&
	       server->request_size >= CROSSFUSE_SERVE_MIN &&
	       server->reply_size >= CROSSFUSE_SERVE_MIN;
}

static bool keeps_boundaries(int fd)
{
	socklen_t len = sizeof(int);
	struct stat st;
	int type;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0)
		return type != SOCK_STREAM;
	/* /dev/fuse */
	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode);
}

/* More bytes of a request; 0: there will be none. */
static ssize_t receive(struct loop *loop)
{
	const struct crossfuse_server *server = loop->server;
	ssize_t n;

	for (;;) {
		n = read(server->in, (char *)server->request + loop->have,
			 server->request_size - loop->have);
		if (n > 0)
			loop->have += (size_t)n;
		if (n >= 0)
			return n;
		if (errno == ENODEV || errno == ECONNRESET)
			return 0;
		/* A request that was taken back meanwhile is ENOENT. */
		if (errno != EINTR && !(loop->boundaries && errno == ENOENT))
			return -errno;
	}
}

static int send_reply(const struct loop *loop, size_t len)
{
	const char *at = loop->server->reply;

	while (len) {
		ssize_t n = write(loop->server->out, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		/* Nobody waits for it any more. */
		if (n < 0 && errno == ENOENT && loop->boundaries)
			return 0;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static void prepare_init(const struct crossfuse_server *server,
			 struct cf_init_out *out)
{
	size_t max_write = server->request_size - BESIDE_DATA;

	out->major = CF_KERNEL_VERSION;
	out->minor = CF_KERNEL_MINOR_VERSION;
	out->max_write = max_write < UINT32_MAX ? (uint32_t)max_write
						: UINT32_MAX;
}

/* How much the client has room for, of what the buffer has. */
static size_t room(const struct loop *loop, const struct crossfuse_call *call,
		   size_t head_len)
{
	int64_t most =
		crossfuse_reply_max_len(call, loop->server->request, head_len);

	if (most < (int64_t)HEADER_OUT ||
	    (uint64_t)most > loop->server->reply_size)
		return loop->server->reply_size - HEADER_OUT;
	return (size_t)most - HEADER_OUT;
}

/* The length of the reply's body, or a negative errno. */
static ssize_t handle(const struct loop *loop,
		      const struct crossfuse_call *call, size_t head_len,
		      size_t len)
{
	const struct crossfuse_server *server = loop->server;
	char *body = (char *)server->reply + HEADER_OUT;
	size_t size = room(loop, call, head_len);
	ssize_t n;

	if (call->opcode == CF_INTERRUPT)
		return 0;
	memset(server->reply, 0, HEADER_OUT + size);
	if (call->opcode == CF_INIT)
		prepare_init(server, (struct cf_init_out *)body);
	n = server->handle(server->opaque, server->request,
			   (char *)server->request + HEADER_IN, len - HEADER_IN,
			   body, size);
	if (n == 0 && call->opcode == CF_INIT)
		return sizeof(struct cf_init_out);
	return n > (ssize_t)size ? -EIO : n;
}

/* Answers the request of LEN bytes at the start of the buffer. */
static int answer(struct loop *loop, size_t len)
{
	const struct crossfuse_server *server = loop->server;
	struct cf_out_header *out = server->reply;
	struct crossfuse_call call;
	size_t head_len, out_len = HEADER_OUT;
	ssize_t n;
	int err;

	n = crossfuse_request_head_len(loop->session, server->request, len);
	if (n < 0)
		return (int)n;
	head_len = (size_t)n;
	err = crossfuse_session_request(loop->session, &call, server->request,
					head_len, len);
	n = err ? err : handle(loop, &call, head_len, len);
	if (call.opcode == CF_INTERRUPT ||
	    !crossfuse_opcode_has_reply(call.opcode))
		return 0;
	if (n >= 0) {
		out_len += (size_t)n;
		*out = (struct cf_out_header){ .len = (uint32_t)out_len,
					       .unique = call.unique };
		err = crossfuse_session_reply(
			loop->session, &call, out,
			crossfuse_reply_head_len(&call, out_len), out_len);
		n = err ? -EIO : 0;
	}
	if (n < 0) {
		out_len = HEADER_OUT;
		crossfuse_session_error(loop->session, &call, (int)n, out);
	}
	return send_reply(loop, out_len);
}

/* What is behind the request of LEN bytes is the next one's beginning. */
static void drop(struct loop *loop, size_t len)
{
	char *buf = loop->server->request;

	loop->have -= len;
	memmove(buf, buf + len, loop->have);
}

/* 1: a request was answered; 0: there is none yet, more has to come. */
static int take_request(struct loop *loop)
{
	const struct crossfuse_server *server = loop->server;
	ssize_t len;
	int err;

	len = crossfuse_stream_request_len(loop->session, server->request,
					   loop->have, server->request_size);
	if (len < 0)
		return (int)len;
	if (loop->boundaries && (size_t)len != loop->have)
		return -EBADMSG;
	if (!len || (size_t)len > loop->have)
		return 0;
	err = answer(loop, (size_t)len);
	if (err)
		return err;
	drop(loop, (size_t)len);
	return 1;
}

int crossfuse_serve(struct crossfuse_session *session,
		    const struct crossfuse_server *server)
{
	struct loop loop = { .session = session, .server = server };
	ssize_t n;
	int err;

	if (!makes_sense(server))
		return -EINVAL;
	loop.boundaries = keeps_boundaries(server->in);
	for (;;) {
		n = receive(&loop);
		if (n < 0)
			return (int)n;
		if (n == 0) /* within a request, it is an error */
			return loop.have ? -EBADMSG : 0;
		do
			err = take_request(&loop);
		while (err > 0 && loop.have);
		if (err < 0)
			return err;
	}
}
