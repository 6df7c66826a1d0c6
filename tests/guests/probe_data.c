// SPDX-License-Identifier: BSD-2-Clause
/* Reading and writing, with checksums. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1024 * 1024)

static unsigned char *buffer(size_t size)
{
	void *p = NULL;

	if (posix_memalign(&p, 65536, size)) {
		result("memory", "none");
		exit(1);
	}
	return p;
}

/* Write a pattern in pieces of the given size; returns its checksum. */
static uint32_t write_pattern(const char *path, int flags, size_t total,
			      size_t piece, uint32_t seed)
{
	unsigned char *buf = buffer(piece);
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | flags, 0644);
	uint32_t crc = 0;
	size_t done = 0;

	while (done < total) {
		size_t n = total - done < piece ? total - done : piece;
		ssize_t got;

		fill_pattern(buf, n, done, seed);
		got = write(fd, buf, n);
		if (got != (ssize_t)n) {
			result(path, "write: %zd %s", got, outcome(got));
			break;
		}
		crc = crc32_of(crc, buf, n);
		done += n;
	}
	if (fd >= 0 && close(fd))
		result(path, "close: %s", errno_name(errno));
	free(buf);
	return crc;
}

static void sizes(void)
{
	static const struct {
		const char *name;
		size_t total, piece;
	} list[] = {
		{ "1m-at-once", MIB, MIB },
		{ "4m-by-1m", 4 * MIB, MIB },
		{ "unaligned-4097", 300000, 4097 },
		{ "unaligned-65537", 700001, 65537 },
		{ "tiny-pieces", 2000, 7 },
		{ "one-byte", 1, 1 },
		{ "page-less-one", 4095, 4095 },
		{ "2m-and-one", 2 * MIB + 1, 2 * MIB + 1 },
	};
	static const size_t chunks[] = { 1000, 4096, 65536, MIB };

	for (uint32_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		uint32_t crc = write_pattern(list[i].name, 0, list[i].total,
					     list[i].piece, i);
		bool same = true;

		for (size_t c = 0; c < sizeof(chunks) / sizeof(*chunks); c++)
			same = same &&
			       crc_of_file(list[i].name, chunks[c]) == crc;
		result(list[i].name, "size=%lld crc=%08x %s",
		       size_of(list[i].name), crc,
		       same ? "read back" : "DIFFERS");
		keep(list[i].name);
	}
}

static void positioned(void)
{
	unsigned char *buf = buffer(MIB);
	char small[32] = "";
	struct iovec v[3] = { { (void *)(uintptr_t) "abc", 3 },
			      { (void *)(uintptr_t) "", 0 },
			      { (void *)(uintptr_t) "defgh", 5 } };
	int fd = open("f", O_CREAT | O_RDWR, 0644);

	fill_pattern(buf, MIB, 12345, 9);
	result("pwrite-unaligned", "%zd", pwrite(fd, buf, MIB - 77, 12345));
	memset(buf, 0, MIB);
	result("pread-unaligned", "%zd", pread(fd, buf, 500001, 100003));
	result("pread-crc", "%08x", crc32_of(0, buf, 500001));
	result("hole-before", "%zd %08x", pread(fd, buf, 12345, 0),
	       crc32_of(0, buf, 12345));
	result("past-end", "%zd", pread(fd, buf, 10, 5 * MIB));
	result("across-end", "%zd", pread(fd, buf, 1000, 12345 + MIB - 77 - 5));
	result("writev", "%zd", pwritev(fd, v, 3, 3));
	result("readv", "%zd", pread(fd, small, 10, 2));
	result("readv-text", "%.9s", small + 1);
	result_of("negative", pread(fd, buf, 1, -1));
	result("zero-read", "%zd", pread(fd, buf, 0, 0));
	result("zero-write", "%zd", pwrite(fd, buf, 0, 99 * MIB));
	result("size", "%lld", size_of("f"));
	result("seek-end", "%lld", (long long)lseek(fd, -5, SEEK_END));
	result_of("seek-negative", lseek(fd, -1, SEEK_SET));
	result_of("seek-bad", lseek(fd, 0, 99));
	result("seek-far", "%lld", (long long)lseek(fd, 1LL << 40, SEEK_SET));
	keep("f");
	free(buf);
}

