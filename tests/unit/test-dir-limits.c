// SPDX-License-Identifier: BSD-2-Clause
/* What runs out, what is too big, and other file systems in the directory. */
#include "../../src/log.h"
#include "../../src/port/dir/numbers.h"
#include "../../src/port/dir/stream.h"
#include "dir-client.h"
#include <dirent.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/xattr.h>

static void test_numbers(void)
{
	const uint64_t big = 1ull << 40;
	struct numbers numbers;
	uint64_t first;

	CHECK_EQ(numbers_init(&numbers, 7), 0);
	CHECK_EQ(number_of(&numbers, 7, 12345), 12345);
	CHECK_EQ(number_of(&numbers, 7, 0xefffffff), 0xefffffff);
	/* The host's, and another file system's apart. */
	CHECK_EQ(number_of(&numbers, 7, big), big);
	first = number_of(&numbers, 8, 12345);
	CHECK(first > UINT32_MAX && first < INT64_MAX);
	CHECK(number_of(&numbers, 8, 12346) != first);
	CHECK(number_of(&numbers, 9, 12345) != first);
	CHECK(number_of(&numbers, 8, 12345ull << 48) > UINT32_MAX);
	CHECK_EQ(number_of(&numbers, 8, 12345), first);
	numbers_reset(&numbers);
	CHECK_EQ(number_of(&numbers, 8, 12345), first);
	numbers.announced = true;
	CHECK_EQ(number_of(&numbers, 8, 12345), 12345);
	CHECK_EQ(number_of(&numbers, 8, big), big);
	/* And for a 32-bit client. */
	numbers_reset(&numbers);
	numbers.small = true;
	first = number_of(&numbers, 7, big);
	CHECK_EQ(first, 0xfffffffe);
	CHECK_EQ(number_of(&numbers, 7, big), first);
	/* One that could be taken for a number given out is given another. */
	CHECK_EQ(number_of(&numbers, 7, 0xfffffffe), 0xfffffffd);
	CHECK_EQ(number_of(&numbers, 8, 12345), 0xfffffffc);
	for (uint64_t i = 0; i < 5000; i++)
		CHECK_EQ(number_of(&numbers, 9, i), 0xfffffffb - i);
	for (uint64_t i = 0; i < 5000; i++)
		CHECK_EQ(number_of(&numbers, 9, i), 0xfffffffb - i);
	CHECK_EQ(number_of(&numbers, 7, big), first);
	numbers_reset(&numbers);
	CHECK_EQ(number_of(&numbers, 9, 1), 0xfffffffe);
	numbers_destroy(&numbers);
}

/* More files than descriptors. */
static void test_descriptors(struct client *c)
{
	struct cf_create_in in = { .flags = O_CREAT | O_RDWR,
				   .mode = S_IFREG | 0600 };
	struct cf_forget_in forget = { 1 };
	struct rlimit limit, low;
	struct cf_entry_out entry;
	uint64_t nodeids[64];
	int made = 0, ret = 0;
	char name[16];

	log_level = LOG_LEVEL_OFF;
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = 40;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
	for (int i = 0; i < 64 && ret >= 0; i++) {
		snprintf(name, sizeof(name), "many%d", i);
		mkdirat(c->root, name, 0700);
		ret = ask_lookup(c, CF_ROOT_ID, name, &entry);
		if (ret == 0)
			nodeids[made++] = entry.nodeid;
	}
	CHECK_EQ(ret, 0);
	CHECK_EQ(made, 64);
	CHECK(ask(c, CF_CREATE, CF_ROOT_ID, &in, sizeof(in), "new", NULL, 0) >
	      0);
	/* What is known still works, and forgetting makes room. */
	CHECK(ask(c, CF_GETATTR, nodeids[0], NULL, 0, NULL, NULL, 0) > 0);
	for (int i = 0; i < made; i++)
		ask(c, CF_FORGET, nodeids[i], &forget, sizeof(forget), NULL,
		    NULL, 0);
	CHECK_EQ(ask_lookup(c, CF_ROOT_ID, "many0", &entry), 0);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	log_level = LOG_LEVEL_INFO;
}

static void test_big_file(struct client *c)
{
	const uint64_t far = 5ull << 30;
	struct cf_create_in in = { .flags = O_CREAT | O_RDWR,
				   .mode = S_IFREG | 0600 };
	struct {
		struct cf_entry_out entry;
		struct cf_open_out open;
	} made = { 0 };
	struct cf_attr_out attr;
	char buf[8];

	CHECK(ask(c, CF_CREATE, CF_ROOT_ID, &in, sizeof(in), "big", &made,
		  sizeof(made)) > 0);
	CHECK_EQ(ask_write(c, made.open.fh, "far", 3, far), 3);
	CHECK_EQ(ask_read(c, made.open.fh, buf, sizeof(buf), far + 1), 2);
	CHECK(memcmp(buf, "ar", 2) == 0);
	CHECK(ask(c, CF_GETATTR, made.entry.nodeid, NULL, 0, NULL, &attr,
		  sizeof(attr)) > 0);
	CHECK_EQ(attr.attr.size, far + 3);
	CHECK_EQ(ask_write(c, made.open.fh, "x", 1, INT64_MAX), -EINVAL);
	CHECK_EQ(ask_read(c, made.open.fh, buf, 8, INT64_MAX), -EINVAL);
	ask_release(c, made.entry.nodeid, made.open.fh, 0);
}

