/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client's role towards a server that may say anything. Byte 0: the
 * client's ABI; 1: its bits say more; 2: the minor; 3: the bytes of FUSE_INIT's
 * body; 4: the bytes of its reply; 5 to 12: the client's flags; then the reply,
 * and then messages: each 2 bytes that choose, 2 of length, and its bytes.
 *
 * What a message becomes is compared with what a server's session, of the
 * client's ABI, makes of it on the way back.
 */
#include "fuzz.h"
#include <errno.h>

enum {
	NO_OFFER = 1,
	OTHER_ARCH_ID = 2,
	PAGES_16K = 4,
	PAGES_64K = 8,
	KEEP_REPLY = 16,
	OWN_OFFER = 32,
	OTHER_MAJOR = 64,
	CHOICE = 13,
	MESSAGE = 4,
	IN_HEADER = 40,
	OUT_HEADER = 16,
	AS_REPLY = 1,
	AS_NOTIFY = 2,
	KEEP_HEADER = 4
};

struct sides {
	struct crossfuse_session client;
	struct crossfuse_session server; /* the same translation, turned round */
	struct side side;
	uint32_t arch_id;
	uint32_t minor; /* spoken with the server that is turned round */
	uint64_t bits;	/* that stand for an offer */
	bool offered;
	bool canonical; /* by what the server answered */
	bool long_setxattr;
};

static void set_up(struct sides *s, const uint8_t *data)
{
	struct crossfuse_config config = {
		.role = CROSSFUSE_ROLE_CLIENT,
		.client = abi_by_byte(data[0]),
	};

	s->side = side_of(config.client);
	s->arch_id = crossfuse_abi_arch_id(config.client);
	if (data[1] & NO_OFFER)
		config.policy = CROSSFUSE_IGNORE;
	if (data[1] & OTHER_ARCH_ID)
		s->arch_id = config.arch_id = 0x12345678;
	if (data[1] & PAGES_64K)
		config.client_page_size = 65536;
	else if (data[1] & PAGES_16K)
		config.client_page_size = 16384;
	s->minor = data[1] & OTHER_MAJOR ? 45 : data[2];
	s->bits = CF_INIT_CANON_ARCH;
	if (data[2] <= 40)
		s->bits |= CF_INIT_CANON_ARCH_OLD;
	s->offered = !(data[1] & (NO_OFFER | OTHER_MAJOR)) && data[3] >= 24;
	s->canonical = s->long_setxattr = false;
	MUST(!crossfuse_session_init(&s->client, &config));
}

/* The client's FUSE_INIT, before and after. */
static int send_init(struct sides *s, const uint8_t *data,
		     struct crossfuse_call *call)
{
	static struct guarded g, want;
	uint8_t init[IN_HEADER + 255] = { 0 };
	uint64_t flags = get_int(data + 5, 8, false);
	bool big = s->side.big;
	size_t len = data[3];
	int err;

	put_int(init, IN_HEADER + len, 4, big);
	put_int(init + 4, CF_INIT, 4, big);
	put_int(init + 8, FUZZ_UNIQUE, 8, big);
	put_int(init + 40, data[1] & OTHER_MAJOR ? 6 : 7, 4, big);
	put_int(init + 44, data[2], 4, big);
	put_int(init + 52, (uint32_t)flags, 4, big);
	put_int(init + 56, flags >> 32, 4, big);
	put_int(init + 60, data[1] & OWN_OFFER ? 99 : 0, 4, big);
	memset(init + 64, 0x77, 40);
	guard_set(&g, init, IN_HEADER + len);
	want = g;
	err = crossfuse_session_request(&s->client, call, g.at, g.len, g.len);
	if (len < 16)
		MUST(err == -EBADMSG);
	else if (data[2] < 12 && !(data[1] & OTHER_MAJOR))
		MUST(err == -EPROTO);
	else
		MUST(!err);
	if (err)
		return err;
	if (s->offered) {
		if (!(flags & CF_INIT_EXT))
			flags &= UINT32_MAX;
		flags &= ~s->bits;
		flags |= CF_INIT_EXT | CF_INIT_CANON_ARCH;
		put_int(want.at + 52, (uint32_t)flags, 4, big);
		put_int(want.at + 56, flags >> 32, 4, big);
		put_int(want.at + 60, s->arch_id, 4, big);
	}
	MUST(!memcmp(&g, &want, sizeof(g)));
	return 0;
}

