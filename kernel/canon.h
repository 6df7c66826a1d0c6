/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * FUSE: canonical form of what differs between architectures.
 * See Documentation/filesystems, fuse-canon.
 */
#ifndef _FS_FUSE_CANON_H
#define _FS_FUSE_CANON_H

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <linux/ioctl.h>
#include <linux/poll.h>
#include <linux/serial.h>
#include <linux/sockios.h>
#include <linux/termios.h>
#include <linux/types.h>

/* Instead of an ioctl number */
#define CANON_NONE (-1LL)

struct fuse_args;
struct fuse_conn;
struct fuse_req;

/*
 * Whether this architecture's own values are the canonical ones: constants, so
 * that what would translate is dropped where there is nothing to translate.
 */
static __always_inline bool fuse_canon_native_open(void)
{
	bool same = true;

#define CANON_OPEN
#define CANON(name, canonical) (same = same && (name) == (canonical))
	return
#include "canon_values.h"
		same;
}

static __always_inline bool fuse_canon_native_errno(void)
{
	/* Where it is an error of its own there is no canonical one for it */
	bool same = EDEADLOCK == EDEADLK;

#define CANON_ERRNO
#define CANON(name, canonical) (same = same && E##name == (canonical))
	return
#include "canon_values.h"
		same;
}

static __always_inline bool fuse_canon_native_lock(void)
{
	bool same = true;

#define CANON_LOCK
#define CANON(name, canonical) (same = same && (name) == (canonical))
	return
#include "canon_values.h"
		same;
}

static __always_inline bool fuse_canon_native_poll(void)
{
	bool same = true;

#define CANON_POLL
#define CANON(name, canonical) (same = same && (name) == (canonical))
	return
#include "canon_values.h"
		same;
}

static __always_inline bool fuse_canon_native_ioctl(void)
{
	bool same = _IOC_NONE == 0 && _IOC_WRITE == 1 && _IOC_READ == 2 &&
		    _IOC_SIZEBITS == 14;

#define CANON_IOCTL
#define CANON(name, canonical) (same = same && (name) == (canonical))
	return
#include "canon_values.h"
		same;
}

static __always_inline bool fuse_canon_native(void)
{
	return fuse_canon_native_open() && fuse_canon_native_errno() &&
	       fuse_canon_native_lock() && fuse_canon_native_poll() &&
	       fuse_canon_native_ioctl();
}

u32 fuse_canon_arch_id(void);
bool fuse_canon_answer(struct fuse_conn *fc, const struct fuse_init_in *in,
		       struct fuse_init_out *out, u64 flags);

int __fuse_canon_error(int error);
void __fuse_canon_request(struct fuse_req *req);
void __fuse_canon_reply(struct fuse_req *req);
bool __fuse_canon_ioctl_ok(const struct fuse_args *args);

/* Put the arguments of a request that is about to be queued in canonical form */
static inline void fuse_canon_request(struct fuse_req *req)
{
	if (!fuse_canon_native())
		__fuse_canon_request(req);
}

/*
 * Give the arguments of a request back to their owner as they were, and its
 * reply, if there is one, in this architecture's own values. Does nothing on a
 * request that did not go through fuse_canon_request(), or a second time.
 */
static inline void fuse_canon_reply(struct fuse_req *req)
{
	if (!fuse_canon_native())
		__fuse_canon_reply(req);
}

/* A canonical error, zero or negative, as this architecture has it */
static inline int fuse_canon_error(int error)
{
	return fuse_canon_native_errno() ? error : __fuse_canon_error(error);
}

/* Whether the ioctl number of a FUSE_IOCTL request has a canonical form */
static inline bool fuse_canon_ioctl_ok(const struct fuse_args *args)
{
	return fuse_canon_native_ioctl() || __fuse_canon_ioctl_ok(args);
}

#endif /* _FS_FUSE_CANON_H */
