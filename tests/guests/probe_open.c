// SPDX-License-Identifier: BSD-2-Clause
/* open(2) with every flag and pair of flags on every kind of target. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	int bits;
	const char *name;
} flags[] = {
	{ 0, "plain" },
	{ O_CREAT, "creat" },
	{ O_EXCL, "excl" },
	{ O_TRUNC, "trunc" },
	{ O_APPEND, "append" },
	{ O_NONBLOCK, "nonblock" },
	{ O_DSYNC, "dsync" },
	{ O_SYNC, "sync" },
	{ O_DIRECT, "direct" },
	{ O_DIRECTORY, "directory" },
	{ O_NOFOLLOW, "nofollow" },
	{ O_NOATIME, "noatime" },
	{ O_CLOEXEC, "cloexec" },
	{ O_PATH, "path" },
	{ O_TMPFILE, "tmpfile" },
	{ O_NOCTTY, "noctty" },
	{ O_ASYNC, "async" },
};

#define N_FLAGS (sizeof(flags) / sizeof(*flags))

static const char *const targets[] = { "file",	 "dir",	     "to-file",
				       "to-dir", "dangling", "missing" };

#define N_TARGETS (sizeof(targets) / sizeof(*targets))

static void prepare(void)
{
	make_file("file", "0123456789", 0644);
	mkdir("dir", 0755);
	if (symlink("file", "to-file") || symlink("dir", "to-dir") ||
	    symlink("nowhere", "dangling"))
		result("setup", "%s", errno_name(errno));
}

/* Undo what an open may have done to the targets. */
static void restore(void)
{
	int fd;

	unlink("nowhere");
	unlink("missing");
	if (size_of("file") == 10)
		return;
	unlink("file");
	fd = open("file", O_CREAT | O_WRONLY, 0644);
	if (fd < 0 || write(fd, "0123456789", 10) != 10)
		result("restore", "%s", errno_name(errno));
	close(fd);
}

/* What an open gave: its errno, or what kind of file and with which flags. */
static const char *try_open(const char *target, int how, char *buf, size_t size)
{
	char names[128];
	struct stat st;
	int fd = open(target, how, 0640);

	if (fd < 0)
		return errno_name(errno);
	if (fstat(fd, &st)) {
		snprintf(buf, size, "fstat:%s", errno_name(errno));
	} else {
		open_flags(fcntl(fd, F_GETFL), names, sizeof(names));
		snprintf(buf, size, "%s=%c%lld%s", names,
			 S_ISDIR(st.st_mode)   ? 'd'
			 : S_ISREG(st.st_mode) ? 'f'
			 : S_ISLNK(st.st_mode) ? 'l'
					       : '?',
			 S_ISDIR(st.st_mode) ? 0LL : (long long)st.st_size,
			 fcntl(fd, F_GETFD) & FD_CLOEXEC ? "c" : "");
	}
	close(fd);
	return buf;
}

/* Does the descriptor do what it was opened for? */
static const char *try_use(const char *target, int how, char *buf, size_t size)
{
	char data[16] = "";
	const char *r, *w;
	off_t where;
	int fd = open(target, how, 0640);

	if (fd < 0)
		return errno_name(errno);
	r = outcome(read(fd, data, 4));
	w = outcome(how & O_DIRECT ? 0 : write(fd, "ab", 2));
	where = lseek(fd, 0, SEEK_CUR);
	snprintf(buf, size, "read:%s'%s' write:%s at %lld size %lld", r,
		 how & O_DIRECT ? "" : data, w, (long long)where,
		 size_of(target));
	close(fd);
	unlink(target);
	return buf;
}

