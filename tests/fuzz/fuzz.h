/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzz targets share. Each defines LLVMFuzzerTestOneInput(), which
 * libFuzzer calls with bytes of its own, and replay.c with those of the corpus.
 *
 * The bytes mean the same on every machine: the first ones choose (struct
 * choice), the rest is a message as it came off the wire.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <crossfuse/message.h>
#include <crossfuse/session.h>
#include <crossfuse/wire.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                    \
	do {                                                               \
		if (!(condition)) {                                        \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, \
				__LINE__, #condition);                     \
			abort();                                           \
		}                                                          \
	} while (0)

enum {
	FUZZ_MAX = 4096,
	FUZZ_GUARD = 64,
	FUZZ_REQUEST = 512,
	FUZZ_UNIQUE = 0x5a
};

/* A message with memory around it that nobody may touch. */
struct guarded {
	uint8_t before[FUZZ_GUARD];
	uint8_t at[FUZZ_MAX + FUZZ_GUARD];
	size_t len;
};

static inline void guard_set(struct guarded *g, const void *data, size_t len)
{
	memset(g, 0xa5, sizeof(*g));
	memcpy(g->at, data, len);
	g->len = len;
}

static inline void guard_check(const struct guarded *g)
{
	for (size_t i = 0; i < FUZZ_GUARD; i++) {
		MUST(g->before[i] == 0xa5);
		MUST(g->at[g->len + i] == 0xa5);
	}
}

/*
 * The first LEN bytes of a message: in memory that ends with them where a
 * sanitizer watches it, otherwise where they are.
 */
#if defined(__SANITIZE_ADDRESS__)
#define FUZZ_EXACT 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FUZZ_EXACT 1
#endif
#endif

static inline uint8_t *head_take(struct guarded *g, size_t len)
{
#ifdef FUZZ_EXACT
	uint8_t *head = malloc(len);

	MUST(head);
	memcpy(head, g->at, len);
	return head;
#else
	(void)len;
	return g->at;
#endif
}

static inline void head_give(struct guarded *g, uint8_t *head, size_t len)
{
	if (head == g->at)
		return;
	memcpy(g->at, head, len);
	free(head);
}

static inline void put_int(uint8_t *at, uint64_t value, size_t width, bool big)
{
	for (size_t i = 0; i < width; i++)
		at[big ? width - 1 - i : i] = (uint8_t)(value >> 8 * i);
}

static inline uint64_t get_int(const uint8_t *at, size_t width, bool big)
{
	uint64_t value = 0;

	for (size_t i = 0; i < width; i++)
		value |= (uint64_t)at[big ? width - 1 - i : i] << 8 * i;
	return value;
}

static inline const struct crossfuse_abi *abi_by_byte(uint8_t byte)
{
	size_t count = 0;

	while (crossfuse_abi_at(count))
		count++;
	return crossfuse_abi_at(byte % count);
}

/* An ABI whose values are the canonical ones. */
static inline const struct crossfuse_abi *canonical_abi(uint8_t byte)
{
	static const char *const names[] = { "x86_64", "openrisc", "riscv32",
					     "arceb" };

	return crossfuse_abi_by_name(names[byte % 4]);
}

static inline bool same_values(const struct crossfuse_abi *a,
			       const struct crossfuse_abi *b)
{
	for (unsigned int i = 0; i < CROSSFUSE_GROUP_COUNT; i++)
		if (!crossfuse_abi_same_group(a, b, (enum crossfuse_group)i))
			return false;
	return true;
}

/* Two sides and the session between them. */
struct side {
	const struct crossfuse_abi *abi;
	bool big;
};

static inline struct side side_of(const struct crossfuse_abi *abi)
{
	return (struct side){ abi, crossfuse_abi_big_endian(abi) };
}

/*
 * Lets FUSE_INIT and its reply go by, both with FLAGS; in the reply they stand
 * for an answer too.
 */
