// SPDX-License-Identifier: BSD-2-Clause
#include "mount.h"
#include "../../log.h"
#include "cache.h"
#include "hash.h"
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

/* linux/magic.h */
#define FUSE_MAGIC 0x65735546
#define NFS_MAGIC  0x6969

static _Atomic(struct mount *) *bucket_of(struct mounts *mounts, uint64_t dev,
					  uint64_t mnt_id)
{
	return &mounts->buckets[hash_pair(dev, mnt_id) % MOUNT_BUCKETS];
}

struct mount *mount_find(struct dir *dir, uint64_t dev, uint64_t mnt_id)
{
	struct mount *mount = dir->mounts.home;

	if (mount->dev == dev && mount->mnt_id == mnt_id)
		return mount;
	mount = atomic_load_explicit(bucket_of(&dir->mounts, dev, mnt_id),
				     memory_order_acquire);
	while (mount && (mount->dev != dev || mount->mnt_id != mnt_id))
		mount = mount->next;
	return mount;
}

static struct mount *mount_new(uint64_t dev, uint64_t mnt_id)
{
	struct mount *mount = calloc(1, sizeof(*mount));

	if (!mount)
		return NULL;
	mount->dev = dev;
	mount->mnt_id = mnt_id;
	mount->fd = -1;
	mount->class = MOUNT_OPEN;
	pthread_mutex_init(&mount->mutex, NULL);
	return mount;
}

static void mount_free(struct mount *mount)
{
	if (mount->fd >= 0)
		close(mount->fd);
	free(mount->name);
	pthread_mutex_destroy(&mount->mutex);
	free(mount);
}

/*
 * With CAP_SYS_ADMIN in a name space of users, handles of directories can be
 * opened, and no others.
 */
static bool may_open_handles(const struct dir *dir)
{
	return dir->caps >> CAP_DAC_READ_SEARCH & 1 &&
	       (dir->all_ids || !(dir->caps >> CAP_SYS_ADMIN & 1));
}

/* Whether there are handles. A file system of FUSE forgets what is behind. */
static bool gives_handles(struct dir *dir, struct mount *mount, int fd)
{
	struct where where;
	struct statfs fs;

	if (fstatfs(fd, &fs) == 0) {
		mount->silly = fs.f_type == NFS_MAGIC;
		if (fs.f_type == FUSE_MAGIC)
			return false;
	}
	if (dir->options->inode_file_handles == HANDLES_NEVER ||
	    !may_open_handles(dir) || where_of_fd(fd, &where) < 0)
		return false;
	where_free(&where);
	return true;
}

static int try_handle(int mount_fd, int fd)
{
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + 128];
	} buf = { .handle.handle_bytes = 128 };
	int mount_id, opened;

	if (name_to_handle_at(fd, "", &buf.handle, &mount_id, AT_EMPTY_PATH) <
	    0)
		return -errno;
	opened = open_by_handle_at(mount_fd, &buf.handle, O_PATH | O_CLOEXEC);
	if (opened < 0)
		return -errno;
	close(opened);
	return 0;
}

