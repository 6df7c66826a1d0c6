// SPDX-License-Identifier: BSD-2-Clause
/*
 * Section 7.2: the requests that no other rule looks at. Whatever a server
 * does about them, it must do the same for every client.
 */
#include "client.h"
#include "outcome.h"
#include "session.h"
#include <crossfuse/wire.h>
#include <stdio.h>

/* What a step may use: a file that is open, and the directory it is in. */
struct place {
	struct file file;
	char name[32];
};

static int64_t result(const struct probe *probe, int ret, uint64_t value)
{
	if (ret)
		return outcome_error(probe, ret);
	return (int64_t)(value & INT64_MAX);
}

static int64_t size_of(struct probe *probe, const struct place *place, int ret)
{
	uint64_t size = 0;

	if (ret == 0)
		ret = do_getsize(probe, place->file.nodeid, &size);
	return result(probe, ret, size);
}

static int64_t step_mknod(struct probe *probe, struct place *place)
{
	char name[32];
	int ret;

	(void)place;
	begin_request(probe, CF_MKNOD, probe->dir);
	put_u32(probe, 0100640);
	put_u32(probe, 0);
	put_u32(probe, 027); /* umask: the client has applied it */
	put_u32(probe, 0);
	put_name(probe, new_name(probe, name));
	ret = talk(probe, 128, 128);
	return result(probe, ret, reply_u32(probe, 100) >> 12);
}

static int64_t step_link(struct probe *probe, struct place *place)
{
	char name[32];
	int ret;

	begin_request(probe, CF_LINK, probe->dir);
	put_u64(probe, place->file.nodeid);
	put_name(probe, new_name(probe, name));
	ret = talk(probe, 128, 128);
	return result(probe, ret, reply_u32(probe, 104));
}

static int64_t step_rename(struct probe *probe, struct place *place)
{
	char to[32];
	uint64_t nodeid = 0;
	int ret;

	begin_request(probe, CF_RENAME, probe->dir);
	put_u64(probe, probe->dir);
	put_name(probe, place->name);
	put_name(probe, new_name(probe, to));
	ret = talk(probe, 0, 0);
	if (ret == 0)
		ret = do_lookup(probe, probe->dir, to, &nodeid);
	return result(probe, ret, nodeid == place->file.nodeid);
}

static int64_t step_access(struct probe *probe, struct place *place)
{
	begin_request(probe, CF_ACCESS, place->file.nodeid);
	put_u32(probe, 6);
	put_u32(probe, 0);
	return result(probe, talk(probe, 0, 0), 0);
}

static int64_t step_fsync(struct probe *probe, struct place *place)
{
	begin_request(probe, CF_FSYNC, place->file.nodeid);
	put_u64(probe, place->file.fh);
	put_u32(probe, 1); /* FUSE_FSYNC_FDATASYNC */
	put_u32(probe, 0);
	return result(probe, talk(probe, 0, 0), 0);
}

static int64_t step_flush(struct probe *probe, struct place *place)
{
	begin_request(probe, CF_FLUSH, place->file.nodeid);
	put_u64(probe, place->file.fh);
	put_zeros(probe, 16);
	return result(probe, talk(probe, 0, 0), 0);
}

static int64_t step_fsyncdir(struct probe *probe, struct place *place)
{
	struct file dir = { .nodeid = probe->dir };
	int ret = do_opendir(probe, probe->dir, &dir.fh);

	(void)place;
	if (ret)
		return result(probe, ret, 0);
	begin_request(probe, CF_FSYNCDIR, probe->dir);
	put_u64(probe, dir.fh);
	put_zeros(probe, 8);
	ret = talk(probe, 0, 0);
	do_releasedir(probe, &dir);
	return result(probe, ret, 0);
}

static int64_t step_listxattr(struct probe *probe, struct place *place)
{
	int ret;

	do_setxattr(probe, place->file.nodeid, "user.tour", "x", 1, 0);
	begin_request(probe, CF_LISTXATTR, place->file.nodeid);
	put_u32(probe, 0);
	put_u32(probe, 0);
	ret = talk(probe, 8, 8);
	return result(probe, ret, reply_u32(probe, 0));
}

static int64_t step_removexattr(struct probe *probe, struct place *place)
{
	begin_request(probe, CF_REMOVEXATTR, place->file.nodeid);
	put_name(probe, "user.tour");
	return result(probe, talk(probe, 0, 0), 0);
}

static int64_t step_fallocate(struct probe *probe, struct place *place)
{
	begin_request(probe, CF_FALLOCATE, place->file.nodeid);
	put_u64(probe, place->file.fh);
	put_u64(probe, 0x1000);
	put_u64(probe, 0x2345);
	put_u32(probe, 0); /* mode */
	put_u32(probe, 0);
	return size_of(probe, place, talk(probe, 0, 0));
}

/* At an offset that takes more than 32 bits. */
static int64_t step_write_far(struct probe *probe, struct place *place)
{
	int ret = do_write(probe, &place->file, UINT64_C(0x123456789), "far", 3,
			   client_flags(probe, CANON_O_RDWR));

	return size_of(probe, place, ret);
}

static int64_t step_read_far(struct probe *probe, struct place *place)
{
	int ret = do_read(probe, &place->file, UINT64_C(0x123456789), 64);

	return result(probe, ret, reply_size(probe));
}

