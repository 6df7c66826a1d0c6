/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FUSE_INIT between clients and servers of every kind: what the server behind
 * sees, what the client is answered, what it is taken for, and what then
 * happens to the flags of an OPEN and to an error.
 */
#include "session-pair.h"
#include <errno.h>

/* All that was told, until the next handshake. */
struct told {
	unsigned int count[CROSSFUSE_EVENT_MALFORMED + 1];
	struct crossfuse_event last;
};

static void tell(void *opaque, const struct crossfuse_event *event)
{
	struct told *told = opaque;

	told->count[event->type]++;
	told->last = *event;
}

#define OLD_BIT	   (UINT64_C(1) << 40)
#define NEW_BIT	   (UINT64_C(1) << 62)
#define EXT	   (UINT64_C(1) << 30)
#define PAGES	   (UINT64_C(1) << 22)
#define IDMAP	   OLD_BIT
#define UNKNOWN_ID 0x12345

struct handshake {
	const char *what;
	const char *client; /* what its messages are in; "canonical" too */
	const char *server;
	const char *machine; /* whose arch_id it sends; NULL: 0 */
	uint32_t arch_id;    /* or this */
	uint32_t minor;
	uint64_t flags;	 /* the client's */
	uint64_t answer; /* the server's */
	enum crossfuse_policy policy;
	const char *admin;
	const char *monitor;
	int error;	    /* what becomes of the request */
	int32_t number;	    /* of that error as the client has it; 0: 71 */
	uint64_t forwarded; /* flags that the server gets to see */
	uint64_t answered;  /* flags that the client gets to see */
	enum crossfuse_source source;
	const char *taken_for; /* NULL: not known */
};

