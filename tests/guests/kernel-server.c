// SPDX-License-Identifier: BSD-2-Clause
#include "kernel-wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_WRITE (16u << 20)
#define MAX_PAGES 256 /* 1 MiB of canonical pages */

struct request {
	struct fuse_in_header in;
	union {
		char data[MAX_WRITE + 4096];
		struct fuse_init_in init;
		struct fuse_open_in open;
		struct fuse_create_in create;
		struct fuse_read_in read;
		struct fuse_write_in write;
		struct fuse_release_in release;
		struct fuse_flush_in flush;
		struct fuse_lk_in lk;
		struct fuse_poll_in poll;
		struct fuse_ioctl_in ioctl;
		struct fuse_interrupt_in interrupt;
		struct cuse_init_in cuse;
	} u;
};

static struct request req;
static uint64_t blocked; /* unique of the read that waits, or 0 */
static char zeros[MAX_WRITE];

static void reply_to(int fd, uint64_t unique, int error, const void *data,
		     size_t size)
{
	struct fuse_out_header out = {
		.len = (uint32_t)(sizeof(out) + size),
		.error = error,
		.unique = unique,
	};
	struct iovec iov[2] = {
		{ &out, sizeof(out) },
		{ (void *)(uintptr_t)data, size },
	};

	if (writev(fd, iov, size ? 2 : 1) >= 0 || errno == ENOENT)
		return;
	printf("wire refused: reply with error %d: %s\n", error,
	       strerror(errno));
	fflush(stdout);
	if (error && error != -EIO)
		reply_to(fd, unique, -EIO, NULL, 0);
}

static void reply(int fd, const void *data, size_t size)
{
	reply_to(fd, req.in.unique, 0, data, size);
}

/* An error, by its canonical number and by this architecture's own */
static void fail(int fd, int canonical, int native)
{
	reply_to(fd, req.in.unique, wire_canonical() ? -canonical : -native,
		 NULL, 0);
}

static void fill_attr(struct fuse_attr *attr, uint64_t node)
{
	bool dir = node == FUSE_ROOT_ID || node == NODE_DIR;

	memset(attr, 0, sizeof(*attr));
	attr->ino = node;
	attr->mode = dir ? S_IFDIR | 0755 : S_IFREG | 0644;
	if (node == NODE_EXEC)
		attr->mode |= 0111;
	attr->nlink = dir ? 2 : 1;
	attr->size = dir ? 0 : UINT64_C(1) << 30;
	attr->blksize = 4096;
}

static uint64_t node_by_name(const char *name)
{
	if (!strcmp(name, "dir"))
		return NODE_DIR;
	if (!strcmp(name, "file"))
		return NODE_FILE;
	if (!strcmp(name, "block"))
		return NODE_BLOCK;
	if (!strcmp(name, "exec"))
		return NODE_EXEC;
	if (name[0] == 'e')
		return NODE_ERROR + strtoul(name + 1, NULL, 10);
	return 0;
}

static void do_lookup(int fd)
{
	struct fuse_entry_out out = { 0 };

	out.nodeid = node_by_name(req.u.data);
	out.generation = 1;
	if (!out.nodeid) {
		fail(fd, 2, ENOENT);
		return;
	}
	fill_attr(&out.attr, out.nodeid);
	reply(fd, &out, sizeof(out));
}

static void do_getattr(int fd)
{
	struct fuse_attr_out out = { 0 };

	fill_attr(&out.attr, req.in.nodeid);
	reply(fd, &out, sizeof(out));
}

static uint64_t answer_flags(void)
{
	switch (wire->answer) {
	case ANSWER_CANON:
		return WIRE_CANON | WIRE_INIT_EXT;
	case ANSWER_NO_EXT:
		return WIRE_CANON;
	case ANSWER_UNOFFERED:
		return WIRE_CANON_FIRST | WIRE_INIT_EXT;
	default:
		return 0;
	}
}

