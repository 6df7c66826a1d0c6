// SPDX-License-Identifier: BSD-2-Clause
/* Names, attributes and directories of the file system in memory. */
#include "memfs_names.h"
#include "memfs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NOREPLACE  1u
#define EXCHANGE   2u
#define OP_TMPFILE 51

static uint64_t generation;

static uint32_t new_node(uint32_t mode)
{
	for (uint32_t i = FUSE_ROOT_ID + 1; i < MEMFS_NODES; i++) {
		struct node *n = &nodes[i];

		if (n->used)
			continue;
		memset(n, 0, sizeof(*n));
		n->used = true;
		n->mode = mode;
		n->nlink = S_ISDIR(mode) ? 2 : 1;
		n->uid = msg.in.uid;
		n->gid = msg.in.gid;
		n->generation = ++generation;
		memfs_touch(n, true);
		n->time[0] = n->time[1];
		return i;
	}
	return 0;
}

/* A node goes when neither names, nor the kernel, nor open files have it. */
void memfs_drop(uint32_t id)
{
	struct node *n = &nodes[id];

	if (id == FUSE_ROOT_ID || n->nlink || n->lookups || n->open)
		return;
	while (n->xattrs) {
		struct xattr *x = n->xattrs;

		n->xattrs = x->next;
		free(x);
	}
	while (n->locks) {
		struct lock *l = n->locks;

		n->locks = l->next;
		free(l);
	}
	free(n->data);
	n->data = NULL;
	n->used = false;
}

void memfs_forget(uint64_t id, uint64_t count)
{
	struct node *n = memfs_node(id);

	if (!n)
		return;
	if (count > n->lookups)
		memfs_fail("node %u: %u lookups, %u forgotten", (unsigned)id,
			   (unsigned)n->lookups, (unsigned)count);
	n->lookups -= count < n->lookups ? count : n->lookups;
	memfs_drop((uint32_t)id);
}

static struct dirent_node **find(struct node *dir, const char *name)
{
	struct dirent_node **d = &dir->entries;

	while (*d && strcmp((*d)->name, name))
		d = &(*d)->next;
	return d;
}

/* New names come last, so that a directory can be read while it changes. */
static bool add(struct node *dir, uint32_t id, const char *name)
{
	struct dirent_node **d = &dir->entries;
	struct dirent_node *new = calloc(1, sizeof(*new));

	if (!new)
		return false;
	while (*d)
		d = &(*d)->next;
	new->node = id;
	new->cookie = ++dir->next_cookie;
	strcpy(new->name, name);
	*d = new;
	memfs_touch(dir, true);
	return true;
}

static void cut(struct node *dir, struct dirent_node **d)
{
	struct dirent_node *old = *d;

	*d = old->next;
	free(old);
	memfs_touch(dir, true);
}

/* The directory of a request and a name in it; false if it was answered */
static bool where(uint64_t id, const char *name, struct node **ret_dir)
{
	struct node *dir = memfs_node(id);

	if (!dir || !S_ISDIR(dir->mode) || !name)
		memfs_error(dir ? C_ENOTDIR : C_ENOENT);
	else if (strlen(name) >= MEMFS_NAME)
		memfs_error(C_ENAMETOOLONG);
	else if (!dir->nlink)
		memfs_error(C_ENOENT);
	else
		return *ret_dir = dir, true;
	return false;
}

static void stamp(uint64_t time, uint64_t *sec, uint32_t *nsec)
{
	*sec = time / 1000000000u;
	*nsec = (uint32_t)(time % 1000000000u);
}

void memfs_attr(uint32_t id, struct fuse_attr *attr)
{
	struct node *n = &nodes[id];

	memset(attr, 0, sizeof(*attr));
	attr->ino = id;
	attr->size = n->size;
	attr->blocks = (n->allocated + 511) / 512;
	attr->mode = n->mode;
	attr->nlink = n->nlink;
	attr->uid = n->uid;
	attr->gid = n->gid;
	attr->blksize = 4096;
	stamp(n->time[0], &attr->atime, &attr->atimensec);
	stamp(n->time[1], &attr->mtime, &attr->mtimensec);
	stamp(n->time[2], &attr->ctime, &attr->ctimensec);
}

