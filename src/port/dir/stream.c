// SPDX-License-Identifier: BSD-2-Clause
#include "stream.h"
#include "hash.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_SIZE    (64u << 10)
#define FIRST_NUMBERED 0x40000000u
#define MOST_NUMBERED  0x3fffffffu

/*
 * A client may have any number of directories open and leave them half read:
 * beyond so many of them the buffer does not outlive the request, and beyond
 * so many positions in all of them no more are numbered.
 */
#define KEPT_BUFFERS  256
#define ALL_POSITIONS (32u << 20)

static atomic_uint buffers_now, positions_now;

struct stream {
	int fd;
	size_t at, end; /* in BUFFER */
	uint64_t here;	/* the host's position of the entry at AT */
	bool lost;	/* but the descriptor is further on */

	/* Positions of the host by number, and their numbers by position. */
	uint64_t *numbered;
	uint32_t count, capacity;
	uint32_t *index; /* open addressing; number + 1; 2 * capacity */

	char *buffer; /* NULL: nothing is read ahead */
};

struct stream *stream_new(int fd)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (stream)
		stream->fd = fd;
	return stream;
}

static void drop_buffer(struct stream *stream)
{
	if (!stream->buffer)
		return;
	free(stream->buffer);
	stream->buffer = NULL;
	atomic_fetch_sub(&buffers_now, 1);
}

void stream_rest(struct stream *stream)
{
	if (stream->at < stream->end) {
		if (atomic_load(&buffers_now) <= KEPT_BUFFERS)
			return;
		stream->lost = true;
	}
	stream->at = 0;
	stream->end = 0;
	drop_buffer(stream);
}

void stream_free(struct stream *stream)
{
	if (!stream)
		return;
	drop_buffer(stream);
	atomic_fetch_sub(&positions_now, stream->capacity);
	free(stream->numbered);
	free(stream->index);
	free(stream);
}

static uint32_t *index_cell(struct stream *stream, uint64_t position)
{
	uint32_t mask = 2 * stream->capacity - 1;
	uint32_t i = (uint32_t)hash_pair(position, 0) & mask;

	while (stream->index[i] &&
	       stream->numbered[stream->index[i] - 1] != position)
		i = (i + 1) & mask;
	return &stream->index[i];
}

static int grow(struct stream *stream)
{
	uint32_t capacity = stream->capacity ? stream->capacity * 2 : 256;
	uint64_t *numbered;
	uint32_t *index;

	if (capacity > MOST_NUMBERED ||
	    atomic_load(&positions_now) + capacity > ALL_POSITIONS)
		return -EOVERFLOW;
	numbered = realloc(stream->numbered, capacity * sizeof(*numbered));
	if (!numbered)
		return -ENOMEM;
	stream->numbered = numbered;
	index = calloc(2 * (size_t)capacity, sizeof(*index));
	if (!index)
		return -ENOMEM;
	free(stream->index);
	stream->index = index;
	atomic_fetch_add(&positions_now, capacity - stream->capacity);
	stream->capacity = capacity;
	for (uint32_t i = 0; i < stream->count; i++)
		*index_cell(stream, numbered[i]) = i + 1;
	return 0;
}

/* The client's form of a position of the host; 0: no memory. */
static uint64_t to_client(struct stream *stream, uint64_t position)
{
	uint32_t *cell;

	if (position < FIRST_NUMBERED)
		return position;
	if (stream->count == stream->capacity && grow(stream) < 0)
		return 0;
	cell = index_cell(stream, position);
	if (!*cell) {
		stream->numbered[stream->count++] = position;
		*cell = stream->count;
	}
	return FIRST_NUMBERED + *cell - 1;
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
	if (ret < 0)
		return -errno;
	stream->at = 0;
	stream->end = (size_t)ret;
	return ret;
}

static const struct dirent64 *entry_here(const struct stream *stream)
{
	return (const struct dirent64 *)(const void *)(stream->buffer +
						       stream->at);
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
	return entry_here(stream);
}

uint64_t stream_position(struct stream *stream)
{
	return to_client(stream, (uint64_t)entry_here(stream)->d_off);
}

void stream_next(struct stream *stream)
{
	const struct dirent64 *entry = entry_here(stream);

	stream->here = (uint64_t)entry->d_off;
	stream->at += entry->d_reclen;
}

/*
 * A number of another time the directory was open: a client that exports it
 * by NFS goes on like that. Numbers are given in the order of the entries, so
 * reading up to there gives it again.
 */
static int learn(struct stream *stream, uint32_t number)
{
	int ret = go(stream, 0);

	while (ret == 0 && number >= stream->count) {
		if (!stream_peek(stream, &ret))
			return ret < 0 ? ret : -EINVAL;
		if (!stream_position(stream))
			return -ENOMEM;
		stream_next(stream);
	}
	return ret;
}

int stream_seek(struct stream *stream, uint64_t position)
{
	int ret;

	if (position >= FIRST_NUMBERED) {
		if (position - FIRST_NUMBERED >= MOST_NUMBERED)
			return -EINVAL;
		position -= FIRST_NUMBERED;
		if (position >= stream->count) {
			ret = learn(stream, (uint32_t)position);
			if (ret < 0)
				return ret;
		}
		position = stream->numbered[position];
	}
	/* The start is read anew: the directory may have changed. */
	if (position && position == stream->here && !stream->lost)
		return 0;
	return go(stream, position);
}
