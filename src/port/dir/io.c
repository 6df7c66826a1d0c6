// SPDX-License-Identifier: BSD-2-Clause
/* The bytes of files. */
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define VECS 260 /* 1 MiB in pages, and some for what is not aligned */

/* The part of a list of buffers that is still to be filled or written. */
struct span {
	const struct iovec *from; /* the first one that is left */
	unsigned int count;
	size_t skip; /* of the first one, done */
	size_t left;
	struct iovec cut[VECS];
};

static void span_start(struct span *span, const struct iovec *from,
		       unsigned int count, size_t len)
{
	span->from = from;
	span->count = count;
	span->skip = 0;
	span->left = len;
}

static void span_done(struct span *span, size_t len)
{
	span->left -= len;
	span->skip += len;
	while (span->count && span->skip >= span->from->iov_len) {
		span->skip -= span->from->iov_len;
		span->from++;
		span->count--;
	}
}

/* The next buffers, no more than what is left; how many. */
static int span_next(struct span *span, const struct iovec **ret_vec)
{
	size_t skip = span->skip, left = span->left;
	unsigned int n = 0;

	for (; n < span->count && n < VECS && left; n++) {
		size_t len = span->from[n].iov_len - skip;

		if (len > left)
			len = left;
		span->cut[n].iov_base = (char *)span->from[n].iov_base + skip;
		span->cut[n].iov_len = len;
		left -= len;
		skip = 0;
	}
	*ret_vec = span->cut;
	return (int)n;
}

static bool unsupported(int error)
{
	return error == EOPNOTSUPP || error == ENOSYS || error == EINVAL;
}

/*
 * One preadv, first without waiting for the disk: then another thread is told
 * to see to the other requests.
 */
static ssize_t read_some(struct op *op, struct handle *handle,
			 struct span *span, off_t offset)
{
	const struct iovec *vec;
	int count = span_next(span, &vec);
	ssize_t ret;

	if (!atomic_load_explicit(&handle->no_nowait, memory_order_relaxed)) {
		ret = preadv2(handle->fd, vec, count, offset, RWF_NOWAIT);
		if (ret >= 0)
			return ret;
		if (unsupported(errno))
			atomic_store(&handle->no_nowait, true);
		else if (errno != EAGAIN)
			return -errno;
		else
			op_may_block(op);
	} else if (handle->direct) {
		op_may_block(op);
	}
	ret = preadv(handle->fd, vec, count, offset);
	return ret < 0 ? -errno : ret;
}

/* A short reply means the end of the file to the client: none but there. */
static ssize_t read_all(struct op *op, struct handle *handle, uint64_t offset,
			size_t size)
{
	struct span span;
	size_t done = 0;
	ssize_t ret;

	span_start(&span, op->call->room, op->call->room_count, size);
	while (span.left) {
		ret = read_some(op, handle, &span, (off_t)(offset + done));
		if (ret == -EINTR)
			continue;
		if (ret < 0)
			return done ? (ssize_t)done : ret;
		if (ret == 0)
			break;
		span_done(&span, (size_t)ret);
		done += (size_t)ret;
	}
	return (ssize_t)done;
}

/* The handle of a regular file; NULL, and why in *RET_ERROR. */
static struct handle *file_handle(struct dir *dir, uint64_t fh,
				  ssize_t *ret_error)
{
	struct handle *handle = handle_get(dir, fh);

	if (!handle) {
		*ret_error = -EBADF;
	} else if (handle->inode->type != S_IFREG) {
		*ret_error = -EISDIR;
		handle_put(dir, handle);
		handle = NULL;
	}
	return handle;
}

ssize_t op_read(struct op *op)
{
	const struct cf_read_in *in = op->arg;
	struct handle *handle;
	size_t size = in->size;
	ssize_t ret;

	if (size > op->call->room_len)
		size = op->call->room_len;
	if (in->offset > (uint64_t)INT64_MAX - size)
		return -EINVAL;
	handle = file_handle(op->dir, in->fh, &ret);
	if (!handle)
		return ret;
	ret = read_all(op, handle, in->offset, size);
	handle_put(op->dir, handle);
	return ret;
}

static int write_flags(const struct cf_write_in *in)
{
	int flags = 0;

	/* What the client's cache writes back has its place already. */
	if (in->flags & O_APPEND && !(in->write_flags & CF_WRITE_CACHE))
		flags |= RWF_APPEND;
	if ((in->flags & O_SYNC) == O_SYNC)
		flags |= RWF_SYNC;
	else if (in->flags & O_DSYNC)
		flags |= RWF_DSYNC;
	return flags;
}

/* For where the kernel, or what plays it, has no pwritev2(). */
static ssize_t write_plain(int fd, const struct iovec *vec, int count,
			   off_t offset, int flags)
{
	ssize_t ret;

	if (flags & RWF_APPEND) {
		offset = lseek(fd, 0, SEEK_END);
		if (offset < 0)
			return -errno;
	}
	ret = pwritev(fd, vec, count, offset);
	if (ret < 0)
		return -errno;
	if (flags & RWF_SYNC && fsync(fd) < 0)
		return -errno;
	if (flags & RWF_DSYNC && fdatasync(fd) < 0)
		return -errno;
	return ret;
}

