/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages in pieces: in every way of cutting them in three they come to the
 * same as in one, their own memory cannot be written to, and file data stays
 * where it is.
 */
#include "session-pair.h"
#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	PIECES = 8,
	MARK = 0x5c
};

/* Memory that a message is put into before it becomes read-only. */
static uint8_t *shut;
static size_t shut_size;

static void shut_in(const uint8_t *bytes, size_t len)
{
	CHECK_EQ(mprotect(shut, shut_size, PROT_READ | PROT_WRITE), 0);
	memset(shut, MARK, shut_size);
	/* At an odd address, as in a buffer of a virtual machine. */
	memcpy(shut + 1, bytes, len);
	CHECK_EQ(mprotect(shut, shut_size, PROT_READ), 0);
}

enum way {
	REQUEST,
	REPLY,
	NOTIFY
};

/* What is passed, and what has to come of it. */
struct test {
	struct crossfuse_session *session;
	struct crossfuse_call *call;
	enum way way;
	struct wire_bytes message;
	struct wire_bytes want;
	int error; /* with which it has to fail, or 0 */
};

static int pass(const struct test *test, const struct iovec *iov, int count,
		void *head, size_t size, struct iovec *ret)
{
	switch (test->way) {
	case REQUEST:
		return crossfuse_session_request_iov(
			test->session, test->call, iov, count, head, size, ret);
	case REPLY:
		return crossfuse_session_reply_iov(test->session, test->call,
						   iov, count, head, size, ret);
	default:
		return crossfuse_session_notify_iov(test->session, iov, count,
						    head, size, ret);
	}
}

/* Translated pieces put together. */
static void check_result_of(const struct test *test, const struct iovec *ret,
			    int count, const uint8_t *head)
{
	const struct wire_bytes *want = &test->want;
	size_t done = 0;

	CHECK(ret[0].iov_base == head);
	CHECK_EQ(ret[0].iov_len, want->head);
	for (int i = 0; i < count; i++) {
		if (!CHECK(ret[i].iov_len <= want->len - done))
			return;
		CHECK(i == 0 || ret[i].iov_len);
		/* Data is not copied. */
		if (i)
			CHECK(ret[i].iov_base == shut + 1 + done);
		CHECK(!memcmp(want->at + done, ret[i].iov_base,
			      ret[i].iov_len));
		done += ret[i].iov_len;
	}
	CHECK_EQ(done, want->len);
}

static bool is_marked(const void *memory, size_t len)
{
	const uint8_t *at = memory;

	while (len && at[len - 1] == MARK)
		len--;
	return !len;
}

/* IOV is the message; HEAD_SIZE bytes are all that may be written to. */
static void run(const struct test *test, const struct iovec *iov, int count,
		size_t head_size)
{
	static uint8_t head[1024 + 64];
	struct iovec ret[PIECES + 1];
	int got;

	memset(head, MARK, sizeof(head));
	memset(ret, MARK, sizeof(ret));
	got = pass(test, iov, count, head, head_size, ret);
	CHECK(is_marked(head + head_size, 64));
	if (test->error) {
		CHECK_EQ(got, test->error);
		CHECK(is_marked(ret, sizeof(ret)));
		return;
	}
	if (CHECK(got > 0 && got <= count + 1))
		check_result_of(test, ret, got, head);
}

/* In three pieces, cut wherever it can be, with empty ones between them. */
static void run_cut(const struct test *test, size_t first, size_t second)
{
	size_t len = test->message.len;
	struct iovec iov[] = {
		{ NULL, 0 },
		{ shut + 1, first },
		{ NULL, 0 },
		{ shut + 1 + first, second - first },
		{ shut + 1 + second, len - second },
		{ NULL, 0 },
	};

	run(test, iov, WIRE_COUNT(iov), len);
	run(test, iov, WIRE_COUNT(iov), test->want.head);
}

static void run_all(const struct test *test)
{
	size_t len = test->message.len, step = len / 16 + 1;
	struct iovec whole = { shut + 1, len };
	struct test small = *test;

	shut_in(test->message.at, len);
	small.error = -ENOBUFS;
	for (size_t size = 0; size < test->want.head; size += 7)
		run(&small, &whole, 1, size);
	run(&small, &whole, 1, test->want.head - 1);
	run(test, &whole, 1, len);
	run(test, &whole, 1, test->want.head);
	for (size_t first = 0; first <= len; first++)
		for (size_t second = first; second <= len; second += step)
			run_cut(test, first, second);
}

/* All requests, and the same by the function that has them in one piece. */
static void test_requests(struct wire_form client, struct wire_form server)
{
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct test test = { .session = &session,
			     .call = &call,
			     .way = REQUEST };

	for (size_t i = 0; i < WIRE_COUNT(wire_requests); i++) {
		const struct wire_text *text = &wire_requests[i];

		pair_start(&session, client, server, text->long_setxattr);
		wire_request(&test.message, text, client);
		wire_request(&test.want, text, server);
		run_all(&test);
		CHECK_EQ(call.opcode, text->code);
		CHECK_EQ(call.unique, WIRE_UNIQUE);
	}
}

static void ask(struct crossfuse_session *session, struct crossfuse_call *call,
		const struct wire_text *reply, struct wire_form client)
{
	struct wire_bytes b;

	wire_request_for(&b, reply, client);
	CHECK_EQ(crossfuse_session_request(session, call, b.at, b.head, b.len),
		 0);
}

static void test_replies(struct wire_form client, struct wire_form server)
{
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct test test = { .session = &session, .call = &call, .way = REPLY };

	pair_start(&session, client, server, false);
	for (size_t i = 0; i < WIRE_COUNT(wire_replies); i++) {
		const struct wire_text *text = &wire_replies[i];

		ask(&session, &call, text, client);
		wire_reply(&test.message, text, server, 0, WIRE_UNIQUE);
		wire_reply(&test.want, text, client, 0, WIRE_UNIQUE);
		run_all(&test);
	}
}

