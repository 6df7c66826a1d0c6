/* SPDX-License-Identifier: BSD-2-Clause */
/* The values of the ABIs against tables typed in here, and round trips. */
#include "check.h"

#include <crossfuse/abi.h>
#include <errno.h>
#include <stdbool.h>

/* One ABI of each group of open flags, the generic one first. */
enum {
	GROUPS = 7,
	FLAGS = 17
};
static const char *const group_abis[GROUPS] = {
	"x86_64", "aarch64", "ppc64le", "mips64", "alpha", "sparc64", "parisc",
};

/* docs/protocol.md, by the columns above; the first two are the same bits. */
static const struct {
	const char *name;
	uint32_t bit[GROUPS];
} open_flags[FLAGS] = {
	{ "O_CREAT", { 0x40, 0x40, 0x40, 0x100, 0x200, 0x200, 0x100 } },
	{ "O_EXCL", { 0x80, 0x80, 0x80, 0x400, 0x800, 0x800, 0x400 } },
	{ "O_NOCTTY", { 0x100, 0x100, 0x100, 0x800, 0x1000, 0x8000, 0x20000 } },
	{ "O_TRUNC", { 0x200, 0x200, 0x200, 0x200, 0x400, 0x400, 0x200 } },
	{ "O_APPEND", { 0x400, 0x400, 0x400, 0x8, 0x8, 0x8, 0x8 } },
	{ "O_NONBLOCK", { 0x800, 0x800, 0x800, 0x80, 0x4, 0x4000, 0x10000 } },
	{ "O_DSYNC",
	  { 0x1000, 0x1000, 0x1000, 0x10, 0x4000, 0x2000, 0x40000 } },
	{ "__O_SYNC",
	  { 0x100000, 0x100000, 0x100000, 0x4000, 0x400000, 0x800000,
	    0x8000 } },
	{ "FASYNC", { 0x2000, 0x2000, 0x2000, 0x1000, 0x2000, 0x40, 0x2000 } },
	{ "O_DIRECT",
	  { 0x4000, 0x10000, 0x20000, 0x8000, 0x80000, 0x100000, 0x4000 } },
	{ "O_LARGEFILE",
	  { 0x8000, 0x20000, 0x10000, 0x2000, 0x20000, 0x40000, 0x800 } },
	{ "O_DIRECTORY",
	  { 0x10000, 0x4000, 0x4000, 0x10000, 0x8000, 0x10000, 0x1000 } },
	{ "O_NOFOLLOW",
	  { 0x20000, 0x8000, 0x8000, 0x20000, 0x10000, 0x20000, 0x80 } },
	{ "O_NOATIME",
	  { 0x40000, 0x40000, 0x40000, 0x40000, 0x100000, 0x200000,
	    0x100000 } },
	{ "O_CLOEXEC",
	  { 0x80000, 0x80000, 0x80000, 0x80000, 0x200000, 0x400000,
	    0x200000 } },
	{ "O_PATH",
	  { 0x200000, 0x200000, 0x200000, 0x200000, 0x800000, 0x1000000,
	    0x400000 } },
	{ "__O_TMPFILE",
	  { 0x400000, 0x400000, 0x400000, 0x400000, 0x1000000, 0x2000000,
	    0x800000 } },
};
enum {
	DSYNC = 6,
	SYNC = 7,
	DIRECTORY = 11,
	TMPFILE = 16
};

static const struct crossfuse_abi *abi_of(const char *name)
{
	const struct crossfuse_abi *abi = crossfuse_abi_by_name(name);

	if (!abi) {
		fprintf(stderr, "no ABI %s\n", name);
		exit(EXIT_FAILURE);
	}
	return abi;
}

/* The bits of a set of flags, each of which is a bit of SET. */
static uint32_t flags_of(unsigned int group, uint32_t set)
{
	uint32_t flags = 0;

	for (unsigned int i = 0; i < FLAGS; i++)
		if (set >> i & 1)
			flags |= open_flags[i].bit[group];
	return flags;
}

