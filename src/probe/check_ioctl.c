// SPDX-License-Identifier: BSD-2-Clause
/* Sections 5.5 and 6: ioctl numbers and their payloads. */
#include "client.h"
#include "outcome.h"
#include "session.h"
#include <crossfuse/wire.h>
#include <stdio.h>
#include <string.h>

/* Canonical numbers; those of flags with a long of 64 bits. */
#define GETFLAGS   0x80086601U
#define SETFLAGS   0x40086602U
#define GETFLAGS_4 0x80046601U
#define SETFLAGS_4 0x40046602U
#define FSGETXATTR 0x801c581fU
#define NO_IOCTL   0x0000214dU

/* fuse_ioctl_in.flags */
#define IOCTL_COMPAT 0x1U
#define IOCTL_32BIT  0x8U

#define NODUMP 0x40U /* FS_NODUMP_FL */

struct request {
	uint32_t cmd; /* as it stands on the wire */
	uint32_t flags;
	const uint32_t *in; /* or NULL */
	uint32_t out_size;
};

static bool is_short(const struct probe *probe)
{
	return crossfuse_abi_long_bits(probe->abi) == 32;
}

static uint32_t number(const struct probe *probe, uint32_t canonical)
{
	uint32_t cmd = canonical;

	crossfuse_ioctl_cmd(crossfuse_abi_canonical(), probe->form, canonical,
			    &cmd);
	return cmd;
}

static int run(struct probe *probe, const struct file *file,
	       const struct request *request)
{
	begin_request(probe, CF_IOCTL, file->nodeid);
	put_u64(probe, file->fh);
	put_u32(probe, request->flags | (is_short(probe) ? IOCTL_32BIT : 0));
	put_u32(probe, request->cmd);
	put_u64(probe, 0x1000); /* arg */
	put_u32(probe, request->in ? 4 : 0);
	put_u32(probe, request->out_size);
	if (request->in)
		put_u32(probe, *request->in);
	return talk(probe, 16, 16 + (size_t)request->out_size);
}

/* GETFLAGS with a long of LONG_SIZE bytes in its number. */
static int64_t get_flags(struct probe *probe, const struct file *file,
			 bool small)
{
	struct request request = {
		.cmd = number(probe, small ? GETFLAGS_4 : GETFLAGS),
		.flags = small && !is_short(probe) ? IOCTL_COMPAT | IOCTL_32BIT
						   : 0,
		.out_size = 4,
	};
	int ret = run(probe, file, &request);

	return ret ? outcome_error(probe, ret) : (int64_t)reply_u32(probe, 16);
}

static int64_t set_flags(struct probe *probe, const struct file *file)
{
	uint32_t value = NODUMP;
	struct request request = {
		.cmd = number(probe, is_short(probe) ? SETFLAGS_4 : SETFLAGS),
		.in = &value,
	};

	return outcome_error(probe, run(probe, file, &request));
}

static int64_t get_xattr(struct probe *probe, const struct file *file)
{
	struct request request = {
		.cmd = number(probe, FSGETXATTR),
		.out_size = 28,
	};
	int ret = run(probe, file, &request);

	return ret ? outcome_error(probe, ret) : (int64_t)reply_u32(probe, 16);
}

void try_ioctls(struct probe *probe, struct outcomes *outcomes)
{
	struct request unknown = { .cmd = number(probe, NO_IOCTL) };
	struct file file;

	outcomes->ioctl_flags = OUTCOME_UNKNOWN;
	outcomes->ioctl_xattr = OUTCOME_UNKNOWN;
	outcomes->ioctl_unknown = OUTCOME_UNKNOWN;
	if (make_open_file(probe, "", 0, CANON_O_RDWR, &file))
		return;
	outcomes->ioctl_flags = set_flags(probe, &file);
	if (outcomes->ioctl_flags == 0)
		outcomes->ioctl_flags =
			get_flags(probe, &file, is_short(probe));
	outcomes->ioctl_xattr = get_xattr(probe, &file);
	outcomes->ioctl_unknown =
		outcome_error(probe, run(probe, &file, &unknown));
	do_release(probe, &file);
}

static void check_outcome(struct probe *probe, enum rule rule, int64_t is,
			  int64_t base)
{
	if (base < 0)
		rule_skip(probe, rule, "this server's own clients get %s",
			  outcome_text(base));
	else
		rule_check(probe, rule, is == base, "%s instead of %s",
			   outcome_text(is), outcome_text(base));
}

static void check_unknown(struct probe *probe)
{
	const struct outcomes *is = &probe->current, *base = &probe->base;

	if (base->ioctl_unknown == -38 || base->ioctl_unknown == -95)
		rule_skip(probe, RULE_IOCTL_UNKNOWN,
			  "this server has no ioctl at all");
	else
		rule_check(probe, RULE_IOCTL_UNKNOWN, is->ioctl_unknown == -25,
			   "%s", outcome_text(is->ioctl_unknown));
}

/* Whether a payload must be known to be carried (section 6, rules 4 and 5). */
static bool needs_layout(const struct probe *probe)
{
	unsigned int bits =
		probe->canonical ? 64 : crossfuse_abi_long_bits(probe->abi);

	if (!is_translated(probe))
		return false;
	if (is_short(probe)) /* FUSE_IOCTL_32BIT is set */
		bits = 32;
	return bits != crossfuse_abi_long_bits(probe->server) ||
	       crossfuse_abi_big_endian(probe->abi) !=
		       crossfuse_abi_big_endian(probe->server);
}

static void check_sizes(struct probe *probe, const struct file *file)
{
	struct request odd = {
		.cmd = number(probe, is_short(probe) ? GETFLAGS_4 : GETFLAGS),
		.out_size = 5,
	};
	int64_t base = probe->base.ioctl_flags;

	if (!probe->canonical && is_short(probe))
		rule_skip(probe, RULE_IOCTL_LONG,
			  "it has one size only, of 4 bytes");
	else
		for (int small = 0; small < 2; small++)
			check_outcome(probe, RULE_IOCTL_LONG,
				      get_flags(probe, file, small), base);
	if (!needs_layout(probe))
		rule_skip(probe, RULE_IOCTL_LENGTH,
			  "every payload passes as it is");
	else
		rule_error(probe, RULE_IOCTL_LENGTH, run(probe, file, &odd),
			   25);
}

void check_ioctl(struct probe *probe)
{
	const struct outcomes *is = &probe->current, *base = &probe->base;
	struct file file;
	int ret;

	if (!base->known || !is->known)
		return;
	check_unknown(probe);
	check_outcome(probe, RULE_IOCTL_FLAGS, is->ioctl_flags,
		      base->ioctl_flags);
	if (is->ioctl_flags != base->ioctl_flags)
		rule_skip(probe, RULE_IOCTL_PAYLOAD,
			  "there are no flags that it could tell of");
	else
		check_outcome(probe, RULE_IOCTL_PAYLOAD, is->ioctl_xattr,
			      base->ioctl_xattr);
	if (base->ioctl_flags < 0) {
		rule_skip(probe, RULE_IOCTL_LONG, "it has no FS_IOC_GETFLAGS");
		rule_skip(probe, RULE_IOCTL_LENGTH,
			  "it has no FS_IOC_GETFLAGS");
		return;
	}
	ret = make_open_file(probe, "", 0, CANON_O_RDWR, &file);
	if (!rule_works(probe, RULE_IOCTL_LONG, ret, "OPEN"))
		return;
	if (rule_works(probe, RULE_IOCTL_LONG, ret, "OPEN") &&
	    set_flags(probe, &file) == 0)
		check_sizes(probe, &file);
	do_release(probe, &file);
}
