// SPDX-License-Identifier: BSD-2-Clause
/* The requests about locks. */
#include "lock.h"
#include "lock_host.h"
#include "lock_wait.h"
#include <errno.h>
#include <fcntl.h>

/* The lock that is wanted, checked but for its handle. */
static int wanted_lock(const struct cf_lk_in *in, struct lock_request *ret)
{
	if (in->lk.start > in->lk.end || in->lk.end > INT64_MAX)
		return -EINVAL;
	if (in->lk.type != F_RDLCK && in->lk.type != F_WRLCK &&
	    in->lk.type != F_UNLCK)
		return -EINVAL;
	*ret = (struct lock_request){
		.owner = in->owner,
		.start = in->lk.start,
		.end = in->lk.end,
		.pid = in->lk.pid,
		.type = (int)in->lk.type,
		.flock = in->lk_flags & CF_LK_FLOCK,
	};
	return 0;
}

/*
 * Whether this kind of lock was agreed upon: if not, the client's kernel keeps
 * it, and never asks. Before 7.17 there was one flag for both kinds.
 */
static bool is_agreed(const struct dir *dir, bool flock)
{
	const struct agreed *agreed = &dir->agreed;

	if (flock && agreed->minor >= 17)
		return agreed->flags & CF_INIT_FLOCK_LOCKS;
	return agreed->flags & CF_INIT_POSIX_LOCKS;
}

/* Takes the request apart; the handle of *RET is held on success. */
static int take_request(struct op *op, struct lock_request *ret)
{
	const struct cf_lk_in *in = op->arg;
	struct lock_request request;
	int error;

	if (!is_agreed(op->dir, in->lk_flags & CF_LK_FLOCK))
		return -ENOSYS;
	error = wanted_lock(in, &request);
	if (error < 0)
		return error;
	request.handle = handle_get(op->dir, in->fh);
	if (!request.handle)
		return -EBADF;
	if (request.handle->inode != op->inode) {
		handle_put(op->dir, request.handle);
		return -EBADF;
	}
	*ret = request;
	return 0;
}

static ssize_t set_lock(struct op *op, const struct lock_request *request,
			bool wait)
{
	struct lock_file *file = lock_file_get(op->inode);
	struct wait_list woken = { 0 }, *list;
	struct lock_waiter *done = NULL;
	int ret;

	if (!file)
		return -ENOLCK;
	pthread_mutex_lock(&file->mutex);
	if (request->flock)
		lock_file_let_go(file, request->handle, request->type, &woken);
	ret = lock_file_try(op->dir, file, request, &woken, &list);
	lock_file_retry(op->dir, file, &woken, &done);
	pthread_mutex_unlock(&file->mutex);
	lock_answer(op->dir, done);
	return ret == -EAGAIN && wait ? lock_wait(op, request) : ret;
}

static ssize_t lock(struct op *op, bool wait)
{
	struct lock_request request;
	ssize_t ret;

	ret = take_request(op, &request);
	if (ret < 0)
		return ret;
	ret = set_lock(op, &request, wait);
	handle_put(op->dir, request.handle);
	return ret;
}

ssize_t op_setlk(struct op *op)
{
	return lock(op, false);
}

ssize_t op_setlkw(struct op *op)
{
	return lock(op, true);
}

/* What the client holds against REQUEST; false: nothing. */
static bool find_conflict(struct lock_file *file,
			  const struct lock_request *request,
			  struct cf_file_lock *ret)
{
	const struct lock_range *found = range_conflict(file, request);

	if (!found)
		return false;
	*ret = (struct cf_file_lock){
		.start = found->start,
		.end = found->end,
		.type = (uint32_t)found->type,
		.pid = found->pid,
	};
	return true;
}

static void get_lock(struct op *op, const struct lock_request *request,
		     struct cf_file_lock *ret)
{
	struct lock_file *file = lock_file_of(op->inode);
	struct lock_owner *owner;

	/* Who has no lock here yet has no description of its own: any will do */
	if (!file) {
		host_get(request->handle->fd, request, ret);
		return;
	}
	pthread_mutex_lock(&file->mutex);
	if (!find_conflict(file, request, ret)) {
		owner = owner_find(file, request->owner);
		host_get(owner ? owner->fd : request->handle->fd, request, ret);
	}
	pthread_mutex_unlock(&file->mutex);
}

ssize_t op_getlk(struct op *op)
{
	struct cf_lk_out *out = call_out_arg(op->call);
	struct lock_request request;
	ssize_t ret;

	ret = take_request(op, &request);
	if (ret < 0)
		return ret;
	if (request.type == F_UNLCK || request.flock) {
		ret = -EINVAL;
	} else {
		*out = (struct cf_lk_out){ 0 };
		get_lock(op, &request, &out->lk);
		ret = sizeof(*out);
	}
	handle_put(op->dir, request.handle);
	return ret;
}

void lock_owner_gone(struct dir *dir, struct inode *inode, uint64_t id)
{
	struct lock_file *file = lock_file_of(inode);
	struct wait_list woken = { 0 };
	struct lock_waiter *done = NULL;
	struct lock_owner *owner;

	if (!file)
		return;
	pthread_mutex_lock(&file->mutex);
	owner = owner_find(file, id);
	if (owner)
		owner_drop(file, owner, &woken);
	lock_file_retry(dir, file, &woken, &done);
	pthread_mutex_unlock(&file->mutex);
	lock_answer(dir, done);
}

/*
 * The locks of a process went when it closed the file, with FLUSH. Those of an
 * open file description (F_OFD_SETLK) go now: their owner is the description,
 * which is this handle.
 */
void lock_handle_gone(struct dir *dir, struct handle *handle)
{
	struct lock_file *file = lock_file_of(handle->inode);
	struct wait_list woken = { 0 };
	struct lock_waiter *done = NULL;

	if (!file)
		return;
	pthread_mutex_lock(&file->mutex);
	lock_file_let_go(file, handle, F_UNLCK, &woken);
	while (handle->locks.owners)
		owner_drop(file, handle->locks.owners, &woken);
	lock_file_retry(dir, file, &woken, &done);
	pthread_mutex_unlock(&file->mutex);
	lock_answer(dir, done);
}

void lock_inode_gone(struct inode *inode)
{
	struct lock_file *file = lock_file_of(inode);

	if (file)
		lock_file_free(file);
}