static ssize_t write_some(struct handle *handle, struct span *span,
			  off_t offset, int flags)
{
	const struct iovec *vec;
	int count = span_next(span, &vec);
	ssize_t ret;

	if (flags) {
		ret = pwritev2(handle->fd, vec, count, offset, flags);
		if (ret < 0 && (errno == EOPNOTSUPP || errno == ENOSYS))
			return write_plain(handle->fd, vec, count, offset,
					   flags);
	} else {
		ret = pwritev(handle->fd, vec, count, offset);
	}
	return ret < 0 ? -errno : ret;
}

static ssize_t write_all(struct op *op, struct handle *handle,
			 const struct cf_write_in *in)
{
	int flags = write_flags(in);
	struct span span;
	size_t done = 0;
	ssize_t ret;

	if (handle->direct || flags & (RWF_SYNC | RWF_DSYNC))
		op_may_block(op);
	span_start(&span, op->call->data, op->call->data_count, in->size);
	while (span.left) {
		ret = write_some(handle, &span, (off_t)(in->offset + done),
				 flags);
		if (ret == -EINTR)
			continue;
		if (ret < 0 && !done)
			return ret;
		if (ret <= 0)
			break;
		span_done(&span, (size_t)ret);
		done += (size_t)ret;
	}
	return (ssize_t)done;
}

ssize_t op_write(struct op *op)
{
	const struct cf_write_in *in = op->arg;
	struct cf_write_out *out = call_out_arg(op->call);
	struct handle *handle;
	ssize_t ret;

	if (in->size > op->call->data_len ||
	    in->offset > (uint64_t)INT64_MAX - in->size)
		return -EINVAL;
	ret = thread_keep_setid(op, !(in->write_flags & CF_WRITE_KILL_SUIDGID));
	if (ret < 0)
		return ret;
	handle = file_handle(op->dir, in->fh, &ret);
	if (!handle)
		return ret;
	xattr_drop_capability(op, handle->fd);
	ret = write_all(op, handle, in);
	handle_put(op->dir, handle);
	if (ret < 0)
		return ret;
	*out = (struct cf_write_out){ .size = (uint32_t)ret };
	return sizeof(*out);
}

ssize_t op_lseek(struct op *op)
{
	const struct cf_lseek_in *in = op->arg;
	struct cf_lseek_out *out = call_out_arg(op->call);
	struct handle *handle;
	ssize_t ret;
	off_t at;

	if (in->whence != SEEK_DATA && in->whence != SEEK_HOLE &&
	    in->whence != SEEK_SET && in->whence != SEEK_END)
		return -EINVAL;
	handle = file_handle(op->dir, in->fh, &ret);
	if (!handle)
		return ret;
	at = lseek(handle->fd, (off_t)in->offset, (int)in->whence);
	ret = at < 0 ? -errno : (ssize_t)sizeof(*out);
	handle_put(op->dir, handle);
	if (ret > 0)
		*out = (struct cf_lseek_out){ .offset = (uint64_t)at };
	return ret;
}

ssize_t op_fallocate(struct op *op)
{
	const struct cf_fallocate_in *in = op->arg;
	struct handle *handle;
	ssize_t ret;

	ret = thread_keep_setid_of_root(op);
	if (ret < 0)
		return ret;
	handle = file_handle(op->dir, in->fh, &ret);
	if (!handle)
		return ret;
	xattr_drop_capability(op, handle->fd);
	ret = fallocate(handle->fd, (int)in->mode, (off_t)in->offset,
			(off_t)in->length);
	if (ret < 0)
		ret = -errno;
	handle_put(op->dir, handle);
	/* ENOSYS would end all FALLOCATE; the program expects the other. */
	return ret == -ENOSYS ? -EOPNOTSUPP : ret;
}

static ssize_t copy_range(struct op *op, size_t max)
{
	const struct cf_copy_file_range_in *in = op->arg;
	struct handle *from, *to;
	off_t from_at = (off_t)in->off_in, to_at = (off_t)in->off_out;
	ssize_t ret;

	ret = thread_keep_setid_of_root(op);
	if (ret < 0)
		return ret;
	from = file_handle(op->dir, in->fh_in, &ret);
	if (!from)
		return ret;
	to = file_handle(op->dir, in->fh_out, &ret);
	if (!to) {
		handle_put(op->dir, from);
		return ret;
	}
	xattr_drop_capability(op, to->fd);
	ret = copy_file_range(from->fd, &from_at, to->fd, &to_at,
			      in->len < max ? (size_t)in->len : max,
			      (unsigned int)in->flags);
	if (ret < 0)
		ret = errno == ENOSYS ? -EOPNOTSUPP : -errno;
	handle_put(op->dir, from);
	handle_put(op->dir, to);
	return ret;
}

ssize_t op_copy_file_range(struct op *op)
{
	struct cf_write_out *out = call_out_arg(op->call);
	ssize_t ret = copy_range(op, 0x7ffff000);

	if (ret < 0)
		return ret;
	*out = (struct cf_write_out){ .size = (uint32_t)ret };
	return sizeof(*out);
}

ssize_t op_copy_file_range_64(struct op *op)
{
	struct cf_copy_file_range_out *out = call_out_arg(op->call);
	ssize_t ret = copy_range(op, SSIZE_MAX);

	if (ret < 0)
		return ret;
	*out = (struct cf_copy_file_range_out){
		.bytes_copied = (uint64_t)ret,
	};
	return sizeof(*out);
}
