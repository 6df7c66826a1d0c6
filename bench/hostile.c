// SPDX-License-Identifier: BSD-2-Clause
#include "hostile.h"
#include "guest.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* How long a device may take to say something about a fault. */
#define REACTION_MS 30

#define BODY 3072U /* bytes of the page that a request may fill */

struct attack {
	struct guest guest;
	struct guest_queue *queue;
	struct driver_ring *ring;
	uint64_t random;
	char *page; /* a request in the first part, its reply behind it */
	uint64_t page_addr;
	char *table; /* a page for indirect descriptors */
	uint64_t table_addr;
};

/* Puts a fault in front of the device. */
typedef void (*fault_fn)(struct attack *attack);

static uint64_t draw(struct attack *attack)
{
	uint64_t x;

	attack->random += UINT64_C(0x9e3779b97f4a7c15);
	x = attack->random;
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static void set_desc(struct vring_desc *desc, uint64_t addr, uint64_t len,
		     unsigned int flags, unsigned int next)
{
	desc->addr = htole64(addr);
	desc->len = htole32((uint32_t)len);
	desc->flags = htole16((uint16_t)flags);
	desc->next = htole16((uint16_t)next);
}

/* Makes HEAD available, whatever it is. */
static void offer(struct attack *attack, unsigned int head)
{
	struct driver_ring *ring = attack->ring;

	ring->avail->ring[ring->avail_idx & (ring->config.num - 1)] =
		htole16((uint16_t)head);
	ring->avail_idx++;
	__atomic_store_n(&ring->avail->idx, htole16(ring->avail_idx),
			 __ATOMIC_RELEASE);
}

/* A request that is right as far as the ring goes. */
static void offer_request(struct attack *attack, size_t len, size_t room)
{
	struct vring_desc *desc = attack->ring->desc;

	set_desc(&desc[0], attack->page_addr, len, room ? VRING_DESC_NEXT : 0,
		 1);
	set_desc(&desc[1], attack->page_addr + BODY, room, VRING_DESC_WRITE, 0);
	offer(attack, 0);
}

static struct cf_in_header *header(struct attack *attack, uint32_t opcode,
				   size_t len)
{
	struct cf_in_header *in = (struct cf_in_header *)attack->page;

	*in = (struct cf_in_header){ .len = (uint32_t)len,
				     .opcode = opcode,
				     .unique = 4,
				     .nodeid = CF_ROOT_ID };
	return in;
}

static void scribble(struct attack *attack, void *at, size_t len)
{
	unsigned char *bytes = at;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)(draw(attack) >> 16);
}

static void self_loop(struct attack *attack)
{
	set_desc(attack->ring->desc, attack->page_addr, 64, VRING_DESC_NEXT, 0);
	offer(attack, 0);
}

static void long_loop(struct attack *attack)
{
	unsigned int num = attack->ring->config.num;

	for (unsigned int i = 0; i < num; i++)
		set_desc(&attack->ring->desc[i], attack->page_addr, 8,
			 VRING_DESC_NEXT, (i + 1) % num);
	offer(attack, (unsigned int)draw(attack) % num);
}

static void no_such_address(struct attack *attack)
{
	header(attack, CF_GETATTR, 56);
	set_desc(attack->ring->desc, draw(attack), 56, 0, 0);
	offer(attack, 0);
}

static void beyond_region(struct attack *attack)
{
	const struct guest_region *low = &attack->guest.low;

	set_desc(attack->ring->desc, low->addr + low->size - 24, 4096, 0, 0);
	offer(attack, 0);
}

static void address_overflows(struct attack *attack)
{
	set_desc(attack->ring->desc, UINT64_MAX - draw(attack) % 64,
		 draw(attack) % 4096, 0, 0);
	offer(attack, 0);
}

static void huge_length(struct attack *attack)
{
	header(attack, CF_GETATTR, 56);
	set_desc(attack->ring->desc, attack->page_addr,
		 UINT32_MAX - draw(attack) % 3, 0, 0);
	offer(attack, 0);
}

static void next_too_high(struct attack *attack)
{
	unsigned int num = attack->ring->config.num;

	set_desc(attack->ring->desc, attack->page_addr, 64, VRING_DESC_NEXT,
		 num + (unsigned int)draw(attack) % (65536 - num));
	offer(attack, 0);
}

static void written_before_read(struct attack *attack)
{
	struct vring_desc *desc = attack->ring->desc;

	header(attack, CF_GETATTR, 56);
	set_desc(&desc[0], attack->page_addr + BODY, 128,
		 VRING_DESC_WRITE | VRING_DESC_NEXT, 1);
	set_desc(&desc[1], attack->page_addr, 56, 0, 0);
	offer(attack, 0);
}

