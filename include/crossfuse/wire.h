/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The FUSE protocol on the wire, version 7.47, with the canonical protocol's
 * additions to FUSE_INIT: every struct and every constant.
 *
 * Names are those of linux/fuse.h with "cf" for "fuse", so that both may be
 * included: struct cf_open_in for struct fuse_open_in, CF_OPEN for FUSE_OPEN,
 * CF_INIT_ASYNC_READ for the INIT flag FUSE_ASYNC_READ. All integers are in
 * the client's byte order. Constants in here are the same on every
 * architecture; for those that are not, see crossfuse/abi.h.
 */
#ifndef CROSSFUSE_WIRE_H
#define CROSSFUSE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define CF_KERNEL_VERSION	7
#define CF_KERNEL_MINOR_VERSION 47

/*
 * The first minor whose messages have the layouts in here: 7.12 made CREATE and
 * MKNOD longer, 7.9 what answers LOOKUP and GETATTR. Linux has spoken it since
 * 2.6.31.
 */
#define CF_OLDEST_MINOR_VERSION 12

#define CF_ROOT_ID 1

/* Requests. */
enum cf_opcode {
	CF_LOOKUP = 1,
	CF_FORGET = 2, /* has no reply */
	CF_GETATTR = 3,
	CF_SETATTR = 4,
	CF_READLINK = 5,
	CF_SYMLINK = 6,
	CF_MKNOD = 8,
	CF_MKDIR = 9,
	CF_UNLINK = 10,
	CF_RMDIR = 11,
	CF_RENAME = 12,
	CF_LINK = 13,
	CF_OPEN = 14,
	CF_READ = 15,
	CF_WRITE = 16,
	CF_STATFS = 17,
	CF_RELEASE = 18,
	CF_FSYNC = 20,
	CF_SETXATTR = 21,
	CF_GETXATTR = 22,
	CF_LISTXATTR = 23,
	CF_REMOVEXATTR = 24,
	CF_FLUSH = 25,
	CF_INIT = 26,
	CF_OPENDIR = 27,
	CF_READDIR = 28,
	CF_RELEASEDIR = 29,
	CF_FSYNCDIR = 30,
	CF_GETLK = 31,
	CF_SETLK = 32,
	CF_SETLKW = 33,
	CF_ACCESS = 34,
	CF_CREATE = 35,
	CF_INTERRUPT = 36,
	CF_BMAP = 37,
	CF_DESTROY = 38,
	CF_IOCTL = 39,
	CF_POLL = 40,
	CF_NOTIFY_REPLY = 41, /* has no reply */
	CF_BATCH_FORGET = 42, /* has no reply */
	CF_FALLOCATE = 43,
	CF_READDIRPLUS = 44,
	CF_RENAME2 = 45,
	CF_LSEEK = 46,
	CF_COPY_FILE_RANGE = 47,
	CF_SETUPMAPPING = 48,
	CF_REMOVEMAPPING = 49,
	CF_SYNCFS = 50,
	CF_TMPFILE = 51,
	CF_STATX = 52,
	CF_COPY_FILE_RANGE_64 = 53,

	CF_CUSE_INIT = 4096,

	/* CUSE_INIT and INIT from a client of the other byte order */
	CF_CUSE_INIT_BSWAP_RESERVED = 1048576,
	CF_INIT_BSWAP_RESERVED = 436207616,
};

/* Notifications: what stands in cf_out_header.error when unique is 0. */
enum cf_notify_code {
	CF_NOTIFY_POLL = 1,
	CF_NOTIFY_INVAL_INODE = 2,
	CF_NOTIFY_INVAL_ENTRY = 3,
	CF_NOTIFY_STORE = 4,
	CF_NOTIFY_RETRIEVE = 5,
	CF_NOTIFY_DELETE = 6,
	CF_NOTIFY_RESEND = 7,
	CF_NOTIFY_INC_EPOCH = 8,
	CF_NOTIFY_PRUNE = 9,
};

