/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FUSE_INIT and its reply, of any bytes. Byte 0: the server's ABI; 1 and 2: the
 * administrator's and the monitor's word; 3: its bits say more; 4: the bytes of
 * the request; then the request, and then the reply.
 */
#include "fuzz.h"

enum {
	POLICY = 3,
	SAID = 4,
	MONITORED = 8,
	KEEP_REPLY = 16,
	BIG_PAGES = 32,
	NOT_INIT = 64,
	BIG_CLIENT = 128,
	CHOICE = 5,
	IN_HEADER = 40,
	OUT_HEADER = 16
};

/* What the client's FUSE_INIT says. */
struct said {
	uint64_t bits;	  /* that stand for an offer */
	uint64_t offered; /* those of them that do */
	uint32_t major;
	uint32_t minor;
	bool padding; /* there is no arch_id, whatever stands in its place */
	bool big;
};

static uint64_t flags_at(const uint8_t *flags, const uint8_t *flags2, bool big)
{
	uint64_t value = get_int(flags, 4, big);

	if (value & CF_INIT_EXT && flags2)
		value |= get_int(flags2, 4, big) << 32;
	return value;
}

static struct said read_request(const struct guarded *g, bool big)
{
	const uint8_t *body = g->at + IN_HEADER;
	size_t len = g->len - IN_HEADER;
	uint32_t minor = (uint32_t)get_int(body + 4, 4, big);
	uint64_t flags = flags_at(body + 12, len >= 20 ? body + 16 : NULL, big);
	struct said said = { .bits = CF_INIT_CANON_ARCH,
			     .minor = minor,
			     .padding = minor < 36 && !(flags & CF_INIT_EXT),
			     .major = (uint32_t)get_int(body, 4, big),
			     .big = big };

	if (minor <= 40)
		said.bits |= CF_INIT_CANON_ARCH_OLD;
	if (len >= 24 && !said.padding && get_int(body + 20, 4, big))
		said.offered = flags & said.bits;
	return said;
}

static int pass_request(struct crossfuse_session *session,
			struct crossfuse_call *call, struct guarded *g)
{
	struct guarded before = *g;
	int err =
		crossfuse_session_request(session, call, g->at, g->len, g->len);

	MUST(err <= 0);
	guard_check(g);
	if (err)
		MUST(!memcmp(g, &before, sizeof(before)));
	return err;
}

/* Only what was offered is answered, and so that it counts. */
static void check_answer(const struct guarded *g, struct said said,
			 const struct crossfuse_session *session)
{
	const uint8_t *body = g->at + OUT_HEADER;
	size_t len = g->len - OUT_HEADER;
	enum crossfuse_source source;
	uint64_t flags;

	crossfuse_session_client(session, &source);
	/* Of another major version nothing is understood. */
	if (len < 24 || said.major != CF_KERNEL_VERSION ||
	    get_int(body, 4, said.big) != CF_KERNEL_VERSION)
		return;
	flags = flags_at(body + 12, len >= 36 ? body + 32 : NULL, said.big);
	if (source == CROSSFUSE_SOURCE_CANON)
		MUST(said.offered && flags & CF_INIT_EXT &&
		     (flags & said.bits) == said.offered);
	else
		MUST(!(flags & said.bits));
}

static void pass_reply(struct crossfuse_session *session,
		       const struct crossfuse_call *call, struct guarded *g,
		       struct said said, bool ignored)
{
	struct guarded before = *g;
	uint8_t *head;
	uint32_t error;
	int err;

	if (crossfuse_reply_head_len(call, g->len) != g->len)
		return;
	head = head_take(g, g->len);
	err = crossfuse_session_reply(session, call, head, g->len, g->len);
	head_give(g, head, g->len);
	MUST(err <= 0);
	guard_check(g);
	if (err || ignored) {
		MUST(!memcmp(g, &before, sizeof(before)));
		return;
	}
	error = (uint32_t)get_int(g->at + 4, 4, said.big);
	if (!error && call->opcode == CF_INIT)
		check_answer(g, said, session);
}

/* Whatever was shaken hands on, messages go through. */
static void pass_more(struct crossfuse_session *session, bool big)
{
	static struct guarded g;
	struct crossfuse_call call;
	uint8_t open[48] = { 0 };

	put_int(open, 48, 4, big);
	put_int(open + 4, CF_OPEN, 4, big);
	put_int(open + 40, 0x8000, 4, big);
	guard_set(&g, open, sizeof(open));
	MUST(!pass_request(session, &call, &g));
	MUST(call.opcode == CF_OPEN);
}

static void set_up(struct crossfuse_session *session, const uint8_t *data)
{
	struct crossfuse_config config = { .server = abi_by_byte(data[0]) };

	config.policy = (enum crossfuse_policy)((data[3] & POLICY) % 3);
	if (data[3] & SAID)
		config.client = abi_by_byte(data[1]);
	if (data[3] & MONITORED)
		config.monitor = abi_by_byte(data[2]);
	if (data[3] & BIG_PAGES)
		config.server_page_size = 65536;
	MUST(!crossfuse_session_init(session, &config));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guarded request, reply;
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct said said = { .big = false };
	bool big, ignored, server_big;
	size_t len;

	if (size < CHOICE || size > FUZZ_MAX)
		return 0;
	len = data[4] < size - CHOICE ? data[4] : size - CHOICE;
	if (len < IN_HEADER)
		return 0;
	big = data[3] & BIG_CLIENT;
	ignored = (data[3] & POLICY) % 3 == CROSSFUSE_IGNORE;
	set_up(&session, data);
	guard_set(&request, data + CHOICE, len);
	if (!(data[3] & NOT_INIT)) {
		put_int(request.at, len, 4, big);
		put_int(request.at + 4, CF_INIT, 4, big);
		put_int(request.at + 8, FUZZ_UNIQUE, 8, big);
	}
	if (len >= IN_HEADER + 16)
		said = read_request(&request, big);
	if (pass_request(&session, &call, &request) || data[3] & NOT_INIT)
		return 0;
	server_big = ignored ? big
			     : crossfuse_abi_big_endian(abi_by_byte(data[0]));
	MUST(ignored || said.major != 7 || said.minor >= 12 ||
	     call.opcode != CF_INIT);
	/* The server behind is not told. */
	if (!ignored && !said.padding && len >= IN_HEADER + 24)
		MUST(!get_int(request.at + 60, 4, server_big));
	guard_set(&reply, data + CHOICE + len, size - CHOICE - len);
	if (reply.len < OUT_HEADER)
		return 0;
	if (!(data[3] & KEEP_REPLY)) {
		put_int(reply.at, reply.len, 4, server_big);
		put_int(reply.at + 4, 0, 4, server_big);
		put_int(reply.at + 8, FUZZ_UNIQUE, 8, server_big);
	}
	pass_reply(&session, &call, &reply, said, ignored);
	pass_more(&session, big);
	return 0;
}
