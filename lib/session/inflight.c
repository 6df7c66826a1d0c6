/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls in flight. A number is the place of the call in the table and how often
 * that place was given away before; what is looked up by the client's own
 * number hangs in chains, latest first.
 *
 *   bit 0       an INTERRUPT of the call
 *   bits 1-24   its place
 *   bits 25-62  the generation of that place
 *   bit 63      CF_UNIQUE_RESEND, as the client has it
 */
#include <assert.h>
#include <crossfuse/inflight.h>
#include <crossfuse/wire.h>
#include <errno.h>
#include <stdalign.h>
#include <string.h>

enum {
	PLACE_SHIFT = 1,
	PLACE_BITS = 24,
	GENERATION_SHIFT = PLACE_SHIFT + PLACE_BITS,
};

#define PLACE_MASK	((UINT32_C(1) << PLACE_BITS) - 1)
#define GENERATION_MASK ((UINT64_C(1) << (63 - GENERATION_SHIFT)) - 1)
#define NOWHERE		UINT32_MAX

/* A place; the numbers of others are NOWHERE if there is none. */
struct place {
	uint64_t unique;	/* while it is in flight, and of the last */
	uint64_t client_unique; /* without CF_UNIQUE_RESEND */
	void *opaque;
	uint32_t older, newer; /* all in flight; OLDER: of the free ones */
	uint32_t left, right;  /* in its chain */
	uint32_t bucket;       /* NOWHERE: it is free */
	uint32_t padding;
};

struct table {
	struct place *places;
	uint32_t *buckets; /* the first of each chain, BUCKET_MASK + 1 */
	uint64_t multiplier;
	uint64_t first_generation;
	uint32_t capacity;
	uint32_t bucket_mask;
	uint32_t used; /* places that were ever given away */
	uint32_t free; /* the first free one of them */
	uint32_t oldest, newest;
	uint32_t count;
	uint32_t padding;
};

static_assert(sizeof(struct table) <= sizeof(struct crossfuse_inflight),
	      "struct table outgrew its public memory");
static_assert(CROSSFUSE_INFLIGHT_MAX == PLACE_MASK + 1, "every place has a "
							"number");

static struct table *table_of(struct crossfuse_inflight *table)
{
	return (struct table *)table;
}

static const struct table *table_of_const(const struct crossfuse_inflight *t)
{
	return (const struct table *)t;
}

/* Chains of four where all is full. */
static uint32_t bucket_count(uint32_t capacity)
{
	uint32_t count = 1;

	while (count < capacity / 4)
		count *= 2;
	return count;
}

size_t crossfuse_inflight_size(uint32_t capacity)
{
	if (!capacity || capacity > CROSSFUSE_INFLIGHT_MAX)
		return 0;
	return capacity * sizeof(struct place) +
	       bucket_count(capacity) * sizeof(uint32_t);
}

/* Spreads a number over 64 bits (the finalizer of MurmurHash3). */
static uint64_t mix(uint64_t value)
{
	value ^= value >> 33;
	value *= UINT64_C(0xff51afd7ed558ccd);
	value ^= value >> 33;
	value *= UINT64_C(0xc4ceb9fe1a85ec53);
	return value ^ value >> 33;
}

int crossfuse_inflight_init(struct crossfuse_inflight *table, void *memory,
			    size_t size, uint32_t capacity, uint64_t seed)
{
	size_t needed = crossfuse_inflight_size(capacity);
	struct table *t = table_of(table);

	if (!table || !memory || !needed || size < needed ||
	    (uintptr_t)memory % alignof(uint64_t))
		return -EINVAL;
	memset(table, 0, sizeof(*table));
	t->places = memory;
	t->buckets = (uint32_t *)(t->places + capacity);
	t->capacity = capacity;
	t->bucket_mask = bucket_count(capacity) - 1;
	t->multiplier = mix(seed) | 1;
	t->first_generation = mix(~seed) & GENERATION_MASK;
	t->free = t->oldest = t->newest = NOWHERE;
	for (uint32_t i = 0; i <= t->bucket_mask; i++)
		t->buckets[i] = NOWHERE;
	return 0;
}

static uint32_t bucket_of(const struct table *t, uint64_t client_unique)
{
	return (uint32_t)(client_unique * t->multiplier >> 32) & t->bucket_mask;
}

static uint64_t make_unique(uint32_t index, uint64_t generation)
{
	return generation << GENERATION_SHIFT | (uint64_t)index << PLACE_SHIFT;
}

/* The next number of a place: never 0. */
static uint64_t next_unique(uint32_t index, uint64_t unique)
{
	uint64_t generation = (unique >> GENERATION_SHIFT) & GENERATION_MASK;

	generation = (generation + 1) & GENERATION_MASK;
	return make_unique(index, generation ? generation : 1);
}

