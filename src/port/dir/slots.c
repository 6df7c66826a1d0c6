// SPDX-License-Identifier: BSD-2-Clause
#include "slots.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK_OBJECTS	  (1u << SLOT_CHUNK_SHIFT)
#define REFERENCES(state) ((uint32_t)(state))

int slots_init(struct slots *slots, size_t object_size,
	       void (*release)(void *opaque, struct slot *slot), void *opaque)
{
	void *chunks;

	/* Mapped, so that only the part in use takes memory. */
	chunks = mmap(NULL, SLOT_CHUNKS * sizeof(*slots->chunks),
		      PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (chunks == MAP_FAILED)
		return -ENOMEM;
	*slots = (struct slots){
		.object_size = (object_size + 7) & ~(size_t)7,
		.release = release,
		.opaque = opaque,
		.chunks = chunks,
	};
	for (uint32_t i = 0; i < SLOT_STRIPES; i++) {
		pthread_mutex_init(&slots->stripes[i].mutex, NULL);
		slots->stripes[i].next_chunk = i;
	}
	return 0;
}

void slots_destroy(struct slots *slots)
{
	for (uint32_t i = 0; i < SLOT_STRIPES; i++) {
		struct slot_stripe *stripe = &slots->stripes[i];

		for (uint32_t c = i; c < stripe->next_chunk; c += SLOT_STRIPES)
			free(atomic_load(&slots->chunks[c]));
		pthread_mutex_destroy(&stripe->mutex);
	}
	munmap(slots->chunks, SLOT_CHUNKS * sizeof(*slots->chunks));
}

static struct slot *slot_at(struct slots *slots, uint32_t index)
{
	uint32_t chunk = index >> SLOT_CHUNK_SHIFT;
	char *base;

	if (!index || chunk >= SLOT_CHUNKS)
		return NULL;
	base = atomic_load_explicit(&slots->chunks[chunk],
				    memory_order_acquire);
	if (!base)
		return NULL;
	return (struct slot *)(void *)(base + (index & (CHUNK_OBJECTS - 1)) *
						      slots->object_size);
}

/* The next chunk of STRIPE, whose mutex is held. */
static int add_chunk(struct slots *slots, struct slot_stripe *stripe)
{
	uint32_t chunk = stripe->next_chunk;
	char *base;

	if (chunk >= SLOT_CHUNKS)
		return -ENOMEM;
	base = calloc(CHUNK_OBJECTS, slots->object_size);
	if (!base)
		return -ENOMEM;
	atomic_store_explicit(&slots->chunks[chunk], base,
			      memory_order_release);
	stripe->next_chunk += SLOT_STRIPES;
	stripe->fresh = chunk << SLOT_CHUNK_SHIFT;
	stripe->fresh_end = stripe->fresh + CHUNK_OBJECTS;
	if (!chunk) /* index 0 is none */
		stripe->fresh++;
	return 0;
}

static struct slot *take(struct slots *slots, struct slot_stripe *stripe)
{
	struct slot *slot;

	if (stripe->first_free) {
		slot = slot_at(slots, stripe->first_free);
		stripe->first_free = slot->next_free;
		return slot;
	}
	if (stripe->fresh == stripe->fresh_end && add_chunk(slots, stripe) < 0)
		return NULL;
	slot = slot_at(slots, stripe->fresh);
	slot->index = stripe->fresh++;
	return slot;
}

/* Each thread has a stripe that it takes from. */
static struct slot_stripe *own_stripe(struct slots *slots)
{
	static _Atomic uint32_t threads;
	static _Thread_local uint32_t own; /* + 1 */

	if (!own)
		own = atomic_fetch_add(&threads, 1) % SLOT_STRIPES + 1;
	return &slots->stripes[own - 1];
}

static struct slot *alloc_from(struct slots *slots, struct slot_stripe *stripe)
{
	struct slot *slot;

	pthread_mutex_lock(&stripe->mutex);
	slot = take(slots, stripe);
	pthread_mutex_unlock(&stripe->mutex);
	if (!slot)
		return NULL;
	memset((char *)slot + sizeof(*slot), 0,
	       slots->object_size - sizeof(*slot));
	slot->id = (atomic_load(&slot->state) & ~(uint64_t)UINT32_MAX) |
		   slot->index;
	return slot;
}

struct slot *slot_alloc(struct slots *slots)
{
	size_t own = (size_t)(own_stripe(slots) - slots->stripes);
	struct slot *slot = NULL;

	/* One thread may know as many as all of them. */
	for (size_t i = 0; i < SLOT_STRIPES && !slot; i++)
		slot = alloc_from(slots,
				  &slots->stripes[(own + i) % SLOT_STRIPES]);
	return slot;
}

struct slot *slot_alloc_first(struct slots *slots)
{
	return alloc_from(slots, &slots->stripes[0]);
}

void slot_free(struct slots *slots, struct slot *slot)
{
	uint32_t chunk = slot->index >> SLOT_CHUNK_SHIFT;
	struct slot_stripe *stripe = &slots->stripes[chunk % SLOT_STRIPES];

	pthread_mutex_lock(&stripe->mutex);
	slot->next_free = stripe->first_free;
	stripe->first_free = slot->index;
	pthread_mutex_unlock(&stripe->mutex);
}

void slot_publish(struct slot *slot)
{
	atomic_fetch_add_explicit(&slot->state, 1, memory_order_release);
}

struct slot *slot_get(struct slots *slots, uint64_t id)
{
	struct slot *slot = slot_at(slots, (uint32_t)id);
	uint64_t state;

	if (!slot)
		return NULL;
	state = atomic_load_explicit(&slot->state, memory_order_relaxed);
	do {
		if (state >> 32 != id >> 32 || !REFERENCES(state) ||
		    REFERENCES(state) == UINT32_MAX)
			return NULL;
	} while (!atomic_compare_exchange_weak_explicit(
		&slot->state, &state, state + 1, memory_order_seq_cst,
		memory_order_relaxed));
	return slot;
}

void slot_hold(struct slot *slot)
{
	atomic_fetch_add(&slot->state, 1);
}

void slot_put(struct slots *slots, struct slot *slot)
{
	uint64_t state = atomic_fetch_sub_explicit(&slot->state, 1,
						   memory_order_acq_rel);

	if (REFERENCES(state) != 1)
		return;
	slots->release(slots->opaque, slot);
	/* The next one to live here has another number. */
	atomic_fetch_add_explicit(&slot->state, (uint64_t)1 << 32,
				  memory_order_release);
	slot_free(slots, slot);
}

static void visit_chunk(struct slots *slots, uint32_t chunk,
			void (*visit)(void *opaque, struct slot *slot),
			void *opaque)
{
	for (uint32_t i = 0; i < CHUNK_OBJECTS; i++) {
		uint32_t index = (chunk << SLOT_CHUNK_SHIFT) + i;
		struct slot *slot = slot_at(slots, index);
		uint64_t state = slot ? atomic_load(&slot->state) : 0;

		if (!REFERENCES(state))
			continue;
		slot = slot_get(slots, (state & ~(uint64_t)UINT32_MAX) | index);
		if (!slot)
			continue;
		visit(opaque, slot);
		slot_put(slots, slot);
	}
}

void slots_each(struct slots *slots,
		void (*visit)(void *opaque, struct slot *slot), void *opaque)
{
	for (uint32_t i = 0; i < SLOT_STRIPES; i++) {
		struct slot_stripe *stripe = &slots->stripes[i];
		uint32_t end;

		pthread_mutex_lock(&stripe->mutex);
		end = stripe->next_chunk;
		pthread_mutex_unlock(&stripe->mutex);
		for (uint32_t chunk = i; chunk < end; chunk += SLOT_STRIPES)
			visit_chunk(slots, chunk, visit, opaque);
	}
}
