/* SPDX-License-Identifier: BSD-2-Clause */
/* What the faults of a hostile guest share. */
#ifndef BENCH_ATTACK_H
#define BENCH_ATTACK_H

#include "guest.h"

#define ATTACK_BODY 3072U /* bytes of the page that a request may fill */

struct attack {
	struct guest guest;
	struct guest_queue *queue;
	struct vhost_driver_queue *vq;
	struct driver_ring *ring;
	uint64_t random;
	char *page; /* a request in the first part, its reply behind it */
	uint64_t page_addr;
	char *table; /* a page for indirect descriptors */
	uint64_t table_addr;
};

struct fault {
	const char *name;
	/* Puts it in front of the device. */
	void (*make)(struct attack *attack);
	bool breaks; /* the ring itself: the queue must be given up */
};

/* Faults of the ring, and of the messages in it. */
extern const struct fault ring_faults[];
extern const size_t ring_fault_count;
extern const struct fault message_faults[];
extern const size_t message_fault_count;

/* The next number of a sequence that depends on the seed alone. */
uint64_t attack_draw(struct attack *attack);
void attack_scribble(struct attack *attack, void *at, size_t len);

/* Makes a descriptor available, whatever it is. */
void attack_offer(struct attack *attack, unsigned int head);

/* A request of LEN bytes that is right as far as the ring goes. */
void attack_offer_request(struct attack *attack, size_t len, size_t room);

/* Begins a request in attack->page. */
struct cf_in_header *attack_header(struct attack *attack, uint32_t opcode,
				   size_t len);

void attack_set_desc(struct vring_desc *desc, uint64_t addr, uint64_t len,
		     unsigned int flags, unsigned int next);

#endif
