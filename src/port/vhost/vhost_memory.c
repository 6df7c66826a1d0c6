// SPDX-License-Identifier: BSD-2-Clause
/* Pieces of the memory that is shared with the back end. */
#include "vhost.h"
#include <stdlib.h>
#include <string.h>

void vhost_pool_init(struct vhost_pool *pool)
{
	memset(pool, 0, sizeof(*pool));
	pthread_mutex_init(&pool->lock, NULL);
}

void vhost_pool_set(struct vhost_pool *pool, void *base, size_t size)
{
	pthread_mutex_lock(&pool->lock);
	pool->base = base;
	pool->size = size;
	pool->taken = 0;
	for (unsigned int i = 0; i < VHOST_SIZES; i++)
		pool->free[i].count = 0;
	pthread_mutex_unlock(&pool->lock);
}

void vhost_pool_destroy(struct vhost_pool *pool)
{
	for (unsigned int i = 0; i < VHOST_SIZES; i++)
		free(pool->free[i].list);
	pthread_mutex_destroy(&pool->lock);
}

/* VHOST_SIZES: there is no such piece. */
static unsigned int class_of(size_t size)
{
	unsigned int class = 0;

	while (class < VHOST_SIZES &&
	       ((size_t)1 << VHOST_SIZE_SHIFT << class) < size)
		class ++;
	return class;
}

/* Room to note one piece more that may come back. */
static bool can_note(struct vhost_pieces *pieces)
{
	size_t space = pieces->space ? 2 * pieces->space : 64;
	void **list;

	list = reallocarray(pieces->list, space, sizeof(*list));
	if (!list)
		return false;
	pieces->list = list;
	pieces->space = space;
	return true;
}

void *vhost_pool_take(struct vhost_pool *pool, size_t size)
{
	unsigned int class = class_of(size);
	struct vhost_pieces *pieces = &pool->free[class];
	void *piece = NULL;

	if (class == VHOST_SIZES)
		return NULL;
	size = (size_t)1 << VHOST_SIZE_SHIFT << class;
	pthread_mutex_lock(&pool->lock);
	if (pieces->count) {
		piece = pieces->list[--pieces->count];
	} else if (size <= pool->size - pool->taken) {
		piece = pool->base + pool->taken;
		pool->taken += size;
	}
	pthread_mutex_unlock(&pool->lock);
	return piece;
}

void vhost_pool_give(struct vhost_pool *pool, void *piece, size_t size)
{
	struct vhost_pieces *pieces = &pool->free[class_of(size)];

	pthread_mutex_lock(&pool->lock);
	/* A piece that cannot be noted is lost until the next connection. */
	if (pieces->count < pieces->space || can_note(pieces))
		pieces->list[pieces->count++] = piece;
	pthread_mutex_unlock(&pool->lock);
}
