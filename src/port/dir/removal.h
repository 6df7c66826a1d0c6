/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DIR_REMOVAL_H
#define DIR_REMOVAL_H

#include "internal.h"

/* The file that a request of the client is about to take a name from. */
struct removal {
	struct inode *inode; /* held; NULL: the client does not know it */
	bool last;	     /* it is the only name */
};

void removal_begin(struct dir *dir, struct inode *parent, const char *name,
		   struct removal *ret);
/* DONE: the name is gone. */
void removal_end(struct dir *dir, struct removal *removal, bool done);

/* Whether INODE, which is held, has no name left, and not by the client's doing. */
bool inode_is_gone(struct dir *dir, struct inode *inode);
/* And the client does not have it open either. */
bool inode_is_lost(struct dir *dir, struct inode *inode);

#endif
