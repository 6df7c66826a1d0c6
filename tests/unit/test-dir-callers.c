// SPDX-License-Identifier: BSD-2-Clause
/*
 * What only newer kernels check before they ask: the server refuses it itself.
 * docs/dir.md has the table.
 */
#include "dir-client.h"
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

static struct client client;

static uint64_t make_file(const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	int fd = openat(client.root, name, O_CREAT | O_EXCL | O_WRONLY, 0600);
	struct cf_setattr_in in = { .valid = CF_FATTR_MODE, .mode = mode };
	uint64_t nodeid;

	CHECK(fd >= 0);
	CHECK_EQ(fchown(fd, uid, gid), 0);
	close(fd);
	nodeid = nodeid_of(&client, name);
	/* By the server: it puts capabilities of this thread aside. */
	CHECK(ask(&client, CF_SETATTR, nodeid, &in, sizeof(in), NULL, NULL, 0) >
	      0);
	return nodeid;
}

static int ask_ioctl(uint32_t uid, uint64_t nodeid, uint32_t cmd,
		     const void *value, size_t size)
{
	struct {
		struct cf_ioctl_in in;
		char value[sizeof(struct fsxattr)];
	} arg = { .in = { .cmd = cmd, .in_size = (uint32_t)size } };
	int ret;

	CHECK_EQ(ask_open(&client, nodeid, O_RDONLY, &arg.in.fh), 0);
	memcpy(arg.value, value, size);
	ret = ask_as(&client, uid, uid, CF_IOCTL, nodeid, &arg,
		     sizeof(arg.in) + size, NULL, NULL, NULL, 0);
	ask_release(&client, nodeid, arg.in.fh, 0);
	return ret < 0 ? ret : 0;
}

static int flags_of(const char *name)
{
	int fd = openat(client.root, name, O_RDONLY), flags = 0;

	CHECK_EQ(ioctl(fd, FS_IOC_GETFLAGS, &flags), 0);
	close(fd);
	return flags & (FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL);
}

static int set_flags(uint32_t uid, uint64_t nodeid, int flags)
{
	return ask_ioctl(uid, nodeid, FS_IOC_SETFLAGS, &flags, sizeof(flags));
}

static int set_xflags(uint32_t uid, uint64_t nodeid, uint32_t xflags)
{
	struct fsxattr value = { .fsx_xflags = xflags };

	return ask_ioctl(uid, nodeid, FS_IOC_FSSETXATTR, &value, sizeof(value));
}

/* The owner may, but for what only the superuser may. */
static void test_flags(void)
{
	uint64_t roots = make_file("roots", 0666, 0, 0);
	uint64_t mine = make_file("mine", 0600, 1000, 1000);

	CHECK_EQ(set_flags(1000, roots, FS_NODUMP_FL), -EPERM);
	CHECK_EQ(set_flags(1000, roots, FS_IMMUTABLE_FL), -EPERM);
	CHECK_EQ(set_xflags(1000, roots, FS_XFLAG_IMMUTABLE), -EPERM);
	CHECK_EQ(set_xflags(1000, roots, FS_XFLAG_NODUMP), -EPERM);
	CHECK_EQ(flags_of("roots"), 0);
	CHECK_EQ(set_flags(1000, mine, FS_NODUMP_FL), 0);
	CHECK_EQ(set_flags(1000, mine, FS_IMMUTABLE_FL), -EPERM);
	CHECK_EQ(set_flags(1000, mine, FS_APPEND_FL), -EPERM);
	CHECK_EQ(set_xflags(1000, mine, FS_XFLAG_APPEND), -EPERM);
	CHECK_EQ(flags_of("mine"), FS_NODUMP_FL);
	CHECK_EQ(set_xflags(1000, mine, 0), 0);
	CHECK_EQ(flags_of("mine"), 0);
	/* What is there already the owner may leave there, but not take. */
	CHECK_EQ(set_flags(0, mine, FS_APPEND_FL), 0);
	CHECK_EQ(set_flags(1000, mine, FS_APPEND_FL | FS_NODUMP_FL), 0);
	CHECK_EQ(set_flags(1000, mine, FS_NODUMP_FL), -EPERM);
	CHECK_EQ(flags_of("mine"), FS_APPEND_FL | FS_NODUMP_FL);
	/* Nobody owns nothing. */
	CHECK_EQ(set_flags(CF_INVALID_UIDGID, mine, 0), -EPERM);
	CHECK_EQ(set_flags(0, mine, FS_IMMUTABLE_FL), 0);
	CHECK_EQ(flags_of("mine"), FS_IMMUTABLE_FL);
	CHECK_EQ(set_flags(0, mine, 0), 0);
}

