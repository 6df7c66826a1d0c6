// SPDX-License-Identifier: BSD-2-Clause
#include "driver_ring.h"
#include <errno.h>
#include <stdlib.h>

/* What the driver remembers of a descriptor, out of the device's reach. */
struct driver_slot {
	void *token;	/* NULL: not the head of a buffer under way */
	uint32_t room;	/* bytes that the device may write */
	uint16_t count; /* descriptors of the chain */
	uint16_t next;	/* in the chain, or in the free list */
};

#define ALIGN_UP(value, to) (((value) + (to)-1) & ~((size_t)(to)-1))

static size_t avail_offset(unsigned int num)
{
	return vring_desc_bytes(num);
}

static size_t used_offset(unsigned int num)
{
	return ALIGN_UP(avail_offset(num) + vring_avail_bytes(num), 64);
}

static size_t tables_offset(unsigned int num)
{
	return ALIGN_UP(used_offset(num) + vring_used_bytes(num), 64);
}

size_t driver_ring_bytes(unsigned int num, unsigned int table_len)
{
	return tables_offset(num) +
	       num * (size_t)table_len * sizeof(struct vring_desc);
}

uint64_t driver_ring_addr(const struct driver_ring *ring, const void *part)
{
	return ring->config.addr +
	       (uint64_t)((const char *)part - (char *)ring->config.memory);
}