/* One line for each flag, access mode and target. */
static void one_flag(void)
{
	static const char *const access[] = { "r", "w", "rw", "3" };
	char buf[256];
	char name[64];

	prepare();
	for (size_t f = 0; f < N_FLAGS; f++) {
		for (size_t t = 0; t < N_TARGETS; t++) {
			char line[1024] = "";
			size_t len = 0;

			for (int a = 0; a < 4; a++) {
				len += (size_t)snprintf(
					line + len, sizeof(line) - len,
					"%s%s:%s", a ? " " : "", access[a],
					try_open(targets[t], flags[f].bits | a,
						 buf, sizeof(buf)));
				restore();
			}
			snprintf(name, sizeof(name), "%s.%s", flags[f].name,
				 targets[t]);
			result(name, "%s", line);
		}
	}
}

/* One line for each pair: read-write on files, read-only on directories. */
static void two_flags(void)
{
	char buf[256];
	char name[64];

	prepare();
	for (size_t f = 1; f < N_FLAGS; f++) {
		for (size_t g = f + 1; g < N_FLAGS; g++) {
			int both = flags[f].bits | flags[g].bits;
			char line[2048] = "";
			size_t len = 0;

			for (size_t t = 0; t < N_TARGETS; t++) {
				int how = t == 1 || t == 3 ? O_RDONLY : O_RDWR;

				if (both & O_TMPFILE & ~O_DIRECTORY)
					how = O_RDWR;
				len += (size_t)snprintf(
					line + len, sizeof(line) - len, "%s%s",
					t ? " " : "",
					try_open(targets[t], both | how, buf,
						 sizeof(buf)));
				restore();
			}
			snprintf(name, sizeof(name), "%s+%s", flags[f].name,
				 flags[g].name);
			result(name, "%s", line);
		}
	}
}

static void use(void)
{
	static const struct {
		int how;
		const char *name;
	} hows[] = {
		{ O_RDONLY, "r" },
		{ O_WRONLY, "w" },
		{ O_RDWR, "rw" },
		{ O_RDWR | O_APPEND, "append" },
		{ O_RDWR | O_TRUNC, "trunc" },
		{ O_RDWR | O_SYNC, "sync" },
		{ O_RDWR | O_DSYNC, "dsync" },
		{ O_RDWR | O_NONBLOCK, "nonblock" },
		{ O_RDWR | O_NOATIME, "noatime" },
		{ O_RDWR | O_NOFOLLOW, "nofollow" },
		{ O_RDWR | O_CREAT, "creat" },
		{ O_RDWR | O_CREAT | O_EXCL, "creat-excl" },
		{ O_WRONLY | O_APPEND | O_SYNC, "append-sync" },
		{ O_RDONLY | O_DIRECTORY, "directory" },
	};
	char buf[256];

	for (size_t i = 0; i < sizeof(hows) / sizeof(*hows); i++) {
		make_file("f", "0123456789", 0644);
		result(hows[i].name, "%s",
		       try_use("f", hows[i].how, buf, sizeof(buf)));
		unlink("f");
	}
	result("new", "%s",
	       try_use("new", O_RDWR | O_CREAT | O_EXCL | O_APPEND, buf,
		       sizeof(buf)));
}

static void set_flags(void)
{
	static const struct {
		int bits;
		const char *name;
	} settable[] = {
		{ O_APPEND, "append" }, { O_NONBLOCK, "nonblock" },
		{ O_DIRECT, "direct" }, { O_NOATIME, "noatime" },
		{ O_ASYNC, "async" },	{ O_SYNC, "sync" },
		{ O_TRUNC, "trunc" },
	};
	char names[128];
	char buf[64];
	int fd;

	make_file("f", "0123456789", 0644);
	for (size_t i = 0; i < sizeof(settable) / sizeof(*settable); i++) {
		int ret;

		fd = open("f", O_RDWR);
		ret = fcntl(fd, F_SETFL, settable[i].bits);
		result(settable[i].name, "%s %s size %lld", outcome(ret),
		       open_flags(fcntl(fd, F_GETFL), names, sizeof(names)),
		       size_of("f"));
		close(fd);
	}
	/* the flag must count for writes from now on */
	fd = open("f", O_RDWR);
	fcntl(fd, F_SETFL, O_APPEND);
	if (write(fd, "x", 1) != 1)
		result("late-append-write", "%s", errno_name(errno));
	fcntl(fd, F_SETFL, 0);
	if (pwrite(fd, "y", 1, 0) != 1)
		result("late-append-pwrite", "%s", errno_name(errno));
	close(fd);
	result("late-append", "%s", content("f", buf, sizeof(buf)));
}

