// SPDX-License-Identifier: BSD-2-Clause
/* A byte stream of messages, one right behind the other. */
#include "../log.h"
#include "decode.h"
#include <crossfuse/wire.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* Both headers begin with the length and a word that is telling. */
	START = 8,
};

static uint32_t word_at(const uint8_t *at, bool swapped)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return swapped ? __builtin_bswap32(word) : word;
}

static bool length_fits(const struct decoder *decoder, const uint8_t *start,
			bool swapped)
{
	uint32_t length = word_at(start, swapped);

	return length >= (decoder->replies ? sizeof(struct cf_out_header)
					   : sizeof(struct cf_in_header)) &&
	       length <= DECODE_LENGTH_MAX;
}

/* An opcode that there is, or an errno, which is small and negative. */
static bool word_fits(const struct decoder *decoder, const uint8_t *start,
		      bool swapped)
{
	uint32_t word = word_at(start + sizeof(word), swapped);

	if (decoder->replies)
		return (int32_t)word > -4096 && (int32_t)word < 4096;
	return crossfuse_opcode(word);
}

static bool machine_big(void)
{
	return crossfuse_abi_big_endian(crossfuse_abi_native());
}

/* The byte order that the first message is tried with first. */
static bool first_swapped(const struct decoder *decoder)
{
	switch (decoder->order) {
	case DECODE_LITTLE:
		return machine_big();
	case DECODE_BIG:
		return !machine_big();
	default:
		return decoder->abi &&
		       crossfuse_abi_big_endian(decoder->abi) != machine_big();
	}
}

/*
 * Finds out the byte order, *SWAPPED being the likely one. False if it cannot
 * be a message in either.
 */
static bool find_order(const struct decoder *decoder, const uint8_t *start,
		       bool *swapped)
{
	bool other = !*swapped;

	if (decoder->order)
		return length_fits(decoder, start, *swapped);
	if (length_fits(decoder, start, *swapped) &&
	    word_fits(decoder, start, *swapped))
		return true;
	if (length_fits(decoder, start, other) &&
	    word_fits(decoder, start, other)) {
		*swapped = other;
		return true;
	}
	if (length_fits(decoder, start, *swapped))
		return true;
	*swapped = other;
	return length_fits(decoder, start, other);
}

/* Counts what is left; nobody knows where a message would begin in it. */
static void skip_rest(struct decoder *decoder, FILE *input, uint64_t offset,
		      const uint8_t *start, uint64_t length)
{
	uint8_t buffer[4096];
	size_t part;

	while ((part = fread(buffer, 1, sizeof(buffer), input)) > 0)
		length += part;
	if (length < START)
		decode_complain(decoder,
				"%" PRIu64 " bytes at offset %" PRIu64
				" are too few for a message",
				length, offset);
	else
		decode_complain(decoder,
				"at offset %" PRIu64 " no message begins (its "
				"length would be %" PRIu32 " or %" PRIu32
				"): %" PRIu64 " bytes are left "
				"out",
				offset, word_at(start, false),
				word_at(start, true), length);
}

/* Reads LENGTH bytes at most, growing with what there is, not what is said. */
static int read_up_to(FILE *input, uint8_t **buffer, size_t *size, size_t done,
		      size_t length, size_t *ret_done)
{
	while (done < length) {
		size_t part = length - done < 1 << 16 ? length - done : 1 << 16;
		size_t got;

		if (done + part > *size) {
			size_t bigger = 2 * (done + part);
			uint8_t *moved = realloc(*buffer, bigger);

			if (!moved)
				return -ENOMEM;
			*buffer = moved;
			*size = bigger;
		}
		got = fread(*buffer + done, 1, part, input);
		done += got;
		if (got < part)
			break;
	}
	*ret_done = done;
	return 0;
}

int decode_stream(struct decoder *decoder, FILE *input)
{
	struct decode_message message = {
		.abi = decoder->abi ? decoder->abi : crossfuse_abi_native(),
		.swapped = first_swapped(decoder),
		.reply = decoder->replies,
		.opcode = decoder->opcode,
	};
	uint64_t offset = 0;
	uint8_t *buffer = NULL;
	size_t size = 0;
	int ret = 0;

	for (;;) {
		ret = read_up_to(input, &buffer, &size, 0, START,
				 &message.captured);
		if (ret < 0 || !message.captured)
			break;
		if (message.captured < START ||
		    !find_order(decoder, buffer, &message.swapped)) {
			skip_rest(decoder, input, offset, buffer,
				  message.captured);
			break;
		}
		message.length = word_at(buffer, message.swapped);
		ret = read_up_to(input, &buffer, &size, START, message.length,
				 &message.captured);
		if (ret < 0)
			break;
		message.bytes = buffer;
		message.cut = message.captured < message.length;
		decode_one(decoder, &message);
		offset += message.captured;
	}
	free(buffer);
	if (ret == 0 && ferror(input))
		ret = -EIO;
	if (ret < 0)
		log_error("cannot read the input: %s", strerror(-ret));
	return ret;
}
