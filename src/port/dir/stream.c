// SPDX-License-Identifier: BSD-2-Clause
#include "stream.h"
#include "positions.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_SIZE    (64u << 10)
#define FIRST_NUMBERED 0x40000000u

/*
 * A client may have any number of directories open and leave them half read:
 * beyond so many of them the buffer does not outlive the request.
 */
#define KEPT_BUFFERS 256

static atomic_uint buffers_now;

struct stream {
	int fd;
	bool small;   /* its positions fit in 31 bits */
	bool ordered; /* and are numbered from the start of the directory on */
	bool lost;    /* HERE is not where the descriptor is */
	size_t at, end;		    /* in BUFFER */
	uint64_t here;		    /* the host's position of the entry at AT */
	char *buffer;		    /* NULL: nothing is read ahead */
	struct positions positions; /* in use from stream_seek() on */
};

struct stream *stream_new(int fd, bool small)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (stream) {
		stream->fd = fd;
		stream->small = small;
	}
	return stream;
}

static void drop_buffer(struct stream *stream)
{
	stream->at = 0;
	stream->end = 0;
	if (!stream->buffer)
		return;
	free(stream->buffer);
	stream->buffer = NULL;
	atomic_fetch_sub(&buffers_now, 1);
}

/* Whether lseek() goes there: most file systems take no negative offset. */
static bool can_seek(uint64_t position)
{
	return position <= INT64_MAX;
}

/* What was read ahead stays, and so does what could not be gone back to. */
void stream_rest(struct stream *stream)
{
	bool left = stream->at < stream->end;

	if (stream->small)
		positions_rest(&stream->positions);
	if ((left || !can_seek(stream->here)) &&
	    atomic_load(&buffers_now) <= KEPT_BUFFERS)
		return;
	if (left)
		stream->lost = true;
	drop_buffer(stream);
}

void stream_free(struct stream *stream)
{
	if (!stream)
		return;
	drop_buffer(stream);
	positions_destroy(&stream->positions);
	free(stream);
}

static int go(struct stream *stream, uint64_t position)
{
	if (lseek(stream->fd, (off_t)position, SEEK_SET) < 0)
		return -errno;
	stream->at = 0;
	stream->end = 0;
	stream->here = position;
	stream->lost = false;
	return 0;
}

/* Reads ahead; bytes, 0 at the end, or -errno. */
static ssize_t fill_buffer(struct stream *stream)
{
	ssize_t ret;

	if (!stream->buffer) {
		stream->buffer = malloc(BUFFER_SIZE);
		if (!stream->buffer)
			return -ENOMEM;
		atomic_fetch_add(&buffers_now, 1);
	}
	ret = getdents64(stream->fd, stream->buffer, BUFFER_SIZE);
	if (ret == 0) /* what is in the buffer can be gone back to */
		return 0;
	if (ret < 0) {
		ret = -errno;
		drop_buffer(stream);
		return ret;
	}
	stream->at = 0;
	stream->end = (size_t)ret;
	return ret;
}

static const struct dirent64 *entry_at(const struct stream *stream, size_t at)
{
	return (const struct dirent64 *)(const void *)(stream->buffer + at);
}

const struct dirent64 *stream_peek(struct stream *stream, int *ret_error)
{
	ssize_t ret;

	*ret_error = 0;
	if (stream->at >= stream->end) {
		ret = fill_buffer(stream);
		if (ret < 0)
			*ret_error = (int)ret;
		if (ret <= 0)
			return NULL;
	}
	return entry_at(stream, stream->at);
}

int stream_position(struct stream *stream, uint64_t *ret_position)
{
	uint64_t position = (uint64_t)entry_at(stream, stream->at)->d_off;
	uint32_t number;
	int ret;

	if (stream->small && position >= FIRST_NUMBERED) {
		ret = positions_number(&stream->positions, position, &number);
		if (ret < 0)
			return ret;
		position = FIRST_NUMBERED + number;
	}
	*ret_position = position;
	return 0;
}

void stream_next(struct stream *stream)
{
	const struct dirent64 *entry = entry_at(stream, stream->at);

	stream->here = (uint64_t)entry->d_off;
	stream->at += entry->d_reclen;
}

/* Goes behind the entry in the buffer whose position is this one. */
static bool find_in_buffer(struct stream *stream, uint64_t position)
{
	size_t at = 0;

	while (at < stream->end) {
		const struct dirent64 *entry = entry_at(stream, at);

		at += entry->d_reclen;
		if ((uint64_t)entry->d_off != position)
			continue;
		stream->at = at;
		stream->here = position;
		return true;
	}
	return false;
}

/* Reads from the start until the client's POSITION has come up. */
static int walk_to(struct stream *stream, uint64_t position)
{
	uint64_t here;
	int ret = go(stream, 0);

	while (ret == 0) {
		if (!stream_peek(stream, &ret))
			return ret < 0 ? ret : -EINVAL;
		ret = stream_position(stream, &here);
		if (ret == 0)
			stream_next(stream);
		if (ret == 0 && here == position)
			break;
	}
	return ret;
}

static int seek_host(struct stream *stream, uint64_t position)
{
	/* The start is read anew: the directory may have changed. */
	if (!position)
		return go(stream, 0);
	if (position == stream->here && !stream->lost)
		return 0;
	if (find_in_buffer(stream, position))
		return 0;
	return go(stream, position);
}

/*
 * The host's form of a small position. Numbers are given in the order of the
 * entries. So one of another time that the directory was open (a client that
 * exports it by NFS goes on like that), or from before the table was emptied,
 * comes up again on the way to it: -EAGAIN.
 */
static int find_small(struct stream *stream, uint64_t position,
		      uint64_t *ret_host)
{
	struct positions *positions = &stream->positions;
	bool ordered = stream->ordered && !positions->emptied;

	/* On most file systems none is too big. */
	if (position < FIRST_NUMBERED && position && !positions->count &&
	    !positions->emptied)
		return 0;
	stream->ordered = true;
	positions->emptied = false;
	if (position && !ordered)
		return -EAGAIN;
	if (position < FIRST_NUMBERED)
		return 0;
	position -= FIRST_NUMBERED;
	if (position >= POSITIONS_MOST ||
	    !positions_find(positions, (uint32_t)position, ret_host))
		return -EAGAIN;
	return 0;
}

int stream_seek(struct stream *stream, uint64_t position)
{
	uint64_t host = position;
	int ret = 0;

	if (stream->small) {
		positions_use(&stream->positions);
		ret = find_small(stream, position, &host);
	}
	if (ret == 0)
		ret = seek_host(stream, host);
	if (ret == -EAGAIN || (ret == -EINVAL && !can_seek(host)))
		ret = walk_to(stream, position);
	return ret;
}
