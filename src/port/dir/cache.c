// SPDX-License-Identifier: BSD-2-Clause
#include "cache.h"
#include "../../log.h"
#include "../../thread.h"
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* Open at most, of files that a handle finds again. */
#define MOST_OPEN 16384

/* Descriptors that only the monitor's messages may use, or a quarter. */
#define RESERVE 64

/* Between two looks at what was not used: of a submount, of the root's. */
#define BRIEF_NSEC 1000000
#define HOME_NSEC  1000000000

/* Closed at once when descriptors run out. */
#define BATCH 16

/* While this thread makes room, it may use the reserve. */
static _Thread_local bool making_room;

static struct cache_ring *ring_of(struct inode_shard *shard,
				  const struct inode *inode)
{
	return &shard->rings[inode->mount->class];
}

void cache_count(struct dir *dir, enum mount_class class, int change)
{
	struct cache *cache = &dir->cache;

	if (atomic_fetch_add(&cache->counts[class], change) != 0 ||
	    class == MOUNT_OPEN)
		return;
	/* The sweeper may sleep long, or for ever. */
	pthread_mutex_lock(&cache->mutex);
	pthread_cond_signal(&cache->wake);
	pthread_mutex_unlock(&cache->mutex);
}

int cache_add(struct dir *dir, struct inode_shard *shard, struct inode *inode)
{
	struct cache_ring *ring = ring_of(shard, inode);

	if (ring->count == ring->room) {
		uint32_t room = ring->room ? ring->room * 2 : 16;
		struct inode **at = realloc(ring->at, room * sizeof(*at));

		if (!at)
			return -ENOMEM;
		ring->at = at;
		ring->room = room;
	}
	ring->at[ring->count++] = inode;
	inode->cache_at = ring->count;
	atomic_store_explicit(&inode->used, true, memory_order_relaxed);
	cache_count(dir, inode->mount->class, 1);
	return 0;
}

void cache_remove(struct dir *dir, struct inode_shard *shard,
		  struct inode *inode)
{
	struct cache_ring *ring = ring_of(shard, inode);
	struct inode *last;

	if (!inode->cache_at)
		return;
	last = ring->at[--ring->count];
	ring->at[inode->cache_at - 1] = last;
	last->cache_at = inode->cache_at;
	inode->cache_at = 0;
	cache_count(dir, inode->mount->class, -1);
}

/* Takes FD over. */
static int set_fd(struct dir *dir, struct inode *inode, int fd)
{
	struct inode_shard *shard = inode_lock(dir, inode);
	int now = atomic_load(&inode->fd), ret = 0;

	if (now >= 0) {
		close(fd); /* another thread was faster */
		fd = now;
	} else {
		/* One that is being forgotten is closed with it. */
		if (inode->nlookup || atomic_load(&inode->opens))
			ret = cache_add(dir, shard, inode);
		if (ret == 0)
			atomic_store(&inode->fd, fd);
	}
	inode_unlock(shard);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	return fd;
}

int inode_fd(struct dir *dir, struct inode *inode)
{
	int fd = atomic_load(&inode->fd);

	if (fd >= 0) {
		if (!atomic_load_explicit(&inode->used, memory_order_relaxed))
			atomic_store_explicit(&inode->used, true,
					      memory_order_relaxed);
		return fd;
	}
	fd = where_open(dir, inode, O_PATH);
	/* The host has removed what the client has open. */
	if (fd == -ESTALE && atomic_load(&inode->opens))
		fd = handle_path(dir, inode);
	if (fd < 0) {
		if (fd == -ESTALE)
			inode_stale(dir, inode);
		return fd;
	}
	fd = set_fd(dir, inode, fd);
	cache_trim(dir);
	return fd;
}

/* Whether it is found again; the shard's lock is held. */
static bool may_shut(const struct inode *inode)
{
	if (!inode->cache_at || atomic_load(&inode->removed))
		return false;
	/* By name, only where nothing is lost if the name has changed. */
	if (inode->mount->class == MOUNT_OPEN)
		return inode->where.kind == WHERE_NAME &&
		       !atomic_load(&inode->opens);
	return inode->where.kind != WHERE_NONE;
}

/*
 * Who uses the descriptor took a reference first and read it then; here it is
 * taken away first and the references are counted then: one of both sees the
 * other.
 */
