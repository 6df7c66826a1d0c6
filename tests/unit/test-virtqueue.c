// SPDX-License-Identifier: BSD-2-Clause
/* Split virtqueues as a device sees them, and drivers that break the rules. */
#include "../../src/vhost/virtqueue.h"
#include "check.h"
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	  4096U
#define NUM	  8U
#define USER	  UINT64_C(0x7f0000000000)
#define GUEST	  UINT64_C(0x40000000)
#define BUFFERS	  (GUEST + 0x4000)  /* behind the ring */
#define NEIGHBOUR (GUEST + 0x10000) /* a region right behind the first */
#define FAR	  UINT64_C(0x100000000)

static char *first, *second, *far_away; /* the test's own mappings */
static struct memory *memory;
static struct virtqueue vq;
static struct chain chain;
static const char *why;

static int add(uint64_t guest, uint64_t user, uint64_t size, uint64_t offset,
	       uint64_t file_size, char **ret_map)
{
	struct vhost_region region = { guest, size, user, offset };
	int fd = memfd_create("guest", MFD_CLOEXEC);
	struct memory *new;
	int r;

	if (fd < 0 || ftruncate(fd, (off_t)file_size) < 0) {
		perror("memfd");
		exit(1);
	}
	r = memory_add(memory, &region, fd, &new, &why);
	if (r == 0) {
		memory_drop(memory);
		memory = new;
		*ret_map = mmap(NULL, offset + size, PROT_READ | PROT_WRITE,
				MAP_SHARED, fd, 0);
		*ret_map += offset;
	}
	close(fd);
	return r;
}

static struct vring_desc *desc_at(unsigned int index)
{
	return (struct vring_desc *)(void *)first + index;
}

static struct vring_avail *avail(void)
{
	return (struct vring_avail *)(void *)(first + 0x1000);
}

static struct vring_used *used(void)
{
	return (struct vring_used *)(void *)(first + 0x2000);
}

static struct virtqueue_place place(void)
{
	return (struct virtqueue_place){ NUM, USER, USER + 0x1000,
					 USER + 0x2000 };
}

/* A ring as new. */
static void begin(bool event_idx)
{
	struct virtqueue_place at = place();

	memset(first, 0, 0x3000);
	memset(&vq, 0, sizeof(vq));
	CHECK_EQ(virtqueue_map(&vq, &at, memory), 0);
	virtqueue_begin(&vq, 0, event_idx);
}

static void set(struct vring_desc *desc, uint64_t addr, uint32_t len,
		uint16_t flags, uint16_t next)
{
	desc->addr = htole64(addr);
	desc->len = htole32(len);
	desc->flags = htole16(flags);
	desc->next = htole16(next);
}

static void offer(uint16_t head)
{
	uint16_t idx = le16toh(avail()->idx);

	avail()->ring[idx % NUM] = htole16(head);
	avail()->idx = htole16((uint16_t)(idx + 1));
}

static int pop(void)
{
	return virtqueue_pop(&vq, memory, &chain, &why);
}

/* Offers descriptor 0, which must be refused for REASON. */
static void refused(const char *reason)
{
	why = "nothing";
	offer(0);
	CHECK_EQ(pop(), -EPROTO);
	if (!CHECK(strstr(why, reason)))
		fprintf(stderr, "  it says: %s\n", why);
}

static void test_regions(void)
{
	char *map;
	unsigned int hint = 0;
	size_t len;

	CHECK_EQ(add(GUEST, USER, 0x10000, PAGE, 0x11000, &first), 0);
	CHECK_EQ(add(NEIGHBOUR, USER + 0x100000, 0x10000, 0, 0x10000, &second),
		 0);
	CHECK_EQ(add(FAR, USER + 0x200000, 0x10000, 512, 0x20000, &map), 0);
	far_away = map;
	CHECK_EQ(add(GUEST + 0x8000, USER, 0x10000, 0, 0x10000, &map), -EINVAL);
	CHECK_EQ(add(0, 0, PAGE, 0, PAGE - 1, &map), -EINVAL);
	CHECK_EQ(add(0, 0, PAGE, PAGE, PAGE, &map), -EINVAL);
	CHECK_EQ(add(0, 0, 0, 0, PAGE, &map), -EINVAL);
	CHECK_EQ(add(UINT64_MAX - PAGE + 1, 0, 2 * PAGE, 0, 2 * PAGE, &map),
		 -EINVAL);
	CHECK_EQ(add(0, UINT64_MAX, 2 * PAGE, 0, 2 * PAGE, &map), -EINVAL);
	CHECK_EQ(add(0, 0, 2 * PAGE, UINT64_MAX - PAGE, 2 * PAGE, &map),
		 -EINVAL);
	len = 1;
	CHECK(!memory_of_guest(memory, GUEST - 1, &len, &hint));
	CHECK(!memory_of_guest(memory, NEIGHBOUR + 0x10000, &len, &hint));
	len = 0x20000;
	CHECK(memory_of_guest(memory, NEIGHBOUR - 1, &len, &hint));
	CHECK_EQ(len, 1);
	CHECK(!memory_of_user(memory, USER + 0xffff, 2));
	CHECK(memory_of_user(memory, USER + 0xffff, 1));
}

