/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Single requests. Flags are as the client has them on the wire; results are
 * as of talk(), with the outputs untouched unless it is 0.
 */
#ifndef PROBE_CLIENT_H
#define PROBE_CLIENT_H

#include "probe.h"

/* Canonical open flags, section 5.1. */
#define CANON_O_RDONLY	  0x0U
#define CANON_O_WRONLY	  0x1U
#define CANON_O_RDWR	  0x2U
#define CANON_O_CREAT	  0x40U
#define CANON_O_EXCL	  0x80U
#define CANON_O_NOCTTY	  0x100U
#define CANON_O_TRUNC	  0x200U
#define CANON_O_APPEND	  0x400U
#define CANON_O_NONBLOCK  0x800U
#define CANON_O_DSYNC	  0x1000U
#define CANON_FASYNC	  0x2000U
#define CANON_O_DIRECT	  0x4000U
#define CANON_O_LARGEFILE 0x8000U
#define CANON_O_DIRECTORY 0x10000U
#define CANON_O_NOFOLLOW  0x20000U
#define CANON_O_NOATIME	  0x40000U
#define CANON_O_CLOEXEC	  0x80000U
#define CANON_O_SYNC	  0x101000U
#define CANON_O_TMPFILE	  0x410000U

/* A file that is open. */
struct file {
	uint64_t nodeid;
	uint64_t fh;
};

/* Canonical open flags as this client would send them. */
uint32_t client_flags(const struct probe *probe, uint32_t canonical);

int do_lookup(struct probe *probe, uint64_t parent, const char *name,
	      uint64_t *ret_nodeid);
int do_mkdir(struct probe *probe, uint64_t parent, const char *name,
	     uint32_t mode, uint64_t *ret_nodeid);
int do_symlink(struct probe *probe, uint64_t parent, const char *name,
	       const char *target, uint64_t *ret_nodeid);
int do_unlink(struct probe *probe, uint64_t parent, const char *name);
int do_rmdir(struct probe *probe, uint64_t parent, const char *name);
int do_create(struct probe *probe, uint64_t parent, const char *name,
	      uint32_t flags, struct file *ret_file);
int do_open(struct probe *probe, uint64_t nodeid, uint32_t flags,
	    uint64_t *ret_fh);
int do_opendir(struct probe *probe, uint64_t nodeid, uint64_t *ret_fh);
int do_release(struct probe *probe, const struct file *file);
int do_releasedir(struct probe *probe, const struct file *file);
int do_write(struct probe *probe, const struct file *file, uint64_t offset,
	     const void *data, size_t len, uint32_t flags);
/* The data are in the reply; reply_size() is how many. */
int do_read(struct probe *probe, const struct file *file, uint64_t offset,
	    size_t len);
int do_getattr(struct probe *probe, uint64_t nodeid);
int do_getsize(struct probe *probe, uint64_t nodeid, uint64_t *ret_size);
int do_statfs(struct probe *probe);
int do_setxattr(struct probe *probe, uint64_t nodeid, const char *name,
		const void *value, size_t len, uint32_t flags);
int do_getxattr(struct probe *probe, uint64_t nodeid, const char *name,
		size_t len);

/* A name that was not used before. */
const char *new_name(struct probe *probe, char name[32]);

/* Makes a file of LEN bytes of DATA, not open. */
int make_file(struct probe *probe, const char *name, const void *data,
	      size_t len, uint64_t *ret_nodeid);

/* The same with a new name, and then opens it; FLAGS are canonical. */
int make_open_file(struct probe *probe, const void *data, size_t len,
		   uint32_t flags, struct file *ret_file);

/* Names of a directory, whatever the server sends. */
#define LISTING_MAX 64U

struct listing {
	unsigned int count;
	char names[LISTING_MAX][256];
	uint32_t types[LISTING_MAX];
	uint64_t nodeids[LISTING_MAX]; /* of READDIRPLUS */
	const char *fault; /* what is wrong with a record; NULL: nothing */
};

extern struct listing probe_listing[8];

/* READDIR, or READDIRPLUS, up to the end, in small pieces. */
int list_directory(struct probe *probe, uint64_t nodeid,
		   struct listing *listing, bool plus);

#endif
