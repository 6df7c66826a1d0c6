/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fixed part of every message: its fields, and the same once more as runs
 * of equal integers, which is what swapping bytes walks through. A test holds
 * the two against each other. Requests here, replies and
 * notifications in structs_out.h. Included by opcodes.c alone.
 *
 * Single words of padding are numbers here: later minors made fields of them
 * (open_flags, backing_id), and a zero has no byte order. Arrays of spare words
 * are bytes: what will stand in them, in what width, cannot be known.
 */
#ifndef MESSAGE_STRUCTS_H
#define MESSAGE_STRUCTS_H

#include "plan.h"

/* What answers CREATE and TMPFILE. */
struct cf_create_out {
	struct cf_entry_out entry;
	struct cf_open_out open;
};

#define WIDTH(type, field) ((uint8_t)sizeof(((struct cf_##type *)0)->field))
#define FIELD(type, field, kind_, minor_)                                    \
	{                                                                    \
		.name = #field, .offset = offsetof(struct cf_##type, field), \
		.width = WIDTH(type, field), .kind = CROSSFUSE_KIND_##kind_, \
		.minor = minor_                                              \
	}

/* A struct, its name, and the bytes of its shortest form since 7.23. */
#define STRUCT(type, name, shortest)                 \
	static const char type##_name[] = name;      \
	enum {                                       \
		type##_min = shortest,               \
		type##_kind = CROSSFUSE_KIND_NUMBER, \
		type##_kind_at = 0                   \
	}

/* The same with the one field in it that translation changes. */
#define STRUCT_WITH(type, name, shortest, kind, field)             \
	static const char type##_name[] = name;                    \
	enum {                                                     \
		type##_min = shortest,                             \
		type##_kind = CROSSFUSE_KIND_##kind,               \
		type##_kind_at = offsetof(struct cf_##type, field) \
	}

static const struct crossfuse_field forget_in_fields[] = {
	FIELD(forget_in, nlookup, NUMBER, 0),
};
static const struct cf_run forget_in_runs[] = { { 8, 1, 0 } };
STRUCT(forget_in, "fuse_forget_in", sizeof(struct cf_forget_in));

static const struct crossfuse_field batch_forget_in_fields[] = {
	FIELD(batch_forget_in, count, NUMBER, 0),
	FIELD(batch_forget_in, dummy, NUMBER, 0),
};
static const struct cf_run batch_forget_in_runs[] = { { 4, 2, 0 } };
STRUCT(batch_forget_in, "fuse_batch_forget_in",
       sizeof(struct cf_batch_forget_in));

static const struct crossfuse_field getattr_in_fields[] = {
	FIELD(getattr_in, getattr_flags, NUMBER, 0),
	FIELD(getattr_in, dummy, NUMBER, 0),
	FIELD(getattr_in, fh, NUMBER, 0),
};
static const struct cf_run getattr_in_runs[] = { { 4, 2, 0 }, { 8, 1, 8 } };
STRUCT(getattr_in, "fuse_getattr_in", sizeof(struct cf_getattr_in));

static const struct crossfuse_field statx_in_fields[] = {
	FIELD(statx_in, getattr_flags, NUMBER, 0),
	FIELD(statx_in, reserved, NUMBER, 0),
	FIELD(statx_in, fh, NUMBER, 0),
	FIELD(statx_in, sx_flags, NUMBER, 0),
	FIELD(statx_in, sx_mask, NUMBER, 0),
};
static const struct cf_run statx_in_runs[] = { { 4, 2, 0 },
					       { 8, 1, 8 },
					       { 4, 2, 16 } };
STRUCT(statx_in, "fuse_statx_in", sizeof(struct cf_statx_in));

static const struct crossfuse_field mknod_in_fields[] = {
	FIELD(mknod_in, mode, NUMBER, 0),
	FIELD(mknod_in, rdev, NUMBER, 0),
	FIELD(mknod_in, umask, NUMBER, 0),
	FIELD(mknod_in, padding, NUMBER, 0),
};
static const struct cf_run mknod_in_runs[] = { { 4, 4, 0 } };
STRUCT(mknod_in, "fuse_mknod_in", sizeof(struct cf_mknod_in));

