// SPDX-License-Identifier: BSD-2-Clause
/* Handles, notification, resolution, and what the host has prepared. */
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static void handles(void)
{
	struct {
		struct file_handle h;
		unsigned char bytes[128];
	} u;
	char buf[16] = "";
	int mount_id;
	int fd;

	make_file("f", "by handle", 0644);
	u.h.handle_bytes = 0;
	result_of("too-small",
		  name_to_handle_at(AT_FDCWD, "f", &u.h, &mount_id, 0));
	u.h.handle_bytes = sizeof(u.bytes);
	result_of("get", name_to_handle_at(AT_FDCWD, "f", &u.h, &mount_id, 0));
	fd = open_by_handle_at(AT_FDCWD, &u.h, O_RDONLY);
	result_of("open", fd);
	result("read", "%zd %s", read(fd, buf, 15), buf);
}

static void tell_events(const char *what, int fd)
{
	char buf[4096] __attribute__((aligned(8)));
	char line[256] = "";
	size_t len = 0;
	ssize_t n = read(fd, buf, sizeof(buf));

	for (ssize_t at = 0; at < n;) {
		struct inotify_event *e = (void *)(buf + at);

		len += (size_t)snprintf(line + len, sizeof(line) - len,
					"%x:%s ", e->mask,
					e->len ? e->name : "");
		at += (ssize_t)(sizeof(*e) + e->len);
	}
	result(what, "%s", n < 0 ? errno_name(errno) : line);
}

static void notify(void)
{
	int fd = inotify_init1(IN_NONBLOCK);

	mkdir("d", 0755);
	result_of("watch", inotify_add_watch(fd, "d",
					     IN_CREATE | IN_DELETE | IN_MODIFY |
						     IN_MOVE) > 0
				   ? 0
				   : -1);
	make_file("d/f", "x", 0644);
	tell_events("create", fd);
	rename("d/f", "d/g");
	unlink("d/g");
	close(fd);
}

static long resolve(const char *path, uint64_t how)
{
	struct open_how h = { .flags = O_RDONLY, .resolve = how };

	return syscall(SYS_openat2, AT_FDCWD, path, &h, sizeof(h));
}

static void resolution(void)
{
	make_file("f", "x", 0644);
	mkdir("d", 0755);
	if (symlink("../f", "d/up") || symlink("f", "s") ||
	    symlink("/proc/version", "abs"))
		result("symlink", "%s", errno_name(errno));
	result_of("plain", resolve("d/up", 0));
	result_of("no-symlinks", resolve("s", RESOLVE_NO_SYMLINKS));
	result_of("beneath", resolve("d/up", RESOLVE_BENEATH));
	result_of("beneath-absolute", resolve("abs", RESOLVE_BENEATH));
	result_of("in-root", resolve("abs", RESOLVE_IN_ROOT));
	result_of("no-xdev", resolve("abs", RESOLVE_NO_XDEV));
	result_of("absolute", resolve("abs", 0));
	result_of("dot-dot-f", resolve("d/../f", RESOLVE_BENEATH));
}

static void path_only(void)
{
	char name[64];
	char buf[64];
	struct stat st;
	int fd, again;

	make_file("f", "content", 0640);
	fd = open("f", O_PATH);
	result_of("open", fd);
	result_of("fstat", fstat(fd, &st));
	result("mode", "%o", st.st_mode);
	result_of("read", read(fd, buf, 1));
	result_of("fchmod", fchmod(fd, 0600));
	result_of("fchown", fchown(fd, 1, 1));
	result_of("ftruncate", ftruncate(fd, 1));
	result_of("fchownat", fchownat(fd, "", 1, 1, AT_EMPTY_PATH));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	again = open(name, O_RDONLY);
	result("reopen", "%zd", read(again, buf, sizeof(buf)));
	result_of("chmod-by-proc", chmod(name, 0604));
	unlink("f");
	result("reopen-unlinked", "%zd",
	       read(open(name, O_RDONLY), buf, sizeof(buf)));
	fstat(fd, &st);
	result("mode-unlinked", "%o", st.st_mode);
}

static void see(const char *path, const char *shown)
{
	char name[700];
	char target[256] = "";
	struct stat st;

	snprintf(name, sizeof(name), "see:%s", shown);
	if (lstat(path, &st)) {
		result(name, "%s", errno_name(errno));
		return;
	}
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlink(path, target, sizeof(target) - 1);

		target[n < 0 ? 0 : n] = 0;
	}
	result(name,
	       "mode=%o uid=%u gid=%u nlink=%u size=%lld crc=%08x%s%s "
	       "mtime=%lld.%09ld rdev=%u:%u",
	       st.st_mode, st.st_uid, st.st_gid, (unsigned int)st.st_nlink,
	       S_ISDIR(st.st_mode) ? 0LL : (long long)st.st_size,
	       S_ISREG(st.st_mode) ? crc_of_file(path, 100000) : 0,
	       *target ? " -> " : "", target, (long long)st.st_mtim.tv_sec,
	       st.st_mtim.tv_nsec, major(st.st_rdev), minor(st.st_rdev));
}

static int visible(const struct dirent *e)
{
	return strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
}

/* Byte order, as the host sorts. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void tell_names(const char *what, const char *path)
{
	struct dirent **list;
	uint32_t crc = 0;
	int n = scandir(path, &list, visible, by_bytes);

	for (int i = 0; i < n; i++) {
		crc = crc32_of(crc, list[i]->d_name, strlen(list[i]->d_name));
		crc = crc32_of(crc, "\n", 1);
	}
	result(what, "%d names crc=%08x", n, crc);
}

static void walk(const char *path, const char *shown)
{
	struct dirent **list;
	int n = scandir(path, &list, visible, by_bytes);

	for (int i = 0; i < n; i++) {
		char below[600], name[600];

		snprintf(below, sizeof(below), "%.300s/%s", path,
			 list[i]->d_name);
		snprintf(name, sizeof(name), "%.300s%s%s", shown,
			 *shown ? "/" : "", list[i]->d_name);
		if (strcmp(name, "sparse"))
			see(below, name);
		if (list[i]->d_type == DT_DIR && strcmp(name, "many") &&
		    strcmp(name, "links"))
			walk(below, name);
	}
}

/* All of this the host computes as well, from its side. */
static void host(void)
{
	static const char dir[] = "../../host";
	char buf[16] = "";
	int fd;

	if (access(dir, F_OK)) {
		result("setup", "none");
		return;
	}
	walk(dir, "");
	tell_names("top", dir);
	tell_names("many", "../../host/many");
	fd = open("../../host/sparse", O_RDONLY);
	if (pread(fd, buf, 4, (5LL << 30) - 4) != 4)
		snprintf(buf, sizeof(buf), "%s", errno_name(errno));
	result("sparse", "size=%lld tail='%s'", size_of("../../host/sparse"),
	       buf);
	memset(buf, 0, sizeof(buf));
	result("xattr", "%zd %.4s.%s",
	       getxattr("../../host/data", "user.host", buf, sizeof(buf)), buf,
	       buf + 5);
}

const struct checks misc_groups[] = {
	{ "handle", handles, 0 },     { "inotify", notify, 0 },
	{ "openat2", resolution, 0 }, { "o-path", path_only, 0 },
	{ "host", host, 60 },	      { 0 },
};
