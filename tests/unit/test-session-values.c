/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What has no counterpart, what is unknown, what can be carried and what
 * cannot: ioctls, locks, flags, opcodes; each told of once.
 */
#include "session-pair.h"
#include <errno.h>

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

static void start(struct crossfuse_session *session, struct told *told,
		  const char *client, const char *server, uint32_t minor)
{
	struct crossfuse_config config = {
		.server = crossfuse_abi_by_name(server),
		.client = crossfuse_abi_by_name(client),
		.event = tell,
		.opaque = told,
	};
	struct init_text init = { .major = 7, .minor = minor };

	CHECK_EQ(crossfuse_session_init(session, &config), 0);
	pair_shake_hands(session, init, init,
			 crossfuse_abi_big_endian(config.client),
			 crossfuse_abi_big_endian(config.server));
	memset(told, 0, sizeof(*told));
}

static struct wire_form form_of(const char *name)
{
	const struct crossfuse_abi *abi = crossfuse_abi_by_name(name);

	return (struct wire_form){ abi, crossfuse_abi_big_endian(abi) };
}

#define TEXT(code, body) (&(struct wire_text){ code, body, 0, 0, 0, 0 })

/* An ioctl there and back again. A size of 0: nothing is carried. */
struct carriage {
	const char *client, *server;
	uint32_t flags;
	uint32_t cmd;	     /* the client's */
	uint32_t server_cmd; /* 0: it is refused */
	const char *payload; /* both ways */
	size_t size;
};

static const struct carriage carriages[] = {
	/* FS_IOC_GETFLAGS: a long by its number, an int by its payload */
	{ "aarch64", "x86_64", 0, 0x80086601, 0x80086601, "4", 4 },
	{ "s390x", "x86_64", 0, 0x80086601, 0x80086601, "4", 4 },
	{ "s390x", "x86_64", 0, 0x80086601, 0x80086601, "8", 8 },
	{ "armv7l", "x86_64", 0, 0x80046601, 0x80086601, "4", 4 },
	{ "ppc64le", "x86_64", 0, 0x40086601, 0x80086601, "4", 4 },
	{ "mips", "x86_64", 0, 0x40046601, 0x80086601, "4", 4 },
	{ "x86_64", "mips", 0, 0x80086601, 0x40046601, "4", 4 },
	/* FS_IOC_SETFLAGS */
	{ "mips64", "x86_64", 0, 0x80086602, 0x40086602, "4", 4 },
	/* FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR */
	{ "s390x", "x86_64", 0, 0x801c581f, 0x801c581f, "44444[8]", 28 },
	{ "sparc64", "aarch64", 0, 0x801c5820, 0x401c5820, "44444[8]", 28 },
	/* FITRIM */
	{ "ppc64", "x86_64", 0, 0xc0185879, 0xc0185879, "888", 24 },
	/* of nobody knows what: within one byte order and size of long */
	{ "aarch64", "x86_64", 0, 0xc0107a01, 0xc0107a01, "[16]", 16 },
	{ "ppc64le", "x86_64", 0, 0xc0107a01, 0xc0107a01, "[16]", 16 },
	{ "mips64el", "x86_64", 0, 0x40107a01, 0x80107a01, "[16]", 16 },
	{ "armv7l", "x86_64", 0, 0xc0107a01, 0, "[16]", 16 },
	{ "aarch64", "x86_64", CF_IOCTL_32BIT, 0xc0107a01, 0, "[16]", 16 },
	{ "aarch64", "x86_64", CF_IOCTL_COMPAT, 0xc0107a01, 0, "[16]", 16 },
	{ "s390x", "x86_64", 0, 0xc0107a01, 0, "[16]", 16 },
	/* of nobody knows what, but without a payload */
	{ "s390x", "x86_64", 0, 0x00007a02, 0x00007a02, "", 0 },
	{ "mips64", "x86_64", 0, 0x20007a02, 0x00007a02, "", 0 },
	/* a known one with a payload that is not its own */
	{ "s390x", "x86_64", 0, 0x801c581f, 0, "444444[8]", 32 },
	{ "s390x", "x86_64", 0, 0x801c581f, 0, "4", 4 },
	/* mips knows it by another number than _IOC(): FIONREAD */
	{ "mips64", "x86_64", 0, 0x467f, 0x541b, "4", 4 },
	/* a size that the other side's number has no room for */
	{ "x86_64", "ppc64le", 0, 0xe0007a01, 0, "", 0 },
};

