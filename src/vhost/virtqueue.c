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

/* A descriptor in the machine's byte order, of the 16 bytes that it is. */
static inline struct vring_desc desc_of(uint64_t first, uint64_t second)
{
	second = le64toh(second);
	return (struct vring_desc){
		.addr = le64toh(first),
		.len = (uint32_t)second,
		.flags = (uint16_t)(second >> 32),
		.next = (uint16_t)(second >> 48),
	};
}

/* Of a table that is in one piece, and aligned. */
static inline struct vring_desc plain_desc(const struct vring_desc *desc)
{
	const uint64_t *words = (const void *)desc;

	return desc_of(__atomic_load_n(&words[0], __ATOMIC_RELAXED),
		       __atomic_load_n(&words[1], __ATOMIC_RELAXED));
}

/* Of one that is not. */
static __attribute__((noinline)) int copy_desc(const struct table *table,
					       unsigned int index,
					       const struct memory *memory,
					       unsigned int *hint,
					       struct vring_desc *ret_desc)
{
	uint64_t words[2];

	if (copy_bytes(memory, table->guest + index * sizeof(words), words,
		       sizeof(words), hint) < 0)
		return -EFAULT;
	*ret_desc = desc_of(words[0], words[1]);
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

static void note_outside(struct chain *chain, uint64_t guest)
{
	if (!chain->outside)
		chain->missing = guest;
	chain->outside = true;
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
			note_outside(chain, guest);
		why = chain_add(chain, host, n, write, max);
		if (why)
			return why;
		guest += n;
		left -= n;
	}
	return NULL;
}

/* Where a walk along a chain is; told to CHAIN by walk_tell(). */
struct walk {
	struct iovec *next, *end; /* the piece to fill; where room ends */
	char *behind; /* what can be added to the piece before; NULL: nothing */
	size_t left;  /* bytes that may still come in this direction */
	bool write;   /* the direction */
};

static void walk_tell(const struct walk *walk, struct chain *chain)
{
	unsigned int count = (unsigned int)(walk->next - chain->iov);

	if (walk->write) {
		chain->out_count = count - chain->in_count;
		chain->out_len = UINT32_MAX - walk->left;
	} else {
		chain->in_count = count;
		chain->in_len = UINT32_MAX - walk->left;
	}
}

/* Goes on behind what CHAIN has. */
static struct walk walk_from(const struct chain *chain)
{
	bool write = chain->out_count || chain->out_len;
	unsigned int pieces = write ? chain->out_count : chain->in_count;
	struct walk walk = {
		.next = chain->iov + chain->in_count + chain->out_count,
		.end = chain->iov + chain->space,
		.left = UINT32_MAX - (write ? chain->out_len : chain->in_len),
		.write = write,
	};

	if (pieces)
		walk.behind =
			(char *)walk.next[-1].iov_base + walk.next[-1].iov_len;
	return walk;
}

/*
 * Adds what one descriptor says in the plain case, which a transfer of many
 * pages has for each of them: a piece in WINDOW. False, with nothing done:
 * look closer.
 */
static inline bool add_plain(struct walk *walk, struct chain *chain,
			     const struct vring_desc *desc,
			     const struct memory_window *window)
{
	bool write = desc->flags & VRING_DESC_WRITE;
	uint64_t at = desc->addr - window->guest;
	char *host;

	if (at >= window->size || desc->len > window->size - at || !desc->len)
		return false;
	host = window->host + at;
	if (walk->next == walk->end) /* it may have to grow */
		return false;
	if (write != walk->write) {
		if (!write)
			return false;
		walk_tell(walk, chain);
		walk->write = true;
		walk->left = UINT32_MAX;
		walk->behind = NULL;
	}
	if (desc->len > walk->left)
		return false;
	if (host == walk->behind) {
		walk->next[-1].iov_len += desc->len;
	} else {
		*walk->next++ = (struct iovec){ host, desc->len };
	}
	walk->behind = host + desc->len;
	walk->left -= desc->len;
	return true;
}

/* Goes over to the indirect table of DESC. NULL, or what is wrong. */
static const char *enter_indirect(const struct memory_window *window,
				  const struct vring_desc *desc,
				  unsigned int max, struct table *table)
{
	uint64_t at = desc->addr - window->guest;
	size_t len = desc->len;
	const char *host;

	if (desc->flags & VRING_DESC_NEXT)
		return "an indirect descriptor with a next one";
	if (!len || len % sizeof(struct vring_desc))
		return "an indirect table of an impossible length";
	if (len / sizeof(struct vring_desc) > max)
		return "an indirect table longer than a chain may be";
	if (desc->addr + len < desc->addr)
		return "an indirect table beyond the end of the address space";
	if (at >= window->size) /* see walk() */
		return NULL;
	host = window->host + at;
	table->count = desc->len / (unsigned int)sizeof(struct vring_desc);
	table->guest = desc->addr;
	/* Where it crosses regions, or is not aligned, it is copied. */
	table->desc = len <= window->size - at &&
				      aligned(host, sizeof(uint64_t))
			      ? (const void *)host
			      : NULL;
	return NULL;
}

/* What is not plain, to a chain that was told of all before. */
static __attribute__((noinline)) const char *
add_closely(struct virtqueue *vq, const struct memory *memory,
	    struct vring_desc desc, struct chain *chain, unsigned int max)
{
	return add_desc(vq, memory, &desc, chain, max + PIECES_EXTRA);
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
	struct walk at = {
		.next = chain->iov,
		.end = chain->iov + chain->space,
		.left = UINT32_MAX,
	};
	bool indirect = false;

	for (;;) {
		struct vring_desc desc, copy;
		const char *why;

		if (index >= table.count)
			return "a descriptor index beyond the table";
		if (seen++ >= table.count)
			return "a chain that never ends";
		if (table.desc)
			desc = plain_desc(&table.desc[index]);
		else if (copy_desc(&table, index, memory, &vq->hint, &copy) < 0)
			return "an indirect table outside the guest's memory";
		else
			desc = copy;
		if (desc.flags & VRING_DESC_INDIRECT) {
			if (indirect)
				return "an indirect table within another one";
			window = memory_window(memory, desc.addr, &vq->hint);
			why = enter_indirect(&window, &desc, max, &table);
			if (why)
				return why;
			if (!window.size) {
				note_outside(chain, desc.addr);
				return NULL;
			}
			indirect = true;
			index = 0;
			seen = 0;
			continue;
		}
		if (add_plain(&at, chain, &desc, &window))
			goto next;
		window = memory_window(memory, desc.addr, &vq->hint);
		if (add_plain(&at, chain, &desc, &window))
			goto next;
		walk_tell(&at, chain);
		why = add_closely(vq, memory, desc, chain, max);
		if (why)
			return why;
		at = walk_from(chain);
next:
		if (!(desc.flags & VRING_DESC_NEXT)) {
			walk_tell(&at, chain);
			return NULL;
		}
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
	chain->outside = false;
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
