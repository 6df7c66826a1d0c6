/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client's role: what it says in FUSE_INIT, on any ABI, in either byte
 * order, of every minor; and what it makes of the answer. Expected bytes are put
 * together here from docs/protocol.md.
 */
#include "session-pair.h"
#include <errno.h>

#define OLD_BIT	   (UINT64_C(1) << 40)
#define NEW_BIT	   (UINT64_C(1) << 62)
#define EXT	   (UINT64_C(1) << 30)
#define PAGES_FLAG (UINT64_C(1) << 22)
#define OTHERS	   ((UINT64_C(1) << 35) | (UINT64_C(1) << 5) | 1)

enum {
	FIRST_MINOR = 23,
	LAST_MINOR = 47
};

/* Bits that mean an offer or an answer; it is NEW_BIT that is used. */
static uint64_t bits_of(uint32_t minor)
{
	return minor < 41 ? OLD_BIT | NEW_BIT : NEW_BIT;
}

/* 32-bit FNV-1a, as section 3.1 has it. */
static uint32_t hash_of(const char *name)
{
	uint64_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u & 0xffffffff;
	return hash ? (uint32_t)hash : 1;
}

static struct crossfuse_config config_of(const struct crossfuse_abi *abi)
{
	return (struct crossfuse_config){ .role = CROSSFUSE_ROLE_CLIENT,
					  .client = abi };
}

/* What is told of the last handshake. */
static struct crossfuse_event told;

static void tell(void *opaque, const struct crossfuse_event *event)
{
	(void)opaque;
	told = *event;
}

static bool is_canonical(const struct crossfuse_session *session)
{
	enum crossfuse_source source;

	crossfuse_session_client(session, &source);
	return source == CROSSFUSE_SOURCE_CANON;
}

static void check_bytes(const struct wire_bytes *got,
			const struct wire_bytes *want, const char *what,
			const struct crossfuse_abi *abi, uint32_t minor)
{
	if (CHECK(got->len == want->len &&
		  !memcmp(got->at, want->at, want->len)))
		return;
	fprintf(stderr, "  %s, %s, minor %u\n", what, crossfuse_abi_name(abi),
		minor);
	for (size_t i = 0; i < want->len; i++)
		if (got->at[i] != want->at[i])
			fprintf(stderr, "  at %zu: %02x, not %02x\n", i,
				got->at[i], want->at[i]);
}

/* Sends SENT and receives ANSWER; what the other side sees, and this one. */
struct talk {
	struct init_text sent, wire, answer, seen;
	struct crossfuse_config config;
	int error; /* of the reply */
	bool canonical;
	bool big;
};

static void run_talk(struct crossfuse_session *session, const struct talk *talk)
{
	const struct crossfuse_abi *abi = talk->config.client;
	uint32_t minor = talk->sent.minor;
	struct crossfuse_call call;
	struct wire_bytes b, want;

	if (!abi)
		abi = crossfuse_abi_native();
	CHECK_EQ(crossfuse_session_init(session, &talk->config), 0);
	init_request(&b, talk->sent, talk->big);
	init_request(&want, talk->wire, talk->big);
	CHECK_EQ(crossfuse_request_head_len(session, b.at, b.len), b.len);
	CHECK_EQ(crossfuse_session_request(session, &call, b.at, b.len, b.len),
		 0);
	check_bytes(&b, &want, "request", abi, minor);
	CHECK(!is_canonical(session));
	init_reply(&b, talk->answer, talk->big);
	init_reply(&want, talk->error ? talk->answer : talk->seen, talk->big);
	CHECK_EQ(crossfuse_session_reply(session, &call, b.at, b.len, b.len),
		 talk->error);
	check_bytes(&b, &want, "reply", abi, minor);
	CHECK_EQ(is_canonical(session), talk->canonical);
	CHECK(crossfuse_session_client(session, NULL) == abi);
}

/* What every patched client would say, and what it would take. */
static void test_every_minor(const struct crossfuse_abi *abi, bool big)
{
	static const uint64_t flags[] = { 0, EXT, OTHERS & 0xffffffff,
					  OTHERS | EXT | NEW_BIT | OLD_BIT };
	struct crossfuse_session session;

	for (uint32_t minor = FIRST_MINOR; minor <= LAST_MINOR; minor++)
		for (size_t i = 0; i < WIRE_COUNT(flags); i++) {
			struct talk talk = { .config = config_of(abi),
					     .canonical = true,
					     .big = big };
			uint64_t theirs = flags[i] & ~bits_of(minor);

			talk.sent = (struct init_text){ 7, minor, flags[i],
							0, 64,	  0 };
			talk.wire = talk.sent;
			talk.wire.flags = theirs | EXT | NEW_BIT;
			talk.wire.arch_id = hash_of(crossfuse_abi_name(abi));
			talk.answer = (struct init_text){ 7, minor, theirs,
							  0, 64,    0 };
			talk.seen = talk.answer;
			talk.answer.flags |= EXT | NEW_BIT;
			run_talk(&session, &talk);
			/* Nothing is answered. */
			talk.canonical = false;
			talk.answer.flags = theirs;
			run_talk(&session, &talk);
		}
}

