/* SPDX-License-Identifier: BSD-2-Clause */
/* Giving up what serving a directory does not need. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "../options.h"

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
int sandbox_check(const char *path, const struct options *options);

/*
 * Enters the sandbox. There must be one thread only. 0: this is the process
 * that serves, a child but for SANDBOX_NONE; but for that mode, again, none of
 * its descriptors leads out of the directory, by ".." or otherwise. 1: this is
 * the parent, and the child has served and ended well. -errno, logged.
 */
int sandbox_enter(const char *path, const struct options *options,
		  struct sandbox_view *ret_view);

#endif
