/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What may lie between a link and its socket, which does not block, nor does
 * anything here. TLS is the only one; without GnuTLS there is none.
 */
#ifndef LAYER_H
#define LAYER_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

struct layer;

struct layer_ops {
	/*
	 * Goes on with the handshake: 0, it is done; the events to wait for, as
	 * of poll(); or -EPROTO.
	 */
	int (*handshake)(struct layer *layer);
	/*
	 * As read() and writev(), but -errno: -EAGAIN, not yet; after that the
	 * same is to be written again. -EPROTO: see error().
	 */
	ssize_t (*read)(struct layer *layer, void *bytes, size_t size);
	ssize_t (*write)(struct layer *layer, const struct iovec *iov,
			 int count);
	/* Why it was -EPROTO, for the log: "it ...". */
	const char *(*error)(const struct layer *layer);
	/* Whom the handshake has found at the other end, for the log. */
	const char *(*peer)(const struct layer *layer);
	/* Says goodbye if that can be done at once. The socket stays. */
	void (*free)(struct layer *layer);
};

/* It begins a struct of the layer's own. */
struct layer {
	const struct layer_ops *ops;
};

/* What layers are made of: keys and certificates, loaded once. */
struct layer_maker {
	/* For socket FD of a peer, which we know as HOST (a client's: NULL). */
	int (*make)(struct layer_maker *maker, int fd, const char *host,
		    struct layer **ret_layer);
	void (*free)(struct layer_maker *maker);
};

/*
 * tls.c: loads what --tls-certificates or --tls-psk names, as a server or as a
 * client. 0 or -errno, logged: -ENOTSUP where GnuTLS was left out.
 */
int tls_maker_new(bool server, struct layer_maker **ret_maker);

#endif
