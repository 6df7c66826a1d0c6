// SPDX-License-Identifier: BSD-2-Clause
/* Sections 2 (rule 5), 5.7 and 7.3: what arrives as it was sent. */
#include "client.h"
#include "outcome.h"
#include "session.h"
#include <crossfuse/wire.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Bytes that come out otherwise if any two, four or eight are turned round. */
static const uint8_t pattern[32] = {
	0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x10, 0x32, 0x54,
	0x76, 0x98, 0xba, 0xdc, 0xfe, 0x00, 0x00, 0x00, 0x1a, 0x1a, 0x00,
	0x00, 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
};

static void check_data(struct probe *probe)
{
	struct file file = { 0 };
	int ret;

	ret = make_open_file(probe, pattern, sizeof(pattern), CANON_O_RDONLY,
			     &file);
	if (ret == 0)
		ret = do_read(probe, &file, 0, 4096);
	if (!rule_works(probe, RULE_DATA, ret, "WRITE and READ"))
		return;
	rule_check(probe, RULE_DATA,
		   reply_size(probe) == sizeof(pattern) &&
			   memcmp(reply_bytes(probe), pattern,
				  sizeof(pattern)) == 0,
		   "what was written is not what is read");
	do_release(probe, &file);
}

static void check_names(struct probe *probe)
{
	static const char target[] = "over/there\x01\x02\x1a";
	uint64_t nodeid, again;
	char name[32];
	int ret;

	ret = do_symlink(probe, probe->dir, new_name(probe, name), target,
			 &nodeid);
	if (ret == 0)
		ret = do_lookup(probe, probe->dir, name, &again);
	if (!rule_works(probe, RULE_NAMES, ret, "SYMLINK and LOOKUP"))
		return;
	begin_request(probe, CF_READLINK, again);
	ret = talk(probe, 1, 4096);
	if (rule_works(probe, RULE_NAMES, ret, "READLINK"))
		rule_check(probe, RULE_NAMES,
			   reply_size(probe) == sizeof(target) - 1 &&
				   memcmp(reply_bytes(probe), target,
					  sizeof(target) - 1) == 0,
			   "the target is another one");
}

/* Values of FUSE's own that every architecture shares. */
#define XATTR_CREATE  1U
#define XATTR_REPLACE 2U

static void check_xattrs(struct probe *probe)
{
	uint64_t nodeid = 0;
	char name[32];
	int ret;

	ret = make_file(probe, new_name(probe, name), "", 0, &nodeid);
	if (ret == 0)
		ret = do_setxattr(probe, nodeid, "user.probe", pattern,
				  sizeof(pattern), 0);
	if (ret) {
		rule_skip(probe, RULE_XATTR_VALUE, "SETXATTR: %s",
			  error_text(probe, ret));
		rule_skip(probe, RULE_SAME_XATTR, "SETXATTR: %s",
			  error_text(probe, ret));
		return;
	}
	ret = do_getxattr(probe, nodeid, "user.probe", 256);
	if (rule_works(probe, RULE_XATTR_VALUE, ret, "GETXATTR"))
		rule_check(probe, RULE_XATTR_VALUE,
			   reply_size(probe) == sizeof(pattern) &&
				   memcmp(reply_bytes(probe), pattern,
					  sizeof(pattern)) == 0,
			   "the value is another one");
	ret = do_getxattr(probe, nodeid, "user.probe", 0);
	if (rule_works(probe, RULE_XATTR_VALUE, ret, "GETXATTR of size 0"))
		rule_check(probe, RULE_XATTR_VALUE,
			   reply_u32(probe, 0) == sizeof(pattern),
			   "its size is %u", reply_u32(probe, 0));
	ret = do_setxattr(probe, nodeid, "user.probe", "x", 1, XATTR_CREATE);
	rule_error(probe, RULE_SAME_XATTR, ret, 17);
	ret = do_setxattr(probe, nodeid, "user.other", "x", 1, XATTR_REPLACE);
	rule_check(probe, RULE_SAME_XATTR, ret > 0, "XATTR_REPLACE creates");
}

