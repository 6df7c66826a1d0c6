/* SPDX-License-Identifier: BSD-2-Clause */
/* Turning round the integers of a message that was checked. */
#include "bytes.h"
#include "extension.h"
#include "parts.h"
#include "record.h"

static void swap_run(uint8_t *at, size_t width, size_t count)
{
	switch (width) {
	case 8:
		for (size_t i = 0; i < count; i++)
			cf_swap64(at + i * 8);
		break;
	case 4:
		for (size_t i = 0; i < count; i++)
			cf_swap32(at + i * 4);
		break;
	default:
		for (size_t i = 0; i < count; i++)
			cf_swap16(at + i * 2);
		break;
	}
}

void cf_swap_fixed(const struct crossfuse_layout *layout, void *body,
		   size_t len)
{
	for (size_t i = 0; i < layout->run_count; i++) {
		const struct crossfuse_run *run = &layout->runs[i];
		size_t count = run->count;

		/* An older minor's form ends earlier. */
		if (len < layout->size) {
			if (run->offset >= len)
				return;
			if (count > (len - run->offset) / run->width)
				count = (len - run->offset) / run->width;
		}
		swap_run((uint8_t *)body + run->offset, run->width, count);
	}
}

void cf_swap_parts(const struct crossfuse_layout *layout,
		   const struct cf_parts *parts, bool swapped, void *body)
{
	uint8_t *tail = (uint8_t *)body + parts->tail_at;

	cf_swap_fixed(layout, body, parts->fixed);
	switch (layout->tail) {
	case CROSSFUSE_TAIL_ARRAY:
		swap_run(tail, 8, parts->tail_len / 8);
		break;
	case CROSSFUSE_TAIL_DIRENTS:
		cf_records_swap(tail, parts->tail_len, false, swapped);
		break;
	case CROSSFUSE_TAIL_DIRENTS_PLUS:
		cf_records_swap(tail, parts->tail_len, true, swapped);
		break;
	default:
		break;
	}
	if (parts->ext_len)
		cf_extensions_swap((uint8_t *)body + parts->ext_at,
				   parts->ext_len, swapped);
}
