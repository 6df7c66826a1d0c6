// SPDX-License-Identifier: BSD-2-Clause
#include "client.h"
#include "session.h"
#include <crossfuse/wire.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Bytes of replies, section 7.3. */
#define ENTRY_SIZE  128U
#define ATTR_SIZE   104U
#define OPEN_SIZE   16U
#define WRITE_SIZE  8U
#define STATFS_SIZE 80U

/* What READDIR may fill: little, so that it takes more than one. */
#define PIECE 1024U
/* A listing ends after so many of them, whatever the server says. */
#define PIECES_MAX 256U

struct listing probe_listing[8];

const char *new_name(struct probe *probe, char name[32])
{
	snprintf(name, 32, "f%u", probe->serial++);
	return name;
}

static int entry(struct probe *probe, uint64_t *ret_nodeid)
{
	int ret = talk(probe, ENTRY_SIZE, ENTRY_SIZE);

	if (ret == 0)
		*ret_nodeid = reply_u64(probe, 0);
	return ret;
}

int do_lookup(struct probe *probe, uint64_t parent, const char *name,
	      uint64_t *ret_nodeid)
{
	begin_request(probe, CF_LOOKUP, parent);
	put_name(probe, name);
	return entry(probe, ret_nodeid);
}

int do_mkdir(struct probe *probe, uint64_t parent, const char *name,
	     uint32_t mode, uint64_t *ret_nodeid)
{
	begin_request(probe, CF_MKDIR, parent);
	put_u32(probe, mode);
	put_u32(probe, 0); /* umask */
	put_name(probe, name);
	return entry(probe, ret_nodeid);
}

int do_symlink(struct probe *probe, uint64_t parent, const char *name,
	       const char *target, uint64_t *ret_nodeid)
{
	begin_request(probe, CF_SYMLINK, parent);
	put_name(probe, name);
	put_name(probe, target);
	return entry(probe, ret_nodeid);
}

int do_unlink(struct probe *probe, uint64_t parent, const char *name)
{
	begin_request(probe, CF_UNLINK, parent);
	put_name(probe, name);
	return talk(probe, 0, 0);
}

int do_rmdir(struct probe *probe, uint64_t parent, const char *name)
{
	begin_request(probe, CF_RMDIR, parent);
	put_name(probe, name);
	return talk(probe, 0, 0);
}

int do_create(struct probe *probe, uint64_t parent, const char *name,
	      uint32_t flags, struct file *ret_file)
{
	int ret;

	begin_request(probe, CF_CREATE, parent);
	put_u32(probe, flags);
	put_u32(probe, 0100644);
	put_u32(probe, 0); /* umask */
	put_u32(probe, 0);
	put_name(probe, name);
	ret = talk(probe, ENTRY_SIZE + OPEN_SIZE, ENTRY_SIZE + OPEN_SIZE);
	if (ret == 0)
		*ret_file = (struct file){
			.nodeid = reply_u64(probe, 0),
			.fh = reply_u64(probe, ENTRY_SIZE),
		};
	return ret;
}

static int open_as(struct probe *probe, uint32_t opcode, uint64_t nodeid,
		   uint32_t flags, uint64_t *ret_fh)
{
	int ret;

	begin_request(probe, opcode, nodeid);
	put_u32(probe, flags);
	put_u32(probe, 0);
	ret = talk(probe, OPEN_SIZE, OPEN_SIZE);
	if (ret == 0)
		*ret_fh = reply_u64(probe, 0);
	return ret;
}

int do_open(struct probe *probe, uint64_t nodeid, uint32_t flags,
	    uint64_t *ret_fh)
{
	return open_as(probe, CF_OPEN, nodeid, flags, ret_fh);
}

/* A kernel whose long has 64 bits always sets O_LARGEFILE. */
uint32_t client_flags(const struct probe *probe, uint32_t canonical)
{
	if (crossfuse_abi_long_bits(probe->abi) == 64)
		canonical |= CANON_O_LARGEFILE;
	return open_value(probe, canonical);
}

int do_opendir(struct probe *probe, uint64_t nodeid, uint64_t *ret_fh)
{
	return open_as(probe, CF_OPENDIR, nodeid,
		       client_flags(probe, CANON_O_DIRECTORY), ret_fh);
}

static int release_as(struct probe *probe, uint32_t opcode,
		      const struct file *file)
{
	begin_request(probe, opcode, file->nodeid);
	put_u64(probe, file->fh);
	put_zeros(probe, 16);
	return talk(probe, 0, 0);
}

int do_release(struct probe *probe, const struct file *file)
{
	return release_as(probe, CF_RELEASE, file);
}

int do_releasedir(struct probe *probe, const struct file *file)
{
	return release_as(probe, CF_RELEASEDIR, file);
}

int do_write(struct probe *probe, const struct file *file, uint64_t offset,
	     const void *data, size_t len, uint32_t flags)
{
	int ret;

	begin_request(probe, CF_WRITE, file->nodeid);
	put_u64(probe, file->fh);
	put_u64(probe, offset);
	put_u32(probe, (uint32_t)len);
	put_u32(probe, 0);
	put_u64(probe, 0);
	put_u32(probe, flags);
	put_u32(probe, 0);
	put_bytes(probe, data, len);
	ret = talk(probe, WRITE_SIZE, WRITE_SIZE);
	/* Less than all is no answer that the probe could go on with. */
	if (ret == 0 && reply_u32(probe, 0) != len)
		return 5; /* EIO, the same everywhere */
	return ret;
}

