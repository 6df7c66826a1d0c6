// SPDX-License-Identifier: BSD-2-Clause
/* The contents of files: reading, writing, extended attributes, ioctls. */
#include "memfs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Flags that F_SETFL changes, and those that are of open() only */
#define CHANGED \
	(C_O_APPEND | C_O_NONBLOCK | C_O_ASYNC | C_O_DIRECT | C_O_NOATIME)
#define OPENING (C_O_CREAT | C_O_EXCL | C_O_NOCTTY | C_O_TRUNC)

/* Canonical numbers of FS_IOC_GETFLAGS and FS_IOC_SETFLAGS of 64 bits */
#define C_GETFLAGS 0x80086601u
#define C_SETFLAGS 0x40086602u
#define C_GETXATTR 0x801c581fu /* FS_IOC_FSGETXATTR: asked for before that */
#define C_ECHO	   0xc0107801u /* of our own: _IOWR('x', 1, char[16]) */

#define KEEP_SIZE  0x1u
#define PUNCH_HOLE 0x2u
#define ZERO_RANGE 0x10u

#define HELD 16

/* Reads of slow files that have not been answered yet */
static struct {
	uint64_t unique;
	uint32_t size;
} held[HELD];

static struct node *opened(uint64_t fh, uint32_t flags, bool zero)
{
	struct open_file *f;

	if (fh >= MEMFS_FILES || !files[fh].used)
		return NULL;
	f = &files[fh];
	if (!(zero && !flags) &&
	    ((flags ^ f->flags) & ~(CHANGED | OPENING)) != 0)
		memfs_fail("opcode %u: flags %#x of a file opened with %#x",
			   msg.in.opcode, flags, f->flags);
	return &nodes[f->node];
}

int64_t memfs_open(uint32_t id, uint32_t flags)
{
	struct node *n = &nodes[id];

	/*
	 * A 64-bit kernel sets it for all of its programs; for its own ioctls
	 * it opens a file without any flag.
	 */
	if ((flags && !(flags & C_O_LARGEFILE)) || flags & ~0x07ffffe3u)
		memfs_fail("opcode %u: flags %#x", msg.in.opcode, flags);
	for (uint32_t i = 0; i < MEMFS_FILES; i++) {
		if (files[i].used)
			continue;
		files[i].used = true;
		files[i].node = id;
		files[i].flags = flags;
		n->open++;
		if (flags & C_O_TRUNC && S_ISREG(n->mode)) {
			memfs_truncate(n, 0);
			memfs_touch(n, true);
		}
		return i;
	}
	return -C_ENOSPC;
}

void memfs_release(void)
{
	struct fuse_release_in *in = &msg.u.release;
	struct node *n = opened(in->fh, in->flags, false);

	if (!n) {
		memfs_error(C_EBADF);
		return;
	}
	files[in->fh].used = false;
	for (struct lock **l = &n->locks; *l;) {
		struct lock *old = *l;

		if (old->flock && old->owner == in->lock_owner &&
		    in->release_flags & FUSE_RELEASE_FLOCK_UNLOCK) {
			*l = old->next;
			free(old);
		} else {
			l = &old->next;
		}
	}
	n->open--;
	memfs_drop(files[in->fh].node);
	memfs_reply(NULL, 0);
}

static bool reserve(struct node *n, uint64_t size)
{
	unsigned char *p;

	if (size <= n->allocated)
		return true;
	p = realloc(n->data, size);
	if (!p)
		return false;
	memset(p + n->allocated, 0, size - n->allocated);
	n->data = p;
	n->allocated = size;
	return true;
}

bool memfs_truncate(struct node *n, uint64_t size)
{
	if (size > MEMFS_SIZE || !reserve(n, size))
		return false;
	if (size < n->size)
		memset(n->data + size, 0, n->size - size);
	n->size = size;
	return true;
}

static void answer_read(uint64_t unique, struct node *n, uint64_t offset,
			uint32_t size)
{
	uint64_t left = offset < n->size ? n->size - offset : 0;

	if (size > left)
		size = (uint32_t)left;
	memfs_reply_to(unique, 0, size ? n->data + offset : NULL, size);
}

