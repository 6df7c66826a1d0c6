// SPDX-License-Identifier: BSD-2-Clause
/*
 * FUSE over io_uring: a ring for each processor, as the kernel wants it, with
 * a few entries, each of which brings a request and takes its reply back with
 * one system call.
 *
 * A ring is used by one thread, its leader. A leader whose request waits for
 * something is replaced by another thread, and then hands its reply over to
 * that one. Rings are made before the process is confined, and are good for
 * nothing but this.
 */
#include "../../log.h"
#include "mount.h"
#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define RING_DEPTH 8

/* A leader that is in one request for two looks of the watchdog is stuck. */
#define WATCH_NS 1000000L

/* Threads that may wait for something, for each ring. */
#define LEADERS_MAX 64

/* linux/fuse.h, protocol 7.42: enum fuse_uring_cmd and its structs. */
#define CMD_REGISTER	     1
#define CMD_COMMIT_AND_FETCH 2

struct uring_cmd {
	uint64_t flags;
	uint64_t commit_id;
	uint16_t qid;
	uint8_t padding[6];
};

struct uring_entry {
	uint64_t flags;
	uint64_t commit_id;
	uint32_t payload_size;
	uint32_t padding;
	uint64_t reserved;
};

struct uring_header {
	uint8_t in_out[128]; /* fuse_in_header, then fuse_out_header */
	uint8_t op_in[128];  /* the opcode's own fixed part */
	struct uring_entry entry;
};

static_assert(sizeof(struct uring_cmd) == 24, "as the kernel's");
static_assert(sizeof(struct uring_header) == 288, "as the kernel's");

struct entry {
	struct mount_call *mcall;
	struct uring_header *header;
	void *payload; /* MOUNT_MAX_REQUEST bytes */
	struct iovec iov[2];
	bool late; /* to be committed by the leader */
};

struct ring {
	struct rings *rings;
	struct mount_client *client;
	unsigned int index; /* of the processor */
	struct io_uring uring;
	int wake_fd;
	uint64_t wake_count;
	pthread_mutex_t lock;
	pthread_cond_t gone;
	struct leader *leader; /* its alone is the ring */
	struct leader *spare;
	unsigned int threads;
	bool halt;
	/* Odd while the leader is in a request; the watchdog looks at it. */
	atomic_uint sequence;
	unsigned int watched;
	struct entry entries[RING_DEPTH];
};

struct rings {
	unsigned int count;
	struct ring *ring;
	pthread_t watchdog;
	bool watching;
	atomic_bool stopping;
};

#define WAKE UINT64_MAX

struct leader {
	struct ring *ring;
	pthread_cond_t wake;
	struct leader *next; /* in the ring's list of spare ones */
};

/* The calling thread, if it is, or was, a ring's leader. */
static _Thread_local struct leader *self;

/* A ring that can do no more than what is below. */
static int restrict_ring(struct io_uring *uring)
{
	struct io_uring_restriction allowed[] = {
		{ .opcode = IORING_RESTRICTION_SQE_OP,
		  .sqe_op = IORING_OP_URING_CMD },
		{ .opcode = IORING_RESTRICTION_SQE_OP,
		  .sqe_op = IORING_OP_READ },
	};
	int fd = uring->ring_fd;
	int ret;

	/* liburing 2.3 does not export its functions for these two. */
	ret = io_uring_register((unsigned int)fd, IORING_REGISTER_RESTRICTIONS,
				allowed, 2);
	if (ret < 0)
		return ret;
	return io_uring_register((unsigned int)fd, IORING_REGISTER_ENABLE_RINGS,
				 NULL, 0);
}

static int ring_open(struct ring *ring)
{
	struct io_uring_params params = {
		/* A leader looks for requests when it is done with one. */
		.flags = IORING_SETUP_SQE128 | IORING_SETUP_R_DISABLED |
			 IORING_SETUP_COOP_TASKRUN,
	};
	int ret;

	ring->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (ring->wake_fd < 0)
		return -errno;
	ret = io_uring_queue_init_params(2 * RING_DEPTH, &ring->uring, &params);
	if (ret < 0)
		goto close_wake;
	ret = restrict_ring(&ring->uring);
	if (ret < 0)
		goto exit_ring;
	pthread_mutex_init(&ring->lock, NULL);
	pthread_cond_init(&ring->gone, NULL);
	return 0;
exit_ring:
	io_uring_queue_exit(&ring->uring);
close_wake:
	close(ring->wake_fd);
	return ret;
}

