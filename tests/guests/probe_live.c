// SPDX-License-Identifier: BSD-2-Clause
/*
 * Files that someone else renames, replaces and removes while they are in
 * use: on the share the host does it, on a local file system the probe
 * does the same itself.
 */
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Longer than anybody may keep names and attributes for valid. */
#define CACHE_MS 1200

static void must(int ret)
{
	if (ret < 0)
		result("act", "%s", errno_name(errno));
}

static void rewrite(const char *path, const char *text, int flags)
{
	int fd = open(path, O_WRONLY | flags, 0644);

	must(fd);
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		must(-1);
	close(fd);
}

static void first_act(void)
{
	must(rename("a", "b"));
	must(rename("d", "e"));
	rewrite("c", "from outside", O_CREAT | O_EXCL);
	must(unlink("g/f"));
	must(rmdir("g"));
	must(symlink("/etc", "g"));
	must(renameat2(AT_FDCWD, "x", AT_FDCWD, "y", 2));
}

static void second_act(void)
{
	must(unlink("b"));
	must(unlink("e/inside"));
	must(rmdir("e/sub"));
	must(rmdir("e"));
	rewrite("c", ", more", O_APPEND);
	must(chmod("x", 0601));
	rewrite("new", "replaced", O_CREAT | O_EXCL);
	must(rename("new", "y"));
	must(truncate("z", 3));
}

/* Wait until it is done and every cache has run out. */
static void act(int number, void (*alone)(void))
{
	char line[32];

	if (access("../../host", F_OK)) {
		alone();
		return;
	}
	printf("@WAIT live-%d\n", number);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		result("wait", "no answer");
	usleep(CACHE_MS * 1000);
}

static void tell_content(const char *what, const char *path)
{
	char buf[64];

	result(what, "%s", content(path, buf, sizeof(buf)));
}

static void tell_read(const char *what, int fd)
{
	char buf[64] = "";
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);

	result(what, "%s '%s'", outcome(n), buf);
}

static void after_first(int a, int d)
{
	char buf[64] = "";
	struct stat st;

	result_of("renamed-old-name", stat("a", &st));
	tell_content("renamed-content", "b");
	tell_read("renamed-read", a);
	result_of("renamed-write", pwrite(a, "X", 1, 0));
	result_of("renamed-fsync", fsync(a));
	tell_content("renamed-written", "b");
	result_of("dir-create",
		  openat(d, "inside", O_CREAT | O_EXCL | O_RDWR, 0644));
	result_of("dir-mkdir", mkdirat(d, "sub", 0755));
	result("dir-inside", "%lld", size_of("e/inside"));
	result_of("dir-old-name", stat("d", &st));
	tell_content("appeared", "c");
	result_of("link-out-readlink", readlink("g", buf, sizeof(buf) - 1));
	result("link-out", "%s", buf);
	result_of("link-out-open", open("g/passwd", O_RDONLY));
	result_of("link-out-old", open("g/f", O_RDONLY));
	tell_content("exchanged-x", "x");
	tell_content("exchanged-y", "y");
}

static void after_second(int a, int d, int y)
{
	struct stat st = { 0 };

	result_of("removed-name", stat("b", &st));
	result_of("removed-open", open("b", O_RDWR));
	tell_read("removed-read", a);
	result_of("removed-write", pwrite(a, "Y", 1, 1));
	tell_read("removed-written", a);
	result_of("removed-truncate", ftruncate(a, 2));
	result_of("removed-fsync", fsync(a));
	result_of("removed-fstat", fstat(a, &st));
	result("removed-size", "%lld", (long long)st.st_size);
	result_of("dir-removed-create",
		  openat(d, "inside", O_CREAT | O_EXCL | O_RDWR, 0644));
	result_of("dir-removed-mkdir", mkdirat(d, "sub", 0755));
	result_of("dir-removed-open", openat(d, "inside", O_RDONLY));
	result_of("dir-removed-stat", stat("e/inside", &st));
	result("appended", "%lld", size_of("c"));
	tell_content("appended-content", "c");
	stat("x", &st);
	result("chmod", "%o", st.st_mode);
	tell_content("replaced", "y");
	tell_read("replaced-still-open", y);
	result("truncated", "%lld", size_of("z"));
	tell_content("truncated-content", "z");
	result_of("again", open("b", O_CREAT | O_EXCL | O_RDWR, 0644));
	result_of("again-dir", mkdir("e", 0755));
	keep("b");
	keep("c");
	keep("y");
}

static void live(void)
{
	int a, d, y;

	make_file("a", "aaaa", 0644);
	make_file("x", "was x", 0644);
	make_file("y", "was y", 0644);
	make_file("z", "zzzzzzzz", 0644);
	tell_content("before", "z");
	mkdir("d", 0755);
	mkdir("g", 0755);
	make_file("g/f", "inside", 0644);
	a = open("a", O_RDWR);
	d = open("d", O_RDONLY | O_DIRECTORY);
	act(1, first_act);
	after_first(a, d);
	y = open("y", O_RDONLY);
	act(2, second_act);
	after_second(a, d, y);
}

const struct checks live_groups[] = {
	{ "live", live, 60 },
	{ 0 },
};
