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
 * Names, and behind them extensions. 7.36 and 7.37 send a security context
 * without a length in the header: it is all the rest then.
 */
static int check_names(const struct cf_plan *plan,
		       const struct cf_source *source, struct span *span,
		       size_t names)
{
	while (names--)
		if (take_name(span))
			return -EBADMSG;
	if (!plan->extensions)
		return span->len ? -EBADMSG : 0;
	if (source->extlen != span->len &&
	    (source->extlen || source->minor < 36 || source->minor > 37))
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
		/* What a reply carries is for the ioctl's code to judge. */
		return !plan->counted || span->len == count ? 0 : -EBADMSG;
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