static int take_fd(struct dir *dir, struct inode *inode)
{
	struct inode_shard *shard = inode_lock(dir, inode);
	int fd = -1;

	if (may_shut(inode)) {
		fd = atomic_exchange(&inode->fd, -1);
		if (slot_references(&inode->slot) > 2) { /* table's, caller's */
			atomic_store(&inode->fd, fd);
			fd = -1;
		} else {
			cache_remove(dir, shard, inode);
		}
	}
	inode_unlock(shard);
	return fd;
}

/* Before it is closed: nobody asked for a handle until now. */
static void make_handle(struct dir *dir, struct inode *inode)
{
	int fd = atomic_load(&inode->fd);
	struct inode_shard *shard;
	struct where where;
	bool taken = false, has;

	if (!mount_has_handles(inode->mount) || fd < 0)
		return;
	shard = inode_lock(dir, inode);
	has = inode->where.kind != WHERE_NONE;
	inode_unlock(shard);
	if (has || where_of_fd(fd, &where) < 0)
		return;
	shard = inode_lock(dir, inode);
	if (inode->where.kind == WHERE_NONE) {
		inode->where = where;
		taken = true;
	}
	inode_unlock(shard);
	if (!taken)
		where_free(&where);
}

bool inode_shut(struct dir *dir, struct inode *inode)
{
	int fd;

	make_handle(dir, inode);
	fd = take_fd(dir, inode);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* The next one of the ring that was not used since the hand was here; held. */
static struct inode *next_unused(struct inode_shard *shard,
				 struct cache_ring *ring)
{
	struct inode *inode = NULL;

	pthread_mutex_lock(&shard->mutex);
	for (uint32_t i = 0; i < 2 * ring->count && !inode; i++) {
		if (ring->hand >= ring->count)
			ring->hand = 0;
		inode = ring->at[ring->hand++];
		if (atomic_exchange(&inode->used, false))
			inode = NULL;
	}
	if (inode)
		slot_hold(&inode->slot);
	pthread_mutex_unlock(&shard->mutex);
	return inode;
}

static bool shut_one_of(struct dir *dir, struct inode_shard *shard,
			enum mount_class class)
{
	struct cache_ring *ring = &shard->rings[class];
	struct inode *inode;
	bool shut = false;

	/* Of those in use there are few. */
	for (int tries = 0; tries < BATCH && !shut; tries++) {
		inode = next_unused(shard, ring);
		if (!inode)
			break;
		shut = inode_shut(dir, inode);
		inode_put(dir, inode);
	}
	return shut;
}

/* Looks at every shard until one descriptor was closed. */
static bool shut_one(struct dir *dir, enum mount_class class)
{
	for (int i = 0; i < INODE_SHARDS; i++) {
		uint32_t turn = atomic_fetch_add(&dir->cache.turn, 1);

		if (atomic_load(&dir->cache.counts[class]) <= 0)
			return false;
		if (shut_one_of(dir, &dir->shards[turn % INODE_SHARDS], class))
			return true;
	}
	return false;
}

void cache_trim(struct dir *dir)
{
	struct cache *cache = &dir->cache;

	while (atomic_load(&cache->counts[MOUNT_HOME]) +
		       atomic_load(&cache->counts[MOUNT_BRIEF]) >
	       cache->most)
		if (!shut_one(dir, MOUNT_HOME) && !shut_one(dir, MOUNT_BRIEF))
			break;
}

/* Whether at least one descriptor was closed. */
static bool make_room(struct dir *dir)
{
	int closed = 0;

	if (making_room)
		return false;
	making_room = true;
	for (int i = 0; i < BATCH; i++)
		if (shut_one(dir, MOUNT_HOME) || shut_one(dir, MOUNT_BRIEF) ||
		    shut_one(dir, MOUNT_OPEN))
			closed++;
	making_room = false;
	return closed;
}

static void tell(struct dir *dir)
{
	if (!atomic_exchange(&dir->cache.told, true))
		log_error("no file descriptors are left for what the client "
			  "has open: raise --rlimit-nofile, LimitNOFILE of the "
			  "service, or fs.file-max");
}

bool descriptor_again(struct dir *dir, int *fd)
{
	if (*fd >= 0) {
		if (*fd < dir->cache.highest || making_room)
			return false;
		close(*fd);
		atomic_store(&dir->cache.scarce, true);
	} else if (errno != EMFILE && errno != ENFILE) {
		*fd = -errno;
		return false;
	}
	if (make_room(dir))
		return true;
	tell(dir);
	*fd = -ENFILE;
	return false;
}

int descriptor_openat(struct dir *dir, int at, const char *name, int flags)
{
	int fd;

	do {
		fd = openat(at, name, flags | O_CLOEXEC);
	} while (descriptor_again(dir, &fd));
	return fd;
}

void descriptor_check(struct dir *dir, int fd)
{
	if (fd >= dir->cache.highest)
		atomic_store(&dir->cache.scarce, true);
}

int descriptor_ready(struct dir *dir)
{
	int fd;

	if (!atomic_load(&dir->cache.scarce))
		return 0;
	do {
		fd = fcntl(dir->proc_fd, F_DUPFD_CLOEXEC, 0);
	} while (descriptor_again(dir, &fd));
	if (fd < 0)
		return fd;
	if (fd < dir->cache.highest - BATCH)
		atomic_store(&dir->cache.scarce, false);
	close(fd);
	return 0;
}

/* Closes what was not used since the last time. */
static void sweep_shard(struct dir *dir, struct inode_shard *shard,
			enum mount_class class)
{
	struct cache_ring *ring = &shard->rings[class];
	struct inode *inode;

	pthread_mutex_lock(&shard->mutex);
	for (uint32_t i = ring->count; i > 0; i--) {
		if (i > ring->count)
			continue;
		inode = ring->at[i - 1];
		if (atomic_exchange(&inode->used, false))
			continue;
		slot_hold(&inode->slot);
		pthread_mutex_unlock(&shard->mutex);
		inode_shut(dir, inode);
		inode_put(dir, inode);
		pthread_mutex_lock(&shard->mutex);
	}
	pthread_mutex_unlock(&shard->mutex);
}

static void sweep(struct dir *dir, enum mount_class class)
{
	for (int i = 0; i < INODE_SHARDS; i++)
		sweep_shard(dir, &dir->shards[i], class);
}

static void sleep_until(struct cache *cache, uint64_t until)
{
	if (atomic_load(&cache->counts[MOUNT_HOME]) > 0 ||
	    atomic_load(&cache->counts[MOUNT_BRIEF]) > 0)
		thread_wait(&cache->wake, &cache->mutex, until);
	else
		pthread_cond_wait(&cache->wake, &cache->mutex);
}

static void *sweeper(void *opaque)
{
	struct dir *dir = opaque;
	struct cache *cache = &dir->cache;
	uint64_t next_home = thread_now() + HOME_NSEC, until;

	pthread_mutex_lock(&cache->mutex);
	while (!cache->ending) {
		bool brief = atomic_load(&cache->counts[MOUNT_BRIEF]) > 0;

		until = brief ? thread_now() + BRIEF_NSEC : next_home;
		sleep_until(cache, until);
		if (cache->ending)
			break;
		pthread_mutex_unlock(&cache->mutex);
		if (brief && thread_now() >= until) {
			sweep(dir, MOUNT_BRIEF);
			mounts_sweep(dir);
		}
		if (thread_now() >= next_home) {
			sweep(dir, MOUNT_HOME);
			next_home = thread_now() + HOME_NSEC;
		}
		pthread_mutex_lock(&cache->mutex);
	}
	pthread_mutex_unlock(&cache->mutex);
	return NULL;
}

static int start_sweeper(struct dir *dir)
{
	int ret = thread_start(&dir->cache.sweeper, 0, sweeper, dir);

	dir->cache.sweeping = ret == 0;
	return ret;
}

int cache_init(struct dir *dir)
{
	struct cache *cache = &dir->cache;
	struct rlimit limit;
	rlim_t most = INT32_MAX, reserve;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < most)
		most = limit.rlim_cur;
	reserve = most / 4 < RESERVE ? most / 4 : RESERVE;
	cache->highest = (int)(most - reserve);
	cache->most = cache->highest / 2;
	if (cache->most > MOST_OPEN)
		cache->most = MOST_OPEN;
	pthread_mutex_init(&cache->mutex, NULL);
	thread_cond_init(&cache->wake);
	return start_sweeper(dir);
}

void cache_destroy(struct dir *dir)
{
	struct cache *cache = &dir->cache;

	if (!cache->sweeping)
		return;
	pthread_mutex_lock(&cache->mutex);
	cache->ending = true;
	pthread_cond_signal(&cache->wake);
	pthread_mutex_unlock(&cache->mutex);
	pthread_join(cache->sweeper, NULL);
	cache->sweeping = false;
	pthread_cond_destroy(&cache->wake);
	pthread_mutex_destroy(&cache->mutex);
}
