/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is said of a message that is not what it says: which field, where, in
 * what words; of a client of which minor; and of sound ones nothing.
 */
#include "session-pair.h"
#include <errno.h>

/* A request, and its fault; FIELD NULL: there is none. */
static const struct {
	struct wire_text text;
	uint32_t minor;
	int kind; /* -1: it is sound */
	uint32_t offset;
	const char *field;
	const char *says;
} cases[] = {
	{ { CF_OPEN, "4", 0, 0, 0, 0 },
	  38,
	  CROSSFUSE_FAULT_FIXED,
	  40,
	  NULL,
	  "4 of 8 bytes behind the header" },
	{ { CF_OPEN, "44[3]", 0, 0, 0, 0 },
	  38,
	  CROSSFUSE_FAULT_BEHIND,
	  48,
	  NULL,
	  "3 bytes too many" },
	{ { CF_LOOKUP, "[4]", 0, 0, 0, 0 },
	  38,
	  CROSSFUSE_FAULT_NAME,
	  40,
	  NULL,
	  "the name at byte 40 is not terminated" },
	{ { CF_RENAME, "8<a>[4]", 0, 0, 0, 0 },
	  38,
	  CROSSFUSE_FAULT_NAME,
	  50,
	  NULL,
	  "the name at byte 50 is not terminated" },
	{ { CF_WRITE, "88{4:7}48O4", 6, 0, 0, 0 },
	  38,
	  CROSSFUSE_FAULT_COUNT,
	  80,
	  "size",
	  "size counts 7 bytes, but there are 6" },
	{ { CF_BATCH_FORGET, "{4:2}488", 0, 0, 0, 0 },
	  38,
	  CROSSFUSE_FAULT_COUNT,
	  48,
	  "count",
	  "count counts 32 bytes, but there are 16" },
	{ { CF_IOCTL, "8{4:0}C8{4:9}{4:0}[8]", 0, 0, 0, 0 },
	  38,
	  CROSSFUSE_FAULT_COUNT,
	  72,
	  "in_size",
	  "in_size counts 9 bytes, but there are 8" },
	{ { CF_MKDIR, "44<a>[8]", 0, 0, 0, 0 },
	  38,
	  CROSSFUSE_FAULT_EXTLEN,
	  36,
	  "total_extlen",
	  "total_extlen counts 0 bytes, but there are 8" },
	{ { CF_MKDIR, "44<a>{4:9}{4:0}", 0, 8, 0, 0 },
	  38,
	  CROSSFUSE_FAULT_EXTENSION,
	  50,
	  NULL,
	  "the extension at byte 50 is not what it says" },
	{ { CF_MKDIR, "44<a>{4:8}{4:0}{4:7}{4:0}", 0, 16, 0, 0 },
	  37,
	  CROSSFUSE_FAULT_EXTENSION,
	  58,
	  NULL,
	  "the extension at byte 58 is not what it says" },
	{ { CF_MKDIR, "44<a>{4:8}{4:0}", 0, 8, 0, 0 },
	  35,
	  CROSSFUSE_FAULT_BEHIND,
	  50,
	  NULL,
	  "8 bytes too many" },
	/* The same three where the minor tells that it is right, or nothing. */
	{ { CF_MKDIR, "44<a>{4:8}{4:0}", 0, 8, 0, 0 }, 38, -1, 0, NULL, NULL },
	{ { CF_MKDIR, "44<a>{4:8}{4:0}", 0, 80, 0, 0 }, 37, -1, 0, NULL, NULL },
	{ { CF_MKDIR, "44<a>{4:8}{4:0}", 0, 80, 0, 0 }, 0, -1, 0, NULL, NULL },
	/* The older form, unless it was agreed upon; either if who knows. */
	{ { CF_SETXATTR, "{4:1}4<a>[1]", 0, 0, 0, 0 }, 38, -1, 0, NULL, NULL },
	{ { CF_SETXATTR, "{4:1}444<a>[1]", 0, 0, 0, 0 }, 0, -1, 0, NULL, NULL },
	{ { CF_SETXATTR, "{4:3}4<a>[1]", 0, 0, 0, 0 },
	  0,
	  CROSSFUSE_FAULT_COUNT,
	  50,
	  "size",
	  "size counts 3 bytes, but there are 1" },
	{ { CF_INIT, "444", 0, 0, 0, 0 },
	  0,
	  CROSSFUSE_FAULT_FIXED,
	  40,
	  NULL,
	  "12 of 16 bytes behind the header" },
	{ { CF_INIT, "4444", 0, 0, 0, 0 }, 0, -1, 0, NULL, NULL },
	{ { CF_INIT, "444444[90]", 0, 0, 0, 0 }, 0, -1, 0, NULL, NULL },
};

static void check_fault(const struct crossfuse_fault *fault, int kind,
			uint32_t offset, const char *field, const char *says)
{
	char text[128], cut[8];

	CHECK_EQ(fault->kind, kind);
	CHECK_EQ(fault->offset, offset);
	CHECK(!field == !fault->field);
	CHECK(!field || !strcmp(field, fault->field));
	CHECK_EQ(crossfuse_format_fault(fault, text, sizeof(text)),
		 strlen(says));
	if (!CHECK(!strcmp(text, says)))
		fprintf(stderr, "  %s\n", text);
	CHECK_EQ(crossfuse_format_fault(fault, cut, sizeof(cut)), strlen(says));
	CHECK(!strncmp(cut, says, 7) && !cut[7]);
}

