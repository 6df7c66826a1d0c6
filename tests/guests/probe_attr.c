// SPDX-License-Identifier: BSD-2-Clause
/* stat, statx, times, modes, statfs. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

static const struct {
	unsigned int bit;
	const char *name;
} mask_names[] = {
	{ STATX_TYPE, "type" },	    { STATX_MODE, "mode" },
	{ STATX_NLINK, "nlink" },   { STATX_UID, "uid" },
	{ STATX_GID, "gid" },	    { STATX_ATIME, "atime" },
	{ STATX_MTIME, "mtime" },   { STATX_CTIME, "ctime" },
	{ STATX_INO, "ino" },	    { STATX_SIZE, "size" },
	{ STATX_BLOCKS, "blocks" }, { STATX_BTIME, "btime" },
};

static void tell_mask(const char *what, unsigned int mask)
{
	char line[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < sizeof(mask_names) / sizeof(*mask_names); i++)
		if (mask & mask_names[i].bit)
			len += (size_t)snprintf(line + len, sizeof(line) - len,
						"%s ", mask_names[i].name);
	result(what, "%s", line);
}

static void statx_checks(void)
{
	struct statx x = { 0 };
	struct timespec now;
	int fd;

	make_file("f", "hello", 0640);
	clock_gettime(CLOCK_REALTIME, &now);
	result_of("basic", statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x));
	tell_mask("basic-mask", x.stx_mask & STATX_BASIC_STATS);
	result("fields", "mode=%o nlink=%u uid=%u gid=%u size=%llu blocks=%llu",
	       x.stx_mode, x.stx_nlink, x.stx_uid, x.stx_gid,
	       (unsigned long long)x.stx_size,
	       (unsigned long long)x.stx_blocks);
	result_of("btime", statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC,
				 STATX_BTIME | STATX_BASIC_STATS, &x));
	tell_mask("btime-mask", x.stx_mask);
	result("btime-recent", "%s",
	       x.stx_btime.tv_sec > now.tv_sec - 3600 &&
			       x.stx_btime.tv_sec < now.tv_sec + 3600
		       ? "yes"
		       : "no");
	result_of("dont-sync",
		  statx(AT_FDCWD, "f", AT_STATX_DONT_SYNC, STATX_SIZE, &x));
	fd = open("f", O_RDONLY);
	result_of("fd", statx(fd, "", AT_EMPTY_PATH, STATX_ALL, &x));
	result_of("bad-mask", statx(AT_FDCWD, "f", 0, 0x80000000U, &x));
	result_of("bad-flags", statx(AT_FDCWD, "f", 0x40000, STATX_ALL, &x));
	result_of("missing", statx(AT_FDCWD, "no", 0, STATX_ALL, &x));
	result("immutable", "%s",
	       x.stx_attributes & STATX_ATTR_IMMUTABLE ? "yes" : "no");
}

static void tell_times(const char *what, const char *path)
{
	struct stat st;

	if (lstat(path, &st)) {
		result(what, "%s", errno_name(errno));
		return;
	}
	result(what, "atime=%lld.%09ld mtime=%lld.%09ld",
	       (long long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
	       (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static void set_times(const char *what, const char *path, long long a_sec,
		      long a_nsec, long long m_sec, long m_nsec)
{
	struct timespec ts[2] = {
		{ .tv_sec = (time_t)a_sec, .tv_nsec = a_nsec },
		{ .tv_sec = (time_t)m_sec, .tv_nsec = m_nsec },
	};
	int ret = utimensat(AT_FDCWD, path, ts, AT_SYMLINK_NOFOLLOW);

	if (ret)
		result(what, "%s", errno_name(errno));
	else
		tell_times(what, path);
}

static void times(void)
{
	struct timespec ts[2] = { { .tv_nsec = UTIME_NOW },
				  { .tv_nsec = UTIME_OMIT } };
	struct stat a, b;
	int fd;

	make_file("f", "x", 0644);
	mkdir("d", 0755);
	if (symlink("f", "s"))
		result("symlink", "%s", errno_name(errno));
	set_times("ns", "f", 1000000000, 123456789, 1234567890, 987654321);
	set_times("one-ns", "f", 0, 1, 0, 999999999);
	set_times("2038", "f", 0x7fffffffLL, 0, 0x80000000LL, 5);
	set_times("2106", "f", 0xffffffffLL, 0, 0x100000001LL, 5);
	set_times("before-1970", "f", -1, 500000000, -1000000, 1);
	set_times("before-1901", "f", -0x80000000LL, 0, -0x80000001LL, 0);
	set_times("far", "f", 20000000000LL, 0, 15032385535LL, 999999999);
	set_times("dir", "d", 1, 2, 3, 4);
	set_times("symlink", "s", 5, 6, 7, 8);
	set_times("omit-both", "f", 0, UTIME_OMIT, 0, UTIME_OMIT);
	set_times("omit-atime", "f", 0, UTIME_OMIT, 11, 12);
	set_times("omit-mtime", "f", 13, 14, 0, UTIME_OMIT);
	set_times("bad-ns", "f", 0, 1000000000, 0, 0);
	set_times("missing", "no", 0, 0, 0, 0);
	result_of("now", utimensat(AT_FDCWD, "f", ts, 0));
	stat("f", &a);
	result("now-atime", "%s", a.st_atim.tv_sec > 1000000 ? "now" : "no");
	result("now-mtime", "%lld.%09ld", (long long)a.st_mtim.tv_sec,
	       a.st_mtim.tv_nsec);
	fd = open("f", O_RDWR);
	ts[0] = (struct timespec){ 21, 22 };
	ts[1] = (struct timespec){ 23, 24 };
	result_of("futimens", futimens(fd, ts));
	tell_times("futimens-times", "f");
	if (write(fd, "y", 1) != 1)
		result("write", "%s", errno_name(errno));
	close(fd);
	stat("f", &b);
	result("write-mtime", "%s", b.st_mtim.tv_sec > 23 ? "moved" : "same");
	result("write-ctime", "%s",
	       b.st_ctim.tv_sec > a.st_ctim.tv_sec - 10 ? "moved" : "same");
	set_times("read-before", "f", 30, 0, 40, 0);
	fd = open("f", O_RDONLY);
	result("read", "%zd", read(fd, &a, 2));
	close(fd);
	stat("f", &b);
	result("read-mtime", "%lld", (long long)b.st_mtim.tv_sec);
	make_file("d/new", "x", 0644);
	stat("d", &b);
	result("dir-mtime", "%s", b.st_mtim.tv_sec > 3 ? "moved" : "same");
}

static void modes(void)
{
	static const mode_t list[] = { 0,     0400,  0640,  0777, 01777,
				       02755, 04755, 07777, 02644 };
	char line[256] = "";
	size_t len = 0;
	struct stat st;
	int fd;

	make_file("f", "x", 0644);
	mkdir("d", 0755);
	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		if (chmod("f", list[i]) || stat("f", &st))
			st.st_mode = 0;
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%o ",
					st.st_mode);
		if (chmod("d", list[i]) || stat("d", &st))
			st.st_mode = 0;
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%o ",
					st.st_mode);
	}
	result("chmod", "%s", line);
	fd = open("f", O_RDWR);
	result_of("fchmod", fchmod(fd, 04711));
	result_of("fchown", fchown(fd, 1000, 1001));
	fstat(fd, &st);
	result("chown-clears", "mode=%o uid=%u gid=%u", st.st_mode, st.st_uid,
	       st.st_gid);
	result_of("chown-uid", chown("f", 4000000000U, (gid_t)-1));
	result_of("chown-gid", chown("f", (uid_t)-1, 4000000001U));
	result_of("chown-none", chown("f", (uid_t)-1, (gid_t)-1));
	stat("f", &st);
	result("large-ids", "uid=%u gid=%u", st.st_uid, st.st_gid);
	result_of("chmod-missing", chmod("no", 0644));
	result_of("chown-missing", chown("no", 0, 0));
	chmod("f", 06755);
	result("write-as-root", "%zd", write(fd, "yy", 2));
	fstat(fd, &st);
	result("write-keeps", "%o", st.st_mode);
	result_of("truncate", truncate("f", 1));
	stat("f", &st);
	result("truncate-keeps", "%o", st.st_mode);
	keep("f");
	keep("d");
}

static void whole_fs(void)
{
	struct statvfs v;
	struct statfs s;
	int fd;

	result_of("statvfs", statvfs(".", &v));
	result("bsize", "%lu %lu", v.f_bsize, v.f_frsize);
	result("namemax", "%lu", v.f_namemax);
	result("sane", "%s",
	       v.f_blocks >= v.f_bfree && v.f_bfree >= v.f_bavail &&
			       v.f_files >= v.f_ffree
		       ? "yes"
		       : "no");
	make_file("f", "x", 0644);
	fd = open("f", O_RDWR);
	result_of("fstatfs", fstatfs(fd, &s));
	result_of("statfs-missing", statfs("no", &s));
	result("pathconf-name", "%ld", pathconf(".", _PC_NAME_MAX));
	result_of("access-rw", access("f", R_OK | W_OK));
	result_of("access-x", access("f", X_OK));
	result_of("access-missing", access("no", F_OK));
	result_of("access-dir-x", access(".", X_OK));
	result_of("fsync", fsync(fd));
	result_of("fdatasync", fdatasync(fd));
	result_of("syncfs", syncfs(fd));
	result_of("sync-range", sync_file_range(fd, 0, 0, 7));
	result("fadvise", "%s",
	       errno_name(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED)));
	result_of("readahead", readahead(fd, 0, 4096));
}

const struct checks attr_groups[] = {
	{ "statx", statx_checks, 0 },
	{ "times", times, 0 },
	{ "modes", modes, 0 },
	{ "statfs", whole_fs, 0 },
	{ 0 },
};
