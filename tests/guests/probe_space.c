// SPDX-License-Identifier: BSD-2-Clause
/* fallocate(2), holes, and waiting for files to become ready. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIB 1024

static int filled(const char *path, size_t size)
{
	static unsigned char buf[256 * KIB];
	int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0644);

	fill_pattern(buf, size, 0, 41);
	if (fd < 0 || write(fd, buf, size) != (ssize_t)size)
		result(path, "%s", errno_name(errno));
	return fd;
}

static void tell(const char *what, const char *path, int ret)
{
	result(what, "%s size=%lld crc=%08x", outcome(ret), size_of(path),
	       crc_of_file(path, 65536));
}

static void allocation(void)
{
	const int k = 64 * KIB; /* a block on every file system */
	struct stat st;
	int fd;

	fd = filled("f", 100);
	tell("plain", "f", fallocate(fd, 0, 0, 3 * k));
	fstat(fd, &st);
	result("blocks", "%s", st.st_blocks >= 3 * k / 512 ? "there" : "none");
	tell("keep-size", "f", fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 5 * k));
	fd = filled("p", 256 * KIB);
	tell("punch", "p",
	     fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, k, k));
	tell("punch-unaligned", "p",
	     fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 11, 99));
	tell("punch-no-keep", "p", fallocate(fd, FALLOC_FL_PUNCH_HOLE, k, k));
	tell("zero", "p", fallocate(fd, FALLOC_FL_ZERO_RANGE, 100, 5000));
	tell("zero-beyond", "p",
	     fallocate(fd, FALLOC_FL_ZERO_RANGE, 250 * KIB, 20 * KIB));
	tell("zero-keep", "p",
	     fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		       265 * KIB, 20 * KIB));
	tell("bad-mode", "p", fallocate(fd, 0x4000, 0, k));
	tell("no-length", "p", fallocate(fd, 0, 0, 0));
	tell("negative", "p", fallocate(fd, 0, -1, 10));
	tell("posix", "p", -!!posix_fallocate(fd, 300 * KIB, 10));
	tell("read-only", "p", fallocate(open("p", O_RDONLY), 0, 0, 10));
	tell("dir", "p", fallocate(open(".", O_RDONLY), 0, 0, 10));
	keep("f");
	keep("p");
}

static void holes(void)
{
	const off_t m = 1024 * KIB;
	struct stat st;
	int fd = open("f", O_CREAT | O_RDWR, 0644);

	if (ftruncate(fd, 8 * m) || pwrite(fd, "x", 1, 2 * m) != 1 ||
	    pwrite(fd, "y", 1, 5 * m) != 1 || fsync(fd))
		result("setup", "%s", errno_name(errno));
	result("data-0", "%lld", (long long)lseek(fd, 0, SEEK_DATA));
	result("hole-0", "%lld", (long long)lseek(fd, 0, SEEK_HOLE));
	result("data-3m", "%lld", (long long)lseek(fd, 3 * m, SEEK_DATA));
	result("hole-2m", "%s",
	       lseek(fd, 2 * m, SEEK_HOLE) > 2 * m ? "behind" : "no");
	result("hole-5m", "%s",
	       lseek(fd, 5 * m, SEEK_HOLE) < 6 * m ? "near" : "far");
	result_of("data-6m", lseek(fd, 6 * m, SEEK_DATA));
	result_of("data-end", lseek(fd, 8 * m, SEEK_DATA));
	result_of("hole-end", lseek(fd, 8 * m, SEEK_HOLE));
	result_of("negative", lseek(fd, -1, SEEK_DATA));
	fstat(fd, &st);
	result("sparse", "%s", st.st_blocks < 8 * m / 512 ? "yes" : "no");
	fd = open("empty", O_CREAT | O_RDWR, 0644);
	result_of("empty-data", lseek(fd, 0, SEEK_DATA));
	result_of("empty-hole", lseek(fd, 0, SEEK_HOLE));
	fd = filled("full", 100);
	result("full-data", "%lld", (long long)lseek(fd, 50, SEEK_DATA));
	result("full-hole", "%lld", (long long)lseek(fd, 50, SEEK_HOLE));
}

static void tell_poll(const char *what, int fd, short events)
{
	static const struct {
		short bit;
		const char *name;
	} bits[] = {
		{ POLLIN, "in" },	  { POLLOUT, "out" },
		{ POLLPRI, "pri" },	  { POLLERR, "err" },
		{ POLLHUP, "hup" },	  { POLLNVAL, "nval" },
		{ POLLRDNORM, "rdnorm" }, { POLLRDBAND, "rdband" },
		{ POLLWRBAND, "wrband" }, { POLLRDHUP, "rdhup" },
	};
	struct pollfd p = { .fd = fd, .events = events };
	char line[128] = "";
	size_t len = 0;
	int n = poll(&p, 1, 100);

	for (size_t i = 0; i < sizeof(bits) / sizeof(*bits); i++)
		if (p.revents & bits[i].bit)
			len += (size_t)snprintf(line + len, sizeof(line) - len,
						" %s", bits[i].name);
	/* on some architectures POLLWRNORM is POLLOUT */
	if (POLLWRNORM != POLLOUT && p.revents & POLLWRNORM)
		snprintf(line + len, sizeof(line) - len, " wrnorm");
	result(what, "%d%s", n, line);
}

static void ready(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct timeval tv = { .tv_sec = 2 };
	fd_set r, w;
	int fd, dir;

	make_file("f", "x", 0644);
	fd = open("f", O_RDWR);
	dir = open(".", O_RDONLY);
	tell_poll("in", fd, POLLIN);
	tell_poll("out", fd, POLLOUT);
	tell_poll("in-out", fd, POLLIN | POLLOUT | POLLPRI);
	tell_poll("norm", fd, POLLRDNORM | POLLWRNORM);
	tell_poll("band", fd, POLLRDBAND | POLLWRBAND);
	tell_poll("nothing", fd, 0);
	tell_poll("read-only", open("f", O_RDONLY), POLLIN | POLLOUT);
	tell_poll("dir", dir, POLLIN | POLLOUT);
	tell_poll("closed", 999, POLLIN);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(fd, &r);
	FD_SET(fd, &w);
	result("select", "%d", select(fd + 1, &r, &w, NULL, &tv));
	result_of("epoll", epoll_ctl(epoll_create1(0), EPOLL_CTL_ADD, fd, &ev));
}

const struct checks space_groups[] = {
	{ "fallocate", allocation, 0 },
	{ "holes", holes, 0 },
	{ "poll", ready, 0 },
	{ 0 },
};