/* A free place, its number already the next one; NOWHERE if there is none. */
static uint32_t get_place(struct table *t)
{
	uint32_t index = t->free;

	if (index != NOWHERE) {
		t->free = t->places[index].older;
	} else if (t->used < t->capacity) {
		index = t->used++;
		t->places[index].unique =
			make_unique(index, t->first_generation);
	} else {
		return NOWHERE;
	}
	t->places[index].unique = next_unique(index, t->places[index].unique);
	return index;
}

static void join_chain(struct table *t, uint32_t index)
{
	struct place *place = &t->places[index];

	place->bucket = bucket_of(t, place->client_unique);
	place->left = NOWHERE;
	place->right = t->buckets[place->bucket];
	if (place->right != NOWHERE)
		t->places[place->right].left = index;
	t->buckets[place->bucket] = index;
}

static void leave_chain(struct table *t, struct place *place)
{
	if (place->right != NOWHERE)
		t->places[place->right].left = place->left;
	if (place->left != NOWHERE)
		t->places[place->left].right = place->right;
	else
		t->buckets[place->bucket] = place->right;
	place->bucket = NOWHERE;
}

static void become_newest(struct table *t, uint32_t index)
{
	t->places[index].newer = NOWHERE;
	t->places[index].older = t->newest;
	if (t->newest != NOWHERE)
		t->places[t->newest].newer = index;
	else
		t->oldest = index;
	t->newest = index;
}

static void leave_order(struct table *t, const struct place *place)
{
	if (place->older != NOWHERE)
		t->places[place->older].newer = place->newer;
	else
		t->oldest = place->newer;
	if (place->newer != NOWHERE)
		t->places[place->newer].older = place->older;
	else
		t->newest = place->older;
}

int crossfuse_inflight_put(struct crossfuse_inflight *table,
			   uint64_t client_unique, void *opaque,
			   uint64_t *ret_unique)
{
	struct table *t = table_of(table);
	uint32_t index = get_place(t);
	struct place *place;

	if (index == NOWHERE)
		return -ENOBUFS;
	place = &t->places[index];
	place->unique |= client_unique & CF_UNIQUE_RESEND;
	place->client_unique = client_unique & ~CF_UNIQUE_RESEND;
	place->opaque = opaque;
	join_chain(t, index);
	become_newest(t, index);
	t->count++;
	*ret_unique = place->unique;
	return 0;
}

/* The call in flight with this number; NOWHERE if there is none. */
static uint32_t look_up(const struct table *t, uint64_t unique)
{
	uint32_t index = (uint32_t)(unique >> PLACE_SHIFT) & PLACE_MASK;

	if (index >= t->used || t->places[index].bucket == NOWHERE ||
	    (t->places[index].unique ^ unique) & ~CF_UNIQUE_RESEND)
		return NOWHERE;
	return index;
}

int crossfuse_inflight_take(struct crossfuse_inflight *table, uint64_t unique,
			    void **ret_opaque)
{
	struct table *t = table_of(table);
	uint32_t index = look_up(t, unique);
	struct place *place;

	if (index == NOWHERE)
		return -ENOENT;
	place = &t->places[index];
	*ret_opaque = place->opaque;
	leave_chain(t, place);
	leave_order(t, place);
	place->older = t->free;
	t->free = index;
	t->count--;
	return 0;
}

int crossfuse_inflight_get(const struct crossfuse_inflight *table,
			   uint64_t unique, void **ret_opaque)
{
	const struct table *t = table_of_const(table);
	uint32_t index = look_up(t, unique & ~CF_INT_REQ_BIT);

	if (index == NOWHERE)
		return -ENOENT;
	*ret_opaque = t->places[index].opaque;
	return 0;
}

int crossfuse_inflight_find(const struct crossfuse_inflight *table,
			    uint64_t client_unique, uint64_t *ret_unique,
			    void **ret_opaque)
{
	const struct table *t = table_of_const(table);
	uint64_t wanted = client_unique & ~CF_UNIQUE_RESEND;
	uint32_t index = t->buckets[bucket_of(t, wanted)];

	while (index != NOWHERE && t->places[index].client_unique != wanted)
		index = t->places[index].right;
	if (index == NOWHERE)
		return -ENOENT;
	*ret_unique = t->places[index].unique;
	*ret_opaque = t->places[index].opaque;
	return 0;
}

int crossfuse_inflight_next(const struct crossfuse_inflight *table,
			    uint64_t unique, uint64_t *ret_unique,
			    void **ret_opaque)
{
	const struct table *t = table_of_const(table);
	uint32_t index = t->oldest;

	if (unique) {
		index = look_up(t, unique);
		if (index != NOWHERE)
			index = t->places[index].newer;
	}
	if (index == NOWHERE)
		return -ENOENT;
	*ret_unique = t->places[index].unique;
	*ret_opaque = t->places[index].opaque;
	return 0;
}

uint32_t crossfuse_inflight_count(const struct crossfuse_inflight *table)
{
	return table_of_const(table)->count;
}
