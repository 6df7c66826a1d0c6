/* SPDX-License-Identifier: BSD-2-Clause */
/* The directory that is served while measuring, and what its files hold. */
#ifndef BENCH_SAMPLE_H
#define BENCH_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAMPLE_DATA_FILE   "data"
#define SAMPLE_DATA_BYTES  (UINT64_C(256) << 20)
#define SAMPLE_SMALL_DIR   "small"
#define SAMPLE_SMALL_COUNT 64U
#define SAMPLE_MANY_DIR	   "many"
#define SAMPLE_MANY_COUNT  10000U
#define SAMPLE_MANY_NAME   "e%05u"
#define SAMPLE_WRITE_BYTES (UINT64_C(64) << 20)

/* The 64-bit word INDEX of a file's contents, as its bytes lie in the file. */
uint64_t sample_word(uint64_t index);

/* Whether the LEN bytes at BUF are those from OFFSET on; multiples of 8. */
bool sample_matches(const void *buf, uint64_t offset, size_t len);
void sample_fill(void *buf, uint64_t offset, size_t len);

/* Size of the file INDEX in SAMPLE_SMALL_DIR; its name is f%u. */
uint64_t sample_small_size(unsigned int index);

/* Number of the file in SAMPLE_MANY_DIR with this name; -1: no such file. */
int sample_many_index(const char *name, size_t len);

/* Creates all that in the directory PATH. 0 or -errno. */
int sample_create(const char *path);

#endif
