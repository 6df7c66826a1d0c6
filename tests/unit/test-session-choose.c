/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whatever open flags the users of a client choose, it is not taken for one of
 * another architecture because of them: all combinations, as the kernel of each
 * group of values lets them through to FUSE, for a server of the same group.
 */
#include "session-pair.h"

/* What open(2) takes, in canonical flags. */
enum {
	TRUNC = 0x200,
	APPEND = 0x400,
	NONBLOCK = 0x800,
	DSYNC = 0x1000,
	FASYNC = 0x2000,
	DIRECT = 0x4000,
	LARGEFILE = 0x8000,
	DIRECTORY = 0x10000,
	NOFOLLOW = 0x20000,
	NOATIME = 0x40000,
	CLOEXEC = 0x80000,
	SYNC = 0x101000,
	CREAT = 0x40,
	EXCL = 0x80,
	EXEC = 0x20, /* execve(2) */
};

static const uint32_t choices[] = {
	1,	TRUNC,	   APPEND,   NONBLOCK, DSYNC, SYNC, FASYNC,
	DIRECT, DIRECTORY, NOFOLLOW, NOATIME,  EXCL,  2,    LARGEFILE,
};

enum {
	CHOICES = WIRE_COUNT(choices),
	EVERY = 1 << CHOICES,
};

/*
 * What reaches FUSE of a user's choice. FUSE takes O_EXCL out of all but
 * CREATE, and O_CREAT, O_NOCTTY everywhere else; O_DIRECTORY fails for what is
 * no directory; O_CLOEXEC belongs to the descriptor, and stays with some
 * kernels. FORCED: a 64-bit kernel without 32-bit programs.
 */
static uint32_t let_through(uint32_t opcode, uint32_t chosen, bool forced)
{
	uint32_t flags = 0;

	for (unsigned int i = 0; i < CHOICES; i++)
		if (chosen & 1u << i)
			flags |= choices[i];
	if (chosen % 7 == 0)
		flags |= CLOEXEC;
	if (forced)
		flags |= LARGEFILE;
	if (opcode == CF_CREATE)
		return flags | CREAT;
	flags &= ~(uint32_t)EXCL;
	if (opcode == CF_OPEN)
		flags &= ~(uint32_t)DIRECTORY;
	if (opcode == CF_OPEN && chosen % 5 == 0)
		flags |= EXEC;
	return flags;
}

static unsigned int detected;

static void tell(void *opaque, const struct crossfuse_event *event)
{
	(void)opaque;
	detected += event->type == CROSSFUSE_EVENT_DETECTED;
}

/* The flags as the server has them. */
static uint32_t send_flags(struct crossfuse_session *session, uint32_t opcode,
			   uint32_t flags, bool big, bool server_big)
{
	static const char *const bodies[] = { "{4:0}4", "{4:0}444<name>" };
	struct wire_text text = { .code = opcode,
				  .body = bodies[opcode == CF_CREATE] };
	struct wire_form form = { crossfuse_abi_canonical(), big };
	struct crossfuse_call call;
	struct wire_bytes b;
	uint32_t now = 0;

	wire_request(&b, &text, form);
	for (unsigned int i = 0; i < 4; i++)
		b.at[40 + i] = (uint8_t)(flags >> 8 * (big ? 3 - i : i));
	if (crossfuse_session_request(session, &call, b.at, b.len, b.len))
		return ~flags;
	for (unsigned int i = 0; i < 4; i++)
		now |= (uint32_t)b.at[40 + i] << 8 * (server_big ? 3 - i : i);
	return now;
}

static void start(struct crossfuse_session *session,
		  const struct crossfuse_abi *server, bool big)
{
	struct crossfuse_config config = { .server = server, .event = tell };
	struct init_text init = { .major = 7,
				  .minor = 38,
				  .flags = LINUX_INIT };

	CHECK_EQ(crossfuse_session_init(session, &config), 0);
	pair_shake_hands(session, init, init, big,
			 crossfuse_abi_big_endian(server));
	detected = 0;
}

static bool same_flags(const struct crossfuse_abi *a,
		       const struct crossfuse_abi *b)
{
	return crossfuse_abi_same_group(a, b, CROSSFUSE_GROUP_OPEN_FLAGS);
}

