/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a message ends, on a transport that has no boundaries. */
#include "../message/bytes.h"
#include "private.h"
#include <errno.h>

static ssize_t bounded(uint32_t len, size_t min_len, size_t max_len)
{
	if (len < min_len || len > max_len || len > INT32_MAX)
		return -EBADMSG;
	return (ssize_t)len;
}

ssize_t crossfuse_stream_request_len(const struct crossfuse_session *session,
				     const void *start, size_t len,
				     size_t max_len)
{
	const struct session *s = session_of_const(session);
	const uint8_t *at = start;
	uint32_t mode;
	int swapped;

	/* The opcode of FUSE_INIT tells the byte order of the length too. */
	if (len < offsetof(struct cf_in_header, unique))
		return 0;
	mode = state_of(s);
	swapped = init_swapped(
		cf_get32(at + offsetof(struct cf_in_header, opcode), false));
	if (swapped < 0)
		swapped = !!(mode & MODE_IN_SWAP);
	return bounded(cf_get32(at, swapped), sizeof(struct cf_in_header),
		       max_len);
}

ssize_t crossfuse_stream_reply_len(const struct crossfuse_session *session,
				   const void *start, size_t len,
				   size_t max_len)
{
	const struct session *s = session_of_const(session);
	uint32_t mode = state_of(s);

	if (len < offsetof(struct cf_out_header, error))
		return 0;
	return bounded(cf_get32(start, mode & MODE_OUT_SWAP),
		       sizeof(struct cf_out_header), max_len);
}
