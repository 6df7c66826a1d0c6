// SPDX-License-Identifier: BSD-2-Clause
#include "positions.h"
#include "hash.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* Those that are idle, and how many positions they have room for. */
static pthread_mutex_t idle_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct positions *idle_oldest, *idle_newest;
static uint64_t idle_capacity;

/* With the mutex held. */
static void leave_list(struct positions *positions)
{
	if (positions->older)
		positions->older->newer = positions->newer;
	else
		idle_oldest = positions->newer;
	if (positions->newer)
		positions->newer->older = positions->older;
	else
		idle_newest = positions->older;
	positions->older = NULL;
	positions->newer = NULL;
	positions->idle = false;
	idle_capacity -= positions->capacity;
}

static void empty(struct positions *positions)
{
	free(positions->numbered);
	free(positions->index);
	positions->numbered = NULL;
	positions->index = NULL;
	positions->count = 0;
	positions->capacity = 0;
}

void positions_use(struct positions *positions)
{
	pthread_mutex_lock(&idle_mutex);
	if (positions->idle)
		leave_list(positions);
	pthread_mutex_unlock(&idle_mutex);
}

void positions_rest(struct positions *positions)
{
	struct positions *oldest;

	if (!positions->capacity)
		return;
	pthread_mutex_lock(&idle_mutex);
	positions->idle = true;
	positions->older = idle_newest;
	if (idle_newest)
		idle_newest->newer = positions;
	else
		idle_oldest = positions;
	idle_newest = positions;
	idle_capacity += positions->capacity;
	while (idle_capacity > POSITIONS_IDLE) {
		oldest = idle_oldest;
		leave_list(oldest);
		empty(oldest);
		oldest->emptied = true;
	}
	pthread_mutex_unlock(&idle_mutex);
}

void positions_destroy(struct positions *positions)
{
	positions_use(positions);
	empty(positions);
}

static uint32_t *index_cell(const struct positions *positions,
			    uint64_t position)
{
	uint32_t mask = 2 * positions->capacity - 1;
	uint32_t i = (uint32_t)hash_pair(position, 0) & mask;

	while (positions->index[i] &&
	       positions->numbered[positions->index[i] - 1] != position)
		i = (i + 1) & mask;
	return &positions->index[i];
}

static int grow(struct positions *positions)
{
	uint32_t capacity = positions->capacity ? positions->capacity * 2 : 256;
	uint64_t *numbered;
	uint32_t *index;

	if (capacity > POSITIONS_MOST)
		return -EOVERFLOW;
	numbered = realloc(positions->numbered, capacity * sizeof(*numbered));
	if (!numbered)
		return -ENOMEM;
	positions->numbered = numbered;
	index = calloc(2 * (size_t)capacity, sizeof(*index));
	if (!index)
		return -ENOMEM;
	free(positions->index);
	positions->index = index;
	positions->capacity = capacity;
	for (uint32_t i = 0; i < positions->count; i++)
		*index_cell(positions, numbered[i]) = i + 1;
	return 0;
}

int positions_number(struct positions *positions, uint64_t position,
		     uint32_t *ret_number)
{
	uint32_t *cell = NULL;
	int ret;

	if (positions->capacity)
		cell = index_cell(positions, position);
	if (!cell || (!*cell && positions->count == positions->capacity)) {
		ret = grow(positions);
		if (ret < 0)
			return ret;
		cell = index_cell(positions, position);
	}
	if (!*cell) {
		positions->numbered[positions->count++] = position;
		*cell = positions->count;
	}
	*ret_number = *cell - 1;
	return 0;
}

bool positions_find(const struct positions *positions, uint32_t number,
		    uint64_t *ret_position)
{
	if (number >= positions->count)
		return false;
	*ret_position = positions->numbered[number];
	return true;
}
