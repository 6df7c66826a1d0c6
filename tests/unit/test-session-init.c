/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The forms of FUSE_INIT and of its reply that there were and are, and the
 * numbers in them that are translated.
 */
#include "session-pair.h"
#include <errno.h>

/* All that was told, until the next handshake. */
struct told {
	unsigned int count[CROSSFUSE_EVENT_MALFORMED + 1];
	struct crossfuse_event last;
};

static void tell(void *opaque, const struct crossfuse_event *event)
{
	struct told *told = opaque;

	told->count[event->type]++;
	told->last = *event;
}

#define NEW_BIT	   (UINT64_C(1) << 62)
#define EXT	   (UINT64_C(1) << 30)
#define PAGES	   (UINT64_C(1) << 22)
#define UNKNOWN_ID 0x12345

/* INIT of every length that ever was, and of those that never were. */
static void test_shapes(void)
{
	static const struct {
		size_t len;
		int error;
	} shapes[] = { { 0, -EBADMSG }, { 8, -EBADMSG }, { 15, -EBADMSG },
		       { 16, 0 },	{ 20, 0 },	 { 24, 0 },
		       { 63, 0 },	{ 64, 0 },	 { 128, 0 } };
	struct crossfuse_config config = {
		.server = crossfuse_abi_by_name("x86_64"),
		.client = crossfuse_abi_by_name("s390x"),
	};
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b, want;

	for (size_t i = 0; i < WIRE_COUNT(shapes); i++) {
		struct init_text init = { 7, 31, 0x1ff, 0, 64, 0 };

		CHECK_EQ(crossfuse_session_init(&session, &config), 0);
		init_request(&b, init, true);
		init_request(&want, init, false);
		for (size_t k = 0; k < 4; k++) {
			b.at[3 - k] = (uint8_t)((shapes[i].len + 40) >> 8 * k);
			want.at[k] = b.at[3 - k];
		}
		CHECK_EQ(crossfuse_request_head_len(&session, b.at,
						    shapes[i].len + 40),
			 shapes[i].len + 40);
		if (shapes[i].error)
			want = b;
		CHECK_EQ(crossfuse_session_request(&session, &call, b.at,
						   shapes[i].len + 40,
						   shapes[i].len + 40),
			 shapes[i].error);
		CHECK(!memcmp(b.at, want.at, 40 + shapes[i].len));
	}
}

/* Replies of old servers, and what they do to the negotiation. */
static void test_old_replies(void)
{
	static const size_t lengths[] = { 8, 24, 64 };
	struct told told = { { 0 }, { 0 } };
	struct crossfuse_config config = {
		.server = crossfuse_abi_by_name("x86_64"),
		.event = tell,
		.opaque = &told,
	};
	struct init_text offer = { .major = 7,
				   .minor = 45,
				   .flags = EXT | NEW_BIT };
	struct crossfuse_session session;
	enum crossfuse_source source;
	struct crossfuse_call call;
	struct wire_bytes b, want;

	for (size_t i = 0; i < WIRE_COUNT(lengths); i++) {
		struct init_text reply = { 7, 22, 0x1ff, 0, lengths[i], 0 };

		offer.arch_id = crossfuse_arch_id("ppc64");
		CHECK_EQ(crossfuse_session_init(&session, &config), 0);
		init_request(&b, offer, true);
		CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len,
						   b.len),
			 0);
		init_reply(&b, reply, false);
		if (lengths[i] == 64)
			reply.flags |= EXT | NEW_BIT;
		init_reply(&want, reply, true);
		CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.len,
						 b.len),
			 0);
		CHECK(!memcmp(b.at, want.at, b.len));
		crossfuse_session_client(&session, &source);
		if (lengths[i] == 24)
			CHECK_EQ(source, CROSSFUSE_SOURCE_ARCH_ID);
	}
	/* No way to tell it, and no way to do without. */
	offer.arch_id = UNKNOWN_ID;
	init_request(&b, offer, false);
	CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len, b.len),
		 0);
	init_reply(&b, (struct init_text){ 7, 22, 0x1ff, 0, 24, 0 }, false);
	CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.len, b.len),
		 -EBADMSG);
}

