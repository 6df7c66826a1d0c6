/* SPDX-License-Identifier: BSD-2-Clause */
/* What one share said of itself, and what has passed since it said it last. */
#ifndef TOP_SAMPLE_H
#define TOP_SAMPLE_H

#include "../meter.h"
#include <stdbool.h>

struct top_opcode {
	char name[24];
	double requests, errors, in_bytes, out_bytes;
	double buckets[METER_BUCKETS]; /* each with those below it */
};

struct top_sample {
	double time; /* CLOCK_MONOTONIC, seconds */
	double uptime;
	double oldest; /* seconds */
	double paused;
	/* Of all clients together. */
	double in_flight, known_files, descriptors, open_files, lock_waiters;
	unsigned int opcode_count;
	struct top_opcode opcodes[METER_OPCODES];
	char *status; /* of `status`; NULL: not asked */
};

/* Asks the share at SOCKET. 0 or -errno, logged. */
int top_sample_take(const char *socket, struct top_sample *ret_sample);
void top_sample_free(struct top_sample *sample);

/* In *RET_RATES what AFTER has more than BEFORE, a second. */
void top_sample_rates(const struct top_sample *before,
		      const struct top_sample *after,
		      struct top_sample *ret_rates);

/* All opcodes together. */
struct top_opcode top_sample_sum(const struct top_sample *rates);

/*
 * The time, in seconds, that the FRACTION (0 to 1) of the requests in BUCKETS
 * took at most, exact to a factor of two; negative: there were none.
 */
double top_quantile(const double *buckets, double fraction);

#endif
