/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a message is what it says. Nothing is written here, and nothing is
 * read outside of the message, whatever stands in it.
 */
#include "bytes.h"
#include "extension.h"
#include "parts.h"
#include "record.h"
#include <errno.h>

#define IOCTL_AT(field) offsetof(struct cf_ioctl_out, field)

/* A body, and what of it is still to be looked at. */
struct span {
	const uint8_t *start;
	const uint8_t *at;
	size_t len;
	struct crossfuse_fault *fault;
};

/* Something is wrong here. */
static int wrong(const struct span *span, enum crossfuse_fault_kind kind)
{
	*span->fault = (struct crossfuse_fault){
		.kind = kind,
		.offset = (uint32_t)(span->at - span->start),
		.there = span->len,
	};
	return -EBADMSG;
}

/* A field says that there are so many bytes. */
static int count_is(const struct span *span, uint64_t told)
{
	if (told == span->len)
		return 0;
	wrong(span, CROSSFUSE_FAULT_COUNT);
	span->fault->told = told;
	return -EBADMSG;
}

static int nothing_left(const struct span *span)
{
	return span->len ? wrong(span, CROSSFUSE_FAULT_BEHIND) : 0;
}

/* Takes a name with its NUL off the front. */
static int take_name(struct span *span)
{
	const uint8_t *end = memchr(span->at, 0, span->len);
	size_t len;

	if (!end)
		return wrong(span, CROSSFUSE_FAULT_NAME);
	len = (size_t)(end - span->at) + 1;
	span->at += len;
	span->len -= len;
	return 0;
}

/*
 * total_extlen came with 7.38, and counts from then on: before, it is padding,
 * whatever stands in it. 7.36 and 7.37 have extensions without it: they are all
 * that is left. Of a minor that is not known, 0, neither is.
 */
static int check_extensions(const struct cf_source *source, struct span *span)
{
	size_t left;

	if (source->minor >= CF_EXTLEN_MINOR) {
		if (count_is(span, source->extlen)) {
			span->fault->kind = CROSSFUSE_FAULT_EXTLEN;
			return -EBADMSG;
		}
	} else if (source->minor && source->minor < CF_INIT_EXT_MINOR) {
		return nothing_left(span);
	}
	left = cf_extensions_check(span->at, span->len, source->swapped,
				   source->swap);
	if (!left)
		return 0;
	wrong(span, CROSSFUSE_FAULT_EXTENSION);
	span->fault->offset += (uint32_t)(span->len - left);
	return -EBADMSG;
}

/* Names, and behind them extensions. */
static int check_names(const struct crossfuse_layout *layout,
		       const struct cf_source *source, struct span *span,
		       size_t names)
{
	while (names--)
		if (take_name(span))
			return -EBADMSG;
	return layout->extensions ? check_extensions(source, span)
				  : nothing_left(span);
}

/* A name without NUL-termination rules of its own: NAMELEN bytes and a NUL. */
static int check_counted_name(const struct span *span, uint32_t count)
{
	if (count_is(span, (uint64_t)count + 1))
		return -EBADMSG;
	return memchr(span->at, 0, span->len) == span->at + count
		       ? 0
		       : wrong(span, CROSSFUSE_FAULT_NAME);
}

/* IOCTL's reply: its code judges the payload, but for RETRY's records. */
static int check_ioctl_reply(const struct span *span, bool swapped)
{
	const uint8_t *out = span->start;
	uint32_t flags = cf_get32(out + IOCTL_AT(flags), swapped);
	uint64_t count = (uint64_t)cf_get32(out + IOCTL_AT(in_iovs), swapped) +
			 cf_get32(out + IOCTL_AT(out_iovs), swapped);

	if (!(flags & CF_IOCTL_RETRY))
		return 0;
	if (count > CF_IOCTL_MAX_IOV)
		return wrong(span, CROSSFUSE_FAULT_RECORD);
	return count_is(span, count * sizeof(struct cf_ioctl_iovec));
}

/* Records that are not turned round are not looked at. */
static int check_records(const struct cf_source *source,
			 const struct span *span, bool plus)
{
	size_t left;

	if (!source->swap && !source->records)
		return 0;
	left = cf_records_check(span->at, span->len, plus, source->swapped);
	if (!left)
		return 0;
	wrong(span, CROSSFUSE_FAULT_RECORD);
	span->fault->offset += (uint32_t)(span->len - left);
	return -EBADMSG;
}

static int check_tail(const struct crossfuse_layout *layout,
		      const struct cf_source *source, struct span *span,
		      uint32_t count)
{
	switch (layout->tail) {
	case CROSSFUSE_TAIL_NONE:
		return nothing_left(span);
	case CROSSFUSE_TAIL_NAME:
		if (layout->element)
			return check_counted_name(span, count);
		return check_names(layout, source, span, 1);
	case CROSSFUSE_TAIL_TWO_NAMES:
		return check_names(layout, source, span, 2);
	case CROSSFUSE_TAIL_NAME_BYTES:
		return take_name(span) ? -EBADMSG : count_is(span, count);
	case CROSSFUSE_TAIL_ARRAY:
		return count_is(span, (uint64_t)count * layout->element);
	case CROSSFUSE_TAIL_DIRENTS:
		return check_records(source, span, false);
	case CROSSFUSE_TAIL_DIRENTS_PLUS:
		return check_records(source, span, true);
	case CROSSFUSE_TAIL_IOCTL:
		return layout->element
			       ? count_is(span, count)
			       : check_ioctl_reply(span, source->swapped);
	default:
		return 0;
	}
}

int cf_check_parts(const struct crossfuse_layout *layout,
		   const struct cf_source *source, const void *body,
		   size_t head_len, size_t body_len, struct cf_parts *ret_parts,
		   struct crossfuse_fault *ret_fault)
{
	struct cf_parts parts = { .fixed = source->fixed };
	struct span span = { body, body, body_len, ret_fault };
	uint32_t count = 0;

	if (body_len < source->fixed || body_len > UINT32_MAX) {
		wrong(&span, CROSSFUSE_FAULT_FIXED);
		ret_fault->told = source->fixed;
		return -EBADMSG;
	}
	if (head_len < source->fixed || head_len > body_len)
		return wrong(&span, CROSSFUSE_FAULT_HEAD);
	if (layout->element)
		count = cf_get32(span.at + layout->count_at, source->swapped);
	span.at += source->fixed;
	span.len -= source->fixed;
	/* The data itself need not be here. */
	if (layout->tail == CROSSFUSE_TAIL_DATA) {
		if (layout->element && count_is(&span, count))
			return -EBADMSG;
		*ret_parts = parts;
		return 0;
	}
	if (head_len != body_len)
		return wrong(&span, CROSSFUSE_FAULT_HEAD);
	parts.tail_at = source->fixed;
	parts.tail_len = (uint32_t)span.len;
	if (check_tail(layout, source, &span, count))
		return -EBADMSG;
	if (layout->extensions) {
		parts.ext_at = (uint32_t)(span.at - span.start);
		parts.ext_len = (uint32_t)span.len;
	}
	*ret_parts = parts;
	return 0;
}
