// SPDX-License-Identifier: BSD-2-Clause
/*
 * A process that unmounts when the server has ended, however it did: the
 * server itself may be confined, or be gone without a word.
 */
#include "../../log.h"
#include "mount.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Waits until nobody has the other end of FD open any more. */
static void wait_for_end(int fd)
{
	char byte;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n > 0 || (n < 0 && errno == EINTR));
}

/* What the other process does. */
static void keep_guard(int life, void (*unmount)(void *), void *opaque)
{
	/* It ends when the server does; what ends that is not for it. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	setsid();
	if (chdir("/") < 0)
		log_debug("cannot leave the working directory: %m");
	wait_for_end(life);
	unmount(opaque);
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

int mount_guard_start(struct mount_guard *ret_guard, void (*unmount)(void *),
		      void *opaque)
{
	int life[2], done[2], ret;
	pid_t pid;

	ret = make_pipes(life, done);
	if (ret < 0) {
		log_error("cannot make a pipe: %s", strerror(-ret));
		return ret;
	}
	pid = fork();
	if (pid == 0) {
		close(life[1]);
		close(done[0]);
		keep_guard(life[0], unmount, opaque);
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
