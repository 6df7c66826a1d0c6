/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request with its reply, on its way from a client port through the relay
 * to a server port and back.
 *
 * A client port owns every call and all memory in it. It hands a call to
 * relay_submit() and has it back when ops->complete is called, exactly once,
 * from any thread, possibly before relay_submit() returns.
 */
#ifndef CALL_H
#define CALL_H

#include <crossfuse/session.h>
#include <crossfuse/wire.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct call;
struct relay;

struct call_ops {
	/* The reply stands: hand it to the client, and reuse the call. */
	void (*complete)(struct call *call);
	/*
	 * The server is about to wait for something (a lock, a disk): let
	 * another thread take over the queue that this one serves. Called
	 * from the thread that submitted the call, at most once a call.
	 */
	void (*may_block)(struct call *call);
	/*
	 * Enlarge call->out to at least SIZE bytes, keeping its first
	 * sizeof(struct cf_out_header). 0 or -ENOMEM.
	 */
	int (*reserve)(struct call *call, size_t size);
};

struct call {
	const struct call_ops *ops;
	struct relay *relay;
	struct crossfuse_call state; /* what the session remembers */

	/*
	 * The request: HEAD is a private copy of the fixed part and the names,
	 * 8-byte aligned, translated in place; DATA is the file's bytes, where
	 * the client has them. total length = head_len + data_len.
	 */
	void *head;
	size_t head_len;
	const struct iovec *data;
	unsigned int data_count;
	size_t data_len;

	/*
	 * The reply: OUT is private memory, 8-byte aligned, for the header and
	 * all that is not a file's bytes; ROOM is the client's own memory for
	 * what follows the 16 bytes of the header. A server fills either OUT
	 * (copied to the client by complete), or header in OUT and data in
	 * ROOM (READ). OUT_SIZE is at least 256.
	 */
	void *out;
	size_t out_size;
	const struct iovec *room;
	unsigned int room_count;
	size_t room_len;

	/* Set through call_reply() and its like. */
	size_t out_len;	     /* bytes in OUT, header included; 0: no reply */
	size_t out_data_len; /* bytes that stand in ROOM */
};

/* The request's header. */
static inline struct cf_in_header *call_in(const struct call *call)
{
	return call->head;
}

/* Behind the request's header. */
static inline void *call_arg(const struct call *call)
{
	return (char *)call->head + sizeof(struct cf_in_header);
}

/* Length of what is behind the header in HEAD. */
static inline size_t call_arg_len(const struct call *call)
{
	return call->head_len - sizeof(struct cf_in_header);
}

/* Behind the reply's header. */
static inline void *call_out_arg(const struct call *call)
{
	return (char *)call->out + sizeof(struct cf_out_header);
}

/*
 * Room for LEN bytes behind the reply's header: its address; or NULL if there
 * is no memory. May move call->out.
 */
void *call_reserve(struct call *call, size_t len);

/* Answers with LEN bytes at call_out_arg(). */
void call_reply(struct call *call, size_t len);

/* Answers with LEN bytes that were put into call->room. */
void call_reply_data(struct call *call, size_t len);

/* Answers with ERROR, a negative errno of the server's ABI, or 0. */
void call_reply_error(struct call *call, int error);

/* Ends a call that has no answer (FORGET). */
void call_done(struct call *call);

/* See call_ops. */
static inline void call_may_block(struct call *call)
{
	call->ops->may_block(call);
}

#endif
