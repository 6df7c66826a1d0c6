// SPDX-License-Identifier: BSD-2-Clause
/* Nothing outside of the directory can be reached, whatever is asked. */
#include "dir-client.h"
#include <stdatomic.h>
#include <sys/wait.h>

static struct client client;
static char outside[80]; /* a directory beside the shared one */
static struct stat outside_st;

static int fails(uint32_t opcode, const void *arg, size_t arg_len,
		 const char *name, const char *name2)
{
	return ask_as(&client, geteuid(), getegid(), opcode, CF_ROOT_ID, arg,
		      arg_len, name, name2, NULL, 0);
}

/* Names that are no names, in every operation that takes one. */
static void test_names(void)
{
	static const char *const bad[] = {
		"..", ".", "", "/", "a/b", "../x", "/etc/passwd", "a/",
	};
	struct cf_mkdir_in mkdir_in = { .mode = 0700 };
	struct cf_mknod_in mknod_in = { .mode = S_IFREG | 0600 };
	struct cf_create_in create_in = { .flags = O_CREAT | O_RDWR,
					  .mode = S_IFREG | 0600 };
	struct cf_rename_in rename_in = { CF_ROOT_ID };
	struct cf_rename2_in rename2_in = { .newdir = CF_ROOT_ID };
	struct cf_link_in link_in = { nodeid_of(&client, "file") };
	struct cf_entry_out entry;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const char *name = bad[i];

		if (i >= 2)
			CHECK_EQ(ask_lookup(&client, CF_ROOT_ID, name, &entry),
				 -EINVAL);
		CHECK_EQ(fails(CF_MKDIR, &mkdir_in, sizeof(mkdir_in), name,
			       NULL),
			 -EINVAL);
		CHECK_EQ(fails(CF_MKNOD, &mknod_in, sizeof(mknod_in), name,
			       NULL),
			 -EINVAL);
		CHECK_EQ(fails(CF_CREATE, &create_in, sizeof(create_in), name,
			       NULL),
			 -EINVAL);
		CHECK_EQ(fails(CF_SYMLINK, NULL, 0, name, "goal"), -EINVAL);
		CHECK_EQ(fails(CF_UNLINK, NULL, 0, name, NULL), -EINVAL);
		CHECK_EQ(fails(CF_RMDIR, NULL, 0, name, NULL), -EINVAL);
		CHECK_EQ(fails(CF_RENAME, &rename_in, sizeof(rename_in), name,
			       "file"),
			 -EINVAL);
		CHECK_EQ(fails(CF_RENAME, &rename_in, sizeof(rename_in), "file",
			       name),
			 -EINVAL);
		CHECK_EQ(fails(CF_RENAME2, &rename2_in, sizeof(rename2_in),
			       "file", name),
			 -EINVAL);
		CHECK_EQ(fails(CF_LINK, &link_in, sizeof(link_in), name, NULL),
			 -EINVAL);
	}
	/* The root is its own parent. */
	CHECK_EQ(ask_lookup(&client, CF_ROOT_ID, "..", &entry), 0);
	CHECK_EQ(entry.nodeid, CF_ROOT_ID);
	CHECK_EQ(ask_lookup(&client, CF_ROOT_ID, ".", &entry), 0);
	CHECK_EQ(entry.nodeid, CF_ROOT_ID);
}

static void test_symlinks(void)
{
	struct cf_create_in in = { .flags = O_CREAT | O_RDWR,
				   .mode = S_IFREG | 0600 };
	struct cf_setattr_in setattr = { .valid = CF_FATTR_MODE, .mode = 0777 };
	struct cf_entry_out entry;
	char path[128];
	uint64_t fh;

	CHECK_EQ(symlinkat(outside, client.root, "out"), 0);
	CHECK_EQ(symlinkat("/proc/self/root", client.root, "magic"), 0);
	CHECK_EQ(ask_lookup(&client, CF_ROOT_ID, "out", &entry), 0);
	CHECK_EQ(entry.attr.mode & S_IFMT, S_IFLNK);
	CHECK(ask_open(&client, entry.nodeid, O_RDONLY, &fh) < 0);
	CHECK(ask_open(&client, entry.nodeid, O_DIRECTORY, &fh) < 0);
	/* Nothing is found in it, made in it or changed by way of it. */
	CHECK_EQ(ask_lookup(&client, entry.nodeid, "secret", &entry), -ENOTDIR);
	entry.nodeid = nodeid_of(&client, "out");
	CHECK_EQ(ask(&client, CF_CREATE, entry.nodeid, &in, sizeof(in), "new",
		     NULL, 0),
		 -ENOTDIR);
	CHECK(ask(&client, CF_SETATTR, entry.nodeid, &setattr, sizeof(setattr),
		  NULL, NULL, 0) < 0);
	entry.nodeid = nodeid_of(&client, "magic");
	CHECK_EQ(ask_lookup(&client, entry.nodeid, "etc", &entry), -ENOTDIR);
	/* CREATE of a name that is a link does not follow it. */
	snprintf(path, sizeof(path), "%s/created", outside);
	CHECK_EQ(symlinkat(path, client.root, "dangling"), 0);
	CHECK_EQ(ask(&client, CF_CREATE, CF_ROOT_ID, &in, sizeof(in),
		     "dangling", NULL, 0),
		 -ELOOP);
	CHECK_EQ(access(path, F_OK), -1);
}