static void ring_close(struct ring *ring)
{
	io_uring_queue_exit(&ring->uring);
	close(ring->wake_fd);
	/* The kernel knows nothing of these any more. */
	for (unsigned int i = 0; i < RING_DEPTH; i++) {
		struct entry *entry = &ring->entries[i];

		if (entry->mcall)
			buffered_call_put(&entry->mcall->base);
		if (entry->payload)
			munmap(entry->payload, MOUNT_MAX_REQUEST);
		free(entry->header);
	}
	pthread_cond_destroy(&ring->gone);
	pthread_mutex_destroy(&ring->lock);
}

int rings_open(struct rings **ret_rings)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct rings *rings = calloc(1, sizeof(*rings));
	int ret;

	if (!rings)
		return -ENOMEM;
	rings->ring = calloc((size_t)cpus, sizeof(*rings->ring));
	if (!rings->ring) {
		free(rings);
		return -ENOMEM;
	}
	while (rings->count < (unsigned long)cpus) {
		struct ring *ring = &rings->ring[rings->count];

		ring->rings = rings;
		ring->index = rings->count;
		ret = ring_open(ring);
		if (ret < 0) {
			rings_close(rings);
			return ret;
		}
		rings->count++;
	}
	*ret_rings = rings;
	return 0;
}

void rings_close(struct rings *rings)
{
	if (!rings)
		return;
	while (rings->count)
		ring_close(&rings->ring[--rings->count]);
	free(rings->ring);
	free(rings);
}

/* The leader's, from here on, with the lock held. */

static int queue_command(struct ring *ring, struct entry *entry, uint32_t op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
	struct uring_cmd cmd = {
		.commit_id =
			op == CMD_REGISTER ? 0 : entry->header->entry.commit_id,
		.qid = (uint16_t)ring->index,
	};

	if (!sqe) /* each entry has one at most, so there is room */
		return -ENOSPC;
	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = ring->client->fds[0];
	sqe->cmd_op = op;
	if (op == CMD_REGISTER) {
		sqe->addr = (uintptr_t)entry->iov;
		sqe->len = 2;
	}
	memcpy(sqe->cmd, &cmd, sizeof(cmd));
	sqe->user_data = (uint64_t)(entry - ring->entries);
	return 0;
}

static int queue_wake(struct ring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

	if (!sqe)
		return -ENOSPC;
	io_uring_prep_read(sqe, ring->wake_fd, &ring->wake_count,
			   sizeof(ring->wake_count), 0);
	sqe->user_data = WAKE;
	return 0;
}

static void commit_late(struct ring *ring)
{
	for (unsigned int i = 0; i < RING_DEPTH; i++) {
		struct entry *entry = &ring->entries[i];

		if (!entry->late)
			continue;
		entry->late = false;
		queue_command(ring, entry, CMD_COMMIT_AND_FETCH);
	}
}

/* Without the lock. */

static void wake(struct ring *ring)
{
	uint64_t one = 1;

	if (write(ring->wake_fd, &one, sizeof(one)) < 0)
		log_debug("a ring cannot be woken: %m");
}

/* The reply goes where the request came from. */
static int answer(struct mount_call *mcall, const struct iovec *iov, int count)
{
	const size_t header_len = sizeof(struct cf_out_header);
	struct ring *ring = mcall->ring;
	struct entry *entry = &ring->entries[mcall->ring_entry];
	size_t body = iov[0].iov_len - header_len;
	bool leads;

	if (count > 1) /* where the room is, which is the payload */
		body = iov[1].iov_len;
	else
		memcpy(entry->payload, (char *)iov[0].iov_base + header_len,
		       body);
	memcpy(entry->header->in_out, iov[0].iov_base, header_len);
	entry->header->entry.payload_size = (uint32_t)body;
	pthread_mutex_lock(&ring->lock);
	leads = self && ring->leader == self;
	if (leads)
		queue_command(ring, entry, CMD_COMMIT_AND_FETCH);
	else
		entry->late = true;
	pthread_mutex_unlock(&ring->lock);
	if (!leads)
		wake(ring);
	return 0;
}

/* Puts the request together: header, fixed part, names. */
static bool submit(struct ring *ring, struct entry *entry)
{
	struct mount_call *mcall = entry->mcall;
	const struct uring_header *header = entry->header;
	const size_t in_len = sizeof(struct cf_in_header);
	size_t payload = header->entry.payload_size, fixed, rest;
	struct cf_in_header in;
	ssize_t head_len;

	memcpy(&in, header->in_out, in_len);
	if (in.len < in_len || payload > MOUNT_MAX_REQUEST ||
	    in.len - in_len < payload)
		return false;
	fixed = in.len - in_len - payload;
	if (fixed > sizeof(header->op_in))
		return false;
	head_len = relay_head_len(ring->client->relay, &in, in.len);
	if (head_len < (ssize_t)(in_len + fixed))
		return false;
	rest = (size_t)head_len - in_len - fixed;
	memcpy(mcall->base.in, &in, in_len);
	memcpy(mcall->base.in + in_len, header->op_in, fixed);
	memcpy(mcall->base.in + in_len + fixed, entry->payload, rest);
	mcall->base.data.iov_base = (char *)entry->payload + rest;
	mcall->base.data.iov_len = payload - rest;
	mount_call_submit(mcall, (size_t)head_len);
	return true;
}

