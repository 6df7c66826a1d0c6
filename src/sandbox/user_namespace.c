// SPDX-License-Identifier: BSD-2-Clause
#include "user_namespace.h"
#include "../log.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Users, or groups. */
struct kind {
	const char *option;
	const char *file;    /* below /proc/PID */
	const char *program; /* for ordinary users */
	const char *allowed; /* what it looks at */
};

static const struct kind users = { "--uid-map", "uid_map", "newuidmap",
				   "/etc/subuid" };
static const struct kind groups = { "--gid-map", "gid_map", "newgidmap",
				    "/etc/subgid" };

/* All at once: the kernel takes one write. */
static int write_file(pid_t pid, const char *name, const char *text)
{
	char path[64];
	ssize_t len;
	int fd, ret = 0;

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = write(fd, text, strlen(text));
	if (len < 0)
		ret = -errno;
	close(fd);
	return ret == 0 && len != (ssize_t)strlen(text) ? -EIO : ret;
}

static int write_map(const struct kind *kind, const struct user_map *map,
		     pid_t pid)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	int ret;

	if (!file)
		return -ENOMEM;
	for (size_t i = 0; i < map->count; i++)
		fprintf(file, "%u %u %u\n", map->ranges[i].inside,
			map->ranges[i].outside, map->ranges[i].count);
	ret = fclose(file) == 0 ? write_file(pid, kind->file, text) : -ENOMEM;
	free(text);
	if (ret < 0)
		log_error("%s: cannot map them: %s: %s", kind->option,
			  strerror(-ret),
			  ret == -EPERM ? "give it CAP_SETUID, CAP_SETGID and "
					  "CAP_SETFCAP"
					: "mount /proc");
	return ret;
}

/* The first line of what PROGRAM says on PIPE, without its own name. */
static void read_reason(int pipe, char *buf, size_t size)
{
	size_t used = 0;
	ssize_t len;

	while (used < size - 1) {
		len = read(pipe, buf + used, size - 1 - used);
		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			break;
		used += (size_t)len;
	}
	buf[used] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

/* What it says goes to PIPE's end. */
static int spawn(char *const *argv, const int *pipe, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	int ret = posix_spawn_file_actions_init(&actions);

	if (ret)
		return -ret;
	ret = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO,
					       "/dev/null", O_RDWR, 0);
	if (ret == 0)
		ret = posix_spawn_file_actions_adddup2(&actions, pipe[1],
						       STDOUT_FILENO);
	if (ret == 0)
		ret = posix_spawn_file_actions_adddup2(&actions, pipe[1],
						       STDERR_FILENO);
	if (ret == 0)
		ret = posix_spawnp(ret_pid, argv[0], &actions, NULL, argv,
				   environ);
	posix_spawn_file_actions_destroy(&actions);
	return -ret;
}

static int run(const struct kind *kind, char *const *argv)
{
	char reason[200];
	int said[2], ret;
	pid_t pid;

	if (pipe2(said, O_CLOEXEC) < 0)
		return -errno;
	ret = spawn(argv, said, &pid);
	close(said[1]);
	if (ret < 0) {
		log_error("%s: cannot run %s: %s: install it (package uidmap "
			  "or shadow-utils)",
			  kind->option, argv[0], strerror(-ret));
	} else {
		read_reason(said[0], reason, sizeof(reason));
		ret = wait_for(pid);
		if (ret < 0)
			log_error("%s: %s: give this user the numbers in %s",
				  kind->option,
				  *reason ? reason : kind->program,
				  kind->allowed);
	}
	close(said[0]);
	return ret;
}

