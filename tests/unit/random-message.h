/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages made up from the tables of crossfuse/message.h. The same number
 * makes the same message in the form of any ABI, in either byte order: what a
 * translation must turn the one into, is the other.
 *
 * Values are such that every ABI has them.
 */
#ifndef RANDOM_MESSAGE_H
#define RANDOM_MESSAGE_H

#include "session-pair.h"

enum {
	RANDOM_IN_HEADER = 40,
	RANDOM_OUT_HEADER = 16,
	RANDOM_VALUES = 64
};

struct random {
	uint64_t state;
};

/* splitmix64: any state will do. */
static inline uint64_t random_64(struct random *random)
{
	uint64_t value = random->state += UINT64_C(0x9e3779b97f4a7c15);

	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

static inline uint32_t random_below(struct random *random, uint32_t limit)
{
	return (uint32_t)(random_64(random) >> 32) % limit;
}

/* Bytes without a NUL. */
static inline void random_text(struct random *random, uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)(1 + random_below(random, 255));
}

/* Canonical values that every ABI has, of each kind. */
struct random_values {
	uint32_t errors[RANDOM_VALUES], polls[RANDOM_VALUES];
	uint32_t error_count, poll_count;
};

static inline bool has_error(const struct crossfuse_abi *abi, int32_t error)
{
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	bool known;
	int32_t there = crossfuse_errno(canonical, abi, error, &known);

	return known && crossfuse_errno(abi, canonical, there, NULL) == error;
}

static inline bool has_events(const struct crossfuse_abi *abi, uint32_t events)
{
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	uint32_t there = crossfuse_poll_events(canonical, abi, events, NULL);

	return crossfuse_poll_events(abi, canonical, there, NULL) == events;
}

static inline void find_values(struct random_values *values)
{
	const struct crossfuse_abi *abi;
	size_t i;

	memset(values, 0, sizeof(*values));
	for (int32_t e = 1; e < 134 && values->error_count < 64; e++) {
		for (i = 0; (abi = crossfuse_abi_at(i)); i++)
			if (!has_error(abi, e))
				break;
		if (!abi)
			values->errors[values->error_count++] = (uint32_t)e;
	}
	for (uint32_t p = 1; p < 0x8000 && values->poll_count < 64; p += 37) {
		for (i = 0; (abi = crossfuse_abi_at(i)); i++)
			if (!has_events(abi, p))
				break;
		if (!abi)
			values->polls[values->poll_count++] = p;
	}
}

/* A message that is being made. */
struct maker {
	struct random random;
	const struct random_values *values;
	struct wire_form form;
	struct wire_bytes *b;
	bool create;	/* flags of CREATE, not of OPEN */
	bool setxattr;	/* the long form of SETXATTR */
	uint32_t tail;	/* what counts in the field that counts */
	uint32_t ioctl; /* of random_ioctls[] */
	bool asks_size; /* GETXATTR, LISTXATTR */
	bool retry;	/* an ioctl's reply */
};

/* Canonical numbers, and what they carry. The first two say "long". */
static const struct {
	uint32_t cmd;
	const char *payload;
	uint32_t len;
	bool is_long;
} random_ioctls[] = {
	{ 0x80086601, "4", 4, true },	       /* FS_IOC_GETFLAGS */
	{ 0x40086602, "8", 8, true },	       /* FS_IOC_SETFLAGS */
	{ 0x801c581f, "44444[8]", 28, false }, /* FS_IOC_FSGETXATTR */
	{ 0xc0185879, "888", 24, false },      /* FITRIM */
	{ 0x4020940d, "8888", 32, false },     /* FICLONERANGE */
	{ 0x81009431, "[256]", 256, false },   /* FS_IOC_GETFSLABEL */
	{ 0x00000002, "4", 4, false },	       /* FIGETBSZ */
	{ 0xc0104d42, "", 0, false },	       /* any other, nothing with it */
};

static inline uint32_t ioctl_number(const struct maker *m)
{
	const struct crossfuse_abi *abi = m->form.abi;
	uint32_t cmd = random_ioctls[m->ioctl].cmd, value = 0;

	if (random_ioctls[m->ioctl].is_long)
		cmd = (cmd & ~UINT32_C(0x3fff0000)) |
		      crossfuse_abi_long_bits(abi) / 8 << 16;
	CHECK_EQ(crossfuse_ioctl_cmd(crossfuse_abi_canonical(), abi, cmd,
				     &value),
		 0);
	return value;
}

