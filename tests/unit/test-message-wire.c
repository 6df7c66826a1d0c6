/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crossfuse/wire.h against linux/fuse.h, as far as the installed one goes:
 * sizes, offsets, widths and constants.
 */
#include "check.h"
#include <crossfuse/wire.h>
#include <linux/fuse.h>
#include <stddef.h>

/* Flags have a sign in there, and bit 31 would fill up the upper half. */
#define BITS(value) \
	((uint64_t)(value) & (sizeof(value) < 8 ? UINT32_MAX : UINT64_MAX))
#define SAME(ours, theirs) CHECK_EQ(BITS(ours), BITS(theirs))
#define SIZE(ours, theirs) \
	CHECK_EQ(sizeof(struct cf_##ours), sizeof(struct theirs))
#define WIDTH(type, field) sizeof(((struct type *)0)->field)
#define FIELD_AS(ours, theirs, field, their_field)       \
	(CHECK_EQ(offsetof(struct cf_##ours, field),     \
		  offsetof(struct theirs, their_field)), \
	 CHECK_EQ(WIDTH(cf_##ours, field), WIDTH(theirs, their_field)))
#define FIELD(ours, theirs, field) FIELD_AS(ours, theirs, field, field)
#define OFFSET(ours, theirs, field)                 \
	CHECK_EQ(offsetof(struct cf_##ours, field), \
		 offsetof(struct theirs, field))

static void test_structs(void)
{
	SIZE(attr, fuse_attr);
	FIELD(attr, fuse_attr, ino);
	FIELD(attr, fuse_attr, size);
	FIELD(attr, fuse_attr, blocks);
	FIELD(attr, fuse_attr, atime);
	FIELD(attr, fuse_attr, mtime);
	FIELD(attr, fuse_attr, ctime);
	FIELD(attr, fuse_attr, atimensec);
	FIELD(attr, fuse_attr, mtimensec);
	FIELD(attr, fuse_attr, ctimensec);
	FIELD(attr, fuse_attr, mode);
	FIELD(attr, fuse_attr, nlink);
	FIELD(attr, fuse_attr, uid);
	FIELD(attr, fuse_attr, gid);
	FIELD(attr, fuse_attr, rdev);
	FIELD(attr, fuse_attr, blksize);
	FIELD(attr, fuse_attr, flags);
	SIZE(kstatfs, fuse_kstatfs);
	FIELD(kstatfs, fuse_kstatfs, blocks);
	FIELD(kstatfs, fuse_kstatfs, bfree);
	FIELD(kstatfs, fuse_kstatfs, bavail);
	FIELD(kstatfs, fuse_kstatfs, files);
	FIELD(kstatfs, fuse_kstatfs, ffree);
	FIELD(kstatfs, fuse_kstatfs, bsize);
	FIELD(kstatfs, fuse_kstatfs, namelen);
	FIELD(kstatfs, fuse_kstatfs, frsize);
	FIELD(kstatfs, fuse_kstatfs, padding);
	FIELD(kstatfs, fuse_kstatfs, spare);
	SIZE(file_lock, fuse_file_lock);
	FIELD(file_lock, fuse_file_lock, start);
	FIELD(file_lock, fuse_file_lock, end);
	FIELD(file_lock, fuse_file_lock, type);
	FIELD(file_lock, fuse_file_lock, pid);
	SIZE(in_header, fuse_in_header);
	FIELD(in_header, fuse_in_header, len);
	FIELD(in_header, fuse_in_header, opcode);
	FIELD(in_header, fuse_in_header, unique);
	FIELD(in_header, fuse_in_header, nodeid);
	FIELD(in_header, fuse_in_header, uid);
	FIELD(in_header, fuse_in_header, gid);
	FIELD(in_header, fuse_in_header, pid);
	SIZE(out_header, fuse_out_header);
	FIELD(out_header, fuse_out_header, len);
	FIELD(out_header, fuse_out_header, error);
	FIELD(out_header, fuse_out_header, unique);
	SIZE(entry_out, fuse_entry_out);
	FIELD(entry_out, fuse_entry_out, nodeid);
	FIELD(entry_out, fuse_entry_out, generation);
	FIELD(entry_out, fuse_entry_out, entry_valid);
	FIELD(entry_out, fuse_entry_out, attr_valid);
	FIELD(entry_out, fuse_entry_out, entry_valid_nsec);
	FIELD(entry_out, fuse_entry_out, attr_valid_nsec);
	FIELD(entry_out, fuse_entry_out, attr);
	SIZE(forget_in, fuse_forget_in);
	FIELD(forget_in, fuse_forget_in, nlookup);
	SIZE(forget_one, fuse_forget_one);
	FIELD(forget_one, fuse_forget_one, nodeid);
	FIELD(forget_one, fuse_forget_one, nlookup);
	SIZE(batch_forget_in, fuse_batch_forget_in);
	FIELD(batch_forget_in, fuse_batch_forget_in, count);
	FIELD(batch_forget_in, fuse_batch_forget_in, dummy);
}

static void test_structs_inode(void)
{
	SIZE(getattr_in, fuse_getattr_in);
	FIELD(getattr_in, fuse_getattr_in, getattr_flags);
	FIELD(getattr_in, fuse_getattr_in, dummy);
	FIELD(getattr_in, fuse_getattr_in, fh);
	SIZE(attr_out, fuse_attr_out);
	FIELD(attr_out, fuse_attr_out, attr_valid);
	FIELD(attr_out, fuse_attr_out, attr_valid_nsec);
	FIELD(attr_out, fuse_attr_out, dummy);
	FIELD(attr_out, fuse_attr_out, attr);
	SIZE(mknod_in, fuse_mknod_in);
	FIELD(mknod_in, fuse_mknod_in, mode);
	FIELD(mknod_in, fuse_mknod_in, rdev);
	FIELD(mknod_in, fuse_mknod_in, umask);
	FIELD(mknod_in, fuse_mknod_in, padding);
	SIZE(mkdir_in, fuse_mkdir_in);
	FIELD(mkdir_in, fuse_mkdir_in, mode);
	FIELD(mkdir_in, fuse_mkdir_in, umask);
	SIZE(rename_in, fuse_rename_in);
	FIELD(rename_in, fuse_rename_in, newdir);
	SIZE(rename2_in, fuse_rename2_in);
	FIELD(rename2_in, fuse_rename2_in, newdir);
	FIELD(rename2_in, fuse_rename2_in, flags);
	FIELD(rename2_in, fuse_rename2_in, padding);
	SIZE(link_in, fuse_link_in);
	FIELD(link_in, fuse_link_in, oldnodeid);
	SIZE(setattr_in, fuse_setattr_in);
	FIELD(setattr_in, fuse_setattr_in, valid);
	FIELD(setattr_in, fuse_setattr_in, padding);
	FIELD(setattr_in, fuse_setattr_in, fh);
	FIELD(setattr_in, fuse_setattr_in, size);
	FIELD(setattr_in, fuse_setattr_in, lock_owner);
	FIELD(setattr_in, fuse_setattr_in, atime);
	FIELD(setattr_in, fuse_setattr_in, mtime);
	FIELD(setattr_in, fuse_setattr_in, ctime);
	FIELD(setattr_in, fuse_setattr_in, atimensec);
	FIELD(setattr_in, fuse_setattr_in, mtimensec);
	FIELD(setattr_in, fuse_setattr_in, ctimensec);
	FIELD(setattr_in, fuse_setattr_in, mode);
	FIELD(setattr_in, fuse_setattr_in, unused4);
	FIELD(setattr_in, fuse_setattr_in, uid);
	FIELD(setattr_in, fuse_setattr_in, gid);
	FIELD(setattr_in, fuse_setattr_in, unused5);
	SIZE(open_in, fuse_open_in);
	FIELD(open_in, fuse_open_in, flags);
	FIELD(open_in, fuse_open_in, open_flags);
	SIZE(create_in, fuse_create_in);
	FIELD(create_in, fuse_create_in, flags);
	FIELD(create_in, fuse_create_in, mode);
	FIELD(create_in, fuse_create_in, umask);
	FIELD(create_in, fuse_create_in, open_flags);
	SIZE(open_out, fuse_open_out);
	FIELD(open_out, fuse_open_out, fh);
	FIELD(open_out, fuse_open_out, open_flags);
	SIZE(release_in, fuse_release_in);
	FIELD(release_in, fuse_release_in, fh);
	FIELD(release_in, fuse_release_in, flags);
	FIELD(release_in, fuse_release_in, release_flags);
	FIELD(release_in, fuse_release_in, lock_owner);
	SIZE(flush_in, fuse_flush_in);
	FIELD(flush_in, fuse_flush_in, fh);
	FIELD(flush_in, fuse_flush_in, unused);
	FIELD(flush_in, fuse_flush_in, padding);
	FIELD(flush_in, fuse_flush_in, lock_owner);
	SIZE(read_in, fuse_read_in);
	FIELD(read_in, fuse_read_in, fh);
	FIELD(read_in, fuse_read_in, offset);
	FIELD(read_in, fuse_read_in, size);
	FIELD(read_in, fuse_read_in, read_flags);
	FIELD(read_in, fuse_read_in, lock_owner);
	FIELD(read_in, fuse_read_in, flags);
	FIELD(read_in, fuse_read_in, padding);
	SIZE(write_in, fuse_write_in);
	FIELD(write_in, fuse_write_in, fh);
	FIELD(write_in, fuse_write_in, offset);
	FIELD(write_in, fuse_write_in, size);
	FIELD(write_in, fuse_write_in, write_flags);
	FIELD(write_in, fuse_write_in, lock_owner);
	FIELD(write_in, fuse_write_in, flags);
	FIELD(write_in, fuse_write_in, padding);
	SIZE(write_out, fuse_write_out);
	FIELD(write_out, fuse_write_out, size);
	FIELD(write_out, fuse_write_out, padding);
	SIZE(statfs_out, fuse_statfs_out);
	FIELD(statfs_out, fuse_statfs_out, st);
	SIZE(fsync_in, fuse_fsync_in);
	FIELD(fsync_in, fuse_fsync_in, fh);
	FIELD(fsync_in, fuse_fsync_in, fsync_flags);
	FIELD(fsync_in, fuse_fsync_in, padding);
	SIZE(setxattr_in, fuse_setxattr_in);
	FIELD(setxattr_in, fuse_setxattr_in, size);
	FIELD(setxattr_in, fuse_setxattr_in, flags);
	FIELD(setxattr_in, fuse_setxattr_in, setxattr_flags);
	FIELD(setxattr_in, fuse_setxattr_in, padding);
	SIZE(getxattr_in, fuse_getxattr_in);
	FIELD(getxattr_in, fuse_getxattr_in, size);
	FIELD(getxattr_in, fuse_getxattr_in, padding);
	SIZE(getxattr_out, fuse_getxattr_out);
	FIELD(getxattr_out, fuse_getxattr_out, size);
	FIELD(getxattr_out, fuse_getxattr_out, padding);
}

static void test_structs_init(void)
{
	SIZE(lk_in, fuse_lk_in);
	FIELD(lk_in, fuse_lk_in, fh);
	FIELD(lk_in, fuse_lk_in, owner);
	FIELD(lk_in, fuse_lk_in, lk);
	FIELD(lk_in, fuse_lk_in, lk_flags);
	FIELD(lk_in, fuse_lk_in, padding);
	SIZE(lk_out, fuse_lk_out);
	FIELD(lk_out, fuse_lk_out, lk);
	SIZE(access_in, fuse_access_in);
	FIELD(access_in, fuse_access_in, mask);
	FIELD(access_in, fuse_access_in, padding);
	SIZE(init_in, fuse_init_in);
	FIELD(init_in, fuse_init_in, major);
	FIELD(init_in, fuse_init_in, minor);
	FIELD(init_in, fuse_init_in, max_readahead);
	FIELD(init_in, fuse_init_in, flags);
	FIELD(init_in, fuse_init_in, flags2);
	SIZE(init_out, fuse_init_out);
	FIELD(init_out, fuse_init_out, major);
	FIELD(init_out, fuse_init_out, minor);
	FIELD(init_out, fuse_init_out, max_readahead);
	FIELD(init_out, fuse_init_out, flags);
	FIELD(init_out, fuse_init_out, max_background);
	FIELD(init_out, fuse_init_out, congestion_threshold);
	FIELD(init_out, fuse_init_out, max_write);
	FIELD(init_out, fuse_init_out, time_gran);
	FIELD(init_out, fuse_init_out, max_pages);
	FIELD(init_out, fuse_init_out, map_alignment);
	FIELD(init_out, fuse_init_out, flags2);
	SIZE(cuse_init_in, cuse_init_in);
	FIELD(cuse_init_in, cuse_init_in, major);
	FIELD(cuse_init_in, cuse_init_in, minor);
	FIELD(cuse_init_in, cuse_init_in, unused);
	FIELD(cuse_init_in, cuse_init_in, flags);
	SIZE(cuse_init_out, cuse_init_out);
	FIELD(cuse_init_out, cuse_init_out, major);
	FIELD(cuse_init_out, cuse_init_out, minor);
	FIELD(cuse_init_out, cuse_init_out, unused);
	FIELD(cuse_init_out, cuse_init_out, flags);
	FIELD(cuse_init_out, cuse_init_out, max_read);
	FIELD(cuse_init_out, cuse_init_out, max_write);
	FIELD(cuse_init_out, cuse_init_out, dev_major);
	FIELD(cuse_init_out, cuse_init_out, dev_minor);
	FIELD(cuse_init_out, cuse_init_out, spare);
	SIZE(interrupt_in, fuse_interrupt_in);
	FIELD(interrupt_in, fuse_interrupt_in, unique);
	SIZE(bmap_in, fuse_bmap_in);
	FIELD(bmap_in, fuse_bmap_in, block);
	FIELD(bmap_in, fuse_bmap_in, blocksize);
	FIELD(bmap_in, fuse_bmap_in, padding);
	SIZE(bmap_out, fuse_bmap_out);
	FIELD(bmap_out, fuse_bmap_out, block);
}

static void test_structs_special(void)
{
	SIZE(ioctl_in, fuse_ioctl_in);
	FIELD(ioctl_in, fuse_ioctl_in, fh);
	FIELD(ioctl_in, fuse_ioctl_in, flags);
	FIELD(ioctl_in, fuse_ioctl_in, cmd);
	FIELD(ioctl_in, fuse_ioctl_in, arg);
	FIELD(ioctl_in, fuse_ioctl_in, in_size);
	FIELD(ioctl_in, fuse_ioctl_in, out_size);
	SIZE(ioctl_iovec, fuse_ioctl_iovec);
	FIELD(ioctl_iovec, fuse_ioctl_iovec, base);
	FIELD(ioctl_iovec, fuse_ioctl_iovec, len);
	SIZE(ioctl_out, fuse_ioctl_out);
	FIELD(ioctl_out, fuse_ioctl_out, result);
	FIELD(ioctl_out, fuse_ioctl_out, flags);
	FIELD(ioctl_out, fuse_ioctl_out, in_iovs);
	FIELD(ioctl_out, fuse_ioctl_out, out_iovs);
	SIZE(poll_in, fuse_poll_in);
	FIELD(poll_in, fuse_poll_in, fh);
	FIELD(poll_in, fuse_poll_in, kh);
	FIELD(poll_in, fuse_poll_in, flags);
	FIELD(poll_in, fuse_poll_in, events);
	SIZE(poll_out, fuse_poll_out);
	FIELD(poll_out, fuse_poll_out, revents);
	FIELD(poll_out, fuse_poll_out, padding);
	SIZE(notify_poll_wakeup_out, fuse_notify_poll_wakeup_out);
	FIELD(notify_poll_wakeup_out, fuse_notify_poll_wakeup_out, kh);
	SIZE(fallocate_in, fuse_fallocate_in);
	FIELD(fallocate_in, fuse_fallocate_in, fh);
	FIELD(fallocate_in, fuse_fallocate_in, offset);
	FIELD(fallocate_in, fuse_fallocate_in, length);
	FIELD(fallocate_in, fuse_fallocate_in, mode);
	FIELD(fallocate_in, fuse_fallocate_in, padding);
	SIZE(dirent, fuse_dirent);
	FIELD(dirent, fuse_dirent, ino);
	FIELD(dirent, fuse_dirent, off);
	FIELD(dirent, fuse_dirent, namelen);
	FIELD(dirent, fuse_dirent, type);
	SIZE(direntplus, fuse_direntplus);
	FIELD(direntplus, fuse_direntplus, entry_out);
	FIELD(direntplus, fuse_direntplus, dirent);
	SIZE(notify_inval_inode_out, fuse_notify_inval_inode_out);
	FIELD(notify_inval_inode_out, fuse_notify_inval_inode_out, ino);
	FIELD(notify_inval_inode_out, fuse_notify_inval_inode_out, off);
	FIELD(notify_inval_inode_out, fuse_notify_inval_inode_out, len);
	SIZE(notify_inval_entry_out, fuse_notify_inval_entry_out);
	FIELD(notify_inval_entry_out, fuse_notify_inval_entry_out, parent);
	FIELD(notify_inval_entry_out, fuse_notify_inval_entry_out, namelen);
	SIZE(notify_delete_out, fuse_notify_delete_out);
	FIELD(notify_delete_out, fuse_notify_delete_out, parent);
	FIELD(notify_delete_out, fuse_notify_delete_out, child);
	FIELD(notify_delete_out, fuse_notify_delete_out, namelen);
	FIELD(notify_delete_out, fuse_notify_delete_out, padding);
	SIZE(notify_store_out, fuse_notify_store_out);
	FIELD(notify_store_out, fuse_notify_store_out, nodeid);
	FIELD(notify_store_out, fuse_notify_store_out, offset);
	FIELD(notify_store_out, fuse_notify_store_out, size);
	FIELD(notify_store_out, fuse_notify_store_out, padding);
	SIZE(notify_retrieve_out, fuse_notify_retrieve_out);
	FIELD(notify_retrieve_out, fuse_notify_retrieve_out, notify_unique);
	FIELD(notify_retrieve_out, fuse_notify_retrieve_out, nodeid);
	FIELD(notify_retrieve_out, fuse_notify_retrieve_out, offset);
	FIELD(notify_retrieve_out, fuse_notify_retrieve_out, size);
	FIELD(notify_retrieve_out, fuse_notify_retrieve_out, padding);
	SIZE(notify_retrieve_in, fuse_notify_retrieve_in);
	FIELD(notify_retrieve_in, fuse_notify_retrieve_in, dummy1);
	FIELD(notify_retrieve_in, fuse_notify_retrieve_in, offset);
	FIELD(notify_retrieve_in, fuse_notify_retrieve_in, size);
	FIELD(notify_retrieve_in, fuse_notify_retrieve_in, dummy2);
	FIELD(notify_retrieve_in, fuse_notify_retrieve_in, dummy3);
	FIELD(notify_retrieve_in, fuse_notify_retrieve_in, dummy4);
}

static void test_structs_mapping(void)
{
	SIZE(lseek_in, fuse_lseek_in);
	FIELD(lseek_in, fuse_lseek_in, fh);
	FIELD(lseek_in, fuse_lseek_in, offset);
	FIELD(lseek_in, fuse_lseek_in, whence);
	FIELD(lseek_in, fuse_lseek_in, padding);
	SIZE(lseek_out, fuse_lseek_out);
	FIELD(lseek_out, fuse_lseek_out, offset);
	SIZE(copy_file_range_in, fuse_copy_file_range_in);
	FIELD(copy_file_range_in, fuse_copy_file_range_in, fh_in);
	FIELD(copy_file_range_in, fuse_copy_file_range_in, off_in);
	FIELD(copy_file_range_in, fuse_copy_file_range_in, nodeid_out);
	FIELD(copy_file_range_in, fuse_copy_file_range_in, fh_out);
	FIELD(copy_file_range_in, fuse_copy_file_range_in, off_out);
	FIELD(copy_file_range_in, fuse_copy_file_range_in, len);
	FIELD(copy_file_range_in, fuse_copy_file_range_in, flags);
	SIZE(setupmapping_in, fuse_setupmapping_in);
	FIELD(setupmapping_in, fuse_setupmapping_in, fh);
	FIELD(setupmapping_in, fuse_setupmapping_in, foffset);
	FIELD(setupmapping_in, fuse_setupmapping_in, len);
	FIELD(setupmapping_in, fuse_setupmapping_in, flags);
	FIELD(setupmapping_in, fuse_setupmapping_in, moffset);
	SIZE(removemapping_in, fuse_removemapping_in);
	FIELD(removemapping_in, fuse_removemapping_in, count);
	SIZE(removemapping_one, fuse_removemapping_one);
	FIELD(removemapping_one, fuse_removemapping_one, moffset);
	FIELD(removemapping_one, fuse_removemapping_one, len);
	SIZE(syncfs_in, fuse_syncfs_in);
	FIELD(syncfs_in, fuse_syncfs_in, padding);
	SIZE(secctx, fuse_secctx);
	FIELD(secctx, fuse_secctx, size);
	FIELD(secctx, fuse_secctx, padding);
	SIZE(secctx_header, fuse_secctx_header);
	FIELD(secctx_header, fuse_secctx_header, size);
	FIELD(secctx_header, fuse_secctx_header, nr_secctx);
}

static void test_structs_38(void)
{
#ifdef FUSE_EXPIRE_ONLY
	FIELD(in_header, fuse_in_header, total_extlen);
	FIELD(in_header, fuse_in_header, padding);
	FIELD(notify_inval_entry_out, fuse_notify_inval_entry_out, flags);
	SIZE(ext_header, fuse_ext_header);
	FIELD(ext_header, fuse_ext_header, size);
	FIELD(ext_header, fuse_ext_header, type);
#endif
#ifdef FUSE_CREATE_SUPP_GROUP
	SIZE(supp_groups, fuse_supp_groups);
	FIELD(supp_groups, fuse_supp_groups, nr_groups);
#endif
}

static void test_structs_39(void)
{
#if FUSE_KERNEL_MINOR_VERSION >= 39
	SIZE(sx_time, fuse_sx_time);
	FIELD(sx_time, fuse_sx_time, tv_sec);
	FIELD(sx_time, fuse_sx_time, tv_nsec);
	FIELD_AS(sx_time, fuse_sx_time, reserved, __reserved);
	SIZE(statx, fuse_statx);
	FIELD(statx, fuse_statx, mask);
	FIELD(statx, fuse_statx, blksize);
	FIELD(statx, fuse_statx, attributes);
	FIELD(statx, fuse_statx, nlink);
	FIELD(statx, fuse_statx, uid);
	FIELD(statx, fuse_statx, gid);
	FIELD(statx, fuse_statx, mode);
	FIELD_AS(statx, fuse_statx, spare0, __spare0);
	FIELD(statx, fuse_statx, ino);
	FIELD(statx, fuse_statx, size);
	FIELD(statx, fuse_statx, blocks);
	FIELD(statx, fuse_statx, attributes_mask);
	FIELD(statx, fuse_statx, atime);
	FIELD(statx, fuse_statx, btime);
	FIELD(statx, fuse_statx, ctime);
	FIELD(statx, fuse_statx, mtime);
	FIELD(statx, fuse_statx, rdev_major);
	FIELD(statx, fuse_statx, rdev_minor);
	FIELD(statx, fuse_statx, dev_major);
	FIELD(statx, fuse_statx, dev_minor);
	FIELD_AS(statx, fuse_statx, spare2, __spare2);
	SIZE(statx_in, fuse_statx_in);
	FIELD(statx_in, fuse_statx_in, getattr_flags);
	FIELD(statx_in, fuse_statx_in, reserved);
	FIELD(statx_in, fuse_statx_in, fh);
	FIELD(statx_in, fuse_statx_in, sx_flags);
	FIELD(statx_in, fuse_statx_in, sx_mask);
	SIZE(statx_out, fuse_statx_out);
	FIELD(statx_out, fuse_statx_out, attr_valid);
	FIELD(statx_out, fuse_statx_out, attr_valid_nsec);
	FIELD(statx_out, fuse_statx_out, flags);
	FIELD(statx_out, fuse_statx_out, spare);
	FIELD(statx_out, fuse_statx_out, stat);
#endif
}

static void test_structs_40(void)
{
#if FUSE_KERNEL_MINOR_VERSION >= 40
	FIELD(open_out, fuse_open_out, backing_id);
	FIELD(init_out, fuse_init_out, max_stack_depth);
#endif
}

static void test_structs_43(void)
{
#if FUSE_KERNEL_MINOR_VERSION >= 43
	FIELD(init_out, fuse_init_out, request_timeout);
#endif
}

static void test_structs_45(void)
{
#if FUSE_KERNEL_MINOR_VERSION >= 45
	SIZE(notify_prune_out, fuse_notify_prune_out);
	FIELD(notify_prune_out, fuse_notify_prune_out, count);
	FIELD(notify_prune_out, fuse_notify_prune_out, padding);
	FIELD(notify_prune_out, fuse_notify_prune_out, spare);
	SIZE(copy_file_range_out, fuse_copy_file_range_out);
	FIELD(copy_file_range_out, fuse_copy_file_range_out, bytes_copied);
#endif
}

static void test_constants(void)
{
	SAME(CF_KERNEL_VERSION, FUSE_KERNEL_VERSION);
	SAME(CF_ROOT_ID, FUSE_ROOT_ID);
	SAME(CF_FATTR_MODE, FATTR_MODE);
	SAME(CF_FATTR_UID, FATTR_UID);
	SAME(CF_FATTR_GID, FATTR_GID);
	SAME(CF_FATTR_SIZE, FATTR_SIZE);
	SAME(CF_FATTR_ATIME, FATTR_ATIME);
	SAME(CF_FATTR_MTIME, FATTR_MTIME);
	SAME(CF_FATTR_FH, FATTR_FH);
	SAME(CF_FATTR_ATIME_NOW, FATTR_ATIME_NOW);
	SAME(CF_FATTR_MTIME_NOW, FATTR_MTIME_NOW);
	SAME(CF_FATTR_LOCKOWNER, FATTR_LOCKOWNER);
	SAME(CF_FATTR_CTIME, FATTR_CTIME);
	SAME(CF_FATTR_KILL_SUIDGID, FATTR_KILL_SUIDGID);
	SAME(CF_FOPEN_DIRECT_IO, FOPEN_DIRECT_IO);
	SAME(CF_FOPEN_KEEP_CACHE, FOPEN_KEEP_CACHE);
	SAME(CF_FOPEN_NONSEEKABLE, FOPEN_NONSEEKABLE);
	SAME(CF_FOPEN_CACHE_DIR, FOPEN_CACHE_DIR);
	SAME(CF_FOPEN_STREAM, FOPEN_STREAM);
	SAME(CF_FOPEN_NOFLUSH, FOPEN_NOFLUSH);
#ifdef FOPEN_PARALLEL_DIRECT_WRITES
	SAME(CF_FOPEN_PARALLEL_DIRECT_WRITES, FOPEN_PARALLEL_DIRECT_WRITES);
#endif
#ifdef FOPEN_PASSTHROUGH
	SAME(CF_FOPEN_PASSTHROUGH, FOPEN_PASSTHROUGH);
#endif
#ifdef FOPEN_IO_URING_ZERO_COPY
	SAME(CF_FOPEN_IO_URING_ZERO_COPY, FOPEN_IO_URING_ZERO_COPY);
#endif
}

static void test_init_flags(void)
{
	SAME(CF_INIT_ASYNC_READ, FUSE_ASYNC_READ);
	SAME(CF_INIT_POSIX_LOCKS, FUSE_POSIX_LOCKS);
	SAME(CF_INIT_FILE_OPS, FUSE_FILE_OPS);
	SAME(CF_INIT_ATOMIC_O_TRUNC, FUSE_ATOMIC_O_TRUNC);
	SAME(CF_INIT_EXPORT_SUPPORT, FUSE_EXPORT_SUPPORT);
	SAME(CF_INIT_BIG_WRITES, FUSE_BIG_WRITES);
	SAME(CF_INIT_DONT_MASK, FUSE_DONT_MASK);
	SAME(CF_INIT_SPLICE_WRITE, FUSE_SPLICE_WRITE);
	SAME(CF_INIT_SPLICE_MOVE, FUSE_SPLICE_MOVE);
	SAME(CF_INIT_SPLICE_READ, FUSE_SPLICE_READ);
	SAME(CF_INIT_FLOCK_LOCKS, FUSE_FLOCK_LOCKS);
	SAME(CF_INIT_HAS_IOCTL_DIR, FUSE_HAS_IOCTL_DIR);
	SAME(CF_INIT_AUTO_INVAL_DATA, FUSE_AUTO_INVAL_DATA);
	SAME(CF_INIT_DO_READDIRPLUS, FUSE_DO_READDIRPLUS);
	SAME(CF_INIT_READDIRPLUS_AUTO, FUSE_READDIRPLUS_AUTO);
	SAME(CF_INIT_ASYNC_DIO, FUSE_ASYNC_DIO);
	SAME(CF_INIT_WRITEBACK_CACHE, FUSE_WRITEBACK_CACHE);
	SAME(CF_INIT_NO_OPEN_SUPPORT, FUSE_NO_OPEN_SUPPORT);
	SAME(CF_INIT_PARALLEL_DIROPS, FUSE_PARALLEL_DIROPS);
	SAME(CF_INIT_HANDLE_KILLPRIV, FUSE_HANDLE_KILLPRIV);
	SAME(CF_INIT_POSIX_ACL, FUSE_POSIX_ACL);
	SAME(CF_INIT_ABORT_ERROR, FUSE_ABORT_ERROR);
	SAME(CF_INIT_MAX_PAGES, FUSE_MAX_PAGES);
	SAME(CF_INIT_CACHE_SYMLINKS, FUSE_CACHE_SYMLINKS);
	SAME(CF_INIT_NO_OPENDIR_SUPPORT, FUSE_NO_OPENDIR_SUPPORT);
	SAME(CF_INIT_EXPLICIT_INVAL_DATA, FUSE_EXPLICIT_INVAL_DATA);
	SAME(CF_INIT_MAP_ALIGNMENT, FUSE_MAP_ALIGNMENT);
	SAME(CF_INIT_SUBMOUNTS, FUSE_SUBMOUNTS);
	SAME(CF_INIT_HANDLE_KILLPRIV_V2, FUSE_HANDLE_KILLPRIV_V2);
	SAME(CF_INIT_SETXATTR_EXT, FUSE_SETXATTR_EXT);
	SAME(CF_INIT_EXT, FUSE_INIT_EXT);
	SAME(CF_INIT_SECURITY_CTX, FUSE_SECURITY_CTX);
	SAME(CF_INIT_HAS_INODE_DAX, FUSE_HAS_INODE_DAX);
#ifdef FUSE_CREATE_SUPP_GROUP
	SAME(CF_INIT_CREATE_SUPP_GROUP, FUSE_CREATE_SUPP_GROUP);
#endif
#ifdef FUSE_HAS_EXPIRE_ONLY
	SAME(CF_INIT_HAS_EXPIRE_ONLY, FUSE_HAS_EXPIRE_ONLY);
#endif
#ifdef FUSE_DIRECT_IO_ALLOW_MMAP
	SAME(CF_INIT_DIRECT_IO_ALLOW_MMAP, FUSE_DIRECT_IO_ALLOW_MMAP);
#endif
#ifdef FUSE_PASSTHROUGH
	SAME(CF_INIT_PASSTHROUGH, FUSE_PASSTHROUGH);
#endif
#ifdef FUSE_NO_EXPORT_SUPPORT
	SAME(CF_INIT_NO_EXPORT_SUPPORT, FUSE_NO_EXPORT_SUPPORT);
#endif
#ifdef FUSE_HAS_RESEND
	SAME(CF_INIT_HAS_RESEND, FUSE_HAS_RESEND);
#endif
#ifdef FUSE_ALLOW_IDMAP
	SAME(CF_INIT_ALLOW_IDMAP, FUSE_ALLOW_IDMAP);
#endif
#ifdef FUSE_OVER_IO_URING
	SAME(CF_INIT_OVER_IO_URING, FUSE_OVER_IO_URING);
#endif
#ifdef FUSE_REQUEST_TIMEOUT
	SAME(CF_INIT_REQUEST_TIMEOUT, FUSE_REQUEST_TIMEOUT);
#endif
#ifdef FUSE_HAS_IO_URING_BUFPOOL
	SAME(CF_INIT_HAS_IO_URING_BUFPOOL, FUSE_HAS_IO_URING_BUFPOOL);
#endif
}

static void test_flags(void)
{
	SAME(CF_CUSE_UNRESTRICTED_IOCTL, CUSE_UNRESTRICTED_IOCTL);
	SAME(CF_CUSE_INIT_INFO_MAX, CUSE_INIT_INFO_MAX);
	SAME(CF_RELEASE_FLUSH, FUSE_RELEASE_FLUSH);
	SAME(CF_RELEASE_FLOCK_UNLOCK, FUSE_RELEASE_FLOCK_UNLOCK);
	SAME(CF_GETATTR_FH, FUSE_GETATTR_FH);
	SAME(CF_LK_FLOCK, FUSE_LK_FLOCK);
	SAME(CF_WRITE_CACHE, FUSE_WRITE_CACHE);
	SAME(CF_WRITE_LOCKOWNER, FUSE_WRITE_LOCKOWNER);
	SAME(CF_WRITE_KILL_SUIDGID, FUSE_WRITE_KILL_SUIDGID);
	SAME(CF_READ_LOCKOWNER, FUSE_READ_LOCKOWNER);
	SAME(CF_IOCTL_COMPAT, FUSE_IOCTL_COMPAT);
	SAME(CF_IOCTL_UNRESTRICTED, FUSE_IOCTL_UNRESTRICTED);
	SAME(CF_IOCTL_RETRY, FUSE_IOCTL_RETRY);
	SAME(CF_IOCTL_32BIT, FUSE_IOCTL_32BIT);
	SAME(CF_IOCTL_DIR, FUSE_IOCTL_DIR);
	SAME(CF_IOCTL_COMPAT_X32, FUSE_IOCTL_COMPAT_X32);
	SAME(CF_IOCTL_MAX_IOV, FUSE_IOCTL_MAX_IOV);
	SAME(CF_POLL_SCHEDULE_NOTIFY, FUSE_POLL_SCHEDULE_NOTIFY);
	SAME(CF_FSYNC_FDATASYNC, FUSE_FSYNC_FDATASYNC);
	SAME(CF_ATTR_SUBMOUNT, FUSE_ATTR_SUBMOUNT);
	SAME(CF_ATTR_DAX, FUSE_ATTR_DAX);
	SAME(CF_OPEN_KILL_SUIDGID, FUSE_OPEN_KILL_SUIDGID);
	SAME(CF_SETXATTR_ACL_KILL_SGID, FUSE_SETXATTR_ACL_KILL_SGID);
#ifdef FUSE_EXPIRE_ONLY
	SAME(CF_EXPIRE_ONLY, FUSE_EXPIRE_ONLY);
#endif
	SAME(CF_SETUPMAPPING_FLAG_WRITE, FUSE_SETUPMAPPING_FLAG_WRITE);
	SAME(CF_SETUPMAPPING_FLAG_READ, FUSE_SETUPMAPPING_FLAG_READ);
#ifdef FUSE_EXPIRE_ONLY
	SAME(CF_MAX_NR_SECCTX, FUSE_MAX_NR_SECCTX);
#endif
#ifdef FUSE_UNIQUE_RESEND
	SAME(CF_UNIQUE_RESEND, FUSE_UNIQUE_RESEND);
#endif
#ifdef FUSE_INVALID_UIDGID
	SAME(CF_INVALID_UIDGID, FUSE_INVALID_UIDGID);
#endif
	SAME(CF_MIN_READ_BUFFER, FUSE_MIN_READ_BUFFER);
	SAME(CF_COMPAT_INIT_OUT_SIZE, FUSE_COMPAT_INIT_OUT_SIZE);
	SAME(CF_COMPAT_22_INIT_OUT_SIZE, FUSE_COMPAT_22_INIT_OUT_SIZE);
	SAME(CF_COMPAT_SETXATTR_IN_SIZE, FUSE_COMPAT_SETXATTR_IN_SIZE);
	SAME(CF_COMPAT_ENTRY_OUT_SIZE, FUSE_COMPAT_ENTRY_OUT_SIZE);
	SAME(CF_COMPAT_ATTR_OUT_SIZE, FUSE_COMPAT_ATTR_OUT_SIZE);
	SAME(CF_COMPAT_MKNOD_IN_SIZE, FUSE_COMPAT_MKNOD_IN_SIZE);
	SAME(CF_COMPAT_WRITE_IN_SIZE, FUSE_COMPAT_WRITE_IN_SIZE);
	SAME(CF_COMPAT_STATFS_SIZE, FUSE_COMPAT_STATFS_SIZE);
	SAME(CF_NAME_OFFSET, FUSE_NAME_OFFSET);
	SAME(CF_NAME_OFFSET_DIRENTPLUS, FUSE_NAME_OFFSET_DIRENTPLUS);
}

static void test_opcodes(void)
{
	SAME(CF_LOOKUP, FUSE_LOOKUP);
	SAME(CF_FORGET, FUSE_FORGET);
	SAME(CF_GETATTR, FUSE_GETATTR);
	SAME(CF_SETATTR, FUSE_SETATTR);
	SAME(CF_READLINK, FUSE_READLINK);
	SAME(CF_SYMLINK, FUSE_SYMLINK);
	SAME(CF_MKNOD, FUSE_MKNOD);
	SAME(CF_MKDIR, FUSE_MKDIR);
	SAME(CF_UNLINK, FUSE_UNLINK);
	SAME(CF_RMDIR, FUSE_RMDIR);
	SAME(CF_RENAME, FUSE_RENAME);
	SAME(CF_LINK, FUSE_LINK);
	SAME(CF_OPEN, FUSE_OPEN);
	SAME(CF_READ, FUSE_READ);
	SAME(CF_WRITE, FUSE_WRITE);
	SAME(CF_STATFS, FUSE_STATFS);
	SAME(CF_RELEASE, FUSE_RELEASE);
	SAME(CF_FSYNC, FUSE_FSYNC);
	SAME(CF_SETXATTR, FUSE_SETXATTR);
	SAME(CF_GETXATTR, FUSE_GETXATTR);
	SAME(CF_LISTXATTR, FUSE_LISTXATTR);
	SAME(CF_REMOVEXATTR, FUSE_REMOVEXATTR);
	SAME(CF_FLUSH, FUSE_FLUSH);
	SAME(CF_INIT, FUSE_INIT);
	SAME(CF_OPENDIR, FUSE_OPENDIR);
	SAME(CF_READDIR, FUSE_READDIR);
	SAME(CF_RELEASEDIR, FUSE_RELEASEDIR);
	SAME(CF_FSYNCDIR, FUSE_FSYNCDIR);
	SAME(CF_GETLK, FUSE_GETLK);
	SAME(CF_SETLK, FUSE_SETLK);
	SAME(CF_SETLKW, FUSE_SETLKW);
	SAME(CF_ACCESS, FUSE_ACCESS);
	SAME(CF_CREATE, FUSE_CREATE);
	SAME(CF_INTERRUPT, FUSE_INTERRUPT);
	SAME(CF_BMAP, FUSE_BMAP);
	SAME(CF_DESTROY, FUSE_DESTROY);
	SAME(CF_IOCTL, FUSE_IOCTL);
	SAME(CF_POLL, FUSE_POLL);
	SAME(CF_NOTIFY_REPLY, FUSE_NOTIFY_REPLY);
	SAME(CF_BATCH_FORGET, FUSE_BATCH_FORGET);
	SAME(CF_FALLOCATE, FUSE_FALLOCATE);
	SAME(CF_READDIRPLUS, FUSE_READDIRPLUS);
	SAME(CF_RENAME2, FUSE_RENAME2);
	SAME(CF_LSEEK, FUSE_LSEEK);
	SAME(CF_COPY_FILE_RANGE, FUSE_COPY_FILE_RANGE);
	SAME(CF_SETUPMAPPING, FUSE_SETUPMAPPING);
	SAME(CF_REMOVEMAPPING, FUSE_REMOVEMAPPING);
	SAME(CF_SYNCFS, FUSE_SYNCFS);
	SAME(CF_TMPFILE, FUSE_TMPFILE);
	SAME(CF_CUSE_INIT, CUSE_INIT);
	SAME(CF_CUSE_INIT_BSWAP_RESERVED, CUSE_INIT_BSWAP_RESERVED);
	SAME(CF_INIT_BSWAP_RESERVED, FUSE_INIT_BSWAP_RESERVED);
	SAME(CF_NOTIFY_POLL, FUSE_NOTIFY_POLL);
	SAME(CF_NOTIFY_INVAL_INODE, FUSE_NOTIFY_INVAL_INODE);
	SAME(CF_NOTIFY_INVAL_ENTRY, FUSE_NOTIFY_INVAL_ENTRY);
	SAME(CF_NOTIFY_STORE, FUSE_NOTIFY_STORE);
	SAME(CF_NOTIFY_RETRIEVE, FUSE_NOTIFY_RETRIEVE);
	SAME(CF_NOTIFY_DELETE, FUSE_NOTIFY_DELETE);
#ifdef FUSE_CREATE_SUPP_GROUP
	SAME(CF_EXT_GROUPS, FUSE_EXT_GROUPS);
#endif
#if FUSE_KERNEL_MINOR_VERSION >= 39
	SAME(CF_STATX, FUSE_STATX);
#endif
#if FUSE_KERNEL_MINOR_VERSION >= 45
	SAME(CF_COPY_FILE_RANGE_64, FUSE_COPY_FILE_RANGE_64);
#endif
#if FUSE_KERNEL_MINOR_VERSION >= 40
	SAME(CF_NOTIFY_RESEND, FUSE_NOTIFY_RESEND);
#endif
#if FUSE_KERNEL_MINOR_VERSION >= 44
	SAME(CF_NOTIFY_INC_EPOCH, FUSE_NOTIFY_INC_EPOCH);
#endif
#if FUSE_KERNEL_MINOR_VERSION >= 45
	SAME(CF_NOTIFY_PRUNE, FUSE_NOTIFY_PRUNE);
#endif
}
int main(void)
{
	test_structs();
	test_structs_inode();
	test_structs_init();
	test_structs_special();
	test_structs_mapping();
	test_structs_38();
	test_structs_39();
	test_structs_40();
	test_structs_43();
	test_structs_45();
	test_constants();
	test_init_flags();
	test_flags();
	test_opcodes();
	return check_result();
}
