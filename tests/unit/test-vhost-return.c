// SPDX-License-Identifier: BSD-2-Clause
/*
 * vhost: a back end ends with requests in hand, and another one is started at
 * its socket: what is asked again, what is not, and whose numbers are whose.
 */
#include "vhost-back-end.h"

/* What the second back end's numbers look like to the client. */
#define SECOND (UINT64_C(1) << 48)

static int listener;
static pthread_t thread;
static struct server_port *port;

static void start_back_end(enum lie how)
{
	lie = how;
	CHECK_EQ(pthread_create(&thread, NULL, back_end, &listener), 0);
}

static void begin(const char *path, uint64_t seconds)
{
	const struct server_port_ops *ops = server_port_find("vhost", 5);
	const struct options options = { 0 };

	*(uint64_t *)ops->options[0][0].value = seconds;
	init_flags = 0;
	start_back_end(HONEST);
	CHECK_EQ(ops->open(path, &options, &port), 0);
	CHECK_EQ(relay_init(&relay, NULL, port, &options, NULL), 0);
	CHECK_EQ(ask_init(), 0);
}

static void end(void)
{
	CHECK_EQ(relay_in_flight(&relay), 0);
	relay_destroy(&relay);
	pthread_join(thread, NULL);
	port->ops->close(port);
}

static int ask_of(uint64_t node, uint32_t opcode)
{
	char arg[sizeof(struct cf_read_in)] = { 0 }, room[256];
	struct test_call test;

	submit(&test, opcode, node, arg,
	       opcode == CF_GETXATTR ? sizeof(struct cf_getxattr_in) : 0, room,
	       sizeof(room));
	return wait_for(&test);
}

static uint64_t look_up(void)
{
	struct test_call test;
	char room[256];

	CHECK_EQ(ask(&test, CF_LOOKUP, "a", 2, room, sizeof(room)), 0);
	return ((struct cf_entry_out *)(void *)((char *)test.out + 16))->nodeid;
}

static uint64_t open_root(void)
{
	struct cf_open_in in = { 0 };
	struct test_call test;
	char room[256];

	CHECK_EQ(ask(&test, CF_OPENDIR, &in, sizeof(in), room, sizeof(room)),
		 0);
	return ((struct cf_open_out *)(void *)((char *)test.out + 16))->fh;
}

static int sync_root(uint64_t handle)
{
	struct cf_fsync_in in = { .fh = handle };
	struct test_call test;
	char room[16];

	return ask(&test, CF_FSYNCDIR, &in, sizeof(in), room, sizeof(room));
}

/* Those that were given out before are stale, in every place. */
static void check_numbers(uint64_t node, uint64_t handle)
{
	struct cf_link_in link = { .oldnodeid = node };
	struct cf_release_in release = { .fh = handle };
	static char bytes[BYTES];
	char arg[sizeof(link) + 2] = { 0 }, room[256];
	struct test_call test;

	memcpy(arg, &link, sizeof(link));
	arg[sizeof(link)] = 'l';
	CHECK_EQ(ask_of(node, CF_READLINK), -ESTALE);
	CHECK_EQ(ask(&test, CF_LINK, arg, sizeof(arg), room, sizeof(room)),
		 -ESTALE);
	CHECK_EQ(sync_root(handle), -ESTALE);
	CHECK_EQ(ask_read(&test, bytes), -ESTALE);
	CHECK_EQ(ask(&test, CF_RELEASEDIR, &release, sizeof(release), room, 16),
		 0);
	CHECK_EQ(look_up(), SECOND | NODE);
	CHECK_EQ(ask_of(SECOND | NODE, CF_READLINK), 0);
	CHECK_EQ(atomic_load(&seen_node), NODE);
	CHECK_EQ(open_root(), SECOND | HANDLE);
	CHECK_EQ(sync_root(SECOND | HANDLE), 0);
}

/* One request is in hand when the back end ends. */
static void check_taken(const char *path, uint32_t opcode, uint64_t node,
			int want)
{
	const char arg[] = "\0\0\0\0\0\0\0\0name"; /* of MKDIR */
	uint64_t old_node, old_handle;
	struct test_call test;
	char room[256];

	begin(path, 20);
	old_node = look_up();
	old_handle = open_root();
	CHECK_EQ(old_node, NODE);
	lie = LEAVES;
	submit(&test, opcode, node, arg, opcode == CF_MKDIR ? sizeof(arg) : 0,
	       room, sizeof(room));
	pthread_join(thread, NULL);
	start_back_end(HONEST);
	CHECK_EQ(wait_for(&test), want);
	CHECK_EQ(test.completions, 1);
	check_numbers(old_node, old_handle);
	end();
}

/* It agrees to something else than the client was told. */
static void check_other(const char *path)
{
	struct test_call test;
	char room[256];

	begin(path, 20);
	lie = LEAVES;
	submit(&test, CF_STATFS, 1, NULL, 0, room, sizeof(room));
	pthread_join(thread, NULL);
	init_flags = CF_INIT_BIG_WRITES;
	start_back_end(HONEST);
	CHECK_EQ(wait_for(&test), -ENOTCONN);
	CHECK_EQ(ask_of(1, CF_READLINK), -ENOTCONN);
	pthread_join(thread, NULL);
	start_back_end(HONEST);
	CHECK_EQ(ask_init(), 0);
	CHECK_EQ(look_up() & 0xffff, NODE);
	end();
}

/* None comes in time; and then one does. */
static void check_late(const char *path)
{
	struct test_call test;
	char room[256];

	begin(path, 1);
	lie = LEAVES;
	submit(&test, CF_READLINK, 1, NULL, 0, room, sizeof(room));
	pthread_join(thread, NULL);
	/* Who only listens does not serve. */
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(wait_for(&test), -ENOTCONN);
	CHECK_EQ(ask_of(1, CF_READLINK), -ENOTCONN);
	close(listener);
	listener = listen_at(path);
	start_back_end(HONEST);
	while (ask_of(1, CF_READLINK) == -ENOTCONN)
		usleep(1000);
	CHECK_EQ(look_up(), SECOND | NODE);
	end();
}

int main(void)
{
	char dir[] = "/tmp/crossfuse-test-XXXXXX", path[64];

	alarm(60);
	log_level = LOG_LEVEL_OFF;
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/s", dir);
	listener = listen_at(path);
	check_taken(path, CF_READLINK, 1, 0);
	check_taken(path, CF_READLINK, NODE, -ESTALE);
	check_taken(path, CF_MKDIR, 1, -EIO);
	check_taken(path, CF_MKDIR, NODE, -EIO);
	check_other(path);
	check_late(path);
	unlink(path);
	rmdir(dir);
	return check_result();
}
