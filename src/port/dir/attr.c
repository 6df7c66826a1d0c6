// SPDX-License-Identifier: BSD-2-Clause
/* Attributes of files and of the file system. */
#include "idmap.h"
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Linux's own 32-bit form of a device number. */
static uint32_t encode_dev(unsigned int major_number, unsigned int minor_number)
{
	return (minor_number & 0xff) | (major_number & 0xfff) << 8 |
	       (minor_number & ~0xffu) << 12;
}

void attr_fill(struct dir *dir, const struct stat *st, struct cf_attr *attr)
{
	*attr = (struct cf_attr){
		.ino = number_of(&dir->numbers, st->st_dev, st->st_ino),
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.atime = (uint64_t)st->st_atim.tv_sec,
		.mtime = (uint64_t)st->st_mtim.tv_sec,
		.ctime = (uint64_t)st->st_ctim.tv_sec,
		.atimensec = (uint32_t)st->st_atim.tv_nsec,
		.mtimensec = (uint32_t)st->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = (uint32_t)st->st_nlink,
		.uid = idmap_to_guest(dir->options->translate_uid, st->st_uid),
		.gid = idmap_to_guest(dir->options->translate_gid, st->st_gid),
		.rdev = encode_dev(major(st->st_rdev), minor(st->st_rdev)),
		.blksize = (uint32_t)st->st_blksize,
	};
}

static ssize_t attr_reply(struct op *op)
{
	struct cf_attr_out *out = call_out_arg(op->call);
	struct stat st;

	if (fstat(op->inode->fd, &st) < 0)
		return -errno;
	*out = (struct cf_attr_out){ .attr_valid = op->dir->timeout_sec };
	attr_fill(op->dir, &st, &out->attr);
	if (op->inode->type == S_IFDIR && op->inode != op->dir->root &&
	    op->inode->submount && op->dir->agreed.flags & CF_INIT_SUBMOUNTS)
		out->attr.flags |= CF_ATTR_SUBMOUNT;
	return sizeof(*out);
}

ssize_t op_getattr(struct op *op)
{
	return attr_reply(op);
}

static int truncate_file(struct op *op, const struct cf_setattr_in *in)
{
	struct handle *handle = NULL;
	int fd, ret;

	if (in->size > INT64_MAX)
		return -EFBIG;
	ret = thread_keep_setid(op, !(in->valid & CF_FATTR_KILL_SUIDGID));
	if (ret < 0)
		return ret;
	if (in->valid & CF_FATTR_FH) {
		handle = handle_get(op->dir, in->fh);
		if (!handle)
			return -EBADF;
		fd = handle->fd;
	} else {
		fd = inode_reopen(op->dir, op->inode, O_WRONLY);
		if (fd < 0)
			return fd;
	}
	xattr_drop_capability(op, fd);
	if (ftruncate(fd, (off_t)in->size) < 0)
		ret = -errno;
	if (handle)
		handle_put(op->dir, handle);
	else
		close(fd);
	return ret;
}

static struct timespec time_of(uint32_t valid, uint32_t set, uint32_t now,
			       uint64_t sec, uint32_t nsec)
{
	if (valid & now)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	if (!(valid & set))
		return (struct timespec){ .tv_nsec = UTIME_OMIT };
	/* Not one of the special values, whatever the client says. */
	return (struct timespec){ (time_t)sec,
				  nsec < 1000000000 ? (long)nsec : 0 };
}

static int set_times(struct op *op, const struct cf_setattr_in *in)
{
	struct timespec times[2] = {
		time_of(in->valid, CF_FATTR_ATIME, CF_FATTR_ATIME_NOW,
			in->atime, in->atimensec),
		time_of(in->valid, CF_FATTR_MTIME, CF_FATTR_MTIME_NOW,
			in->mtime, in->mtimensec),
	};
	struct fd_name name = fd_name(op->inode->fd);

	return utimensat(op->dir->proc_fd, name.text, times, 0) < 0 ? -errno
								    : 0;
}

