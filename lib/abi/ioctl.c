/* SPDX-License-Identifier: BSD-2-Clause */
#include "tables.h"

#include <errno.h>

/* An ioctl number taken apart; type and nr stand as in the number. */
struct parts {
	bool none; /* "no data"; a plain number has none of the three */
	bool read;
	bool write;
	uint32_t size;
	uint32_t type_nr;
};

static const struct abi_ioctl_group *group_of(const struct crossfuse_abi *abi)
{
	return &cf_abi_ioctl_groups[abi->group[CROSSFUSE_GROUP_IOCTL]];
}

/* The index of a number with a name, or -1. */
static int named(const struct abi_ioctl_group *group, uint32_t cmd)
{
	uint32_t low = 0, high = group->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (group->cmd[group->order[middle]] < cmd)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < group->count && group->cmd[group->order[low]] == cmd)
		return group->order[low];
	return -1;
}

/* A driver's number that is older than _IOC() and the same everywhere. */
static const struct abi_plain_ioctl *plain(uint32_t cmd)
{
	size_t low = 0, high = cf_abi_plain_ioctl_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (cf_abi_plain_ioctls[middle].cmd < cmd)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < cf_abi_plain_ioctl_count &&
	    cf_abi_plain_ioctls[low].cmd == cmd)
		return &cf_abi_plain_ioctls[low];
	return NULL;
}

static int take_apart(enum abi_ioctl_encoding encoding, uint32_t cmd,
		      struct parts *ret_parts)
{
	struct parts parts = { .type_nr = cmd & 0xffff };
	uint32_t direction;

	switch (encoding) {
	case IOC_GENERIC:
	case IOC_PARISC:
		direction = cmd >> 30;
		if (encoding == IOC_PARISC)
			direction = (direction & 1) << 1 | direction >> 1;
		parts.none = !direction;
		parts.write = direction & 1;
		parts.read = direction & 2;
		parts.size = cmd >> 16 & 0x3fff;
		break;
	case IOC_THREE_BITS:
	case IOC_SPARC:
		direction = cmd >> 29;
		parts.write = direction & 4;
		parts.read = direction & 2;
		parts.none = direction & 1;
		parts.size = cmd >> 16 & 0x1fff;
		if (encoding == IOC_SPARC && (parts.read || parts.write)) {
			parts.none = false;
			parts.size = cmd >> 16 & 0x3fff;
		}
		/* "None" and a direction at once has no meaning. */
		if (parts.none && (parts.read || parts.write))
			return -ENOTTY;
		break;
	}
	*ret_parts = parts;
	return 0;
}

static int put_together(enum abi_ioctl_encoding encoding,
			const struct parts *parts, uint32_t *ret_cmd)
{
	bool data = parts->read || parts->write;
	uint32_t direction = 0, limit = 0x3fff;

	switch (encoding) {
	case IOC_GENERIC:
		direction = (uint32_t)parts->write << 30 | (uint32_t)parts->read
								   << 31;
		break;
	case IOC_PARISC:
		direction = (uint32_t)parts->read << 30 | (uint32_t)parts->write
								  << 31;
		break;
	case IOC_THREE_BITS:
	case IOC_SPARC:
		direction = (uint32_t)parts->none << 29 |
			    (uint32_t)parts->read << 30 |
			    (uint32_t)parts->write << 31;
		if (encoding == IOC_THREE_BITS || !data)
			limit = 0x1fff;
		break;
	}
	/* A plain number is just that: with a size it means nothing known. */
	if (parts->size > limit || (!parts->none && !data && parts->size))
		return -ENOTTY;
	*ret_cmd = direction | parts->size << 16 | parts->type_nr;
	return 0;
}

int crossfuse_ioctl_cmd(const struct crossfuse_abi *from,
			const struct crossfuse_abi *to, uint32_t cmd,
			uint32_t *ret_cmd)
{
	const struct abi_ioctl_group *in = group_of(from), *out = group_of(to);
	uint32_t result = cmd;
	struct parts parts;
	int index, r;

	if (in == out)
		goto done;
	index = named(in, cmd);
	if (index >= 0) {
		result = out->cmd[index];
		if (!result)
			return -ENOTTY;
		goto done;
	}
	if (!plain(cmd)) {
		r = take_apart(in->encoding, cmd, &parts);
		if (!r)
			r = put_together(out->encoding, &parts, &result);
		if (r)
			return r;
	}
	/* TO would take it for something else. */
	if (named(out, result) >= 0)
		return -ENOTTY;
done:
	*ret_cmd = result;
	return 0;
}

const char *crossfuse_ioctl_name(const struct crossfuse_abi *abi, uint32_t cmd)
{
	const struct abi_plain_ioctl *old;
	int index = named(group_of(abi), cmd);

	if (index >= 0)
		return cf_abi_ioctl_names[index];
	old = plain(cmd);
	return old ? old->name : NULL;
}

const char *crossfuse_ioctl_at(const struct crossfuse_abi *abi, size_t index,
			       uint32_t *ret_cmd)
{
	if (index >= cf_abi_ioctl_name_count)
		return NULL;
	*ret_cmd = group_of(abi)->cmd[index];
	return cf_abi_ioctl_names[index];
}
