// SPDX-License-Identifier: BSD-2-Clause
/*
 * A file whose name the host takes away, or gives to another file: ESTALE, on
 * which Linux looks the name up again, for all that would go to waste. What
 * the client has taken away itself, or has open, it may go on using.
 */
#include "dir-client.h"
#include <sys/xattr.h>

static struct client client;

static void make(const char *name)
{
	int fd = openat(client.root, name, O_CREAT | O_EXCL | O_RDWR, 0666);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "old", 3), 3);
	close(fd);
}

static uint64_t made(const char *name)
{
	make(name);
	return nodeid_of(&client, name);
}

static int try_open(uint64_t nodeid, int flags)
{
	uint64_t fh;
	int ret = ask_open(&client, nodeid, flags, &fh);

	if (ret == 0)
		CHECK_EQ(ask_release(&client, nodeid, fh, 0), 0);
	return ret;
}

static int setattr(uint64_t nodeid, struct cf_setattr_in *in)
{
	struct cf_attr_out out;
	int ret = ask(&client, CF_SETATTR, nodeid, in, sizeof(*in), NULL, &out,
		      sizeof(out));

	return ret < 0 ? ret : 0;
}

static int truncate_node(uint64_t nodeid)
{
	struct cf_setattr_in in = { .valid = CF_FATTR_SIZE };

	return setattr(nodeid, &in);
}

static int chmod_node(uint64_t nodeid)
{
	struct cf_setattr_in in = { .valid = CF_FATTR_MODE, .mode = 0600 };

	return setattr(nodeid, &in);
}

static int setxattr_node(uint64_t nodeid)
{
	struct {
		struct cf_setxattr_in in;
		char text[12];
	} arg = { .in = { .size = 1 }, .text = "user.a\0v" };
	int ret = ask(&client, CF_SETXATTR, nodeid, &arg, sizeof(arg.in) + 8,
		      NULL, NULL, 0);

	/* The test's directory may be on a file system without them. */
	return ret == -EOPNOTSUPP ? 0 : ret;
}

static int link_node(uint64_t nodeid, const char *name)
{
	struct cf_link_in in = { .oldnodeid = nodeid };
	int ret = ask(&client, CF_LINK, CF_ROOT_ID, &in, sizeof(in), name, NULL,
		      0);

	return ret < 0 ? ret : 0;
}

static int rename_node(uint64_t from, const char *name, uint64_t to,
		       const char *name2)
{
	struct cf_rename_in in = { .newdir = to };
	int ret = ask_as(&client, 0, 0, CF_RENAME, from, &in, sizeof(in), name,
			 name2, NULL, 0);

	return ret < 0 ? ret : 0;
}

static int name_op(uint32_t opcode, uint64_t parent, const char *name)
{
	struct cf_mkdir_in in = { .mode = 0755 };
	int ret = ask(&client, opcode, parent, &in,
		      opcode == CF_MKDIR ? sizeof(in) : 0, name, NULL, 0);

	return ret < 0 ? ret : 0;
}

/* Everything by the node of a file that the host has removed. */
static void check_lost(uint64_t nodeid)
{
	CHECK_EQ(try_open(nodeid, O_RDONLY), -ESTALE);
	CHECK_EQ(try_open(nodeid, O_RDWR | O_TRUNC), -ESTALE);
	CHECK_EQ(truncate_node(nodeid), -ESTALE);
	CHECK_EQ(chmod_node(nodeid), -ESTALE);
	CHECK_EQ(setxattr_node(nodeid), -ESTALE);
	CHECK_EQ(link_node(nodeid, "again"), -ESTALE);
}

static void check_usable(uint64_t nodeid)
{
	CHECK_EQ(try_open(nodeid, O_RDONLY), 0);
	CHECK_EQ(try_open(nodeid, O_RDWR | O_TRUNC), 0);
	CHECK_EQ(truncate_node(nodeid), 0);
	CHECK_EQ(chmod_node(nodeid), 0);
	CHECK_EQ(setxattr_node(nodeid), 0);
}

static void test_host_removes(void)
{
	uint64_t nodeid = made("removed");
	struct stat st;
	int fd = openat(client.root, "removed", O_RDONLY);

	CHECK_EQ(unlinkat(client.root, "removed", 0), 0);
	check_lost(nodeid);
	/* Nor is it cut off for a program that still reads it. */
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(st.st_size, 3);
	close(fd);
}

static void test_host_replaces(void)
{
	uint64_t nodeid = made("replaced");
	char buf[4] = "";
	int fd;

	make("other");
	CHECK_EQ(renameat(client.root, "other", client.root, "replaced"), 0);
	check_lost(nodeid);
	CHECK(nodeid_of(&client, "replaced") != nodeid);
	check_usable(nodeid_of(&client, "replaced"));
	fd = openat(client.root, "replaced", O_RDONLY);
	CHECK_EQ(read(fd, buf, 3), 0);
	close(fd);
}

/* It still has a name: what is written is not lost. */
static void test_host_moves(void)
{
	uint64_t nodeid = made("from");

	CHECK_EQ(renameat(client.root, "from", client.root, "to"), 0);
	check_usable(nodeid);
	nodeid = made("one");
	CHECK_EQ(linkat(client.root, "one", client.root, "two", 0), 0);
	CHECK_EQ(unlinkat(client.root, "one", 0), 0);
	check_usable(nodeid);
}

