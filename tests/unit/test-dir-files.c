// SPDX-License-Identifier: BSD-2-Clause
/* Files by way of the server are the files that the system calls see. */
#include "dir-client.h"
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static void check_attr(const struct cf_attr *attr, const struct stat *st)
{
	CHECK_EQ(attr->ino, st->st_ino);
	CHECK_EQ(attr->mode, st->st_mode);
	CHECK_EQ(attr->size, st->st_size);
	CHECK_EQ(attr->blocks, st->st_blocks);
	CHECK_EQ(attr->nlink, st->st_nlink);
	CHECK_EQ(attr->uid, st->st_uid);
	CHECK_EQ(attr->gid, st->st_gid);
	CHECK_EQ(attr->blksize, st->st_blksize);
	CHECK_EQ(attr->mtime, st->st_mtim.tv_sec);
	CHECK_EQ(attr->mtimensec, st->st_mtim.tv_nsec);
	CHECK_EQ(attr->ctime, st->st_ctim.tv_sec);
	CHECK_EQ(attr->ctimensec, st->st_ctim.tv_nsec);
	CHECK_EQ(attr->atime, st->st_atim.tv_sec);
	CHECK_EQ(attr->atimensec, st->st_atim.tv_nsec);
	CHECK_EQ(attr->rdev, (minor(st->st_rdev) & 0xff) |
				     major(st->st_rdev) << 8 |
				     (minor(st->st_rdev) & ~0xffu) << 12);
}

