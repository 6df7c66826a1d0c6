/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the description of a message is boiled down to, for checking and
 * translating it. Private to the library.
 */
#ifndef MESSAGE_PLAN_H
#define MESSAGE_PLAN_H

#include <crossfuse/message.h>
#include <crossfuse/wire.h>

/* COUNT integers of WIDTH bytes, the first of them at OFFSET. */
struct cf_run {
	uint8_t width;
	uint8_t count;
	uint16_t offset;
};

/* One direction of one opcode, or one notification. */
struct cf_plan {
	const struct cf_run *runs;
	uint8_t run_count;
	uint8_t tail; /* enum crossfuse_tail */
	uint8_t extensions;
	uint8_t kind;	  /* of the field that depends on the ABI; or NUMBER */
	uint16_t kind_at; /* its offset; its width is 4 */
	uint16_t size;
	uint16_t min_size;
	bool counted;	   /* a field says how long the tail is */
	uint16_t count_at; /* that field; its width is 4 */
	uint16_t element;  /* bytes of an element of an ARRAY, all 64-bit */
};

struct cf_plans {
	struct cf_plan request;
	struct cf_plan reply;
	bool has_reply;
};

/* NULL if the code is not known. */
const struct cf_plans *cf_plans(uint32_t opcode);
const struct cf_plan *cf_notify_plan(uint32_t code);

/* Whose plans these are; PLANS is from cf_plans(). */
uint32_t cf_plans_opcode(const struct cf_plans *plans);

#endif
