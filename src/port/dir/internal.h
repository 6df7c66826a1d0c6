/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the directory server share. */
#ifndef DIR_INTERNAL_H
#define DIR_INTERNAL_H

#include "cache.h"
#include "dir.h"
#include "forgotten.h"
#include "lock_table.h"
#include "mount.h"
#include "numbers.h"
#include "slots.h"
#include "turn.h"
#include "where.h"
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#define DIR_MAX_WRITE (1u << 20)
#define DIR_MAX_PAGES (DIR_MAX_WRITE / 4096)

#define INODE_MAX_LOOKUPS (UINT64_MAX >> 1)

/*
 * One file of the host that the client knows, or is about to. There may be
 * millions: see tests/unit/test-dir-inodes.c.
 */
struct inode {
	struct slot slot; /* first; slot.id is the nodeid */
	_Atomic int fd;	  /* O_PATH; -1: closed; see inode_fd() */
	uint16_t type;	  /* S_IFMT bits: these never change */
	/* Without a name by the client's doing; the root need not have one. */
	_Atomic bool removed;
	_Atomic bool submount; /* a file system begins here */
	uint64_t ino;
	uint64_t btime; /* nanoseconds; 0: unknown */
	struct mount *mount;

	/* From here on under the shard's mutex, but for what is atomic. */
	uint64_t nlookup : 63;	/* what the client holds */
	uint64_t listed : 1;	/* found by its number */
	struct inode *next;	/* in the bucket */
	uint32_t cache_at;	/* in the ring, + 1; 0: not there */
	_Atomic uint32_t opens; /* handles of the client */
	struct where where;
	_Atomic bool used;	  /* its descriptor, since it was looked at */
	_Atomic bool forgotten;	  /* by the client: see forgotten.c */
	_Atomic bool finds_known; /* the last LOOKUP here, see there */
	_Atomic(struct lock_file *) locks; /* NULL: there never were any */
};

/* One open file or directory of the client. */
struct handle {
	struct slot slot; /* first; slot.id is the fh */
	int fd;
	struct inode *inode; /* it has this one counted */
	bool writable;
	bool opener; /* the inode may be found by it alone; see where.h */
	bool direct; /* O_DIRECT: reads and writes wait for the disk */
	_Atomic bool closed;
	_Atomic bool no_nowait; /* RWF_NOWAIT does not work here */
	struct stream *stream;	/* of a directory; NULL until it is read */
	pthread_mutex_t mutex;	/* of stream */
	struct lock_handle locks;
};

struct inode_shard {
	pthread_mutex_t mutex;
	struct inode **buckets;
	size_t bucket_count; /* a power of two */
	size_t inode_count;
	struct cache_ring rings[MOUNT_CLASSES];
};

#define INODE_SHARDS 64

/* What the client and the server agreed upon at FUSE_INIT. */
struct agreed {
	uint32_t minor; /* 0: there was no INIT yet */
	uint64_t flags; /* CF_INIT_*, both halves */
};

struct dir {
	const struct dir_options *options;
	int proc_fd; /* /proc/self/fd, O_PATH */
	uid_t uid;   /* of this process */
	gid_t gid;
	bool privileged;      /* it may act as any user */
	bool all_ids;	      /* and every user exists */
	uint64_t caps;	      /* capabilities, as bits, that a thread may use */
	uint64_t timeout_sec; /* of names and attributes */
	struct slots inodes;
	struct slots handles;
	struct inode_shard shards[INODE_SHARDS];
	struct cache cache;
	struct forgotten forgotten;
	struct mounts mounts;
	struct turns turns;
	struct inode *root; /* held */
	struct numbers numbers;
	struct lock_table locks;
	struct agreed agreed;
};

/* Runs a call that is dir_submit()'s, in whatever thread. */
void dir_run(struct dir *dir, struct call *call);

/* One request on its way through a handler. */
struct op {
	struct dir *dir;
	struct call *call;
	const struct cf_in_header *in;
	uid_t uid; /* the caller, in the host's numbers */
	gid_t gid;
	struct inode *inode; /* of in->nodeid, held; NULL if not wanted */
	const void *arg;     /* the fixed part, as long as the table says */
	const char *name;    /* checked to be one component */
	const char *name2;
	const void *rest; /* behind the names, extensions not included */
	size_t rest_len;
	const void *ext; /* extension headers */
	size_t ext_len;
	bool blocks; /* op_may_block() was here */
};

