/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `crossfuse decode` of any input. Byte 0: a byte stream, text, or a trace
 * file; 1: its bits say more; 2: the ABI, if one is said; 3: the opcode that a
 * reply answers, by its place in the table; then the input.
 */
#include "../../src/decode/decode.h"
#include "fuzz.h"

enum {
	STREAM,
	TEXT,
	TRACE,
	FORMS
};

enum {
	REPLIES = 1,
	LITTLE = 2,
	BIG = 4,
	WITH_ABI = 8,
	CHOICE = 4,
	INPUT_MAX = 1 << 16
};

/* What came out. */
struct outcome {
	char *text;
	size_t len;
	unsigned long faults;
};

static struct decoder chosen(const uint8_t *data)
{
	const struct crossfuse_opcode *op = crossfuse_opcode_at(data[3]);
	struct decoder decoder = { .replies = data[1] & REPLIES };

	if (data[1] & LITTLE)
		decoder.order = DECODE_LITTLE;
	else if (data[1] & BIG)
		decoder.order = DECODE_BIG;
	if (data[1] & WITH_ABI)
		decoder.abi = abi_by_byte(data[2]);
	if (decoder.replies && op)
		decoder.opcode = op->code;
	return decoder;
}

static struct outcome decode(struct decoder decoder, unsigned int form,
			     void *input, size_t len, bool count)
{
	struct outcome outcome = { NULL, 0, 0 };
	FILE *in = fmemopen(input, len, "rb");
	int err;

	decoder.out = open_memstream(&outcome.text, &outcome.len);
	decoder.stat = count ? decode_stat_new() : NULL;
	MUST(in && decoder.out && (!count || decoder.stat));
	if (form == STREAM)
		err = decode_stream(&decoder, in);
	else if (form == TEXT)
		err = decode_hex(&decoder, in);
	else
		err = decode_trace(&decoder, in);
	/* Whatever stands in it, it can be read. */
	MUST(!err);
	if (count)
		decode_stat_print(decoder.stat, decoder.out);
	decode_stat_free(decoder.stat);
	fclose(in);
	MUST(!fclose(decoder.out));
	outcome.faults = decoder.faults;
	return outcome;
}

/* Lines, for people, on whose terminal nothing else may arrive. */
static void check_text(const struct outcome *outcome)
{
	const char *at = outcome->text;
	size_t complaints = 0;

	MUST(!outcome->len || at[outcome->len - 1] == '\n');
	for (size_t i = 0; i < outcome->len; i++)
		MUST(at[i] == '\n' || (at[i] >= ' ' && at[i] <= '~'));
	while (*at) {
		complaints += !strncmp(at, "fault: ", 7);
		at = strchr(at, '\n') + 1;
	}
	MUST(complaints <= outcome->faults);
}

/* As xxd writes it. */
static char *as_text(const uint8_t *bytes, size_t len, size_t *ret_len)
{
	char *text;
	FILE *out = open_memstream(&text, ret_len);

	MUST(out);
	for (size_t i = 0; i < len; i++) {
		if (i % 16 == 0)
			fprintf(out, "%08zx:", i);
		fprintf(out, "%s%02x", i % 2 ? "" : " ", bytes[i]);
		if (i % 16 == 15 || i + 1 == len)
			fputs("  .#|z.\n", out);
	}
	MUST(!fclose(out));
	return text;
}

static void compare_as_text(struct decoder decoder, const uint8_t *bytes,
			    size_t len, const struct outcome *want)
{
	size_t text_len;
	char *text = as_text(bytes, len, &text_len);
	struct outcome got = decode(decoder, TEXT, text, text_len, false);

	MUST(got.len == want->len && got.faults == want->faults);
	MUST(!memcmp(got.text, want->text, got.len));
	free(got.text);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome shown, counted;
	struct decoder decoder;
	unsigned int form;
	uint8_t *input;

	if (size <= CHOICE || size > CHOICE + INPUT_MAX)
		return 0;
	form = data[0] % FORMS;
	decoder = chosen(data);
	size -= CHOICE;
	input = malloc(size);
	MUST(input);
	memcpy(input, data + CHOICE, size);

	shown = decode(decoder, form, input, size, false);
	check_text(&shown);
	/* Text may hold nothing; of bytes something is to be said. */
	MUST(shown.len || form == TEXT);
	/* Counting finds the same faults. */
	counted = decode(decoder, form, input, size, true);
	check_text(&counted);
	MUST(counted.faults == shown.faults);
	if (form == STREAM)
		compare_as_text(decoder, input, size, &shown);
	MUST(!memcmp(input, data + CHOICE, size));
	free(counted.text);
	free(shown.text);
	free(input);
	return 0;
}
