/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients that do not say what they are, told by the flags of their requests:
 * what kernels of each architecture send for a few ordinary programs, and that
 * what could be from two of them decides nothing. The server is x86_64.
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

/* Flags of one request, in hexadecimal as the client's headers have them. */
struct step {
	uint32_t opcode;
	uint32_t flags;
};

struct story {
	const char *what;
	bool big;
	struct step steps[5];
	/* Of whose group the client is found to be, at which step; NULL: none */
	const char *found;
	unsigned int at;
};

static const struct story stories[] = {
	/* `ls`: O_RDONLY|O_NONBLOCK|O_DIRECTORY and the forced O_LARGEFILE */
	{ "ls, x86_64", false, { { CF_OPENDIR, 0x18800 } }, NULL, 0 },
	/* any user of x86 may ask for O_DIRECT|O_NOFOLLOW|O_NONBLOCK there */
	{ "ls, aarch64", false, { { CF_OPENDIR, 0x24800 } }, NULL, 0 },
	{ "ls, ppc64le", false, { { CF_OPENDIR, 0x14800 } }, NULL, 0 },
	/* O_EXCL, which FUSE takes out: but one request is not enough */
	{ "ls, mips64el", false, { { CF_OPENDIR, 0x12080 } }, NULL, 0 },
	{ "ls, alpha", false, { { CF_OPENDIR, 0x28004 } }, NULL, 0 },
	{ "ls, s390x", true, { { CF_OPENDIR, 0x18800 } }, "s390x", 1 },
	{ "ls, ppc64", true, { { CF_OPENDIR, 0x14800 } }, NULL, 0 },
	{ "ls, mips64", true, { { CF_OPENDIR, 0x12080 } }, NULL, 0 },
	/* `cat`: nothing but O_LARGEFILE */
	{ "cat, mips64el", false, { { CF_OPEN, 0x2000 } }, NULL, 0 },
	{ "cat, ppc64le", false, { { CF_OPEN, 0x10000 } }, NULL, 0 },
	{ "cat, aarch64", false, { { CF_OPEN, 0x20000 } }, NULL, 0 },
	{ "ls and cat, ppc64le",
	  false,
	  { { CF_OPENDIR, 0x14800 }, { CF_OPEN, 0x10000 } },
	  "ppc64le",
	  2 },
	{ "cat and ls, ppc64le",
	  false,
	  { { CF_OPEN, 0x10000 }, { CF_OPENDIR, 0x14800 } },
	  "ppc64le",
	  2 },
	{ "the same again and again, ppc64le",
	  false,
	  { { CF_OPEN, 0x10000 }, { CF_OPEN, 0x10000 }, { CF_OPEN, 0x10000 } },
	  NULL,
	  0 },
	{ "the same with what says nothing between, ppc64",
	  true,
	  { { CF_OPEN, 0x10000 }, { CF_OPEN, 0x8000 }, { CF_OPEN, 0x10000 } },
	  NULL,
	  0 },
	{ "cat and ls, ppc64",
	  true,
	  { { CF_OPEN, 0x10000 }, { CF_OPENDIR, 0x14800 } },
	  "ppc64",
	  2 },
	{ "ls and cat, mips64el",
	  false,
	  { { CF_OPENDIR, 0x12080 }, { CF_OPEN, 0x2000 } },
	  "mips64el",
	  2 },
	{ "ls and cat, mips64",
	  true,
	  { { CF_OPENDIR, 0x12080 }, { CF_OPEN, 0x2000 } },
	  "mips64",
	  2 },
	{ "ls and cat, alpha",
	  false,
	  { { CF_OPENDIR, 0x28004 }, { CF_OPEN, 0x20000 } },
	  "alpha",
	  2 },
	/* musl's opendir(3), and `rm -r` */
	{ "ls of two kinds, mips64el",
	  false,
	  { { CF_OPENDIR, 0x12000 }, { CF_OPENDIR, 0x32080 } },
	  "mips64el",
	  2 },
	/* O_DIRECT is O_DIRECTORY to x86, and no program gets that into OPEN */
	{ "ls and dd, aarch64",
	  false,
	  { { CF_OPENDIR, 0x24800 }, { CF_OPEN, 0x30001 } },
	  "aarch64",
	  2 },
	{ "cat and dd, aarch64",
	  false,
	  { { CF_OPEN, 0x20000 }, { CF_OPEN, 0x30001 } },
	  "aarch64",
	  2 },
	/* all that x86 may send as well */
	{ "cat, ls, rm and echo, aarch64",
	  false,
	  { { CF_OPEN, 0x20000 },
	    { CF_OPENDIR, 0x24800 },
	    { CF_OPENDIR, 0x2c800 },
	    { CF_CREATE, 0x20241 } },
	  NULL,
	  0 },
	{ "ls and dd, m68k",
	  true,
	  { { CF_OPENDIR, 0x24800 }, { CF_OPEN, 0x30001 } },
	  "m68k",
	  2 },
	/* `echo > file` on a machine that has other numbers for O_CREAT */
	{ "create and ls, mips64el",
	  false,
	  { { CF_CREATE, 0x2301 }, { CF_OPENDIR, 0x12080 } },
	  "mips64el",
	  2 },
	{ "create and ls, alpha",
	  false,
	  { { CF_CREATE, 0x20601 }, { CF_OPENDIR, 0x28004 } },
	  "alpha",
	  2 },
	{ "ls and create, sparc64",
	  true,
	  { { CF_OPENDIR, 0x54000 }, { CF_CREATE, 0x40601 } },
	  "sparc64",
	  2 },
	{ "ls and create, parisc64",
	  true,
	  { { CF_OPENDIR, 0x11800 }, { CF_CREATE, 0xb01 } },
	  "parisc64",
	  2 },
	/* x86 before Linux 6.4 creates with O_DIRECTORY: 0x10000 of it */
	{ "creates, ppc64le",
	  false,
	  { { CF_CREATE, 0x10241 }, { CF_CREATE, 0x102c2 } },
	  NULL,
	  0 },
	/*
	 * 0x20000 is O_NOFOLLOW of a 32-bit x86 program that does not know
	 * large files: no decision, however often it comes.
	 */
	{ "O_NOFOLLOW or O_LARGEFILE",
	  false,
	  { { CF_OPEN, 0x20000 }, { CF_OPEN, 0x20001 }, { CF_OPEN, 0x20002 } },
	  NULL,
	  0 },
	/* What passed before the decision is translated after it. */
	{ "dd, ls, dd, aarch64",
	  false,
	  { { CF_OPEN, 0x30001 },
	    { CF_OPENDIR, 0x24800 },
	    { CF_OPEN, 0x30001 } },
	  "aarch64",
	  2 },
	/* What the kernel itself opens says nothing. */
	{ "O_RDONLY", false, { { CF_OPEN, 0 }, { CF_OPENDIR, 0 } }, NULL, 0 },
	{ "exec", false, { { CF_OPEN, 0x20 } }, NULL, 0 },
	/* Nor what fanotify(7) does: whatever its user wants. */
	{ "fanotify",
	  false,
	  { { CF_OPEN, 0x4010000 }, { CF_OPENDIR, 0x4012080 } },
	  NULL,
	  0 },
	/* Bits that no kernel has say nothing, or decide nothing. */
	{ "unknown ones beside",
	  false,
	  { { CF_OPENDIR, 0x80024800 }, { CF_OPEN, 0x40030001 } },
	  "aarch64",
	  2 },
	{ "no flags at all", false, { { CF_OPEN, 0xfa000000 } }, NULL, 0 },
	{ "every flag", false, { { CF_OPENDIR, 0xffffffff } }, NULL, 0 },
	{ "more of them",
	  false,
	  { { CF_OPEN, 0xfa000000 },
	    { CF_OPENDIR, 0xf8000000 },
	    { CF_OPENDIR, 0x24800 },
	    { CF_OPEN, 0x30001 } },
	  NULL,
	  0 },
	/* EDK2 and Windows create without O_CREAT. */
	{ "not Linux",
	  false,
	  { { CF_CREATE, 0x82 }, { CF_CREATE, 0x2 }, { CF_OPEN, 0x30001 } },
	  NULL,
	  0 },
	/* The attacks that worked: an x86_64 user's flags, O_LARGEFILE added */
	{ "open(directory, O_DIRECT|...)",
	  false,
	  { { CF_OPENDIR, 0xc000 },
	    { CF_OPENDIR, 0x1c000 },
	    { CF_OPENDIR, 0x28000 } },
	  NULL,
	  0 },
	{ "open(file, O_FASYNC|...)",
	  false,
	  { { CF_OPEN, 0xa202 }, { CF_OPEN, 0x8a402 } },
	  NULL,
	  0 },
};

