// SPDX-License-Identifier: BSD-2-Clause
#include "numbers.h"
#include "../../relay.h"
#include "hash.h"
#include <errno.h>
#include <stdlib.h>

/* Numbers from here up are given out, downward from the highest. */
#define FIRST_GIVEN 0xF0000000u
#define LAST_GIVEN  0xFFFFFFFEu

/* More than a client can know at once; each takes memory here. */
#define MOST (16u << 20)

struct number {
	uint64_t dev, ino;
	uint32_t given; /* 0: empty */
};

int numbers_init(struct numbers *numbers, uint64_t home_dev)
{
	*numbers = (struct numbers){ .home_dev = home_dev };
	return -pthread_mutex_init(&numbers->mutex, NULL);
}

void numbers_reset(struct numbers *numbers)
{
	pthread_mutex_lock(&numbers->mutex);
	free(numbers->table);
	numbers->table = NULL;
	numbers->size = 0;
	numbers->count = 0;
	numbers->announced = false;
	numbers->relay = NULL;
	pthread_mutex_unlock(&numbers->mutex);
}

void numbers_destroy(struct numbers *numbers)
{
	free(numbers->table);
	pthread_mutex_destroy(&numbers->mutex);
}

/* The cell of (DEV, INO), or the empty one where it belongs. */
static struct number *find(struct number *table, size_t size, uint64_t dev,
			   uint64_t ino)
{
	size_t i = (size_t)hash_pair(dev, ino) & (size - 1);

	while (table[i].given && (table[i].dev != dev || table[i].ino != ino))
		i = (i + 1) & (size - 1);
	return &table[i];
}

static int grow(struct numbers *numbers)
{
	size_t size = numbers->size ? numbers->size * 2 : 1024;
	struct number *table = calloc(size, sizeof(*table));

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < numbers->size; i++) {
		const struct number *old = &numbers->table[i];

		if (old->given)
			*find(table, size, old->dev, old->ino) = *old;
	}
	free(numbers->table);
	numbers->table = table;
	numbers->size = size;
	return 0;
}

static uint32_t give(struct numbers *numbers, uint64_t dev, uint64_t ino)
{
	struct number *cell;

	if (numbers->count * 2 >= numbers->size && grow(numbers) < 0 &&
	    numbers->count + 1 >= numbers->size)
		return 0;
	cell = find(numbers->table, numbers->size, dev, ino);
	if (!cell->given) {
		if (numbers->count >= MOST)
			return 0;
		*cell = (struct number){
			.dev = dev,
			.ino = ino,
			.given = LAST_GIVEN - (uint32_t)numbers->count,
		};
		numbers->count++;
	}
	return cell->given;
}

/*
 * Where the client speaks canonical, who started it knows what it is. What a
 * legacy client is may come out only when it opens something.
 */
bool client_is_small(const struct relay *relay)
{
	const struct crossfuse_abi *abi;

	if (!relay)
		return false;
	abi = crossfuse_session_client(&relay->session, NULL);
	if (abi == crossfuse_abi_canonical())
		abi = relay->config.client ? relay->config.client
					   : relay->config.monitor;
	return abi && crossfuse_abi_long_bits(abi) == 32;
}

/* Apart from the root's by bit 62, and from another's by 14 bits of DEV. */
static uint64_t number_apart(uint64_t dev, uint64_t ino)
{
	const uint64_t apart = (uint64_t)1 << 62;
	uint64_t tag = hash_pair(dev, 0) & 0x3fff;

	if (ino >> 48)
		return apart | (hash_pair(dev, ino) & (apart - 1));
	return apart | tag << 48 | ino;
}

uint64_t number_of(struct numbers *numbers, uint64_t dev, uint64_t ino)
{
	bool home = dev == numbers->home_dev || numbers->announced;
	uint32_t given;

	if (home && ino < FIRST_GIVEN && ino)
		return ino;
	if (!numbers->small && !client_is_small(numbers->relay))
		return home && ino ? ino : number_apart(dev, ino);
	pthread_mutex_lock(&numbers->mutex);
	given = give(numbers, dev, ino);
	pthread_mutex_unlock(&numbers->mutex);
	/* Out of memory or numbers: right for all but 32-bit programs. */
	return given ? given : ino;
}
