/* SPDX-License-Identifier: BSD-2-Clause */
/* Which ABIs there are, and how they are found. */
#include "tables.h"

static const char *const canonical_names[] = { "canonical", NULL };

/* Byte order and page size are the client's own and are not part of it. */
static const struct crossfuse_abi canonical = {
	.names = canonical_names,
	.long_bits = 64,
};

const struct crossfuse_abi *crossfuse_abi_at(size_t index)
{
	return index < cf_abi_count ? &cf_abi_table[index] : NULL;
}

const struct crossfuse_abi *crossfuse_abi_canonical(void)
{
	return &canonical;
}

/* Without the C library's, which depend on the locale. */
static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Whether the first LEN bytes of WORD are NAME, letter case aside. */
static bool same_name(const char *name, const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!name[i] || lower(name[i]) != lower(word[i]))
			return false;
	return !name[len];
}

static const struct crossfuse_abi *find(const char *word, size_t len)
{
	for (size_t i = 0; i < cf_abi_count; i++) {
		const char *const *names = cf_abi_table[i].names;

		for (; *names; names++)
			if (same_name(*names, word, len))
				return &cf_abi_table[i];
	}
	return same_name(canonical_names[0], word, len) ? &canonical : NULL;
}

const struct crossfuse_abi *crossfuse_abi_by_name(const char *name)
{
	const struct crossfuse_abi *abi;
	size_t len = 0, first = 0;

	if (!name)
		return NULL;
	for (; name[len]; len++)
		if (!first && name[len] == '-')
			first = len;
	abi = find(name, len);
	/* The first part of a triplet; "canonical-..." is none. */
	if (!abi && first)
		abi = find(name, first);
	return abi == &canonical && first ? NULL : abi;
}

const struct crossfuse_abi *crossfuse_abi_by_arch_id(uint32_t arch_id)
{
	for (size_t i = 0; i < cf_abi_arch_id_count; i++)
		if (cf_abi_arch_ids[i].arch_id == arch_id)
			return &cf_abi_table[cf_abi_arch_ids[i].abi];
	return NULL;
}

uint32_t crossfuse_arch_id(const char *uname_machine)
{
	uint32_t hash = 0x811c9dc5; /* FNV-1a, 32 bits: offset basis, prime */

	for (; *uname_machine; uname_machine++)
		hash = (hash ^ (uint8_t)*uname_machine) * 0x01000193u;
	return hash ? hash : 1;
}

const char *crossfuse_abi_name(const struct crossfuse_abi *abi)
{
	return abi->names[0];
}

const char *crossfuse_abi_alias(const struct crossfuse_abi *abi, size_t index)
{
	for (size_t i = 1; abi->names[i]; i++)
		if (i - 1 == index)
			return abi->names[i];
	return NULL;
}

uint32_t crossfuse_abi_arch_id(const struct crossfuse_abi *abi)
{
	return abi->arch_id;
}

bool crossfuse_abi_big_endian(const struct crossfuse_abi *abi)
{
	return abi->big_endian;
}

unsigned int crossfuse_abi_long_bits(const struct crossfuse_abi *abi)
{
	return abi->long_bits;
}

uint32_t crossfuse_abi_page_size(const struct crossfuse_abi *abi)
{
	return abi->page_size;
}

const char *crossfuse_abi_group(const struct crossfuse_abi *abi,
				enum crossfuse_group group)
{
	switch (group) {
	case CROSSFUSE_GROUP_OPEN_FLAGS:
		return cf_abi_open_groups[abi->group[group]].name;
	case CROSSFUSE_GROUP_ERRNO:
		return cf_abi_errno_groups[abi->group[group]].name;
	case CROSSFUSE_GROUP_LOCK:
		return cf_abi_lock_groups[abi->group[group]].name;
	case CROSSFUSE_GROUP_POLL:
		return cf_abi_poll_groups[abi->group[group]].name;
	case CROSSFUSE_GROUP_IOCTL:
		return cf_abi_ioctl_groups[abi->group[group]].name;
	case CROSSFUSE_GROUP_COUNT:
		break;
	}
	return NULL;
}

bool crossfuse_abi_same_group(const struct crossfuse_abi *a,
			      const struct crossfuse_abi *b,
			      enum crossfuse_group group)
{
	return group < CROSSFUSE_GROUP_COUNT &&
	       a->group[group] == b->group[group];
}