static void tmpfile_checks(void)
{
	char path[64];
	char buf[64];
	struct stat st;
	int fd = open(".", O_TMPFILE | O_RDWR, 0640);

	result_of("open", fd);
	if (fd >= 0) {
		fstat(fd, &st);
		result("stat", "mode=%o nlink=%u size=%lld", st.st_mode,
		       (unsigned int)st.st_nlink, (long long)st.st_size);
		result("write", "%s", outcome(write(fd, "hidden", 6)));
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		result_of("link", linkat(AT_FDCWD, path, AT_FDCWD, "shown",
					 AT_SYMLINK_FOLLOW));
		close(fd);
		result("content", "%s", content("shown", buf, sizeof(buf)));
	}
	fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0640);
	result_of("open-excl", fd);
	if (fd >= 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		result_of("link-excl", linkat(AT_FDCWD, path, AT_FDCWD, "no",
					      AT_SYMLINK_FOLLOW));
		close(fd);
	}
	result_of("read-only", open(".", O_TMPFILE | O_RDONLY, 0640));
	result_of("write-only", open(".", O_TMPFILE | O_WRONLY, 0640));
	result_of("on-file", open("shown", O_TMPFILE | O_RDWR, 0640));
	result_of("append-direct",
		  open(".", O_TMPFILE | O_RDWR | O_APPEND | O_DIRECT, 0640));
}

static void create(void)
{
	static const mode_t modes[] = { 0,     0400,  0644,  0755,  0777,
					01644, 02755, 04755, 06777, 07777 };
	char line[256] = "";
	size_t len = 0;
	struct stat st;
	int fd;

	umask(0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		fd = open("f", O_CREAT | O_EXCL | O_RDWR, modes[i]);
		if (fd < 0 || fstat(fd, &st) || write(fd, "x", 0) < 0)
			st.st_mode = 0;
		close(fd);
		unlink("f");
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%o ",
					st.st_mode);
	}
	result("modes", "%s", line);
	umask(027);
	fd = open("masked", O_CREAT | O_RDWR, 0777);
	fstat(fd, &st);
	result("umask", "%o", st.st_mode);
	mkdir("masked-dir", 0777);
	stat("masked-dir", &st);
	result("umask-mkdir", "%o", st.st_mode);
	result_of("again", open("masked", O_CREAT | O_RDWR, 0));
	result_of("excl-again", open("masked", O_CREAT | O_EXCL, 0));
	result_of("excl-on-dir", open("masked-dir", O_CREAT | O_EXCL, 0));
	result_of("creat-on-dir", open("masked-dir", O_CREAT, 0));
	result_of("creat-directory", open("x", O_CREAT | O_DIRECTORY, 0755));
	result_of("slash", open("x/", O_CREAT | O_RDWR, 0644));
	result_of("below-file", open("masked/x", O_CREAT | O_RDWR, 0644));
	result_of("below-missing", open("no/x", O_CREAT | O_RDWR, 0644));
	result_of("read-only-mode-written",
		  write(open("ro", O_CREAT | O_EXCL | O_WRONLY, 0444), "x", 1));
	keep("ro");
	keep("masked");
	keep("masked-dir");
}

const struct checks open_groups[] = {
	{ "open", one_flag, 60 },
	{ "open-pairs", two_flags, 90 },
	{ "open-use", use, 0 },
	{ "setfl", set_flags, 0 },
	{ "tmpfile", tmpfile_checks, 0 },
	{ "create", create, 0 },
	{ 0 },
};
