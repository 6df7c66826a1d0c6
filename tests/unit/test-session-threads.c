/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many threads on one session, while it finds out what its client is: every
 * message comes out either untouched or translated, and once one thread has
 * seen it decided, everything that it sends is translated. To be run under a
 * thread checker as well.
 */
#include "session-pair.h"
#include <pthread.h>
#include <stdatomic.h>

enum {
	THREADS = 4,
	ROUNDS = 2000
};

static struct crossfuse_session session;
static atomic_uint detected, unknown;

struct result {
	pthread_t thread;
	unsigned int wrong;
	unsigned int number;
};

static void tell(void *opaque, const struct crossfuse_event *event)
{
	(void)opaque;
	if (event->type == CROSSFUSE_EVENT_DETECTED)
		atomic_fetch_add(&detected, 1);
	if (event->type == CROSSFUSE_EVENT_UNKNOWN_FLAGS)
		atomic_fetch_add(&unknown, 1);
}

static void put_flags(struct wire_bytes *b, uint32_t flags)
{
	for (unsigned int i = 0; i < 4; i++)
		b->at[40 + i] = (uint8_t)(flags >> 8 * i);
}

static uint32_t get_flags(const struct wire_bytes *b)
{
	uint32_t flags = 0;

	for (unsigned int i = 0; i < 4; i++)
		flags |= (uint32_t)b->at[40 + i] << 8 * i;
	return flags;
}

/*
 * An OPEN of mips64el with O_DIRECT, which may be x86's O_FASYNC|O_LARGEFILE;
 * or without, or an OPENDIR, and these two give it away.
 */
static bool send_one(uint32_t code, uint32_t flags, uint32_t want, bool decided)
{
	const struct wire_text text = { .code = code, .body = "{4:0}4" };
	const struct wire_form form = { crossfuse_abi_canonical(), false };
	struct crossfuse_call call;
	struct wire_bytes b;
	uint32_t got;

	wire_request(&b, &text, form);
	put_flags(&b, flags);
	if (crossfuse_session_request(&session, &call, b.at, b.len, b.len))
		return false;
	got = get_flags(&b);
	if (got != want && (decided || got != flags))
		return false;
	b.len = 16;
	memset(b.at, 0, 16);
	b.at[0] = 16;
	/* -ENOTEMPTY */
	put_flags(&b, 0);
	for (unsigned int i = 0; i < 8; i++)
		b.at[8 + i] = (uint8_t)(WIRE_UNIQUE >> 8 * i);
	memset(b.at + 4, 0xff, 4);
	b.at[4] = (uint8_t)-39;
	if (crossfuse_session_reply(&session, &call, b.at, 16, 16))
		return false;
	return b.at[4] == (uint8_t)-93 || (!decided && b.at[4] == (uint8_t)-39);
}

static void *run(void *opaque)
{
	struct result *result = opaque;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		bool decided = crossfuse_session_client(&session, NULL);

		if (!send_one(CF_OPEN, 0xa001, 0xc001, decided) ||
		    !send_one(CF_OPEN, 0x2001, 0x8001, decided))
			result->wrong++;
		/* Bit 29 means nothing. */
		if (decided && !send_one(CF_OPEN, 0x2000a001, 0xc001, decided))
			result->wrong++;
		/* O_NONBLOCK, which x86 takes for O_EXCL. */
		if (i > 100 + 10 * result->number &&
		    !send_one(CF_OPENDIR, 0x12080, 0x18800, true))
			result->wrong++;
	}
	return NULL;
}

/*
 * A client that pretends to be of one architecture after the other, so that
 * what was decided is taken back while others are at it: each request is as the
 * client has it, or as one architecture is understood, which need not be one of
 * the three: the threads' requests mix.
 */
static void *pretend(void *opaque)
{
	static const struct {
		uint32_t code, flags;
	} turns[] = {
		{ CF_OPENDIR, 0x14800 }, { CF_OPEN, 0x10000 },
		{ CF_OPENDIR, 0x24800 }, { CF_OPEN, 0x30001 },
		{ CF_OPENDIR, 0x12080 }, { CF_OPEN, 0x2000 },
	};
	const struct crossfuse_abi *server = crossfuse_abi_by_name("x86_64");
	struct result *result = opaque;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		const struct wire_text text = { .code = turns[i % 6].code,
						.body = "{4:0}4" };
		const struct wire_form form = { server, false };
		const uint32_t flags = turns[i % 6].flags;
		const struct crossfuse_abi *abi;
		struct crossfuse_call call;
		struct wire_bytes b;
		bool right = false;

		wire_request(&b, &text, form);
		put_flags(&b, flags);
		if (crossfuse_session_request(&session, &call, b.at, b.len,
					      b.len))
			result->wrong++;
		for (size_t k = 0; (abi = crossfuse_abi_at(k)); k++)
			right |= get_flags(&b) ==
				 crossfuse_open_flags(abi, server, flags, NULL);
		result->wrong += !right;
	}
	return NULL;
}

static void test_threads(void *(*work)(void *), unsigned int round)
{
	struct result results[THREADS] = { 0 };

	for (unsigned int i = 0; i < THREADS; i++) {
		results[i].number = i;
		CHECK_EQ(pthread_create(&results[i].thread, NULL, work,
					&results[i]),
			 0);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(results[i].thread, NULL);
		CHECK_EQ(results[i].wrong, 0);
	}
	if (work == run) {
		CHECK_EQ(atomic_load(&detected), round);
		CHECK_EQ(atomic_load(&unknown), round);
	} else {
		CHECK(atomic_load(&detected) && atomic_load(&detected) <= 8);
	}
}

int main(void)
{
	const struct crossfuse_config config = {
		.server = crossfuse_abi_by_name("x86_64"),
		.event = tell,
	};
	struct init_text init = { .major = 7, .minor = 38 };

	for (unsigned int round = 1; round <= 5; round++) {
		CHECK_EQ(crossfuse_session_init(&session, &config), 0);
		pair_shake_hands(&session, init, init, false, false);
		test_threads(run, round);
	}
	for (unsigned int round = 1; round <= 5; round++) {
		atomic_store(&detected, 0);
		CHECK_EQ(crossfuse_session_init(&session, &config), 0);
		pair_shake_hands(&session, init, init, false, false);
		test_threads(pretend, round);
	}
	return check_result();
}
