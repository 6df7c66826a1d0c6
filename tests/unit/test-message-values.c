/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The values in a message as text, each by its sender's numbers, those that
 * have no name among them; and names of flags that are more than one bit.
 */
#include "session-pair.h"

static struct wire_form form_of(const char *name)
{
	const struct crossfuse_abi *abi = crossfuse_abi_by_name(name);

	return (struct wire_form){ abi, crossfuse_abi_big_endian(abi) };
}

/* Whether the line ends in what is behind the header. */
static void check_end(const char *line, const char *want)
{
	size_t len = strlen(line), end = strlen(want);

	if (!CHECK(len > end && !strcmp(line + len - end, want)))
		fprintf(stderr, "  got:  %s\n  want: ...%s\n", line, want);
}

static void request(const char *name, uint32_t code, const char *body,
		    const char *want)
{
	const struct wire_text text = { .code = code, .body = body };
	struct wire_form form = form_of(name);
	struct wire_bytes b;
	char line[1024];

	wire_request(&b, &text, form);
	crossfuse_format_request(form.abi, form.big != machine_big(), b.at,
				 b.len, line, sizeof(line));
	check_end(line, want);
}

static void reply(const char *name, uint32_t code, const char *body,
		  const char *want)
{
	const struct wire_text text = { .code = code, .body = body };
	struct wire_form form = form_of(name);
	struct wire_bytes b;
	char line[1024];

	wire_reply(&b, &text, form, 0, 7);
	crossfuse_format_reply(form.abi, form.big != machine_big(), code, b.at,
			       b.len, line, sizeof(line));
	check_end(line, want);
}

static void test_requests(void)
{
	/* POLLOUT, POLLWRNORM: 4, 0x100; on mips one bit; on sparc 0x200 */
	request("x86_64", CF_POLL, "{4:1}{4:0}{4:2}{4:0}{4:0}{4:261}",
		" events=POLLIN|POLLOUT|POLLWRNORM");
	request("sparc64", CF_POLL, "{4:0}{4:1}{4:0}{4:2}{4:0}{4:0}",
		" events=0");
	request("x86_64", CF_POLL, "{4:1}{4:0}{4:2}{4:0}{4:0}{4:65537}",
		" events=POLLIN|0x10000");
	request("x86_64", CF_POLL, "{4:1}{4:0}{4:2}{4:0}{4:0}{4:65536}",
		" events=0x10000");
	/* F_WRLCK: 1, and 2 on alpha and sparc, where 3 and 9 are none */
	request("x86_64", CF_SETLK,
		"{4:1}{4:0}{4:2}{4:0}{4:0}{4:0}{4:9}{4:0}{4:1}{4:6}{4:0}{4:0}",
		" lk.type=F_WRLCK lk.pid=6 lk_flags=0x0");
	request("sparc64", CF_SETLK,
		"{4:1}{4:0}{4:2}{4:0}{4:0}{4:0}{4:9}{4:0}{4:2}{4:6}{4:0}{4:0}",
		" lk.type=F_WRLCK lk.pid=6 lk_flags=0x0");
	request("x86_64", CF_SETLK,
		"{4:1}{4:0}{4:2}{4:0}{4:0}{4:0}{4:9}{4:0}{4:9}{4:6}{4:0}{4:0}",
		" lk.type=9 lk.pid=6 lk_flags=0x0");
	/* TCGETS: 0x5401, and 0x540d on mips */
	request("x86_64", CF_IOCTL,
		"{4:1}{4:0}{4:1}{4:21505}{4:5}{4:0}{4:0}{4:8}",
		" flags=0x1 cmd=TCGETS arg=5 in_size=0 out_size=8");
	request("mipsel", CF_IOCTL,
		"{4:1}{4:0}{4:0}{4:21517}{4:5}{4:0}{4:0}{4:8}",
		" flags=0x0 cmd=TCGETS arg=5 in_size=0 out_size=8");
	request("x86_64", CF_IOCTL,
		"{4:1}{4:0}{4:0}{4:65539}{4:5}{4:0}{4:0}{4:8}",
		" flags=0x0 cmd=0x10003 arg=5 in_size=0 out_size=8");
}

static void test_replies(void)
{
	/* EAGAIN: 11, and 35 on alpha; a result may be no error as well */
	reply("x86_64", CF_IOCTL, "{4:4294967285}{4:0}{4:0}{4:0}",
	      " result=-EAGAIN flags=0x0 in_iovs=0 out_iovs=0");
	reply("alpha", CF_IOCTL, "{4:4294967261}{4:0}{4:0}{4:0}",
	      " result=-EAGAIN flags=0x0 in_iovs=0 out_iovs=0");
	reply("x86_64", CF_IOCTL, "{4:42}{4:0}{4:0}{4:0}[8]",
	      " result=42 flags=0x0 in_iovs=0 out_iovs=0 +8 bytes");
	reply("x86_64", CF_IOCTL, "{4:4294967254}{4:0}{4:0}{4:0}",
	      " result=-ENOMSG flags=0x0 in_iovs=0 out_iovs=0");
	reply("x86_64", CF_IOCTL, "{4:4294966296}{4:0}{4:0}{4:0}",
	      " result=-1000 flags=0x0 in_iovs=0 out_iovs=0");
	reply("x86_64", CF_POLL, "{4:0}{4:0}", " revents=0");
	/* A value, of any length, or its size: the request would tell. */
	reply("x86_64", CF_GETXATTR, "[5]", " unique=7 +5 bytes");
	reply("s390x", CF_INIT, "{4:7}{4:45}", " major=7 minor=45");
}

/* Flags of more than one bit, and those that are not of asm/fcntl.h. */
static void test_flags(void)
{
	static const struct {
		const char *abi;
		uint32_t flags;
		const char *name;
	} names[] = {
		{ "x86_64", 0x101000, "O_SYNC" },
		{ "mips", 0x4010, "O_SYNC" },
		{ "sparc64", 0x802000, "O_SYNC" },
		{ "x86_64", 0x410000, "O_TMPFILE" },
		{ "aarch64", 0x404000, "O_TMPFILE" },
		{ "parisc", 0x801000, "O_TMPFILE" },
		{ "alpha", 0x20, "__FMODE_EXEC" },
		{ "alpha", 0x4000000, "__FMODE_NONOTIFY" },
		{ "sparc", 0x4, "O_NDELAY" },
		{ "sparc", 0, "O_RDONLY" },
		{ "sparc", 3, "O_ACCMODE" },
	};
	const char *got;

	for (size_t i = 0; i < WIRE_COUNT(names); i++) {
		got = crossfuse_open_flag_name(
			crossfuse_abi_by_name(names[i].abi), names[i].flags);
		if (!CHECK(got && !strcmp(got, names[i].name)))
			fprintf(stderr, "  %s %#x: %s\n", names[i].abi,
				names[i].flags, got ? got : "none");
	}
	/* Any other two bits are no flag. */
	CHECK(!crossfuse_open_flag_name(crossfuse_abi_canonical(), 0xc0));
	CHECK(!crossfuse_open_flag_name(crossfuse_abi_canonical(), 0x100040));
}

int main(void)
{
	test_requests();
	test_replies();
	test_flags();
	return check_result();
}
