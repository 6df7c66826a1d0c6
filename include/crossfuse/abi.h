/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The constants of every Linux architecture that reach a FUSE message.
 *
 * All data here is static and constant: nothing is allocated, nothing is
 * freed, every function may be called from any thread at any time.
 */
#ifndef CROSSFUSE_ABI_H
#define CROSSFUSE_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One Linux ABI: the values that a kernel built for it puts into FUSE
 * messages. Opaque; pointers compare equal exactly for the same ABI.
 */
struct crossfuse_abi;

/* The kinds of values that differ between architectures. */
enum crossfuse_group {
	CROSSFUSE_GROUP_OPEN_FLAGS, /* O_*, asm/fcntl.h */
	CROSSFUSE_GROUP_ERRNO,	    /* E*, asm/errno.h */
	CROSSFUSE_GROUP_LOCK,	    /* F_RDLCK and its like, asm/fcntl.h */
	CROSSFUSE_GROUP_POLL,	    /* POLL*, asm/poll.h */
	CROSSFUSE_GROUP_IOCTL,	    /* _IOC(), asm/ioctl.h, asm/ioctls.h */
	CROSSFUSE_GROUP_COUNT
};

/*
 * The ABI with this index, counting from 0, in the order of the table; NULL
 * past the last one. The canonical form is not among them.
 */
const struct crossfuse_abi *crossfuse_abi_at(size_t index);

/*
 * The ABI known by NAME: what `uname -m` prints (and its variants, such as
 * armv6l or i586), Debian's architecture name, a GNU triplet or its first
 * part, or the name in qemu-system-NAME; "canonical" for the canonical form.
 * Letter case does not matter. NULL if there is none.
 */
const struct crossfuse_abi *crossfuse_abi_by_name(const char *name);

/*
 * The ABI whose arch_id, or that of any `uname -m` name of it, is ARCH_ID as
 * fuse_init_in carries it, already in the machine's byte order. NULL if there
 * is none, and for 0.
 */
const struct crossfuse_abi *crossfuse_abi_by_arch_id(uint32_t arch_id);

/* The canonical form: asm-generic's values, in the client's byte order. */
const struct crossfuse_abi *crossfuse_abi_canonical(void);

/* The ABI that this library was compiled for. Never NULL. */
const struct crossfuse_abi *crossfuse_abi_native(void);

/* Its principal `uname -m` name; static storage. */
const char *crossfuse_abi_name(const struct crossfuse_abi *abi);

/* Its other names, index from 0; NULL past the last one; static storage. */
const char *crossfuse_abi_alias(const struct crossfuse_abi *abi, size_t index);

/* The arch_id of its principal name; 0 for the canonical form. */
uint32_t crossfuse_abi_arch_id(const struct crossfuse_abi *abi);

/*
 * arch_id of a `uname -m` name: 32-bit FNV-1a of its bytes, without the
 * terminating NUL; a result of 0 becomes 1.
 */
uint32_t crossfuse_arch_id(const char *uname_machine);

/*
 * Whether its integers are big-endian. False for the canonical form. A kernel
 * may print the same name in both byte orders (mips, mips64, sh4, xtensa, arc,
 * microblaze): that name and its arch_id find the ABI whose name it is, whose
 * values are the same; the byte order of a connection shows in FUSE_INIT.
 */
bool crossfuse_abi_big_endian(const struct crossfuse_abi *abi);

/* Bits in a C long: 32 or 64. */
unsigned int crossfuse_abi_long_bits(const struct crossfuse_abi *abi);

/*
 * Its page size in bytes where the architecture has only one; 0 where the
 * kernel's configuration chooses (arm64, powerpc, mips, ...).
 */
uint32_t crossfuse_abi_page_size(const struct crossfuse_abi *abi);

/* The name of its value group, such as "generic" or "powerpc"; static. */
const char *crossfuse_abi_group(const struct crossfuse_abi *abi,
				enum crossfuse_group group);

/* Whether two ABIs have the same values in this group. */
bool crossfuse_abi_same_group(const struct crossfuse_abi *a,
			      const struct crossfuse_abi *b,
			      enum crossfuse_group group);

/*
 * Open flags of FROM as TO has them. Multi-bit values (O_ACCMODE, O_SYNC,
 * O_TMPFILE) are matched whole. 0x20 (__FMODE_EXEC) and 0x4000000
 * (__FMODE_NONOTIFY) are the same everywhere.
 * Bits that FROM gives no meaning are not copied; they are stored, as FROM has
 * them, in *RET_UNKNOWN unless that is NULL. The same group copies every bit.
 */
uint32_t crossfuse_open_flags(const struct crossfuse_abi *from,
			      const struct crossfuse_abi *to, uint32_t flags,
			      uint32_t *ret_unknown);

/*
 * An errno, positive, of FROM as TO numbers it; 0 is 0. A value that FROM does
 * not define, or TO cannot express, becomes TO's EIO, with *RET_KNOWN false
 * unless RET_KNOWN is NULL. The same group copies every value.
 * Values of the kernel's own from 512 up are the same everywhere.
 */
int32_t crossfuse_errno(const struct crossfuse_abi *from,
			const struct crossfuse_abi *to, int32_t error,
			bool *ret_known);

/*
 * A lock type (F_RDLCK, F_WRLCK, F_UNLCK) of FROM as TO has it; -EINVAL if
 * FROM does not define it, with *RET_TYPE untouched.
 */
int crossfuse_lock_type(const struct crossfuse_abi *from,
			const struct crossfuse_abi *to, uint32_t type,
			uint32_t *ret_type);

/* Poll events; unknown bits as for crossfuse_open_flags(). */
uint32_t crossfuse_poll_events(const struct crossfuse_abi *from,
			       const struct crossfuse_abi *to, uint32_t events,
			       uint32_t *ret_unknown);

/*
 * An ioctl number. The numbers older than the _IOC() encoding are looked up by
 * name; all others are taken apart and put together again. -ENOTTY if TO
 * cannot express it (a size beyond its field, a name that it lacks), with
 * *RET_CMD untouched.
 */
int crossfuse_ioctl_cmd(const struct crossfuse_abi *from,
			const struct crossfuse_abi *to, uint32_t cmd,
			uint32_t *ret_cmd);

/*
 * Names, for decoding: "O_DIRECT" for a bit or value of the ABI's open flags,
 * "ENOENT" for a positive errno, "TCGETS" for an ioctl number older than
 * _IOC(). Static storage; NULL if the ABI does not define the value.
 */
const char *crossfuse_open_flag_name(const struct crossfuse_abi *abi,
				     uint32_t bit);
const char *crossfuse_errno_name(const struct crossfuse_abi *abi,
				 int32_t error);
const char *crossfuse_poll_name(const struct crossfuse_abi *abi, uint32_t bit);
const char *crossfuse_ioctl_name(const struct crossfuse_abi *abi, uint32_t cmd);

/*
 * The names of those ioctl numbers that an architecture may number its own way
 * (asm/ioctls.h, asm/sockios.h), index from 0, with the ABI's number in
 * *RET_CMD; 0 if the ABI lacks the name. NULL past the last one, with *RET_CMD
 * untouched.
 */
const char *crossfuse_ioctl_at(const struct crossfuse_abi *abi, size_t index,
			       uint32_t *ret_cmd);

#ifdef __cplusplus
}
#endif
#endif
