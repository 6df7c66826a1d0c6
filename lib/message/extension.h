/* SPDX-License-Identifier: BSD-2-Clause */
/* Extension headers behind the names of a request. Private to the library. */
#ifndef MESSAGE_EXTENSION_H
#define MESSAGE_EXTENSION_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Checks LEN bytes of extensions. An extension of an unknown type may pass
 * only where bytes are not to be turned round (SWAP). 0 or -EBADMSG.
 */
int cf_extensions_check(const void *start, size_t len, bool swapped, bool swap);

/* Turns round what passed the check. */
void cf_extensions_swap(void *start, size_t len, bool swapped);

#endif
