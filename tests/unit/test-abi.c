/* SPDX-License-Identifier: BSD-2-Clause */
/* Which ABIs there are, and how they are found. */
#include "check.h"

#include <crossfuse/abi.h>
#include <sys/utsname.h>
#include <unistd.h>

/* A name that somebody uses, and the ABI that it stands for. */
static const char *const names[][2] = {
	/* uname -m */
	{ "x86_64", "x86_64" },
	{ "i386", "i386" },
	{ "i486", "i386" },
	{ "i586", "i386" },
	{ "i686", "i386" },
	{ "aarch64", "aarch64" },
	{ "aarch64_be", "aarch64_be" },
	{ "armv5tel", "armv7l" },
	{ "armv5tejl", "armv7l" },
	{ "armv6l", "armv7l" },
	{ "armv7l", "armv7l" },
	{ "armv8l", "armv7l" },
	{ "armv5teb", "armv7b" },
	{ "armv7b", "armv7b" },
	{ "ppc", "ppc" },
	{ "ppc64", "ppc64" },
	{ "ppc64le", "ppc64le" },
	{ "mips", "mips" },
	{ "mips64", "mips64" },
	{ "s390x", "s390x" },
	{ "riscv32", "riscv32" },
	{ "riscv64", "riscv64" },
	{ "loongarch64", "loongarch64" },
	{ "alpha", "alpha" },
	{ "sparc", "sparc" },
	{ "sparc64", "sparc64" },
	{ "parisc", "parisc" },
	{ "parisc64", "parisc64" },
	{ "m68k", "m68k" },
	{ "sh4", "sh4" },
	{ "sh4a", "sh4" },
	{ "sh4al-dsp", "sh4" },
	{ "xtensa", "xtensa" },
	{ "arc", "arc" },
	{ "csky", "csky" },
	{ "hexagon", "hexagon" },
	{ "openrisc", "openrisc" },
	{ "microblaze", "microblaze" },
	{ "nios2", "nios2" },
	{ "ia64", "ia64" },
	/* Debian */
	{ "amd64", "x86_64" },
	{ "x32", "x86_64" },
	{ "arm64", "aarch64" },
	{ "armel", "armv7l" },
	{ "armhf", "armv7l" },
	{ "powerpc", "ppc" },
	{ "ppc64el", "ppc64le" },
	{ "mipsel", "mipsel" },
	{ "mips64el", "mips64el" },
	{ "mips64r6el", "mips64el" },
	{ "mipsn32", "mips64" },
	{ "mipsr6", "mips" },
	{ "loong64", "loongarch64" },
	{ "hppa", "parisc" },
	/* GNU */
	{ "x86_64-linux-gnu", "x86_64" },
	{ "x86_64-pc-linux-gnu", "x86_64" },
	{ "x86_64-linux-gnux32", "x86_64" },
	{ "i686-linux-gnu", "i386" },
	{ "aarch64-unknown-linux-musl", "aarch64" },
	{ "aarch64_be-none-linux-gnu", "aarch64_be" },
	{ "arm-linux-gnueabi", "armv7l" },
	{ "arm-linux-gnueabihf", "armv7l" },
	{ "armv7a-unknown-linux-gnueabihf", "armv7l" },
	{ "armeb-linux-gnueabi", "armv7b" },
	{ "powerpc-linux-gnu", "ppc" },
	{ "powerpc64-linux-gnu", "ppc64" },
	{ "powerpc64le-linux-gnu", "ppc64le" },
	{ "mips-linux-gnu", "mips" },
	{ "mipsisa32r6el-linux-gnu", "mipsel" },
	{ "mips64-linux-gnuabi64", "mips64" },
	{ "mips64el-linux-gnuabin32", "mips64el" },
	{ "mipsisa64r6el-linux-gnuabi64", "mips64el" },
	{ "s390x-linux-gnu", "s390x" },
	{ "riscv64-linux-gnu", "riscv64" },
	{ "loongarch64-linux-gnu", "loongarch64" },
	{ "hppa-linux-gnu", "parisc" },
	{ "hppa64-linux-gnu", "parisc64" },
	{ "sh4-linux-gnu", "sh4" },
	{ "sparc64-linux-gnu", "sparc64" },
	{ "or1k-linux-musl", "openrisc" },
	{ "arceb-linux-gnu", "arceb" },
	/* qemu-system-NAME */
	{ "arm", "armv7l" },
	{ "or1k", "openrisc" },
	{ "sh4eb", "sh4eb" },
	{ "microblazeel", "microblazeel" },
	{ "xtensaeb", "xtensaeb" },
	/* letter case */
	{ "AMD64", "x86_64" },
	{ "Aarch64-Linux-GNU", "aarch64" },
	{ "canonical", "canonical" },
	{ "Canonical", "canonical" },
};