void memfs_read(void)
{
	struct fuse_read_in *in = &msg.u.read;
	struct node *n = opened(in->fh, in->flags, false);

	if (!n) {
		memfs_error(C_EBADF);
		return;
	}
	for (size_t i = 0; n->slow && i < HELD; i++)
		if (!held[i].unique) {
			held[i].unique = msg.in.unique;
			held[i].size = in->size;
			return;
		}
	answer_read(msg.in.unique, n, in->offset, in->size);
}

void memfs_write(void)
{
	struct fuse_write_in *in = &msg.u.write;
	struct node *n =
		opened(in->fh, in->flags, in->write_flags & FUSE_WRITE_CACHE);
	struct fuse_write_out out = { .size = in->size };
	const char *data = msg.u.data + sizeof(*in);

	if (!n || msg.in.len - sizeof(msg.in) - sizeof(*in) < in->size) {
		memfs_error(n ? C_EIO : C_EBADF);
		return;
	}
	if (in->offset > MEMFS_SIZE || in->size > MEMFS_SIZE - in->offset) {
		memfs_error(C_EDQUOT);
		return;
	}
	if (!reserve(n, in->offset + in->size)) {
		memfs_error(C_ENOSPC);
		return;
	}
	memcpy(n->data + in->offset, data, in->size);
	if (n->size < in->offset + in->size)
		n->size = in->offset + in->size;
	memfs_touch(n, true);
	memfs_reply(&out, sizeof(out));
}

void memfs_fallocate(void)
{
	struct fuse_fallocate_in *in = &msg.u.fallocate;
	struct node *n = opened(in->fh, 0, true);
	uint64_t end, old;

	if (!n || in->mode & ~(KEEP_SIZE | PUNCH_HOLE | ZERO_RANGE)) {
		memfs_error(n ? C_EOPNOTSUPP : C_EBADF);
		return;
	}
	if (in->offset > MEMFS_SIZE || in->length > MEMFS_SIZE - in->offset) {
		memfs_error(C_EFBIG);
		return;
	}
	end = in->offset + in->length;
	if (!reserve(n, end)) {
		memfs_error(C_ENOSPC);
		return;
	}
	old = n->size;
	if (!(in->mode & KEEP_SIZE) && end > old)
		n->size = end;
	if (in->mode & (PUNCH_HOLE | ZERO_RANGE))
		memset(n->data + in->offset, 0, in->length);
	memfs_touch(n, true);
	memfs_reply(NULL, 0);
}

bool memfs_waiting(void)
{
	for (size_t i = 0; i < HELD; i++)
		if (held[i].unique)
			return true;
	return false;
}

void memfs_tick(void)
{
	static const char data[4096];

	for (size_t i = 0; i < HELD; i++)
		if (held[i].unique) {
			uint64_t unique = held[i].unique;

			held[i].unique = 0;
			memfs_reply_to(unique, 0, data,
				       held[i].size < 4096 ? held[i].size
							   : 4096);
			return;
		}
}

/* One in two of what waits hears of it; the other gets its data later. */
bool memfs_interrupted(uint64_t unique)
{
	static unsigned int turn;

	for (size_t i = 0; i < HELD; i++)
		if (held[i].unique == unique && turn++ % 2) {
			held[i].unique = 0;
			memfs_reply_to(unique, C_EINTR, NULL, 0);
			return true;
		}
	return false;
}

void memfs_ioctl(void)
{
	struct fuse_ioctl_in *in = &msg.u.ioctl;
	struct node *n = memfs_node(msg.in.nodeid);
	struct {
		struct fuse_ioctl_out out;
		union {
			uint64_t flags;
			char echo[16];
			char fsxattr[28];
		} u;
	} reply = { 0 };
	const char *data = msg.u.data + sizeof(*in);
	size_t size = msg.in.len - sizeof(msg.in) - sizeof(*in);

	if (n && in->cmd == C_GETFLAGS && in->out_size >= 4 &&
	    in->out_size <= sizeof(reply.u)) {
		/* The kernel's own use of it has only four bytes */
		reply.u.flags = n->flags;
		memfs_reply(&reply, sizeof(reply.out) + in->out_size);
	} else if (n && in->cmd == C_GETXATTR && in->out_size == 28) {
		memfs_reply(&reply, sizeof(reply.out) + 28);
	} else if (n && in->cmd == C_SETFLAGS && size >= 4) {
		memcpy(&n->flags, data, 4);
		memfs_reply(&reply, sizeof(reply.out));
	} else if (n && in->cmd == C_ECHO && size == 16) {
		memcpy(reply.u.echo, data, 16);
		/* The first byte says what the result is to be */
		reply.out.result = -(int)(unsigned char)data[0];
		memfs_reply(&reply,
			    sizeof(reply.out) + (reply.out.result ? 0 : 16));
	} else {
		memfs_error(C_ENOTTY);
	}
}

