/* SPDX-License-Identifier: BSD-2-Clause */
/* The handshake as section 3 of docs/protocol.md has it. */
#ifndef PROBE_SESSION_H
#define PROBE_SESSION_H

#include "probe.h"

/* Bits of fuse_init_in.flags and flags2. */
#define BIT(n) (UINT64_C(1) << (n))

#define POSIX_LOCKS    BIT(1)
#define ATOMIC_O_TRUNC BIT(3)
#define BIG_WRITES     BIT(5)
#define DO_READDIRPLUS BIT(13)
#define INIT_MAX_PAGES BIT(22)
#define SETXATTR_EXT   BIT(29)
#define INIT_EXT       BIT(30)
#define CREATE_GROUPS  BIT(34)
#define CANON_ARCH_OLD BIT(40) /* where the minor is 40 or less */
#define CANON_ARCH     BIT(62)
#define FREE_BITS      (((BIT(62) - 1) & ~(BIT(44) - 1)) | BIT(63))

/* What Linux offers and the probe can do; servers insist on some of it. */
#define USUAL_FLAGS                                                         \
	(BIT(0) | POSIX_LOCKS | ATOMIC_O_TRUNC | BIT(4) | BIG_WRITES |      \
	 BIT(6) | BIT(10) | BIT(11) | BIT(12) | DO_READDIRPLUS | BIT(15) |  \
	 BIT(18) | BIT(19) | BIT(20) | BIT(21) | INIT_MAX_PAGES | BIT(23) | \
	 BIT(25) | BIT(27) | BIT(28) | SETXATTR_EXT | INIT_EXT |            \
	 CREATE_GROUPS)

/* Whether both have the same values in all groups. */
bool same_values(const struct crossfuse_abi *a, const struct crossfuse_abi *b);

/* Whether messages between this client and the server must be rewritten. */
bool is_translated(const struct probe *probe);

/* From here on ABI is played, in client form. */
void set_client(struct probe *probe, const struct crossfuse_abi *abi);
void set_order(struct probe *probe, bool big_endian);

/* Minor 47, 64 bytes, arch_id, no offer. */
struct hello usual_hello(const struct probe *probe);

/* FUSE_INIT where no session is left, unless HELLO says again. As talk(). */
int hello_fresh(struct probe *probe, const struct hello *hello,
		struct greeting *greeting);

/* What was negotiated counts from here on. */
void take_greeting(struct probe *probe, const struct hello *hello,
		   const struct greeting *greeting);

#endif