/* INIT of 16 bytes, as up to minor 35, has no room for an offer. */
static void test_short_init(const struct crossfuse_abi *abi, bool big)
{
	static const size_t lengths[] = { 16, 20, 23 };
	struct crossfuse_session session;

	for (size_t i = 0; i < WIRE_COUNT(lengths); i++) {
		struct talk talk = { .config = config_of(abi), .big = big };

		talk.sent =
			(struct init_text){ 7, 35, 0x1ff, 0, lengths[i], 0 };
		talk.wire = talk.sent;
		talk.answer = (struct init_text){ 7, 35, 0x1ff, 0, 64, 256 };
		talk.seen = talk.answer;
		run_talk(&session, &talk);
		talk.answer.flags |= EXT | OLD_BIT;
		talk.error = -EPROTO;
		run_talk(&session, &talk);
	}
}

/* Answers to what was not asked, and replies that answer nothing. */
static void test_wrong_answers(const struct crossfuse_abi *abi, bool big)
{
	static const struct {
		uint32_t minor;
		uint64_t flags;
		int error;
	} cases[] = {
		{ 40, EXT | OLD_BIT, -EPROTO },
		{ 40, EXT | NEW_BIT | OLD_BIT, -EPROTO },
		/* ALLOW_IDMAP by then */
		{ 41, EXT | OLD_BIT, 0 },
		/* what is not said to be there does not count */
		{ 41, NEW_BIT, 0 },
		{ 40, OLD_BIT, 0 },
	};
	struct crossfuse_session session;

	for (size_t i = 0; i < WIRE_COUNT(cases); i++) {
		uint32_t minor = cases[i].minor;
		struct talk talk = { .config = config_of(abi),
				     .error = cases[i].error,
				     .big = big };

		talk.sent = (struct init_text){ 7, minor, EXT, 0, 64, 0 };
		talk.wire = talk.sent;
		talk.wire.flags |= NEW_BIT;
		talk.wire.arch_id = crossfuse_abi_arch_id(abi);
		talk.answer = (struct init_text){ 7, minor, cases[i].flags,
						  0, 64,    0 };
		talk.seen = talk.answer;
		/* What is in flags2 without EXT means nothing. */
		if (!(cases[i].flags & EXT))
			talk.seen.flags = cases[i].flags & 0xffffffff;
		run_talk(&session, &talk);
	}
}

/* Too short for flags2, or of another major version: no answer. */
static void test_old_servers(const struct crossfuse_abi *abi, bool big)
{
	struct crossfuse_session session;
	struct talk talk = { .config = config_of(abi), .big = big };

	talk.sent = (struct init_text){ 7, 45, EXT, 0, 64, 0 };
	talk.wire = talk.sent;
	talk.wire.flags |= NEW_BIT;
	talk.wire.arch_id = crossfuse_abi_arch_id(abi);
	talk.answer = (struct init_text){ 7, 22, EXT | NEW_BIT, 0, 24, 0 };
	talk.seen = talk.answer;
	run_talk(&session, &talk);
	talk.answer.len = talk.seen.len = 8;
	run_talk(&session, &talk);
	talk.answer = talk.seen =
		(struct init_text){ 8, 0, EXT | NEW_BIT, 0, 64, 9 };
	run_talk(&session, &talk);
	/* Nor is anything offered to another major version. */
	talk.sent = talk.wire = (struct init_text){ 6, 45, EXT, 0, 64, 0 };
	talk.answer = talk.seen = (struct init_text){ 7, 45, 0, 0, 64, 9 };
	run_talk(&session, &talk);
}

/* A reply longer than any that there is, and those that are too short. */
static void test_reply_lengths(const struct crossfuse_abi *abi, bool big)
{
	struct init_text init = { .major = 7, .minor = 45, .flags = EXT };
	struct init_text answer = init, seen = init;
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b, want;
	struct crossfuse_config config = config_of(abi);

	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	for (size_t len = 0; len < 8; len++) {
		init_request(&b, init, big);
		CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len,
						   b.len),
			 0);
		answer.len = len;
		init_reply(&b, answer, big);
		/* 0 is what init_reply() takes for 64. */
		b.len = 0;
		wire_put(&b, 16 + len, 4, big);
		b.len = 16 + len;
		want = b;
		CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.len,
						 b.len),
			 -EBADMSG);
		CHECK(!memcmp(&b, &want, sizeof(b)));
	}
	answer.len = seen.len = 80;
	answer.flags |= NEW_BIT;
	init_reply(&b, answer, big);
	init_reply(&want, seen, big);
	memset(b.at + 80, 0x5a, 16);
	memset(want.at + 80, 0x5a, 16);
	CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.len, b.len),
		 0);
	check_bytes(&b, &want, "long reply", abi, 45);
	CHECK(is_canonical(&session));
}

