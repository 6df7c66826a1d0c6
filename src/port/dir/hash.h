/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DIR_HASH_H
#define DIR_HASH_H

#include <stdint.h>

/* Mixes two numbers so that every bit of the result depends on all of both. */
static inline uint64_t hash_pair(uint64_t a, uint64_t b)
{
	uint64_t h = a * 0x9E3779B97F4A7C15u ^ b;

	h = (h ^ (h >> 32)) * 0xD6E8FEB86659FD93u;
	h = (h ^ (h >> 32)) * 0xD6E8FEB86659FD93u;
	return h ^ (h >> 32);
}

#endif
