// SPDX-License-Identifier: BSD-2-Clause
/* Section 5.1: open flags, by what they do. */
#include "client.h"
#include "outcome.h"
#include "session.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *outcome_text(int64_t outcome)
{
	static char texts[2][64];
	static unsigned int turn;
	char *text = texts[turn++ % 2];
	const char *name;

	if (outcome == OUTCOME_UNKNOWN)
		return "no result";
	if (outcome >= 0) {
		snprintf(text, sizeof(texts[0]), "success (0x%" PRIx64 ")",
			 (uint64_t)outcome);
		return text;
	}
	name = crossfuse_errno_name(crossfuse_abi_canonical(),
				    (int32_t)(-outcome % OUTCOME_WRITE));
	snprintf(text, sizeof(texts[0]), "%s%s",
		 outcome <= -OUTCOME_WRITE ? "WRITE with " : "",
		 name ? name : "an error of no meaning");
	return text;
}

/* The same as for a client like the server. */
static void same_outcome(struct probe *probe, enum rule rule, const char *what,
			 int64_t is, int64_t base)
{
	if (base == OUTCOME_UNKNOWN)
		rule_skip(probe, rule, "not to be found out with this server");
	else
		rule_check(probe, rule, is == base, "%s: %s instead of %s",
			   what, outcome_text(is), outcome_text(base));
}

static void check_flags(struct probe *probe)
{
	for (size_t i = 0; i < OUTCOME_FLAGS; i++)
		same_outcome(probe, outcome_flags[i].rule,
			     outcome_flags[i].name, probe->current.open[i],
			     probe->base.open[i]);
	same_outcome(probe, RULE_O_OF_WRITE, "O_APPEND",
		     probe->current.write_append, probe->base.write_append);
}

static void check_excl(struct probe *probe)
{
	uint32_t flags = CANON_O_CREAT | CANON_O_EXCL | CANON_O_RDWR;
	struct file file;
	uint64_t nodeid;
	char name[32];
	int ret;

	ret = make_file(probe, new_name(probe, name), "old", 3, &nodeid);
	if (!rule_works(probe, RULE_O_EXCL_HOLDS, ret, "CREATE"))
		return;
	ret = do_create(probe, probe->dir, name, client_flags(probe, flags),
			&file);
	if (ret == 0)
		do_release(probe, &file);
	rule_error(probe, RULE_O_EXCL_HOLDS, ret, 17);
}

/*
 * A kernel makes CREATE without O_EXCL of an old file only when another client
 * was faster: QEMU's virtiofsd, for one, does not survive it.
 */
static bool may_kill(struct probe *probe, enum rule rule)
{
	if (probe->speaks || probe->link.ops->renewable)
		return false;
	rule_skip(probe, rule, "it might end a server of old");
	return true;
}

static void check_creat(struct probe *probe)
{
	uint32_t flags = CANON_O_CREAT | CANON_O_RDWR;
	uint64_t nodeid, size = 0;
	struct file file;
	char name[32];
	int ret;

	if (may_kill(probe, RULE_O_CREAT_HOLDS))
		return;
	ret = make_file(probe, new_name(probe, name), "old", 3, &nodeid);
	if (ret == 0)
		ret = do_create(probe, probe->dir, name,
				client_flags(probe, flags), &file);
	if (!rule_works(probe, RULE_O_CREAT_HOLDS, ret, "CREATE"))
		return;
	do_release(probe, &file);
	ret = do_getsize(probe, nodeid, &size);
	if (rule_works(probe, RULE_O_CREAT_HOLDS, ret, "GETATTR"))
		rule_check(probe, RULE_O_CREAT_HOLDS, size == 3,
			   "3 bytes became %" PRIu64, size);
}

static void check_trunc(struct probe *probe)
{
	uint32_t flags = CANON_O_RDWR | CANON_O_TRUNC;
	struct file file = { 0 };
	uint64_t size = 0;
	int ret;

	if (!(probe->flags & ATOMIC_O_TRUNC)) {
		rule_skip(probe, RULE_O_TRUNC_HOLDS,
			  "FUSE_ATOMIC_O_TRUNC is not negotiated");
		return;
	}
	ret = make_open_file(probe, "old", 3, flags, &file);
	if (!rule_works(probe, RULE_O_TRUNC_HOLDS, ret, "OPEN"))
		return;
	do_release(probe, &file);
	ret = do_getsize(probe, file.nodeid, &size);
	if (rule_works(probe, RULE_O_TRUNC_HOLDS, ret, "GETATTR"))
		rule_check(probe, RULE_O_TRUNC_HOLDS, size == 0,
			   "%" PRIu64 " bytes are left", size);
}

/* What one may not do with a file opened so must fail with EBADF. */
static void check_mode(struct probe *probe)
{
	struct file file = { 0 };
	int ret;

	ret = make_open_file(probe, "old", 3, CANON_O_RDONLY, &file);
	if (!rule_works(probe, RULE_O_ACCMODE_HOLDS, ret, "OPEN"))
		return;
	ret = do_write(probe, &file, 0, "new", 3,
		       client_flags(probe, CANON_O_RDONLY));
	rule_check(probe, RULE_O_ACCMODE_HOLDS, ret > 0,
		   "WRITE with O_RDONLY: %s", error_text(probe, ret));
	do_release(probe, &file);
	ret = do_open(probe, file.nodeid, client_flags(probe, CANON_O_RDWR),
		      &file.fh);
	if (ret == 0)
		ret = do_write(probe, &file, 0, "new", 3,
			       client_flags(probe, CANON_O_RDWR));
	rule_works(probe, RULE_O_ACCMODE_HOLDS, ret, "WRITE with O_RDWR");
	do_release(probe, &file);
}

/* A bit of no meaning to the client that is O_EXCL to the server, or 0. */
static uint32_t misleading_bit(const struct probe *probe)
{
	uint32_t bit = crossfuse_open_flags(crossfuse_abi_canonical(),
					    probe->server, CANON_O_EXCL, NULL);
	uint32_t unknown = 0;

	if (crossfuse_abi_same_group(probe->form, probe->server,
				     CROSSFUSE_GROUP_OPEN_FLAGS))
		return 0;
	crossfuse_open_flags(probe->form, probe->server, bit, &unknown);
	return unknown & bit;
}

static void check_unknown_bit(struct probe *probe)
{
	uint32_t flags = CANON_O_CREAT | CANON_O_RDWR;
	uint32_t bit = misleading_bit(probe);
	struct file file;
	uint64_t nodeid;
	char name[32];
	int ret;

	if (!bit) {
		rule_skip(probe, RULE_UNKNOWN_BIT,
			  "no unknown bit of it means much to the server");
		return;
	}
	if (may_kill(probe, RULE_UNKNOWN_BIT))
		return;
	ret = make_file(probe, new_name(probe, name), "old", 3, &nodeid);
	if (ret == 0)
		ret = do_create(probe, probe->dir, name,
				client_flags(probe, flags) | bit, &file);
	if (rule_works(probe, RULE_UNKNOWN_BIT, ret, "CREATE with it")) {
		do_release(probe, &file);
		rule_ok(probe, RULE_UNKNOWN_BIT);
	}
}

void check_open(struct probe *probe)
{
	check_excl(probe);
	check_creat(probe);
	check_trunc(probe);
	check_mode(probe);
	check_unknown_bit(probe);
	if (probe->base.known && probe->current.known)
		check_flags(probe);
}
