/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small numbers for the positions of a directory, given in the order in which
 * they come up: for a client whose programs hold no more than 31 bits.
 *
 * A table belongs to one open directory. What all idle ones take together is
 * bounded; beyond that the longest idle one is emptied, and its numbers have to
 * be given again in the same order. So no client's table is another's loss.
 */
#ifndef DIR_POSITIONS_H
#define DIR_POSITIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Of one directory: more names than any 32-bit program will list. */
#define POSITIONS_MOST (4u << 20)

/* In all that are idle; each takes 16 to 32 bytes. */
#define POSITIONS_IDLE (4u << 20)

/* Zero-initialised it is empty, and in use. */
struct positions {
	uint64_t *numbered; /* by number */
	uint32_t count, capacity;
	uint32_t *index; /* open addressing; number + 1; 2 * capacity */
	bool emptied;	 /* while it was idle; cleared by its owner */

	/* Among the idle ones, under their mutex. */
	bool idle;
	struct positions *older, *newer;
};

/* Its owner is about to use it, and must not while it is idle. */
void positions_use(struct positions *positions);
void positions_rest(struct positions *positions);
void positions_destroy(struct positions *positions);

/* Number of POSITION, a new one if need be: 0, -ENOMEM or -EOVERFLOW. */
int positions_number(struct positions *positions, uint64_t position,
		     uint32_t *ret_number);

/* Whether NUMBER was given. */
bool positions_find(const struct positions *positions, uint32_t number,
		    uint64_t *ret_position);

#endif
