/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A reply, or a notification, of any bytes, from a server of any ABI. Byte 0:
 * the server's ABI; 1: the client's; 2: its bits say more; 3: the opcode that
 * is answered, by its place in the table; 4 to 7: a number of its request (an
 * ioctl's, or a size); then the message.
 */
#include "fuzz.h"

enum {
	ANY_CLIENT = 1,
	NOTIFICATION = 2,
	KEEP_HEADER = 4,
	COMPAT = 8,
	CHOICE = 8,
	HEADER = 16
};

/* The request that is answered. */
static size_t make_request(uint8_t *at, const struct crossfuse_opcode *op,
			   const uint8_t *data, bool big)
{
	size_t len = shortest_request(at, op, FUZZ_UNIQUE, big);

	if (op->code == CF_IOCTL) {
		put_int(at + 48, data[2] & COMPAT ? CF_IOCTL_32BIT : 0, 4, big);
		put_int(at + 52, get_int(data + 4, 4, false), 4, big);
	}
	if (op->code == CF_GETXATTR || op->code == CF_LISTXATTR)
		put_int(at + 40, data[4], 4, big);
	return len;
}

static int ask(struct crossfuse_session *session, struct crossfuse_call *call,
	       const uint8_t *data, struct side client)
{
	const struct crossfuse_opcode *op = crossfuse_opcode_at(data[3] % 64);
	uint8_t request[FUZZ_REQUEST];
	size_t len;

	if (!op || op->code == CF_INIT || op->code == CF_CUSE_INIT)
		op = crossfuse_opcode(CF_LOOKUP);
	len = make_request(request, op, data, client.big);
	return crossfuse_session_request(session, call, request, len, len);
}

static int pass(struct crossfuse_session *session,
		const struct crossfuse_call *call, struct guarded *g)
{
	struct guarded before = *g;
	size_t head_len = g->len;
	uint8_t *head;
	int err;

	if (call) {
		head_len = crossfuse_reply_head_len(call, g->len);
		MUST(head_len >= HEADER && head_len <= g->len);
	}
	head = head_take(g, head_len);
	if (call)
		err = crossfuse_session_reply(session, call, head, head_len,
					      g->len);
	else
		err = crossfuse_session_notify(session, head, head_len, g->len);
	head_give(g, head, head_len);
	MUST(err <= 0);
	guard_check(g);
	MUST(!memcmp(g->at + head_len, before.at + head_len,
		     g->len - head_len));
	if (err)
		MUST(!memcmp(g, &before, sizeof(before)));
	return err;
}

static void compare_error(const struct guarded *sent, struct guarded *back,
			  struct side server, struct side client)
{
	uint32_t value = (uint32_t)get_int(sent->at + 4, 4, server.big);

	MUST(get_int(back->at + 4, 4, server.big) ==
	     value_back(CROSSFUSE_KIND_ERRNO, server.abi, client.abi, value));
	memcpy(back->at + 4, sent->at + 4, 4);
}

static void compare_back(const struct guarded *sent, struct guarded *back,
			 struct side server, struct side client, uint32_t code)
{
	const struct crossfuse_opcode *op = crossfuse_opcode(code);
	const struct crossfuse_field *field = op ? special_field(&op->reply)
						 : NULL;

	compare_error(sent, back, server, client);
	if (field && sent->len > HEADER) {
		uint8_t *at = back->at + HEADER + field->offset;
		const uint8_t *old = sent->at + HEADER + field->offset;

		MUST(get_int(at, 4, server.big) ==
		     value_back(field->kind, server.abi, client.abi,
				(uint32_t)get_int(old, 4, server.big)));
		memcpy(at, old, 4);
	}
	MUST(!memcmp(sent, back, sizeof(*sent)));
}

/* From the server to the client, and the other way by another session. */
static void there_and_back(const uint8_t *data, const struct guarded *sent,
			   struct side server, struct side client)
{
	struct crossfuse_session there, back;
	struct crossfuse_call call, other;
	struct guarded first = *sent, second;
	bool notify = data[2] & NOTIFICATION;

	start(&there, client, server, 45, false);
	start(&back, server, client, 45, false);
	if (!notify && (ask(&there, &call, data, client) ||
			ask(&back, &other, data, server)))
		return;
	if (pass(&there, notify ? NULL : &call, &first))
		return;
	MUST(get_int(first.at, 4, client.big) == first.len);
	if (same_values(client.abi, server.abi) && client.big == server.big)
		MUST(!memcmp(sent, &first, sizeof(first)));
	if (notify) {
		second = first;
		MUST(!pass(&back, NULL, &second));
		MUST(!memcmp(sent, &second, sizeof(second)));
		return;
	}
	/* The two sessions may read an ioctl's number in two ways. */
	if (call.opcode == CF_IOCTL && first.len > HEADER)
		return;
	second = first;
	MUST(!pass(&back, &other, &second));
	compare_back(sent, &second, server, client, call.opcode);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guarded message;
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct side client, server;
	bool notify;

	if (size < CHOICE + HEADER || size > CHOICE + FUZZ_MAX)
		return 0;
	notify = data[2] & NOTIFICATION;
	server = side_of(abi_by_byte(data[0]));
	client = side_of(data[2] & ANY_CLIENT ? abi_by_byte(data[1])
					      : canonical_abi(data[1]));
	guard_set(&message, data + CHOICE, size - CHOICE);
	if (!(data[2] & KEEP_HEADER)) {
		put_int(message.at, message.len, 4, server.big);
		put_int(message.at + 8, notify ? 0 : FUZZ_UNIQUE, 8,
			server.big);
	}
	if (!(data[2] & ANY_CLIENT)) {
		there_and_back(data, &message, server, client);
		return 0;
	}
	start(&session, client, server, 45, false);
	if (notify)
		pass(&session, NULL, &message);
	else if (!ask(&session, &call, data, client))
		pass(&session, &call, &message);
	return 0;
}
