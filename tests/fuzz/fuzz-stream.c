/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes on a transport without message boundaries, in any pieces. Byte 0:
 * the client's ABI; 1: the server's; 2: its bits say more; 3: how long the
 * pieces are; then the stream.
 *
 * It is read twice: all at once, messages being translated in place; and in
 * pieces, messages being handed over as the pieces that they came in. Both must
 * come to the same.
 */
#include "fuzz.h"
#include <errno.h>

enum {
	REPLIES = 1,
	CLIENT_ROLE = 2,
	SHAKEN_HANDS = 4,
	SHORT_LIMIT = 8,
	CHOICE = 4,
	STREAM_MAX = 4096,
	PIECES_MAX = STREAM_MAX + 1
};

/* What became of the stream, as text of a kind. */
struct outcome {
	uint8_t at[2 * STREAM_MAX];
	size_t len;
};

struct reader {
	struct crossfuse_session session;
	const uint8_t *choice;
	struct side client;
	size_t limit;
	struct outcome *outcome;
};

static void note(struct outcome *outcome, const void *bytes, size_t len)
{
	MUST(len <= sizeof(outcome->at) - outcome->len);
	memcpy(outcome->at + outcome->len, bytes, len);
	outcome->len += len;
}

/* The next message ends here; 0: more is needed; or a negative errno. */
static ssize_t message_len(const struct reader *reader, const uint8_t *at,
			   size_t len)
{
	return reader->choice[2] & REPLIES
		       ? crossfuse_stream_reply_len(&reader->session, at, len,
						    reader->limit)
		       : crossfuse_stream_request_len(&reader->session, at, len,
						      reader->limit);
}

/* Less of it tells less or the same, and no more than it is looked at. */
static void check_prefixes(const struct reader *reader, const uint8_t *at,
			   size_t len, ssize_t want)
{
	bool told = false;

	for (size_t part = 0; part <= len && part <= 16; part++) {
		uint8_t *exact = malloc(part ? part : 1);
		ssize_t got;

		MUST(exact);
		memcpy(exact, at, part);
		got = message_len(reader, part ? exact : NULL, part);
		MUST(got == want || (!got && !told));
		told = told || got;
		free(exact);
	}
	MUST(len < 8 || told);
	MUST(want <= (ssize_t)reader->limit);
	MUST(want <= 0 || want >= (reader->choice[2] & REPLIES ? 16 : 40));
}

/* A request that the reply at hand, by its number, is an answer to. */
static void ask(struct reader *reader, struct crossfuse_call *call,
		uint64_t unique)
{
	const struct crossfuse_opcode *op = crossfuse_opcode_at(unique % 64);
	uint8_t request[FUZZ_REQUEST];
	size_t len;

	if (!op || op->code == CF_INIT || op->code == CF_CUSE_INIT)
		op = crossfuse_opcode(CF_GETATTR);
	len = shortest_request(request, op, unique, reader->client.big);
	MUST(!crossfuse_session_request(&reader->session, call, request, len,
					len));
}

static bool server_big(const struct reader *reader)
{
	/* Before FUSE_INIT both sides are taken to be of one order. */
	return reader->choice[2] & CLIENT_ROLE
		       ? reader->client.big
		       : side_of(abi_by_byte(reader->choice[1])).big;
}

/* A message at one address, that may be written to. */
static int pass_whole(struct reader *reader, uint8_t *at, size_t len)
{
	struct crossfuse_session *session = &reader->session;
	struct crossfuse_call call;
	ssize_t head_len;
	uint64_t unique;

	if (!(reader->choice[2] & REPLIES)) {
		head_len = crossfuse_request_head_len(session, at, len);
		MUST(head_len >= 40 && head_len <= (ssize_t)len);
		return crossfuse_session_request(session, &call, at,
						 (size_t)head_len, len);
	}
	unique = get_int(at + 8, 8, server_big(reader));
	if (!unique) {
		head_len = crossfuse_notify_head_len(session, at, len);
		MUST(head_len >= 16 && head_len <= (ssize_t)len);
		return crossfuse_session_notify(session, at, (size_t)head_len,
						len);
	}
	ask(reader, &call, unique);
	head_len = (ssize_t)crossfuse_reply_head_len(&call, len);
	return crossfuse_session_reply(session, &call, at, (size_t)head_len,
				       len);
}

static int pass_iov(struct reader *reader, const struct iovec *iov, int count,
		    uint64_t unique, void *head, size_t size,
		    struct iovec *ret_iov)
{
	struct crossfuse_session *session = &reader->session;
	struct crossfuse_call call;

	if (!(reader->choice[2] & REPLIES))
		return crossfuse_session_request_iov(session, &call, iov, count,
						     head, size, ret_iov);
	if (!unique)
		return crossfuse_session_notify_iov(session, iov, count, head,
						    size, ret_iov);
	ask(reader, &call, unique);
	return crossfuse_session_reply_iov(session, &call, iov, count, head,
					   size, ret_iov);
}