static void test_requests(bool big)
{
	struct wire_form form = { crossfuse_abi_by_name("x86_64"), big };

	for (size_t i = 0; i < WIRE_COUNT(cases); i++) {
		struct crossfuse_terms terms = {
			.minor = cases[i].minor, .swapped = big != machine_big()
		};
		struct crossfuse_fault fault = { .offset = 9999 };
		struct wire_bytes b;
		int err;

		wire_request(&b, &cases[i].text, form);
		err = crossfuse_check_request(&terms, b.at, b.head, b.len,
					      &fault);
		CHECK_EQ(err, cases[i].kind < 0 ? 0 : -EBADMSG);
		CHECK_EQ(crossfuse_check_request(&terms, b.at, b.head, b.len,
						 NULL),
			 err);
		if (cases[i].kind < 0)
			CHECK_EQ(fault.offset, 9999);
		else
			check_fault(&fault, cases[i].kind, cases[i].offset,
				    cases[i].field, cases[i].says);
	}
}

/* All that a session takes, and with a head that is too short. */
static void test_sound(bool big)
{
	struct wire_form form = { crossfuse_abi_by_name("x86_64"), big };
	struct crossfuse_terms terms = { .minor = 38,
					 .swapped = big != machine_big() };
	struct crossfuse_fault fault;
	struct wire_bytes b;

	for (size_t i = 0; i < WIRE_COUNT(wire_requests); i++) {
		wire_request(&b, &wire_requests[i], form);
		terms.setxattr_ext = wire_requests[i].long_setxattr;
		CHECK_EQ(crossfuse_check_request(&terms, b.at, b.head, b.len,
						 &fault),
			 0);
		if (b.head == 40)
			continue;
		CHECK_EQ(crossfuse_check_request(&terms, b.at, 40, b.len,
						 &fault),
			 -EBADMSG);
		CHECK_EQ(fault.kind, CROSSFUSE_FAULT_HEAD);
	}
	for (size_t i = 0; i < WIRE_COUNT(wire_replies); i++) {
		wire_reply(&b, &wire_replies[i], form, 0, WIRE_UNIQUE);
		CHECK_EQ(crossfuse_check_reply(&terms, wire_replies[i].code,
					       b.at, b.head, b.len, &fault),
			 0);
		wire_reply(&b, &wire_replies[i], form, (uint32_t)-5,
			   WIRE_UNIQUE);
		CHECK_EQ(crossfuse_check_reply(&terms, wire_replies[i].code,
					       b.at, b.head, b.len, &fault),
			 b.len == 16 ? 0 : -EBADMSG);
	}
	for (size_t i = 0; i < WIRE_COUNT(wire_notifies); i++) {
		wire_reply(&b, &wire_notifies[i], form, wire_notifies[i].code,
			   0);
		CHECK_EQ(crossfuse_check_reply(&terms, 0, b.at, b.head, b.len,
					       &fault),
			 0);
	}
}

/* What stands in a header, and what nobody knows. */
static void test_headers(void)
{
	struct wire_form form = { crossfuse_abi_by_name("x86_64"),
				  machine_big() };
	struct wire_text open = { CF_OPEN, "844", 0, 0, 0, 0 };
	struct wire_text dirents = { CF_READDIR, "88{4:3}4[8]88{4:4096}4[8]",
				     0,		 0,
				     0,		 0 };
	struct crossfuse_terms terms = { .minor = 38 };
	struct crossfuse_fault fault;
	struct wire_bytes b;

	wire_request(&b, &(struct wire_text){ 99, "8", 0, 0, 0, 0 }, form);
	CHECK_EQ(crossfuse_check_request(&terms, b.at, b.len, b.len, &fault),
		 -ENOSYS);
	CHECK_EQ(crossfuse_check_request(&terms, b.at, 39, 39, &fault),
		 -EBADMSG);
	check_fault(&fault, CROSSFUSE_FAULT_HEADER, 0, NULL,
		    "shorter than its header");
	CHECK_EQ(crossfuse_check_request(&terms, b.at, 47, 47, &fault),
		 -EBADMSG);
	check_fault(&fault, CROSSFUSE_FAULT_LENGTH, 0, "len",
		    "its header tells 48 bytes, but it has 47");
	wire_reply(&b, &open, form, 5, WIRE_UNIQUE);
	CHECK_EQ(crossfuse_check_reply(&terms, CF_OPEN, b.at, b.len, b.len,
				       &fault),
		 -EBADMSG);
	check_fault(&fault, CROSSFUSE_FAULT_ERROR, 4, "error",
		    "5 is no error number");
	wire_reply(&b, &open, form, (uint32_t)-4096, WIRE_UNIQUE);
	CHECK_EQ(crossfuse_check_reply(&terms, CF_OPEN, b.at, b.len, b.len,
				       &fault),
		 -EBADMSG);
	check_fault(&fault, CROSSFUSE_FAULT_ERROR, 4, "error",
		    "-4096 is no error number");
	wire_reply(&b, &open, form, 0, WIRE_UNIQUE);
	CHECK_EQ(crossfuse_check_reply(&terms, 99, b.at, b.len, b.len, &fault),
		 -ENOSYS);
	wire_reply(&b, &open, form, 77, 0);
	CHECK_EQ(crossfuse_check_reply(&terms, 0, b.at, b.len, b.len, &fault),
		 -ENOSYS);
	wire_reply(&b, &dirents, form, 0, WIRE_UNIQUE);
	CHECK_EQ(crossfuse_check_reply(&terms, CF_READDIR, b.at, b.len, b.len,
				       &fault),
		 -EBADMSG);
	check_fault(&fault, CROSSFUSE_FAULT_RECORD, 48, NULL,
		    "the record at byte 48 is not what it says");
}

int main(void)
{
	test_requests(false);
	test_requests(true);
	test_sound(false);
	test_sound(true);
	test_headers();
	return check_result();
}
