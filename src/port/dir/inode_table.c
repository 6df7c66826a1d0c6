// SPDX-License-Identifier: BSD-2-Clause
/* The table of files that the client knows, by node and by inode number. */
#include "inode_table.h"
#include "hash.h"
#include "internal.h"
#include "lock.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000U
#endif
#ifndef STATX_MNT_ID_UNIQUE /* Linux 6.8; it is never given again */
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif

#define FIRST_BUCKETS 64

static struct inode *inode_of(struct slot *slot)
{
	return (struct inode *)slot;
}

static void release(void *opaque, struct slot *slot)
{
	struct inode *inode = inode_of(slot);
	int fd = atomic_load(&inode->fd);

	(void)opaque;
	lock_inode_gone(inode);
	where_free(&inode->where);
	if (fd >= 0)
		close(fd);
}

static int shard_init(struct inode_shard *shard)
{
	shard->buckets = calloc(FIRST_BUCKETS, sizeof(struct inode *));
	if (!shard->buckets)
		return -ENOMEM;
	shard->bucket_count = FIRST_BUCKETS;
	return -pthread_mutex_init(&shard->mutex, NULL);
}

struct inode *inode_get(struct dir *dir, uint64_t nodeid)
{
	return inode_of(slot_get(&dir->inodes, nodeid));
}

void inode_put(struct dir *dir, struct inode *inode)
{
	slot_put(&dir->inodes, &inode->slot);
}

static uint64_t hash_of(const struct mount *mount, uint64_t ino)
{
	return hash_pair(ino, (uint64_t)(uintptr_t)mount);
}

static uint64_t hash_of_inode(const struct inode *inode)
{
	return hash_of(inode->mount, inode->ino);
}

static struct inode_shard *shard_of(struct dir *dir, uint64_t hash)
{
	return &dir->shards[hash % INODE_SHARDS];
}

static struct inode **bucket_of(struct inode_shard *shard, uint64_t hash)
{
	return &shard->buckets[(hash / INODE_SHARDS) &
			       (shard->bucket_count - 1)];
}

struct inode_shard *inode_lock(struct dir *dir, struct inode *inode)
{
	struct inode_shard *shard = shard_of(dir, hash_of_inode(inode));

	pthread_mutex_lock(&shard->mutex);
	return shard;
}

/* Makes room for many; if there is no memory the chains get longer. */
static void shard_grow(struct inode_shard *shard)
{
	size_t old_count = shard->bucket_count;
	struct inode **old = shard->buckets, **buckets;

	buckets = calloc(old_count * 2, sizeof(struct inode *));
	if (!buckets)
		return;
	shard->buckets = buckets;
	shard->bucket_count = old_count * 2;
	for (size_t i = 0; i < old_count; i++) {
		struct inode *inode = old[i], *next, **bucket;

		for (; inode; inode = next) {
			next = inode->next;
			bucket = bucket_of(shard, hash_of_inode(inode));
			inode->next = *bucket;
			*bucket = inode;
		}
	}
	free(old);
}

/* With the shard's lock held, as all of these. */
static void list(struct inode_shard *shard, struct inode *inode, uint64_t hash)
{
	struct inode **bucket;

	if (shard->inode_count++ >= shard->bucket_count * 2)
		shard_grow(shard);
	bucket = bucket_of(shard, hash);
	inode->next = *bucket;
	*bucket = inode;
	inode->listed = true;
}

static void unlist(struct inode_shard *shard, struct inode *inode)
{
	struct inode **at = bucket_of(shard, hash_of_inode(inode));

	if (!inode->listed)
		return;
	while (*at != inode)
		at = &(*at)->next;
	*at = inode->next;
	inode->listed = false;
	shard->inode_count--;
}

/*
 * While the client knows INODE or has it open, or might come back with its
 * number, the table has a reference.
 */
static bool is_kept(const struct inode *inode)
{
	return inode->nlookup || atomic_load(&inode->opens) ||
	       atomic_load_explicit(&inode->forgotten, memory_order_relaxed);
}

