/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests that a proxy passes on under numbers of its own: the server sees
 * those, the client its own again; and how long a reply can be.
 */
#include "session-pair.h"
#include <errno.h>

enum {
	REPLY_HEAD = 16,
	REQUEST_HEAD = 40,
};

static const uint64_t number = UINT64_C(0x8000000012345678);

static uint64_t get(const struct wire_bytes *b, size_t at, size_t width,
		    bool big)
{
	uint64_t value = 0;

	for (size_t i = 0; i < width; i++)
		value |= (uint64_t)b->at[at + i]
			 << 8 * (big ? width - 1 - i : i);
	return value;
}

static void set(struct wire_bytes *b, size_t at, uint64_t value, size_t width,
		bool big)
{
	for (size_t i = 0; i < width; i++)
		b->at[at + i] =
			(uint8_t)(value >> 8 * (big ? width - 1 - i : i));
}

static bool is_notify_reply(const struct wire_text *text)
{
	return text->code == CF_NOTIFY_REPLY;
}

/* A request like the reference, but for its number. */
static void test_requests(struct wire_form client, struct wire_form server)
{
	struct crossfuse_session session;
	struct wire_bytes got, want;
	struct crossfuse_call call;

	for (size_t i = 0; i < WIRE_COUNT(wire_requests); i++) {
		const struct wire_text *text = &wire_requests[i];
		uint64_t header = number;

		pair_start(&session, client, server, text->long_setxattr);
		wire_request(&got, text, client);
		wire_request(&want, text, server);
		CHECK_EQ(crossfuse_session_request(&session, &call, got.at,
						   got.head, got.len),
			 0);
		CHECK_EQ(crossfuse_call_renumber(&call, got.at, got.head,
						 number),
			 is_notify_reply(text) ? -EINVAL : 0);
		if (text->code == CF_INTERRUPT) {
			set(&want, REQUEST_HEAD, number, 8, server.big);
			header |= CF_INT_REQ_BIT;
		}
		/* What the server gave to RETRIEVE comes back as it was. */
		if (!is_notify_reply(text))
			set(&want, 8, header, 8, server.big);
		CHECK(call.unique == WIRE_UNIQUE);
		if (!CHECK(!memcmp(got.at, want.at, want.len)))
			fprintf(stderr, "  opcode %u\n", text->code);
	}
}

static void test_replies(struct wire_form client, struct wire_form server)
{
	struct crossfuse_session session;
	struct wire_bytes got, want;
	struct crossfuse_call call;

	pair_start(&session, client, server, false);
	for (size_t i = 0; i < WIRE_COUNT(wire_replies); i++) {
		const struct wire_text *text = &wire_replies[i];

		wire_request_for(&got, text, client);
		CHECK_EQ(crossfuse_session_request(&session, &call, got.at,
						   got.head, got.len),
			 0);
		CHECK_EQ(crossfuse_call_renumber(&call, got.at, got.head, 4),
			 0);
		/* Sent again, it has another number. */
		CHECK_EQ(crossfuse_call_renumber(&call, got.at, got.head,
						 number),
			 0);
		wire_reply(&got, text, server, 0, 4);
		CHECK_EQ(crossfuse_session_reply(&session, &call, got.at,
						 got.head, got.len),
			 -EBADMSG);
		wire_reply(&got, text, server, 0, WIRE_UNIQUE);
		CHECK_EQ(crossfuse_session_reply(&session, &call, got.at,
						 got.head, got.len),
			 -EBADMSG);
		wire_reply(&got, text, server, 0, number);
		wire_reply(&want, text, client, 0, WIRE_UNIQUE);
		CHECK(crossfuse_reply_unique(&session, got.at) == number);
		CHECK_EQ(crossfuse_session_reply(&session, &call, got.at,
						 got.head, got.len),
			 0);
		CHECK(!memcmp(got.at, want.at, want.len));
		/* An error of the proxy's own is for the client. */
		crossfuse_session_error(&session, &call, -EIO, got.at);
		CHECK(get(&got, 8, 8, client.big) == WIRE_UNIQUE);
	}
}

