/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server that is started anew gives node ids and handles that its predecessor
 * gave for other things. What the client sees of them has the server's epoch in
 * the top 16 bits, so that an old one is known and refused. The root stays 1.
 *
 * All messages are in this machine's form.
 */
#ifndef EPOCH_H
#define EPOCH_H

#include "../call.h"
#include <stdatomic.h>
#include <stdbool.h>

/* Bits of a number that are the server's own. */
#define EPOCH_SHIFT 48
#define EPOCH_LAST  0xffff

struct epoch {
	uint64_t number; /* 0: numbers pass as they are; else up to LAST */
	/*
	 * The server has given a number of more bits. Then no other epoch may
	 * follow, and none have been before.
	 */
	atomic_bool wide;
};

/*
 * Puts the server's own numbers into a request. 0; -ESTALE: one is of an
 * earlier epoch; -ENOENT: all are, and nobody waits for an answer.
 */
int epoch_request(struct epoch *epoch, struct call *call);

/* And the client's into a reply of OUT_LEN bytes in call->out. */
void epoch_reply(struct epoch *epoch, struct call *call, size_t out_len);

/* And into a notification of LEN bytes. */
void epoch_notification(struct epoch *epoch, void *message, size_t len);

/*
 * Whether a server's answer to FUSE_INIT does for a client that has got AGREED,
 * and cannot be told that anything is different now.
 */
bool epoch_agrees(const struct cf_init_out *agreed,
		  const struct cf_init_out *now);

/*
 * The files and handles that a reply gives to its client, one after the other:
 * ENTRY, or OPEN, or both; NULL for what there is not.
 */
struct granted {
	char *at;
	size_t len;
	uint32_t opcode;
	struct cf_entry_out *entry;
	struct cf_open_out *open;
};

/* For a reply of OUT_LEN bytes in call->out. */
struct granted granted_first(const struct call *call, size_t out_len);

/* False: there is none any more. */
bool granted_next(struct granted *granted);

#endif
