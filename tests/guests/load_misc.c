// SPDX-License-Identifier: BSD-2-Clause
/* What has no model of its own: ioctls, attributes, errors, signals. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

struct misc {
	struct worker *w;
	char path[128];
	int fd;
};

/* Those of the server in memory: the first byte is the canonical number. */
static void do_echo(struct misc *m)
{
	static const struct {
		unsigned char canonical;
		int native;
	} errors[] = {
		{ 2, ENOENT },	   { 35, EDEADLK },    { 36, ENAMETOOLONG },
		{ 39, ENOTEMPTY }, { 40, ELOOP },      { 61, ENODATA },
		{ 75, EOVERFLOW }, { 95, EOPNOTSUPP }, { 110, ETIMEDOUT },
		{ 116, ESTALE },   { 122, EDQUOT },    { 125, ECANCELED },
	};
	uint32_t i = load_pick(m->w, 13);
	char data[16] = { 0 }, sent[16];

	for (size_t k = 1; k < sizeof(data); k++)
		data[k] = (char)load_pick(m->w, 256);
	data[0] = i < 12 ? (char)errors[i].canonical : 0;
	memcpy(sent, data, sizeof(data));
	if (i < 12)
		load_expect(ioctl(m->fd, _IOWR('x', 1, char[16]), data) < 0,
			    errors[i].native, "ioctl");
	else if (ioctl(m->fd, _IOWR('x', 1, char[16]), data) ||
		 memcmp(data, sent, sizeof(data)))
		load_fail("ioctl _IOWR");
}

static void do_ioctl(struct misc *m)
{
	int flags = 0, changed, again = 0;
	char data[16] = { 0 };

	load_expect(ioctl(m->fd, _IOR('x', 99, char[16]), data) < 0, ENOTTY,
		    "unknown ioctl");
	if (load->memory)
		do_echo(m);
	if (ioctl(m->fd, FS_IOC_GETFLAGS, &flags)) {
		if (errno != ENOTTY && errno != EOPNOTSUPP)
			load_fail("GETFLAGS");
		return;
	}
	changed = flags ^ FS_NODUMP_FL;
	if (ioctl(m->fd, FS_IOC_SETFLAGS, &changed)) {
		load_fail("SETFLAGS");
		return;
	}
	if (ioctl(m->fd, FS_IOC_GETFLAGS, &again) || again != changed)
		load_fail("GETFLAGS: %#x, must be %#x", again, changed);
}

static void do_xattr(struct misc *m)
{
	char value[100], got[200], name[16];
	size_t size = 1 + load_pick(m->w, sizeof(value) - 1);
	ssize_t n;

	memset(value, (int)load_pick(m->w, 256), sizeof(value));
	snprintf(name, sizeof(name), "user.a%u", load_pick(m->w, 4));
	if (setxattr(m->path, name, value, size, 0)) {
		if (errno != EOPNOTSUPP)
			load_fail("setxattr");
		return;
	}
	load_expect(setxattr(m->path, name, value, size, XATTR_CREATE) < 0,
		    EEXIST, "XATTR_CREATE");
	n = getxattr(m->path, name, got, sizeof(got));
	if (n != (ssize_t)size || memcmp(got, value, size))
		load_fail("getxattr gives %zd", n);
	if (size > 1)
		load_expect(getxattr(m->path, name, got, size - 1) < 0, ERANGE,
			    "getxattr");
	n = listxattr(m->path, got, sizeof(got));
	if (n < (ssize_t)strlen(name) + 1 ||
	    !memmem(got, (size_t)n, name, strlen(name) + 1))
		load_fail("listxattr gives %zd", n);
	if (removexattr(m->path, name))
		load_fail("removexattr");
	load_expect(getxattr(m->path, name, got, sizeof(got)) < 0, ENODATA,
		    "getxattr");
	load_expect(setxattr(m->path, name, value, size, XATTR_REPLACE) < 0,
		    ENODATA, "XATTR_REPLACE");
}

static void do_attributes(struct misc *m)
{
	mode_t mode = (mode_t)load_pick(m->w, 0100) << 3 | 0600;
	struct timespec times[2] = {
		{ .tv_sec = 1 + load_pick(m->w, 1u << 30) },
		{ .tv_sec = 1 + load_pick(m->w, 1u << 30) }
	};
	struct statvfs fs;
	struct stat st;

	if (chmod(m->path, mode) || utimensat(AT_FDCWD, m->path, times, 0) ||
	    statvfs(m->path, &fs) || stat(m->path, &st))
		load_fail("attributes");
	else if ((st.st_mode & 07777) != mode || st.st_mtime != times[1].tv_sec)
		load_fail("mode %o, must be %o", st.st_mode, mode);
}

/* A file without a name, with all flags that stay with it */
static void do_tmpfile(struct misc *m)
{
	int fd = open(m->w->dir, O_TMPFILE | O_RDWR | O_SYNC | O_APPEND, 0600);
	char c = 0;

	if (fd < 0) {
		if (errno != EOPNOTSUPP)
			load_fail("O_TMPFILE");
		return;
	}
	if (write(fd, "xy", 2) != 2 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK | O_NOATIME | O_DIRECT) ||
	    fcntl(fd, F_SETFL, O_APPEND) || write(fd, "z", 1) != 1 ||
	    pread(fd, &c, 1, 2) != 1 || c != 'z')
		load_fail("file without a name");
	close(fd);
}

