// SPDX-License-Identifier: BSD-2-Clause
#include "lock_file.h"
#include "lock_host.h"
#include "lock_wait.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct lock_file *lock_file_get(struct inode *inode)
{
	struct lock_file *file = lock_file_of(inode), *other = NULL;

	if (file)
		return file;
	file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	file->inode = inode;
	pthread_mutex_init(&file->mutex, NULL);
	if (atomic_compare_exchange_strong(&inode->locks, &other, file))
		return file;
	lock_file_free(file);
	return other;
}

void lock_file_free(struct lock_file *file)
{
	pthread_mutex_destroy(&file->mutex);
	free(file);
}

/* REQUEST's owner, made if there is none yet; or -errno. */
static int get_owner(struct dir *dir, struct lock_file *file,
		     const struct lock_request *request,
		     struct lock_owner **ret_owner)
{
	struct lock_owner *owner = owner_find(file, request->owner);
	int fd;

	if (!owner) {
		fd = host_open(dir, file->inode);
		if (fd < 0)
			return fd;
		owner = owner_new(file, request->owner, fd,
				  &request->handle->locks);
		if (!owner) {
			close(fd);
			return -ENOLCK;
		}
	}
	*ret_owner = owner;
	return 0;
}

static int try_range(struct dir *dir, struct lock_file *file,
		     const struct lock_request *request,
		     struct wait_list *woken, struct wait_list **ret_list)
{
	struct lock_range *conflict;
	struct lock_owner *owner;
	struct range_spare spare;
	int ret;

	if (request->type != F_UNLCK) {
		conflict = range_conflict(file, request);
		if (conflict) {
			*ret_list = &conflict->waiters;
			return -EAGAIN;
		}
	} else if (!owner_find(file, request->owner)) {
		return 0;
	}
	ret = range_spare(&spare);
	if (ret < 0)
		return ret;
	ret = get_owner(dir, file, request, &owner);
	if (ret == 0) {
		ret = host_lock(owner->fd, request);
		if (ret == 0)
			range_set(file, owner, request, &spare, woken);
		else if (ret == -EAGAIN)
			*ret_list = &file->host_waiters;
		/* Who has nothing here leaves nothing behind. */
		if (!owner->ranges)
			owner_drop(file, owner, woken);
	}
	range_spare_free(&spare);
	return ret;
}

static int try_flock(struct lock_file *file, const struct lock_request *request,
		     struct wait_list *woken, struct wait_list **ret_list)
{
	struct handle *handle = request->handle;
	int ret;

	if (flock_conflicts(file, handle, request->type)) {
		*ret_list = &file->flock_waiters;
		return -EAGAIN;
	}
	ret = host_flock(handle->fd, request->type);
	if (ret == 0)
		flock_set(file, handle, request->type, woken);
	else if (ret == -EAGAIN)
		*ret_list = &file->host_waiters;
	return ret;
}

int lock_file_try(struct dir *dir, struct lock_file *file,
		  const struct lock_request *request, struct wait_list *woken,
		  struct wait_list **ret_list)
{
	return request->flock ? try_flock(file, request, woken, ret_list)
			      : try_range(dir, file, request, woken, ret_list);
}

void lock_file_let_go(struct lock_file *file, struct handle *handle, int type,
		      struct wait_list *woken)
{
	int held = handle->locks.flock;

	if (held == F_UNLCK || held == type)
		return;
	host_flock(handle->fd, F_UNLCK);
	flock_set(file, handle, F_UNLCK, woken);
}

void lock_file_wait(struct dir *dir, struct lock_file *file,
		    struct wait_list *list, struct lock_waiter *waiter)
{
	wait_append(list, waiter);
	if (list == &file->host_waiters)
		lock_poll_add(dir, file);
}

void lock_file_retry(struct dir *dir, struct lock_file *file,
		     struct wait_list *woken, struct lock_waiter **done)
{
	struct lock_waiter *waiter;
	struct wait_list *list;
	int ret;

	while ((waiter = woken->first)) {
		wait_remove(waiter);
		file->visits++;
		ret = lock_file_try(dir, file, &waiter->request, woken, &list);
		if (ret == -EAGAIN)
			lock_file_wait(dir, file, list, waiter);
		else
			lock_end(waiter, ret, done);
	}
}
