// SPDX-License-Identifier: BSD-2-Clause
/*
 * Section 8: a client that says nothing of its architecture. It opens files
 * and directories as a kernel does; then its values should be understood.
 */
#include "client.h"
#include "outcome.h"
#include "session.h"
#include <crossfuse/wire.h>
#include <errno.h>

/* Opens that a server may learn from. */
#define LESSONS 16U

static int teach(struct probe *probe)
{
	uint32_t flags = open_value(probe, CANON_O_RDONLY | CANON_O_LARGEFILE);
	uint32_t dir_flags = open_value(
		probe, CANON_O_RDONLY | CANON_O_LARGEFILE | CANON_O_DIRECTORY);
	struct file file = { 0 }, dir = { .nodeid = probe->dir };
	char name[32];
	int ret;

	ret = make_file(probe, new_name(probe, name), "old", 3, &file.nodeid);
	for (unsigned int i = 0; ret == 0 && i < LESSONS; i++) {
		ret = do_open(probe, file.nodeid, flags, &file.fh);
		if (ret == 0)
			ret = do_release(probe, &file);
		if (ret)
			break;
		begin_request(probe, CF_OPENDIR, dir.nodeid);
		put_u32(probe, dir_flags);
		put_u32(probe, 0);
		ret = talk(probe, 16, 16);
		dir.fh = reply_u64(probe, 0);
		if (ret == 0)
			ret = do_releasedir(probe, &dir);
	}
	return ret;
}

/* Three things that differ between architectures. */
static void expect_understanding(struct probe *probe)
{
	uint32_t flags = CANON_O_CREAT | CANON_O_EXCL | CANON_O_RDWR |
			 CANON_O_LARGEFILE;
	struct file file = { 0 };
	char name[32];
	int64_t is;
	int ret;

	ret = make_file(probe, new_name(probe, name), "old", 3, &file.nodeid);
	if (!rule_works(probe, RULE_LEGACY, ret, "CREATE"))
		return;
	rule_error(probe, RULE_LEGACY,
		   do_create(probe, probe->dir, name, open_value(probe, flags),
			     &file),
		   17);
	is = try_long_name(probe);
	rule_check(probe, RULE_LEGACY, is == probe->base.enametoolong,
		   "a long name: %s instead of %s", outcome_text(is),
		   outcome_text(probe->base.enametoolong));
	ret = do_open(probe, file.nodeid,
		      open_value(probe, CANON_O_RDONLY | CANON_O_DIRECT |
						CANON_O_LARGEFILE),
		      &file.fh);
	is = outcome_error(probe, ret);
	rule_check(probe, RULE_LEGACY, is == 0 || is == probe->base.open[1],
		   "O_DIRECT: %s", outcome_text(is));
}

void check_legacy(struct probe *probe)
{
	struct hello hello = usual_hello(probe);
	struct greeting greeting;
	uint64_t top, dir = 0;
	int ret;

	if (probe->read_only || !probe->base.known) {
		rule_skip(probe, RULE_LEGACY, "it takes a place to write");
		return;
	}
	hello.arch_id = 0;
	ret = hello_fresh(probe, &hello, &greeting);
	if (is_refusal(probe, ret)) {
		rule_skip(probe, RULE_LEGACY, "it is refused by policy");
		return;
	}
	if (ret == 0 && greeting.opposite)
		ret = -EPROTO;
	if (!rule_works(probe, RULE_LEGACY, ret, "FUSE_INIT"))
		return;
	take_greeting(probe, &hello, &greeting);
	ret = do_lookup(probe, CF_ROOT_ID, probe->top_name, &top);
	if (ret == 0)
		ret = do_mkdir(probe, top, crossfuse_abi_name(probe->abi), 0755,
			       &dir);
	if (ret == 17)
		ret = do_lookup(probe, top, crossfuse_abi_name(probe->abi),
				&dir);
	probe->dir = dir;
	if (ret == 0)
		ret = teach(probe);
	if (rule_works(probe, RULE_LEGACY, ret, "its first requests"))
		expect_understanding(probe);
	probe->dir = 0;
}
