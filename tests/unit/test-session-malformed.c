/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages that are not what they say: cut short at every byte, with counts
 * that lie, with names that do not end. Each is refused, nothing in it and
 * nothing around it is written, and nothing around it is read (run this under
 * a memory checker for that: every message lies in memory of its very size).
 */
#include "session-pair.h"
#include <errno.h>

enum {
	GUARD = 32
};

/* A message in memory of exactly its size, between two guards. */
struct copy {
	uint8_t *memory;
	uint8_t *at;
	uint8_t *before;
	size_t len;
};

static struct copy copy_of(const void *from, size_t len)
{
	struct copy copy = { .len = len };

	/* Odd addresses too: nothing says that a head is aligned. */
	copy.memory = malloc(GUARD + len);
	copy.before = malloc(len + 1);
	if (!copy.memory || !copy.before)
		exit(99);
	memset(copy.memory, 0, GUARD);
	copy.at = copy.memory + GUARD;
	memcpy(copy.at, from, len);
	memcpy(copy.before, from, len);
	return copy;
}

static void check_guard(const struct copy *copy)
{
	static const uint8_t guard[GUARD] = { 0 };

	CHECK(!memcmp(copy->memory, guard, GUARD));
}

static void check_untouched(struct copy *copy)
{
	check_guard(copy);
	CHECK(!memcmp(copy->at, copy->before, copy->len));
	free(copy->memory);
	free(copy->before);
}

/* What the message at hand is like. */
static bool setxattr_ext, unknown_extension, only_lengths;

static void put_length(uint8_t *at, size_t len, bool big)
{
	for (size_t i = 0; i < 4; i++)
		at[i] = (uint8_t)(len >> 8 * (big ? 3 - i : i));
}

static void put_count(uint8_t *at, uint32_t count, bool big)
{
	put_length(at, count, big);
}

static uint32_t get_count(const uint8_t *at, bool big)
{
	uint32_t count = 0;

	for (size_t i = 0; i < 4; i++)
		count |= (uint32_t)at[i] << 8 * (big ? 3 - i : i);
	return count;
}

/* What the validator says of what the session has refused. */
static void refuse_also(const struct copy *copy, size_t total_len,
			struct wire_form form, bool reply, uint32_t opcode)
{
	struct crossfuse_terms terms = { .minor = 38,
					 .setxattr_ext = setxattr_ext,
					 .swapped = form.big != machine_big() };
	struct crossfuse_fault fault = { .offset = UINT32_MAX };
	char text[128];
	int err;

	if (reply)
		err = crossfuse_check_reply(&terms, opcode, copy->at, copy->len,
					    total_len, &fault);
	else
		err = crossfuse_check_request(&terms, copy->at, copy->len,
					      total_len, &fault);
	if (!CHECK_EQ(err, -EBADMSG))
		fprintf(stderr, "  %s to %u, %zu of %zu bytes\n",
			reply ? "reply" : "request", opcode, copy->len,
			total_len);
	CHECK(fault.offset <= total_len);
	CHECK(crossfuse_format_fault(&fault, text, sizeof(text)) > 10);
}

/* Sends HEAD_LEN of a request's bytes that claims TOTAL_LEN; it must fail. */
static void refuse_request(struct crossfuse_session *session,
			   const uint8_t *from, size_t head_len,
			   size_t total_len, struct wire_form form)
{
	struct crossfuse_call call;
	struct copy copy = copy_of(from, head_len);

	if (head_len >= 4) {
		put_length(copy.at, total_len, form.big);
		put_length(copy.before, total_len, form.big);
	}
	if (!CHECK_EQ(crossfuse_session_request(session, &call, copy.at,
						head_len, total_len),
		      -EBADMSG))
		fprintf(stderr, "  opcode %u, %zu of %zu bytes\n", call.opcode,
			head_len, total_len);
	/* An extension that is not known may pass where nothing is swapped. */
	if (head_len >= 40 && !unknown_extension)
		refuse_also(&copy, total_len, form, false, 0);
	check_untouched(&copy);
}

static void refuse_reply(struct crossfuse_session *session,
			 const struct crossfuse_call *call, const uint8_t *from,
			 size_t head_len, size_t total_len,
			 struct wire_form form)
{
	struct copy copy = copy_of(from, head_len);