/* INTERRUPT's own answer, and the names that it uses. */
static void test_interrupt(struct wire_form client, struct wire_form server)
{
	const struct wire_text nothing = { .body = "" };
	const struct wire_text text = { .code = CF_INTERRUPT, .body = "8" };
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b;
	uint64_t named = 0;

	pair_start(&session, client, server, false);
	wire_request(&b, &text, client);
	set(&b, REQUEST_HEAD, 77, 8, client.big);
	CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len, b.len),
		 0);
	CHECK_EQ(crossfuse_interrupt_unique(&call, b.at, b.len - 1, &named),
		 -EBADMSG);
	CHECK_EQ(crossfuse_call_renumber(&call, b.at, b.len - 1, number),
		 -EBADMSG);
	CHECK_EQ(named, 0);
	CHECK_EQ(crossfuse_interrupt_unique(&call, b.at, b.len, &named), 0);
	CHECK_EQ(named, 77);
	CHECK_EQ(crossfuse_call_renumber(&call, b.at, b.len, number), 0);
	CHECK(get(&b, 8, 8, server.big) == (number | CF_INT_REQ_BIT));
	CHECK(get(&b, REQUEST_HEAD, 8, server.big) == number);

	/* EINTR has the same number everywhere. */
	wire_reply(&b, &nothing, server, (uint32_t)-4, number | 1);
	CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.len, b.len),
		 0);
	CHECK(get(&b, 8, 8, client.big) == WIRE_UNIQUE);
	call.opcode = CF_LOOKUP;
	CHECK_EQ(crossfuse_interrupt_unique(&call, b.at, b.len, &named),
		 -EINVAL);
}

/* FUSE_INIT, and connections that nothing is translated on. */
static void test_init(bool big, enum crossfuse_policy policy)
{
	struct crossfuse_config config = { .policy = policy };
	struct init_text init = { .major = 7, .minor = 38 };
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b;
	bool out = policy == CROSSFUSE_IGNORE ? big : machine_big();

	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	init_request(&b, init, big);
	CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len, b.len),
		 0);
	CHECK_EQ(crossfuse_reply_max_len(&call, b.at, b.len), REPLY_HEAD + 64);
	CHECK_EQ(crossfuse_call_renumber(&call, b.at, b.len, number), 0);
	CHECK(get(&b, 8, 8, out) == number);
	init_reply(&b, init, out);
	set(&b, 8, number, 8, out);
	CHECK(crossfuse_reply_unique(&session, b.at) == number);
	CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.len, b.len),
		 0);
	CHECK(get(&b, 8, 8, big) == WIRE_UNIQUE);
	CHECK_EQ(get(&b, 0, 4, big), b.len);
}

struct room {
	uint32_t code;
	const char *body;
	int64_t len; /* behind the header of the reply; -1: none at all */
};

static const struct room rooms[] = {
	{ CF_LOOKUP, "<name>", 128 },
	{ CF_FORGET, "8", -1 },
	{ CF_BATCH_FORGET, "{4:0}4", -1 },
	{ CF_NOTIFY_REPLY, "88{4:0}488", -1 },
	{ CF_INTERRUPT, "8", 0 },
	{ CF_GETATTR, "448", 104 },
	{ CF_READLINK, "", 65535 },
	{ CF_OPEN, "{4:0}4", 16 },
	{ CF_CREATE, "{4:64}444<name>", 144 },
	{ CF_READ, "88{4:0}48{4:0}4", 0 },
	{ CF_READ, "88{4:65536}48{4:0}4", 65536 },
	{ CF_READ, "88{4:4294967295}48{4:0}4", 4294967295 },
	{ CF_READDIR, "88{4:4096}48{4:0}4", 4096 },
	{ CF_READDIRPLUS, "88{4:8192}48{4:0}4", 8192 },
	{ CF_WRITE, "88{4:0}48{4:0}4", 8 },
	{ CF_GETXATTR, "{4:0}4<user.x>", 8 },
	{ CF_GETXATTR, "{4:3}4<user.x>", 3 },
	{ CF_LISTXATTR, "{4:0}4", 8 },
	{ CF_LISTXATTR, "{4:65536}4", 65536 },
	{ CF_IOCTL, "8{4:0}{4:0}8{4:0}{4:100}", 16 + 4096 },
	{ CF_IOCTL, "8{4:2}{4:0}8{4:0}{4:100}", 16 + 4096 },
	{ CF_IOCTL, "8{4:2}{4:0}8{4:0}{4:5000}", 16 + 5000 },
	{ CF_IOCTL, "8{4:2}{4:0}8{4:0}{4:4294967295}", 16 + 4294967295 },
	{ CF_STATFS, "", 80 },
	{ CF_STATX, "{4:0}4844", 288 },
	{ CF_FSYNC, "844", 0 },
	{ CF_LSEEK, "8844", 8 },
	{ CF_CUSE_INIT, "{4:7}{4:38}{4:0}{4:0}", 72 + 4096 },
};