/* A table of LEN bytes at ADDR, with more FLAGS. */
static void offer_table(struct attack *attack, uint64_t addr, uint64_t len,
			unsigned int flags)
{
	set_desc(attack->ring->desc, addr, len, VRING_DESC_INDIRECT | flags, 1);
	offer(attack, 0);
}

static void table_of_odd_length(struct attack *attack)
{
	offer_table(attack, attack->table_addr, draw(attack) % 4096 | 1, 0);
}

static void empty_table(struct attack *attack)
{
	offer_table(attack, attack->table_addr, 0, 0);
}

static void table_in_table(struct attack *attack)
{
	set_desc((struct vring_desc *)attack->table, attack->table_addr, 16,
		 VRING_DESC_INDIRECT, 0);
	offer_table(attack, attack->table_addr, 16, 0);
}

static void table_with_next(struct attack *attack)
{
	set_desc(&attack->ring->desc[1], attack->page_addr, 56, 0, 0);
	set_desc((struct vring_desc *)attack->table, attack->page_addr, 56, 0,
		 0);
	offer_table(attack, attack->table_addr, 16, VRING_DESC_NEXT);
}

static void table_nowhere(struct attack *attack)
{
	offer_table(attack, draw(attack), 64, 0);
}

static void table_huge(struct attack *attack)
{
	offer_table(attack, attack->table_addr, 0xfffffff0U, 0);
}

static void table_loops(struct attack *attack)
{
	struct vring_desc *table = (struct vring_desc *)attack->table;

	for (unsigned int i = 0; i < 256; i++)
		set_desc(&table[i], attack->page_addr, 1, VRING_DESC_NEXT,
			 (i + 1) % 256);
	offer_table(attack, attack->table_addr, 4096, 0);
}

static void table_next_too_high(struct attack *attack)
{
	set_desc((struct vring_desc *)attack->table, attack->page_addr, 40,
		 VRING_DESC_NEXT, 4 + (unsigned int)draw(attack) % 60000);
	offer_table(attack, attack->table_addr, 64, 0);
}

static void head_too_high(struct attack *attack)
{
	offer(attack,
	      attack->ring->config.num + (unsigned int)draw(attack) % 1000);
}

static void index_jumps(struct attack *attack)
{
	struct driver_ring *ring = attack->ring;
	unsigned int jump =
		ring->config.num + 1 + (unsigned int)draw(attack) % 30000;

	__atomic_store_n(&ring->avail->idx,
			 htole16((uint16_t)(ring->avail_idx + jump)),
			 __ATOMIC_RELEASE);
}

static void same_head_twice(struct attack *attack)
{
	header(attack, CF_GETATTR, 56);
	for (unsigned int i = 0; i < attack->ring->config.num - 2; i++)
		offer_request(attack, 56, 120);
}

static void empty_pieces(struct attack *attack)
{
	struct vring_desc *desc = attack->ring->desc;

	header(attack, CF_GETATTR, 56);
	set_desc(&desc[0], attack->page_addr, 0, VRING_DESC_NEXT, 1);
	set_desc(&desc[1], attack->page_addr, 56, VRING_DESC_NEXT, 2);
	set_desc(&desc[2], attack->page_addr + BODY, 0,
		 VRING_DESC_WRITE | VRING_DESC_NEXT, 3);
	set_desc(&desc[3], attack->page_addr + BODY, 120, VRING_DESC_WRITE, 0);
	offer(attack, 0);
}

static void nothing_to_read(struct attack *attack)
{
	set_desc(attack->ring->desc, attack->page_addr, 512, VRING_DESC_WRITE,
		 0);
	offer(attack, 0);
}

static void short_header(struct attack *attack)
{
	size_t len = draw(attack) % 40;

	header(attack, CF_GETATTR, len);
	offer_request(attack, len, 120);
}

static void length_lies(struct attack *attack)
{
	header(attack, CF_GETATTR, draw(attack));
	offer_request(attack, 56, 120);
}

static void random_opcode(struct attack *attack)
{
	size_t len = 40 + draw(attack) % 1000;

	scribble(attack, attack->page, len);
	header(attack, (uint32_t)draw(attack), len);
	offer_request(attack, len, 512);
}

/* Any known opcode, with arguments, node and user drawn by lot. */
static void random_arguments(struct attack *attack)
{
	size_t len = 40 + draw(attack) % 600;
	uint64_t lot = draw(attack);
	struct cf_in_header *in;

	scribble(attack, attack->page + 40, len - 40);
	in = header(attack, 1 + (uint32_t)(lot % 53), len);
	if (lot & 0x100)
		in->nodeid = draw(attack);
	if (lot & 0x200)
		in->total_extlen = (uint16_t)draw(attack);
	if (lot & 0x400) /* fh 0 to 3: one that may exist */
		memset(attack->page + 41, 0, 7);
	offer_request(attack, len, lot & 0x800 ? 16 : 900);
}

