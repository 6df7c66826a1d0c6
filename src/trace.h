/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --trace: every message that passes, in the client's form and in the
 * server's, into a file that `crossfuse decode` reads; see docs/trace.md.
 *
 * A thread of its own does the writing. Whoever has something to record waits
 * for it only when the buffer is full, so that nothing is left out.
 */
#ifndef TRACE_H
#define TRACE_H

#include "call.h"
#include <stdbool.h>

struct trace;

/*
 * Creates or empties the file PATH, readable by its owner only. WITH_DATA: also
 * the bytes that are read and written. 0 or -errno, logged. This is done before
 * the sandbox is entered, and no thread is started.
 */
int trace_open(const char *path, bool with_data, struct trace **ret_trace);

/*
 * The same into FD, a file that is open and empty, and is taken over; -ENOMEM,
 * not logged.
 */
int trace_new(int fd, bool with_data, struct trace **ret_trace);

/* The same with one that was stopped. */
int trace_renew(struct trace *trace, int fd, bool with_data);

/*
 * Begins to record for a server of this ABI, if it has not yet; one connection
 * at a time. 0 or -errno, logged.
 */
int trace_start(struct trace *trace, const struct crossfuse_abi *server);

/*
 * Writes what is left, and records nothing more. Calls may be under way, also
 * those that record.
 */
void trace_stop(struct trace *trace);

/* The same, and frees it; NULL is no trace. No call may be under way. */
void trace_close(struct trace *trace);

/* crossfuse_session_request() and crossfuse_session_reply(), recorded. */
int trace_request(struct trace *trace, struct crossfuse_session *session,
		  struct call *call);
int trace_reply(struct trace *trace, struct crossfuse_session *session,
		struct call *call);

/* A reply that the relay made itself, in the client's form. */
void trace_own_reply(struct trace *trace, struct crossfuse_session *session,
		     const struct call *call);

/* The client is gone or was reset. */
void trace_reset(struct trace *trace);

#endif