static const struct handshake handshakes[] = {
	{ .what = "offered and wanted",
	  .client = "canonical",
	  .server = "aarch64",
	  .machine = "x86_64",
	  .minor = 40,
	  .flags = EXT | OLD_BIT,
	  .answer = EXT,
	  .forwarded = EXT,
	  .answered = EXT | OLD_BIT,
	  .source = CROSSFUSE_SOURCE_CANON,
	  .taken_for = "canonical" },
	{ .what = "offered and wanted, new bit",
	  .client = "canonical",
	  .server = "x86_64",
	  .machine = "aarch64",
	  .minor = 41,
	  .flags = EXT | NEW_BIT | IDMAP,
	  .answer = EXT | IDMAP,
	  .forwarded = EXT | IDMAP,
	  .answered = EXT | IDMAP | NEW_BIT,
	  .source = CROSSFUSE_SOURCE_CANON,
	  .taken_for = "canonical" },
	{ .what = "the server's reply has no INIT_EXT of its own",
	  .client = "canonical",
	  .server = "x86_64",
	  .machine = "mips64",
	  .minor = 45,
	  .flags = EXT | NEW_BIT,
	  .answer = PAGES,
	  .forwarded = EXT,
	  .answered = EXT | PAGES | NEW_BIT,
	  .source = CROSSFUSE_SOURCE_CANON,
	  .taken_for = "canonical" },
	{ .what = "offered by a machine of no known name",
	  .client = "canonical",
	  .server = "x86_64",
	  .arch_id = UNKNOWN_ID,
	  .minor = 45,
	  .flags = EXT | NEW_BIT,
	  .answer = EXT,
	  .forwarded = EXT,
	  .answered = EXT | NEW_BIT,
	  .source = CROSSFUSE_SOURCE_CANON,
	  .taken_for = "canonical" },
	{ .what = "offered; refusing is for those who cannot",
	  .client = "canonical",
	  .server = "x86_64",
	  .machine = "ppc64le",
	  .minor = 45,
	  .flags = EXT | NEW_BIT,
	  .answer = EXT,
	  .policy = CROSSFUSE_REFUSE,
	  .forwarded = EXT,
	  .answered = EXT | NEW_BIT,
	  .source = CROSSFUSE_SOURCE_CANON,
	  .taken_for = "canonical" },
	{ .what = "offered, not needed: one ABI",
	  .client = "aarch64",
	  .server = "aarch64",
	  .machine = "aarch64",
	  .minor = 45,
	  .flags = EXT | NEW_BIT,
	  .answer = EXT,
	  .forwarded = EXT,
	  .answered = EXT,
	  .source = CROSSFUSE_SOURCE_ARCH_ID,
	  .taken_for = "aarch64" },
	{ .what = "offered, not needed: one group",
	  .client = "riscv64",
	  .server = "x86_64",
	  .machine = "riscv64",
	  .minor = 40,
	  .flags = EXT | OLD_BIT,
	  .answer = EXT,
	  .forwarded = EXT,
	  .answered = EXT,
	  .source = CROSSFUSE_SOURCE_ARCH_ID,
	  .taken_for = "riscv64" },
	{ .what = "not offered but known",
	  .client = "mips64",
	  .server = "x86_64",
	  .machine = "mips64",
	  .minor = 40,
	  .flags = EXT,
	  .answer = EXT,
	  .forwarded = EXT,
	  .answered = EXT,
	  .source = CROSSFUSE_SOURCE_ARCH_ID,
	  .taken_for = "mips64" },
	{ .what = "not offered but known by another of its names",
	  .client = "armv7l",
	  .server = "x86_64",
	  .machine = "armv6l",
	  .minor = 40,
	  .flags = EXT,
	  .answer = EXT,
	  .forwarded = EXT,
	  .answered = EXT,
	  .source = CROSSFUSE_SOURCE_ARCH_ID,
	  .taken_for = "armv7l" },
	{ .what = "the client's word goes before the administrator's",
	  .client = "mips64",
	  .server = "x86_64",
	  .machine = "mips64",
	  .minor = 40,
	  .flags = EXT,
	  .answer = EXT,
	  .admin = "ppc64le",
	  .forwarded = EXT,
	  .answered = EXT,
	  .source = CROSSFUSE_SOURCE_ARCH_ID,
	  .taken_for = "mips64" },
	{ .what = "not offered, known, refused",
	  .client = "aarch64",
	  .server = "x86_64",
	  .machine = "aarch64",
	  .minor = 40,
	  .flags = EXT,
	  .policy = CROSSFUSE_REFUSE,
	  .error = -EPROTO },
	{ .what = "not offered, of the server's ABI, refusing",
	  .client = "x86_64",
	  .server = "x86_64",
	  .machine = "x86_64",
	  .minor = 40,
	  .flags = EXT,
	  .answer = EXT,
	  .policy = CROSSFUSE_REFUSE,
	  .forwarded = EXT,
	  .answered = EXT,
	  .source = CROSSFUSE_SOURCE_ARCH_ID,
	  .taken_for = "x86_64" },
	{ .what = "not offered, unknown",
	  .client = "x86_64",
	  .server = "x86_64",
	  .arch_id = UNKNOWN_ID,
	  .minor = 40,
	  .flags = EXT,
	  .error = -EPROTO },
	{ .what = "the monitor does not help where the client says something",
	  .client = "x86_64",
	  .server = "x86_64",
	  .arch_id = UNKNOWN_ID,
	  .minor = 40,
	  .flags = EXT | LINUX_INIT,
	  .error = -EPROTO,
	  .policy = CROSSFUSE_REFUSE,
	  .monitor = "aarch64" },
	{ .what = "not offered, unknown, named by the administrator",
	  .client = "sparc64",
	  .server = "x86_64",
	  .arch_id = UNKNOWN_ID,
	  .minor = 40,
	  .flags = EXT,
	  .answer = EXT,
	  .admin = "sparc64",
	  .forwarded = EXT,
	  .answered = EXT,
	  .source = CROSSFUSE_SOURCE_ADMIN,
	  .taken_for = "sparc64" },
	{ .what = "not offered, unknown, refused",
	  .client = "x86_64",
	  .server = "x86_64",
	  .arch_id = UNKNOWN_ID,
	  .minor = 40,
	  .flags = EXT,
	  .policy = CROSSFUSE_REFUSE,
	  .error = -EPROTO },
	{ .what = "legacy",
	  .client = "x86_64",
	  .server = "x86_64",
	  .minor = 38,
	  .flags = EXT,
	  .answer = EXT,
	  .forwarded = EXT,
	  .answered = EXT },
	{ .what = "legacy, named by the administrator",
	  .client = "alpha",
	  .server = "x86_64",
	  .minor = 38,
	  .flags = EXT | LINUX_INIT,
	  .answer = EXT,
	  .admin = "alpha",
	  .monitor = "mips64",
	  .forwarded = EXT | LINUX_INIT,
	  .answered = EXT,
	  .source = CROSSFUSE_SOURCE_ADMIN,
	  .taken_for = "alpha" },
	{ .what = "legacy, named by its monitor",
	  .client = "mips64",
	  .server = "x86_64",
	  .minor = 38,
	  .flags = EXT | LINUX_INIT,
	  .answer = EXT,
	  .monitor = "mips64",
	  .forwarded = EXT | LINUX_INIT,
	  .answered = EXT,
	  .source = CROSSFUSE_SOURCE_MONITOR,
	  .taken_for = "mips64" },
	{ .what = "legacy, unknown, refused",
	  .client = "x86_64",
	  .server = "x86_64",
	  .minor = 38,
	  .flags = EXT,
	  .policy = CROSSFUSE_REFUSE,
	  .error = -EPROTO },
	{ .what = "legacy, known to differ, refused",
	  .client = "ppc64le",
	  .server = "x86_64",
	  .minor = 38,
	  .flags = EXT | LINUX_INIT,
	  .policy = CROSSFUSE_REFUSE,
	  .monitor = "ppc64le",
	  .error = -EPROTO },
	{ .what = "legacy, of the server's values but not its byte order",
	  .client = "microblaze",
	  .server = "x86_64",
	  .minor = 38,
	  .flags = EXT | LINUX_INIT,
	  .policy = CROSSFUSE_REFUSE,
	  .monitor = "microblaze",
	  .error = -EPROTO },
	{ .what = "known, other, refused: EPROTO has many numbers",
	  .client = "sparc64",
	  .server = "parisc",
	  .machine = "sparc64",
	  .minor = 38,
	  .flags = EXT,
	  .policy = CROSSFUSE_REFUSE,
	  .error = -EPROTO,
	  .number = 86 },
	{ .what = "legacy, named by the administrator, refused",
	  .client = "alpha",
	  .server = "x86_64",
	  .minor = 38,
	  .flags = EXT,
	  .policy = CROSSFUSE_REFUSE,
	  .admin = "alpha",
	  .error = -EPROTO,
	  .number = 85 },
	{ .what = "legacy, unknown, refused in front of a server of its own",
	  .client = "x86_64",
	  .server = "parisc",
	  .minor = 38,
	  .flags = EXT,
	  .policy = CROSSFUSE_REFUSE,
	  .error = -EPROTO },
	{ .what = "legacy, known to be the same, refusing",
	  .client = "aarch64",
	  .server = "aarch64",
	  .minor = 38,
	  .flags = EXT | LINUX_INIT,
	  .answer = EXT,
	  .policy = CROSSFUSE_REFUSE,
	  .monitor = "aarch64",
	  .forwarded = EXT | LINUX_INIT,
	  .answered = EXT,
	  .source = CROSSFUSE_SOURCE_MONITOR,
	  .taken_for = "aarch64" },
	{ .what = "bit 40 of a kernel that knows it as ALLOW_IDMAP",
	  .client = "x86_64",
	  .server = "x86_64",
	  .minor = 41,
	  .flags = EXT | IDMAP,
	  .answer = EXT | IDMAP,
	  .forwarded = EXT | IDMAP,
	  .answered = EXT | IDMAP },
	{ .what = "the same with an arch_id: no offer either",
	  .client = "aarch64",
	  .server = "x86_64",
	  .machine = "aarch64",
	  .minor = 41,
	  .flags = EXT | IDMAP,
	  .answer = EXT | IDMAP,
	  .forwarded = EXT | IDMAP,
	  .answered = EXT | IDMAP,
	  .source = CROSSFUSE_SOURCE_ARCH_ID,
	  .taken_for = "aarch64" },
	{ .what = "the new bit is an offer of older clients too",
	  .client = "canonical",
	  .server = "x86_64",
	  .machine = "aarch64",
	  .minor = 38,
	  .flags = EXT | NEW_BIT,
	  .answer = EXT | IDMAP,
	  .forwarded = EXT,
	  .answered = EXT | NEW_BIT,
	  .source = CROSSFUSE_SOURCE_CANON,
	  .taken_for = "canonical" },
	{ .what = "an offer by both bits is answered by both",
	  .client = "canonical",
	  .server = "x86_64",
	  .machine = "aarch64",
	  .minor = 40,
	  .flags = EXT | NEW_BIT | OLD_BIT,
	  .answer = EXT,
	  .forwarded = EXT,
	  .answered = EXT | NEW_BIT | OLD_BIT,
	  .source = CROSSFUSE_SOURCE_CANON,
	  .taken_for = "canonical" },
	{ .what = "an offer counts only with an arch_id",
	  .client = "x86_64",
	  .server = "x86_64",
	  .minor = 45,
	  .flags = EXT | NEW_BIT,
	  .answer = EXT,
	  .forwarded = EXT | NEW_BIT,
	  .answered = EXT },
	{ .what = "an offer counts only with INIT_EXT",
	  .client = "aarch64",
	  .server = "x86_64",
	  .machine = "aarch64",
	  .minor = 45,
	  .flags = NEW_BIT,
	  .answer = EXT,
	  .forwarded = 0,
	  .answered = EXT,
	  .source = CROSSFUSE_SOURCE_ARCH_ID,
	  .taken_for = "aarch64" },
	{ .what = "a server that answers what was not offered",
	  .client = "x86_64",
	  .server = "x86_64",
	  .minor = 45,
	  .flags = EXT,
	  .answer = EXT | NEW_BIT | IDMAP,
	  .forwarded = EXT,
	  .answered = EXT | IDMAP },
	{ .what = "the same to an older client",
	  .client = "x86_64",
	  .server = "x86_64",
	  .minor = 38,
	  .flags = EXT,
	  .answer = EXT | NEW_BIT | OLD_BIT,
	  .forwarded = EXT,
	  .answered = EXT },
	{ .what = "ignore: offered",
	  .client = "x86_64",
	  .server = "x86_64",
	  .machine = "aarch64",
	  .minor = 45,
	  .flags = EXT | NEW_BIT,
	  .answer = EXT | NEW_BIT,
	  .policy = CROSSFUSE_IGNORE,
	  .forwarded = EXT | NEW_BIT,
	  .answered = EXT | NEW_BIT,
	  .source = CROSSFUSE_SOURCE_ARCH_ID,
	  .taken_for = "aarch64" },
	{ .what = "ignore: unknown",
	  .client = "x86_64",
	  .server = "x86_64",
	  .arch_id = UNKNOWN_ID,
	  .minor = 40,
	  .flags = EXT,
	  .answer = EXT,
	  .policy = CROSSFUSE_IGNORE,
	  .forwarded = EXT,
	  .answered = EXT },
	{ .what = "big-endian, offered and wanted",
	  .client = "canonical",
	  .server = "x86_64",
	  .machine = "ppc64",
	  .minor = 45,
	  .flags = EXT | NEW_BIT,
	  .answer = EXT,
	  .forwarded = EXT,
	  .answered = EXT | NEW_BIT,
	  .source = CROSSFUSE_SOURCE_CANON,
	  .taken_for = "canonical" },
	{ .what = "big-endian, offered, not needed",
	  .client = "microblaze",
	  .server = "x86_64",
	  .machine = "microblaze",
	  .minor = 45,
	  .flags = EXT | NEW_BIT,
	  .answer = EXT,
	  .forwarded = EXT,
	  .answered = EXT,
	  .source = CROSSFUSE_SOURCE_ARCH_ID,
	  .taken_for = "microblaze" },
	{ .what = "big-endian, legacy",
	  .client = "s390x",
	  .server = "x86_64",
	  .minor = 38,
	  .flags = EXT | LINUX_INIT,
	  .answer = EXT,
	  .forwarded = EXT | LINUX_INIT,
	  .answered = EXT },
};