/* All sets of flags, in both directions; parts of whole values are left out. */
static void test_open_pair(unsigned int from, unsigned int to)
{
	const struct crossfuse_abi *a = abi_of(group_abis[from]);
	const struct crossfuse_abi *b = abi_of(group_abis[to]);
	unsigned int wrong = 0;

	for (uint32_t set = 0; set < 1u << FLAGS; set++) {
		uint32_t extra = (set & 3) | (set & 4 ? 0x20 : 0) |
				 (set & 8 ? 0x4000000 : 0);
		uint32_t in = flags_of(from, set) | extra, unknown = 99;
		uint32_t want = flags_of(to, set) | extra, got;

		if ((set >> SYNC & 1 && !(set >> DSYNC & 1)) ||
		    (set >> TMPFILE & 1 && !(set >> DIRECTORY & 1)))
			continue;
		got = crossfuse_open_flags(a, b, in, &unknown);
		if (got == want && unknown == 0)
			continue;
		if (wrong++ < 5)
			fprintf(stderr, "%s %#x to %s: %#x (%#x), not %#x\n",
				group_abis[from], in, group_abis[to], got,
				unknown, want);
	}
	CHECK_EQ(wrong, 0);
}

/* Every bit that the table does not name, alone and beside known ones. */
static void test_open_unknown(unsigned int from, unsigned int to)
{
	const struct crossfuse_abi *a = abi_of(group_abis[from]);
	const struct crossfuse_abi *b = abi_of(group_abis[to]);
	uint32_t known = flags_of(from, (1u << FLAGS) - 1) | 0x4000023;
	uint32_t large = open_flags[10].bit[from], unknown;

	if (strcmp(group_abis[from], "sparc64") == 0)
		known |= 4; /* O_NDELAY */
	for (uint32_t bit = 1; bit; bit <<= 1) {
		if (known & bit)
			continue;
		unknown = 0;
		CHECK_EQ(crossfuse_open_flags(a, b, bit, &unknown), 0);
		CHECK_EQ(unknown, bit);
		unknown = 0;
		CHECK_EQ(crossfuse_open_flags(a, b, bit | large | 2, &unknown),
			 open_flags[10].bit[to] | 2);
		CHECK_EQ(unknown, bit);
		CHECK(!crossfuse_open_flag_name(a, bit));
	}
	/* A part of a whole value. */
	CHECK_EQ(crossfuse_open_flags(a, b, open_flags[SYNC].bit[from] | 1,
				      &unknown),
		 1);
	CHECK_EQ(unknown, open_flags[SYNC].bit[from]);
	CHECK_EQ(crossfuse_open_flags(a, b, open_flags[TMPFILE].bit[from],
				      NULL),
		 0);
}

static void test_open_flags(void)
{
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	const struct crossfuse_abi *sparc_abi = abi_of("sparc");
	uint32_t unknown = 1;

	for (unsigned int i = 0; i < GROUPS; i++) {
		const struct crossfuse_abi *abi = abi_of(group_abis[i]);

		for (unsigned int j = 0; j < GROUPS; j++) {
			if (i == j)
				continue;
			test_open_unknown(i, j);
			if (i < 3 || j < 3)
				test_open_pair(i, j);
		}
		/* The same group copies every bit. */
		CHECK_EQ(crossfuse_open_flags(abi, abi, ~0u, &unknown), ~0u);
		CHECK_EQ(unknown, 0);
		for (unsigned int j = 0; j < FLAGS; j++)
			CHECK(strcmp(crossfuse_open_flag_name(
					     abi, open_flags[j].bit[i]),
				     open_flags[j].name) == 0);
		CHECK(strcmp(crossfuse_open_flag_name(
				     abi,
				     flags_of(i, 1u << SYNC | 1u << DSYNC)),
			     "O_SYNC") == 0);
		CHECK(strcmp(crossfuse_open_flag_name(abi, 2), "O_RDWR") == 0);
	}
	/* O_NDELAY: 4 on sparc64, 0x4004 on sparc. */
	CHECK_EQ(crossfuse_open_flags(sparc_abi, canonical, 0x4004, &unknown),
		 0x800);
	CHECK_EQ(unknown, 0);
	CHECK_EQ(crossfuse_open_flags(sparc_abi, canonical, 0x4, NULL), 0x800);
	CHECK_EQ(crossfuse_open_flags(canonical, sparc_abi, 0x800, NULL),
		 0x4000);
}

