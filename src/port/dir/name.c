// SPDX-License-Identifier: BSD-2-Clause
/* Making, moving and removing names. */
#include "internal.h"
#include "open.h"
#include "removal.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define RENAME_FLAGS \
	((uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))

/* Who creates a file, and how. */
struct creation {
	struct extensions ext;
	struct cred_scope scope;
};

static int creation_enter(struct op *op, mode_t mode, mode_t mask,
			  struct creation *ret)
{
	int error;

	error = extensions_parse(op, mode, &ret->ext);
	if (error < 0)
		return error;
	error = thread_umask(op->dir, mask);
	if (error < 0)
		return error;
	return cred_enter(op, &ret->ext, &ret->scope);
}

static void creation_leave(struct op *op, struct creation *creation)
{
	cred_leave(op, &creation->scope);
}

/* Gives a new file the security context that the client asked for. */
static int label(struct op *op, const struct extensions *ext, int fd)
{
	if (!ext->secctx_name)
		return 0;
	return xattr_label(op, fd, ext->secctx_name, ext->secctx,
			   ext->secctx_len);
}

/* The reply for what was made under op->name; without its label it goes. */
static ssize_t made_reply(struct op *op, const struct creation *creation,
			  int unlink_flags)
{
	int fd, ret;

	if (!creation->ext.secctx_name)
		return entry_reply(op);
	fd = openat(op->inode->fd, op->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = label(op, &creation->ext, fd);
	close(fd);
	if (ret == 0)
		return entry_reply(op);
	unlinkat(op->inode->fd, op->name, unlink_flags);
	return ret;
}

/* The umask of a client that applies it itself counts no second time. */
static mode_t mask_of(const struct op *op, uint32_t mask)
{
	return op->dir->agreed.flags & CF_INIT_DONT_MASK ? mask & 0777 : 0;
}

static dev_t decode_dev(uint32_t dev)
{
	return makedev((dev & 0xfff00) >> 8,
		       (dev & 0xff) | ((dev >> 12) & 0xfff00));
}

ssize_t op_mknod(struct op *op)
{
	const struct cf_mknod_in *in = op->arg;
	struct creation creation;
	int ret;

	ret = creation_enter(op, in->mode, mask_of(op, in->umask), &creation);
	if (ret < 0)
		return ret;
	if (mknodat(op->inode->fd, op->name, in->mode, decode_dev(in->rdev)) <
	    0)
		ret = -errno;
	creation_leave(op, &creation);
	return ret < 0 ? ret : made_reply(op, &creation, 0);
}

ssize_t op_mkdir(struct op *op)
{
	const struct cf_mkdir_in *in = op->arg;
	struct creation creation;
	int ret;

	ret = creation_enter(op, S_IFDIR, mask_of(op, in->umask), &creation);
	if (ret < 0)
		return ret;
	if (mkdirat(op->inode->fd, op->name, in->mode & 07777) < 0)
		ret = -errno;
	creation_leave(op, &creation);
	return ret < 0 ? ret : made_reply(op, &creation, AT_REMOVEDIR);
}

ssize_t op_symlink(struct op *op)
{
	struct creation creation;
	int ret;

	ret = creation_enter(op, S_IFLNK, 0, &creation);
	if (ret < 0)
		return ret;
	if (symlinkat(op->name2, op->inode->fd, op->name) < 0)
		ret = -errno;
	creation_leave(op, &creation);
	return ret < 0 ? ret : made_reply(op, &creation, 0);
}

ssize_t op_readlink(struct op *op)
{
	char *buf = call_reserve(op->call, PATH_MAX);
	ssize_t ret;

	if (!buf)
		return -ENOMEM;
	ret = readlinkat(op->inode->fd, "", buf, PATH_MAX);
	return ret < 0 ? -errno : ret;
}

/* FD is new: the client gets a handle and, as by LOOKUP, the file. */
static ssize_t created_reply(struct op *op, struct inode *inode,
			     const struct stat *st, int fd, int flags)
{
	struct cf_entry_out *entry = call_reserve(
		op->call, sizeof(*entry) + sizeof(struct cf_open_out));
	struct cf_open_out *out = (struct cf_open_out *)(entry + 1);
	int ret = entry ? 0 : -ENOMEM;

	if (ret == 0) {
		*out = (struct cf_open_out){
			.open_flags = open_reply_flags(op->dir, inode),
		};
		ret = handle_create(op->dir, inode, fd, flags, &out->fh);
	}
	if (ret < 0) {
		close(fd);
		inode_forget(op->dir, inode, 1);
		return ret;
	}
	entry_fill(op->dir, op->inode, inode, st, entry);
	return sizeof(*entry) + sizeof(*out);
}

/*
 * The file that was opened by name: the one behind FD, even if the name means
 * another one by now.
 */
static ssize_t finish_create(struct op *op, int fd, int flags)
{
	struct fd_name name = fd_name(fd);
	struct inode *inode;
	struct stat st;
	ssize_t ret;
	int path_fd;

	path_fd = openat(op->dir->proc_fd, name.text, O_PATH | O_CLOEXEC);
	if (path_fd < 0) {
		ret = -errno;
		close(fd);
		return ret;
	}
	ret = inode_adopt(op->dir, path_fd, &inode, &st);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	if (op->in->opcode == CF_TMPFILE)
		atomic_store(&inode->removed, true);
	ret = created_reply(op, inode, &st, fd, flags);
	inode_put(op->dir, inode);
	return ret;
}

/*
 * Without O_EXCL the name may stand for a file that is there already: that
 * one is opened as OPEN does it, so that no device or pipe ever is.
 */
static ssize_t open_existing(struct op *op, int flags)
{
	struct inode *inode;
	struct stat st;
	ssize_t ret;
	int fd;

	ret = inode_lookup(op->dir, op->inode, op->name, &inode, &st);
	if (ret < 0)
		return ret;
	fd = open_inode(op->dir, inode, flags);
	if (fd < 0) {
		inode_forget(op->dir, inode, 1);
		ret = fd;
	} else {
		if (flags & O_TRUNC)
			xattr_drop_capability(op, fd);
		/* Once more: O_TRUNC may have changed it. */
		fstat(fd, &st);
		ret = created_reply(op, inode, &st, fd, flags);
	}
	inode_put(op->dir, inode);
	return ret;
}

/* Makes a file that is not there and opens it; a descriptor or -errno. */
static int create_new(struct op *op, const char *name, int flags)
{
	const struct cf_create_in *in = op->arg;
	struct creation creation;
	int fd, ret;

	ret = creation_enter(op, in->mode, mask_of(op, in->umask), &creation);
	if (ret < 0)
		return ret;
	fd = openat(op->inode->fd, name, flags | O_NOFOLLOW | O_CLOEXEC,
		    in->mode & 07777);
	if (fd < 0)
		fd = -errno;
	creation_leave(op, &creation);
	if (fd < 0)
		return fd;
	ret = label(op, &creation.ext, fd);
	if (ret == 0)
		return fd;
	if (op->name == name)
		unlinkat(op->inode->fd, name, 0);
	close(fd);
	return ret;
}

ssize_t op_create(struct op *op)
{
	const struct cf_create_in *in = op->arg;
	int flags = open_flags(op->dir, (int)in->flags);
	int tries = 8, fd;
	ssize_t ret;

	/*
	 * Others make and remove the same name: one of the two succeeds, unless
	 * the file system finds what it cannot open.
	 */
	do {
		fd = create_new(op, op->name, flags | O_CREAT | O_EXCL);
		if (fd >= 0)
			return finish_create(op, fd, flags);
		if (fd != -EEXIST || in->flags & O_EXCL)
			return fd;
		ret = thread_keep_setid_of_open(op, in->open_flags);
		if (ret == 0)
			ret = open_existing(op, flags);
	} while ((ret == -ENOENT || ret == -ESTALE) && --tries);
	return ret;
}

ssize_t op_tmpfile(struct op *op)
{
	const struct cf_create_in *in = op->arg;
	int flags = open_flags(op->dir, (int)in->flags), fd;

	if (op->inode->type != S_IFDIR)
		return -ENOTDIR;
	/* Linux's third access mode; not everything that plays Linux has it. */
	if ((flags & O_ACCMODE) == O_ACCMODE)
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	fd = create_new(op, ".", flags | O_TMPFILE | ((int)in->flags & O_EXCL));
	return fd < 0 ? fd : finish_create(op, fd, flags);
}

static ssize_t remove_name(struct op *op, int flags)
{
	struct removal removal;
	ssize_t ret = 0;

	removal_begin(op->dir, op->inode, op->name, &removal);
	if (unlinkat(op->inode->fd, op->name, flags) < 0)
		ret = -errno;
	removal_end(op->dir, &removal, ret == 0);
	return ret;
}

/*
 * An exchange of the named file by another between its look-up and its removal
 * is the host's business, as on a local file system.
 */
ssize_t op_unlink(struct op *op)
{
	return remove_name(op, 0);
}

ssize_t op_rmdir(struct op *op)
{
	return remove_name(op, AT_REMOVEDIR);
}

/*
 * RENAME_NOREPLACE where the file system lacks it: a new name that takes no
 * other's place, then the old one goes. Directories have one name only.
 */
static int rename_by_link(struct op *op, const struct inode *to)
{
	int ret = 0;

	if (linkat(op->inode->fd, op->name, to->fd, op->name2, 0) < 0)
		return errno == EPERM || errno == EOPNOTSUPP ? -EINVAL : -errno;
	if (unlinkat(op->inode->fd, op->name, 0) < 0) {
		ret = -errno;
		unlinkat(to->fd, op->name2, 0);
	}
	return ret;
}

static ssize_t rename_to(struct op *op, uint64_t newdir, unsigned int flags)
{
	struct inode *to = inode_get(op->dir, newdir);
	struct removal replaced = { 0 };
	ssize_t ret = 0;

	if (!to)
		return -ESTALE;
	if (!(flags & (RENAME_EXCHANGE | RENAME_NOREPLACE)) &&
	    (to != op->inode || strcmp(op->name, op->name2) != 0))
		removal_begin(op->dir, to, op->name2, &replaced);
	if (flags == 0)
		ret = renameat(op->inode->fd, op->name, to->fd, op->name2);
	else
		ret = syscall(SYS_renameat2, op->inode->fd, op->name, to->fd,
			      op->name2, flags);
	if (ret < 0)
		ret = -errno;
	if ((ret == -EINVAL || ret == -ENOSYS) && flags == RENAME_NOREPLACE)
		ret = rename_by_link(op, to);
	removal_end(op->dir, &replaced, ret == 0);
	if (ret == -ENOENT && inode_is_gone(to))
		ret = -ESTALE;
	inode_put(op->dir, to);
	/* ENOSYS would tell the client never to ask again, for any flag. */
	return ret == -ENOSYS ? -EINVAL : ret;
}

ssize_t op_rename(struct op *op)
{
	const struct cf_rename_in *in = op->arg;

	return rename_to(op, in->newdir, 0);
}

ssize_t op_rename2(struct op *op)
{
	const struct cf_rename2_in *in = op->arg;

	if (in->flags & ~RENAME_FLAGS)
		return -EINVAL;
	return rename_to(op, in->newdir, in->flags);
}

ssize_t op_link(struct op *op)
{
	const struct cf_link_in *in = op->arg;
	struct inode *inode = inode_get(op->dir, in->oldnodeid);
	struct cf_entry_out *out = call_out_arg(op->call);
	struct fd_name name;
	struct inode *found;
	struct stat st;
	ssize_t ret;

	if (!inode)
		return -ESTALE;
	if (inode_is_gone(inode)) {
		inode_put(op->dir, inode);
		return -ESTALE;
	}
	name = fd_name(inode->fd);
	ret = linkat(op->dir->proc_fd, name.text, op->inode->fd, op->name,
		     AT_SYMLINK_FOLLOW);
	if (ret < 0)
		ret = -errno;
	else
		ret = inode_lookup(op->dir, inode, NULL, &found, &st);
	if (ret == 0) {
		atomic_store(&found->removed, false);
		entry_fill(op->dir, op->inode, found, &st, out);
		inode_put(op->dir, found);
		ret = sizeof(*out);
	}
	inode_put(op->dir, inode);
	return ret;
}
