// SPDX-License-Identifier: BSD-2-Clause
/*
 * A process that unmounts when the server has ended, however it did: the
 * server itself may be confined, or be gone without a word.
 */
#define FUSE_USE_VERSION 312
#include "../../log.h"
#include "mount.h"
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the other process knows of the mount. */
struct mounted {
	struct fuse_session *session;
	const char *where;
	uint32_t major, minor; /* of the device that it is to stat() */
};

/* Waits until nobody has the other end of FD open any more. */
static void wait_for_end(int fd)
{
	char byte;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n > 0 || (n < 0 && errno == EINTR));
}

/* What is mounted there; the server is not asked. */
static int look(struct mounted *mounted)
{
	struct statx st;

	if (statx(AT_FDCWD, mounted->where,
		  AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st) < 0)
		return -errno;
	mounted->major = st.stx_dev_major;
	mounted->minor = st.stx_dev_minor;
	return 0;
}

/* Somebody may have unmounted it, or mounted something on top of it. */
static bool is_there(const struct mounted *mounted)
{
	struct mounted now = *mounted;

	return look(&now) == 0 && now.major == mounted->major &&
	       now.minor == mounted->minor;
}

/* The end of a connection: whoever waits for an answer is told. */
static bool abort_connection(const struct mounted *mounted)
{
	char name[64];
	int fd;
	bool done;

	snprintf(name, sizeof(name), "/sys/fs/fuse/connections/%u/abort",
		 mounted->minor);
	fd = open(name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, "1", 1) == 1;
	close(fd);
	return done;
}

/*
 * A thread of a server that was killed may be in the kernel still, waiting for
 * a request that only this server could answer; it has the device open, so its
 * end alone would end nothing.
 */
static void unmount(const struct mounted *mounted)
{
	struct pollfd device = { .fd = fuse_session_fd(mounted->session) };
	bool alive = poll(&device, 1, 0) == 0;
	bool there = is_there(mounted);
	int nothing;

	/* A number that is not in use any more may be another's by now. */
	if (alive && !abort_connection(mounted) && there && geteuid() == 0)
		umount2(mounted->where, MNT_FORCE | UMOUNT_NOFOLLOW);
	/* libfuse unmounts nothing whose connection was aborted. */
	nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (nothing >= 0)
		dup2(nothing, device.fd);
	if (there && is_there(mounted))
		fuse_session_unmount(mounted->session);
}

/* What the other process does. */
static void keep_guard(int life, const struct mounted *mounted)
{
	/* It ends when the server does; what ends that is not for it. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	setsid();
	if (chdir("/") < 0)
		log_debug("cannot leave the working directory: %m");
	wait_for_end(life);
	unmount(mounted);
	_exit(EXIT_SUCCESS);
}

static int make_pipes(int life[2], int done[2])
{
	int ret;

	if (pipe2(life, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(done, O_CLOEXEC) == 0)
		return 0;
	ret = -errno;
	close(life[0]);
	close(life[1]);
	return ret;
}

int mount_guard_start(struct mount_guard *ret_guard,
		      struct fuse_session *session, const char *where)
{
	struct mounted mounted = { .session = session, .where = where };
	int life[2], done[2], ret;
	pid_t pid;

	ret = look(&mounted);
	if (ret == 0)
		ret = make_pipes(life, done);
	if (ret < 0) {
		log_error("%s: cannot guard the mount: %s", where,
			  strerror(-ret));
		return ret;
	}
	pid = fork();
	if (pid == 0) {
		close(life[1]);
		close(done[0]);
		keep_guard(life[0], &mounted);
	}
	ret = -errno;
	close(life[0]);
	close(done[1]);
	if (pid < 0) {
		log_error("cannot start a process: %s", strerror(-ret));
		close(life[1]);
		close(done[0]);
		return ret;
	}
	*ret_guard = (struct mount_guard){ getpid(), life[1], done[0] };
	return 0;
}

void mount_guard_end(struct mount_guard *guard)
{
	close(guard->life);
	/* Not by wait(), which a confined process may not use. */
	if (getpid() == guard->parent)
		wait_for_end(guard->done);
	close(guard->done);
}
