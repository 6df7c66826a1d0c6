// SPDX-License-Identifier: BSD-2-Clause
/*
 * RENAME2 on a file system that knows no flags: the kernel says EINVAL to them,
 * which a filter of system calls plays here.
 */
#include "dir-client.h"
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static struct client client;

/* The low half of an argument. */
#define ARGUMENT(n)                               \
	(offsetof(struct seccomp_data, args[n]) + \
	 (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0))

static int refuse_flags(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(4)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno
									: 0;
}

static int ask_rename(const char *from, const char *to, uint32_t flags)
{
	struct cf_rename2_in in = { .newdir = nodeid_of(&client, "dir"),
				    .flags = flags };
	struct request *request = request_new(CF_RENAME2, CF_ROOT_ID);
	int ret;

	request_add(request, &in, sizeof(in));
	request_name(request, from);
	request_name(request, to);
	ret = request_run(&client, request);
	request_free(request);
	return ret;
}

static void make(const char *name, const char *text)
{
	int fd = openat(client.root, name, O_CREAT | O_WRONLY, 0600);

	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static ino_t number_of_file(const char *name)
{
	struct stat st;

	return fstatat(client.root, name, &st, AT_SYMLINK_NOFOLLOW) < 0
		       ? 0
		       : st.st_ino;
}

static void test_noreplace(void)
{
	ino_t file, other, link;
	struct stat st;

	make("file", "file");
	make("dir/other", "other");
	CHECK_EQ(symlinkat("nowhere", client.root, "link"), 0);
	CHECK_EQ(mkdirat(client.root, "sub", 0700), 0);
	file = number_of_file("file");
	other = number_of_file("dir/other");
	link = number_of_file("link");

	CHECK_EQ(ask_rename("file", "other", RENAME_NOREPLACE), -EEXIST);
	CHECK_EQ(number_of_file("file"), file);
	CHECK_EQ(number_of_file("dir/other"), other);
	CHECK_EQ(ask_rename("missing", "new", RENAME_NOREPLACE), -ENOENT);
	CHECK_EQ(ask_rename("file", "new", RENAME_NOREPLACE), 0);
	CHECK_EQ(number_of_file("file"), 0);
	CHECK_EQ(number_of_file("dir/new"), file);
	CHECK_EQ(fstatat(client.root, "dir/new", &st, 0), 0);
	CHECK_EQ(st.st_nlink, 1);
	CHECK_EQ(ask_rename("link", "link", RENAME_NOREPLACE), 0);
	CHECK_EQ(number_of_file("link"), 0);
	CHECK_EQ(number_of_file("dir/link"), link);
	/* A directory has one name: there is no way to do that. */
	CHECK_EQ(ask_rename("sub", "sub", RENAME_NOREPLACE), -EINVAL);
	CHECK(number_of_file("sub") && !number_of_file("dir/sub"));
}

static void test_others(void)
{
	make("a", "a");
	make("dir/b", "b");
	CHECK_EQ(ask_rename("a", "b", RENAME_EXCHANGE), -EINVAL);
	CHECK_EQ(ask_rename("a", "c", RENAME_WHITEOUT), -EINVAL);
	CHECK_EQ(ask_rename("a", "c", RENAME_NOREPLACE | RENAME_WHITEOUT),
		 -EINVAL);
	CHECK(number_of_file("a") && !number_of_file("dir/c"));
	CHECK_EQ(ask_rename("a", "b", 0), 0);
	CHECK(!number_of_file("a"));
}

int main(void)
{
	client_start(&client);
	CHECK_EQ(mkdirat(client.root, "dir", 0700), 0);
	if (refuse_flags() < 0) {
		client_stop(&client);
		printf("needs filters of system calls\n");
		return 77;
	}
	test_noreplace();
	test_others();
	client_stop(&client);
	return check_result();
}