static int set_owner(struct op *op, const struct cf_setattr_in *in)
{
	const struct dir_options *options = op->dir->options;
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;
	int ret = 0;

	if (in->valid & CF_FATTR_UID)
		ret = idmap_to_host(options->translate_uid, in->uid, &uid);
	if (ret == 0 && in->valid & CF_FATTR_GID)
		ret = idmap_to_host(options->translate_gid, in->gid, &gid);
	/* Whoever is not in its group loses a file's S_ISGID to chown(). */
	if (ret == 0)
		ret = thread_keep_setid_of_root(op);
	if (ret < 0)
		return ret;
	xattr_drop_capability(op, op->inode->fd);
	return fchownat(op->inode->fd, "", uid, gid,
			AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0
		       ? -errno
		       : 0;
}

static int set_mode(struct op *op, const struct cf_setattr_in *in)
{
	struct fd_name name = fd_name(op->inode->fd);
	int ret = thread_keep_setid(op, true);

	if (ret < 0)
		return ret;
	return fchmodat(op->dir->proc_fd, name.text, in->mode & 07777, 0) < 0
		       ? -errno
		       : 0;
}

ssize_t op_setattr(struct op *op)
{
	const struct cf_setattr_in *in = op->arg;
	int ret = 0;

	/* The owner first: it clears set-id bits that the mode may set. */
	if (in->valid & (CF_FATTR_UID | CF_FATTR_GID))
		ret = set_owner(op, in);
	if (ret == 0 && in->valid & CF_FATTR_MODE)
		ret = set_mode(op, in);
	if (ret == 0 && in->valid & CF_FATTR_SIZE)
		ret = truncate_file(op, in);
	if (ret == 0 && in->valid & (CF_FATTR_ATIME | CF_FATTR_ATIME_NOW |
				     CF_FATTR_MTIME | CF_FATTR_MTIME_NOW))
		ret = set_times(op, in);
	return ret < 0 ? ret : attr_reply(op);
}

static struct cf_sx_time sx_time(const struct statx_timestamp *time)
{
	return (struct cf_sx_time){
		.tv_sec = time->tv_sec,
		.tv_nsec = time->tv_nsec,
	};
}

static void statx_fill(struct dir *dir, const struct statx *stx,
		       struct cf_statx *out)
{
	dev_t dev = makedev(stx->stx_dev_major, stx->stx_dev_minor);

	*out = (struct cf_statx){
		.mask = stx->stx_mask & (STATX_BASIC_STATS | STATX_BTIME),
		.blksize = stx->stx_blksize,
		.attributes = stx->stx_attributes,
		.nlink = stx->stx_nlink,
		.uid = idmap_to_guest(dir->options->translate_uid,
				      stx->stx_uid),
		.gid = idmap_to_guest(dir->options->translate_gid,
				      stx->stx_gid),
		.mode = stx->stx_mode,
		.ino = number_of(&dir->numbers, dev, stx->stx_ino),
		.size = stx->stx_size,
		.blocks = stx->stx_blocks,
		.attributes_mask = stx->stx_attributes_mask,
		.atime = sx_time(&stx->stx_atime),
		.btime = sx_time(&stx->stx_btime),
		.ctime = sx_time(&stx->stx_ctime),
		.mtime = sx_time(&stx->stx_mtime),
		.rdev_major = stx->stx_rdev_major,
		.rdev_minor = stx->stx_rdev_minor,
		.dev_major = stx->stx_dev_major,
		.dev_minor = stx->stx_dev_minor,
	};
}

ssize_t op_statx(struct op *op)
{
	const struct cf_statx_in *in = op->arg;
	struct cf_statx_out *out;
	struct statx stx;
	int sync = (int)in->sx_flags &
		   (AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC);

	if (statx(op->inode->fd, "", AT_EMPTY_PATH | sync,
		  in->sx_mask & (STATX_BASIC_STATS | STATX_BTIME), &stx) < 0)
		return -errno;
	out = call_reserve(op->call, sizeof(*out));
	if (!out)
		return -ENOMEM;
	*out = (struct cf_statx_out){ .attr_valid = op->dir->timeout_sec };
	statx_fill(op->dir, &stx, &out->stat);
	return sizeof(*out);
}

ssize_t op_access(struct op *op)
{
	const struct cf_access_in *in = op->arg;
	struct stat st;
	mode_t want = in->mask & 7, bits;

	if (fstat(op->inode->fd, &st) < 0)
		return -errno;
	if (want & W_OK && op->dir->options->readonly)
		return -EROFS;
	if (op->in->uid == 0) {
		if (want & X_OK && !S_ISDIR(st.st_mode) && !(st.st_mode & 0111))
			return -EACCES;
		return 0;
	}
	if (op->uid == st.st_uid)
		bits = st.st_mode >> 6;
	else if (op->gid == st.st_gid)
		bits = st.st_mode >> 3;
	else
		bits = st.st_mode;
	return want & ~bits ? -EACCES : 0;
}

ssize_t op_statfs(struct op *op)
{
	struct cf_statfs_out *out = call_out_arg(op->call);
	struct statvfs fs;

	if (fstatvfs(op->inode->fd, &fs) < 0)
		return -errno;
	*out = (struct cf_statfs_out){
		.st = {
			.blocks = fs.f_blocks,
			.bfree = fs.f_bfree,
			.bavail = fs.f_bavail,
			.files = fs.f_files,
			.ffree = fs.f_ffree,
			.bsize = (uint32_t)fs.f_bsize,
			.namelen = (uint32_t)fs.f_namemax,
			.frsize = (uint32_t)fs.f_frsize,
		},
	};
	return sizeof(*out);
}
