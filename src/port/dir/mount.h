/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file systems of the share. To open a file by its handle takes a
 * descriptor of anything on the same one; but for the root's it is closed
 * soon after, so that the host can unmount what the client does not use.
 */
#ifndef DIR_MOUNT_H
#define DIR_MOUNT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dir;
struct inode;

/* For how long a file of it may stay open that the client only knows. */
enum mount_class {
	MOUNT_HOME,  /* a while: the root pins it anyway */
	MOUNT_BRIEF, /* no longer than requests come */
	MOUNT_OPEN,  /* until descriptors run out: it has no handles */
	MOUNT_CLASSES
};

struct mount {
	struct mount *next; /* in the bucket; never changes */
	uint64_t dev, mnt_id;
	enum mount_class class; /* never changes */
	bool silly; /* NFS: an open file that is removed gets another name */
	pthread_mutex_t mutex; /* of what follows */
	int fd;		       /* -1: closed, or HOME's is used */
	unsigned int users;
	bool used;	      /* since the last sweep */
	uint64_t parent;      /* the node it is mounted in, as NAME */
	char *name;	      /* NULL: that is not known */
	unsigned int running; /* requests there; under turns.lock */
};

#define MOUNT_BUCKETS 256

struct mounts {
	_Atomic(struct mount *) buckets[MOUNT_BUCKETS];
	pthread_mutex_t mutex; /* of adding one */
	struct mount *home;    /* the root's */
	_Atomic bool several;  /* there was ever another one */
};

int mounts_init(struct dir *dir, int root_fd, uint64_t dev, uint64_t mnt_id);
void mounts_destroy(struct dir *dir);
struct mount *mount_find(struct dir *dir, uint64_t dev, uint64_t mnt_id);
/*
 * The one that FD is on, added if it is new; it may begin at NAME (NULL: not
 * known) in PARENT. NULL: no memory.
 */
struct mount *mount_add(struct dir *dir, uint64_t dev, uint64_t mnt_id, int fd,
			struct inode *parent, const char *name);
/* The one that begins in the node PARENT at NAME, of LEN bytes; or NULL. */
struct mount *mount_begins_at(struct dir *dir, uint64_t parent,
			      const char *name, size_t len);
/* Where MOUNT begins was looked up. */
void mount_seen(struct mount *mount, struct inode *parent, const char *name);

/* Whether its files are found again by handle. */
static inline bool mount_has_handles(const struct mount *mount)
{
	return mount->class != MOUNT_OPEN;
}

/* A descriptor for open_by_handle_at() until mount_release(); or -errno. */
int mount_hold(struct dir *dir, struct mount *mount);
void mount_release(struct dir *dir, struct mount *mount);
/* Closes what was not used since the last time. */
void mounts_sweep(struct dir *dir);

#endif