static void append(void)
{
	char buf[64];
	int a = open("f", O_CREAT | O_WRONLY | O_APPEND, 0644);
	int b = open("f", O_WRONLY | O_APPEND);
	int c = open("f", O_WRONLY);

	for (int i = 0; i < 3; i++)
		if (write(a, "aa", 2) != 2 || write(b, "bbb", 3) != 3)
			result("write", "%s", errno_name(errno));
	result("position", "%lld %lld", (long long)lseek(a, 0, SEEK_CUR),
	       (long long)lseek(b, 0, SEEK_CUR));
	if (write(c, "C", 1) != 1 || pwrite(a, "p", 1, 0) != 1)
		result("pwrite", "%s", errno_name(errno));
	result("content", "%s", content("f", buf, sizeof(buf)));
	if (truncate("f", 4) || write(a, "after", 5) != 5)
		result("truncate", "%s", errno_name(errno));
	result("after-truncate", "%s", content("f", buf, sizeof(buf)));
	keep("f");
}

static void append_lines(const char *text)
{
	int fd = open("many", O_WRONLY | O_APPEND);

	for (int i = 0; i < 100; i++)
		if (write(fd, text, 10) != 10)
			_exit(1);
}

/* Two processes append at once: nothing may be lost. */
static void append_together(void)
{
	static char buf[4096];
	static char a[] = "aaaaaaaaa\n", b[] = "bbbbbbbbb\n";
	int broken = 0;
	pid_t pid;

	make_file("many", "", 0644);
	pid = fork();
	if (!pid) {
		append_lines(a);
		_exit(0);
	}
	append_lines(b);
	waitpid(pid, NULL, 0);
	content("many", buf, sizeof(buf));
	for (size_t i = 0; i < strlen(buf); i += 10)
		broken += memcmp(buf + i, a, 10) && memcmp(buf + i, b, 10);
	result("size", "%lld, %d broken", size_of("many"), broken);
}

static void direct(void)
{
	unsigned char *buf = buffer(MIB);
	unsigned char *back = buffer(MIB);
	int fd = open("f", O_CREAT | O_RDWR | O_DIRECT, 0644);

	result_of("open", fd);
	fill_pattern(buf, MIB, 0, 11);
	result("write-4k", "%zd", pwrite(fd, buf, 4096, 0));
	result("write-64k", "%zd", pwrite(fd, buf + 65536, 65536, 65536));
	result("write-1m", "%zd", pwrite(fd, buf, MIB, 0));
	memset(back, 0, MIB);
	result("read-1m", "%zd %s", pread(fd, back, MIB, 0),
	       memcmp(buf, back, MIB) ? "differs" : "same");
	result("read-past-end", "%zd", pread(fd, back, 8192, MIB - 4096));
	result("read-at-end", "%zd", pread(fd, back, 4096, MIB));
	close(fd);
	result("buffered-view", "%s",
	       crc_of_file("f", 65536) == crc32_of(0, buf, MIB) ? "same"
								: "differs");
	fd = open("f", O_RDWR);
	result("buffered-write", "%zd", pwrite(fd, "buffered", 8, 4096));
	close(fd);
	fd = open("f", O_RDONLY | O_DIRECT);
	result("direct-view", "%zd %s", pread(fd, back, 8192, 0),
	       memcmp(back + 4096, "buffered", 8) ? "old" : "new");
	close(fd);
	keep("f");
	free(buf);
	free(back);
}