static uint64_t flags_at(const uint8_t *low, const uint8_t *high, bool big)
{
	uint64_t flags = 0;

	for (unsigned int i = 0; i < 4; i++) {
		flags |= (uint64_t)low[i] << 8 * (big ? 3 - i : i);
		flags |= (uint64_t)high[i] << 8 * (big ? 7 - i : i + 4);
	}
	return flags;
}

/* Big-endian machines send big-endian, whatever their values. */
static bool sends_big(const struct handshake *h)
{
	const char *machine = h->machine ? h->machine : h->client;

	return crossfuse_abi_big_endian(crossfuse_abi_by_name(machine));
}

/* An OPEN and its failing: translated from what the client sends. */
static void test_values(struct crossfuse_session *session,
			const struct handshake *h, bool big)
{
	static const struct wire_text open = { CF_OPEN, "O4", 0, 0, 0, 0 };
	static const struct wire_text nothing = { 0, "", 0, 0, 0, 0 };
	struct wire_form client = { crossfuse_abi_by_name(h->client), big };
	struct wire_form server = { crossfuse_abi_by_name(h->server), false };
	struct crossfuse_call call;
	struct wire_bytes b, want;

	server.big = crossfuse_abi_big_endian(server.abi);
	wire_request(&b, &open, client);
	wire_request(&want, &open, server);
	CHECK_EQ(crossfuse_session_request(session, &call, b.at, b.len, b.len),
		 0);
	CHECK(!memcmp(b.at, want.at, b.len));
	wire_reply(&b, &nothing, server, wire_kind('E', server.abi, false),
		   WIRE_UNIQUE);
	wire_reply(&want, &nothing, client, wire_kind('E', client.abi, false),
		   WIRE_UNIQUE);
	CHECK_EQ(crossfuse_session_reply(session, &call, b.at, b.len, b.len),
		 0);
	CHECK(!memcmp(b.at, want.at, b.len));
}

