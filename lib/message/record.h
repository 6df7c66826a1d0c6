/* SPDX-License-Identifier: BSD-2-Clause */
/* Directory records of a reply. Private to the library. */
#ifndef MESSAGE_RECORD_H
#define MESSAGE_RECORD_H

#include <stdbool.h>
#include <stddef.h>

/*
 * How many of LEN bytes, at the end, are no records, with an entry before each
 * if PLUS.
 */
size_t cf_records_check(const void *start, size_t len, bool plus, bool swapped);

/* Turns round what passed the check. */
void cf_records_swap(void *start, size_t len, bool plus, bool swapped);

#endif