static const struct crossfuse_field mkdir_in_fields[] = {
	FIELD(mkdir_in, mode, NUMBER, 0),
	FIELD(mkdir_in, umask, NUMBER, 0),
};
static const struct cf_run mkdir_in_runs[] = { { 4, 2, 0 } };
STRUCT(mkdir_in, "fuse_mkdir_in", sizeof(struct cf_mkdir_in));

static const struct crossfuse_field rename_in_fields[] = {
	FIELD(rename_in, newdir, NUMBER, 0),
};
static const struct cf_run rename_in_runs[] = { { 8, 1, 0 } };
STRUCT(rename_in, "fuse_rename_in", sizeof(struct cf_rename_in));

static const struct crossfuse_field rename2_in_fields[] = {
	FIELD(rename2_in, newdir, NUMBER, 0),
	FIELD(rename2_in, flags, NUMBER, 0),
	FIELD(rename2_in, padding, NUMBER, 0),
};
static const struct cf_run rename2_in_runs[] = { { 8, 1, 0 }, { 4, 2, 8 } };
STRUCT(rename2_in, "fuse_rename2_in", sizeof(struct cf_rename2_in));

static const struct crossfuse_field link_in_fields[] = {
	FIELD(link_in, oldnodeid, NUMBER, 0),
};
static const struct cf_run link_in_runs[] = { { 8, 1, 0 } };
STRUCT(link_in, "fuse_link_in", sizeof(struct cf_link_in));

static const struct crossfuse_field setattr_in_fields[] = {
	FIELD(setattr_in, valid, NUMBER, 0),
	FIELD(setattr_in, padding, NUMBER, 0),
	FIELD(setattr_in, fh, NUMBER, 0),
	FIELD(setattr_in, size, NUMBER, 0),
	FIELD(setattr_in, lock_owner, NUMBER, 0),
	FIELD(setattr_in, atime, NUMBER, 0),
	FIELD(setattr_in, mtime, NUMBER, 0),
	FIELD(setattr_in, ctime, NUMBER, 0),
	FIELD(setattr_in, atimensec, NUMBER, 0),
	FIELD(setattr_in, mtimensec, NUMBER, 0),
	FIELD(setattr_in, ctimensec, NUMBER, 0),
	FIELD(setattr_in, mode, NUMBER, 0),
	FIELD(setattr_in, unused4, NUMBER, 0),
	FIELD(setattr_in, uid, NUMBER, 0),
	FIELD(setattr_in, gid, NUMBER, 0),
	FIELD(setattr_in, unused5, NUMBER, 0),
};
static const struct cf_run setattr_in_runs[] = { { 4, 2, 0 },
						 { 8, 6, 8 },
						 { 4, 8, 56 } };
STRUCT(setattr_in, "fuse_setattr_in", sizeof(struct cf_setattr_in));

static const struct crossfuse_field open_in_fields[] = {
	FIELD(open_in, flags, OPEN_FLAGS, 0),
	FIELD(open_in, open_flags, NUMBER, 33),
};
static const struct cf_run open_in_runs[] = { { 4, 2, 0 } };
STRUCT_WITH(open_in, "fuse_open_in", sizeof(struct cf_open_in), OPEN_FLAGS,
	    flags);

static const struct crossfuse_field create_in_fields[] = {
	FIELD(create_in, flags, OPEN_FLAGS, 0),
	FIELD(create_in, mode, NUMBER, 0),
	FIELD(create_in, umask, NUMBER, 0),
	FIELD(create_in, open_flags, NUMBER, 33),
};
static const struct cf_run create_in_runs[] = { { 4, 4, 0 } };
STRUCT_WITH(create_in, "fuse_create_in", sizeof(struct cf_create_in),
	    OPEN_FLAGS, flags);

static const struct crossfuse_field release_in_fields[] = {
	FIELD(release_in, fh, NUMBER, 0),
	FIELD(release_in, flags, OPEN_FLAGS, 0),
	FIELD(release_in, release_flags, NUMBER, 0),
	FIELD(release_in, lock_owner, NUMBER, 0),
};
static const struct cf_run release_in_runs[] = { { 8, 1, 0 },
						 { 4, 2, 8 },
						 { 8, 1, 16 } };
