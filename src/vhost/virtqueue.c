// SPDX-License-Identifier: BSD-2-Clause
#include "virtqueue.h"
#include <errno.h>
#include <stdlib.h>

/*
 * A chain may have as many descriptors as the queue has; drivers of small
 * queues are known to send more in an indirect table, so a few are allowed in
 * any case. One more piece is needed where a descriptor crosses regions.
 */
#define DESCRIPTORS_MIN 1024U
#define PIECES_EXTRA	MEMORY_SLOTS_MAX

/* What must not be read or written twice, or torn, because a guest looks on. */
#define READ_16(p)     le16toh(__atomic_load_n((p), __ATOMIC_RELAXED))
#define READ_32(p)     le32toh(__atomic_load_n((p), __ATOMIC_RELAXED))
#define READ_64(p)     le64toh(__atomic_load_n((p), __ATOMIC_RELAXED))
#define WRITE_16(p, v) __atomic_store_n((p), htole16(v), __ATOMIC_RELAXED)
#define WRITE_32(p, v) __atomic_store_n((p), htole32(v), __ATOMIC_RELAXED)

/* The index behind the ring of each side: the event index. */
static uint16_t *used_event(const struct virtqueue *vq)
{
	return &vq->avail->ring[vq->num];
}

static uint16_t *avail_event(const struct virtqueue *vq)
{
	return (uint16_t *)(void *)&vq->used->ring[vq->num];
}

static bool aligned(const void *address, uintptr_t alignment)
{
	return ((uintptr_t)address & (alignment - 1)) == 0;
}

int virtqueue_map(struct virtqueue *vq, const struct virtqueue_place *place,
		  const struct memory *memory)
{
	unsigned int num = place->num;
	void *desc, *avail, *used;

	if (!num || num > VRING_SIZE_MAX || (num & (num - 1)))
		return -EINVAL;
	desc = memory_of_user(memory, place->desc, vring_desc_bytes(num));
	avail = memory_of_user(memory, place->avail, vring_avail_bytes(num));
	used = memory_of_user(memory, place->used, vring_used_bytes(num));
	if (!desc || !avail || !used)
		return -EFAULT;
	if (!aligned(desc, VRING_DESC_ALIGN) ||
	    !aligned(avail, VRING_AVAIL_ALIGN) ||
	    !aligned(used, VRING_USED_ALIGN))
		return -EINVAL;
	vq->num = num;
	vq->desc = desc;
	vq->avail = avail;
	vq->used = used;
	vq->hint = 0;
	return 0;
}

void virtqueue_begin(struct virtqueue *vq, uint16_t last_avail, bool event_idx)
{
	vq->last_avail = last_avail;
	vq->used_idx = READ_16(&vq->used->idx);
	vq->signalled = vq->used_idx;
	vq->event_idx = event_idx;
	if (!event_idx)
		WRITE_16(&vq->used->flags, VRING_USED_NO_NOTIFY);
}

/* A table of descriptors: the ring's own, or an indirect one. */
struct table {
	const struct vring_desc *desc; /* NULL: look each one up */
	uint64_t guest;		       /* where it is, if DESC is NULL */
	unsigned int count;
};

static int copy_bytes(const struct memory *memory, uint64_t guest, void *buf,
		      size_t len, unsigned int *hint)
{
	unsigned char *to = buf;

	while (len) {
		size_t n = len;
		const unsigned char *from =
			memory_of_guest(memory, guest, &n, hint);

		if (!from)
			return -EFAULT;
		for (size_t i = 0; i < n; i++)
			to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
		to += n;
		guest += n;
		len -= n;
	}
	return 0;
}

/* Reads one descriptor, into the machine's byte order. */
static int read_desc(const struct table *table, unsigned int index,
		     const struct memory *memory, unsigned int *hint,
		     struct vring_desc *ret_desc)
{
	const struct vring_desc *desc = table->desc;

	if (desc) {
		desc += index;
		ret_desc->addr = READ_64(&desc->addr);
		ret_desc->len = READ_32(&desc->len);
		ret_desc->flags = READ_16(&desc->flags);
		ret_desc->next = READ_16(&desc->next);
		return 0;
	}
	if (copy_bytes(memory, table->guest + index * sizeof(*ret_desc),
		       ret_desc, sizeof(*ret_desc), hint) < 0)
		return -EFAULT;
	ret_desc->addr = le64toh(ret_desc->addr);
	ret_desc->len = le32toh(ret_desc->len);
	ret_desc->flags = le16toh(ret_desc->flags);
	ret_desc->next = le16toh(ret_desc->next);
	return 0;
}

