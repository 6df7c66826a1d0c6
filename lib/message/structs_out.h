/* SPDX-License-Identifier: BSD-2-Clause */
/* The fixed parts of replies and notifications; see structs.h. */
#ifndef MESSAGE_STRUCTS_OUT_H
#define MESSAGE_STRUCTS_OUT_H

#include "structs.h"

static const struct crossfuse_field entry_out_fields[] = {
	FIELD(entry_out, nodeid, NUMBER, 0),
	FIELD(entry_out, generation, NUMBER, 0),
	FIELD(entry_out, entry_valid, NUMBER, 0),
	FIELD(entry_out, attr_valid, NUMBER, 0),
	FIELD(entry_out, entry_valid_nsec, NUMBER, 0),
	FIELD(entry_out, attr_valid_nsec, NUMBER, 0),
	FIELD(entry_out, attr.ino, NUMBER, 0),
	FIELD(entry_out, attr.size, NUMBER, 0),
	FIELD(entry_out, attr.blocks, NUMBER, 0),
	FIELD(entry_out, attr.atime, NUMBER, 0),
	FIELD(entry_out, attr.mtime, NUMBER, 0),
	FIELD(entry_out, attr.ctime, NUMBER, 0),
	FIELD(entry_out, attr.atimensec, NUMBER, 0),
	FIELD(entry_out, attr.mtimensec, NUMBER, 0),
	FIELD(entry_out, attr.ctimensec, NUMBER, 0),
	FIELD(entry_out, attr.mode, NUMBER, 0),
	FIELD(entry_out, attr.nlink, NUMBER, 0),
	FIELD(entry_out, attr.uid, NUMBER, 0),
	FIELD(entry_out, attr.gid, NUMBER, 0),
	FIELD(entry_out, attr.rdev, NUMBER, 0),
	FIELD(entry_out, attr.blksize, NUMBER, 0),
	FIELD(entry_out, attr.flags, NUMBER, 32),
};
static const struct cf_run entry_out_runs[] = {
	{ 8, 4, 0 }, { 4, 2, 32 }, { 8, 6, 40 }, { 4, 10, 88 }
};
STRUCT(entry_out, "fuse_entry_out", sizeof(struct cf_entry_out));

static const struct crossfuse_field attr_out_fields[] = {
	FIELD(attr_out, attr_valid, NUMBER, 0),
	FIELD(attr_out, attr_valid_nsec, NUMBER, 0),
	FIELD(attr_out, dummy, NUMBER, 0),
	FIELD(attr_out, attr.ino, NUMBER, 0),
	FIELD(attr_out, attr.size, NUMBER, 0),
	FIELD(attr_out, attr.blocks, NUMBER, 0),
	FIELD(attr_out, attr.atime, NUMBER, 0),
	FIELD(attr_out, attr.mtime, NUMBER, 0),
	FIELD(attr_out, attr.ctime, NUMBER, 0),
	FIELD(attr_out, attr.atimensec, NUMBER, 0),
	FIELD(attr_out, attr.mtimensec, NUMBER, 0),
	FIELD(attr_out, attr.ctimensec, NUMBER, 0),
	FIELD(attr_out, attr.mode, NUMBER, 0),
	FIELD(attr_out, attr.nlink, NUMBER, 0),
	FIELD(attr_out, attr.uid, NUMBER, 0),
	FIELD(attr_out, attr.gid, NUMBER, 0),
	FIELD(attr_out, attr.rdev, NUMBER, 0),
	FIELD(attr_out, attr.blksize, NUMBER, 0),
	FIELD(attr_out, attr.flags, NUMBER, 32),
};
static const struct cf_run attr_out_runs[] = {
	{ 8, 1, 0 }, { 4, 2, 8 }, { 8, 6, 16 }, { 4, 10, 64 }
};
STRUCT(attr_out, "fuse_attr_out", sizeof(struct cf_attr_out));

