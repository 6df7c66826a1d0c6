// SPDX-License-Identifier: BSD-2-Clause
#include "bare.h"
#include "sample.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define IO_SIZE	   (1U << 20)
#define PAGE	   4096U
#define WRITE_NAME "write-bare"

struct bare {
	int root;
	int dir; /* the directory at hand */
	int file;
	int nodes[SAMPLE_SMALL_COUNT];
	/* As a guest's: a page and a buffer for each request under way. */
	unsigned int slots;
	char *heads;
	char *data;
	size_t data_stride;
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

/* Where this turn's reply would be, and its data. */
static void *head(const struct bare *bare)
{
	return bare->heads + bare->turn % bare->slots * PAGE;
}

static char *data(const struct bare *bare)
{
	return bare->data + bare->turn % bare->slots * bare->data_stride;
}

static int turn_read4k(struct bare *bare)
{
	off_t at = (off_t)(next_random(bare) % (SAMPLE_DATA_BYTES / 4096));

	return pread(bare->file, data(bare), 4096, at * 4096) == 4096 ? 1
								      : -EIO;
}

static int turn_read1m(struct bare *bare)
{
	off_t at = (off_t)(bare->turn * IO_SIZE % SAMPLE_DATA_BYTES);

	return pread(bare->file, data(bare), IO_SIZE, at) == IO_SIZE ? 1 : -EIO;
}

static int turn_write1m(struct bare *bare)
{
	off_t at = (off_t)(bare->turn * IO_SIZE % SAMPLE_WRITE_BYTES);

	return pwrite(bare->file, data(bare), IO_SIZE, at) == IO_SIZE ? 1
								      : -EIO;
}

static int turn_getattr(struct bare *bare)
{
	int fd = bare->nodes[next_random(bare) % SAMPLE_SMALL_COUNT];
	struct stat *st = head(bare);

	return fstatat(fd, "", st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0
		       ? -errno
		       : 1;
}

static int turn_lookup(struct bare *bare)
{
	struct stat *st = head(bare);
	char *name = (char *)(st + 1);
	int fd, r = 1;

	snprintf(name, 16, SAMPLE_MANY_NAME,
		 (unsigned int)(bare->turn % SAMPLE_MANY_COUNT));
	fd = openat(bare->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstatat(fd, "", st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int turn_open(struct bare *bare)
{
	struct stat *st = head(bare);
	char *name = (char *)(st + 1);
	int fd;

	snprintf(name, 16, "f%u",
		 (unsigned int)(next_random(bare) % SAMPLE_SMALL_COUNT));
	if (fstatat(bare->dir, name, st, AT_SYMLINK_NOFOLLOW) < 0)
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
	char *buf = data(bare);
	long n = syscall(SYS_getdents64, bare->dir, buf, 23 * 32);
	struct stat *st = head(bare);
	int count = 0;

	if (n < 0)
		return -errno;
	if (n == 0)
		return lseek(bare->dir, 0, SEEK_SET) < 0 ? -errno : 0;
	for (long at = 0; at < n;) {
		struct dirent64 *entry = (struct dirent64 *)(buf + at);

		at += entry->d_reclen;
		if (entry->d_name[0] == '.')
			continue;
		if (fstatat(bare->dir, entry->d_name, st, AT_SYMLINK_NOFOLLOW) <
		    0)
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
	{ "lookup", turn_lookup, NULL, SAMPLE_MANY_DIR },
	{ "open", turn_open, NULL, SAMPLE_SMALL_DIR },
	{ "create", turn_create, NULL, SAMPLE_SMALL_DIR },
	{ "readdirplus", turn_readdirplus, NULL, SAMPLE_MANY_DIR },
};

static double seconds_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
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
		if (pwrite(bare->file, data(bare), IO_SIZE, (off_t)at) < 0)
			return -errno;
	return open_nodes(bare);
}

static int run_loop(struct bare *bare, turn_fn turn, double seconds,
		    struct bare_result *ret_result)
{
	double cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID);
	double start = seconds_of(CLOCK_MONOTONIC), elapsed = 0;
	uint64_t done = 0;

	for (; elapsed < seconds; bare->turn++) {
		int n = turn(bare);

		if (n < 0)
			return n;
		done += (uint64_t)n;
		if (bare->turn % 16 == 0)
			elapsed = seconds_of(CLOCK_MONOTONIC) - start;
	}
	*ret_result = (struct bare_result){
		.done = done,
		.seconds = seconds_of(CLOCK_MONOTONIC) - start,
		.cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID) - cpu,
	};
	return 0;
}

static size_t memory_size(const struct bare *bare)
{
	return bare->slots * (PAGE + bare->data_stride);
}

/* Shared memory, as a guest's is, and touched before it is measured. */
static int make_memory(struct bare *bare)
{
	size_t heads = (size_t)bare->slots * PAGE;
	size_t size = memory_size(bare);
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	memset(memory, 1, size);
	bare->heads = memory;
	bare->data = memory + heads;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

int bare_run(const char *path, const char *name, double seconds,
	     unsigned int slots, struct bare_result *ret_result)
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
	bare.slots = slots;
	bare.data_stride = loops[i].file ? IO_SIZE : PAGE;
	r = make_memory(&bare);
	if (r < 0)
		return r;
	r = open_bare(&bare, path, loops[i].dir, loops[i].file);
	if (r == 0)
		r = run_loop(&bare, loops[i].turn, seconds, ret_result);
	for (unsigned int n = 0; n < SAMPLE_SMALL_COUNT; n++)
		close_fd(bare.nodes[n]);
	if (loops[i].turn == turn_write1m && bare.file >= 0)
		unlinkat(bare.root, WRITE_NAME, 0);
	close_fd(bare.file);
	close_fd(bare.dir);
	close_fd(bare.root);
	munmap(bare.heads, memory_size(&bare));
	return r;
}