static int chain_grow(struct chain *chain, unsigned int max)
{
	unsigned int space = chain->space ? 2 * chain->space : 32;
	struct iovec *iov;

	if (space > max)
		space = max;
	iov = realloc(chain->iov, space * sizeof(*iov));
	if (!iov)
		return -ENOMEM;
	chain->iov = iov;
	chain->space = space;
	return 0;
}

/* Adds one piece, to the piece before it if it lies right behind that. */
static const char *chain_add(struct chain *chain, void *base, size_t len,
			     bool write, unsigned int max)
{
	unsigned int *count = write ? &chain->out_count : &chain->in_count;
	unsigned int total = chain->in_count + chain->out_count;

	if (*count) {
		struct iovec *last = &chain->iov[total - 1];

		if ((char *)last->iov_base + last->iov_len == base) {
			last->iov_len += len;
			return NULL;
		}
	}
	if (total == max)
		return "a chain of too many pieces";
	if (total == chain->space && chain_grow(chain, max) < 0)
		return "a chain that there is no memory for";
	chain->iov[total] = (struct iovec){ base, len };
	(*count)++;
	return NULL;
}

/* Adds what one descriptor says to CHAIN. NULL, or what is wrong. */
static const char *add_desc(struct virtqueue *vq, const struct memory *memory,
			    const struct vring_desc *desc, struct chain *chain,
			    unsigned int max)
{
	bool write = desc->flags & VRING_DESC_WRITE;
	size_t *total = write ? &chain->out_len : &chain->in_len;
	uint64_t guest = desc->addr;
	size_t left = desc->len;

	if (!write && chain->out_count)
		return "a readable descriptor behind a writable one";
	if (left > UINT32_MAX - *total)
		return "a chain of more than 4 GiB";
	if (guest + left < guest)
		return "a descriptor beyond the end of the address space";
	*total += left;
	while (left) {
		size_t n = left;
		void *host = memory_of_guest(memory, guest, &n, &vq->hint);
		const char *why;

		if (!host)
			return "a descriptor outside the guest's memory";
		why = chain_add(chain, host, n, write, max);
		if (why)
			return why;
		guest += n;
		left -= n;
	}
	return NULL;
}

/*
 * The same for the plain case, which a transfer of many pages has for each of
 * them: a piece in WINDOW. False, with nothing done: look closer.
 */
static inline bool add_plain(struct chain *chain, const struct vring_desc *desc,
			     const struct memory_window *window)
{
	bool write = desc->flags & VRING_DESC_WRITE;
	unsigned int *count = write ? &chain->out_count : &chain->in_count;
	size_t *total = write ? &chain->out_len : &chain->in_len;
	uint64_t at = desc->addr - window->guest;
	unsigned int total_count = chain->in_count + chain->out_count;
	struct iovec *next;
	char *host;

	if (at >= window->size || desc->len > window->size - at || !desc->len)
		return false;
	if ((!write && chain->out_count) || desc->len > UINT32_MAX - *total)
		return false;
	if (total_count == chain->space)
		return false; /* it may have to grow */
	next = &chain->iov[total_count];
	host = window->host + at;
	if (*count && (char *)next[-1].iov_base + next[-1].iov_len == host) {
		next[-1].iov_len += desc->len;
	} else {
		*next = (struct iovec){ host, desc->len };
		(*count)++;
	}
	*total += desc->len;
	return true;
}

/* Goes over to the indirect table of DESC. NULL, or what is wrong. */
static const char *enter_indirect(struct virtqueue *vq,
				  const struct memory *memory,
				  const struct vring_desc *desc,
				  unsigned int max, struct table *table)
{
	size_t len = desc->len;
	void *host;

	if (desc->flags & VRING_DESC_NEXT)
		return "an indirect descriptor with a next one";
	if (!len || len % sizeof(struct vring_desc))
		return "an indirect table of an impossible length";
	if (len / sizeof(struct vring_desc) > max)
		return "an indirect table longer than a chain may be";
	if (desc->addr + len < desc->addr)
		return "an indirect table beyond the end of the address space";
	host = memory_of_guest(memory, desc->addr, &len, &vq->hint);
	if (!host)
		return "an indirect table outside the guest's memory";
	table->count = desc->len / (unsigned int)sizeof(struct vring_desc);
	table->guest = desc->addr;
	/* Where it crosses regions, or is not aligned, it is copied. */
	table->desc = len == desc->len && aligned(host, sizeof(uint64_t))
			      ? host
			      : NULL;
	return NULL;
}

