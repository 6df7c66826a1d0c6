// SPDX-License-Identifier: BSD-2-Clause
#include "background.h"
#include "log.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Written to when all is well; closed at the end. -1: nobody waits. */
static atomic_int told = -1;

/* Whether there was anything. */
static bool show(int output)
{
	char text[4096];
	ssize_t n = read(output, text, sizeof(text));

	if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0) {
		/* Nowhere is left to say it. */
	}
	return n > 0;
}

/* Until the process CHILD is ready, or has ended: the exit status. */
static int wait_until_ready(pid_t child, int ready, int output)
{
	struct pollfd fds[2] = { { .fd = ready, .events = POLLIN },
				 { .fd = output, .events = POLLIN } };
	int status;
	char byte;

	fcntl(output, F_SETFL, O_NONBLOCK);
	while (fds[0].revents == 0) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return EXIT_FAILURE;
		if (fds[1].revents && !show(output))
			fds[1].fd = -1;
	}
	while (show(output))
		;
	if (read(ready, &byte, 1) == 1)
		return EXIT_SUCCESS;
	/* All that it started has ended, too. */
	if (waitpid(child, &status, 0) == child && WIFEXITED(status))
		return WEXITSTATUS(status);
	return EXIT_FAILURE;
}

/* In the process that goes on: nothing of who started it stays open. */
static void leave_terminal(int output)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (nothing >= 0)
		dup2(nothing, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	if (nothing >= 0)
		close(nothing);
	close(output);
}

int background_start(void)
{
	int ready[2], output[2], ret;
	pid_t child;

	if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(output, O_CLOEXEC) < 0) {
		ret = -errno; /* the process ends, and what it has with it */
		log_error("cannot make a pipe: %m");
		return ret;
	}
	child = fork();
	if (child < 0) {
		ret = -errno;
		log_error("cannot start a process: %m");
		return ret;
	}
	if (child > 0) {
		close(ready[1]);
		close(output[1]);
		_exit(wait_until_ready(child, ready[0], output[0]));
	}
	close(ready[0]);
	close(output[0]);
	atomic_store(&told, ready[1]);
	leave_terminal(output[1]);
	return 0;
}

void background_ready(void)
{
	int fd = atomic_exchange(&told, -1);

	if (fd < 0)
		return;
	if (write(fd, "", 1) < 0)
		log_debug("nobody waits for this program to be ready: %m");
	close(fd);
}
