// SPDX-License-Identifier: BSD-2-Clause
/* What is wrong with a message, as far as the message itself tells. */
#include "decode.h"
#include "decode_records.h"
#include <crossfuse/wire.h>
#include <inttypes.h>
#include <string.h>

/* Which field counts what stands behind the fixed part. */
static const struct counted {
	uint32_t code;
	bool notify;
	uint16_t offset;
	uint16_t element; /* bytes */
	uint16_t more;	  /* that are not counted: a NUL */
} counted[] = {
	{ CF_WRITE, false, offsetof(struct cf_write_in, size), 1, 0 },
	{ CF_NOTIFY_REPLY, false, offsetof(struct cf_notify_retrieve_in, size),
	  1, 0 },
	{ CF_IOCTL, false, offsetof(struct cf_ioctl_in, in_size), 1, 0 },
	{ CF_BATCH_FORGET, false, offsetof(struct cf_batch_forget_in, count),
	  sizeof(struct cf_forget_one), 0 },
	{ CF_REMOVEMAPPING, false, offsetof(struct cf_removemapping_in, count),
	  sizeof(struct cf_removemapping_one), 0 },
	{ CF_NOTIFY_STORE, true, offsetof(struct cf_notify_store_out, size), 1,
	  0 },
	{ CF_NOTIFY_INVAL_ENTRY, true,
	  offsetof(struct cf_notify_inval_entry_out, namelen), 1, 1 },
	{ CF_NOTIFY_DELETE, true,
	  offsetof(struct cf_notify_delete_out, namelen), 1, 1 },
};

/* The text of a fault; the first one is told. */
struct fault {
	char *buf;
	size_t size;
	bool found;
};

#define TELL(fault, ...)                                                    \
	do {                                                                \
		if (!(fault)->found)                                        \
			snprintf((fault)->buf, (fault)->size, __VA_ARGS__); \
		(fault)->found = true;                                      \
	} while (0)

static void check_count(struct fault *fault,
			const struct decode_message *message,
			const struct counted *row, size_t tail)
{
	size_t at = decode_header_len(message) + row->offset;
	uint64_t count = decode_get(message, at, 4);
	uint64_t want = count * row->element + row->more;

	if (want != tail)
		TELL(fault,
		     "it counts %" PRIu64 " bytes behind its fixed part, but "
		     "there are %zu",
		     want, tail);
}

static const struct counted *find_counted(const struct decode_message *message)
{
	const struct crossfuse_opcode *opcode = decode_opcode(message);
	bool notify =
		message->reply &&
		!decode_get(message, offsetof(struct cf_out_header, unique), 8);

	/* No count stands in a reply. */
	if (message->reply && !notify)
		return NULL;
	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++)
		if (counted[i].code == opcode->code &&
		    counted[i].notify == notify)
			return &counted[i];
	return NULL;
}

/* COUNT names from AT on; what is left behind them, or SIZE_MAX. */
static size_t after_names(const struct decode_message *message, size_t at,
			  unsigned int count)
{
	while (count--) {
		const uint8_t *end =
			memchr(message->bytes + at, 0, message->captured - at);

		if (!end)
			return SIZE_MAX;
		at = (size_t)(end - message->bytes) + 1;
	}
	return message->captured - at;
}

static void check_names(struct fault *fault,
			const struct decode_message *message,
			const struct crossfuse_layout *layout, size_t at,
			unsigned int count)
{
	size_t left = after_names(message, at, count);
	size_t extensions;

	if (left == SIZE_MAX) {
		TELL(fault, "a name is not terminated");
		return;
	}
	if (message->reply || !layout->extensions) {
		if (left)
			TELL(fault, "%zu bytes too many behind the name", left);
		return;
	}
	/* Protocol 7.36 and 7.37 did not tell this length yet. */
	extensions = 8 * (size_t)decode_get(message,
					    offsetof(struct cf_in_header,
						     total_extlen),
					    2);
	if (extensions && extensions != left)
		TELL(fault,
		     "its header tells %zu bytes of extensions, but there are "
		     "%zu",
		     extensions, left);
}