/* Without an offer of ours; the client's own is its own affair. */
static void test_ignore(const struct crossfuse_abi *abi, bool big)
{
	struct crossfuse_session session;
	struct talk talk = { .config = config_of(abi), .big = big };

	talk.config.policy = CROSSFUSE_IGNORE;
	talk.sent = talk.wire = (struct init_text){ 7, 45, EXT, 0, 64, 0 };
	talk.answer = talk.seen = (struct init_text){ 7, 45, EXT, 0, 64, 9 };
	run_talk(&session, &talk);
	talk.error = -EPROTO;
	talk.answer.flags |= NEW_BIT;
	run_talk(&session, &talk);
	talk.error = 0;
	talk.seen.flags |= NEW_BIT;
	talk.sent.flags |= NEW_BIT;
	talk.sent.arch_id = 77;
	talk.wire = talk.sent;
	run_talk(&session, &talk);
}

/* max_pages counts 4096 bytes on the wire, and the client's pages behind it. */
static void test_pages(const struct crossfuse_abi *abi, bool big)
{
	static const uint32_t sizes[] = { 0, 512, 4096, 16384, 65536 };
	static const uint16_t counts[] = { 0,  1,   3,	 15,   16,
					   17, 256, 257, 8192, 65535 };
	struct crossfuse_session session;
	struct talk talk = { .config = config_of(abi), .big = big };

	talk.sent = (struct init_text){ 7, 45, PAGES_FLAG, 0, 64, 0 };
	talk.wire = talk.sent;
	talk.wire.flags |= EXT | NEW_BIT;
	talk.wire.arch_id = crossfuse_abi_arch_id(abi);
	for (size_t i = 0; i < WIRE_COUNT(sizes); i++)
		for (size_t k = 0; k < WIRE_COUNT(counts); k++) {
			uint32_t size = sizes[i] ? sizes[i]
						 : crossfuse_abi_page_size(abi);
			uint64_t pages = counts[k];

			if (size)
				pages = pages * 4096 / size;
			if (counts[k] && !pages)
				pages = 1;
			if (pages > 65535)
				pages = 65535;
			talk.config.client_page_size = sizes[i];
			talk.canonical = true;
			talk.answer = (struct init_text){
				7, 45, PAGES_FLAG | EXT | NEW_BIT,
				0, 64, counts[k]
			};
			talk.seen =
				(struct init_text){ 7, 45, PAGES_FLAG,
						    0, 64, (uint16_t)pages };
			run_talk(&session, &talk);
			/* No count is meant; and it is the client's own. */
			talk.answer.flags = EXT | NEW_BIT;
			talk.seen = talk.answer;
			talk.seen.flags = 0;
			run_talk(&session, &talk);
			talk.canonical = false;
			talk.answer.flags = talk.seen.flags = PAGES_FLAG;
			run_talk(&session, &talk);
		}
}

/* No newer messages than are known here. */
static void test_new_server(const struct crossfuse_abi *abi, bool big)
{
	struct crossfuse_session session;
	struct talk talk = { .config = config_of(abi), .big = big };

	talk.sent = (struct init_text){ 7, 99, EXT, 0, 64, 0 };
	talk.wire = talk.sent;
	talk.wire.flags |= NEW_BIT;
	talk.wire.arch_id = crossfuse_abi_arch_id(abi);
	talk.answer = (struct init_text){ 7, 99, EXT | NEW_BIT, 0, 64, 0 };
	talk.seen = (struct init_text){ 7, LAST_MINOR, EXT, 0, 64, 0 };
	talk.canonical = true;
	run_talk(&session, &talk);
}

/* What is told of it; an arch_id of one's own; this machine's ABI. */
static void test_told(void)
{
	const struct crossfuse_abi *native = crossfuse_abi_native();
	struct crossfuse_session session;
	struct talk talk = { .big = machine_big(), .canonical = true };

	talk.config = config_of(NULL);
	talk.config.event = tell;
	talk.config.arch_id = crossfuse_arch_id("pdp11");
	talk.sent = (struct init_text){ 7, 44, EXT, 0, 64, 0 };
	talk.wire = talk.sent;
	talk.wire.flags |= NEW_BIT;
	talk.wire.arch_id = hash_of("pdp11");
	talk.answer = talk.wire;
	talk.seen = talk.sent;
	run_talk(&session, &talk);
	CHECK_EQ(told.type, CROSSFUSE_EVENT_INIT);
	CHECK(told.offered && told.answered && !told.swapped);
	CHECK(told.client == native);
	CHECK_EQ(told.minor, 44);
	CHECK_EQ(told.arch_id, hash_of("pdp11"));
	talk.config.arch_id = 0;
	talk.wire.arch_id = hash_of(crossfuse_abi_name(native));
	talk.answer.flags = EXT;
	talk.canonical = false;
	run_talk(&session, &talk);
	CHECK(told.offered && !told.answered);
}

int main(void)
{
	const struct crossfuse_abi *abi;

	for (size_t i = 0; (abi = crossfuse_abi_at(i)); i++)
		for (int big = 0; big < 2; big++) {
			test_every_minor(abi, big);
			test_short_init(abi, big);
			test_wrong_answers(abi, big);
			test_old_servers(abi, big);
			test_reply_lengths(abi, big);
			test_ignore(abi, big);
			test_pages(abi, big);
			test_new_server(abi, big);
		}
	test_told();
	return check_result();
}
