/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages on a transport that keeps no boundaries: where each one ends. */
#include "session-pair.h"
#include <errno.h>

#define NEW_BIT (UINT64_C(1) << 62)
#define EXT	(UINT64_C(1) << 30)

enum {
	LIMIT = 1 << 20
};

/* Memory that ends with LEN bytes of a message, for whoever watches it. */
static ssize_t len_of(const struct crossfuse_session *session, bool reply,
		      const uint8_t *at, size_t len, size_t limit)
{
	uint8_t *exact = malloc(len ? len : 1);
	ssize_t got;

	if (!CHECK(exact))
		exit(EXIT_FAILURE);
	memcpy(exact, at, len);
	got = reply ? crossfuse_stream_reply_len(session, exact, len, limit)
		    : crossfuse_stream_request_len(session, exact, len, limit);
	free(exact);
	return got;
}

/* 0 for as long as nothing can be told; from 8 bytes on the whole truth. */
static void check_len(const struct crossfuse_session *session, bool reply,
		      const uint8_t *at, size_t len, size_t limit, ssize_t want)
{
	bool told = false;

	for (size_t part = 0; part <= len; part++) {
		ssize_t got = len_of(session, reply, at, part, limit);

		CHECK(got == want || (!got && !told && part < 8));
		told = told || got;
	}
	CHECK(told);
}

static struct wire_form form_of(const char *name)
{
	const struct crossfuse_abi *abi = crossfuse_abi_by_name(name);

	return (struct wire_form){ abi, crossfuse_abi_big_endian(abi) };
}

/* Every message, once hands were shaken. */
static void test_messages(struct wire_form client, struct wire_form server)
{
	struct crossfuse_session session;
	struct wire_bytes b;

	pair_start(&session, client, server, false);
	for (size_t i = 0; i < WIRE_COUNT(wire_requests); i++) {
		wire_request(&b, &wire_requests[i], client);
		check_len(&session, false, b.at, b.len, LIMIT, (ssize_t)b.len);
		/* What follows does not matter. */
		memset(b.at + b.len, 0xff, 16);
		check_len(&session, false, b.at, b.len + 16, LIMIT,
			  (ssize_t)b.len);
	}
	for (size_t i = 0; i < WIRE_COUNT(wire_replies); i++) {
		wire_reply(&b, &wire_replies[i], server, 0, WIRE_UNIQUE);
		check_len(&session, true, b.at, b.len, LIMIT, (ssize_t)b.len);
	}
	for (size_t i = 0; i < WIRE_COUNT(wire_notifies); i++) {
		wire_reply(&b, &wire_notifies[i], server, wire_notifies[i].code,
			   0);
		check_len(&session, true, b.at, b.len, LIMIT, (ssize_t)b.len);
	}
}

/* FUSE_INIT tells the byte order itself, at first and later. */
static void test_init(struct wire_form client, struct wire_form server)
{
	struct crossfuse_config config = { .server = server.abi };
	struct init_text init = { .major = 7, .minor = 45 };
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b;

	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	for (int order = 0; order < 4; order++) {
		init_request(&b, init, order % 2);
		check_len(&session, false, b.at, b.len, LIMIT, (ssize_t)b.len);
		if (order < 2)
			continue;
		/* Now the session knows of one of the two orders. */
		init_request(&b, init, client.big);
		CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len,
						   b.len),
			 0);
		init_reply(&b, init, server.big);
		check_len(&session, true, b.at, b.len, LIMIT, (ssize_t)b.len);
		CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.len,
						 b.len),
			 0);
	}
}

static void put_length(uint8_t *at, uint32_t len, bool big)
{
	for (size_t i = 0; i < 4; i++)
		at[i] = (uint8_t)(len >> 8 * (big ? 3 - i : i));
}

