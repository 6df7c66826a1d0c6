/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An open directory as a stream of entries. Their positions are the host's
 * own, all 64 bits: only their file system knows what is in them. For a client
 * whose programs hold 31 bits they are small: positions of the host that fit
 * are passed on as they are, others are numbered as they come up.
 */
#ifndef DIR_STREAM_H
#define DIR_STREAM_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>

struct stream;

/* FD stays the caller's. NULL: no memory. */
struct stream *stream_new(int fd, bool small);
void stream_free(struct stream *stream); /* NULL is fine */

/* Goes to a position of stream_position(), or 0: the start. 0 or -errno. */
int stream_seek(struct stream *stream, uint64_t position);

/*
 * The entry here, valid until the next call; NULL: there is no more, or the
 * errno in *RET_ERROR, else 0, tells why not.
 */
const struct dirent64 *stream_peek(struct stream *stream, int *ret_error);

/* The position behind the entry here, for the client. 0 or -errno. */
int stream_position(struct stream *stream, uint64_t *ret_position);

/* Goes behind the entry here. */
void stream_next(struct stream *stream);

/* The end of a request that began with stream_seek(). */
void stream_rest(struct stream *stream);

#endif
