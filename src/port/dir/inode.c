// SPDX-License-Identifier: BSD-2-Clause
/* Finding files by name, making and opening them. */
#include "inode_table.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct inode *inode_find(struct dir *dir, struct inode *parent,
			 const char *name, struct stat *ret_st)
{
	struct key key;
	int fd = inode_fd(dir, parent);

	if (fd < 0 || key_of(fd, name, ret_st, &key) < 0)
		return NULL;
	return table_find(dir, &key, false);
}

/* Takes *WHERE over, unless INODE has a better one. */
static void set_where(struct dir *dir, struct inode *inode, struct where *where)
{
	struct inode_shard *shard;

	shard = inode_lock(dir, inode);
	if (inode->where.kind == WHERE_NONE ||
	    inode->where.kind == WHERE_NAME) {
		struct where old = inode->where;

		inode->where = *where;
		*where = old;
	}
	inode_unlock(shard);
	where_free(where);
}

void inode_named(struct dir *dir, struct inode *inode, struct inode *parent,
		 const char *name)
{
	struct inode_shard *shard;
	struct where where;
	bool same;

	if (mount_has_handles(inode->mount) || inode == dir->root)
		return;
	shard = inode_lock(dir, inode);
	same = where_is_name(&inode->where, parent->slot.id, name);
	inode_unlock(shard);
	if (!same && where_by_name(parent->slot.id, name, &where) == 0)
		set_where(dir, inode, &where);
}

/* The file system of a file at FD, which may be the first of it. */
static int mount_for(struct dir *dir, const struct key *key, int fd,
		     struct inode *parent, const char *name,
		     struct mount **ret_mount)
{
	struct mount *mount = mount_find(dir, key->dev, key->mnt_id);

	if (!mount)
		mount = mount_add(dir, key->dev, key->mnt_id, fd, parent, name);
	else if (parent && parent->mount != mount)
		mount_seen(mount, parent, name);
	if (!mount)
		return -ENOMEM;
	if (!mount_has_handles(mount) &&
	    dir->options->inode_file_handles == HANDLES_MANDATORY)
		return -EOPNOTSUPP;
	*ret_mount = mount;
	return 0;
}

int inode_adopt(struct dir *dir, int fd, struct inode *parent, const char *name,
		struct inode **ret_inode, struct stat *ret_st)
{
	struct inode *inode, *found;
	struct mount *mount;
	struct key key;
	int ret;

	ret = key_of(fd, "", ret_st, &key);
	if (ret == 0)
		ret = mount_for(dir, &key, fd, parent, name, &mount);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	inode = table_new(dir, mount, &key);
	if (!inode) {
		close(fd);
		return -ENOMEM;
	}
	atomic_store(&inode->fd, fd);
	found = table_insert(dir, inode, &key);
	if (found != inode)
		table_discard(dir, inode);
	if (name) {
		if (!mount_has_handles(found->mount))
			inode_named(dir, found, parent, name);
		atomic_store_explicit(&parent->finds_known, found != inode,
				      memory_order_relaxed);
	}
	cache_trim(dir);
	*ret_inode = found;
	return 0;
}

/* The same without a descriptor, of which there are none. */
static int adopt_closed(struct dir *dir, struct inode *parent, int parent_fd,
			const char *name, struct inode **ret_inode,
			struct stat *ret_st)
{
	struct inode *inode, *found;
	struct where where = { 0 };
	struct mount *mount;
	struct key key, again;
	int ret;

	ret = key_of(parent_fd, name, ret_st, &key);
	if (ret < 0)
		return ret;
	mount = mount_find(dir, key.dev, key.mnt_id);
	if (!mount)
		return -ENFILE;
	if (mount_has_handles(mount)) {
		ret = where_of_name(parent_fd, name, &where);
		/* The handle is of what was seen if it is still there. */
		if (ret == 0)
			ret = key_of(parent_fd, name, ret_st, &again);
		if (ret == 0 && (again.ino != key.ino || again.dev != key.dev ||
				 again.btime != key.btime))
			ret = -ENFILE;
	} else {
		ret = where_by_name(parent->slot.id, name, &where);
	}
	inode = ret < 0 ? NULL : table_new(dir, mount, &key);
	if (!inode) {
		where_free(&where);
		return ret < 0 ? ret : -ENOMEM;
	}
	inode->where = where;
	found = table_insert(dir, inode, &key);
	if (found != inode)
		table_discard(dir, inode);
	*ret_inode = found;
	return 0;
}

static int open_and_adopt(struct dir *dir, struct inode *parent, int parent_fd,
			  const char *name, struct inode **ret_inode,
			  struct stat *ret_st)
{
	int fd = descriptor_openat(dir, parent_fd, name, O_PATH | O_NOFOLLOW);

	if (fd >= 0)
		return inode_adopt(dir, fd, parent, name, ret_inode, ret_st);
	if (fd != -ENFILE)
		return fd;
	return adopt_closed(dir, parent, parent_fd, name, ret_inode, ret_st);
}

/* INODE itself once more. */
static int lookup_self(struct dir *dir, struct inode *inode, int fd,
		       struct inode **ret_inode, struct stat *ret_st)
{
	struct inode_shard *shard;
	struct key key;
	int ret = key_of(fd, "", ret_st, &key);

	if (ret < 0)
		return ret;
	if (!ret_st->st_nlink && !atomic_load(&inode->removed))
		return -ESTALE;
	shard = inode_lock(dir, inode);
	table_count(inode);
	slot_hold(&inode->slot);
	inode_unlock(shard);
	*ret_inode = inode;
	return 0;
}