STRUCT_WITH(release_in, "fuse_release_in", sizeof(struct cf_release_in),
	    OPEN_FLAGS, flags);

static const struct crossfuse_field flush_in_fields[] = {
	FIELD(flush_in, fh, NUMBER, 0),
	FIELD(flush_in, unused, NUMBER, 0),
	FIELD(flush_in, padding, NUMBER, 0),
	FIELD(flush_in, lock_owner, NUMBER, 0),
};
static const struct cf_run flush_in_runs[] = { { 8, 1, 0 },
					       { 4, 2, 8 },
					       { 8, 1, 16 } };
STRUCT(flush_in, "fuse_flush_in", sizeof(struct cf_flush_in));

static const struct crossfuse_field read_in_fields[] = {
	FIELD(read_in, fh, NUMBER, 0),
	FIELD(read_in, offset, NUMBER, 0),
	FIELD(read_in, size, NUMBER, 0),
	FIELD(read_in, read_flags, NUMBER, 0),
	FIELD(read_in, lock_owner, NUMBER, 0),
	FIELD(read_in, flags, OPEN_FLAGS, 0),
	FIELD(read_in, padding, NUMBER, 0),
};
static const struct cf_run read_in_runs[] = {
	{ 8, 2, 0 }, { 4, 2, 16 }, { 8, 1, 24 }, { 4, 2, 32 }
};
STRUCT_WITH(read_in, "fuse_read_in", sizeof(struct cf_read_in), OPEN_FLAGS,
	    flags);

static const struct crossfuse_field write_in_fields[] = {
	FIELD(write_in, fh, NUMBER, 0),
	FIELD(write_in, offset, NUMBER, 0),
	FIELD(write_in, size, NUMBER, 0),
	FIELD(write_in, write_flags, NUMBER, 0),
	FIELD(write_in, lock_owner, NUMBER, 0),
	FIELD(write_in, flags, OPEN_FLAGS, 0),
	FIELD(write_in, padding, NUMBER, 0),
};
static const struct cf_run write_in_runs[] = {
	{ 8, 2, 0 }, { 4, 2, 16 }, { 8, 1, 24 }, { 4, 2, 32 }
};
STRUCT_WITH(write_in, "fuse_write_in", sizeof(struct cf_write_in), OPEN_FLAGS,
	    flags);

static const struct crossfuse_field fsync_in_fields[] = {
	FIELD(fsync_in, fh, NUMBER, 0),
	FIELD(fsync_in, fsync_flags, NUMBER, 0),
	FIELD(fsync_in, padding, NUMBER, 0),
};
static const struct cf_run fsync_in_runs[] = { { 8, 1, 0 }, { 4, 2, 8 } };
STRUCT(fsync_in, "fuse_fsync_in", sizeof(struct cf_fsync_in));

static const struct crossfuse_field setxattr_in_fields[] = {
	FIELD(setxattr_in, size, NUMBER, 0),
	FIELD(setxattr_in, flags, NUMBER, 0),
	FIELD(setxattr_in, setxattr_flags, NUMBER, 33),
	FIELD(setxattr_in, padding, NUMBER, 0),
};
static const struct cf_run setxattr_in_runs[] = { { 4, 4, 0 } };
STRUCT(setxattr_in, "fuse_setxattr_in", CF_COMPAT_SETXATTR_IN_SIZE);

static const struct crossfuse_field getxattr_in_fields[] = {
	FIELD(getxattr_in, size, NUMBER, 0),
	FIELD(getxattr_in, padding, NUMBER, 0),
};
static const struct cf_run getxattr_in_runs[] = { { 4, 2, 0 } };
STRUCT(getxattr_in, "fuse_getxattr_in", sizeof(struct cf_getxattr_in));