/* Follows the chain that begins with chain->head. NULL, or what is wrong. */
static const char *walk(struct virtqueue *vq, const struct memory *memory,
			struct chain *chain)
{
	struct table table = { .desc = vq->desc, .count = vq->num };
	unsigned int max = vq->num < DESCRIPTORS_MIN ? DESCRIPTORS_MIN
						     : vq->num;
	unsigned int index = chain->head, seen = 0;
	struct memory_window window = { 0 };
	bool indirect = false;

	for (;;) {
		struct vring_desc desc;
		const char *why;

		if (index >= table.count)
			return "a descriptor index beyond the table";
		if (seen++ >= table.count)
			return "a chain that never ends";
		if (read_desc(&table, index, memory, &vq->hint, &desc) < 0)
			return "an indirect table outside the guest's memory";
		if (desc.flags & VRING_DESC_INDIRECT) {
			if (indirect)
				return "an indirect table within another one";
			why = enter_indirect(vq, memory, &desc, max, &table);
			if (why)
				return why;
			indirect = true;
			index = 0;
			seen = 0;
			continue;
		}
		if (!add_plain(chain, &desc, &window)) {
			window = memory_window(memory, desc.addr, &vq->hint);
			if (!add_plain(chain, &desc, &window)) {
				why = add_desc(vq, memory, &desc, chain,
					       max + PIECES_EXTRA);
				if (why)
					return why;
			}
		}
		if (!(desc.flags & VRING_DESC_NEXT))
			return NULL;
		index = desc.next;
	}
}

int virtqueue_pop(struct virtqueue *vq, const struct memory *memory,
		  struct chain *chain, const char **ret_why)
{
	uint16_t avail, waiting, head;
	const char *why;

	avail = le16toh(__atomic_load_n(&vq->avail->idx, __ATOMIC_ACQUIRE));
	waiting = (uint16_t)(avail - vq->last_avail);
	if (!waiting)
		return 0;
	if (waiting > vq->num) {
		*ret_why = "more requests at once than the queue holds";
		return -EPROTO;
	}
	head = READ_16(&vq->avail->ring[vq->last_avail & (vq->num - 1)]);
	chain->head = head;
	chain->in_count = 0;
	chain->out_count = 0;
	chain->in_len = 0;
	chain->out_len = 0;
	why = walk(vq, memory, chain);
	if (why) {
		*ret_why = why;
		return -EPROTO;
	}
	vq->last_avail++;
	return 1;
}

void chain_release(struct chain *chain)
{
	free(chain->iov);
	chain->iov = NULL;
	chain->space = 0;
}

void virtqueue_push(struct virtqueue *vq, uint16_t head, uint32_t len)
{
	struct vring_used_elem *elem;

	elem = &vq->used->ring[vq->used_idx & (vq->num - 1)];
	WRITE_32(&elem->id, head);
	WRITE_32(&elem->len, len);
	vq->used_idx++;
	__atomic_store_n(&vq->used->idx, htole16(vq->used_idx),
			 __ATOMIC_RELEASE);
}

bool virtqueue_wants_interrupt(struct virtqueue *vq)
{
	uint16_t before = vq->signalled;

	if (before == vq->used_idx)
		return false;
	vq->signalled = vq->used_idx;
	/* The used index must be out before the wish is read. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (vq->event_idx)
		return vring_need_event(READ_16(used_event(vq)), vq->used_idx,
					before);
	return !(READ_16(&vq->avail->flags) & VRING_AVAIL_NO_INTERRUPT);
}

void virtqueue_notify_off(struct virtqueue *vq)
{
	/* An old event index is passed already: no flag is needed. */
	if (!vq->event_idx)
		WRITE_16(&vq->used->flags, VRING_USED_NO_NOTIFY);
}

bool virtqueue_notify_on(struct virtqueue *vq)
{
	if (vq->event_idx)
		WRITE_16(avail_event(vq), vq->last_avail);
	else
		WRITE_16(&vq->used->flags, 0);
	/* The wish must be out before the index is read again. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return virtqueue_pending(vq);
}
