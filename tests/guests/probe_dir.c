// SPDX-License-Identifier: BSD-2-Clause
/* Directories: large ones, positions in them, names. */
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MANY  10000
#define MARKS 40

static char (*names)[32];

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Number of entries, of different ones, and a checksum of all names. */
static void tell_names(const char *what, size_t n)
{
	size_t twice = 0;
	uint32_t crc = 0;

	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++) {
		if (i && !strcmp(names[i], names[i - 1]))
			twice++;
		crc = crc32_of(crc, names[i], strlen(names[i]));
	}
	result(what, "%zu entries, %zu twice, crc=%08x", n, twice, crc);
}

static size_t read_names(DIR *d, size_t *ret_regular)
{
	struct dirent *e;
	size_t n = 0;

	*ret_regular = 0;
	errno = 0;
	while (n < 2 * MANY && (e = readdir(d))) {
		if (e->d_type == DT_REG)
			++*ret_regular;
		snprintf(names[n++], sizeof(*names), "%.31s", e->d_name);
	}
	if (errno)
		result("readdir", "%s", errno_name(errno));
	return n;
}

static void fill(int n)
{
	char name[32];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "many/file-%05d", i);
		if (mknod(name, S_IFREG | 0644, 0)) {
			result("fill", "%s", errno_name(errno));
			return;
		}
	}
}

/* Every remembered position must lead back to what came after it. */
static void positions(DIR *d)
{
	char after[MARKS][32];
	long mark[MARKS];
	struct dirent *e;
	int n = 0, wrong = 0;

	rewinddir(d);
	for (int i = 0;; i++) {
		long here = telldir(d);

		e = readdir(d);
		if (!e)
			break;
		if (i % (MANY / MARKS + 1) == 0 && n < MARKS) {
			snprintf(after[n], sizeof(*after), "%.31s", e->d_name);
			mark[n++] = here;
		}
	}
	for (int k = n - 1; k >= 0; k--) {
		seekdir(d, mark[k]);
		e = readdir(d);
		if (!e || strcmp(e->d_name, after[k]))
			wrong++;
	}
	result("seekdir", "%d positions, %d wrong", n, wrong);
}

/* As "rm -r" does it: remove what was just read. */
static void remove_while_reading(void)
{
	DIR *d = opendir("many");
	struct dirent *e;
	int seen = 0;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		seen++;
		if (seen % 2 && unlinkat(dirfd(d), e->d_name, 0))
			result("unlinkat", "%s", errno_name(errno));
	}
	result("remove-while-reading", "%d seen", seen);
	if (d)
		closedir(d);
}

static void big_dir(void)
{
	size_t n, regular;
	DIR *d;

	names = calloc(2 * MANY, sizeof(*names));
	if (mkdir("many", 0755) || !names)
		result("mkdir", "%s", errno_name(errno));
	fill(MANY);
	d = opendir("many");
	if (!d) {
		result("opendir", "%s", errno_name(errno));
		return;
	}
	n = read_names(d, &regular);
	tell_names("readdir", n);
	result("types", "%zu regular", regular);
	positions(d);
	rewinddir(d);
	n = read_names(d, &regular);
	tell_names("rewound", n);
	closedir(d);
	result_of("rmdir", rmdir("many"));
	remove_while_reading();
	d = opendir("many");
	if (d) {
		n = read_names(d, &regular);
		result("left", "%zu", n);
		closedir(d);
	}
	free(names);
}

struct linux_dirent64 {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

/* A buffer of 256 bytes forces a position after every few entries. */
static void small_buffer(void)
{
	char name[32];
	char buf[256] __attribute__((aligned(8)));
	int count = 0, wrong_ino = 0, calls = 0;
	long n;
	int fd;

	mkdir("many", 0755);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "many/e%d", i);
		make_file(name, "", 0644);
	}
	fd = open("many", O_RDONLY | O_DIRECTORY);
	while ((n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		calls++;
		for (long at = 0; at < n;) {
			struct linux_dirent64 *e = (void *)(buf + at);
			struct stat st;

			count++;
			at += e->reclen;
			if (e->name[0] != '.' &&
			    (fstatat(fd, e->name, &st, 0) ||
			     st.st_ino != e->ino))
				wrong_ino++;
		}
	}
	result("small-buffer", "%s: %d entries, %d wrong inodes", outcome(n),
	       count, wrong_ino);
	lseek(fd, 0, SEEK_SET);
	result("tiny-buffer", "%s",
	       outcome(syscall(SYS_getdents64, fd, buf, 8)));
	result("many-calls", "%s", calls > 30 ? "yes" : "no");
	close(fd);
}

