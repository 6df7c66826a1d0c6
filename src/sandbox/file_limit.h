/* SPDX-License-Identifier: BSD-2-Clause */
/* How many files the process may have open. */
#ifndef FILE_LIMIT_H
#define FILE_LIMIT_H

#include "sandbox.h"

/*
 * Sets the limit to WANTED; 0 leaves it as it is; RLIMIT_NOFILE_DEFAULT raises
 * it to what serves well without taking the machine's whole file table. 0 or
 * -errno, logged.
 */
int file_limit_set(uint64_t wanted);

#endif
