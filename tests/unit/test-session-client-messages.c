/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of a session with the client's role, on any ABI and in either byte
 * order: canonical towards a server that answered the offer, and otherwise as
 * they are.
 */
#include "session-pair.h"
#include <errno.h>

#define EXT (UINT64_C(1) << 30)

static bool is_canonical(const struct crossfuse_session *session)
{
	enum crossfuse_source source;

	crossfuse_session_client(session, &source);
	return source == CROSSFUSE_SOURCE_CANON;
}

static void check_bytes(const struct wire_bytes *got,
			const struct wire_bytes *want, const char *what,
			const struct crossfuse_abi *abi, uint32_t code)
{
	if (CHECK(got->len == want->len &&
		  !memcmp(got->at, want->at, want->len)))
		return;
	fprintf(stderr, "  %s, %s, %u\n", what, crossfuse_abi_name(abi), code);
	for (size_t i = 0; i < want->len; i++)
		if (got->at[i] != want->at[i])
			fprintf(stderr, "  at %zu: %02x, not %02x\n", i,
				got->at[i], want->at[i]);
}

static void start(struct crossfuse_session *session,
		  const struct crossfuse_abi *abi, bool big, bool answered)
{
	struct crossfuse_config config = { .role = CROSSFUSE_ROLE_CLIENT,
					   .client = abi };
	struct init_text init = { .major = 7, .minor = 45, .flags = EXT };
	struct init_text answer = init;

	if (answered)
		answer.flags |= UINT64_C(1) << 62;
	CHECK_EQ(crossfuse_session_init(session, &config), 0);
	pair_shake_hands(session, init, answer, big, big);
	CHECK_EQ(is_canonical(session), answered);
}

static void ask(struct crossfuse_session *session, struct crossfuse_call *call,
		uint32_t code, struct wire_form form)
{
	struct wire_bytes b;

	wire_request_for(&b, &(struct wire_text){ .code = code }, form);
	CHECK_EQ(crossfuse_session_request(session, call, b.at, b.head, b.len),
		 0);
}

/* Messages are canonical on the wire, or as they are if nobody answered. */
static void test_messages(const struct crossfuse_abi *abi, bool big,
			  bool answered)
{
	struct wire_form client = { abi, big }, wire = client;
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b, want;

	if (answered)
		wire.abi = crossfuse_abi_canonical();
	start(&session, abi, big, answered);
	for (size_t i = 0; i < WIRE_COUNT(wire_requests); i++) {
		if (wire_requests[i].long_setxattr)
			continue;
		wire_request(&b, &wire_requests[i], client);
		wire_request(&want, &wire_requests[i], wire);
		CHECK_EQ(crossfuse_session_request(&session, &call, b.at,
						   b.head, b.len),
			 0);
		check_bytes(&b, &want, "message", abi, b.at[4]);
	}
	for (size_t i = 0; i < WIRE_COUNT(wire_replies); i++) {
		if (wire_replies[i].request)
			continue;
		ask(&session, &call, wire_replies[i].code, client);
		wire_reply(&b, &wire_replies[i], wire, 0, WIRE_UNIQUE);
		wire_reply(&want, &wire_replies[i], client, 0, WIRE_UNIQUE);
		CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.head,
						 b.len),
			 0);
		check_bytes(&b, &want, "answer", abi, wire_replies[i].code);
	}
}

/* Errors: the server's, our own, and those to opcodes that nobody knows. */
static void test_errors(const struct crossfuse_abi *abi, bool big,
			bool answered)
{
	static const struct wire_text none = { .body = "" };
	const struct wire_text unknown = { .code = 99, .body = "8O[3]" };
	struct wire_form client = { abi, big }, wire = client;
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b, want;

	if (answered)
		wire.abi = crossfuse_abi_canonical();
	start(&session, abi, big, answered);
	wire_request(&b, &unknown, client);
	want = b;
	CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len, b.len),
		 0);
	CHECK(!memcmp(b.at, want.at, b.len));
	wire_reply(&b, &none, wire, wire_kind('E', wire.abi, false),
		   WIRE_UNIQUE);
	wire_reply(&want, &none, client, wire_kind('E', abi, false),
		   WIRE_UNIQUE);
	CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.len, b.len),
		 0);
	CHECK(!memcmp(b.at, want.at, b.len));
	crossfuse_session_error(&session, &call, -ENAMETOOLONG, b.at);
	CHECK(!memcmp(b.at, want.at, b.len));
	/* A body that nobody knows is nobody's to change. */
	wire_reply(&b, &unknown, wire, 0, WIRE_UNIQUE);
	want = b;
	CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.len, b.len),
		 0);
	CHECK(!memcmp(b.at, want.at, b.len));
}