/* Where the next piece ends, from 1 to 64 bytes further. */
static size_t piece_len(const uint8_t *choice, size_t at)
{
	uint32_t mixed = ((uint32_t)at + 1) * (choice[3] | 1u) * 2654435761u;

	return 1 + (mixed >> 7) % ((choice[3] & 63) + 1u);
}

static int cut(const uint8_t *choice, uint8_t *at, size_t len,
	       struct iovec iov[PIECES_MAX])
{
	int count = 0;

	for (size_t done = 0; done < len; count++) {
		size_t part = piece_len(choice, done);

		if (part > len - done)
			part = len - done;
		iov[count] = (struct iovec){ at + done, part };
		done += part;
	}
	return count;
}

/* The same message in pieces; what comes out goes to AT. */
static int pass_pieces(struct reader *reader, uint8_t *at, size_t len)
{
	static struct iovec iov[PIECES_MAX], after[PIECES_MAX + 1];
	uint64_t unique = get_int(at + 8, 8, server_big(reader));
	uint8_t *copy = malloc(len), *head = malloc(len);
	int count = cut(reader->choice, copy, len, iov);
	size_t done = 0;
	int got;

	MUST(copy && head);
	memcpy(copy, at, len);
	got = pass_iov(reader, iov, count, unique, head, len, after);
	MUST(got && got <= count + 1);
	/* It may only be read. */
	MUST(!memcmp(copy, at, len));
	for (int i = 0; i < got; i++) {
		MUST(i || after[i].iov_base == head);
		MUST(after[i].iov_len <= len - done);
		memcpy(at + done, after[i].iov_base, after[i].iov_len);
		done += after[i].iov_len;
	}
	MUST(got < 0 || done == len);
	free(copy);
	free(head);
	return got < 0 ? got : 0;
}

/* Takes as many messages off the front of a buffer as there are in it. */
static ssize_t take_messages(struct reader *reader, uint8_t *at, size_t len,
			     bool pieces)
{
	size_t done = 0;

	for (;;) {
		ssize_t next = message_len(reader, at + done, len - done);
		int64_t status;

		check_prefixes(reader, at + done, len - done, next);
		if (next < 0)
			return next;
		if (!next || (size_t)next > len - done)
			return (ssize_t)done;
		status = pieces ? pass_pieces(reader, at + done, (size_t)next)
				: pass_whole(reader, at + done, (size_t)next);
		MUST(status <= 0);
		note(reader->outcome, &status, sizeof(status));
		note(reader->outcome, at + done, (size_t)next);
		done += (size_t)next;
	}
}

static void set_up(struct reader *reader, const uint8_t *choice,
		   struct outcome *outcome)
{
	struct side client = side_of(abi_by_byte(choice[0]));
	struct side server = side_of(abi_by_byte(choice[1]));
	struct crossfuse_config config = { .server = server.abi,
					   .client = client.abi };

	reader->choice = choice;
	reader->client = client;
	reader->outcome = outcome;
	reader->limit = choice[2] & SHORT_LIMIT ? 200 : STREAM_MAX;
	outcome->len = 0;
	if (choice[2] & CLIENT_ROLE) {
		config.role = CROSSFUSE_ROLE_CLIENT;
		config.server = NULL;
	}
	MUST(!crossfuse_session_init(&reader->session, &config));
	if (choice[2] & CLIENT_ROLE)
		shake_hands(&reader->session, client, client,
			    CF_INIT_EXT | CF_INIT_CANON_ARCH);
	else if (choice[2] & (SHAKEN_HANDS | REPLIES))
		shake_hands(&reader->session, client, server, 0);
}

/* Until the stream ends, or cannot be read on. */
static void read_stream(struct reader *reader, const uint8_t *stream,
			size_t len, bool pieces)
{
	static uint8_t buffer[STREAM_MAX];
	size_t there = 0, done = 0;
	ssize_t taken = 0;

	while (done < len && taken >= 0) {
		size_t part = pieces ? piece_len(reader->choice, done)
				     : len - done;

		if (part > len - done)
			part = len - done;
		memcpy(buffer + there, stream + done, part);
		there += part;
		done += part;
		taken = take_messages(reader, buffer, there, pieces);
		if (taken > 0) {
			there -= (size_t)taken;
			memmove(buffer, buffer + taken, there);
		}
	}
	note(reader->outcome, &taken, taken < 0 ? sizeof(taken) : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct outcome whole, pieces;
	struct reader reader;

	if (size < CHOICE || size > CHOICE + STREAM_MAX)
		return 0;
	set_up(&reader, data, &whole);
	read_stream(&reader, data + CHOICE, size - CHOICE, false);
	set_up(&reader, data, &pieces);
	read_stream(&reader, data + CHOICE, size - CHOICE, true);
	MUST(whole.len == pieces.len &&
	     !memcmp(whole.at, pieces.at, whole.len));
	return 0;
}
