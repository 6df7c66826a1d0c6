/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which payloads of an ioctl can be carried between machines whose byte order
 * or size of long differ. Private to the library.
 */
#ifndef MESSAGE_PAYLOAD_H
#define MESSAGE_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an ioctl's payload is made of; NULL: not known. CMD is canonical. */
const struct cf_payload *cf_payload(uint32_t cmd);

/* Whether SIZE bytes can be the payload; none at all always can. */
bool cf_payload_fits(const struct cf_payload *payload, size_t size);

/* Turns round a payload that fits. */
void cf_payload_swap(const struct cf_payload *payload, void *at, size_t size);

/*
 * The canonical number for a long of LONG_BITS, if the number carries the size
 * of a long; otherwise CMD itself.
 */
uint32_t cf_payload_cmd(const struct cf_payload *payload, uint32_t cmd,
			unsigned int long_bits);

#endif
