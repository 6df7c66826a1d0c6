/* SPDX-License-Identifier: BSD-2-Clause */
/* Single values of a message, from one side's ABI to the other's. */
#include "private.h"
#include <errno.h>

static uint32_t open_flags(struct session *s, uint32_t opcode, uint32_t old)
{
	uint32_t unknown = 0;
	uint32_t now = crossfuse_open_flags(client_abi(s), s->config.server,
					    old, &unknown);

	if (unknown)
		session_unknown(s, CROSSFUSE_EVENT_UNKNOWN_FLAGS, opcode,
				unknown);
	return now;
}

static uint32_t poll_events(struct session *s, const struct crossfuse_abi *from,
			    const struct crossfuse_abi *to, uint32_t opcode,
			    uint32_t old)
{
	uint32_t unknown = 0;
	uint32_t now = crossfuse_poll_events(from, to, old, &unknown);

	if (unknown)
		session_unknown(s, CROSSFUSE_EVENT_UNKNOWN_POLL, opcode,
				unknown);
	return now;
}

static int lock_type(struct session *s, const struct crossfuse_abi *from,
		     const struct crossfuse_abi *to, uint32_t opcode,
		     uint32_t old, uint32_t *ret_now)
{
	int err = crossfuse_lock_type(from, to, old, ret_now);

	if (err)
		session_unknown(s, CROSSFUSE_EVENT_UNKNOWN_LOCK, opcode, old);
	return err;
}

int value_of_request(struct session *s, unsigned int kind, uint32_t opcode,
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

int32_t value_of_error(struct session *s, uint32_t opcode, int32_t error)
{
	bool known = true;
	int32_t now;

	if (error >= 0)
		return error;
	now = crossfuse_errno(s->config.server, client_abi(s), -error, &known);
	if (!known)
		session_unknown(s, CROSSFUSE_EVENT_UNKNOWN_ERRNO, opcode,
				(uint32_t)-error);
	return -now;
}

int value_of_reply(struct session *s, unsigned int kind, uint32_t opcode,
		   uint32_t old, uint32_t *ret_now)
{
	switch (kind) {
	case CROSSFUSE_KIND_ERRNO:
		*ret_now = old;
		if ((int32_t)old < 0 && (int32_t)old >= -4095)
			*ret_now = (uint32_t)value_of_error(s, opcode,
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
