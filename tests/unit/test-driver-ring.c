// SPDX-License-Identifier: BSD-2-Clause
/* The driver's side of a virtqueue against a device that is right, or lies. */
#include "../../src/vhost/driver_ring.h"
#include "check.h"
#include <errno.h>

#define NUM   8U
#define TABLE 4U
#define ADDR  UINT64_C(0x100000)

static _Alignas(16) char memory[65536];
static int tokens[64];

static void start(struct driver_ring *ring, unsigned int table, bool event_idx)
{
	struct driver_ring_config config = {
		.num = NUM,
		.table_len = table,
		.event_idx = event_idx,
		.memory = memory,
		.addr = ADDR,
	};

	memset(memory, 0, sizeof(memory));
	CHECK(driver_ring_bytes(NUM, table) <= sizeof(memory));
	CHECK_EQ(driver_ring_init(ring, &config), 0);
}

/* What the device does: gives a buffer back. */
static void give_back(struct driver_ring *ring, uint32_t id, uint32_t len)
{
	uint16_t idx = le16toh(ring->used->idx);

	ring->used->ring[idx % NUM].id = htole32(id);
	ring->used->ring[idx % NUM].len = htole32(len);
	ring->used->idx = htole16((uint16_t)(idx + 1));
}

static uint16_t avail_at(const struct driver_ring *ring, unsigned int index)
{
	return le16toh(ring->avail->ring[index % NUM]);
}

static void check_desc(const struct vring_desc *desc, uint64_t addr,
		       uint32_t len, unsigned int flags)
{
	CHECK_EQ(le64toh(desc->addr), addr);
	CHECK_EQ(le32toh(desc->len), len);
	CHECK_EQ(le16toh(desc->flags), flags);
}

static const struct driver_segment three[] = { { 0x1000, 40 },
					       { 0x2000, 16 },
					       { 0x3000, 4096 } };

static void test_chain(void)
{
	struct driver_ring ring;
	void *token = NULL;
	uint32_t len = 0;
	const struct vring_desc *desc;

	start(&ring, 0, false);
	CHECK_EQ(driver_ring_add(&ring, three, 1, 2, &tokens[0]), 0);
	CHECK_EQ(le16toh(ring.avail->idx), 0); /* not before it is published */
	CHECK(driver_ring_publish(&ring));
	CHECK_EQ(le16toh(ring.avail->idx), 1);
	desc = &ring.desc[avail_at(&ring, 0)];
	check_desc(desc, 0x1000, 40, VRING_DESC_NEXT);
	desc = &ring.desc[le16toh(desc->next)];
	check_desc(desc, 0x2000, 16, VRING_DESC_NEXT | VRING_DESC_WRITE);
	desc = &ring.desc[le16toh(desc->next)];
	check_desc(desc, 0x3000, 4096, VRING_DESC_WRITE);

	CHECK_EQ(driver_ring_reap(&ring, &token, &len), 0);
	give_back(&ring, avail_at(&ring, 0), 4112);
	CHECK_EQ(driver_ring_reap(&ring, &token, &len), 1);
	CHECK(token == &tokens[0]);
	CHECK_EQ(len, 4112);
	CHECK_EQ(ring.free_count, NUM);
	driver_ring_release(&ring);
}

static void test_indirect(void)
{
	struct driver_ring ring;
	const struct vring_desc *desc, *table;

	start(&ring, TABLE, false);
	CHECK_EQ(driver_ring_add(&ring, three, 1, 2, &tokens[0]), 0);
	CHECK_EQ(ring.free_count, NUM - 1);
	desc = &ring.desc[avail_at(&ring, 0)];
	CHECK_EQ(le16toh(desc->flags), VRING_DESC_INDIRECT);
	CHECK_EQ(le32toh(desc->len), 3 * 16);
	table = (const void *)(memory + (le64toh(desc->addr) - ADDR));
	check_desc(&table[0], 0x1000, 40, VRING_DESC_NEXT);
	CHECK_EQ(le16toh(table[0].next), 1);
	check_desc(&table[2], 0x3000, 4096, VRING_DESC_WRITE);
	driver_ring_release(&ring);
}

static void test_full(void)
{
	struct driver_ring ring;
	struct driver_segment many[NUM + 1] = { { 0x1000, 8 } };
	void *token = NULL;
	uint32_t len;

	start(&ring, 0, false);
	CHECK_EQ(driver_ring_add(&ring, many, NUM + 1, 0, &tokens[0]), -EINVAL);
	CHECK_EQ(driver_ring_add(&ring, many, 0, 0, &tokens[0]), -EINVAL);
	CHECK_EQ(driver_ring_add(&ring, many, NUM - 1, 0, &tokens[1]), 0);
	CHECK_EQ(driver_ring_add(&ring, many, 2, 0, &tokens[2]), -ENOSPC);
	CHECK_EQ(driver_ring_add(&ring, many, 1, 0, &tokens[2]), 0);
	CHECK_EQ(driver_ring_add(&ring, many, 1, 0, &tokens[3]), -ENOSPC);
	driver_ring_publish(&ring);
	/* Out of order. */
	give_back(&ring, avail_at(&ring, 1), 0);
	CHECK_EQ(driver_ring_reap(&ring, &token, &len), 1);
	CHECK(token == &tokens[2]);
	CHECK_EQ(driver_ring_add(&ring, many, 1, 0, &tokens[4]), 0);
	driver_ring_release(&ring);
}