	if (head_len >= 4) {
		put_length(copy.at, total_len, form.big);
		put_length(copy.before, total_len, form.big);
	}
	if (!CHECK_EQ(crossfuse_session_reply(session, call, copy.at, head_len,
					      total_len),
		      -EBADMSG))
		fprintf(stderr, "  opcode %u, %zu of %zu bytes\n", call->opcode,
			head_len, total_len);
	/* Which form was asked for, and an ioctl's payload, it cannot know. */
	if (head_len >= 16 && only_lengths && call->opcode != CF_GETXATTR &&
	    call->opcode != CF_LISTXATTR && call->opcode != CF_IOCTL)
		refuse_also(&copy, total_len, form, true, call->opcode);
	check_untouched(&copy);
}

static void refuse_notify(struct crossfuse_session *session,
			  const uint8_t *from, size_t head_len,
			  size_t total_len, struct wire_form form)
{
	struct copy copy = copy_of(from, head_len);

	if (head_len >= 4) {
		put_length(copy.at, total_len, form.big);
		put_length(copy.before, total_len, form.big);
	}
	CHECK_EQ(crossfuse_session_notify(session, copy.at, head_len,
					  total_len),
		 -EBADMSG);
	if (head_len >= 16 && only_lengths)
		refuse_also(&copy, total_len, form, true, 0);
	check_untouched(&copy);
}

static const uint32_t lies[] = { 0,	     1,		 0x7fffffff,
				 0x80000000, 0x0fffffff, 0x10000000,
				 0x20000001, 0xfffffff8, 0xffffffff };

/*
 * Each integer in braces is a count or a length: no other value may pass. Of an
 * extension's, only larger ones: padding may swallow a smaller one.
 */
static void test_request_counts(struct crossfuse_session *session,
				struct wire_bytes *b,
				const struct wire_text *text,
				struct wire_form form, bool swap)
{
	for (size_t i = 0; i < b->count_count; i++) {
		uint8_t *at = b->at + b->counts[i];
		uint32_t truth = get_count(at, form.big);

		/* Padding, sizes that are no lengths, a count of nothing. */
		if (!truth || !strncmp(text->body, "{4:9}", 5) || truth == 28)
			continue;
		/* An extension's type; an unknown one may pass unswapped. */
		if (text->ext && (truth == 32 || (truth == 2 && !swap)))
			continue;
		unknown_extension = text->ext && truth == 2;
		for (size_t k = 0; k < WIRE_COUNT(lies); k++) {
			if (lies[k] == truth || (text->ext && lies[k] < truth))
				continue;
			put_count(at, lies[k], form.big);
			refuse_request(session, b->at, b->head, b->len, form);
		}
		put_count(at, truth + 1, form.big);
		if (!text->ext)
			refuse_request(session, b->at, b->head, b->len, form);
		/* The same in 32 bits, once it is multiplied by 16. */
		put_count(at, truth + 0x10000000, form.big);
		refuse_request(session, b->at, b->head, b->len, form);
		put_count(at, truth, form.big);
		unknown_extension = false;
	}
}

static void test_requests(struct wire_form client, struct wire_form server)
{
	struct crossfuse_session session;
	struct wire_bytes b;

	for (size_t i = 0; i < WIRE_COUNT(wire_requests); i++) {
		const struct wire_text *text = &wire_requests[i];

		setxattr_ext = text->long_setxattr;
		pair_start(&session, client, server, setxattr_ext);
		wire_request(&b, text, client);
		/* The message ends early, and says so. */
		for (size_t len = 0; len < b.head; len++)
			if (!(text->ext && len + text->ext == b.head))
				refuse_request(&session, b.at, len, len,
					       client);
		/* The head ends early, the message does not. */
		for (size_t len = 0; len < b.head; len++)
			refuse_request(&session, b.at, len, b.len, client);
		/* Something stands behind it. */
		refuse_request(&session, b.at, b.len + 1, b.len + 1, client);
		refuse_request(&session, b.at, b.len + 8, b.len + 8, client);
		/* The head is longer than the message. */
		refuse_request(&session, b.at, b.len + 1, b.len, client);
		test_request_counts(&session, &b, text, client,
				    client.big != server.big);
	}
}

/* A header without extensions before a message with them, and so on. */
static void test_extension_length(struct wire_form client,
				  struct wire_form server)
{
	struct crossfuse_session session;
	struct wire_bytes b;