static const struct crossfuse_field lk_in_fields[] = {
	FIELD(lk_in, fh, NUMBER, 0),	   FIELD(lk_in, owner, NUMBER, 0),
	FIELD(lk_in, lk.start, NUMBER, 0), FIELD(lk_in, lk.end, NUMBER, 0),
	FIELD(lk_in, lk.type, LOCK, 0),	   FIELD(lk_in, lk.pid, NUMBER, 0),
	FIELD(lk_in, lk_flags, NUMBER, 0), FIELD(lk_in, padding, NUMBER, 0),
};
static const struct cf_run lk_in_runs[] = { { 8, 4, 0 }, { 4, 4, 32 } };
STRUCT_WITH(lk_in, "fuse_lk_in", sizeof(struct cf_lk_in), LOCK, lk.type);

static const struct crossfuse_field access_in_fields[] = {
	FIELD(access_in, mask, NUMBER, 0),
	FIELD(access_in, padding, NUMBER, 0),
};
static const struct cf_run access_in_runs[] = { { 4, 2, 0 } };
STRUCT(access_in, "fuse_access_in", sizeof(struct cf_access_in));

static const struct crossfuse_field init_in_fields[] = {
	FIELD(init_in, major, NUMBER, 0),
	FIELD(init_in, minor, NUMBER, 0),
	FIELD(init_in, max_readahead, NUMBER, 0),
	FIELD(init_in, flags, NUMBER, 0),
	FIELD(init_in, flags2, NUMBER, 36),
	FIELD(init_in, arch_id, NUMBER, 36),
	FIELD(init_in, unused, BYTES, 0),
};
static const struct cf_run init_in_runs[] = { { 4, 6, 0 } };
STRUCT(init_in, "fuse_init_in", CF_COMPAT_INIT_IN_SIZE);

static const struct crossfuse_field cuse_init_in_fields[] = {
	FIELD(cuse_init_in, major, NUMBER, 0),
	FIELD(cuse_init_in, minor, NUMBER, 0),
	FIELD(cuse_init_in, unused, NUMBER, 0),
	FIELD(cuse_init_in, flags, NUMBER, 0),
};
static const struct cf_run cuse_init_in_runs[] = { { 4, 4, 0 } };
STRUCT(cuse_init_in, "cuse_init_in", sizeof(struct cf_cuse_init_in));

static const struct crossfuse_field interrupt_in_fields[] = {
	FIELD(interrupt_in, unique, NUMBER, 0),
};
static const struct cf_run interrupt_in_runs[] = { { 8, 1, 0 } };
STRUCT(interrupt_in, "fuse_interrupt_in", sizeof(struct cf_interrupt_in));

static const struct crossfuse_field bmap_in_fields[] = {
	FIELD(bmap_in, block, NUMBER, 0),
	FIELD(bmap_in, blocksize, NUMBER, 0),
	FIELD(bmap_in, padding, NUMBER, 0),
};
static const struct cf_run bmap_in_runs[] = { { 8, 1, 0 }, { 4, 2, 8 } };
STRUCT(bmap_in, "fuse_bmap_in", sizeof(struct cf_bmap_in));

static const struct crossfuse_field ioctl_in_fields[] = {
	FIELD(ioctl_in, fh, NUMBER, 0),
	FIELD(ioctl_in, flags, NUMBER, 0),
	FIELD(ioctl_in, cmd, IOCTL_CMD, 0),
	FIELD(ioctl_in, arg, NUMBER, 0),
	FIELD(ioctl_in, in_size, NUMBER, 0),
	FIELD(ioctl_in, out_size, NUMBER, 0),
};
static const struct cf_run ioctl_in_runs[] = {
	{ 8, 1, 0 }, { 4, 2, 8 }, { 8, 1, 16 }, { 4, 2, 24 }
};
STRUCT_WITH(ioctl_in, "fuse_ioctl_in", sizeof(struct cf_ioctl_in), IOCTL_CMD,
	    cmd);

static const struct crossfuse_field poll_in_fields[] = {
	FIELD(poll_in, fh, NUMBER, 0),
	FIELD(poll_in, kh, NUMBER, 0),
	FIELD(poll_in, flags, NUMBER, 0),
	FIELD(poll_in, events, POLL, 0),
};
static const struct cf_run poll_in_runs[] = { { 8, 2, 0 }, { 4, 2, 16 } };
STRUCT_WITH(poll_in, "fuse_poll_in", sizeof(struct cf_poll_in), POLL, events);

