/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_CPUTIME_H
#define BENCH_CPUTIME_H

#include <stdint.h>
#include <sys/types.h>

/*
 * Nanoseconds of processor time, user and system, that a process and all that
 * descend from it have used; those that have ended do not count. 0: no such
 * process.
 */
uint64_t cputime_of_tree(pid_t pid);

#endif
