// SPDX-License-Identifier: BSD-2-Clause
#include "bare.h"
#include "sample.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define IO_SIZE	   (1U << 20)
#define WRITE_NAME "write-bare"

struct bare {
	int root;
	int dir; /* the directory at hand */
	int file;
	int nodes[SAMPLE_SMALL_COUNT];
	char *buf;
	uint64_t turn;
	uint64_t random;
};

/* One turn of a loop: how many operations that was, or -errno. */
typedef int (*turn_fn)(struct bare *bare);

static uint64_t next_random(struct bare *bare)
{
	bare->random = bare->random * UINT64_C(6364136223846793005) + 1;
	return bare->random >> 33;
}

static int turn_read4k(struct bare *bare)
{
	off_t at = (off_t)(next_random(bare) % (SAMPLE_DATA_BYTES / 4096));

	return pread(bare->file, bare->buf, 4096, at * 4096) == 4096 ? 1 : -EIO;
}

static int turn_read1m(struct bare *bare)
{
	off_t at = (off_t)(bare->turn * IO_SIZE % SAMPLE_DATA_BYTES);

	return pread(bare->file, bare->buf, IO_SIZE, at) == IO_SIZE ? 1 : -EIO;
}

static int turn_write1m(struct bare *bare)
{
	off_t at = (off_t)(bare->turn * IO_SIZE % SAMPLE_WRITE_BYTES);

	return pwrite(bare->file, bare->buf, IO_SIZE, at) == IO_SIZE ? 1 : -EIO;
}

static int turn_getattr(struct bare *bare)
{
	int fd = bare->nodes[next_random(bare) % SAMPLE_SMALL_COUNT];
	struct stat st;

	return fstatat(fd, "", &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0
		       ? -errno
		       : 1;
}

static int turn_open(struct bare *bare)
{
	char name[16];
	struct stat st;
	int fd;

	snprintf(name, sizeof(name), "f%u",
		 (unsigned int)(next_random(bare) % SAMPLE_SMALL_COUNT));
	if (fstatat(bare->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	fd = openat(bare->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	close(fd);
	return 1;
}

static int turn_create(struct bare *bare)
{
	int fd = openat(bare->dir, "new-bare",
			O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	close(fd);
	return unlinkat(bare->dir, "new-bare", 0) < 0 ? -errno : 1;
}

/* What fits into one READDIRPLUS reply of a page, and a stat for each. */
static int turn_readdirplus(struct bare *bare)
{
	long n = syscall(SYS_getdents64, bare->dir, bare->buf, 23 * 32);
	struct stat st;
	int count = 0;

	if (n < 0)
		return -errno;
	if (n == 0)
		return lseek(bare->dir, 0, SEEK_SET) < 0 ? -errno : 0;
	for (long at = 0; at < n;) {
		struct dirent64 *entry = (struct dirent64 *)(bare->buf + at);

		at += entry->d_reclen;
		if (entry->d_name[0] == '.')
			continue;
		if (fstatat(bare->dir, entry->d_name, &st,
			    AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		count++;
	}
	return count;
}

static const struct {
	const char *name;
	turn_fn turn;
	const char *file;
	const char *dir;
} loops[] = {
	{ "read4k", turn_read4k, SAMPLE_DATA_FILE, "." },
	{ "read1m", turn_read1m, SAMPLE_DATA_FILE, "." },
	{ "write1m", turn_write1m, WRITE_NAME, "." },
	{ "getattr", turn_getattr, NULL, SAMPLE_SMALL_DIR },
	{ "open", turn_open, NULL, SAMPLE_SMALL_DIR },
	{ "create", turn_create, NULL, SAMPLE_SMALL_DIR },
	{ "readdirplus", turn_readdirplus, NULL, SAMPLE_MANY_DIR },
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int open_nodes(struct bare *bare)
{
	char name[48];

	for (unsigned int i = 0; i < SAMPLE_SMALL_COUNT; i++) {
		snprintf(name, sizeof(name), SAMPLE_SMALL_DIR "/f%u", i);
		bare->nodes[i] = openat(bare->root, name, O_PATH | O_CLOEXEC);
		if (bare->nodes[i] < 0)
			return -errno;
	}
	return 0;
}

static int open_bare(struct bare *bare, const char *path, const char *dir,
		     const char *file)
{
	int flags = O_RDONLY;

	bare->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (bare->root < 0)
		return -errno;
	bare->dir = openat(bare->root, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (bare->dir < 0)
		return -errno;
	if (file && strcmp(file, WRITE_NAME) == 0)
		flags = O_RDWR | O_CREAT | O_TRUNC;
	if (file) {
		bare->file = openat(bare->root, file, flags | O_CLOEXEC, 0644);
		if (bare->file < 0)
			return -errno;
	}
	for (uint64_t at = 0; flags != O_RDONLY && at < SAMPLE_WRITE_BYTES;
	     at += IO_SIZE)
		if (pwrite(bare->file, bare->buf, IO_SIZE, (off_t)at) < 0)
			return -errno;
	return open_nodes(bare);
}

static int run_loop(struct bare *bare, turn_fn turn, double seconds,
		    uint64_t *ret_done, double *ret_seconds)
{
	double start = now(), elapsed = 0;
	uint64_t done = 0;

	for (; elapsed < seconds; bare->turn++) {
		int n = turn(bare);

		if (n < 0)
			return n;
		done += (uint64_t)n;
		if (bare->turn % 16 == 0)
			elapsed = now() - start;
	}
	*ret_seconds = now() - start;
	*ret_done = done;
	return 0;
}

int bare_run(const char *path, const char *name, double seconds,
	     uint64_t *ret_done, double *ret_seconds)
{
	struct bare bare = { .root = -1, .dir = -1, .file = -1 };
	size_t i = 0;
	int r;

	while (i < sizeof(loops) / sizeof(*loops) &&
	       strcmp(loops[i].name, name) != 0)
		i++;
	if (i == sizeof(loops) / sizeof(*loops))
		return -EOPNOTSUPP;
	memset(bare.nodes, -1, sizeof(bare.nodes));
	bare.buf = calloc(1, IO_SIZE);
	if (!bare.buf)
		return -ENOMEM;
	memset(bare.buf, 1, IO_SIZE); /* not the one page of zeroes */
	r = open_bare(&bare, path, loops[i].dir, loops[i].file);
	if (r == 0)
		r = run_loop(&bare, loops[i].turn, seconds, ret_done,
			     ret_seconds);
	for (unsigned int n = 0; n < SAMPLE_SMALL_COUNT; n++)
		if (bare.nodes[n] >= 0)
			close(bare.nodes[n]);
	if (loops[i].turn == turn_write1m && bare.file >= 0)
		unlinkat(bare.root, WRITE_NAME, 0);
	if (bare.file >= 0)
		close(bare.file);
	if (bare.dir >= 0)
		close(bare.dir);
	if (bare.root >= 0)
		close(bare.root);
	free(bare.buf);
	return r;
}
