// SPDX-License-Identifier: BSD-2-Clause
/*
 * Files that the client knows and that are not open: more of them than there
 * are descriptors, found again by handle or by name, and what happens when
 * descriptors run out for what the client has open.
 */
#include "../../src/log.h"
#include "../../src/port/dir/internal.h"
#include "dir-client.h"
#include <sys/resource.h>
#include <sys/wait.h>

#define LIMIT 130
#define MANY  400
#define FIRST 20

static struct client client;
static struct rlimit whole;

static void start(enum inode_handles handles, rlim_t descriptors)
{
	struct rlimit limit = whole;

	limit.rlim_cur = descriptors;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	client =
		(struct client){ .options = { .inode_file_handles = handles } };
	client_start(&client);
}

static void stop(void)
{
	client_stop(&client);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &whole), 0);
}

static bool has_handles(void)
{
	return mount_has_handles(client.dir->mounts.home);
}

static void write_file(const char *path, int i)
{
	char text[16];
	int fd = openat(client.root, path, O_CREAT | O_RDWR | O_TRUNC, 0666);
	int len = snprintf(text, sizeof(text), "%d", i);

	CHECK_EQ(write(fd, text, (size_t)len), len);
	close(fd);
}

/* What is in the file of NODEID; -1 if it cannot be read. */
static int read_node(uint64_t nodeid)
{
	char text[16] = "";
	uint64_t fh = 0;

	if (ask_open(&client, nodeid, O_RDONLY, &fh) < 0)
		return -1;
	CHECK(ask_read(&client, fh, text, sizeof(text) - 1, 0) > 0);
	CHECK_EQ(ask_release(&client, nodeid, fh, 0), 0);
	return atoi(text);
}

static int getattr(uint64_t nodeid)
{
	struct cf_attr_out out;
	int ret = ask(&client, CF_GETATTR, nodeid, NULL, 0, NULL, &out,
		      sizeof(out));

	return ret < 0 ? ret : 0;
}

static void forget(uint64_t nodeid)
{
	struct cf_forget_in in = { 1 };

	ask(&client, CF_FORGET, nodeid, &in, sizeof(in), NULL, NULL, 0);
}

/* A tree of many files in directories below each other. */
static void make_many(uint64_t *dirs, uint64_t *files)
{
	char path[2048] = ".", name[16];
	struct cf_entry_out entry = { 0 };
	uint64_t parent = CF_ROOT_ID;

	for (int i = 0; i < MANY; i++) {
		if (i % 10 == 0) {
			strcat(path, "/d");
			CHECK_EQ(mkdirat(client.root, path, 0777), 0);
			CHECK_EQ(ask_lookup(&client, parent, "d", &entry), 0);
			parent = dirs[i / 10] = entry.nodeid;
		}
		snprintf(name, sizeof(name), "f%d", i);
		strcat(strcat(path, "/"), name);
		write_file(path, i);
		*strrchr(path, '/') = '\0';
		CHECK_EQ(ask_lookup(&client, parent, name, &entry), 0);
		files[i] = entry.nodeid;
	}
}

static uint64_t file_ids[MANY], dir_ids[MANY / 10];

static void test_many(enum inode_handles handles)
{
	struct cf_rename_in in = { 0 };
	struct cf_entry_out entry = { 0 };
	char name[16];

	start(handles, LIMIT);
	make_many(dir_ids, file_ids);
	for (int i = 0; i < MANY; i++) {
		CHECK_EQ(getattr(file_ids[i]), 0);
		CHECK_EQ(read_node(file_ids[i]), i);
	}
	/* The client moves a file, and a directory with all that is below. */
	in.newdir = CF_ROOT_ID;
	CHECK_EQ(ask_as(&client, 0, 0, CF_RENAME, dir_ids[2], &in, sizeof(in),
			"f25", "moved", NULL, 0),
		 0);
	CHECK_EQ(ask_as(&client, 0, 0, CF_RENAME, dir_ids[3], &in, sizeof(in),
			"d", "lower", NULL, 0),
		 0);
	for (int i = MANY - 1; i >= 0; i--)
		CHECK_EQ(read_node(file_ids[i]), i);
	/* And once more by name: the same nodes. */
	for (int i = 0; i < MANY; i++) {
		if (i == 25)
			continue;
		snprintf(name, sizeof(name), "f%d", i);
		CHECK_EQ(ask_lookup(&client, dir_ids[i / 10], name, &entry), 0);
		CHECK_EQ(entry.nodeid, file_ids[i]);
	}
	CHECK_EQ(ask_lookup(&client, dir_ids[MANY / 10 - 1], "..", &entry), 0);
	CHECK_EQ(entry.nodeid, dir_ids[MANY / 10 - 2]);
	stop();
}

