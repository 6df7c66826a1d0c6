/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a file that is not open is found again: by the handle that its file
 * system gave when it was reached by name, or, where there are none, by its
 * name in a directory that the client knows. Nothing here comes from the
 * client's bytes: a handle names files outside of the share just as well.
 */
#ifndef DIR_WHERE_H
#define DIR_WHERE_H

#include <stdbool.h>
#include <stdint.h>

struct dir;
struct inode;
struct handle;
struct where_far;

/* How the bytes are meant; up to WHERE_INLINE it is a handle's length. */
enum {
	WHERE_NONE = 0, /* nowhere: it must stay open */
	WHERE_INLINE = 20,
	WHERE_FAR,    /* a longer handle, behind a pointer */
	WHERE_NAME,   /* a name, behind a pointer */
	WHERE_OPENER, /* a pointer to the only handle of the client */
};

/* In every inode: it is as small as can be. */
struct where {
	uint8_t kind;
	uint8_t type; /* of the handle */
	uint8_t bytes[WHERE_INLINE];
};

/* The handle of FD. 0, -EOPNOTSUPP or another error. */
int where_of_fd(int fd, struct where *ret_where);
/* The same of NAME in DIR_FD; it is not followed if a link. */
int where_of_name(int dir_fd, const char *name, struct where *ret_where);
/* NAME in the directory of node PARENT. */
int where_by_name(uint64_t parent, const char *name, struct where *ret_where);
void where_by_opener(struct handle *handle, struct where *ret_where);
struct handle *where_opener(const struct where *where);
/* Whether it is NAME in PARENT already. */
bool where_is_name(const struct where *where, uint64_t parent,
		   const char *name);
void where_free(struct where *where);

/* Whether INODE can be opened by a handle, with any flags. */
bool where_is_handle(struct dir *dir, struct inode *inode);
/*
 * Opens INODE, which is held, with FLAGS. By name it is always O_PATH. -ESTALE:
 * there is no such file any more; or another error.
 */
int where_open(struct dir *dir, struct inode *inode, int flags);

#endif
