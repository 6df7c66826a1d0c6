/* SPDX-License-Identifier: BSD-2-Clause */
/* The built-in server of a directory: what its port needs of it. */
#ifndef DIR_H
#define DIR_H

#include "../../call.h"
#include "../../report.h"
#include "../../sandbox/sandbox.h"
#include "dir_options.h"

struct dir;

/*
 * A server of the directory of VIEW, whose descriptors belong to the server
 * from here on, also on failure. 0 or -errno.
 */
int dir_create(const struct dir_options *options,
	       const struct sandbox_view *view, struct dir **ret_dir);

/* As the functions of struct server_port_ops. */
void dir_submit(struct dir *dir, struct call *call);
void dir_cancel(struct dir *dir);
void dir_reset(struct dir *dir);
void dir_report(struct dir *dir, report_fn *report, void *opaque);
void dir_destroy(struct dir *dir);

#endif
