/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts of nanoseconds in buckets that are 3 % wide. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS	  5
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS)

struct histogram {
	uint64_t total;
	uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t nanoseconds);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The value below which FRACTION (0 to 1) of all lie; 0 if there are none. */
uint64_t histogram_at(const struct histogram *histogram, double fraction);

#endif
