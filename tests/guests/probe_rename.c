// SPDX-License-Identifier: BSD-2-Clause
/* rename(2) and renameat2(2) with every flag on every kind of file. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE	 2
#define RENAME_WHITEOUT	 4
#endif

static const char *const kinds[] = { "file", "dir", "full", "link", "none" };

#define N_KINDS (sizeof(kinds) / sizeof(*kinds))

static void make(const char *path, size_t kind)
{
	char inner[64];

	if (kind == 0)
		make_file(path, path, 0644);
	if (kind == 1 || kind == 2)
		mkdir(path, 0755);
	if (kind == 2) {
		snprintf(inner, sizeof(inner), "%s/inner", path);
		make_file(inner, path, 0644);
	}
	if (kind == 3 && symlink("target", path))
		result("symlink", "%s", errno_name(errno));
}

static void destroy(const char *path)
{
	char inner[64];

	snprintf(inner, sizeof(inner), "%s/inner", path);
	unlink(inner);
	if (unlink(path))
		rmdir(path);
}

static char kind_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		return '-';
	if (S_ISCHR(st.st_mode))
		return st.st_rdev == makedev(0, 0) ? 'w' : 'c';
	return S_ISDIR(st.st_mode) ? 'd' : S_ISLNK(st.st_mode) ? 'l' : 'f';
}

static void all_kinds(unsigned int flags, const char *what)
{
	char line[512];
	char name[64];
	size_t len;

	for (size_t from = 0; from < N_KINDS; from++) {
		line[0] = 0;
		len = 0;
		for (size_t to = 0; to < N_KINDS; to++) {
			const char *r;

			make("a", from);
			make("b", to);
			r = outcome(
				renameat2(AT_FDCWD, "a", AT_FDCWD, "b", flags));
			len += (size_t)snprintf(line + len, sizeof(line) - len,
						"%s%s:%s,%c%c", to ? " " : "",
						kinds[to], r, kind_of("a"),
						kind_of("b"));
			destroy("a");
			destroy("b");
		}
		snprintf(name, sizeof(name), "%s.%s", what, kinds[from]);
		result(name, "%s", line);
	}
}

static void flags(void)
{
	all_kinds(0, "plain");
	all_kinds(RENAME_NOREPLACE, "noreplace");
	all_kinds(RENAME_EXCHANGE, "exchange");
	all_kinds(RENAME_WHITEOUT, "whiteout");
	all_kinds(RENAME_NOREPLACE | RENAME_WHITEOUT, "noreplace+whiteout");
	all_kinds(RENAME_NOREPLACE | RENAME_EXCHANGE, "noreplace+exchange");
	all_kinds(RENAME_EXCHANGE | RENAME_WHITEOUT, "exchange+whiteout");
	all_kinds(8, "unknown");
}

static void contents(void)
{
	char a[64], b[64];

	make_file("a", "was-a", 0644);
	make_file("b", "was-b", 0600);
	result_of("exchange",
		  renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE));
	result("exchanged", "a=%s b=%s", content("a", a, sizeof(a)),
	       content("b", b, sizeof(b)));
	result_of("replace", rename("a", "b"));
	result("replaced", "a=%s b=%s", content("a", a, sizeof(a)),
	       content("b", b, sizeof(b)));
	if (link("b", "c"))
		result("link", "%s", errno_name(errno));
	result_of("same-inode", rename("b", "c"));
	result("same-inode-left", "b=%s c=%s", content("b", a, sizeof(a)),
	       content("c", b, sizeof(b)));
	result_of("self", rename("b", "b"));
	mkdir("d", 0755);
	mkdir("d/e", 0755);
	result_of("into-itself", rename("d", "d/e/d"));
	result_of("onto-parent", rename("d/e", "d"));
	result_of("dot", rename("d/.", "x"));
	result_of("dot-dot", rename("d/..", "x"));
	result_of("root", rename("d", "/"));
	result_of("to-below-file", rename("d", "b/x"));
	result_of("from-below-file", rename("b/x", "x"));
	result_of("to-missing-dir", rename("b", "no/x"));
	result_of("file-slash", rename("b", "x/"));
	result_of("dir-slash", rename("d/", "moved/"));
	result_of("other-fs", rename("b", "/tmp/b"));
	keep("b");
	keep("moved");
}

/* What is open stays what it is, whatever happens to its name. */
static void open_files(void)
{
	char buf[64] = "";
	struct stat st;
	int fd, old;

	make_file("a", "aaaa", 0644);
	make_file("b", "bb", 0644);
	fd = open("a", O_RDWR);
	old = open("b", O_RDWR);
	result_of("over-open", rename("a", "b"));
	fstat(old, &st);
	result("replaced-nlink", "%u size %lld", (unsigned int)st.st_nlink,
	       (long long)st.st_size);
	result("replaced-read", "%s", outcome(pread(old, buf, 2, 0)));
	result("replaced-content", "%s", buf);
	result("replaced-write", "%s", outcome(pwrite(old, "cc", 2, 2)));
	result("moved-write", "%s", outcome(pwrite(fd, "dd", 2, 4)));
	fsync(fd);
	result("moved-content", "%s", content("b", buf, sizeof(buf)));
	mkdir("dir", 0755);
	result_of("to-other-dir", rename("b", "dir/b"));
	result("moved-write-2", "%s", outcome(pwrite(fd, "ee", 2, 6)));
	fsync(fd);
	result("moved-content-2", "%s", content("dir/b", buf, sizeof(buf)));
	result_of("unlink-open", unlink("dir/b"));
	fstat(fd, &st);
	result("unlinked-nlink", "%u", (unsigned int)st.st_nlink);
	result("unlinked-write", "%s", outcome(pwrite(fd, "ff", 2, 8)));
	memset(buf, 0, sizeof(buf));
	result("unlinked-read", "%s", outcome(pread(fd, buf, 63, 0)));
	result("unlinked-content", "%s", buf);
	result_of("unlinked-truncate", ftruncate(fd, 1));
	result_of("unlinked-fchmod", fchmod(fd, 0600));
	result_of("unlinked-fsync", fsync(fd));
	result_of("unlinked-stat", stat("dir/b", &st));
}

const struct checks rename_groups[] = {
	{ "rename", flags, 60 },
	{ "rename-content", contents, 0 },
	{ "rename-open", open_files, 0 },
	{ 0 },
};
