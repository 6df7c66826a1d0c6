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
	ret = fd < 0 ? -errno : label(op, &creation->ext, fd);
	if (fd >= 0)
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

/*
 * The file that was opened by name: the one behind FD, even if the name means
 * another one by now.
 */
static ssize_t finish_create(struct op *op, const char *name, int fd, int flags)
{
	struct handle *handle = handle_new(op->dir, fd, flags);
	struct cf_entry_out *entry = call_reserve(
		op->call, sizeof(*entry) + sizeof(struct cf_open_out));
	struct inode *inode;
	struct stat st;
	int ret = handle && entry ? 0 : -ENOMEM;

	if (ret == 0)
		ret = inode_create(op->dir, op->inode, name, handle, &st);
	if (ret < 0) {
		if (handle)
			handle_discard(op->dir, handle);
		if (name)
			unlinkat(op->inode->fd, name, 0);
		close(fd);
		return ret;
	}
	inode = handle->inode;
	open_fill(op, inode, fd, handle_publish(handle),
		  (struct cf_open_out *)(entry + 1));
	entry_fill(op->dir, op->inode, inode, &st, entry);
	inode_put(op->dir, inode);
	return sizeof(*entry) + sizeof(struct cf_open_out);
}

/* FD is what was there: the client gets a handle, as by OPEN. */
static ssize_t opened_reply(struct op *op, struct inode *inode,
			    const struct stat *st, int fd, int flags)
{
	struct cf_entry_out *entry = call_reserve(
		op->call, sizeof(*entry) + sizeof(struct cf_open_out));
	int ret = entry ? 0 : -ENOMEM;
	uint64_t fh;

	if (ret == 0)
		ret = handle_create(op->dir, inode, fd, flags, &fh);
	if (ret < 0) {
		close(fd);
		inode_forget(op->dir, inode, 1);
		return ret;
	}
	open_fill(op, inode, fd, fh, (struct cf_open_out *)(entry + 1));
	entry_fill(op->dir, op->inode, inode, st, entry);
	return sizeof(*entry) + sizeof(struct cf_open_out);
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
		ret = opened_reply(op, inode, &st, fd, flags);
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

	ret = descriptor_ready(op->dir);
	if (ret == 0)
		ret = creation_enter(op, in->mode, mask_of(op, in->umask),
				     &creation);
	if (ret < 0)
		return ret;
	do {
		fd = openat(op->inode->fd, name, flags | O_NOFOLLOW | O_CLOEXEC,
			    in->mode & 07777);
	} while (fd < 0 && descriptor_again(op->dir, &fd));
	descriptor_check(op->dir, fd);
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
			return finish_create(op, op->name, fd, flags);
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
	return fd < 0 ? fd : finish_create(op, NULL, fd, flags);
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

/* What is found by name has another one now. */
static void renamed(struct op *op, struct inode *to, unsigned int flags)
{
	struct inode *inode;
	struct stat st;

	if (mount_has_handles(to->mount))
		return;
	inode = inode_find(op->dir, to, op->name2, &st);
	if (inode) {
		inode_named(op->dir, inode, to, op->name2);
		inode_put(op->dir, inode);
	}
	if (!(flags & RENAME_EXCHANGE))
		return;
	inode = inode_find(op->dir, op->inode, op->name, &st);
	if (inode) {
		inode_named(op->dir, inode, op->inode, op->name);
		inode_put(op->dir, inode);
	}
}

static ssize_t rename_to(struct op *op, uint64_t newdir, unsigned int flags)
{
	struct inode *to = inode_get(op->dir, newdir);
	struct removal replaced = { 0 };
	ssize_t ret = 0;
	int to_fd;

	if (!to)
		return -ESTALE;
	to_fd = inode_fd(op->dir, to);
	if (to_fd < 0) {
		inode_put(op->dir, to);
		return to_fd;
	}
	if (!(flags & (RENAME_EXCHANGE | RENAME_NOREPLACE)) &&
	    (to != op->inode || strcmp(op->name, op->name2) != 0))
		removal_begin(op->dir, to, op->name2, &replaced);
	if (flags == 0)
		ret = renameat(op->inode->fd, op->name, to_fd, op->name2);
	else
		ret = syscall(SYS_renameat2, op->inode->fd, op->name, to_fd,
			      op->name2, flags);
	if (ret < 0)
		ret = -errno;
	if ((ret == -EINVAL || ret == -ENOSYS) && flags == RENAME_NOREPLACE)
		ret = rename_by_link(op, to);
	removal_end(op->dir, &replaced, ret == 0);
	if (ret == 0)
		renamed(op, to, flags);
	if (ret == -ENOENT && inode_is_lost(op->dir, to))
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
	if (inode_is_gone(op->dir, inode)) {
		inode_put(op->dir, inode);
		return -ESTALE;
	}
	ret = inode_fd(op->dir, inode);
	if (ret < 0) {
		inode_put(op->dir, inode);
		return ret;
	}
	name = fd_name((int)ret);
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
