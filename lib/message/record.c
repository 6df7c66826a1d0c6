/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuse_dirent and fuse_direntplus records, each padded to 8 bytes. The last one
 * may be cut short, as libfuse's high-level interface sends it where a listing
 * does not fit: a kernel reads its length, if that is there, and leaves it.
 */
#include "record.h"
#include "bytes.h"
#include "parts.h"

static size_t fixed_size(bool plus)
{
	return plus ? CF_NAME_OFFSET_DIRENTPLUS : CF_NAME_OFFSET;
}

/* No kernel takes a longer name: PATH_MAX of linux/limits.h, less its NUL. */
#define NAME_MAX_LEN 4095

/*
 * Bytes of the record, padding included; more than LEN if it is cut short; 0
 * if it is none.
 */
static size_t record_size(const uint8_t *at, size_t len, bool plus,
			  bool swapped)
{
	size_t fixed = fixed_size(plus);
	uint32_t name_len;

	if (len < fixed)
		return fixed;
	name_len = cf_get32(at + fixed - sizeof(struct cf_dirent) +
				    offsetof(struct cf_dirent, namelen),
			    swapped);
	/* Nor does a kernel take a record without a name. */
	if (!name_len || name_len > NAME_MAX_LEN)
		return 0;
	return CF_REC_ALIGN(fixed + name_len);
}

size_t cf_records_check(const void *start, size_t len, bool plus, bool swapped)
{
	const uint8_t *at = start;

	while (len) {
		size_t size = record_size(at, len, plus, swapped);

		if (!size)
			return len;
		if (size > len)
			break;
		at += size;
		len -= size;
	}
	return 0;
}

void cf_records_swap(void *start, size_t len, bool plus, bool swapped)
{
	const struct crossfuse_layout *entry = &cf_opcode(CF_LOOKUP)->reply;
	uint8_t *at = start;

	/* What is left is too short to be looked at. */
	while (len >= fixed_size(plus)) {
		size_t size = record_size(at, len, plus, swapped);
		uint8_t *dirent = at;

		if (plus) {
			cf_swap_fixed(entry, at, entry->size);
			dirent += sizeof(struct cf_entry_out);
		}
		cf_swap_dirent(dirent);
		if (size > len)
			break;
		at += size;
		len -= size;
	}
}