static void do_init(int fd)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = req.u.init.minor,
		.max_readahead = req.u.init.max_readahead,
		.max_background = 12,
		.congestion_threshold = 9,
		.max_write = MAX_WRITE,
		.time_gran = 1,
		.max_pages = MAX_PAGES,
	};
	uint64_t flags;

	wire->init = req.u.init;
	memcpy(&wire->arch_id, req.u.data + 20, sizeof(wire->arch_id));
	wire->has_init = true;
	if (wire->answer == ANSWER_REFUSE) {
		reply_to(fd, req.in.unique, -EPROTO, NULL, 0);
		return;
	}
	flags = answer_flags() | FUSE_POSIX_LOCKS | FUSE_ATOMIC_O_TRUNC |
		FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_HAS_IOCTL_DIR |
		FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO;
	out.flags = (uint32_t)flags;
	out.flags2 = (uint32_t)(flags >> 32);
	reply(fd, &out, sizeof(out));
}

static void do_open(int fd)
{
	struct fuse_open_out out = {
		.fh = 1,
		.open_flags = req.in.opcode == FUSE_OPEN ? FOPEN_DIRECT_IO : 0,
	};

	reply(fd, &out, sizeof(out));
}

static void do_create(int fd)
{
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out = { 0 };

	out.entry.nodeid = NODE_FILE;
	out.entry.generation = 1;
	fill_attr(&out.entry.attr, NODE_FILE);
	out.open.fh = 1;
	out.open.open_flags = FOPEN_DIRECT_IO;
	reply(fd, &out, sizeof(out));
}

static void do_read(int fd)
{
	if (req.in.nodeid == NODE_BLOCK) {
		blocked = req.in.unique;
		return;
	}
	reply(fd, zeros,
	      req.u.read.size < MAX_WRITE ? req.u.read.size : MAX_WRITE);
}

static void do_write(int fd)
{
	struct fuse_write_out out = { .size = req.u.write.size };

	reply(fd, &out, sizeof(out));
}

static void do_getlk(int fd)
{
	struct fuse_lk_out out = { .lk = req.u.lk.lk };

	out.lk.type = wire->lock_type;
	out.lk.pid = 1;
	reply(fd, &out, sizeof(out));
}

static void do_poll(int fd)
{
	struct fuse_poll_out out = { .revents = wire->revents };

	reply(fd, &out, sizeof(out));
}

/*
 * The payload of an answer is zeros. An unrestricted server that was not given
 * one byte yet asks for the four that the argument points to, both ways.
 */
static void do_ioctl(int fd)
{
	struct {
		struct fuse_ioctl_out out;
		struct fuse_ioctl_iovec iov[2];
	} again = { 0 };
	struct fuse_ioctl_out *out = (struct fuse_ioctl_out *)zeros;
	uint32_t size = req.u.ioctl.out_size;

	if (wire->retry && !req.u.ioctl.in_size) {
		again.out.flags = FUSE_IOCTL_RETRY;
		again.out.in_iovs = 1;
		again.out.out_iovs = 1;
		again.iov[0].base = req.u.ioctl.arg;
		again.iov[0].len = 4;
		again.iov[1] = again.iov[0];
		reply(fd, &again, sizeof(again));
		return;
	}
	out->result = wire->ioctl_result;
	if (wire->ioctl_result < 0 || size > 4096)
		size = 0;
	reply(fd, zeros, sizeof(*out) + size);
	out->result = 0;
}

/*
 * The first interrupt is to be sent again, the second tells the kernel to send
 * none ever after.
 */
static void do_interrupt(int fd)
{
	wire->interrupts++;
	if (wire->interrupts == 1) {
		fail(fd, 11, EAGAIN);
		return;
	}
	fail(fd, 38, ENOSYS);
	reply_to(fd, req.u.interrupt.unique, -EINTR, NULL, 0);
	blocked = 0;
}

static uint32_t field(void)
{
	switch (req.in.opcode) {
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return req.u.open.flags;
	case FUSE_CREATE:
	case WIRE_TMPFILE:
		return req.u.create.flags;
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		return req.u.read.flags;
	case FUSE_WRITE:
		return req.u.write.flags;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return req.u.release.flags;
	case FUSE_GETLK:
	case FUSE_SETLK:
	case FUSE_SETLKW:
		return req.u.lk.lk.type;
	case FUSE_POLL:
		return req.u.poll.events;
	case FUSE_IOCTL:
		return req.u.ioctl.cmd;
	}
	return 0;
}

