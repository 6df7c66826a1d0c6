// SPDX-License-Identifier: BSD-2-Clause
#include "user_map.h"
#include "../log.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

/* As many as the kernel takes. */
#define RANGES_MAX 340

/* Three numbers, each between two of the same mark. */
static int take_apart(const char *rule, uint32_t *ret_numbers)
{
	const char mark = rule[0], *at = rule;

	if (!mark || isalnum((unsigned char)mark))
		return -EINVAL;
	for (int i = 0; i < 3; i++) {
		unsigned long long number;
		char *end;

		if (!isdigit((unsigned char)at[1]))
			return -EINVAL;
		errno = 0;
		number = strtoull(at + 1, &end, 10);
		if (errno || number > UINT32_MAX || *end != mark)
			return -EINVAL;
		ret_numbers[i] = (uint32_t)number;
		at = end;
	}
	return at[1] ? -EINVAL : 0;
}

/* The last number, UINT32_MAX, is nobody's. */
static bool in_bounds(const struct user_range *range)
{
	return range->count && range->inside <= UINT32_MAX - range->count &&
	       range->outside <= UINT32_MAX - range->count;
}

static bool overlap(uint32_t a, uint32_t a_count, uint32_t b, uint32_t b_count)
{
	return a < b ? b - a < a_count : a - b < b_count;
}

static int check(const struct user_map *map, const struct user_range *range,
		 const char *name, const char *rule)
{
	if (!in_bounds(range)) {
		log_error("--%s=%s: give a COUNT of 1 or more, and none beyond "
			  "the last number, 4294967294",
			  name, rule);
		return -EINVAL;
	}
	if (map->count == RANGES_MAX) {
		log_error("--%s=%s: give %d of them at most", name, rule,
			  RANGES_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < map->count; i++) {
		const struct user_range *other = &map->ranges[i];

		if (!overlap(range->inside, range->count, other->inside,
			     other->count) &&
		    !overlap(range->outside, range->count, other->outside,
			     other->count))
			continue;
		log_error("--%s=%s: :%u:%u:%u: has some of these numbers: give "
			  "each to one",
			  name, rule, other->inside, other->outside,
			  other->count);
		return -EINVAL;
	}
	return 0;
}

int user_map_add(struct user_map **map, const char *name, const char *rule)
{
	struct user_range *ranges;
	uint32_t numbers[3];
	struct user_range range;
	int ret;

	if (take_apart(rule, numbers) < 0) {
		log_error("--%s=%s: give :INSIDE:OUTSIDE:COUNT:, numbers below "
			  "2^32, such as :0:100000:65536:",
			  name, rule);
		return -EINVAL;
	}
	if (!*map)
		*map = calloc(1, sizeof(**map));
	if (!*map)
		return -ENOMEM;
	range = (struct user_range){ numbers[0], numbers[1], numbers[2] };
	ret = check(*map, &range, name, rule);
	if (ret < 0)
		return ret;
	ranges = realloc((*map)->ranges, ((*map)->count + 1) * sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	(*map)->ranges = ranges;
	ranges[(*map)->count++] = range;
	return 0;
}

void user_map_free(struct user_map *map)
{
	if (!map)
		return;
	free(map->ranges);
	free(map);
}

bool user_map_is_own(const struct user_map *map, uint32_t outside)
{
	return map->count == 1 && map->ranges[0].outside == outside &&
	       map->ranges[0].count == 1;
}

uint32_t user_map_inside(const struct user_map *map, uint32_t outside)
{
	uint32_t inside = map->ranges[0].inside;

	for (size_t i = 0; i < map->count; i++) {
		const struct user_range *range = &map->ranges[i];

		if (range->inside == 0)
			return 0;
		if (outside >= range->outside &&
		    outside - range->outside < range->count)
			inside = range->inside + (outside - range->outside);
	}
	return inside;
}
