/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file system in memory, whose server speaks nothing but canonical values:
 * it has no other numbers. What a client sees of it is right only if its
 * kernel translates.
 */
#ifndef MEMFS_H
#define MEMFS_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Canonical numbers: those of asm-generic, whatever this machine has */
enum {
	C_ENOENT = 2,
	C_EINTR = 4,
	C_EIO = 5,
	C_EBADF = 9,
	C_EAGAIN = 11,
	C_EEXIST = 17,
	C_ENOTDIR = 20,
	C_EISDIR = 21,
	C_EINVAL = 22,
	C_ENOTTY = 25,
	C_EFBIG = 27,
	C_ENOSPC = 28,
	C_ERANGE = 34,
	C_EDEADLK = 35,
	C_ENAMETOOLONG = 36,
	C_ENOSYS = 38,
	C_ENOTEMPTY = 39,
	C_ENODATA = 61,
	C_EOPNOTSUPP = 95,
	C_EDQUOT = 122,
};

#define C_O_ACCMODE   0x3u
#define C_O_CREAT     0x40u
#define C_O_EXCL      0x80u
#define C_O_NOCTTY    0x100u
#define C_O_TRUNC     0x200u
#define C_O_APPEND    0x400u
#define C_O_NONBLOCK  0x800u
#define C_O_ASYNC     0x2000u
#define C_O_DIRECT    0x4000u
#define C_O_LARGEFILE 0x8000u
#define C_O_DIRECTORY 0x10000u
#define C_O_NOATIME   0x40000u

#define C_F_RDLCK 0u
#define C_F_WRLCK 1u
#define C_F_UNLCK 2u

#define MEMFS_NODES 2048
#define MEMFS_FILES 1024
#define MEMFS_SIZE  (4u << 20) /* of a file, at most */
#define MEMFS_NAME  64
#define MEMFS_WRITE (256u << 10) /* of a message, at most */

struct xattr {
	struct xattr *next;
	char name[MEMFS_NAME];
	size_t size;
	char value[];
};

struct lock {
	struct lock *next;
	uint64_t owner, start, end;
	uint32_t type, pid;
	bool flock;
};

struct dirent_node {
	struct dirent_node *next;
	uint64_t cookie; /* of the next entry */
	uint32_t node;
	char name[MEMFS_NAME];
};

struct node {
	bool used, slow;
	uint32_t mode, nlink, uid, gid, parent, flags;
	uint64_t lookups, size, allocated, generation;
	uint64_t time[3]; /* atime, mtime, ctime in nanoseconds */
	unsigned char *data;
	struct dirent_node *entries;
	uint64_t next_cookie;
	struct xattr *xattrs;
	struct lock *locks;
	unsigned int open;
};

/* An open file: what its flags were is what later requests must say, too */
struct open_file {
	bool used;
	uint32_t node, flags;
};

struct message {
	struct fuse_in_header in;
	union {
		char data[MEMFS_WRITE + 4096];
		struct fuse_init_in init;
		struct fuse_getattr_in getattr;
		struct fuse_setattr_in setattr;
		struct fuse_mknod_in mknod;
		struct fuse_mkdir_in mkdir;
		struct fuse_rename2_in rename;
		struct fuse_link_in link;
		struct fuse_open_in open;
		struct fuse_create_in create;
		struct fuse_read_in read;
		struct fuse_write_in write;
		struct fuse_release_in release;
		struct fuse_flush_in flush;
		struct fuse_lk_in lk;
		struct fuse_ioctl_in ioctl;
		struct fuse_interrupt_in interrupt;
		struct fuse_setxattr_in setxattr;
		struct fuse_getxattr_in getxattr;
		struct fuse_fallocate_in fallocate;
		struct fuse_forget_in forget;
		struct fuse_batch_forget_in batch;
	} u;
};

extern struct message msg;
extern struct node nodes[MEMFS_NODES];
extern struct open_file files[MEMFS_FILES];

/* A string of the request, from offset on; NULL if it does not end in it */
const char *memfs_string(size_t offset);

/* Replies to the request in msg, or to another; error is canonical. */
void memfs_error(int error);
void memfs_reply(const void *data, size_t size);
void memfs_reply_to(uint64_t unique, int error, const void *data, size_t size);
void memfs_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

struct node *memfs_node(uint64_t id);
void memfs_attr(uint32_t id, struct fuse_attr *attr);
void memfs_touch(struct node *n, bool data);
void memfs_drop(uint32_t id);

/* Opens a file; a handle, or a negative canonical error. */
int64_t memfs_open(uint32_t id, uint32_t flags);
void memfs_release(void);
bool memfs_truncate(struct node *n, uint64_t size);

void memfs_read(void);
void memfs_write(void);
void memfs_fallocate(void);
void memfs_flush(void);
void memfs_lock(void);
void memfs_interrupt(void);
void memfs_ioctl(void);
void memfs_poll(void);
void memfs_setxattr(void);
void memfs_getxattr(void);
void memfs_listxattr(void);
void memfs_removexattr(void);

/* Whether replies are held back, and to send what has waited long enough */
bool memfs_waiting(void);
void memfs_tick(void);
bool memfs_interrupted(uint64_t unique);

/* Serve until the file system is unmounted. */
void memfs_serve(int fd, bool writeback);

#endif
