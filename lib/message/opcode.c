/* SPDX-License-Identifier: BSD-2-Clause */
/* The protocol as others see it. */
#include "table.h"

const struct crossfuse_opcode *crossfuse_opcode(uint32_t code)
{
	return cf_opcode(code);
}

const struct crossfuse_opcode *crossfuse_notify(uint32_t code)
{
	return code - 1 < cf_notify_count ? &cf_notify_table[code - 1] : NULL;
}

const struct crossfuse_opcode *crossfuse_opcode_at(size_t index)
{
	return index < cf_opcode_count ? &cf_opcode_table[index] : NULL;
}

const struct crossfuse_opcode *crossfuse_notify_at(size_t index)
{
	return index < cf_notify_count ? &cf_notify_table[index] : NULL;
}
