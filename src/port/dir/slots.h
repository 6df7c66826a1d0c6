/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbered objects that a client names: inodes and file handles. A number
 * carries a generation, so that a stale or invented one is found out, and an
 * object's memory stays an object's memory for ever, so that looking at a
 * number needs no lock.
 */
#ifndef DIR_SLOTS_H
#define DIR_SLOTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* First member of every object. */
struct slot {
	/* generation << 32 | references; no references: it is free. */
	_Atomic uint64_t state;
	uint64_t id;	    /* its number while it lives */
	uint32_t index;	    /* in the table */
	uint32_t next_free; /* index, 0: none */
};

#define SLOT_CHUNK_SHIFT 10
#define SLOT_CHUNKS	 (1u << 16)
#define SLOT_STRIPES	 16

/*
 * What is free, spread so that threads seldom meet: stripe I has the chunks
 * whose number is I modulo SLOT_STRIPES.
 */
struct slot_stripe {
	pthread_mutex_t mutex;
	uint32_t first_free;
	uint32_t fresh, fresh_end; /* indexes that were never used */
	uint32_t next_chunk;
};

struct slots {
	size_t object_size;
	/* Undoes an object whose last reference went. */
	void (*release)(void *opaque, struct slot *slot);
	void *opaque;
	_Atomic(char *) *chunks;
	struct slot_stripe stripes[SLOT_STRIPES];
};

int slots_init(struct slots *slots, size_t object_size,
	       void (*release)(void *opaque, struct slot *slot), void *opaque);

/* Every object must have been put. */
void slots_destroy(struct slots *slots);

/*
 * A free object, cleared behind its slot, that nobody can find before
 * slot_publish(). NULL if there is no memory.
 */
struct slot *slot_alloc(struct slots *slots);
/* The same, before any other: its number is 1. */
struct slot *slot_alloc_first(struct slots *slots);

/* Gives a slot back that was not published. */
void slot_free(struct slots *slots, struct slot *slot);

/* From here on ID finds it; the caller holds one reference. */
void slot_publish(struct slot *slot);

/* The object of ID with a reference more; NULL if there is none. */
struct slot *slot_get(struct slots *slots, uint64_t id);

/* One reference more to an object that is held. */
void slot_hold(struct slot *slot);
void slot_put(struct slots *slots, struct slot *slot);

/* How many hold it, the caller's reference among them. */
static inline uint32_t slot_references(struct slot *slot)
{
	return (uint32_t)atomic_load(&slot->state);
}

/* Calls VISIT for each living object, which is held meanwhile. */
void slots_each(struct slots *slots,
		void (*visit)(void *opaque, struct slot *slot), void *opaque);

#endif
