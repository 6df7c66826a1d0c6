/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A field is padding before the minor that it came with: whatever stands in it
 * then makes no message fail, and changes nothing else in it. In every message,
 * both ways, whichever byte order. And minors that are too old are refused.
 */
#include "session-pair.h"
#include <errno.h>

static const char *const pairs[][2] = {
	{ "x86_64", "x86_64" }, { "aarch64", "x86_64" }, { "s390x", "s390x" },
	{ "s390x", "x86_64" },	{ "x86_64", "sparc64" },
};

static struct wire_form form_of(const char *name)
{
	const struct crossfuse_abi *abi = crossfuse_abi_by_name(name);

	return (struct wire_form){ abi, crossfuse_abi_big_endian(abi) };
}

static void start(struct crossfuse_session *session, const char *const pair[2],
		  uint32_t minor)
{
	struct crossfuse_config config = {
		.client = crossfuse_abi_by_name(pair[0]),
		.server = crossfuse_abi_by_name(pair[1]),
	};
	struct init_text init = { .major = 7, .minor = minor };

	CHECK_EQ(crossfuse_session_init(session, &config), 0);
	pair_shake_hands(session, init, init, form_of(pair[0]).big,
			 form_of(pair[1]).big);
}

/* What stands in LEN bytes AT: garbage, in B and in what it becomes, WANT. */
static void litter(struct wire_bytes *b, struct wire_bytes *want, size_t at,
		   size_t len, bool swap)
{
	for (size_t i = 0; i < len; i++) {
		b->at[at + i] = (uint8_t)(0xe1 + 7 * i);
		want->at[at + (swap ? len - 1 - i : i)] = b->at[at + i];
	}
}

/* 0: a request; 1: a reply; 2: a notification. */
static int pass(struct crossfuse_session *session, int kind,
		struct crossfuse_call *call, struct wire_bytes *b)
{
	if (kind == 0)
		return crossfuse_session_request(session, call, b->at, b->head,
						 b->len);
	if (kind == 1)
		return crossfuse_session_reply(session, call, b->at, b->head,
					       b->len);
	return crossfuse_session_notify(session, b->at, b->head, b->len);
}

static void put(struct wire_bytes *b, const struct wire_text *text, int kind,
		struct wire_form form)
{
	if (kind == 0)
		wire_request(b, text, form);
	else
		wire_reply(b, text, form, kind == 1 ? 0 : text->code,
			   kind == 1 ? WIRE_UNIQUE : 0);
}

/* One field of one message, in the last minor that does not know it. */
static void test_field(const struct wire_text *text, int kind,
		       const struct crossfuse_field *field, size_t header,
		       const char *const pair[2])
{
	struct wire_form client = form_of(pair[0]), server = form_of(pair[1]);
	struct wire_form from = kind ? server : client;
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b, want;

	start(&session, pair, field->minor - 1u);
	if (kind == 1) {
		wire_request_for(&b, text, client);
		CHECK_EQ(pass(&session, 0, &call, &b), 0);
	}
	put(&b, text, kind, from);
	put(&want, text, kind, kind ? client : server);
	litter(&b, &want, header + field->offset, field->width,
	       client.big != server.big);
	if (!CHECK_EQ(pass(&session, kind, &call, &b), 0) ||
	    !CHECK(!memcmp(b.at, want.at, b.len)))
		fprintf(stderr, "  %u, %s, %s to %s\n", text->code, field->name,
			pair[0], pair[1]);
}

static unsigned int test_fields(const struct wire_text *texts, size_t count,
				int kind, const char *const pair[2])
{
	unsigned int done = 0;

	for (size_t i = 0; i < count; i++) {
		const struct crossfuse_opcode *op =
			kind == 2 ? crossfuse_notify(texts[i].code)
				  : crossfuse_opcode(texts[i].code);
		const struct crossfuse_layout *layout = kind ? &op->reply
							     : &op->request;

		/* 7.36 is the first that knows these. */
		if (texts[i].ext)
			continue;
		for (size_t k = 0; k < layout->field_count; k++) {
			const struct crossfuse_field *field =
				&layout->fields[k];

			/* One that ends the longer form is not there before. */
			if (!field->minor || field->offset >= layout->min_size)
				continue;
			test_field(&texts[i], kind, field, kind ? 16 : 40,
				   pair);
			done++;
		}
	}
	return done;
}

