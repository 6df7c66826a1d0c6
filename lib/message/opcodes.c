/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables that opcodes.h and structs.h stand for. */
#include "structs.h"
#include "structs_out.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* First the description that others read... */
#define OPCODE(name, minor, has_reply, request, reply) \
	{ #name, CF_##name, minor, has_reply, request, reply },
#define NOTIFY(name, minor, message)
#define BARE(tail, extensions)                                         \
	{                                                              \
		NULL, NULL, 0, 0, 0, CROSSFUSE_TAIL_##tail, extensions \
	}
#define FIXED(type, tail, extensions)                             \
	{                                                         \
		type##_name, type##_fields, COUNT(type##_fields), \
			sizeof(struct cf_##type), type##_min,     \
			CROSSFUSE_TAIL_##tail, extensions,        \
	}
#define COUNTED(type, field, element, tail) FIXED(type, tail, 0)

static const struct crossfuse_opcode opcodes[] = {
#include "opcodes.h"
};

#undef OPCODE
#undef NOTIFY
#define OPCODE(name, minor, has_reply, request, reply)
#define NOTIFY(name, minor, message) \
	{ #name, CF_NOTIFY_##name, minor, false, BARE(NONE, 0), message },

static const struct crossfuse_opcode notifies[] = {
#include "opcodes.h"
};

#undef OPCODE
#undef NOTIFY
#undef BARE
#undef FIXED
#undef COUNTED

/* ... then what the library itself works with, in the same order. */
#define OPCODE(name, minor, has_reply, request, reply) \
	{ request, reply, has_reply },
#define NOTIFY(name, minor, message)
#define BARE(tail_, extensions_)                                          \
	{                                                                 \
		.tail = CROSSFUSE_TAIL_##tail_, .extensions = extensions_ \
	}
#define PLAN(type, tail_, extensions_, counted_, count_at_, element_)      \
	{                                                                  \
		.runs = type##_runs, .run_count = COUNT(type##_runs),      \
		.tail = CROSSFUSE_TAIL_##tail_, .extensions = extensions_, \
		.kind = (uint8_t)type##_kind, .kind_at = type##_kind_at,   \
		.size = sizeof(struct cf_##type), .min_size = type##_min,  \
		.counted = counted_, .count_at = count_at_,                \
		.element = element_,                                       \
	}
#define FIXED(type, tail, extensions) PLAN(type, tail, extensions, false, 0, 0)
#define COUNTED(type, field, element, tail) \
	PLAN(type, tail, 0, true, offsetof(struct cf_##type, field), element)

static const struct cf_plans plans[] = {
#include "opcodes.h"
};

#undef OPCODE
#undef NOTIFY
#define OPCODE(name, minor, has_reply, request, reply)
#define NOTIFY(name, minor, message) message,

static const struct cf_plan notify_plans[] = {
#include "opcodes.h"
};

#undef OPCODE
#undef NOTIFY

/* Where an opcode stands in the tables, from 1; 0: nowhere. */
#define OPCODE(name, minor, has_reply, request, reply) index_of_##name,
#define NOTIFY(name, minor, message)
enum {
	index_of_nothing,
#include "opcodes.h"
};
#undef OPCODE
#define OPCODE(name, minor, has_reply, request, reply) \
	[CF_##name == CF_CUSE_INIT ? 0 : CF_##name] = index_of_##name,
static const uint8_t index_by_code[] = {
#include "opcodes.h"
};

static size_t opcode_index(uint32_t code)
{
	/* Nothing has opcode 0, so CUSE_INIT is kept there. */
	if (code - 1 < COUNT(index_by_code) - 1)
		return index_by_code[code];
	return code == CF_CUSE_INIT ? index_by_code[0] : 0;
}

const struct cf_plans *cf_plans(uint32_t opcode)
{
	size_t index = opcode_index(opcode);

	return index ? &plans[index - 1] : NULL;
}

uint32_t cf_plans_opcode(const struct cf_plans *which)
{
	return opcodes[which - plans].code;
}

const struct cf_plan *cf_notify_plan(uint32_t code)
{
	/* Codes run from 1 without a gap; a test sees to that. */
	return code - 1 < COUNT(notify_plans) ? &notify_plans[code - 1] : NULL;
}

const struct crossfuse_opcode *crossfuse_opcode(uint32_t code)
{
	size_t index = opcode_index(code);

	return index ? &opcodes[index - 1] : NULL;
}

const struct crossfuse_opcode *crossfuse_notify(uint32_t code)
{
	return code - 1 < COUNT(notifies) ? &notifies[code - 1] : NULL;
}

const struct crossfuse_opcode *crossfuse_opcode_at(size_t index)
{
	return index < COUNT(opcodes) ? &opcodes[index] : NULL;
}

const struct crossfuse_opcode *crossfuse_notify_at(size_t index)
{
	return index < COUNT(notifies) ? &notifies[index] : NULL;
}