static struct crossfuse_config config_of(const struct handshake *h,
					 struct told *told)
{
	return (struct crossfuse_config){
		.server = crossfuse_abi_by_name(h->server),
		.client = h->admin ? crossfuse_abi_by_name(h->admin) : NULL,
		.monitor = h->monitor ? crossfuse_abi_by_name(h->monitor)
				      : NULL,
		.policy = h->policy,
		.event = tell,
		.opaque = told,
	};
}

static void test_request(struct crossfuse_session *session,
			 struct crossfuse_call *call, const struct handshake *h,
			 struct init_text *init, bool big)
{
	bool server_big =
		crossfuse_abi_big_endian(crossfuse_abi_by_name(h->server));
	struct wire_bytes b, before;
	uint32_t id = h->policy == CROSSFUSE_IGNORE ? init->arch_id : 0;

	init_request(&b, *init, big);
	before = b;
	CHECK_EQ(crossfuse_session_request(session, call, b.at, b.len, b.len),
		 h->error);
	CHECK_EQ(call->opcode, CF_INIT);
	CHECK(call->unique == WIRE_UNIQUE);
	if (h->error) {
		CHECK(!memcmp(&b, &before, sizeof(b)));
		return;
	}
	init->flags = h->forwarded;
	init->arch_id = id;
	init_request(&before, *init, server_big);
	CHECK(!memcmp(b.at, before.at, b.len));
}