static void test_rooms(struct wire_form client, struct wire_form server)
{
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b;

	for (size_t i = 0; i < WIRE_COUNT(rooms); i++) {
		struct wire_text text = { .code = rooms[i].code,
					  .body = rooms[i].body };
		int64_t want = rooms[i].len < 0 ? 0 : REPLY_HEAD + rooms[i].len;

		pair_start(&session, client, server, false);
		wire_request(&b, &text, client);
		if (text.code == CF_IOCTL)
			set(&b, REQUEST_HEAD + 12,
			    wire_kind('C', client.abi, false), 4, client.big);
		/* An ioctl of these sizes cannot always be carried. */
		if (crossfuse_session_request(&session, &call, b.at, b.len,
					      b.len)) {
			CHECK_EQ(text.code, CF_IOCTL);
			continue;
		}
		CHECK_EQ(crossfuse_reply_max_len(&call, b.at, b.len), want);
	}
}

/* Every reply that is there fits, by what its own request says. */
static void test_replies_fit(struct wire_form form)
{
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b;

	pair_start(&session, form, form, false);
	for (size_t i = 0; i < WIRE_COUNT(wire_replies); i++) {
		int64_t max;

		wire_request_for(&b, &wire_replies[i], form);
		CHECK_EQ(crossfuse_session_request(&session, &call, b.at,
						   b.head, b.len),
			 0);
		max = crossfuse_reply_max_len(&call, b.at, b.head);
		wire_reply(&b, &wire_replies[i], form, 0, WIRE_UNIQUE);
		if (!CHECK((int64_t)b.len <= max))
			fprintf(stderr, "  opcode %u\n", call.opcode);
	}
}

/* Where both sides agree, requests that are too short come through. */
static void test_short(void)
{
	struct crossfuse_config config = { 0 };
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_text text = { .code = CF_READ, .body = "" };
	struct wire_form own = { crossfuse_abi_native(), machine_big() };
	struct wire_bytes b;

	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	for (uint32_t code = 1; code < 60; code++) {
		int64_t len;

		text.code = code;
		wire_request(&b, &text, own);
		if (crossfuse_session_request(&session, &call, b.at, 40, 40))
			continue;
		len = crossfuse_reply_max_len(&call, b.at, 40);
		CHECK(len >= 0 || len == -EBADMSG || len == -ENOSYS);
		if (code == CF_READ || code == CF_IOCTL || code == CF_GETXATTR)
			CHECK_EQ(len, -EBADMSG);
		if (!crossfuse_opcode(code))
			CHECK_EQ(len, -ENOSYS);
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

		test_requests(client, server);
		test_replies(client, server);
		test_interrupt(client, server);
		test_rooms(client, server);
		test_replies_fit(client);
	}
	for (int big = 0; big < 2; big++) {
		test_init(big, CROSSFUSE_TRANSLATE);
		test_init(big, CROSSFUSE_IGNORE);
	}
	test_short();
	return check_result();
}
