// SPDX-License-Identifier: BSD-2-Clause
#include "stream.h"
#include "hash.h"
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_SIZE    (64u << 10)
#define FIRST_NUMBERED 0x40000000u
#define MOST_NUMBERED  0x3fffffffu

struct stream {
	int fd;
	size_t at, end; /* in BUFFER */
	uint64_t here; /* the host's position of the entry at AT */

	/* Positions of the host by number, and their numbers by position. */
	uint64_t *numbered;
	uint32_t count, capacity;
	uint32_t *index; /* open addressing; number + 1; 2 * capacity */

	union {
		char buffer[BUFFER_SIZE];
		struct dirent64 align;
	};
};

struct stream *stream_new(int fd)
{
	struct stream *stream = malloc(sizeof(*stream));

	if (!stream)
		return NULL;
	memset(stream, 0, offsetof(struct stream, buffer));
	stream->fd = fd;
	return stream;
}

void stream_free(struct stream *stream)
{
	if (!stream)
		return;
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

	if (capacity > MOST_NUMBERED)
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
	return 0;
}

const struct dirent64 *stream_peek(struct stream *stream, int *ret_error)
{
	ssize_t ret;

	*ret_error = 0;
	if (stream->at >= stream->end) {
		ret = getdents64(stream->fd, stream->buffer, BUFFER_SIZE);
		if (ret < 0)
			*ret_error = -errno;
		if (ret <= 0)
			return NULL;
		stream->at = 0;
		stream->end = (size_t)ret;
	}
	return (const struct dirent64 *)(const void *)(stream->buffer +
						       stream->at);
}

static const struct dirent64 *entry_here(const struct stream *stream)
{
	return (const struct dirent64 *)(const void *)(stream->buffer +
						       stream->at);
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
	if (position && position == stream->here)
		return 0;
	return go(stream, position);
}
