// SPDX-License-Identifier: BSD-2-Clause
/*
 * One file under random operations, each held against a model in memory:
 *   file-exercise FILE OPERATIONS SEED
 * Reads and writes by system calls and by shared mappings, sizes both ways,
 * holes, preallocation, copies within the file, closing and opening again.
 * Status 1, and the last operations, where one differs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SIZE (768U << 10)
#define MAX_IO	 (96U << 10)
#define KEPT	 16

static unsigned char model[MAX_SIZE], buffer[MAX_SIZE];
static size_t size;
static int fd;
static const char *path;
static uint64_t state;
static char last[KEPT][96];
static unsigned long done;

static uint32_t any(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

static void note(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(last[done % KEPT], sizeof(last[0]), format, arguments);
	va_end(arguments);
}

static void fail(const char *what, size_t at)
{
	printf("%s: operation %lu: %s at %zu of %zu: %s\n", path, done, what,
	       at, size, errno ? strerror(errno) : "");
	for (unsigned long i = done < KEPT ? 0 : done - KEPT + 1; i <= done;
	     i++)
		printf("  %lu: %s\n", i, last[i % KEPT]);
	exit(1);
}

static void compare(const unsigned char *seen, size_t at, size_t len)
{
	errno = 0;
	for (size_t i = 0; i < len; i++)
		if (seen[i] != model[at + i])
			fail("other bytes", at + i);
}

static void fill(unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)any(256);
}

/* The file ends at LEN from here on, zeros where it grew. */
static void resize(size_t len)
{
	if (len < size)
		memset(model + len, 0, size - len);
	size = len;
}

static void do_read(size_t at, size_t len)
{
	size_t want = at >= size ? 0 : size - at < len ? size - at : len;
	ssize_t n = pread(fd, buffer, len, (off_t)at);

	note("read %zu +%zu", at, len);
	if (n != (ssize_t)want)
		fail("read other length", at);
	compare(buffer, at, want);
}

static void do_write(size_t at, size_t len)
{
	note("write %zu +%zu", at, len);
	fill(buffer, len);
	if (pwrite(fd, buffer, len, (off_t)at) != (ssize_t)len)
		fail("write", at);
	if (at + len > size)
		size = at + len;
	memcpy(model + at, buffer, len);
}

static void do_map(size_t at, size_t len, bool write)
{
	size_t begin = at & ~(size_t)4095;
	unsigned char *map;

	note("map %s %zu +%zu", write ? "write" : "read", at, len);
	if (!size || at >= size)
		return;
	if (len > size - at)
		len = size - at;
	map = mmap(NULL, at + len - begin,
		   write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd,
		   (off_t)begin);
	if (map == MAP_FAILED)
		fail("mmap", at);
	if (write) {
		fill(map + (at - begin), len);
		memcpy(model + at, map + (at - begin), len);
		if (any(4) == 0 && msync(map, at + len - begin, MS_SYNC) < 0)
			fail("msync", at);
	} else {
		compare(map + (at - begin), at, len);
	}
	munmap(map, at + len - begin);
}

static void do_truncate(size_t len)
{
	note("truncate %zu", len);
	if (ftruncate(fd, (off_t)len) < 0)
		fail("truncate", len);
	resize(len);
}

static void do_allocate(size_t at, size_t len)
{
	static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_ZERO_RANGE };
	int mode = modes[any(4)];
	size_t end = at + len;

	note("fallocate %d %zu +%zu", mode, at, len);
	if (fallocate(fd, mode, (off_t)at, (off_t)len) < 0) {
		if (errno == EOPNOTSUPP) /* not every file system can */
			return;
		fail("fallocate", at);
	}
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		memset(model + at, 0, end - at);
	if (!(mode & FALLOC_FL_KEEP_SIZE) && end > size)
		size = end;
	if (end > size) /* nothing shows beyond the end */
		memset(model + size, 0, end - size);
}

static void do_copy(size_t from, size_t to, size_t len)
{
	off_t in = (off_t)from, out = (off_t)to;

	note("copy %zu to %zu +%zu", from, to, len);
	if (from + len > size || (from < to + len && to < from + len))
		return;
	for (size_t left = len; left;) {
		ssize_t n = copy_file_range(fd, &in, fd, &out, left, 0);

		if (n < 0 && left == len && errno == EOPNOTSUPP)
			return;
		if (n <= 0)
			fail("copy", from);
		left -= (size_t)n;
	}
	memcpy(model + to, model + from, len);
	if (to + len > size)
		size = to + len;
}

static void do_reopen(void)
{
	note("reopen");
	if (close(fd) < 0)
		fail("close", 0);
	fd = open(path, O_RDWR);
	if (fd < 0)
		fail("open", 0);
}

static void check_size(void)
{
	struct stat st;

	errno = 0;
	if (fstat(fd, &st) < 0 || (size_t)st.st_size != size)
		fail("other size", (size_t)st.st_size);
}

static void step(void)
{
	size_t at = any(MAX_SIZE - MAX_IO), len = 1 + any(MAX_IO);
	unsigned int what = any(100);

	if (any(3)) /* most of it is small */
		len = 1 + any(9000);
	if (what < 28)
		do_read(at, len);
	else if (what < 52)
		do_write(at, len);
	else if (what < 62)
		do_map(at, len, false);
	else if (what < 75)
		do_map(at, len, true);
	else if (what < 82)
		do_truncate(any(2) ? at : any((uint32_t)size + 1));
	else if (what < 90)
		do_allocate(at, len);
	else if (what < 95)
		do_copy(any(MAX_SIZE - MAX_IO), at, len);
	else if (what < 98)
		do_reopen();
	else if (note("fsync"), fsync(fd) < 0)
		fail("fsync", 0);
	if (what % 4 == 0)
		check_size();
}

int main(int argc, char **argv)
{
	unsigned long operations;

	if (argc != 4)
		return 2;
	path = argv[1];
	operations = strtoul(argv[2], NULL, 10);
	state = strtoull(argv[3], NULL, 10);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fd < 0)
		fail("open", 0);
	for (done = 0; done < operations; done++)
		step();
	do_reopen();
	do_read(0, MAX_SIZE);
	return 0;
}