	pair_start(&session, client, server, false);
	for (size_t i = 0; i < WIRE_COUNT(wire_requests); i++) {
		struct wire_text text = wire_requests[i];
		size_t truth = text.ext;

		if (!truth)
			continue;
		for (size_t ext = 0; ext < 2 * truth; ext += 8) {
			text.ext = ext;
			wire_request(&b, &text, client);
			if (ext != truth)
				refuse_request(&session, b.at, b.head, b.len,
					       client);
		}
		text.ext = 65535 * 8;
		wire_request(&b, &text, client);
		refuse_request(&session, b.at, b.head, b.len, client);
	}
}

/* Every NUL that ends a name is made an x. */
static void test_names(struct wire_form client, struct wire_form server)
{
	static const struct wire_text bad[] = {
		{ CF_LOOKUP, "[4]", 0, 0, 0, 0 },
		{ CF_LOOKUP, "<a><b>", 0, 0, 0, 0 },
		{ CF_RENAME, "8<a>[4]", 0, 0, 0, 0 },
		{ CF_RENAME, "8<a>", 0, 0, 0, 0 },
		{ CF_RENAME, "8<a><b><c>", 0, 0, 0, 0 },
		{ CF_RENAME2, "844<a>[1]", 0, 0, 0, 0 },
		{ CF_SYMLINK, "<a>[3]", 0, 0, 0, 0 },
		{ CF_SETXATTR, "{4:5}4[30]", 0, 0, 0, 0 },
		{ CF_SETXATTR, "{4:5}4<user.x>[4]", 0, 0, 0, 0 },
		{ CF_GETXATTR, "{4:5}4[6]", 0, 0, 0, 0 },
		{ CF_REMOVEXATTR, "[6]", 0, 0, 0, 0 },
		{ CF_MKNOD, "4444[6]", 0, 0, 0, 0 },
		{ CF_CREATE, "O444[8]{4:8}{4:1}", 0, 8, 0, 0 },
		{ CF_LINK, "8[2]", 0, 0, 0, 0 },
		{ CF_TMPFILE, "O444", 0, 0, 0, 0 },
		/* Contexts without a NUL, beyond their list, too few of them */
		{ CF_MKDIR, "44<a>{4:24}{4:1}{4:8}4[8]", 0, 24, 0, 0 },
		{ CF_MKDIR, "44<a>{4:24}{4:1}{4:9}4<abc>[4]", 0, 24, 0, 0 },
		{ CF_MKDIR, "44<a>{4:24}{4:2}{4:4}4<abc>[4]", 0, 24, 0, 0 },
		{ CF_MKDIR, "44<a>{4:32}{4:1}{4:4}4<abc>[4][8]", 0, 32, 0, 0 },
		{ CF_MKDIR, "44<a>{4:8}{4:3}", 0, 8, 0, 0 },
		/* More groups than there are */
		{ CF_MKDIR, "44<a>{4:16}{4:32}{4:2}4", 0, 16, 0, 0 },
		{ CF_MKDIR, "44<a>{4:8}{4:32}", 0, 8, 0, 0 },
		/* A record that is smaller than its own header, or larger */
		{ CF_MKDIR, "44<a>{4:4}{4:0}", 0, 8, 0, 0 },
		{ CF_MKDIR, "44<a>{4:0}{4:0}", 0, 8, 0, 0 },
		{ CF_MKDIR, "44<a>{4:9}{4:0}", 0, 8, 0, 0 },
		{ CF_MKDIR, "44<a>{4:4294967295}{4:0}", 0, 8, 0, 0 },
	};
	struct crossfuse_session session;
	struct wire_bytes b;

	pair_start(&session, client, server, false);
	for (size_t i = 0; i < WIRE_COUNT(bad); i++) {
		wire_request(&b, &bad[i], client);
		refuse_request(&session, b.at, b.head, b.len, client);
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

/*
 * A value of so many bytes, a file's data: any length is right, and the last of
 * several records may be cut. So it is where bytes are not turned round, of
 * payloads that then just pass.
 */
static bool any_length(const struct wire_text *text, bool swap)
{
	if (text->code == CF_READDIR || text->code == CF_READDIRPLUS)
		return true;
	if (!swap && text->code == CF_IOCTL &&
	    strncmp(text->body, "{4:0}{4:4}", 10))
		return true;
	return text->code == CF_READLINK || text->code == CF_READ ||
	       ((text->code == CF_GETXATTR || text->code == CF_LISTXATTR) &&
		!text->request);
}

static bool may_end_here(const struct wire_text *text, size_t len)
{
	/* An ioctl may return nothing. */
	return text->code == CF_IOCTL && text->body[0] == '{' &&
	       text->body[3] == '3' && len == 32;
}

static void test_replies(struct wire_form client, struct wire_form server)
{
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b;
	bool any;

	pair_start(&session, client, server, false);
	for (size_t i = 0; i < WIRE_COUNT(wire_replies); i++) {
		const struct wire_text *text = &wire_replies[i];

		any = any_length(text, client.big != server.big);
		ask(&session, &call, text, client);
		wire_reply(&b, text, server, 0, WIRE_UNIQUE);
		only_lengths = true;
		for (size_t len = 0; len < b.head; len++)
			if (len < (text->code == CF_IOCTL ? 32u : 16u) ||
			    !(any || may_end_here(text, len)))
				refuse_reply(&session, &call, b.at, len, len,
					     server);
		for (size_t len = 0; len < b.head; len++)
			refuse_reply(&session, &call, b.at, len, b.len, server);
		if (!any) {
			refuse_reply(&session, &call, b.at, b.len + 1,
				     b.len + 1, server);
			refuse_reply(&session, &call, b.at, b.len + 24,
				     b.len + 24, server);
		}
		refuse_reply(&session, &call, b.at, b.len + 1, b.len, server);
		only_lengths = false;
	}
}

/* Name lengths of directory records that lie. */
static void test_records(struct wire_form client, struct wire_form server)
{
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b;

	pair_start(&session, client, server, false);
	for (size_t i = 0; i < WIRE_COUNT(wire_replies); i++) {
		const struct wire_text *text = &wire_replies[i];

		if (text->code != CF_READDIR && text->code != CF_READDIRPLUS)
			continue;
		ask(&session, &call, text, client);
		wire_reply(&b, text, server, 0, WIRE_UNIQUE);
		for (size_t c = 0; c < b.count_count; c++)
			for (size_t k = 2; k < WIRE_COUNT(lies); k++) {
				uint8_t *at = b.at + b.counts[c];
				uint32_t truth = get_count(at, server.big);

				put_count(at, lies[k], server.big);
				refuse_reply(&session, &call, b.at, b.head,
					     b.len, server);
				put_count(at, truth, server.big);
			}
	}
}

/*
 * Records cut short anywhere: the integers of the last one are turned round
 * where all of them are there, a shorter piece is left as it is.
 */
static void test_cut_records(struct wire_form client, struct wire_form server)
{
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b, whole, cut;

	pair_start(&session, client, server, false);
	for (size_t i = 0; i < WIRE_COUNT(wire_replies); i++) {
		const struct wire_text *text = &wire_replies[i];
		size_t fixed = text->code == CF_READDIR ? 24 : 152;
		size_t begin = 16;

		if ((text->code != CF_READDIR &&
		     text->code != CF_READDIRPLUS) ||
		    !text->body[0])
			continue;
		ask(&session, &call, text, client);
		wire_reply(&b, text, server, 0, WIRE_UNIQUE);
		whole = b;
		CHECK_EQ(crossfuse_session_reply(&session, &call, whole.at,
						 whole.len, whole.len),
			 0);
		for (size_t len = 16; len < b.len; len++) {
			size_t known;

			if (len == 16 + fixed + 8)
				begin = len;
			known = len - begin < fixed ? begin : len;
			cut = b;
			put_length(cut.at, len, server.big);
			CHECK_EQ(crossfuse_session_reply(&session, &call,
							 cut.at, len, len),
				 0);
			CHECK(!memcmp(cut.at + 16, whole.at + 16, known - 16));
			CHECK(!memcmp(cut.at + known, b.at + known,
				      len - known));
		}
	}
}

/* A header that is wrong in itself. */
static void test_reply_headers(struct wire_form client, struct wire_form server)
{
	static const uint32_t errors[] = {
		1, 36, 0x7fffffff, 0x80000000, (uint32_t)-4096, (uint32_t)-70000
	};
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b;

	pair_start(&session, client, server, false);
	for (size_t i = 0; i < WIRE_COUNT(wire_replies); i++) {
		const struct wire_text *text = &wire_replies[i];

		ask(&session, &call, text, client);
		for (size_t k = 0; k < WIRE_COUNT(errors); k++) {
			wire_reply(&b, text, server, errors[k], WIRE_UNIQUE);
			refuse_reply(&session, &call, b.at, b.head, b.len,
				     server);
			refuse_reply(&session, &call, b.at, 16, 16, server);
		}
		/* An error and a body, another request's number, none. */
		wire_reply(&b, text, server, (uint32_t)-5, WIRE_UNIQUE);
		if (b.len > 16)
			refuse_reply(&session, &call, b.at, b.head, b.len,
				     server);
		wire_reply(&b, text, server, 0, WIRE_UNIQUE + 1);
		refuse_reply(&session, &call, b.at, b.head, b.len, server);
		wire_reply(&b, text, server, 0, 0);
		refuse_reply(&session, &call, b.at, b.head, b.len, server);
		/* A length that is not that of the message. */
		wire_reply(&b, text, server, 0, WIRE_UNIQUE);
		put_length(b.at, b.len + 1, server.big);
		CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.head,
						 b.len),
			 -EBADMSG);
	}
}