/* generic, powerpc, alpha, mips, parisc, sparc */
static const struct {
	const char *name;
	int32_t number[6];
} errnos[] = {
	{ "EPERM", { 1, 1, 1, 1, 1, 1 } },
	{ "EAGAIN", { 11, 11, 35, 11, 11, 11 } },
	{ "ERANGE", { 34, 34, 34, 34, 34, 34 } },
	{ "EDEADLK", { 35, 35, 11, 45, 45, 78 } },
	{ "ENAMETOOLONG", { 36, 36, 63, 78, 248, 63 } },
	{ "ENOLCK", { 37, 37, 77, 46, 46, 79 } },
	{ "ENOSYS", { 38, 38, 78, 89, 251, 90 } },
	{ "ENOTEMPTY", { 39, 39, 66, 93, 247, 66 } },
	{ "ELOOP", { 40, 40, 62, 90, 249, 62 } },
	{ "ENODATA", { 61, 61, 86, 61, 51, 111 } },
	{ "EOVERFLOW", { 75, 75, 112, 79, 72, 92 } },
	{ "EOPNOTSUPP", { 95, 95, 45, 122, 223, 45 } },
	{ "ESTALE", { 116, 116, 70, 151, 70, 70 } },
	{ "EDQUOT", { 122, 122, 69, 1133, 69, 69 } },
};
static const char *const errno_abis[6] = { "riscv64", "ppc64",	"alpha",
					   "mips",    "parisc", "sparc" };

/* Numbers that come back as another: from, there, and back. */
static const struct {
	const char *abi;
	int32_t number;
	int32_t canonical;
	int32_t back;
	bool known;
} one_way[] = {
	{ "ppc", 58, 35, 35, true }, /* EDEADLOCK, EDEADLK */
	{ "mips", 56, 35, 45, true },	{ "sparc", 108, 35, 78, true },
	{ "sparc", 67, 11, 11, true },	/* EPROCLIM, EAGAIN */
	{ "sparc", 81, 66, 71, true },	/* ERREMOTE, EREMOTE */
	{ "mips", 141, 5, 5, false },	/* EINIT */
	{ "mips", 142, 5, 5, false },	/* EREMDEV */
	{ "parisc", 215, 5, 5, false }, /* ENOSYM */
	{ "parisc", 240, 5, 5, false }, /* EREMOTERELEASE */
};

static bool is_one_way(const struct crossfuse_abi *abi, int32_t number)
{
	for (size_t i = 0; i < sizeof(one_way) / sizeof(one_way[0]); i++)
		if (one_way[i].number == number &&
		    crossfuse_abi_same_group(abi, abi_of(one_way[i].abi),
					     CROSSFUSE_GROUP_ERRNO))
			return true;
	return false;
}

/* Every number of one ABI to the canonical one and back, name and all. */
static void test_errno_round(const struct crossfuse_abi *abi)
{
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	unsigned int there = 0, back = 0;

	for (int32_t number = 1; number < 4096; number++) {
		const char *name = crossfuse_errno_name(abi, number);
		bool known = false;
		int32_t other;

		if (!name || is_one_way(abi, number))
			continue;
		other = crossfuse_errno(abi, canonical, number, &known);
		CHECK(known);
		CHECK_EQ(crossfuse_errno(canonical, abi, other, NULL), number);
		CHECK(strcmp(crossfuse_errno_name(canonical, other), name) ==
		      0);
		there++;
	}
	for (int32_t number = 1; number <= 133; number++) {
		bool known = false;
		int32_t other;

		if (number == 41 || number == 58) /* asm-generic/errno.h */
			continue;
		other = crossfuse_errno(canonical, abi, number, &known);
		CHECK(known);
		CHECK_EQ(crossfuse_errno(abi, canonical, other, NULL), number);
		back++;
	}
	CHECK_EQ(there, 131);
	CHECK_EQ(back, 131);
}

