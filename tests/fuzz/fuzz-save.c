/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A saved session of any bytes. Byte 0: the ABI of the side that loads it; 1:
 * its bits say more; 2: an opcode, by its place in the table; then what was
 * saved. What is taken is what would be saved, and the session that comes of it
 * takes messages.
 */
#include "fuzz.h"
#include <errno.h>

enum {
	CLIENT = 1,
	KEEP_HEADER = 2,
	SAVED = 56,
	CHOICE = 3
};

/* Both ways, in both byte orders; whether it is refused does not matter. */
static void use(struct crossfuse_session *session, uint8_t place)
{
	const struct crossfuse_opcode *op = crossfuse_opcode_at(place % 64);
	struct crossfuse_call call;
	uint8_t at[FUZZ_REQUEST];
	size_t len;

	if (!op)
		op = crossfuse_opcode(CF_OPENDIR);
	for (int big = 0; big < 2; big++) {
		len = shortest_request(at, op, FUZZ_UNIQUE, big);
		if (crossfuse_session_request(session, &call, at, len, len))
			crossfuse_session_error(session, &call, -EIO, at);
		memset(at, 0, sizeof(at));
		put_int(at, 16, 4, big);
		put_int(at + 4, (uint32_t)-38, 4, big);
		put_int(at + 8, FUZZ_UNIQUE, 8, big);
		crossfuse_session_reply(session, &call, at, 16, 16);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crossfuse_session session;
	struct crossfuse_config config = { 0 };
	uint8_t again[CROSSFUSE_SESSION_SAVE_MAX];
	static struct guarded saved;
	uint8_t *exact;
	int err;

	if (size < CHOICE || size > CHOICE + FUZZ_MAX)
		return 0;
	guard_set(&saved, data + CHOICE, size - CHOICE);
	if (data[1] & CLIENT) {
		config.role = CROSSFUSE_ROLE_CLIENT;
		config.client = abi_by_byte(data[0]);
	} else {
		config.server = abi_by_byte(data[0]);
	}
	if (!(data[1] & KEEP_HEADER) && saved.len >= 20) {
		memcpy(saved.at, "CFSESSN", 8);
		put_int(saved.at + 8, 1, 4, false);
		put_int(saved.at + 12, SAVED, 4, false);
		put_int(saved.at + 16, data[1] & CLIENT, 4, false);
	}
	exact = head_take(&saved, saved.len);
	err = crossfuse_session_load(&session, &config, exact, saved.len);
	if (!err) {
		MUST(saved.len == SAVED);
		MUST(crossfuse_session_save(&session, again, sizeof(again)) ==
		     SAVED);
		MUST(!memcmp(again, exact, SAVED));
		use(&session, data[2]);
	} else {
		MUST(err == -EBADMSG || err == -EINVAL ||
		     err == -EPROTONOSUPPORT);
	}
	head_give(&saved, exact, saved.len);
	return 0;
}
