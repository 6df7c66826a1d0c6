/* SPDX-License-Identifier: BSD-2-Clause */
/* Between inode.c and its table. */
#ifndef DIR_INODE_TABLE_H
#define DIR_INODE_TABLE_H

#include "internal.h"

/* What makes two names one file. */
struct key {
	uint64_t dev, mnt_id, ino;
	uint64_t btime; /* 0: the file system does not tell */
	mode_t type;
};

/* Of NAME at FD ("": FD itself), with its attributes; 0 or -errno. */
int key_of(int fd, const char *name, struct stat *ret_st, struct key *ret_key);

/* The file, held, if the client knows it; looked up once more if LOOKUP. */
struct inode *table_find(struct dir *dir, const struct key *key, bool lookup);
/* Whether it knows one with this number. */
bool table_has(struct dir *dir, struct mount *mount, uint64_t ino);

/* An inode that nobody knows yet. NULL: no memory. */
struct inode *table_new(struct dir *dir, struct mount *mount,
			const struct key *key);
/*
 * Adds INODE and looks it up; or, if another thread was faster, that one's,
 * which gets the descriptor if it has none. Held.
 */
struct inode *table_insert(struct dir *dir, struct inode *inode,
			   const struct key *key);
/* What another thread was faster with, or what failed. */
void table_discard(struct dir *dir, struct inode *inode);
/* One more lookup; with the shard's lock held. */
void table_count(struct inode *inode);

#endif