/*
 * All of it on one connection, in an order that is as good as any: ODD is what
 * the number of a combination is multiplied by.
 */
static void test_client(const struct crossfuse_abi *client,
			const struct crossfuse_abi *server, bool forced,
			uint32_t odd)
{
	static const uint32_t opcodes[] = { CF_OPEN, CF_OPENDIR, CF_CREATE };
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	bool big = crossfuse_abi_big_endian(client);
	bool server_big = crossfuse_abi_big_endian(server);
	struct crossfuse_session session;
	unsigned int wrong = 0;

	start(&session, server, big);
	for (uint32_t i = 0; i < 3 * EVERY && wrong < 3; i++) {
		uint32_t opcode = opcodes[i % 3];
		uint32_t chosen = i / 3 * odd % EVERY;
		uint32_t flags = crossfuse_open_flags(
			canonical, client, let_through(opcode, chosen, forced),
			NULL);
		const struct crossfuse_abi *found;
		uint32_t now;

		now = send_flags(&session, opcode, flags, big, server_big);
		found = crossfuse_session_client(&session, NULL);
		if (now == flags && (!found || same_flags(found, client)))
			continue;
		wrong++;
		fprintf(stderr, "%s: opcode %u, flags 0x%x: %s\n",
			crossfuse_abi_name(client), opcode, flags,
			found ? crossfuse_abi_name(found) : "-");
	}
	CHECK_EQ(wrong, 0);
	if (big == server_big)
		CHECK_EQ(detected, 0);
}

/* Each alone, and twice: on a connection of its own. */
static void test_first(const struct crossfuse_abi *client, bool forced)
{
	static const uint32_t opcodes[] = { CF_OPEN, CF_OPENDIR, CF_CREATE };
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	bool big = crossfuse_abi_big_endian(client);
	struct crossfuse_session fresh, session;
	const struct crossfuse_abi *found;
	unsigned int wrong = 0;

	start(&fresh, client, big);
	for (uint32_t i = 0; i < 3 * EVERY; i += 1 + i % 7) {
		uint32_t opcode = opcodes[i % 3];
		uint32_t flags = crossfuse_open_flags(
			canonical, client, let_through(opcode, i / 3, forced),
			NULL);

		memcpy(&session, &fresh, sizeof(session));
		wrong += send_flags(&session, opcode, flags, big, big) != flags;
		wrong += send_flags(&session, CF_OPENDIR, flags, big, big) !=
			 flags;
		found = crossfuse_session_client(&session, NULL);
		wrong += found && !same_flags(found, client);
	}
	if (!CHECK_EQ(wrong, 0))
		fprintf(stderr, "  %s\n", crossfuse_abi_name(client));
}

/* Kernels that force O_LARGEFILE into every open. */
static bool is_forced(const struct crossfuse_abi *abi)
{
	return abi == crossfuse_abi_by_name("ppc64le") ||
	       abi == crossfuse_abi_by_name("alpha");
}

/* The first of its values, its byte order and its width. */
static bool is_first(size_t index)
{
	const struct crossfuse_abi *abi = crossfuse_abi_at(index), *other;

	for (size_t i = 0; i < index; i++) {
		other = crossfuse_abi_at(i);
		if (same_flags(abi, other) &&
		    crossfuse_abi_big_endian(abi) ==
			    crossfuse_abi_big_endian(other))
			return false;
	}
	return true;
}

int main(void)
{
	const struct crossfuse_abi *x86_64 = crossfuse_abi_by_name("x86_64");
	const struct crossfuse_abi *abi;

	for (size_t i = 0; (abi = crossfuse_abi_at(i)); i++) {
		if (!is_first(i))
			continue;
		test_client(abi, abi, is_forced(abi), 1);
		test_first(abi, is_forced(abi));
	}
	/* Whatever comes first. */
	test_client(x86_64, x86_64, true, 0x2f35);
	test_client(x86_64, x86_64, false, 0x1d2b);
	/* Of the other byte order, but with the same flags. */
	test_client(crossfuse_abi_by_name("s390x"), x86_64, true, 1);
	test_client(crossfuse_abi_by_name("openrisc"), x86_64, false, 0x2f35);
	return check_result();
}
