/* SPDX-License-Identifier: BSD-2-Clause */
/* What generate.py makes of the protocol, in tables.c. Private to the library. */
#ifndef MESSAGE_TABLE_H
#define MESSAGE_TABLE_H

#include "records.h"
#include <crossfuse/message.h>

extern const struct crossfuse_opcode cf_opcode_table[];
extern const size_t cf_opcode_count;
extern const struct crossfuse_opcode cf_notify_table[];
extern const size_t cf_notify_count;
extern const uint8_t cf_opcode_index[CF_OPCODE_END];

/* NULL if the number is not known. */
static inline const struct crossfuse_opcode *cf_opcode(uint32_t code)
{
	size_t index = 0;

	if (code < CF_OPCODE_END)
		index = cf_opcode_index[code];
	else if (code == CF_CUSE_INIT)
		index = CF_CUSE_INDEX;
	return index ? &cf_opcode_table[index - 1] : NULL;
}

static inline const struct crossfuse_layout *cf_notify(uint32_t code)
{
	/* Codes run from 1 without a gap. */
	return code - 1 < cf_notify_count ? &cf_notify_table[code - 1].reply
					  : NULL;
}

#endif