static void test_remove(void)
{
	struct vhost_region region = { FAR, 0x10000, USER + 0x200000, 0 };
	struct memory *less, *old = memory_hold(memory);
	unsigned int hint = 0;
	size_t len = 1;
	char *at;

	CHECK_EQ(memory_remove(memory, &region, &less), 0);
	memory_drop(memory);
	CHECK(!memory_of_guest(less, FAR, &len, &hint));
	/* Who still holds the old set still has the memory. */
	at = memory_of_guest(old, FAR, &len, &hint);
	if (CHECK(at)) {
		*at = 'x';
		CHECK_EQ(far_away[0], 'x');
	}
	memory_drop(old);
	memory = less;
	CHECK_EQ(memory_remove(memory, &region, &less), -ENOENT);
}

static void test_place(void)
{
	struct virtqueue_place at = place();

	memset(&vq, 0, sizeof(vq));
	at.num = 6;
	CHECK_EQ(virtqueue_map(&vq, &at, memory), -EINVAL);
	at.num = 0;
	CHECK_EQ(virtqueue_map(&vq, &at, memory), -EINVAL);
	at.num = 65536;
	CHECK_EQ(virtqueue_map(&vq, &at, memory), -EINVAL);
	at = place();
	at.desc += 8;
	CHECK_EQ(virtqueue_map(&vq, &at, memory), -EINVAL);
	at = place();
	at.used = USER + 0x10000 - vring_used_bytes(NUM) + 2;
	CHECK_EQ(virtqueue_map(&vq, &at, memory), -EFAULT);
	at = place();
	at.avail = 0;
	CHECK_EQ(virtqueue_map(&vq, &at, memory), -EFAULT);
}

static void test_chain(void)
{
	begin(false);
	CHECK_EQ(pop(), 0);
	strcpy(first + 0x4000, "header");
	set(desc_at(3), BUFFERS, 6, VRING_DESC_NEXT, 5);
	set(desc_at(5), NEIGHBOUR - 100, 200, VRING_DESC_NEXT, 1);
	set(desc_at(1), FAR, 16, VRING_DESC_WRITE | VRING_DESC_NEXT, 0);
	set(desc_at(0), FAR + 16, 32, VRING_DESC_WRITE, 7);
	offer(3);
	CHECK_EQ(pop(), 1);
	CHECK_EQ(chain.head, 3);
	CHECK_EQ(chain.in_len, 206);
	CHECK_EQ(chain.out_len, 48);
	/* One descriptor across two regions, two that touch each other. */
	CHECK_EQ(chain.in_count, 3);
	CHECK_EQ(chain.out_count, 1);
	CHECK(memcmp(chain.iov[0].iov_base, "header", 6) == 0);
	CHECK_EQ(chain.iov[1].iov_len, 100);
	memset(chain.iov[2].iov_base, 'n', 100);
	CHECK_EQ(second[99], 'n');
	CHECK_EQ(pop(), 0);

	virtqueue_push(&vq, chain.head, 48);
	CHECK_EQ(le16toh(used()->idx), 1);
	CHECK_EQ(le32toh(used()->ring[0].id), 3);
	CHECK_EQ(le32toh(used()->ring[0].len), 48);
}