static int read_as(struct probe *probe, uint32_t opcode,
		   const struct file *file, uint64_t offset, size_t len)
{
	begin_request(probe, opcode, file->nodeid);
	put_u64(probe, file->fh);
	put_u64(probe, offset);
	put_u32(probe, (uint32_t)len);
	put_zeros(probe, 20);
	return talk(probe, 0, len);
}

int do_read(struct probe *probe, const struct file *file, uint64_t offset,
	    size_t len)
{
	return read_as(probe, CF_READ, file, offset, len);
}

int do_getattr(struct probe *probe, uint64_t nodeid)
{
	begin_request(probe, CF_GETATTR, nodeid);
	put_zeros(probe, 16);
	return talk(probe, ATTR_SIZE, ATTR_SIZE);
}

int do_getsize(struct probe *probe, uint64_t nodeid, uint64_t *ret_size)
{
	int ret = do_getattr(probe, nodeid);

	if (ret == 0)
		*ret_size = reply_u64(probe, 24);
	return ret;
}

int do_statfs(struct probe *probe)
{
	begin_request(probe, CF_STATFS, CF_ROOT_ID);
	return talk(probe, STATFS_SIZE, STATFS_SIZE);
}

int do_setxattr(struct probe *probe, uint64_t nodeid, const char *name,
		const void *value, size_t len, uint32_t flags)
{
	begin_request(probe, CF_SETXATTR, nodeid);
	put_u32(probe, (uint32_t)len);
	put_u32(probe, flags);
	if (probe->flags & SETXATTR_EXT)
		put_zeros(probe, 8);
	put_name(probe, name);
	put_bytes(probe, value, len);
	return talk(probe, 0, 0);
}

int do_getxattr(struct probe *probe, uint64_t nodeid, const char *name,
		size_t len)
{
	begin_request(probe, CF_GETXATTR, nodeid);
	put_u32(probe, (uint32_t)len);
	put_u32(probe, 0);
	put_name(probe, name);
	return len ? talk(probe, 0, len) : talk(probe, 8, 8);
}

int make_file(struct probe *probe, const char *name, const void *data,
	      size_t len, uint64_t *ret_nodeid)
{
	uint32_t flags = client_flags(probe, CANON_O_CREAT | CANON_O_EXCL |
						     CANON_O_RDWR);
	struct file file = { 0 };
	int ret;

	ret = do_create(probe, probe->dir, name, flags, &file);
	if (ret)
		return ret;
	if (len)
		ret = do_write(probe, &file, 0, data, len,
			       client_flags(probe, CANON_O_RDWR));
	if (ret == 0)
		ret = do_release(probe, &file);
	if (ret == 0)
		*ret_nodeid = file.nodeid;
	return ret;
}

int make_open_file(struct probe *probe, const void *data, size_t len,
		   uint32_t flags, struct file *ret_file)
{
	char name[32];
	int ret;

	*ret_file = (struct file){ 0 };
	ret = make_file(probe, new_name(probe, name), data, len,
			&ret_file->nodeid);
	if (ret)
		return ret;
	return do_open(probe, ret_file->nodeid, client_flags(probe, flags),
		       &ret_file->fh);
}

/* Takes one record apart. Its length; 0: it is wrong, and FAULT says how. */
static size_t take_record(struct probe *probe, size_t at, bool plus,
			  struct listing *listing, uint64_t *ret_offset)
{
	size_t left = reply_size(probe) - at, head = plus ? 152 : 24, len;
	size_t dirent = at + head - 24;
	uint32_t namelen;

	if (left < head) {
		listing->fault = "a record is cut short";
		return 0;
	}
	namelen = reply_u32(probe, dirent + 16);
	len = (head + (size_t)namelen + 7) & ~(size_t)7;
	if (namelen == 0 || namelen > 255)
		listing->fault = "a name has no length that a name can have";
	else if (len > left)
		listing->fault = "a record is cut short";
	else if (memchr(reply_bytes(probe) + at + head, 0, namelen))
		listing->fault = "a name contains a NUL";
	if (listing->fault)
		return 0;
	if (listing->count < LISTING_MAX) {
		unsigned int i = listing->count++;

		memcpy(listing->names[i], reply_bytes(probe) + at + head,
		       namelen);
		listing->names[i][namelen] = 0;
		listing->types[i] = reply_u32(probe, dirent + 20);
		listing->nodeids[i] = plus ? reply_u64(probe, at) : 0;
	}
	*ret_offset = reply_u64(probe, dirent + 8);
	return len;
}

int list_directory(struct probe *probe, uint64_t nodeid,
		   struct listing *listing, bool plus)
{
	uint32_t opcode = plus ? CF_READDIRPLUS : CF_READDIR;
	struct file dir = { .nodeid = nodeid };
	uint64_t offset = 0;
	int ret;

	listing->count = 0;
	listing->fault = NULL;
	ret = do_opendir(probe, nodeid, &dir.fh);
	if (ret)
		return ret;
	for (unsigned int i = 0; i < PIECES_MAX; i++) {
		ret = read_as(probe, opcode, &dir, offset, PIECE);
		if (ret || reply_size(probe) == 0)
			break;
		for (size_t at = 0; at < reply_size(probe);) {
			size_t len =
				take_record(probe, at, plus, listing, &offset);

			if (len == 0)
				break;
			at += len;
		}
		if (listing->fault)
			break;
	}
	if (ret)
		return ret;
	return do_releasedir(probe, &dir);
}
