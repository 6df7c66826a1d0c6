/* SPDX-License-Identifier: BSD-2-Clause */
/* ioctl numbers and poll events against values typed in here. */
#include "check.h"

#include <crossfuse/abi.h>
#include <errno.h>

static const struct crossfuse_abi *abi_of(const char *name)
{
	const struct crossfuse_abi *abi = crossfuse_abi_by_name(name);

	if (!abi) {
		fprintf(stderr, "no ABI %s\n", name);
		exit(EXIT_FAILURE);
	}
	return abi;
}

enum {
	ABIS = 8
};
static const char *const abis[ABIS] = {
	"x86_64", "armv7l",  "ppc64le", "mips64",
	"alpha",  "sparc64", "parisc",	"xtensa",
};

/* By the columns above. */
static const struct {
	const char *what;
	uint32_t cmd[ABIS];
} same[] = {
	{ "FIBMAP, _IO(0, 1)",
	  { 0x1, 0x1, 0x20000001, 0x20000001, 0x20000001, 0x20000001, 0x1,
	    0x1 } },
	{ "FS_IOC_GETFLAGS, _IOR('f', 1, long) of 64 bits",
	  { 0x80086601, 0x80086601, 0x40086601, 0x40086601, 0x40086601,
	    0x40086601, 0x40086601, 0x80086601 } },
	{ "FS_IOC32_SETFLAGS, _IOW('f', 2, int)",
	  { 0x40046602, 0x40046602, 0x80046602, 0x80046602, 0x80046602,
	    0x80046602, 0x80046602, 0x40046602 } },
	{ "FS_IOC_FSGETXATTR, _IOR('X', 31, 28 bytes)",
	  { 0x801c581f, 0x801c581f, 0x401c581f, 0x401c581f, 0x401c581f,
	    0x401c581f, 0x401c581f, 0x801c581f } },
	{ "FIDEDUPERANGE, _IOWR(0x94, 54, 24 bytes)",
	  { 0xc0189436, 0xc0189436, 0xc0189436, 0xc0189436, 0xc0189436,
	    0xc0189436, 0xc0189436, 0xc0189436 } },
	{ "FIOQSIZE",
	  { 0x5460, 0x545e, 0x40086680, 0x667f, 0x40086680, 0x40086680, 0x5460,
	    0x80086680 } },
	{ "FIONREAD",
	  { 0x541b, 0x541b, 0x4004667f, 0x467f, 0x4004667f, 0x4004667f, 0x541b,
	    0x8004667f } },
	{ "FIONBIO",
	  { 0x5421, 0x5421, 0x8004667e, 0x667e, 0x8004667e, 0x8004667e, 0x5421,
	    0x4004667e } },
	{ "TCGETS",
	  { 0x5401, 0x5401, 0x402c7413, 0x540d, 0x402c7413, 0x40245408,
	    0x40245410, 0x5401 } },
	{ "TIOCGWINSZ",
	  { 0x5413, 0x5413, 0x40087468, 0x40087468, 0x40087468, 0x40087468,
	    0x5413, 0x80087468 } },
	{ "SIOCATMARK",
	  { 0x8905, 0x8905, 0x8905, 0x40047307, 0x40047307, 0x8905, 0x8905,
	    0x80047307 } },
	{ "SIOCGIFCONF",
	  { 0x8912, 0x8912, 0x8912, 0x8912, 0x8912, 0x8912, 0x8912, 0x8912 } },
	{ "CDROMEJECT",
	  { 0x5309, 0x5309, 0x5309, 0x5309, 0x5309, 0x5309, 0x5309, 0x5309 } },
	{ "SIOCDEVPRIVATE + 15",
	  { 0x89ff, 0x89ff, 0x89ff, 0x89ff, 0x89ff, 0x89ff, 0x89ff, 0x89ff } },
};

static void test_known(void)
{
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		for (size_t j = 0; j < ABIS * ABIS; j++) {
			uint32_t in = same[i].cmd[j / ABIS], got = 0;
			int ret = crossfuse_ioctl_cmd(abi_of(abis[j / ABIS]),
						      abi_of(abis[j % ABIS]),
						      in, &got);

			if (ret || got != same[i].cmd[j % ABIS])
				fprintf(stderr, "%s, %s to %s: %#x, %d\n",
					same[i].what, abis[j / ABIS],
					abis[j % ABIS], got, ret);
			CHECK_EQ(ret, 0);
			CHECK_EQ(got, same[i].cmd[j % ABIS]);
		}
}

