/* SPDX-License-Identifier: BSD-2-Clause */
/* What happens to each request on its way in, and to each reply. */
#include "adapter.h"
#include <byteswap.h>
#include <crossfuse/message.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IN_AT(field)	   offsetof(struct cf_in_header, field)
#define OUT_AT(field)	   offsetof(struct cf_out_header, field)
#define INIT_IN_AT(field)  (IN_HEADER + offsetof(struct cf_init_in, field))
#define INIT_OUT_AT(field) (OUT_HEADER + offsetof(struct cf_init_out, field))

enum {
	/* What of FUSE_INIT's reply is looked at. */
	INIT_OUT_USED = OUT_HEADER + CF_COMPAT_22_INIT_OUT_SIZE,

	/* A WRITE without its data: no request agreed on is longer. */
	WRITE_HEAD = IN_HEADER + sizeof(struct cf_write_in),

	/* Bytes to clear behind a request. */
	BEHIND = 16,

	/* Most replies need no more memory than this. */
	SMALL_HEAD = 1024,
	FEW_PIECES = 8,
};

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool is_init(uint32_t opcode)
{
	return opcode == CF_INIT || opcode == CF_CUSE_INIT;
}

/* FUSE_INIT runs alone: nothing else looks at the session meanwhile. */
static void enter(struct adapter *a, bool alone)
{
	if (alone)
		pthread_rwlock_wrlock(&a->gate);
	else
		pthread_rwlock_rdlock(&a->gate);
}

static void leave(struct adapter *a)
{
	pthread_rwlock_unlock(&a->gate);
}

/* INTERRUPT may be answered: that it came to nothing. */
static bool may_be_answered(const struct crossfuse_call *call)
{
	return crossfuse_opcode_has_reply(call->opcode) ||
	       call->opcode == CF_INTERRUPT;
}

/* Answers a request that the server does not see. */
static int refuse(struct adapter *a, int fd, const struct crossfuse_call *call,
		  int error)
{
	uint8_t reply[OUT_HEADER];
	struct iovec iov = { reply, sizeof(reply) };
	int err;

	if (!may_be_answered(call))
		return 0;
	enter(a, false);
	crossfuse_session_error(&a->session, call, error, reply);
	leave(a);
	err = cf_transport_send(a, fd, &iov, 1);
	/* The kernel does not know any more what was to be interrupted. */
	return call->opcode == CF_INTERRUPT && err == -ENOENT ? 0 : err;
}

/*
 * A second FUSE_INIT, which libfuse does not take either: the session must not
 * see it. EIO has the same number everywhere.
 */
static int refuse_init(struct adapter *a, int fd, const uint8_t *request,
		       bool swapped)
{
	uint32_t len = OUT_HEADER, error = (uint32_t)-EIO;
	uint8_t reply[OUT_HEADER];
	struct iovec iov = { reply, sizeof(reply) };

	if (swapped) {
		len = bswap_32(len);
		error = bswap_32(error);
	}
	memcpy(reply, &len, sizeof(len));
	memcpy(reply + OUT_AT(error), &error, sizeof(error));
	memcpy(reply + OUT_AT(unique), request + IN_AT(unique),
	       sizeof(uint64_t));
	return cf_transport_send(a, fd, &iov, 1);
}

/* Translates a request. TOTAL_LEN: as long as it was before it was cut off. */
static int translate(struct adapter *a, struct crossfuse_call *call,
		     uint8_t *buf, size_t len, size_t total_len)
{
	ssize_t head = crossfuse_request_head_len(&a->session, buf, total_len);
	int err;

	/* Only the header counts then, so that an answer can be addressed. */
	if (head < 0 || len != total_len)
		head = IN_HEADER;
	err = crossfuse_session_request(&a->session, call, buf, (size_t)head,
					total_len);
	return len != total_len ? -EIO : err;
}

/*
 * libfuse relies on what a kernel guarantees of its requests, whatever policy
 * says about the session. An opcode without a name it does not know either.
 */
