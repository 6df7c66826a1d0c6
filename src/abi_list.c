/* SPDX-License-Identifier: BSD-2-Clause */
#include "abi_list.h"

#include "log.h"

#include <crossfuse/abi.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
	ERRNO_END = 4096, /* MAX_ERRNO + 1 */
	LOCK_END = 16,
	POLL_BITS = 16,
};

static const char *const group_names[CROSSFUSE_GROUP_COUNT] = {
	[CROSSFUSE_GROUP_OPEN_FLAGS] = "open",
	[CROSSFUSE_GROUP_ERRNO] = "errno",
	[CROSSFUSE_GROUP_LOCK] = "lock",
	[CROSSFUSE_GROUP_POLL] = "poll",
	[CROSSFUSE_GROUP_IOCTL] = "ioctl",
};

static int written(FILE *out)
{
	if (fflush(out) == 0 && !ferror(out))
		return 0;
	log_error("cannot write the list: %m");
	return -EIO;
}

static const char *order_of(const struct crossfuse_abi *abi)
{
	return crossfuse_abi_big_endian(abi) ? "big" : "little";
}

static const char *page_of(const struct crossfuse_abi *abi, char *buffer,
			   size_t size)
{
	uint32_t page = crossfuse_abi_page_size(abi);

	if (!page)
		return "varies";
	snprintf(buffer, size, "%u", page);
	return buffer;
}

static void print_aliases(FILE *out, const struct crossfuse_abi *abi)
{
	const char *alias;

	for (size_t i = 0; (alias = crossfuse_abi_alias(abi, i)); i++)
		fprintf(out, "%s%s", i ? " " : "", alias);
	fputc('\n', out);
}

int abi_list(FILE *out)
{
	const struct crossfuse_abi *abi;
	char page[16];

	fprintf(out, "%-13s%-12s%-6s%-8s%-8s", "name", "arch_id", "bits",
		"order", "page");
	for (int i = 0; i < CROSSFUSE_GROUP_COUNT; i++)
		fprintf(out, "%-9s", group_names[i]);
	fprintf(out, "other names\n");

	for (size_t i = 0; (abi = crossfuse_abi_at(i)); i++) {
		fprintf(out, "%-13s0x%08x  %-6u%-8s%-8s",
			crossfuse_abi_name(abi), crossfuse_abi_arch_id(abi),
			crossfuse_abi_long_bits(abi), order_of(abi),
			page_of(abi, page, sizeof(page)));
		for (int j = 0; j < CROSSFUSE_GROUP_COUNT; j++)
			fprintf(out, "%-9s",
				crossfuse_abi_group(abi,
						    (enum crossfuse_group)j));
		print_aliases(out, abi);
	}
	return written(out);
}

/* CANONICAL is NULL where there is no counterpart. */
static void print_value(FILE *out, const char *kind, const char *name,
			uint32_t value, const uint32_t *canonical)
{
	bool decimal = strcmp(kind, "errno") == 0 || strcmp(kind, "lock") == 0;

	fprintf(out, "%-6s%-20s ", kind, name);
	fprintf(out, decimal ? "%-12u" : "0x%-10x", value);
	if (canonical)
		fprintf(out, decimal ? "%u\n" : "0x%x\n", *canonical);
	else
		fputs("-\n", out);
}

static void show_open_flag(FILE *out, const struct crossfuse_abi *abi,
			   uint32_t flag)
{
	const char *name = crossfuse_open_flag_name(abi, flag);
	uint32_t value, unknown;

	if (!name)
		return;
	value = crossfuse_open_flags(abi, crossfuse_abi_canonical(), flag,
				     &unknown);
	/* __O_SYNC and __O_TMPFILE mean nothing without another bit. */
	print_value(out, "open", name, flag, unknown ? NULL : &value);
}

static void show_open_flags(FILE *out, const struct crossfuse_abi *abi)
{
	for (uint32_t mode = 0; mode < 4; mode++)
		show_open_flag(out, abi, mode);
	for (uint32_t bit = 4; bit; bit <<= 1)
		show_open_flag(out, abi, bit);
	/* The values of two bits: O_SYNC, O_TMPFILE. */
	for (uint32_t high = 4; high; high <<= 1)
		for (uint32_t low = 4; low < high; low <<= 1)
			show_open_flag(out, abi, low | high);
}

