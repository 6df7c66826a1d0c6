// SPDX-License-Identifier: BSD-2-Clause
#include "where.h"
#include "cache.h"
#include "internal.h"
#include "mount.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* MAX_HANDLE_SZ of the kernel */
#define LONGEST 128

/* A directory may be this deep and still be found by names. */
#define DEEPEST 2048

/* Of an open that may only be a moment too early: tries, and a pause between. */
#define PATIENCE   64
#define PAUSE_NSEC 1000000

union handle_buf {
	struct file_handle handle;
	char bytes[sizeof(struct file_handle) + LONGEST];
};

struct where_far {
	uint64_t parent; /* of a name: the node of its directory */
	uint32_t len;
	char bytes[]; /* a handle, or a name and its 0 */
};

static void *pointer_of(const struct where *where)
{
	void *pointer;

	memcpy(&pointer, where->bytes, sizeof(pointer));
	return pointer;
}

static void set_pointer(struct where *where, uint8_t kind, const void *pointer)
{
	where->kind = kind;
	memcpy(where->bytes, &pointer, sizeof(pointer));
}

static struct where_far *far_new(const void *bytes, size_t len)
{
	struct where_far *far = malloc(sizeof(*far) + len);

	if (!far)
		return NULL;
	far->len = (uint32_t)len;
	memcpy(far->bytes, bytes, len);
	return far;
}

static int make(int fd, const char *name, int flags, struct where *ret_where)
{
	union handle_buf buf = { .handle.handle_bytes = LONGEST };
	struct where where = { 0 };
	struct where_far *far;
	int mount_id;

	if (name_to_handle_at(fd, name, &buf.handle, &mount_id, flags) < 0)
		return -errno;
	if (!buf.handle.handle_bytes || buf.handle.handle_type < 0 ||
	    buf.handle.handle_type > UINT8_MAX)
		return -EOPNOTSUPP;
	where.type = (uint8_t)buf.handle.handle_type;
	if (buf.handle.handle_bytes <= WHERE_INLINE) {
		where.kind = (uint8_t)buf.handle.handle_bytes;
		memcpy(where.bytes, buf.handle.f_handle, where.kind);
	} else {
		far = far_new(buf.handle.f_handle, buf.handle.handle_bytes);
		if (!far)
			return -ENOMEM;
		set_pointer(&where, WHERE_FAR, far);
	}
	*ret_where = where;
	return 0;
}

int where_of_fd(int fd, struct where *ret_where)
{
	return make(fd, "", AT_EMPTY_PATH, ret_where);
}

int where_of_name(int dir_fd, const char *name, struct where *ret_where)
{
	return make(dir_fd, name, 0, ret_where);
}

int where_by_name(uint64_t parent, const char *name, struct where *ret_where)
{
	struct where_far *far = far_new(name, strlen(name) + 1);

	if (!far)
		return -ENOMEM;
	far->parent = parent;
	*ret_where = (struct where){ 0 };
	set_pointer(ret_where, WHERE_NAME, far);
	return 0;
}

void where_by_opener(struct handle *handle, struct where *ret_where)
{
	*ret_where = (struct where){ 0 };
	set_pointer(ret_where, WHERE_OPENER, handle);
}

struct handle *where_opener(const struct where *where)
{
	return where->kind == WHERE_OPENER ? pointer_of(where) : NULL;
}

bool where_is_name(const struct where *where, uint64_t parent, const char *name)
{
	const struct where_far *far;

	if (where->kind != WHERE_NAME)
		return false;
	far = pointer_of(where);
	return far->parent == parent && strcmp(far->bytes, name) == 0;
}

void where_free(struct where *where)
{
	if (where->kind == WHERE_FAR || where->kind == WHERE_NAME)
		free(pointer_of(where));
	where->kind = WHERE_NONE;
}

/*
 * Linux says ENOMEM while the number of a file that is gone is being given to
 * another one; then it is ESTALE. Who gives it may have lost its processor.
 */
static bool is_being_given(int fd, unsigned int *tries)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NSEC };

	if (fd != -ENOMEM || ++*tries == PATIENCE)
		return false;
	nanosleep(&pause, NULL);
	return true;
}

static int open_handle(struct dir *dir, struct mount *mount,
		       const struct where *where, int flags)
{
	const struct where_far *far;
	union handle_buf buf;
	unsigned int tries = 0;
	int mount_fd, fd;

	if (where->kind == WHERE_FAR) {
		far = pointer_of(where);
		buf.handle.handle_bytes = far->len;
		memcpy(buf.handle.f_handle, far->bytes, far->len);
	} else {
		buf.handle.handle_bytes = where->kind;
		memcpy(buf.handle.f_handle, where->bytes, where->kind);
	}
	buf.handle.handle_type = where->type;
	mount_fd = mount_hold(dir, mount);
	if (mount_fd < 0)
		return mount_fd;
	do {
		fd = open_by_handle_at(mount_fd, &buf.handle,
				       flags | O_CLOEXEC);
	} while (descriptor_again(dir, &fd) || is_being_given(fd, &tries));
	mount_release(dir, mount);
	return fd;
}

/* The shard's mutex is held, so that the handle stays. */
static int open_by_opener(struct dir *dir, const struct where *where)
{
	struct fd_name name = fd_name(where_opener(where)->fd);
	int fd = openat(dir->proc_fd, name.text, O_PATH | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	return errno == EMFILE ? -ENFILE : -errno;
}

static int open_name(struct dir *dir, struct inode *inode, uint64_t parent_id,
		     const char *name)
{
	static _Thread_local unsigned int depth;
	struct inode *parent = inode_get(dir, parent_id);
	int fd;

	if (!parent)
		return -ESTALE;
	if (depth >= DEEPEST) {
		inode_put(dir, parent);
		return -ELOOP;
	}
	depth++;
	fd = inode_fd(dir, parent);
	depth--;
	if (fd >= 0)
		fd = descriptor_openat(dir, fd, name, O_PATH | O_NOFOLLOW);
	inode_put(dir, parent);
	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? -ESTALE : fd;
	if (!inode_is_file(inode, fd)) {
		close(fd);
		return -ESTALE;
	}
	return fd;
}

static bool is_handle(const struct where *where)
{
	return where->kind > WHERE_NONE && where->kind <= WHERE_FAR;
}

bool where_is_handle(struct dir *dir, struct inode *inode)
{
	struct inode_shard *shard;
	bool ret;

	shard = inode_lock(dir, inode);
	ret = is_handle(&inode->where);
	inode_unlock(shard);
	return ret;
}

int where_open(struct dir *dir, struct inode *inode, int flags)
{
	struct inode_shard *shard;
	struct where_far *far, *copy = NULL;
	struct where where;
	int fd = -ESTALE;

	shard = inode_lock(dir, inode);
	where = inode->where; /* if a handle, for good */
	if (where.kind == WHERE_OPENER) {
		fd = open_by_opener(dir, &where);
	} else if (where.kind == WHERE_NAME) {
		/* The client may rename it meanwhile. */
		far = pointer_of(&where);
		copy = far_new(far->bytes, far->len);
		if (copy)
			copy->parent = far->parent;
		else
			fd = -ENOMEM;
	}
	inode_unlock(shard);
	if (copy) {
		fd = open_name(dir, inode, copy->parent, copy->bytes);
		free(copy);
	} else if (is_handle(&where)) {
		fd = open_handle(dir, inode->mount, &where, flags);
	}
	return fd;
}
