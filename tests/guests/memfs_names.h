/* SPDX-License-Identifier: BSD-2-Clause */
/* Names and attributes of the file system in memory */
#ifndef MEMFS_NAMES_H
#define MEMFS_NAMES_H

#include <stdint.h>

void memfs_forget(uint64_t id, uint64_t count);
void memfs_lookup(void);
void memfs_getattr(void);
void memfs_setattr(void);
void memfs_readlink(void);
void memfs_symlink(void);
void memfs_mknod(void);
void memfs_create(void);
void memfs_unlink(void);
void memfs_rename(void);
void memfs_link(void);
void memfs_do_open(void);
void memfs_readdir(void);

#endif