/* max_pages in the unit of each client. */
static void test_pages(void)
{
	static const struct {
		const char *client;
		uint64_t flags;
		uint32_t server_page;
		uint16_t server, client_sees;
	} cases[] = {
		/* canonical: units of 4096 whatever the client's pages */
		{ "aarch64", EXT | NEW_BIT, 0, 256, 256 },
		{ "aarch64", EXT | NEW_BIT, 65536, 16, 256 },
		/* legacy, one page size */
		{ "s390x", EXT, 0, 256, 256 },
		{ "alpha", EXT, 0, 256, 128 },
		{ "alpha", EXT, 0, 1, 1 },
		{ "alpha", EXT, 0, 0, 0 },
		{ "x86_64", EXT, 65536, 16, 256 },
		{ "x86_64", EXT, 65536, 65535, 65535 },
		/* legacy, page size not known: full size */
		{ "aarch64", EXT, 0, 256, 256 },
		{ "ppc64le", EXT, 65536, 16, 16 },
	};
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b, want;

	for (size_t i = 0; i < WIRE_COUNT(cases); i++) {
		struct crossfuse_config config = {
			.server = crossfuse_abi_by_name("x86_64"),
			.server_page_size = cases[i].server_page,
		};
		struct init_text init = { 7,
					  45,
					  cases[i].flags,
					  crossfuse_arch_id(cases[i].client),
					  64,
					  0 };
		struct init_text reply = { 7, 45, EXT | PAGES,
					   0, 64, cases[i].server };
		bool big = crossfuse_abi_big_endian(
			crossfuse_abi_by_name(cases[i].client));

		CHECK_EQ(crossfuse_session_init(&session, &config), 0);
		init_request(&b, init, big);
		CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len,
						   b.len),
			 0);
		init_reply(&b, reply, false);
		reply.max_pages = cases[i].client_sees;
		reply.flags |= cases[i].flags & NEW_BIT;
		init_reply(&want, reply, big);
		CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.len,
						 b.len),
			 0);
		CHECK(!memcmp(b.at, want.at, b.len));
	}
}

/* A client of another major number: nothing is decided, all passes. */
static void test_major(void)
{
	struct told told = { { 0 }, { 0 } };
	struct crossfuse_config config = {
		.server = crossfuse_abi_by_name("x86_64"),
		.policy = CROSSFUSE_REFUSE,
		.event = tell,
		.opaque = &told,
	};
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b, want;
	struct init_text init = { 8, 0, 0, 0, 64, 0 };
	struct init_text reply = { 7, 31, 0, 0, 8, 0 };

	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	init_request(&b, init, true);
	init_request(&want, init, false);
	CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len, b.len),
		 0);
	CHECK(!memcmp(b.at, want.at, b.len));
	init_reply(&b, reply, false);
	b.at[0] = 24;
	init_reply(&want, reply, true);
	CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, 24, 24), 0);
	CHECK(!memcmp(b.at, want.at, 24));
	CHECK_EQ(told.count[CROSSFUSE_EVENT_REFUSED], 0);
	/* A major number that cannot be one: the wrong byte order. */
	init.major = 0x07000000;
	init_request(&b, init, false);
	CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len, b.len),
		 -EBADMSG);
	init.major = 0;
	init_request(&b, init, false);
	CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len, b.len),
		 -EBADMSG);
}

/* What is newer than the tables is not negotiated, nor is what is older. */
static void test_minor(void)
{
	static const struct {
		const char *client;
		bool no_check;
		uint32_t sees;
	} cases[] = { { "x86_64", false, 47 },
		      { "x86_64", true, 99 },
		      { "aarch64", true, 47 },
		      { "s390x", false, 47 } };

	for (size_t i = 0; i < WIRE_COUNT(cases); i++) {
		struct crossfuse_config config = {
			.server = crossfuse_abi_by_name("x86_64"),
			.client = crossfuse_abi_by_name(cases[i].client),
			.no_check = cases[i].no_check,
		};
		bool big = crossfuse_abi_big_endian(config.client);
		struct init_text init = { 7, 99, EXT, 0, 64, 0 };
		struct crossfuse_session session;
		struct crossfuse_call call;
		struct wire_bytes b, want;

		CHECK_EQ(crossfuse_session_init(&session, &config), 0);
		init_request(&b, init, big);
		CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len,
						   b.len),
			 0);
		init_reply(&b, init, false);
		init.minor = cases[i].sees;
		init_reply(&want, init, big);
		CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.len,
						 b.len),
			 0);
		CHECK(!memcmp(b.at, want.at, b.len));
		/* The same to a server that is too old for the client. */
		init_reply(&b, (struct init_text){ .major = 7, .minor = 11 },
			   false);
		want = b;
		CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.len,
						 b.len),
			 -EBADMSG);
		CHECK(!memcmp(b.at, want.at, b.len));
	}
}