static void show_errnos(FILE *out, const struct crossfuse_abi *abi)
{
	for (int32_t error = 1; error < ERRNO_END; error++) {
		const char *name = crossfuse_errno_name(abi, error);
		uint32_t value;
		bool known;

		if (!name)
			continue;
		value = (uint32_t)crossfuse_errno(
			abi, crossfuse_abi_canonical(), error, &known);
		print_value(out, "errno", name, (uint32_t)error,
			    known ? &value : NULL);
	}
}

static void show_locks_and_poll(FILE *out, const struct crossfuse_abi *abi)
{
	static const char *const locks[] = { "F_RDLCK", "F_WRLCK", "F_UNLCK" };
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	uint32_t value;

	for (uint32_t type = 0; type < LOCK_END; type++)
		if (crossfuse_lock_type(abi, canonical, type, &value) == 0 &&
		    value < 3)
			print_value(out, "lock", locks[value], type, &value);

	for (uint32_t i = 0; i < POLL_BITS; i++) {
		const char *name = crossfuse_poll_name(abi, 1u << i);

		if (!name)
			continue;
		value = crossfuse_poll_events(abi, canonical, 1u << i, NULL);
		print_value(out, "poll", name, 1u << i, &value);
	}
}

/* How _IOC() puts a number together, and the names of asm/ioctls.h. */
static void show_ioctls(FILE *out, const struct crossfuse_abi *abi)
{
	static const struct {
		const char *macro;
		uint32_t cmd;
	} forms[] = {
		{ "_IO(1,2)", 0x00000102 },
		{ "_IOW(1,2,int)", 0x40040102 },
		{ "_IOR(1,2,int)", 0x80040102 },
		{ "_IOWR(1,2,int)", 0xc0040102 },
	};
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	const char *name;
	uint32_t cmd, value;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (crossfuse_ioctl_cmd(canonical, abi, forms[i].cmd, &cmd) ==
		    0)
			print_value(out, "ioctl", forms[i].macro, cmd,
				    &forms[i].cmd);
	for (size_t i = 0; (name = crossfuse_ioctl_at(abi, i, &cmd)); i++) {
		int ret;

		if (!cmd)
			continue;
		ret = crossfuse_ioctl_cmd(abi, canonical, cmd, &value);
		print_value(out, "ioctl", name, cmd, ret == 0 ? &value : NULL);
	}
}

static bool is_listed(const struct crossfuse_abi *abi, uint32_t wanted)
{
	uint32_t cmd;

	for (size_t i = 0; crossfuse_ioctl_at(abi, i, &cmd); i++)
		if (cmd == wanted)
			return true;
	return false;
}

/* Numbers of drivers, older than _IOC() and the same everywhere. */
static void show_old_ioctls(FILE *out, const struct crossfuse_abi *abi)
{
	for (uint32_t cmd = 1; cmd <= UINT16_MAX; cmd++) {
		const char *name = crossfuse_ioctl_name(abi, cmd);

		if (name && !is_listed(abi, cmd))
			print_value(out, "ioctl", name, cmd, &cmd);
	}
}

int abi_show(FILE *out, const char *name)
{
	const struct crossfuse_abi *abi = crossfuse_abi_by_name(name);
	char page[16];

	if (!abi) {
		log_error("%s: unknown ABI; `crossfuse abi` lists those there "
			  "are",
			  name);
		return -EINVAL;
	}
	fprintf(out, "%s: arch_id 0x%08x, %u bits, %s-endian, page size %s\n",
		crossfuse_abi_name(abi), crossfuse_abi_arch_id(abi),
		crossfuse_abi_long_bits(abi), order_of(abi),
		page_of(abi, page, sizeof(page)));
	fprintf(out, "other names: ");
	print_aliases(out, abi);
	fprintf(out, "\n%-6s%-20s %-12s%s\n", "kind", "name", "value",
		"canonical");
	show_open_flags(out, abi);
	show_errnos(out, abi);
	show_locks_and_poll(out, abi);
	show_ioctls(out, abi);
	show_old_ioctls(out, abi);
	return written(out);
}