static void entry(uint32_t id, struct fuse_entry_out *out)
{
	memset(out, 0, sizeof(*out));
	out->nodeid = id;
	out->generation = nodes[id].generation;
	/* Short, so that the kernel asks again now and then */
	out->attr_valid_nsec = 300000000;
	out->entry_valid_nsec = 300000000;
	memfs_attr(id, &out->attr);
	nodes[id].lookups++;
}

static void reply_entry(uint32_t id)
{
	struct fuse_entry_out out;

	entry(id, &out);
	memfs_reply(&out, sizeof(out));
}

void memfs_lookup(void)
{
	const char *name = memfs_string(0);
	struct dirent_node *d;
	struct node *dir;

	if (!where(msg.in.nodeid, name, &dir))
		return;
	d = *find(dir, name);
	if (d)
		reply_entry(d->node);
	else
		memfs_error(C_ENOENT);
}

static void reply_attr(uint64_t id)
{
	struct fuse_attr_out out = { .attr_valid_nsec = 300000000 };

	memfs_attr((uint32_t)id, &out.attr);
	memfs_reply(&out, sizeof(out));
}

void memfs_getattr(void)
{
	if (memfs_node(msg.in.nodeid))
		reply_attr(msg.in.nodeid);
	else
		memfs_error(C_ENOENT);
}

void memfs_setattr(void)
{
	struct fuse_setattr_in *in = &msg.u.setattr;
	struct node *n = memfs_node(msg.in.nodeid);

	if (!n) {
		memfs_error(C_ENOENT);
		return;
	}
	if (in->valid & FATTR_SIZE && !memfs_truncate(n, in->size)) {
		memfs_error(C_EFBIG);
		return;
	}
	memfs_touch(n, in->valid & FATTR_SIZE);
	if (in->valid & FATTR_MODE)
		n->mode = (n->mode & S_IFMT) | (in->mode & 07777);
	if (in->valid & FATTR_UID)
		n->uid = in->uid;
	if (in->valid & FATTR_GID)
		n->gid = in->gid;
	if (in->valid & FATTR_ATIME)
		n->time[0] = in->atime * 1000000000u + in->atimensec;
	if (in->valid & FATTR_MTIME)
		n->time[1] = in->mtime * 1000000000u + in->mtimensec;
	reply_attr(msg.in.nodeid);
}

/* Make a node with a name; 0 if that was answered with an error */
static uint32_t make(const char *name, uint32_t mode)
{
	struct node *dir;
	uint32_t id;

	if (!where(msg.in.nodeid, name, &dir))
		return 0;
	if (*find(dir, name)) {
		memfs_error(C_EEXIST);
		return 0;
	}
	id = new_node(mode);
	if (!id || !add(dir, id, name)) {
		if (id)
			nodes[id].used = false;
		memfs_error(C_ENOSPC);
		return 0;
	}
	nodes[id].parent = (uint32_t)msg.in.nodeid;
	nodes[id].slow = !strncmp(name, "slow", 4);
	if (S_ISDIR(mode))
		dir->nlink++;
	return id;
}

void memfs_mknod(void)
{
	bool is_dir = msg.in.opcode == FUSE_MKDIR;
	size_t size = is_dir ? sizeof(msg.u.mkdir) : sizeof(msg.u.mknod);
	uint32_t mode = is_dir ? S_IFDIR | (msg.u.mkdir.mode & 07777)
			       : msg.u.mknod.mode;
	const char *name = memfs_string(size);
	uint32_t id;

	/* The number goes out as it is, whether there is such an error or not */
	if (name && !strncmp(name, "error-", 6)) {
		memfs_error(atoi(name + 6));
		return;
	}
	id = make(name, mode);
	if (id)
		reply_entry(id);
}

