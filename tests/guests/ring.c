// SPDX-License-Identifier: BSD-2-Clause
#include "ring.h"

#include <errno.h>
#include <linux/fuse.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Numbers of the protocol that the C library's headers may be too old for */
#define OVER_IO_URING2 (1u << (41 - 32))
#define INIT_EXT       (1u << 30)
#define CMD_REGISTER   1
#define CMD_COMMIT     2

#define DEPTH	   4 /* requests that a queue can have with the server */
#define MAX_QUEUES 8
#define PAYLOAD	   (17u << 20)
#define MAX_OPCODE 64

/* What the kernel and the server share for one request */
struct headers {
	union {
		struct fuse_in_header in;
		struct fuse_out_header out;
		char space[128];
	} u;
	char op[128];
	uint64_t flags;
	uint64_t commit_id;
	uint32_t payload_size;
	uint32_t padding;
	uint64_t reserved;
};

struct command {
	uint64_t flags;
	uint64_t commit_id;
	uint16_t queue;
	uint8_t padding[6];
};

struct sqe128 {
	struct io_uring_sqe sqe;
	char more[64];
};

struct entry {
	struct headers *headers;
	char *payload;
	struct iovec iov[2];
	uint64_t unique; /* of the request that the server has, or 0 */
	uint16_t queue;
};

static struct {
	int fd; /* of io_uring, or 0 */
	unsigned int *sq_tail, *sq_mask, *sq_array;
	unsigned int *cq_head, *cq_tail, *cq_mask;
	struct io_uring_cqe *cqes;
	struct sqe128 *sqes;
	struct entry entries[MAX_QUEUES * DEPTH];
	unsigned int count;
	bool offered, initialized, gone;
	unsigned long ring, device;
	unsigned int by_ring[MAX_OPCODE], by_device[MAX_OPCODE];
} r;

/* What the kernel still sends through the device, by design */
static bool of_device(uint32_t opcode)
{
	return opcode == FUSE_INIT || opcode == FUSE_FORGET ||
	       opcode == FUSE_BATCH_FORGET || opcode == FUSE_INTERRUPT;
}

/* Once, at the end: how many requests took which way */
static void say(void)
{
	if (r.gone)
		return;
	r.gone = true;
	printf("ring %lu requests, device %lu:", r.ring, r.device);
	for (unsigned int i = 0; i < MAX_OPCODE; i++)
		if (r.by_ring[i])
			printf(" %u=%u", i, r.by_ring[i]);
	printf("\n");
	for (unsigned int i = 0; i < MAX_OPCODE; i++)
		if (r.fd && r.by_device[i] && !of_device(i))
			printf("FAIL opcode %u came by the device %u times\n",
			       i, r.by_device[i]);
	fflush(stdout);
}

static void broken(const char *what, int error)
{
	printf("FAIL ring: %s: %s\n", what, strerror(error));
	fflush(stdout);
	_exit(1);
}

static unsigned int queues(void)
{
	unsigned int first = 0, last = 0;
	FILE *f = fopen("/sys/devices/system/cpu/possible", "r");

	if (!f)
		broken("possible", errno);
	if (fscanf(f, "%u-%u", &first, &last) < 2)
		last = first;
	fclose(f);
	if (last >= MAX_QUEUES)
		broken("too many processors", E2BIG);
	return last + 1;
}

static void submit(unsigned int index, unsigned int cmd, int device)
{
	struct entry *e = &r.entries[index];
	unsigned int tail = *r.sq_tail, slot = tail & *r.sq_mask;
	struct io_uring_sqe *sqe = &r.sqes[slot].sqe;
	struct command *c = (struct command *)(void *)sqe->cmd;
	long ret;

	memset(&r.sqes[slot], 0, sizeof(r.sqes[slot]));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = device;
	sqe->cmd_op = cmd;
	sqe->user_data = index;
	c->queue = e->queue;
	if (cmd == CMD_REGISTER) {
		sqe->addr = (uint64_t)(uintptr_t)e->iov;
		sqe->len = 2;
	} else {
		c->commit_id = e->headers->commit_id;
	}
	r.sq_array[slot] = slot;
	__atomic_store_n(r.sq_tail, tail + 1, __ATOMIC_RELEASE);
	do
		ret = syscall(__NR_io_uring_enter, r.fd, 1, 0, 0, NULL, 0);
	while (ret < 0 && errno == EINTR);
	if (ret != 1)
		broken("io_uring_enter", errno);
}

