/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Behind the names of CREATE and its like stand records that each start with
 * their size and a type. They start where the last name ends, at any address.
 */
#include "extension.h"
#include "records.h"
#include <errno.h>

#define EXT_AT(field) offsetof(struct cf_ext_header, field)

/* How many of LEN bytes a record of SIZE takes; the last may lack padding. */
static size_t record_step(size_t size, size_t len)
{
	size_t step = CF_REC_ALIGN(size);

	return step < len ? step : len;
}

/* Bytes of one security context with name and value; 0: it is broken. */
static size_t context_size(const uint8_t *at, size_t len, bool swapped)
{
	const uint8_t *name = at + sizeof(struct cf_secctx);
	const uint8_t *end;
	uint32_t value;
	size_t room;

	if (len < sizeof(struct cf_secctx))
		return 0;
	value = cf_get32(at, swapped);
	end = memchr(name, 0, len - sizeof(struct cf_secctx));
	if (!end)
		return 0;
	room = len - (size_t)(end + 1 - at);
	return value <= room ? (size_t)(end + 1 - at) + value : 0;
}

static int check_contexts(const uint8_t *at, size_t len, uint32_t count,
			  bool swapped)
{
	while (count--) {
		size_t size = context_size(at, len, swapped);
		size_t step;

		if (!size)
			return -EBADMSG;
		step = record_step(size, len);
		at += step;
		len -= step;
	}
	return len < sizeof(uint64_t) ? 0 : -EBADMSG;
}

static int check_groups(const uint8_t *at, size_t len, bool swapped)
{
	uint32_t count;

	if (len < sizeof(struct cf_supp_groups))
		return -EBADMSG;
	count = cf_get32(at, swapped);
	len -= sizeof(struct cf_supp_groups);
	return count <= len / sizeof(uint32_t) ? 0 : -EBADMSG;
}

size_t cf_extensions_check(const void *start, size_t len, bool swapped,
			   bool swap)
{
	const uint8_t *at = start;

	while (len) {
		const uint8_t *body = at + sizeof(struct cf_ext_header);
		uint32_t size, type;
		size_t step, body_len;
		int err = 0;

		if (len < sizeof(struct cf_ext_header))
			return len;
		size = cf_get32(at + EXT_AT(size), swapped);
		type = cf_get32(at + EXT_AT(type), swapped);
		if (size < sizeof(struct cf_ext_header) || size > len)
			return len;
		body_len = size - sizeof(struct cf_ext_header);
		if (type <= CF_MAX_NR_SECCTX)
			err = check_contexts(body, body_len, type, swapped);
		else if (type == CF_EXT_GROUPS)
			err = check_groups(body, body_len, swapped);
		else if (swap)
			err = -EBADMSG;
		if (err)
			return len;
		step = record_step(size, len);
		at += step;
		len -= step;
	}
	return 0;
}

static void swap_contexts(uint8_t *at, size_t len, uint32_t count, bool swapped)
{
	while (count--) {
		size_t size = context_size(at, len, swapped);
		size_t step = record_step(size, len);

		cf_swap_secctx(at);
		at += step;
		len -= step;
	}
}

static void swap_groups(uint8_t *at, bool swapped)
{
	uint32_t count = cf_get32(at, swapped);

	for (uint32_t i = 0; i <= count; i++)
		cf_swap32(at + i * sizeof(uint32_t));
}

void cf_extensions_swap(void *start, size_t len, bool swapped)
{
	uint8_t *at = start;

	while (len) {
		uint8_t *body = at + sizeof(struct cf_ext_header);
		uint32_t size = cf_get32(at + EXT_AT(size), swapped);
		uint32_t type = cf_get32(at + EXT_AT(type), swapped);
		size_t step = record_step(size, len);

		cf_swap_ext_header(at);
		if (type == CF_EXT_GROUPS)
			swap_groups(body, swapped);
		else
			swap_contexts(body, size - sizeof(struct cf_ext_header),
				      type, swapped);
		at += step;
		len -= step;
	}
}