static void test_indirect(void)
{
	struct vring_desc *table =
		(struct vring_desc *)(void *)(first + 0x5000);
	struct vring_desc split[2];

	begin(false);
	set(desc_at(0), GUEST + 0x5000, 32, VRING_DESC_INDIRECT, 0);
	set(&table[0], BUFFERS, 64, VRING_DESC_NEXT, 1);
	set(&table[1], FAR, 16, VRING_DESC_WRITE, 0);
	offer(0);
	CHECK_EQ(pop(), 1);
	CHECK_EQ(chain.in_len, 64);
	CHECK_EQ(chain.out_len, 16);

	/* A table of which each half lies in another region. */
	set(&split[0], BUFFERS, 1, VRING_DESC_NEXT, 1);
	set(&split[1], BUFFERS + 8, 2, 0, 0);
	memcpy(first + 0x10000 - 24, split, 24);
	memcpy(second, (char *)split + 24, 8);
	set(desc_at(0), NEIGHBOUR - 24, 32, VRING_DESC_INDIRECT, 0);
	offer(0);
	CHECK_EQ(pop(), 1);
	CHECK_EQ(chain.in_len, 3);
	CHECK_EQ(chain.in_count, 2);
}

static void test_bad_indirect(void)
{
	struct vring_desc *table =
		(struct vring_desc *)(void *)(first + 0x5000);

	begin(false);
	set(desc_at(0), GUEST + 0x5000, 24, VRING_DESC_INDIRECT, 0);
	refused("impossible length");
	begin(false);
	set(desc_at(0), GUEST + 0x5000, 0, VRING_DESC_INDIRECT, 0);
	refused("impossible length");
	begin(false);
	set(desc_at(0), GUEST + 0x5000, 16 * 1025, VRING_DESC_INDIRECT, 0);
	refused("longer than");
	begin(false);
	set(desc_at(0), UINT64_MAX - 8, 16, VRING_DESC_INDIRECT, 0);
	refused("address space");
	begin(false);
	set(desc_at(0), FAR + 0x10000, 16, VRING_DESC_INDIRECT, 0);
	offer(0);
	CHECK_EQ(pop(), 1);
	CHECK(chain.outside);
	CHECK_EQ(chain.missing, FAR + 0x10000);
	CHECK_EQ(chain.in_count + chain.out_count, 0);
	begin(false);
	set(desc_at(0), NEIGHBOUR + 0x10000 - 16, 32, VRING_DESC_INDIRECT, 0);
	set((struct vring_desc *)(void *)(second + 0x10000 - 16), BUFFERS, 1,
	    VRING_DESC_NEXT, 1);
	refused("outside");
	begin(false);
	set(desc_at(0), GUEST + 0x5000, 32,
	    VRING_DESC_INDIRECT | VRING_DESC_NEXT, 1);
	refused("with a next one");
	begin(false);
	set(desc_at(0), GUEST + 0x5000, 32, VRING_DESC_INDIRECT, 0);
	set(&table[0], GUEST + 0x5000, 32, VRING_DESC_INDIRECT, 0);
	refused("within another");
	begin(false);
	set(desc_at(0), GUEST + 0x5000, 32, VRING_DESC_INDIRECT, 0);
	set(&table[0], BUFFERS, 1, VRING_DESC_NEXT, 2);
	refused("beyond the table");
	begin(false);
	set(desc_at(0), GUEST + 0x5000, 32, VRING_DESC_INDIRECT, 0);
	set(&table[0], BUFFERS, 1, VRING_DESC_NEXT, 0);
	refused("never ends");
}

static void test_outside(void)
{
	begin(false);
	set(desc_at(0), BUFFERS, 64, VRING_DESC_NEXT, 1);
	set(desc_at(1), GUEST - 1, 1, VRING_DESC_NEXT, 2);
	set(desc_at(2), NEIGHBOUR + 0xffff, 2, VRING_DESC_WRITE, 0);
	offer(0);
	CHECK_EQ(pop(), 1);
	CHECK(chain.outside);
	CHECK_EQ(chain.missing, GUEST - 1);
	CHECK_EQ(chain.in_count, 2);
	CHECK_EQ(chain.in_len, 65);
	CHECK(chain.iov[0].iov_base);
	CHECK(!chain.iov[1].iov_base);
	CHECK_EQ(chain.out_count, 2);
	CHECK_EQ(chain.out_len, 3 - 1);
	CHECK(chain.iov[2].iov_base);
	CHECK(!chain.iov[3].iov_base);
	/* The next one is as any. */
	set(desc_at(0), BUFFERS, 64, 0, 0);
	offer(0);
	CHECK_EQ(pop(), 1);
	CHECK(!chain.outside);
}

