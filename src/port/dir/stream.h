/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An open directory as a stream of entries whose positions fit in 31 bits, so
 * that a 32-bit program without large-file support can list it. Positions of
 * the host that fit are passed on as they are; others are numbered as they
 * come up.
 */
#ifndef DIR_STREAM_H
#define DIR_STREAM_H

#include <dirent.h>
#include <stdint.h>

struct stream;

/* FD stays the caller's. NULL: no memory. */
struct stream *stream_new(int fd);
void stream_free(struct stream *stream); /* NULL is fine */

/* Goes to a position of stream_position(), or 0: the start. 0 or -errno. */
int stream_seek(struct stream *stream, uint64_t position);

/*
 * The entry here, valid until the next call; NULL: there is no more, or the
 * errno in *RET_ERROR, else 0, tells why not.
 */
const struct dirent64 *stream_peek(struct stream *stream, int *ret_error);

/* The position behind the entry here, for the client; 0: out of memory. */
uint64_t stream_position(struct stream *stream);

/* Goes behind the entry here. */
void stream_next(struct stream *stream);

/* The end of a request: what was read ahead may go. */
void stream_rest(struct stream *stream);

#endif
