/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FUSE over io_uring in the place of /dev/fuse: what a server calls instead of
 * read(2), writev(2) and poll(2). The messages are those of /dev/fuse, each in
 * one piece. The first reply, that of FUSE_INIT, asks for the ring; what the
 * kernel sends through the device in spite of it is handed out too.
 */
#ifndef RING_H
#define RING_H

#include <poll.h>
#include <stddef.h>
#include <sys/uio.h>

ssize_t ring_read(int fd, void *buf, size_t size);
ssize_t ring_writev(int fd, const struct iovec *iov, int count);
int ring_poll(struct pollfd *p, nfds_t count, int timeout);

#endif
