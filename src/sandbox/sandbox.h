/* SPDX-License-Identifier: BSD-2-Clause */
/* Giving up what serving a directory does not need. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "../option.h"
#include <stdbool.h>
#include <stdint.h>

enum sandbox_mode {
	SANDBOX_NAMESPACE,
	SANDBOX_CHROOT,
	SANDBOX_NONE
};

enum seccomp_mode {
	SECCOMP_NONE,
	SECCOMP_KILL,
	SECCOMP_LOG,
	SECCOMP_TRAP
};

/* Of --rlimit-nofile: it was not given. */
#define RLIMIT_NOFILE_DEFAULT UINT64_MAX

struct user_map;

struct sandbox_options {
	enum sandbox_mode mode;
	enum seccomp_mode seccomp;
	struct user_map *uid_map; /* NULL: none */
	struct user_map *gid_map;
	const char *modcaps;	/* NULL: none */
	uint64_t rlimit_nofile; /* 0: unchanged; RLIMIT_NOFILE_DEFAULT */

	/* From here on as who shares it says. */
	bool readonly;
	bool syslog;   /* the log goes there */
	bool connects; /* to a socket in the directory, again and again */
	/* Who is not mapped keeps its number, and is no superuser. */
	bool own_uid, own_gid;
};

/* What the command line says. */
extern struct sandbox_options sandbox_options;
extern const struct option sandbox_rows[];

/* What is left of the file system; O_PATH descriptors of the caller. */
struct sandbox_view {
	int root_fd;  /* the shared directory */
	int proc_fd;  /* /proc/self/fd of this process */
	bool all_ids; /* every number is one of a user and a group here */
};

/*
 * Checks that PATH can be shared, and raises the limit of open files. Nothing
 * is given up yet. 0 or -errno, logged.
 */
int sandbox_check(const char *path, const struct sandbox_options *options);

/*
 * Enters the sandbox. There must be one thread only. 0: this is the process
 * that serves, a child; but for SANDBOX_NONE none of its descriptors leads out
 * of the directory, by ".." or otherwise. 1: this is the parent, and the child
 * has served and ended well. -errno, logged.
 */
int sandbox_enter(const char *path, const struct sandbox_options *options,
		  struct sandbox_view *ret_view);

#endif