/* What the host refuses it refuses, whoever asks. */
static void test_append_only(void)
{
	uint64_t file = make_file("log", 0666, 0, 0), fh;
	struct cf_fallocate_in space = { .length = 4096,
					 .mode = FALLOC_FL_KEEP_SIZE |
						 FALLOC_FL_PUNCH_HOLE };
	struct cf_setattr_in size = { .valid = CF_FATTR_SIZE };

	CHECK_EQ(set_flags(0, file, FS_APPEND_FL), 0);
	CHECK_EQ(ask_open(&client, file, O_RDWR, &fh), -EPERM);
	CHECK_EQ(ask_open(&client, file, O_RDWR | O_APPEND, &fh), 0);
	space.fh = fh;
	CHECK_EQ(ask(&client, CF_FALLOCATE, file, &space, sizeof(space), NULL,
		     NULL, 0),
		 -EPERM);
	CHECK_EQ(ask(&client, CF_SETATTR, file, &size, sizeof(size), NULL, NULL,
		     0),
		 -EPERM);
	ask_release(&client, file, fh, 0);
	CHECK_EQ(set_flags(0, file, 0), 0);
}

/* user::rwx, group::r-x, mask::rwx, other::--- and user 1234 rwx. */
static const uint8_t acl[] = {
	2,    0,    0,	  0,	1,    0,    7,	0,    0xff, 0xff, 0xff,
	0xff, 2,    0,	  7,	0,    0xd2, 4,	0,    0,    4,	  0,
	5,    0,    0xff, 0xff, 0xff, 0xff, 16, 0,    7,    0,	  0xff,
	0xff, 0xff, 0xff, 32,	0,    0,    0,	0xff, 0xff, 0xff, 0xff,
};

static int set_acl(uint32_t uid, uint32_t gid, uint64_t nodeid, bool extended)
{
	struct cf_setxattr_in in = { .size = sizeof(acl) };
	struct request *request = request_new(CF_SETXATTR, nodeid);
	int ret;

	request->uid = uid;
	request->gid = gid;
	request_add(request, &in,
		    extended ? sizeof(in) : CF_COMPAT_SETXATTR_IN_SIZE);
	request_name(request, "system.posix_acl_access");
	request_add(request, acl, sizeof(acl));
	ret = request_run(&client, request);
	request_free(request);
	return ret;
}

/*
 * An ACL takes S_ISGID off for whoever is not in the file's group. Linux
 * before 5.13 does not say so.
 */
static void test_acl(void)
{
	static const struct {
		uint32_t uid, gid;
		bool extended, kept;
	} cases[] = {
		{ 1000, 1000, false, false },
		{ 1000, 55, false, true },
		{ 0, 0, false, true },
		{ 1000, 1000, true,
		  true }, /* SETXATTR_ACL_KILL_SGID is clear */
	};
	struct stat st;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t flags = CLIENT_FLAGS, file;

		if (!cases[i].extended)
			flags &= ~CF_INIT_SETXATTR_EXT;
		ask_init(&client, 47, flags, NULL);
		file = make_file("acl", 02775, 1000, 55);
		CHECK_EQ(set_acl(cases[i].uid, cases[i].gid, file,
				 cases[i].extended),
			 0);
		CHECK_EQ(fstatat(client.root, "acl", &st, 0), 0);
		if (!CHECK_EQ(st.st_mode & 07777, cases[i].kept ? 02770 : 0770))
			fprintf(stderr, "  case %zu\n", i);
		unlinkat(client.root, "acl", 0);
	}
}

int main(void)
{
	if (geteuid() != 0) {
		printf("needs root\n");
		return 77;
	}
	umask(0);
	client.options.posix_acl = true;
	client_start(&client);
	test_flags();
	test_append_only();
	test_acl();
	client_stop(&client);
	return check_result();
}