/* The request in the client's form, or in the server's. */
static void ioctl_text(struct wire_bytes *b, const struct carriage *c,
		       uint32_t cmd, const char *side)
{
	char body[200];

	snprintf(body, sizeof(body),
		 "8{4:%" PRIu32 "}{4:%" PRIu32 "}8{4:%zu}{4:%zu}%s", c->flags,
		 cmd, c->size, c->size, c->payload);
	wire_request(b, TEXT(CF_IOCTL, body), form_of(side));
}

static void test_carriage(const struct carriage *c)
{
	struct crossfuse_session session;
	struct wire_bytes b, want, before;
	struct crossfuse_call call;
	struct told told;
	char body[100];

	start(&session, &told, c->client, c->server, 38);
	ioctl_text(&b, c, c->cmd, c->client);
	ioctl_text(&want, c, c->server_cmd, c->server);
	before = b;
	CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len, b.len),
		 c->server_cmd ? 0 : -ENOTTY);
	if (!c->server_cmd) {
		CHECK(!memcmp(&b, &before, sizeof(b)));
		CHECK_EQ(told.count[CROSSFUSE_EVENT_UNKNOWN_IOCTL], 1);
		CHECK_EQ(told.last.value, c->cmd);
		crossfuse_session_request(&session, &call, b.at, b.len, b.len);
		CHECK_EQ(told.count[CROSSFUSE_EVENT_UNKNOWN_IOCTL], 1);
		return;
	}
	if (!CHECK(!memcmp(b.at, want.at, b.len)))
		fprintf(stderr, "  ioctl 0x%x of %s\n", c->cmd, c->client);
	snprintf(body, sizeof(body), "{4:3}{4:0}{4:0}{4:0}%s", c->payload);
	wire_reply(&b, TEXT(CF_IOCTL, body), form_of(c->server), 0,
		   WIRE_UNIQUE);
	wire_reply(&want, TEXT(CF_IOCTL, body), form_of(c->client), 0,
		   WIRE_UNIQUE);
	CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.len, b.len),
		 0);
	CHECK(!memcmp(b.at, want.at, b.len));
}

/* A lock type that the client's own kernel would not send. */
static void test_locks(void)
{
	static const struct {
		const char *client;
		const char *body;
		int error;
	} cases[] = {
		{ "alpha", "8888{4:8}444", 0 },
		{ "alpha", "8888{4:3}444", -EINVAL },
		{ "sparc64", "8888{4:0}444", -EINVAL },
		{ "aarch64", "8888{4:2}444", 0 },
	};
	struct crossfuse_session session;
	struct wire_bytes b, before;
	struct crossfuse_call call;
	struct told told;

	for (size_t i = 0; i < WIRE_COUNT(cases); i++) {
		start(&session, &told, cases[i].client, "x86_64", 38);
		for (unsigned int k = 0; k < 3; k++) {
			wire_request(&b, TEXT(CF_SETLK, cases[i].body),
				     form_of(cases[i].client));
			before = b;
			CHECK_EQ(crossfuse_session_request(&session, &call,
							   b.at, b.len, b.len),
				 cases[i].error);
			if (cases[i].error)
				CHECK(!memcmp(&b, &before, sizeof(b)));
		}
		CHECK_EQ(told.count[CROSSFUSE_EVENT_UNKNOWN_LOCK],
			 cases[i].error ? 1 : 0);
	}
}

/* Bits that mean nothing are dropped, and told of, bit by bit. */
static void test_flags(void)
{
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b, want;
	struct told told;

	start(&session, &told, "mips64", "x86_64", 38);
	for (unsigned int k = 0; k < 3; k++) {
		/* O_DIRECT, and bit 31 */
		wire_request(&b, TEXT(CF_OPEN, "{4:2147516416}4"),
			     form_of("mips64"));
		wire_request(&want, TEXT(CF_OPEN, "{4:16384}4"),
			     form_of("x86_64"));
		CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len,
						   b.len),
			 0);
		CHECK(!memcmp(b.at, want.at, b.len));
	}
	CHECK_EQ(told.count[CROSSFUSE_EVENT_UNKNOWN_FLAGS], 1);
	CHECK_EQ(told.last.value, 0x80000000);
	CHECK_EQ(told.last.opcode, CF_OPEN);
	wire_request(&b, TEXT(CF_OPEN, "{4:1073741824}4"), form_of("mips64"));
	CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len, b.len),
		 0);
	CHECK_EQ(told.count[CROSSFUSE_EVENT_UNKNOWN_FLAGS], 2);
	CHECK_EQ(told.last.value, 0x40000000);
}