static inline uint32_t open_flags(struct maker *m)
{
	/* O_SYNC and O_TMPFILE are whole or not there. */
	uint32_t flags = (uint32_t)random_64(&m->random) & 0x42fffe0;

	flags |= random_below(&m->random, 3);
	if (random_below(&m->random, 4) == 0)
		flags |= 0x101000;
	if (random_below(&m->random, 4) == 0)
		flags |= 0x410000;
	if (!m->create)
		flags &= ~UINT32_C(0x0c0);
	return crossfuse_open_flags(crossfuse_abi_canonical(), m->form.abi,
				    flags, NULL);
}

static inline uint32_t error_value(struct maker *m)
{
	uint32_t error = m->values->errors[random_below(
		&m->random, m->values->error_count)];

	return (uint32_t)-crossfuse_errno(crossfuse_abi_canonical(),
					  m->form.abi, (int32_t)error, NULL);
}

static inline uint64_t field_value(struct maker *m,
				   const struct crossfuse_field *field)
{
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	uint32_t value = 0;

	switch (field->kind) {
	case CROSSFUSE_KIND_OPEN_FLAGS:
		return open_flags(m);
	case CROSSFUSE_KIND_ERRNO:
		return m->retry ? 0 : error_value(m);
	case CROSSFUSE_KIND_LOCK:
		CHECK_EQ(crossfuse_lock_type(canonical, m->form.abi,
					     random_below(&m->random, 3),
					     &value),
			 0);
		return value;
	case CROSSFUSE_KIND_POLL:
		value = m->values->polls[random_below(&m->random,
						      m->values->poll_count)];
		return crossfuse_poll_events(canonical, m->form.abi, value,
					     NULL);
	case CROSSFUSE_KIND_IOCTL_CMD:
		return ioctl_number(m);
	default:
		return random_64(&m->random);
	}
}

/* Fields that count what follows, or say how it is to be read. */
typedef bool (*counted_in)(const struct maker *m, const char *name,
			   uint32_t code, uint32_t *ret);

static inline bool counted_in_reply(const struct maker *m, const char *name,
				    uint32_t code, uint32_t *ret)
{
	if (code != CF_IOCTL)
		return false;
	if (!strcmp(name, "flags"))
		*ret = m->retry ? CF_IOCTL_RETRY : 0;
	else if (!strcmp(name, "in_iovs"))
		*ret = m->retry ? m->tail / 16 : 0;
	else if (!strcmp(name, "out_iovs"))
		*ret = 0;
	else
		return false;
	return true;
}

static inline bool counted_in_request(const struct maker *m, const char *name,
				      uint32_t code, uint32_t *ret)
{
	bool size = !strcmp(name, "size");

	*ret = m->tail;
	if (code == CF_IOCTL && !strcmp(name, "flags"))
		*ret = m->asks_size ? CF_IOCTL_32BIT : 0;
	else if (code == CF_IOCTL && !strcmp(name, "out_size"))
		*ret = random_ioctls[m->ioctl].len;
	else if (size && (code == CF_GETXATTR || code == CF_LISTXATTR))
		*ret = m->asks_size ? 0 : 77;
	else
		return !strcmp(name, "count") || !strcmp(name, "in_size") ||
		       (size && (code == CF_WRITE || code == CF_SETXATTR ||
				 code == CF_NOTIFY_REPLY));
	return true;
}

static inline bool counted_in_notify(const struct maker *m, const char *name,
				     uint32_t code, uint32_t *ret)
{
	*ret = m->tail;
	return !strcmp(name, "namelen") || !strcmp(name, "count") ||
	       (!strcmp(name, "size") && code == CF_NOTIFY_STORE);
}

static inline void put_fixed(struct maker *m,
			     const struct crossfuse_layout *layout, size_t size,
			     uint32_t code, counted_in counted)
{
	size_t start = m->b->len;

	memset(m->b->at + start, 0, size);
	for (size_t i = 0; i < layout->field_count; i++) {
		const struct crossfuse_field *field = &layout->fields[i];
		uint64_t value = field_value(m, field);
		uint32_t count;

		if ((size_t)field->offset + field->width > size)
			continue;
		m->b->len = start + field->offset;
		if (counted(m, field->name, code, &count))
			value = count;
		if (field->kind == CROSSFUSE_KIND_BYTES)
			random_text(&m->random, m->b->at + m->b->len,
				    field->width);
		else
			wire_put(m->b, value, field->width, m->form.big);
	}
	m->b->len = start + size;
}