/* Others take the place of files that are known and not open. */
static void test_replaced(enum inode_handles handles)
{
	struct cf_entry_out entry = { 0 };
	char name[16];
	int new = 0;

	start(handles, LIMIT);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		write_file(name, i);
		file_ids[i] = nodeid_of(&client, name);
	}
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		CHECK_EQ(unlinkat(client.root, name, 0), 0);
	}
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		write_file(name, MANY + i);
	}
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		CHECK_EQ(read_node(file_ids[i]), -1);
		/* As Linux does on ESTALE. */
		CHECK_EQ(ask_lookup(&client, CF_ROOT_ID, name, &entry), 0);
		new += entry.nodeid != file_ids[i];
		CHECK_EQ(read_node(entry.nodeid), MANY + i);
	}
	CHECK_EQ(new, MANY);
	stop();
}

static int make(uint32_t opcode, const char *name)
{
	struct cf_mkdir_in mkdir_in = { .mode = 0755 };
	struct cf_mknod_in mknod_in = { .mode = S_IFIFO | 0644 };
	int ret;

	if (opcode == CF_SYMLINK)
		ret = ask_as(&client, 0, 0, opcode, CF_ROOT_ID, NULL, 0, name,
			     "goal", NULL, 0);
	else if (opcode == CF_MKDIR)
		ret = ask(&client, opcode, CF_ROOT_ID, &mkdir_in,
			  sizeof(mkdir_in), name, NULL, 0);
	else
		ret = ask(&client, opcode, CF_ROOT_ID, &mknod_in,
			  sizeof(mknod_in), name, NULL, 0);
	return ret < 0 ? ret : 0;
}

static int create(const char *name, uint64_t *ret_nodeid, uint64_t *ret_fh)
{
	struct cf_create_in in = { .flags = O_CREAT | O_EXCL | O_RDWR,
				   .mode = S_IFREG | 0600 };
	struct {
		struct cf_entry_out entry;
		struct cf_open_out open;
	} out;
	int ret = ask(&client, CF_CREATE, CF_ROOT_ID, &in, sizeof(in), name,
		      &out, sizeof(out));

	if (ret < 0)
		return ret;
	*ret_nodeid = out.entry.nodeid;
	*ret_fh = out.open.fh;
	return 0;
}

static bool exists(const char *name)
{
	return faccessat(client.root, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Nothing is done by half, and what is open can be closed. */
static void check_exhausted(uint64_t nodeid, uint64_t fh)
{
	static const uint32_t opcodes[] = { CF_MKDIR, CF_MKNOD, CF_SYMLINK };
	struct cf_flush_in flush = { .fh = fh };
	uint64_t other, other_fh;
	char name[16];
	int ret;

	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "made%zu", i);
		unlinkat(client.root, name, i ? 0 : AT_REMOVEDIR);
		ret = make(opcodes[i], name);
		CHECK(ret == 0 || ret == -ENFILE);
		CHECK_EQ(exists(name), ret == 0);
	}
	CHECK_EQ(create("excl", &other, &other_fh), -ENFILE);
	CHECK(!exists("excl"));
	CHECK_EQ(ask_open(&client, nodeid, O_RDONLY, &other_fh), -ENFILE);
	CHECK_EQ(ask_open(&client, CF_ROOT_ID, O_DIRECTORY, &other_fh),
		 -ENFILE);
	CHECK_EQ(ask_write(&client, fh, "x", 1, 0), 1);
	CHECK_EQ(ask(&client, CF_FLUSH, nodeid, &flush, sizeof(flush), NULL,
		     NULL, 0),
		 0);
}