/* Lengths that cannot be, by the header and by the caller's limit. */
static void test_limits(struct wire_form client, struct wire_form server)
{
	static const uint32_t lengths[] = {
		0,	  1,	      15,	  16,	     17,
		39,	  40,	      41,	  4095,	     4096,
		4097,	  LIMIT - 1,  LIMIT,	  LIMIT + 1, 1 << 24,
		0x7fffff, 0x7fffffff, 0x80000000, 0xffffffff
	};
	static const size_t limits[] = { 0, 16, 40, 4096, LIMIT, SIZE_MAX };
	struct crossfuse_session session;
	struct wire_bytes b;

	pair_start(&session, client, server, false);
	for (size_t i = 0; i < WIRE_COUNT(lengths); i++)
		for (size_t k = 0; k < WIRE_COUNT(limits); k++) {
			uint32_t len = lengths[i];
			ssize_t want = (ssize_t)len;

			if (len > limits[k] || len > INT32_MAX)
				want = -EBADMSG;
			wire_reply(&b, &wire_replies[0], server, 0,
				   WIRE_UNIQUE);
			put_length(b.at, len, server.big);
			check_len(&session, true, b.at, 16, limits[k],
				  len < 16 ? -EBADMSG : want);
			wire_request(&b, &wire_requests[2], client);
			put_length(b.at, len, client.big);
			check_len(&session, false, b.at, 40, limits[k],
				  len < 40 ? -EBADMSG : want);
		}
}

/* A server that the client's side reads: its order is the client's. */
static void test_client(struct wire_form client)
{
	struct crossfuse_config config = { .role = CROSSFUSE_ROLE_CLIENT,
					   .client = client.abi };
	struct init_text init = { .major = 7, .minor = 45, .flags = EXT };
	struct init_text answer = init;
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b;

	answer.flags |= NEW_BIT;
	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	/* Even before anything was said. */
	wire_request(&b, &wire_requests[0], client);
	check_len(&session, false, b.at, b.len, LIMIT, (ssize_t)b.len);
	init_request(&b, init, client.big);
	check_len(&session, false, b.at, b.len, LIMIT, (ssize_t)b.len);
	CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len, b.len),
		 0);
	check_len(&session, false, b.at, b.len, LIMIT, (ssize_t)b.len);
	init_reply(&b, answer, client.big);
	check_len(&session, true, b.at, b.len, LIMIT, (ssize_t)b.len);
	CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.len, b.len),
		 0);
	for (size_t i = 0; i < WIRE_COUNT(wire_replies); i++) {
		wire_reply(&b, &wire_replies[i], client, 0, WIRE_UNIQUE);
		check_len(&session, true, b.at, b.len, LIMIT, (ssize_t)b.len);
	}
}

/* All requests one behind the other, as they arrive in pieces of SIZE bytes. */
static void test_pieces(struct wire_form client, struct wire_form server,
			size_t size)
{
	static uint8_t stream[32768];
	struct crossfuse_session session;
	struct crossfuse_call call;
	size_t len = 0, there = 0, done = 0, next = 0;
	struct wire_bytes b;

	pair_start(&session, client, server, false);
	for (size_t i = 0; i < WIRE_COUNT(wire_requests); i++) {
		if (wire_requests[i].long_setxattr)
			continue;
		wire_request(&b, &wire_requests[i], client);
		if (CHECK(b.len <= sizeof(stream) - len))
			memcpy(stream + len, b.at, b.len);
		len += b.len;
	}
	while (there < len) {
		there += len - there < size ? len - there : size;
		for (;;) {
			ssize_t got = len_of(&session, false, stream + done,
					     there - done, LIMIT);

			if (!CHECK(got >= 0))
				return;
			if (!got || (size_t)got > there - done)
				break;
			if (wire_requests[next].long_setxattr)
				next++;
			wire_request(&b, &wire_requests[next++], server);
			CHECK_EQ(crossfuse_session_request(&session, &call,
							   stream + done,
							   b.head, (size_t)got),
				 0);
			CHECK_EQ(got, b.len);
			CHECK(!memcmp(stream + done, b.at, b.len));
			done += (size_t)got;
		}
	}
	CHECK_EQ(done, len);
	CHECK_EQ(next, WIRE_COUNT(wire_requests));
}

int main(void)
{
	static const char *const names[][2] = {
		{ "x86_64", "s390x" },
		{ "mips", "x86_64" },
		{ "sparc64", "ppc64" },
		{ "mips64el", "alpha" },
	};

	for (size_t i = 0; i < WIRE_COUNT(names); i++) {
		struct wire_form client = form_of(names[i][0]);
		struct wire_form server = form_of(names[i][1]);

		test_messages(client, server);
		test_init(client, server);
		test_limits(client, server);
		test_client(client);
		test_pieces(client, server, 1);
		test_pieces(client, server, 7);
		test_pieces(client, server, 1000);
	}
	return check_result();
}