/* Flags of a reply of LEN bytes behind its header. */
static uint64_t reply_flags(const uint8_t *body, size_t len, bool big)
{
	uint64_t flags = len >= 16 ? get_int(body + 12, 4, big) : 0;

	if (flags & CF_INIT_EXT && len >= 36)
		flags |= get_int(body + 32, 4, big) << 32;
	return flags;
}

/* Whether the server's answer, GOT, was dealt with as the rules have it. */
static void check_answer(struct sides *s, const uint8_t *data,
			 const struct guarded *sent, const struct guarded *got,
			 int err)
{
	static struct guarded want;
	const uint8_t *body = sent->at + OUT_HEADER;
	size_t len = sent->len - OUT_HEADER;
	uint64_t sent_flags = get_int(data + 5, 8, false);
	uint64_t flags, offered = 0;
	bool own = data[1] & OWN_OFFER && data[3] >= 24 &&
		   sent_flags & CF_INIT_EXT; /* so the minor does not matter */
	enum crossfuse_source source;
	bool big = s->side.big;

	crossfuse_session_client(&s->client, &source);
	if (len < 24 || data[1] & OTHER_MAJOR || get_int(body, 4, big) != 7) {
		MUST(err || !memcmp(sent, got, sizeof(*sent)));
		MUST(source != CROSSFUSE_SOURCE_CANON);
		return;
	}
	if (s->offered)
		offered = CF_INIT_CANON_ARCH;
	else if (own)
		offered = sent_flags & s->bits;
	flags = reply_flags(body, len, big);
	s->long_setxattr = flags & sent_flags & CF_INIT_SETXATTR_EXT;
	flags &= s->bits;
	s->canonical = s->offered && flags == CF_INIT_CANON_ARCH;
	MUST(err == (flags & ~offered ? -EPROTO : 0));
	MUST(s->canonical == (source == CROSSFUSE_SOURCE_CANON));
	/* The client hears nothing of what it did not say. */
	if (!err && s->offered)
		MUST(!(reply_flags(got->at + OUT_HEADER, len, big) & s->bits));
	if (!err && !s->offered) {
		/* But for a minor that nobody here knows. */
		if (get_int(body + 4, 4, big) > CF_KERNEL_MINOR_VERSION) {
			want = *sent;
			put_int(want.at + OUT_HEADER + 4,
				CF_KERNEL_MINOR_VERSION, 4, big);
			sent = &want;
		}
		MUST(!memcmp(sent, got, sizeof(*sent)));
	}
}

/* False: the connection is at its end. */
static bool receive_init(struct sides *s, const uint8_t *data,
			 const struct crossfuse_call *call,
			 const uint8_t *bytes, size_t len)
{
	static struct guarded sent, got;
	bool big = s->side.big;
	int err;

	guard_set(&sent, bytes, len);
	if (len < OUT_HEADER)
		return false;
	if (!(data[1] & KEEP_REPLY)) {
		put_int(sent.at, sent.len, 4, big);
		put_int(sent.at + 4, 0, 4, big);
		put_int(sent.at + 8, FUZZ_UNIQUE, 8, big);
	}
	got = sent;
	err = crossfuse_session_reply(&s->client, call, got.at, len, len);
	MUST(err <= 0);
	guard_check(&got);
	if (err)
		MUST(!memcmp(&sent, &got, sizeof(got)));
	if (err == -EBADMSG || get_int(sent.at + 4, 4, big))
		return false;
	check_answer(s, data, &sent, &got, err);
	return !err;
}