/* A directory that the host moves out while the client sits in it. */
static void test_moved_out(void)
{
	struct cf_entry_out entry;
	uint64_t inner, deep;
	char path[128];

	CHECK_EQ(mkdirat(client.root, "inner", 0700), 0);
	CHECK_EQ(mkdirat(client.root, "inner/deep", 0700), 0);
	inner = nodeid_of(&client, "inner");
	CHECK_EQ(ask_lookup(&client, inner, "deep", &entry), 0);
	deep = entry.nodeid;
	CHECK_EQ(ask_lookup(&client, deep, "..", &entry), 0);
	CHECK_EQ(entry.nodeid, inner);
	CHECK_EQ(ask_lookup(&client, inner, "..", &entry), 0);
	CHECK_EQ(entry.nodeid, CF_ROOT_ID);
	snprintf(path, sizeof(path), "%s/moved", outside);
	CHECK_EQ(renameat(client.root, "inner", AT_FDCWD, path), 0);
	CHECK_EQ(ask_lookup(&client, inner, "..", &entry), -ESTALE);
	CHECK_EQ(ask_lookup(&client, deep, "..", &entry), -ESTALE);
	CHECK_EQ(ask_lookup(&client, CF_ROOT_ID, "inner", &entry), -ENOENT);
}

static atomic_bool swapping;

/* The host replaces a directory by a link to the outside and back. */
static void *swap(void *unused)
{
	(void)unused;
	while (atomic_load(&swapping)) {
		renameat2(client.root, "swap", client.root, "swap-link",
			  RENAME_EXCHANGE);
		sched_yield();
	}
	return NULL;
}

static void test_swapped(void)
{
	struct cf_create_in in = { .flags = O_CREAT | O_RDWR,
				   .mode = S_IFREG | 0600 };
	struct cf_entry_out entry = { 0 }, below;
	pthread_t thread;
	unsigned int links = 0, dirs = 0;
	char path[128];

	CHECK_EQ(mkdirat(client.root, "swap", 0700), 0);
	CHECK_EQ(symlinkat(outside, client.root, "swap-link"), 0);
	atomic_store(&swapping, true);
	CHECK_EQ(pthread_create(&thread, NULL, swap, NULL), 0);
	for (int i = 0; i < 20000 && (i < 2000 || !links || !dirs); i++) {
		if (ask_lookup(&client, CF_ROOT_ID, "swap", &entry) < 0)
			continue;
		if (S_ISLNK(entry.attr.mode))
			links++;
		else
			dirs++;
		if (entry.attr.ino == outside_st.st_ino)
			CHECK_EQ(0, 1);
		CHECK(ask_lookup(&client, entry.nodeid, "secret", &below) < 0);
		ask(&client, CF_CREATE, entry.nodeid, &in, sizeof(in), "caught",
		    NULL, 0);
	}
	atomic_store(&swapping, false);
	pthread_join(thread, NULL);
	CHECK(links && dirs);
	snprintf(path, sizeof(path), "%s/caught", outside);
	CHECK_EQ(access(path, F_OK), -1);
}

/* The host's devices and pipes are not opened on behalf of the client. */
static void test_special(void)
{
	uint64_t fh;

	CHECK_EQ(mknodat(client.root, "pipe", S_IFIFO | 0666, 0), 0);
	CHECK_EQ(ask_open(&client, nodeid_of(&client, "pipe"), O_RDONLY, &fh),
		 -ENXIO);
	if (mknodat(client.root, "null", S_IFCHR | 0666, 0x103) == 0) {
		struct cf_create_in in = { .flags = O_CREAT | O_RDWR,
					   .mode = S_IFREG | 0600 };

		CHECK_EQ(ask_open(&client, nodeid_of(&client, "null"), O_RDWR,
				  &fh),
			 -ENXIO);
		CHECK_EQ(fails(CF_CREATE, &in, sizeof(in), "null", NULL),
			 -ENXIO);
	}
}

