/* SPDX-License-Identifier: BSD-2-Clause */
/* Single values of a message, from one side's ABI to the other's. */
#include "private.h"
#include <errno.h>

/*
 * The flags of an open file come with each of its requests: what was
 * translated last is kept, as long as the client's ABI stays what it is.
 */
#if HAVE_LAST_FLAGS
static bool recall_open_flags(struct session *s, uint32_t old,
			      uint32_t *ret_now)
{
	uint64_t last =
		atomic_load_explicit(&s->last_flags, memory_order_relaxed);

	if (!old || old != last >> 32)
		return false;
	*ret_now = (uint32_t)last;
	return true;
}

static void keep_open_flags(struct session *s, uint32_t old, uint32_t now)
{
	atomic_store(&s->last_flags, (uint64_t)old << 32 | now);
}

void cf_forget_open_flags(struct session *s)
{
	atomic_store(&s->last_flags, 0);
}
#else
static bool recall_open_flags(struct session *s, uint32_t old,
			      uint32_t *ret_now)
{
	(void)s, (void)old, (void)ret_now;
	return false;
}

static void keep_open_flags(struct session *s, uint32_t old, uint32_t now)
{
	(void)s, (void)old, (void)now;
}

void cf_forget_open_flags(struct session *s)
{
	s->last_flags = 0;
}
#endif

static uint32_t open_flags(struct session *s, uint32_t opcode, uint32_t old)
{
	const struct crossfuse_abi *client;
	uint32_t unknown = 0;
	uint32_t now;

	if (recall_open_flags(s, old, &now))
		return now;
	client = client_abi(s);
	now = crossfuse_open_flags(client, s->config.server, old, &unknown);
	if (unknown) {
		cf_session_unknown(s, CROSSFUSE_EVENT_UNKNOWN_FLAGS, opcode,
				   unknown);
		return now;
	}
	keep_open_flags(s, old, now);
	/* Whoever changes the ABI does so before it forgets the flags. */
	if (client != client_abi(s))
		cf_forget_open_flags(s);
	return now;
}

static uint32_t poll_events(struct session *s, const struct crossfuse_abi *from,
			    const struct crossfuse_abi *to, uint32_t opcode,
			    uint32_t old)
{
	uint32_t unknown = 0;
	uint32_t now = crossfuse_poll_events(from, to, old, &unknown);

	if (unknown)
		cf_session_unknown(s, CROSSFUSE_EVENT_UNKNOWN_POLL, opcode,
				   unknown);
	return now;
}

static int lock_type(struct session *s, const struct crossfuse_abi *from,
		     const struct crossfuse_abi *to, uint32_t opcode,
		     uint32_t old, uint32_t *ret_now)
{
	int err = crossfuse_lock_type(from, to, old, ret_now);

	if (err)
		cf_session_unknown(s, CROSSFUSE_EVENT_UNKNOWN_LOCK, opcode,
				   old);
	return err;
}

int cf_value_of_request(struct session *s, unsigned int kind, uint32_t opcode,
			uint32_t old, uint32_t *ret_now)
{
	switch (kind) {
	case CROSSFUSE_KIND_OPEN_FLAGS:
		*ret_now = open_flags(s, opcode, old);
		return 0;
	case CROSSFUSE_KIND_LOCK:
		return lock_type(s, client_abi(s), s->config.server, opcode,
				 old, ret_now);
	case CROSSFUSE_KIND_POLL:
		*ret_now = poll_events(s, client_abi(s), s->config.server,
				       opcode, old);
		return 0;
	default:
		*ret_now = old;
		return 0;
	}
}

int32_t cf_value_of_error(struct session *s, uint32_t opcode, int32_t error)
{
	bool known = true;
	int32_t now;

	if (error >= 0)
		return error;
	now = crossfuse_errno(s->config.server, client_abi(s), -error, &known);
	if (!known)
		cf_session_unknown(s, CROSSFUSE_EVENT_UNKNOWN_ERRNO, opcode,
				   (uint32_t)-error);
	return -now;
}

int cf_value_of_reply(struct session *s, unsigned int kind, uint32_t opcode,
		      uint32_t old, uint32_t *ret_now)
{
	switch (kind) {
	case CROSSFUSE_KIND_ERRNO:
		*ret_now = old;
		if ((int32_t)old < 0 && (int32_t)old >= -4095)
			*ret_now = (uint32_t)cf_value_of_error(s, opcode,
							       (int32_t)old);
		return 0;
	case CROSSFUSE_KIND_LOCK:
		return lock_type(s, s->config.server, client_abi(s), opcode,
				 old, ret_now);
	case CROSSFUSE_KIND_POLL:
		*ret_now = poll_events(s, s->config.server, client_abi(s),
				       opcode, old);
		return 0;
	default:
		*ret_now = old;
		return 0;
	}
}