static int check(const struct adapter *a, const uint8_t *buf, size_t len)
{
	struct crossfuse_terms terms = {
		.minor = a->init_minor,
		.setxattr_ext = atomic_load(&a->long_setxattr),
	};
	int err = crossfuse_check_request(&terms, buf, len, len, NULL);

	return err == -ENOSYS ? 0 : err;
}

/* What the adapter itself has to know of a request that goes on. */
static void take_note(struct adapter *a, const struct crossfuse_call *call,
		      const uint8_t *buf)
{
	if (is_init(call->opcode)) {
		a->init_major = cf_adapter_get32(buf + INIT_IN_AT(major));
		a->init_minor = cf_adapter_get32(buf + INIT_IN_AT(minor));
		a->init_flags = cf_adapter_get32(buf + INIT_IN_AT(flags));
		atomic_store(&a->up, true);
	} else if (call->opcode == CF_DESTROY) {
		atomic_store(&a->up, false);
	}
}

/*
 * Translates and checks a request of which LEN bytes have come, and remembers
 * it. 0; -EALREADY for a second FUSE_INIT; or what the client is to be told.
 */
static int take_in(struct adapter *a, struct crossfuse_call *call, uint8_t *buf,
		   size_t len, size_t total_len, bool init)
{
	int err;

	if (init && atomic_load(&a->up))
		return -EALREADY;
	err = translate(a, call, buf, len, total_len);
	if (!err)
		err = check(a, buf, len);
	if (!err && may_be_answered(call))
		err = cf_calls_put(&a->calls, call, buf, len);
	if (!err)
		take_note(a, call, buf);
	return err;
}

/*
 * Whether the request, of TOTAL_LEN bytes, goes on to libfuse: 1; 0 if it was
 * answered or is to be ignored; or a negative errno.
 */
static int admit(struct adapter *a, int fd, uint8_t *buf, size_t size,
		 size_t total_len)
{
	size_t len = smaller(total_len, size);
	struct crossfuse_call call;
	bool init, swapped;
	uint32_t raw;
	int err;

	if (len < IN_HEADER)
		return 0;
	raw = cf_adapter_get32(buf + IN_AT(opcode));
	swapped = is_init(bswap_32(raw));
	init = swapped || is_init(raw);
	enter(a, init);
	err = take_in(a, &call, buf, len, total_len, init);
	leave(a);
	if (!err)
		return 1;
	return err == -EALREADY ? refuse_init(a, fd, buf, swapped)
				: refuse(a, fd, &call, err);
}

static bool is_over(int error)
{
	return error == -EPIPE || error == -ECONNRESET;
}

static ssize_t next_request(struct adapter *a, int fd, uint8_t *buf,
			    size_t size, int cancel)
{
	for (;;) {
		ssize_t len = cf_transport_receive(a, fd, buf, size, cancel);
		int goes_on;

		if (len < 0)
			return len;
		goes_on = admit(a, fd, buf, size, (size_t)len);
		if (goes_on < 0)
			return is_over(goes_on) ? -ENODEV : goes_on;
		if (!goes_on)
			continue;
		/* Upstream's 3.14 looks eight bytes too far for a name. */
		memset(buf + len, 0, smaller(size - (size_t)len, BEHIND));
		return len;
	}
}

ssize_t cf_adapter_read(struct adapter *a, int fd, void *buf, size_t size,
			int cancel)
{
	ssize_t len;

	if (a->transport != TRANSPORT_STREAM)
		return next_request(a, fd, buf, size, cancel);
	/* What is behind a FUSE_INIT cannot be understood before it is. */
	cf_transport_lock(a);
	len = next_request(a, fd, buf, size, cancel);
	pthread_mutex_unlock(&a->reading);
	return len;
}

/* Copies the beginning of a message in pieces; how much of it there is. */
static size_t gather(const struct iovec *iov, int count, void *buf, size_t size)
{
	size_t done = 0;

	for (int i = 0; i < count && done < size; i++) {
		size_t part = smaller(iov[i].iov_len, size - done);

		if (part)
			memcpy((uint8_t *)buf + done, iov[i].iov_base, part);
		done += part;
	}
	return done;
}

