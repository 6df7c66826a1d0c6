/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * User or group numbers as the client has them and as the host has them: rules
 * of --translate-uid and --translate-gid, with virtiofsd's meaning. A number
 * that no rule names is the same for both.
 */
#ifndef DIR_IDMAP_H
#define DIR_IDMAP_H

#include <stdint.h>

struct idmap;

/*
 * Adds a rule to *MAP, which is made if it is NULL. NAME is the option's. 0,
 * -ENOMEM, or -EINVAL, logged in one line.
 */
int idmap_add(struct idmap **map, const char *name, const char *rule);
void idmap_free(struct idmap *map); /* NULL is fine */

/* For the two below, where there are rules. */
int idmap_rules_to_host(const struct idmap *map, uint32_t guest,
			uint32_t *ret_host);
uint32_t idmap_rules_to_guest(const struct idmap *map, uint32_t host);

/* MAP may be NULL: the same number. 0, or -EPERM for one that is forbidden. */
static inline int idmap_to_host(const struct idmap *map, uint32_t guest,
				uint32_t *ret_host)
{
	if (map)
		return idmap_rules_to_host(map, guest, ret_host);
	*ret_host = guest;
	return 0;
}

static inline uint32_t idmap_to_guest(const struct idmap *map, uint32_t host)
{
	return map ? idmap_rules_to_guest(map, host) : host;
}

#endif
