/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a message is what it says, and what is wrong with it, for others. */
#include "parts.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define IN_AT(field)  offsetof(struct cf_in_header, field)
#define OUT_AT(field) offsetof(struct cf_out_header, field)

enum {
	IN_HEAD = sizeof(struct cf_in_header),
	OUT_HEAD = sizeof(struct cf_out_header),
};

static int fail(struct crossfuse_fault *ret, struct crossfuse_fault fault)
{
	if (ret)
		*ret = fault;
	return -EBADMSG;
}

/* Which field it is that counts the tail. */
static const char *counting(const struct crossfuse_layout *layout)
{
	for (size_t i = 0; i < layout->field_count; i++)
		if (layout->element &&
		    layout->fields[i].offset == layout->count_at)
			return layout->fields[i].name;
	return "in_iovs, out_iovs";
}

static int check_body(const struct crossfuse_layout *layout,
		      const struct cf_source *source, const uint8_t *head,
		      size_t header, size_t head_len, size_t total_len,
		      struct crossfuse_fault *ret)
{
	struct crossfuse_fault fault;
	struct cf_parts parts;

	if (!cf_check(layout, source, head + header, head_len - header,
		      total_len - header, &parts, &fault))
		return 0;
	fault.offset += (uint32_t)header;
	if (fault.kind == CROSSFUSE_FAULT_COUNT) {
		fault.field = counting(layout);
	} else if (fault.kind == CROSSFUSE_FAULT_EXTLEN) {
		fault.field = "total_extlen";
		fault.offset = IN_AT(total_extlen);
	}
	return fail(ret, fault);
}

/* Of any message: that there is a header, and that LEN in it is right. */
static int check_header(const uint8_t *head, size_t header, size_t head_len,
			size_t total_len, bool swapped,
			struct crossfuse_fault *ret)
{
	uint32_t len;

	if (head_len < header || total_len < header)
		return fail(ret, (struct crossfuse_fault){
					 .kind = CROSSFUSE_FAULT_HEADER,
					 .told = header,
					 .there = total_len });
	len = cf_get32(head, swapped);
	if (len == total_len && head_len <= total_len)
		return 0;
	return fail(ret,
		    (struct crossfuse_fault){ .kind = CROSSFUSE_FAULT_LENGTH,
					      .field = "len",
					      .told = len,
					      .there = total_len });
}

/* FUSE_INIT and its reply may have any length from the oldest one's on. */
static int check_init(const struct crossfuse_layout *layout, size_t header,
		      size_t total_len, struct crossfuse_fault *ret)
{
	if (total_len - header >= layout->min_size)
		return 0;
	return fail(ret,
		    (struct crossfuse_fault){ .kind = CROSSFUSE_FAULT_FIXED,
					      .offset = (uint32_t)header,
					      .told = layout->min_size,
					      .there = total_len - header });
}

/* Whether it is one of those that are by far the most, and sound. */
static bool is_sound(const struct crossfuse_terms *terms, const uint8_t *at,
		     size_t total_len)
{
	const struct crossfuse_opcode *op =
		cf_opcode(cf_get32(at + IN_AT(opcode), terms->swapped));
	const struct crossfuse_layout *layout = op ? &op->request : NULL;
	const uint8_t *rest;
	size_t len;

	if (!op || total_len - IN_HEAD < layout->size)
		return false;
	rest = at + IN_HEAD + layout->size;
	len = total_len - IN_HEAD - layout->size;
	/* A fixed part of one form. */
	if (layout->tail == CROSSFUSE_TAIL_NONE)
		return !len;
	/* And one name, whose end is the end of all. */
	return layout->tail == CROSSFUSE_TAIL_NAME && !layout->element && len &&
	       (!layout->extensions ||
		(terms->minor >= CF_EXTLEN_MINOR &&
		 !cf_get16(at + IN_AT(total_extlen), false))) &&
	       memchr(rest, 0, len) == rest + len - 1;
}

/* All the others. */
static __attribute__((noinline)) int
check_request(const struct crossfuse_terms *terms, const uint8_t *at,
	      size_t head_len, size_t total_len,
	      struct crossfuse_fault *ret_fault)
{
	const struct crossfuse_opcode *op;
	struct cf_source source = {
		.swapped = terms->swapped,
		.minor = terms->minor,
	};
	int err = check_header(at, IN_HEAD, head_len, total_len, terms->swapped,
			       ret_fault);

	if (err)
		return err;
	op = cf_opcode(cf_get32(at + IN_AT(opcode), terms->swapped));
	if (!op)
		return -ENOSYS;
	if (op->code == CF_INIT || op->code == CF_CUSE_INIT)
		return check_init(&op->request, IN_HEAD, total_len, ret_fault);
	source.fixed = op->request.size;
	source.extlen = 8u * cf_get16(at + IN_AT(total_extlen), terms->swapped);
	/* Of its two forms either may be right; of the older one it is told. */
	if (op->code == CF_SETXATTR &&
	    (!terms->minor || !terms->setxattr_ext)) {
		if (!terms->minor &&
		    !check_body(&op->request, &source, at, IN_HEAD, head_len,
				total_len, NULL))
			return 0;
		source.fixed = op->request.min_size;
	}
	return check_body(&op->request, &source, at, IN_HEAD, head_len,
			  total_len, ret_fault);
}

