// SPDX-License-Identifier: BSD-2-Clause
/*
 * probe DIR [GROUP...]: run every group of checks in a new directory below
 * DIR and print what was seen.
 */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define USUAL_SECONDS 90
#define ROOT_NAME     "probe"

static const char *group_name = "";

static const struct checks *const all_groups[] = {
	open_groups,  dir_groups,   rename_groups, link_groups,	 xattr_groups,
	attr_groups,  ioctl_groups, lock_groups,   data_groups,	 space_groups,
	errno_groups, user_groups,  misc_groups,   small_groups, live_groups,
};

void result(const char *name, const char *format, ...)
{
	char line[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	for (char *p = line; *p; p++)
		if (*p == '\n' || *p == '\t')
			*p = ' ';
	printf("%s.%s\t%s\n", group_name, name, line);
	fflush(stdout);
}

void result_of(const char *name, long ret)
{
	result(name, "%s", outcome(ret));
}

const char *outcome(long ret)
{
	return ret < 0 ? errno_name(errno) : "ok";
}

void make_file(const char *path, const char *text, mode_t mode)
{
	size_t len = strlen(text);
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len) {
		result("setup", "%s: %s", path, errno_name(errno));
		exit(1);
	}
	close(fd);
}

const char *content(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (n < 0)
		snprintf(buf, size, "-%s", errno_name(errno));
	else
		buf[n] = 0;
	if (fd >= 0)
		close(fd);
	return buf;
}

long long size_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? -1 : (long long)st.st_size;
}

bool in_child(void (*fn)(void *), void *arg)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		fn(arg);
		fflush(stdout);
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid &&
	       WIFEXITED(status) && !WEXITSTATUS(status);
}

static void run_in_dir(const struct checks *g)
{
	if (mkdir(g->name, 0755) || chdir(g->name)) {
		result("setup", "%s", errno_name(errno));
		return;
	}
	g->run();
}

/*
 * A call that never comes back cannot always be killed: such a group is
 * told of and left behind.
 */
static void wait_for(pid_t pid, unsigned int seconds)
{
	const struct timespec tick = { .tv_nsec = 5 * 1000 * 1000 };
	struct timespec start, now;
	int status;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec > (time_t)seconds) {
			result("end", "HANGS");
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL);
			return;
		}
		nanosleep(&tick, NULL);
	}
	if (WIFSIGNALED(status))
		result("end", "signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		result("end", "exit %d", WEXITSTATUS(status));
}

static void run_group(const struct checks *g)
{
	pid_t pid;

	group_name = g->name;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		run_in_dir(g);
		fflush(stdout);
		_exit(0);
	}
	setpgid(pid, pid);
	wait_for(pid, g->seconds ? g->seconds : USUAL_SECONDS);
}

static bool wanted(const char *name, char **names, int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(name, names[i]))
			return true;
	return n == 0;
}

static void time_of(const char *name, const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("#%s %ld ms\n", name,
	       (long)(now.tv_sec - start->tv_sec) * 1000 +
		       (long)(now.tv_nsec - start->tv_nsec) / 1000000);
}

int main(int argc, char **argv)
{
	struct timespec start;

	/* what the checks start from the share themselves */
	if (argc == 2 && !strcmp(argv[1], "--exit"))
		return 42;
	if (argc == 3 && !strcmp(argv[2], "--exit")) /* by a script */
		return 43;
	if (argc == 2 && !strcmp(argv[1], "--hold"))
		return write(1, "r", 1) == 1 && pause() ? 1 : 0;
	if (argc < 2) {
		fprintf(stderr, "usage: probe DIR [GROUP...]\n");
		return 2;
	}
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	group_name = "probe";
	if (chdir(argv[1]) || mkdir(ROOT_NAME, 0755) || chdir(ROOT_NAME)) {
		result("setup", "%s", errno_name(errno));
		result("end", "complete");
		return 0;
	}
	for (size_t i = 0; i < sizeof(all_groups) / sizeof(*all_groups); i++) {
		for (const struct checks *g = all_groups[i]; g->name; g++) {
			if (!wanted(g->name, argv + 2, argc - 2))
				continue;
			clock_gettime(CLOCK_MONOTONIC, &start);
			run_group(g);
			time_of(g->name, &start);
		}
	}
	group_name = "probe";
	result("end", "complete");
	return 0;
}