static void *shared(size_t size, uint64_t offset)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, r.fd, (off_t)offset);

	if (p == MAP_FAILED)
		broken("mmap", errno);
	return p;
}

static void set_up_ring(unsigned int entries)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SQE128 };
	char *sq, *cq;

	r.fd = (int)syscall(__NR_io_uring_setup, entries, &p);
	if (r.fd <= 0)
		broken("io_uring_setup", errno);
	sq = shared(p.sq_off.array + p.sq_entries * sizeof(unsigned int),
		    IORING_OFF_SQ_RING);
	cq = shared(p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		    IORING_OFF_CQ_RING);
	r.sqes = shared(p.sq_entries * sizeof(*r.sqes), IORING_OFF_SQES);
	r.sq_tail = (unsigned int *)(void *)(sq + p.sq_off.tail);
	r.sq_mask = (unsigned int *)(void *)(sq + p.sq_off.ring_mask);
	r.sq_array = (unsigned int *)(void *)(sq + p.sq_off.array);
	r.cq_head = (unsigned int *)(void *)(cq + p.cq_off.head);
	r.cq_tail = (unsigned int *)(void *)(cq + p.cq_off.tail);
	r.cq_mask = (unsigned int *)(void *)(cq + p.cq_off.ring_mask);
	r.cqes = (struct io_uring_cqe *)(void *)(cq + p.cq_off.cqes);
}

static void *memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		broken("memory", errno);
	return p;
}

static void set_up(int device)
{
	unsigned int count = queues();

	set_up_ring(16);
	for (unsigned int q = 0; q < count; q++)
		for (unsigned int i = 0; i < DEPTH; i++) {
			struct entry *e = &r.entries[r.count];

			e->queue = (uint16_t)q;
			e->headers = memory(sizeof(*e->headers));
			e->payload = memory(PAYLOAD);
			e->iov[0].iov_base = e->headers;
			e->iov[0].iov_len = sizeof(*e->headers);
			e->iov[1].iov_base = e->payload;
			e->iov[1].iov_len = PAYLOAD;
			submit(r.count++, CMD_REGISTER, device);
		}
}

/* Put the request of an entry together as /dev/fuse would have sent it. */
static ssize_t take(struct entry *e, void *buf, size_t size)
{
	struct headers *h = e->headers;
	size_t len = h->u.in.len;
	size_t fixed = sizeof(h->u.in) + h->payload_size;
	char *p = buf;

	if (h->payload_size > PAYLOAD || len < fixed || len > size ||
	    len - fixed > sizeof(h->op))
		broken("lengths of a request", EPROTO);
	if (!h->u.in.unique || h->commit_id != h->u.in.unique)
		broken("commit id", EPROTO);
	memcpy(p, &h->u.in, sizeof(h->u.in));
	p += sizeof(h->u.in);
	memcpy(p, h->op, len - fixed);
	p += len - fixed;
	memcpy(p, e->payload, h->payload_size);
	e->unique = h->u.in.unique;
	r.ring++;
	if (h->u.in.opcode < MAX_OPCODE)
		r.by_ring[h->u.in.opcode]++;
	return (ssize_t)len;
}