static inline void put_text(struct maker *m, size_t len)
{
	random_text(&m->random, m->b->at + m->b->len, len);
	m->b->len += len;
}

static inline void put_name(struct maker *m, size_t len)
{
	put_text(m, len);
	m->b->at[m->b->len++] = 0;
}

static inline void put_zeros(struct maker *m, size_t to)
{
	while ((m->b->len - to) % 8)
		m->b->at[m->b->len++] = 0;
}

/* Integers of 8 bytes. */
static inline void put_array(struct maker *m, size_t len)
{
	for (size_t i = 0; i < len; i += 8)
		wire_put(m->b, random_64(&m->random), 8, m->form.big);
}

static inline void put_dirents(struct maker *m, bool plus)
{
	const struct crossfuse_opcode *lookup = crossfuse_opcode(CF_LOOKUP);
	size_t start = m->b->len;

	for (uint32_t left = random_below(&m->random, 4); left; left--) {
		uint32_t len = 1 + random_below(&m->random, 20);

		if (plus)
			put_fixed(m, &lookup->reply, lookup->reply.size,
				  CF_LOOKUP, counted_in_reply);
		put_array(m, 16);
		wire_put(m->b, len, 4, m->form.big);
		wire_put(m->b, random_64(&m->random), 4, m->form.big);
		put_text(m, len);
		put_zeros(m, start);
	}
}

/* A list of groups, or security contexts; how long it is. */
static inline size_t put_extension(struct maker *m)
{
	bool big = m->form.big, groups = random_below(&m->random, 2);
	uint32_t count = random_below(&m->random, 4);
	size_t start = m->b->len, len;

	wire_put(m->b, 0, 4, big);
	wire_put(m->b, groups ? CF_EXT_GROUPS : count, 4, big);
	if (groups)
		wire_put(m->b, count, 4, big);
	for (; count; count--) {
		uint32_t size = random_below(&m->random, 9);

		wire_put(m->b, groups ? random_64(&m->random) : size, 4, big);
		if (groups)
			continue;
		wire_put(m->b, random_64(&m->random), 4, big);
		put_name(m, 1 + random_below(&m->random, 9));
		put_text(m, size);
		put_zeros(m, start);
	}
	put_zeros(m, start);
	len = m->b->len - start;
	m->b->len = start;
	wire_put(m->b, len, 4, big);
	m->b->len = start + len;
	return len;
}

static inline void put_payload(struct maker *m)
{
	const char *text = random_ioctls[m->ioctl].payload;

	if (m->retry)
		put_array(m, m->tail);
	else if (m->tail && *text == '[')
		put_text(m, m->tail);
	else if (m->tail)
		wire_body(m->b, text, m->form, false);
}

/* What is behind the fixed part, of as many bytes as M says. */
static inline void put_tail(struct maker *m,
			    const struct crossfuse_layout *layout,
			    uint32_t code, bool notify)
{
	switch (layout->tail) {
	case CROSSFUSE_TAIL_NAME:
		put_name(m,
			 notify ? m->tail : 1 + random_below(&m->random, 30));
		break;
	case CROSSFUSE_TAIL_TWO_NAMES:
		put_name(m, 1 + random_below(&m->random, 30));
		put_name(m, 1 + random_below(&m->random, 30));
		break;
	case CROSSFUSE_TAIL_NAME_BYTES:
		put_name(m, 5 + random_below(&m->random, 30));
		put_text(m, m->tail);
		break;
	case CROSSFUSE_TAIL_BYTES:
		if (!m->asks_size)
			put_text(m, random_below(&m->random, 40));
		break;
	case CROSSFUSE_TAIL_ARRAY:
		put_array(m, m->tail * (size_t)(notify ? 8 : 16));
		break;
	case CROSSFUSE_TAIL_DIRENTS:
	case CROSSFUSE_TAIL_DIRENTS_PLUS:
		put_dirents(m, code == CF_READDIRPLUS);
		break;
	case CROSSFUSE_TAIL_IOCTL:
		put_payload(m);
		break;
	}
}

