/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checking and swapping what stands behind a message's header. Private to the
 * library.
 *
 * Checking comes first and writes nothing; it stores in cf_parts where things
 * are. Swapping trusts cf_parts and cannot fail.
 */
#ifndef MESSAGE_PARTS_H
#define MESSAGE_PARTS_H

#include "bytes.h"
#include "table.h"

/* How a message that is to be checked arrives. */
struct cf_source {
	bool swapped;	 /* its integers are not in this machine's byte order */
	bool swap;	 /* and they shall be turned round */
	bool records;	 /* directory records matter even if they are not */
	uint32_t minor;	 /* of the client */
	uint16_t fixed;	 /* bytes of the fixed part, as negotiated */
	uint32_t extlen; /* bytes of extensions by the header; requests only */
};

struct cf_parts {
	uint32_t fixed;	   /* bytes of the fixed part */
	uint32_t tail_at;  /* offset of an array, of records, of a payload */
	uint32_t tail_len; /* its length */
	uint32_t ext_at;   /* offset of the extension headers */
	uint32_t ext_len;  /* their length, 0 if there are none */
};

/*
 * Checks BODY, what is behind the header: BODY_LEN bytes of which the first
 * HEAD_LEN are there to be looked at. 0; or -EBADMSG, with *RET_PARTS untouched
 * and *RET_FAULT telling why, offsets in BODY and no field named.
 */
int cf_check_parts(const struct crossfuse_layout *layout,
		   const struct cf_source *source, const void *body,
		   size_t head_len, size_t body_len, struct cf_parts *ret_parts,
		   struct crossfuse_fault *ret_fault);

/* The same; what is sent most is taken at a glance. */
static inline int cf_check(const struct crossfuse_layout *layout,
			   const struct cf_source *source, const void *body,
			   size_t head_len, size_t body_len,
			   struct cf_parts *ret_parts,
			   struct crossfuse_fault *ret_fault)
{
	size_t behind = body_len - source->fixed;
	const uint8_t *rest = (const uint8_t *)body + source->fixed;
	uint32_t tail_len = 0;
	bool sound = false;

	if (head_len >= source->fixed && head_len <= body_len) {
		if (layout->tail == CROSSFUSE_TAIL_NONE)
			sound = !behind;
		else if (layout->tail == CROSSFUSE_TAIL_DATA)
			sound = !layout->element ||
				cf_get32((const uint8_t *)body +
						 layout->count_at,
					 source->swapped) == behind;
		else if (layout->tail == CROSSFUSE_TAIL_NAME &&
			 !layout->element && !layout->extensions &&
			 head_len == body_len && behind &&
			 behind < UINT32_MAX) {
			/* One name, and its end is the end of all. */
			sound = memchr(rest, 0, behind) == rest + behind - 1;
			tail_len = (uint32_t)behind;
		}
	}
	if (!sound)
		return cf_check_parts(layout, source, body, head_len, body_len,
				      ret_parts, ret_fault);
	*ret_parts = (struct cf_parts){
		.fixed = source->fixed,
		.tail_at = source->fixed,
		.tail_len = tail_len,
	};
	return 0;
}

/*
 * Turns round all integers of a body that passed, and was SWAPPED before that
 * or is now; not an ioctl's payload.
 */
void cf_swap_parts(const struct crossfuse_layout *layout,
		   const struct cf_parts *parts, bool swapped, void *body);

/* Turns round the first LEN bytes of a fixed part; whole fields only. */
void cf_swap_fixed(const struct crossfuse_layout *layout, void *body,
		   size_t len);

#endif
