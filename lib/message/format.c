/* SPDX-License-Identifier: BSD-2-Clause */
/* A message as one line of text. Anything may stand in it. */
#include "bytes.h"
#include "table.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Text that is longer than its buffer is counted all the same. */
struct text {
	char *buf;
	size_t size;
	size_t len;
};

/* The message: whose values, which byte order, what is left of it. */
struct reader {
	const struct crossfuse_abi *abi;
	bool swapped;
	const uint8_t *at;
	size_t len;
};

enum {
	NAME_SHOWN = 255
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text,
						      const char *format, ...)
{
	size_t room = text->len < text->size ? text->size - text->len : 0;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(room ? text->buf + text->len : NULL, room, format,
			args);
	va_end(args);
	if (len > 0)
		text->len += (size_t)len;
}

static void put_escaped(struct text *text, const uint8_t *at, size_t len)
{
	size_t shown = len < NAME_SHOWN ? len : NAME_SHOWN;

	put(text, "\"");
	for (size_t i = 0; i < shown; i++) {
		if (at[i] == '"' || at[i] == '\\')
			put(text, "\\%c", at[i]);
		else if (at[i] < 0x20 || at[i] > 0x7e)
			put(text, "\\x%02x", at[i]);
		else
			put(text, "%c", at[i]);
	}
	put(text, "\"%s", shown < len ? "..." : "");
}

/* Bits by name, the rest in hexadecimal. FIRST: something stands before. */
static void put_bits(struct text *text, const struct crossfuse_abi *abi,
		     uint32_t bits, bool first,
		     const char *(*name_of)(const struct crossfuse_abi *abi,
					    uint32_t bit))
{
	uint32_t rest = 0;

	for (unsigned int i = 0; i < 32; i++) {
		uint32_t bit = bits & UINT32_C(1) << i;
		const char *name = bit ? name_of(abi, bit) : NULL;

		if (name)
			put(text, "%s%s", first ? "" : "|", name);
		else
			rest |= bit;
		first = first && !name;
	}
	if (rest)
		put(text, "%s0x%" PRIx32, first ? "" : "|", rest);
	else if (first)
		put(text, "0");
}

static void put_open_flags(struct text *text, const struct crossfuse_abi *abi,
			   uint32_t flags)
{
	static const char *const modes[] = { "O_RDONLY", "O_WRONLY", "O_RDWR",
					     "O_ACCMODE" };

	put(text, "%s", modes[flags & 3]);
	if (flags & ~UINT32_C(3))
		put_bits(text, abi, flags & ~UINT32_C(3), false,
			 crossfuse_open_flag_name);
}

static void put_error(struct text *text, const struct crossfuse_abi *abi,
		      int64_t error)
{
	const char *name = error < 0 && error > -4096
				   ? crossfuse_errno_name(abi, (int32_t)-error)
				   : NULL;

	if (name)
		put(text, "-%s", name);
	else
		put(text, "%" PRId64, error);
}

static void put_lock(struct text *text, const struct crossfuse_abi *abi,
		     uint32_t type)
{
	static const char *const names[] = { "F_RDLCK", "F_WRLCK", "F_UNLCK" };
	uint32_t canonical;

	if (!crossfuse_lock_type(abi, crossfuse_abi_canonical(), type,
				 &canonical) &&
	    canonical < 3)
		put(text, "%s", names[canonical]);
	else
		put(text, "%" PRIu32, type);
}

static void put_ioctl(struct text *text, const struct crossfuse_abi *abi,
		      uint32_t cmd)
{
	const char *name = crossfuse_ioctl_name(abi, cmd);

	if (name)
		put(text, "%s", name);
	else
		put(text, "0x%" PRIx32, cmd);
}

static uint64_t get(const struct reader *reader, size_t offset, size_t width)
{
	const uint8_t *at = reader->at + offset;

	switch (width) {
	case 8:
		return cf_get64(at, reader->swapped);
	case 4:
		return cf_get32(at, reader->swapped);
	case 2:
		return cf_get16(at, reader->swapped);
	default:
		return *at;
	}
}

