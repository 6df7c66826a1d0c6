// SPDX-License-Identifier: BSD-2-Clause
/* Opening and closing files, and making sure of what was written. */
#include "open.h"
#include "lock.h"
#include "removal.h"
#include "xattrmap.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/*
 * O_APPEND is not among them: F_SETFL may change it, and every WRITE says
 * whether it appends.
 */
int open_flags(const struct dir *dir, int flags)
{
	int kept = O_ACCMODE | O_TRUNC | O_NONBLOCK | O_DSYNC | O_SYNC;

	if (dir->options->allow_direct_io)
		kept |= O_DIRECT;
	if (dir->options->preserve_noatime)
		kept |= O_NOATIME;
	flags &= kept;
	/* The client reads the rest of a page that it writes a part of. */
	if (dir->agreed.flags & CF_INIT_WRITEBACK_CACHE &&
	    (flags & O_ACCMODE) == O_WRONLY)
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	return flags;
}

static uint32_t reply_flags(const struct dir *dir, const struct inode *inode)
{
	bool is_dir = inode->type == S_IFDIR;

	switch (dir->options->cache) {
	case CACHE_NEVER:
		return is_dir ? 0 : CF_FOPEN_DIRECT_IO;
	case CACHE_METADATA:
		return is_dir ? CF_FOPEN_CACHE_DIR | CF_FOPEN_KEEP_CACHE
			      : CF_FOPEN_DIRECT_IO;
	case CACHE_ALWAYS:
		return is_dir ? CF_FOPEN_CACHE_DIR | CF_FOPEN_KEEP_CACHE
			      : CF_FOPEN_KEEP_CACHE;
	default:
		return 0;
	}
}

/*
 * Whether a file may be read and written without being asked here. O_DIRECT
 * would go to this machine's disk, and what is kept of capabilities under
 * another name would stay.
 */
static bool may_go_around(const struct op *op, const struct inode *inode)
{
	const struct dir_options *options = op->dir->options;
	const uint32_t *flags = op->arg; /* the first field of each of them */

	return inode->type == S_IFREG &&
	       (options->allow_direct_io || !(*flags & O_DIRECT)) &&
	       xattrmap_keeps(options->xattrmap, "security.capability");
}

void open_fill(struct op *op, const struct inode *inode, int fd, uint64_t fh,
	       struct cf_open_out *out)
{
	*out = (struct cf_open_out){
		.fh = fh,
		.open_flags = reply_flags(op->dir, inode),
	};
	if (may_go_around(op, inode))
		op->call->backing_fd = fd;
}

int open_inode(struct dir *dir, struct inode *inode, int flags)
{
	struct stat st;
	int fd;

	if (dir->options->readonly &&
	    ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC))
		return -EROFS;
	/* Another program may still use what has no name here. */
	if (flags & O_TRUNC && inode_is_gone(dir, inode))
		return -ESTALE;
	fd = inode_reopen(dir, inode, flags);
	if (fd == -EACCES && dir->agreed.flags & CF_INIT_WRITEBACK_CACHE &&
	    (flags & O_ACCMODE) == O_RDWR)
		fd = inode_reopen(dir, inode, (flags & ~O_ACCMODE) | O_WRONLY);
	if (fd >= 0 && !atomic_load(&inode->removed) && fstat(fd, &st) == 0 &&
	    st.st_nlink == 0) {
		close(fd);
		fd = -ESTALE;
	}
	return fd;
}

static ssize_t open_reply(struct op *op, int fd, int flags)
{
	struct cf_open_out *out = call_out_arg(op->call);
	uint64_t fh;
	int ret;

	if (fd < 0)
		return fd;
	ret = handle_create(op->dir, op->inode, fd, flags, &fh);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	open_fill(op, op->inode, fd, fh, out);
	return sizeof(*out);
}

ssize_t op_open(struct op *op)
{
	const struct cf_open_in *in = op->arg;
	int flags = open_flags(op->dir, (int)in->flags), fd, ret = 0;

	if (op->inode->type == S_IFDIR && (flags & O_ACCMODE) != O_RDONLY)
		return -EISDIR;
	if (flags & O_TRUNC)
		ret = thread_keep_setid_of_open(op, in->open_flags);
	if (ret < 0)
		return ret;
	fd = open_inode(op->dir, op->inode, flags);
	/* A file that may only be appended to insists on the flag. */
	if (fd == -EPERM && in->flags & O_APPEND)
		fd = open_inode(op->dir, op->inode, flags | O_APPEND);
	if (fd >= 0 && flags & O_TRUNC)
		xattr_drop_capability(op, fd);
	return open_reply(op, fd, flags);
}

ssize_t op_opendir(struct op *op)
{
	if (op->inode->type != S_IFDIR)
		return -ENOTDIR;
	return open_reply(
		op, open_inode(op->dir, op->inode, O_RDONLY | O_DIRECTORY), 0);
}

/* As POSIX has it: the end of one of its files ends all locks of an owner. */
static void drop_locks(struct op *op, uint64_t fh, uint64_t owner)
{
	struct handle *handle = handle_get(op->dir, fh);

	if (!handle)
		return;
	lock_owner_gone(op->dir, handle->inode, owner);
	handle_put(op->dir, handle);
}

ssize_t op_release(struct op *op)
{
	const struct cf_release_in *in = op->arg;

	if (in->release_flags & CF_RELEASE_FLUSH)
		drop_locks(op, in->fh, in->lock_owner);
	return handle_close(op->dir, in->fh);
}

ssize_t op_releasedir(struct op *op)
{
	const struct cf_release_in *in = op->arg;

	return handle_close(op->dir, in->fh);
}

/* Some file systems tell of a failed write only at close(). */
static int close_a_copy(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	/* Short of descriptors: this tells the same, and takes longer. */
	if (copy < 0)
		return fdatasync(fd) < 0 && errno != EINVAL ? -errno : 0;
	return close(copy) < 0 && errno != EINTR ? -errno : 0;
}

ssize_t op_flush(struct op *op)
{
	const struct cf_flush_in *in = op->arg;
	struct handle *handle = handle_get(op->dir, in->fh);
	int ret = 0;

	if (!handle)
		return -EBADF;
	lock_owner_gone(op->dir, handle->inode, in->lock_owner);
	if (handle->writable)
		ret = close_a_copy(handle->fd);
	handle_put(op->dir, handle);
	return ret;
}

ssize_t op_fsync(struct op *op)
{
	const struct cf_fsync_in *in = op->arg;
	struct handle *handle = handle_get(op->dir, in->fh);
	int ret;

	if (!handle)
		return -EBADF;
	ret = in->fsync_flags & CF_FSYNC_FDATASYNC ? fdatasync(handle->fd)
						   : fsync(handle->fd);
	if (ret < 0)
		ret = -errno;
	handle_put(op->dir, handle);
	return ret;
}

ssize_t op_fsyncdir(struct op *op)
{
	return op_fsync(op);
}

ssize_t op_syncfs(struct op *op)
{
	int fd = inode_reopen(op->dir, op->inode, O_RDONLY);
	int ret;

	if (fd < 0)
		return fd;
	ret = syncfs(fd) < 0 ? -errno : 0;
	close(fd);
	return ret;
}
