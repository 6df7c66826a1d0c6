// SPDX-License-Identifier: BSD-2-Clause
/* What others than root may do, and what owners and modes come out. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define USER	 1000
#define GROUP	 1000
#define EXTRA	 2000
#define STRANGER 1001

static void become(uid_t uid, gid_t gid, gid_t extra)
{
	if (setgroups(extra ? 1 : 0, &extra) || setgid(gid) || setuid(uid)) {
		result("become", "%s", errno_name(errno));
		exit(1);
	}
}

static void tell(const char *what, const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		result(what, "%s", errno_name(errno));
	else
		result(what, "mode=%o uid=%u gid=%u", st.st_mode, st.st_uid,
		       st.st_gid);
}

static void owned(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	make_file(path, "content", 0600);
	if (chown(path, uid, gid) || chmod(path, mode))
		result(path, "%s", errno_name(errno));
}

static void owned_dir(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	if (mkdir(path, 0700) || chown(path, uid, gid) || chmod(path, mode))
		result(path, "%s", errno_name(errno));
}

static void creating(void)
{
	owned_dir("mine", 0755, USER, GROUP);
	owned_dir("roots", 0755, 0, 0);
	owned_dir("open", 0777, 0, 0);
	owned_dir("groups", 0770, 0, GROUP);
	owned_dir("extra", 0770, 0, EXTRA);
	become(USER, GROUP, EXTRA);
	umask(027);
	make_file("mine/f", "x", 0666);
	tell("file", "mine/f");
	result_of("mkdir", mkdir("mine/d", 0777));
	tell("dir", "mine/d");
	result_of("symlink", symlink("x", "mine/s"));
	tell("link", "mine/s");
	result_of("mkfifo", mkfifo("mine/p", 0666));
	tell("fifo", "mine/p");
	result_of("device", mknod("mine/c", S_IFCHR | 0666, makedev(1, 3)));
	result_of("whiteout", mknod("mine/w", S_IFCHR | 0666, 0));
	result_of("roots", open("roots/f", O_CREAT | O_RDWR, 0644));
	result_of("roots-mkdir", mkdir("roots/d", 0755));
	result_of("open", open("open/f", O_CREAT | O_RDWR, 0644));
	tell("open-file", "open/f");
	result_of("group", open("groups/f", O_CREAT | O_RDWR, 0644));
	result_of("extra-group", open("extra/f", O_CREAT | O_RDWR, 0644));
	tell("extra-file", "extra/f");
	result_of("extra-mkdir", mkdir("extra/d", 0755));
	result_of("extra-mknod", mknod("extra/n", S_IFREG | 0644, 0));
	result_of("extra-symlink", symlink("x", "extra/s"));
	result_of("extra-link", link("mine/f", "extra/l"));
	result_of("extra-rename", rename("extra/n", "extra/m"));
	result_of("extra-unlink", unlink("extra/m"));
	result_of("tmpfile", open("mine", O_TMPFILE | O_RDWR, 0640));
	keep("mine/f");
	keep("mine/d");
	keep("extra/f");
}

static void using(void)
{
	char buf[16];
	struct stat st;

	owned("mine", 0600, USER, GROUP);
	owned("none", 0000, USER, GROUP);
	owned("roots", 0644, 0, 0);
	owned("secret", 0600, 0, 0);
	owned("by-group", 0060, 0, GROUP);
	owned("by-extra", 0660, 0, EXTRA);
	owned("group-denied", 0606, 0, GROUP);
	owned("run", 0711, 0, 0);
	owned_dir("closed", 0700, 0, 0);
	owned_dir("listable", 0744, 0, 0);
	owned_dir("passable", 0711, 0, 0);
	make_file("passable/f", "x", 0644);
	make_file("closed/f", "x", 0644);
	make_file("listable/f", "x", 0644);
	become(USER, GROUP, EXTRA);
	result_of("mine", open("mine", O_RDWR));
	result_of("none", open("none", O_RDONLY));
	result_of("roots-read", open("roots", O_RDONLY));
	result_of("roots-write", open("roots", O_WRONLY));
	result_of("roots-trunc", open("roots", O_RDONLY | O_TRUNC));
	result_of("roots-noatime", open("roots", O_RDONLY | O_NOATIME));
	result_of("roots-truncate", truncate("roots", 0));
	result_of("secret", open("secret", O_RDONLY));
	result_of("secret-stat", stat("secret", &st));
	result_of("by-group", open("by-group", O_RDWR));
	result_of("by-extra", open("by-extra", O_RDWR));
	result_of("group-denied", open("group-denied", O_RDONLY));
	result_of("run-read", open("run", O_RDONLY));
	result_of("access-run", access("run", X_OK));
	result_of("access-roots", access("roots", W_OK));
	result_of("closed", stat("closed/f", &st));
	result_of("closed-list", open("closed", O_RDONLY | O_DIRECTORY));
	result_of("listable-list", open("listable", O_RDONLY | O_DIRECTORY));
	result_of("listable-stat", stat("listable/f", &st));
	result_of("passable-list", open("passable", O_RDONLY | O_DIRECTORY));
	result_of("passable-read", read(open("passable/f", O_RDONLY), buf, 9));
	result_of("chdir", chdir("closed"));
	result_of("unlink", unlink("roots"));
	result_of("rename", rename("roots", "x"));
}

static void changing(void)
{
	struct timespec ts[2] = { { 1, 0 }, { 2, 0 } };
	struct timespec now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
	long flags[2] = { 0 };
	int immutable = FS_IMMUTABLE_FL;
	int fd;

	owned("mine", 0644, USER, GROUP);
	owned("roots", 0666, 0, 0);
	become(USER, GROUP, EXTRA);
	result_of("chmod-mine", chmod("mine", 0600));
	result_of("chmod-roots", chmod("roots", 0600));
	result_of("chown-mine", chown("mine", STRANGER, (gid_t)-1));
	result_of("chown-same", chown("mine", USER, (gid_t)-1));
	result_of("chgrp-extra", chown("mine", (uid_t)-1, EXTRA));
	result_of("chgrp-other", chown("mine", (uid_t)-1, 3000));
	result_of("chown-roots", chown("roots", USER, GROUP));
	result_of("times-mine", utimensat(AT_FDCWD, "mine", ts, 0));
	result_of("times-roots", utimensat(AT_FDCWD, "roots", ts, 0));
	result_of("now-roots", utimensat(AT_FDCWD, "roots", now, 0));
	result_of("setgid-foreign", chmod("mine", 02755));
	tell("setgid-foreign-mode", "mine");
	result_of("xattr-mine", setxattr("mine", "user.a", "v", 1, 0));
	result_of("xattr-roots", setxattr("roots", "user.a", "v", 1, 0));
	result_of("xattr-trusted", setxattr("mine", "trusted.a", "v", 1, 0));
	result_of("get-trusted", getxattr("mine", "trusted.a", NULL, 0));
	fd = open("mine", O_RDWR);
	result_of("getflags", ioctl(fd, FS_IOC_GETFLAGS, flags));
	memcpy(flags, &immutable, sizeof(immutable));
	result_of("immutable", ioctl(fd, FS_IOC_SETFLAGS, flags));
	result_of("flags-of-roots",
		  ioctl(open("roots", O_RDWR), FS_IOC_SETFLAGS, flags));
	keep("mine");
	keep("roots");
}

static void sticky(void)
{
	owned_dir("t", 01777, 0, 0);
	owned("t/roots", 0666, 0, 0);
	owned("t/mine", 0644, USER, GROUP);
	owned_dir("t/dir", 0777, 0, 0);
	become(USER, GROUP, 0);
	result_of("unlink-roots", unlink("t/roots"));
	result_of("rename-roots", rename("t/roots", "t/x"));
	result_of("rename-over-roots", rename("t/mine", "t/roots"));
	result_of("rename-mine", rename("t/mine", "t/own"));
	result_of("unlink-mine", unlink("t/own"));
	result_of("rmdir-roots", rmdir("t/dir"));
	result_of("write-roots", open("t/roots", O_WRONLY));
	result_of("creat-roots", open("t/roots", O_WRONLY | O_CREAT, 0644));
}

static void setgid_dir(void)
{
	owned_dir("d", 02777, 0, EXTRA);
	umask(022);
	make_file("d/by-root", "x", 0644);
	tell("by-root", "d/by-root");
	become(USER, GROUP, 0);
	make_file("d/f", "x", 0666);
	tell("file", "d/f");
	result_of("mkdir", mkdir("d/sub", 0755));
	tell("sub", "d/sub");
	make_file("d/sub/f", "x", 0666);
	tell("sub-file", "d/sub/f");
	result_of("setgid-file", open("d/g", O_CREAT | O_RDWR, 02775));
	tell("setgid-mode", "d/g");
	result_of("mknod", mknod("d/n", S_IFREG | 02755, 0));
	tell("mknod-mode", "d/n");
	result_of("symlink", symlink("x", "d/s"));
	tell("link", "d/s");
	keep("d/f");
	keep("d/sub");
}

static void set_ids_fall(void)
{
	int fd;

	owned("written", 06755, USER, GROUP);
	owned("truncated", 06755, USER, GROUP);
	owned("opened", 06755, USER, GROUP);
	owned("no-group-x", 06745, USER, GROUP);
	owned("chgrped", 06755, USER, GROUP);
	owned("allocated", 06755, USER, GROUP);
	owned("foreign", 06777, STRANGER, STRANGER);
	owned("mapped", 06755, USER, GROUP);
	become(USER, GROUP, EXTRA);
	fd = open("written", O_WRONLY);
	result_of("write", write(fd, "x", 1));
	tell("write-mode", "written");
	result_of("truncate", truncate("truncated", 1));
	tell("truncate-mode", "truncated");
	close(open("opened", O_WRONLY | O_TRUNC));
	tell("o-trunc-mode", "opened");
	fd = open("no-group-x", O_WRONLY);
	result_of("write-2", write(fd, "x", 1));
	tell("no-group-x-mode", "no-group-x");
	result_of("chgrp", chown("chgrped", (uid_t)-1, EXTRA));
	tell("chgrp-mode", "chgrped");
	fd = open("allocated", O_WRONLY);
	result_of("fallocate", fallocate(fd, 0, 0, 100000));
	tell("fallocate-mode", "allocated");
	fd = open("foreign", O_WRONLY);
	result_of("write-foreign", write(fd, "x", 1));
	tell("foreign-mode", "foreign");
	keep("written");
	keep("truncated");
	keep("foreign");
}

/* Root without its powers over files is a user like any other. */
static void effective(void)
{
	struct stat st;

	owned("mine", 0600, USER, GROUP);
	owned("roots", 0600, 0, 0);
	owned_dir("d", 0700, USER, GROUP);
	if (setegid(GROUP) || seteuid(USER))
		result("become", "%s", errno_name(errno));
	result_of("open-mine", open("mine", O_RDWR));
	result_of("open-roots", open("roots", O_RDWR));
	result_of("access-real", access("roots", R_OK));
	result_of("access-effective",
		  faccessat(AT_FDCWD, "roots", R_OK, AT_EACCESS));
	result_of("create", open("d/f", O_CREAT | O_RDWR, 0644));
	tell("created", "d/f");
	if (seteuid(0) || setegid(0))
		result("back", "%s", errno_name(errno));
	result_of("root-stat", stat("d/f", &st));
	result_of("root-open", open("mine", O_RDWR));
}

const struct checks user_groups[] = {
	{ "user-create", creating, 0 },	      { "user-open", using, 0 },
	{ "user-change", changing, 0 },	      { "user-sticky", sticky, 0 },
	{ "user-setgid-dir", setgid_dir, 0 }, { "user-suid", set_ids_fall, 0 },
	{ "user-effective", effective, 0 },   { 0 },
};