static void test_errno_edges(void)
{
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	const struct crossfuse_abi *mips_abi = abi_of("mips64el");
	static const int32_t bad[] = { -1, INT32_MIN, 41, 58, 134, 255, 511 };
	bool known = false;

	CHECK_EQ(crossfuse_errno(canonical, mips_abi, 0, &known), 0);
	CHECK(known);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		known = true;
		CHECK_EQ(crossfuse_errno(canonical, mips_abi, bad[i], &known),
			 5);
		CHECK(!known);
		CHECK(!crossfuse_errno_name(canonical, bad[i]));
	}
	CHECK(!crossfuse_errno_name(canonical, 0));
	/* The kernel's own; ENOTSUPP is one. */
	for (int32_t number = 512; number < 1133; number++) {
		known = false;
		CHECK_EQ(crossfuse_errno(mips_abi, canonical, number, &known),
			 number);
		CHECK(known);
		CHECK_EQ(crossfuse_errno(canonical, mips_abi, number, NULL),
			 number);
	}
	/* Only mips has a name for 1133; from elsewhere it is no EDQUOT. */
	CHECK_EQ(crossfuse_errno(canonical, mips_abi, 1133, &known), 5);
	CHECK(!known);
	/* The same group copies every number. */
	CHECK_EQ(crossfuse_errno(mips_abi, mips_abi, 12345, &known), 12345);
	CHECK(known);
}

static void test_errno(void)
{
	const struct crossfuse_abi *abi;

	for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++)
		for (size_t j = 0; j < 36; j++) {
			const struct crossfuse_abi *a, *b;
			int32_t from = errnos[i].number[j / 6];

			a = abi_of(errno_abis[j / 6]);
			b = abi_of(errno_abis[j % 6]);
			CHECK_EQ(crossfuse_errno(a, b, from, NULL),
				 errnos[i].number[j % 6]);
			CHECK(strcmp(crossfuse_errno_name(a, from),
				     errnos[i].name) == 0);
		}
	for (size_t i = 0; i < sizeof(one_way) / sizeof(one_way[0]); i++) {
		bool known = !one_way[i].known;

		abi = abi_of(one_way[i].abi);
		CHECK_EQ(crossfuse_errno(abi, crossfuse_abi_canonical(),
					 one_way[i].number, &known),
			 one_way[i].canonical);
		CHECK_EQ(known, one_way[i].known);
		CHECK_EQ(crossfuse_errno(crossfuse_abi_canonical(), abi,
					 one_way[i].canonical, NULL),
			 one_way[i].back);
	}
	/* EDEADLOCK goes from one ABI that has it to another. */
	CHECK_EQ(crossfuse_errno(abi_of("ppc64"), abi_of("sparc64"), 58, NULL),
		 108);
	for (size_t i = 0; (abi = crossfuse_abi_at(i)); i++)
		test_errno_round(abi);
	test_errno_edges();
}

static void test_locks(void)
{
	static const char *const abis[] = { "armv7l", "alpha", "parisc",
					    "sparc64" };
	static const uint32_t types[4][3] = {
		{ 0, 1, 2 }, { 1, 2, 8 }, { 1, 2, 3 }, { 1, 2, 3 }
	};

	for (unsigned int i = 0; i < 4; i++)
		for (unsigned int j = 0; j < 4; j++) {
			const struct crossfuse_abi *a = abi_of(abis[i]);
			const struct crossfuse_abi *b = abi_of(abis[j]);
			unsigned int fit = 0;

			for (uint32_t type = 0; type < 300; type++) {
				uint32_t got = 77;

				if (crossfuse_lock_type(a, b, type, &got)) {
					CHECK_EQ(got, 77);
					continue;
				}
				CHECK_EQ(type, types[i][fit % 3]);
				CHECK_EQ(got, types[j][fit % 3]);
				fit++;
			}
			CHECK_EQ(fit, 3);
		}
	CHECK_EQ(crossfuse_lock_type(abi_of("alpha"), abi_of("sparc"), 3,
				     &(uint32_t){ 0 }),
		 -EINVAL);
}

int main(void)
{
	test_open_flags();
	test_errno();
	test_locks();
	return check_result();
}