/* PROGRAM PID INSIDE OUTSIDE COUNT ... */
static int run_for(const struct kind *kind, const struct user_map *map,
		   pid_t pid)
{
	enum {
		DIGITS = 16
	};
	const size_t words = 2 + 3 * map->count;
	char **argv = calloc(words + 1, sizeof(*argv));
	char *text = calloc(words, DIGITS), *at = text;
	int ret = argv && text ? 0 : -ENOMEM;

	if (ret == 0) {
		argv[0] = (char *)(uintptr_t)kind->program;
		argv[1] = at;
		snprintf(at, DIGITS, "%ld", (long)pid);
		for (size_t i = 0; i < 3 * map->count; i++) {
			const struct user_range *range = &map->ranges[i / 3];
			const uint32_t numbers[] = { range->inside,
						     range->outside,
						     range->count };

			argv[i + 2] = at += DIGITS;
			snprintf(at, DIGITS, "%u", numbers[i % 3]);
		}
		ret = run(kind, argv);
	}
	free(argv);
	free(text);
	return ret;
}

static int map_of(const struct kind *kind, const struct user_map *map,
		  uint32_t own, pid_t pid)
{
	int ret;

	if (geteuid() == 0)
		return write_map(kind, map, pid);
	if (!user_map_is_own(map, own))
		return run_for(kind, map, pid);
	/* So that no group that it is in can be left to gain rights. */
	if (kind == &groups) {
		ret = write_file(pid, "setgroups", "deny");
		if (ret < 0 && ret != -ENOENT) {
			log_error("cannot keep the groups of process %ld: %s",
				  (long)pid, strerror(-ret));
			return ret;
		}
	}
	return write_map(kind, map, pid);
}

/*
 * In a process outside, which has the rights for that: waits until PID, its
 * parent, has left.
 */
static int map_from_outside(const struct user_map *uids,
			    const struct user_map *gids, pid_t pid, int left)
{
	char byte;
	int ret;

	if (read(left, &byte, 1) != 1)
		return -ECHILD;
	ret = map_of(&users, uids, geteuid(), pid);
	return ret < 0 ? ret : map_of(&groups, gids, getegid(), pid);
}

static int tell(int error)
{
	log_error("--sandbox: cannot make a user name space: %s: %s",
		  strerror(error),
		  error == ENOSPC ? "raise /proc/sys/user/max_user_namespaces"
				  : "run as root, or where users may make "
				    "name spaces, which is not in a chroot, "
				    "or use --sandbox none");
	return -error;
}

int user_namespace_enter(const struct user_map *uids,
			 const struct user_map *gids, struct user_ids *ret_ids)
{
	const struct user_ids ids = { user_map_inside(uids, geteuid()),
				      user_map_inside(gids, getegid()) };
	const pid_t self = getpid();
	int left[2], ret = 0, mapped;
	pid_t helper;

	if (pipe2(left, O_CLOEXEC) < 0)
		return tell(errno);
	helper = fork();
	if (helper < 0) {
		ret = tell(errno);
		goto out;
	}
	if (helper == 0) {
		close(left[1]);
		ret = map_from_outside(uids, gids, self, left[0]);
		_exit(ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	if (unshare(CLONE_NEWUSER) < 0)
		ret = tell(errno);
	else if (write(left[1], "", 1) != 1)
		ret = tell(errno);
out:
	close(left[0]);
	close(left[1]);
	if (helper > 0) {
		mapped = wait_for(helper);
		if (ret == 0) /* else it had nothing to do; it has told all */
			ret = mapped;
	}
	if (ret == 0)
		*ret_ids = ids;
	return ret;
}

int user_namespace_try(const struct user_map *uids, const struct user_map *gids,
		       struct user_ids *ret_ids)
{
	pid_t child = fork();
	int ret;

	if (child < 0)
		return tell(errno);
	if (child == 0) {
		ret = user_namespace_enter(uids, gids, ret_ids);
		_exit(ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	return wait_for(child);
}

int user_namespace_become(const struct user_ids *ids)
{
	/* Who may not leave groups has a map of its own group alone. */
	setgroups(0, NULL);
	if (setresgid(ids->gid, ids->gid, ids->gid) < 0 ||
	    setresuid(ids->uid, ids->uid, ids->uid) < 0) {
		int ret = -errno;

		log_error("--sandbox: cannot become user %u and group %u: %s: "
			  "run without a filter of setresuid and setresgid",
			  ids->uid, ids->gid, strerror(-ret));
		return ret;
	}
	return 0;
}