static void test_cuse(void)
{
	static const struct wire_text request = {
		CF_CUSE_INIT, "4444", 0, 0, 0, 0
	};
	static const struct wire_text answer = {
		CF_CUSE_INIT, "44444444[40][12]", 0, 0, 0, 0
	};
	struct wire_form client = { crossfuse_abi_by_name("s390x"), true };
	struct wire_form server = { crossfuse_abi_by_name("x86_64"), false };
	struct crossfuse_config config = { .server = server.abi };
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b, want;

	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	wire_request(&b, &request, client);
	wire_request(&want, &request, server);
	/* major 7, minor 38 */
	for (size_t k = 0; k < 8; k++)
		b.at[40 + k] = want.at[40 + k] = 0;
	b.at[43] = want.at[40] = 7;
	b.at[47] = want.at[44] = 38;
	CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len, b.len),
		 0);
	CHECK_EQ(call.opcode, CF_CUSE_INIT);
	CHECK(!memcmp(b.at, want.at, b.len));
	wire_reply(&b, &answer, server, 0, WIRE_UNIQUE);
	wire_reply(&want, &answer, client, 0, WIRE_UNIQUE);
	CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.len, b.len),
		 0);
	CHECK(!memcmp(b.at, want.at, b.len));
}

/* A name that stands for both byte orders; and a byte order that cannot be. */
static void test_order(void)
{
	static const struct {
		const char *monitor, *machine;
		bool big;
		const char *client;
		unsigned int contradictions;
	} cases[] = {
		{ "ppc64", NULL, false, "ppc64le", 0 },
		{ "ppc64", NULL, true, "ppc64", 0 },
		{ NULL, "mips64", false, "mips64el", 0 },
		{ NULL, "mips64", true, "mips64", 0 },
		{ "aarch64", NULL, true, "aarch64_be", 0 },
		{ "x86_64", NULL, true, "x86_64", 1 },
		{ "s390x", NULL, false, "s390x", 1 },
		{ "x86_64", "aarch64", false, "aarch64", 1 },
	};

	for (size_t i = 0; i < WIRE_COUNT(cases); i++) {
		struct told told = { { 0 }, { 0 } };
		struct crossfuse_config config = {
			.server = crossfuse_abi_by_name("x86_64"),
			.monitor = cases[i].monitor ? crossfuse_abi_by_name(
							      cases[i].monitor)
						    : NULL,
			.event = tell,
			.opaque = &told,
		};
		struct init_text init = { 7, 45, LINUX_INIT, 0, 64, 0 };
		struct crossfuse_session session;

		if (cases[i].machine)
			init.arch_id = crossfuse_arch_id(cases[i].machine);
		CHECK_EQ(crossfuse_session_init(&session, &config), 0);
		pair_shake_hands(&session, init, init, cases[i].big, false);
		CHECK(crossfuse_session_client(&session, NULL) ==
		      crossfuse_abi_by_name(cases[i].client));
		CHECK_EQ(told.count[CROSSFUSE_EVENT_CONTRADICTION],
			 cases[i].contradictions);
	}
}

static void test_config(void)
{
	struct crossfuse_session session;
	struct crossfuse_config config = { .policy = CROSSFUSE_IGNORE };

	CHECK_EQ(crossfuse_session_init(&session, NULL), -EINVAL);
	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	config.policy = (enum crossfuse_policy)3;
	CHECK_EQ(crossfuse_session_init(&session, &config), -EINVAL);
	config.policy = CROSSFUSE_REFUSE;
	config.server_page_size = 5000;
	CHECK_EQ(crossfuse_session_init(&session, &config), -EINVAL);
	config.server_page_size = 16384;
	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
}

int main(void)
{
	test_shapes();
	test_old_replies();
	test_pages();
	test_major();
	test_minor();
	test_cuse();
	test_order();
	test_config();
	return check_result();
}
