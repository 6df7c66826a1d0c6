/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The test vectors of tests/vectors: whole conversations between clients and
 * servers of many architectures, whose every byte comes from another
 * implementation of the specification.
 *
 *   test-vectors [FILE]
 */
#include "check.h"
#include "vector-session.h"

#ifndef VECTORS_FILE
#define VECTORS_FILE "tests/vectors/conversations.txt"
#endif

enum {
	MAX_MESSAGE = 8192,
	MAX_LINE = 4 * MAX_MESSAGE
};

static unsigned int line_number;

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* How many bytes; SIZE_MAX: these are none. */
static size_t from_hex(const char *text, uint8_t *bytes)
{
	size_t len = 0;

	for (; *text; text += 2, len++) {
		int high = hex_digit(text[0]);
		int low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || len == MAX_MESSAGE)
			return SIZE_MAX;
		bytes[len] = (uint8_t)(high << 4 | low);
	}
	return len;
}

static void show(const char *what, const uint8_t *bytes, size_t len)
{
	fprintf(stderr, "  %s ", what);
	for (size_t i = 0; i < len; i++)
		fprintf(stderr, "%02x", bytes[i]);
	fprintf(stderr, "\n");
}

static void compare(const uint8_t *got, size_t got_len, const uint8_t *want,
		    size_t want_len)
{
	if (CHECK(got_len == want_len && !memcmp(got, want, got_len)))
		return;
	fprintf(stderr, "line %u:\n", line_number);
	show("got ", got, got_len);
	show("want", want, want_len);
}

static void check_error(struct vector_session *v, char *words[4])
{
	static uint8_t want[MAX_MESSAGE];
	uint8_t got[16];
	size_t len = from_hex(words[3], want);

	vector_error(v, (uint32_t)strtoul(words[1], NULL, 10), got);
	CHECK(len != SIZE_MAX);
	compare(got, sizeof(got), want, len);
}

static void check_message(struct vector_session *v, char *words[4])
{
	static uint8_t got[MAX_MESSAGE], want[MAX_MESSAGE];
	size_t len = from_hex(words[1], got), want_len = SIZE_MAX;
	uint32_t status, want_status = 0;
	char what = words[0][2] == 'q' ? 'Q' : words[0][0] == 'n' ? 'N' : 'R';

	if (words[2][0] == '=')
		want_len = from_hex(words[3], want);
	else
		want_status = (uint32_t)strtoul(words[3], NULL, 10);
	if (!CHECK(len != SIZE_MAX) ||
	    !CHECK(want_status || want_len != SIZE_MAX))
		return;
	status = vector_pass(v, what, got, len);
	if (!CHECK_EQ(status, want_status))
		fprintf(stderr, "line %u\n", line_number);
	else if (!status)
		compare(got, len, want, want_len);
}

/* Splits a line at single spaces; how many words there are. */
static size_t split(char *line, char *words[8])
{
	size_t count = 0;

	line[strcspn(line, "\n")] = 0;
	while (count < 8) {
		words[count++] = line;
		line = strchr(line, ' ');
		if (!line)
			break;
		*line++ = 0;
	}
	return count;
}

static void check_line(struct vector_session *v, char *line)
{
	char *words[8];
	size_t count = split(line, words);

	if (count == 5 && !strcmp(words[0], "session"))
		CHECK_EQ(vector_start(v, words[1], words[2], words[3],
				      (uint32_t)strtoul(words[4], NULL, 10)),
			 0);
	else if (count == 4 && !strcmp(words[0], "error"))
		check_error(v, words);
	else if (CHECK(count == 4 && (!strcmp(words[0], "request") ||
				      !strcmp(words[0], "reply") ||
				      !strcmp(words[0], "notify"))))
		check_message(v, words);
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : VECTORS_FILE;
	static struct vector_session v;
	static char line[MAX_LINE];
	FILE *file = fopen(path, "r");

	if (!file) {
		perror(path);
		return EXIT_FAILURE;
	}
	while (fgets(line, sizeof(line), file)) {
		line_number++;
		if (line[0] != '#')
			check_line(&v, line);
	}
	CHECK(!ferror(file) && line_number > 1000);
	fclose(file);
	return check_result();
}