/* Two forms: the flags were added with 7.33, if that was negotiated. */
static void check_setxattr(struct fault *fault,
			   const struct decode_message *message)
{
	size_t header = decode_header_len(message);
	uint64_t size = decode_get(message, header, 4);
	size_t left =
		after_names(message, header + CF_COMPAT_SETXATTR_IN_SIZE, 1);

	if (left == size && left != SIZE_MAX)
		return;
	if (message->captured >= header + sizeof(struct cf_setxattr_in)) {
		left = after_names(message,
				   header + sizeof(struct cf_setxattr_in), 1);
		if (left == size && left != SIZE_MAX)
			return;
	}
	TELL(fault, "name and value of %" PRIu64 " bytes do not fill it", size);
}

static void check_tail(struct fault *fault,
		       const struct decode_message *message,
		       const struct crossfuse_layout *layout, size_t at)
{
	switch (layout->tail) {
	case CROSSFUSE_TAIL_NONE:
		if (message->length > at)
			TELL(fault, "%zu bytes too many", message->length - at);
		break;
	case CROSSFUSE_TAIL_NAME:
		check_names(fault, message, layout, at, 1);
		break;
	case CROSSFUSE_TAIL_TWO_NAMES:
		check_names(fault, message, layout, at, 2);
		break;
	case CROSSFUSE_TAIL_NAME_BYTES:
		check_setxattr(fault, message);
		break;
	case CROSSFUSE_TAIL_DIRENTS:
	case CROSSFUSE_TAIL_DIRENTS_PLUS:
		if (!decode_records_right(message,
					  layout->tail ==
						  CROSSFUSE_TAIL_DIRENTS_PLUS))
			TELL(fault, "its directory entries do not fill it");
		break;
	default:
		break;
	}
}

static void check_body(struct fault *fault,
		       const struct decode_message *message,
		       const struct crossfuse_layout *layout)
{
	size_t header = decode_header_len(message);
	size_t body = message->length - header;
	size_t fixed = body < layout->size ? body : layout->size;
	const struct counted *row = find_counted(message);
	bool open_ended = layout->tail == CROSSFUSE_TAIL_BYTES;

	/* GETXATTR's reply is a struct or a value. */
	if (message->reply && open_ended)
		return;
	if (body < layout->min_size) {
		TELL(fault, "%zu of %u bytes behind the header", body,
		     layout->min_size);
		return;
	}
	/* What is missing cannot be judged, and is said in another way. */
	if (message->captured < header + fixed)
		return;
	if (row)
		check_count(fault, message, row, body - fixed);
	if (message->captured == message->length)
		check_tail(fault, message, layout, header + fixed);
}

static void check_reply(struct fault *fault,
			const struct decode_message *message)
{
	int32_t error = (int32_t)decode_get(
		message, offsetof(struct cf_out_header, error), 4);

	if (!decode_get(message, offsetof(struct cf_out_header, unique), 8)) {
		if (!decode_opcode(message))
			TELL(fault, "unknown notification");
		return;
	}
	if (error > 0 || error <= -4096)
		TELL(fault, "%" PRId32 " is no error number", error);
	else if (error && message->length > sizeof(struct cf_out_header))
		TELL(fault, "an error with bytes behind it");
}

bool decode_fault(const struct decode_message *message, char *buf, size_t size)
{
	struct fault fault = { .buf = buf, .size = size };
	size_t header = decode_header_len(message);
	const struct crossfuse_layout *layout;
	uint64_t len;

	if (message->cut)
		TELL(&fault, "the input ends after %zu of its %zu bytes",
		     message->captured, message->length);
	if (message->captured < header || message->length < header) {
		TELL(&fault, "shorter than its header");
		return true;
	}
	len = decode_get(message, 0, 4);
	if (len != message->length)
		TELL(&fault,
		     "its header tells %" PRIu64 " bytes, but it has %zu", len,
		     message->length);
	if (message->reply)
		check_reply(&fault, message);
	else if (!decode_opcode(message))
		TELL(&fault, "unknown opcode");
	layout = decode_layout(message);
	if (layout)
		check_body(&fault, message, layout);
	return fault.found;
}
