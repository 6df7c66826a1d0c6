// SPDX-License-Identifier: BSD-2-Clause
/* The files and directories that the client has open. */
#include "internal.h"
#include "lock.h"
#include "stream.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static struct handle *handle_of(struct slot *slot)
{
	return (struct handle *)slot;
}

static void release(void *opaque, struct slot *slot)
{
	struct dir *dir = opaque;
	struct handle *handle = handle_of(slot);

	lock_handle_gone(dir, handle);
	inode_closed(dir, handle->inode, handle);
	close(handle->fd);
	stream_free(handle->stream);
	pthread_mutex_destroy(&handle->mutex);
}

int handles_init(struct dir *dir)
{
	return slots_init(&dir->handles, sizeof(struct handle), release, dir);
}

struct handle *handle_new(struct dir *dir, int fd, int flags)
{
	struct slot *slot = slot_alloc(&dir->handles);
	struct handle *handle = handle_of(slot);

	if (!slot)
		return NULL;
	handle->fd = fd;
	handle->locks.flock = F_UNLCK;
	handle->writable = (flags & O_ACCMODE) != O_RDONLY;
	handle->direct = flags & O_DIRECT;
	atomic_store(&handle->no_nowait, handle->direct);
	pthread_mutex_init(&handle->mutex, NULL);
	return handle;
}

uint64_t handle_publish(struct handle *handle)
{
	uint64_t fh = handle->slot.id;

	slot_publish(&handle->slot);
	return fh;
}

void handle_discard(struct dir *dir, struct handle *handle)
{
	pthread_mutex_destroy(&handle->mutex);
	slot_free(&dir->handles, &handle->slot);
}

int handle_create(struct dir *dir, struct inode *inode, int fd, int flags,
		  uint64_t *ret_fh)
{
	struct handle *handle = handle_new(dir, fd, flags);

	if (!handle)
		return -ENOMEM;
	inode_opened(dir, inode);
	handle->inode = inode;
	*ret_fh = handle_publish(handle);
	return 0;
}

/* What handle_path() looks for, and finds. */
struct path_search {
	struct dir *dir;
	struct inode *inode;
	int fd;
};

static void visit_path(void *opaque, struct slot *slot)
{
	struct path_search *search = opaque;
	struct handle *handle = handle_of(slot);
	struct fd_name name = fd_name(handle->fd);

	if (handle->inode == search->inode && search->fd < 0)
		search->fd = descriptor_openat(
			search->dir, search->dir->proc_fd, name.text, O_PATH);
}

int handle_path(struct dir *dir, struct inode *inode)
{
	struct path_search search = { dir, inode, -ESTALE };

	slots_each(&dir->handles, visit_path, &search);
	return search.fd;
}

struct handle *handle_get(struct dir *dir, uint64_t fh)
{
	return handle_of(slot_get(&dir->handles, fh));
}

void handle_put(struct dir *dir, struct handle *handle)
{
	slot_put(&dir->handles, &handle->slot);
}

/* Of several threads that close one handle only the first finds it open. */
static bool close_once(struct dir *dir, struct handle *handle)
{
	if (atomic_exchange(&handle->closed, true))
		return false;
	handle_put(dir, handle);
	return true;
}

int handle_close(struct dir *dir, uint64_t fh)
{
	struct handle *handle = handle_get(dir, fh);
	bool first;

	if (!handle)
		return -EBADF;
	first = close_once(dir, handle);
	handle_put(dir, handle);
	return first ? 0 : -EBADF;
}

static void close_visited(void *opaque, struct slot *slot)
{
	close_once(opaque, handle_of(slot));
}

void handles_reset(struct dir *dir)
{
	slots_each(&dir->handles, close_visited, dir);
}

void handles_destroy(struct dir *dir)
{
	if (!dir->handles.chunks)
		return;
	handles_reset(dir);
	slots_destroy(&dir->handles);
}
