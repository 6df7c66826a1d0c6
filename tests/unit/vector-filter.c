/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translates what comes in on standard input with the library, for a driver
 * that compares. Everything is little-endian.
 *
 *   in:   length (4 bytes) of what follows, command (1 byte), its argument
 *   out:  length (4 bytes) of what follows, status (4 bytes), bytes
 *
 * Commands: S starts a session, "SERVER CLIENT POLICY PAGE" as text; Q, R and N
 * translate a request, a reply to the last request, a notification; E writes
 * the library's own reply with a canonical error (4 bytes). The status is 0 or
 * a canonical error.
 */
#include "vector-session.h"
#include <stdio.h>

enum {
	MAX_FRAME = 1 << 20
};

static uint32_t get_le(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

static void put_le(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static int answer(uint32_t status, const uint8_t *bytes, size_t len)
{
	uint8_t head[8];

	put_le(head, (uint32_t)len + 4);
	put_le(head + 4, status);
	return fwrite(head, sizeof(head), 1, stdout) == 1 &&
			       fwrite(bytes, 1, len, stdout) == len
		       ? 0
		       : -1;
}

static int start(struct vector_session *v, char *text)
{
	char server[64], client[64], policy[16];
	unsigned int page;

	if (sscanf(text, "%63s %63s %15s %u", server, client, policy, &page) !=
	    4)
		return -1;
	return vector_start(v, server, client, policy, page);
}

/* BYTES have room for a NUL behind them. */
static int run(struct vector_session *v, char command, uint8_t *bytes,
	       size_t len)
{
	uint8_t reply[16];
	uint32_t status;

	switch (command) {
	case 'S':
		bytes[len] = 0;
		return start(v, (char *)bytes) ? -1 : answer(0, bytes, 0);
	case 'Q':
	case 'R':
	case 'N':
		status = vector_pass(v, command, bytes, len);
		return answer(status, bytes, len);
	case 'E':
		if (len != 4)
			return -1;
		vector_error(v, get_le(bytes), reply);
		return answer(0, reply, sizeof(reply));
	default:
		return -1;
	}
}

int main(void)
{
	static uint8_t frame[MAX_FRAME + 1];
	static struct vector_session v;
	uint8_t head[4];
	size_t got, len;

	while ((got = fread(head, 1, sizeof(head), stdin)) == sizeof(head)) {
		len = get_le(head);
		if (!len || len > MAX_FRAME ||
		    fread(frame, 1, len, stdin) != len ||
		    run(&v, (char)frame[0], frame + 1, len - 1)) {
			fprintf(stderr, "vector-filter: bad command\n");
			return 1;
		}
	}
	return got || ferror(stdin) || fflush(stdout) ? 1 : 0;
}