static int64_t step_copy(struct probe *probe, struct place *place)
{
	struct file to = { 0 };
	uint32_t copied;
	int ret;

	ret = make_open_file(probe, "", 0, CANON_O_RDWR, &to);
	if (ret)
		return OUTCOME_UNKNOWN;
	begin_request(probe, CF_COPY_FILE_RANGE, place->file.nodeid);
	put_u64(probe, place->file.fh);
	put_u64(probe, 1);
	put_u64(probe, to.nodeid);
	put_u64(probe, to.fh);
	put_u64(probe, 2);
	put_u64(probe, 5); /* bytes */
	put_u64(probe, 0);
	ret = talk(probe, 8, 8);
	copied = reply_u32(probe, 0);
	do_release(probe, &to);
	return result(probe, ret, copied);
}

static int64_t step_statx(struct probe *probe, struct place *place)
{
	int ret;

	begin_request(probe, CF_STATX, place->file.nodeid);
	put_zeros(probe, 20);
	put_u32(probe, 0x7ff); /* STATX_BASIC_STATS */
	ret = talk(probe, 288, 288);
	return result(probe, ret, reply_u64(probe, 72));
}

static int64_t step_tmpfile(struct probe *probe, struct place *place)
{
	struct file file;
	int ret;

	(void)place;
	begin_request(probe, CF_TMPFILE, probe->dir);
	put_u32(probe, client_flags(probe, CANON_O_RDWR | CANON_O_TMPFILE));
	put_u32(probe, 0100604);
	put_zeros(probe, 8);
	put_name(probe, "#1");
	ret = talk(probe, 144, 144);
	if (ret)
		return result(probe, ret, 0);
	file = (struct file){ reply_u64(probe, 0), reply_u64(probe, 128) };
	ret = (int)(reply_u32(probe, 100) >> 12); /* its kind */
	do_release(probe, &file);
	return ret;
}

static int64_t step_syncfs(struct probe *probe, struct place *place)
{
	(void)place;
	begin_request(probe, CF_SYNCFS, CF_ROOT_ID);
	put_u64(probe, 0);
	return result(probe, talk(probe, 0, 0), 0);
}

static int64_t step_statfs(struct probe *probe, struct place *place)
{
	int ret;

	(void)place;
	begin_request(probe, CF_STATFS, probe->dir);
	ret = talk(probe, 80, 80);
	return result(probe, ret, reply_u32(probe, 44));
}

/* Has no reply; the directory is as it was. */
static int64_t step_forget(struct probe *probe, struct place *place)
{
	int ret;

	(void)place;
	begin_request(probe, CF_BATCH_FORGET, 0);
	put_u32(probe, 1);
	put_u32(probe, 0);
	put_u64(probe, CF_ROOT_ID);
	put_u64(probe, 0);
	ret = send_only(probe);
	if (ret == 0)
		ret = do_getattr(probe, probe->dir);
	return result(probe, ret, 0);
}

static const struct {
	const char *name;
	int64_t (*run)(struct probe *probe, struct place *place);
} steps[TOUR_MAX] = {
	{ "MKNOD", step_mknod },
	{ "LINK", step_link },
	{ "RENAME", step_rename },
	{ "ACCESS", step_access },
	{ "FSYNC", step_fsync },
	{ "FLUSH", step_flush },
	{ "FSYNCDIR", step_fsyncdir },
	{ "LISTXATTR", step_listxattr },
	{ "REMOVEXATTR", step_removexattr },
	{ "FALLOCATE", step_fallocate },
	{ "WRITE beyond 4 GiB", step_write_far },
	{ "READ beyond 4 GiB", step_read_far },
	{ "COPY_FILE_RANGE", step_copy },
	{ "STATX", step_statx },
	{ "TMPFILE", step_tmpfile },
	{ "SYNCFS", step_syncfs },
	{ "STATFS", step_statfs },
	{ "BATCH_FORGET", step_forget },
};

void tour_find(struct probe *probe, int64_t results[TOUR_MAX])
{
	struct place place = { 0 };
	int ret;

	for (size_t i = 0; i < TOUR_MAX; i++)
		results[i] = OUTCOME_UNKNOWN;
	ret = make_file(probe, new_name(probe, place.name), "0123456789", 10,
			&place.file.nodeid);
	if (ret == 0)
		ret = do_open(probe, place.file.nodeid,
			      client_flags(probe, CANON_O_RDWR),
			      &place.file.fh);
	if (ret)
		return;
	for (size_t i = 0; i < TOUR_MAX && steps[i].run; i++)
		results[i] = steps[i].run(probe, &place);
	do_release(probe, &place.file);
}

/* Which error it is, is a matter of section 5.2. */
static bool is_alike(int64_t is, int64_t base)
{
	return base < 0 ? is < 0 : is == base;
}

void check_tour(struct probe *probe)
{
	const int64_t *is = probe->current.tour, *base = probe->base.tour;

	if (!probe->base.known || !probe->current.known)
		return;
	for (size_t i = 0; i < TOUR_MAX && steps[i].run; i++)
		if (base[i] != OUTCOME_UNKNOWN)
			rule_check(probe, RULE_OPCODES,
				   is_alike(is[i], base[i]),
				   "%s: %s instead of %s", steps[i].name,
				   outcome_text(is[i]), outcome_text(base[i]));
}
