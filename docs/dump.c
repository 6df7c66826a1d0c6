/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prints the values that libcrossfuse knows, as JSON: docs/generate.py fills
 * tables of docs/protocol.md with them. Everything is asked of the public functions, so
 * that the text says what the library does, not what its sources look like.
 */
#include <crossfuse/session.h>
#include <crossfuse/wire.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
	MAX_GROUPS = 16,
	MAX_PAYLOAD = 300,
	SAME_EVERYWHERE = 0x4000023 /* open flags; section 5.1 */
};

/* The groups of one kind, each with the first ABI that is in it. */
struct groups {
	const struct crossfuse_abi *abi[MAX_GROUPS];
	size_t count;
};

static const struct crossfuse_abi *canonical;
static bool separate;

/* JSON wants commas between things and none behind the last. */
static void item(void)
{
	printf("%s", separate ? ",\n" : "");
	separate = true;
}

static void begin(const char *text)
{
	item();
	printf("%s", text);
	separate = false;
}

static void end(const char *text)
{
	printf("%s", text);
	separate = true;
}

static struct groups find_groups(enum crossfuse_group kind)
{
	struct groups groups = { { canonical }, 1 };
	const struct crossfuse_abi *abi;

	for (size_t i = 0; (abi = crossfuse_abi_at(i)); i++) {
		size_t k = 0;

		while (k < groups.count &&
		       !crossfuse_abi_same_group(abi, groups.abi[k], kind))
			k++;
		if (k == groups.count && k < MAX_GROUPS)
			groups.abi[groups.count++] = abi;
	}
	return groups;
}

static void print_group_names(const struct groups *groups,
			      enum crossfuse_group kind)
{
	begin("\"groups\": [");
	for (size_t i = 0; i < groups->count; i++) {
		item();
		printf("\"%s\"", crossfuse_abi_group(groups->abi[i], kind));
	}
	end("]");
}

static void print_row(const char *name, const int64_t *values, size_t count)
{
	item();
	printf("[\"%s\"", name);
	for (size_t i = 0; i < count; i++)
		printf(", %lld", (long long)values[i]);
	printf("]");
}

static void print_abis(void)
{
	const struct crossfuse_abi *abi;
	const char *name;

	begin("\"abis\": [");
	for (size_t i = 0; (abi = crossfuse_abi_at(i)); i++) {
		item();
		printf("{\"name\": \"%s\", \"bits\": %u, \"big\": %s, "
		       "\"page\": %u, \"groups\": [",
		       crossfuse_abi_name(abi), crossfuse_abi_long_bits(abi),
		       crossfuse_abi_big_endian(abi) ? "true" : "false",
		       crossfuse_abi_page_size(abi));
		for (unsigned int g = 0; g < CROSSFUSE_GROUP_COUNT; g++)
			printf("%s\"%s\"", g ? ", " : "",
			       crossfuse_abi_group(abi,
						   (enum crossfuse_group)g));
		printf("], \"ids\": [[\"%s\", %u]", crossfuse_abi_name(abi),
		       crossfuse_abi_arch_id(abi));
		/* Of the other names only those that a kernel prints count. */
		for (size_t k = 0; (name = crossfuse_abi_alias(abi, k)); k++)
			if (crossfuse_abi_by_arch_id(crossfuse_arch_id(name)) ==
			    abi)
				printf(", [\"%s\", %u]", name,
				       crossfuse_arch_id(name));
		printf("]}");
	}
	end("]");
}

/* A canonical flag as TO has it, also if it counts only beside another one. */
static uint32_t open_bit(const struct crossfuse_abi *to, uint32_t bit)
{
	uint32_t unknown;
	uint32_t value = crossfuse_open_flags(canonical, to, bit, &unknown);

	for (unsigned int i = 0; i < 32 && unknown; i++) {
		uint32_t other = UINT32_C(1) << i;
		uint32_t both = crossfuse_open_flags(canonical, to, bit | other,
						     &unknown);

		value = both &
			~crossfuse_open_flags(canonical, to, other, NULL);
	}
	return value;
}

static void print_open(void)
{
	struct groups groups = find_groups(CROSSFUSE_GROUP_OPEN_FLAGS);
	uint32_t known[MAX_GROUPS];
	int64_t row[MAX_GROUPS];

	begin("\"open\": {");
	print_group_names(&groups, CROSSFUSE_GROUP_OPEN_FLAGS);
	begin("\"rows\": [");
	for (size_t k = 0; k < groups.count; k++)
		known[k] = SAME_EVERYWHERE;
	for (unsigned int i = 0; i < 32; i++) {
		uint32_t bit = UINT32_C(1) << i;
		const char *name = crossfuse_open_flag_name(canonical, bit);

		if (bit & SAME_EVERYWHERE || !name)
			continue;
		for (size_t k = 0; k < groups.count; k++) {
			row[k] = open_bit(groups.abi[k], bit);
			known[k] |= (uint32_t)row[k];
		}
		print_row(name, row, groups.count);
	}
	end("]");
	begin("\"input\": [");
	for (size_t k = 1; k < groups.count; k++)
		for (unsigned int i = 0; i < 32; i++) {
			uint32_t bit = UINT32_C(1) << i, unknown, is;

			if (known[k] & bit)
				continue;
			is = crossfuse_open_flags(groups.abi[k], canonical, bit,
						  &unknown);
			if (unknown)
				continue;
			item();
			printf("[\"%s\", %u, \"%s\"]",
			       crossfuse_abi_group(groups.abi[k],
						   CROSSFUSE_GROUP_OPEN_FLAGS),
			       bit, crossfuse_open_flag_name(canonical, is));
		}
	end("]");
	end("}");
}

