/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop of a usual server: requests from a descriptor, each handed to a
 * function in this machine's own form, replies to a descriptor.
 *
 * It is the library's only part that reads or writes anything; all memory is
 * the caller's.
 */
#ifndef CROSSFUSE_SERVE_H
#define CROSSFUSE_SERVE_H

#include <crossfuse/session.h>
#include <crossfuse/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Least size of a server's buffers, and what they must be aligned to. */
#define CROSSFUSE_SERVE_MIN   8192
#define CROSSFUSE_SERVE_ALIGN 8

struct crossfuse_server {
	/*
	 * Where requests come from and replies go to: /dev/fuse, a socket that
	 * keeps messages apart or does not, pipes. Blocking.
	 */
	int in;
	int out;
	/*
	 * Two buffers, which the largest request and the largest reply have to
	 * fit into: with WRITE and READ of LEN bytes, LEN + 4096.
	 */
	void *request;
	size_t request_size;
	void *reply;
	size_t reply_size;
	/*
	 * Does what a request asks for. HEADER and BODY, of BODY_LEN bytes, are
	 * in this machine's form and checked: structs of crossfuse/wire.h are
	 * whole, names end. BODY is aligned to CROSSFUSE_SERVE_ALIGN. Puts what
	 * follows the header of the reply into REPLY, which is all zero, of
	 * SIZE bytes: no more than the client asked for. The length of that, or
	 * a negative errno of this machine. FORGET and BATCH_FORGET get no
	 * reply; INTERRUPT is not handed over, since nothing is under way.
	 *
	 * At FUSE_INIT there is a cf_init_out in REPLY already, with the
	 * version and with a max_write that fits: 0 sends it as it is.
	 */
	ssize_t (*handle)(void *opaque, const struct cf_in_header *header,
			  const void *body, size_t body_len, void *reply,
			  size_t size);
	void *opaque;
	uint64_t reserved[4]; /* 0 */
};

/*
 * Serves until the client is gone, in this thread: 0. SESSION is one that
 * crossfuse_session_init() has started. -EINVAL for a SERVER that makes no
 * sense; -EBADMSG for a client that does not keep to the lengths it tells, so
 * that where its next request begins is not known; or the negative errno of
 * read(2) or write(2). The descriptors are left open.
 */
int crossfuse_serve(struct crossfuse_session *session,
		    const struct crossfuse_server *server);

#ifdef __cplusplus
}
#endif
#endif
