// SPDX-License-Identifier: BSD-2-Clause
/* Sections 4 and 7: malformed requests, replies, records. */
#include "client.h"
#include "session.h"
#include <crossfuse/wire.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct listing listing;

/* Refused, and the connection goes on. */
static void expect_refusal(struct probe *probe, enum rule rule, int ret)
{
	if (ret < 0) {
		rule_works(probe, rule, ret, "it");
		return;
	}
	rule_check(probe, rule, ret > 0, "it is taken");
	ret = do_getattr(probe, CF_ROOT_ID);
	rule_works(probe, rule, ret, "GETATTR after it");
}

static void check_bad_length(struct probe *probe)
{
	int ret;

	if (!probe->link.keeps_lengths) {
		rule_skip(probe, RULE_BAD_LENGTH,
			  "a stream has no other length than this");
		return;
	}
	begin_request(probe, CF_GETATTR, CF_ROOT_ID);
	put_zeros(probe, 16);
	probe->lie = 8;
	ret = talk(probe, 0, LINK_MESSAGE_MAX);
	/* Where a message ends may not be known any more. */
	if (ret == -ECONNRESET && session_mend(probe) == 0)
		rule_ok(probe, RULE_BAD_LENGTH);
	else
		expect_refusal(probe, RULE_BAD_LENGTH, ret);
}

static void check_bad_short(struct probe *probe)
{
	begin_request(probe, CF_OPENDIR, CF_ROOT_ID);
	put_zeros(probe, 4);
	expect_refusal(probe, RULE_BAD_SHORT, talk(probe, 0, LINK_MESSAGE_MAX));
}

/* Only a translator cannot do without knowing where a request ends. */
static void check_bad_long(struct probe *probe)
{
	if (!is_translated(probe)) {
		rule_skip(probe, RULE_BAD_LONG, "nothing is translated");
		return;
	}
	begin_request(probe, CF_GETATTR, CF_ROOT_ID);
	put_zeros(probe, 16 + 8);
	expect_refusal(probe, RULE_BAD_LONG, talk(probe, 0, LINK_MESSAGE_MAX));
}

static void check_bad_name(struct probe *probe)
{
	begin_request(probe, CF_LOOKUP, CF_ROOT_ID);
	put_bytes(probe, "name-without-end", 16);
	expect_refusal(probe, RULE_BAD_NAME, talk(probe, 0, LINK_MESSAGE_MAX));
}

static void check_bad_count(struct probe *probe)
{
	struct file file = { 0 };
	int ret;

	if (!probe->dir)
		return;
	ret = make_open_file(probe, "", 0, CANON_O_RDWR, &file);
	if (!rule_works(probe, RULE_BAD_COUNT, ret, "OPEN"))
		return;
	begin_request(probe, CF_WRITE, file.nodeid);
	put_u64(probe, file.fh);
	put_u64(probe, 0);
	put_u32(probe, 4096); /* where 8 follow */
	put_zeros(probe, 20 + 8);
	expect_refusal(probe, RULE_BAD_COUNT, talk(probe, 0, LINK_MESSAGE_MAX));
	if (!probe->broken)
		do_release(probe, &file);
}

/* MKDIR with EXTLEN units of 8 bytes said to be extensions. */
static void begin_extended(struct probe *probe, const char *name,
			   unsigned int extlen)
{
	begin_request(probe, CF_MKDIR, probe->dir);
	probe->request_len = 36;
	put_u16(probe, (uint16_t)extlen);
	put_u16(probe, 0);
	put_u32(probe, 0755);
	put_u32(probe, 0);
	put_name(probe, name);
}

static void check_bad_extension(struct probe *probe)
{
	char name[32];

	if (!probe->dir)
		return;
	if (!(probe->flags & CREATE_GROUPS) || probe->minor < 38) {
		rule_skip(probe, RULE_BAD_EXTENSION,
			  "extensions are not negotiated");
		return;
	}
	begin_extended(probe, new_name(probe, name), 2);
	put_u32(probe, 64); /* size, where 16 are there */
	put_u32(probe, CF_EXT_GROUPS);
	put_u32(probe, 1);
	put_u32(probe, 0);
	expect_refusal(probe, RULE_BAD_EXTENSION, talk(probe, 0, 128));
}

static void check_groups(struct probe *probe)
{
	uint32_t group;
	char name[32];
	int ret;

	if (!probe->dir)
		return;
	if (!(probe->flags & CREATE_GROUPS) || probe->minor < 38) {
		rule_skip(probe, RULE_GROUPS,
			  "FUSE_CREATE_SUPP_GROUP is not negotiated");
		return;
	}
	/* The group of the directory is the only one that is sent. */
	ret = do_getattr(probe, probe->dir);
	if (!rule_works(probe, RULE_GROUPS, ret, "GETATTR"))
		return;
	group = reply_u32(probe, 88);
	begin_extended(probe, new_name(probe, name), 2);
	put_u32(probe, 16);
	put_u32(probe, CF_EXT_GROUPS);
	put_u32(probe, 1);
	put_u32(probe, group);
	ret = talk(probe, 128, 128);
	if (rule_works(probe, RULE_GROUPS, ret, "MKDIR"))
		rule_ok(probe, RULE_GROUPS);
}