static int home_init(struct dir *dir, struct mount *home, int root_fd)
{
	int ret = -EOPNOTSUPP;

	if (gives_handles(dir, home, root_fd)) {
		home->fd = openat(root_fd, ".",
				  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ret = home->fd < 0 ? -errno : try_handle(home->fd, root_fd);
		if (ret == 0)
			home->class = MOUNT_HOME;
	}
	if (ret < 0 && dir->options->inode_file_handles == HANDLES_MANDATORY) {
		log_error("--inode-file-handles=mandatory: no file handles: "
			  "%s: share a directory of a file system that has "
			  "them, with CAP_DAC_READ_SEARCH; or use prefer",
			  strerror(-ret));
		return -EOPNOTSUPP; /* which is told by this */
	}
	return 0;
}

int mounts_init(struct dir *dir, int root_fd, uint64_t dev, uint64_t mnt_id)
{
	struct mount *home = mount_new(dev, mnt_id);

	if (!home)
		return -ENOMEM;
	pthread_mutex_init(&dir->mounts.mutex, NULL);
	dir->mounts.home = home;
	return home_init(dir, home, root_fd);
}

void mounts_destroy(struct dir *dir)
{
	struct mount *mount, *next;

	if (!dir->mounts.home)
		return;
	for (size_t i = 0; i < MOUNT_BUCKETS; i++) {
		mount = atomic_load(&dir->mounts.buckets[i]);
		for (; mount; mount = next) {
			next = mount->next;
			mount_free(mount);
		}
	}
	mount_free(dir->mounts.home);
	pthread_mutex_destroy(&dir->mounts.mutex);
}

void mount_seen(struct mount *mount, struct inode *parent, const char *name)
{
	char *copy;

	if (!name)
		return;
	pthread_mutex_lock(&mount->mutex);
	if (mount->parent != parent->slot.id || !mount->name ||
	    strcmp(mount->name, name) != 0) {
		copy = strdup(name);
		if (copy) {
			free(mount->name);
			mount->name = copy;
			mount->parent = parent->slot.id;
		}
	}
	pthread_mutex_unlock(&mount->mutex);
}

/* Not by way of what is mounted there now: that may be another one. */
static int open_mount(struct dir *dir, struct mount *mount)
{
	struct inode *parent = inode_get(dir, mount->parent);
	int fd;

	if (!parent)
		return -ESTALE;
	fd = inode_fd(dir, parent);
	if (fd >= 0) {
		fd = openat(fd, mount->name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			fd = errno == EMFILE || errno == ENFILE ? -ENFILE
								: -ESTALE;
	}
	inode_put(dir, parent);
	if (fd >= 0 && !mount_is_of(mount, fd)) {
		close(fd);
		fd = -ESTALE;
	}
	return fd;
}

/* A subvolume of the root's file system is opened like the root's. */
static bool is_at_home(struct dir *dir, const struct mount *mount)
{
	return mount->mnt_id == dir->mounts.home->mnt_id;
}

static enum mount_class class_of(struct dir *dir, struct mount *mount, int fd)
{
	int ret, mount_fd = dir->mounts.home->fd;

	if (!gives_handles(dir, mount, fd))
		return MOUNT_OPEN;
	if (is_at_home(dir, mount))
		return mount_fd >= 0 && try_handle(mount_fd, fd) == 0
			       ? dir->mounts.home->class
			       : MOUNT_OPEN;
	mount_fd = mount->name ? open_mount(dir, mount) : -1;
	if (mount_fd < 0)
		return MOUNT_OPEN;
	ret = try_handle(mount_fd, fd);
	close(mount_fd);
	return ret < 0 ? MOUNT_OPEN : MOUNT_BRIEF;
}

struct mount *mount_add(struct dir *dir, uint64_t dev, uint64_t mnt_id, int fd,
			struct inode *parent, const char *name)
{
	_Atomic(struct mount *) *bucket = bucket_of(&dir->mounts, dev, mnt_id);
	struct mount *mount;

	pthread_mutex_lock(&dir->mounts.mutex);
	mount = mount_find(dir, dev, mnt_id);
	if (!mount) {
		mount = mount_new(dev, mnt_id);
		if (mount) {
			mount_seen(mount, parent, name);
			mount->class = class_of(dir, mount, fd);
			atomic_store(&dir->mounts.several, true);
			mount->next = atomic_load(bucket);
			atomic_store_explicit(bucket, mount,
					      memory_order_release);
		}
	}
	pthread_mutex_unlock(&dir->mounts.mutex);
	return mount;
}

static bool begins_at(struct mount *mount, uint64_t parent, const char *name,
		      size_t len)
{
	bool same;

	pthread_mutex_lock(&mount->mutex);
	same = mount->parent == parent && mount->name &&
	       strnlen(name, len) == strlen(mount->name) &&
	       memcmp(name, mount->name, strlen(mount->name)) == 0;
	pthread_mutex_unlock(&mount->mutex);
	return same;
}

struct mount *mount_begins_at(struct dir *dir, uint64_t parent,
			      const char *name, size_t len)
{
	for (size_t i = 0; i < MOUNT_BUCKETS; i++)
		for (struct mount *mount = atomic_load(&dir->mounts.buckets[i]);
		     mount; mount = mount->next)
			if (begins_at(mount, parent, name, len))
				return mount;
	return NULL;
}

int mount_hold(struct dir *dir, struct mount *mount)
{
	int fd;

	if (is_at_home(dir, mount))
		return dir->mounts.home->fd;
	pthread_mutex_lock(&mount->mutex);
	if (mount->fd < 0) {
		fd = open_mount(dir, mount);
		if (fd >= 0) {
			mount->fd = fd;
			cache_count(dir, MOUNT_BRIEF, 1);
		}
	} else {
		fd = mount->fd;
	}
	if (fd >= 0) {
		mount->users++;
		mount->used = true;
	}
	pthread_mutex_unlock(&mount->mutex);
	return fd;
}

void mount_release(struct dir *dir, struct mount *mount)
{
	if (is_at_home(dir, mount))
		return;
	pthread_mutex_lock(&mount->mutex);
	mount->users--;
	pthread_mutex_unlock(&mount->mutex);
}

static void sweep(struct dir *dir, struct mount *mount)
{
	int fd = -1;

	pthread_mutex_lock(&mount->mutex);
	if (mount->fd >= 0 && !mount->used && !mount->users) {
		fd = mount->fd;
		mount->fd = -1;
	}
	mount->used = false;
	pthread_mutex_unlock(&mount->mutex);
	if (fd >= 0) {
		close(fd);
		cache_count(dir, MOUNT_BRIEF, -1);
	}
}

void mounts_sweep(struct dir *dir)
{
	struct mount *mount;

	for (size_t i = 0; i < MOUNT_BUCKETS; i++) {
		mount = atomic_load_explicit(&dir->mounts.buckets[i],
					     memory_order_acquire);
		for (; mount; mount = mount->next)
			sweep(dir, mount);
	}
}