static int send_flags(struct crossfuse_session *session, struct step step,
		      bool big, uint32_t *ret_flags)
{
	struct wire_text text = { .code = step.opcode,
				  .body = step.opcode == CF_CREATE ? "{4:0}444<"
								     "name>"
								   : "{4:0}4" };
	struct wire_form form = { crossfuse_abi_canonical(), big };
	struct crossfuse_call call;
	struct wire_bytes b;
	int err;

	wire_request(&b, &text, form);
	for (unsigned int i = 0; i < 4; i++)
		b.at[40 + i] = (uint8_t)(step.flags >> 8 * (big ? 3 - i : i));
	err = crossfuse_session_request(session, &call, b.at, b.len, b.len);
	*ret_flags = 0;
	for (unsigned int i = 0; i < 4; i++)
		*ret_flags |= (uint32_t)b.at[40 + i] << 8 * i;
	return err;
}

static void start(struct crossfuse_session *session, struct told *told,
		  bool big, const char *monitor, bool no_detect)
{
	struct crossfuse_config config = {
		.server = crossfuse_abi_by_name("x86_64"),
		.monitor = monitor ? crossfuse_abi_by_name(monitor) : NULL,
		.no_detect = no_detect,
		.event = tell,
		.opaque = told,
	};
	struct init_text init = { .major = 7,
				  .minor = 38,
				  .flags = LINUX_INIT };

	memset(told, 0, sizeof(*told));
	CHECK_EQ(crossfuse_session_init(session, &config), 0);
	pair_shake_hands(session, init, init, big, false);
}