/* A server of the client's ABI before which a canonical client stands. */
static void set_up_server(struct sides *s)
{
	struct crossfuse_config config = {
		.server = s->side.abi,
		.client = crossfuse_abi_canonical(),
	};

	MUST(!crossfuse_session_init(&s->server, &config));
	shake_hands_at(&s->server, s->side, s->side, s->minor,
		       s->long_setxattr ? CF_INIT_SETXATTR_EXT : 0);
}

/* The one field that may have no way back. */
static void forgive(const struct sides *s,
		    const struct crossfuse_layout *layout,
		    const struct guarded *sent, struct guarded *back,
		    size_t header, bool reply)
{
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	const struct crossfuse_field *field = special_field(layout);
	bool big = s->side.big;
	uint32_t old;
	size_t at;

	if (!field || header + field->offset + 4 > sent->len)
		return;
	at = header + field->offset;
	old = (uint32_t)get_int(sent->at + at, 4, big);
	if (field->kind != CROSSFUSE_KIND_IOCTL_CMD)
		MUST(get_int(back->at + at, 4, big) ==
		     value_back(field->kind, reply ? canonical : s->side.abi,
				reply ? s->side.abi : canonical, old));
	memcpy(back->at + at, sent->at + at, 4);
}

static int pass_request(struct crossfuse_session *session,
			struct crossfuse_call *call, struct guarded *g)
{
	struct guarded before = *g;
	ssize_t head_len = crossfuse_request_head_len(session, g->at, g->len);
	uint8_t *head;
	int err;

	if (head_len < 0)
		return (int)head_len;
	head = head_take(g, (size_t)head_len);
	err = crossfuse_session_request(session, call, head, (size_t)head_len,
					g->len);
	head_give(g, head, (size_t)head_len);
	MUST(err <= 0);
	guard_check(g);
	if (err)
		MUST(!memcmp(g, &before, sizeof(before)));
	return err;
}

static void test_request(struct sides *s, const struct guarded *sent)
{
	uint32_t code = (uint32_t)get_int(sent->at + 4, 4, s->side.big);
	const struct crossfuse_opcode *op = crossfuse_opcode(code);
	struct guarded there = *sent, back;
	struct crossfuse_call call;
	int err;

	if (pass_request(&s->client, &call, &there))
		return;
	if (!s->canonical) {
		MUST(!memcmp(sent, &there, sizeof(there)));
		return;
	}
	back = there;
	err = pass_request(&s->server, &call, &back);
	if (err) {
		/* Not every ioctl has a way back, nor every payload. */
		MUST(code == CF_IOCTL && err == -ENOTTY);
		return;
	}
	if (op)
		forgive(s, &op->request, sent, &back, IN_HEADER, false);
	MUST(!memcmp(sent, &back, sizeof(back)));
}

static int pass_reply(struct crossfuse_session *session,
		      const struct crossfuse_call *call, struct guarded *g)
{
	struct guarded before = *g;
	ssize_t head_len;
	uint8_t *head;
	int err;

	head_len = call ? (ssize_t)crossfuse_reply_head_len(call, g->len)
			: crossfuse_notify_head_len(session, g->at, g->len);
	if (head_len < 0)
		return (int)head_len;
	head = head_take(g, (size_t)head_len);
	if (call)
		err = crossfuse_session_reply(session, call, head,
					      (size_t)head_len, g->len);
	else
		err = crossfuse_session_notify(session, head, (size_t)head_len,
					       g->len);
	head_give(g, head, (size_t)head_len);
	MUST(err <= 0);
	guard_check(g);
	if (err)
		MUST(!memcmp(g, &before, sizeof(before)));
	return err;
}

