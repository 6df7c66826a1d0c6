/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stdint.h>

struct bare_result {
	uint64_t done;
	double seconds;
	double cpu; /* seconds of the processor's time */
};

/*
 * The system calls that the operation NAME comes down to, in a loop on one
 * core for SECONDS, in the directory PATH. It goes round in the memory that a
 * guest has for SLOTS requests under way, so that neither has more of it in
 * the processor's caches. 0 or -errno; -EOPNOTSUPP: no such operation.
 */
int bare_run(const char *path, const char *name, double seconds,
	     unsigned int slots, struct bare_result *ret_result);

#endif