/* SEED makes a message and the answer to it alike. */
static inline struct maker start_maker(const struct random_values *values,
				       uint64_t seed, uint32_t code,
				       struct wire_form form,
				       struct wire_bytes *b)
{
	struct maker m = {
		.random = { seed }, .values = values, .form = form, .b = b
	};

	memset(b, 0, sizeof(*b));
	m.create = code == CF_CREATE || code == CF_TMPFILE;
	m.asks_size = random_below(&m.random, 2);
	m.ioctl = random_below(&m.random, WIRE_COUNT(random_ioctls));
	m.tail = random_below(&m.random, 8);
	return m;
}

static inline void finish(struct maker *m, bool data)
{
	m->b->head = m->b->len;
	if (data)
		put_text(m, m->tail);
}

/* The request of OP; LONG_SETXATTR: as was negotiated. */
static inline void random_request(struct wire_bytes *b,
				  const struct random_values *values,
				  const struct crossfuse_opcode *op,
				  uint64_t seed, struct wire_form form,
				  bool long_setxattr)
{
	struct maker m = start_maker(values, seed, op->code, form, b);
	const struct crossfuse_layout *layout = &op->request;
	bool big = form.big;
	size_t size = layout->size, len, ext = 0;

	if (op->code == CF_SETXATTR && !long_setxattr)
		size = layout->min_size;
	if (op->code == CF_IOCTL)
		m.tail = m.tail % 2 ? random_ioctls[m.ioctl].len : 0;
	b->len = RANDOM_IN_HEADER;
	put_fixed(&m, layout, size, op->code, counted_in_request);
	put_tail(&m, layout, op->code, false);
	if (layout->extensions && random_below(&m.random, 2)) {
		ext = put_extension(&m);
		ext += random_below(&m.random, 2) ? put_extension(&m) : 0;
	}
	finish(&m, layout->tail == CROSSFUSE_TAIL_DATA);
	len = b->len;
	b->len = 0;
	wire_put(b, len, 4, big);
	wire_put(b, op->code, 4, big);
	wire_put(b, WIRE_UNIQUE, 8, big);
	wire_put(b, random_64(&m.random), 8, big);
	for (int i = 0; i < 3; i++)
		wire_put(b, random_64(&m.random), 4, big);
	wire_put(b, ext / 8, 2, big);
	wire_put(b, random_64(&m.random), 2, big);
	b->len = len;
}

static inline void put_out_header(struct wire_bytes *b, uint32_t error,
				  uint64_t unique, bool big)
{
	size_t len = b->len;

	b->len = 0;
	wire_put(b, len, 4, big);
	wire_put(b, error, 4, big);
	wire_put(b, unique, 8, big);
	b->len = len;
}

/* A reply to the request of the same OP and SEED; FAILS: only an error. */
static inline void random_reply(struct wire_bytes *b,
				const struct random_values *values,
				const struct crossfuse_opcode *op,
				uint64_t seed, struct wire_form form,
				bool fails)
{
	struct maker m = start_maker(values, seed, op->code, form, b);
	const struct crossfuse_layout *layout = &op->reply;
	size_t size = layout->size;

	if (layout->tail == CROSSFUSE_TAIL_BYTES && !m.asks_size)
		size = 0;
	if (op->code == CF_IOCTL) {
		m.retry = m.tail == 7;
		m.tail = m.retry ? 48 : random_ioctls[m.ioctl].len;
	}
	b->len = RANDOM_OUT_HEADER;
	if (!fails) {
		put_fixed(&m, layout, size, op->code, counted_in_reply);
		put_tail(&m, layout, op->code, false);
	}
	finish(&m, layout->tail == CROSSFUSE_TAIL_DATA && !fails);
	put_out_header(b, fails ? error_value(&m) : 0, WIRE_UNIQUE, form.big);
}

static inline void random_notify(struct wire_bytes *b,
				 const struct random_values *values,
				 const struct crossfuse_opcode *op,
				 uint64_t seed, struct wire_form form)
{
	struct maker m = start_maker(values, seed, op->code, form, b);
	const struct crossfuse_layout *layout = &op->reply;

	b->len = RANDOM_OUT_HEADER;
	put_fixed(&m, layout, layout->size, op->code, counted_in_notify);
	put_tail(&m, layout, op->code, true);
	finish(&m, layout->tail == CROSSFUSE_TAIL_DATA);
	put_out_header(b, op->code, 0, form.big);
}

#endif
