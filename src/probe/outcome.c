// SPDX-License-Identifier: BSD-2-Clause
/*
 * What requests lead to, in canonical terms. A server need not do anything
 * about O_APPEND, or have ioctls at all; but what it does for a client of its
 * own architecture it must do for every other.
 */
#include "outcome.h"
#include "client.h"
#include "session.h"
#include <crossfuse/wire.h>
#include <stdio.h>
#include <string.h>

const struct outcome_flag outcome_flags[OUTCOME_FLAGS] = {
	{ RULE_O_APPEND_HOLDS, CANON_O_APPEND, "O_APPEND" },
	{ RULE_O_DIRECT_HOLDS, CANON_O_DIRECT, "O_DIRECT" },
	{ RULE_O_DIRECTORY_HOLDS, CANON_O_DIRECTORY, "O_DIRECTORY" },
	{ RULE_O_NOFOLLOW_HOLDS, CANON_O_NOFOLLOW, "O_NOFOLLOW" },
	{ RULE_O_OTHERS_HOLD, 0, "no flag" },
	{ RULE_O_OTHERS_HOLD, CANON_O_NONBLOCK, "O_NONBLOCK" },
	{ RULE_O_OTHERS_HOLD, CANON_O_DSYNC, "O_DSYNC" },
	{ RULE_O_OTHERS_HOLD, CANON_O_SYNC, "O_SYNC" },
	{ RULE_O_OTHERS_HOLD, CANON_FASYNC, "FASYNC" },
	{ RULE_O_OTHERS_HOLD, CANON_O_NOCTTY, "O_NOCTTY" },
	{ RULE_O_OTHERS_HOLD, CANON_O_LARGEFILE, "O_LARGEFILE" },
	{ RULE_O_OTHERS_HOLD, CANON_O_NOATIME, "O_NOATIME" },
	{ RULE_O_OTHERS_HOLD, CANON_O_CLOEXEC, "O_CLOEXEC" },
};

int64_t outcome_error(const struct probe *probe, int ret)
{
	return ret < 0 ? OUTCOME_UNKNOWN : -errno_canonical(probe, ret);
}

/* What a file holds, as a number. */
static int64_t content_of(struct probe *probe, uint64_t nodeid)
{
	struct file file = { .nodeid = nodeid };
	uint32_t hash = 0x811c9dc5;
	int ret;

	ret = do_open(probe, nodeid, client_flags(probe, CANON_O_RDONLY),
		      &file.fh);
	if (ret == 0)
		ret = do_read(probe, &file, 0, 256);
	if (ret)
		return outcome_error(probe, ret);
	for (size_t i = 0; i < reply_size(probe); i++)
		hash = (hash ^ reply_bytes(probe)[i]) * 0x01000193;
	do_release(probe, &file);
	return hash;
}

/* Opens with one set of flags, and writes two bytes at the start. */
static int64_t try_flags(struct probe *probe, uint32_t to_open,
			 uint32_t to_write)
{
	struct file file = { 0 };
	int64_t content;
	char name[32];
	int ret;

	ret = make_file(probe, new_name(probe, name), "0123456789", 10,
			&file.nodeid);
	if (ret)
		return OUTCOME_UNKNOWN;
	ret = do_open(probe, file.nodeid,
		      client_flags(probe, CANON_O_RDWR | to_open), &file.fh);
	if (ret)
		return outcome_error(probe, ret);
	ret = do_write(probe, &file, 0, "ab", 2,
		       client_flags(probe, CANON_O_RDWR | to_write));
	if (ret > 0)
		content = outcome_error(probe, ret) - OUTCOME_WRITE;
	else
		content = ret ? OUTCOME_UNKNOWN
			      : content_of(probe, file.nodeid);
	do_release(probe, &file);
	return content;
}

static int64_t open_link(struct probe *probe)
{
	uint64_t nodeid, fh;
	char name[32];
	int ret;

	ret = do_symlink(probe, probe->dir, new_name(probe, name), "nowhere",
			 &nodeid);
	if (ret)
		return OUTCOME_UNKNOWN;
	ret = do_open(probe, nodeid,
		      client_flags(probe, CANON_O_RDONLY | CANON_O_NOFOLLOW),
		      &fh);
	return outcome_error(probe, ret);
}

static int64_t try_rmdir(struct probe *probe)
{
	uint64_t nodeid, inner;
	char name[32];

	if (do_mkdir(probe, probe->dir, new_name(probe, name), 0755, &nodeid) ||
	    do_mkdir(probe, nodeid, "inner", 0755, &inner))
		return OUTCOME_UNKNOWN;
	return outcome_error(probe, do_rmdir(probe, probe->dir, name));
}

static int64_t try_attributes(struct probe *probe, struct outcomes *outcomes)
{
	uint64_t nodeid;
	char name[32];
	int ret;

	ret = make_file(probe, new_name(probe, name), "", 0, &nodeid);
	if (ret)
		return OUTCOME_UNKNOWN;
	ret = do_setxattr(probe, nodeid, "nowhere.probe", "x", 1, 0);
	outcomes->eopnotsupp = outcome_error(probe, ret);
	ret = do_getxattr(probe, nodeid, "user.missing", 64);
	return outcome_error(probe, ret);
}

int64_t try_long_name(struct probe *probe)
{
	uint64_t nodeid;
	char name[257];

	memset(name, 'x', 256);
	name[256] = 0;
	return outcome_error(probe,
			     do_lookup(probe, probe->dir, name, &nodeid));
}

/* SEEK_HOLE in a file without any hole: its end. */
static int64_t seek_hole(struct probe *probe)
{
	struct file file = { 0 };
	int ret;

	ret = make_open_file(probe, "0123456789", 10, CANON_O_RDONLY, &file);
	if (ret)
		return OUTCOME_UNKNOWN;
	begin_request(probe, CF_LSEEK, file.nodeid);
	put_u64(probe, file.fh);
	put_u64(probe, 0);
	put_u32(probe, 4); /* SEEK_HOLE */
	put_u32(probe, 0);
	ret = talk(probe, 8, 8);
	if (ret)
		return outcome_error(probe, ret);
	return (int64_t)(reply_u64(probe, 0) & INT64_MAX);
}

static int64_t bytes_of_pages(const struct probe *probe)
{
	if (!(probe->greeting.flags & INIT_MAX_PAGES) ||
	    probe->server_page == 0)
		return OUTCOME_UNKNOWN;
	return (int64_t)probe->greeting.max_pages * probe->server_page;
}

void outcomes_find(struct probe *probe, struct outcomes *outcomes)
{
	*outcomes = (struct outcomes){
		.known = true,
		.max_bytes = bytes_of_pages(probe),
	};
	outcomes->enametoolong = OUTCOME_UNKNOWN;
	if (!probe->dir) {
		outcomes->known = false;
		return;
	}
	for (size_t i = 0; i < OUTCOME_FLAGS; i++)
		outcomes->open[i] =
			try_flags(probe, outcome_flags[i].canonical, 0);
	outcomes->write_append = try_flags(probe, 0, CANON_O_APPEND);
	outcomes->link = open_link(probe);
	outcomes->enotempty = try_rmdir(probe);
	outcomes->enametoolong = try_long_name(probe);
	outcomes->enodata = try_attributes(probe, outcomes);
	outcomes->seek_hole = seek_hole(probe);
	outcomes->poll = try_poll(probe);
	try_ioctls(probe, outcomes);
	tour_find(probe, outcomes->tour);
	outcomes->known = !probe->broken;
}
