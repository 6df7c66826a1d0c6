// SPDX-License-Identifier: BSD-2-Clause
/* One message: what it is, and its text. */
#include "decode.h"
#include "decode_records.h"
#include <crossfuse/wire.h>
#include <inttypes.h>
#include <string.h>

uint64_t decode_get(const struct decode_message *message, size_t offset,
		    size_t width)
{
	const uint8_t *at = message->bytes + offset;
	uint64_t value8;
	uint32_t value4;
	uint16_t value2;

	switch (width) {
	case 8:
		memcpy(&value8, at, sizeof(value8));
		return message->swapped ? __builtin_bswap64(value8) : value8;
	case 4:
		memcpy(&value4, at, sizeof(value4));
		return message->swapped ? __builtin_bswap32(value4) : value4;
	case 2:
		memcpy(&value2, at, sizeof(value2));
		return message->swapped ? __builtin_bswap16(value2) : value2;
	default:
		return *at;
	}
}

size_t decode_header_len(const struct decode_message *message)
{
	return message->reply ? sizeof(struct cf_out_header)
			      : sizeof(struct cf_in_header);
}

static uint64_t unique_of(const struct decode_message *message)
{
	return decode_get(message,
			  message->reply
				  ? offsetof(struct cf_out_header, unique)
				  : offsetof(struct cf_in_header, unique),
			  8);
}

static uint32_t error_word(const struct decode_message *message)
{
	return (uint32_t)decode_get(message,
				    offsetof(struct cf_out_header, error), 4);
}

const struct crossfuse_opcode *
decode_opcode(const struct decode_message *message)
{
	if (message->captured < decode_header_len(message))
		return NULL;
	if (!message->reply)
		return crossfuse_opcode((uint32_t)decode_get(
			message, offsetof(struct cf_in_header, opcode), 4));
	if (!unique_of(message))
		return crossfuse_notify(error_word(message));
	return message->opcode ? crossfuse_opcode(message->opcode) : NULL;
}

int32_t decode_error(const struct decode_message *message)
{
	int32_t error;

	if (!message->reply || message->captured < decode_header_len(message) ||
	    !unique_of(message))
		return 0;
	error = (int32_t)error_word(message);
	return error < 0 && error > -4096 ? -error : 0;
}

const struct crossfuse_layout *
decode_layout(const struct decode_message *message)
{
	const struct crossfuse_opcode *opcode = decode_opcode(message);

	if (!opcode)
		return NULL;
	if (!message->reply)
		return &opcode->request;
	return unique_of(message) && error_word(message) ? NULL
							 : &opcode->reply;
}

/* A reply to nobody knows what: its header can be told all the same. */
static int bare_reply(const struct decode_message *message, char *buf,
		      size_t size)
{
	int32_t error = (int32_t)error_word(message);
	const char *name = error < 0 && error > -4096
				   ? crossfuse_errno_name(message->abi, -error)
				   : NULL;
	int len = snprintf(buf, size, "reply unique=%" PRIu64,
			   unique_of(message));

	if (name)
		len += snprintf(buf + len, size - (size_t)len, " error=-%s",
				name);
	else if (error)
		len += snprintf(buf + len, size - (size_t)len,
				" error=%" PRId32, error);
	if (message->captured > sizeof(struct cf_out_header))
		len += snprintf(buf + len, size - (size_t)len, " +%zu bytes",
				message->captured -
					sizeof(struct cf_out_header));
	return len;
}

static int message_text(const struct decode_message *message, char *buf,
			size_t size)
{
	if (!message->reply)
		return crossfuse_format_request(message->abi, message->swapped,
						message->bytes,
						message->captured, buf, size);
	if (message->captured >= sizeof(struct cf_out_header) &&
	    !message->opcode && unique_of(message))
		return bare_reply(message, buf, size);
	return crossfuse_format_reply(message->abi, message->swapped,
				      message->opcode, message->bytes,
				      message->captured, buf, size);
}

void decode_text(const struct decode_message *message, char *buf, size_t size)
{
	enum {
		NOTE = 48
	};
	int len = message_text(message, buf, size - NOTE);
	size_t at = len > 0 ? strlen(buf) : 0;

	buf[at] = '\0';
	if ((size_t)len > at)
		at += (size_t)snprintf(buf + at, NOTE, "...");
	else
		decode_records_text(message, buf + at, size - NOTE - at);
	at = strlen(buf);
	decode_init_text(message, buf + at, size - NOTE - at);
	at = strlen(buf);
	if (message->captured < message->length && !message->cut)
		snprintf(buf + at, size - at, " +%zu bytes not recorded",
			 message->length - message->captured);
}

/* Length of the word or name at AT. */
static size_t token_len(const char *at)
{
	return strcspn(at, " |=");
}

/* Whether NAME is one of the names that stand between bars in WORD. */
static bool has_token(const char *word, size_t len, const char *name,
		      size_t name_len)
{
	for (size_t at = 0; at < len; at += token_len(word + at) + 1)
		if (token_len(word + at) == name_len &&
		    memcmp(word + at, name, name_len) == 0)
			return true;
	return false;
}

bool decode_same_text(const char *a, const char *b)
{
	while (*a && *b) {
		size_t len = strcspn(a, " ");

		if (len != strcspn(b, " "))
			return false;
		/* Names of bits are in the order of the bits. */
		for (size_t at = 0; at < len; at += token_len(a + at) + 1)
			if (!has_token(b, len, a + at, token_len(a + at)))
				return false;
		a += len + (a[len] == ' ');
		b += len + (b[len] == ' ');
	}
	return *a == *b;
}

/* Fields that a bare reply or a short form of the struct does not have. */
static size_t fixed_here(const struct decode_message *message,
			 const struct crossfuse_layout *layout)
{
	size_t here = message->captured - decode_header_len(message);
	size_t fixed = layout->size;
	const struct crossfuse_opcode *opcode = decode_opcode(message);

	/* Both have two forms, and do not tell which one they are. */
	if (!message->reply && opcode && opcode->code == CF_SETXATTR)
		fixed = layout->min_size;
	if (message->reply && layout->tail == CROSSFUSE_TAIL_BYTES)
		fixed = 0;
	return fixed < here ? fixed : here;
}

static void compare_errors(const struct decode_message *client,
			   const struct decode_message *server,
			   decode_difference *difference, void *opaque)
{
	int32_t at_client = decode_error(client);
	int32_t at_server = decode_error(server);

	if (at_client != at_server)
		difference(opaque, "error", (uint64_t)at_client,
			   (uint64_t)at_server);
}

void decode_compare(const struct decode_message *client,
		    const struct decode_message *server,
		    decode_difference *difference, void *opaque)
{
	const struct crossfuse_layout *layout = decode_layout(client);
	size_t header = decode_header_len(client);
	size_t here;

	if (client->captured < header || server->captured < header)
		return;
	compare_errors(client, server, difference, opaque);
	if (!layout || layout != decode_layout(server))
		return;
	here = fixed_here(client, layout);
	if (fixed_here(server, layout) < here)
		here = fixed_here(server, layout);
	for (size_t i = 0; i < layout->field_count; i++) {
		const struct crossfuse_field *field = &layout->fields[i];
		uint64_t a, b;

		if (field->kind == CROSSFUSE_KIND_BYTES ||
		    (size_t)field->offset + field->width > here)
			continue;
		a = decode_get(client, header + field->offset, field->width);
		b = decode_get(server, header + field->offset, field->width);
		if (a != b)
			difference(opaque, field->name, a, b);
	}
}
