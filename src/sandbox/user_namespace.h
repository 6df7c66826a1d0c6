/* SPDX-License-Identifier: BSD-2-Clause */
/* A user name space of this process's own. */
#ifndef SANDBOX_USER_NAMESPACE_H
#define SANDBOX_USER_NAMESPACE_H

#include "user_map.h"

/* Who serves there. */
struct user_ids {
	uint32_t uid, gid;
};

/*
 * Enters one, with all capabilities there but, as before, as the user and group
 * that this process is of outside. A superuser's maps are written as they are;
 * for an ordinary user newuidmap(1) and newgidmap(1) do that, and see what
 * /etc/subuid and /etc/subgid allow, unless the map has itself alone. There
 * must be one thread. 0 or -errno, logged.
 */
int user_namespace_enter(const struct user_map *uids,
			 const struct user_map *gids, struct user_ids *ret_ids);

/* The same in a process that ends: whether that will work. */
int user_namespace_try(const struct user_map *uids, const struct user_map *gids,
		       struct user_ids *ret_ids);

/*
 * This process, which has left the rest of the machine, becomes who serves, of
 * no other group if that can be helped. 0 or -errno, logged.
 */
int user_namespace_become(const struct user_ids *ids);

#endif