static void do_poll(struct misc *m)
{
	struct pollfd p = { .fd = m->fd, .events = POLLIN | POLLOUT };

	if (poll(&p, 1, 10000) != 1 || (p.revents & (POLLERR | POLLNVAL)))
		load_fail("poll gives %#x", p.revents);
}

static void do_errors(struct misc *m)
{
	char name[160];
	char c = 0;
	int fd = open(m->path, O_RDONLY);

	load_expect(write(fd, &c, 1) < 0, EBADF, "write");
	load_expect(fallocate(m->fd, 0x4000, 0, 1) < 0, EOPNOTSUPP,
		    "fallocate");
	close(fd);
	snprintf(name, sizeof(name), "%s/x", m->path);
	load_expect(open(name, O_RDWR | O_CREAT, 0600) < 0, ENOTDIR, "open");
	load_expect(rmdir(m->path) < 0, ENOTDIR, "rmdir");
	load_expect(readlink(m->path, name, sizeof(name)) < 0, EINVAL,
		    "readlink");
	load_expect(open(m->path, O_RDWR | O_CREAT | O_EXCL, 0600) < 0, EEXIST,
		    "O_EXCL");
	if (!load->memory || load->writeback)
		return;
	/* Past what the server keeps; on MIPS the number is above 512 */
	load_expect(pwrite(m->fd, "x", 1, 5 << 20) < 0, EDQUOT, "pwrite");
}

/*
 * Numbers at the edge of what an error can be. Up to 511 they arrive, as EIO
 * where the kernel has a table to look them up in; above it only one does, and
 * only on MIPS. The others are refused: /dev/fuse lets the server send another
 * one, a ring does not.
 */
static void do_range(struct misc *m)
{
	static const int numbers[] = { 300, 511, 512, 513, 1133, 4095 };
	int number = numbers[load_pick(m->w, 6)];
	bool translated = EDEADLK != 35;
	char name[160];
	int seen;

	if (!load->memory)
		return;
	snprintf(name, sizeof(name), "%s/error-%d", m->w->dir, number);
	seen = mkdir(name, 0700) ? errno : 0;
	if (number < 512 && seen == (translated ? EIO : number))
		return;
	if (number == EDQUOT && seen == EDQUOT)
		return;
	if (number >= 512 && number != EDQUOT &&
	    (seen == EIO || seen == EINVAL))
		return;
	errno = seen;
	load_fail("error %d", number);
}

void load_misc(struct worker *w)
{
	static void (*const calls[])(struct misc *) = {
		do_ioctl, do_xattr,  do_attributes, do_tmpfile,
		do_poll,  do_errors, do_range,
	};
	struct misc m = { .w = w };

	snprintf(m.path, sizeof(m.path), "%s/misc-%u", w->dir, w->index);
	m.fd = open(m.path, O_RDWR | O_CREAT, 0644);
	if (m.fd < 0) {
		load_fail("%s", m.path);
		return;
	}
	while (load_more(w))
		calls[load_pick(w, sizeof(calls) / sizeof(calls[0]))](&m);
	close(m.fd);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* Reads, and whatever else comes, until it is killed */
static void victim(struct worker *w, int fd)
{
	char buf[4096];
	char name[128];

	snprintf(name, sizeof(name), "%s/gone-%u", w->dir, w->index);
	for (;;) {
		int new = open(name, O_RDWR | O_CREAT | O_APPEND, 0644);

		pread(fd, buf, sizeof(buf), 0);
		if (new < 0)
			continue;
		write(new, buf, 100);
		flock(new, LOCK_EX);
		getxattr(name, "user.x", buf, sizeof(buf));
		unlink(name);
		close(new);
	}
}

static void do_kill(struct worker *w, int fd)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		victim(w, fd);
		_exit(0);
	}
	usleep(load_pick(w, 60000));
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		load->killed++;
}

static void do_interrupt(struct worker *w, int fd)
{
	struct itimerval t = {
		.it_value = { .tv_usec = 1 + load_pick(w, 20000) },
	};
	char buf[512];
	ssize_t n;

	setitimer(ITIMER_REAL, &t, NULL);
	n = pread(fd, buf, sizeof(buf), 0);
	if (n < 0 && errno == EINTR)
		load->interrupted++;
	else if (n < 0)
		load_fail("pread with an alarm");
	t.it_value.tv_usec = 0;
	setitimer(ITIMER_REAL, &t, NULL);
}

/* The server in memory answers reads of this file late. */
void load_signals(struct worker *w)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/slow-%u", w->dir, w->index);
	fd = open(path, O_RDWR | O_CREAT, 0644);
	if (fd < 0) {
		load_fail("%s", path);
		return;
	}
	sigaction(SIGALRM, &sa, NULL);
	while (load_more(w)) {
		if (load_pick(w, 12))
			do_interrupt(w, fd);
		else
			do_kill(w, fd);
	}
	close(fd);
}