/* total_extlen of every request; 7.36 and 7.37 have extensions without it. */
static void test_extlen(const char *const pair[2])
{
	struct wire_form client = form_of(pair[0]), server = form_of(pair[1]);
	static const uint32_t minors[] = { 12, 31, 35, 36, 37 };
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b, want;

	for (size_t i = 0; i < WIRE_COUNT(minors) * WIRE_COUNT(wire_requests);
	     i++) {
		const struct wire_text *text =
			&wire_requests[i % WIRE_COUNT(wire_requests)];
		uint32_t minor = minors[i / WIRE_COUNT(wire_requests)];
		bool right = !text->ext || minor >= 36;

		if (text->long_setxattr)
			continue;
		start(&session, pair, minor);
		put(&b, text, 0, client);
		put(&want, text, 0, right ? server : client);
		litter(&b, &want, 36, 2, right && client.big != server.big);
		if (!CHECK_EQ(pass(&session, 0, &call, &b),
			      right ? 0 : -EBADMSG) ||
		    !CHECK(!memcmp(b.at, want.at, b.len)))
			fprintf(stderr, "  %u of 7.%u, %s to %s\n", text->code,
				minor, pair[0], pair[1]);
	}
}

/* From 7.38 on it counts, and in vain if it is garbage. */
static void test_extlen_counts(const char *const pair[2])
{
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b, want;

	for (size_t i = 0; i < WIRE_COUNT(wire_requests); i++) {
		const struct wire_text *text = &wire_requests[i];
		bool right = !crossfuse_opcode(text->code)->request.extensions;

		if (text->long_setxattr)
			continue;
		start(&session, pair, 38);
		put(&b, text, 0, form_of(pair[0]));
		litter(&b, &want, 36, 2, false);
		CHECK_EQ(pass(&session, 0, &call, &b), right ? 0 : -EBADMSG);
	}
}

/* Behind the 16 bytes of a minor below 36 stands whatever was there. */
static void test_init(const char *const pair[2])
{
	static const uint32_t ids[] = { 0x5a5a5a5a, 0 };
	struct crossfuse_config config = {
		.client = crossfuse_abi_by_name(pair[0]),
		.server = crossfuse_abi_by_name(pair[1]),
	};
	struct init_text init = { .major = 7, .minor = 35, .flags = ~0ull };
	struct crossfuse_session session;
	enum crossfuse_source source;
	struct crossfuse_call call;
	struct wire_bytes b;

	init.flags &= ~CF_INIT_EXT;
	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	for (size_t i = 0; i < WIRE_COUNT(ids); i++) {
		init.arch_id = ids[i] ? ids[i] : crossfuse_arch_id("mips64");
		init_request(&b, init, form_of(pair[0]).big);
		CHECK_EQ(pass(&session, 0, &call, &b), 0);
		CHECK(crossfuse_session_client(&session, &source) ==
		      config.client);
		CHECK_EQ(source, CROSSFUSE_SOURCE_ADMIN);
	}
	/* With it, they count; and 7.36 needs nothing more for arch_id. */
	init.arch_id = 0x5a5a5a5a;
	init.minor = 36;
	init_request(&b, init, form_of(pair[0]).big);
	CHECK_EQ(pass(&session, 0, &call, &b), 0);
	init.minor = 35;
	init.flags = CF_INIT_EXT | CF_INIT_CANON_ARCH;
	init_request(&b, init, form_of(pair[0]).big);
	CHECK_EQ(pass(&session, 0, &call, &b), 0);
	crossfuse_session_client(&session, &source);
	CHECK_EQ(source, CROSSFUSE_SOURCE_CANON);
}

/* What FUSE_INIT's reply has behind what its flags tell of. */
static void test_init_reply(const char *const pair[2])
{
	struct init_text init = { .major = 7, .minor = 27 };
	struct crossfuse_config config = {
		.client = crossfuse_abi_by_name(pair[0]),
		.server = crossfuse_abi_by_name(pair[1]),
		.client_page_size = 65536,
	};
	bool in = form_of(pair[0]).big, out = form_of(pair[1]).big;
	static const size_t fields[][2] = {
		{ 28, 2 }, { 30, 2 }, { 32, 4 }, { 36, 4 }, { 40, 2 }
	};
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b, want;

	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	init_request(&b, init, in);
	CHECK_EQ(pass(&session, 0, &call, &b), 0);
	init_reply(&b, init, out);
	init_reply(&want, init, in);
	for (size_t i = 0; i < WIRE_COUNT(fields); i++)
		litter(&b, &want, 16 + fields[i][0], fields[i][1], in != out);
	CHECK_EQ(pass(&session, 1, &call, &b), 0);
	CHECK(!memcmp(b.at, want.at, b.len));
}

