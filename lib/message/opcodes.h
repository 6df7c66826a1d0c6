/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every message of the protocol, once. No include guard: opcodes.c includes
 * this several times, with its own meanings of
 *
 *   OPCODE(name, minor, has_reply, request, reply)
 *   NOTIFY(name, minor, message)
 *
 * where request, reply and message are one of
 *
 *   BARE(tail, extensions)               no fixed part
 *   FIXED(struct, tail, extensions)      a fixed part
 *   COUNTED(struct, field, element, tail)  a field of it is the length of the
 *                                        tail, in elements of so many bytes
 */
OPCODE(LOOKUP, 0, true, BARE(NAME, 0), FIXED(entry_out, NONE, 0))
OPCODE(FORGET, 0, false, FIXED(forget_in, NONE, 0), BARE(NONE, 0))
OPCODE(GETATTR, 0, true, FIXED(getattr_in, NONE, 0), FIXED(attr_out, NONE, 0))
OPCODE(SETATTR, 0, true, FIXED(setattr_in, NONE, 0), FIXED(attr_out, NONE, 0))
OPCODE(READLINK, 0, true, BARE(NONE, 0), BARE(BYTES, 0))
OPCODE(SYMLINK, 0, true, BARE(TWO_NAMES, 1), FIXED(entry_out, NONE, 0))
OPCODE(MKNOD, 0, true, FIXED(mknod_in, NAME, 1), FIXED(entry_out, NONE, 0))
OPCODE(MKDIR, 0, true, FIXED(mkdir_in, NAME, 1), FIXED(entry_out, NONE, 0))
OPCODE(UNLINK, 0, true, BARE(NAME, 0), BARE(NONE, 0))
OPCODE(RMDIR, 0, true, BARE(NAME, 0), BARE(NONE, 0))
OPCODE(RENAME, 0, true, FIXED(rename_in, TWO_NAMES, 0), BARE(NONE, 0))
OPCODE(LINK, 0, true, FIXED(link_in, NAME, 0), FIXED(entry_out, NONE, 0))
OPCODE(OPEN, 0, true, FIXED(open_in, NONE, 0), FIXED(open_out, NONE, 0))
OPCODE(READ, 0, true, FIXED(read_in, NONE, 0), BARE(DATA, 0))
OPCODE(WRITE, 0, true, COUNTED(write_in, size, 1, DATA),
       FIXED(write_out, NONE, 0))
OPCODE(STATFS, 0, true, BARE(NONE, 0), FIXED(statfs_out, NONE, 0))
OPCODE(RELEASE, 0, true, FIXED(release_in, NONE, 0), BARE(NONE, 0))
OPCODE(FSYNC, 0, true, FIXED(fsync_in, NONE, 0), BARE(NONE, 0))
OPCODE(SETXATTR, 0, true, COUNTED(setxattr_in, size, 1, NAME_BYTES),
       BARE(NONE, 0))
OPCODE(GETXATTR, 0, true, FIXED(getxattr_in, NAME, 0),
       FIXED(getxattr_out, BYTES, 0))
OPCODE(LISTXATTR, 0, true, FIXED(getxattr_in, NONE, 0),
       FIXED(getxattr_out, BYTES, 0))