/* What was agreed on, from a reply in this machine's form. */
static void agreed(struct adapter *a, const struct iovec *iov, int count)
{
	uint8_t reply[INIT_OUT_USED];
	uint32_t max_write;

	if (gather(iov, count, reply, sizeof(reply)) < sizeof(reply) ||
	    cf_adapter_get32(reply + OUT_AT(error)) ||
	    a->init_major != CF_KERNEL_VERSION) {
		/* Refused, or to be asked again with another version. */
		atomic_store(&a->up, false);
		return;
	}
	max_write = cf_adapter_get32(reply + INIT_OUT_AT(max_write));
	if (max_write <= INT32_MAX - WRITE_HEAD)
		atomic_store(&a->room, WRITE_HEAD + max_write);
	atomic_store(&a->long_setxattr,
		     a->init_flags &
			     cf_adapter_get32(reply + INIT_OUT_AT(flags)) &
			     CF_INIT_SETXATTR_EXT);
}

/* A message of the server's and the memory to translate it in. */
struct outgoing {
	const struct iovec *iov;
	int count;
	size_t total;
	uint8_t *head;
	size_t head_size;
	struct iovec *out;
	bool notify;
	struct crossfuse_call call;
};

static int translate_outgoing(struct adapter *a, struct outgoing *m)
{
	bool init = !m->notify && is_init(m->call.opcode);
	int n;

	enter(a, init);
	if (m->notify)
		n = crossfuse_session_notify_iov(&a->session, m->iov, m->count,
						 m->head, m->head_size, m->out);
	else
		n = crossfuse_session_reply_iov(&a->session, &m->call, m->iov,
						m->count, m->head, m->head_size,
						m->out);
	if (init && n < 0)
		atomic_store(&a->up, false);
	else if (init)
		agreed(a, m->iov, m->count);
	leave(a);
	return n;
}

/* Translates and writes it; a reply that cannot be becomes an EIO. */
static ssize_t send_outgoing(struct adapter *a, int fd, struct outgoing *m)
{
	int n = translate_outgoing(a, m);
	int err;

	if (n >= 0) {
		err = cf_transport_send(a, fd, m->out, n);
		return err ? err : (ssize_t)m->total;
	}
	if (!m->notify) {
		err = refuse(a, fd, &m->call, -EIO);
		if (err)
			return err;
	}
	return n == -EBADMSG ? -EINVAL : n;
}

static ssize_t send_with_memory(struct adapter *a, int fd, struct outgoing *m)
{
	size_t pieces = (size_t)m->count + 1;
	uint8_t head[SMALL_HEAD];
	struct iovec out[FEW_PIECES];
	ssize_t err = -ENOMEM;

	m->head = m->head_size > sizeof(head) ? malloc(m->head_size) : head;
	m->out = pieces > FEW_PIECES ? calloc(pieces, sizeof(*out)) : out;
	if (m->head && m->out)
		err = send_outgoing(a, fd, m);
	else if (!m->notify)
		refuse(a, fd, &m->call, -ENOMEM);
	if (m->head != head)
		free(m->head);
	if (m->out != out)
		free(m->out);
	return err;
}

ssize_t cf_adapter_write(struct adapter *a, int fd, const struct iovec *iov,
			 int count)
{
	struct outgoing m = { .iov = iov, .count = count };
	uint8_t header[OUT_HEADER];
	uint64_t unique;
	int32_t error;
	int err;

	if (gather(iov, count, header, sizeof(header)) < sizeof(header))
		return -EINVAL;
	for (int i = 0; i < count; i++)
		m.total += iov[i].iov_len;
	unique = cf_adapter_get64(header + OUT_AT(unique));
	error = (int32_t)cf_adapter_get32(header + OUT_AT(error));
	m.notify = !unique && error > 0;
	m.head_size = m.total;
	if (!m.notify) {
		err = cf_calls_take(&a->calls, unique, &m.call);
		if (err)
			return err;
		m.head_size = crossfuse_reply_head_len(&m.call, m.total);
	}
	return send_with_memory(a, fd, &m);
}