/* cf_setattr_in.valid */
#define CF_FATTR_MODE	      (1u << 0)
#define CF_FATTR_UID	      (1u << 1)
#define CF_FATTR_GID	      (1u << 2)
#define CF_FATTR_SIZE	      (1u << 3)
#define CF_FATTR_ATIME	      (1u << 4)
#define CF_FATTR_MTIME	      (1u << 5)
#define CF_FATTR_FH	      (1u << 6)
#define CF_FATTR_ATIME_NOW    (1u << 7)
#define CF_FATTR_MTIME_NOW    (1u << 8)
#define CF_FATTR_LOCKOWNER    (1u << 9)
#define CF_FATTR_CTIME	      (1u << 10)
#define CF_FATTR_KILL_SUIDGID (1u << 11)

/* cf_open_out.open_flags */
#define CF_FOPEN_DIRECT_IO		(1u << 0)
#define CF_FOPEN_KEEP_CACHE		(1u << 1)
#define CF_FOPEN_NONSEEKABLE		(1u << 2)
#define CF_FOPEN_CACHE_DIR		(1u << 3)
#define CF_FOPEN_STREAM			(1u << 4)
#define CF_FOPEN_NOFLUSH		(1u << 5)
#define CF_FOPEN_PARALLEL_DIRECT_WRITES (1u << 6)
#define CF_FOPEN_PASSTHROUGH		(1u << 7)
#define CF_FOPEN_IO_URING_ZERO_COPY	(1u << 8)

/*
 * INIT, both ways: bits 0 to 31 stand in flags, 32 to 63 in flags2, which
 * counts only with CF_INIT_EXT.
 */
#define CF_INIT_ASYNC_READ	     (UINT64_C(1) << 0)
#define CF_INIT_POSIX_LOCKS	     (UINT64_C(1) << 1)
#define CF_INIT_FILE_OPS	     (UINT64_C(1) << 2)
#define CF_INIT_ATOMIC_O_TRUNC	     (UINT64_C(1) << 3)
#define CF_INIT_EXPORT_SUPPORT	     (UINT64_C(1) << 4)
#define CF_INIT_BIG_WRITES	     (UINT64_C(1) << 5)
#define CF_INIT_DONT_MASK	     (UINT64_C(1) << 6)
#define CF_INIT_SPLICE_WRITE	     (UINT64_C(1) << 7)
#define CF_INIT_SPLICE_MOVE	     (UINT64_C(1) << 8)
#define CF_INIT_SPLICE_READ	     (UINT64_C(1) << 9)
#define CF_INIT_FLOCK_LOCKS	     (UINT64_C(1) << 10)
#define CF_INIT_HAS_IOCTL_DIR	     (UINT64_C(1) << 11)
#define CF_INIT_AUTO_INVAL_DATA	     (UINT64_C(1) << 12)
#define CF_INIT_DO_READDIRPLUS	     (UINT64_C(1) << 13)
#define CF_INIT_READDIRPLUS_AUTO     (UINT64_C(1) << 14)
#define CF_INIT_ASYNC_DIO	     (UINT64_C(1) << 15)
#define CF_INIT_WRITEBACK_CACHE	     (UINT64_C(1) << 16)
#define CF_INIT_NO_OPEN_SUPPORT	     (UINT64_C(1) << 17)
#define CF_INIT_PARALLEL_DIROPS	     (UINT64_C(1) << 18)
#define CF_INIT_HANDLE_KILLPRIV	     (UINT64_C(1) << 19)
#define CF_INIT_POSIX_ACL	     (UINT64_C(1) << 20)
#define CF_INIT_ABORT_ERROR	     (UINT64_C(1) << 21)
#define CF_INIT_MAX_PAGES	     (UINT64_C(1) << 22)
#define CF_INIT_CACHE_SYMLINKS	     (UINT64_C(1) << 23)
#define CF_INIT_NO_OPENDIR_SUPPORT   (UINT64_C(1) << 24)
#define CF_INIT_EXPLICIT_INVAL_DATA  (UINT64_C(1) << 25)
#define CF_INIT_MAP_ALIGNMENT	     (UINT64_C(1) << 26)
#define CF_INIT_SUBMOUNTS	     (UINT64_C(1) << 27)
#define CF_INIT_HANDLE_KILLPRIV_V2   (UINT64_C(1) << 28)
#define CF_INIT_SETXATTR_EXT	     (UINT64_C(1) << 29)
#define CF_INIT_EXT		     (UINT64_C(1) << 30)
#define CF_INIT_RESERVED	     (UINT64_C(1) << 31)
#define CF_INIT_SECURITY_CTX	     (UINT64_C(1) << 32)
#define CF_INIT_HAS_INODE_DAX	     (UINT64_C(1) << 33)
#define CF_INIT_CREATE_SUPP_GROUP    (UINT64_C(1) << 34)
#define CF_INIT_HAS_EXPIRE_ONLY	     (UINT64_C(1) << 35)
#define CF_INIT_DIRECT_IO_ALLOW_MMAP (UINT64_C(1) << 36)
#define CF_INIT_PASSTHROUGH	     (UINT64_C(1) << 37)
#define CF_INIT_NO_EXPORT_SUPPORT    (UINT64_C(1) << 38)
#define CF_INIT_HAS_RESEND	     (UINT64_C(1) << 39)
#define CF_INIT_ALLOW_IDMAP	     (UINT64_C(1) << 40)
#define CF_INIT_OVER_IO_URING	     (UINT64_C(1) << 41)
#define CF_INIT_REQUEST_TIMEOUT	     (UINT64_C(1) << 42)
#define CF_INIT_HAS_IO_URING_BUFPOOL (UINT64_C(1) << 43)