static const struct crossfuse_field statx_out_fields[] = {
	FIELD(statx_out, attr_valid, NUMBER, 0),
	FIELD(statx_out, attr_valid_nsec, NUMBER, 0),
	FIELD(statx_out, flags, NUMBER, 0),
	FIELD(statx_out, spare, BYTES, 0),
	FIELD(statx_out, stat.mask, NUMBER, 0),
	FIELD(statx_out, stat.blksize, NUMBER, 0),
	FIELD(statx_out, stat.attributes, NUMBER, 0),
	FIELD(statx_out, stat.nlink, NUMBER, 0),
	FIELD(statx_out, stat.uid, NUMBER, 0),
	FIELD(statx_out, stat.gid, NUMBER, 0),
	FIELD(statx_out, stat.mode, NUMBER, 0),
	FIELD(statx_out, stat.spare0, BYTES, 0),
	FIELD(statx_out, stat.ino, NUMBER, 0),
	FIELD(statx_out, stat.size, NUMBER, 0),
	FIELD(statx_out, stat.blocks, NUMBER, 0),
	FIELD(statx_out, stat.attributes_mask, NUMBER, 0),
	FIELD(statx_out, stat.atime.tv_sec, NUMBER, 0),
	FIELD(statx_out, stat.atime.tv_nsec, NUMBER, 0),
	FIELD(statx_out, stat.atime.reserved, NUMBER, 0),
	FIELD(statx_out, stat.btime.tv_sec, NUMBER, 0),
	FIELD(statx_out, stat.btime.tv_nsec, NUMBER, 0),
	FIELD(statx_out, stat.btime.reserved, NUMBER, 0),
	FIELD(statx_out, stat.ctime.tv_sec, NUMBER, 0),
	FIELD(statx_out, stat.ctime.tv_nsec, NUMBER, 0),
	FIELD(statx_out, stat.ctime.reserved, NUMBER, 0),
	FIELD(statx_out, stat.mtime.tv_sec, NUMBER, 0),
	FIELD(statx_out, stat.mtime.tv_nsec, NUMBER, 0),
	FIELD(statx_out, stat.mtime.reserved, NUMBER, 0),
	FIELD(statx_out, stat.rdev_major, NUMBER, 0),
	FIELD(statx_out, stat.rdev_minor, NUMBER, 0),
	FIELD(statx_out, stat.dev_major, NUMBER, 0),
	FIELD(statx_out, stat.dev_minor, NUMBER, 0),
	FIELD(statx_out, stat.spare2, BYTES, 0),
};
static const struct cf_run statx_out_runs[] = {
	{ 8, 1, 0 },   { 4, 2, 8 },   { 4, 2, 32 },  { 8, 1, 40 },
	{ 4, 3, 48 },  { 2, 1, 60 },  { 8, 5, 64 },  { 4, 2, 104 },
	{ 8, 1, 112 }, { 4, 2, 120 }, { 8, 1, 128 }, { 4, 2, 136 },
	{ 8, 1, 144 }, { 4, 6, 152 }
};
STRUCT(statx_out, "fuse_statx_out", sizeof(struct cf_statx_out));

static const struct crossfuse_field open_out_fields[] = {
	FIELD(open_out, fh, NUMBER, 0),
	FIELD(open_out, open_flags, NUMBER, 0),
	FIELD(open_out, backing_id, NUMBER, 40),
};
static const struct cf_run open_out_runs[] = { { 8, 1, 0 }, { 4, 2, 8 } };
STRUCT(open_out, "fuse_open_out", sizeof(struct cf_open_out));

