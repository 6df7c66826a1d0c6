/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every message, from every ABI to this machine's and to another one of the
 * other byte order, against the same message written by hand in the form of
 * the receiver.
 */
#include "session-pair.h"

static void compare(const struct wire_bytes *got, const struct wire_bytes *want,
		    const char *what, uint32_t code,
		    const struct crossfuse_abi *client,
		    const struct crossfuse_abi *server)
{
	if (CHECK(got->len == want->len &&
		  !memcmp(got->at, want->at, want->len)))
		return;
	fprintf(stderr, "%s %u of %s to or from %s:\n", what, code,
		crossfuse_abi_name(client), crossfuse_abi_name(server));
	for (size_t i = 0; i < want->len; i++)
		if (got->at[i] != want->at[i])
			fprintf(stderr, "  at %zu: %02x, not %02x\n", i,
				got->at[i], want->at[i]);
}

static int send_request(struct crossfuse_session *session,
			struct crossfuse_call *call, struct wire_bytes *b)
{
	CHECK_EQ(crossfuse_request_head_len(session, b->at, b->len), b->head);
	return crossfuse_session_request(session, call, b->at, b->head, b->len);
}

static void test_requests(struct wire_form client, struct wire_form server)
{
	struct crossfuse_session session;
	struct wire_bytes got, want;
	struct crossfuse_call call;

	for (size_t i = 0; i < WIRE_COUNT(wire_requests); i++) {
		const struct wire_text *text = &wire_requests[i];

		pair_start(&session, client, server, text->long_setxattr);
		wire_request(&got, text, client);
		wire_request(&want, text, server);
		CHECK_EQ(send_request(&session, &call, &got), 0);
		CHECK_EQ(call.opcode, text->code);
		CHECK(call.unique == WIRE_UNIQUE);
		compare(&got, &want, "request", text->code, client.abi,
			server.abi);
	}
}

/* The first request of that opcode, or the one that the reply names. */
static void ask(struct crossfuse_session *session, struct crossfuse_call *call,
		const struct wire_text *reply, struct wire_form client)
{
	struct wire_bytes b;

	wire_request_for(&b, reply, client);
	CHECK_EQ(send_request(session, call, &b), 0);
}

static void test_replies(struct wire_form client, struct wire_form server)
{
	struct crossfuse_session session;
	struct wire_bytes got, want;
	struct crossfuse_call call;

	pair_start(&session, client, server, false);
	for (size_t i = 0; i < WIRE_COUNT(wire_replies); i++) {
		const struct wire_text *text = &wire_replies[i];

		ask(&session, &call, text, client);
		wire_reply(&got, text, server, 0, WIRE_UNIQUE);
		wire_reply(&want, text, client, 0, WIRE_UNIQUE);
		CHECK_EQ(crossfuse_reply_head_len(&call, got.len), got.head);
		CHECK_EQ(crossfuse_session_reply(&session, &call, got.at,
						 got.head, got.len),
			 0);
		compare(&got, &want, "reply", text->code, client.abi,
			server.abi);
	}
}

/* Each opcode may fail: with an errno that has many numbers. */
static void test_errors(struct wire_form client, struct wire_form server)
{
	const struct wire_text nothing = { .body = "" };
	struct crossfuse_session session;
	struct wire_bytes got, want;
	struct crossfuse_call call;

	pair_start(&session, client, server, false);
	for (size_t i = 0; i < WIRE_COUNT(wire_replies); i++) {
		ask(&session, &call, &wire_replies[i], client);
		wire_reply(&got, &nothing, server,
			   wire_kind('E', server.abi, false), WIRE_UNIQUE);
		wire_reply(&want, &nothing, client,
			   wire_kind('E', client.abi, false), WIRE_UNIQUE);
		CHECK_EQ(crossfuse_session_reply(&session, &call, got.at,
						 got.len, got.len),
			 0);
		compare(&got, &want, "error of", call.opcode, client.abi,
			server.abi);
		crossfuse_session_error(&session, &call, -36, got.at);
		wire_reply(&want, &nothing, client,
			   (uint32_t)-crossfuse_errno(crossfuse_abi_native(),
						      client.abi, 36, NULL),
			   WIRE_UNIQUE);
		compare(&got, &want, "own error of", call.opcode, client.abi,
			server.abi);
	}
}

static void test_notifies(struct wire_form client, struct wire_form server)
{
	struct crossfuse_session session;
	struct wire_bytes got, want;

	pair_start(&session, client, server, false);
	for (size_t i = 0; i < WIRE_COUNT(wire_notifies); i++) {
		const struct wire_text *text = &wire_notifies[i];

		wire_reply(&got, text, server, text->code, 0);
		wire_reply(&want, text, client, text->code, 0);
		CHECK_EQ(crossfuse_session_notify(&session, got.at, got.head,
						  got.len),
			 0);
		compare(&got, &want, "notification", text->code, client.abi,
			server.abi);
	}
}

/* No opcode and no notification was forgotten in the texts. */
static void test_complete(void)
{
	const struct crossfuse_opcode *op;
	size_t k;

	for (size_t i = 0; (op = crossfuse_opcode_at(i)); i++) {
		if (op->code == CF_INIT || op->code == CF_CUSE_INIT)
			continue;
		for (k = 0; k < WIRE_COUNT(wire_requests); k++)
			if (wire_requests[k].code == op->code)
				break;
		CHECK(k < WIRE_COUNT(wire_requests));
		for (k = 0; k < WIRE_COUNT(wire_replies); k++)
			if (wire_replies[k].code == op->code)
				break;
		CHECK_EQ(k < WIRE_COUNT(wire_replies), op->has_reply);
		CHECK_EQ(crossfuse_opcode_has_reply(op->code), op->has_reply);
	}
	for (size_t i = 0; (op = crossfuse_notify_at(i)); i++) {
		for (k = 0; k < WIRE_COUNT(wire_notifies); k++)
			if (wire_notifies[k].code == op->code)
				break;
		CHECK(k < WIRE_COUNT(wire_notifies));
		CHECK(crossfuse_notify(op->code) == op);
	}
	CHECK_EQ(WIRE_COUNT(wire_notifies), 9);
}

int main(void)
{
	const char *const servers[] = { "x86_64", "aarch64", "s390x", "mips64",
					"sparc64" };
	const struct crossfuse_abi *abi;

	test_complete();
	for (size_t k = 0; k < WIRE_COUNT(servers); k++)
		for (size_t i = 0; (abi = crossfuse_abi_at(i)); i++) {
			const struct crossfuse_abi *other =
				crossfuse_abi_by_name(servers[k]);
			struct wire_form client = {
				abi, crossfuse_abi_big_endian(abi)
			};
			struct wire_form server = {
				other, crossfuse_abi_big_endian(other)
			};

			test_requests(client, server);
			test_replies(client, server);
			test_errors(client, server);
			test_notifies(client, server);
		}
	return check_result();
}
