/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ways to reach a server: whole FUSE messages go out and come in, one
 * request at a time. A link knows nothing of what a message says but its
 * length, where the transport does not tell that.
 */
#ifndef PROBE_LINK_H
#define PROBE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes of the longest message, either way. */
#define LINK_MESSAGE_MAX (64U << 10)

struct link;

struct link_ops {
	const char *scheme;
	const char *argument; /* for the help text */
	const char *help;
	/* A connection can be had anew for each session. */
	bool renewable;

	/* All of these: 0 or -errno; open() logs what went wrong. */
	int (*open)(struct link *link);
	/*
	 * Sends a request whose reply has ROOM bytes at most; 0: there will be
	 * no reply.
	 */
	int (*send)(struct link *link, const void *message, size_t len,
		    size_t room);
	/* The length of a message; -ETIMEDOUT, -ECONNRESET, -EBADMSG. */
	ssize_t (*receive)(struct link *link, void *message, size_t size,
			   int64_t deadline);
	/* Makes the server forget what is under way; NULL: it cannot be. */
	int (*restart)(struct link *link);
	void (*close)(struct link *link);
};

struct link {
	const struct link_ops *ops;
	const char *argument;
	int64_t timeout;     /* milliseconds */
	bool prefer_stream;  /* of exec's socket pair */
	bool keeps_lengths;  /* the transport tells a message's length */
	bool swap;	     /* the length field's byte order is not ours */
	bool opposite;	     /* the last message's was the other one */
	int fd;		     /* of a socket; -1: not open */
	pid_t child;	     /* of exec; 0: none */
	struct virtio *more; /* of virtio */
};

extern const struct link_ops virtio_link_ops;
extern const struct link_ops connect_link_ops;
extern const struct link_ops fd_link_ops;
extern const struct link_ops exec_link_ops;

/* The one with this index, from 0; NULL past the last. */
const struct link_ops *link_ops_at(size_t index);

/*
 * SPEC is SCHEME:ARGUMENT. 0 or -EINVAL, logged; nothing is opened yet.
 */
int link_parse(struct link *link, const char *spec);

/* Milliseconds on a clock that only goes forward. */
int64_t link_now(void);

#endif