static void test_refused(void)
{
	static const struct {
		const char *from;
		const char *to;
		uint32_t cmd;
	} bad[] = {
		/* Names that the other side lacks: TIOCGETP, TIOCGLTC. */
		{ "ppc64", "x86_64", 0x40067408 },
		{ "mips", "x86_64", 0x7474 },
		/* 16383 bytes where 13 bits count the size. */
		{ "x86_64", "ppc64", 0xbfff5801 },
		{ "x86_64", "mips64", 0x7fff5801 },
		{ "sparc64", "alpha", 0x7fff5801 },
		/* "No data" of 8192 bytes: sparc's size has no 14th bit then. */
		{ "x86_64", "sparc64", 0x20005801 },
		/* Would come out as FIONBIO, TCGETS. */
		{ "x86_64", "ppc64", 0x4004667e },
		{ "x86_64", "sparc64", 0x80245408 },
		/* No data and data. */
		{ "ppc64", "x86_64", 0x60045801 },
		/* No direction, but a size. */
		{ "mips64", "x86_64", 0x00045801 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint32_t got = 77;
		int ret;

		ret = crossfuse_ioctl_cmd(abi_of(bad[i].from),
					  abi_of(bad[i].to), bad[i].cmd, &got);
		if (!CHECK_EQ(ret, -ENOTTY))
			fprintf(stderr, "  %s to %s: %#x\n", bad[i].from,
				bad[i].to, bad[i].cmd);
		CHECK_EQ(got, 77);
	}
}

/* Every direction and size, there and back, with types that no name has. */
static void test_encoding(const struct crossfuse_abi *abi)
{
	const struct crossfuse_abi *x86 = abi_of("x86_64");
	unsigned int wrong = 0;

	for (uint32_t direction = 0; direction < 4; direction++)
		for (uint32_t size = 0; size < 0x2000; size++) {
			uint32_t cmd = direction << 30 | size << 16 | 0x5807;
			uint32_t there = 0, back = 0;

			if (crossfuse_ioctl_cmd(x86, abi, cmd, &there) ||
			    crossfuse_ioctl_cmd(abi, x86, there, &back) ||
			    (there & 0xffff) != 0x5807 || back != cmd)
				wrong++;
		}
	CHECK_EQ(wrong, 0);
}

/* Every name of every ABI, there and back, as far as there is a counterpart. */
static void test_names(const struct crossfuse_abi *abi)
{
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	unsigned int count = 0;
	const char *name;
	uint32_t cmd, want, got, back;

	for (size_t i = 0; (name = crossfuse_ioctl_at(abi, i, &cmd)); i++) {
		int ret;

		if (!cmd)
			continue;
		CHECK(crossfuse_ioctl_name(abi, cmd));
		CHECK(crossfuse_ioctl_at(canonical, i, &want) == name);
		ret = crossfuse_ioctl_cmd(abi, canonical, cmd, &got);
		if (!want) {
			CHECK_EQ(ret, -ENOTTY);
			continue;
		}
		CHECK_EQ(ret, 0);
		CHECK_EQ(got, want);
		CHECK_EQ(crossfuse_ioctl_cmd(canonical, abi, got, &back), 0);
		CHECK_EQ(back, cmd);
		count++;
	}
	CHECK(count > 70);
	cmd = 77;
	CHECK(!crossfuse_ioctl_at(abi, SIZE_MAX, &cmd));
	CHECK_EQ(cmd, 77);
}

static void test_sparc(void)
{
	const struct crossfuse_abi *sparc_abi = abi_of("sparc64");
	const struct crossfuse_abi *x86 = abi_of("x86_64");
	uint32_t got = 0;

	/* A read of 16383 bytes: its size runs into the bit of "no data". */
	CHECK_EQ(crossfuse_ioctl_cmd(x86, sparc_abi, 0xbfff5801, &got), 0);
	CHECK_EQ(got, 0x7fff5801);
	CHECK_EQ(crossfuse_ioctl_cmd(sparc_abi, x86, 0x7fff5801, &got), 0);
	CHECK_EQ(got, 0xbfff5801);
	/* The same ABI's own numbers pass, whatever they are. */
	CHECK_EQ(crossfuse_ioctl_cmd(sparc_abi, sparc_abi, 0x00045801, &got),
		 0);
	CHECK_EQ(got, 0x00045801);
	/* A number of no known kind stays what it is. */
	CHECK_EQ(crossfuse_ioctl_cmd(sparc_abi, x86, 0x1234, &got), 0);
	CHECK_EQ(got, 0x1234);
}

static void test_ioctl_names(void)
{
	static const struct {
		const char *abi;
		uint32_t cmd;
		const char *name;
	} names[] = {
		{ "x86_64", 0x5401, "TCGETS" },
		{ "mips", 0x5401, "TCGETA" },
		{ "ppc64", 0x4004667f, "FIONREAD" },
		{ "s390x", 0x545e, "FIOQSIZE" },
		{ "arm64", 0x5460, "FIOQSIZE" },
		{ "mips", 0x8915, "SIOCGIFADDR" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *name = crossfuse_ioctl_name(abi_of(names[i].abi),
							names[i].cmd);

		CHECK(name && strcmp(name, names[i].name) == 0);
	}
	CHECK(!crossfuse_ioctl_name(abi_of("x86_64"), 0x80086601));
	CHECK(!crossfuse_ioctl_name(abi_of("x86_64"), 0));
	CHECK(!crossfuse_ioctl_name(abi_of("x86_64"), ~0u));
}

enum {
	POLL_ABIS = 4,
	POLL_EVENTS = 13
};
static const char *const poll_abis[POLL_ABIS] = { "aarch64", "m68k", "sparc",
						  "xtensa" };
static const struct {
	const char *name;
	uint32_t bit[POLL_ABIS];
} poll_events[POLL_EVENTS] = {
	{ "POLLIN", { 0x1, 0x1, 0x1, 0x1 } },
	{ "POLLPRI", { 0x2, 0x2, 0x2, 0x2 } },
	{ "POLLOUT", { 0x4, 0x4, 0x4, 0x4 } },
	{ "POLLERR", { 0x8, 0x8, 0x8, 0x8 } },
	{ "POLLHUP", { 0x10, 0x10, 0x10, 0x10 } },
	{ "POLLNVAL", { 0x20, 0x20, 0x20, 0x20 } },
	{ "POLLRDNORM", { 0x40, 0x40, 0x40, 0x40 } },
	{ "POLLRDBAND", { 0x80, 0x80, 0x80, 0x80 } },
	{ "POLLWRNORM", { 0x100, 0x4, 0x4, 0x4 } },
	{ "POLLWRBAND", { 0x200, 0x100, 0x100, 0x100 } },
	{ "POLLMSG", { 0x400, 0x400, 0x200, 0x400 } },
	{ "POLLREMOVE", { 0x1000, 0x1000, 0x400, 0x800 } },
	{ "POLLRDHUP", { 0x2000, 0x2000, 0x800, 0x2000 } },
};

/* All sets of events. A bit that two names share stands for both. */
static void test_poll_pair(unsigned int from, unsigned int to)
{
	const struct crossfuse_abi *a = abi_of(poll_abis[from]);
	const struct crossfuse_abi *b = abi_of(poll_abis[to]);
	unsigned int wrong = 0;

	for (uint32_t in = 0; in < 0x10000; in++) {
		uint32_t want = 0, left = in, unknown = 99, got;

		for (unsigned int i = 0; i < POLL_EVENTS; i++) {
			if (!(in & poll_events[i].bit[from]))
				continue;
			want |= poll_events[i].bit[to];
			left &= ~poll_events[i].bit[from];
		}
		got = crossfuse_poll_events(a, b, in | 1u << 31, &unknown);
		if (got != want || unknown != (left | 1u << 31))
			wrong++;
	}
	CHECK_EQ(wrong, 0);
}

static void test_poll(void)
{
	uint32_t unknown = 1;

	for (unsigned int i = 0; i < POLL_ABIS; i++) {
		const struct crossfuse_abi *abi = abi_of(poll_abis[i]);

		for (unsigned int j = 0; j < POLL_ABIS; j++)
			if (i != j)
				test_poll_pair(i, j);
		CHECK_EQ(crossfuse_poll_events(abi, abi, ~0u, &unknown), ~0u);
		CHECK_EQ(unknown, 0);
		for (unsigned int j = 0; j < POLL_EVENTS; j++) {
			uint32_t bit = poll_events[j].bit[i];
			const char *name = crossfuse_poll_name(abi, bit);

			/* POLLOUT is the name of the bit that two share. */
			CHECK(name && (strcmp(name, poll_events[j].name) == 0 ||
				       bit == 4));
		}
		CHECK(!crossfuse_poll_name(abi, 0));
		CHECK(!crossfuse_poll_name(abi, 0x8000));
	}
	CHECK_EQ(crossfuse_poll_events(abi_of("x86_64"), abi_of("mips"), 0x304,
				       NULL),
		 0x104);
}

int main(void)
{
	const struct crossfuse_abi *abi;

	test_known();
	test_refused();
	for (size_t i = 0; (abi = crossfuse_abi_at(i)); i++) {
		test_encoding(abi);
		test_names(abi);
	}
	test_names(crossfuse_abi_canonical());
	test_sparc();
	test_ioctl_names();
	test_poll();
	return check_result();
}