/* An errno that the client's kernel does not have becomes its EIO. */
static void test_errors(void)
{
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b;
	struct told told;

	start(&session, &told, "s390x", "x86_64", 38);
	for (unsigned int k = 0; k < 3; k++) {
		wire_request(&b, TEXT(CF_UNLINK, "<x>"), form_of("s390x"));
		CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len,
						   b.len),
			 0);
		/* The same group copies whatever it is. */
		wire_reply(&b, TEXT(0, ""), form_of("x86_64"), (uint32_t)-300,
			   WIRE_UNIQUE);
		CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, 16, 16),
			 0);
	}
	start(&session, &told, "mips64", "x86_64", 38);
	for (unsigned int k = 0; k < 3; k++) {
		wire_request(&b, TEXT(CF_UNLINK, "<x>"), form_of("mips64"));
		CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len,
						   b.len),
			 0);
		wire_reply(&b, TEXT(0, ""), form_of("x86_64"), (uint32_t)-300,
			   WIRE_UNIQUE);
		CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, 16, 16),
			 0);
		CHECK_EQ((int8_t)b.at[7], -5);
	}
	CHECK_EQ(told.count[CROSSFUSE_EVENT_UNKNOWN_ERRNO], 1);
	CHECK_EQ(told.last.value, 300);
}

/* An opcode of the future: passes where nothing is turned round. */
static void test_opcodes(void)
{
	static const char *const clients[] = { "x86_64", "aarch64", "s390x" };
	struct crossfuse_session session;
	struct wire_bytes b, before;
	struct crossfuse_call call;
	struct told told;

	for (size_t i = 0; i < WIRE_COUNT(clients); i++) {
		bool swap = i == 2;

		start(&session, &told, clients[i], "x86_64", 38);
		for (unsigned int k = 0; k < 20; k++) {
			wire_request(&b, TEXT(100 + k % 2, "8[20]"),
				     form_of(clients[i]));
			before = b;
			CHECK_EQ(crossfuse_session_request(&session, &call,
							   b.at, b.len, b.len),
				 swap ? -ENOSYS : 0);
			CHECK(!memcmp(&b, &before, sizeof(b)));
			CHECK(crossfuse_opcode_has_reply(call.opcode));
			if (swap)
				continue;
			wire_reply(&b, TEXT(0, "8[20]"), form_of("x86_64"), 0,
				   WIRE_UNIQUE);
			before = b;
			CHECK_EQ(crossfuse_session_reply(&session, &call, b.at,
							 b.len, b.len),
				 0);
			CHECK(!memcmp(&b, &before, sizeof(b)));
		}
		CHECK_EQ(told.count[CROSSFUSE_EVENT_UNKNOWN_OPCODE],
			 swap ? 2 : 0);
		/* Notifications likewise. */
		wire_reply(&b, TEXT(0, "8"), form_of("x86_64"), 77, 0);
		before = b;
		CHECK_EQ(crossfuse_session_notify(&session, b.at, b.len, b.len),
			 swap ? -ENOSYS : 0);
		CHECK(!memcmp(&b, &before, sizeof(b)));
	}
}

/* Telling is bounded, whatever a client does. */
static void test_flood(void)
{
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b;
	struct told told;

	start(&session, &told, "s390x", "x86_64", 38);
	for (uint32_t k = 0; k < 10000; k++) {
		wire_request(&b, TEXT(200 + k, ""), form_of("s390x"));
		crossfuse_session_request(&session, &call, b.at, b.len, b.len);
		wire_request(&b, TEXT(1 + k % 54, "[1]"), form_of("s390x"));
		crossfuse_session_request(&session, &call, b.at, b.len, b.len);
	}
	CHECK(told.count[CROSSFUSE_EVENT_UNKNOWN_OPCODE] > 1);
	CHECK(told.count[CROSSFUSE_EVENT_UNKNOWN_OPCODE] < 20);
	CHECK(told.count[CROSSFUSE_EVENT_MALFORMED] > 20);
	CHECK(told.count[CROSSFUSE_EVENT_MALFORMED] <= 64);
}

