/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPORT_H
#define REPORT_H

#include <stdint.h>

/*
 * Takes one number that tells how a server is doing: NAME as metrics are called
 * ("open_files"), HELP one line of what it counts.
 */
typedef void report_fn(void *opaque, const char *name, const char *help,
		       uint64_t value);

#endif
