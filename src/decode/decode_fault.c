// SPDX-License-Identifier: BSD-2-Clause
/* What is wrong with a message, as far as the message itself tells. */
#include "decode.h"
#include <crossfuse/wire.h>
#include <errno.h>

/*
 * What was agreed on is not known: a form that may be right is. 0, or -EBADMSG
 * with *RET_FAULT; -ENOSYS of what has no name.
 */
static int check(const struct decode_message *message,
		 struct crossfuse_fault *ret_fault)
{
	struct crossfuse_terms terms = { .swapped = message->swapped };
	struct crossfuse_fault fault;
	int ret;

	if (message->reply)
		ret = crossfuse_check_reply(&terms, message->opcode,
					    message->bytes, message->captured,
					    message->length, &fault);
	else
		ret = crossfuse_check_request(&terms, message->bytes,
					      message->captured,
					      message->length, &fault);
	/* What was not recorded cannot be judged. */
	if (ret == -EBADMSG && fault.kind == CROSSFUSE_FAULT_HEAD)
		return 0;
	if (ret == -EBADMSG)
		*ret_fault = fault;
	return ret;
}

static uint64_t unique_of(const struct decode_message *message)
{
	return decode_get(message, offsetof(struct cf_out_header, unique), 8);
}

bool decode_fault(const struct decode_message *message, char *buf, size_t size)
{
	struct crossfuse_fault fault;

	if (message->cut) {
		snprintf(buf, size, "the input ends after %zu of its %zu bytes",
			 message->captured, message->length);
		return true;
	}
	switch (check(message, &fault)) {
	case 0:
		return false;
	case -EBADMSG:
		crossfuse_format_fault(&fault, buf, size);
		return true;
	default:
		/* A reply may answer what nobody told of. */
		if (message->reply && unique_of(message))
			return false;
		snprintf(buf, size, "unknown %s",
			 message->reply ? "notification" : "opcode");
		return true;
	}
}