static void test_bad_chain(void)
{
	begin(false);
	set(desc_at(0), BUFFERS, 1, VRING_DESC_NEXT, 1);
	set(desc_at(1), BUFFERS, 1, VRING_DESC_NEXT, 0);
	refused("never ends");
	begin(false);
	set(desc_at(0), BUFFERS, 1, VRING_DESC_NEXT, NUM);
	refused("beyond the table");
	begin(false);
	set(desc_at(0), BUFFERS, 1, VRING_DESC_WRITE | VRING_DESC_NEXT, 1);
	set(desc_at(1), BUFFERS, 1, 0, 0);
	refused("behind a writable");
	begin(false);
	set(desc_at(0), UINT64_MAX - 1, 4, 0, 0);
	refused("address space");
	begin(false);
	avail()->idx = htole16(NUM + 1);
	CHECK_EQ(pop(), -EPROTO);
	CHECK(strstr(why, "than the queue holds"));
	begin(false);
	avail()->ring[0] = htole16(NUM);
	avail()->idx = htole16(1);
	CHECK_EQ(pop(), -EPROTO);
	CHECK(strstr(why, "beyond the table"));
}

/* Indices go round at 65536. */
static void test_wrap(void)
{
	struct virtqueue_place at = place();

	begin(false);
	avail()->idx = htole16(65535);
	used()->idx = htole16(65535);
	CHECK_EQ(virtqueue_map(&vq, &at, memory), 0);
	virtqueue_begin(&vq, 65535, false);
	set(desc_at(2), BUFFERS, 1, 0, 0);
	CHECK_EQ(pop(), 0);
	offer(2);
	offer(2);
	CHECK_EQ(le16toh(avail()->idx), 1);
	CHECK_EQ(pop(), 1);
	CHECK_EQ(pop(), 1);
	CHECK_EQ(pop(), 0);
	virtqueue_push(&vq, 2, 0);
	virtqueue_push(&vq, 2, 0);
	CHECK_EQ(le16toh(used()->idx), 1);
	CHECK(virtqueue_wants_interrupt(&vq));
	CHECK(!virtqueue_wants_interrupt(&vq));
}

static void test_flags(void)
{
	begin(false);
	CHECK_EQ(le16toh(used()->flags), VRING_USED_NO_NOTIFY);
	CHECK(!virtqueue_notify_on(&vq));
	CHECK_EQ(le16toh(used()->flags), 0);
	virtqueue_notify_off(&vq);
	CHECK_EQ(le16toh(used()->flags), VRING_USED_NO_NOTIFY);
	offer(0);
	CHECK(virtqueue_notify_on(&vq));
	CHECK(!virtqueue_wants_interrupt(&vq));
	virtqueue_push(&vq, 0, 0);
	avail()->flags = htole16(VRING_AVAIL_NO_INTERRUPT);
	CHECK(!virtqueue_wants_interrupt(&vq));
	avail()->flags = 0;
	virtqueue_push(&vq, 0, 0);
	CHECK(virtqueue_wants_interrupt(&vq));
}

static void test_event_idx(void)
{
	uint16_t *used_event = &avail()->ring[NUM];
	uint16_t *avail_event = (uint16_t *)(void *)&used()->ring[NUM];

	begin(true);
	set(desc_at(0), BUFFERS, 1, 0, 0);
	offer(0);
	offer(0);
	CHECK_EQ(pop(), 1);
	CHECK(virtqueue_notify_on(&vq));
	CHECK_EQ(le16toh(*avail_event), 1);
	CHECK_EQ(pop(), 1);
	CHECK(!virtqueue_notify_on(&vq));
	CHECK_EQ(le16toh(*avail_event), 2);
	virtqueue_notify_off(&vq);
	CHECK_EQ(le16toh(used()->flags), 0);

	*used_event = htole16(0);
	virtqueue_push(&vq, 0, 0);
	CHECK(virtqueue_wants_interrupt(&vq));
	*used_event = htole16(3);
	virtqueue_push(&vq, 0, 0);
	virtqueue_push(&vq, 0, 0);
	CHECK(!virtqueue_wants_interrupt(&vq));
	virtqueue_push(&vq, 0, 0);
	CHECK(virtqueue_wants_interrupt(&vq));
}

int main(void)
{
	memory = memory_new();
	test_regions();
	test_place();
	test_chain();
	test_indirect();
	test_bad_indirect();
	test_outside();
	test_bad_chain();
	test_wrap();
	test_flags();
	test_event_idx();
	test_remove();
	chain_release(&chain);
	memory_drop(memory);
	return check_result();
}