/*
 * The canonical protocol's own. A server also takes an offer by the bit that
 * was proposed first, of a client that cannot mean CF_INIT_ALLOW_IDMAP (7.41)
 * by it; a client does not make one, since servers of today answer that bit.
 */
#define CF_INIT_CANON_ARCH     (UINT64_C(1) << 62)
#define CF_INIT_CANON_ARCH_OLD (UINT64_C(1) << 40)

/* The first minor whose FUSE_INIT has FLAGS2 even without CF_INIT_EXT. */
#define CF_INIT_EXT_MINOR 36

/* The last minor whose clients may offer CF_INIT_CANON_ARCH_OLD. */
#define CF_CANON_ARCH_OLD_MINOR 40

/* Bytes per unit of cf_init_out.max_pages in the canonical form. */
#define CF_CANON_PAGE_SIZE 4096

/* cf_cuse_init_in.flags, cf_cuse_init_out.flags */
#define CF_CUSE_UNRESTRICTED_IOCTL (1u << 0)
#define CF_CUSE_INIT_INFO_MAX	   4096

/* cf_release_in.release_flags */
#define CF_RELEASE_FLUSH	(1u << 0)
#define CF_RELEASE_FLOCK_UNLOCK (1u << 1)

/* cf_getattr_in.getattr_flags, cf_statx_in.getattr_flags */
#define CF_GETATTR_FH (1u << 0)

/* cf_lk_in.lk_flags */
#define CF_LK_FLOCK (1u << 0)

/* cf_write_in.write_flags */
#define CF_WRITE_CACHE	      (1u << 0)
#define CF_WRITE_LOCKOWNER    (1u << 1)
#define CF_WRITE_KILL_SUIDGID (1u << 2)

/* cf_read_in.read_flags */
#define CF_READ_LOCKOWNER (1u << 1)

/* cf_ioctl_in.flags, cf_ioctl_out.flags */
#define CF_IOCTL_COMPAT	      (1u << 0)
#define CF_IOCTL_UNRESTRICTED (1u << 1)
#define CF_IOCTL_RETRY	      (1u << 2)
#define CF_IOCTL_32BIT	      (1u << 3)
#define CF_IOCTL_DIR	      (1u << 4)
#define CF_IOCTL_COMPAT_X32   (1u << 5)
#define CF_IOCTL_MAX_IOV      256