static const struct crossfuse_field fallocate_in_fields[] = {
	FIELD(fallocate_in, fh, NUMBER, 0),
	FIELD(fallocate_in, offset, NUMBER, 0),
	FIELD(fallocate_in, length, NUMBER, 0),
	FIELD(fallocate_in, mode, NUMBER, 0),
	FIELD(fallocate_in, padding, NUMBER, 0),
};
static const struct cf_run fallocate_in_runs[] = { { 8, 3, 0 }, { 4, 2, 24 } };
STRUCT(fallocate_in, "fuse_fallocate_in", sizeof(struct cf_fallocate_in));

static const struct crossfuse_field lseek_in_fields[] = {
	FIELD(lseek_in, fh, NUMBER, 0),
	FIELD(lseek_in, offset, NUMBER, 0),
	FIELD(lseek_in, whence, NUMBER, 0),
	FIELD(lseek_in, padding, NUMBER, 0),
};
static const struct cf_run lseek_in_runs[] = { { 8, 2, 0 }, { 4, 2, 16 } };
STRUCT(lseek_in, "fuse_lseek_in", sizeof(struct cf_lseek_in));

static const struct crossfuse_field copy_file_range_in_fields[] = {
	FIELD(copy_file_range_in, fh_in, NUMBER, 0),
	FIELD(copy_file_range_in, off_in, NUMBER, 0),
	FIELD(copy_file_range_in, nodeid_out, NUMBER, 0),
	FIELD(copy_file_range_in, fh_out, NUMBER, 0),
	FIELD(copy_file_range_in, off_out, NUMBER, 0),
	FIELD(copy_file_range_in, len, NUMBER, 0),
	FIELD(copy_file_range_in, flags, NUMBER, 0),
};
static const struct cf_run copy_file_range_in_runs[] = { { 8, 7, 0 } };
STRUCT(copy_file_range_in, "fuse_copy_file_range_in",
       sizeof(struct cf_copy_file_range_in));

static const struct crossfuse_field setupmapping_in_fields[] = {
	FIELD(setupmapping_in, fh, NUMBER, 0),
	FIELD(setupmapping_in, foffset, NUMBER, 0),
	FIELD(setupmapping_in, len, NUMBER, 0),
	FIELD(setupmapping_in, flags, NUMBER, 0),
	FIELD(setupmapping_in, moffset, NUMBER, 0),
};
static const struct cf_run setupmapping_in_runs[] = { { 8, 5, 0 } };
STRUCT(setupmapping_in, "fuse_setupmapping_in",
       sizeof(struct cf_setupmapping_in));

static const struct crossfuse_field removemapping_in_fields[] = {
	FIELD(removemapping_in, count, NUMBER, 0),
};
static const struct cf_run removemapping_in_runs[] = { { 4, 1, 0 } };
STRUCT(removemapping_in, "fuse_removemapping_in",
       sizeof(struct cf_removemapping_in));

static const struct crossfuse_field syncfs_in_fields[] = {
	FIELD(syncfs_in, padding, NUMBER, 0),
};
static const struct cf_run syncfs_in_runs[] = { { 8, 1, 0 } };
STRUCT(syncfs_in, "fuse_syncfs_in", sizeof(struct cf_syncfs_in));

static const struct crossfuse_field notify_retrieve_in_fields[] = {
	FIELD(notify_retrieve_in, dummy1, NUMBER, 0),
	FIELD(notify_retrieve_in, offset, NUMBER, 0),
	FIELD(notify_retrieve_in, size, NUMBER, 0),
	FIELD(notify_retrieve_in, dummy2, NUMBER, 0),
	FIELD(notify_retrieve_in, dummy3, NUMBER, 0),
	FIELD(notify_retrieve_in, dummy4, NUMBER, 0),
};
static const struct cf_run notify_retrieve_in_runs[] = { { 8, 2, 0 },
							 { 4, 2, 16 },
							 { 8, 2, 24 } };
STRUCT(notify_retrieve_in, "fuse_notify_retrieve_in",
       sizeof(struct cf_notify_retrieve_in));

#endif