int driver_ring_init(struct driver_ring *ring,
		     const struct driver_ring_config *config)
{
	unsigned int num = config->num;
	char *memory = config->memory;
	struct driver_slot *slots;

	if (num == 0 || num > VRING_SIZE_MAX || (num & (num - 1)) != 0 ||
	    config->table_len > VRING_SIZE_MAX)
		return -EINVAL;
	slots = calloc(num, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (unsigned int i = 0; i < num; i++)
		slots[i].next = (uint16_t)(i + 1);
	*ring = (struct driver_ring){
		.config = *config,
		.desc = (struct vring_desc *)memory,
		.avail = (struct vring_avail *)(memory + avail_offset(num)),
		.used = (struct vring_used *)(memory + used_offset(num)),
		.slots = slots,
		.free_count = num,
		.notify = true,
	};
	if (config->table_len)
		ring->tables =
			(struct vring_desc *)(memory + tables_offset(num));
	return 0;
}

void driver_ring_release(struct driver_ring *ring)
{
	free(ring->slots);
	ring->slots = NULL;
}

static uint16_t *used_event(const struct driver_ring *ring)
{
	return &ring->avail->ring[ring->config.num];
}

static const uint16_t *avail_event(const struct driver_ring *ring)
{
	return (const uint16_t *)&ring->used->ring[ring->config.num];
}

static void put_desc(struct vring_desc *desc,
		     const struct driver_segment *segment, bool write,
		     bool more, unsigned int next)
{
	unsigned int flags = (write ? VRING_DESC_WRITE : 0) |
			     (more ? VRING_DESC_NEXT : 0);

	desc->addr = htole64(segment->addr);
	desc->len = htole32(segment->len);
	desc->flags = htole16((uint16_t)flags);
	desc->next = htole16((uint16_t)(more ? next : 0));
}

/* One descriptor that names a table of COUNT. */
static void put_indirect(struct driver_ring *ring, uint16_t head,
			 const struct driver_segment *segments,
			 unsigned int out_count, unsigned int count)
{
	struct vring_desc *table =
		ring->tables + (size_t)head * ring->config.table_len;
	struct driver_segment whole = {
		.addr = driver_ring_addr(ring, table),
		.len = (uint32_t)(count * sizeof(*table)),
	};

	for (unsigned int i = 0; i < count; i++)
		put_desc(&table[i], &segments[i], i >= out_count, i + 1 < count,
			 i + 1);
	put_desc(&ring->desc[head], &whole, false, false, 0);
	ring->desc[head].flags = htole16(VRING_DESC_INDIRECT);
	ring->free_head = ring->slots[head].next;
}

static void put_chain(struct driver_ring *ring, uint16_t head,
		      const struct driver_segment *segments,
		      unsigned int out_count, unsigned int count)
{
	uint16_t at = head;

	for (unsigned int i = 0; i < count; i++) {
		uint16_t next = ring->slots[at].next;

		put_desc(&ring->desc[at], &segments[i], i >= out_count,
			 i + 1 < count, next);
		at = next;
	}
	ring->free_head = at;
}

int driver_ring_add(struct driver_ring *ring,
		    const struct driver_segment *segments,
		    unsigned int out_count, unsigned int in_count, void *token)
{
	unsigned int count = out_count + in_count;
	bool indirect = ring->tables && count > 1 &&
			count <= ring->config.table_len;
	unsigned int needed = indirect ? 1 : count;
	uint16_t head = ring->free_head;
	struct driver_slot *slot;
	uint64_t room = 0;

	for (unsigned int i = out_count; i < count; i++)
		room += segments[i].len;
	if (!token || count == 0 || needed > ring->config.num ||
	    room > UINT32_MAX)
		return -EINVAL;
	if (needed > ring->free_count)
		return -ENOSPC;
	slot = &ring->slots[head];
	if (indirect)
		put_indirect(ring, head, segments, out_count, count);
	else
		put_chain(ring, head, segments, out_count, count);
	ring->free_count -= needed;
	slot->token = token;
	slot->room = (uint32_t)room;
	slot->count = (uint16_t)needed;
	ring->avail->ring[ring->avail_idx & (ring->config.num - 1)] =
		htole16(head);
	ring->avail_idx++;
	return 0;
}

bool driver_ring_publish(struct driver_ring *ring)
{
	uint16_t old = ring->published;
	uint16_t flags, event;

	if (old == ring->avail_idx)
		return false;
	__atomic_store_n(&ring->avail->idx, htole16(ring->avail_idx),
			 __ATOMIC_RELEASE);
	ring->published = ring->avail_idx;
	/* The index must be seen before the device's wish is read. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ring->config.event_idx) {
		event = __atomic_load_n(avail_event(ring), __ATOMIC_RELAXED);
		return vring_need_event(le16toh(event), ring->avail_idx, old);
	}
	flags = __atomic_load_n(&ring->used->flags, __ATOMIC_RELAXED);
	return !(le16toh(flags) & VRING_USED_NO_NOTIFY);
}

/* Gives the descriptors of a chain back to the free list. */
static void free_chain(struct driver_ring *ring, uint16_t head)
{
	struct driver_slot *slot = &ring->slots[head];
	uint16_t last = head;

	for (unsigned int i = 1; i < slot->count; i++)
		last = ring->slots[last].next;
	ring->slots[last].next = ring->free_head;
	ring->free_head = head;
	ring->free_count += slot->count;
	slot->token = NULL;
}

bool driver_ring_pending(const struct driver_ring *ring)
{
	uint16_t idx = __atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE);

	return le16toh(idx) != ring->used_idx;
}

static void ask_event(struct driver_ring *ring)
{
	__atomic_store_n(used_event(ring), htole16(ring->used_idx),
			 __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

int driver_ring_reap(struct driver_ring *ring, void **ret_token,
		     uint32_t *ret_len)
{
	const struct vring_used_elem *elem =
		&ring->used->ring[ring->used_idx & (ring->config.num - 1)];
	struct driver_slot *slot;
	uint32_t id, len;

	if (!driver_ring_pending(ring))
		return 0;
	id = le32toh(__atomic_load_n(&elem->id, __ATOMIC_RELAXED));
	len = le32toh(__atomic_load_n(&elem->len, __ATOMIC_RELAXED));
	if (id >= ring->config.num)
		return -EPROTO;
	slot = &ring->slots[id];
	if (!slot->token || len > slot->room)
		return -EPROTO;
	*ret_token = slot->token;
	*ret_len = len;
	free_chain(ring, (uint16_t)id);
	ring->used_idx++;
	if (ring->notify && ring->config.event_idx)
		ask_event(ring);
	return 1;
}

bool driver_ring_enable(struct driver_ring *ring)
{
	ring->notify = true;
	if (!ring->config.event_idx)
		__atomic_store_n(&ring->avail->flags, 0, __ATOMIC_RELAXED);
	ask_event(ring);
	return driver_ring_pending(ring);
}

void driver_ring_disable(struct driver_ring *ring)
{
	if (!ring->notify)
		return;
	ring->notify = false;
	if (ring->config.event_idx) /* an index that was passed long ago */
		__atomic_store_n(used_event(ring),
				 htole16((uint16_t)(ring->used_idx - 1)),
				 __ATOMIC_RELAXED);
	else
		__atomic_store_n(&ring->avail->flags,
				 htole16(VRING_AVAIL_NO_INTERRUPT),
				 __ATOMIC_RELAXED);
}
