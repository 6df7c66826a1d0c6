// SPDX-License-Identifier: BSD-2-Clause
/* Finding files by name, and forgetting them. */
#include "internal.h"
#include <errno.h>
#include <string.h>

void entry_fill(struct dir *dir, struct inode *parent, struct inode *inode,
		const struct stat *st, struct cf_entry_out *out)
{
	*out = (struct cf_entry_out){
		.nodeid = inode->slot.id,
		/* Linux wants the root's to be 0. */
		.generation = inode == dir->root ? 0
						 : dir->forgotten.generation,
		.entry_valid = dir->timeout_sec,
		.attr_valid = dir->timeout_sec,
	};
	attr_fill(dir, st, &out->attr);
	if (inode->mount != parent->mount && inode->type == S_IFDIR &&
	    inode != dir->root && dir->agreed.flags & CF_INIT_SUBMOUNTS) {
		atomic_store(&inode->submount, true);
		out->attr.flags |= CF_ATTR_SUBMOUNT;
	}
}

ssize_t entry_reply(struct op *op)
{
	struct inode *inode;
	struct stat st;
	int ret;

	ret = inode_lookup(op->dir, op->inode, op->name, &inode, &st);
	if (ret < 0)
		return ret;
	entry_fill(op->dir, op->inode, inode, &st, call_out_arg(op->call));
	inode_put(op->dir, inode);
	return sizeof(struct cf_entry_out);
}

/* LOOKUP of "..": a client that exports the file system by NFS asks. */
static ssize_t lookup_parent(struct op *op)
{
	struct inode *inode;
	struct stat st;
	int fd, ret;

	ret = inode_parent_fd(op->dir, op->inode, &fd);
	if (ret == 0)
		ret = inode_adopt(op->dir, fd, NULL, NULL, &inode, &st);
	if (ret < 0)
		return ret;
	entry_fill(op->dir, op->inode, inode, &st, call_out_arg(op->call));
	inode_put(op->dir, inode);
	return sizeof(struct cf_entry_out);
}

ssize_t op_lookup(struct op *op)
{
	const char *name = op->name;

	if (name[0] == '.' && name[1] == '.' && !name[2])
		return lookup_parent(op);
	if (name[0] == '.' && !name[1]) {
		op->name = NULL;
		return entry_reply(op);
	}
	if (!*name || strchr(name, '/'))
		return -EINVAL;
	return entry_reply(op);
}

static void forget(struct dir *dir, uint64_t nodeid, uint64_t nlookup)
{
	struct inode *inode = inode_get(dir, nodeid);

	if (!inode)
		return;
	inode_forget(dir, inode, nlookup);
	inode_put(dir, inode);
}

ssize_t op_forget(struct op *op)
{
	const struct cf_forget_in *in = op->arg;

	forget(op->dir, op->in->nodeid, in->nlookup);
	return 0;
}

ssize_t op_batch_forget(struct op *op)
{
	const struct cf_batch_forget_in *in = op->arg;
	const struct cf_forget_one *one = op->rest;

	if (in->count > op->rest_len / sizeof(*one))
		return -EINVAL;
	for (uint32_t i = 0; i < in->count; i++)
		forget(op->dir, one[i].nodeid, one[i].nlookup);
	return 0;
}