static void test_client_removes(void)
{
	uint64_t nodeid = made("ours");

	CHECK_EQ(name_op(CF_UNLINK, CF_ROOT_ID, "ours"), 0);
	check_usable(nodeid);
	nodeid = made("target");
	make("source");
	CHECK_EQ(rename_node(CF_ROOT_ID, "source", CF_ROOT_ID, "target"), 0);
	check_usable(nodeid);
	/* A name of two, and then the host the other. */
	nodeid = made("first");
	CHECK_EQ(linkat(client.root, "first", client.root, "second", 0), 0);
	CHECK_EQ(name_op(CF_UNLINK, CF_ROOT_ID, "first"), 0);
	check_usable(nodeid);
	CHECK_EQ(unlinkat(client.root, "second", 0), 0);
	check_lost(nodeid);
	/* What only fails to be removed is not removed by the client. */
	nodeid = made("stays");
	CHECK_EQ(name_op(CF_RMDIR, CF_ROOT_ID, "stays"), -ENOTDIR);
	CHECK_EQ(rename_node(CF_ROOT_ID, "stays", CF_ROOT_ID, "stays"), 0);
	CHECK_EQ(unlinkat(client.root, "stays", 0), 0);
	check_lost(nodeid);
}

/* fchmod() and its like come without a handle. */
static void test_open_file(void)
{
	struct cf_setattr_in in = { .valid = CF_FATTR_SIZE | CF_FATTR_FH };
	uint64_t nodeid = made("open"), fh;

	CHECK_EQ(ask_open(&client, nodeid, O_RDWR, &fh), 0);
	CHECK_EQ(unlinkat(client.root, "open", 0), 0);
	CHECK_EQ(chmod_node(nodeid), 0);
	CHECK_EQ(setxattr_node(nodeid), 0);
	CHECK_EQ(ask_write(&client, fh, "new", 3, 0), 3);
	in.fh = fh;
	CHECK_EQ(setattr(nodeid, &in), 0);
	CHECK_EQ(try_open(nodeid, O_RDONLY), -ESTALE);
	CHECK_EQ(ask_release(&client, nodeid, fh, 0), 0);
	check_lost(nodeid);
}

static void test_tmpfile(void)
{
	struct cf_create_in in = { .flags = O_RDWR, .mode = S_IFREG | 0600 };
	struct {
		struct cf_entry_out entry;
		struct cf_open_out open;
	} out;
	uint64_t nodeid;

	if (ask(&client, CF_TMPFILE, CF_ROOT_ID, &in, sizeof(in), "", &out,
		sizeof(out)) < 0)
		return; /* the file system has none */
	nodeid = out.entry.nodeid;
	check_usable(nodeid);
	CHECK_EQ(link_node(nodeid, "named"), 0);
	CHECK_EQ(ask_release(&client, nodeid, out.open.fh, 0), 0);
	CHECK_EQ(unlinkat(client.root, "named", 0), 0);
	check_lost(nodeid);
}

static void check_lost_dir(uint64_t nodeid)
{
	struct cf_entry_out entry;

	CHECK_EQ(try_open(nodeid, O_RDONLY | O_DIRECTORY), -ESTALE);
	CHECK_EQ(ask_lookup(&client, nodeid, "x", &entry), -ESTALE);
	CHECK_EQ(name_op(CF_MKDIR, nodeid, "x"), -ESTALE);
	CHECK_EQ(name_op(CF_UNLINK, nodeid, "x"), -ESTALE);
	CHECK_EQ(rename_node(nodeid, "x", CF_ROOT_ID, "y"), -ESTALE);
}

static void test_directory(void)
{
	struct cf_read_in in = { .size = 4096 };
	struct cf_entry_out entry;
	uint64_t nodeid, fh;

	CHECK_EQ(mkdirat(client.root, "dir", 0755), 0);
	nodeid = nodeid_of(&client, "dir");
	CHECK_EQ(ask_open(&client, nodeid, O_RDONLY | O_DIRECTORY, &fh), 0);
	CHECK_EQ(ask_lookup(&client, nodeid, "x", &entry), -ENOENT);
	CHECK_EQ(unlinkat(client.root, "dir", AT_REMOVEDIR), 0);
	/* As a local file system answers who has it open. */
	CHECK_EQ(ask_lookup(&client, nodeid, "x", &entry), -ENOENT);
	CHECK_EQ(name_op(CF_MKDIR, nodeid, "x"), -ENOENT);
	in.fh = fh;
	CHECK_EQ(ask(&client, CF_READDIR, nodeid, &in, sizeof(in), NULL, NULL,
		     0),
		 -ENOENT);
	CHECK_EQ(ask_release(&client, nodeid, fh, 0), 0);
	check_lost_dir(nodeid);
	make("file");
	CHECK_EQ(rename_node(CF_ROOT_ID, "file", nodeid, "y"), -ESTALE);
	CHECK_EQ(mkdirat(client.root, "dir", 0755), 0);
	check_lost_dir(nodeid);

	nodeid = nodeid_of(&client, "dir");
	CHECK_EQ(name_op(CF_RMDIR, CF_ROOT_ID, "dir"), 0);
	CHECK_EQ(try_open(nodeid, O_RDONLY | O_DIRECTORY), 0);
	CHECK_EQ(ask_lookup(&client, nodeid, "x", &entry), -ENOENT);
	CHECK_EQ(name_op(CF_MKDIR, nodeid, "x"), -ENOENT);
}

static void test_all(enum cache_mode cache)
{
	client = (struct client){ .options = { .cache = cache } };
	client_start(&client);
	test_host_removes();
	test_host_replaces();
	test_host_moves();
	test_client_removes();
	test_open_file();
	test_tmpfile();
	test_directory();
	client_stop(&client);
}

int main(void)
{
	umask(0);
	test_all(CACHE_AUTO);
	test_all(CACHE_ALWAYS);
	test_all(CACHE_METADATA);
	test_all(CACHE_NEVER);
	return check_result();
}
