/* SPDX-License-Identifier: BSD-2-Clause */
/* Directory records of a reply. Private to the library. */
#ifndef MESSAGE_RECORD_H
#define MESSAGE_RECORD_H

#include <stdbool.h>
#include <stddef.h>

/* Checks LEN bytes of records, with an entry before each if PLUS. */
int cf_records_check(const void *start, size_t len, bool plus, bool swapped);

/* Turns round what passed the check. */
void cf_records_swap(void *start, size_t len, bool plus, bool swapped);

#endif