static void check_entry(struct client *c, const struct cf_entry_out *entry,
			const char *name)
{
	struct stat st;

	CHECK_EQ(fstatat(c->root, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	check_attr(&entry->attr, &st);
	CHECK_EQ(entry->entry_valid, 1);
	CHECK_EQ(entry->attr_valid, 1);
}

struct created {
	struct cf_entry_out entry;
	struct cf_open_out open;
};

static int create(struct client *c, const char *name, int flags, mode_t mode,
		  struct created *ret)
{
	struct cf_create_in in = { .flags = (uint32_t)(flags | O_CREAT),
				   .mode = S_IFREG | mode,
				   .umask = 022 };

	return ask(c, CF_CREATE, CF_ROOT_ID, &in, sizeof(in), name, ret,
		   sizeof(*ret));
}

static void test_init(struct client *c)
{
	struct cf_init_in old = { .major = CF_KERNEL_VERSION };
	struct cf_init_out out;

	ask_init(c, 47, CLIENT_FLAGS, &out);
	CHECK_EQ(out.major, 7);
	CHECK_EQ(out.minor, 47);
	CHECK_EQ(out.max_write, 1 << 20);
	CHECK_EQ(out.max_pages, 256);
	CHECK_EQ(out.time_gran, 1);
	CHECK(out.flags & CF_INIT_DONT_MASK);
	CHECK(out.flags & CF_INIT_EXT);
	/* Nothing that was not offered, nothing from 32 up without EXT. */
	ask_init(c, 31, CF_INIT_ASYNC_READ | CF_INIT_CREATE_SUPP_GROUP, &out);
	CHECK_EQ(out.minor, 31);
	CHECK_EQ(out.flags, CF_INIT_ASYNC_READ);
	CHECK_EQ(out.flags2, 0);
	/* Before 7.12 messages have other layouts, whatever policy says. */
	for (old.minor = 0; old.minor < 14; old.minor++)
		CHECK_EQ(ask(c, CF_INIT, 0, &old, CF_COMPAT_INIT_IN_SIZE, NULL,
			     NULL, 0),
			 old.minor < 12 ? -EPROTO : CF_COMPAT_22_INIT_OUT_SIZE);
	ask_init(c, 47, CLIENT_FLAGS, NULL);
}

static void test_create(struct client *c)
{
	struct created made, again;
	char buf[64];
	uint64_t fh;

	CHECK_EQ(create(c, "file", O_RDWR, 0666, &made), sizeof(made));
	check_entry(c, &made.entry, "file");
	CHECK_EQ(made.entry.attr.mode, S_IFREG | 0644);
	CHECK_EQ(ask_write(c, made.open.fh, "hello", 5, 0), 5);
	CHECK_EQ(ask_write(c, made.open.fh, "there", 5, 100), 5);
	CHECK_EQ(ask_read(c, made.open.fh, buf, sizeof(buf), 0), 64);
	CHECK(memcmp(buf, "hello\0", 6) == 0);
	CHECK_EQ(ask_read(c, made.open.fh, buf, sizeof(buf), 100), 5);
	CHECK(memcmp(buf, "there", 5) == 0);
	CHECK_EQ(ask_read(c, made.open.fh, buf, sizeof(buf), 1000), 0);
	CHECK_EQ(create(c, "file", O_RDWR | O_EXCL, 0666, &again), -EEXIST);
	CHECK_EQ(create(c, "file", O_RDWR, 0666, &again), sizeof(again));
	CHECK_EQ(again.entry.nodeid, made.entry.nodeid);
	CHECK(again.open.fh != made.open.fh);
	CHECK_EQ(ask_release(c, made.entry.nodeid, again.open.fh, 0), 0);
	CHECK_EQ(ask_release(c, made.entry.nodeid, again.open.fh, 0), -EBADF);
	CHECK_EQ(ask_read(c, again.open.fh, buf, sizeof(buf), 0), -EBADF);
	/* O_TRUNC, and a file opened for reading is not written. */
	CHECK_EQ(ask_open(c, made.entry.nodeid, O_WRONLY | O_TRUNC, &fh), 0);
	CHECK_EQ(ask_read(c, made.open.fh, buf, sizeof(buf), 0), 0);
	CHECK_EQ(ask_release(c, made.entry.nodeid, fh, 0), 0);
	CHECK_EQ(ask_open(c, made.entry.nodeid, O_RDONLY, &fh), 0);
	CHECK_EQ(ask_write(c, fh, "x", 1, 0), -EBADF);
	CHECK_EQ(ask_release(c, made.entry.nodeid, fh, 0), 0);
	CHECK_EQ(ask_open(c, CF_ROOT_ID, O_RDWR, &fh), -EISDIR);
	CHECK_EQ(ask_open(c, made.entry.nodeid, O_DIRECTORY, &fh), -ENOTDIR);
	CHECK_EQ(ask_release(c, made.entry.nodeid, made.open.fh, 0), 0);
}

static void test_append(struct client *c)
{
	struct created made;
	struct stat st;
	char buf[16];

	create(c, "append", O_RDWR | O_APPEND, 0666, &made);
	CHECK_EQ(ask_write_as(c, 0, made.open.fh, "abc", 3, 0,
			      O_RDWR | O_APPEND, 0),
		 3);
	CHECK_EQ(ask_write_as(c, 0, made.open.fh, "def", 3, 0,
			      O_RDWR | O_APPEND, 0),
		 3);
	/* After F_SETFL: the place counts again. */
	CHECK_EQ(ask_write_as(c, 0, made.open.fh, "X", 1, 1, O_RDWR, 0), 1);
	CHECK_EQ(ask_write_as(c, 0, made.open.fh, "Y", 1, 2, O_RDWR | O_SYNC,
			      0),
		 1);
	CHECK_EQ(ask_read(c, made.open.fh, buf, sizeof(buf), 0), 6);
	CHECK(memcmp(buf, "aXYdef", 6) == 0);
	CHECK_EQ(fstatat(c->root, "append", &st, 0), 0);
	CHECK_EQ(st.st_size, 6);
	ask_release(c, made.entry.nodeid, made.open.fh, 0);
}

/* Buffers in odd pieces; a reply that ends where the file does. */
static void test_vectors(struct client *c)
{
	enum {
		SIZE = 1 << 20,
		PIECES = 300
	};
	unsigned char *in = malloc(SIZE), *out = calloc(1, SIZE), stray = 0;
	struct iovec from[PIECES], to[PIECES];
	struct cf_write_in write_in = { .size = SIZE, .flags = O_RDWR };
	struct cf_read_in read_in = { .size = SIZE - 5000, .offset = 777 };
	struct request *request;
	struct created made;
	size_t at = 0;

	for (size_t i = 0; i < SIZE; i++)
		in[i] = (unsigned char)(i * 2654435761u >> 13);
	for (size_t i = 0; i < PIECES; i++) {
		size_t len = i == PIECES - 1 ? SIZE - at : 13 + i * 17;

		from[i] = (struct iovec){ in + at, len };
		to[i] = (struct iovec){ out + at, len };
		at += len;
	}
	create(c, "vectors", O_RDWR, 0666, &made);
	write_in.fh = read_in.fh = made.open.fh;
	request = request_new(CF_WRITE, made.entry.nodeid);
	request_add(request, &write_in, sizeof(write_in));
	request_data(request, NULL, SIZE);
	request->call.data = from;
	request->call.data_count = PIECES;
	CHECK_EQ(request_run(c, request), 0);
	CHECK_EQ(*(uint32_t *)(void *)request->reply, SIZE);
	request_free(request);
	request = request_new(CF_READ, made.entry.nodeid);
	request_add(request, &read_in, sizeof(read_in));
	request_room(request, NULL, SIZE);
	request->call.room = to;
	request->call.room_count = PIECES;
	CHECK_EQ(request_run(c, request), 0);
	CHECK_EQ(request->len, SIZE - 5000);
	CHECK(memcmp(out, in + 777, SIZE - 5000) == 0);
	/* The room is longer than what was asked for. */
	for (size_t i = SIZE - 5000; i < SIZE; i++)
		stray |= out[i];
	CHECK_EQ(stray, 0);
	request_free(request);
	ask_release(c, made.entry.nodeid, made.open.fh, 0);
	free(in);
	free(out);
}

/* What is not in the page cache is waited for, once the port knows. */
static void test_cold(struct client *c)
{
	enum {
		SIZE = 1 << 20
	};
	struct cf_read_in in = { .size = SIZE };
	char *buf = malloc(SIZE), *want = malloc(SIZE);
	int fd = openat(c->root, "vectors", O_RDWR);
	struct request *request;
	uint64_t fh = 0;

	CHECK_EQ(pread(fd, want, SIZE, 0), SIZE);
	CHECK_EQ(fsync(fd), 0);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	CHECK_EQ(ask_open(c, nodeid_of(c, "vectors"), O_RDONLY, &fh), 0);
	in.fh = fh;
	request = request_new(CF_READ, CF_ROOT_ID);
	request_add(request, &in, sizeof(in));
	request_room(request, buf, SIZE);
	CHECK_EQ(request_run(c, request), 0);
	CHECK_EQ(request->len, SIZE);
	CHECK(memcmp(buf, want, SIZE) == 0);
	printf("waited for the disk: %s\n", request->may_block ? "yes" : "no");
	request_free(request);
	ask_release(c, 0, fh, 0);
	close(fd);
	free(buf);
	free(want);
}

static void test_setattr(struct client *c)
{
	uint64_t nodeid = nodeid_of(c, "vectors");
	struct cf_setattr_in in = {
		.valid = CF_FATTR_MODE | CF_FATTR_SIZE | CF_FATTR_ATIME |
			 CF_FATTR_MTIME,
		.mode = 0604,
		.size = 12345,
		.atime = 1000000000,
		.atimensec = 7,
		.mtime = (uint64_t)-5,
		.mtimensec = 999999999,
	};
	struct cf_attr_out out;
	struct stat st;

	CHECK_EQ(ask(c, CF_SETATTR, nodeid, &in, sizeof(in), NULL, &out,
		     sizeof(out)),
		 sizeof(out));
	CHECK_EQ(fstatat(c->root, "vectors", &st, 0), 0);
	check_attr(&out.attr, &st);
	CHECK_EQ(st.st_mode, S_IFREG | 0604);
	CHECK_EQ(st.st_size, 12345);
	CHECK_EQ(st.st_atim.tv_sec, 1000000000);
	CHECK_EQ(st.st_mtim.tv_sec, -5);
	CHECK_EQ(st.st_mtim.tv_nsec, 999999999);
	in = (struct cf_setattr_in){ .valid = CF_FATTR_MTIME |
					      CF_FATTR_MTIME_NOW };
	CHECK_EQ(ask(c, CF_SETATTR, nodeid, &in, sizeof(in), NULL, &out,
		     sizeof(out)),
		 sizeof(out));
	CHECK_EQ(out.attr.atime, 1000000000);
	CHECK(out.attr.mtime > 1000000000);
	in = (struct cf_setattr_in){ .valid = CF_FATTR_SIZE,
				     .size = UINT64_MAX };
	CHECK(ask(c, CF_SETATTR, nodeid, &in, sizeof(in), NULL, NULL, 0) < 0);
	in = (struct cf_setattr_in){ .valid = CF_FATTR_SIZE };
	CHECK_EQ(ask(c, CF_SETATTR, CF_ROOT_ID, &in, sizeof(in), NULL, NULL, 0),
		 -EISDIR);
}

static void test_names(struct client *c)
{
	struct cf_mkdir_in mkdir_in = { .mode = 0777, .umask = 027 };
	struct cf_mknod_in mknod_in = { .mode = S_IFIFO | 0600 };
	struct cf_rename2_in rename_in = { .newdir = CF_ROOT_ID, .flags = 1 };
	struct cf_link_in link_in;
	struct cf_entry_out entry;
	char text[64] = "";
	uint64_t fifo, fh;

	CHECK_EQ(ask(c, CF_MKDIR, CF_ROOT_ID, &mkdir_in, sizeof(mkdir_in), "d",
		     &entry, sizeof(entry)),
		 sizeof(entry));
	check_entry(c, &entry, "d");
	CHECK_EQ(entry.attr.mode, S_IFDIR | 0750);
	CHECK_EQ(ask(c, CF_MKDIR, CF_ROOT_ID, &mkdir_in, sizeof(mkdir_in), "d",
		     NULL, 0),
		 -EEXIST);
	CHECK_EQ(ask(c, CF_MKNOD, CF_ROOT_ID, &mknod_in, sizeof(mknod_in),
		     "fifo", &entry, sizeof(entry)),
		 sizeof(entry));
	check_entry(c, &entry, "fifo");
	fifo = entry.nodeid;
	CHECK_EQ(ask_open(c, fifo, O_RDWR, &fh), -ENXIO);
	CHECK_EQ(ask_as(c, geteuid(), getegid(), CF_SYMLINK, CF_ROOT_ID, NULL,
			0, "link", "/../to/nowhere", &entry, sizeof(entry)),
		 sizeof(entry));
	check_entry(c, &entry, "link");
	CHECK_EQ(ask(c, CF_READLINK, entry.nodeid, NULL, 0, NULL, text, 64),
		 14);
	CHECK(memcmp(text, "/../to/nowhere", 14) == 0);
	CHECK_EQ(ask_open(c, entry.nodeid, O_RDONLY, &fh), -ELOOP);
	/* A hard link of the symbolic link itself. */
	link_in.oldnodeid = entry.nodeid;
	CHECK_EQ(ask(c, CF_LINK, CF_ROOT_ID, &link_in, sizeof(link_in), "link2",
		     &entry, sizeof(entry)),
		 sizeof(entry));
	check_entry(c, &entry, "link2");
	CHECK_EQ(entry.attr.nlink, 2);
	CHECK_EQ(entry.nodeid, link_in.oldnodeid);
	CHECK_EQ(ask_as(c, 0, 0, CF_RENAME2, CF_ROOT_ID, &rename_in,
			sizeof(rename_in), "link", "link2", NULL, 0),
		 -EEXIST);
	rename_in.flags = 2;
	CHECK_EQ(ask_as(c, 0, 0, CF_RENAME2, CF_ROOT_ID, &rename_in,
			sizeof(rename_in), "fifo", "d", NULL, 0),
		 0);
	CHECK_EQ(ask_lookup(c, CF_ROOT_ID, "d", &entry), 0);
	CHECK_EQ(entry.nodeid, fifo);
	rename_in.flags = 8;
	CHECK_EQ(ask_as(c, 0, 0, CF_RENAME2, CF_ROOT_ID, &rename_in,
			sizeof(rename_in), "fifo", "d", NULL, 0),
		 -EINVAL);
	CHECK_EQ(ask(c, CF_RMDIR, CF_ROOT_ID, NULL, 0, "d", NULL, 0), -ENOTDIR);
	CHECK_EQ(ask(c, CF_UNLINK, CF_ROOT_ID, NULL, 0, "d", NULL, 0), 0);
	CHECK_EQ(ask(c, CF_UNLINK, CF_ROOT_ID, NULL, 0, "fifo", NULL, 0),
		 -EISDIR);
	CHECK_EQ(ask(c, CF_RMDIR, CF_ROOT_ID, NULL, 0, "fifo", NULL, 0), 0);
	CHECK_EQ(ask_lookup(c, CF_ROOT_ID, "fifo", &entry), -ENOENT);
	/* The client still knows what no longer has a name. */
	CHECK_EQ(ask(c, CF_GETATTR, fifo, NULL, 0, NULL, &entry, 8), 104);
}

static void test_tmpfile(struct client *c)
{
	struct cf_create_in in = { .flags = O_RDWR | O_TMPFILE,
				   .mode = S_IFREG | 0600 };
	struct cf_link_in link_in;
	struct cf_entry_out entry;
	struct created made;

	CHECK_EQ(ask(c, CF_TMPFILE, CF_ROOT_ID, &in, sizeof(in), "/", &made,
		     sizeof(made)),
		 sizeof(made));
	CHECK_EQ(made.entry.attr.nlink, 0);
	CHECK_EQ(ask_write(c, made.open.fh, "tmp", 3, 0), 3);
	link_in.oldnodeid = made.entry.nodeid;
	CHECK_EQ(ask(c, CF_LINK, CF_ROOT_ID, &link_in, sizeof(link_in),
		     "was-tmp", &entry, sizeof(entry)),
		 sizeof(entry));
	check_entry(c, &entry, "was-tmp");
	CHECK_EQ(entry.attr.size, 3);
	ask_release(c, made.entry.nodeid, made.open.fh, 0);
}

static void test_statfs(struct client *c)
{
	struct cf_statfs_out out;
	struct statvfs fs;

	CHECK_EQ(ask(c, CF_STATFS, CF_ROOT_ID, NULL, 0, NULL, &out,
		     sizeof(out)),
		 sizeof(out));
	CHECK_EQ(fstatvfs(c->root, &fs), 0);
	CHECK_EQ(out.st.blocks, fs.f_blocks);
	CHECK_EQ(out.st.files, fs.f_files);
	CHECK_EQ(out.st.bsize, fs.f_bsize);
	CHECK_EQ(out.st.frsize, fs.f_frsize);
	CHECK_EQ(out.st.namelen, fs.f_namemax);
}

static void test_statx(struct client *c)
{
	struct cf_statx_in in = { .sx_mask = STATX_BASIC_STATS | STATX_BTIME };
	struct cf_statx_out out;
	struct statx stx;

	CHECK_EQ(ask(c, CF_STATX, nodeid_of(c, "file"), &in, sizeof(in), NULL,
		     &out, sizeof(out)),
		 sizeof(out));
	CHECK_EQ(statx(c->root, "file", 0, in.sx_mask, &stx), 0);
	CHECK_EQ(out.stat.mask, stx.stx_mask & in.sx_mask);
	CHECK_EQ(out.stat.btime.tv_sec, stx.stx_btime.tv_sec);
	CHECK_EQ(out.stat.btime.tv_nsec, stx.stx_btime.tv_nsec);
	CHECK_EQ(out.stat.size, stx.stx_size);
	CHECK_EQ(out.stat.ino, stx.stx_ino);
	CHECK_EQ(out.stat.mode, stx.stx_mode);
	CHECK_EQ(out.stat.attributes_mask, stx.stx_attributes_mask);
}

static void test_space(struct client *c)
{
	struct cf_fallocate_in in = { .length = 65536 };
	struct cf_lseek_in lseek_in = { .whence = SEEK_HOLE };
	struct cf_lseek_out at;
	struct cf_copy_file_range_in copy = { .len = 8192 };
	struct cf_copy_file_range_out copied;
	struct created made, other;
	struct stat st;
	int fd;

	create(c, "space", O_RDWR, 0666, &made);
	create(c, "space2", O_RDWR, 0666, &other);
	in.fh = lseek_in.fh = made.open.fh;
	CHECK_EQ(ask(c, CF_FALLOCATE, made.entry.nodeid, &in, sizeof(in), NULL,
		     NULL, 0),
		 0);
	CHECK_EQ(fstatat(c->root, "space", &st, 0), 0);
	CHECK_EQ(st.st_size, 65536);
	CHECK(st.st_blocks >= 128);
	in.mode = 0x1000;
	CHECK_EQ(ask(c, CF_FALLOCATE, made.entry.nodeid, &in, sizeof(in), NULL,
		     NULL, 0),
		 -EOPNOTSUPP);
	CHECK_EQ(ask_write(c, made.open.fh, "data", 4, 1 << 20), 4);
	fd = openat(c->root, "space", O_RDONLY);
	for (unsigned int whence = SEEK_DATA; whence <= SEEK_HOLE; whence++) {
		lseek_in.whence = whence;
		lseek_in.offset = 100000;
		CHECK_EQ(ask(c, CF_LSEEK, made.entry.nodeid, &lseek_in,
			     sizeof(lseek_in), NULL, &at, sizeof(at)),
			 sizeof(at));
		CHECK_EQ(at.offset, lseek(fd, 100000, (int)whence));
	}
	close(fd);
	lseek_in.whence = SEEK_DATA;
	lseek_in.offset = 1 << 21;
	CHECK_EQ(ask(c, CF_LSEEK, made.entry.nodeid, &lseek_in,
		     sizeof(lseek_in), NULL, &at, sizeof(at)),
		 -ENXIO);
	copy.fh_in = made.open.fh;
	copy.fh_out = other.open.fh;
	copy.off_in = 1 << 20;
	copy.off_out = 10;
	CHECK_EQ(ask(c, CF_COPY_FILE_RANGE_64, made.entry.nodeid, &copy,
		     sizeof(copy), NULL, &copied, sizeof(copied)),
		 sizeof(copied));
	CHECK_EQ(copied.bytes_copied, 4);
	CHECK_EQ(fstatat(c->root, "space2", &st, 0), 0);
	CHECK_EQ(st.st_size, 14);
	ask_release(c, 0, made.open.fh, 0);
	ask_release(c, 0, other.open.fh, 0);
}

static int set_xattr(struct client *c, uint64_t nodeid, const char *name,
		     const char *value, uint32_t flags)
{
	struct cf_setxattr_in in = { .size = (uint32_t)strlen(value),
				     .flags = flags };
	struct request *request = request_new(CF_SETXATTR, nodeid);
	int ret;

	request_add(request, &in, sizeof(in));
	request_name(request, name);
	request_add(request, value, strlen(value));
	ret = request_run(c, request);
	request_free(request);
	return ret;
}

static void test_xattr(struct client *c)
{
	uint64_t nodeid = nodeid_of(c, "file");
	struct cf_getxattr_in in = { 0 };
	struct cf_getxattr_out out;
	char buf[256], want[256];
	ssize_t len;

	CHECK_EQ(set_xattr(c, nodeid, "user.a", "value", 0), 0);
	snprintf(want, sizeof(want), "%s/file", c->path);
	CHECK_EQ(getxattr(want, "user.a", buf, sizeof(buf)), 5);
	CHECK(memcmp(buf, "value", 5) == 0);
	CHECK_EQ(set_xattr(c, nodeid, "user.a", "v", XATTR_CREATE), -EEXIST);
	CHECK_EQ(set_xattr(c, nodeid, "user.b", "v", XATTR_REPLACE), -ENODATA);
	CHECK_EQ(set_xattr(c, nodeid, "nonsense", "v", 0), -EOPNOTSUPP);
	CHECK_EQ(ask(c, CF_GETXATTR, nodeid, &in, sizeof(in), "user.a", &out,
		     sizeof(out)),
		 sizeof(out));
	CHECK_EQ(out.size, 5);
	in.size = 3;
	CHECK_EQ(ask(c, CF_GETXATTR, nodeid, &in, sizeof(in), "user.a", buf,
		     sizeof(buf)),
		 -ERANGE);
	in.size = 65536;
	CHECK_EQ(ask(c, CF_GETXATTR, nodeid, &in, sizeof(in), "user.a", buf,
		     sizeof(buf)),
		 5);
	len = listxattr(want, buf, sizeof(buf));
	CHECK_EQ(ask(c, CF_LISTXATTR, nodeid, &in, sizeof(in), NULL, want,
		     sizeof(want)),
		 len);
	CHECK(memcmp(buf, want, (size_t)len) == 0);
	CHECK_EQ(ask(c, CF_REMOVEXATTR, nodeid, NULL, 0, "user.a", NULL, 0), 0);
	CHECK_EQ(ask(c, CF_REMOVEXATTR, nodeid, NULL, 0, "user.a", NULL, 0),
		 -ENODATA);
	/* user.* of a symbolic link is not permitted, also not of its goal. */
	CHECK_EQ(set_xattr(c, nodeid_of(c, "link"), "user.a", "v", 0), -EPERM);
}

static int run_ioctl(struct client *c, uint64_t fh, uint32_t cmd, void *value,
		     size_t size)
{
	struct cf_ioctl_in in = { .fh = fh, .cmd = cmd };
	struct request *request = request_new(CF_IOCTL, CF_ROOT_ID);
	bool sets = cmd >> 30 & 1;
	int ret;

	*(sets ? &in.in_size : &in.out_size) = (uint32_t)size;
	request_add(request, &in, sizeof(in));
	if (sets)
		request_add(request, value, size);
	ret = request_run(c, request);
	if (ret == 0 && CHECK_EQ(request->len, sets ? 16 : 16 + size) && !sets)
		memcpy(value, request->reply + 16, size);
	request_free(request);
	return ret;
}

static void test_ioctl(struct client *c)
{
	uint64_t nodeid = nodeid_of(c, "file"), fh = 0;
	int fd = openat(c->root, "file", O_RDONLY), flags = 0, got = 0;
	struct fsxattr want, xattr;

	CHECK_EQ(ask_open(c, nodeid, O_RDONLY, &fh), 0);
	CHECK_EQ(run_ioctl(c, fh, 0x5401, &got, 4), -ENOTTY);
	CHECK_EQ(run_ioctl(c, fh + 1, (uint32_t)FS_IOC_GETFLAGS, &got, 4),
		 -EBADF);
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) {
		printf("no file attributes here: %s\n", strerror(errno));
		close(fd);
		return;
	}
	CHECK_EQ(run_ioctl(c, fh, (uint32_t)FS_IOC_GETFLAGS, &got, 4), 0);
	CHECK_EQ(got, flags);
	/* The number as a client of 32 bits has it. */
	CHECK_EQ(run_ioctl(c, fh, 0x80046601, &got, 4), 0);
	CHECK_EQ(got, flags);
	got = flags | FS_NODUMP_FL;
	CHECK_EQ(run_ioctl(c, fh, 0x40046602, &got, 4), 0);
	CHECK_EQ(ioctl(fd, FS_IOC_GETFLAGS, &flags), 0);
	CHECK_EQ(flags & FS_NODUMP_FL, FS_NODUMP_FL);
	CHECK_EQ(run_ioctl(c, fh, FS_IOC_FSGETXATTR, &xattr, sizeof(xattr)), 0);
	CHECK_EQ(xattr.fsx_xflags & FS_XFLAG_NODUMP, FS_XFLAG_NODUMP);
	if (ioctl(fd, FS_IOC_FSGETXATTR, &want) == 0)
		CHECK(memcmp(&want, &xattr, sizeof(want)) == 0);
	xattr.fsx_xflags = FS_XFLAG_NOATIME;
	CHECK_EQ(run_ioctl(c, fh, FS_IOC_FSSETXATTR, &xattr, sizeof(xattr)), 0);
	CHECK_EQ(ioctl(fd, FS_IOC_GETFLAGS, &flags), 0);
	CHECK_EQ(flags & (FS_NODUMP_FL | FS_NOATIME_FL), FS_NOATIME_FL);
	CHECK_EQ(run_ioctl(c, fh, FS_IOC_FSSETXATTR, &xattr, 20), -EINVAL);
	close(fd);
	ask_release(c, nodeid, fh, 0);
}

static void test_sync(struct client *c)
{
	uint64_t nodeid = nodeid_of(c, "file"), fh;
	struct cf_fsync_in in = { 0 };
	struct cf_flush_in flush_in;
	uint64_t zero = 0;

	CHECK_EQ(ask_open(c, nodeid, O_RDWR, &fh), 0);
	in.fh = fh;
	CHECK_EQ(ask(c, CF_FSYNC, nodeid, &in, sizeof(in), NULL, NULL, 0), 0);
	in.fsync_flags = 1;
	CHECK_EQ(ask(c, CF_FSYNC, nodeid, &in, sizeof(in), NULL, NULL, 0), 0);
	flush_in = (struct cf_flush_in){ .fh = fh };
	CHECK_EQ(ask(c, CF_FLUSH, nodeid, &flush_in, sizeof(flush_in), NULL,
		     NULL, 0),
		 0);
	CHECK_EQ(ask(c, CF_SYNCFS, CF_ROOT_ID, &zero, sizeof(zero), NULL, NULL,
		     0),
		 0);
	ask_release(c, nodeid, fh, 0);
}

/* Device numbers beyond 8 bits. */
static void test_devices(struct client *c)
{
	struct cf_mknod_in in = { .mode = S_IFBLK | 0600,
				  .rdev = 0x78 | 0x123 << 8 | 0x456 << 20 };
	struct cf_entry_out entry;
	struct stat st;

	if (geteuid() != 0)
		return;
	CHECK_EQ(mknodat(c->root, "dev", S_IFCHR | 0600,
			 makedev(0x321, 0x65487)),
		 0);
	CHECK_EQ(ask_lookup(c, CF_ROOT_ID, "dev", &entry), 0);
	check_entry(c, &entry, "dev");
	CHECK_EQ(ask(c, CF_MKNOD, CF_ROOT_ID, &in, sizeof(in), "dev2", &entry,
		     sizeof(entry)),
		 sizeof(entry));
	CHECK_EQ(fstatat(c->root, "dev2", &st, 0), 0);
	CHECK_EQ(major(st.st_rdev), 0x123);
	CHECK_EQ(minor(st.st_rdev), 0x45678);
}

static void test_forget(struct client *c)
{
	struct cf_forget_in in = { .nlookup = 1000000 };
	struct cf_entry_out entry;
	uint64_t old;

	old = nodeid_of(c, "was-tmp");
	ask(c, CF_FORGET, old, &in, sizeof(in), NULL, NULL, 0);
	CHECK_EQ(ask(c, CF_GETATTR, old, NULL, 0, NULL, NULL, 0), -ESTALE);
	/* Its number is not used again for another file. */
	entry.nodeid = nodeid_of(c, "space");
	CHECK(entry.nodeid != old);
	CHECK_EQ(ask(c, CF_GETATTR, old, NULL, 0, NULL, NULL, 0), -ESTALE);
	/* The root is never forgotten. */
	ask(c, CF_FORGET, CF_ROOT_ID, &in, sizeof(in), NULL, NULL, 0);
	CHECK(ask(c, CF_GETATTR, CF_ROOT_ID, NULL, 0, NULL, NULL, 0) > 0);
}

int main(void)
{
	struct client c = { 0 };

	client_start(&c);
	test_init(&c);
	test_create(&c);
	test_append(&c);
	test_vectors(&c);
	test_cold(&c);
	test_setattr(&c);
	test_names(&c);
	test_tmpfile(&c);
	test_statfs(&c);
	test_statx(&c);
	test_space(&c);
	test_xattr(&c);
	test_ioctl(&c);
	test_sync(&c);
	test_devices(&c);
	test_forget(&c);
	client_stop(&c);
	return check_result();
}