static const struct crossfuse_field create_out_fields[] = {
	FIELD(create_out, entry.nodeid, NUMBER, 0),
	FIELD(create_out, entry.generation, NUMBER, 0),
	FIELD(create_out, entry.entry_valid, NUMBER, 0),
	FIELD(create_out, entry.attr_valid, NUMBER, 0),
	FIELD(create_out, entry.entry_valid_nsec, NUMBER, 0),
	FIELD(create_out, entry.attr_valid_nsec, NUMBER, 0),
	FIELD(create_out, entry.attr.ino, NUMBER, 0),
	FIELD(create_out, entry.attr.size, NUMBER, 0),
	FIELD(create_out, entry.attr.blocks, NUMBER, 0),
	FIELD(create_out, entry.attr.atime, NUMBER, 0),
	FIELD(create_out, entry.attr.mtime, NUMBER, 0),
	FIELD(create_out, entry.attr.ctime, NUMBER, 0),
	FIELD(create_out, entry.attr.atimensec, NUMBER, 0),
	FIELD(create_out, entry.attr.mtimensec, NUMBER, 0),
	FIELD(create_out, entry.attr.ctimensec, NUMBER, 0),
	FIELD(create_out, entry.attr.mode, NUMBER, 0),
	FIELD(create_out, entry.attr.nlink, NUMBER, 0),
	FIELD(create_out, entry.attr.uid, NUMBER, 0),
	FIELD(create_out, entry.attr.gid, NUMBER, 0),
	FIELD(create_out, entry.attr.rdev, NUMBER, 0),
	FIELD(create_out, entry.attr.blksize, NUMBER, 0),
	FIELD(create_out, entry.attr.flags, NUMBER, 32),
	FIELD(create_out, open.fh, NUMBER, 0),
	FIELD(create_out, open.open_flags, NUMBER, 0),
	FIELD(create_out, open.backing_id, NUMBER, 40),
};
static const struct cf_run create_out_runs[] = { { 8, 4, 0 },	{ 4, 2, 32 },
						 { 8, 6, 40 },	{ 4, 10, 88 },
						 { 8, 1, 128 }, { 4, 2, 136 } };
STRUCT(create_out, "fuse_entry_out, fuse_open_out",
       sizeof(struct cf_create_out));

static const struct crossfuse_field write_out_fields[] = {
	FIELD(write_out, size, NUMBER, 0),
	FIELD(write_out, padding, NUMBER, 0),
};
static const struct cf_run write_out_runs[] = { { 4, 2, 0 } };
STRUCT(write_out, "fuse_write_out", sizeof(struct cf_write_out));

static const struct crossfuse_field statfs_out_fields[] = {
	FIELD(statfs_out, st.blocks, NUMBER, 0),
	FIELD(statfs_out, st.bfree, NUMBER, 0),
	FIELD(statfs_out, st.bavail, NUMBER, 0),
	FIELD(statfs_out, st.files, NUMBER, 0),
	FIELD(statfs_out, st.ffree, NUMBER, 0),
	FIELD(statfs_out, st.bsize, NUMBER, 0),
	FIELD(statfs_out, st.namelen, NUMBER, 0),
	FIELD(statfs_out, st.frsize, NUMBER, 0),
	FIELD(statfs_out, st.padding, NUMBER, 0),
	FIELD(statfs_out, st.spare, BYTES, 0),
};
static const struct cf_run statfs_out_runs[] = { { 8, 5, 0 }, { 4, 4, 40 } };
STRUCT(statfs_out, "fuse_statfs_out", sizeof(struct cf_statfs_out));

static const struct crossfuse_field getxattr_out_fields[] = {
	FIELD(getxattr_out, size, NUMBER, 0),
	FIELD(getxattr_out, padding, NUMBER, 0),
};
static const struct cf_run getxattr_out_runs[] = { { 4, 2, 0 } };
STRUCT(getxattr_out, "fuse_getxattr_out", sizeof(struct cf_getxattr_out));

static const struct crossfuse_field lk_out_fields[] = {
	FIELD(lk_out, lk.start, NUMBER, 0),
	FIELD(lk_out, lk.end, NUMBER, 0),
	FIELD(lk_out, lk.type, LOCK, 0),
	FIELD(lk_out, lk.pid, NUMBER, 0),
};
static const struct cf_run lk_out_runs[] = { { 8, 2, 0 }, { 4, 2, 16 } };
STRUCT_WITH(lk_out, "fuse_lk_out", sizeof(struct cf_lk_out), LOCK, lk.type);