/* cf_poll_in.flags */
#define CF_POLL_SCHEDULE_NOTIFY (1u << 0)

/* cf_fsync_in.fsync_flags */
#define CF_FSYNC_FDATASYNC (1u << 0)

/* cf_attr.flags */
#define CF_ATTR_SUBMOUNT (1u << 0)
#define CF_ATTR_DAX	 (1u << 1)

/* cf_open_in.open_flags, cf_create_in.open_flags */
#define CF_OPEN_KILL_SUIDGID (1u << 0)

/* cf_setxattr_in.setxattr_flags */
#define CF_SETXATTR_ACL_KILL_SGID (1u << 0)

/* cf_notify_inval_entry_out.flags */
#define CF_EXPIRE_ONLY (1u << 0)

/* cf_setupmapping_in.flags */
#define CF_SETUPMAPPING_FLAG_WRITE (UINT64_C(1) << 0)
#define CF_SETUPMAPPING_FLAG_READ  (UINT64_C(1) << 1)

/* cf_ext_header.type; up to CF_MAX_NR_SECCTX it is a count of contexts. */
#define CF_MAX_NR_SECCTX 31
#define CF_EXT_GROUPS	 32

/* cf_in_header.unique: the request was sent before (7.40). */
#define CF_UNIQUE_RESEND (UINT64_C(1) << 63)
/* cf_in_header.unique: of INTERRUPT, beside that of what it interrupts. */
#define CF_INT_REQ_BIT UINT64_C(1)

/* cf_in_header.uid and gid: no mapping exists (CF_INIT_ALLOW_IDMAP). */
#define CF_INVALID_UIDGID UINT32_C(0xffffffff)

#define CF_MIN_READ_BUFFER 8192

/* Lengths that older minors give a struct. */
#define CF_COMPAT_INIT_IN_SIZE	   16  /* up to 7.35, and without INIT_EXT */
#define CF_COMPAT_INIT_OUT_SIZE	   8   /* up to 7.4 */
#define CF_COMPAT_22_INIT_OUT_SIZE 24  /* up to 7.22 */
#define CF_COMPAT_SETXATTR_IN_SIZE 8   /* without CF_INIT_SETXATTR_EXT */
#define CF_COMPAT_ENTRY_OUT_SIZE   120 /* up to 7.8, as the next four */
#define CF_COMPAT_ATTR_OUT_SIZE	   96
#define CF_COMPAT_MKNOD_IN_SIZE	   8
#define CF_COMPAT_WRITE_IN_SIZE	   24
#define CF_COMPAT_STATFS_SIZE	   48

/* Records in a message start at multiples of 8 bytes. */
#define CF_REC_ALIGN(x) (((x) + sizeof(uint64_t) - 1) & ~(sizeof(uint64_t) - 1))

/* What a reply says about an inode. */
struct cf_attr {
	uint64_t ino;
	uint64_t size;
	uint64_t blocks;
	uint64_t atime;
	uint64_t mtime;
	uint64_t ctime;
	uint32_t atimensec;
	uint32_t mtimensec;
	uint32_t ctimensec;
	uint32_t mode;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint32_t rdev;
	uint32_t blksize;
	uint32_t flags;
};

struct cf_kstatfs {
	uint64_t blocks;
	uint64_t bfree;
	uint64_t bavail;
	uint64_t files;
	uint64_t ffree;
	uint32_t bsize;
	uint32_t namelen;
	uint32_t frsize;
	uint32_t padding;
	uint32_t spare[6];
};

/* TYPE is F_RDLCK, F_WRLCK or F_UNLCK of the client's ABI. */
struct cf_file_lock {
	uint64_t start;
	uint64_t end;
	uint32_t type;
	uint32_t pid;
};

struct cf_sx_time {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t reserved;
};

