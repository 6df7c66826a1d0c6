// SPDX-License-Identifier: BSD-2-Clause
/* Sections 5.3, 5.4 and 5.6: lock types, poll events, pages. */
#include "client.h"
#include "outcome.h"
#include "session.h"
#include <crossfuse/wire.h>
#include <stdio.h>
#include <string.h>

/* Canonical. */
#define RDLCK 0U
#define WRLCK 1U
#define UNLCK 2U
/* Of no meaning in any group. */
#define NO_TYPE 77U

/* A file that every poll finds ready, and more. */
#define POLL_ALL 0x37c7U

static uint32_t lock_value(const struct probe *probe, uint32_t canonical)
{
	uint32_t type = canonical;

	crossfuse_lock_type(crossfuse_abi_canonical(), probe->form, canonical,
			    &type);
	return type;
}

/* TYPE is as it stands on the wire. */
static int lock(struct probe *probe, uint32_t opcode, const struct file *file,
		uint64_t owner, uint32_t type)
{
	size_t size = opcode == CF_GETLK ? 24 : 0;

	begin_request(probe, opcode, file->nodeid);
	put_u64(probe, file->fh);
	put_u64(probe, owner);
	put_u64(probe, 0); /* start, end */
	put_u64(probe, 9);
	put_u32(probe, type);
	/* As a kernel does, and as F_OFD_GETLK insists on. */
	put_u32(probe, opcode == CF_SETLK && type != lock_value(probe, UNLCK));
	put_u32(probe, 0);
	put_u32(probe, 0);
	return talk(probe, size, size);
}

static void expect_lock(struct probe *probe, enum rule rule,
			const struct file *file, uint32_t ask, uint32_t canon)
{
	uint32_t wanted = lock_value(probe, canon);
	int ret = lock(probe, CF_GETLK, file, 2, lock_value(probe, ask));

	if (rule_works(probe, rule, ret, "GETLK"))
		rule_check(probe, rule, reply_u32(probe, 16) == wanted,
			   "type %u instead of %u", reply_u32(probe, 16),
			   wanted);
}

static void try_locks(struct probe *probe, const struct file *file)
{
	int ret;

	ret = lock(probe, CF_SETLK, file, 1, lock_value(probe, WRLCK));
	if (rule_works(probe, RULE_LOCK_HELD, ret, "SETLK with F_WRLCK"))
		expect_lock(probe, RULE_LOCK_HELD, file, RDLCK, WRLCK);
	ret = lock(probe, CF_SETLK, file, 1, lock_value(probe, UNLCK));
	if (rule_works(probe, RULE_LOCK_FREE, ret, "SETLK with F_UNLCK"))
		expect_lock(probe, RULE_LOCK_FREE, file, WRLCK, UNLCK);
	ret = lock(probe, CF_SETLK, file, 1, lock_value(probe, RDLCK));
	if (rule_works(probe, RULE_LOCK_HELD, ret, "SETLK with F_RDLCK"))
		expect_lock(probe, RULE_LOCK_HELD, file, WRLCK, RDLCK);
	lock(probe, CF_SETLK, file, 1, lock_value(probe, UNLCK));
	ret = lock(probe, CF_SETLK, file, 1, NO_TYPE);
	rule_error(probe, RULE_LOCK_TYPE, ret, 22);
}

void check_locks(struct probe *probe)
{
	struct file file = { 0 };
	int ret;

	if (!(probe->flags & POSIX_LOCKS)) {
		for (int i = RULE_LOCK_HELD; i <= RULE_LOCK_TYPE; i++)
			rule_skip(probe, (enum rule)i,
				  "FUSE_POSIX_LOCKS is not negotiated");
		return;
	}
	ret = make_open_file(probe, "", 0, CANON_O_RDWR, &file);
	if (!rule_works(probe, RULE_LOCK_HELD, ret, "OPEN"))
		return;
	try_locks(probe, &file);
	do_release(probe, &file);
}

int64_t try_poll(struct probe *probe)
{
	struct file file = { 0 };
	int64_t result;
	int ret;

	ret = make_open_file(probe, "", 0, CANON_O_RDWR, &file);
	if (ret)
		return OUTCOME_UNKNOWN;
	begin_request(probe, CF_POLL, file.nodeid);
	put_u64(probe, file.fh);
	put_u64(probe, 0);
	put_u32(probe, 0);
	put_u32(probe, crossfuse_poll_events(crossfuse_abi_canonical(),
					     probe->form, POLL_ALL, NULL));
	ret = talk(probe, 8, 8);
	/* As it stands on the wire: several events may share a bit. */
	result = ret ? outcome_error(probe, ret) : (int64_t)reply_u32(probe, 0);
	do_release(probe, &file);
	return result;
}

void check_poll(struct probe *probe)
{
	int64_t is = probe->current.poll, base = probe->base.poll;

	if (!probe->base.known || !probe->current.known)
		return;
	if (base < 0) {
		rule_skip(probe, RULE_POLL_EVENTS,
			  "this server's own clients get %s",
			  outcome_text(base));
		return;
	}
	base = crossfuse_poll_events(probe->server, probe->form, (uint32_t)base,
				     NULL);
	rule_check(probe, RULE_POLL_EVENTS, is == base, "%s instead of %s",
		   outcome_text(is), outcome_text(base));
}

/* The largest message, from pages of the client's, or canonical ones. */
void check_pages(struct probe *probe)
{
	uint32_t page = probe->canonical ? 4096
					 : crossfuse_abi_page_size(probe->abi);
	int64_t bytes = probe->base.max_bytes, wanted;

	if (!(probe->greeting.flags & INIT_MAX_PAGES)) {
		rule_skip(probe, RULE_MAX_PAGES,
			  "FUSE_MAX_PAGES is not negotiated");
		return;
	}
	if (bytes == OUTCOME_UNKNOWN || page == 0) {
		rule_skip(probe, RULE_MAX_PAGES, "the page size of %s is open",
			  page ? "the server" : "its machines");
		return;
	}
	wanted = (bytes + page - 1) / page;
	if (wanted > 65535)
		wanted = 65535;
	rule_check(probe, RULE_MAX_PAGES, probe->greeting.max_pages == wanted,
		   "%u instead of %u", probe->greeting.max_pages,
		   (unsigned int)wanted);
}
