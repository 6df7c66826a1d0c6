/* SPDX-License-Identifier: BSD-2-Clause */
#include "abi_list.h"

#include "log.h"

#include <crossfuse/abi.h>
#include <errno.h>
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
	const char *form = strcmp(kind, "errno") == 0 ||
					   strcmp(kind, "lock") == 0
				   ? "%-12u"
				   : "0x%-10x";

	fprintf(out, "%-6s%-20s", kind, name);
	fprintf(out, form, value);
	if (canonical)
		fprintf(out, form, *canonical);
	else
		fputc('-', out);
	fputc('\n', out);
}

static void show_open_flags(FILE *out, const struct crossfuse_abi *abi)
{
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	static const char *const whole[] = { "__O_SYNC", "__O_TMPFILE" };
	uint32_t part[2] = { 0, 0 }, base[2] = { 0, 0 };

	for (uint32_t bit = 0; bit < 4; bit++)
		print_value(out, "open", crossfuse_open_flag_name(abi, bit),
			    bit, &bit);
	for (uint32_t bit = 4; bit; bit <<= 1) {
		const char *name = crossfuse_open_flag_name(abi, bit);
		uint32_t value, unknown;

		if (!name)
			continue;
		/* Two bits translate only together with another. */
		value = crossfuse_open_flags(abi, canonical, bit, &unknown);
		print_value(out, "open", name, bit, unknown ? NULL : &value);
		for (size_t i = 0; i < 2; i++)
			if (strcmp(name, whole[i]) == 0)
				part[i] = bit;
		if (strcmp(name, "O_DSYNC") == 0)
			base[0] = bit;
		if (strcmp(name, "O_DIRECTORY") == 0)
			base[1] = bit;
	}
	for (size_t i = 0; i < 2; i++) {
		uint32_t bits = part[i] | base[i], value;

		value = crossfuse_open_flags(abi, canonical, bits, NULL);
		print_value(out, "open", crossfuse_open_flag_name(abi, bits),
			    bits, &value);
	}
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

static void show_ioctls(FILE *out, const struct crossfuse_abi *abi)
{
	const char *name;
	uint32_t cmd, value;

	for (size_t i = 0; (name = crossfuse_ioctl_at(abi, i, &cmd)); i++) {
		int ret = -ENOTTY;

		if (!cmd)
			continue;
		ret = crossfuse_ioctl_cmd(abi, crossfuse_abi_canonical(), cmd,
					  &value);
		print_value(out, "ioctl", name, cmd, ret == 0 ? &value : NULL);
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
	fprintf(out, "\n%-6s%-20s%-12s%s\n", "kind", "name", "value",
		"canonical");
	show_open_flags(out, abi);
	show_errnos(out, abi);
	show_locks_and_poll(out, abi);
	show_ioctls(out, abi);
	return written(out);
}
