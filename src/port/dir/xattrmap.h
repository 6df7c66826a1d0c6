/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of extended attributes as the client has them and as the host has
 * them: rules of --xattrmap, with virtiofsd's meaning. The first that matches
 * counts; a name that none matches is forbidden, or left out of a list.
 */
#ifndef DIR_XATTRMAP_H
#define DIR_XATTRMAP_H

#include <linux/limits.h>
#include <stdbool.h>

struct xattrmap;

/* A name with a prefix: longer than the host takes, so it says ERANGE. */
struct xattr_name {
	char text[2 * XATTR_NAME_MAX + 2];
};

/* Of TEXT, which need not last. 0, -ENOMEM, or -EINVAL, logged in one line. */
int xattrmap_parse(const char *text, struct xattrmap **ret_map);
void xattrmap_free(struct xattrmap *map); /* NULL is fine */

/*
 * The host's form of a NAME of the client. MAP may be NULL: the same. 0,
 * -EPERM, -EOPNOTSUPP, or -ERANGE for one that is too long.
 */
int xattrmap_to_host(const struct xattrmap *map, const char *name,
		     struct xattr_name *ret_name);

/* The client's form of a NAME of the host, in NAME; NULL: it is not shown. */
const char *xattrmap_to_client(const struct xattrmap *map, const char *name);

/* Whether NAME is the same for both. */
bool xattrmap_keeps(const struct xattrmap *map, const char *name);

#endif