static int start_leader(struct ring *ring);

/* With the lock held: another thread leads in the place of this one. */
static void replace(struct ring *ring)
{
	if (!ring->halt && start_leader(ring) == 0)
		atomic_fetch_add(&ring->sequence, 1); /* it has no request */
}

void rings_may_wait(struct mount_call *mcall)
{
	struct ring *ring = mcall->ring;

	pthread_mutex_lock(&ring->lock);
	if (self && ring->leader == self)
		replace(ring);
	pthread_mutex_unlock(&ring->lock);
}

/* A request has come. False: the kernel is done with this mount. */
static bool handle(struct ring *ring, const struct io_uring_cqe *cqe)
{
	struct mount_client *client = ring->client;
	int res = cqe->res;

	if (cqe->user_data == WAKE)
		return true;
	if (res < 0) {
		if (res != -ENOTCONN) /* unmounted */
			log_error("%s: io_uring: %s", client->where,
				  strerror(-res));
		return false;
	}
	if (submit(ring, &ring->entries[cqe->user_data]))
		return true;
	log_error("%s: the kernel sent what is no request", client->where);
	return false;
}

/* Waits for the next completion; the lock is given up meanwhile. */
static int next(struct ring *ring, struct io_uring_cqe *ret_cqe)
{
	struct io_uring_cqe *cqe;
	int ret;

	pthread_mutex_unlock(&ring->lock);
	ret = io_uring_peek_cqe(&ring->uring, &cqe);
	if (ret == -EAGAIN || io_uring_sq_ready(&ring->uring))
		ret = io_uring_submit_and_wait(&ring->uring, 1);
	pthread_mutex_lock(&ring->lock);
	if (ret < 0 && ret != -EINTR)
		return ret;
	ret = io_uring_peek_cqe(&ring->uring, &cqe);
	if (ret < 0)
		return ret == -EAGAIN ? 0 : ret;
	*ret_cqe = *cqe;
	io_uring_cqe_seen(&ring->uring, cqe);
	return 1;
}

/* With the lock held. */
static void lead(struct ring *ring)
{
	while (!ring->halt && ring->leader == self) {
		struct io_uring_cqe cqe;
		bool more = true;
		int ret = next(ring, &cqe);

		if (ret < 0) {
			log_error("%s: io_uring: %s", ring->client->where,
				  strerror(-ret));
			break;
		}
		commit_late(ring);
		if (ret == 0)
			continue;
		if (cqe.user_data == WAKE)
			queue_wake(ring);
		atomic_fetch_add(&ring->sequence, 1);
		pthread_mutex_unlock(&ring->lock);
		more = handle(ring, &cqe);
		pthread_mutex_lock(&ring->lock);
		if (ring->leader == self)
			atomic_fetch_add(&ring->sequence, 1);
		if (!more)
			break;
	}
}

/* With the lock held: waits to lead again. False: the ring halts. */
static bool wait_to_lead(struct ring *ring)
{
	self->next = ring->spare;
	ring->spare = self;
	while (!ring->halt && ring->leader != self)
		pthread_cond_wait(&self->wake, &ring->lock);
	return !ring->halt;
}

/*
 * The kernel puts a request into the ring of the processor that it comes from:
 * there the thread that carries it out is woken without a word to another one.
 * Where the processor is not to be had, anywhere else is as good.
 */
static void stay_on_processor(const struct ring *ring)
{
	cpu_set_t processor;

	CPU_ZERO(&processor);
	CPU_SET(ring->index, &processor);
	if (sched_setaffinity(0, sizeof(processor), &processor) < 0)
		log_debug("a ring's thread may run anywhere: %m");
}

/*
 * What a thread has submitted is cancelled when it ends: so none does before
 * the ring.
 */
static void *leader_main(void *opaque)
{
	struct ring *ring;

	self = opaque;
	ring = self->ring;
	stay_on_processor(ring);
	pthread_mutex_lock(&ring->lock);
	do {
		lead(ring);
		if (!ring->halt && ring->leader == self) {
			/* Nobody serves it now: so the mount cannot be. */
			ring->leader = NULL;
			mount_client_end(ring->client);
		}
	} while (wait_to_lead(ring));
	ring->threads--;
	pthread_cond_broadcast(&ring->gone);
	pthread_mutex_unlock(&ring->lock);
	pthread_cond_destroy(&self->wake);
	free(self);
	return NULL;
}

