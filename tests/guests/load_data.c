// SPDX-License-Identifier: BSD-2-Clause
/* Reading and writing a file in every way there is; its model is in memory. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define CHUNK (32u << 10)
#define ALIGN 4096u

struct file {
	struct worker *w;
	struct model *m;
	char path[128];
	int fd;
	unsigned char *buf; /* aligned */
};

static int reopen(struct file *f, int flags)
{
	int fd = open(f->path, flags, 0644);

	if (fd < 0)
		load_fail("%s: open with %#x", f->path, (unsigned int)flags);
	return fd;
}

static void compare(struct file *f, const unsigned char *seen, size_t offset,
		    size_t size, const char *how)
{
	if (!memcmp(seen, f->m->data + offset, size))
		return;
	for (size_t i = 0; i < size; i++)
		if (seen[i] != f->m->data[offset + i]) {
			errno = 0;
			load_fail("%s: %s at %zu+%zu of %zu: byte %zu is %#x, "
				  "not %#x",
				  f->path, how, offset, size, f->m->size,
				  offset + i, seen[i], f->m->data[offset + i]);
			return;
		}
}

/* Where a read or write goes; aligned: as O_DIRECT wants it */
static size_t place(struct file *f, size_t *ret_size, bool aligned)
{
	size_t offset = load_pick(f->w, DATA_SIZE);
	size_t size = 1 + load_pick(f->w, CHUNK);

	if (aligned) {
		offset &= ~(size_t)(ALIGN - 1);
		size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	}
	if (size > DATA_SIZE - offset)
		size = DATA_SIZE - offset;
	*ret_size = size;
	return offset;
}

static void fill(struct file *f, size_t size)
{
	uint64_t x = load_random(f->w);

	/* The buffer is longer than what is asked for */
	for (size_t i = 0; i < size; i += sizeof(x)) {
		x += UINT64_C(0x0101010101010107);
		memcpy(f->buf + i, &x, sizeof(x));
	}
}

/* What was written is in the file now; what was skipped is zero. */
static void written(struct file *f, size_t offset, size_t size)
{
	struct model *m = f->m;

	if (offset > m->size)
		memset(m->data + m->size, 0, offset - m->size);
	memcpy(m->data + offset, f->buf, size);
	if (offset + size > m->size)
		m->size = offset + size;
}

static void do_write(struct file *f, int fd, bool aligned)
{
	size_t size, offset = place(f, &size, aligned);
	struct iovec iov[3];
	size_t part = size / 3;
	ssize_t n;

	fill(f, size);
	if (load_pick(f->w, 4)) {
		n = pwrite(fd, f->buf, size, (off_t)offset);
	} else {
		if (aligned)
			part &= ~(size_t)(ALIGN - 1);
		iov[0] = (struct iovec){ f->buf, part };
		iov[1] = (struct iovec){ f->buf + part, part };
		iov[2] = (struct iovec){ f->buf + 2 * part, size - 2 * part };
		n = pwritev(fd, iov, 3, (off_t)offset);
	}
	if (n != (ssize_t)size)
		load_fail("%s: write of %zu at %zu gives %zd", f->path, size,
			  offset, n);
	else
		written(f, offset, size);
}

static void do_read(struct file *f, int fd, bool aligned)
{
	size_t size, offset = place(f, &size, aligned);
	size_t left = offset < f->m->size ? f->m->size - offset : 0;
	ssize_t n = pread(fd, f->buf, size, (off_t)offset);

	if (size > left)
		size = left;
	if (n != (ssize_t)size)
		load_fail("%s: read at %zu of %zu gives %zd, not %zu", f->path,
			  offset, f->m->size, n, size);
	else
		compare(f, f->buf, offset, size, aligned ? "direct" : "read");
}

static void do_truncate(struct file *f)
{
	size_t size = load_pick(f->w, DATA_SIZE);
	int ret;

	switch (load_pick(f->w, 8)) {
	case 0:
		ret = reopen(f, O_RDWR | O_TRUNC);
		if (ret >= 0)
			close(ret);
		size = 0;
		break;
	case 1:
	case 2:
	case 3:
		ret = truncate(f->path, (off_t)size);
		break;
	default:
		ret = ftruncate(f->fd, (off_t)size);
	}
	if (ret < 0) {
		load_fail("%s: truncate to %zu", f->path, size);
		return;
	}
	if (size > f->m->size)
		memset(f->m->data + f->m->size, 0, size - f->m->size);
	f->m->size = size;
}

static void do_map(struct file *f)
{
	size_t size = f->m->size, offset, len;
	bool writes = load_pick(f->w, 2);
	unsigned char *p;

	if (!size)
		return;
	p = mmap(NULL, size, writes ? PROT_READ | PROT_WRITE : PROT_READ,
		 MAP_SHARED, f->fd, 0);
	if (p == MAP_FAILED) {
		load_fail("%s: mmap", f->path);
		return;
	}
	offset = load_pick(f->w, (uint32_t)size);
	len = 1 + load_pick(f->w, CHUNK);
	if (len > size - offset)
		len = size - offset;
	if (writes) {
		fill(f, len);
		memcpy(p + offset, f->buf, len);
		written(f, offset, len);
		if (msync(p, size, MS_SYNC))
			load_fail("%s: msync", f->path);
	} else {
		compare(f, p + offset, offset, len, "map");
	}
	munmap(p, size);
}