static const struct crossfuse_field init_out_fields[] = {
	FIELD(init_out, major, NUMBER, 0),
	FIELD(init_out, minor, NUMBER, 0),
	FIELD(init_out, max_readahead, NUMBER, 0),
	FIELD(init_out, flags, NUMBER, 0),
	FIELD(init_out, max_background, NUMBER, 0),
	FIELD(init_out, congestion_threshold, NUMBER, 0),
	FIELD(init_out, max_write, NUMBER, 0),
	FIELD(init_out, time_gran, NUMBER, 0),
	FIELD(init_out, max_pages, PAGES, 28),
	FIELD(init_out, map_alignment, NUMBER, 31),
	FIELD(init_out, flags2, NUMBER, 36),
	FIELD(init_out, max_stack_depth, NUMBER, 40),
	FIELD(init_out, request_timeout, NUMBER, 43),
	FIELD(init_out, unused, BYTES, 0),
};
static const struct cf_run init_out_runs[] = { { 4, 4, 0 },  { 2, 2, 16 },
					       { 4, 2, 20 }, { 2, 2, 28 },
					       { 4, 2, 32 }, { 2, 1, 40 } };
STRUCT_WITH(init_out, "fuse_init_out", CF_COMPAT_INIT_OUT_SIZE, PAGES,
	    max_pages);

static const struct crossfuse_field cuse_init_out_fields[] = {
	FIELD(cuse_init_out, major, NUMBER, 0),
	FIELD(cuse_init_out, minor, NUMBER, 0),
	FIELD(cuse_init_out, unused, NUMBER, 0),
	FIELD(cuse_init_out, flags, NUMBER, 0),
	FIELD(cuse_init_out, max_read, NUMBER, 0),
	FIELD(cuse_init_out, max_write, NUMBER, 0),
	FIELD(cuse_init_out, dev_major, NUMBER, 0),
	FIELD(cuse_init_out, dev_minor, NUMBER, 0),
	FIELD(cuse_init_out, spare, BYTES, 0),
};
static const struct cf_run cuse_init_out_runs[] = { { 4, 8, 0 } };
STRUCT(cuse_init_out, "cuse_init_out", sizeof(struct cf_cuse_init_out));

static const struct crossfuse_field bmap_out_fields[] = {
	FIELD(bmap_out, block, NUMBER, 0),
};
static const struct cf_run bmap_out_runs[] = { { 8, 1, 0 } };
STRUCT(bmap_out, "fuse_bmap_out", sizeof(struct cf_bmap_out));

static const struct crossfuse_field ioctl_out_fields[] = {
	FIELD(ioctl_out, result, ERRNO, 0),
	FIELD(ioctl_out, flags, NUMBER, 0),
	FIELD(ioctl_out, in_iovs, NUMBER, 0),
	FIELD(ioctl_out, out_iovs, NUMBER, 0),
};
static const struct cf_run ioctl_out_runs[] = { { 4, 4, 0 } };
STRUCT_WITH(ioctl_out, "fuse_ioctl_out", sizeof(struct cf_ioctl_out), ERRNO,
	    result);

static const struct crossfuse_field poll_out_fields[] = {
	FIELD(poll_out, revents, POLL, 0),
	FIELD(poll_out, padding, NUMBER, 0),
};
static const struct cf_run poll_out_runs[] = { { 4, 2, 0 } };
STRUCT_WITH(poll_out, "fuse_poll_out", sizeof(struct cf_poll_out), POLL,
	    revents);

static const struct crossfuse_field lseek_out_fields[] = {
	FIELD(lseek_out, offset, NUMBER, 0),
};
static const struct cf_run lseek_out_runs[] = { { 8, 1, 0 } };
STRUCT(lseek_out, "fuse_lseek_out", sizeof(struct cf_lseek_out));

static const struct crossfuse_field copy_file_range_out_fields[] = {
	FIELD(copy_file_range_out, bytes_copied, NUMBER, 0),
};
static const struct cf_run copy_file_range_out_runs[] = { { 8, 1, 0 } };
STRUCT(copy_file_range_out, "fuse_copy_file_range_out",
       sizeof(struct cf_copy_file_range_out));

