/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device's side of a split virtqueue: takes descriptor chains, gives them
 * back. Nothing in the guest's memory is trusted, and nothing is read twice.
 * The caller sees to it that one thread at a time is in here.
 */
#ifndef VHOST_VIRTQUEUE_H
#define VHOST_VIRTQUEUE_H

#include "memory.h"

/* Where the front end put the ring, in its own addresses. */
struct virtqueue_place {
	uint32_t num; /* descriptors; a power of two */
	uint64_t desc;
	uint64_t avail;
	uint64_t used;
};

struct virtqueue {
	unsigned int num;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	bool event_idx;	     /* VIRTIO_F_EVENT_IDX was negotiated */
	uint16_t last_avail; /* the next entry to take */
	uint16_t used_idx;   /* the next entry to fill */
	uint16_t signalled;  /* used_idx when the guest was last told */
	unsigned int hint;   /* for look-ups in the memory */
};

/* A chain of descriptors; its memory is the owner's and is reused. */
struct chain {
	uint16_t head;		/* its first descriptor, for virtqueue_push() */
	struct iovec *iov;	/* first what the device reads, then writes */
	unsigned int in_count;	/* pieces that the device reads */
	unsigned int out_count; /* pieces that the device writes */
	size_t in_len;		/* bytes that the device reads */
	size_t out_len;		/* bytes that the device writes */
	unsigned int space;	/* pieces that IOV has room for */
	/*
	 * A part is not in the memory that is known, of which nothing can be
	 * said: its pieces are at NULL. If it is an indirect table, there are
	 * none.
	 */
	bool outside;
	uint64_t missing; /* where, if OUTSIDE */
};

/*
 * Finds the ring in MEMORY. Its indices stay. -EFAULT: it is not mapped, or
 * not in one piece; -EINVAL: not aligned, or NUM is no size for a ring.
 */
int virtqueue_map(struct virtqueue *vq, const struct virtqueue_place *place,
		  const struct memory *memory);

/* Begins with the entry LAST_AVAIL; the ring is mapped. */
void virtqueue_begin(struct virtqueue *vq, uint16_t last_avail, bool event_idx);

/* Whether the guest has put in something that was not taken yet. */
static inline bool virtqueue_pending(const struct virtqueue *vq)
{
	return le16toh(__atomic_load_n(&vq->avail->idx, __ATOMIC_ACQUIRE)) !=
	       vq->last_avail;
}

/*
 * Takes the next chain. 1: taken; 0: there is none; -EPROTO: the guest broke
 * the rules, *RET_WHY says which one; -ENOMEM.
 */
int virtqueue_pop(struct virtqueue *vq, const struct memory *memory,
		  struct chain *chain, const char **ret_why);

/* Frees what a chain holds. */
void chain_release(struct chain *chain);

/* Gives a chain back of which LEN bytes were written. The guest sees it. */
void virtqueue_push(struct virtqueue *vq, uint16_t head, uint32_t len);

/*
 * Whether the guest wants to be interrupted for what was given back since the
 * last time this was asked.
 */
bool virtqueue_wants_interrupt(struct virtqueue *vq);

/* Asks the guest not to notify: the queue is being looked at anyway. */
void virtqueue_notify_off(struct virtqueue *vq);

/*
 * Asks the guest to notify. Whether something came in before it could have
 * seen that (then it may not notify).
 */
bool virtqueue_notify_on(struct virtqueue *vq);

#endif
