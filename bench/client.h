/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a client of some architecture puts into its messages. The values are
 * written down here on their own, not taken from libcrossfuse, so that the
 * load is a check of the translation too.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

struct client_abi {
	const char *name; /* uname -m */
	bool big_endian;
	uint32_t creat;
	uint32_t excl;
	uint32_t trunc;
	uint32_t nonblock;
	uint32_t largefile;
	uint32_t directory;
	uint32_t nofollow;
	int32_t enotempty;
	int32_t enametoolong;
};

/* NULL: not known. */
const struct client_abi *client_abi_by_name(const char *name);

/* The one with this index, from 0; NULL past the last. */
const struct client_abi *client_abi_at(unsigned int index);

/* The canonical form. */
const struct client_abi *client_abi_canonical(void);

/* fuse_init_in.arch_id of a `uname -m` name. */
uint32_t client_arch_id(const char *name);

#endif