static const struct crossfuse_field notify_poll_wakeup_out_fields[] = {
	FIELD(notify_poll_wakeup_out, kh, NUMBER, 0),
};
static const struct cf_run notify_poll_wakeup_out_runs[] = { { 8, 1, 0 } };
STRUCT(notify_poll_wakeup_out, "fuse_notify_poll_wakeup_out",
       sizeof(struct cf_notify_poll_wakeup_out));

static const struct crossfuse_field notify_inval_inode_out_fields[] = {
	FIELD(notify_inval_inode_out, ino, NUMBER, 0),
	FIELD(notify_inval_inode_out, off, NUMBER, 0),
	FIELD(notify_inval_inode_out, len, NUMBER, 0),
};
static const struct cf_run notify_inval_inode_out_runs[] = { { 8, 3, 0 } };
STRUCT(notify_inval_inode_out, "fuse_notify_inval_inode_out",
       sizeof(struct cf_notify_inval_inode_out));

static const struct crossfuse_field notify_inval_entry_out_fields[] = {
	FIELD(notify_inval_entry_out, parent, NUMBER, 0),
	FIELD(notify_inval_entry_out, namelen, NUMBER, 0),
	FIELD(notify_inval_entry_out, flags, NUMBER, 38),
};
static const struct cf_run notify_inval_entry_out_runs[] = { { 8, 1, 0 },
							     { 4, 2, 8 } };
STRUCT(notify_inval_entry_out, "fuse_notify_inval_entry_out",
       sizeof(struct cf_notify_inval_entry_out));

static const struct crossfuse_field notify_delete_out_fields[] = {
	FIELD(notify_delete_out, parent, NUMBER, 0),
	FIELD(notify_delete_out, child, NUMBER, 0),
	FIELD(notify_delete_out, namelen, NUMBER, 0),
	FIELD(notify_delete_out, padding, NUMBER, 0),
};
static const struct cf_run notify_delete_out_runs[] = { { 8, 2, 0 },
							{ 4, 2, 16 } };
STRUCT(notify_delete_out, "fuse_notify_delete_out",
       sizeof(struct cf_notify_delete_out));

static const struct crossfuse_field notify_store_out_fields[] = {
	FIELD(notify_store_out, nodeid, NUMBER, 0),
	FIELD(notify_store_out, offset, NUMBER, 0),
	FIELD(notify_store_out, size, NUMBER, 0),
	FIELD(notify_store_out, padding, NUMBER, 0),
};
static const struct cf_run notify_store_out_runs[] = { { 8, 2, 0 },
						       { 4, 2, 16 } };
STRUCT(notify_store_out, "fuse_notify_store_out",
       sizeof(struct cf_notify_store_out));

static const struct crossfuse_field notify_retrieve_out_fields[] = {
	FIELD(notify_retrieve_out, notify_unique, NUMBER, 0),
	FIELD(notify_retrieve_out, nodeid, NUMBER, 0),
	FIELD(notify_retrieve_out, offset, NUMBER, 0),
	FIELD(notify_retrieve_out, size, NUMBER, 0),
	FIELD(notify_retrieve_out, padding, NUMBER, 0),
};
static const struct cf_run notify_retrieve_out_runs[] = { { 8, 3, 0 },
							  { 4, 2, 24 } };
STRUCT(notify_retrieve_out, "fuse_notify_retrieve_out",
       sizeof(struct cf_notify_retrieve_out));

static const struct crossfuse_field notify_prune_out_fields[] = {
	FIELD(notify_prune_out, count, NUMBER, 0),
	FIELD(notify_prune_out, padding, NUMBER, 0),
	FIELD(notify_prune_out, spare, NUMBER, 0),
};
static const struct cf_run notify_prune_out_runs[] = { { 4, 2, 0 },
						       { 8, 1, 8 } };
STRUCT(notify_prune_out, "fuse_notify_prune_out",
       sizeof(struct cf_notify_prune_out));

#endif