void table_count(struct inode *inode)
{
	if (!is_kept(inode))
		slot_hold(&inode->slot);
	atomic_store_explicit(&inode->forgotten, false, memory_order_relaxed);
	if (inode->nlookup < INODE_MAX_LOOKUPS)
		inode->nlookup++;
}

/* It is no more: the caller puts the table's reference. */
static void drop(struct dir *dir, struct inode_shard *shard,
		 struct inode *inode)
{
	unlist(shard, inode);
	cache_remove(dir, shard, inode);
}

/*
 * A file that is not open here may be gone and its number given to another: the
 * time of its birth tells them apart.
 */
static bool is_same(const struct inode *inode, const struct key *key)
{
	return inode->type == key->type &&
	       (atomic_load(&inode->fd) >= 0 || inode->btime == key->btime);
}

/* HASH is the key's. */
static struct inode *search(struct inode_shard *shard, uint64_t hash,
			    const struct mount *mount, const struct key *key)
{
	struct inode *inode = *bucket_of(shard, hash);

	while (inode && (inode->ino != key->ino || inode->mount != mount))
		inode = inode->next;
	if (inode && !is_same(inode, key)) {
		unlist(shard, inode);
		inode = NULL;
	}
	return inode;
}

/* The file, held, if the client knows it; looked up once more if LOOKUP. */
struct inode *table_find(struct dir *dir, const struct key *key, bool lookup)
{
	struct mount *mount = mount_find(dir, key->dev, key->mnt_id);
	struct inode_shard *shard;
	struct inode *inode;
	uint64_t hash;

	if (!mount)
		return NULL;
	hash = hash_of(mount, key->ino);
	shard = shard_of(dir, hash);
	pthread_mutex_lock(&shard->mutex);
	inode = search(shard, hash, mount, key);
	if (inode) {
		slot_hold(&inode->slot);
		if (lookup)
			table_count(inode);
	}
	pthread_mutex_unlock(&shard->mutex);
	return inode;
}

bool table_has(struct dir *dir, struct mount *mount, uint64_t ino)
{
	uint64_t hash = hash_of(mount, ino);
	struct inode_shard *shard = shard_of(dir, hash);
	struct inode *inode;

	pthread_mutex_lock(&shard->mutex);
	inode = *bucket_of(shard, hash);
	while (inode && (inode->ino != ino || inode->mount != mount))
		inode = inode->next;
	pthread_mutex_unlock(&shard->mutex);
	return inode;
}

void inode_stale(struct dir *dir, struct inode *inode)
{
	struct inode_shard *shard = inode_lock(dir, inode);

	/* By name, it may only have been moved. */
	if (inode->mount->class != MOUNT_OPEN && !atomic_load(&inode->opens) &&
	    inode != dir->root)
		unlist(shard, inode);
	pthread_mutex_unlock(&shard->mutex);
}

/* It is found again, by no name that may mean another file by then. */
static bool may_come_back(const struct inode *inode)
{
	return inode->listed && mount_has_handles(inode->mount) &&
	       !atomic_load(&inode->removed);
}

static void take_lookups(struct dir *dir, struct inode *inode, uint64_t nlookup,
			 bool remember)
{
	struct inode_shard *shard;
	bool gone = false, forgotten = false;

	if (inode == dir->root)
		return;
	shard = inode_lock(dir, inode);
	if (inode->nlookup) {
		if (nlookup > inode->nlookup)
			nlookup = inode->nlookup;
		inode->nlookup = (inode->nlookup - nlookup) & INODE_MAX_LOOKUPS;
		gone = !is_kept(inode);
		forgotten = gone && remember && may_come_back(inode);
		atomic_store_explicit(&inode->forgotten, forgotten,
				      memory_order_relaxed);
		gone = gone && !forgotten;
		if (gone)
			drop(dir, shard, inode);
	}
	pthread_mutex_unlock(&shard->mutex);
	if (forgotten)
		forgotten_add(dir, inode->slot.id);
	if (gone)
		inode_put(dir, inode);
}

void inode_forget(struct dir *dir, struct inode *inode, uint64_t nlookup)
{
	take_lookups(dir, inode, nlookup, true);
}