struct cf_statx {
	uint32_t mask;
	uint32_t blksize;
	uint64_t attributes;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint16_t mode;
	uint16_t spare0[1];
	uint64_t ino;
	uint64_t size;
	uint64_t blocks;
	uint64_t attributes_mask;
	struct cf_sx_time atime;
	struct cf_sx_time btime;
	struct cf_sx_time ctime;
	struct cf_sx_time mtime;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint64_t spare2[14];
};

/* The first minor whose cf_in_header has TOTAL_EXTLEN; before, it is padding. */
#define CF_EXTLEN_MINOR 38

/* Before every request. TOTAL_EXTLEN counts units of 8 bytes. */
struct cf_in_header {
	uint32_t len;
	uint32_t opcode;
	uint64_t unique;
	uint64_t nodeid;
	uint32_t uid;
	uint32_t gid;
	uint32_t pid;
	uint16_t total_extlen;
	uint16_t padding;
};

/*
 * Before every reply: ERROR is 0 or a negative errno. With UNIQUE 0 it stands
 * before a notification, and ERROR is the code of that.
 */
struct cf_out_header {
	uint32_t len;
	int32_t error;
	uint64_t unique;
};

struct cf_entry_out {
	uint64_t nodeid;
	uint64_t generation;
	uint64_t entry_valid;
	uint64_t attr_valid;
	uint32_t entry_valid_nsec;
	uint32_t attr_valid_nsec;
	struct cf_attr attr;
};

struct cf_forget_in {
	uint64_t nlookup;
};

/* COUNT of cf_batch_forget_in say how many follow it. */
struct cf_forget_one {
	uint64_t nodeid;
	uint64_t nlookup;
};

struct cf_batch_forget_in {
	uint32_t count;
	uint32_t dummy;
};

struct cf_getattr_in {
	uint32_t getattr_flags;
	uint32_t dummy;
	uint64_t fh;
};

struct cf_attr_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec;
	uint32_t dummy;
	struct cf_attr attr;
};

struct cf_statx_in {
	uint32_t getattr_flags;
	uint32_t reserved;
	uint64_t fh;
	uint32_t sx_flags;
	uint32_t sx_mask;
};

struct cf_statx_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec;
	uint32_t flags;
	uint64_t spare[2];
	struct cf_statx stat;
};

struct cf_mknod_in {
	uint32_t mode;
	uint32_t rdev;
	uint32_t umask;
	uint32_t padding;
};

struct cf_mkdir_in {
	uint32_t mode;
	uint32_t umask;
};

struct cf_rename_in {
	uint64_t newdir;
};

struct cf_rename2_in {
	uint64_t newdir;
	uint32_t flags;
	uint32_t padding;
};

struct cf_link_in {
	uint64_t oldnodeid;
};

struct cf_setattr_in {
	uint32_t valid;
	uint32_t padding;
	uint64_t fh;
	uint64_t size;
	uint64_t lock_owner;
	uint64_t atime;
	uint64_t mtime;
	uint64_t ctime;
	uint32_t atimensec;
	uint32_t mtimensec;
	uint32_t ctimensec;
	uint32_t mode;
	uint32_t unused4;
	uint32_t uid;
	uint32_t gid;
	uint32_t unused5;
};

/* FLAGS is the client's O_*, OPEN_FLAGS is CF_OPEN_*. */
struct cf_open_in {
	uint32_t flags;
	uint32_t open_flags;
};

/* FLAGS is the client's O_*, OPEN_FLAGS is CF_OPEN_*. TMPFILE uses it too. */
struct cf_create_in {
	uint32_t flags;
	uint32_t mode;
	uint32_t umask;
	uint32_t open_flags;
};

/* BACKING_ID was padding up to 7.39. */
struct cf_open_out {
	uint64_t fh;
	uint32_t open_flags;
	int32_t backing_id;
};

/* What answers CREATE and TMPFILE. */
struct cf_create_out {
	struct cf_entry_out entry;
	struct cf_open_out open;
};

struct cf_release_in {
	uint64_t fh;
	uint32_t flags;
	uint32_t release_flags;
	uint64_t lock_owner;
};

