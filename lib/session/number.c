/* SPDX-License-Identifier: BSD-2-Clause */
/* For proxies: requests under other numbers, and how much room a reply needs. */
#include "../message/bytes.h"
#include "private.h"
#include <errno.h>

#define UNIQUE_AT offsetof(struct cf_in_header, unique)

enum {
	IN_HEAD = sizeof(struct cf_in_header),
	OUT_HEAD = sizeof(struct cf_out_header),
	INTERRUPT_LEN = IN_HEAD + sizeof(struct cf_interrupt_in),
	/* What a client whose pages have 64 KiB takes of a link's target. */
	READLINK_MAX = 65535,
};

static bool server_swapped(const struct crossfuse_call *call)
{
	return call->private_word & MODE_OUT_SWAP;
}

int crossfuse_call_renumber(struct crossfuse_call *call, void *head,
			    size_t head_len, uint64_t unique)
{
	bool swapped = server_swapped(call);
	uint8_t *at = head;

	if (call->opcode == CF_NOTIFY_REPLY)
		return -EINVAL;
	if (call->opcode == CF_INTERRUPT) {
		if (head_len < INTERRUPT_LEN)
			return -EBADMSG;
		cf_put64(at + IN_HEAD, unique, swapped);
		unique |= CF_INT_REQ_BIT;
	}
	cf_put64(at + UNIQUE_AT, unique, swapped);
	call->private_data[CALL_NUMBER] = unique ^ call->unique;
	return 0;
}

int crossfuse_interrupt_unique(const struct crossfuse_call *call,
			       const void *head, size_t head_len,
			       uint64_t *ret_unique)
{
	if (call->opcode != CF_INTERRUPT)
		return -EINVAL;
	if (head_len < INTERRUPT_LEN)
		return -EBADMSG;
	*ret_unique =
		cf_get64((const uint8_t *)head + IN_HEAD, server_swapped(call));
	return 0;
}

uint64_t crossfuse_reply_unique(const struct crossfuse_session *session,
				const void *header)
{
	const struct session *s = session_of_const(session);
	uint32_t mode = state_of(s);

	return cf_get64((const uint8_t *)header +
				offsetof(struct cf_out_header, unique),
			mode & MODE_OUT_SWAP);
}

/* A request, in the server's form, for looking at its sizes. */
struct request {
	const uint8_t *body;
	size_t len;
	bool swapped;
};

static int64_t field(const struct request *r, size_t at)
{
	if (r->len < at + sizeof(uint32_t))
		return -EBADMSG;
	return cf_get32(r->body + at, r->swapped);
}

/* Of GETXATTR, LISTXATTR: a struct with the size, if none is given. */
static int64_t xattr_len(const struct request *r)
{
	int64_t size = field(r, offsetof(struct cf_getxattr_in, size));

	return size ? size : (int64_t)sizeof(struct cf_getxattr_out);
}

/* The reply may also ask for up to 256 pieces of memory instead. */
static int64_t ioctl_len(const struct request *r)
{
	enum {
		PIECES = CF_IOCTL_MAX_IOV * sizeof(struct cf_ioctl_iovec)
	};
	int64_t size = field(r, offsetof(struct cf_ioctl_in, out_size));

	if (size < 0)
		return size;
	if (size < PIECES)
		size = PIECES;
	return size + (int64_t)sizeof(struct cf_ioctl_out);
}

/* What follows the header. */
static int64_t body_len(uint32_t opcode, const struct request *r,
			const struct crossfuse_layout *reply)
{
	switch (opcode) {
	case CF_READ:
	case CF_READDIR:
	case CF_READDIRPLUS:
		return field(r, offsetof(struct cf_read_in, size));
	case CF_GETXATTR:
	case CF_LISTXATTR:
		return xattr_len(r);
	case CF_IOCTL:
		return ioctl_len(r);
	case CF_READLINK:
		return READLINK_MAX;
	case CF_CUSE_INIT:
		return reply->size + CF_CUSE_INIT_INFO_MAX;
	default:
		return reply->size;
	}
}

int64_t crossfuse_reply_max_len(const struct crossfuse_call *call,
				const void *head, size_t head_len)
{
	const struct crossfuse_opcode *op = cf_opcode(call->opcode);
	struct request r = { .swapped = server_swapped(call) };
	int64_t len;

	if (!op)
		return -ENOSYS;
	if (!op->has_reply)
		return call->opcode == CF_INTERRUPT ? OUT_HEAD : 0;
	if (head_len < IN_HEAD)
		return -EBADMSG;
	r.body = (const uint8_t *)head + IN_HEAD;
	r.len = head_len - IN_HEAD;
	len = body_len(call->opcode, &r, &op->reply);
	return len < 0 ? len : len + OUT_HEAD;
}
