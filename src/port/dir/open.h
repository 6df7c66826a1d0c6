/* SPDX-License-Identifier: BSD-2-Clause */
/* What opening a file and creating one have in common. */
#ifndef DIR_OPEN_H
#define DIR_OPEN_H

#include "internal.h"

/* Of a client's open flags those that may act here, in this mode of cache. */
int open_flags(const struct dir *dir, int flags);

/* The reply to what has opened INODE as FD, and made that handle FH. */
void open_fill(struct op *op, const struct inode *inode, int fd, uint64_t fh,
	       struct cf_open_out *out);

/* Opens with flags from open_flags(); a descriptor or -errno. */
int open_inode(struct dir *dir, struct inode *inode, int flags);

#endif
