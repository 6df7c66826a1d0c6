/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio-fs driver with the memory and the device it belongs to, as a guest
 * would have them: shared memory in two regions, one queue for FORGET, any
 * number for requests, and a FUSE session.
 */
#ifndef BENCH_GUEST_H
#define BENCH_GUEST_H

#include "../src/vhost/driver.h"
#include "client.h"
#include <byteswap.h>
#include <crossfuse/wire.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define GUEST_PAGE	  4096U
#define GUEST_IO_MAX	  (1U << 20)
#define GUEST_SEGMENT_MAX (GUEST_IO_MAX / GUEST_PAGE + 4)
#define GUEST_QUEUE_MAX	  64U
#define GUEST_TIMEOUT	  30U /* seconds until a server counts as stuck */

struct guest_config {
	const char *path; /* the server's socket */
	const struct client_abi *abi;
	unsigned int queues; /* wanted: request queues */
	unsigned int queue_size;
	unsigned int minor; /* of the protocol, for INIT */
	size_t data_bytes;  /* memory for file data */
	bool no_indirect;
	bool no_event_idx;
	bool spin;	   /* poll for replies, and never sleep */
	bool offer_canon;  /* offer FUSE_CANON_ARCH */
	bool send_arch_id; /* and if only this: name the architecture */
};

struct guest_queue {
	struct vhost_driver_queue *vq;
	uint64_t kicks; /* how often the device had to be told */
	uint64_t sleeps;
};

struct guest {
	struct guest_config config;
	struct vhost_driver driver;	 /* its memory: rings, headers */
	struct vhost_driver_region data; /* file data */
	const struct client_abi *abi;	 /* what is spoken since INIT */
	bool swap;		  /* ABI's byte order is not this machine's */
	unsigned int queue_count; /* request queues in use */
	struct guest_queue queues[GUEST_QUEUE_MAX + 1]; /* [0]: FORGET */
	size_t io_max; /* bytes that one READ or WRITE may carry */
	uint32_t server_minor;
	uint64_t server_flags;
	uint32_t server_max_pages;
	bool canon;	 /* the server took the offer */
	uint64_t unique; /* atomic */
	uint64_t unique_step;
	pthread_mutex_t forget_lock;
	char *forget_page;
	uint64_t forgets;   /* under way */
	size_t forget_next; /* where to look for a free place */
};

/* One request with its reply in the guest's memory. */
struct guest_call {
	char *head; /* a page: request, and from GUEST_REPLY_AT the reply */
	char *data; /* pages of file data; may be NULL */
	size_t data_len; /* bytes of memory there */
	uint64_t unique;
	uint32_t opcode;
	bool done;
	uint32_t used_len; /* as the device gave it back */
};

#define GUEST_ARG_AT   64U
#define GUEST_REPLY_AT 2048U
#define GUEST_OUT_AT   2112U

/* What to put into the rings; data goes one way at most. */
struct guest_shape {
	size_t arg_len;	  /* bytes behind the request's header */
	size_t out_len;	  /* room behind the reply's header */
	size_t write_len; /* file data that the device reads */
	size_t read_len;  /* file data that the device writes */
};

/* Connects, sets everything up, says FUSE_INIT. 0 or -errno, told on stderr. */
int guest_open(struct guest *guest, const struct guest_config *config);
void guest_close(struct guest *guest);

/*
 * A guest that reboots: queues stopped and a part of the memory taken away;
 * given again, queues set up anew, another FUSE_INIT.
 */
int guest_halt(struct guest *guest);
int guest_boot(struct guest *guest);

/* Unmounts and mounts again: DESTROY and INIT. */
int guest_remount(struct guest *guest);

/* Page INDEX of a call's file data; neighbours are not adjacent. */
char *guest_data_page(const struct guest_call *call, size_t index);

/*
 * Starts a request and returns its argument, zeroed. NODEID and all that the
 * caller puts there must go through guest_u32() and guest_u64().
 */
void *guest_begin(struct guest *guest, struct guest_call *call, uint32_t opcode,
		  uint64_t nodeid, size_t arg_len);

/* Puts it into a queue and kicks if need be. 0 or -errno. */
int guest_send(struct guest *guest, struct guest_queue *queue,
	       struct guest_call *call, const struct guest_shape *shape);

/* One reply, marked done. 1, 0: none, or -errno. */
int guest_reap(struct guest_queue *queue, struct guest_call **ret_call);

/*
 * Sleeps, or polls the used ring, until replies may be there. 0 or -errno, as
 * vhost_driver_wait().
 */
int guest_wait(struct guest *guest, struct guest_queue *queue);

/*
 * Checks the reply's header: length, unique. Returns the length of what
 * follows it; or -EPROTO; the error of the reply in *RET_ERROR.
 */
ssize_t guest_check(struct guest *guest, const struct guest_call *call,
		    int32_t *ret_error);

/* All three; the reply must not be an error. Its length or -errno, told. */
ssize_t guest_roundtrip(struct guest *guest, struct guest_queue *queue,
			struct guest_call *call,
			const struct guest_shape *shape);

/* Queues a FORGET; from any thread. 0 or -errno. */
int guest_forget(struct guest *guest, uint64_t nodeid, uint64_t nlookup);

/* Waits until the device has taken every FORGET. */
int guest_forget_drain(struct guest *guest);

static inline uint16_t guest_u16(const struct guest *guest, uint16_t value)
{
	return guest->swap ? bswap_16(value) : value;
}

static inline uint32_t guest_u32(const struct guest *guest, uint32_t value)
{
	return guest->swap ? bswap_32(value) : value;
}

static inline uint64_t guest_u64(const struct guest *guest, uint64_t value)
{
	return guest->swap ? bswap_64(value) : value;
}

/* What follows the reply's header, in the head page. */
static inline void *guest_out(const struct guest_call *call)
{
	return call->head + GUEST_OUT_AT;
}

#endif
