/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PROBE_OUTCOME_H
#define PROBE_OUTCOME_H

#include "probe.h"

/* It could not be found out. */
#define OUTCOME_UNKNOWN INT64_MIN
/* Taken from an error if it was that of WRITE, not of OPEN. */
#define OUTCOME_WRITE 10000

struct outcome_flag {
	enum rule rule;
	uint32_t canonical;
	const char *name;
};

extern const struct outcome_flag outcome_flags[OUTCOME_FLAGS];

/* An error as talk() returns it: negative, canonical; 0: there was none. */
int64_t outcome_error(const struct probe *probe, int ret);

int64_t try_long_name(struct probe *probe);
/* The events of a file, in canonical form. */
int64_t try_poll(struct probe *probe);
void try_ioctls(struct probe *probe, struct outcomes *outcomes);

/* One request after the other, and what comes of each. */
void tour_find(struct probe *probe, int64_t results[TOUR_MAX]);

/* An error in words; static storage. */
const char *outcome_text(int64_t outcome);

#endif