bool inode_let_go(struct dir *dir, struct inode *inode)
{
	struct inode_shard *shard = inode_lock(dir, inode);
	bool gone = atomic_exchange(&inode->forgotten, false) &&
		    !is_kept(inode);

	if (gone)
		drop(dir, shard, inode);
	pthread_mutex_unlock(&shard->mutex);
	if (gone)
		inode_put(dir, inode);
	return gone;
}

void inode_opened(struct dir *dir, struct inode *inode)
{
	struct inode_shard *shard = inode_lock(dir, inode);

	if (!is_kept(inode))
		slot_hold(&inode->slot);
	atomic_fetch_add(&inode->opens, 1);
	pthread_mutex_unlock(&shard->mutex);
}

void inode_closed(struct dir *dir, struct inode *inode, struct handle *handle)
{
	struct inode_shard *shard;
	struct where where = { 0 }, spare = { 0 };
	bool gone;

	/* Until now it was found by this handle. */
	if (handle->opener)
		where_of_fd(handle->fd, &where);
	shard = inode_lock(dir, inode);
	if (where_opener(&inode->where) == handle)
		inode->where = where;
	else
		spare = where;
	atomic_fetch_sub(&inode->opens, 1);
	gone = !is_kept(inode);
	if (gone)
		drop(dir, shard, inode);
	pthread_mutex_unlock(&shard->mutex);
	where_free(&spare);
	if (gone)
		inode_put(dir, inode);
}

static struct timespec timespec_of(const struct statx_timestamp *time)
{
	return (struct timespec){ time->tv_sec, (long)time->tv_nsec };
}

static void stat_from_statx(const struct statx *stx, struct stat *st)
{
	*st = (struct stat){
		.st_dev = makedev(stx->stx_dev_major, stx->stx_dev_minor),
		.st_ino = stx->stx_ino,
		.st_mode = stx->stx_mode,
		.st_nlink = stx->stx_nlink,
		.st_uid = stx->stx_uid,
		.st_gid = stx->stx_gid,
		.st_rdev = makedev(stx->stx_rdev_major, stx->stx_rdev_minor),
		.st_size = (off_t)stx->stx_size,
		.st_blksize = (blksize_t)stx->stx_blksize,
		.st_blocks = (blkcnt_t)stx->stx_blocks,
		.st_atim = timespec_of(&stx->stx_atime),
		.st_mtim = timespec_of(&stx->stx_mtime),
		.st_ctim = timespec_of(&stx->stx_ctime),
	};
}

int key_of(int fd, const char *name, struct stat *ret_st, struct key *ret_key)
{
	struct statx stx;

	if (statx(fd, name,
		  AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH,
		  STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID |
			  STATX_MNT_ID_UNIQUE,
		  &stx) < 0)
		return -errno;
	stat_from_statx(&stx, ret_st);
	*ret_key = (struct key){
		.dev = ret_st->st_dev,
		.ino = stx.stx_ino,
		.type = stx.stx_mode & S_IFMT,
	};
#ifdef STATX_ATTR_MOUNT_ROOT
	if (stx.stx_mask & (STATX_MNT_ID | STATX_MNT_ID_UNIQUE))
		ret_key->mnt_id = stx.stx_mnt_id;
#endif
	if (stx.stx_mask & STATX_BTIME)
		ret_key->btime = (uint64_t)stx.stx_btime.tv_sec * 1000000000 +
				 stx.stx_btime.tv_nsec;
	return 0;
}

bool mount_is_of(const struct mount *mount, int fd)
{
	struct stat st;
	struct key key;

	return key_of(fd, "", &st, &key) == 0 && key.dev == mount->dev &&
	       key.mnt_id == mount->mnt_id;
}

bool inode_is_file(const struct inode *inode, int fd)
{
	struct stat st;
	struct key key;

	return key_of(fd, "", &st, &key) == 0 && key.ino == inode->ino &&
	       key.btime == inode->btime && key.type == inode->type &&
	       key.dev == inode->mount->dev &&
	       key.mnt_id == inode->mount->mnt_id;
}

/*
 * Adds INODE and looks it up; or, if another thread was faster, that one's,
 * which gets the descriptor if it has none.
 */
