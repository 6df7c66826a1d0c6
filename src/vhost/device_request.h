/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the device's role share. */
#ifndef VHOST_DEVICE_REQUEST_H
#define VHOST_DEVICE_REQUEST_H

#include "device.h"

/* A message with the descriptors that came along; what is taken becomes -1. */
struct request {
	struct vhost_message message;
	int fds[VHOST_MAX_FDS];
	unsigned int fd_count;
};

/* What a handler returns when it has filled in a reply of its own. */
#define REPLY 1

/* Closes a descriptor unless it is -1, which it is then. */
void vhost_close_fd(int *fd);

/* The first descriptor of a message, the caller's from here on; or -1. */
int vhost_take_fd(struct request *rq);

/* Starts the rings that can be, after vhost_device_stop(). 0 or -errno. */
int vhost_device_start(struct vhost_device *device);

/* Back to what the device was before any driver spoke to it. */
void vhost_device_reset(struct vhost_device *device);

/* Handlers of device_ring.c: 0, REPLY, or -errno after a log line. */
int vhost_set_vring_num(struct vhost_device *device, struct request *rq);
int vhost_set_vring_addr(struct vhost_device *device, struct request *rq);
int vhost_set_vring_base(struct vhost_device *device, struct request *rq);
int vhost_get_vring_base(struct vhost_device *device, struct request *rq);
int vhost_set_vring_kick(struct vhost_device *device, struct request *rq);
int vhost_set_vring_call(struct vhost_device *device, struct request *rq);
int vhost_set_vring_err(struct vhost_device *device, struct request *rq);
int vhost_set_vring_enable(struct vhost_device *device, struct request *rq);

#endif
