/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mount client port's own parts: this machine's kernel is the client. It
 * sends its requests through /dev/fuse, and through io_uring where both sides
 * can; FUSE_INIT, FORGET and INTERRUPT always come through /dev/fuse.
 */
#ifndef MOUNT_H
#define MOUNT_H

#include "../buffered_call.h"
#include "../port.h"
#include <pthread.h>
#include <stdatomic.h>

/* Bytes of a WRITE, or of a reply, that fit into one message. */
#define MOUNT_MAX_DATA (1u << 20)

/* A request with them: header, names and fixed parts stand before. */
#define MOUNT_MAX_REQUEST (MOUNT_MAX_DATA + 8192)

/* Descriptors of /dev/fuse that threads read. */
#define MOUNT_FDS 16

struct fuse_session;
struct mount_client;
struct ring;

struct mount_call {
	struct buffered_call base; /* first */
	struct mount_client *client;
	/* Hands the reply to the kernel; 0 or -errno. */
	int (*answer)(struct mount_call *mcall, const struct iovec *iov,
		      int count);
	int fd; /* the descriptor it was read from, which takes its answer */
	struct ring *ring; /* of RING_ENTRY */
	unsigned int ring_entry;
	uint64_t offered; /* FUSE_INIT: what the kernel would like to */
};

/* mount_call.c */
void mount_calls_init(struct mount_client *client);
struct mount_call *mount_call_get(struct mount_client *client);

/*
 * Submits the request whose head, of HEAD_LEN bytes, is at mcall->base.in, and
 * whose data, if any, is mcall->base.data.
 */
void mount_call_submit(struct mount_call *mcall, size_t head_len);

/* mount_device.c: threads that read /dev/fuse. */
struct reader;
struct readers {
	pthread_mutex_t lock;
	pthread_cond_t gone;
	struct reader *first;
	unsigned int threads; /* there are so many */
	unsigned int started; /* there ever were */
	unsigned int limit;
	atomic_uint idle; /* threads that read, or are about to */
};

/* Before the process is confined. */
void readers_init(struct mount_client *client, unsigned int limit);
void readers_destroy(struct mount_client *client);

/* Starts the first. 0 or -errno, logged. */
int readers_start(struct mount_client *client);

/* Ends all; the caller has seen to it that calls under way end. */
void readers_stop(struct mount_client *client);

/* mount_uring.c: a ring for each processor. */
struct rings;

/* Makes the rings, since a confined process may not. 0 or -errno. */
int rings_open(struct rings **ret_rings);
void rings_close(struct rings *rings);

/* The thread that submitted MCALL is about to wait. */
void rings_may_wait(struct mount_call *mcall);

/* FUSE_INIT was answered so: the kernel waits until all are registered. */
int rings_start(struct rings *rings, struct mount_client *client);
void rings_stop(struct rings *rings);

/* mount_notify.c: a thread that tells the kernel what the server does. */
struct notice;
struct notifier {
	pthread_mutex_t lock;
	pthread_cond_t wanted; /* there is one, or no more will come */
	pthread_cond_t done;   /* one has been written */
	struct notice *first, **last;
	size_t waiting; /* bytes of those */
	uint64_t put, written;
	bool stuck; /* the kernel waits for an answer of the server's */
	bool started, stopping;
	pthread_t thread;
};

void notifier_init(struct notifier *notifier);
void notifier_destroy(struct notifier *notifier);

/*
 * Returns when the kernel has been told, unless that takes long: then it will
 * be. 0; -ENOTCONN; -ENOMEM; or -ENOBUFS, logged: too many wait.
 */
int notifier_put(struct mount_client *client, const struct iovec *iov,
		 int count);

/* Ends the thread; requests are still being answered. */
void notifier_stop(struct notifier *notifier);

/* To a descriptor of /dev/fuse. 0 or -errno. */
int mount_write(int fd, const struct iovec *iov, int count);

/* mount_guard.c: a process that unmounts when this one has ended. */
struct mount_guard {
	pid_t parent; /* the process that started it */
	int life;     /* a socket; closed when that ends, at the latest */
	int done;     /* closed at its other end when it has unmounted */
};

/*
 * Unmounts SESSION, just mounted at WHERE, in the other process, once there is
 * no process any more that has called this, or was forked from it since. 0 or
 * -errno, logged.
 */
int mount_guard_start(struct mount_guard *guard, struct fuse_session *session,
		      const char *where);

/*
 * A number of FD's file for the kernel of this mount, above 0, or -errno: that
 * takes CAP_SYS_ADMIN, which a server that is confined does not have. Not by
 * several threads at a time.
 */
int32_t mount_guard_backing_open(const struct mount_guard *guard, int fd);
void mount_guard_backing_close(const struct mount_guard *guard, int32_t id);

/* Lets it unmount; the process that started it waits for that. */
void mount_guard_end(struct mount_guard *guard);

/* mount_passthrough.c: files that the kernel reads and writes by itself. */
enum passthrough_mode {
	PASSTHROUGH_AUTO,
	PASSTHROUGH_ON,
	PASSTHROUGH_OFF
};

struct passthrough;

/*
 * OUT, the reply to FUSE_INIT of a kernel that can, offers it; FD is what came
 * with that reply. 0 or -errno, not logged.
 */
int passthrough_init(struct mount_client *client, int fd,
		     struct cf_init_out *out);

/* The file NODEID was opened as OUT says, and may be passed through as FD. */
void passthrough_open(struct mount_client *client, uint64_t nodeid, int fd,
		      struct cf_open_out *out);

/* One of its RELEASEs has come. */
void passthrough_release(struct mount_client *client, uint64_t nodeid);

void passthrough_free(struct mount_client *client);

/* mount.c */
enum io_uring_mode {
	IO_URING_AUTO,
	IO_URING_ON,
	IO_URING_OFF
};

struct mount_client {
	struct client client; /* first */
	struct relay *relay;
	int fds[MOUNT_FDS]; /* of the mount: libfuse's, and clones of it */
	unsigned int fd_count;
	char *where;
	struct readers readers;
	struct rings *rings; /* NULL: there are none */
	bool rings_started;
	struct buffered_calls calls;
	struct mount_guard guard;
	struct notifier notifier;
	enum passthrough_mode passthrough_mode;
	struct passthrough *passthrough; /* NULL: none */
	int refused;	      /* -errno: the server has refused FUSE_INIT */
	atomic_bool ending;   /* stop(), or the mount is gone */
	atomic_bool stopping; /* no request is read any more */
	int stop_fd;	      /* eventfd: ENDING */
};

/*
 * Starts a thread that no signal interrupts but the one that wakes a reader.
 * THREAD NULL: it is detached. 0 or -errno.
 */
int mount_thread(pthread_t *thread, void *(*start)(void *), void *opaque);

/* The mount is gone, or cannot be served: serve() is to end. */
void mount_client_end(struct mount_client *client);

#endif
