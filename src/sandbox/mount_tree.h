/* SPDX-License-Identifier: BSD-2-Clause */
/* Mounts without a place: mount_namespaces(7), open_tree(2). Linux 5.12. */
#ifndef MOUNT_TREE_H
#define MOUNT_TREE_H

#include <stdbool.h>

/*
 * A mount of its own of directory PATH in DIR, alone or with what is mounted
 * below, and without a parent: ".." of it is itself. An O_PATH descriptor or
 * -errno.
 */
int mount_tree_clone(int dir, const char *path, bool recursive);

/* No devices and set-id programs there, and no writes. 0 or -errno. */
int mount_tree_restrict(int tree, bool readonly);

/* Puts the tree over the root of this process. 0 or -errno. */
int mount_tree_cover_root(int tree);

#endif
