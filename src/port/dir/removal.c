// SPDX-License-Identifier: BSD-2-Clause
/*
 * Files without a name. What the client removed itself it may go on using, as
 * on a local file system. What the host removed, or replaced by another file,
 * is told by ESTALE: Linux then looks the name up again, and a write does not
 * go where nobody can read it.
 */
#include "removal.h"
#include <errno.h>
#include <sys/stat.h>

bool inode_is_gone(struct dir *dir, struct inode *inode)
{
	struct stat st;
	int fd;

	if (atomic_load(&inode->removed))
		return false;
	fd = inode_fd(dir, inode);
	return fd < 0 ? fd == -ESTALE : fstat(fd, &st) == 0 && st.st_nlink == 0;
}

bool inode_is_lost(struct dir *dir, struct inode *inode)
{
	return atomic_load(&inode->opens) == 0 && inode_is_gone(dir, inode);
}

void removal_begin(struct dir *dir, struct inode *parent, const char *name,
		   struct removal *ret)
{
	struct stat st;

	*ret = (struct removal){ 0 };
	ret->inode = inode_find(dir, parent, name, &st);
	if (!ret->inode)
		return;
	ret->last = S_ISDIR(st.st_mode) || st.st_nlink == 1;
	if (ret->last && inode_let_go(dir, ret->inode)) {
		inode_put(dir, ret->inode);
		ret->inode = NULL;
		return;
	}
	/*
	 * Afterwards neither handle nor name may lead to it. But NFS gives what
	 * is open another name, which the directory then is not empty of.
	 */
	if (!ret->inode->mount->silly || S_ISDIR(st.st_mode))
		inode_fd(dir, ret->inode);
	else if (!atomic_load(&ret->inode->opens))
		inode_shut(dir, ret->inode);
}

void removal_end(struct dir *dir, struct removal *removal, bool done)
{
	struct inode *inode = removal->inode;

	if (!inode)
		return;
	/* Somebody may have removed its other names meanwhile. */
	if (done && (removal->last || inode_is_gone(dir, inode)))
		atomic_store(&inode->removed, true);
	inode_put(dir, inode);
}
