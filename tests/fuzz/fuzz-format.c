/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as text. Byte 0: the ABI; 1: its bits say more; 2: the opcode that
 * a reply answers; 3: bytes of a buffer; then the message.
 */
#include "fuzz.h"

enum {
	SWAPPED = 1,
	REPLY = 2,
	CHOICE = 4,
	TEXT = 1 << 16
};

static int format(const uint8_t *data, const void *message, size_t len,
		  char *text, size_t size)
{
	const struct crossfuse_abi *abi = abi_by_byte(data[0]);

	if (data[1] & REPLY)
		return crossfuse_format_reply(abi, data[1] & SWAPPED, data[2],
					      message, len, text, size);
	return crossfuse_format_request(abi, data[1] & SWAPPED, message, len,
					text, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[TEXT], small[256 + FUZZ_GUARD];
	size_t room, kept;
	uint8_t *message;
	int len;

	if (size < CHOICE || size > FUZZ_MAX)
		return 0;
	/* Of its own, so that a sanitizer sees its end. */
	message = malloc(size - CHOICE + 1);
	if (!message)
		return 0;
	memcpy(message, data + CHOICE, size - CHOICE);
	len = format(data, message, size - CHOICE, text, sizeof(text));
	MUST(len > 0);
	kept = strlen(text);
	MUST(kept == ((size_t)len < TEXT ? (size_t)len : TEXT - 1));
	/* One line, for people. */
	for (size_t i = 0; i < kept; i++)
		MUST(text[i] >= ' ' && text[i] <= '~');

	room = data[3];
	memset(small, 0x7f, sizeof(small));
	MUST(format(data, message, size - CHOICE, small, room) == len);
	for (size_t i = room; i < sizeof(small); i++)
		MUST(small[i] == 0x7f);
	if (room) {
		kept = strlen(small);
		MUST(kept == ((size_t)len < room ? (size_t)len : room - 1));
		MUST(!memcmp(small, text, kept));
	}
	MUST(!memcmp(message, data + CHOICE, size - CHOICE));
	free(message);
	return 0;
}
