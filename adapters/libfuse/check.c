/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a kernel guarantees of its requests, and libfuse relies on: names end,
 * and lengths and counts are of what has arrived.
 */
#include "adapter.h"
#include <crossfuse/message.h>
#include <errno.h>
#include <string.h>

uint32_t cf_adapter_get32(const void *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

uint64_t cf_adapter_get64(const void *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

/* A 32-bit field of a fixed part; 0 if there is none of this name. */
static uint32_t field(const struct crossfuse_layout *layout, const char *name,
		      const uint8_t *body)
{
	for (size_t i = 0; i < layout->field_count; i++)
		if (!strcmp(layout->fields[i].name, name))
			return cf_adapter_get32(body +
						layout->fields[i].offset);
	return 0;
}

/* What is left behind a name; NULL if it has no end. */
static const uint8_t *skip_name(const uint8_t *at, const uint8_t *end)
{
	const uint8_t *nul = at ? memchr(at, 0, (size_t)(end - at)) : NULL;

	return nul ? nul + 1 : NULL;
}

static bool tail_holds(const struct crossfuse_layout *layout,
		       const uint8_t *body, const uint8_t *at,
		       const uint8_t *end)
{
	size_t len = (size_t)(end - at);

	switch (layout->tail) {
	case CROSSFUSE_TAIL_NAME:
		return skip_name(at, end);
	case CROSSFUSE_TAIL_TWO_NAMES:
		return skip_name(skip_name(at, end), end);
	case CROSSFUSE_TAIL_NAME_BYTES:
		at = skip_name(at, end);
		return at && field(layout, "size", body) <= (size_t)(end - at);
	case CROSSFUSE_TAIL_DATA:
		return field(layout, "size", body) <= len;
	case CROSSFUSE_TAIL_ARRAY:
		return field(layout, "count", body) <=
		       len / sizeof(struct cf_forget_one);
	case CROSSFUSE_TAIL_IOCTL:
		return field(layout, "in_size", body) <= len;
	default:
		return true;
	}
}

int cf_check_request(const void *request, size_t len, bool long_setxattr)
{
	const struct crossfuse_opcode *opcode;
	const uint8_t *start = request;
	const uint8_t *body = start + IN_HEADER;
	const struct crossfuse_layout *layout;
	size_t fixed;

	if (len < IN_HEADER || cf_adapter_get32(start) != len)
		return -EBADMSG;
	opcode = crossfuse_opcode(cf_adapter_get32(
		start + offsetof(struct cf_in_header, opcode)));
	if (!opcode) /* libfuse does not know it either */
		return 0;
	layout = &opcode->request;
	fixed = layout->min_size;
	if (opcode->code == CF_SETXATTR && long_setxattr)
		fixed = layout->size;
	if (len - IN_HEADER < fixed)
		return -EBADMSG;
	return tail_holds(layout, body, body + fixed, start + len) ? 0
								   : -EBADMSG;
}
