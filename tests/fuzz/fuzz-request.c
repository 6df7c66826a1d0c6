/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request of any bytes, from a client of any ABI. Byte 0: the client's ABI;
 * 1: the server's; 2: its bits say more; 3: the opcode's place in the table, if
 * it has one; then the message.
 */
#include "fuzz.h"
#include <errno.h>

enum {
	ANY_SERVER = 1,
	SETXATTR_EXT = 2,
	KEEP_LENGTH = 4,
	OLD_MINOR = 8,
	CHOICE = 4,
	HEADER = 40
};

/* What was agreed on, for the validator. */
static struct crossfuse_terms terms;

/* The validator and the session agree, unknown extensions aside. */
static void check_too(const struct guarded *g, size_t head_len, bool big,
		      int err)
{
	struct crossfuse_fault fault;
	char text[200];
	int said;

	terms.swapped = big != crossfuse_abi_big_endian(crossfuse_abi_native());
	said = crossfuse_check_request(&terms, g->at, head_len, g->len, &fault);
	if (said != -EBADMSG) {
		MUST(err != -EBADMSG || said == 0);
		return;
	}
	MUST(err == -EBADMSG);
	MUST(fault.offset <= g->len);
	MUST(crossfuse_format_fault(&fault, text, sizeof(text)) > 0);
}

/* 0 or a negative errno; what may not be changed has not been. */
static int pass(struct crossfuse_session *session, struct guarded *g, bool big)
{
	struct guarded before = *g;
	struct crossfuse_call call;
	size_t total = g->len;
	ssize_t head_len;
	uint8_t *head;
	int err;

	head_len = crossfuse_request_head_len(session, g->at, total);
	if (head_len < 0)
		return (int)head_len;
	MUST((size_t)head_len >= HEADER && (size_t)head_len <= total);
	head = head_take(g, (size_t)head_len);
	err = crossfuse_session_request(session, &call, head, (size_t)head_len,
					total);
	head_give(g, head, (size_t)head_len);
	MUST(err <= 0);
	check_too(&before, (size_t)head_len, big, err);
	guard_check(g);
	/* A file's bytes are not in the head. */
	MUST(!memcmp(g->at + head_len, before.at + head_len,
		     total - (size_t)head_len));
	if (err)
		MUST(!memcmp(g, &before, sizeof(before)));
	return err;
}

/* What came back is what was sent, values without a counterpart aside. */
static void compare_back(const struct guarded *sent, struct guarded *back,
			 struct side client, struct side server)
{
	uint32_t code = (uint32_t)get_int(sent->at + 4, 4, client.big);
	const struct crossfuse_opcode *op = crossfuse_opcode(code);
	const struct crossfuse_field *field = op ? special_field(&op->request)
						 : NULL;
	uint32_t value;

	if (field) {
		uint8_t *at = back->at + HEADER + field->offset;
		const uint8_t *old = sent->at + HEADER + field->offset;

		value = (uint32_t)get_int(old, 4, client.big);
		if (field->kind != CROSSFUSE_KIND_IOCTL_CMD)
			MUST(get_int(at, 4, client.big) ==
			     value_back(field->kind, client.abi, server.abi,
					value));
		memcpy(at, old, 4);
	}
	MUST(!memcmp(sent, back, sizeof(*sent)));
}

static void there_and_back(const struct guarded *sent, struct side client,
			   struct side server, uint32_t minor, bool ext)
{
	struct crossfuse_session there, back;
	struct guarded first = *sent, second, third;
	uint32_t code = (uint32_t)get_int(sent->at + 4, 4, client.big);
	int err;

	start(&there, client, server, minor, ext);
	if (pass(&there, &first, client.big))
		return;
	MUST(get_int(first.at, 4, server.big) == first.len);
	if (same_values(client.abi, server.abi) && client.big == server.big)
		MUST(!memcmp(sent, &first, sizeof(first)));

	start(&back, server, client, minor, ext);
	second = first;
	err = pass(&back, &second, server.big);
	if (err) {
		/* Not every ioctl has a way back. */
		MUST(code == CF_IOCTL && err == -ENOTTY);
		return;
	}
	third = second;
	compare_back(sent, &second, client, server);
	err = pass(&there, &third, client.big);
	MUST(!err);
	MUST(!memcmp(&first, &third, sizeof(third)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guarded message;
	struct crossfuse_session session;
	const struct crossfuse_opcode *op;
	struct side client, server;
	uint32_t code, minor;

	if (size < CHOICE + HEADER || size > CHOICE + FUZZ_MAX)
		return 0;
	minor = data[2] & OLD_MINOR ? 36 : 45;
	terms = (struct crossfuse_terms){
		.minor = minor, .setxattr_ext = data[2] & SETXATTR_EXT
	};
	client = side_of(abi_by_byte(data[0]));
	server = side_of(data[2] & ANY_SERVER ? abi_by_byte(data[1])
					      : canonical_abi(data[1]));
	guard_set(&message, data + CHOICE, size - CHOICE);
	if (!(data[2] & KEEP_LENGTH))
		put_int(message.at, message.len, 4, client.big);
	op = crossfuse_opcode_at(data[3]);
	if (op)
		put_int(message.at + 4, op->code, 4, client.big);
	/* FUSE_INIT has a target of its own. */
	code = (uint32_t)get_int(message.at + 4, 4, true);
	if (code == CF_INIT || code == CF_INIT_BSWAP_RESERVED ||
	    code == CF_CUSE_INIT || code == CF_CUSE_INIT_BSWAP_RESERVED)
		return 0;
	if (data[2] & ANY_SERVER) {
		start(&session, client, server, minor, data[2] & SETXATTR_EXT);
		pass(&session, &message, client.big);
	} else {
		there_and_back(&message, client, server, minor,
			       data[2] & SETXATTR_EXT);
	}
	return 0;
}
