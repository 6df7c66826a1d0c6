// SPDX-License-Identifier: BSD-2-Clause
#include "histogram.h"

#define STEPS (1U << HISTOGRAM_BITS)

/* Values below STEPS have a bucket each; every power of two above has STEPS. */
static unsigned int bucket_of(uint64_t value)
{
	unsigned int shift;

	if (value < STEPS)
		return (unsigned int)value;
	shift = 63 - (unsigned int)__builtin_clzll(value) - HISTOGRAM_BITS;
	return (shift + 1) * STEPS + (unsigned int)((value >> shift) - STEPS);
}

static uint64_t value_of(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < STEPS)
		return bucket;
	shift = bucket / STEPS - 1;
	return (uint64_t)(STEPS + bucket % STEPS) << shift;
}

void histogram_add(struct histogram *histogram, uint64_t nanoseconds)
{
	histogram->counts[bucket_of(nanoseconds)]++;
	histogram->total++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	into->total += from->total;
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->counts[i] += from->counts[i];
}

uint64_t histogram_at(const struct histogram *histogram, double fraction)
{
	double wanted = fraction * (double)histogram->total;
	uint64_t seen = 0;

	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->counts[i];
		if (histogram->counts[i] && (double)seen >= wanted)
			return value_of(i);
	}
	return 0;
}
