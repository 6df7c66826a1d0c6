// SPDX-License-Identifier: BSD-2-Clause
/* Descriptors and indices that break the rules of a virtqueue. */
#include "attack.h"

static void self_loop(struct attack *attack)
{
	attack_set_desc(attack->ring->desc, attack->page_addr, 64,
			VRING_DESC_NEXT, 0);
	attack_offer(attack, 0);
}

static void long_loop(struct attack *attack)
{
	unsigned int num = attack->ring->config.num;

	for (unsigned int i = 0; i < num; i++)
		attack_set_desc(&attack->ring->desc[i], attack->page_addr, 8,
				VRING_DESC_NEXT, (i + 1) % num);
	attack_offer(attack, (unsigned int)attack_draw(attack) % num);
}

static void no_such_address(struct attack *attack)
{
	attack_header(attack, CF_GETATTR, 56);
	attack_set_desc(attack->ring->desc, attack_draw(attack), 56, 0, 0);
	attack_offer(attack, 0);
}

static void beyond_region(struct attack *attack)
{
	const struct vhost_driver_region *own = attack->guest.driver.regions;

	attack_set_desc(attack->ring->desc, own->addr + own->size - 24, 4096, 0,
			0);
	attack_offer(attack, 0);
}

static void address_overflows(struct attack *attack)
{
	attack_set_desc(attack->ring->desc,
			UINT64_MAX - attack_draw(attack) % 64,
			64 + attack_draw(attack) % 4096, 0, 0);
	attack_offer(attack, 0);
}

static void huge_length(struct attack *attack)
{
	attack_header(attack, CF_GETATTR, 56);
	attack_set_desc(attack->ring->desc, attack->page_addr,
			UINT32_MAX - attack_draw(attack) % 3, 0, 0);
	attack_offer(attack, 0);
}

static void next_too_high(struct attack *attack)
{
	unsigned int num = attack->ring->config.num;

	attack_set_desc(
		attack->ring->desc, attack->page_addr, 64, VRING_DESC_NEXT,
		num + (unsigned int)attack_draw(attack) % (65536 - num));
	attack_offer(attack, 0);
}

static void written_before_read(struct attack *attack)
{
	struct vring_desc *desc = attack->ring->desc;

	attack_header(attack, CF_GETATTR, 56);
	attack_set_desc(&desc[0], attack->page_addr + ATTACK_BODY, 128,
			VRING_DESC_WRITE | VRING_DESC_NEXT, 1);
	attack_set_desc(&desc[1], attack->page_addr, 56, 0, 0);
	attack_offer(attack, 0);
}

/* A table of LEN bytes at ADDR, with more FLAGS. */
static void offer_table(struct attack *attack, uint64_t addr, uint64_t len,
			unsigned int flags)
{
	attack_set_desc(attack->ring->desc, addr, len,
			VRING_DESC_INDIRECT | flags, 1);
	attack_offer(attack, 0);
}

static void table_of_odd_length(struct attack *attack)
{
	offer_table(attack, attack->table_addr, attack_draw(attack) % 4096 | 1,
		    0);
}

static void empty_table(struct attack *attack)
{
	offer_table(attack, attack->table_addr, 0, 0);
}

static void table_in_table(struct attack *attack)
{
	attack_set_desc((struct vring_desc *)attack->table, attack->table_addr,
			16, VRING_DESC_INDIRECT, 0);
	offer_table(attack, attack->table_addr, 16, 0);
}

static void table_with_next(struct attack *attack)
{
	attack_set_desc(&attack->ring->desc[1], attack->page_addr, 56, 0, 0);
	attack_set_desc((struct vring_desc *)attack->table, attack->page_addr,
			56, 0, 0);
	offer_table(attack, attack->table_addr, 16, VRING_DESC_NEXT);
}

static void table_nowhere(struct attack *attack)
{
	offer_table(attack, attack_draw(attack), 64, 0);
}

static void table_huge(struct attack *attack)
{
	offer_table(attack, attack->table_addr, 0xfffffff0U, 0);
}