/* With the lock held. */
static int start_leader(struct ring *ring)
{
	struct leader *leader = ring->spare;
	struct leader *before = ring->leader;
	int ret;

	if (leader) {
		ring->spare = leader->next;
		ring->leader = leader;
		pthread_cond_signal(&leader->wake);
		return 0;
	}
	if (ring->threads >= LEADERS_MAX)
		return -EAGAIN;
	leader = calloc(1, sizeof(*leader));
	if (!leader)
		return -ENOMEM;
	leader->ring = ring;
	pthread_cond_init(&leader->wake, NULL);
	ring->leader = leader;
	ret = mount_thread(NULL, leader_main, leader);
	if (ret < 0) {
		ring->leader = before;
		pthread_cond_destroy(&leader->wake);
		free(leader);
		return ret;
	}
	ring->threads++;
	return 0;
}

static int entry_init(struct ring *ring, unsigned int index)
{
	struct entry *entry = &ring->entries[index];

	entry->mcall = mount_call_get(ring->client);
	entry->header = calloc(1, sizeof(*entry->header));
	entry->payload = mmap(NULL, MOUNT_MAX_REQUEST, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (entry->payload == MAP_FAILED)
		entry->payload = NULL;
	if (!entry->mcall || !entry->header || !entry->payload)
		return -ENOMEM;
	entry->mcall->answer = answer;
	entry->mcall->ring = ring;
	entry->mcall->ring_entry = index;
	entry->mcall->base.room.iov_base = entry->payload;
	entry->iov[0] = (struct iovec){ entry->header, sizeof(*entry->header) };
	entry->iov[1] = (struct iovec){ entry->payload, MOUNT_MAX_REQUEST };
	return queue_command(ring, entry, CMD_REGISTER);
}

static int ring_start(struct ring *ring, struct mount_client *client)
{
	int ret = 0;

	pthread_mutex_lock(&ring->lock);
	ring->client = client;
	for (unsigned int i = 0; i < RING_DEPTH && ret == 0; i++)
		ret = entry_init(ring, i);
	if (ret == 0)
		ret = queue_wake(ring);
	if (ret == 0)
		ret = start_leader(ring);
	pthread_mutex_unlock(&ring->lock);
	return ret;
}

/* Whether RING had a request since the last look. */
static bool watch(struct ring *ring)
{
	unsigned int now = atomic_load(&ring->sequence);
	unsigned int before = ring->watched;

	ring->watched = now;
	if (!(now & 1) || now != before)
		return now != before;
	pthread_mutex_lock(&ring->lock);
	if (atomic_load(&ring->sequence) == now)
		replace(ring);
	pthread_mutex_unlock(&ring->lock);
	return true;
}

static void *watchdog_main(void *opaque)
{
	struct rings *rings = opaque;
	const long most = 64 * WATCH_NS;
	long pause_ns = WATCH_NS;

	while (!atomic_load(&rings->stopping)) {
		struct timespec pause = { .tv_nsec = pause_ns };
		bool active = false;

		nanosleep(&pause, NULL);
		for (unsigned int i = 0; i < rings->count; i++)
			active |= watch(&rings->ring[i]);
		pause_ns = active ? WATCH_NS : 2 * pause_ns;
		if (pause_ns > most)
			pause_ns = most;
	}
	return NULL;
}

int rings_start(struct rings *rings, struct mount_client *client)
{
	int ret = 0;

	for (unsigned int i = 0; i < rings->count && ret == 0; i++)
		ret = ring_start(&rings->ring[i], client);
	if (ret == 0) {
		ret = mount_thread(&rings->watchdog, watchdog_main, rings);
		rings->watching = ret == 0;
	}
	if (ret == 0)
		log_info("%s: requests come through io_uring", client->where);
	if (ret < 0)
		log_error("%s: io_uring: %s: use --io-uring off", client->where,
			  strerror(-ret));
	return ret;
}

void rings_stop(struct rings *rings)
{
	if (!rings)
		return;
	atomic_store(&rings->stopping, true);
	if (rings->watching)
		pthread_join(rings->watchdog, NULL);
	rings->watching = false;
	for (unsigned int i = 0; i < rings->count; i++) {
		struct ring *ring = &rings->ring[i];

		pthread_mutex_lock(&ring->lock);
		ring->halt = true;
		wake(ring);
		for (struct leader *l = ring->spare; l; l = l->next)
			pthread_cond_signal(&l->wake);
		while (ring->threads)
			pthread_cond_wait(&ring->gone, &ring->lock);
		pthread_mutex_unlock(&ring->lock);
	}
}
