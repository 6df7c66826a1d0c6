/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Byte streams: the ports listen: and stdio: for clients and connect: for
 * servers. Messages are plain FUSE messages, framed by their own length; on a
 * socket that keeps boundaries each is a packet.
 */
#ifndef STREAM_H
#define STREAM_H

#include "../../option.h"
#include "layer.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Bytes of a WRITE, or of a READ's reply, that fit into one message. */
#define STREAM_MAX_DATA (1u << 20)

/* A message with them: header, names and fixed parts stand before. */
#define STREAM_MAX_MESSAGE (STREAM_MAX_DATA + 8192)

/* The options of all three. */
struct stream_options {
	uint64_t timeout;	      /* --peer-timeout, seconds */
	bool plain_tcp;		      /* --plain-tcp */
	const char *tls_certificates; /* a directory; NULL: none */
	const char *tls_psk;	      /* a file; NULL: none */
	const char *tls_username;     /* whose key of it; NULL: the only one */
	const char *tls_hostname;     /* in the server's certificate, or NULL */
	bool tls_verify_peer;	      /* clients need a certificate, too */
};

extern struct stream_options stream_options;

/* The same, a day at most. */
int stream_timeout_ms(void);
extern const struct option stream_rows[];

/* address.c: where a peer is. */
enum address_kind {
	ADDRESS_UNIX,
	ADDRESS_UNIXPACKET,
	ADDRESS_VSOCK,
	ADDRESS_TCP,
	ADDRESS_COMMAND
};

struct address {
	enum address_kind kind;
	char *text; /* as it was given, for the log */
	char *host; /* tcp; points into COPY, as the next do */
	char *port; /* tcp */
	char *path; /* unix, unixpacket; the command */
	uint32_t cid, vsock_port;
	char *copy;
};

/* PORT is "listen" or "connect", for what is said. 0 or -errno, logged. */
int address_parse(const char *port, const char *text,
		  struct address *ret_address);
void address_free(struct address *address);

/* A socket that listens there; or -errno, logged. */
int address_listen(const struct address *address);

/*
 * Connects, or starts the command: the socket, which does not block; or -errno,
 * logged, but quietly if it is tried AGAIN. *RET_CHILD: the command's process,
 * or 0.
 */
int address_connect(const struct address *address, bool again,
		    pid_t *ret_child);

/*
 * options.c: what is to lie between the port and its peers at ADDRESS (NULL:
 * at an inherited socket that is no Unix one): TLS, or nothing, *RET_MAKER then
 * being NULL. OTHER is how the other port of the command was named. 0 or
 * -errno, logged: not even nothing is allowed.
 */
int stream_secure(const char *port, const struct address *address,
		  const char *other, struct layer_maker **ret_maker);

/* Whether nobody else can listen to what passes. */
bool address_is_local(const struct address *address);

/* command.c: its socket or -errno. */
int command_start(const char *command, pid_t *ret_child);

/* Ends a command whose socket is closed, and collects it. */
void command_end(pid_t child, const char *name);

/* A connected socket of a peer: what there is to be set. */
void stream_socket_setup(int fd);

/*
 * link.c: one connection. One thread reads at a time, any may write. A
 * message that has begun must go on: when a peer stalls in one, or leaves no
 * room for ours, for longer than --peer-timeout, the connection has failed.
 */
struct link {
	int in, out;	     /* the same for a socket; they do not block */
	struct layer *layer; /* NULL: none */
	bool packet;
	bool begun; /* something was received */
	int end_fd; /* eventfd: nobody waits any more */
	atomic_bool ended;
	atomic_int failed; /* why it has, for all that wait; 0: link_end() */
	pthread_mutex_t write_lock;
	char *buffer; /* what was received and not yet read */
	size_t size, start, end;
	int64_t deadline; /* of the message that is being read, ms */
};

/*
 * Takes over IN and OUT (which may be IN), and LAYER (or NULL), which is on
 * IN, also if it fails. 0 or -errno.
 */
int link_init(struct link *link, int in, int out, struct layer *layer);
void link_destroy(struct link *link);

/*
 * The layer's handshake, for which the peer has --peer-timeout. Before anything
 * is read or written. NAME is for the log. 0 or -errno, logged.
 */
int link_handshake(struct link *link, const char *name);

/*
 * All that waits for the peer, or will, fails with -ECANCELED, or as the write
 * that has failed before. Any thread.
 */
void link_end(struct link *link);

/*
 * Waits up to TIMEOUT_MS (-1: for ever) for the next message: 1; 0 if the peer
 * has closed the connection; -ETIMEDOUT, -ECANCELED or another -errno.
 */
int link_wait(struct link *link, int timeout_ms);

/* Its next LEN bytes. 0; -ECONNRESET: there are less; or as above. */
int link_read(struct link *link, void *bytes, size_t len);

/* The same, thrown away. */
int link_skip(struct link *link, size_t len);

/* -EBADMSG if the message, a packet, is longer than it said. 0 else. */
int link_check_end(const struct link *link);

/* Sends a message whole. 0 or -errno: the connection is of no use then. */
int link_write(struct link *link, const struct iovec *iov, int count);

/* How long a message can be that a packet socket sends; else SIZE_MAX. */
size_t link_packet_max(const struct link *link);

/* What is wrong, for the log. */
const char *link_error(const struct link *link, int error);

#endif