int crossfuse_check_request(const struct crossfuse_terms *terms,
			    const void *head, size_t head_len, size_t total_len,
			    struct crossfuse_fault *ret_fault)
{
	const uint8_t *at = head;

	if (head_len == total_len && head_len >= IN_HEAD &&
	    cf_get32(at, terms->swapped) == total_len &&
	    is_sound(terms, at, total_len))
		return 0;
	return check_request(terms, at, head_len, total_len, ret_fault);
}

/* 0: it goes on; 1: an error, so that all is said; or -EBADMSG. */
static int check_error(const uint8_t *at, size_t total_len, bool swapped,
		       struct crossfuse_fault *ret)
{
	int32_t error = (int32_t)cf_get32(at + OUT_AT(error), swapped);

	if (error > 0 || error < -4095)
		return fail(ret, (struct crossfuse_fault){
					 .kind = CROSSFUSE_FAULT_ERROR,
					 .field = "error",
					 .offset = OUT_AT(error),
					 .told = (uint64_t)error });
	if (error && total_len > OUT_HEAD)
		return fail(ret, (struct crossfuse_fault){
					 .kind = CROSSFUSE_FAULT_BEHIND,
					 .offset = OUT_HEAD,
					 .there = total_len - OUT_HEAD });
	return error ? 1 : 0;
}

int crossfuse_check_reply(const struct crossfuse_terms *terms, uint32_t opcode,
			  const void *head, size_t head_len, size_t total_len,
			  struct crossfuse_fault *ret_fault)
{
	struct cf_source source = { .swapped = terms->swapped,
				    .records = true };
	const struct crossfuse_layout *layout;
	const struct crossfuse_opcode *op;
	const uint8_t *at = head;
	int err = check_header(at, OUT_HEAD, head_len, total_len,
			       terms->swapped, ret_fault);

	if (err)
		return err;
	if (!cf_get64(at + OUT_AT(unique), terms->swapped)) {
		layout =
			cf_notify(cf_get32(at + OUT_AT(error), terms->swapped));
		if (!layout)
			return -ENOSYS;
	} else {
		err = check_error(at, total_len, terms->swapped, ret_fault);
		op = cf_opcode(opcode);
		if (err || !op)
			return err < 0 ? err : op ? 0 : -ENOSYS;
		layout = &op->reply;
		if (opcode == CF_INIT)
			return check_init(layout, OUT_HEAD, total_len,
					  ret_fault);
		/* A struct, or as many bytes as there are. */
		if (opcode == CF_GETXATTR || opcode == CF_LISTXATTR)
			return 0;
	}
	source.fixed = layout->size;
	return check_body(layout, &source, at, OUT_HEAD, head_len, total_len,
			  ret_fault);
}

int crossfuse_format_fault(const struct crossfuse_fault *fault, char *buf,
			   size_t size)
{
	const char *field = fault->field ? fault->field : "a field";

	switch (fault->kind) {
	case CROSSFUSE_FAULT_HEADER:
		return snprintf(buf, size, "shorter than its header");
	case CROSSFUSE_FAULT_LENGTH:
		return snprintf(buf, size,
				"its header tells %" PRIu64 " bytes, but it "
				"has %" PRIu64,
				fault->told, fault->there);
	case CROSSFUSE_FAULT_ERROR:
		return snprintf(buf, size, "%" PRId64 " is no error number",
				(int64_t)fault->told);
	case CROSSFUSE_FAULT_FIXED:
		return snprintf(buf, size,
				"%" PRIu64 " of %" PRIu64 " bytes behind the "
				"header",
				fault->there, fault->told);
	case CROSSFUSE_FAULT_COUNT:
	case CROSSFUSE_FAULT_EXTLEN:
		return snprintf(buf, size,
				"%s counts %" PRIu64 " bytes, but there are "
				"%" PRIu64,
				field, fault->told, fault->there);
	case CROSSFUSE_FAULT_NAME:
		return snprintf(buf, size,
				"the name at byte %" PRIu32 " is not "
				"terminated",
				fault->offset);
	case CROSSFUSE_FAULT_BEHIND:
		return snprintf(buf, size, "%" PRIu64 " bytes too many",
				fault->there);
	case CROSSFUSE_FAULT_EXTENSION:
		return snprintf(buf, size,
				"the extension at byte %" PRIu32 " is not what "
				"it says",
				fault->offset);
	case CROSSFUSE_FAULT_RECORD:
		return snprintf(buf, size,
				"the record at byte %" PRIu32 " is not what it "
				"says",
				fault->offset);
	case CROSSFUSE_FAULT_HEAD:
		return snprintf(buf, size, "its head ends too early");
	}
	return snprintf(buf, size, "malformed");
}