static void types(void)
{
	static const char *const t[] = { "?",	"fifo", "chr", "3",   "dir",
					 "5",	"blk",	"7",   "reg", "9",
					 "lnk", "11",	"sock" };
	struct dirent **list;
	char line[512] = "";
	size_t len = 0;
	int n;

	mkdir("t", 0755);
	mkdir("t/dir", 0755);
	make_file("t/file", "", 0644);
	mkfifo("t/fifo", 0644);
	mknod("t/sock", S_IFSOCK | 0644, 0);
	mknod("t/null", S_IFCHR | 0644, 0x103);
	if (symlink("x", "t/link"))
		result("symlink", "%s", errno_name(errno));
	n = scandir("t", &list, NULL, alphasort);
	for (int i = 0; i < n; i++)
		len += (size_t)snprintf(line + len, sizeof(line) - len,
					"%s=%s ", list[i]->d_name,
					t[list[i]->d_type % 13]);
	result("types", "%s", line);
}

static void names_checks(void)
{
	char path[4200];
	char name[300];
	int made = 0, found = 0;
	struct stat st;

	memset(name, 'x', sizeof(name));
	name[255] = 0;
	result_of("255", mknod(name, S_IFREG | 0644, 0));
	name[254] = 'y';
	name[255] = 'z';
	name[256] = 0;
	result_of("256", mknod(name, S_IFREG | 0644, 0));
	result_of("256-stat", stat(name, &st));
	memset(path, '/', sizeof(path));
	path[0] = '.';
	path[4095] = 0;
	result_of("path-4095", stat(path, &st));
	path[4095] = '/';
	path[4096] = 0;
	result_of("path-4096", stat(path, &st));
	for (int c = 1; c < 256; c++) {
		char one[4] = { 'b', (char)c, 'e', 0 };

		if (c == '/')
			continue;
		made += !mknod(one, S_IFREG | 0644, 0);
	}
	for (int c = 1; c < 256; c++) {
		char one[4] = { 'b', (char)c, 'e', 0 };

		found += c != '/' && !unlink(one);
	}
	result("bytes", "%d made, %d found", made, found);
	result_of("empty", mknod("", S_IFREG | 0644, 0));
	result_of("dot", mkdir(".", 0755));
	result_of("dot-dot", mkdir("..", 0755));
	result_of("trailing-slash", mkdir("slash/", 0755));
	result_of("case", mkdir("SLASH", 0755));
}

static void deep(void)
{
	char here[600];
	struct stat st;
	int levels = 0;

	for (; levels < 60; levels++)
		if (mkdir("down", 0755) || chdir("down"))
			break;
	make_file("bottom", "x", 0644);
	result("levels", "%d", levels);
	for (int i = 0; i < levels; i++)
		if (chdir(".."))
			result("up", "%s", errno_name(errno));
	stat("down", &st);
	result("nlink", "%u", (unsigned int)st.st_nlink);
	mkdir("a", 0755);
	result_of("chdir", chdir("a"));
	result_of("rename-cwd", rename("../a", "../b"));
	result("getcwd", "%s",
	       getcwd(here, sizeof(here)) ? strrchr(here, '/') : "?");
	make_file("inside", "x", 0644);
	result("through-new-name", "%lld", size_of("../b/inside"));
	unlink("inside");
	result_of("rmdir-cwd", rmdir("../b"));
	result_of("create-in-removed", open("x", O_CREAT | O_RDWR, 0644));
	result_of("mkdir-in-removed", mkdir("x", 0755));
	result("getcwd-removed", "%s",
	       getcwd(here, sizeof(here)) ? "still" : errno_name(errno));
	fstatat(AT_FDCWD, ".", &st, 0);
	result("nlink-removed", "%u", (unsigned int)st.st_nlink);
}

static void simple(void)
{
	struct stat st;

	result_of("mkdir", mkdir("d", 0755));
	result_of("mkdir-again", mkdir("d", 0755));
	mkdir("d/e", 0755);
	stat("d", &st);
	result("nlink", "%u", (unsigned int)st.st_nlink);
	result_of("rmdir-full", rmdir("d"));
	result_of("rmdir", rmdir("d/e"));
	stat("d", &st);
	result("nlink-after", "%u", (unsigned int)st.st_nlink);
	result_of("rmdir-dot", rmdir("d/."));
	result_of("rmdir-dot-dot", rmdir("d/.."));
	result_of("rmdir-missing", rmdir("no"));
	make_file("f", "x", 0644);
	result_of("rmdir-file", rmdir("f"));
	result_of("unlink-dir", unlink("d"));
	result_of("read-dir", read(open("d", O_RDONLY), &st, 1));
	result_of("write-dir", write(open("d", O_RDONLY), &st, 1));
	result_of("mkdir-sticky", mkdir("s", 01777));
	stat("s", &st);
	result("sticky-mode", "%o", st.st_mode);
	result_of("fsync-dir", fsync(open("d", O_RDONLY | O_DIRECTORY)));
	result_of("fchdir", fchdir(open("d", O_PATH)));
}

const struct checks dir_groups[] = {
	{ "dir", simple, 0 },
	{ "dir-10000", big_dir, 240 },
	{ "getdents", small_buffer, 0 },
	{ "dir-types", types, 0 },
	{ "names", names_checks, 0 },
	{ "deep", deep, 0 },
	{ 0 },
};
