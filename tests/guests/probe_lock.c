// SPDX-License-Identifier: BSD-2-Clause
/* Locks between two processes: POSIX, open file description, flock. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static struct flock range(short type, off_t start, off_t len)
{
	struct flock l;

	memset(&l, 0, sizeof(l));
	l.l_type = type;
	l.l_whence = SEEK_SET;
	l.l_start = start;
	l.l_len = len;
	return l;
}

static int set(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock l = range(type, start, len);

	return fcntl(fd, cmd, &l);
}

/* A second process that does as it is told, one letter at a time. */
struct other {
	pid_t pid;
	int to;
	int from;
};

static void obey(int in, int out)
{
	int fd = open("f", O_RDWR);
	int fd2 = open("g", O_RDWR);
	char c;

	while (read(in, &c, 1) == 1) {
		int ret = -1;

		errno = 0;
		switch (c) {
		case 'w': /* write lock on the first ten bytes */
			ret = set(fd, F_SETLK, F_WRLCK, 0, 10);
			break;
		case 'W': /* the same, waiting */
			ret = set(fd, F_SETLKW, F_WRLCK, 0, 10);
			break;
		case 'r':
			ret = set(fd, F_SETLK, F_RDLCK, 0, 10);
			break;
		case 'u':
			ret = set(fd, F_SETLK, F_UNLCK, 0, 0);
			break;
		case 'g': /* the second file */
			ret = set(fd2, F_SETLK, F_WRLCK, 0, 0);
			break;
		case 'G':
			ret = set(fd2, F_SETLKW, F_WRLCK, 0, 0);
			break;
		case 'o':
			ret = set(fd, F_OFD_SETLK, F_WRLCK, 0, 10);
			break;
		case 'x':
			ret = flock(fd, LOCK_EX | LOCK_NB);
			break;
		case 's':
			ret = flock(fd, LOCK_SH | LOCK_NB);
			break;
		case 'X':
			ret = flock(fd, LOCK_EX);
			break;
		case 'n':
			ret = flock(fd, LOCK_UN);
			break;
		default:
			break;
		}
		ret = ret ? errno : 0;
		if (write(out, &ret, sizeof(ret)) != sizeof(ret))
			break;
	}
	_exit(0);
}