void memfs_symlink(void)
{
	const char *name = memfs_string(0);
	const char *target = name ? memfs_string(strlen(name) + 1) : NULL;
	uint32_t id;

	if (!target) {
		memfs_error(C_EINVAL);
		return;
	}
	id = make(name, S_IFLNK | 0777);
	if (!id)
		return;
	nodes[id].data = (unsigned char *)strdup(target);
	nodes[id].size = strlen(target);
	reply_entry(id);
}

void memfs_readlink(void)
{
	struct node *n = memfs_node(msg.in.nodeid);

	if (n && S_ISLNK(n->mode) && n->data)
		memfs_reply(n->data, n->size);
	else
		memfs_error(n ? C_EINVAL : C_ENOENT);
}

void memfs_create(void)
{
	struct fuse_create_in *in = &msg.u.create;
	bool unnamed = msg.in.opcode == OP_TMPFILE;
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out = { 0 };
	uint32_t id;
	int64_t fh;

	if (!unnamed && !(in->flags & C_O_CREAT))
		memfs_fail("CREATE with flags %#x", in->flags);
	if (unnamed) {
		id = new_node(in->mode);
		if (!id)
			memfs_error(C_ENOSPC);
		else
			nodes[id].nlink = 0;
	} else {
		id = make(memfs_string(sizeof(*in)), in->mode);
	}
	if (!id)
		return;
	fh = memfs_open(id, in->flags);
	if (fh < 0) {
		memfs_error((int)-fh);
		return;
	}
	entry(id, &out.entry);
	out.open.fh = (uint64_t)fh;
	memfs_reply(&out, sizeof(out));
}

void memfs_link(void)
{
	const char *name = memfs_string(sizeof(msg.u.link));
	struct node *n = memfs_node(msg.u.link.oldnodeid), *dir;

	if (!where(msg.in.nodeid, name, &dir))
		return;
	if (!n || *find(dir, name)) {
		memfs_error(n ? C_EEXIST : C_ENOENT);
		return;
	}
	if (!add(dir, (uint32_t)msg.u.link.oldnodeid, name)) {
		memfs_error(C_ENOSPC);
		return;
	}
	n->nlink++;
	memfs_touch(n, false);
	reply_entry((uint32_t)msg.u.link.oldnodeid);
}

/* Take a name away; a canonical error if it has to stay */
static int take(struct node *dir, struct dirent_node **d, bool is_dir)
{
	struct node *n = &nodes[(*d)->node];
	uint32_t id = (*d)->node;

	if (is_dir != S_ISDIR(n->mode))
		return is_dir ? C_ENOTDIR : C_EISDIR;
	if (is_dir && n->entries)
		return C_ENOTEMPTY;
	cut(dir, d);
	n->nlink -= is_dir ? 2 : 1;
	dir->nlink -= is_dir;
	memfs_touch(n, false);
	memfs_drop(id);
	return 0;
}

void memfs_unlink(void)
{
	const char *name = memfs_string(0);
	struct dirent_node **d;
	struct node *dir;

	if (!where(msg.in.nodeid, name, &dir))
		return;
	d = find(dir, name);
	memfs_error(*d ? take(dir, d, msg.in.opcode == FUSE_RMDIR) : C_ENOENT);
}

