// SPDX-License-Identifier: BSD-2-Clause
/* The files that the client knows, each by an O_PATH descriptor. */
#include "../../log.h"
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

#define FIRST_BUCKETS 64

/* What makes two names one file. */
struct key {
	uint64_t dev, ino, mnt_id;
};

static struct inode *inode_of(struct slot *slot)
{
	return (struct inode *)slot;
}

static void release(void *opaque, struct slot *slot)
{
	struct dir *dir = opaque;
	struct inode *inode = inode_of(slot);

	(void)dir;
	lock_inode_gone(inode);
	close(inode->fd);
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

static struct inode_shard *shard_of(struct dir *dir, uint64_t hash)
{
	return &dir->shards[hash % INODE_SHARDS];
}

static struct inode **bucket_of(struct inode_shard *shard, uint64_t hash)
{
	return &shard->buckets[(hash / INODE_SHARDS) &
			       (shard->bucket_count - 1)];
}

static uint64_t hash_of(uint64_t dev, uint64_t ino, uint64_t mnt_id)
{
	return hash_pair(ino, dev * 31 + mnt_id);
}

static uint64_t hash_of_inode(const struct inode *inode)
{
	return hash_of(inode->dev, inode->ino, inode->mnt_id);
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

/* With the shard's lock held. */
static struct inode *search(struct inode_shard *shard, const struct key *key,
			    uint64_t hash)
{
	struct inode *inode;

	for (inode = *bucket_of(shard, hash); inode; inode = inode->next)
		if (inode->ino == key->ino && inode->dev == key->dev &&
		    inode->mnt_id == key->mnt_id)
			break;
	return inode;
}

/* Counts one more lookup of the file if the client knows it. */
static struct inode *find(struct dir *dir, const struct key *key, uint64_t hash)
{
	struct inode_shard *shard = shard_of(dir, hash);
	struct inode *inode;

	pthread_mutex_lock(&shard->mutex);
	inode = search(shard, key, hash);
	if (inode) {
		if (inode->nlookup < UINT64_MAX)
			inode->nlookup++;
		slot_hold(&inode->slot);
	}
	pthread_mutex_unlock(&shard->mutex);
	return inode;
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

static int stat_at(int fd, const char *name, struct stat *ret_st,
		   struct key *ret_key)
{
	struct statx stx;

	if (statx(fd, name,
		  AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH,
		  STATX_BASIC_STATS | STATX_MNT_ID, &stx) < 0)
		return -errno;
	stat_from_statx(&stx, ret_st);
	*ret_key = (struct key){ .dev = ret_st->st_dev, .ino = stx.stx_ino };
#ifdef STATX_ATTR_MOUNT_ROOT
	if (stx.stx_mask & STATX_MNT_ID)
		ret_key->mnt_id = stx.stx_mnt_id;
#endif
	return 0;
}

struct inode *inode_find(struct dir *dir, struct inode *parent,
			 const char *name, struct stat *ret_st)
{
	struct inode_shard *shard;
	struct inode *inode;
	struct key key;
	uint64_t hash;

	if (stat_at(parent->fd, name, ret_st, &key) < 0)
		return NULL;
	hash = hash_of(key.dev, key.ino, key.mnt_id);
	shard = shard_of(dir, hash);
	pthread_mutex_lock(&shard->mutex);
	inode = search(shard, &key, hash);
	if (inode)
		slot_hold(&inode->slot);
	pthread_mutex_unlock(&shard->mutex);
	return inode;
}

/* Adds INODE, unless another thread was faster: then that one's. */
static struct inode *insert(struct dir *dir, struct inode *inode)
{
	uint64_t hash = hash_of_inode(inode);
	struct inode_shard *shard = shard_of(dir, hash);
	struct inode *other, **bucket;

	pthread_mutex_lock(&shard->mutex);
	bucket = bucket_of(shard, hash);
	for (other = *bucket; other; other = other->next)
		if (other->ino == inode->ino && other->dev == inode->dev &&
		    other->mnt_id == inode->mnt_id)
			break;
	if (other) {
		if (other->nlookup < UINT64_MAX)
			other->nlookup++;
		slot_hold(&other->slot);
	} else {
		if (shard->inode_count++ >= shard->bucket_count * 2) {
			shard_grow(shard);
			bucket = bucket_of(shard, hash);
		}
		inode->nlookup = 1;
		inode->next = *bucket;
		*bucket = inode;
		slot_publish(&inode->slot); /* the table's reference */
		slot_hold(&inode->slot);    /* the caller's */
	}
	pthread_mutex_unlock(&shard->mutex);
	return other;
}

static void unlink_inode(struct inode_shard *shard, struct inode *inode)
{
	struct inode **at = bucket_of(shard, hash_of_inode(inode));

	while (*at != inode)
		at = &(*at)->next;
	*at = inode->next;
	shard->inode_count--;
}

void inode_forget(struct dir *dir, struct inode *inode, uint64_t nlookup)
{
	struct inode_shard *shard;
	bool gone = false;

	if (inode == dir->root)
		return;
	shard = shard_of(dir, hash_of_inode(inode));
	pthread_mutex_lock(&shard->mutex);
	if (inode->nlookup) {
		inode->nlookup -= nlookup < inode->nlookup ? nlookup
							   : inode->nlookup;
		gone = inode->nlookup == 0;
		if (gone)
			unlink_inode(shard, inode);
	}
	pthread_mutex_unlock(&shard->mutex);
	if (gone)
		inode_put(dir, inode);
}

static void tell_descriptors(struct dir *dir)
{
	if (!atomic_exchange(&dir->told_descriptors, true))
		log_error("no file descriptors are left for the files that "
			  "the client knows: raise --rlimit-nofile, or "
			  "LimitNOFILE of the service");
}

static int open_path(struct dir *dir, int fd, const char *name)
{
	int ret = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (ret >= 0)
		return ret;
	if (errno != EMFILE && errno != ENFILE)
		return -errno;
	tell_descriptors(dir);
	return -ENFILE;
}

int inode_adopt(struct dir *dir, int fd, struct inode **ret_inode,
		struct stat *ret_st)
{
	struct inode *inode, *other;
	struct slot *slot;
	struct key key;
	int ret;

	ret = stat_at(fd, "", ret_st, &key);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	slot = slot_alloc(&dir->inodes);
	if (!slot) {
		close(fd);
		return -ENOMEM;
	}
	inode = inode_of(slot);
	inode->fd = fd;
	inode->type = ret_st->st_mode & S_IFMT;
	inode->dev = key.dev;
	inode->ino = key.ino;
	inode->mnt_id = key.mnt_id;
	other = insert(dir, inode);
	if (other) {
		close(fd);
		slot_free(&dir->inodes, slot);
		inode = other;
	}
	*ret_inode = inode;
	return 0;
}

/*
 * Most lookups are of files that the client knows: one statx tells. The inode
 * found is the file that statx saw, because its descriptor keeps the inode
 * number from being used again.
 */
int inode_lookup(struct dir *dir, struct inode *parent, const char *name,
		 struct inode **ret_inode, struct stat *ret_st)
{
	struct inode *inode;
	struct key key;
	int ret;

	ret = stat_at(parent->fd, name ? name : "", ret_st, &key);
	if (ret < 0)
		return ret;
	inode = find(dir, &key, hash_of(key.dev, key.ino, key.mnt_id));
	if (inode) {
		*ret_inode = inode;
		return 0;
	}
	ret = open_path(dir, parent->fd, name ? name : ".");
	return ret < 0 ? ret : inode_adopt(dir, ret, ret_inode, ret_st);
}

static bool is_known(struct dir *dir, const struct key *key)
{
	uint64_t hash = hash_of(key->dev, key->ino, key->mnt_id);
	struct inode_shard *shard = shard_of(dir, hash);
	struct inode *inode;

	pthread_mutex_lock(&shard->mutex);
	inode = search(shard, key, hash);
	pthread_mutex_unlock(&shard->mutex);
	return inode;
}

/* What is not known will have to be opened: then that tells what it is. */
int inode_lookup_entry(struct dir *dir, struct inode *parent, const char *name,
		       uint64_t ino, struct inode **ret_inode,
		       struct stat *ret_st)
{
	struct key key = { parent->dev, ino, parent->mnt_id };
	int fd;

	if (is_known(dir, &key))
		return inode_lookup(dir, parent, name, ret_inode, ret_st);
	fd = open_path(dir, parent->fd, name);
	return fd < 0 ? fd : inode_adopt(dir, fd, ret_inode, ret_st);
}

/* Whether A and B are the same directory; -errno. */
static int same_file(int a, int b)
{
	struct stat st;
	struct key ka, kb;
	int ret;

	ret = stat_at(a, "", &st, &ka);
	if (ret < 0)
		return ret;
	ret = stat_at(b, "", &st, &kb);
	if (ret < 0)
		return ret;
	return ka.dev == kb.dev && ka.ino == kb.ino && ka.mnt_id == kb.mnt_id;
}

/*
 * Whether FD is the root or below it, by walking up. The host may have moved
 * a directory out of the tree while the client sits in it.
 */
static int is_inside(struct dir *dir, int fd)
{
	int at = dup(fd), up, ret;

	if (at < 0)
		return -errno;
	for (;;) {
		ret = same_file(at, dir->root->fd);
		if (ret)
			break;
		up = open_path(dir, at, "..");
		if (up < 0) {
			ret = up;
			break;
		}
		ret = same_file(at, up);
		close(at);
		at = up;
		if (ret) { /* the root of the host, or an error */
			ret = ret < 0 ? ret : 0;
			break;
		}
	}
	close(at);
	return ret;
}

int inode_parent_fd(struct dir *dir, struct inode *inode, int *ret_fd)
{
	const char *name = inode == dir->root ? "." : "..";
	int fd, ret;

	if (inode->type != S_IFDIR)
		return -ENOTDIR;
	fd = open_path(dir, inode->fd, name);
	if (fd < 0)
		return fd;
	ret = is_inside(dir, fd);
	if (ret <= 0) {
		close(fd);
		return ret < 0 ? ret : -ESTALE;
	}
	*ret_fd = fd;
	return 0;
}

/*
 * The files of the host's own devices and pipes are never opened: that has
 * effects outside of the directory.
 */
int inode_reopen(struct dir *dir, const struct inode *inode, int flags)
{
	struct fd_name name = fd_name(inode->fd);
	int fd;

	if (inode->type == S_IFLNK)
		return -ELOOP;
	if (inode->type != S_IFREG && inode->type != S_IFDIR)
		return -ENXIO;
	flags &= ~(O_NOFOLLOW | O_CREAT | O_EXCL | O_PATH);
	fd = openat(dir->proc_fd, name.text, flags | O_CLOEXEC | O_NOCTTY);
	if (fd >= 0)
		return fd;
	if (errno != EMFILE && errno != ENFILE)
		return -errno;
	tell_descriptors(dir);
	return -ENFILE;
}

static int root_init(struct dir *dir, int root_fd)
{
	struct slot *slot = slot_alloc_first(&dir->inodes);
	struct inode *root;
	struct stat st;
	struct key key;
	int ret;

	if (!slot) {
		close(root_fd);
		return -ENOMEM;
	}
	root = inode_of(slot);
	root->fd = root_fd;
	ret = stat_at(root_fd, "", &st, &key);
	if (ret < 0) {
		close(root_fd);
		return ret;
	}
	root->type = st.st_mode & S_IFMT;
	root->dev = key.dev;
	root->ino = key.ino;
	root->mnt_id = key.mnt_id;
	atomic_store(&root->removed, true); /* nobody looks it up again */
	insert(dir, root);		    /* held twice: it never goes */
	dir->root = root;
	return 0;
}

int inodes_init(struct dir *dir, int root_fd)
{
	int ret;

	ret = slots_init(&dir->inodes, sizeof(struct inode), release, dir);
	for (size_t i = 0; i < INODE_SHARDS && ret == 0; i++)
		ret = shard_init(&dir->shards[i]);
	if (ret < 0) {
		close(root_fd);
		return ret;
	}
	return root_init(dir, root_fd);
}

static void forget_all(void *opaque, struct slot *slot)
{
	inode_forget(opaque, inode_of(slot), UINT64_MAX);
}

void inodes_reset(struct dir *dir)
{
	slots_each(&dir->inodes, forget_all);
}

void inodes_destroy(struct dir *dir)
{
	struct inode *root = dir->root;

	if (root) {
		inodes_reset(dir);
		dir->root = NULL;
		inode_forget(dir, root, UINT64_MAX);
		inode_put(dir, root);
	}
	for (size_t i = 0; i < INODE_SHARDS; i++) {
		free(dir->shards[i].buckets);
		pthread_mutex_destroy(&dir->shards[i].mutex);
	}
	if (dir->inodes.chunks)
		slots_destroy(&dir->inodes);
}
