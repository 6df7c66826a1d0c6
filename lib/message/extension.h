/* SPDX-License-Identifier: BSD-2-Clause */
/* Extension headers behind the names of a request. Private to the library. */
#ifndef MESSAGE_EXTENSION_H
#define MESSAGE_EXTENSION_H

#include <stdbool.h>
#include <stddef.h>

/*
 * How many of LEN bytes, at the end, are no extensions. One of an unknown type
 * may pass only where bytes are not to be turned round (SWAP).
 */
size_t cf_extensions_check(const void *start, size_t len, bool swapped,
			   bool swap);

/* Turns round what passed the check. */
void cf_extensions_swap(void *start, size_t len, bool swapped);

#endif
