/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the adapter share. */
#ifndef ADAPTER_H
#define ADAPTER_H

#include <crossfuse/fuse3.h>
#include <crossfuse/inflight.h>
#include <crossfuse/wire.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum {
	IN_HEADER = sizeof(struct cf_in_header),
	OUT_HEADER = sizeof(struct cf_out_header),

	/* Requests under way; more of them are refused. */
	MAX_CALLS = 1 << 16,
};

/* Requests that wait for their replies; libfuse sees them by other numbers. */
struct calls {
	pthread_mutex_t lock;
	struct crossfuse_inflight table; /* of struct pending */
	void *memory;
};

/* 0 or -ENOMEM. */
int cf_calls_init(struct calls *calls);
void cf_calls_free(struct calls *calls);
/*
 * Remembers a request, checked and in this machine's form, and renumbers it.
 * An INTERRUPT is remembered with the call that it is about: -EAGAIN if that
 * is not there, not yet or no longer. Else 0 or -ENOMEM.
 */
int cf_calls_put(struct calls *calls, struct crossfuse_call *call,
		 void *request, size_t len);
/* -ENOENT if nothing of this number waits. */
int cf_calls_take(struct calls *calls, uint64_t unique,
		  struct crossfuse_call *ret_call);

enum transport {
	TRANSPORT_DEVICE,  /* read() returns one whole message */
	TRANSPORT_PACKETS, /* a socket that keeps messages whole */
	TRANSPORT_STREAM,
};

struct adapter {
	struct fuse_session *se;
	int fd; /* the one it was started with; libfuse may clone it */
	enum transport transport;
	bool socket;
	bool kernel; /* the client is the kernel of this machine */

	/* Read: any use of SESSION. Written: FUSE_INIT and its reply. */
	pthread_rwlock_t gate;
	struct crossfuse_session session;
	uint32_t init_major; /* of the request */
	uint32_t init_minor;
	uint32_t init_flags;
	_Atomic uint32_t room; /* bytes that a buffer must have, as agreed */
	_Atomic bool up;       /* FUSE_INIT has come and was not refused */
	_Atomic bool long_setxattr;

	struct calls calls;
	pthread_mutex_t reading; /* streams: a message at a time */
	bool midway;		 /* a message has been begun */
	pthread_mutex_t writing;
};

/*
 * Reads one message. Its length, which may be more than SIZE if the rest of it
 * is lost; or a negative errno, -ENODEV at the end of the connection.
 * CANCEL is the cancellability of the thread while it waits.
 */
ssize_t cf_transport_receive(struct adapter *a, int fd, void *buf, size_t size,
			     int cancel);
/* Only one thread at a time may read from a stream. */
void cf_transport_lock(struct adapter *a);
/* Writes one message, whole. IOV is used up. 0 or a negative errno. */
int cf_transport_send(struct adapter *a, int fd, struct iovec *iov, int count);

/* Unaligned integers of this machine. */
static inline uint32_t cf_adapter_get32(const void *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static inline uint64_t cf_adapter_get64(const void *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

/* The two hooks; 0 or more, or a negative errno. */
ssize_t cf_adapter_read(struct adapter *a, int fd, void *buf, size_t size,
			int cancel);
ssize_t cf_adapter_write(struct adapter *a, int fd, const struct iovec *iov,
			 int count);

#endif