/* Ready for what is asked; all bits have the canonical value of this client */
void memfs_poll(void)
{
	const struct fuse_poll_in *in = (const void *)msg.u.data;
	/* POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM */
	struct fuse_poll_out out = { .revents = in->events & 0x0145u };

	memfs_reply(&out, sizeof(out));
}

static struct xattr **find(struct node *n, const char *name)
{
	struct xattr **x = &n->xattrs;

	while (*x && strcmp((*x)->name, name))
		x = &(*x)->next;
	return x;
}

void memfs_setxattr(void)
{
	struct fuse_setxattr_in *in = &msg.u.setxattr;
	struct node *n = memfs_node(msg.in.nodeid);
	/* Without FUSE_SETXATTR_EXT the structure is the old, short one */
	const char *name = memfs_string(FUSE_COMPAT_SETXATTR_IN_SIZE);
	struct xattr **x, *new;
	size_t offset;

	if (!n || !name || strlen(name) >= MEMFS_NAME) {
		memfs_error(n ? C_ERANGE : C_ENOENT);
		return;
	}
	offset = FUSE_COMPAT_SETXATTR_IN_SIZE + strlen(name) + 1;
	if (msg.in.len - sizeof(msg.in) < offset + in->size) {
		memfs_error(C_EIO);
		return;
	}
	x = find(n, name);
	if (in->flags & 1 && *x) { /* XATTR_CREATE */
		memfs_error(C_EEXIST);
		return;
	}
	if (in->flags & 2 && !*x) { /* XATTR_REPLACE */
		memfs_error(C_ENODATA);
		return;
	}
	new = calloc(1, sizeof(*new) + in->size);
	if (!new) {
		memfs_error(C_ENOSPC);
		return;
	}
	strcpy(new->name, name);
	new->size = in->size;
	memcpy(new->value, msg.u.data + offset, in->size);
	new->next = *x ? (*x)->next : NULL;
	free(*x);
	*x = new;
	memfs_touch(n, false);
	memfs_reply(NULL, 0);
}

/* A value, or its size if that is what is asked for */
static void give(const void *data, size_t size)
{
	struct fuse_getxattr_out out = { .size = (uint32_t)size };

	if (!msg.u.getxattr.size)
		memfs_reply(&out, sizeof(out));
	else if (msg.u.getxattr.size < size)
		memfs_error(C_ERANGE);
	else
		memfs_reply(data, size);
}

void memfs_getxattr(void)
{
	struct node *n = memfs_node(msg.in.nodeid);
	const char *name = memfs_string(sizeof(msg.u.getxattr));
	struct xattr *x = n && name ? *find(n, name) : NULL;

	if (x)
		give(x->value, x->size);
	else
		memfs_error(C_ENODATA);
}

void memfs_listxattr(void)
{
	struct node *n = memfs_node(msg.in.nodeid);
	static char list[4096];
	size_t size = 0;

	for (struct xattr *x = n ? n->xattrs : NULL; x; x = x->next) {
		size_t len = strlen(x->name) + 1;

		if (size + len > sizeof(list))
			break;
		memcpy(list + size, x->name, len);
		size += len;
	}
	give(list, size);
}

void memfs_removexattr(void)
{
	struct node *n = memfs_node(msg.in.nodeid);
	const char *name = memfs_string(0);
	struct xattr **x = n && name ? find(n, name) : NULL, *old;

	if (!x || !*x) {
		memfs_error(C_ENODATA);
		return;
	}
	old = *x;
	*x = old->next;
	free(old);
	memfs_reply(NULL, 0);
}