/* 7.36 and 7.37 sent a security context that the header did not mention. */
static void test_old_extensions(void)
{
	static const struct {
		uint32_t minor;
		int error;
	} cases[] = { { 35, -EBADMSG }, { 36, 0 }, { 37, 0 }, { 38, -EBADMSG } };
	struct crossfuse_session session;
	struct wire_bytes b, want;
	struct crossfuse_call call;
	struct told told;

	for (size_t i = 0; i < WIRE_COUNT(cases); i++) {
		start(&session, &told, "s390x", "x86_64", cases[i].minor);
		wire_request(&b, TEXT(CF_MKDIR, "44<name>" EXTENSIONS),
			     form_of("s390x"));
		wire_request(&want, TEXT(CF_MKDIR, "44<name>" EXTENSIONS),
			     form_of("x86_64"));
		if (cases[i].error)
			want = b;
		CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len,
						   b.len),
			 cases[i].error);
		CHECK(!memcmp(b.at, want.at, b.len));
	}
}

/* The same number from one kernel and from the next is not the same flag. */
static void test_next_kernel(void)
{
	static const struct {
		const char *machine;
		const char *want;
	} kernels[] = {
		{ "aarch64", "{4:65536}4" },  /* 0x4000 is O_DIRECTORY */
		{ "parisc64", "{4:16384}4" }, /* O_DIRECT */
		{ "alpha", "{4:4096}4" },     /* O_DSYNC */
		{ "aarch64", "{4:65536}4" },
	};
	const struct crossfuse_config config = {
		.server = crossfuse_abi_by_name("x86_64"),
	};
	struct crossfuse_session session;
	struct crossfuse_call call;
	struct wire_bytes b, want;

	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	for (size_t i = 0; i < WIRE_COUNT(kernels); i++) {
		struct wire_form form = form_of(kernels[i].machine);
		struct init_text init = {
			.major = 7,
			.minor = 38,
			.arch_id = crossfuse_arch_id(kernels[i].machine),
		};

		pair_shake_hands(&session, init, init, form.big, false);
		for (unsigned int k = 0; k < 2; k++) {
			wire_request(&b, TEXT(CF_OPENDIR, "{4:16384}4"), form);
			wire_request(&want, TEXT(CF_OPENDIR, kernels[i].want),
				     form_of("x86_64"));
			CHECK_EQ(crossfuse_session_request(&session, &call,
							   b.at, b.len, b.len),
				 0);
			CHECK(!memcmp(b.at, want.at, b.len));
		}
	}
}

/* With one ABI everything passes, whatever it is, if lengths are not checked. */
static void test_same(void)
{
	const struct crossfuse_config config = {
		.server = crossfuse_abi_by_name("aarch64"),
		.client = crossfuse_abi_by_name("aarch64"),
		.no_check = true,
	};
	const struct init_text init = { .major = 7, .minor = 38 };
	struct crossfuse_session session;
	struct wire_bytes b, before;
	struct crossfuse_call call;

	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	pair_shake_hands(&session, init, init, false, false);
	for (uint32_t code = 1; code < 300; code++) {
		if (code == CF_INIT)
			continue;
		for (size_t len = 0; len < 60; len++) {
			char body[20];

			snprintf(body, sizeof(body), "[%zu]", len);
			wire_request(&b, TEXT(code, len ? body : ""),
				     form_of("aarch64"));
			before = b;
			CHECK_EQ(crossfuse_session_request(&session, &call,
							   b.at, b.len, b.len),
				 0);
			CHECK(!memcmp(&b, &before, sizeof(b)));
			CHECK_EQ(call.opcode, code);
			wire_reply(&b, TEXT(code, len ? body : ""),
				   form_of("aarch64"), 0, WIRE_UNIQUE);
			before = b;
			CHECK_EQ(crossfuse_session_reply(&session, &call, b.at,
							 b.len, b.len),
				 0);
			CHECK(!memcmp(&b, &before, sizeof(b)));
		}
	}
}

int main(void)
{
	for (size_t i = 0; i < WIRE_COUNT(carriages); i++)
		test_carriage(&carriages[i]);
	test_locks();
	test_flags();
	test_errors();
	test_opcodes();
	test_flood();
	test_old_extensions();
	test_next_kernel();
	test_same();
	return check_result();
}