/* One error, as the first group that has it numbers it, in all of them. */
static void print_error(const struct groups *groups, size_t from, int32_t error)
{
	int64_t row[MAX_GROUPS];
	bool known;

	for (size_t k = 0; k < groups->count; k++) {
		row[k] = crossfuse_errno(groups->abi[from], groups->abi[k],
					 error, &known);
		if (!known)
			row[k] = -1;
	}
	print_row(crossfuse_errno_name(groups->abi[from], error), row,
		  groups->count);
}

static void print_errno(void)
{
	struct groups groups = find_groups(CROSSFUSE_GROUP_ERRNO);
	const char *seen[1024];
	size_t seen_count = 0;

	begin("\"errno\": {");
	print_group_names(&groups, CROSSFUSE_GROUP_ERRNO);
	begin("\"rows\": [");
	for (size_t k = 0; k < groups.count; k++)
		for (int32_t error = 1; error < 4096; error++) {
			const char *name =
				crossfuse_errno_name(groups.abi[k], error);
			size_t i = 0;

			while (name && i < seen_count && strcmp(seen[i], name))
				i++;
			if (!name || i < seen_count || i == COUNT(seen))
				continue;
			seen[seen_count++] = name;
			print_error(&groups, k, error);
		}
	end("]");
	end("}");
}

static void print_lock(void)
{
	static const char *const names[] = { "F_RDLCK", "F_WRLCK", "F_UNLCK" };
	struct groups groups = find_groups(CROSSFUSE_GROUP_LOCK);
	int64_t row[MAX_GROUPS];
	uint32_t type;

	begin("\"lock\": {");
	print_group_names(&groups, CROSSFUSE_GROUP_LOCK);
	begin("\"rows\": [");
	for (uint32_t i = 0; i < COUNT(names); i++) {
		for (size_t k = 0; k < groups.count; k++)
			row[k] = crossfuse_lock_type(canonical, groups.abi[k],
						     i, &type)
					 ? -1
					 : (int64_t)type;
		print_row(names[i], row, groups.count);
	}
	end("]");
	end("}");
}

static void print_poll(void)
{
	struct groups groups = find_groups(CROSSFUSE_GROUP_POLL);
	int64_t row[MAX_GROUPS];

	begin("\"poll\": {");
	print_group_names(&groups, CROSSFUSE_GROUP_POLL);
	begin("\"rows\": [");
	for (unsigned int i = 0; i < 32; i++) {
		uint32_t bit = UINT32_C(1) << i;
		const char *name = crossfuse_poll_name(canonical, bit);

		if (!name)
			continue;
		for (size_t k = 0; k < groups.count; k++)
			row[k] = crossfuse_poll_events(canonical, groups.abi[k],
						       bit, NULL);
		print_row(name, row, groups.count);
	}
	end("]");
	end("}");
}

/* Whether TO can express a canonical direction and size. */
static bool expressed(const struct crossfuse_abi *to, uint32_t direction,
		      uint32_t size, uint32_t *ret_cmd)
{
	return !crossfuse_ioctl_cmd(
		canonical, to, direction << 30 | size << 16 | 0xee77, ret_cmd);
}

static void print_encoding(const struct groups *groups)
{
	begin("\"encoding\": [");
	for (size_t k = 0; k < groups->count; k++) {
		int64_t row[5] = { 0 };
		uint32_t cmd = 0;

		/* none, write, read: the three highest bits of the number */
		for (uint32_t direction = 0; direction < 3; direction++)
			if (expressed(groups->abi[k], direction, 4, &cmd))
				row[direction] = cmd >> 29;
		row[3] = expressed(groups->abi[k], 0, 0x3fff, &cmd) ? 14 : 13;
		row[4] = expressed(groups->abi[k], 2, 0x3fff, &cmd) ? 14 : 13;
		print_row(crossfuse_abi_group(groups->abi[k],
					      CROSSFUSE_GROUP_IOCTL),
			  row, 5);
	}
	end("]");
}

static bool is_named(const struct crossfuse_abi *abi, uint32_t cmd)
{
	uint32_t other;

	for (size_t i = 0; crossfuse_ioctl_at(abi, i, &other); i++)
		if (other == cmd)
			return true;
	return false;
}

