/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The probe tells what a file system does, in words that are the same on
 * every architecture: errno by name, flags by name, sizes and checksums.
 * It judges nothing; two runs are compared.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One group of checks, run in its own process and its own directory. */
struct checks {
	const char *name;
	void (*run)(void);
	unsigned int seconds; /* patience; 0: the usual */
};

/* Print one line: GROUP.NAME<TAB>outcome. */
__attribute__((format(printf, 2, 3))) void result(const char *name,
						  const char *format, ...);

/* The name of an errno; "ok" for 0. */
const char *errno_name(int err);

/* The name of what a call that returned ret left behind: "ok" or errno. */
const char *outcome(long ret);

/* result(name, outcome(ret)), for the many checks that are only that. */
void result_of(const char *name, long ret);

/* Open flags by name, those that F_GETFL tells, O_LARGEFILE left out. */
const char *open_flags(int flags, char *buf, size_t size);

/* A file of that content; exits with a line "setup" when it cannot. */
void make_file(const char *path, const char *text, mode_t mode);

/* What is in a small file; "-" and the errno when it cannot be read. */
const char *content(const char *path, char *buf, size_t size);

/* Size in bytes of a file, or -1. */
long long size_of(const char *path);

/* Run fn in a child and wait; true if it came to its end by itself. */
bool in_child(void (*fn)(void *), void *arg);

/* CRC-32 (zlib's), to be continued with crc of what came before; 0 first. */
uint32_t crc32_of(uint32_t crc, const void *data, size_t size);

/* A fixed pattern that is different at every offset and for every seed. */
void fill_pattern(void *data, size_t size, uint64_t offset, uint32_t seed);

/* Checksum of a file read with the given buffer size; 0 and errno if not. */
uint32_t crc_of_file(const char *path, size_t chunk);

/* Report path for the host to verify after the run. */
void keep(const char *path);

extern const struct checks open_groups[];
extern const struct checks dir_groups[];
extern const struct checks rename_groups[];
extern const struct checks link_groups[];
extern const struct checks xattr_groups[];
extern const struct checks attr_groups[];
extern const struct checks ioctl_groups[];
extern const struct checks lock_groups[];
extern const struct checks data_groups[];
extern const struct checks space_groups[];
extern const struct checks errno_groups[];
extern const struct checks user_groups[];
extern const struct checks misc_groups[];
extern const struct checks live_groups[];
extern const struct checks small_groups[];
