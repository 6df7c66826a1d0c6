// SPDX-License-Identifier: BSD-2-Clause
/* ioctl(2): file attributes, and what no file answers. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static const struct {
	int bit;
	const char *name;
} flag_names[] = {
	{ FS_SECRM_FL, "secrm" },
	{ FS_UNRM_FL, "unrm" },
	{ FS_COMPR_FL, "compr" },
	{ FS_SYNC_FL, "sync" },
	{ FS_IMMUTABLE_FL, "immutable" },
	{ FS_APPEND_FL, "append" },
	{ FS_NODUMP_FL, "nodump" },
	{ FS_NOATIME_FL, "noatime" },
	{ FS_INDEX_FL, "index" },
	{ FS_JOURNAL_DATA_FL, "journal" },
	{ FS_NOTAIL_FL, "notail" },
	{ FS_DIRSYNC_FL, "dirsync" },
	{ FS_TOPDIR_FL, "topdir" },
	{ FS_EXTENT_FL, "extent" },
	{ FS_PROJINHERIT_FL, "projinherit" },
};

static void tell_flags(const char *what, int fd)
{
	char line[256] = "";
	size_t len = 0;
	long word = 0;
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &word)) {
		result(what, "%s", errno_name(errno));
		return;
	}
	/* encoded as a long, yet the kernel writes an int at its start */
	memcpy(&flags, &word, sizeof(flags));
	for (size_t i = 0; i < sizeof(flag_names) / sizeof(*flag_names); i++)
		if (flags & flag_names[i].bit)
			len += (size_t)snprintf(line + len, sizeof(line) - len,
						"%s ", flag_names[i].name);
	result(what, "%s", line);
}

static int set_flags(int fd, int add, int drop)
{
	long word = 0;
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &word))
		return -1;
	memcpy(&flags, &word, sizeof(flags));
	flags = (flags | add) & ~drop;
	word = 0;
	memcpy(&word, &flags, sizeof(flags));
	return ioctl(fd, FS_IOC_SETFLAGS, &word);
}

static void file_flags(void)
{
	int fd, w, dir;

	make_file("f", "x", 0644);
	mkdir("d", 0755);
	fd = open("f", O_RDONLY);
	tell_flags("new", fd);
	result_of("set-nodump", set_flags(fd, FS_NODUMP_FL, 0));
	tell_flags("nodump", fd);
	result_of("set-noatime", set_flags(fd, FS_NOATIME_FL, FS_NODUMP_FL));
	tell_flags("noatime", fd);
	result_of("set-append", set_flags(fd, FS_APPEND_FL, 0));
	tell_flags("append", fd);
	result_of("append-open-write", open("f", O_WRONLY));
	w = open("f", O_WRONLY | O_APPEND);
	result_of("append-open-append", w);
	result_of("append-write", write(w, "y", 1));
	result_of("append-truncate", ftruncate(w, 0));
	result_of("append-unlink", unlink("f"));
	result_of("set-immutable",
		  set_flags(fd, FS_IMMUTABLE_FL, FS_APPEND_FL));
	tell_flags("immutable", fd);
	result_of("immutable-open", open("f", O_RDWR));
	result_of("immutable-chmod", chmod("f", 0600));
	result_of("immutable-unlink", unlink("f"));
	result_of("immutable-rename", rename("f", "g"));
	result_of("immutable-link", link("f", "g"));
	result_of("clear", set_flags(fd, 0, FS_IMMUTABLE_FL));
	result_of("unlink", unlink("f"));
	dir = open("d", O_RDONLY);
	tell_flags("dir", dir);
	result_of("dir-set", set_flags(dir, FS_NODUMP_FL | FS_DIRSYNC_FL, 0));
	tell_flags("dir-after", dir);
	result_of("bad-flag", set_flags(dir, 0x40000000, 0));
}

static void fsxattr(void)
{
	struct fsxattr x;
	int fd, dir;

	make_file("f", "x", 0644);
	fd = open("f", O_RDWR);
	memset(&x, 0xee, sizeof(x));
	result_of("get", ioctl(fd, FS_IOC_FSGETXATTR, &x));
	result("fields", "xflags=%x extsize=%u projid=%u cowextsize=%u",
	       x.fsx_xflags, x.fsx_extsize, x.fsx_projid, x.fsx_cowextsize);
	x.fsx_xflags |= FS_XFLAG_NODUMP;
	result_of("set", ioctl(fd, FS_IOC_FSSETXATTR, &x));
	memset(&x, 0xee, sizeof(x));
	result_of("get-again", ioctl(fd, FS_IOC_FSGETXATTR, &x));
	result("fields-again", "xflags=%x", x.fsx_xflags);
	tell_flags("as-flags", fd);
	mkdir("d", 0755);
	dir = open("d", O_RDONLY);
	result_of("get-dir", ioctl(dir, FS_IOC_FSGETXATTR, &x));
	result("fields-dir", "xflags=%x", x.fsx_xflags);
}

static void others(void)
{
	char buf[4096];
	struct winsize ws;
	struct termios t;
	int value = -1;
	int fd, dir;

	make_file("f", "0123456789", 0644);
	mkdir("d", 0755);
	fd = open("f", O_RDWR);
	dir = open("d", O_RDONLY);
	lseek(fd, 4, SEEK_SET);
	result_of("fionread", ioctl(fd, FIONREAD, &value));
	result("fionread-value", "%d", value);
	result_of("figetbsz", ioctl(fd, FIGETBSZ, &value));
	result("figetbsz-value", "%d", value);
	value = 1;
	result_of("fionbio", ioctl(fd, FIONBIO, &value));
	result("fionbio-flag", "%s",
	       fcntl(fd, F_GETFL) & O_NONBLOCK ? "nonblock" : "blocks");
	result_of("fioclex", ioctl(fd, FIOCLEX));
	result("fioclex-flag", "%d", fcntl(fd, F_GETFD));
	value = 0;
	result_of("fioasync", ioctl(fd, FIOASYNC, &value));
	result_of("tcgets", ioctl(fd, TCGETS, &t));
	result_of("tiocgwinsz", ioctl(fd, TIOCGWINSZ, &ws));
	result("isatty", "%d %s", isatty(fd), errno_name(errno));
	result_of("none", ioctl(fd, _IO('x', 77)));
	result_of("read", ioctl(fd, _IOR('x', 78, int), &value));
	result_of("write", ioctl(fd, _IOW('x', 79, long long), buf));
	result_of("both", ioctl(fd, _IOWR('x', 80, char[256]), buf));
	result_of("zero", ioctl(fd, 0, NULL));
	result_of("blkgetsize", ioctl(fd, _IO(0x12, 96), buf));
	result_of("dir-none", ioctl(dir, _IO('x', 77)));
	result_of("dir-tcgets", ioctl(dir, TCGETS, &t));
	result_of("dir-fionread", ioctl(dir, FIONREAD, &value));
	result_of("fibmap-none", ioctl(fd, _IO(0, 200), &value));
	result_of("closed", ioctl(999, FIONREAD, &value));
	result_of("o-path", ioctl(open("f", O_PATH), FIONREAD, &value));
}

const struct checks ioctl_groups[] = {
	{ "ioctl-flags", file_flags, 0 },
	{ "ioctl-fsxattr", fsxattr, 0 },
	{ "ioctl", others, 0 },
	{ 0 },
};
