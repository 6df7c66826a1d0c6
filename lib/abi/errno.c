/* SPDX-License-Identifier: BSD-2-Clause */
#include "tables.h"

enum {
	GENERAL_EIO = 5,     /* the same everywhere */
	FIRST_INTERNAL = 512 /* ERESTARTSYS; include/linux/errno.h */
};

static const struct abi_errno_group *group_of(const struct crossfuse_abi *abi)
{
	return &cf_abi_errno_groups[abi->group[CROSSFUSE_GROUP_ERRNO]];
}

/* The id of a number that the group defines, or 0. */
static unsigned int id_of(const struct abi_errno_group *group, int32_t error)
{
	return (uint32_t)error < group->limit ? group->id[error] : 0;
}

int32_t crossfuse_errno(const struct crossfuse_abi *from,
			const struct crossfuse_abi *to, int32_t error,
			bool *ret_known)
{
	const struct abi_errno_group *in = group_of(from), *out = group_of(to);
	int32_t result = error;
	unsigned int id;

	if (in != out && error) {
		id = id_of(in, error);
		result = id ? out->number[id] : 0;
		/*
		 * The kernel's own numbers; but mips has EDQUOT among them,
		 * and what means nothing must not come out as that.
		 */
		if (!id && error >= FIRST_INTERNAL && !id_of(out, error))
			result = error;
	}
	if (ret_known)
		*ret_known = result || !error;
	return result || !error ? result : GENERAL_EIO;
}

const char *crossfuse_errno_name(const struct crossfuse_abi *abi, int32_t error)
{
	return cf_abi_errno_names[id_of(group_of(abi), error)];
}