static const char *const strangers[] = {
	"",	   "-",	     "-linux-gnu",	    "vax",	 "x86_6",
	"x86_64x", "arm64 ", "canonical-linux-gnu", "mips64el_",
};

static const struct {
	const char *name;
	unsigned int bits;
	bool big;
	uint32_t page;
} shapes[] = {
	{ "x86_64", 64, false, 4096 },	 { "i386", 32, false, 4096 },
	{ "aarch64", 64, false, 0 },	 { "aarch64_be", 64, true, 0 },
	{ "armv7l", 32, false, 4096 },	 { "armv7b", 32, true, 4096 },
	{ "ppc", 32, true, 0 },		 { "ppc64", 64, true, 0 },
	{ "ppc64le", 64, false, 0 },	 { "mips", 32, true, 0 },
	{ "mipsel", 32, false, 0 },	 { "mips64", 64, true, 0 },
	{ "mips64el", 64, false, 0 },	 { "s390x", 64, true, 4096 },
	{ "riscv32", 32, false, 4096 },	 { "riscv64", 64, false, 4096 },
	{ "loongarch64", 64, false, 0 }, { "alpha", 64, false, 8192 },
	{ "sparc", 32, true, 4096 },	 { "sparc64", 64, true, 8192 },
	{ "parisc", 32, true, 0 },	 { "parisc64", 64, true, 0 },
	{ "m68k", 32, true, 0 },	 { "sh4", 32, false, 0 },
	{ "xtensa", 32, false, 4096 },	 { "arc", 32, false, 0 },
	{ "csky", 32, false, 4096 },	 { "hexagon", 32, false, 0 },
	{ "openrisc", 32, true, 8192 },	 { "microblaze", 32, true, 4096 },
	{ "nios2", 32, false, 4096 },	 { "ia64", 64, false, 0 },
};

static void test_by_name(void)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct crossfuse_abi *abi =
			crossfuse_abi_by_name(names[i][0]);

		if (!CHECK(abi &&
			   strcmp(crossfuse_abi_name(abi), names[i][1]) == 0))
			fprintf(stderr, "  by name %s\n", names[i][0]);
	}
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++)
		if (!CHECK(!crossfuse_abi_by_name(strangers[i])))
			fprintf(stderr, "  by name %s\n", strangers[i]);
	CHECK(!crossfuse_abi_by_name(NULL));
}

static void test_shapes(void)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const struct crossfuse_abi *abi =
			crossfuse_abi_by_name(shapes[i].name);

		if (!CHECK(abi))
			continue;
		CHECK_EQ(crossfuse_abi_long_bits(abi), shapes[i].bits);
		CHECK_EQ(crossfuse_abi_big_endian(abi), shapes[i].big);
		CHECK_EQ(crossfuse_abi_page_size(abi), shapes[i].page);
	}
}

/* Every name leads back to its own ABI, which also proves it is there once. */
static void test_table(void)
{
	const struct crossfuse_abi *abi;
	const char *alias;
	size_t count = 0;

	for (; (abi = crossfuse_abi_at(count)); count++) {
		CHECK(crossfuse_abi_by_name(crossfuse_abi_name(abi)) == abi);
		for (size_t i = 0; (alias = crossfuse_abi_alias(abi, i)); i++)
			if (!CHECK(crossfuse_abi_by_name(alias) == abi))
				fprintf(stderr, "  alias %s\n", alias);
		CHECK(abi != crossfuse_abi_canonical());
	}
	CHECK(count >= 36);
	CHECK(!crossfuse_abi_at(SIZE_MAX));
}

/* Published test vectors of FNV-1a, 32 bits. */
static void test_hash(void)
{
	CHECK_EQ(crossfuse_arch_id(""), 0x811c9dc5);
	CHECK_EQ(crossfuse_arch_id("a"), 0xe40c292c);
	CHECK_EQ(crossfuse_arch_id("foobar"), 0xbf9cf968);
	/* The shortest strings whose hash is 0 have four bytes. */
	CHECK_EQ(crossfuse_arch_id("\xcc\x24\x31\xc4"), 1);
}

/* No two of all the names, of whatever ABI, have one arch_id. */
static void test_collisions(void)
{
	static const char *all[512];
	const struct crossfuse_abi *abi;
	size_t count = 0, collisions = 0;

	for (size_t i = 0; (abi = crossfuse_abi_at(i)); i++) {
		const char *name = crossfuse_abi_name(abi);

		for (size_t j = 0; name && count < 512; j++) {
			all[count++] = name;
			name = crossfuse_abi_alias(abi, j);
		}
	}
	CHECK(count > 100 && count < 512);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++) {
			if (crossfuse_arch_id(all[i]) !=
			    crossfuse_arch_id(all[j]))
				continue;
			fprintf(stderr, "%s, %s\n", all[i], all[j]);
			collisions++;
		}
	CHECK_EQ(collisions, 0);
}

