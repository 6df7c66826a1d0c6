/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A session that goes on elsewhere: what was saved and loaded treats every
 * message as the one that stayed does; and what is loaded may be anything.
 */
#include "session-pair.h"
#include <errno.h>

enum {
	LEN = 56
};

/* All that a FUSE_INIT can come to. */
static const struct how {
	const char *what;
	bool offer, arch_id, admin, monitor, no_detect;
	enum crossfuse_policy policy;
	enum crossfuse_role role;
} hows[] = {
	{ .what = "offer", .offer = true, .arch_id = true },
	{ .what = "arch_id alone", .arch_id = true },
	{ .what = "administrator", .admin = true },
	{ .what = "monitor", .monitor = true },
	{ .what = "nothing" },
	{ .what = "nothing, and no guesses", .no_detect = true },
	{ .what = "refused", .policy = CROSSFUSE_REFUSE },
	{ .what = "ignored", .policy = CROSSFUSE_IGNORE, .admin = true },
	{ .what = "client", .role = CROSSFUSE_ROLE_CLIENT },
	{ .what = "client, no offer",
	  .role = CROSSFUSE_ROLE_CLIENT,
	  .policy = CROSSFUSE_IGNORE },
};

static struct crossfuse_config config_of(const struct how *how,
					 struct wire_form client,
					 const struct crossfuse_abi *server)
{
	struct crossfuse_config config = {
		.role = how->role,
		.policy = how->policy,
		.no_detect = how->no_detect,
	};

	if (how->role == CROSSFUSE_ROLE_SERVER)
		config.server = server;
	if (how->admin || how->role == CROSSFUSE_ROLE_CLIENT)
		config.client = client.abi;
	if (how->monitor)
		config.monitor = client.abi;
	return config;
}

/* False if FUSE_INIT was refused. */
static bool shake_hands(struct crossfuse_session *session,
			const struct how *how, struct wire_form client,
			struct wire_form server)
{
	struct init_text init = { .major = 7, .minor = 38 };
	struct crossfuse_call call;
	struct wire_bytes b;
	bool big;

	init.flags = CF_INIT_EXT | CF_INIT_SETXATTR_EXT | LINUX_INIT;
	if (how->offer)
		init.flags |= CF_INIT_CANON_ARCH;
	if (how->arch_id)
		init.arch_id = crossfuse_abi_arch_id(client.abi);
	init_request(&b, init, client.big);
	if (crossfuse_session_request(session, &call, b.at, b.len, b.len))
		return false;
	big = server.big;
	if (how->role == CROSSFUSE_ROLE_CLIENT ||
	    how->policy == CROSSFUSE_IGNORE)
		big = client.big;
	if (how->role == CROSSFUSE_ROLE_CLIENT &&
	    how->policy == CROSSFUSE_TRANSLATE)
		init.flags |= CF_INIT_CANON_ARCH;
	init_reply(&b, init, big);
	CHECK_EQ(crossfuse_session_reply(session, &call, b.at, b.len, b.len),
		 0);
	return true;
}

/* The same message through both; what comes of it has to be the same. */
static void compare_one(struct crossfuse_session *stayed,
			struct crossfuse_session *moved,
			const struct wire_text *text, struct wire_form client,
			struct wire_form server)
{
	struct crossfuse_call calls[2];
	struct wire_bytes b[2];
	int err[2];

	for (int i = 0; i < 2; i++) {
		struct crossfuse_session *session = i ? moved : stayed;

		wire_request(&b[i], text, client);
		err[i] = crossfuse_session_request(session, &calls[i], b[i].at,
						   b[i].head, b[i].len);
	}
	CHECK_EQ(err[0], err[1]);
	CHECK(!memcmp(b[0].at, b[1].at, sizeof(b[0].at)));
	if (err[0])
		return;
	for (int i = 0; i < 2; i++) {
		struct crossfuse_session *session = i ? moved : stayed;

		wire_reply(&b[i], &(struct wire_text){ .body = "" }, server,
			   wire_kind('E', server.abi, false), WIRE_UNIQUE);
		err[i] = crossfuse_session_reply(session, &calls[i], b[i].at,
						 b[i].len, b[i].len);
		crossfuse_session_error(session, &calls[i], -ENOSYS,
					b[i].at + 16);
	}
	CHECK_EQ(err[0], err[1]);
	CHECK(!memcmp(b[0].at, b[1].at, 32));
}

static void compare(struct crossfuse_session *stayed,
		    struct crossfuse_session *moved, struct wire_form client,
		    struct wire_form server)
{
	enum crossfuse_source source[2];
	struct wire_bytes b[2];

