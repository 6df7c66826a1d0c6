// SPDX-License-Identifier: BSD-2-Clause
/* What the options change of the server's answers. */
#include "dir-client.h"

static uint64_t offered(const struct dir_options *options, const char *path)
{
	struct client client = { .options = *options };
	struct cf_init_out out;

	client_attach(&client, path);
	ask_init(&client, 47, CLIENT_FLAGS, &out);
	dir_destroy(client.dir);
	return out.flags | (uint64_t)out.flags2 << 32;
}

/* A flag is there with the option and only with it. */
static void test_flags(const char *path)
{
	static const uint64_t flags[] = {
		CF_INIT_DO_READDIRPLUS,
		CF_INIT_HANDLE_KILLPRIV_V2,
		CF_INIT_SECURITY_CTX,
		CF_INIT_SUBMOUNTS,
		CF_INIT_POSIX_ACL,
		CF_INIT_WRITEBACK_CACHE,
		CF_INIT_DIRECT_IO_ALLOW_MMAP,
		CF_INIT_POSIX_LOCKS,
		CF_INIT_FLOCK_LOCKS,
	};
	const struct dir_options none = { .no_readdirplus = true,
					  .xattr = true };
	uint64_t without = offered(&none, path), with;

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		struct dir_options options = none;

		options.no_readdirplus = i != 0;
		options.killpriv_v2 = i == 1;
		options.security_label = i == 2;
		options.announce_submounts = i == 3;
		options.posix_acl = i == 4;
		options.writeback = i == 5;
		options.allow_mmap = i == 6;
		options.posix_lock = i == 7;
		options.flock = i == 8;
		with = offered(&options, path);
		CHECK_EQ(without & flags[i], 0);
		CHECK_EQ(with & flags[i], flags[i]);
		CHECK_EQ(with & ~flags[i] & ~CF_INIT_READDIRPLUS_AUTO, without);
	}
	/* Bits of others that only a client may set, or that are not known. */
	CHECK_EQ(without & (CF_INIT_CANON_ARCH | CF_INIT_CANON_ARCH_OLD |
			    CF_INIT_NO_OPEN_SUPPORT |
			    CF_INIT_NO_OPENDIR_SUPPORT | CF_INIT_HAS_INODE_DAX |
			    CF_INIT_PASSTHROUGH | CF_INIT_OVER_IO_URING),
		 0);
}

static void test_cache(const char *path)
{
	static const struct {
		enum cache_mode mode;
		uint64_t valid;
		uint32_t file, directory;
	} modes[] = {
		{ CACHE_AUTO, 1, 0, 0 },
		{ CACHE_ALWAYS, 86400, CF_FOPEN_KEEP_CACHE,
		  CF_FOPEN_KEEP_CACHE | CF_FOPEN_CACHE_DIR },
		{ CACHE_METADATA, 86400, CF_FOPEN_DIRECT_IO,
		  CF_FOPEN_KEEP_CACHE | CF_FOPEN_CACHE_DIR },
		{ CACHE_NEVER, 0, CF_FOPEN_DIRECT_IO, 0 },
	};

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		struct client c = { .options = { .cache = modes[i].mode } };
		struct cf_open_in in = { .flags = O_RDONLY };
		struct cf_entry_out entry = { 0 };
		struct cf_attr_out attr = { 0 };
		struct cf_open_out out = { 0 };

		client_attach(&c, path);
		ask_init(&c, 47, CLIENT_FLAGS, NULL);
		CHECK_EQ(ask_lookup(&c, CF_ROOT_ID, "file", &entry), 0);
		CHECK_EQ(entry.entry_valid, modes[i].valid);
		CHECK_EQ(entry.attr_valid, modes[i].valid);
		ask(&c, CF_GETATTR, entry.nodeid, NULL, 0, NULL, &attr,
		    sizeof(attr));
		CHECK_EQ(attr.attr_valid, modes[i].valid);
		ask(&c, CF_OPEN, entry.nodeid, &in, sizeof(in), NULL, &out,
		    sizeof(out));
		CHECK_EQ(out.open_flags, modes[i].file);
		ask(&c, CF_OPENDIR, CF_ROOT_ID, &in, sizeof(in), NULL, &out,
		    sizeof(out));
		CHECK_EQ(out.open_flags, modes[i].directory);
		dir_destroy(c.dir);
	}
}

/* A client that collects writes reads what is around them. */
static void test_writeback(const char *path)
{
	for (int writeback = 0; writeback < 2; writeback++) {
		struct client c = { .options = { .writeback = writeback } };
		struct cf_entry_out entry = { 0 };
		uint64_t fh = 0;
		char buf[8];

		client_attach(&c, path);
		ask_init(&c, 47, CLIENT_FLAGS, NULL);
		CHECK_EQ(ask_lookup(&c, CF_ROOT_ID, "file", &entry), 0);
		CHECK_EQ(ask_open(&c, entry.nodeid, O_WRONLY | O_APPEND, &fh),
			 0);
		CHECK_EQ(ask_read(&c, fh, buf, sizeof(buf), 0),
			 writeback ? 4 : -EBADF);
		/* A page that is written back has its place. */
		CHECK_EQ(ask_write_as(&c, geteuid(), fh, "TE", 2, 0, O_APPEND,
				      CF_WRITE_CACHE),
			 2);
		dir_destroy(c.dir);
	}
}

static void test_xattr(const char *path)
{
	struct client c = { .options = { .xattr = false, .posix_acl = true } };
	struct cf_getxattr_in in = { 0 };

	CHECK_EQ(offered(&c.options, path) & CF_INIT_POSIX_ACL, 0);
	client_attach(&c, path);
	ask_init(&c, 47, CLIENT_FLAGS, NULL);
	CHECK_EQ(ask(&c, CF_GETXATTR, CF_ROOT_ID, &in, sizeof(in), "user.a",
		     NULL, 0),
		 -ENOSYS);
	CHECK_EQ(ask(&c, CF_LISTXATTR, CF_ROOT_ID, &in, sizeof(in), NULL, NULL,
		     0),
		 -ENOSYS);
	dir_destroy(c.dir);
	/* ACLs that the client does not know of are not its business. */
	c.options = (struct dir_options){ .xattr = true };
	client_attach(&c, path);
	ask_init(&c, 47, CLIENT_FLAGS, NULL);
	CHECK_EQ(ask(&c, CF_GETXATTR, CF_ROOT_ID, &in, sizeof(in),
		     "system.posix_acl_access", NULL, 0),
		 -EOPNOTSUPP);
	dir_destroy(c.dir);
}

int main(void)
{
	struct client c = { 0 };
	char path[128];
	int fd;

	client_start(&c);
	fd = openat(c.root, "file", O_CREAT | O_WRONLY, 0600);
	CHECK_EQ(write(fd, "text", 4), 4);
	close(fd);
	test_flags(c.path);
	test_cache(c.path);
	test_writeback(c.path);
	test_xattr(c.path);
	snprintf(path, sizeof(path), "%s/file", c.path);
	fd = open(path, O_RDONLY);
	CHECK_EQ(read(fd, path, sizeof(path)), 4);
	CHECK(memcmp(path, "TExt", 4) == 0);
	close(fd);
	client_stop(&c);
	return check_result();
}