OPCODE(REMOVEXATTR, 0, true, BARE(NAME, 0), BARE(NONE, 0))
OPCODE(FLUSH, 0, true, FIXED(flush_in, NONE, 0), BARE(NONE, 0))
OPCODE(INIT, 0, true, FIXED(init_in, NONE, 0), FIXED(init_out, NONE, 0))
OPCODE(OPENDIR, 0, true, FIXED(open_in, NONE, 0), FIXED(open_out, NONE, 0))
OPCODE(READDIR, 0, true, FIXED(read_in, NONE, 0), BARE(DIRENTS, 0))
OPCODE(RELEASEDIR, 0, true, FIXED(release_in, NONE, 0), BARE(NONE, 0))
OPCODE(FSYNCDIR, 0, true, FIXED(fsync_in, NONE, 0), BARE(NONE, 0))
OPCODE(GETLK, 0, true, FIXED(lk_in, NONE, 0), FIXED(lk_out, NONE, 0))
OPCODE(SETLK, 0, true, FIXED(lk_in, NONE, 0), BARE(NONE, 0))
OPCODE(SETLKW, 0, true, FIXED(lk_in, NONE, 0), BARE(NONE, 0))
OPCODE(ACCESS, 0, true, FIXED(access_in, NONE, 0), BARE(NONE, 0))
OPCODE(CREATE, 0, true, FIXED(create_in, NAME, 1), FIXED(create_out, NONE, 0))
OPCODE(INTERRUPT, 0, false, FIXED(interrupt_in, NONE, 0), BARE(NONE, 0))
OPCODE(BMAP, 0, true, FIXED(bmap_in, NONE, 0), FIXED(bmap_out, NONE, 0))
OPCODE(DESTROY, 0, true, BARE(NONE, 0), BARE(NONE, 0))
OPCODE(IOCTL, 0, true, COUNTED(ioctl_in, in_size, 1, IOCTL),
       FIXED(ioctl_out, IOCTL, 0))
OPCODE(POLL, 0, true, FIXED(poll_in, NONE, 0), FIXED(poll_out, NONE, 0))
OPCODE(NOTIFY_REPLY, 0, false, COUNTED(notify_retrieve_in, size, 1, DATA),
       BARE(NONE, 0))
OPCODE(BATCH_FORGET, 0, false, COUNTED(batch_forget_in, count, 16, ARRAY),
       BARE(NONE, 0))
OPCODE(FALLOCATE, 0, true, FIXED(fallocate_in, NONE, 0), BARE(NONE, 0))
OPCODE(READDIRPLUS, 0, true, FIXED(read_in, NONE, 0), BARE(DIRENTS_PLUS, 0))
OPCODE(RENAME2, 0, true, FIXED(rename2_in, TWO_NAMES, 0), BARE(NONE, 0))
OPCODE(LSEEK, 24, true, FIXED(lseek_in, NONE, 0), FIXED(lseek_out, NONE, 0))
OPCODE(COPY_FILE_RANGE, 28, true, FIXED(copy_file_range_in, NONE, 0),
       FIXED(write_out, NONE, 0))
OPCODE(SETUPMAPPING, 31, true, FIXED(setupmapping_in, NONE, 0), BARE(NONE, 0))
OPCODE(REMOVEMAPPING, 31, true, COUNTED(removemapping_in, count, 16, ARRAY),
       BARE(NONE, 0))
OPCODE(SYNCFS, 34, true, FIXED(syncfs_in, NONE, 0), BARE(NONE, 0))
OPCODE(TMPFILE, 37, true, FIXED(create_in, NAME, 1), FIXED(create_out, NONE, 0))
OPCODE(STATX, 39, true, FIXED(statx_in, NONE, 0), FIXED(statx_out, NONE, 0))
OPCODE(COPY_FILE_RANGE_64, 45, true, FIXED(copy_file_range_in, NONE, 0),
       FIXED(copy_file_range_out, NONE, 0))
OPCODE(CUSE_INIT, 0, true, FIXED(cuse_init_in, NONE, 0),
       FIXED(cuse_init_out, BYTES, 0))

NOTIFY(POLL, 0, FIXED(notify_poll_wakeup_out, NONE, 0))
NOTIFY(INVAL_INODE, 0, FIXED(notify_inval_inode_out, NONE, 0))
NOTIFY(INVAL_ENTRY, 0, COUNTED(notify_inval_entry_out, namelen, 1, NAME))
NOTIFY(STORE, 0, COUNTED(notify_store_out, size, 1, DATA))
NOTIFY(RETRIEVE, 0, FIXED(notify_retrieve_out, NONE, 0))
NOTIFY(DELETE, 0, COUNTED(notify_delete_out, namelen, 1, NAME))
NOTIFY(RESEND, 40, BARE(NONE, 0))
NOTIFY(INC_EPOCH, 44, BARE(NONE, 0))
NOTIFY(PRUNE, 45, COUNTED(notify_prune_out, count, 8, ARRAY))