static void check_mode(struct probe *probe)
{
	uint64_t nodeid;
	char name[32];
	uint32_t mode;
	int ret;

	ret = do_mkdir(probe, probe->dir, new_name(probe, name), 0710, &nodeid);
	if (ret == 0)
		ret = do_getattr(probe, nodeid);
	if (!rule_works(probe, RULE_SAME_MODE, ret, "MKDIR and GETATTR"))
		return;
	mode = reply_u32(probe, 76);
	rule_check(probe, RULE_SAME_MODE, (mode & 0170777) == 040710, "0%o",
		   mode);
	ret = make_file(probe, new_name(probe, name), "", 0, &nodeid);
	if (ret == 0)
		ret = do_getattr(probe, nodeid);
	mode = reply_u32(probe, 76);
	if (rule_works(probe, RULE_SAME_MODE, ret, "CREATE and GETATTR"))
		rule_check(probe, RULE_SAME_MODE, (mode & 0170777) == 0100644,
			   "0%o", mode);
}

static void check_rename(struct probe *probe)
{
	char from[32], to[32];
	uint64_t nodeid;
	int ret;

	ret = make_file(probe, new_name(probe, from), "a", 1, &nodeid);
	if (ret == 0)
		ret = make_file(probe, new_name(probe, to), "b", 1, &nodeid);
	if (!rule_works(probe, RULE_SAME_RENAME, ret, "CREATE"))
		return;
	begin_request(probe, CF_RENAME2, probe->dir);
	put_u64(probe, probe->dir);
	put_u32(probe, 1); /* RENAME_NOREPLACE */
	put_u32(probe, 0);
	put_name(probe, from);
	put_name(probe, to);
	ret = talk(probe, 0, 0);
	if (ret == errno_value(probe, 22) || ret == errno_value(probe, 38))
		rule_skip(probe, RULE_SAME_RENAME, "the server has no such");
	else
		rule_error(probe, RULE_SAME_RENAME, ret, 17);
}

static void check_seek(struct probe *probe)
{
	int64_t is = probe->current.seek_hole, base = probe->base.seek_hole;

	if (!probe->current.known || !probe->base.known)
		return;
	if (base < 0)
		rule_skip(probe, RULE_SAME_SEEK,
			  "this server's own clients get %s",
			  outcome_text(base));
	else
		rule_check(probe, RULE_SAME_SEEK, is == base,
			   "%s instead of %s", outcome_text(is),
			   outcome_text(base));
}

/* Size and times that look different if any part is out of place. */
static int set_fields(struct probe *probe, uint64_t nodeid)
{
	begin_request(probe, CF_SETATTR, nodeid);
	put_u32(probe, CF_FATTR_SIZE | CF_FATTR_ATIME | CF_FATTR_MTIME |
			       CF_FATTR_MODE);
	put_u32(probe, 0);
	put_u64(probe, 0);
	put_u64(probe, 0x12345); /* size */
	put_u64(probe, 0);
	put_u64(probe, 0x5abcdef1); /* atime, mtime, ctime */
	put_u64(probe, 0x4fedcba2);
	put_u64(probe, 0);
	put_u32(probe, 0);
	put_u32(probe, 0);
	put_u32(probe, 0);
	put_u32(probe, 0100640);
	put_zeros(probe, 16);
	return talk(probe, 104, 104);
}

static void check_fields(struct probe *probe)
{
	uint64_t nodeid = 0;
	char name[32];
	int ret;

	ret = make_file(probe, new_name(probe, name), "", 0, &nodeid);
	if (ret == 0)
		ret = set_fields(probe, nodeid);
	if (ret == 0)
		ret = do_getattr(probe, nodeid);
	if (!rule_works(probe, RULE_FIELDS, ret, "SETATTR and GETATTR"))
		return;
	rule_check(probe, RULE_FIELDS, reply_u64(probe, 24) == 0x12345,
		   "size 0x%" PRIx64 " instead of 0x12345",
		   reply_u64(probe, 24));
	rule_check(probe, RULE_FIELDS,
		   reply_u64(probe, 40) == 0x5abcdef1 &&
			   reply_u64(probe, 48) == 0x4fedcba2,
		   "times are others");
	rule_check(probe, RULE_FIELDS, reply_u32(probe, 80) == 1,
		   "nlink %u instead of 1", reply_u32(probe, 80));
}

void check_bytes(struct probe *probe)
{
	check_data(probe);
	check_names(probe);
	check_xattrs(probe);
}

void check_same(struct probe *probe)
{
	check_mode(probe);
	check_rename(probe);
	check_seek(probe);
	check_fields(probe);
}
