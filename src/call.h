/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request with its reply, on its way from a client through the relay to a
 * server and back.
 *
 * A client owns every call and all memory in it. It hands a call to
 * relay_submit() and has it back when ops->complete is called, exactly once,
 * from any thread, possibly before relay_submit() returns: the call's memory
 * is in use until both have happened.
 */
#ifndef CALL_H
#define CALL_H

#include <crossfuse/session.h>
#include <crossfuse/wire.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct call;
struct meter_slot;
struct relay;

struct call_ops {
	/* The reply stands: hand it to the client, and reuse the call. */
	void (*complete)(struct call *call);
	/*
	 * The submitting thread is about to sleep (for a disk): let another
	 * one take over what it serves. Called from that thread, at most once
	 * a call. NULL: nothing can be done about it.
	 */
	void (*may_block)(struct call *call);
	/*
	 * See call_resumes(): whether the client lets the call go on. NULL: it
	 * always does.
	 */
	bool (*resume)(struct call *call);
};

struct call {
	/* The client fills these in, down to ROOM_LEN. */
	const struct call_ops *ops;

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
	 * The reply: OUT is memory of relay_alloc(), for the header and all
	 * that is not a file's bytes; ROOM is the client's own memory for
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

	/*
	 * It may wait for ever for somebody else, see call_waits(). For the
	 * client to look at once relay_submit() has returned.
	 */
	bool waits;
	bool touches; /* of one that waits: it uses DATA or ROOM after that */

	/*
	 * With a reply to OPEN, CREATE or TMPFILE: a descriptor of the regular
	 * file, which a client that is the kernel of this machine may have read
	 * and written in the server's place; with that to INIT, one of where
	 * such files may be. The server's, until complete() returns. -1: none.
	 */
	int backing_fd;

	/* The relay's. */
	struct relay *relay;
	struct crossfuse_call state; /* what the session remembers */
	struct crossfuse_call far;   /* and the one towards the server's peer */
	/* The same of the latest INTERRUPT of it, if it is INTERRUPTED. */
	struct crossfuse_call interrupt, far_interrupt;
	bool interrupted;
	atomic_uchar phase;
	struct meter_slot *meter; /* where it is counted; NULL: nowhere */
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

/*
 * How a server answers, once a call. The first four are for one that makes its
 * own replies; a proxy, which numbers its requests, has the fifth.
 */

/* Answers with LEN bytes at call_out_arg(). */
void call_reply(struct call *call, size_t len);

/* Answers with LEN bytes that were put into call->room. */
void call_reply_data(struct call *call, size_t len);

/* Answers with ERROR, a negative errno of the server's ABI, or 0. */
void call_reply_error(struct call *call, int error);

/* Ends a call that has no answer (FORGET). */
void call_done(struct call *call);

/*
 * Answers with what a peer made whole: OUT_LEN bytes in call->out, header
 * included, and DATA_LEN bytes in call->room. CALL is from relay_take().
 */
void call_forward(struct call *call, size_t out_len, size_t data_len);

/*
 * Answers with ERROR, a negative errno of this machine, told in the client's
 * numbers whatever the server's ABI is: the server could not be asked.
 */
void call_fail(struct call *call, int error);

/*
 * Whether a request changes nothing, but for what went with a server that was
 * lost: it does no harm where that may have carried it out already.
 */
bool call_asks_only(const struct call *call);

/*
 * The call may now wait for ever, for another client's lock or another
 * program, and ends by cancel(). The client counts on no thread and no end of
 * it. For the submitting thread, while nobody else can complete the call; the
 * relay says it itself of every call to a server that is numbered.
 */
void call_waits(struct call *call);

/*
 * A call that waited goes on: the server is about to use DATA or ROOM. False:
 * the client was stopped in the meantime, and its memory is not to be touched
 * any more; the call is to end with EINTR. For who completes it; relay_take()
 * asks it itself.
 */
static inline bool call_resumes(struct call *call)
{
	return !call->touches || !call->ops->resume || call->ops->resume(call);
}

/* See call_ops. */
static inline void call_may_block(struct call *call)
{
	if (call->ops->may_block)
		call->ops->may_block(call);
}

#endif
