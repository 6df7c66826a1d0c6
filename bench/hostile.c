// SPDX-License-Identifier: BSD-2-Clause
#include "hostile.h"
#include "attack.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * How long to wait for the device to say something about a fault: where it
 * must, and where it may not.
 */
#define REACTION_MUST_MS 20000
#define REACTION_MAY_MS	 30

uint64_t attack_draw(struct attack *attack)
{
	uint64_t x;

	attack->random += UINT64_C(0x9e3779b97f4a7c15);
	x = attack->random;
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

void attack_set_desc(struct vring_desc *desc, uint64_t addr, uint64_t len,
		     unsigned int flags, unsigned int next)
{
	desc->addr = htole64(addr);
	desc->len = htole32((uint32_t)len);
	desc->flags = htole16((uint16_t)flags);
	desc->next = htole16((uint16_t)next);
}

/* Makes HEAD available, whatever it is. */
void attack_offer(struct attack *attack, unsigned int head)
{
	struct driver_ring *ring = attack->ring;

	ring->avail->ring[ring->avail_idx & (ring->config.num - 1)] =
		htole16((uint16_t)head);
	ring->avail_idx++;
	__atomic_store_n(&ring->avail->idx, htole16(ring->avail_idx),
			 __ATOMIC_RELEASE);
}

/* A request that is right as far as the ring goes. */
void attack_offer_request(struct attack *attack, size_t len, size_t room)
{
	struct vring_desc *desc = attack->ring->desc;

	attack_set_desc(&desc[0], attack->page_addr, len,
			room ? VRING_DESC_NEXT : 0, 1);
	attack_set_desc(&desc[1], attack->page_addr + ATTACK_BODY, room,
			VRING_DESC_WRITE, 0);
	attack_offer(attack, 0);
}

struct cf_in_header *attack_header(struct attack *attack, uint32_t opcode,
				   size_t len)
{
	struct cf_in_header *in = (struct cf_in_header *)attack->page;

	*in = (struct cf_in_header){ .len = (uint32_t)len,
				     .opcode = opcode,
				     .unique = 4,
				     .nodeid = CF_ROOT_ID };
	return in;
}

void attack_scribble(struct attack *attack, void *at, size_t len)
{
	unsigned char *bytes = at;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)(attack_draw(attack) >> 16);
}

/* Waits for an answer, or word that the queue is broken. */
static void await(struct attack *attack, int timeout)
{
	struct pollfd fds[3] = {
		{ .fd = attack->vq->call_fd, .events = POLLIN },
		{ .fd = attack->vq->err_fd, .events = POLLIN },
		{ .fd = attack->guest.driver.frontend.channel.fd,
		  .events = POLLRDHUP },
	};

	poll(fds, 3, timeout);
}

static bool is_answered(const struct attack *attack)
{
	uint16_t idx =
		__atomic_load_n(&attack->ring->used->idx, __ATOMIC_ACQUIRE);

	return le16toh(idx) != attack->ring->used_idx;
}

static bool is_broken(const struct attack *attack)
{
	uint64_t count;

	return read(attack->vq->err_fd, &count, sizeof(count)) > 0;
}

static void clear_events(struct attack *attack)
{
	uint64_t count;

	while (read(attack->vq->call_fd, &count, sizeof(count)) > 0)
		;
	while (read(attack->vq->err_fd, &count, sizeof(count)) > 0)
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

static const struct fault *fault_of(uint64_t turn)
{
	size_t kind = turn % (ring_fault_count + message_fault_count);

	return kind < ring_fault_count
		       ? &ring_faults[kind]
		       : &message_faults[kind - ring_fault_count];
}

static int strike(struct attack *attack, uint64_t seed, uint64_t turn)
{
	const struct fault *fault = fault_of(turn);
	uint64_t one = 1;
	bool answered, broken;
	int r;

	attack->random = seed * 1000003 + turn;
	memset(attack->page, 0, GUEST_PAGE);
	memset(attack->table, 0, GUEST_PAGE);
	clear_events(attack);
	driver_ring_enable(attack->ring);
	fault->make(attack);
	if (write(attack->vq->kick_fd, &one, sizeof(one)) < 0)
		return -errno;
	await(attack, fault->breaks ? REACTION_MUST_MS : REACTION_MAY_MS);
	answered = is_answered(attack);
	r = guest_halt(&attack->guest);
	if (r < 0)
		return r;
	/* Now that the queue was stopped, nothing more is said of it. */
	broken = is_broken(attack);
	r = guest_boot(&attack->guest);
	if (r < 0)
		return r;
	printf("%llu %s: %s\n", (unsigned long long)turn, fault->name,
	       broken	  ? "queue broken"
	       : answered ? "answered"
			  : "nothing");
	fflush(stdout);
	return check_alive(attack);
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
	attack.vq = attack.queue->vq;
	attack.ring = &attack.vq->ring;
	attack.page = vhost_driver_alloc(&guest->driver, GUEST_PAGE);
	attack.table = vhost_driver_alloc(&guest->driver, GUEST_PAGE);
	attack.page_addr = driver_ring_addr(attack.ring, attack.page);
	attack.table_addr = driver_ring_addr(attack.ring, attack.table);
	for (uint64_t turn = 0; r == 0 && turn < count; turn++) {
		/* A reboot costs a page; the last two are kept. */
		size_t taken = guest->driver.taken;

		r = strike(&attack, seed, turn);
		guest->driver.taken = taken;
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
