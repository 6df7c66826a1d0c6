/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Integers in a message: at any address, in either byte order. Private to the
 * library.
 */
#ifndef MESSAGE_BYTES_H
#define MESSAGE_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The compiler knows. */
static inline bool cf_machine_big(void)
{
	const uint16_t one = 1;

	return !*(const uint8_t *)&one;
}

static inline uint16_t cf_get16(const void *from, bool swap)
{
	uint16_t value;

	memcpy(&value, from, sizeof(value));
	return swap ? __builtin_bswap16(value) : value;
}

static inline uint32_t cf_get32(const void *from, bool swap)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return swap ? __builtin_bswap32(value) : value;
}

static inline uint64_t cf_get64(const void *from, bool swap)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return swap ? __builtin_bswap64(value) : value;
}

static inline void cf_put32(void *to, uint32_t value, bool swap)
{
	if (swap)
		value = __builtin_bswap32(value);
	memcpy(to, &value, sizeof(value));
}

static inline void cf_put16(void *to, uint16_t value, bool swap)
{
	if (swap)
		value = __builtin_bswap16(value);
	memcpy(to, &value, sizeof(value));
}

static inline void cf_put64(void *to, uint64_t value, bool swap)
{
	if (swap)
		value = __builtin_bswap64(value);
	memcpy(to, &value, sizeof(value));
}

static inline void cf_swap16(void *at)
{
	cf_put16(at, cf_get16(at, true), false);
}

static inline void cf_swap32(void *at)
{
	cf_put32(at, cf_get32(at, true), false);
}

static inline void cf_swap64(void *at)
{
	cf_put64(at, cf_get64(at, true), false);
}

#endif
