// SPDX-License-Identifier: BSD-2-Clause
/* The server: messages, the handshake, and which message goes where. */
#include "memfs.h"
#include "memfs_names.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Numbers of the protocol that the C library's headers may be too old for */
#define CANON_ARCH  (UINT64_C(1) << 62)
#define INIT_EXT    (UINT64_C(1) << 30)
#define OP_TMPFILE  51
#define CANON_PAGES (MEMFS_WRITE >> 12)
#define MAX_ERROR   511

struct message msg;
struct node nodes[MEMFS_NODES];
struct open_file files[MEMFS_FILES];

static int device;
static bool with_writeback;
static unsigned long requests;

void memfs_fail(const char *fmt, ...)
{
	static unsigned int count;
	va_list args;

	if (count++ > 20)
		return;
	printf("FAIL memfs: ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

const char *memfs_string(size_t offset)
{
	size_t size = msg.in.len - sizeof(msg.in);

	if (offset >= size || !memchr(msg.u.data + offset, 0, size - offset))
		return NULL;
	return msg.u.data + offset;
}

void memfs_reply_to(uint64_t unique, int error, const void *data, size_t size)
{
	struct fuse_out_header out = {
		.len = (uint32_t)(sizeof(out) + size),
		.error = -error,
		.unique = unique,
	};
	struct iovec iov[2] = {
		{ &out, sizeof(out) },
		{ (void *)(uintptr_t)data, size },
	};

	/* A request that was given up, or the end of everything */
	if (writev(device, iov, size ? 2 : 1) >= 0 || errno == ENOENT ||
	    errno == ENODEV)
		return;
	/* What no error can be is not taken; the client waits all the same */
	if (error > MAX_ERROR && errno == EINVAL)
		memfs_reply_to(unique, C_EIO, NULL, 0);
	else
		memfs_fail("opcode %u: reply %d: %s", msg.in.opcode, error,
			   strerror(errno));
}

void memfs_reply(const void *data, size_t size)
{
	memfs_reply_to(msg.in.unique, 0, data, size);
}

void memfs_error(int error)
{
	memfs_reply_to(msg.in.unique, error, NULL, 0);
}

struct node *memfs_node(uint64_t id)
{
	return id && id < MEMFS_NODES && nodes[id].used ? &nodes[id] : NULL;
}

void memfs_touch(struct node *n, bool data)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	n->time[2] = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	if (data)
		n->time[1] = n->time[2];
}

static void do_init(void)
{
	uint64_t offered = msg.u.init.flags | (uint64_t)msg.u.init.flags2 << 32;
	uint64_t flags = CANON_ARCH | INIT_EXT | FUSE_ASYNC_READ |
			 FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS |
			 FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES |
			 FUSE_HAS_IOCTL_DIR | FUSE_DO_READDIRPLUS |
			 FUSE_READDIRPLUS_AUTO | FUSE_PARALLEL_DIROPS |
			 FUSE_ASYNC_DIO | FUSE_MAX_PAGES;
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = msg.u.init.minor,
		.max_readahead = 128 << 10,
		.max_background = 12,
		.congestion_threshold = 9,
		.max_write = MEMFS_WRITE,
		.time_gran = 1,
		.max_pages = CANON_PAGES,
	};

	if (with_writeback)
		flags |= FUSE_WRITEBACK_CACHE;
	if (!(offered & canon))
		memfs_fail("nothing canonical is offered");
	flags &= offered | INIT_EXT;
	out.flags = (uint32_t)flags;
	out.flags2 = (uint32_t)(flags >> 32);
	memfs_reply(&out, sizeof(out));
	printf("memfs: canonical values agreed on%s\n",
	       with_writeback ? ", writeback" : "");
	fflush(stdout);
}

static void do_statfs(void)
{
	struct fuse_statfs_out out = { .st = {
					       .blocks = 1 << 20,
					       .bfree = 1 << 19,
					       .bavail = 1 << 19,
					       .files = MEMFS_NODES,
					       .ffree = MEMFS_NODES / 2,
					       .bsize = 4096,
					       .namelen = MEMFS_NAME - 1,
					       .frsize = 4096,
				       } };

	memfs_reply(&out, sizeof(out));
}

