/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The generated tables against themselves: runs and fields agree, no byte is
 * forgotten, codes find their rows; and against what the protocol's text says.
 */
#include "check.h"
#include <crossfuse/message.h>
#include <crossfuse/wire.h>
#include <string.h>

/* What happens to each byte of a fixed part: 0 nothing, else its mirror. */
struct map {
	uint16_t from[512];
};

static void map_integer(struct map *map, size_t offset, size_t width)
{
	for (size_t i = 0; i < width; i++) {
		CHECK_EQ(map->from[offset + i], 0);
		map->from[offset + i] = (uint16_t)(offset + width - i);
	}
}

/* Runs turn round exactly the integers among the fields. */
static void test_runs(const struct crossfuse_layout *layout)
{
	struct map by_field = { { 0 } };
	struct map by_run = { { 0 } };

	for (size_t i = 0; i < layout->field_count; i++)
		if (layout->fields[i].kind != CROSSFUSE_KIND_BYTES)
			map_integer(&by_field, layout->fields[i].offset,
				    layout->fields[i].width);
	for (size_t i = 0; i < layout->run_count; i++)
		for (size_t k = 0; k < layout->runs[i].count; k++)
			map_integer(&by_run,
				    layout->runs[i].offset +
					    k * layout->runs[i].width,
				    layout->runs[i].width);
	CHECK(!memcmp(&by_field, &by_run, sizeof(by_run)));
}

/* Fields stand one behind the other, from the first byte to the last. */
static void test_fields(const struct crossfuse_layout *layout)
{
	size_t at = 0;

	for (size_t i = 0; i < layout->field_count; i++) {
		const struct crossfuse_field *field = &layout->fields[i];

		CHECK_EQ(field->offset, at);
		CHECK(field->name[0]);
		CHECK(field->minor <= CF_KERNEL_MINOR_VERSION);
		if (field->kind != CROSSFUSE_KIND_BYTES)
			CHECK(field->width == 8 || field->width == 4 ||
			      field->width == 2);
		at += field->width;
	}
	CHECK_EQ(at, layout->size);
	CHECK(layout->min_size <= layout->size);
	CHECK(!layout->struct_name == !layout->size);
}

/* The one field that depends on the ABI is where the layout has it. */
static void test_kind(const struct crossfuse_layout *layout)
{
	unsigned int count = 0;

	for (size_t i = 0; i < layout->field_count; i++) {
		const struct crossfuse_field *field = &layout->fields[i];

		if (field->kind == CROSSFUSE_KIND_NUMBER ||
		    field->kind == CROSSFUSE_KIND_BYTES)
			continue;
		count++;
		CHECK_EQ(layout->kind, field->kind);
		CHECK_EQ(layout->kind_at, field->offset);
		CHECK_EQ(field->width,
			 field->kind == CROSSFUSE_KIND_PAGES ? 2 : 4);
	}
	CHECK_EQ(layout->kind != CROSSFUSE_KIND_NUMBER, count);
	CHECK(count <= 1);
}

static void test_layout(const struct crossfuse_layout *layout)
{
	test_fields(layout);
	test_runs(layout);
	test_kind(layout);
	if (layout->element)
		CHECK(layout->count_at + 4 <= layout->min_size);
	if (layout->tail == CROSSFUSE_TAIL_ARRAY)
		CHECK(layout->element % 8 == 0 && layout->element);
}

/* A server whose client is of 7.36 or newer need not look at minors. */
static void test_newest_field(void)
{
	const struct crossfuse_opcode *op;

	for (size_t i = 0; (op = crossfuse_opcode_at(i)); i++)
		for (size_t k = 0; k < op->request.field_count; k++)
			CHECK(op->request.fields[k].minor <= CF_INIT_EXT_MINOR);
}

static bool is_opcode(uint32_t code)
{
	return code == CF_CUSE_INIT ||
	       (code >= 1 && code <= 53 && code != 7 && code != 19);
}

