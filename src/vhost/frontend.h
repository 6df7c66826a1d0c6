/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The front end of vhost-user: what a virtual machine monitor does to hand
 * its memory and its queues to a device in another process. It knows nothing
 * of what the device is.
 *
 * All functions return 0 or a negative errno: -EPROTO for an answer that makes
 * no sense, -ECONNRESET if the back end closed the connection, -ETIMEDOUT if
 * it does not answer, -EREMOTEIO if it says that it failed.
 */
#ifndef VHOST_FRONTEND_H
#define VHOST_FRONTEND_H

#include "proto.h"

struct vhost_frontend {
	struct vhost_channel channel;
	uint64_t features;	    /* negotiated */
	uint64_t protocol_features; /* negotiated */
	unsigned int queue_max;	    /* queues of the device; 0: not told */
	unsigned int region_max;    /* that it can have at a time */
	uint32_t request;	    /* the last that was sent, for messages */
};

/* A queue as the back end is told of it. */
struct vhost_frontend_ring {
	unsigned int num;
	unsigned int base; /* index where the device begins */
	uint64_t desc;	   /* addresses as in vhost_region.user_addr */
	uint64_t avail;
	uint64_t used;
	int kick_fd; /* eventfds; the caller's */
	int call_fd;
	int err_fd; /* or -1 */
};

/* A socket that is connected to PATH, or -errno. */
int vhost_connect(const char *path);

/*
 * Takes over a connected socket; waits TIMEOUT seconds at most for any answer.
 * On failure the socket stays the caller's.
 */
int vhost_frontend_attach(struct vhost_frontend *frontend, int fd,
			  unsigned int timeout);
void vhost_frontend_close(struct vhost_frontend *frontend);

/*
 * Takes of WANTED, device features, and WANTED_PROTOCOL, protocol features,
 * what the back end offers. -EOPNOTSUPP if one of REQUIRED is not offered.
 */
int vhost_frontend_negotiate(struct vhost_frontend *frontend, uint64_t wanted,
			     uint64_t required, uint64_t wanted_protocol);

/*
 * Hands memory over, in place of all there was: a region and a file descriptor
 * each, up to VHOST_MAX_FDS (-E2BIG).
 */
int vhost_frontend_set_memory(struct vhost_frontend *frontend,
			      const struct vhost_region *regions,
			      const int *fds, unsigned int count);

/* One region more or less. Need VHOST_PF_CONFIGURE_MEM_SLOTS. */
int vhost_frontend_add_memory(struct vhost_frontend *frontend,
			      const struct vhost_region *region, int fd);
int vhost_frontend_remove_memory(struct vhost_frontend *frontend,
				 const struct vhost_region *region);

/* Sets a queue up, and lets the device begin with it. */
int vhost_frontend_start(struct vhost_frontend *frontend, unsigned int index,
			 const struct vhost_frontend_ring *ring);

/* Stops a queue; *RET_BASE is where the device would have gone on. */
int vhost_frontend_stop(struct vhost_frontend *frontend, unsigned int index,
			unsigned int *ret_base);

/* Reads LEN bytes of the configuration space. Needs VHOST_PF_CONFIG. */
int vhost_frontend_get_config(struct vhost_frontend *frontend,
			      unsigned int offset, void *buf, unsigned int len);

/* Resets the device. Needs VHOST_PF_RESET_DEVICE. */
int vhost_frontend_reset(struct vhost_frontend *frontend);

/* Waits until the back end has handled all that was sent. */
int vhost_frontend_sync(struct vhost_frontend *frontend);

#endif