static void test_reply(struct sides *s, const struct guarded *sent,
		       const struct crossfuse_opcode *op)
{
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	struct guarded there = *sent, back;
	struct crossfuse_call call, other;
	uint8_t request[FUZZ_REQUEST];
	size_t len = shortest_request(request, op, FUZZ_UNIQUE, s->side.big);
	uint32_t error = (uint32_t)get_int(sent->at + 4, 4, s->side.big);

	MUST(!crossfuse_session_request(&s->client, &call, request, len, len));
	if (pass_reply(&s->client, &call, &there))
		return;
	if (!s->canonical) {
		MUST(!memcmp(sent, &there, sizeof(there)));
		return;
	}
	/* The server's session looks at an ioctl's payload, this one not. */
	if (op->code == CF_IOCTL && sent->len > OUT_HEADER)
		return;
	MUST(!crossfuse_session_request(&s->server, &other, request, len, len));
	back = there;
	MUST(!pass_reply(&s->server, &other, &back));
	MUST(get_int(back.at + 4, 4, s->side.big) ==
	     value_back(CROSSFUSE_KIND_ERRNO, canonical, s->side.abi, error));
	memcpy(back.at + 4, sent->at + 4, 4);
	if (!error)
		forgive(s, &op->reply, sent, &back, OUT_HEADER, true);
	MUST(!memcmp(sent, &back, sizeof(back)));
}

static void test_notify(struct sides *s, const struct guarded *sent)
{
	struct guarded there = *sent;

	/* It holds nothing that depends on the ABI. */
	pass_reply(&s->client, NULL, &there);
	MUST(!memcmp(sent, &there, sizeof(there)));
}

static bool is_init(uint32_t code)
{
	return code == CF_INIT || code == CF_INIT_BSWAP_RESERVED ||
	       code == CF_CUSE_INIT || code == CF_CUSE_INIT_BSWAP_RESERVED;
}

static void test_message(struct sides *s, const uint8_t *choice,
			 const uint8_t *bytes, size_t len)
{
	const struct crossfuse_opcode *op = crossfuse_opcode_at(choice[1]);
	static struct guarded g;
	bool big = s->side.big;
	bool request = !(choice[0] & (AS_REPLY | AS_NOTIFY));

	if (len < (request ? IN_HEADER : OUT_HEADER))
		return;
	guard_set(&g, bytes, len);
	if (!(choice[0] & KEEP_HEADER)) {
		put_int(g.at, len, 4, big);
		put_int(g.at + 8, choice[0] & AS_NOTIFY ? 0 : FUZZ_UNIQUE, 8,
			big);
	}
	if (request && op)
		put_int(g.at + 4, op->code, 4, big);
	if (choice[0] & AS_NOTIFY) {
		test_notify(s, &g);
	} else if (choice[0] & AS_REPLY) {
		/* SETXATTR has two shortest forms, and nothing in its reply. */
		if (!op || is_init(op->code) || op->code == CF_SETXATTR)
			op = crossfuse_opcode(CF_STATFS);
		test_reply(s, &g, op);
	} else if (!is_init((uint32_t)get_int(g.at + 4, 4, big)) &&
		   !is_init((uint32_t)get_int(g.at + 4, 4, !big))) {
		test_request(s, &g);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crossfuse_call call;
	struct sides s;
	size_t at = CHOICE, len;

	if (size < CHOICE || size > FUZZ_MAX)
		return 0;
	set_up(&s, data);
	if (send_init(&s, data, &call))
		return 0;
	len = data[4] < size - at ? data[4] : size - at;
	if (!receive_init(&s, data, &call, data + at, len))
		return 0;
	set_up_server(&s);
	for (at += len; at + MESSAGE <= size; at += MESSAGE + len) {
		len = (size_t)get_int(data + at + 2, 2, false);
		if (len > size - at - MESSAGE)
			len = size - at - MESSAGE;
		test_message(&s, data + at, data + at + MESSAGE, len);
	}
	return 0;
}
