/* SPDX-License-Identifier: BSD-2-Clause */
#include "tables.h"

/*
 * The same on every Linux ABI: the access mode, __FMODE_EXEC, and
 * __FMODE_NONOTIFY, which the descriptors of fanotify(7) carry
 * (include/linux/fs.h).
 */
#define ACCMODE_BITS	0x3u
#define FMODE_BITS	(0x20u | 0x4000000u)
#define SAME_EVERYWHERE (ACCMODE_BITS | FMODE_BITS)

/*
 * The bits of values that count only as a whole, where a part of the value is
 * missing: __O_SYNC without O_DSYNC, __O_TMPFILE without O_DIRECTORY. No system
 * call lets one through, and none has a meaning.
 */
static uint32_t incomplete(const struct abi_open_group *group, uint32_t flags)
{
	uint32_t bits = 0;

	if (!(flags & group->value[ABI_O_DSYNC]))
		bits |= group->value[ABI_O_SYNC_BIT];
	if (!(flags & group->value[ABI_O_DIRECTORY]))
		bits |= group->value[ABI_O_TMPFILE_BIT];
	return flags & bits;
}

/* FLAGS holds known bits only; both groups have the window. */
static uint32_t translate_window(const struct abi_open_group *in,
				 const struct abi_open_group *out,
				 uint32_t flags)
{
	const uint32_t mask = ABI_WINDOW_SIZE - 1;
	uint32_t bits = flags >> ABI_WINDOW_SHIFT & mask;

	bits = out->from_generic[in->to_generic[bits]];
	return (flags & ~(mask << ABI_WINDOW_SHIFT)) | bits << ABI_WINDOW_SHIFT;
}

/* FLAGS holds known bits only. */
static uint32_t translate_bits(const struct abi_open_group *in,
			       const struct abi_open_group *out, uint32_t flags)
{
	uint32_t result = flags & SAME_EVERYWHERE;

	for (flags &= ~SAME_EVERYWHERE; flags; flags &= flags - 1)
		result |= out->value[in->index[__builtin_ctz(flags)]];
	return result;
}

uint32_t crossfuse_open_flags(const struct crossfuse_abi *from,
			      const struct crossfuse_abi *to, uint32_t flags,
			      uint32_t *ret_unknown)
{
	const struct abi_open_group *in =
		&cf_abi_open_groups[from->group[CROSSFUSE_GROUP_OPEN_FLAGS]];
	const struct abi_open_group *out =
		&cf_abi_open_groups[to->group[CROSSFUSE_GROUP_OPEN_FLAGS]];
	uint32_t unknown = 0;

	if (in != out) {
		unknown = (flags & ~in->known) | incomplete(in, flags);
		if (in->window && out->window)
			flags = translate_window(in, out, flags & ~unknown);
		else
			flags = translate_bits(in, out, flags & ~unknown);
	}
	if (ret_unknown)
		*ret_unknown = unknown;
	return flags;
}

const char *crossfuse_open_flag_name(const struct crossfuse_abi *abi,
				     uint32_t bit)
{
	const struct abi_open_group *group =
		&cf_abi_open_groups[abi->group[CROSSFUSE_GROUP_OPEN_FLAGS]];
	const uint32_t *value = group->value;

	/* Values of more or less than one bit. */
	if (bit <= ACCMODE_BITS) {
		static const char *const modes[] = { "O_RDONLY", "O_WRONLY",
						     "O_RDWR", "O_ACCMODE" };

		return modes[bit];
	}
	if (bit == (value[ABI_O_SYNC_BIT] | value[ABI_O_DSYNC]))
		return "O_SYNC";
	if (bit == (value[ABI_O_TMPFILE_BIT] | value[ABI_O_DIRECTORY]))
		return "O_TMPFILE";
	if (bit == 0x20)
		return "__FMODE_EXEC";
	if (bit == 0x4000000)
		return "__FMODE_NONOTIFY";
	for (unsigned int i = 0; i < ABI_OPEN_COUNT; i++)
		if (bit == value[i])
			return cf_abi_open_names[i];
	/* sparc has a bit that means the same as another. */
	if (!(bit & (bit - 1)) &&
	    group->index[__builtin_ctz(bit)] != ABI_NO_FLAG)
		return "O_NDELAY";
	return NULL;
}
