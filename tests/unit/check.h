/* SPDX-License-Identifier: BSD-2-Clause */
/* A test program is main() with checks; the exit status tells. */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_uint check_failed;
static atomic_uint check_done;

/*
 * Counts, prints what failed and goes on. Evaluates to the condition. For any
 * thread.
 */
#define CHECK(condition) \
	check_true((condition) ? 1 : 0, #condition, __FILE__, __LINE__)

static inline int check_true(int holds, const char *text, const char *file,
			     int line)
{
	check_done++;
	if (holds)
		return 1;
	check_failed++;
	fprintf(stderr, "%s:%d: not true: %s\n", file, line, text);
	return 0;
}

/* Two integers, equal; both are printed if not. */
#define CHECK_EQ(got, want)                                                  \
	check_eq((long long)(got), (long long)(want), #got, #want, __FILE__, \
		 __LINE__)

static inline int check_eq(long long got, long long want, const char *got_text,
			   const char *want_text, const char *file, int line)
{
	check_done++;
	if (got == want)
		return 1;
	check_failed++;
	fprintf(stderr, "%s:%d: %s is %lld (0x%llx), not %s = %lld (0x%llx)\n",
		file, line, got_text, got, (unsigned long long)got, want_text,
		want, (unsigned long long)want);
	return 0;
}

/* For the end of main(). A test that checked nothing fails. */
static inline int check_result(void)
{
	printf("%u checks, %u failed\n", check_done, check_failed);
	return check_failed || !check_done ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