/*
 * What the client knows one statx() tells; what is new has to be opened, and
 * what comes first is guessed by the last one of the same directory.
 */
int inode_lookup(struct dir *dir, struct inode *parent, const char *name,
		 struct inode **ret_inode, struct stat *ret_st)
{
	int fd = inode_fd(dir, parent), ret;
	struct inode *inode;
	struct key key;

	if (fd < 0)
		return fd;
	if (!name)
		return lookup_self(dir, parent, fd, ret_inode, ret_st);
	if (!atomic_load_explicit(&parent->finds_known, memory_order_relaxed))
		return open_and_adopt(dir, parent, fd, name, ret_inode, ret_st);
	ret = key_of(fd, name, ret_st, &key);
	if (ret < 0)
		return ret;
	inode = table_find(dir, &key, true);
	if (inode) {
		inode_named(dir, inode, parent, name);
		*ret_inode = inode;
		return 0;
	}
	return open_and_adopt(dir, parent, fd, name, ret_inode, ret_st);
}

/* What is not known will have to be opened: then that tells what it is. */
int inode_lookup_entry(struct dir *dir, struct inode *parent, const char *name,
		       uint64_t ino, struct inode **ret_inode,
		       struct stat *ret_st)
{
	struct inode *inode;
	struct key key;
	int fd, ret;

	fd = inode_fd(dir, parent);
	if (fd < 0)
		return fd;
	if (table_has(dir, parent->mount, ino)) {
		ret = key_of(fd, name, ret_st, &key);
		if (ret < 0)
			return ret;
		inode = table_find(dir, &key, true);
		if (inode) {
			inode_named(dir, inode, parent, name);
			*ret_inode = inode;
			return 0;
		}
	}
	return open_and_adopt(dir, parent, fd, name, ret_inode, ret_st);
}

/* The file of HANDLE, which is to be found by it until it is closed. */
static int set_opener(struct dir *dir, struct inode *inode,
		      struct handle *handle, struct inode *parent,
		      const char *name)
{
	struct fd_name path = fd_name(handle->fd);
	int fd;

	if (mount_has_handles(inode->mount)) {
		handle->opener = true;
		where_by_opener(handle, &inode->where);
		return 0;
	}
	fd = descriptor_openat(dir, dir->proc_fd, path.text, O_PATH);
	if (fd >= 0)
		atomic_store(&inode->fd, fd);
	if (name)
		return where_by_name(parent->slot.id, name, &inode->where);
	return fd < 0 ? fd : 0;
}

int inode_create(struct dir *dir, struct inode *parent, const char *name,
		 struct handle *handle, struct stat *ret_st)
{
	struct inode *inode, *found;
	struct mount *mount;
	struct key key;
	int ret;

	ret = key_of(handle->fd, "", ret_st, &key);
	if (ret == 0)
		ret = mount_for(dir, &key, handle->fd, NULL, NULL, &mount);
	if (ret < 0)
		return ret;
	inode = table_new(dir, mount, &key);
	if (!inode)
		return -ENOMEM;
	ret = set_opener(dir, inode, handle, parent, name);
	if (ret < 0) {
		table_discard(dir, inode);
		return ret;
	}
	atomic_store(&inode->removed, !name);
	atomic_store(&inode->opens, 1);
	found = table_insert(dir, inode, &key);
	if (found != inode) {
		inode_opened(dir, found);
		table_discard(dir, inode);
	}
	handle->inode = found;
	return 0;
}

/* Whether A and B are the same directory; -errno. */
static int same_file(int a, int b)
{
	struct stat st;
	struct key ka, kb;
	int ret;

	ret = key_of(a, "", &st, &ka);
	if (ret < 0)
		return ret;
	ret = key_of(b, "", &st, &kb);
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
		return -ENFILE;
	for (;;) {
		ret = same_file(at, dir->root->fd);
		if (ret)
			break;
		up = descriptor_openat(dir, at, "..", O_PATH | O_NOFOLLOW);
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
	fd = inode_fd(dir, inode);
	if (fd >= 0)
		fd = descriptor_openat(dir, fd, name, O_PATH | O_NOFOLLOW);
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

/* By way of its O_PATH descriptor, or straight by its handle. */
static int reopen(struct dir *dir, struct inode *inode, int flags)
{
	struct fd_name name;
	int fd = atomic_load(&inode->fd);

	if (fd < 0 && where_is_handle(dir, inode)) {
		fd = where_open(dir, inode, flags);
		if (fd == -ESTALE)
			inode_stale(dir, inode);
		return fd;
	}
	if (fd < 0)
		fd = inode_fd(dir, inode);
	if (fd < 0)
		return fd;
	name = fd_name(fd);
	return descriptor_openat(dir, dir->proc_fd, name.text, flags);
}

/*
 * The files of the host's own devices and pipes are never opened: that has
 * effects outside of the directory.
 */
int inode_reopen(struct dir *dir, struct inode *inode, int flags)
{
	int fd;

	if (inode->type == S_IFLNK)
		return -ELOOP;
	if (inode->type != S_IFREG && inode->type != S_IFDIR)
		return -ENXIO;
	flags &= ~(O_NOFOLLOW | O_CREAT | O_EXCL | O_PATH);
	slot_hold(&inode->slot);
	fd = reopen(dir, inode, flags | O_NOCTTY);
	inode_put(dir, inode);
	return fd;
}