static void do_append(struct file *f)
{
	int fd = reopen(f, O_WRONLY | O_APPEND);
	size_t size = 1 + load_pick(f->w, 8192);
	ssize_t n;

	if (fd < 0)
		return;
	if (size > DATA_SIZE - f->m->size)
		size = DATA_SIZE - f->m->size;
	fill(f, size);
	n = write(fd, f->buf, size);
	if (n != (ssize_t)size)
		load_fail("%s: append gives %zd", f->path, n);
	else
		written(f, f->m->size, size);
	close(fd);
}

static void with_flags(struct file *f, int flags, bool aligned)
{
	int fd = reopen(f, flags | O_RDWR);

	if (fd < 0)
		return;
	for (unsigned int i = 1 + load_pick(f->w, 4); i; i--) {
		if (load_pick(f->w, 2))
			do_write(f, fd, aligned);
		else
			do_read(f, fd, aligned);
	}
	if (close(fd))
		load_fail("%s: close", f->path);
}

static void do_fallocate(struct file *f)
{
	size_t size, offset = place(f, &size, false);
	bool hole = load_pick(f->w, 2);
	int mode = hole ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE : 0;
	struct model *m = f->m;

	if (fallocate(f->fd, mode, (off_t)offset, (off_t)size)) {
		if (errno != EOPNOTSUPP)
			load_fail("%s: fallocate %d", f->path, mode);
		return;
	}
	if (hole) {
		if (offset < m->size)
			memset(m->data + offset, 0,
			       size < m->size - offset ? size
						       : m->size - offset);
	} else if (offset + size > m->size) {
		memset(m->data + m->size, 0, offset + size - m->size);
		m->size = offset + size;
	}
}

/* All of it, through a descriptor that knows nothing yet */
static void verify(struct file *f)
{
	int fd = reopen(f, O_RDONLY | O_NOFOLLOW | O_NOATIME);
	unsigned char *all = malloc(DATA_SIZE + 1);
	struct stat st;
	size_t got = 0;
	ssize_t n = 0;

	if (fd < 0 || !all || fstat(fd, &st)) {
		load_fail("%s: verify", f->path);
		goto out;
	}
	do {
		got += (size_t)n;
		n = read(fd, all + got, DATA_SIZE + 1 - got);
	} while (n > 0);
	if (n < 0 || got != f->m->size || (size_t)st.st_size != got)
		load_fail("%s: %zu bytes, stat says %lld, must be %zu", f->path,
			  got, (long long)st.st_size, f->m->size);
	else
		compare(f, all, 0, got, "verify");
out:
	free(all);
	if (fd >= 0)
		close(fd);
}

static void step(struct file *f)
{
	switch (load_pick(f->w, 20)) {
	case 0:
	case 1:
		do_truncate(f);
		break;
	case 2:
	case 3:
		do_map(f);
		break;
	case 4:
	case 5:
		with_flags(f, O_DIRECT, true);
		break;
	case 6:
		do_append(f);
		break;
	case 7:
		with_flags(f, load_pick(f->w, 2) ? O_SYNC : O_DSYNC, false);
		break;
	case 8:
		do_fallocate(f);
		break;
	case 9:
		with_flags(f, O_NONBLOCK | O_NOATIME | O_CREAT, false);
		break;
	case 10:
		if (fsync(f->fd) || fdatasync(f->fd))
			load_fail("%s: fsync", f->path);
		break;
	case 11:
		verify(f);
		break;
	case 12:
	case 13:
	case 14:
		do_write(f, f->fd, false);
		break;
	default:
		do_read(f, f->fd, false);
	}
}

static bool open_file(struct file *f, struct worker *w)
{
	void *p = NULL;

	memset(f, 0, sizeof(*f));
	f->w = w;
	f->m = &load->models[w->index];
	snprintf(f->path, sizeof(f->path), "%s/data-%u", w->dir, w->index);
	if (posix_memalign(&p, ALIGN, CHUNK + ALIGN))
		return false;
	f->buf = p;
	f->fd = reopen(f, O_RDWR | O_CREAT);
	return f->fd >= 0;
}

void load_data(struct worker *w)
{
	struct file f;

	if (!open_file(&f, w))
		return;
	while (load_more(w))
		step(&f);
	if (!load->aborted)
		verify(&f);
	close(f.fd);
	free(f.buf);
}

void load_data_verify(const char *dir, unsigned int index)
{
	struct worker w = { .index = index, .dir = dir, .random = 1 };
	struct file f;

	if (!open_file(&f, &w))
		return;
	verify(&f);
	close(f.fd);
	free(f.buf);
}