	CHECK(crossfuse_session_client(stayed, &source[0]) ==
	      crossfuse_session_client(moved, &source[1]));
	CHECK_EQ(source[0], source[1]);
	for (size_t i = 0; i < WIRE_COUNT(wire_requests); i++)
		compare_one(stayed, moved, &wire_requests[i], client, server);
	for (size_t i = 0; i < WIRE_COUNT(wire_notifies); i++) {
		int err[2];

		for (int k = 0; k < 2; k++) {
			wire_reply(&b[k], &wire_notifies[i], server,
				   wire_notifies[i].code, 0);
			err[k] = crossfuse_session_notify(k ? moved : stayed,
							  b[k].at, b[k].head,
							  b[k].len);
		}
		CHECK_EQ(err[0], err[1]);
		CHECK(!memcmp(b[0].at, b[1].at, sizeof(b[0].at)));
	}
}

static void test_move(const struct how *how, struct wire_form client,
		      struct wire_form server)
{
	struct crossfuse_config config = config_of(how, client, server.abi);
	uint8_t saved[CROSSFUSE_SESSION_SAVE_MAX], again[LEN];
	struct crossfuse_session stayed, moved;
	unsigned int failed = check_failed;

	CHECK_EQ(crossfuse_session_init(&stayed, &config), 0);
	CHECK_EQ(crossfuse_session_save(&stayed, saved, sizeof(saved)), LEN);
	CHECK_EQ(crossfuse_session_load(&moved, &config, saved, LEN), 0);
	CHECK_EQ(shake_hands(&stayed, how, client, server),
		 shake_hands(&moved, how, client, server));

	CHECK_EQ(crossfuse_session_save(&stayed, saved, LEN - 1), -ENOBUFS);
	CHECK_EQ(crossfuse_session_save(&stayed, saved, LEN), LEN);
	memset(&moved, 0x5a, sizeof(moved));
	CHECK_EQ(crossfuse_session_load(&moved, &config, saved, LEN), 0);
	CHECK_EQ(crossfuse_session_save(&moved, again, LEN), LEN);
	CHECK(!memcmp(saved, again, LEN));
	compare(&stayed, &moved, client, server);
	/* The next client starts over in both. */
	CHECK_EQ(shake_hands(&stayed, how, client, server),
		 shake_hands(&moved, how, client, server));
	compare(&stayed, &moved, client, server);
	if (check_failed != failed)
		fprintf(stderr, "  in: %s, %s to %s\n", how->what,
			crossfuse_abi_name(client.abi),
			crossfuse_abi_name(server.abi));
}

/* To a server of another ABI: by the client's own values, as if from there. */
static void test_other_server(const struct crossfuse_abi *abi)
{
	struct wire_form client = { abi, crossfuse_abi_big_endian(abi) };
	struct wire_form here = { crossfuse_abi_native(), machine_big() };
	struct wire_form there = { crossfuse_abi_by_name("mips"), true };
	const struct how *how = &hows[1];
	struct crossfuse_config config = config_of(how, client, here.abi);
	struct crossfuse_session session, moved, native;
	uint8_t saved[LEN];

	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	CHECK(shake_hands(&session, how, client, here));
	CHECK_EQ(crossfuse_session_save(&session, saved, LEN), LEN);
	config.server = there.abi;
	CHECK_EQ(crossfuse_session_load(&moved, &config, saved, LEN), 0);
	CHECK_EQ(crossfuse_session_init(&native, &config), 0);
	CHECK(shake_hands(&native, how, client, there));
	compare(&native, &moved, client, there);
}

/* A big-endian client of aarch64's values that offered, on any machine. */
static const uint8_t reference[LEN] = {
	'C',  'F',  'S',  'E',
	'S',  'S',  'N',  0, /* */
	1,    0,    0,	  0,
	LEN,  0,    0,	  0, /* version, length */
	0,    0,    0,	  0,
	1,    0,    0,	  0, /* server's role, by the handshake */
	0x9b, 0,    0,	  0,
	0,    0,    0,	  0, /* canonical */
	0,    0,    0,	  0,
	0xea, 0x48, 0x37, 0x3e, /* aarch64_be */
	7,    0,    0,	  0,
	38,   0,    0,	  0, /* */
	0x7b, 0x04, 0,	  0x60,
	0,    0,    0,	  0x40, /* FUSE_INIT's flags */
};

static void test_reference(void)
{
	const struct crossfuse_abi *abi = crossfuse_abi_by_name("aarch64_be");
	struct wire_form client = { abi, true };
	struct wire_form server = { crossfuse_abi_by_name("x86_64"), false };
	struct crossfuse_config config =
		config_of(&hows[0], client, server.abi);
	struct crossfuse_session session;
	uint8_t saved[LEN];

	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	CHECK(shake_hands(&session, &hows[0], client, server));
	CHECK_EQ(crossfuse_session_save(&session, saved, LEN), LEN);
	for (size_t i = 0; i < LEN; i++)
		CHECK_EQ(saved[i], reference[i]);
}

