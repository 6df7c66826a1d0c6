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
	atomic_fetch_sub(&handle->inode->opens, 1);
	close(handle->fd);
	stream_free(handle->stream);
	pthread_mutex_destroy(&handle->mutex);
	inode_put(dir, handle->inode);
}

int handles_init(struct dir *dir)
{
	return slots_init(&dir->handles, sizeof(struct handle), release, dir);
}

int handle_create(struct dir *dir, struct inode *inode, int fd, int flags,
		  uint64_t *ret_fh)
{
	struct slot *slot = slot_alloc(&dir->handles);
	struct handle *handle;

	if (!slot)
		return -ENOMEM;
	handle = handle_of(slot);
	handle->fd = fd;
	handle->inode = inode;
	handle->locks.flock = F_UNLCK;
	handle->writable = (flags & O_ACCMODE) != O_RDONLY;
	handle->direct = flags & O_DIRECT;
	atomic_store(&handle->no_nowait, handle->direct);
	pthread_mutex_init(&handle->mutex, NULL);
	slot_hold(&inode->slot);
	atomic_fetch_add(&inode->opens, 1);
	*ret_fh = slot->id;
	slot_publish(slot);
	return 0;
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
	slots_each(&dir->handles, close_visited);
}

void handles_destroy(struct dir *dir)
{
	if (!dir->handles.chunks)
		return;
	handles_reset(dir);
	slots_destroy(&dir->handles);
}
