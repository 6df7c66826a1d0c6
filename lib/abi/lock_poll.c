/* SPDX-License-Identifier: BSD-2-Clause */
#include "tables.h"

#include <errno.h>

int crossfuse_lock_type(const struct crossfuse_abi *from,
			const struct crossfuse_abi *to, uint32_t type,
			uint32_t *ret_type)
{
	const struct abi_lock_group *in =
		&cf_abi_lock_groups[from->group[CROSSFUSE_GROUP_LOCK]];
	const struct abi_lock_group *out =
		&cf_abi_lock_groups[to->group[CROSSFUSE_GROUP_LOCK]];

	for (unsigned int i = 0; i < ABI_LOCK_COUNT; i++) {
		if (in->type[i] != type)
			continue;
		*ret_type = out->type[i];
		return 0;
	}
	return -EINVAL;
}

/*
 * On some ABIs POLLWRNORM is POLLOUT. Their one bit stands for both, as the
 * kernel itself reads it (demangle_poll() in include/linux/poll.h).
 */
uint32_t crossfuse_poll_events(const struct crossfuse_abi *from,
			       const struct crossfuse_abi *to, uint32_t events,
			       uint32_t *ret_unknown)
{
	unsigned int from_group = from->group[CROSSFUSE_GROUP_POLL];
	unsigned int to_group = to->group[CROSSFUSE_GROUP_POLL];
	const uint16_t *in = cf_abi_poll_groups[from_group].event;
	const uint16_t *out = cf_abi_poll_groups[to_group].event;
	uint32_t result = 0, known = 0;

	if (from_group == to_group) {
		result = events;
		known = events;
	} else {
		for (unsigned int i = 0; i < ABI_POLL_COUNT; i++) {
			known |= in[i];
			if (events & in[i])
				result |= out[i];
		}
	}
	if (ret_unknown)
		*ret_unknown = events & ~known;
	return result;
}

const char *crossfuse_poll_name(const struct crossfuse_abi *abi, uint32_t bit)
{
	const uint16_t *event =
		cf_abi_poll_groups[abi->group[CROSSFUSE_GROUP_POLL]].event;

	for (unsigned int i = 0; i < ABI_POLL_COUNT; i++)
		if (event[i] == bit)
			return cf_abi_poll_names[i];
	return NULL;
}
