/* SPDX-License-Identifier: BSD-2-Clause */
/* Telling the caller of decisions and surprises. */
#include "private.h"

void cf_session_event(struct session *s, enum crossfuse_event_type type,
		      uint32_t opcode, uint32_t value)
{
	uint32_t state = state_of(s);
	struct crossfuse_event event = {
		.type = type,
		.source = source_of(state),
		.client = known_client(state),
		.server = s->config.server,
		.arch_id = s->arch_id,
		.minor = s->minor,
		.opcode = opcode,
		.value = value,
		.offered = s->offered,
		.answered = s->answered,
		.swapped = s->swapped,
	};

	if (s->config.event)
		s->config.event(s->config.opaque, &event);
}

/* Whether a value is new; bounded, so what finds no place is not. */
static bool is_new(struct seen *seen, uint32_t value)
{
	/* 0 is a free place, so it is kept with the largest number. */
	uint32_t key = value ? value : UINT32_MAX;

	for (size_t i = 0; i < sizeof(seen->place) / sizeof(uint32_t); i++) {
		uint32_t there = atomic_load(&seen->place[i]);

		/* Another thread may take the place at the same time. */
		if (!there && atomic_compare_exchange_strong(&seen->place[i],
							     &there, key))
			return true;
		if (there == key)
			return false;
	}
	return false;
}

/* The bits of VALUE that were not seen before. */
static uint32_t new_bits(_Atomic uint32_t *seen, uint32_t value)
{
	return value & ~atomic_fetch_or(seen, value);
}

static bool is_new_malformed(struct session *s, uint32_t opcode)
{
	uint32_t index = opcode < 64 ? opcode : 0;

	return new_bits(&s->seen_malformed[index / 32], UINT32_C(1)
								<< index % 32);
}

void cf_session_unknown(struct session *s, enum crossfuse_event_type type,
			uint32_t opcode, uint32_t value)
{
	bool tell;

	switch (type) {
	case CROSSFUSE_EVENT_UNKNOWN_FLAGS:
		value = new_bits(&s->seen_flags, value);
		tell = value;
		break;
	case CROSSFUSE_EVENT_UNKNOWN_POLL:
		value = new_bits(&s->seen_poll, value);
		tell = value;
		break;
	case CROSSFUSE_EVENT_UNKNOWN_ERRNO:
		tell = is_new(&s->seen_errno, value);
		break;
	case CROSSFUSE_EVENT_UNKNOWN_LOCK:
		tell = is_new(&s->seen_lock, value);
		break;
	case CROSSFUSE_EVENT_UNKNOWN_IOCTL:
		tell = is_new(&s->seen_ioctl, value);
		break;
	case CROSSFUSE_EVENT_UNKNOWN_OPCODE:
		tell = is_new(&s->seen_opcode, value);
		break;
	case CROSSFUSE_EVENT_MALFORMED:
		tell = is_new_malformed(s, opcode);
		break;
	default:
		tell = true;
		break;
	}
	if (tell)
		cf_session_event(s, type, opcode, value);
}