/* Numbers of nothing: never a crash, never another one's file. */
static void test_numbers(void)
{
	static const uint32_t codes[] = {
		CF_LOOKUP,	CF_GETATTR,  CF_SETATTR,  CF_READLINK,
		CF_SYMLINK,	CF_MKNOD,    CF_MKDIR,	  CF_UNLINK,
		CF_RMDIR,	CF_RENAME,   CF_LINK,	  CF_OPEN,
		CF_STATFS,	CF_SETXATTR, CF_GETXATTR, CF_LISTXATTR,
		CF_REMOVEXATTR, CF_OPENDIR,  CF_GETLK,	  CF_SETLK,
		CF_SETLKW,	CF_ACCESS,   CF_CREATE,	  CF_IOCTL,
		CF_RENAME2,	CF_SYNCFS,   CF_TMPFILE,  CF_STATX,
	};
	static const uint64_t numbers[] = {
		0,
		2000,
		1u << 31,
		UINT32_MAX,
		UINT64_MAX,
		(1ull << 32) | 1,
		0xdeadbeef00000001,
		1ull << 63,
	};
	char arg[128] = { 0 };

	memset(arg + 100, 'x', 20);
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		for (size_t j = 0; j < sizeof(numbers) / sizeof(*numbers); j++)
			CHECK(ask(&client, codes[i], numbers[j], arg,
				  sizeof(arg), "x", NULL, 0) < 0);
	for (size_t j = 0; j < sizeof(numbers) / sizeof(*numbers); j++) {
		CHECK_EQ(ask_read(&client, numbers[j], arg, 10, 0), -EBADF);
		CHECK_EQ(ask_release(&client, 1, numbers[j], 0), -EBADF);
	}
}

/* Requests that end anywhere; no opcode may read behind the end. */
static void test_short(void)
{
	unsigned int answered = 0;

	for (uint32_t opcode = 0; opcode < 64; opcode++) {
		if (opcode == CF_INIT || opcode == CF_DESTROY)
			continue;
		for (size_t len = 0; len < 130; len++) {
			struct request *request =
				request_new(opcode, CF_ROOT_ID);
			struct call *call = &request->call;
			/* Its own allocation, so that a sanitizer sees. */
			char *head = malloc(40 + len);

			memset(request->head + 40, (int)(len & 1), len);
			request->head_len = 40 + len;
			request_in(request)->total_extlen = len & 2;
			memcpy(head, request->head, 40 + len);
			call->head = head;
			call->head_len = 40 + len;
			call->room_len = 0;
			dir_submit(client.dir, call);
			request_wait(request);
			answered++;
			request_free(request);
			free(head);
		}
	}
	CHECK_EQ(answered, 62 * 130);
}

static void test_readonly(void)
{
	struct client ro = { .options = { .readonly = true, .xattr = true } };
	struct cf_create_in in = { .flags = O_CREAT | O_RDWR,
				   .mode = S_IFREG | 0600 };
	struct cf_setattr_in setattr = { .valid = CF_FATTR_MODE };
	char zeros[64] = { 0 }, buf[8];
	uint64_t nodeid, fh = 0;

	client_attach(&ro, client.path);
	ask_init(&ro, 47, CLIENT_FLAGS, NULL);
	nodeid = nodeid_of(&ro, "file");
	CHECK_EQ(ask(&ro, CF_CREATE, 1, &in, sizeof(in), "n", NULL, 0), -EROFS);
	CHECK_EQ(ask(&ro, CF_CREATE, 1, &in, sizeof(in), "file", NULL, 0),
		 -EROFS);
	CHECK_EQ(ask(&ro, CF_UNLINK, 1, NULL, 0, "file", NULL, 0), -EROFS);
	CHECK_EQ(ask(&ro, CF_MKDIR, 1, zeros, 8, "n", NULL, 0), -EROFS);
	CHECK_EQ(ask(&ro, CF_SETATTR, nodeid, &setattr, sizeof(setattr), NULL,
		     NULL, 0),
		 -EROFS);
	CHECK_EQ(ask(&ro, CF_REMOVEXATTR, nodeid, NULL, 0, "user.a", NULL, 0),
		 -EROFS);
	CHECK_EQ(ask_open(&ro, nodeid, O_RDWR, &fh), -EROFS);
	CHECK_EQ(ask_open(&ro, nodeid, O_RDONLY | O_TRUNC, &fh), -EROFS);
	CHECK_EQ(ask_open(&ro, nodeid, O_RDONLY, &fh), 0);
	CHECK_EQ(ask_read(&ro, fh, buf, sizeof(buf), 0), 4);
	CHECK_EQ(ask_write(&ro, fh, "x", 1, 0), -EROFS);
	dir_destroy(ro.dir);
}

int main(void)
{
	char path[128];
	int fd;

	client_start(&client);
	snprintf(outside, sizeof(outside), "%s-outside", client.path);
	CHECK_EQ(mkdir(outside, 0700), 0);
	CHECK_EQ(stat(outside, &outside_st), 0);
	snprintf(path, sizeof(path), "%s/secret", outside);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	fd = openat(client.root, "file", O_CREAT | O_WRONLY, 0600);
	CHECK_EQ(write(fd, "text", 4), 4);
	close(fd);
	test_names();
	test_symlinks();
	test_moved_out();
	test_swapped();
	test_special();
	test_numbers();
	test_readonly();
	test_short();
	CHECK_EQ(stat(outside, &outside_st), 0);
	CHECK_EQ(outside_st.st_mode & 0777, 0700);
	client_stop(&client);
	snprintf(path, sizeof(path), "rm -rf '%s'", outside);
	CHECK_EQ(system(path), 0);
	return check_result();
}