static void test_handshake(struct crossfuse_session *session,
			   const struct handshake *h, struct told *told)
{
	struct init_text init = { 7, h->minor, h->flags, h->arch_id, 0, 0 };
	struct init_text reply = { 7, 38, h->answer, 0, 0, 256 };
	bool server_big =
		crossfuse_abi_big_endian(crossfuse_abi_by_name(h->server));
	bool big = sends_big(h);
	enum crossfuse_source source;
	const struct crossfuse_abi *client;
	struct crossfuse_call call;
	struct wire_bytes b, want;
	unsigned int failed = check_failed;

	if (h->machine)
		init.arch_id = crossfuse_arch_id(h->machine);
	memset(told, 0, sizeof(*told));
	test_request(session, &call, h, &init, big);
	CHECK_EQ(told->count[CROSSFUSE_EVENT_REFUSED], !!h->error);
	if (h->error) {
		crossfuse_session_error(session, &call, h->error, b.at);
		memset(&want, 0, sizeof(want));
		wire_put(&want, 16, 4, big);
		wire_put(&want, (uint64_t) - (h->number ? h->number : 71), 4,
			 big);
		CHECK(!memcmp(b.at, want.at, 8));
		goto out;
	}
	init_reply(&b, reply, server_big);
	reply.flags = h->answered;
	init_reply(&want, reply, big);
	CHECK_EQ(crossfuse_session_reply(session, &call, b.at, b.len, b.len),
		 0);
	CHECK(flags_at(b.at + 28, b.at + 48, big) == h->answered);
	CHECK(!memcmp(b.at, want.at, b.len));
	client = crossfuse_session_client(session, &source);
	CHECK_EQ(source, h->source);
	CHECK(client ==
	      (h->taken_for ? crossfuse_abi_by_name(h->taken_for) : NULL));
	if (h->policy != CROSSFUSE_IGNORE) {
		CHECK_EQ(told->count[CROSSFUSE_EVENT_INIT], 1);
		CHECK_EQ(told->last.answered,
			 h->source == CROSSFUSE_SOURCE_CANON);
	}
	test_values(session, h, big);
out:
	if (check_failed != failed)
		fprintf(stderr, "  in: %s\n", h->what);
}

/* A kernel that reboots as another one: each after each, on one session. */
static void test_reinit(void)
{
	const size_t count = WIRE_COUNT(handshakes);
	struct crossfuse_session session;
	struct told told = { { 0 }, { 0 } };

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < count; k++) {
			struct crossfuse_config config =
				config_of(&handshakes[i], &told);
			struct handshake next = handshakes[k];

			if (strcmp(next.server, handshakes[i].server) ||
			    next.policy != handshakes[i].policy || next.admin ||
			    next.monitor || handshakes[i].admin ||
			    handshakes[i].monitor)
				continue;
			CHECK_EQ(crossfuse_session_init(&session, &config), 0);
			test_handshake(&session, &handshakes[i], &told);
			test_handshake(&session, &next, &told);
		}
}

int main(void)
{
	struct told told;

	for (size_t i = 0; i < WIRE_COUNT(handshakes); i++) {
		struct crossfuse_config config =
			config_of(&handshakes[i], &told);
		struct crossfuse_session session;

		CHECK_EQ(crossfuse_session_init(&session, &config), 0);
		test_handshake(&session, &handshakes[i], &told);
	}
	test_reinit();
	return check_result();
}
