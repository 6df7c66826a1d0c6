/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A row for each port, for src/port/table.c: CLIENT_PORT(virtio) stands
 * for virtio_port_ops.
 * The first of each kind is the one for what names none.
 */
CLIENT_PORT(virtio)
#if HAVE_MOUNT
CLIENT_PORT(mount)
#endif
CLIENT_PORT(listen)
CLIENT_PORT(stdio)
SERVER_PORT(dir)
SERVER_PORT(exec)
SERVER_PORT(vhost)
SERVER_PORT(connect)

/* A test program's own. */
#ifdef EXTRA_PORTS
EXTRA_PORTS
#endif