/*
 * Bytes of the reply behind its header, or -errno; or OP_WAITS: somebody else
 * answers, or has answered, the call.
 */
#define OP_WAITS (-SSIZE_MAX)
typedef ssize_t op_fn(struct op *op);

/* call_may_block(), which counts the first time only. */
static inline void op_may_block(struct op *op)
{
	if (!op->blocks)
		call_may_block(op->call);
	op->blocks = true;
}

/* inode.c */
int inodes_init(struct dir *dir, int root_fd);
void inodes_reset(struct dir *dir);
void inodes_destroy(struct dir *dir);
struct inode *inode_get(struct dir *dir, uint64_t nodeid);
void inode_put(struct dir *dir, struct inode *inode);
/*
 * Looks NAME (NULL: PARENT itself) up for the client: one more lookup of it,
 * *RET_INODE held, *RET_ST as it is now.
 */
int inode_lookup(struct dir *dir, struct inode *parent, const char *name,
		 struct inode **ret_inode, struct stat *ret_st);
/* The same where INO, from reading PARENT, tells what NAME was a moment ago. */
int inode_lookup_entry(struct dir *dir, struct inode *parent, const char *name,
		       uint64_t ino, struct inode **ret_inode,
		       struct stat *ret_st);
/*
 * The same of an O_PATH descriptor, which is taken over: of NAME in PARENT, or
 * NULL if that is not known.
 */
int inode_adopt(struct dir *dir, int fd, struct inode *parent, const char *name,
		struct inode **ret_inode, struct stat *ret_st);
/*
 * The same of the file that HANDLE, which nobody knows yet, has just made as
 * NAME in PARENT (NULL: it has no name). HANDLE belongs to the inode then.
 */
int inode_create(struct dir *dir, struct inode *parent, const char *name,
		 struct handle *handle, struct stat *ret_st);
/*
 * The file that is NAME now if the client knows it: held, but not looked up
 * once more; NULL if not.
 */
struct inode *inode_find(struct dir *dir, struct inode *parent,
			 const char *name, struct stat *ret_st);
/* NAME in PARENT is INODE now. */
void inode_named(struct dir *dir, struct inode *inode, struct inode *parent,
		 const char *name);
/* Its handle or name leads to no file any more. */
void inode_stale(struct dir *dir, struct inode *inode);
/* Whether FD is the file of INODE, or on MOUNT. */
bool inode_is_file(const struct inode *inode, int fd);
bool mount_is_of(const struct mount *mount, int fd);
/* One handle of the client's more, and less. INODE is held at first. */
void inode_opened(struct dir *dir, struct inode *inode);
void inode_closed(struct dir *dir, struct inode *inode, struct handle *handle);
/* Takes the mutex of the shard that INODE is in. */
struct inode_shard *inode_lock(struct dir *dir, struct inode *inode);
static inline void inode_unlock(struct inode_shard *shard)
{
	pthread_mutex_unlock(&shard->mutex);
}
void inode_forget(struct dir *dir, struct inode *inode, uint64_t nlookup);
/* True if it was only remembered, as forgotten by the client: no longer. */
bool inode_let_go(struct dir *dir, struct inode *inode);
/* The directory that PARENT is in, never above the root; -ESTALE outside. */
int inode_parent_fd(struct dir *dir, struct inode *inode, int *ret_fd);
/* Another descriptor of the same file, opened with FLAGS. */
int inode_reopen(struct dir *dir, struct inode *inode, int flags);

/* handle.c */
int handles_init(struct dir *dir);
void handles_destroy(struct dir *dir);
/* Takes FD over on success. */
int handle_create(struct dir *dir, struct inode *inode, int fd, int flags,
		  uint64_t *ret_fh);