static void opposite_byte_order(struct attack *attack)
{
	struct cf_in_header *in = header(attack, CF_GETATTR, 56);

	in->opcode = bswap_32(in->opcode);
	in->len = bswap_32(in->len);
	offer_request(attack, 56, 120);
}

static void name_without_end(struct attack *attack)
{
	size_t len = 40 + 1 + draw(attack) % 900;

	memset(attack->page + 40, 'x', len - 40);
	header(attack, draw(attack) & 1 ? CF_LOOKUP : CF_UNLINK, len);
	offer_request(attack, len, 160);
}

static void name_that_climbs(struct attack *attack)
{
	static const char *const names[] = { "..",     ".",    "",
					     "../etc", "/etc", "small/f0" };
	const char *name = names[draw(attack) % 6];
	size_t len = 40 + strlen(name) + 1;

	header(attack, CF_LOOKUP, len);
	strcpy(attack->page + 40, name);
	offer_request(attack, len, 160);
}

static void no_room(struct attack *attack)
{
	header(attack, CF_GETATTR, 56);
	offer_request(attack, 56, draw(attack) % 120);
}

static void read_more_than_room(struct attack *attack)
{
	struct cf_read_in *in = (struct cf_read_in *)(attack->page + 40);

	memset(in, 0, sizeof(*in));
	in->size = (uint32_t)draw(attack);
	in->fh = draw(attack) % 4;
	in->offset = draw(attack) & 1 ? draw(attack) : 0;
	header(attack, draw(attack) & 1 ? CF_READ : CF_READDIRPLUS, 80);
	offer_request(attack, 80, 16 + draw(attack) % 900);
}

static void write_more_than_sent(struct attack *attack)
{
	struct cf_write_in *in = (struct cf_write_in *)(attack->page + 40);

	memset(in, 0, sizeof(*in));
	in->size = (uint32_t)draw(attack);
	in->fh = draw(attack) % 4;
	header(attack, CF_WRITE, 80 + 128);
	offer_request(attack, 80 + 128, 24);
}

/* Counts that go beyond the message. */
static void count_lies(struct attack *attack)
{
	static const uint32_t opcodes[] = { CF_BATCH_FORGET, CF_SETXATTR,
					    CF_REMOVEMAPPING, CF_IOCTL };
	uint32_t opcode = opcodes[draw(attack) % 4];

	memset(attack->page + 40, 0, 64);
	for (unsigned int i = 40; i < 40 + 32; i += 8)
		memcpy(attack->page + i, &(uint32_t){ (uint32_t)draw(attack) },
		       4);
	header(attack, opcode, 40 + 64);
	offer_request(attack, 40 + 64, opcode == CF_BATCH_FORGET ? 0 : 160);
}

static void forget_too_much(struct attack *attack)
{
	uint64_t count = UINT64_MAX - draw(attack) % 4;
	struct cf_in_header *in = header(attack, CF_FORGET, 48);

	memcpy(attack->page + 40, &count, sizeof(count));
	if (draw(attack) & 1)
		in->nodeid = draw(attack);
	offer_request(attack, 48, 0);
}

static void random_init(struct attack *attack)
{
	size_t len = 40 + draw(attack) % 80;

	scribble(attack, attack->page + 40, len - 40);
	header(attack, CF_INIT, len);
	offer_request(attack, len, 16 + draw(attack) % 80);
}

static void random_table(struct attack *attack)
{
	struct vring_desc *table = (struct vring_desc *)attack->table;

	scribble(attack, table, 4096);
	for (unsigned int i = 0; i < 256; i++) {
		set_desc(&table[i], attack->page_addr + draw(attack) % 4096,
			 draw(attack) % 64, (unsigned int)draw(attack) & 3,
			 (unsigned int)draw(attack) % 256);
	}
	offer_table(attack, attack->table_addr, 4096, 0);
}

static void random_ring(struct attack *attack)
{
	unsigned int num = attack->ring->config.num;

	scribble(attack, attack->ring->desc, vring_desc_bytes(num));
	for (unsigned int i = 0; i < 8; i++)
		offer(attack, (unsigned int)draw(attack) % num);
}

