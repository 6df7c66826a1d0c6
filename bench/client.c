// SPDX-License-Identifier: BSD-2-Clause
#include "client.h"
#include <stddef.h>
#include <string.h>

/* From arch/ARCH/include/uapi/asm/fcntl.h and errno.h of Linux. */
#define GENERIC                                                         \
	.creat = 0x40, .excl = 0x80, .trunc = 0x200, .nonblock = 0x800, \
	.enotempty = 39, .enametoolong = 36

static const struct client_abi abis[] = {
	{ .name = "x86_64",
	  GENERIC,
	  .largefile = 0x8000,
	  .directory = 0x10000,
	  .nofollow = 0x20000 },
	{ .name = "aarch64",
	  GENERIC,
	  .largefile = 0x20000,
	  .directory = 0x4000,
	  .nofollow = 0x8000 },
	{ .name = "s390x",
	  .big_endian = true,
	  GENERIC,
	  .largefile = 0x8000,
	  .directory = 0x10000,
	  .nofollow = 0x20000 },
	{ .name = "ppc64le",
	  GENERIC,
	  .largefile = 0x10000,
	  .directory = 0x4000,
	  .nofollow = 0x8000 },
	{ .name = "mips64",
	  .big_endian = true,
	  .creat = 0x100,
	  .excl = 0x400,
	  .trunc = 0x200,
	  .nonblock = 0x80,
	  .largefile = 0x2000,
	  .directory = 0x10000,
	  .nofollow = 0x20000,
	  .enotempty = 93,
	  .enametoolong = 78 },
	{ .name = "sparc64",
	  .big_endian = true,
	  .creat = 0x200,
	  .excl = 0x800,
	  .trunc = 0x400,
	  .nonblock = 0x4000,
	  .largefile = 0x40000,
	  .directory = 0x10000,
	  .nofollow = 0x20000,
	  .enotempty = 66,
	  .enametoolong = 63 },
};

const struct client_abi *client_abi_at(unsigned int index)
{
	return index < sizeof(abis) / sizeof(*abis) ? &abis[index] : NULL;
}

const struct client_abi *client_abi_by_name(const char *name)
{
	for (unsigned int i = 0; client_abi_at(i); i++)
		if (strcmp(abis[i].name, name) == 0)
			return &abis[i];
	return NULL;
}

const struct client_abi *client_abi_canonical(void)
{
	static const struct client_abi canonical = { .name = "canonical",
						     GENERIC,
						     .largefile = 0x8000,
						     .directory = 0x10000,
						     .nofollow = 0x20000 };

	return &canonical;
}

uint32_t client_arch_id(const char *name)
{
	uint32_t hash = 2166136261U;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619U;
	return hash ? hash : 1;
}