/* The next request of the ring; 0 if there is none yet, -1 at the end */
static ssize_t next(void *buf, size_t size)
{
	unsigned int head = *r.cq_head;
	struct io_uring_cqe cqe;

	if (head == __atomic_load_n(r.cq_tail, __ATOMIC_ACQUIRE))
		return 0;
	cqe = r.cqes[head & *r.cq_mask];
	__atomic_store_n(r.cq_head, head + 1, __ATOMIC_RELEASE);
	if (cqe.res == -ENOTCONN || cqe.res == -ECANCELED ||
	    cqe.res == -ECONNABORTED) {
		say();
		errno = ENODEV;
		return -1;
	}
	if (cqe.res)
		broken("command", -cqe.res);
	return take(&r.entries[cqe.user_data], buf, size);
}

int ring_poll(struct pollfd *p, nfds_t count, int timeout)
{
	struct pollfd both[2] = {
		{ .fd = p->fd, .events = POLLIN },
		{ .fd = r.fd, .events = POLLIN },
	};
	int ret;

	if (!r.fd || count != 1)
		return poll(p, count, timeout);
	if (*r.cq_head != __atomic_load_n(r.cq_tail, __ATOMIC_ACQUIRE))
		return 1;
	do
		ret = poll(both, 2, timeout);
	while (ret < 0 && errno == EINTR);
	p->revents = both[0].revents;
	return ret;
}

static ssize_t read_device(int fd, void *buf, size_t size)
{
	struct fuse_in_header *in = buf;
	ssize_t n = read(fd, buf, size);

	if (n < (ssize_t)sizeof(*in)) {
		if (n >= 0 || errno == ENODEV)
			say();
		return n;
	}
	if (in->opcode == FUSE_INIT) {
		struct fuse_init_in *init = (struct fuse_init_in *)(in + 1);

		r.offered = init->flags2 & OVER_IO_URING2;
	}
	r.device++;
	if (in->opcode < MAX_OPCODE)
		r.by_device[in->opcode]++;
	return n;
}

ssize_t ring_read(int fd, void *buf, size_t size)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (r.fd) {
			n = next(buf, size);
			if (n)
				return n;
			ring_poll(&p, 1, -1);
			if (!p.revents)
				continue;
		}
		return read_device(fd, buf, size);
	}
}

/*
 * The answer of FUSE_INIT. A flag above bit 31 without FUSE_INIT_EXT has to
 * stay as it is, and then there is no ring.
 */
static ssize_t answer_init(int fd, const struct iovec *iov)
{
	struct fuse_init_out out;
	struct iovec mine[2] = { iov[0], { &out, sizeof(out) } };
	ssize_t ret;

	r.initialized = true;
	memcpy(&out, iov[1].iov_base, sizeof(out));
	if (out.flags2 && !(out.flags & INIT_EXT))
		return writev(fd, iov, 2);
	if (!r.offered)
		broken("not offered", ENOPROTOOPT);
	out.flags |= INIT_EXT;
	out.flags2 |= OVER_IO_URING2;
	ret = writev(fd, mine, 2);
	if (ret >= 0)
		set_up(fd);
	return ret;
}

ssize_t ring_writev(int fd, const struct iovec *iov, int count)
{
	const struct fuse_out_header *out = iov[0].iov_base;
	struct entry *e = NULL;
	size_t size = 0;

	if (!r.initialized && count == 2 &&
	    iov[1].iov_len == sizeof(struct fuse_init_out))
		return answer_init(fd, iov);
	for (unsigned int i = 0; i < r.count; i++)
		if (r.entries[i].unique && r.entries[i].unique == out->unique)
			e = &r.entries[i];
	if (!e)
		return writev(fd, iov, count);
	for (int i = 1; i < count; i++) {
		if (iov[i].iov_len > PAYLOAD - size)
			broken("length of a reply", EMSGSIZE);
		memcpy(e->payload + size, iov[i].iov_base, iov[i].iov_len);
		size += iov[i].iov_len;
	}
	e->headers->u.out = *out;
	e->headers->payload_size = (uint32_t)size;
	e->unique = 0;
	submit((unsigned int)(e - r.entries), CMD_COMMIT, fd);
	return (ssize_t)(sizeof(*out) + size);
}