/* A lock type that there is not, and an ioctl that cannot be said. */
static void test_refused(void)
{
	const struct wire_text lock = { .code = CF_SETLK,
					.body = "8888{4:9}444" };
	const struct wire_text ioctl = { .code = CF_IOCTL,
					 .body = "8{4:0}48{4:0}{4:0}" };
	const struct wire_form client = { crossfuse_abi_by_name("alpha"),
					  false };
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b, before;

	start(&session, client.abi, false, true);
	wire_request(&b, &lock, client);
	before = b;
	CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len, b.len),
		 -EINVAL);
	CHECK(!memcmp(&b, &before, sizeof(b)));
	wire_request(&b, &ioctl, client);
	/* "None" and "read" at once. */
	memset(b.at + 52, 0, 4);
	b.at[55] = 0x60;
	before = b;
	CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len, b.len),
		 -ENOTTY);
	CHECK(!memcmp(&b, &before, sizeof(b)));
	CHECK_EQ(call.unique, WIRE_UNIQUE);
}

/*
 * A client of 32 bits leaves the size in the number of an ioctl that says
 * "long" as it is, and what is carried passes, both ways, whatever it is.
 */
static void test_ioctl_of_32_bits(void)
{
	/* FS_IOC_GETFLAGS, and a number of a letter that nobody has */
	static const uint32_t own[] = { 0x40046601, 0x40055a07 };
	static const uint32_t canonical[] = { 0x80046601, 0x80055a07 };
	const struct wire_text reply = { CF_IOCTL, "{4:0}{4:0}{4:0}{4:0}[5]",
					 0,	   0,
					 0,	   0 };
	const struct wire_form client = { crossfuse_abi_by_name("mips"), true };
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b, want;

	start(&session, client.abi, true, true);
	for (size_t i = 0; i < 2; i++) {
		const struct wire_text text = {
			CF_IOCTL, "8{4:0}48{4:5}{4:5}[5]", 0, 0, 0, 0
		};

		wire_request(&b, &text, client);
		b.len = 52;
		wire_put(&b, own[i], 4, true);
		b.len = b.head;
		want = b;
		want.len = 52;
		wire_put(&want, canonical[i], 4, true);
		want.len = b.len;
		CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len,
						   b.len),
			 0);
		check_bytes(&b, &want, "ioctl", client.abi, 45);
		wire_reply(&b, &reply, client, 0, WIRE_UNIQUE);
		want = b;
		CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.len,
						 b.len),
			 0);
		check_bytes(&b, &want, "ioctl's reply", client.abi, 45);
	}
}

/* Another FUSE_INIT starts over; CUSE_INIT offers nothing. */
static void test_again(void)
{
	const struct crossfuse_abi *abi = crossfuse_abi_by_name("mips");
	const struct wire_text open = { .code = CF_OPEN, .body = "O4" };
	const struct wire_form client = { abi, true };
	struct init_text init = { .major = 7, .minor = 45, .flags = EXT };
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b, want;

	start(&session, abi, true, true);
	init_request(&b, init, true);
	CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len, b.len),
		 0);
	CHECK(!is_canonical(&session));
	init_reply(&b, init, true);
	CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.len, b.len),
		 0);
	wire_request(&b, &open, client);
	want = b;
	CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len, b.len),
		 0);
	CHECK(!memcmp(b.at, want.at, b.len));

	/* With room for one. */
	init_request(&b, init, true);
	b.len = 4;
	wire_put(&b, CF_CUSE_INIT, 4, true);
	b.len = b.head;
	want = b;
	start(&session, abi, true, true);
	CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len, b.len),
		 0);
	CHECK(!memcmp(b.at, want.at, b.len));
	CHECK(!is_canonical(&session));
}

int main(void)
{
	const struct crossfuse_abi *abi;

	for (size_t i = 0; (abi = crossfuse_abi_at(i)); i++)
		for (int big = 0; big < 2; big++) {
			test_messages(abi, big, true);
			test_messages(abi, big, false);
			test_errors(abi, big, true);
			test_errors(abi, big, false);
		}
	test_refused();
	test_ioctl_of_32_bits();
	test_again();
	return check_result();
}
