/* SPDX-License-Identifier: BSD-2-Clause */
/* FUSE_INIT and its reply, as both roles read them. Private to the library. */
#ifndef SESSION_OFFER_H
#define SESSION_OFFER_H

#include "../message/bytes.h"
#include "private.h"

#define IN_AT(field)	 offsetof(struct cf_in_header, field)
#define INIT_AT(field)	 offsetof(struct cf_init_in, field)
#define ANSWER_AT(field) offsetof(struct cf_init_out, field)

/* Bytes up to and including a field. */
#define END_OF(type, field)                  \
	(offsetof(struct cf_##type, field) + \
	 sizeof(((struct cf_##type *)0)->field))

/* What INIT says, in this machine's byte order. */
struct offer {
	uint32_t major;
	uint32_t minor;
	uint32_t arch_id;
	uint64_t flags;
	bool canon; /* it offers canonical constants */
	bool from_linux;
};

/*
 * What Linux offers in every FUSE_INIT since 7.23, whatever its configuration:
 * fuse_send_init() of fs/fuse/inode.c. Minimal clients (virtio-win, EDK2,
 * Zephyr) lack most of it.
 */
#define OFFERED_BY_LINUX                                                     \
	(CF_INIT_ASYNC_READ | CF_INIT_POSIX_LOCKS | CF_INIT_ATOMIC_O_TRUNC | \
	 CF_INIT_EXPORT_SUPPORT | CF_INIT_BIG_WRITES | CF_INIT_DONT_MASK |   \
	 CF_INIT_FLOCK_LOCKS)

/* The bits that a client of this minor may offer with. */
static inline uint64_t canon_bits(uint32_t minor)
{
	uint64_t bits = CF_INIT_CANON_ARCH;

	if (minor <= CF_CANON_ARCH_OLD_MINOR)
		bits |= CF_INIT_CANON_ARCH_OLD;
	return bits;
}

static inline void read_offer(const uint8_t *body, size_t len, bool swapped,
			      struct offer *ret)
{
	struct offer offer = {
		.major = cf_get32(body + INIT_AT(major), swapped),
		.minor = cf_get32(body + INIT_AT(minor), swapped),
		.flags = cf_get32(body + INIT_AT(flags), swapped),
	};
	uint64_t upper;

	/* What else has come is padding then, whatever stands in it. */
	if (offer.minor < CF_INIT_EXT_MINOR && !(offer.flags & CF_INIT_EXT))
		len = CF_COMPAT_INIT_IN_SIZE;
	if (offer.flags & CF_INIT_EXT && len >= END_OF(init_in, flags2)) {
		upper = cf_get32(body + INIT_AT(flags2), swapped);
		offer.flags |= upper << 32;
	}
	if (len >= END_OF(init_in, arch_id))
		offer.arch_id = cf_get32(body + INIT_AT(arch_id), swapped);
	offer.from_linux = (offer.flags & OFFERED_BY_LINUX) == OFFERED_BY_LINUX;
	offer.canon = offer.arch_id && offer.flags & canon_bits(offer.minor);
	*ret = offer;
}

/* The flags of a reply, which is in this machine's byte order. */
static inline uint64_t read_answer(const uint8_t *body, size_t len)
{
	uint64_t flags = cf_get32(body + ANSWER_AT(flags), false);
	uint64_t upper;

	if (flags & CF_INIT_EXT && len >= END_OF(init_out, flags2)) {
		upper = cf_get32(body + ANSWER_AT(flags2), false);
		flags |= upper << 32;
	}
	return flags;
}

/* Nothing newer than what is known here can be checked, or translated. */
static inline void lower_minor(uint8_t *body)
{
	if (cf_get32(body + ANSWER_AT(minor), false) > CF_KERNEL_MINOR_VERSION)
		cf_put32(body + ANSWER_AT(minor), CF_KERNEL_MINOR_VERSION,
			 false);
}

/*
 * client.c: what a session with the client's role makes of FUSE_INIT; and of
 * its reply, in this machine's byte order: 0, or -EPROTO, BODY being untouched.
 */
void cf_client_offer(struct session *s, struct crossfuse_call *call,
		     uint8_t *body, size_t len, const struct offer *offer);
int cf_client_answer(struct session *s, uint8_t *body, size_t len);

#endif