/* The same in two steps. NULL: no memory. Then handle->inode must be set. */
struct handle *handle_new(struct dir *dir, int fd, int flags);
/* Its number from here on. */
uint64_t handle_publish(struct handle *handle);
/* Undoes handle_new(), but for FD. */
void handle_discard(struct dir *dir, struct handle *handle);
/* An O_PATH descriptor by any handle of INODE; -ESTALE if there is none. */
int handle_path(struct dir *dir, struct inode *inode);
struct handle *handle_get(struct dir *dir, uint64_t fh);
void handle_put(struct dir *dir, struct handle *handle);
/* Makes FH unknown to the client; 0 or -EBADF. */
int handle_close(struct dir *dir, uint64_t fh);
void handles_reset(struct dir *dir);

/* attr.c */
void attr_fill(struct dir *dir, const struct stat *st, struct cf_attr *attr);
/* The reply to LOOKUP and all that create a name. */
void entry_fill(struct dir *dir, struct inode *parent, struct inode *inode,
		const struct stat *st, struct cf_entry_out *out);
/* Looks op->name in op->inode up and writes the reply; its length or -errno. */
ssize_t entry_reply(struct op *op);

/* xattr.c */
/*
 * Gives the file of FD the security context that the client asked for, by its
 * name NAME. 0 or -errno; always 0 where labels are as may be.
 */
int xattr_label(struct op *op, int fd, const char *name, const void *value,
		size_t len);
/* Whether there is a place for SELinux's. */
bool xattr_can_label(const struct dir *dir);
/*
 * The file of FD is about to change: capabilities that are kept under another
 * name go, as the host sees to it with those that are not.
 */
void xattr_drop_capability(const struct op *op, int fd);

/* credentials.c: what the kernel keeps for each thread */
/* Sets dir->uid and its like; at the start, once. */
void cred_init(struct dir *dir, bool all_ids);
/* A working directory and umask of this thread's own, in /proc/self/fd. */
int thread_enter_proc(const struct dir *dir);
int thread_umask(struct dir *dir, mode_t mask);
/*
 * Whether set-id bits survive what this thread does. If not, it is the caller's
 * group that counts. 0, or -errno: it is not as asked, so do nothing.
 */
int thread_keep_setid(const struct op *op, bool keep);
/*
 * For what does not say whether set-id bits go, although the client leaves
 * that to its server: they go unless the superuser asks.
 */
int thread_keep_setid_of_root(const struct op *op);
/*
 * The same of an open with O_TRUNC. A client that clears bits itself does not
 * where OPEN truncates.
 */
int thread_keep_setid_of_open(const struct op *op, uint32_t open_flags);
/* The name of FD in /proc/self/fd. */
struct fd_name {
	char text[12];
};
struct fd_name fd_name(int fd);

/* extension.c: what may follow the names of a request that creates */
struct extensions {
	bool has_group;
	gid_t group;
	bool stripped; /* the client took S_ISGID off where it must go */
	const char *secctx_name; /* "security.selinux"; NULL: none */
	const void *secctx;
	size_t secctx_len;
};
/* MODE is what is to be created. */
int extensions_parse(struct op *op, mode_t mode, struct extensions *ret_ext);

struct cred_scope {
	bool switched, grouped;
};
/* Acts as the client's caller until cred_leave(). */
int cred_enter(struct op *op, const struct extensions *ext,
	       struct cred_scope *ret_scope);
void cred_leave(struct op *op, const struct cred_scope *scope);
/* The handlers, by file. */
op_fn op_init, op_destroy, op_interrupt;		      /* dispatch.c */
op_fn op_lookup, op_forget, op_batch_forget;		      /* lookup.c */
op_fn op_getattr, op_setattr, op_statx, op_access, op_statfs; /* attr.c */
op_fn op_readlink, op_mknod, op_mkdir, op_symlink, op_create, op_tmpfile;
op_fn op_unlink, op_rmdir, op_rename, op_rename2, op_link;	/* name.c */
op_fn op_open, op_opendir, op_release, op_releasedir, op_flush; /* open.c */
op_fn op_fsync, op_fsyncdir, op_syncfs;
op_fn op_read, op_write, op_lseek, op_fallocate; /* io.c */
op_fn op_copy_file_range, op_copy_file_range_64;
op_fn op_readdir, op_readdirplus;			      /* readdir.c */
op_fn op_getxattr, op_setxattr, op_listxattr, op_removexattr; /* xattr.c */
op_fn op_ioctl;						      /* ioctl.c */
op_fn op_getlk, op_setlk, op_setlkw;			      /* lock.c */

#endif
