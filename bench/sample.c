// SPDX-License-Identifier: BSD-2-Clause
#include "sample.h"
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t sample_word(uint64_t index)
{
	uint64_t x = (index + 1) * UINT64_C(0x9e3779b97f4a7c15);

	return htole64(x ^ (x >> 29));
}

bool sample_matches(const void *buf, uint64_t offset, size_t len)
{
	const uint64_t *words = buf;

	for (size_t i = 0; i < len / 8; i++)
		if (words[i] != sample_word(offset / 8 + i))
			return false;
	return true;
}

void sample_fill(void *buf, uint64_t offset, size_t len)
{
	uint64_t *words = buf;

	for (size_t i = 0; i < len / 8; i++)
		words[i] = sample_word(offset / 8 + i);
}

uint64_t sample_small_size(unsigned int index)
{
	return index * 37 + 1;
}

int sample_many_index(const char *name, size_t len)
{
	unsigned int value = 0;

	if (len != 6 || name[0] != 'e')
		return -1;
	for (size_t i = 1; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		value = value * 10 + (unsigned int)(name[i] - '0');
	}
	return value < SAMPLE_MANY_COUNT ? (int)value : -1;
}

static int create_data(int dir)
{
	size_t step = 1 << 20;
	char *buf = malloc(step);
	uint64_t at = 0;
	int fd, r = 0;

	if (!buf)
		return -ENOMEM;
	fd = openat(dir, SAMPLE_DATA_FILE,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		r = -errno;
	for (; r == 0 && at < SAMPLE_DATA_BYTES; at += step) {
		ssize_t n;

		sample_fill(buf, at, step);
		n = write(fd, buf, step);
		if (n != (ssize_t)step)
			r = n < 0 ? -errno : -ENOSPC;
	}
	if (fd >= 0)
		close(fd);
	free(buf);
	return r;
}

static int create_file(int dir, const char *name, uint64_t size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			0644);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (size && ftruncate(fd, (off_t)size) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int enter(int dir, const char *name)
{
	int fd;

	if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int create_files(int dir, const char *name, const char *format,
			unsigned int count, uint64_t (*size)(unsigned int))
{
	char file[32];
	int fd, r = 0;

	fd = enter(dir, name);
	if (fd < 0)
		return fd;
	for (unsigned int i = 0; r == 0 && i < count; i++) {
		snprintf(file, sizeof(file), format, i);
		r = create_file(fd, file, size(i));
	}
	close(fd);
	return r;
}

static uint64_t many_size(unsigned int index)
{
	return index & 1;
}

int sample_create(const char *path)
{
	int dir, r;

	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	r = create_data(dir);
	if (r == 0)
		r = create_files(dir, SAMPLE_SMALL_DIR, "f%u",
				 SAMPLE_SMALL_COUNT, sample_small_size);
	if (r == 0)
		r = create_files(dir, SAMPLE_MANY_DIR, SAMPLE_MANY_NAME,
				 SAMPLE_MANY_COUNT, many_size);
	close(dir);
	return r;
}