static void test_codes(void)
{
	for (uint32_t code = 0; code < 70000; code++) {
		const struct crossfuse_opcode *op = crossfuse_opcode(code);

		CHECK_EQ(!!op, is_opcode(code));
		if (op)
			CHECK_EQ(op->code, code);
		op = crossfuse_notify(code);
		CHECK_EQ(!!op, code >= 1 && code <= 9);
		if (op)
			CHECK_EQ(op->code, code);
	}
	CHECK(!crossfuse_opcode(UINT32_MAX));
	CHECK(!crossfuse_notify(UINT32_MAX));
}

/* What the protocol's own text says about where which kind stands. */
static void test_known_kinds(void)
{
	static const struct {
		uint32_t code;
		bool reply;
		uint8_t kind;
		uint16_t at;
	} known[] = {
		{ CF_OPEN, false, CROSSFUSE_KIND_OPEN_FLAGS, 0 },
		{ CF_OPENDIR, false, CROSSFUSE_KIND_OPEN_FLAGS, 0 },
		{ CF_CREATE, false, CROSSFUSE_KIND_OPEN_FLAGS, 0 },
		{ CF_TMPFILE, false, CROSSFUSE_KIND_OPEN_FLAGS, 0 },
		{ CF_READ, false, CROSSFUSE_KIND_OPEN_FLAGS, 32 },
		{ CF_READDIR, false, CROSSFUSE_KIND_OPEN_FLAGS, 32 },
		{ CF_READDIRPLUS, false, CROSSFUSE_KIND_OPEN_FLAGS, 32 },
		{ CF_WRITE, false, CROSSFUSE_KIND_OPEN_FLAGS, 32 },
		{ CF_RELEASE, false, CROSSFUSE_KIND_OPEN_FLAGS, 8 },
		{ CF_RELEASEDIR, false, CROSSFUSE_KIND_OPEN_FLAGS, 8 },
		{ CF_GETLK, false, CROSSFUSE_KIND_LOCK, 32 },
		{ CF_SETLK, false, CROSSFUSE_KIND_LOCK, 32 },
		{ CF_SETLKW, false, CROSSFUSE_KIND_LOCK, 32 },
		{ CF_GETLK, true, CROSSFUSE_KIND_LOCK, 16 },
		{ CF_POLL, false, CROSSFUSE_KIND_POLL, 20 },
		{ CF_POLL, true, CROSSFUSE_KIND_POLL, 0 },
		{ CF_IOCTL, false, CROSSFUSE_KIND_IOCTL_CMD, 12 },
		{ CF_IOCTL, true, CROSSFUSE_KIND_ERRNO, 0 },
		{ CF_INIT, true, CROSSFUSE_KIND_PAGES, 28 },
	};
	const size_t count = sizeof(known) / sizeof(known[0]);
	const struct crossfuse_opcode *op;
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		const struct crossfuse_layout *layout;

		op = crossfuse_opcode(known[i].code);
		layout = known[i].reply ? &op->reply : &op->request;
		CHECK_EQ(layout->kind, known[i].kind);
		CHECK_EQ(layout->kind_at, known[i].at);
	}
	for (size_t i = 0; (op = crossfuse_opcode_at(i)); i++)
		found += (size_t)(op->request.kind != 0) +
			 (size_t)(op->reply.kind != 0);
	CHECK_EQ(found, count);
}

int main(void)
{
	const struct crossfuse_opcode *op;

	for (size_t i = 0; (op = crossfuse_opcode_at(i)); i++) {
		test_layout(&op->request);
		test_layout(&op->reply);
	}
	for (size_t i = 0; (op = crossfuse_notify_at(i)); i++) {
		test_layout(&op->request);
		test_layout(&op->reply);
	}
	test_codes();
	test_newest_field();
	test_known_kinds();
	return check_result();
}