static void test_exhausted(enum inode_handles handles)
{
	uint64_t nodes[LIMIT], fhs[LIMIT];
	int count = 0, spare = 0, fds[LIMIT], ret = 0;
	char name[16];

	start(handles, LIMIT);
	log_level = LOG_LEVEL_OFF;
	while (ret == 0 && count < LIMIT) {
		snprintf(name, sizeof(name), "open%d", count);
		ret = create(name, &nodes[count], &fhs[count]);
		CHECK_EQ(exists(name), ret == 0);
		count += ret == 0;
	}
	CHECK_EQ(ret, -ENFILE);
	CHECK(count > LIMIT / 4);
	check_exhausted(nodes[0], fhs[0]);
	/* The reserve is for whoever else is in this process. */
	while (spare < LIMIT && (fds[spare] = dup(client.root)) >= 0)
		spare++;
	CHECK(spare > FIRST);
	/* Not even that is left. */
	check_exhausted(nodes[0], fhs[0]);
	while (spare)
		close(fds[--spare]);
	for (int i = 0; i < count; i++)
		CHECK_EQ(ask_release(&client, nodes[i], fhs[i], 0), 0);
	CHECK_EQ(create("again", &nodes[0], &fhs[0]), 0);
	CHECK_EQ(ask_release(&client, nodes[0], fhs[0], 0), 0);
	log_level = LOG_LEVEL_INFO;
	stop();
}

/* Descriptors of this process. */
static int count_open(void)
{
	int count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* What nobody uses is closed, and what the client removed is not. */
static void test_idle(void)
{
	int before, waited = 0;
	uint64_t nodeid, fh = 0;
	char name[16];

	start(HANDLES_PREFER, 1024);
	if (!has_handles()) {
		printf("no file handles here\n");
		stop();
		return;
	}
	write_file("ours", 1);
	nodeid = nodeid_of(&client, "ours");
	CHECK(ask(&client, CF_UNLINK, CF_ROOT_ID, NULL, 0, "ours", NULL, 0) >=
	      0);
	write_file("theirs", 1);
	CHECK_EQ(ask_open(&client, nodeid_of(&client, "theirs"), O_RDWR, &fh),
		 0);
	CHECK_EQ(unlinkat(client.root, "theirs", 0), 0);
	before = count_open();
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		write_file(name, i);
		file_ids[i] = nodeid_of(&client, name);
	}
	CHECK(count_open() >= before + 100);
	/* The client's own pace: a second or two. */
	while (count_open() > before && waited++ < 3000)
		usleep(10000);
	CHECK(count_open() <= before);
	CHECK_EQ(getattr(nodeid), 0);
	CHECK_EQ(read_node(nodeid), 1);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(read_node(file_ids[i]), i);
	CHECK_EQ(ask_release(&client, nodeid, fh, 0), 0);
	stop();
}

/*
 * A client that has forgotten a file does not know it, but may come back with
 * its number where there are handles: of a file handle of its own.
 */
static void test_forgotten(enum inode_handles handles)
{
	struct cf_entry_out first = { 0 }, again = { 0 };
	uint64_t nodeid, directory;

	start(handles, LIMIT);
	write_file("f", 1);
	CHECK_EQ(mkdirat(client.root, "d", 0777), 0);
	CHECK_EQ(ask_lookup(&client, CF_ROOT_ID, "f", &first), 0);
	directory = nodeid_of(&client, "d");
	nodeid = first.nodeid;
	CHECK(first.generation);
	forget(nodeid);
	forget(directory);
	CHECK_EQ(getattr(nodeid), -ESTALE);
	CHECK_EQ(getattr(nodeid + ((uint64_t)1 << 32)), -ESTALE);
	CHECK_EQ(ask_lookup(&client, nodeid + ((uint64_t)1 << 32), ".", &again),
		 -ESTALE);
	if (!has_handles()) {
		CHECK_EQ(ask_lookup(&client, nodeid, ".", &again), -ESTALE);
		CHECK(nodeid_of(&client, "f") != nodeid);
		stop();
		return;
	}
	CHECK_EQ(ask_lookup(&client, nodeid, ".", &again), 0);
	CHECK_EQ(again.nodeid, nodeid);
	CHECK_EQ(again.generation, first.generation);
	CHECK_EQ(again.attr.ino, first.attr.ino);
	CHECK_EQ(read_node(nodeid), 1);
	CHECK_EQ(ask_lookup(&client, directory, "..", &again), 0);
	CHECK_EQ(again.nodeid, CF_ROOT_ID);
	CHECK_EQ(again.generation, 0);
	/* Not under another number meanwhile. */
	forget(nodeid);
	CHECK_EQ(nodeid_of(&client, "f"), nodeid);
	forget(nodeid);
	/* What has no name any more does not come back. */
	write_file("g", 2);
	CHECK_EQ(renameat(client.root, "g", client.root, "f"), 0);
	CHECK_EQ(ask_lookup(&client, nodeid, ".", &again), -ESTALE);
	nodeid = nodeid_of(&client, "f");
	forget(nodeid);
	CHECK_EQ(ask(&client, CF_UNLINK, CF_ROOT_ID, NULL, 0, "f", NULL, 0), 0);
	CHECK_EQ(ask_lookup(&client, nodeid, ".", &again), -ESTALE);
	stop();
}

