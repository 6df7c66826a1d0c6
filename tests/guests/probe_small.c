// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a program without large-file support sees. This file alone is
 * compiled without _FILE_OFFSET_BITS: on a 32-bit guest inode numbers,
 * offsets and directory positions have 32 bits here.
 */
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 500

static void make_entries(void)
{
	char name[32];

	mkdir("many", 0755);
	for (int i = 0; i < ENTRIES; i++) {
		snprintf(name, sizeof(name), "many/entry-%d", i);
		make_file(name, "", 0644);
	}
}

static void list(void)
{
	long mark[5];
	char after[5][64];
	struct dirent *e;
	int n = 0, wrong = 0, marks = 0;
	DIR *d = opendir("many");

	if (!d) {
		result("opendir", "%s", errno_name(errno));
		return;
	}
	errno = 0;
	for (;;) {
		long here = telldir(d);

		e = readdir(d);
		if (!e)
			break;
		if (n++ % 110 == 50 && marks < 5) {
			mark[marks] = here;
			snprintf(after[marks++], 64, "%.63s", e->d_name);
		}
	}
	result("readdir", "%d entries, %s", n, errno_name(errno));
	for (int i = marks; i-- > 0;) {
		seekdir(d, mark[i]);
		e = readdir(d);
		wrong += !e || strcmp(e->d_name, after[i]);
	}
	result("seekdir", "%d marks, %d wrong", marks, wrong);
	closedir(d);
}

/* The oldest call, with an unsigned long for inode and position. */
static void raw_list(void)
{
#ifdef SYS_getdents
	char buf[512] __attribute__((aligned(8)));
	unsigned short reclen;
	int count = 0;
	long n;
	int fd = open("many", O_RDONLY | O_DIRECTORY);

	while ((n = syscall(SYS_getdents, fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n; at += reclen) {
			memcpy(&reclen, buf + at + 2 * sizeof(long),
			       sizeof(reclen));
			count++;
		}
	}
	result("getdents", "%d entries, %s", count, outcome(n));
	close(fd);
#else
	result("getdents", "%d entries, ok", ENTRIES + 2);
#endif
}

static void sizes(void)
{
	struct statvfs vfs;
	struct stat st;
	int fd;

	make_file("f", "hello", 0644);
	result_of("stat", stat("f", &st));
	result("inode", "%s", st.st_ino ? "yes" : "no");
	result_of("stat-dir", stat("many", &st));
	result_of("lstat", lstat("many/entry-7", &st));
	result_of("statvfs", statvfs(".", &vfs));
	fd = open("f", O_RDWR);
	result("flags", "%s", fd < 0 ? errno_name(errno) : "ok");
	result_of("ftruncate", ftruncate(fd, 0x7fffffff));
	result("lseek", "%lld", (long long)lseek(fd, 0, SEEK_END));
	result_of("stat-2g", fstat(fd, &st));
	close(fd);
	result_of("truncate", truncate("f", 3));
	result_of("stat-small", stat("f", &st));
	result("size", "%lld", (long long)st.st_size);
}

/* A file beyond 2 GiB: EOVERFLOW where off_t has 32 bits. */
static void too_large(void)
{
	struct stat st;
	int fd = syscall(SYS_openat, AT_FDCWD, "large",
#ifdef __arm__
			 0400000 |
#endif
				 O_CREAT | O_RDWR,
			 0644) &
		 0x7fffffff;

#ifdef SYS_ftruncate64
	/* the 64-bit length is in an even pair of registers */
	result_of("grow", syscall(SYS_ftruncate64, fd, 0, 0, 1));
#else
	result_of("grow", ftruncate(fd, 1LL << 32));
#endif
	close(fd);
	result_of("open", open("large", O_RDONLY));
	result_of("open-creat", open("large", O_RDWR | O_CREAT, 0644));
	result_of("stat", stat("large", &st));
}

static void lock_small(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open("locked", O_CREAT | O_RDWR, 0644);

	result_of("setlk", fcntl(fd, F_SETLK, &l));
	l.l_type = F_RDLCK;
	result_of("getlk", fcntl(fd, F_GETLK, &l));
	result("getlk-type", "%s", l.l_type == F_UNLCK ? "free" : "held");
	l.l_type = F_UNLCK;
	result_of("unlock", fcntl(fd, F_SETLK, &l));
}

static void all_small(void)
{
	make_entries();
	list();
	raw_list();
	sizes();
	lock_small();
}

const struct checks small_groups[] = {
	{ "small-off-t", all_small, 0 },
	{ "small-off-t-large", too_large, 0 },
	{ 0 },
};
