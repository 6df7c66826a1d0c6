// SPDX-License-Identifier: BSD-2-Clause
/* A program as the peer: the messages are its standard input and output. */
#include "../../log.h"
#include "stream.h"
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long a command may take to end without its peer: 2 s, then a signal. */
#define PAUSES	   40
#define PAUSE_NSEC 50000000

extern char **environ;

static int spawn(const char *command, int fd, pid_t *ret_child)
{
	char *const argv[] = { "sh", "-c", (char *)command, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, usual;
	int ret;

	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	sigaddset(&usual, SIGXFSZ);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &usual);
	ret = posix_spawn_file_actions_adddup2(&files, fd, STDIN_FILENO);
	if (ret == 0)
		ret = posix_spawn_file_actions_adddup2(&files, fd,
						       STDOUT_FILENO);
	if (ret == 0)
		ret = posix_spawn(ret_child, "/bin/sh", &files, &attr, argv,
				  environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -ret;
}

int command_start(const char *command, pid_t *ret_child)
{
	int ends[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	ret = spawn(command, ends[1], ret_child);
	close(ends[1]);
	if (ret == 0)
		return ends[0];
	close(ends[0]);
	return ret;
}

void command_end(pid_t child, const char *name)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NSEC };
	int status = 0;
	pid_t ended = 0;

	for (int i = 0; i < 2 * PAUSES && !ended; i++) {
		ended = waitpid(child, &status, WNOHANG);
		if (ended)
			break;
		if (i == PAUSES)
			kill(child, SIGTERM);
		nanosleep(&pause, NULL);
	}
	if (!ended) {
		kill(child, SIGKILL);
		ended = waitpid(child, &status, 0);
	}
	if (ended == child && WIFEXITED(status) && WEXITSTATUS(status))
		log_warn("%s: the command has ended with status %d", name,
			 WEXITSTATUS(status));
}