static inline void shake_hands_at(struct crossfuse_session *session,
				  struct side client, struct side server,
				  uint32_t minor, uint64_t flags)
{
	struct crossfuse_call call;
	uint8_t init[104] = { 0 };

	put_int(init, 104, 4, client.big);
	put_int(init + 4, CF_INIT, 4, client.big);
	put_int(init + 40, CF_KERNEL_VERSION, 4, client.big);
	put_int(init + 44, minor, 4, client.big);
	put_int(init + 52, (uint32_t)flags, 4, client.big);
	MUST(!crossfuse_session_request(session, &call, init, 104, 104));
	memset(init, 0, 80);
	put_int(init, 80, 4, server.big);
	put_int(init + 16, CF_KERNEL_VERSION, 4, server.big);
	put_int(init + 20, minor, 4, server.big);
	put_int(init + 28, (uint32_t)flags, 4, server.big);
	put_int(init + 48, flags >> 32, 4, server.big);
	MUST(!crossfuse_session_reply(session, &call, init, 80, 80));
}

static inline void shake_hands(struct crossfuse_session *session,
			       struct side client, struct side server,
			       uint64_t flags)
{
	shake_hands_at(session, client, server, 45, flags);
}

/* Starts a session whose INIT and reply have gone by. */
static inline void start(struct crossfuse_session *session, struct side client,
			 struct side server, uint32_t minor, bool setxattr_ext)
{
	struct crossfuse_config config = { .server = server.abi,
					   .client = client.abi };
	uint64_t flags = setxattr_ext ? CF_INIT_SETXATTR_EXT : 0;

	MUST(!crossfuse_session_init(session, &config));
	shake_hands_at(session, client, server, minor, flags);
}

/* The shortest request of an opcode, so that there is a call to reply to. */
static inline size_t shortest_request(uint8_t at[FUZZ_REQUEST],
				      const struct crossfuse_opcode *op,
				      uint64_t unique, bool big)
{
	const struct crossfuse_layout *layout = &op->request;
	size_t len = 40 + layout->min_size;

	memset(at, 0, FUZZ_REQUEST);
	switch (layout->tail) {
	case CROSSFUSE_TAIL_NAME:
	case CROSSFUSE_TAIL_NAME_BYTES:
		len += 1;
		break;
	case CROSSFUSE_TAIL_TWO_NAMES:
		len += 2;
		break;
	}
	put_int(at, len, 4, big);
	put_int(at + 4, op->code, 4, big);
	put_int(at + 8, unique, 8, big);
	/* All that is short of a lock's type is zeros: sparc has none such. */
	if (op->code == CF_GETLK || op->code == CF_SETLK ||
	    op->code == CF_SETLKW)
		put_int(at + 72, 1, 4, big);
	return len;
}

/* A single value there and back again. */
static inline uint32_t value_back(uint8_t kind, const struct crossfuse_abi *a,
				  const struct crossfuse_abi *b, uint32_t value)
{
	uint32_t there;

	switch (kind) {
	case CROSSFUSE_KIND_OPEN_FLAGS:
		there = crossfuse_open_flags(a, b, value, NULL);
		return crossfuse_open_flags(b, a, there, NULL);
	case CROSSFUSE_KIND_POLL:
		there = crossfuse_poll_events(a, b, value, NULL);
		return crossfuse_poll_events(b, a, there, NULL);
	case CROSSFUSE_KIND_ERRNO:
		if ((int32_t)value >= 0 || (int32_t)value < -4095)
			return value;
		there = (uint32_t)crossfuse_errno(a, b, -(int32_t)value, NULL);
		return (uint32_t)-crossfuse_errno(b, a, (int32_t)there, NULL);
	default:
		return value;
	}
}

/* The field of a fixed part that depends on the ABI, or NULL. */
static inline const struct crossfuse_field *
special_field(const struct crossfuse_layout *layout)
{
	for (size_t i = 0; i < layout->field_count; i++)
		if (layout->fields[i].kind != CROSSFUSE_KIND_NUMBER &&
		    layout->fields[i].kind != CROSSFUSE_KIND_BYTES)
			return &layout->fields[i];
	return NULL;
}

#endif