/* Whatever is loaded is refused, or is what would be saved. */
static int try_load(const struct crossfuse_config *config, const uint8_t *buf,
		    size_t len)
{
	struct crossfuse_session session, before;
	uint8_t again[LEN];
	int err;

	memset(&session, 0xc3, sizeof(session));
	memcpy(&before, &session, sizeof(before));
	err = crossfuse_session_load(&session, config, buf, len);
	if (err) {
		CHECK(!memcmp(&before, &session, sizeof(before)));
		return err;
	}
	CHECK_EQ(crossfuse_session_save(&session, again, LEN), LEN);
	CHECK(len == LEN && !memcmp(again, buf, LEN));
	return 0;
}

static void put(uint8_t *buf, size_t at, uint32_t value)
{
	for (size_t i = 0; i < 4; i++)
		buf[at + i] = (uint8_t)(value >> 8 * i);
}

static void test_hostile(void)
{
	struct crossfuse_config config = { .server =
						   crossfuse_abi_by_name("x86_"
									 "6"
									 "4") };
	struct crossfuse_config client = { .role = CROSSFUSE_ROLE_CLIENT };
	uint8_t buf[LEN + 8];

	memset(buf, 0, sizeof(buf));
	memcpy(buf, reference, LEN);
	CHECK_EQ(try_load(&config, buf, LEN), 0);
	for (size_t len = 0; len < sizeof(buf); len++)
		if (len != LEN)
			CHECK_EQ(try_load(&config, buf, len), -EBADMSG);
	CHECK_EQ(try_load(&client, buf, LEN), -EINVAL);
	CHECK_EQ(crossfuse_session_load(NULL, &config, buf, LEN), -EINVAL);
	CHECK_EQ(try_load(&config, NULL, LEN), -EINVAL);
	config.server_page_size = 3;
	CHECK_EQ(try_load(&config, buf, LEN), -EINVAL);
	config.server_page_size = 0;

	put(buf, 8, 2);
	CHECK_EQ(try_load(&config, buf, LEN), -EPROTONOSUPPORT);
	/* A later version may be longer. */
	CHECK_EQ(try_load(&config, buf, LEN + 8), -EPROTONOSUPPORT);
	put(buf, 8, 1);
	for (size_t at = 0; at < LEN; at++)
		for (unsigned int byte = 0; byte < 256; byte++) {
			buf[at] = (uint8_t)byte;
			try_load(&config, buf, LEN);
			buf[at] = reference[at];
		}
	/* Every source with every combination of bits. */
	for (uint32_t source = 0; source < 9; source++)
		for (uint32_t bits = 0; bits < 1024; bits++)
			for (uint32_t id = 0; id < 2; id++) {
				put(buf, 20, source);
				put(buf, 24, bits);
				put(buf, 28, id ? 0x1fa64776 : 0);
				put(buf, 32, id ? 0 : 0x1fa64776);
				try_load(&config, buf, LEN);
				put(buf, 32, 0);
				try_load(&config, buf, LEN);
			}
}

/* Some that make no sense, each for one reason. */
static void test_refused(void)
{
	static const struct {
		uint8_t at;
		uint32_t value;
	} wrong[] = {
		{ 12, LEN + 1 }, { 16, 2 },	     { 20, 7 },
		{ 20, 0 },	 { 20, 5 },	     { 24, 0x1b },
		{ 24, 0x99 },	 { 24, 0x93 },	     { 24, 0x9f },
		{ 24, 0xbb },	 { 24, 0xdb },	     { 24, 0x19b },
		{ 24, 0x29b },	 { 28, 0x1fa64776 }, { 32, 0x1fa64776 },
		{ 36, 0 },	 { 40, 0 },	     { 40, 0x10000 },
		{ 44, 0x10000 },
	};
	struct crossfuse_config config = { .server =
						   crossfuse_abi_by_name("x86_"
									 "6"
									 "4") };
	uint8_t buf[LEN];

	for (size_t i = 0; i < WIRE_COUNT(wrong); i++) {
		memcpy(buf, reference, LEN);
		put(buf, wrong[i].at, wrong[i].value);
		if (!CHECK_EQ(try_load(&config, buf, LEN), -EBADMSG))
			fprintf(stderr, "  %u at %u\n", wrong[i].value,
				wrong[i].at);
	}
}

int main(void)
{
	const struct crossfuse_abi *abi;

	for (size_t i = 0; (abi = crossfuse_abi_at(i)); i++) {
		struct wire_form client = { abi,
					    crossfuse_abi_big_endian(abi) };
		struct wire_form server = { crossfuse_abi_native(),
					    machine_big() };
		struct wire_form other = { crossfuse_abi_by_name("mips"),
					   true };

		for (size_t k = 0; k < WIRE_COUNT(hows); k++) {
			test_move(&hows[k], client, server);
			test_move(&hows[k], client, other);
		}
		test_other_server(abi);
	}
	test_reference();
	test_hostile();
	test_refused();
	return check_result();
}