static void test_story(const struct story *story)
{
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	const struct crossfuse_abi *found = NULL, *client;
	struct crossfuse_session session;
	unsigned int failed = check_failed;
	enum crossfuse_source source;
	struct told told;
	uint32_t flags;

	if (story->found)
		found = crossfuse_abi_by_name(story->found);
	start(&session, &told, story->big, NULL, false);
	for (unsigned int i = 0; i < 5 && story->steps[i].opcode; i++) {
		bool known = story->found && i + 1 >= story->at;

		CHECK_EQ(send_flags(&session, story->steps[i], story->big,
				    &flags),
			 0);
		client = crossfuse_session_client(&session, &source);
		CHECK_EQ(!!client, known);
		CHECK_EQ(source, known ? CROSSFUSE_SOURCE_TRAFFIC
				       : CROSSFUSE_SOURCE_NONE);
		/* What decided it is translated by it already. */
		CHECK_EQ(flags, known ? crossfuse_open_flags(
						found, canonical,
						story->steps[i].flags, NULL)
				      : story->steps[i].flags);
		if (known && client)
			for (int g = 0; g < CROSSFUSE_GROUP_COUNT; g++)
				if (g != CROSSFUSE_GROUP_IOCTL &&
				    g != CROSSFUSE_GROUP_POLL)
					CHECK(crossfuse_abi_same_group(
						client, found,
						(enum crossfuse_group)g));
	}
	CHECK_EQ(told.count[CROSSFUSE_EVENT_DETECTED], story->found ? 1 : 0);
	CHECK_EQ(told.count[CROSSFUSE_EVENT_CONTRADICTION], 0);
	if (check_failed != failed)
		fprintf(stderr, "  in: %s\n", story->what);
}

/* What the administrator or the monitor said is not guessed at. */
static void test_knowledge(void)
{
	struct crossfuse_session session;
	enum crossfuse_source source;
	struct told told;
	uint32_t flags;

	start(&session, &told, false, "aarch64", false);
	/* aarch64 kernels never open with 0x4000, O_DIRECTORY */
	for (unsigned int i = 0; i < 3; i++)
		CHECK_EQ(send_flags(&session, (struct step){ CF_OPEN, 0x24000 },
				    false, &flags),
			 0);
	crossfuse_session_client(&session, &source);
	CHECK_EQ(source, CROSSFUSE_SOURCE_MONITOR);
	CHECK_EQ(flags, 0x18000);
	CHECK_EQ(told.count[CROSSFUSE_EVENT_DETECTED], 0);
	CHECK_EQ(told.count[CROSSFUSE_EVENT_CONTRADICTION], 1);
	CHECK_EQ(told.last.value, 0x24000);
	CHECK_EQ(told.last.opcode, CF_OPEN);
}

/*
 * A guess that turns out wrong is taken back, and told of; and after eight
 * times nothing is guessed any more. No kernel does what this client does:
 * it pretends to be of one architecture after the other.
 */
