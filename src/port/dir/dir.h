/* SPDX-License-Identifier: BSD-2-Clause */
/* The built-in server of a directory: what its port needs of it. */
#ifndef DIR_H
#define DIR_H

#include "../../call.h"
#include "../../options.h"

struct dir;

/*
 * A server of the directory behind ROOT_FD. PROC_FD is /proc/self/fd of this
 * process. Both are O_PATH descriptors; they belong to the server from here
 * on, also on failure. 0 or -errno.
 */
int dir_create(const struct options *options, int root_fd, int proc_fd,
	       struct dir **ret_dir);

/* As the functions of struct server_port_ops. */
void dir_submit(struct dir *dir, struct call *call);
void dir_cancel(struct dir *dir);
void dir_reset(struct dir *dir);
void dir_destroy(struct dir *dir);

#endif