struct cf_flush_in {
	uint64_t fh;
	uint32_t unused;
	uint32_t padding;
	uint64_t lock_owner;
};

struct cf_read_in {
	uint64_t fh;
	uint64_t offset;
	uint32_t size;
	uint32_t read_flags;
	uint64_t lock_owner;
	uint32_t flags;
	uint32_t padding;
};

struct cf_write_in {
	uint64_t fh;
	uint64_t offset;
	uint32_t size;
	uint32_t write_flags;
	uint64_t lock_owner;
	uint32_t flags;
	uint32_t padding;
};

struct cf_write_out {
	uint32_t size;
	uint32_t padding;
};

struct cf_statfs_out {
	struct cf_kstatfs st;
};

struct cf_fsync_in {
	uint64_t fh;
	uint32_t fsync_flags;
	uint32_t padding;
};

/* Ends before SETXATTR_FLAGS unless CF_INIT_SETXATTR_EXT was negotiated. */
struct cf_setxattr_in {
	uint32_t size;
	uint32_t flags;
	uint32_t setxattr_flags;
	uint32_t padding;
};

struct cf_getxattr_in {
	uint32_t size;
	uint32_t padding;
};

struct cf_getxattr_out {
	uint32_t size;
	uint32_t padding;
};

struct cf_lk_in {
	uint64_t fh;
	uint64_t owner;
	struct cf_file_lock lk;
	uint32_t lk_flags;
	uint32_t padding;
};

struct cf_lk_out {
	struct cf_file_lock lk;
};

struct cf_access_in {
	uint32_t mask;
	uint32_t padding;
};

/*
 * ARCH_ID is the canonical protocol's; it was the first of the unused words.
 * Up to 7.35, without CF_INIT_EXT, the message ends before FLAGS2; what is
 * there all the same is padding.
 */
struct cf_init_in {
	uint32_t major;
	uint32_t minor;
	uint32_t max_readahead;
	uint32_t flags;
	uint32_t flags2;
	uint32_t arch_id;
	uint32_t unused[10];
};

/* Up to 7.22 it ends before TIME_GRAN. */
struct cf_init_out {
	uint32_t major;
	uint32_t minor;
	uint32_t max_readahead;
	uint32_t flags;
	uint16_t max_background;
	uint16_t congestion_threshold;
	uint32_t max_write;
	uint32_t time_gran;
	uint16_t max_pages;
	uint16_t map_alignment;
	uint32_t flags2;
	uint32_t max_stack_depth;
	uint16_t request_timeout;
	uint16_t unused[11];
};

struct cf_cuse_init_in {
	uint32_t major;
	uint32_t minor;
	uint32_t unused;
	uint32_t flags;
};

struct cf_cuse_init_out {
	uint32_t major;
	uint32_t minor;
	uint32_t unused;
	uint32_t flags;
	uint32_t max_read;
	uint32_t max_write;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint32_t spare[10];
};

struct cf_interrupt_in {
	uint64_t unique;
};

struct cf_bmap_in {
	uint64_t block;
	uint32_t blocksize;
	uint32_t padding;
};

struct cf_bmap_out {
	uint64_t block;
};

struct cf_ioctl_in {
	uint64_t fh;
	uint32_t flags;
	uint32_t cmd;
	uint64_t arg;
	uint32_t in_size;
	uint32_t out_size;
};

/* In a reply with CF_IOCTL_RETRY: what the client shall copy. */
struct cf_ioctl_iovec {
	uint64_t base;
	uint64_t len;
};

struct cf_ioctl_out {
	int32_t result;
	uint32_t flags;
	uint32_t in_iovs;
	uint32_t out_iovs;
};

struct cf_poll_in {
	uint64_t fh;
	uint64_t kh;
	uint32_t flags;
	uint32_t events;
};

struct cf_poll_out {
	uint32_t revents;
	uint32_t padding;
};

struct cf_notify_poll_wakeup_out {
	uint64_t kh;
};