struct inode *table_insert(struct dir *dir, struct inode *inode,
			   const struct key *key)
{
	uint64_t hash = hash_of_inode(inode);
	struct inode_shard *shard = shard_of(dir, hash);
	struct inode *other, *found = inode;
	int fd = atomic_load(&inode->fd);

	pthread_mutex_lock(&shard->mutex);
	other = search(shard, hash, inode->mount, key);
	if (other) {
		found = other;
		slot_hold(&other->slot);
		table_count(other);
	} else {
		inode->nlookup = 1;
		list(shard, inode, hash);
		slot_publish(&inode->slot); /* the table's reference */
		slot_hold(&inode->slot);    /* the caller's */
	}
	if (fd >= 0 && (!other || atomic_load(&other->fd) < 0) &&
	    cache_add(dir, shard, found) == 0) {
		atomic_store(&found->fd, fd);
		if (other)
			atomic_store(&inode->fd, -1);
	}
	pthread_mutex_unlock(&shard->mutex);
	return found;
}

/* An inode that nobody knows yet. */
struct inode *table_new(struct dir *dir, struct mount *mount,
			const struct key *key)
{
	struct slot *slot = dir->root ? slot_alloc(&dir->inodes)
				      : slot_alloc_first(&dir->inodes);
	struct inode *inode = inode_of(slot);

	if (!slot)
		return NULL;
	atomic_init(&inode->fd, -1);
	inode->mount = mount;
	inode->ino = key->ino;
	inode->btime = key->btime;
	inode->type = (uint16_t)key->type;
	return inode;
}

/* What the client got to know by another thread. */
void table_discard(struct dir *dir, struct inode *inode)
{
	int fd = atomic_load(&inode->fd);

	where_free(&inode->where);
	if (fd >= 0)
		close(fd);
	slot_free(&dir->inodes, &inode->slot);
}

static int root_init(struct dir *dir, int root_fd)
{
	struct inode *root;
	struct stat st;
	struct key key;
	int ret;

	ret = key_of(root_fd, "", &st, &key);
	if (ret == 0)
		ret = mounts_init(dir, root_fd, key.dev, key.mnt_id);
	root = ret < 0 ? NULL : table_new(dir, dir->mounts.home, &key);
	if (!root) {
		close(root_fd);
		return ret < 0 ? ret : -ENOMEM;
	}
	/* Nobody looks it up again; and it is never shut. */
	atomic_store(&root->removed, true);
	table_insert(dir, root, &key); /* held twice: it never goes */
	atomic_store(&root->fd, root_fd);
	dir->root = root;
	return 0;
}

int inodes_init(struct dir *dir, int root_fd)
{
	int ret;

	ret = slots_init(&dir->inodes, sizeof(struct inode), release, dir);
	for (size_t i = 0; i < INODE_SHARDS && ret == 0; i++)
		ret = shard_init(&dir->shards[i]);
	if (ret == 0)
		ret = forgotten_init(dir);
	if (ret == 0)
		ret = cache_init(dir);
	if (ret < 0) {
		close(root_fd);
		return ret;
	}
	return root_init(dir, root_fd);
}

static void forget(void *opaque, struct slot *slot)
{
	take_lookups(opaque, inode_of(slot), UINT64_MAX, false);
	inode_let_go(opaque, inode_of(slot));
}

void inodes_reset(struct dir *dir)
{
	slots_each(&dir->inodes, forget, dir);
}

void inodes_destroy(struct dir *dir)
{
	struct inode *root = dir->root;

	cache_destroy(dir);
	if (root) {
		inodes_reset(dir);
		dir->root = NULL;
		forget(dir, &root->slot);
		inode_put(dir, root);
	}
	forgotten_destroy(dir);
	for (size_t i = 0; i < INODE_SHARDS; i++) {
		free(dir->shards[i].buckets);
		for (int class = 0; class < MOUNT_CLASSES; class ++)
			free(dir->shards[i].rings[class].at);
		pthread_mutex_destroy(&dir->shards[i].mutex);
	}
	if (dir->inodes.chunks)
		slots_destroy(&dir->inodes);
	mounts_destroy(dir);
}
