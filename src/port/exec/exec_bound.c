// SPDX-License-Identifier: BSD-2-Clause
/* What is arranged in messages between a client and a daemon. */
#include "exec.h"
#include <string.h>

/*
 * Of what the kernel and a daemon may agree on, this is between those two
 * alone: it needs /dev/fuse.
 */
#define DEVICE_ONLY                                                         \
	(CF_INIT_SPLICE_WRITE | CF_INIT_SPLICE_MOVE | CF_INIT_SPLICE_READ | \
	 CF_INIT_PASSTHROUGH | CF_INIT_OVER_IO_URING)

/*
 * From minor 14 on libfuse takes its device for one that can be spliced to, and
 * a message would come in pieces. Nothing else that it does by the minor is
 * different from 13 up, but for notifications that store data.
 */
#define MINOR_WITHOUT_SPLICE 13

/* The reply to a minor below 23. */
#define SHORT_INIT_OUT 24

#define LOW(flags)  ((uint32_t)(flags))
#define HIGH(flags) ((uint32_t)((flags) >> 32))

void exec_init_request(void *request, size_t len, bool splices)
{
	struct cf_init_in *in =
		(void *)((char *)request + sizeof(struct cf_in_header));

	len -= sizeof(struct cf_in_header);
	if (!splices && in->minor > MINOR_WITHOUT_SPLICE)
		in->minor = MINOR_WITHOUT_SPLICE;
	in->flags &= ~LOW(DEVICE_ONLY);
	/* A client may say so in a request that does not have them. */
	if (in->flags & CF_INIT_EXT &&
	    len >= offsetof(struct cf_init_in, flags2) + sizeof(in->flags2))
		in->flags2 &= ~HIGH(DEVICE_ONLY);
}

/* The client's kernel reads a reply of today's length. */
static void complete_init(struct cf_init_out *out)
{
	memset((char *)out + SHORT_INIT_OUT, 0, sizeof(*out) - SHORT_INIT_OUT);
	out->time_gran = 1;
	out->max_pages = UINT16_MAX;
}

size_t exec_init_reply(void *reply, size_t out_len, uint32_t max_data)
{
	struct cf_out_header *header = reply;
	struct cf_init_out *out = (void *)(header + 1);

	if (header->error || out_len < sizeof(*header) + SHORT_INIT_OUT)
		return out_len;
	if (out_len < sizeof(*header) + sizeof(*out)) {
		complete_init(out);
		out_len = sizeof(*header) + sizeof(*out);
		header->len = (uint32_t)out_len;
	}
	if (out->max_write > max_data)
		out->max_write = max_data;
	out->flags &= ~LOW(DEVICE_ONLY);
	if (out->flags & CF_INIT_EXT)
		out->flags2 &= ~HIGH(DEVICE_ONLY);
	if (out->max_pages > max_data / 4096)
		out->max_pages = (uint16_t)(max_data / 4096);
	return out_len;
}

/* VALID and NSEC are a time to keep something; whether it was too long. */
static bool limit(uint64_t *valid, uint32_t *nsec, uint64_t seconds)
{
	if (*valid < seconds || (*valid == seconds && !*nsec))
		return false;
	*valid = seconds;
	*nsec = 0;
	return true;
}

static bool limit_entry(struct cf_entry_out *entry, uint64_t seconds)
{
	bool shorter;

	shorter = limit(&entry->entry_valid, &entry->entry_valid_nsec, seconds);
	shorter |= limit(&entry->attr_valid, &entry->attr_valid_nsec, seconds);
	return shorter;
}

static bool limit_open(struct cf_open_out *open)
{
	const uint32_t keep = CF_FOPEN_KEEP_CACHE | CF_FOPEN_CACHE_DIR;
	bool shorter = open->open_flags & keep;

	open->open_flags &= ~keep;
	return shorter;
}

/* The attributes in the body of a reply, of LEN bytes. */
static bool limit_attributes(uint32_t opcode, void *body, size_t len,
			     uint64_t seconds)
{
	struct cf_attr_out *attr = body;
	struct cf_statx_out *statx = body;

	switch (opcode) {
	case CF_GETATTR:
	case CF_SETATTR:
		return len >= sizeof(*attr) &&
		       limit(&attr->attr_valid, &attr->attr_valid_nsec,
			     seconds);
	case CF_STATX:
		return len >= sizeof(*statx) &&
		       limit(&statx->attr_valid, &statx->attr_valid_nsec,
			     seconds);
	default:
		return false;
	}
}

bool exec_limit_caching(struct call *call, size_t out_len, uint64_t seconds)
{
	const struct cf_out_header *header = call->out;
	struct granted granted = granted_first(call, out_len);
	bool shorter;

	if (header->error)
		return false;
	shorter = limit_attributes(call->state.opcode, call_out_arg(call),
				   out_len - sizeof(*header), seconds);
	while (granted_next(&granted)) {
		if (granted.entry)
			shorter |= limit_entry(granted.entry, seconds);
		if (granted.open)
			shorter |= limit_open(granted.open);
	}
	return shorter;
}