struct told {
	uint32_t refused; /* its minor */
};

static void tell(void *opaque, const struct crossfuse_event *event)
{
	struct told *told = opaque;

	if (event->type == CROSSFUSE_EVENT_REFUSED)
		told->refused = event->minor;
}

/* The answer is an EPROTO of the client's own, in its byte order. */
static void test_refused(const struct crossfuse_session *session,
			 const struct crossfuse_call *call, int32_t error,
			 bool big)
{
	struct wire_bytes want = { .len = 0 };
	uint8_t reply[16];

	crossfuse_session_error(session, call, -EPROTO, reply);
	wire_put(&want, 16, 4, big);
	wire_put(&want, (uint32_t)-error, 4, big);
	wire_put(&want, WIRE_UNIQUE, 8, big);
	CHECK(!memcmp(reply, want.at, 16));
}

/* 7.11 and older have other layouts. */
static void test_old(enum crossfuse_role role)
{
	static const struct {
		const char *name;
		int32_t eproto;
	} clients[] = { { "x86_64", 71 }, { "alpha", 85 }, { "s390x", 71 } };

	for (size_t i = 0; i < WIRE_COUNT(clients) * 14; i++) {
		uint32_t minor = (uint32_t)i % 14;
		struct told told = { 99 };
		struct crossfuse_config config = {
			.role = role,
			.client = crossfuse_abi_by_name(clients[i / 14].name),
			.event = tell,
			.opaque = &told,
		};
		struct init_text init = { .major = 7, .minor = minor };
		bool big = form_of(clients[i / 14].name).big;
		struct crossfuse_session session;
		struct crossfuse_call call;
		struct wire_bytes b, sent;

		CHECK_EQ(crossfuse_session_init(&session, &config), 0);
		init_request(&b, init, big);
		sent = b;
		CHECK_EQ(pass(&session, 0, &call, &b),
			 minor < 12 ? -EPROTO : 0);
		CHECK_EQ(told.refused, minor < 12 ? minor : 99);
		if (minor >= 12)
			continue;
		CHECK(!memcmp(&b, &sent, sizeof(b)));
		test_refused(&session, &call, clients[i / 14].eproto, big);
	}
}

/* Nor is a server's answer taken that goes below; policy may say so. */
static void test_old_reply(void)
{
	struct crossfuse_config config = { .policy = CROSSFUSE_TRANSLATE };
	struct init_text init = { .major = 7, .minor = 31 };
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b, sent;

	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	init_request(&b, init, machine_big());
	CHECK_EQ(pass(&session, 0, &call, &b), 0);
	for (init.minor = 0; init.minor < 14; init.minor++) {
		init_reply(&b, init, machine_big());
		sent = b;
		CHECK_EQ(pass(&session, 1, &call, &b),
			 init.minor < 12 ? -EBADMSG : 0);
		CHECK(!memcmp(&b, &sent, sizeof(b)));
	}
	config.policy = CROSSFUSE_IGNORE;
	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	init.minor = 8;
	init_request(&b, init, machine_big());
	CHECK_EQ(pass(&session, 0, &call, &b), 0);
}

int main(void)
{
	for (size_t i = 0; i < WIRE_COUNT(pairs); i++) {
		CHECK(test_fields(wire_requests, WIRE_COUNT(wire_requests), 0,
				  pairs[i]) >= 4);
		CHECK(test_fields(wire_replies, WIRE_COUNT(wire_replies), 1,
				  pairs[i]) >= 13);
		CHECK(test_fields(wire_notifies, WIRE_COUNT(wire_notifies), 2,
				  pairs[i]) >= 1);
		test_extlen(pairs[i]);
		test_extlen_counts(pairs[i]);
		test_init(pairs[i]);
		test_init_reply(pairs[i]);
	}
	test_old(CROSSFUSE_ROLE_SERVER);
	test_old(CROSSFUSE_ROLE_CLIENT);
	test_old_reply();
	return check_result();
}