static void test_notifies(struct wire_form client, struct wire_form server)
{
	struct crossfuse_session session;
	struct test test = { .session = &session, .way = NOTIFY };

	pair_start(&session, client, server, false);
	for (size_t i = 0; i < WIRE_COUNT(wire_notifies); i++) {
		const struct wire_text *text = &wire_notifies[i];

		wire_reply(&test.message, text, server, text->code, 0);
		wire_reply(&test.want, text, client, text->code, 0);
		run_all(&test);
	}
}

/* A description of pieces that makes no sense, for each of the three. */
static void test_nonsense(struct wire_form client, struct wire_form server)
{
	const struct wire_text text = { .code = CF_STATFS, .body = "" };
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct test test = { .session = &session, .call = &call };
	struct iovec huge[] = { { shut, 40 },
				{ shut, SIZE_MAX / 2 },
				{ shut, SIZE_MAX / 2 } };
	struct iovec large[] = { { shut, 40 }, { shut, UINT32_MAX } };
	struct iovec one = { shut, 16 };
	struct iovec ret[4];
	uint8_t head[64];

	pair_start(&session, client, server, false);
	ask(&session, &call, &text, client);
	for (test.way = REQUEST; test.way <= NOTIFY; test.way++) {
		CHECK_EQ(pass(&test, &one, 0, head, 64, ret), -EINVAL);
		CHECK_EQ(pass(&test, &one, -1, head, 64, ret), -EINVAL);
		CHECK_EQ(pass(&test, &one, INT_MAX, head, 64, ret), -EINVAL);
		CHECK_EQ(pass(&test, NULL, 1, head, 64, ret), -EINVAL);
		CHECK_EQ(pass(&test, &one, 1, NULL, 64, ret), -EINVAL);
		CHECK_EQ(pass(&test, huge, 3, head, 64, ret), -EINVAL);
		/* Longer than any message can say that it is. */
		if (SIZE_MAX > UINT32_MAX && test.way != REPLY)
			CHECK_EQ(pass(&test, large, 2, head, 64, ret),
				 -EBADMSG);
		/* Too little for a header. */
		for (one.iov_len = 0; one.iov_len < 16; one.iov_len++)
			CHECK_EQ(pass(&test, &one, 1, head, 64, ret), -EBADMSG);
	}
}

/*
 * What is malformed is so in pieces too, and can be answered: a request's
 * number is known once its header is there.
 */
static void test_malformed(struct wire_form client, struct wire_form server)
{
	const struct wire_text open = { .code = CF_OPEN, .body = "O4" };
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct test test = { .session = &session,
			     .call = &call,
			     .error = -EBADMSG };
	struct iovec whole = { shut + 1, 0 };

	pair_start(&session, client, server, false);
	for (size_t len = 0; len < 48; len++) {
		wire_request(&test.message, &open, client);
		test.way = REQUEST;
		shut_in(test.message.at, len);
		whole.iov_len = len;
		run(&test, &whole, 1, 48);
		CHECK_EQ(call.unique, len < 40 ? 0 : WIRE_UNIQUE);
		CHECK_EQ(call.opcode, len < 40 ? 0 : CF_OPEN);
	}
	ask(&session, &call, &open, client);
	test.way = REPLY;
	wire_reply(&test.message, &open, server, 1, WIRE_UNIQUE);
	for (size_t len = 0; len <= test.message.len; len++) {
		shut_in(test.message.at, len);
		whole.iov_len = len;
		run(&test, &whole, 1, 48);
	}
	test.way = NOTIFY;
	wire_reply(&test.message, &wire_notifies[3], server, CF_NOTIFY_STORE,
		   0);
	for (size_t len = 0; len < test.message.len; len++) {
		shut_in(test.message.at, len);
		whole.iov_len = len;
		run(&test, &whole, 1, 64);
	}
}

/* FUSE_INIT comes in pieces as well, from a client of unknown byte order. */
static void test_init(struct wire_form client, struct wire_form server)
{
	struct crossfuse_config config = { .client = client.abi,
					   .server = server.abi };
	struct init_text init = { .major = 7, .minor = 45 };
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct test test = { .session = &session, .call = &call };

	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	test.way = REQUEST;
	init_request(&test.message, init, client.big);
	init_request(&test.want, init, server.big);
	run_all(&test);
	test.way = REPLY;
	init_reply(&test.message, init, server.big);
	init_reply(&test.want, init, client.big);
	run_all(&test);
}

int main(void)
{
	static const char *const names[][2] = {
		{ "s390x", "x86_64" },
		{ "mips64el", "sparc64" },
		{ "aarch64", "x86_64" },
	};

	shut_size = (size_t)sysconf(_SC_PAGESIZE);
	shut = mmap(NULL, shut_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!CHECK(shut != MAP_FAILED))
		return check_result();
	for (size_t i = 0; i < WIRE_COUNT(names); i++) {
		struct wire_form client = { crossfuse_abi_by_name(names[i][0]),
					    false };
		struct wire_form server = { crossfuse_abi_by_name(names[i][1]),
					    false };

		client.big = crossfuse_abi_big_endian(client.abi);
		server.big = crossfuse_abi_big_endian(server.abi);
		test_requests(client, server);
		test_replies(client, server);
		if (client.big != server.big)
			test_notifies(client, server);
		test_nonsense(client, server);
		if (client.big != server.big)
			test_malformed(client, server);
		test_init(client, server);
	}
	return check_result();
}