static const struct {
	const char *name;
	fault_fn make;
} faults[] = {
#define FAULT(name)         \
	{                   \
#name, name \
	}
	FAULT(self_loop),
	FAULT(long_loop),
	FAULT(no_such_address),
	FAULT(beyond_region),
	FAULT(address_overflows),
	FAULT(huge_length),
	FAULT(next_too_high),
	FAULT(written_before_read),
	FAULT(table_of_odd_length),
	FAULT(empty_table),
	FAULT(table_in_table),
	FAULT(table_with_next),
	FAULT(table_nowhere),
	FAULT(table_huge),
	FAULT(table_loops),
	FAULT(table_next_too_high),
	FAULT(head_too_high),
	FAULT(index_jumps),
	FAULT(same_head_twice),
	FAULT(empty_pieces),
	FAULT(nothing_to_read),
	FAULT(short_header),
	FAULT(length_lies),
	FAULT(random_opcode),
	FAULT(random_arguments),
	FAULT(opposite_byte_order),
	FAULT(name_without_end),
	FAULT(name_that_climbs),
	FAULT(no_room),
	FAULT(read_more_than_room),
	FAULT(write_more_than_sent),
	FAULT(count_lies),
	FAULT(forget_too_much),
	FAULT(random_init),
	FAULT(random_table),
	FAULT(random_ring),
};

#define FAULT_COUNT (sizeof(faults) / sizeof(*faults))

/* Waits for an answer, or word that the queue is broken. */
static const char *reaction(struct attack *attack)
{
	struct pollfd fds[3] = {
		{ .fd = attack->queue->call_fd, .events = POLLIN },
		{ .fd = attack->queue->err_fd, .events = POLLIN },
		{ .fd = attack->guest.frontend.channel.fd,
		  .events = POLLRDHUP },
	};
	uint64_t count;

	poll(fds, 3, REACTION_MS);
	if (fds[2].revents & (POLLRDHUP | POLLHUP))
		return "disconnected";
	if (fds[1].revents & POLLIN &&
	    read(fds[1].fd, &count, sizeof(count)) > 0)
		return "queue broken";
	if (le16toh(__atomic_load_n(&attack->ring->used->idx,
				    __ATOMIC_ACQUIRE)) !=
	    attack->ring->used_idx)
		return "answered";
	return "nothing";
}

static void clear_events(struct attack *attack)
{
	uint64_t count;

	while (read(attack->queue->call_fd, &count, sizeof(count)) > 0)
		;
	while (read(attack->queue->err_fd, &count, sizeof(count)) > 0)
		;
}

/* A request that must be answered as on any other day. */
static int check_alive(struct attack *attack)
{
	struct guest_call call = { .head = attack->page };
	struct guest_shape shape = { .arg_len = sizeof(struct cf_getattr_in),
				     .out_len = sizeof(struct cf_attr_out) };
	ssize_t len;

	guest_begin(&attack->guest, &call, CF_GETATTR, CF_ROOT_ID,
		    shape.arg_len);
	len = guest_roundtrip(&attack->guest, attack->queue, &call, &shape);
	if (len < 0)
		return (int)len;
	return len == sizeof(struct cf_attr_out) ? 0 : -EPROTO;
}

static int strike(struct attack *attack, uint64_t seed, uint64_t turn)
{
	size_t kind = turn % FAULT_COUNT;
	uint64_t one = 1;
	int r;

	attack->random = seed * 1000003 + turn;
	memset(attack->page, 0, GUEST_PAGE);
	memset(attack->table, 0, GUEST_PAGE);
	clear_events(attack);
	driver_ring_enable(attack->ring);
	faults[kind].make(attack);
	if (write(attack->queue->kick_fd, &one, sizeof(one)) < 0)
		return -errno;
	printf("%llu %s: %s\n", (unsigned long long)turn, faults[kind].name,
	       reaction(attack));
	fflush(stdout);
	r = guest_reboot(&attack->guest);
	return r < 0 ? r : check_alive(attack);
}

int hostile_run(const char *path, uint64_t seed, uint64_t count)
{
	static struct attack attack;
	struct guest *guest = &attack.guest;
	struct guest_config config = {
		.path = path,
		.abi = client_abi_at(0),
		.queues = 1,
		.queue_size = 64,
		.minor = 38,
		.data_bytes = GUEST_PAGE,
	};
	int r = guest_open(guest, &config);

	if (r < 0)
		goto out;
	attack.queue = &guest->queues[1];
	attack.ring = &attack.queue->ring;
	attack.page = guest_alloc(&guest->low, GUEST_PAGE);
	attack.table = guest_alloc(&guest->low, GUEST_PAGE);
	attack.page_addr = driver_ring_addr(attack.ring, attack.page);
	attack.table_addr = driver_ring_addr(attack.ring, attack.table);
	for (uint64_t turn = 0; r == 0 && turn < count; turn++) {
		/* A reboot costs a page; the last two are kept. */
		size_t taken = guest->low.taken;

		r = strike(&attack, seed, turn);
		guest->low.taken = taken;
		if (r < 0)
			fprintf(stderr,
				"virtiofs-bench: fault %llu of seed %llu: %s\n",
				(unsigned long long)turn,
				(unsigned long long)seed, strerror(-r));
	}
	if (r == 0) {
		puts("done");
		fflush(stdout);
		while (getchar() != EOF)
			;
	}
out:
	guest_close(guest);
	return r;
}
