// SPDX-License-Identifier: BSD-2-Clause
#include "child.h"
#include "../ending.h"
#include "../leftover.h"
#include "../log.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * How long a child has after a signal that should end it; then it is killed. A
 * thread that a file system keeps in the kernel does not even end by that, and
 * is not waited for.
 */
#define PATIENCE   40
#define KILLED	   4
#define PAUSE_NSEC 200000000

/* ENDING: the signal that the child was sent, 0: none. */
static int result_of(int status, int ending)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status) == EXIT_SUCCESS ? 1 : -ECHILD;
	/* It may not have got as far as to handle it. */
	if (WTERMSIG(status) == ending)
		return 1;
	log_error("the server was ended by signal %d (%s)", WTERMSIG(status),
		  strsignal(WTERMSIG(status)));
	return -ECHILD;
}

static int leave(pid_t child)
{
	log_error("the server, process %ld, is kept by a file system that "
		  "does not answer: it is left alone",
		  (long)child);
	return -ECHILD;
}

/*
 * The first process of a name space ignores a signal that it does not handle
 * yet, so one that should end it is sent until it does.
 */
static int wait_for(pid_t child, const sigset_t *signals, int told)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NSEC };
	int ending = 0, sent = 0, status, signal_number;
	char byte;

	for (;;) {
		if (waitpid(child, &status, WNOHANG) == child)
			return result_of(status, ending);
		if (!ending) {
			signal_number = sigwaitinfo(signals, NULL);
		} else {
			signal_number = sigtimedwait(signals, NULL, &pause);
			if (signal_number < 0 && errno == EAGAIN)
				kill(child,
				     ++sent < PATIENCE ? ending : SIGKILL);
			if (sent > PATIENCE + KILLED)
				return leave(child);
		}
		/* The child has said that it cannot wait: see ending.h. */
		if (signal_number == SIGIO && read(told, &byte, 1) == 1) {
			ending = SIGKILL;
			sent = PATIENCE;
		}
		if (signal_number == SIGTERM || signal_number == SIGINT) {
			ending = signal_number;
			kill(child, ending);
		}
	}
}

/* Whether descriptor FD is of no use to a server and leads to a file. */
static bool is_needless(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFD);

	/* What this program opens is closed on exec: it did not open that. */
	if (fd > STDERR_FILENO)
		return flags >= 0 && !(flags & FD_CLOEXEC);
	return fstat(fd, &st) == 0 &&
	       (S_ISDIR(st.st_mode) ||
		(fd == STDIN_FILENO && S_ISREG(st.st_mode)));
}

/* Whoever started the program may have left any descriptor open. */
static int drop_inherited(void)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int ret = 0;

	if (nothing < 0 || !dir) {
		ret = -errno;
		log_error("cannot look at open files: %m: mount /proc and "
			  "/dev");
		goto out;
	}
	while ((entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] == '.' || !is_needless(fd))
			continue;
		if (fd > STDERR_FILENO)
			close(fd);
		else
			dup2(nothing, fd);
	}
out:
	if (dir)
		closedir(dir);
	if (nothing >= 0)
		close(nothing);
	return ret;
}

void child_end_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

int child_start(void)
{
	sigset_t signals, old;
	int told[2], ret;
	pid_t child;

	/* By a signal, for that is what the parent waits for. */
	if (pipe2(told, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    fcntl(told[0], F_SETOWN, getpid()) < 0 ||
	    fcntl(told[0], F_SETFL, O_ASYNC | O_NONBLOCK) < 0) {
		ret = -errno;
		log_error("cannot start a process: %m");
		return ret;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGIO);
	sigprocmask(SIG_BLOCK, &signals, &old);
	child = fork();
	if (child < 0) {
		ret = -errno;
		log_error("cannot start a process: %m");
	} else if (child > 0) {
		close(told[1]);
		ret = wait_for(child, &signals, told[0]);
		/* That its end was closed is told too, and is nothing. */
		signal(SIGIO, SIG_IGN);
		close(told[0]);
	} else {
		leftover_forget();
		ending_tell(told[1]);
		close(told[0]);
		/* Nothing can be typed into a terminal from here. */
		setsid();
		child_end_with_parent();
		ret = drop_inherited();
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return ret;
}