static void start(struct other *o)
{
	int to[2], from[2];

	make_file("f", "0123456789012345678901234567890123456789", 0644);
	make_file("g", "0123456789", 0644);
	if (pipe(to) || pipe(from))
		result("pipe", "%s", errno_name(errno));
	fflush(stdout);
	o->pid = fork();
	if (!o->pid) {
		close(to[1]);
		close(from[0]);
		obey(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	o->to = to[1];
	o->from = from[0];
}

static void say(const struct other *o, char c)
{
	if (write(o->to, &c, 1) != 1)
		result("say", "%s", errno_name(errno));
}

static const char *hear(const struct other *o)
{
	int err = 0;

	if (read(o->from, &err, sizeof(err)) != sizeof(err))
		return "gone";
	return errno_name(err);
}

static const char *ask(const struct other *o, char c)
{
	say(o, c);
	return hear(o);
}

static void stop(struct other *o)
{
	close(o->to);
	close(o->from);
	kill(o->pid, SIGKILL);
	waitpid(o->pid, NULL, 0);
}

/* Asleep, having taken the letter, without an answer: it waits. */
static bool seems_blocked(const struct other *o)
{
	char path[64], line[128];
	int unread = 0, answered = 0;
	const char *state;

	snprintf(path, sizeof(path), "/proc/%d/stat", o->pid);
	content(path, line, sizeof(line));
	state = strrchr(line, ')');
	return !ioctl(o->to, FIONREAD, &unread) && !unread &&
	       !ioctl(o->from, FIONREAD, &answered) && !answered && state &&
	       (state[2] == 'S' || state[2] == 'D');
}

/* "yes" once the other process has been waiting for a while. */
static const char *blocks(const struct other *o)
{
	int times = 0;

	for (int i = 0; i < 200 && times < 5; i++) {
		usleep(50000);
		times = seems_blocked(o) ? times + 1 : 0;
	}
	return times == 5 ? "yes" : "no";
}

static void tell_getlk(const char *what, int fd, int cmd, short type,
		       pid_t other)
{
	static const char *const pids[] = { "other", "ofd", "0", "?" };
	struct flock l = range(type, 0, 0);
	int ret = fcntl(fd, cmd, &l);

	result(what, "%s %s start=%lld len=%lld pid=%s", outcome(ret),
	       l.l_type == F_UNLCK   ? "free"
	       : l.l_type == F_WRLCK ? "write"
	       : l.l_type == F_RDLCK ? "read"
				     : "?",
	       (long long)l.l_start, (long long)l.l_len,
	       l.l_type == F_UNLCK ? "-"
	       : l.l_pid == other  ? pids[0]
	       : l.l_pid == -1	   ? pids[1]
	       : l.l_pid == 0	   ? pids[2]
				   : pids[3]);
}

static void posix_locks(void)
{
	struct other o;
	int fd, other_fd;

	start(&o);
	fd = open("f", O_RDWR);
	result("free", "%s", outcome(set(fd, F_SETLK, F_WRLCK, 0, 10)));
	result("conflict", "%s", ask(&o, 'w'));
	result("conflict-read", "%s", ask(&o, 'r'));
	tell_getlk("getlk-own", fd, F_GETLK, F_WRLCK, o.pid);
	result_of("downgrade", set(fd, F_SETLK, F_RDLCK, 0, 10));
	result("shared", "%s", ask(&o, 'r'));
	tell_getlk("getlk-read", fd, F_GETLK, F_WRLCK, o.pid);
	tell_getlk("getlk-compatible", fd, F_GETLK, F_RDLCK, o.pid);
	result_of("upgrade", set(fd, F_SETLK, F_WRLCK, 0, 10));
	result("other-upgrade", "%s", ask(&o, 'w'));
	result("other-unlock", "%s", ask(&o, 'u'));
	result_of("upgrade-now", set(fd, F_SETLK, F_WRLCK, 0, 10));
	result_of("split", set(fd, F_SETLK, F_UNLCK, 3, 2));
	result("still-held", "%s", ask(&o, 'w'));
	result_of("other-range", set(fd, F_SETLK, F_WRLCK, 20, 5));
	result_of("unlock-first", set(fd, F_SETLK, F_UNLCK, 0, 10));
	result("taken", "%s", ask(&o, 'w'));
	tell_getlk("getlk-write", fd, F_GETLK, F_RDLCK, o.pid);
	result_of("refused", set(fd, F_SETLK, F_RDLCK, 9, 1));
	result_of("beside", set(fd, F_SETLK, F_WRLCK, 10, 5));
	result("let-go", "%s", ask(&o, 'u'));
	result_of("large-start", set(fd, F_SETLK, F_WRLCK, 1LL << 40, 1));
	result_of("to-the-end", set(fd, F_SETLK, F_RDLCK, 0, 0));
	result_of("bad-type", set(fd, F_SETLK, 99, 0, 0));
	result_of("negative", set(fd, F_SETLK, F_WRLCK, -1, 5));
	other_fd = open("f", O_RDONLY);
	result_of("write-lock-read-only",
		  set(other_fd, F_SETLK, F_WRLCK, 0, 0));
	result("before-close", "%s", ask(&o, 'w'));
	close(other_fd); /* closing any descriptor drops all locks */
	result("after-close", "%s", ask(&o, 'w'));
	stop(&o);
	result_of("other-died", set(fd, F_SETLK, F_WRLCK, 0, 0));
}

static void waiting(void)
{
	struct other o;
	int fd;

	start(&o);
	fd = open("f", O_RDWR);
	result_of("mine", set(fd, F_SETLK, F_WRLCK, 0, 10));
	say(&o, 'W');
	result("still-waits", "%s", blocks(&o));
	/* other work goes on meanwhile */
	result("meanwhile", "%lld", size_of("g"));
	result_of("unlock", set(fd, F_SETLK, F_UNLCK, 0, 0));
	result("got-it", "%s", hear(&o));
	result_of("now-held", set(fd, F_SETLK, F_WRLCK, 0, 10));
	stop(&o);
	result_of("freed-by-death", set(fd, F_SETLKW, F_WRLCK, 0, 10));
}

static void deadlock(void)
{
	struct other o;
	int fd, fd2;

	start(&o);
	fd = open("f", O_RDWR);
	fd2 = open("g", O_RDWR);
	result_of("mine", set(fd, F_SETLK, F_WRLCK, 0, 10));
	result("theirs", "%s", ask(&o, 'g'));
	say(&o, 'W');
	result("they-wait", "%s", blocks(&o));
	result_of("circle", set(fd2, F_SETLKW, F_WRLCK, 0, 0));
	set(fd, F_SETLK, F_UNLCK, 0, 0);
	result("theirs-goes-on", "%s", hear(&o));
	stop(&o);
}

static void on_alarm(int signal_number)
{
	(void)signal_number;
}

static void interrupted(void)
{
	/* again and again, lest the first comes before the wait begins */
	const struct itimerval every = { { 1, 0 }, { 1, 0 } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = on_alarm };
	struct other o;
	int fd;

	start(&o);
	fd = open("f", O_RDWR);
	result("theirs", "%s", ask(&o, 'w'));
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	result_of("wait", set(fd, F_SETLKW, F_WRLCK, 0, 10));
	setitimer(ITIMER_REAL, &never, NULL);
	result("let-go", "%s", ask(&o, 'u'));
	result("not-left-behind", "%s", ask(&o, 'w'));
	stop(&o);
}

static void ofd(void)
{
	struct other o;
	int fd, fd2;

	start(&o);
	fd = open("f", O_RDWR);
	fd2 = open("f", O_RDWR);
	result_of("set", set(fd, F_OFD_SETLK, F_WRLCK, 0, 10));
	result_of("second-descriptor", set(fd2, F_OFD_SETLK, F_WRLCK, 5, 10));
	result_of("posix-in-same-process", set(fd2, F_SETLK, F_WRLCK, 0, 10));
	tell_getlk("getlk", fd2, F_OFD_GETLK, F_WRLCK, o.pid);
	tell_getlk("getlk-posix", fd2, F_GETLK, F_WRLCK, o.pid);
	result("other-process", "%s", ask(&o, 'o'));
	result_of("dup", set(dup(fd), F_OFD_SETLK, F_WRLCK, 0, 20));
	close(fd2);
	result("close-of-another", "%s", ask(&o, 'o'));
	result_of("unlock", set(fd, F_OFD_SETLK, F_UNLCK, 0, 0));
	result("taken", "%s", ask(&o, 'o'));
	result_of("refused", set(fd, F_OFD_SETLK, F_RDLCK, 0, 1));
	stop(&o);
	result_of("freed-by-death", set(fd, F_OFD_SETLK, F_WRLCK, 0, 0));
}

static void flocks(void)
{
	struct other o;
	int fd, fd2;

	start(&o);
	fd = open("f", O_RDONLY);
	fd2 = open("f", O_RDONLY);
	result_of("shared", flock(fd, LOCK_SH));
	result("shared-too", "%s", ask(&o, 's'));
	result_of("upgrade-refused", flock(fd, LOCK_EX | LOCK_NB));
	result("unlock", "%s", ask(&o, 'n'));
	result_of("exclusive", flock(fd, LOCK_EX | LOCK_NB));
	result_of("same-process", flock(fd2, LOCK_SH | LOCK_NB));
	result("other", "%s", ask(&o, 'x'));
	say(&o, 'X');
	result("waits", "%s", blocks(&o));
	result_of("close", close(fd));
	result("got-it", "%s", hear(&o));
	result_of("refused", flock(fd2, LOCK_EX | LOCK_NB));
	result_of("beside-posix",
		  set(open("f", O_RDWR), F_SETLK, F_WRLCK, 0, 0));
	stop(&o);
	result_of("freed-by-death", flock(fd2, LOCK_EX));
	result_of("bad", flock(fd2, 99));
}

static void leases(void)
{
	int fd;

	make_file("f", "x", 0644);
	fd = open("f", O_RDONLY);
	result("getlease", "%d", fcntl(fd, F_GETLEASE));
	fd = open("f", O_RDWR);
	result_of("lockf", lockf(fd, F_TLOCK, 0));
	result_of("lockf-test", lockf(fd, F_TEST, 0));
	result_of("lockf-unlock", lockf(fd, F_ULOCK, 0));
}

const struct checks lock_groups[] = {
	{ "lock-posix", posix_locks, 0 },
	{ "lock-wait", waiting, 0 },
	{ "lock-deadlock", deadlock, 60 },
	{ "lock-signal", interrupted, 60 },
	{ "lock-ofd", ofd, 0 },
	{ "flock", flocks, 0 },
	{ "lockf", leases, 0 },
	{ 0 },
};
