// SPDX-License-Identifier: BSD-2-Clause
#include "idmap.h"
#include "../../log.h"
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FORMS                                                               \
	"map, guest, squash-guest:GUEST:HOST:COUNT, host, squash-host:HOST" \
	":GUEST:COUNT or forbid-guest:GUEST:COUNT"

enum range_type {
	RANGE_SHIFT,
	RANGE_SQUASH,
	RANGE_FORBID,
};

/* COUNT numbers of one side, and what they are on the other. */
struct range {
	enum range_type type;
	uint32_t from, to;
	uint64_t count;
};

/* Sorted; none overlaps another. */
struct ranges {
	struct range *list;
	unsigned int count;
};

struct idmap {
	struct ranges guest, host; /* by whose numbers they are found */
};

static const struct rule_type {
	const char *name;
	enum range_type type;
	bool of_guest, of_host;
	unsigned int numbers;
} types[] = {
	{ "guest", RANGE_SHIFT, true, false, 3 },
	{ "host", RANGE_SHIFT, false, true, 3 },
	{ "squash-guest", RANGE_SQUASH, true, false, 3 },
	{ "squash-host", RANGE_SQUASH, false, true, 3 },
	{ "forbid-guest", RANGE_FORBID, true, false, 2 },
	{ "map", RANGE_SHIFT, true, true, 3 },
};

static const struct rule_type *find_type(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strlen(types[i].name) == len &&
		    memcmp(types[i].name, name, len) == 0)
			return &types[i];
	return NULL;
}

static int add(struct ranges *ranges, const struct range *range)
{
	struct range *list;
	unsigned int at = 0;

	list = realloc(ranges->list, (ranges->count + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	ranges->list = list;
	while (at < ranges->count && list[at].from < range->from)
		at++;
	if ((at && list[at - 1].from + list[at - 1].count > range->from) ||
	    (at < ranges->count && range->from + range->count > list[at].from))
		return -EEXIST;
	memmove(list + at + 1, list + at, (ranges->count - at) * sizeof(*list));
	list[at] = *range;
	ranges->count++;
	return 0;
}

/* The type, and up to three numbers behind it; how many. */
static int take_apart(const char *rule, const struct rule_type **ret_type,
		      uint32_t *ret_numbers)
{
	size_t len = 0;
	int count = 0;

	while (isalnum((unsigned char)rule[len]) || rule[len] == '-' ||
	       rule[len] == '_')
		len++;
	*ret_type = find_type(rule, len);
	for (const char *at = rule + len; *at && *at == rule[len]; count++) {
		unsigned long long number;
		char *end;

		if (count == 3 || at[1] < '0' || at[1] > '9')
			return -EINVAL;
		errno = 0;
		number = strtoull(at + 1, &end, 10);
		if (errno || number > UINT32_MAX || (*end && *end != rule[len]))
			return -EINVAL;
		ret_numbers[count] = (uint32_t)number;
		at = end;
	}
	return count;
}

/* The numbers on both sides exist, and there is one at least. */
static bool in_bounds(const struct range *range)
{
	uint64_t end = UINT64_C(1) << 32;

	return range->count && range->from + range->count <= end &&
	       (range->type != RANGE_SHIFT || range->to + range->count <= end);
}

static int add_rule(struct idmap *map, const struct rule_type *type,
		    const uint32_t *numbers)
{
	struct range range = {
		.type = type->type,
		.from = numbers[0],
		.to = type->numbers == 3 ? numbers[1] : 0,
		.count = numbers[type->numbers - 1],
	};
	int ret = 0;

	if (!in_bounds(&range))
		return -ERANGE;
	if (type->of_guest)
		ret = add(&map->guest, &range);
	if (ret < 0 || !type->of_host)
		return ret;
	if (type->of_guest) {
		range.from = numbers[1];
		range.to = numbers[0];
	}
	return add(&map->host, &range);
}

int idmap_add(struct idmap **map, const char *name, const char *rule)
{
	const struct rule_type *type = NULL;
	uint32_t numbers[3];
	int ret;

	if (!*map)
		*map = calloc(1, sizeof(**map));
	if (!*map)
		return -ENOMEM;
	ret = take_apart(rule, &type, numbers);
	if (!type || ret != (int)type->numbers) {
		log_error("--%s=%s: give " FORMS ", numbers below 2^32", name,
			  rule);
		return -EINVAL;
	}
	ret = add_rule(*map, type, numbers);
	if (ret == -EEXIST) {
		log_error("--%s=%s: another rule has some of these numbers: "
			  "give each to one",
			  name, rule);
		return -EINVAL;
	}
	if (ret == -ERANGE) {
		log_error("--%s=%s: give a COUNT of 1 or more, and none beyond "
			  "the last number, 4294967295",
			  name, rule);
		return -EINVAL;
	}
	return ret;
}

void idmap_free(struct idmap *map)
{
	if (!map)
		return;
	free(map->guest.list);
	free(map->host.list);
	free(map);
}

static int translate(const struct ranges *ranges, uint32_t id, uint32_t *ret_id)
{
	unsigned int low = 0, high = ranges->count;
	const struct range *range;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (ranges->list[middle].from <= id)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_id = id;
	if (low == 0)
		return 0;
	range = &ranges->list[low - 1];
	if (id - range->from >= range->count)
		return 0;
	if (range->type == RANGE_FORBID)
		return -EPERM;
	*ret_id = range->to;
	if (range->type == RANGE_SHIFT)
		*ret_id += id - range->from;
	return 0;
}

int idmap_rules_to_host(const struct idmap *map, uint32_t guest,
			uint32_t *ret_host)
{
	uint32_t host = guest;
	int ret = translate(&map->guest, guest, &host);

	if (ret == 0)
		*ret_host = host;
	return ret;
}

uint32_t idmap_rules_to_guest(const struct idmap *map, uint32_t host)
{
	uint32_t guest = host;

	translate(&map->host, host, &guest);
	return guest;
}
