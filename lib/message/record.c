/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuse_dirent and fuse_direntplus records, each padded to 8 bytes. A kernel
 * takes no record that is cut short, so neither is one let through here.
 */
#include "record.h"
#include "bytes.h"
#include "parts.h"

static size_t fixed_size(bool plus)
{
	return plus ? CF_NAME_OFFSET_DIRENTPLUS : CF_NAME_OFFSET;
}

/* Bytes of the record, padding included, if it fits; otherwise 0. */
static size_t record_size(const uint8_t *at, size_t len, bool plus,
			  bool swapped)
{
	size_t fixed = fixed_size(plus);
	uint32_t name_len;
	size_t size;

	if (len < fixed)
		return 0;
	name_len = cf_get32(at + fixed - sizeof(struct cf_dirent) +
				    offsetof(struct cf_dirent, namelen),
			    swapped);
	/* Nor does a kernel take a record without a name. */
	if (!name_len || name_len > len - fixed)
		return 0;
	size = CF_REC_ALIGN(fixed + name_len);
	return size <= len ? size : 0;
}

size_t cf_records_check(const void *start, size_t len, bool plus, bool swapped)
{
	const uint8_t *at = start;

	while (len) {
		size_t size = record_size(at, len, plus, swapped);

		if (!size)
			return len;
		at += size;
		len -= size;
	}
	return 0;
}

void cf_records_swap(void *start, size_t len, bool plus, bool swapped)
{
	const struct crossfuse_layout *entry = &cf_opcode(CF_LOOKUP)->reply;
	uint8_t *at = start;

	while (len) {
		size_t size = record_size(at, len, plus, swapped);
		uint8_t *dirent = at;

		if (plus) {
			cf_swap_fixed(entry, at, entry->size);
			dirent += sizeof(struct cf_entry_out);
		}
		cf_swap_dirent(dirent);
		at += size;
		len -= size;
	}
}
