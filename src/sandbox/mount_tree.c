// SPDX-License-Identifier: BSD-2-Clause
/* The C library has these calls since 2.36 only. */
#include "mount_tree.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000 /* linux/fcntl.h */
#endif

int mount_tree_clone(int dir, const char *path, bool recursive)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	long fd;

	if (recursive)
		flags |= AT_RECURSIVE;
	fd = syscall(SYS_open_tree, dir, path, flags);
	return fd < 0 ? -errno : (int)fd;
}

int mount_tree_restrict(int tree, bool readonly)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	};

	if (readonly)
		attr.attr_set |= MOUNT_ATTR_RDONLY;
	return syscall(SYS_mount_setattr, tree, "",
		       AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0
		       ? -errno
		       : 0;
}

int mount_tree_cover_root(int tree)
{
	return syscall(SYS_move_mount, tree, "", AT_FDCWD, "/",
		       MOVE_MOUNT_F_EMPTY_PATH) < 0
		       ? -errno
		       : 0;
}
