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

/* The bytes still to be looked at. */
struct span {
	const uint8_t *at;
	size_t len;
};

/* Takes a name with its NUL off the front. */
static int take_name(struct span *span)
{
	const uint8_t *end = memchr(span->at, 0, span->len);
	size_t len;

	if (!end)
		return -EBADMSG;
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
static bool extensions_fit(const struct cf_source *source, size_t left)
{
	if (source->minor >= CF_EXTLEN_MINOR)
		return source->extlen == left;
	return !left || !source->minor || source->minor >= 36;
}

/* Names, and behind them extensions. */
static int check_names(const struct cf_plan *plan,
		       const struct cf_source *source, struct span *span,
		       size_t names)
{
	while (names--)
		if (take_name(span))
			return -EBADMSG;
	if (!plan->extensions)
		return span->len ? -EBADMSG : 0;
	if (!extensions_fit(source, span->len))
		return -EBADMSG;
	return cf_extensions_check(span->at, span->len, source->swapped,
				   source->swap);
}

/* A name without NUL-termination rules of its own: NAMELEN bytes and a NUL. */
static int check_counted_name(const struct span *span, uint32_t count)
{
	if (span->len < 1 || count != span->len - 1)
		return -EBADMSG;
	return memchr(span->at, 0, span->len) == span->at + count ? 0
								  : -EBADMSG;
}

/* IOCTL's reply: whose code judges the payload, but for RETRY's records. */
static int check_ioctl_reply(const uint8_t *body, size_t len, bool swapped)
{
	uint32_t flags = cf_get32(body + IOCTL_AT(flags), swapped);
	uint64_t count = (uint64_t)cf_get32(body + IOCTL_AT(in_iovs), swapped) +
			 cf_get32(body + IOCTL_AT(out_iovs), swapped);

	if (!(flags & CF_IOCTL_RETRY))
		return 0;
	return count <= CF_IOCTL_MAX_IOV &&
			       len == count * sizeof(struct cf_ioctl_iovec)
		       ? 0
		       : -EBADMSG;
}

static int check_tail(const struct cf_plan *plan,
		      const struct cf_source *source, struct span *span,
		      uint32_t count)
{
	switch (plan->tail) {
	case CROSSFUSE_TAIL_NONE:
		return span->len ? -EBADMSG : 0;
	case CROSSFUSE_TAIL_NAME:
		if (plan->counted)
			return check_counted_name(span, count);
		return check_names(plan, source, span, 1);
	case CROSSFUSE_TAIL_TWO_NAMES:
		return check_names(plan, source, span, 2);
	case CROSSFUSE_TAIL_NAME_BYTES:
		if (take_name(span))
			return -EBADMSG;
		return span->len == count ? 0 : -EBADMSG;
	case CROSSFUSE_TAIL_ARRAY:
		return span->len == (uint64_t)count * plan->element ? 0
								    : -EBADMSG;
	case CROSSFUSE_TAIL_DIRENTS:
	case CROSSFUSE_TAIL_DIRENTS_PLUS:
		/* Records that are not turned round are not looked at. */
		if (!source->swap)
			return 0;
		return cf_records_check(span->at, span->len,
					plan->tail ==
						CROSSFUSE_TAIL_DIRENTS_PLUS,
					source->swapped);
	case CROSSFUSE_TAIL_IOCTL:
		if (!plan->counted)
			return check_ioctl_reply(span->at - source->fixed,
						 span->len, source->swapped);
		return span->len == count ? 0 : -EBADMSG;
	default:
		return 0;
	}
}

int cf_check_parts(const struct cf_plan *plan, const struct cf_source *source,
		   const void *body, size_t head_len, size_t body_len,
		   struct cf_parts *ret_parts)
{
	const uint8_t *start = body;
	struct cf_parts parts = { .fixed = source->fixed };
	struct span span;
	uint32_t count = 0;

	if (head_len < source->fixed || head_len > body_len ||
	    body_len > UINT32_MAX)
		return -EBADMSG;
	if (plan->counted)
		count = cf_get32(start + plan->count_at, source->swapped);
	if (plan->tail == CROSSFUSE_TAIL_DATA) {
		/* The data itself need not be here. */
		if (plan->counted && count != body_len - source->fixed)
			return -EBADMSG;
		*ret_parts = parts;
		return 0;
	}
	if (head_len != body_len)
		return -EBADMSG;
	span.at = start + source->fixed;
	span.len = head_len - source->fixed;
	parts.tail_at = source->fixed;
	parts.tail_len = (uint32_t)span.len;
	if (check_tail(plan, source, &span, count))
		return -EBADMSG;
	if (plan->extensions) {
		parts.ext_at = (uint32_t)(span.at - start);
		parts.ext_len = (uint32_t)span.len;
	}
	*ret_parts = parts;
	return 0;
}
