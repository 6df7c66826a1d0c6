/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stdint.h>

/*
 * The system calls that the operation NAME comes down to, in a loop on one
 * core for SECONDS, in the directory PATH. How many were done, in how many
 * seconds. 0 or -errno; -EOPNOTSUPP: no such operation.
 */
int bare_run(const char *path, const char *name, double seconds,
	     uint64_t *ret_done, double *ret_seconds);

#endif
