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
		.object_size = (object_size + 63) & ~(size_t)63,
		.release = release,
		.opaque = opaque,
		.mutex = PTHREAD_MUTEX_INITIALIZER,
		.used = 1,
		.chunks = chunks,
	};
	return 0;
}

void slots_destroy(struct slots *slots)
{
	for (uint32_t i = 0; i < SLOT_CHUNKS; i++) {
		char *chunk = atomic_load(&slots->chunks[i]);

		if (!chunk)
			break;
		free(chunk);
	}
	munmap(slots->chunks, SLOT_CHUNKS * sizeof(*slots->chunks));
	pthread_mutex_destroy(&slots->mutex);
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

/* A slot that was never used; the mutex is held. */
static struct slot *slot_fresh(struct slots *slots)
{
	uint32_t index = slots->used, chunk = index >> SLOT_CHUNK_SHIFT;
	struct slot *slot;
	char *base;

	if (chunk >= SLOT_CHUNKS)
		return NULL;
	if (!atomic_load_explicit(&slots->chunks[chunk],
				  memory_order_relaxed)) {
		base = aligned_alloc(64, CHUNK_OBJECTS * slots->object_size);
		if (!base)
			return NULL;
		memset(base, 0, CHUNK_OBJECTS * slots->object_size);
		atomic_store_explicit(&slots->chunks[chunk], base,
				      memory_order_release);
	}
	slots->used++;
	slot = slot_at(slots, index);
	slot->index = index;
	return slot;
}

struct slot *slot_alloc(struct slots *slots)
{
	struct slot *slot;

	pthread_mutex_lock(&slots->mutex);
	if (slots->first_free) {
		slot = slot_at(slots, slots->first_free);
		slots->first_free = slot->next_free;
	} else {
		slot = slot_fresh(slots);
	}
	pthread_mutex_unlock(&slots->mutex);
	if (!slot)
		return NULL;
	memset((char *)slot + sizeof(*slot), 0,
	       slots->object_size - sizeof(*slot));
	slot->id = (atomic_load(&slot->state) & ~(uint64_t)UINT32_MAX) |
		   slot->index;
	return slot;
}

void slot_free(struct slots *slots, struct slot *slot)
{
	pthread_mutex_lock(&slots->mutex);
	slot->next_free = slots->first_free;
	slots->first_free = slot->index;
	pthread_mutex_unlock(&slots->mutex);
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
		&slot->state, &state, state + 1, memory_order_acquire,
		memory_order_relaxed));
	return slot;
}

void slot_hold(struct slot *slot)
{
	atomic_fetch_add_explicit(&slot->state, 1, memory_order_relaxed);
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

void slots_each(struct slots *slots,
		void (*visit)(void *opaque, struct slot *slot))
{
	uint32_t used;

	pthread_mutex_lock(&slots->mutex);
	used = slots->used;
	pthread_mutex_unlock(&slots->mutex);
	for (uint32_t i = 1; i < used; i++) {
		struct slot *slot = slot_at(slots, i);
		uint64_t state = atomic_load(&slot->state);

		if (!REFERENCES(state))
			continue;
		slot = slot_get(slots, (state & ~(uint64_t)UINT32_MAX) | i);
		if (!slot)
			continue;
		visit(slots->opaque, slot);
		slot_put(slots, slot);
	}
}