/* One buffer with room for 16 bytes is under way; the device says ID, LEN. */
static int reap_after(uint32_t id, uint32_t len)
{
	struct driver_segment two[] = { { 0x1000, 40 }, { 0x2000, 16 } };
	struct driver_ring ring;
	void *token = NULL;
	int r;

	start(&ring, 0, true);
	CHECK_EQ(driver_ring_add(&ring, two, 1, 1, &tokens[0]), 0);
	driver_ring_publish(&ring);
	CHECK_EQ(avail_at(&ring, 0), 0);
	/* What the driver remembers is out of the device's reach. */
	memset(ring.desc, 0xff, vring_desc_bytes(NUM));
	give_back(&ring, id, len);
	r = driver_ring_reap(&ring, &token, &len);
	if (r == 1) {
		CHECK(token == &tokens[0]);
		CHECK_EQ(ring.free_count, NUM);
		give_back(&ring, id, len); /* a second time */
		CHECK_EQ(driver_ring_reap(&ring, &token, &len), -EPROTO);
	} else {
		CHECK(token == NULL);
	}
	driver_ring_release(&ring);
	return r;
}

static void test_lies(void)
{
	CHECK_EQ(reap_after(0, 16), 1);
	CHECK_EQ(reap_after(0, 0), 1);
	CHECK_EQ(reap_after(0, 17), -EPROTO);
	CHECK_EQ(reap_after(0, UINT32_MAX), -EPROTO);
	CHECK_EQ(reap_after(1, 16), -EPROTO); /* not the head of any */
	CHECK_EQ(reap_after(NUM, 16), -EPROTO);
	CHECK_EQ(reap_after(UINT32_MAX, 16), -EPROTO);
}

static void set_avail_event(struct driver_ring *ring, uint16_t value)
{
	*(uint16_t *)(void *)&ring->used->ring[NUM] = htole16(value);
}

static void test_event_index(void)
{
	struct driver_segment one = { 0x1000, 8 };
	struct driver_ring ring;
	void *token;
	uint32_t len;

	start(&ring, 0, true);
	set_avail_event(&ring, 1);
	CHECK_EQ(driver_ring_add(&ring, &one, 1, 0, &tokens[0]), 0);
	CHECK(!driver_ring_publish(&ring)); /* wanted after the second */
	CHECK_EQ(driver_ring_add(&ring, &one, 1, 0, &tokens[1]), 0);
	CHECK(driver_ring_publish(&ring));
	CHECK(!driver_ring_publish(&ring)); /* nothing new */

	driver_ring_disable(&ring);
	CHECK(!driver_ring_enable(&ring));
	CHECK_EQ(le16toh(ring.avail->ring[NUM]), 0);
	CHECK(!driver_ring_pending(&ring));
	give_back(&ring, avail_at(&ring, 0), 0);
	CHECK(driver_ring_pending(&ring));
	CHECK(driver_ring_enable(&ring)); /* one is already there */
	CHECK_EQ(driver_ring_reap(&ring, &token, &len), 1);
	CHECK(!driver_ring_pending(&ring));
	CHECK_EQ(le16toh(ring.avail->ring[NUM]), 1);
	driver_ring_release(&ring);
}

static void test_flags(void)
{
	struct driver_segment one = { 0x1000, 8 };
	struct driver_ring ring;

	start(&ring, 0, false);
	ring.used->flags = htole16(VRING_USED_NO_NOTIFY);
	CHECK_EQ(driver_ring_add(&ring, &one, 1, 0, &tokens[0]), 0);
	CHECK(!driver_ring_publish(&ring));
	driver_ring_disable(&ring);
	CHECK_EQ(le16toh(ring.avail->flags), VRING_AVAIL_NO_INTERRUPT);
	driver_ring_enable(&ring);
	CHECK_EQ(le16toh(ring.avail->flags), 0);
	driver_ring_release(&ring);
}

/* The indices, 16 bits wide, come round. */
static void test_long_run(void)
{
	struct driver_ring ring;
	unsigned int wrong = 0;

	start(&ring, TABLE, true);
	for (unsigned int i = 0; i < 70000; i++) {
		void *token = NULL;
		uint32_t len = 0;

		if (driver_ring_add(&ring, three, 1, 2, &tokens[i % 64]))
			wrong++;
		driver_ring_publish(&ring);
		give_back(&ring, avail_at(&ring, i), i % 4096);
		if (driver_ring_reap(&ring, &token, &len) != 1 ||
		    token != &tokens[i % 64] || len != i % 4096)
			wrong++;
	}
	CHECK_EQ(wrong, 0);
	driver_ring_release(&ring);
}

static void test_bad_sizes(void)
{
	struct driver_ring ring;
	struct driver_ring_config config = { .memory = memory };

	for (unsigned int num = 0; num < 8; num++) {
		if (num && !(num & (num - 1)))
			continue;
		config.num = num;
		CHECK_EQ(driver_ring_init(&ring, &config), -EINVAL);
	}
	config.num = 65536;
	CHECK_EQ(driver_ring_init(&ring, &config), -EINVAL);
}

int main(void)
{
	test_chain();
	test_indirect();
	test_full();
	test_lies();
	test_event_index();
	test_flags();
	test_long_run();
	test_bad_sizes();
	return check_result();
}
