// SPDX-License-Identifier: BSD-2-Clause
/*
 * Messages as hexadecimal text: plain digits in groups of any size, or what
 * xxd, hexdump -C and od -t x1 print. An empty line ends a message; a comment
 * begins with #.
 */
#include "../log.h"
#include "decode.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The bytes since the last empty line. */
struct block {
	uint8_t *bytes;
	size_t length;
	size_t size;
	bool dump; /* its lines begin with an offset */
};

static int add_byte(struct block *block, uint8_t byte)
{
	if (block->length == block->size) {
		size_t size = block->size ? 2 * block->size : 4096;
		uint8_t *moved = realloc(block->bytes, size);

		if (!moved)
			return -ENOMEM;
		block->bytes = moved;
		block->size = size;
	}
	block->bytes[block->length++] = byte;
	return 0;
}

static int end_block(struct decoder *decoder, struct block *block)
{
	FILE *stream;
	int ret;

	if (!block->length)
		return 0;
	stream = fmemopen(block->bytes, block->length, "rb");
	if (!stream) {
		log_error("cannot read the text: %m");
		return -ENOMEM;
	}
	ret = decode_stream(decoder, stream);
	fclose(stream);
	block->length = 0;
	block->dump = false;
	return ret;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static size_t digits_at(const char *at)
{
	size_t count = 0;

	while (digit(at[count]) >= 0)
		count++;
	return count;
}

/*
 * Leaves out the offset that a dump's line begins with: it ends in a colon, or
 * is the number of bytes so far, 0 in the first line; no message begins with 0.
 */
static const char *skip_offset(struct block *block, const char *at,
			       bool *ret_colon)
{
	size_t count = digits_at(at);
	bool colon = count && at[count] == ':';

	*ret_colon = colon;
	if (colon)
		return at + count + 1;
	if (count < 6 || count > 16 ||
	    (at[count] && !isspace((unsigned char)at[count])) ||
	    strtoull(at, NULL, 16) != block->length ||
	    (block->length && !block->dump))
		return at;
	block->dump = true;
	return at + count;
}

static void complain(struct decoder *decoder, unsigned long line,
		     const char *at)
{
	if (*at == '*')
		decode_complain(decoder,
				"line %lu: * stands for lines that were left "
				"out: use hexdump -v, xxd or od -v",
				line);
	else if (isprint((unsigned char)*at))
		decode_complain(decoder,
				"line %lu: '%c' is no hexadecimal digit", line,
				*at);
	else
		decode_complain(decoder,
				"line %lu: byte 0x%02x is no hexadecimal digit",
				line, (unsigned char)*at);
}

/* A word of digits; they come in pairs. */
static int add_word(struct block *block, const char *at, size_t count)
{
	int ret = 0;

	for (size_t i = 0; i + 1 < count && ret == 0; i += 2)
		ret = add_byte(block,
			       (uint8_t)(digit(at[i]) << 4 | digit(at[i + 1])));
	return ret;
}

static int decode_line(struct decoder *decoder, struct block *block,
		       const char *at, unsigned long line)
{
	bool colon, begun = false;
	int ret;

	at += strspn(at, " \t");
	at = skip_offset(block, at, &colon);
	for (;;) {
		size_t spaces = strspn(at, " \t\r\n,");
		size_t count;

		/* xxd's and hexdump's column of text. */
		if (colon && begun && spaces > 1)
			return 0;
		at += spaces;
		if (!*at || *at == '#' || *at == '|' || *at == '>')
			return 0;
		if (at[0] == '0' && (at[1] == 'x' || at[1] == 'X') &&
		    digits_at(at + 2))
			at += 2;
		count = digits_at(at);
		if (!count) {
			complain(decoder, line, at);
			return 0;
		}
		if (count % 2)
			decode_complain(decoder,
					"line %lu: '%.*s' is half a byte too "
					"long",
					line, (int)(count < 64 ? count : 64),
					at);
		ret = add_word(block, at, count);
		if (ret < 0)
			return ret;
		begun = true;
		at += count;
	}
}

static bool is_empty(const char *text)
{
	return !text[strspn(text, " \t\r\n")];
}

int decode_hex(struct decoder *decoder, FILE *input)
{
	struct block block = { 0 };
	char *text = NULL;
	size_t size = 0;
	unsigned long line = 0;
	ssize_t length;
	int ret = 0;

	while (ret == 0 && (length = getline(&text, &size, input)) > 0) {
		line++;
		if (strlen(text) != (size_t)length)
			decode_complain(decoder,
					"line %lu: byte 0x00 is no hexadecimal "
					"digit",
					line);
		if (is_empty(text))
			ret = end_block(decoder, &block);
		else
			ret = decode_line(decoder, &block, text, line);
	}
	if (ret == 0 && ferror(input))
		ret = -EIO;
	if (ret == 0)
		ret = end_block(decoder, &block);
	else
		log_error("cannot read the input: %s", strerror(-ret));
	free(block.bytes);
	free(text);
	return ret;
}
