/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests on their way, until their replies come by. */
#ifndef DECODE_CALL_H
#define DECODE_CALL_H

#include "decode.h"

struct decode_calls;

/* NULL: no memory. */
struct decode_calls *decode_calls_new(void);
void decode_calls_free(struct decode_calls *calls);

/* The client is gone or starts over. */
void decode_calls_forget(struct decode_calls *calls);

/* What is known of a message beside itself. */
struct decode_seen {
	char path[1024]; /* of its node; "": not known */
	bool answers;	 /* a reply, and its request was seen */
	uint64_t since;	 /* then: when that was */
	char *request;	 /* then: its text, the caller's; NULL: none */
};

/* A message of the client's side, at TIME. */
void decode_calls_take(struct decode_calls *calls,
		       const struct decode_message *message, uint64_t time,
		       struct decode_seen *ret_seen);

/* Keeps the text of the request that was taken last, for its reply. */
void decode_calls_keep(struct decode_calls *calls, const char *text);

/* Calls SHOW with each request that has no reply, in the order of their time. */
void decode_calls_rest(struct decode_calls *calls,
		       void (*show)(void *opaque, uint64_t since,
				    const char *text),
		       void *opaque);

#endif
