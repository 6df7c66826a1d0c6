/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_HOSTILE_H
#define BENCH_HOSTILE_H

#include <stdint.h>

/*
 * Plays a broken or hostile guest: COUNT faults, drawn from SEED, each on a
 * device set up anew over the socket PATH. Prints a line for each, and "done";
 * then stays connected until the standard input ends, so that the server can
 * be looked at. 0; or -errno if the server cannot be reached, or the device
 * cannot be brought back.
 */
int hostile_run(const char *path, uint64_t seed, uint64_t count);

#endif
