// SPDX-License-Identifier: BSD-2-Clause
#include "forgotten.h"
#include "internal.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

int forgotten_init(struct dir *dir)
{
	struct forgotten *forgotten = &dir->forgotten;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	/* Of 31 bits, in microseconds: some clients have a signed one. */
	forgotten->generation = (uint32_t)((uint64_t)now.tv_sec * 1000000 +
					   (uint64_t)now.tv_nsec / 1000) &
				INT32_MAX;
	forgotten->nodeids = calloc(FORGOTTEN_MOST, sizeof(uint64_t));
	if (!forgotten->nodeids)
		return -ENOMEM;
	return -pthread_mutex_init(&forgotten->mutex, NULL);
}

void forgotten_destroy(struct dir *dir)
{
	if (!dir->forgotten.nodeids)
		return;
	free(dir->forgotten.nodeids);
	pthread_mutex_destroy(&dir->forgotten.mutex);
}

void forgotten_add(struct dir *dir, uint64_t nodeid)
{
	struct forgotten *forgotten = &dir->forgotten;
	struct inode *oldest;
	uint64_t *at, old;

	pthread_mutex_lock(&forgotten->mutex);
	at = &forgotten->nodeids[forgotten->next];
	old = *at;
	*at = nodeid;
	forgotten->next = (forgotten->next + 1) % FORGOTTEN_MOST;
	pthread_mutex_unlock(&forgotten->mutex);
	oldest = old ? inode_get(dir, old) : NULL;
	if (!oldest)
		return;
	inode_let_go(dir, oldest);
	inode_put(dir, oldest);
}