struct cf_fallocate_in {
	uint64_t fh;
	uint64_t offset;
	uint64_t length;
	uint32_t mode;
	uint32_t padding;
};

/*
 * Records start at multiples of 8 bytes; the name stands behind the struct,
 * NAMELEN bytes without a NUL.
 */
struct cf_dirent {
	uint64_t ino;
	uint64_t off;
	uint32_t namelen;
	uint32_t type;
};

struct cf_direntplus {
	struct cf_entry_out entry_out;
	struct cf_dirent dirent;
};

struct cf_notify_inval_inode_out {
	uint64_t ino;
	int64_t off;
	int64_t len;
};

struct cf_notify_inval_entry_out {
	uint64_t parent;
	uint32_t namelen;
	uint32_t flags;
};

struct cf_notify_delete_out {
	uint64_t parent;
	uint64_t child;
	uint32_t namelen;
	uint32_t padding;
};

struct cf_notify_store_out {
	uint64_t nodeid;
	uint64_t offset;
	uint32_t size;
	uint32_t padding;
};

struct cf_notify_retrieve_out {
	uint64_t notify_unique;
	uint64_t nodeid;
	uint64_t offset;
	uint32_t size;
	uint32_t padding;
};

/*
 * The answer to CF_NOTIFY_RETRIEVE: request CF_NOTIFY_REPLY, as long as
 * cf_write_in.
 */
struct cf_notify_retrieve_in {
	uint64_t dummy1;
	uint64_t offset;
	uint32_t size;
	uint32_t dummy2;
	uint64_t dummy3;
	uint64_t dummy4;
};

struct cf_notify_prune_out {
	uint32_t count;
	uint32_t padding;
	uint64_t spare;
};

struct cf_lseek_in {
	uint64_t fh;
	uint64_t offset;
	uint32_t whence;
	uint32_t padding;
};

struct cf_lseek_out {
	uint64_t offset;
};

struct cf_copy_file_range_in {
	uint64_t fh_in;
	uint64_t off_in;
	uint64_t nodeid_out;
	uint64_t fh_out;
	uint64_t off_out;
	uint64_t len;
	uint64_t flags;
};

struct cf_copy_file_range_out {
	uint64_t bytes_copied;
};

struct cf_setupmapping_in {
	uint64_t fh;
	uint64_t foffset;
	uint64_t len;
	uint64_t flags;
	uint64_t moffset;
};

/*
 * COUNT records of cf_removemapping_one follow at once, so they are not 8-byte
 * aligned.
 */
struct cf_removemapping_in {
	uint32_t count;
};

struct cf_removemapping_one {
	uint64_t moffset;
	uint64_t len;
};

struct cf_syncfs_in {
	uint64_t padding;
};

/* SIZE bytes of value follow the name, which follows this. */
struct cf_secctx {
	uint32_t size;
	uint32_t padding;
};

/* Its SIZE covers this header and all NR_SECCTX contexts. */
struct cf_secctx_header {
	uint32_t size;
	uint32_t nr_secctx;
};

/* TYPE: CF_EXT_GROUPS; 0 to CF_MAX_NR_SECCTX: it is a cf_secctx_header. */
struct cf_ext_header {
	uint32_t size;
	uint32_t type;
};

/*
 * Behind a cf_ext_header of type CF_EXT_GROUPS; then as many group ids of 32
 * bits as it says.
 */
struct cf_supp_groups {
	uint32_t nr_groups;
};

#define CF_NAME_OFFSET		  sizeof(struct cf_dirent)
#define CF_NAME_OFFSET_DIRENTPLUS (sizeof(struct cf_entry_out) + CF_NAME_OFFSET)

/* Bytes of a record whose name has this many, padding included. */
#define CF_DIRENT_SIZE(namelen) CF_REC_ALIGN(CF_NAME_OFFSET + (namelen))
#define CF_DIRENTPLUS_SIZE(namelen) \
	CF_REC_ALIGN(CF_NAME_OFFSET_DIRENTPLUS + (namelen))

#endif