static void print_plain(const struct groups *groups)
{
	begin("\"plain\": [");
	for (uint32_t cmd = 0; cmd < 0x10000; cmd++)
		for (size_t k = 0; k < groups->count; k++) {
			const char *name =
				crossfuse_ioctl_name(groups->abi[k], cmd);

			if (!name || is_named(groups->abi[k], cmd))
				continue;
			item();
			printf("[\"%s\", %u]", name, cmd);
			break;
		}
	end("]");
}

static void print_ioctl(void)
{
	struct groups groups = find_groups(CROSSFUSE_GROUP_IOCTL);
	int64_t row[MAX_GROUPS];
	const char *name;
	uint32_t cmd;

	begin("\"ioctl\": {");
	print_group_names(&groups, CROSSFUSE_GROUP_IOCTL);
	print_encoding(&groups);
	begin("\"rows\": [");
	for (size_t i = 0; (name = crossfuse_ioctl_at(canonical, i, &cmd));
	     i++) {
		for (size_t k = 0; k < groups.count; k++) {
			crossfuse_ioctl_at(groups.abi[k], i, &cmd);
			row[k] = cmd ? (int64_t)cmd : -1;
		}
		print_row(name, row, groups.count);
	}
	end("]");
	print_plain(&groups);
	end("}");
}

static void put_le(uint8_t *at, uint64_t value, size_t width)
{
	for (size_t i = 0; i < width; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

/* A legacy little-endian client in front of SERVER; its INIT has gone by. */
static int start(struct crossfuse_session *session, const char *server)
{
	struct crossfuse_config config = {
		.server = crossfuse_abi_by_name(server),
		.client = crossfuse_abi_by_name("riscv64"),
	};
	struct crossfuse_call call;
	uint8_t init[56] = { 0 };

	put_le(init, sizeof(init), 4);
	put_le(init + 4, CF_INIT, 4);
	put_le(init + 40, CF_KERNEL_VERSION, 4);
	put_le(init + 44, 31, 4);
	if (crossfuse_session_init(session, &config))
		return -1;
	return crossfuse_session_request(session, &call, init, sizeof(init),
					 sizeof(init));
}

/* Sends an ioctl with SIZE bytes that tell their places; 0 if it passes. */
static int send_ioctl(struct crossfuse_session *session, uint32_t cmd,
		      size_t size, uint8_t *message)
{
	struct crossfuse_call call;
	size_t len = sizeof(struct cf_in_header) + sizeof(struct cf_ioctl_in);
	size_t total = len + size;

	memset(message, 0, len);
	put_le(message, total, 4);
	put_le(message + 4, CF_IOCTL, 4);
	put_le(message + 52, cmd, 4);
	put_le(message + 64, size, 4);
	put_le(message + 68, size, 4);
	for (size_t i = 0; i < size; i++)
		message[len + i] = (uint8_t)i;
	return crossfuse_session_request(session, &call, message, total, total);
}

/* What a payload is made of, by what was turned round in it. */
static void print_parts(const uint8_t *payload, size_t size)
{
	size_t at = 0;

	begin("{");
	printf("\"size\": %zu, \"parts\": [", size);
	while (at < size) {
		uint8_t moved = (uint8_t)(payload[at] - (uint8_t)at);

		item();
		printf("%u", moved + 1u);
		at += moved + 1u;
	}
	end("]}");
}

static bool follows_long(struct crossfuse_session *other, uint32_t type_nr)
{
	uint8_t message[72 + 4];

	/* to a big-endian server whose long has 32 bits */
	return !send_ioctl(other, UINT32_C(0x80080000) | type_nr, 4, message) &&
	       message[53] == 4;
}

/* Found by trying: every type and number, every size. */
static int print_payloads(void)
{
	static uint8_t message[72 + MAX_PAYLOAD];
	struct crossfuse_session session, other;

	/* both of riscv64's group of ioctls, of the other byte order */
	if (start(&session, "aarch64_be") || start(&other, "openrisc"))
		return -1;
	begin("\"payloads\": [");
	for (uint32_t type_nr = 0; type_nr < 0x10000; type_nr++) {
		bool found = false;

		for (size_t size = 1; size <= MAX_PAYLOAD; size++) {
			if (send_ioctl(&session, type_nr, size, message))
				continue;
			if (!found) {
				begin("{");
				printf("\"type\": %u, \"nr\": %u, "
				       "\"long\": %s, \"forms\": [",
				       type_nr >> 8, type_nr & 0xff,
				       follows_long(&other, type_nr) ? "true"
								     : "false");
			}
			found = true;
			print_parts(message + 72, size);
		}
		if (found)
			end("]}");
	}
	end("]");
	return 0;
}

int main(void)
{
	canonical = crossfuse_abi_canonical();
	begin("{");
	print_abis();
	print_open();
	print_errno();
	print_lock();
	print_poll();
	print_ioctl();
	if (print_payloads()) {
		fprintf(stderr, "dump: no session\n");
		return 1;
	}
	end("}\n");
	return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