void check_malformed(struct probe *probe)
{
	static void (*const checks[])(struct probe *) = {
		check_bad_length, check_bad_short, check_bad_long,
		check_bad_name,	  check_bad_count, check_bad_extension,
	};

	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
		if (session_mend(probe) < 0)
			return;
		checks[i](probe);
	}
}

static void check_forget(struct probe *probe)
{
	uint64_t nodeid = 0;
	int ret;

	if (probe->dir && probe->top)
		ret = do_lookup(probe, CF_ROOT_ID, probe->top_name, &nodeid);
	else
		ret = 0;
	if (!rule_works(probe, RULE_NO_REPLY, ret, "LOOKUP"))
		return;
	begin_request(probe, CF_FORGET, nodeid ? nodeid : CF_ROOT_ID);
	put_u64(probe, nodeid ? 1 : 0);
	probe->forget_unique = probe->unique;
	ret = send_only(probe);
	if (ret == 0)
		ret = do_getattr(probe, CF_ROOT_ID);
	if (rule_works(probe, RULE_NO_REPLY, ret, "GETATTR after it"))
		rule_ok(probe, RULE_NO_REPLY);
}

static void check_interrupt(struct probe *probe)
{
	int ret;

	if (probe->link.ops == &virtio_link_ops) {
		rule_skip(probe, RULE_INTERRUPT, "virtio-fs drivers send none");
		return;
	}
	begin_request(probe, CF_INTERRUPT, 0);
	put_u64(probe, probe->unique - 2); /* of a request long answered */
	probe->interrupt_unique = probe->unique;
	ret = send_only(probe);
	for (int i = 0; ret == 0 && i < 2; i++)
		ret = do_getattr(probe, CF_ROOT_ID);
	if (rule_works(probe, RULE_INTERRUPT, ret, "GETATTR after it"))
		rule_ok(probe, RULE_INTERRUPT);
}

void check_messages(struct probe *probe)
{
	/* Nothing else asks for it: what is wrong shows in the reply. */
	do_statfs(probe);
	check_forget(probe);
	check_interrupt(probe);
	check_groups(probe);
}

/* The last of a session. */
void check_destroy(struct probe *probe)
{
	int ret;

	begin_request(probe, CF_DESTROY, 0);
	ret = talk(probe, 0, 0);
	probe->session = false;
	rule_check(probe, RULE_DESTROY, ret == 0, "%s", error_text(probe, ret));
}

#define ENTRIES 40U

static bool listed_once(const struct listing *list, const char *name)
{
	unsigned int found = 0;

	for (unsigned int i = 0; i < list->count; i++)
		if (strcmp(list->names[i], name) == 0)
			found++;
	return found == 1;
}

static void check_listing(struct probe *probe, enum rule rule, uint64_t dir,
			  bool plus)
{
	int ret = list_directory(probe, dir, &listing, plus);
	char name[32];

	if (!rule_works(probe, rule, ret, plus ? "READDIRPLUS" : "READDIR"))
		return;
	rule_check(probe, rule, !listing.fault, "%s", listing.fault);
	if (listing.fault || !probe->dir)
		return;
	for (unsigned int i = 0; i < ENTRIES; i++) {
		snprintf(name, sizeof(name), "entry-%0*u", (int)(i % 8 + 1), i);
		rule_check(probe, rule, listed_once(&listing, name),
			   "%s is not listed once", name);
	}
	for (unsigned int i = 0; i < listing.count; i++) {
		bool ours = listing.names[i][0] == 'e';

		rule_check(probe, rule,
			   !ours || listing.types[i] == 4 /* DT_DIR */,
			   "type %u of a directory", listing.types[i]);
		rule_check(probe, rule, !ours || !plus || listing.nodeids[i],
			   "an entry has no node id");
	}
}

void check_records(struct probe *probe)
{
	uint64_t dir = CF_ROOT_ID, nodeid;
	char name[32];
	int ret = 0;

	if (probe->dir) {
		ret = do_mkdir(probe, probe->dir, new_name(probe, name), 0755,
			       &dir);
		for (unsigned int i = 0; ret == 0 && i < ENTRIES; i++) {
			snprintf(name, sizeof(name), "entry-%0*u",
				 (int)(i % 8 + 1), i);
			ret = do_mkdir(probe, dir, name, 0755, &nodeid);
		}
	}
	if (!rule_works(probe, RULE_DIRENTS, ret, "MKDIR"))
		return;
	check_listing(probe, RULE_DIRENTS, dir, false);
	if (probe->flags & DO_READDIRPLUS)
		check_listing(probe, RULE_DIRENTS_PLUS, dir, true);
	else
		rule_skip(probe, RULE_DIRENTS_PLUS,
			  "FUSE_DO_READDIRPLUS is not negotiated");
}