static void test_arch_ids(void)
{
	static const char *const machines[][2] = {
		{ "x86_64", "x86_64" },	  { "i386", "i386" },
		{ "i586", "i386" },	  { "i686", "i386" },
		{ "aarch64", "aarch64" }, { "armv5tel", "armv7l" },
		{ "armv6l", "armv7l" },	  { "armv7l", "armv7l" },
		{ "armv8l", "armv7l" },	  { "mips64", "mips64" },
		{ "ppc64le", "ppc64le" }, { "s390x", "s390x" },
		{ "sh4a", "sh4" },	  { "parisc64", "parisc64" },
	};
	const struct crossfuse_abi *abi;

	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		abi = crossfuse_abi_by_arch_id(
			crossfuse_arch_id(machines[i][0]));
		if (!CHECK(abi && strcmp(crossfuse_abi_name(abi),
					 machines[i][1]) == 0))
			fprintf(stderr, "  arch_id of %s\n", machines[i][0]);
	}
	for (size_t i = 0; (abi = crossfuse_abi_at(i)); i++) {
		uint32_t id = crossfuse_arch_id(crossfuse_abi_name(abi));

		CHECK_EQ(crossfuse_abi_arch_id(abi), id);
		CHECK(crossfuse_abi_by_arch_id(id) == abi);
	}
	CHECK(!crossfuse_abi_by_arch_id(0));
	/* What kernels never print has no id: Debian's name. */
	CHECK(!crossfuse_abi_by_arch_id(crossfuse_arch_id("amd64")));
	CHECK(!crossfuse_abi_by_arch_id(crossfuse_arch_id("vax")));
}

static void test_canonical(void)
{
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	const struct crossfuse_abi *x86 = crossfuse_abi_by_name("x86_64");
	const struct crossfuse_abi *ppc = crossfuse_abi_by_name("ppc64");

	CHECK(strcmp(crossfuse_abi_name(canonical), "canonical") == 0);
	CHECK_EQ(crossfuse_abi_arch_id(canonical), 0);
	CHECK(!crossfuse_abi_alias(canonical, 0));
	CHECK(!crossfuse_abi_big_endian(canonical));
	for (int i = 0; i < CROSSFUSE_GROUP_COUNT; i++) {
		enum crossfuse_group group = (enum crossfuse_group)i;

		CHECK(crossfuse_abi_same_group(canonical, x86, group));
		CHECK(strcmp(crossfuse_abi_group(canonical, group), "generi"
								    "c") == 0);
	}
	CHECK(!crossfuse_abi_same_group(canonical, ppc,
					CROSSFUSE_GROUP_OPEN_FLAGS));
	CHECK(strcmp(crossfuse_abi_group(ppc, CROSSFUSE_GROUP_OPEN_FLAGS),
		     "powerpc") == 0);
	CHECK(crossfuse_abi_same_group(canonical, ppc, CROSSFUSE_GROUP_LOCK));
	CHECK(!crossfuse_abi_group(ppc, CROSSFUSE_GROUP_COUNT));
	CHECK(!crossfuse_abi_same_group(ppc, ppc, CROSSFUSE_GROUP_COUNT));
}

static void test_native(void)
{
	const struct crossfuse_abi *native = crossfuse_abi_native(), *kernel;
	const uint16_t one = 1;
	struct utsname uts;

	CHECK_EQ(crossfuse_abi_big_endian(native),
		 *(const unsigned char *)&one == 0);
	if (!CHECK(uname(&uts) == 0))
		return;
	/* The kernel may be the 64-bit one of a 32-bit program's. */
	kernel = crossfuse_abi_by_name(uts.machine);
	if (!CHECK(kernel))
		return;
	for (int i = 0; i < CROSSFUSE_GROUP_IOCTL; i++)
		CHECK(crossfuse_abi_same_group(native, kernel,
					       (enum crossfuse_group)i));
	if (kernel != native)
		return;
	CHECK_EQ(crossfuse_abi_long_bits(native), 8 * sizeof(long));
	if (crossfuse_abi_page_size(native))
		CHECK_EQ(crossfuse_abi_page_size(native),
			 sysconf(_SC_PAGESIZE));
}

int main(void)
{
	test_by_name();
	test_shapes();
	test_table();
	test_hash();
	test_collisions();
	test_arch_ids();
	test_canonical();
	test_native();
	return check_result();
}
