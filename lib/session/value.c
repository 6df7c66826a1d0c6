/* SPDX-License-Identifier: BSD-2-Clause */
/* Single values of a message, from one side's ABI to the other's. */
#include "private.h"
#include <errno.h>

/*
 * The flags of an open file come with each of its requests: what was
 * translated last is kept.
 */
#if HAVE_LAST_FLAGS
#define FLAGS_BITS 28

static bool recall_open_flags(struct session *s, unsigned int client,
			      uint32_t old, uint32_t *ret_now)
{
	uint64_t last =
		atomic_load_explicit(&s->last_flags, memory_order_relaxed);
	uint64_t wanted = (uint64_t)client << FLAGS_BITS | old;

	if (!old || old >> FLAGS_BITS || last >> FLAGS_BITS != wanted)
		return false;
	*ret_now = (uint32_t)last & ((UINT32_C(1) << FLAGS_BITS) - 1);
	return true;
}

static void keep_open_flags(struct session *s, unsigned int client,
			    uint32_t old, uint32_t now)
{
	uint64_t last = ((uint64_t)client << FLAGS_BITS | old) << FLAGS_BITS;

	if (!((old | now) >> FLAGS_BITS))
		atomic_store_explicit(&s->last_flags, last | now,
				      memory_order_relaxed);
}
#else
static bool recall_open_flags(struct session *s, unsigned int client,
			      uint32_t old, uint32_t *ret_now)
{
	(void)s, (void)client, (void)old, (void)ret_now;
	return false;
}

static void keep_open_flags(struct session *s, unsigned int client,
			    uint32_t old, uint32_t now)
{
	(void)s, (void)client, (void)old, (void)now;
}
#endif

static uint32_t open_flags(struct session *s, uint32_t state, uint32_t opcode,
			   uint32_t old)
{
	uint32_t unknown = 0;
	uint32_t now;

	if (recall_open_flags(s, client_id(state), old, &now))
		return now;
	now = crossfuse_open_flags(client_abi(s, state), s->config.server, old,
				   &unknown);
	if (unknown)
		cf_session_unknown(s, CROSSFUSE_EVENT_UNKNOWN_FLAGS, opcode,
				   unknown);
	else
		keep_open_flags(s, client_id(state), old, now);
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

int cf_value_of_request(struct session *s, uint32_t state, unsigned int kind,
			uint32_t opcode, uint32_t old, uint32_t *ret_now)
{
	switch (kind) {
	case CROSSFUSE_KIND_OPEN_FLAGS:
		*ret_now = open_flags(s, state, opcode, old);
		return 0;
	case CROSSFUSE_KIND_LOCK:
		return lock_type(s, client_abi(s, state), s->config.server,
				 opcode, old, ret_now);
	case CROSSFUSE_KIND_POLL:
		*ret_now = poll_events(s, client_abi(s, state),
				       s->config.server, opcode, old);
		return 0;
	default:
		*ret_now = old;
		return 0;
	}
}

int32_t cf_value_of_error(struct session *s, uint32_t state, uint32_t opcode,
			  int32_t error)
{
	bool known = true;
	int32_t now;

	if (error >= 0)
		return error;
	now = crossfuse_errno(s->config.server, client_abi(s, state), -error,
			      &known);
	if (!known)
		cf_session_unknown(s, CROSSFUSE_EVENT_UNKNOWN_ERRNO, opcode,
				   (uint32_t)-error);
	return -now;
}

int cf_value_of_reply(struct session *s, uint32_t state, unsigned int kind,
		      uint32_t opcode, uint32_t old, uint32_t *ret_now)
{
	switch (kind) {
	case CROSSFUSE_KIND_ERRNO:
		*ret_now = old;
		if ((int32_t)old < 0 && (int32_t)old >= -4095)
			*ret_now = (uint32_t)cf_value_of_error(s, state, opcode,
							       (int32_t)old);
		return 0;
	case CROSSFUSE_KIND_LOCK:
		return lock_type(s, s->config.server, client_abi(s, state),
				 opcode, old, ret_now);
	case CROSSFUSE_KIND_POLL:
		*ret_now = poll_events(s, s->config.server,
				       client_abi(s, state), opcode, old);
		return 0;
	default:
		*ret_now = old;
		return 0;
	}
}
