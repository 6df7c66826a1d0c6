/* SPDX-License-Identifier: BSD-2-Clause */
/* Which name a node had, by what a conversation tells of it. */
#ifndef DECODE_PATH_H
#define DECODE_PATH_H

#include "decode.h"

struct decode_paths;

/* NULL: no memory. */
struct decode_paths *decode_paths_new(void);
void decode_paths_free(struct decode_paths *paths);

/* The client is gone or starts over: its numbers mean others. */
void decode_paths_forget(struct decode_paths *paths);

/* What a request asks for that a reply makes a name of. */
struct decode_names {
	uint32_t opcode;
	uint64_t parent; /* of NAME */
	uint64_t other;	 /* the directory of NEW_NAME; the node of a LINK */
	char *name;	 /* NULL: none; the caller's, with NEW_NAME */
	char *new_name;
};

void decode_names_of(const struct decode_message *request,
		     struct decode_names *ret_names);

/* After a reply, not an error, to the request with these names. */
void decode_paths_take(struct decode_paths *paths,
		       const struct decode_names *names,
		       const struct decode_message *reply);

/* The path of a node, in a form for a line of text; "" if it is not known. */
void decode_paths_text(const struct decode_paths *paths, uint64_t node,
		       char *buf, size_t size);

#endif