/* What differs from run to run by nature */
static void blank(void)
{
	switch (req.in.opcode) {
	case FUSE_IOCTL:
		req.u.ioctl.arg = 0;
		break;
	case FUSE_READ:
		req.u.read.lock_owner = 0;
		break;
	case FUSE_WRITE:
		req.u.write.lock_owner = 0;
		break;
	case FUSE_RELEASE:
		req.u.release.lock_owner = 0;
		break;
	case FUSE_FLUSH:
		req.u.flush.lock_owner = 0;
		break;
	case FUSE_GETLK:
	case FUSE_SETLK:
		req.u.lk.owner = 0;
		req.u.lk.lk.pid = 0;
		break;
	case FUSE_INTERRUPT:
		req.u.interrupt.unique = 0;
		break;
	}
}

static void dump(void)
{
	static struct request kept;
	const unsigned char *p = (const unsigned char *)req.u.data;
	size_t size = req.in.len - sizeof(req.in);

	memcpy(&kept, &req, sizeof(kept.in) + 256);
	blank();
	if (size > 64)
		size = 64;
	printf("wire %u node=%llu len=%u", req.in.opcode,
	       (unsigned long long)req.in.nodeid, req.in.len);
	for (size_t i = 0; i < size; i++)
		printf("%s%02x", i % 4 ? "" : " ", p[i]);
	printf("\n");
	fflush(stdout);
	memcpy(&req, &kept, sizeof(kept.in) + 256);
}

static void note(void)
{
	if (wire->dump)
		dump();
	if (req.in.opcode >= WIRE_MAX_OPCODE)
		return;
	wire->value[req.in.opcode] = field();
	wire->size[req.in.opcode] = req.in.len;
	wire->count[req.in.opcode]++;
}

static void dispatch(int fd)
{
	switch (req.in.opcode) {
	case FUSE_INIT:
		do_init(fd);
		break;
	case FUSE_LOOKUP:
		do_lookup(fd);
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		do_getattr(fd);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		do_open(fd);
		break;
	case FUSE_CREATE:
	case WIRE_TMPFILE:
		do_create(fd);
		break;
	case FUSE_READ:
		do_read(fd);
		break;
	case FUSE_WRITE:
		do_write(fd);
		break;
	case FUSE_GETLK:
		do_getlk(fd);
		break;
	case FUSE_POLL:
		do_poll(fd);
		break;
	case FUSE_IOCTL:
		do_ioctl(fd);
		break;
	case FUSE_UNLINK:
		/* The number in the name goes out as it is */
		reply_to(fd, req.in.unique, -atoi(req.u.data + 1), NULL, 0);
		break;
	case FUSE_INTERRUPT:
		do_interrupt(fd);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		break;
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_FLUSH:
	case FUSE_FSYNC:
	case FUSE_SETLK:
	case FUSE_SETLKW:
	case FUSE_DESTROY:
		reply(fd, NULL, 0);
		break;
	default:
		fail(fd, 38, ENOSYS);
	}
}

void serve(int fd)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		/* A read that nothing interrupts ends by itself */
		if (!poll(&p, 1, blocked ? 1500 : -1)) {
			reply_to(fd, blocked, 0, zeros, 1);
			blocked = 0;
			continue;
		}
		n = read(fd, &req, sizeof(req));
		if (n < 0 &&
		    (errno == EINTR || errno == EAGAIN || errno == ENOENT))
			continue;
		if (n < (ssize_t)sizeof(req.in))
			return;
		note();
		dispatch(fd);
	}
}

void serve_cuse(int fd)
{
	static const char name[] = "DEVNAME=wiretest";
	struct {
		struct cuse_init_out out;
		char info[sizeof(name)];
	} init = { 0 };
	ssize_t n = read(fd, &req, sizeof(req));

	if (n < (ssize_t)sizeof(req.in) || req.in.opcode != CUSE_INIT) {
		printf("@FAILED no CUSE_INIT\n");
		return;
	}
	if (wire->dump)
		dump();
	init.out.major = FUSE_KERNEL_VERSION;
	init.out.minor = req.u.cuse.minor;
	init.out.flags = CUSE_UNRESTRICTED_IOCTL;
	init.out.max_read = 1 << 16;
	init.out.max_write = 1 << 16;
	memcpy(init.info, name, sizeof(name));
	reply(fd, &init, sizeof(init.out) + sizeof(name));
	wire->has_init = true;
	serve(fd);
}