/* The kernel has seen to it that no directory goes into itself. */
static int move(struct node *from, const char *old, struct node *to,
		const char *new, uint32_t flags)
{
	struct dirent_node **s = find(from, old), **d = find(to, new);
	uint32_t id, to_id = (uint32_t)(to - nodes);
	bool is_dir;
	int error;

	if (!*s || (flags & EXCHANGE && !*d))
		return C_ENOENT;
	id = (*s)->node;
	is_dir = S_ISDIR(nodes[id].mode);
	if (flags & EXCHANGE) {
		bool other = S_ISDIR(nodes[(*d)->node].mode);

		(*s)->node = (*d)->node;
		(*d)->node = id;
		from->nlink += (uint32_t)other - (uint32_t)is_dir;
		to->nlink += (uint32_t)is_dir - (uint32_t)other;
		nodes[(*s)->node].parent = (uint32_t)(from - nodes);
		nodes[id].parent = to_id;
		return 0;
	}
	if (*d && flags & NOREPLACE)
		return C_EEXIST;
	if (*d && (*d)->node == id)
		return 0;
	if (*d) {
		error = take(to, d, is_dir);
		if (error)
			return error;
	}
	if (!add(to, id, new))
		return C_ENOSPC;
	cut(from, find(from, old));
	from->nlink -= is_dir;
	to->nlink += is_dir;
	nodes[id].parent = to_id;
	memfs_touch(&nodes[id], false);
	return 0;
}

void memfs_rename(void)
{
	bool second = msg.in.opcode == FUSE_RENAME2;
	size_t size = second ? sizeof(struct fuse_rename2_in)
			     : sizeof(struct fuse_rename_in);
	const char *old = memfs_string(size);
	const char *new = old ? memfs_string(size + strlen(old) + 1) : NULL;
	uint32_t flags = second ? msg.u.rename.flags : 0;
	struct node *from, *to;

	if (!where(msg.in.nodeid, old, &from) ||
	    !where(msg.u.rename.newdir, new, &to))
		return;
	if (flags & ~(NOREPLACE | EXCHANGE))
		memfs_error(C_EINVAL);
	else
		memfs_error(move(from, old, to, new, flags));
}

void memfs_do_open(void)
{
	struct node *n = memfs_node(msg.in.nodeid);
	bool is_dir = msg.in.opcode == FUSE_OPENDIR;
	struct fuse_open_out out = { 0 };
	int64_t fh;

	if (!n || is_dir != S_ISDIR(n->mode)) {
		memfs_error(n ? C_EINVAL : C_ENOENT);
		return;
	}
	fh = memfs_open((uint32_t)msg.in.nodeid, msg.u.open.flags);
	if (fh < 0) {
		memfs_error((int)-fh);
		return;
	}
	out.fh = (uint64_t)fh;
	/* What waits in the server must not be in the kernel's cache. */
	if (n->slow)
		out.open_flags = FOPEN_DIRECT_IO;
	memfs_reply(&out, sizeof(out));
}

void memfs_readdir(void)
{
	struct node *dir = memfs_node(msg.in.nodeid);
	bool plus = msg.in.opcode == FUSE_READDIRPLUS;
	static char buf[65536];
	size_t size = msg.u.read.size, used = 0;

	if (!dir || !S_ISDIR(dir->mode)) {
		memfs_error(C_ENOTDIR);
		return;
	}
	if (size > sizeof(buf))
		size = sizeof(buf);
	for (struct dirent_node *d = dir->entries; d; d = d->next) {
		size_t len = strlen(d->name);
		size_t head = plus ? sizeof(struct fuse_entry_out) : 0;
		size_t all = head + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + len);
		struct fuse_dirent out = {
			.ino = d->node,
			.off = d->cookie,
			.namelen = (uint32_t)len,
			.type = nodes[d->node].mode >> 12,
		};

		if (d->cookie <= msg.u.read.offset)
			continue;
		if (used + all > size)
			break;
		memset(buf + used, 0, all);
		if (plus)
			entry(d->node,
			      (struct fuse_entry_out *)(void *)(buf + used));
		memcpy(buf + used + head, &out, FUSE_NAME_OFFSET);
		memcpy(buf + used + head + FUSE_NAME_OFFSET, d->name, len);
		used += all;
	}
	memfs_reply(buf, used);
}