/* The last part of a dotted name. */
static const char *last_part(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

static bool is_named(const char *name, const char *const *names)
{
	while (*names && strcmp(*names, name))
		names++;
	return *names;
}

static void put_number(struct text *text, const char *name, uint64_t value)
{
	static const char *const octal[] = { "mode", "umask", NULL };

	if (is_named(name, octal))
		put(text, "0%" PRIo64, value);
	else if (strstr(name, "flags") || strstr(name, "mask") ||
		 !strcmp(name, "valid") || !strcmp(name, "arch_id"))
		put(text, "0x%" PRIx64, value);
	else
		put(text, "%" PRIu64, value);
}

static void put_field(struct text *text, const struct reader *reader,
		      const struct crossfuse_field *field)
{
	static const char *const quiet[] = { "padding",	 "unused", "unused4",
					     "unused5",	 "dummy",  "dummy1",
					     "dummy2",	 "dummy3", "dummy4",
					     "reserved", NULL };
	const char *name = last_part(field->name);
	uint64_t value;

	if (field->kind == CROSSFUSE_KIND_BYTES || is_named(name, quiet))
		return;
	value = get(reader, field->offset, field->width);
	put(text, " %s=", field->name);
	switch (field->kind) {
	case CROSSFUSE_KIND_OPEN_FLAGS:
		put_open_flags(text, reader->abi, (uint32_t)value);
		break;
	case CROSSFUSE_KIND_ERRNO:
		put_error(text, reader->abi, (int32_t)value);
		break;
	case CROSSFUSE_KIND_LOCK:
		put_lock(text, reader->abi, (uint32_t)value);
		break;
	case CROSSFUSE_KIND_POLL:
		put_bits(text, reader->abi, (uint32_t)value, true,
			 crossfuse_poll_name);
		break;
	case CROSSFUSE_KIND_IOCTL_CMD:
		put_ioctl(text, reader->abi, (uint32_t)value);
		break;
	default:
		put_number(text, name, value);
		break;
	}
}

/* Shows the fixed part and goes on behind it. */
static void put_fixed(struct text *text, struct reader *reader,
		      const struct crossfuse_layout *layout, size_t fixed)
{
	size_t here = fixed < reader->len ? fixed : reader->len;

	for (size_t i = 0; i < layout->field_count; i++) {
		const struct crossfuse_field *field = &layout->fields[i];

		if ((size_t)field->offset + field->width <= here)
			put_field(text, reader, field);
	}
	if (here < layout->min_size)
		put(text, " (cut short)");
	reader->at += here;
	reader->len -= here;
}

static void put_names(struct text *text, struct reader *reader, size_t count)
{
	while (count--) {
		const uint8_t *end = memchr(reader->at, 0, reader->len);
		size_t len = end ? (size_t)(end - reader->at) : reader->len;

		put(text, " ");
		put_escaped(text, reader->at, len);
		if (!end) {
			put(text, " (not terminated)");
			reader->len = 0;
			return;
		}
		reader->at += len + 1;
		reader->len -= len + 1;
	}
}

static void put_tail(struct text *text, struct reader *reader,
		     const struct crossfuse_layout *layout)
{
	switch (layout->tail) {
	case CROSSFUSE_TAIL_NAME:
	case CROSSFUSE_TAIL_NAME_BYTES:
		put_names(text, reader, 1);
		break;
	case CROSSFUSE_TAIL_TWO_NAMES:
		put_names(text, reader, 2);
		break;
	default:
		break;
	}
	if (reader->len)
		put(text, " +%zu bytes", reader->len);
}

/*
 * Which form of SETXATTR it is was negotiated, and is not known here: a name
 * does not begin with the control characters that flags and padding are.
 */
static size_t fixed_of_request(const struct crossfuse_opcode *op,
			       const struct reader *reader)
{
	if (op->code != CF_SETXATTR ||
	    (reader->len >= sizeof(struct cf_setxattr_in) &&
	     reader->at[CF_COMPAT_SETXATTR_IN_SIZE] < ' ' &&
	     !get(reader, offsetof(struct cf_setxattr_in, padding), 4)))
		return op->request.size;
	return op->request.min_size;
}

static void format_request(struct text *text, struct reader *reader)
{
	const struct crossfuse_opcode *op;
	uint32_t opcode;

	if (reader->len < sizeof(struct cf_in_header)) {
		put(text, "request of %zu bytes, cut short", reader->len);
		return;
	}
	opcode =
		(uint32_t)get(reader, offsetof(struct cf_in_header, opcode), 4);
	op = crossfuse_opcode(opcode);
	if (op)
		put(text, "%s", op->name);
	else
		put(text, "opcode %" PRIu32, opcode);
	put(text, " unique=%" PRIu64 " nodeid=%" PRIu64,
	    get(reader, offsetof(struct cf_in_header, unique), 8),
	    get(reader, offsetof(struct cf_in_header, nodeid), 8));
	reader->at += sizeof(struct cf_in_header);
	reader->len -= sizeof(struct cf_in_header);
	if (op) {
		put_fixed(text, reader, &op->request,
			  fixed_of_request(op, reader));
		put_tail(text, reader, &op->request);
	} else if (reader->len) {
		put(text, " +%zu bytes", reader->len);
	}
}

static void format_reply(struct text *text, struct reader *reader,
			 uint32_t opcode)
{
	const struct crossfuse_opcode *op;
	const struct crossfuse_layout *layout = NULL;
	uint64_t unique;
	int32_t error;

	if (reader->len < sizeof(struct cf_out_header)) {
		put(text, "reply of %zu bytes, cut short", reader->len);
		return;
	}
	unique = get(reader, offsetof(struct cf_out_header, unique), 8);
	error = (int32_t)get(reader, offsetof(struct cf_out_header, error), 4);
	op = unique ? crossfuse_opcode(opcode)
		    : crossfuse_notify((uint32_t)error);
	if (op && (!unique || !error))
		layout = &op->reply;
	put(text, unique ? "reply" : "notify");
	if (op)
		put(text, " %s", op->name);
	else
		put(text, " %" PRIu32, unique ? opcode : (uint32_t)error);
	if (unique)
		put(text, " unique=%" PRIu64, unique);
	if (unique && error) {
		put(text, " error=");
		put_error(text, reader->abi, error);
	}
	reader->at += sizeof(struct cf_out_header);
	reader->len -= sizeof(struct cf_out_header);
	/* GETXATTR answers with a struct or with as many bytes of a value. */
	if (layout && layout->tail == CROSSFUSE_TAIL_BYTES &&
	    opcode != CF_CUSE_INIT)
		layout = NULL;
	if (layout) {
		put_fixed(text, reader, layout, layout->size);
		put_tail(text, reader, layout);
	} else if (reader->len) {
		put(text, " +%zu bytes", reader->len);
	}
}

int crossfuse_format_request(const struct crossfuse_abi *abi, bool swapped,
			     const void *head, size_t head_len, char *buf,
			     size_t size)
{
	struct text text = { buf, size, 0 };
	struct reader reader = { abi, swapped, head, head_len };

	if (size)
		buf[0] = '\0';
	format_request(&text, &reader);
	return (int)text.len;
}

int crossfuse_format_reply(const struct crossfuse_abi *abi, bool swapped,
			   uint32_t opcode, const void *head, size_t head_len,
			   char *buf, size_t size)
{
	struct text text = { buf, size, 0 };
	struct reader reader = { abi, swapped, head, head_len };

	if (size)
		buf[0] = '\0';
	format_reply(&text, &reader, opcode);
	return (int)text.len;
}