static void do_forget(void)
{
	const struct fuse_forget_one *one =
		(const void *)(msg.u.data + sizeof(msg.u.batch));
	uint32_t count = msg.u.batch.count;

	if (msg.in.opcode == FUSE_FORGET) {
		memfs_forget(msg.in.nodeid, msg.u.forget.nlookup);
		return;
	}
	if (count > (sizeof(msg.u) - sizeof(msg.u.batch)) / sizeof(*one))
		return;
	for (uint32_t i = 0; i < count; i++)
		memfs_forget(one[i].nodeid, one[i].nlookup);
}

static const struct {
	uint32_t opcode;
	void (*call)(void);
} table[] = {
	{ FUSE_INIT, do_init },
	{ FUSE_STATFS, do_statfs },
	{ FUSE_FORGET, do_forget },
	{ FUSE_BATCH_FORGET, do_forget },
	{ FUSE_LOOKUP, memfs_lookup },
	{ FUSE_GETATTR, memfs_getattr },
	{ FUSE_SETATTR, memfs_setattr },
	{ FUSE_READLINK, memfs_readlink },
	{ FUSE_SYMLINK, memfs_symlink },
	{ FUSE_MKNOD, memfs_mknod },
	{ FUSE_MKDIR, memfs_mknod },
	{ FUSE_CREATE, memfs_create },
	{ OP_TMPFILE, memfs_create },
	{ FUSE_UNLINK, memfs_unlink },
	{ FUSE_RMDIR, memfs_unlink },
	{ FUSE_RENAME, memfs_rename },
	{ FUSE_RENAME2, memfs_rename },
	{ FUSE_LINK, memfs_link },
	{ FUSE_OPEN, memfs_do_open },
	{ FUSE_OPENDIR, memfs_do_open },
	{ FUSE_READDIR, memfs_readdir },
	{ FUSE_READDIRPLUS, memfs_readdir },
	{ FUSE_RELEASE, memfs_release },
	{ FUSE_RELEASEDIR, memfs_release },
	{ FUSE_READ, memfs_read },
	{ FUSE_WRITE, memfs_write },
	{ FUSE_FALLOCATE, memfs_fallocate },
	{ FUSE_FLUSH, memfs_flush },
	{ FUSE_GETLK, memfs_lock },
	{ FUSE_SETLK, memfs_lock },
	{ FUSE_SETLKW, memfs_lock },
	{ FUSE_INTERRUPT, memfs_interrupt },
	{ FUSE_IOCTL, memfs_ioctl },
	{ FUSE_POLL, memfs_poll },
	{ FUSE_SETXATTR, memfs_setxattr },
	{ FUSE_GETXATTR, memfs_getxattr },
	{ FUSE_LISTXATTR, memfs_listxattr },
	{ FUSE_REMOVEXATTR, memfs_removexattr },
};

static void dispatch(void)
{
	requests++;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].opcode == msg.in.opcode) {
			table[i].call();
			return;
		}
	if (msg.in.opcode == FUSE_FSYNC || msg.in.opcode == FUSE_FSYNCDIR ||
	    msg.in.opcode == FUSE_DESTROY)
		memfs_reply(NULL, 0);
	else
		memfs_error(C_ENOSYS);
}

void memfs_serve(int fd, bool writeback)
{
	device = fd;
	with_writeback = writeback;
	nodes[FUSE_ROOT_ID].used = true;
	nodes[FUSE_ROOT_ID].mode = S_IFDIR | 0755;
	nodes[FUSE_ROOT_ID].nlink = 2;
	nodes[FUSE_ROOT_ID].lookups = 1;
	nodes[FUSE_ROOT_ID].parent = FUSE_ROOT_ID;
	memfs_touch(&nodes[FUSE_ROOT_ID], true);
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (!poll(&p, 1, memfs_waiting() ? 20 : -1)) {
			memfs_tick();
			continue;
		}
		n = read(fd, &msg, sizeof(msg));
		if (n < 0 &&
		    (errno == EINTR || errno == EAGAIN || errno == ENOENT))
			continue;
		if (n < (ssize_t)sizeof(msg.in))
			break;
		dispatch();
	}
	printf("memfs: %lu requests\n", requests);
	fflush(stdout);
}
