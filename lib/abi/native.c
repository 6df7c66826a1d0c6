/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ABI that the compiler works for. A program of x32 or n32 runs on a
 * kernel of x86_64 or mips64, whose constants it shares.
 */
#include "tables.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define BY_ORDER(big, little) big
#else
#define BY_ORDER(big, little) little
#endif

#if defined(__x86_64__)
#define NATIVE "x86_64"
#elif defined(__i386__)
#define NATIVE "i386"
#elif defined(__aarch64__)
#define NATIVE BY_ORDER("aarch64_be", "aarch64")
#elif defined(__arm__)
#define NATIVE BY_ORDER("armv7b", "armv7l")
#elif defined(__powerpc64__)
#define NATIVE BY_ORDER("ppc64", "ppc64le")
#elif defined(__powerpc__)
#define NATIVE "ppc"
#elif defined(__mips64)
#define NATIVE BY_ORDER("mips64", "mips64el")
#elif defined(__mips__)
#define NATIVE BY_ORDER("mips", "mipsel")
#elif defined(__s390__)
#define NATIVE "s390x"
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE "riscv64"
#elif defined(__riscv)
#define NATIVE "riscv32"
#elif defined(__loongarch__)
#define NATIVE "loongarch64"
#elif defined(__alpha__)
#define NATIVE "alpha"
#elif defined(__sparc__) && defined(__arch64__)
#define NATIVE "sparc64"
#elif defined(__sparc__)
#define NATIVE "sparc"
#elif defined(__hppa__) && defined(__LP64__)
#define NATIVE "parisc64"
#elif defined(__hppa__)
#define NATIVE "parisc"
#elif defined(__m68k__)
#define NATIVE "m68k"
#elif defined(__sh__)
#define NATIVE BY_ORDER("sh4eb", "sh4")
#elif defined(__xtensa__) || defined(__XTENSA__)
#define NATIVE BY_ORDER("xtensaeb", "xtensa")
#elif defined(__arc__)
#define NATIVE BY_ORDER("arceb", "arc")
#elif defined(__csky__)
#define NATIVE "csky"
#elif defined(__hexagon__)
#define NATIVE "hexagon"
#elif defined(__or1k__)
#define NATIVE "openrisc"
#elif defined(__microblaze__) || defined(__MICROBLAZE__)
#define NATIVE BY_ORDER("microblaze", "microblazeel")
#elif defined(__nios2__)
#define NATIVE "nios2"
#elif defined(__ia64__)
#define NATIVE "ia64"
#else
#error "crossfuse does not know this architecture: see lib/abi/data/abis.tbl"
#endif

const struct crossfuse_abi *crossfuse_abi_native(void)
{
	return crossfuse_abi_by_name(NATIVE);
}