static void test_ioctl_replies(struct wire_form client, struct wire_form server)
{
	static const char *const bad[] = {
		/* RETRY with fewer, more, and far too many iovecs */
		"{4:0}{4:4}{4:1}{4:2}8888",
		"{4:0}{4:4}{4:1}{4:1}888888",
		"{4:0}{4:4}{4:4294967295}{4:2}88",
		"{4:0}{4:4}{4:257}{4:0}88",
		/* a payload that is not the ioctl's, where that matters */
		"{4:0}{4:0}{4:0}{4:0}4",
		"{4:0}{4:0}{4:0}{4:0}44444[8]4",
	};
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b;

	pair_start(&session, client, server, false);
	for (size_t i = 0; i < (client.big != server.big ? 6 : 4); i++) {
		struct wire_text text = { .code = CF_IOCTL, .body = bad[i] };

		ask(&session, &call, &text, client);
		wire_reply(&b, &text, server, 0, WIRE_UNIQUE);
		refuse_reply(&session, &call, b.at, b.head, b.len, server);
	}
}

static void test_notifies(struct wire_form client, struct wire_form server)
{
	struct crossfuse_session session;
	struct wire_bytes b;

	pair_start(&session, client, server, false);
	for (size_t i = 0; i < WIRE_COUNT(wire_notifies); i++) {
		const struct wire_text *text = &wire_notifies[i];

		wire_reply(&b, text, server, text->code, 0);
		only_lengths = true;
		for (size_t len = 0; len < b.head; len++)
			refuse_notify(&session, b.at, len, len, server);
		for (size_t len = 0; len < b.head; len++)
			refuse_notify(&session, b.at, len, b.len, server);
		refuse_notify(&session, b.at, b.len + 1, b.len + 1, server);
		for (size_t c = 0; c < b.count_count; c++) {
			uint8_t *at = b.at + b.counts[c];
			uint32_t truth = get_count(at, server.big);

			for (size_t k = 0; k < WIRE_COUNT(lies); k++) {
				put_count(at, lies[k], server.big);
				refuse_notify(&session, b.at, b.head, b.len,
					      server);
			}
			put_count(at, truth + 0x20000000, server.big);
			refuse_notify(&session, b.at, b.head, b.len, server);
			put_count(at, truth, server.big);
		}
		only_lengths = false;
		wire_reply(&b, text, server, (uint32_t)-5, 0);
		refuse_notify(&session, b.at, b.head, b.len, server);
		wire_reply(&b, text, server, 0, 0);
		refuse_notify(&session, b.at, b.head, b.len, server);
		wire_reply(&b, text, server, text->code, 1);
		refuse_notify(&session, b.at, b.head, b.len, server);
	}
}

int main(void)
{
	const char *const names[][2] = {
		{ "s390x", "x86_64" },	  { "ppc64", "x86_64" },
		{ "x86_64", "sparc64" },  { "s390x", "parisc64" },
		{ "x86_64", "x86_64" },	  { "s390x", "s390x" },
		{ "ppc64le", "ppc64le" },
	};

	for (size_t i = 0; i < WIRE_COUNT(names); i++) {
		struct wire_form client = { crossfuse_abi_by_name(names[i][0]),
					    false };
		struct wire_form server = { crossfuse_abi_by_name(names[i][1]),
					    false };

		client.big = crossfuse_abi_big_endian(client.abi);
		server.big = crossfuse_abi_big_endian(server.abi);
		test_requests(client, server);
		test_extension_length(client, server);
		test_names(client, server);
		test_replies(client, server);
		test_reply_headers(client, server);
		test_notifies(client, server);
		test_ioctl_replies(client, server);
		if (client.big != server.big)
			test_records(client, server);
		test_cut_records(client, server);
	}
	return check_result();
}