static void test_contradiction(void)
{
	static const struct {
		struct step first, second; /* together they decide */
		const char *name;
	} turns[] = {
		{ { CF_OPENDIR, 0x14800 }, { CF_OPEN, 0x10000 }, "ppc64le" },
		{ { CF_OPENDIR, 0x24800 }, { CF_OPEN, 0x30001 }, "aarch64" },
		{ { CF_OPENDIR, 0x12080 }, { CF_OPEN, 0x2000 }, "mips64el" },
	};
	const struct crossfuse_abi *client, *server;
	struct crossfuse_session session;
	struct told told;
	uint32_t flags;

	server = crossfuse_abi_by_name("x86_64");
	start(&session, &told, false, NULL, false);
	for (unsigned int i = 0; i < 12; i++) {
		client = crossfuse_abi_by_name(turns[i % 3].name);
		CHECK_EQ(send_flags(&session, turns[i % 3].first, false,
				    &flags),
			 0);
		CHECK_EQ(flags, turns[i % 3].first.flags);
		CHECK(!crossfuse_session_client(&session, NULL));
		CHECK_EQ(told.count[CROSSFUSE_EVENT_CONTRADICTION],
			 i < 8 ? i : 8);
		if (i && i < 9)
			CHECK(told.last.client ==
			      crossfuse_abi_by_name(turns[(i - 1) % 3].name));
		CHECK_EQ(send_flags(&session, turns[i % 3].second, false,
				    &flags),
			 0);
		CHECK_EQ(told.count[CROSSFUSE_EVENT_DETECTED],
			 i < 8 ? i + 1 : 8);
		if (i >= 8)
			client = NULL;
		CHECK(crossfuse_session_client(&session, NULL) == client);
		CHECK_EQ(flags,
			 crossfuse_open_flags(client ? client : server, server,
					      turns[i % 3].second.flags, NULL));
	}
	/* The next kernel is another client. */
	pair_shake_hands(&session,
			 (struct init_text){ .major = 7, .minor = 38 },
			 (struct init_text){ .major = 7, .minor = 38 }, false,
			 false);
	CHECK(!crossfuse_session_client(&session, NULL));
	send_flags(&session, turns[0].first, false, &flags);
	send_flags(&session, turns[0].second, false, &flags);
	CHECK(crossfuse_session_client(&session, NULL) ==
	      crossfuse_abi_by_name("ppc64le"));
}

/*
 * Clients that are not Linux: by their FUSE_INIT, whatever machine the monitor
 * emulates. They have the values of Linux on x86.
 */
static void test_not_linux(void)
{
	/* virtio-win and EDK2; Zephyr; and Linux but for a flag */
	static const uint64_t flags[] = {
		CF_INIT_DO_READDIRPLUS | CF_INIT_MAX_PAGES,
		0,
		LINUX_INIT & ~CF_INIT_ASYNC_READ,
		LINUX_INIT & ~CF_INIT_FLOCK_LOCKS,
		LINUX_INIT,
		LINUX_INIT | CF_INIT_DO_READDIRPLUS | CF_INIT_SUBMOUNTS,
	};
	const struct step step = { CF_OPENDIR, 0x24000 };
	struct crossfuse_config config = {
		.server = crossfuse_abi_by_name("x86_64"),
		.monitor = crossfuse_abi_by_name("aarch64"),
	};
	struct init_text init = { .major = 7, .minor = 31 };
	struct crossfuse_session session;
	enum crossfuse_source source;
	uint32_t got;

	for (size_t i = 0; i < WIRE_COUNT(flags); i++) {
		bool from_linux = i >= 4;

		CHECK_EQ(crossfuse_session_init(&session, &config), 0);
		init.flags = flags[i];
		init.len = i ? 64 : 16;
		pair_shake_hands(&session, init,
				 (struct init_text){ .major = 7, .minor = 31 },
				 false, false);
		CHECK(crossfuse_session_client(&session, &source) ==
		      crossfuse_abi_by_name(from_linux ? "aarch64" : "x86_64"));
		CHECK_EQ(source, from_linux ? CROSSFUSE_SOURCE_MONITOR
					    : CROSSFUSE_SOURCE_INIT);
		send_flags(&session, step, false, &got);
		CHECK_EQ(got, from_linux ? 0x18000 : step.flags);
		/* The administrator knows better, and so does the client. */
		config.client = crossfuse_abi_by_name("mips64el");
		CHECK_EQ(crossfuse_session_init(&session, &config), 0);
		config.client = NULL;
		pair_shake_hands(&session, init,
				 (struct init_text){ .major = 7, .minor = 31 },
				 false, false);
		crossfuse_session_client(&session, &source);
		CHECK_EQ(source, CROSSFUSE_SOURCE_ADMIN);
	}
	/* In big-endian order there are none. */
	config.monitor = crossfuse_abi_by_name("s390x");
	init.flags = 0;
	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	pair_shake_hands(&session, init, init, true, false);
	crossfuse_session_client(&session, &source);
	CHECK_EQ(source, CROSSFUSE_SOURCE_MONITOR);
}

static void test_switched_off(void)
{
	struct crossfuse_session session;
	struct told told;
	uint32_t flags;

	start(&session, &told, false, NULL, true);
	CHECK_EQ(send_flags(&session, (struct step){ CF_OPENDIR, 0x24800 },
			    false, &flags),
		 0);
	CHECK_EQ(flags, 0x24800);
	CHECK(!crossfuse_session_client(&session, NULL));
}

int main(void)
{
	for (size_t i = 0; i < WIRE_COUNT(stories); i++)
		test_story(&stories[i]);
	test_knowledge();
	test_contradiction();
	test_not_linux();
	test_switched_off();
	return check_result();
}
