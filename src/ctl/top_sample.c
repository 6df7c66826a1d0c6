// SPDX-License-Identifier: BSD-2-Clause
#include "top_sample.h"
#include "../log.h"
#include "ctl.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double monotonic(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* One line, NAME{LABELS} VALUE. */
struct line {
	char name[64];
	char opcode[24]; /* "" if there is none */
	double le;	 /* seconds; 0: none */
	double value;
};

/* The value of a label, cut to SIZE bytes; false: it is not there. */
static bool get_label(const char *labels, const char *label, char *value,
		      size_t size)
{
	const char *at = strstr(labels, label);
	size_t len;

	if (!at)
		return false;
	at += strlen(label);
	len = strcspn(at, "\"");
	if (len >= size)
		len = size - 1;
	memcpy(value, at, len);
	value[len] = 0;
	return true;
}

static bool parse_line(const char *text, struct line *line)
{
	char labels[256] = "", le[32];
	const char *space = strrchr(text, ' ');
	size_t len = strcspn(text, "{ ");

	*line = (struct line){ 0 };
	if (!space || text[0] == '#' || len >= sizeof(line->name))
		return false;
	memcpy(line->name, text, len);
	if (text[len] == '{')
		snprintf(labels, sizeof(labels), "%.*s",
			 (int)(space - text - (ptrdiff_t)len), text + len);
	get_label(labels, "opcode=\"", line->opcode, sizeof(line->opcode));
	if (get_label(labels, "le=\"", le, sizeof(le)))
		line->le = strcmp(le, "+Inf") == 0 ? -1 : strtod(le, NULL);
	line->value = strtod(space + 1, NULL);
	return true;
}

/* NULL: there are more than there can be. */
static struct top_opcode *opcode_of(struct top_sample *sample, const char *name)
{
	struct top_opcode *opcode;

	for (unsigned int i = 0; i < sample->opcode_count; i++)
		if (strcmp(sample->opcodes[i].name, name) == 0)
			return &sample->opcodes[i];
	if (sample->opcode_count == METER_OPCODES)
		return NULL;
	opcode = &sample->opcodes[sample->opcode_count++];
	strcpy(opcode->name, name);
	return opcode;
}

/* Which one ends at LE seconds: 1, 2, 4, ... microseconds. */
static unsigned int bucket_of(double le)
{
	double end = 1e-6;

	for (unsigned int i = 0; i + 1 < METER_BUCKETS; i++, end *= 2)
		if (le > 0 && le <= end * 1.001)
			return i;
	return METER_BUCKETS - 1;
}

static const struct {
	const char *name;
	size_t offset;
} gauges[] = {
#define GAUGE(name, member)                                            \
	{                                                              \
		"crossfuse_" name, offsetof(struct top_sample, member) \
	}
	GAUGE("uptime_seconds", uptime),
	GAUGE("oldest_request_seconds", oldest),
	GAUGE("paused", paused),
	GAUGE("requests_in_flight", in_flight),
	GAUGE("known_files", known_files),
	GAUGE("descriptors", descriptors),
	GAUGE("open_files", open_files),
	GAUGE("lock_waiters", lock_waiters),
}, counters[] = {
#define COUNTER(name, member)                                          \
	{                                                              \
		"crossfuse_" name, offsetof(struct top_opcode, member) \
	}
	COUNTER("requests_total", requests),
	COUNTER("request_errors_total", errors),
	COUNTER("request_bytes_total", in_bytes),
	COUNTER("reply_bytes_total", out_bytes),
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void add(void *base, size_t offset, double value)
{
	*(double *)((char *)base + offset) += value;
}

static void take_line(struct top_sample *sample, const struct line *line)
{
	struct top_opcode *opcode;

	for (size_t i = 0; i < COUNT(gauges); i++)
		if (strcmp(gauges[i].name, line->name) == 0)
			add(sample, gauges[i].offset, line->value);
	if (!line->opcode[0])
		return;
	opcode = opcode_of(sample, line->opcode);
	if (!opcode)
		return;
	for (size_t i = 0; i < COUNT(counters); i++)
		if (strcmp(counters[i].name, line->name) == 0)
			add(opcode, counters[i].offset, line->value);
	if (strcmp(line->name, "crossfuse_request_duration_seconds_bucket") ==
	    0)
		opcode->buckets[bucket_of(line->le)] = line->value;
}

int top_sample_take(const char *socket, struct top_sample *ret_sample)
{
	char *text, *save, *at;
	struct line line;
	int ret;

	ret = ctl_ask(socket, "metrics", -1, &text);
	if (ret == -EPROTO) {
		log_error("%s: %s", socket, text);
		free(text);
	}
	if (ret < 0)
		return ret;
	*ret_sample = (struct top_sample){ .time = monotonic() };
	for (at = strtok_r(text, "\n", &save); at;
	     at = strtok_r(NULL, "\n", &save))
		if (parse_line(at, &line))
			take_line(ret_sample, &line);
	free(text);
	if (ctl_ask(socket, "status", -1, &ret_sample->status) == -EPROTO)
		top_sample_free(ret_sample);
	return 0;
}

void top_sample_free(struct top_sample *sample)
{
	free(sample->status);
	sample->status = NULL;
}

/* The same opcode in SAMPLE; zeros if it was not there yet. */
static struct top_opcode find_opcode(const struct top_sample *sample,
				     const char *name)
{
	for (unsigned int i = 0; i < sample->opcode_count; i++)
		if (strcmp(sample->opcodes[i].name, name) == 0)
			return sample->opcodes[i];
	return (struct top_opcode){ 0 };
}

void top_sample_rates(const struct top_sample *before,
		      const struct top_sample *after,
		      struct top_sample *ret_rates)
{
	double seconds = after->time - before->time;

	*ret_rates = *after;
	ret_rates->status = NULL;
	if (seconds <= 0)
		seconds = 1;
	for (unsigned int i = 0; i < after->opcode_count; i++) {
		struct top_opcode *rate = &ret_rates->opcodes[i];
		struct top_opcode old = { 0 };

		/* A program that was started anew counts anew. */
		if (after->uptime >= before->uptime)
			old = find_opcode(before, rate->name);
		rate->requests = (rate->requests - old.requests) / seconds;
		rate->errors = (rate->errors - old.errors) / seconds;
		rate->in_bytes = (rate->in_bytes - old.in_bytes) / seconds;
		rate->out_bytes = (rate->out_bytes - old.out_bytes) / seconds;
		for (unsigned int j = 0; j < METER_BUCKETS; j++)
			rate->buckets[j] -= old.buckets[j];
	}
}

struct top_opcode top_sample_sum(const struct top_sample *rates)
{
	struct top_opcode sum = { .name = "all" };

	for (unsigned int i = 0; i < rates->opcode_count; i++) {
		const struct top_opcode *rate = &rates->opcodes[i];

		sum.requests += rate->requests;
		sum.errors += rate->errors;
		sum.in_bytes += rate->in_bytes;
		sum.out_bytes += rate->out_bytes;
		for (unsigned int j = 0; j < METER_BUCKETS; j++)
			sum.buckets[j] += rate->buckets[j];
	}
	return sum;
}

double top_quantile(const double *buckets, double fraction)
{
	double all = buckets[METER_BUCKETS - 1], end = 1e-6;

	if (all <= 0)
		return -1;
	for (unsigned int i = 0; i + 1 < METER_BUCKETS; i++, end *= 2)
		if (buckets[i] >= all * fraction)
			return end;
	return end;
}
