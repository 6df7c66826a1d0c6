// SPDX-License-Identifier: BSD-2-Clause
/* How a directory's server is doing. */
#include "internal.h"
#include "lock_range.h"

static uint64_t count_inodes(struct dir *dir)
{
	uint64_t count = 0;

	for (unsigned int i = 0; i < INODE_SHARDS; i++) {
		struct inode_shard *shard = &dir->shards[i];

		pthread_mutex_lock(&shard->mutex);
		count += shard->inode_count;
		pthread_mutex_unlock(&shard->mutex);
	}
	return count;
}

static uint64_t count_descriptors(struct dir *dir)
{
	long count = 0;

	for (unsigned int i = 0; i < MOUNT_CLASSES; i++)
		count += atomic_load(&dir->cache.counts[i]);
	return count > 0 ? (uint64_t)count : 0;
}

static void count_one(void *opaque, struct slot *slot)
{
	(void)slot;
	++*(uint64_t *)opaque;
}

static uint64_t count_waiters(struct lock_table *locks)
{
	uint64_t count = 0;

	pthread_mutex_lock(&locks->mutex);
	for (unsigned int i = 0; i < LOCK_BUCKETS; i++)
		for (const struct lock_waiter *waiter = locks->buckets[i];
		     waiter; waiter = waiter->hash_next)
			count++;
	pthread_mutex_unlock(&locks->mutex);
	return count;
}

void dir_report(struct dir *dir, report_fn *report, void *opaque)
{
	uint64_t handles = 0;

	slots_each(&dir->handles, count_one, &handles);
	report(opaque, "known_files", "Files that the client knows",
	       count_inodes(dir));
	report(opaque, "descriptors", "Of these, open here meanwhile",
	       count_descriptors(dir));
	report(opaque, "open_files", "Files and directories it has open",
	       handles);
	report(opaque, "lock_waiters", "Requests that wait for a lock",
	       count_waiters(&dir->locks));
}