static void table_loops(struct attack *attack)
{
	struct vring_desc *table = (struct vring_desc *)attack->table;

	for (unsigned int i = 0; i < 256; i++)
		attack_set_desc(&table[i], attack->page_addr, 1,
				VRING_DESC_NEXT, (i + 1) % 256);
	offer_table(attack, attack->table_addr, 4096, 0);
}

static void table_next_too_high(struct attack *attack)
{
	attack_set_desc((struct vring_desc *)attack->table, attack->page_addr,
			40, VRING_DESC_NEXT,
			4 + (unsigned int)attack_draw(attack) % 60000);
	offer_table(attack, attack->table_addr, 64, 0);
}

static void head_too_high(struct attack *attack)
{
	attack_offer(attack, attack->ring->config.num +
				     (unsigned int)attack_draw(attack) % 1000);
}

static void index_jumps(struct attack *attack)
{
	struct driver_ring *ring = attack->ring;
	unsigned int jump = ring->config.num + 1 +
			    (unsigned int)attack_draw(attack) % 30000;

	__atomic_store_n(&ring->avail->idx,
			 htole16((uint16_t)(ring->avail_idx + jump)),
			 __ATOMIC_RELEASE);
}

static void same_head_twice(struct attack *attack)
{
	attack_header(attack, CF_GETATTR, 56);
	for (unsigned int i = 0; i < attack->ring->config.num - 2; i++)
		attack_offer_request(attack, 56, 120);
}

static void empty_pieces(struct attack *attack)
{
	struct vring_desc *desc = attack->ring->desc;

	attack_header(attack, CF_GETATTR, 56);
	attack_set_desc(&desc[0], attack->page_addr, 0, VRING_DESC_NEXT, 1);
	attack_set_desc(&desc[1], attack->page_addr, 56, VRING_DESC_NEXT, 2);
	attack_set_desc(&desc[2], attack->page_addr + ATTACK_BODY, 0,
			VRING_DESC_WRITE | VRING_DESC_NEXT, 3);
	attack_set_desc(&desc[3], attack->page_addr + ATTACK_BODY, 120,
			VRING_DESC_WRITE, 0);
	attack_offer(attack, 0);
}

static void random_table(struct attack *attack)
{
	struct vring_desc *table = (struct vring_desc *)attack->table;

	attack_scribble(attack, table, 4096);
	for (unsigned int i = 0; i < 256; i++) {
		attack_set_desc(&table[i],
				attack->page_addr + attack_draw(attack) % 4096,
				attack_draw(attack) % 64,
				(unsigned int)attack_draw(attack) & 3,
				(unsigned int)attack_draw(attack) % 256);
	}
	offer_table(attack, attack->table_addr, 4096, 0);
}

static void random_ring(struct attack *attack)
{
	unsigned int num = attack->ring->config.num;

	attack_scribble(attack, attack->ring->desc, vring_desc_bytes(num));
	for (unsigned int i = 0; i < 8; i++)
		attack_offer(attack, (unsigned int)attack_draw(attack) % num);
}

const struct fault ring_faults[] = {
	{ "self_loop", self_loop, true },
	{ "long_loop", long_loop, true },
	{ "no_such_address", no_such_address, false },
	{ "beyond_region", beyond_region, false },
	{ "address_overflows", address_overflows, true },
	{ "huge_length", huge_length, false },
	{ "next_too_high", next_too_high, true },
	{ "written_before_read", written_before_read, true },
	{ "table_of_odd_length", table_of_odd_length, true },
	{ "empty_table", empty_table, true },
	{ "table_in_table", table_in_table, true },
	{ "table_with_next", table_with_next, true },
	{ "table_nowhere", table_nowhere, false },
	{ "table_huge", table_huge, true },
	{ "table_loops", table_loops, true },
	{ "table_next_too_high", table_next_too_high, true },
	{ "head_too_high", head_too_high, true },
	{ "index_jumps", index_jumps, true },
	{ "same_head_twice", same_head_twice, false },
	{ "empty_pieces", empty_pieces, false },
	{ "random_table", random_table, false },
	{ "random_ring", random_ring, false },
};

const size_t ring_fault_count = sizeof(ring_faults) / sizeof(*ring_faults);
