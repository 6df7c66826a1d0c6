/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages as text; and that nothing that is decoded is read past its end. */
#include "session-pair.h"

static void check_text(const char *got, int len, const char *want)
{
	if (!CHECK(!strcmp(got, want)))
		fprintf(stderr, "  got:  %s\n  want: %s\n", got, want);
	CHECK_EQ(len, strlen(want));
}

static void test_request(const char *abi, const struct wire_text *text,
			 const char *want)
{
	struct wire_form form = { crossfuse_abi_by_name(abi), false };
	struct wire_bytes b;
	char buf[512];
	int len;

	form.big = crossfuse_abi_big_endian(form.abi);
	wire_request(&b, text, form);
	len = crossfuse_format_request(form.abi, form.big != machine_big(),
				       b.at, b.head, buf, sizeof(buf));
	check_text(buf, len, want);
}

static void test_reply(const char *abi, const struct wire_text *text,
		       int32_t error, uint64_t unique, const char *want)
{
	struct wire_form form = { crossfuse_abi_by_name(abi), false };
	struct wire_bytes b;
	char buf[512];
	int len;

	form.big = crossfuse_abi_big_endian(form.abi);
	wire_reply(&b, text, form, (uint32_t)error, unique);
	len = crossfuse_format_reply(form.abi, form.big != machine_big(),
				     text->code, b.at, b.head, buf,
				     sizeof(buf));
	check_text(buf, len, want);
}

#define IDS		 " unique=9833440827789222416 nodeid=1161981756646125696"
#define TEXT(code, body) (&(struct wire_text){ code, body, 0, 0, 0, 0 })

static void test_lines(void)
{
	test_request("x86_64", TEXT(CF_OPEN, "{4:16384}{4:0}"),
		     "OPEN" IDS " flags=O_RDONLY|O_DIRECT open_flags=0x0");
	test_request("aarch64", TEXT(CF_OPEN, "{4:16386}{4:1}"),
		     "OPEN" IDS " flags=O_RDWR|O_DIRECTORY open_flags=0x1");
	test_request("mips64", TEXT(CF_OPENDIR, "{4:73856}{4:0}"),
		     "OPENDIR" IDS " flags=O_RDONLY|O_NONBLOCK|O_LARGEFILE|O_"
		     "DIRECTORY"
		     " open_flags=0x0");
	test_request("x86_64", TEXT(CF_OPEN, "{4:2147483649}{4:0}"),
		     "OPEN" IDS " flags=O_WRONLY|0x80000000 open_flags=0x0");
	test_request("s390x", TEXT(CF_LOOKUP, "<a \"b\">"),
		     "LOOKUP" IDS " \"a \\\"b\\\"\"");
	test_request("s390x", TEXT(CF_RENAME, "{4:0}{4:5}<old><new>"),
		     "RENAME" IDS " newdir=5 \"old\" \"new\"");
	test_request("x86_64", TEXT(CF_MKDIR, "{4:493}{4:18}<d>"),
		     "MKDIR" IDS " mode=0755 umask=022 \"d\"");
	test_request("x86_64", TEXT(CF_SETXATTR, "{4:2}{4:1}<user.x>[2]"),
		     "SETXATTR" IDS " size=2 flags=0x1 \"user.x\" +2 bytes");
	test_request("x86_64",
		     TEXT(CF_SETXATTR, "{4:2}{4:1}{4:1}{4:0}<user.x>[2]"),
		     "SETXATTR" IDS " size=2 flags=0x1 setxattr_flags=0x1"
		     " \"user.x\" +2 bytes");
	test_request("x86_64", TEXT(CF_LOOKUP, "[3]"),
		     "LOOKUP" IDS " \"\\x83\\x82\\x81\" (not terminated)");
	test_request("x86_64", TEXT(CF_FORGET, "{4:0}"),
		     "FORGET" IDS " (cut short)");
	test_request("x86_64", TEXT(77, "{4:0}"), "opcode 77" IDS " +4 bytes");
	test_reply("parisc64", TEXT(CF_LOOKUP, ""), -248, 7,
		   "reply LOOKUP unique=7 error=-ENAMETOOLONG");
	test_reply("x86_64", TEXT(CF_LOOKUP, ""), -4000, 7,
		   "reply LOOKUP unique=7 error=-4000");
	test_reply("x86_64", TEXT(CF_OPEN, "{4:7}{4:0}{4:2}{4:0}"), 0, 7,
		   "reply OPEN unique=7 fh=7 open_flags=0x2 backing_id=0");
	test_reply("s390x", TEXT(CF_WRITE, "{4:4096}{4:0}"), 0, 7,
		   "reply WRITE unique=7 size=4096");
	test_reply("s390x", TEXT(CF_READ, ""), 0, 7, "reply READ unique=7");
	test_reply("alpha", TEXT(0, "{4:1}{4:0}{4:3}{4:0}<abc>"), 3, 0,
		   "notify INVAL_ENTRY parent=1 namelen=3 flags=0x0 \"abc\"");
	test_reply("x86_64", TEXT(0, "[3]"), 99, 0, "notify 99 +3 bytes");
	/* F_UNLCK is 8 on alpha; 0x0123456789abcdef + 0x1111, + 0x2222 */
	test_reply("alpha", TEXT(CF_GETLK, "88{4:8}{4:0}"), 0, 7,
		   "reply GETLK unique=7 lk.start=81985529216491264"
		   " lk.end=81985529216495633 lk.type=F_UNLCK lk.pid=0");
}

/* Every message at every length, in memory of that length. */
static void test_lengths(void)
{
	struct wire_form form = { crossfuse_abi_native(), machine_big() };
	struct wire_bytes b;
	char buf[1024];

	for (size_t i = 0; i < WIRE_COUNT(wire_requests); i++) {
		wire_request(&b, &wire_requests[i], form);
		for (size_t len = 0; len <= b.head; len++) {
			uint8_t *copy = malloc(len + !len);
			int said;

			if (!copy)
				exit(99);
			memcpy(copy, b.at, len);
			said = crossfuse_format_request(form.abi, false, copy,
							len, buf, sizeof(buf));
			CHECK_EQ(said, strlen(buf));
			said = crossfuse_format_request(form.abi, true, copy,
							len, buf, sizeof(buf));
			CHECK_EQ(said, strlen(buf));
			said = crossfuse_format_reply(form.abi, false,
						      wire_requests[i].code,
						      copy, len, buf,
						      sizeof(buf));
			CHECK_EQ(said, strlen(buf));
			free(copy);
		}
	}
}

/* A buffer that is too small: as much as fits, and the whole length. */
static void test_room(void)
{
	struct wire_form form = { crossfuse_abi_native(), machine_big() };
	char whole[512], part[512];
	struct wire_bytes b;
	int len;

	wire_request(&b, TEXT(CF_RENAME, "8<old><new>"), form);
	len = crossfuse_format_request(form.abi, false, b.at, b.head, whole,
				       sizeof(whole));
	CHECK(len > 40);
	for (size_t size = 0; size <= (size_t)len + 1; size++) {
		memset(part, '#', sizeof(part));
		CHECK_EQ(crossfuse_format_request(form.abi, false, b.at, b.head,
						  size ? part : NULL, size),
			 len);
		if (size)
			CHECK(strlen(part) == size - 1 &&
			      !strncmp(part, whole, size - 1));
		CHECK_EQ(part[size], '#');
	}
}

int main(void)
{
	test_lines();
	test_lengths();
	test_room();
	return check_result();
}