/* They are so many and no more; and no other server's. */
static void test_many_forgotten(void)
{
	struct cf_entry_out first = { 0 }, other = { 0 }, again;

	start(HANDLES_PREFER, LIMIT);
	if (!has_handles()) {
		stop();
		return;
	}
	write_file("f", 1);
	write_file("other", 2);
	CHECK_EQ(ask_lookup(&client, CF_ROOT_ID, "f", &first), 0);
	forget(first.nodeid);
	for (int i = 1; i < FORGOTTEN_MOST; i++)
		forget(nodeid_of(&client, "other"));
	CHECK_EQ(ask_lookup(&client, first.nodeid, ".", &again), 0);
	forget(first.nodeid);
	for (int i = 0; i < FORGOTTEN_MOST; i++)
		forget(nodeid_of(&client, "other"));
	CHECK_EQ(ask_lookup(&client, first.nodeid, ".", &again), -ESTALE);
	stop();
	start(HANDLES_PREFER, LIMIT);
	write_file("f", 1);
	CHECK_EQ(ask_lookup(&client, CF_ROOT_ID, "f", &other), 0);
	CHECK(other.generation != first.generation);
	stop();
}

/* Makes and removes files until it is killed. */
static pid_t make_files(void)
{
	pid_t child = fork();
	char name[16];

	if (child)
		return child;
	for (unsigned int i = 0;; i++) {
		snprintf(name, sizeof(name), "n%u", i % 50);
		unlinkat(client.root, name, 0);
		close(openat(client.root, name, O_CREAT | O_WRONLY, 0600));
	}
}

/*
 * A file is gone, and that is all, also in the moment in which another gets its
 * number.
 */
static void test_numbers_given_anew(void)
{
	uint64_t nodeids[200];
	struct cf_entry_out entry;
	int before, waited = 0;
	char name[16];
	pid_t child;

	start(HANDLES_PREFER, LIMIT);
	before = count_open();
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		write_file(name, i);
		nodeids[i] = nodeid_of(&client, name);
	}
	while (has_handles() && count_open() > before && waited++ < 3000)
		usleep(10000);
	child = make_files();
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		CHECK_EQ(unlinkat(client.root, name, 0), 0);
		for (int k = 0; k < 200 && has_handles(); k++)
			CHECK_EQ(ask_lookup(&client, nodeids[i], ".", &entry),
				 -ESTALE);
	}
	kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	stop();
}

int main(void)
{
	static const enum inode_handles modes[] = { HANDLES_PREFER,
						    HANDLES_NEVER };

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &whole), 0);
	/* With the buckets under 150 bytes for each file that is known. */
	CHECK_EQ(sizeof(struct inode) <= 136, true);
	for (size_t i = 0; i < 2; i++) {
		test_many(modes[i]);
		test_replaced(modes[i]);
		test_exhausted(modes[i]);
	}
	test_idle();
	test_forgotten(HANDLES_PREFER);
	test_forgotten(HANDLES_NEVER);
	test_many_forgotten();
	test_numbers_given_anew();
	return check_result();
}
