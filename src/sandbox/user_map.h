/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is who in a user name space: rules of --uid-map or --gid-map, with
 * virtiofsd's meaning. A number that no rule has does not exist in there.
 */
#ifndef SANDBOX_USER_MAP_H
#define SANDBOX_USER_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct user_range {
	uint32_t inside, outside, count;
};

struct user_map {
	struct user_range *ranges;
	size_t count;
};

/*
 * Adds :INSIDE:OUTSIDE:COUNT: to *MAP, which is made if it is NULL. NAME is the
 * option's. 0, -ENOMEM, or -EINVAL, logged in one line.
 */
int user_map_add(struct user_map **map, const char *name, const char *rule);
void user_map_free(struct user_map *map); /* NULL is fine */

/* Whether an ordinary user whose number is OUTSIDE may make it unaided. */
bool user_map_is_own(const struct user_map *map, uint32_t outside);

/*
 * The number inside of the process that serves, which is OUTSIDE now: 0, the
 * superuser's; or its own; or the first there is.
 */
uint32_t user_map_inside(const struct user_map *map, uint32_t outside);

#endif