/* A label for a new file, as a client with SELinux sends it. */
static void test_label(struct client *c)
{
	static const char name[] = "security.test", value[] = "label";
	struct cf_create_in in = { .flags = O_CREAT | O_EXCL | O_RDWR,
				   .mode = S_IFREG | 0600 };
	struct {
		struct cf_secctx_header header;
		struct cf_secctx ctx;
		char text[24];
	} ext = { .header = { 40, 1 }, .ctx = { sizeof(value), 0 } };
	char path[128], buf[16];

	memcpy(ext.text, name, sizeof(name));
	memcpy(ext.text + sizeof(name), value, sizeof(value));
	for (int wrong = 0; wrong < 3; wrong++) {
		struct request *request = request_new(CF_CREATE, CF_ROOT_ID);

		request_add(request, &in, sizeof(in));
		request_name(request, "labelled");
		ext.ctx.size = sizeof(value);
		if (wrong == 0)
			ext.ctx.size = 1000;
		if (wrong == 1)
			ext.header.size = 1000;
		else
			ext.header.size = sizeof(ext);
		request_add(request, &ext, sizeof(ext));
		request_in(request)->total_extlen = sizeof(ext) / 8;
		CHECK_EQ(request_run(c, request), wrong < 2 ? -EBADMSG : 0);
		request_free(request);
	}
	snprintf(path, sizeof(path), "%s/labelled", c->path);
	CHECK_EQ(getxattr(path, name, buf, sizeof(buf)), sizeof(value));
	CHECK(memcmp(buf, value, sizeof(value)) == 0);
}

/* Another file system in the directory, which root can arrange. */
static void test_submount(struct client *c)
{
	struct cf_read_in in = { .size = 4096 };
	_Alignas(8) char buf[4096];
	struct cf_entry_out sub, file;
	const struct cf_dirent *entry;
	char path[128];
	struct stat st;
	int fd, len;

	snprintf(path, sizeof(path), "%s/sub", c->path);
	CHECK_EQ(mkdir(path, 0700), 0);
	if (mount("tmpfs", path, "tmpfs", 0, NULL) < 0) {
		printf("no submounts here: %s\n", strerror(errno));
		return;
	}
	fd = openat(c->root, "sub/inner", O_CREAT | O_WRONLY, 0600);
	close(fd);
	CHECK_EQ(ask_lookup(c, CF_ROOT_ID, "sub", &sub), 0);
	CHECK(sub.attr.flags & CF_ATTR_SUBMOUNT);
	CHECK_EQ(ask_lookup(c, sub.nodeid, "inner", &file), 0);
	CHECK_EQ(file.attr.flags, 0);
	CHECK_EQ(fstatat(c->root, "sub/inner", &st, 0), 0);
	/* The client shows it as a file system of its own. */
	CHECK_EQ(file.attr.ino, st.st_ino);
	CHECK_EQ(ask_open(c, sub.nodeid, O_DIRECTORY, &in.fh), 0);
	len = ask(c, CF_READDIR, sub.nodeid, &in, sizeof(in), NULL, buf,
		  sizeof(buf));
	CHECK_EQ(len, 32 * 3);
	for (int at = 0; at < len; at += 32) {
		entry = (const void *)(buf + at);
		if (entry->namelen == 5)
			CHECK_EQ(entry->ino, file.attr.ino);
	}
	ask_release(c, sub.nodeid, in.fh, 0);
	CHECK_EQ(ask_lookup(c, sub.nodeid, "..", &file), 0);
	CHECK_EQ(file.nodeid, CF_ROOT_ID);
	CHECK_EQ(umount2(path, MNT_DETACH), 0);
	CHECK_EQ(ask_lookup(c, CF_ROOT_ID, "sub", &file), 0);
	CHECK(file.nodeid != sub.nodeid);
	CHECK_EQ(file.attr.flags, 0);
}

int main(void)
{
	struct client c = { .options = { .announce_submounts = true,
					 .security_label = true } };
	bool own_mounts;

	test_numbers();
	/* Before any descriptor: they keep to the mounts of their time. */
	own_mounts = unshare(CLONE_NEWNS) == 0 &&
		     mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	client_start(&c);
	test_descriptors(&c);
	test_big_file(&c);
	if (geteuid() == 0) {
		test_label(&c);
		if (own_mounts)
			test_submount(&c);
	}
	client_stop(&c);
	return check_result();
}