static void mapped(void)
{
	unsigned char *p, *q;
	char buf[32];
	int fd = open("f", O_CREAT | O_RDWR, 0644);

	result_of("grow", ftruncate(fd, 200000));
	p = mmap(NULL, 200000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		result("shared", "%s", errno_name(errno));
		return;
	}
	fill_pattern(p, 200000, 0, 21);
	result_of("msync", msync(p, 200000, MS_SYNC));
	result("read-crc", "%08x", crc_of_file("f", 4096));
	if (pwrite(fd, "through write", 13, 70000) != 13)
		result("pwrite", "%s", errno_name(errno));
	result("seen-in-map", "%.13s", p + 70000);
	memcpy(p + 100, "by map", 6);
	memset(buf, 0, sizeof(buf));
	result("seen-by-read", "%zd %s", pread(fd, buf, 6, 100), buf);
	q = mmap(NULL, 200000, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (q != MAP_FAILED) {
		memcpy(q, "private", 7);
		result("private", "%s",
		       memcmp(q, p, 7) ? "apart" : "not apart");
		munmap(q, 200000);
	}
	munmap(p, 200000);
	close(fd);
	fd = open("f", O_RDONLY);
	result("map-write-read-only", "%s",
	       mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED
		       ? errno_name(errno)
		       : "ok");
	p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	result("map-exec", "%s", p == MAP_FAILED ? errno_name(errno) : "ok");
	close(fd);
	unlink("g");
	keep("f");
}

static void copies(void)
{
	loff_t in = 0, out = 0;
	off_t at = 100;
	int a, b, p[2];

	write_pattern("a", 0, 300000, 65536, 31);
	a = open("a", O_RDONLY);
	b = open("b", O_CREAT | O_RDWR, 0644);
	result("copy-all", "%zd", copy_file_range(a, &in, b, &out, 300000, 0));
	in = 1000;
	out = 400001;
	result("copy-part", "%zd", copy_file_range(a, &in, b, &out, 5000, 0));
	result("copy-offsets", "%lld %lld", (long long)in, (long long)out);
	in = 299990;
	result("copy-short", "%zd", copy_file_range(a, &in, b, &out, 5000, 0));
	in = 300000;
	result("copy-at-end", "%zd", copy_file_range(a, &in, b, &out, 50, 0));
	result_of("copy-flags", copy_file_range(a, &in, b, &out, 50, 1));
	in = 0;
	out = 10;
	result_of("copy-overlap", copy_file_range(b, &in, b, &out, 500, 0));
	result_of("copy-to-read-only",
		  copy_file_range(b, &in, a, &out, 500, 0));
	result("copy-crc", "%08x", crc_of_file("b", 65536));
	close(b);
	b = open("c", O_CREAT | O_RDWR, 0644);
	result("sendfile", "%zd", sendfile(b, a, &at, 200000));
	result("sendfile-crc", "%08x", crc_of_file("c", 65536));
	if (pipe(p))
		result("pipe", "%s", errno_name(errno));
	in = 7;
	result("splice-in", "%zd", splice(a, &in, p[1], NULL, 30000, 0));
	out = 3;
	result("splice-out", "%zd", splice(p[0], NULL, b, &out, 30000, 0));
	result("splice-crc", "%08x", crc_of_file("c", 65536));
	keep("b");
	keep("c");
}

static void beyond_4g(void)
{
	static const long long at[] = { 0x7ffffff0LL, 0xfffffff0LL,
					0x123456789LL, 0x3ffffffffffLL };
	char buf[32];
	int fd = open("f", O_CREAT | O_RDWR, 0644);

	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
		char name[32];
		ssize_t n;

		snprintf(buf, sizeof(buf), "here is %016llx", at[i]);
		snprintf(name, sizeof(name), "at-%llx", at[i]);
		n = pwrite(fd, buf, 24, at[i]);
		memset(buf, 0, sizeof(buf));
		if (pread(fd, buf, 24, at[i]) != 24)
			snprintf(buf, sizeof(buf), "%s", errno_name(errno));
		result(name, "%zd '%s'", n, buf);
	}
	result("size", "%lld", size_of("f"));
	result_of("truncate", ftruncate(fd, 6LL << 30));
	result("size-after", "%lld", size_of("f"));
	result("tail", "%zd", pread(fd, buf, 24, (6LL << 30) - 10));
	result_of("shrink", ftruncate(fd, 0x100000000LL + 1));
	result("size-shrunk", "%lld", size_of("f"));
}

static void truncation(void)
{
	char buf[64];
	int fd, ro;

	make_file("f", "0123456789", 0644);
	fd = open("f", O_RDWR);
	ro = open("f", O_RDONLY);
	result_of("ftruncate", ftruncate(fd, 4));
	result("content", "%s", content("f", buf, sizeof(buf)));
	result_of("grow", ftruncate(fd, 8));
	result("zeros", "%zd %08x", pread(fd, buf, 20, 0), crc32_of(0, buf, 8));
	result_of("read-only", ftruncate(ro, 0));
	result_of("negative", ftruncate(fd, -1));
	result_of("dir", truncate(".", 0));
	result_of("missing", truncate("no", 0));
	result_of("path", truncate("f", 2));
	result("through-other", "%zd", pread(ro, buf, 20, 0));
	close(open("f", O_WRONLY | O_TRUNC));
	result("o-trunc", "%lld", size_of("f"));
	result("after-trunc", "%zd", pread(ro, buf, 20, 0));
}

const struct checks data_groups[] = {
	{ "data", sizes, 60 },	       { "data-at", positioned, 0 },
	{ "append", append, 0 },       { "append-two", append_together, 0 },
	{ "direct", direct, 0 },       { "mmap", mapped, 0 },
	{ "copy", copies, 0 },	       { "large", beyond_4g, 0 },
	{ "truncate", truncation, 0 }, { 0 },
};
