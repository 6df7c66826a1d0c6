// SPDX-License-Identifier: BSD-2-Clause
/* Counts, for --stat. Tables have an end; what is beyond it is counted too. */
#include "decode.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPCODES_MAX = 128,
	ERRORS_MAX = 512,
	FIELDS_MAX = 512,
	NAME_SIZE = 32,
	/* Latencies: so many of the same width to each power of two. */
	STEPS = 32,
	STEP_BITS = 5,
	BUCKETS = 40 * STEPS, /* up to 19 hours */
};

struct opcode_count {
	uint32_t code;
	bool notify;
	unsigned long requests, replies, errors, refused, swapped, faults;
	unsigned long timed; /* replies */
	uint32_t latencies[BUCKETS];
};

/* An errno in the answers to an opcode, by its numbers on both sides. */
struct error_count {
	uint32_t code;
	int32_t client, server;
	char name[NAME_SIZE];
	unsigned long count;
};

/* A field that had another value on the other side. */
struct field_count {
	uint32_t code;
	bool reply;
	const char *name; /* of a layout: static storage */
	unsigned long count;
};

struct decode_stat {
	struct opcode_count opcodes[OPCODES_MAX];
	struct error_count errors[ERRORS_MAX];
	struct field_count fields[FIELDS_MAX];
	size_t opcode_count, error_count, field_count;
	struct opcode_count others; /* opcodes beyond the table */
	unsigned long more_errors, more_fields;
	int32_t server_error; /* of the pair at hand; 0: there is none */
	uint32_t code;	      /* of the pair at hand */
	bool reply, timed;
};

struct decode_stat *decode_stat_new(void)
{
	return calloc(1, sizeof(struct decode_stat));
}

void decode_stat_free(struct decode_stat *stat)
{
	free(stat);
}

/* The number that a message is counted under. */
static uint32_t code_of(const struct decode_message *message, bool *ret_notify)
{
	const struct crossfuse_opcode *opcode = decode_opcode(message);

	*ret_notify = false;
	if (message->captured < decode_header_len(message))
		return 0;
	if (!message->reply)
		return (uint32_t)decode_get(message, 4, 4);
	*ret_notify = !decode_get(message, 8, 8);
	if (!*ret_notify)
		return message->opcode;
	return opcode ? opcode->code : 0;
}

static struct opcode_count *find_opcode(struct decode_stat *stat, uint32_t code,
					bool notify)
{
	struct opcode_count *row;

	for (size_t i = 0; i < stat->opcode_count; i++)
		if (stat->opcodes[i].code == code &&
		    stat->opcodes[i].notify == notify)
			return &stat->opcodes[i];
	if (stat->opcode_count == OPCODES_MAX)
		return &stat->others;
	row = &stat->opcodes[stat->opcode_count++];
	row->code = code;
	row->notify = notify;
	return row;
}

static void count_error(struct decode_stat *stat,
			const struct decode_message *message, uint32_t code,
			int32_t error)
{
	const char *name = crossfuse_errno_name(message->abi, error);
	int32_t server = stat->server_error ? stat->server_error : error;
	struct error_count *row;

	for (size_t i = 0; i < stat->error_count; i++) {
		row = &stat->errors[i];
		if (row->code == code && row->client == error &&
		    row->server == server) {
			row->count++;
			return;
		}
	}
	if (stat->error_count == ERRORS_MAX) {
		stat->more_errors++;
		return;
	}
	row = &stat->errors[stat->error_count++];
	row->code = code;
	row->client = error;
	row->server = server;
	row->count = 1;
	if (name)
		snprintf(row->name, sizeof(row->name), "%s", name);
	else
		snprintf(row->name, sizeof(row->name), "%" PRId32, error);
}

void decode_stat_count(struct decode_stat *stat,
		       const struct decode_message *message, bool faulty)
{
	struct opcode_count *row;
	int32_t error;
	uint32_t code;
	bool notify;

	if (!stat)
		return;
	code = code_of(message, &notify);
	row = find_opcode(stat, code, notify);
	row->faults += faulty;
	if (!message->reply) {
		row->requests++;
		return;
	}
	row->replies++;
	error = decode_error(message);
	if (error) {
		row->errors++;
		count_error(stat, message, code, error);
	}
	stat->server_error = 0;
}

void decode_stat_refused(struct decode_stat *stat,
			 const struct decode_message *message)
{
	bool notify;
	uint32_t code;

	if (!stat)
		return;
	code = code_of(message, &notify);
	find_opcode(stat, code, notify)->refused++;
}

static void count_field(void *opaque, const char *name, uint64_t client,
			uint64_t server)
{
	struct decode_stat *stat = opaque;
	struct field_count *row;

	(void)client;
	(void)server;
	for (size_t i = 0; i < stat->field_count; i++) {
		row = &stat->fields[i];
		if (row->code == stat->code && row->reply == stat->reply &&
		    strcmp(row->name, name) == 0) {
			row->count++;
			return;
		}
	}
	if (stat->field_count == FIELDS_MAX) {
		stat->more_fields++;
		return;
	}
	row = &stat->fields[stat->field_count++];
	row->code = stat->code;
	row->reply = stat->reply;
	row->name = name;
	row->count = 1;
}

void decode_stat_pair(struct decode_stat *stat,
		      const struct decode_message *client,
		      const struct decode_message *server)
{
	bool notify;

	if (!stat)
		return;
	stat->code = code_of(client, &notify);
	stat->reply = client->reply;
	stat->server_error = decode_error(server);
	if (client->swapped != server->swapped)
		find_opcode(stat, stat->code, notify)->swapped++;
	decode_compare(client, server, count_field, stat);
}

static const char *opcode_name(uint32_t code, bool notify, char *buf,
			       size_t size)
{
	const struct crossfuse_opcode *opcode = notify ? crossfuse_notify(code)
						       : crossfuse_opcode(code);

	if (!code)
		snprintf(buf, size, "%s", notify ? "notify ?" : "not known");
	else if (opcode)
		snprintf(buf, size, "%s%s", notify ? "notify " : "",
			 opcode->name);
	else
		snprintf(buf, size, "opcode %" PRIu32, code);
	return buf;
}

static unsigned int bucket_of(uint64_t nanoseconds)
{
	unsigned int bits = 0, bucket;

	while (nanoseconds >> bits >= 2 * STEPS)
		bits++;
	bucket = bits * STEPS + (unsigned int)(nanoseconds >> bits);
	return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

/* The first of the latencies that bucket_of() puts there. */
static uint64_t start_of(unsigned int bucket)
{
	unsigned int bits = bucket < 2 * STEPS ? 0 : bucket / STEPS - 1;

	return (uint64_t)(bucket - bits * STEPS) << bits;
}

void decode_stat_latency(struct decode_stat *stat, uint32_t opcode,
			 uint64_t nanoseconds)
{
	struct opcode_count *row;

	if (!stat)
		return;
	row = find_opcode(stat, opcode, false);
	row->latencies[bucket_of(nanoseconds)]++;
	row->timed++;
	stat->timed = true;
}

/* In microseconds: so many of 100 replies came as soon. */
static double percentile(const struct opcode_count *row, unsigned int percent)
{
	unsigned long left = (row->timed * percent + 99) / 100;
	unsigned int bucket = 0;

	while (bucket < BUCKETS - 1 && left > row->latencies[bucket])
		left -= row->latencies[bucket++];
	return (double)start_of(bucket) / 1000;
}

static void print_opcode(FILE *out, const char *name,
			 const struct opcode_count *row, bool timed)
{
	fprintf(out, "%-20s %9lu %9lu %9lu %9lu %9lu %9lu", name, row->requests,
		row->replies, row->errors, row->refused, row->swapped,
		row->faults);
	if (timed && row->timed)
		fprintf(out, " %9.1f %9.1f", percentile(row, 50),
			percentile(row, 99));
	fputc('\n', out);
}

static void add_up(struct opcode_count *sum, const struct opcode_count *row)
{
	sum->requests += row->requests;
	sum->replies += row->replies;
	sum->errors += row->errors;
	sum->refused += row->refused;
	sum->swapped += row->swapped;
	sum->faults += row->faults;
	sum->timed += row->timed;
	for (size_t i = 0; i < BUCKETS; i++)
		sum->latencies[i] += row->latencies[i];
}

static int by_code(const void *a, const void *b)
{
	const struct opcode_count *x = a, *y = b;

	if (x->notify != y->notify)
		return x->notify ? 1 : -1;
	return (x->code > y->code) - (x->code < y->code);
}

static void print_opcodes(struct decode_stat *stat, FILE *out)
{
	struct opcode_count *rows = stat->opcodes, sum = { 0 };
	char name[NAME_SIZE];

	qsort(rows, stat->opcode_count, sizeof(rows[0]), by_code);
	fprintf(out, "%-20s %9s %9s %9s %9s %9s %9s", "opcode", "requests",
		"replies", "errors", "refused", "swapped", "faults");
	fputs(stat->timed ? "    p50 us    p99 us\n" : "\n", out);
	for (size_t i = 0; i < stat->opcode_count; i++) {
		print_opcode(out,
			     opcode_name(rows[i].code, rows[i].notify, name,
					 sizeof(name)),
			     &rows[i], stat->timed);
		add_up(&sum, &rows[i]);
	}
	if (stat->opcode_count == OPCODES_MAX) {
		print_opcode(out, "others", &stat->others, stat->timed);
		add_up(&sum, &stat->others);
	}
	print_opcode(out, "all", &sum, stat->timed);
}

static void print_errors(const struct decode_stat *stat, FILE *out)
{
	char name[NAME_SIZE];

	if (!stat->error_count)
		return;
	fprintf(out, "\n%-20s %-20s %9s\n", "opcode", "error", "count");
	for (size_t i = 0; i < stat->error_count; i++) {
		const struct error_count *row = &stat->errors[i];

		fprintf(out, "%-20s %-20s %9lu",
			opcode_name(row->code, false, name, sizeof(name)),
			row->name, row->count);
		if (row->server != row->client)
			fprintf(out,
				" (%" PRId32 " to the client, %" PRId32 " of "
				"the "
				"server"
				")",
				row->client, row->server);
		fputc('\n', out);
	}
	if (stat->more_errors)
		fprintf(out, "%-20s %-20s %9lu\n", "others", "",
			stat->more_errors);
}

static void print_fields(const struct decode_stat *stat, FILE *out)
{
	char name[NAME_SIZE];

	if (!stat->field_count)
		return;
	fprintf(out, "\n%-20s %-20s %9s\n", "opcode", "translated field",
		"count");
	for (size_t i = 0; i < stat->field_count; i++) {
		const struct field_count *row = &stat->fields[i];
		char field[64];

		snprintf(field, sizeof(field), "%s%s",
			 row->reply ? "reply " : "", row->name);
		fprintf(out, "%-20s %-20s %9lu\n",
			opcode_name(row->code, false, name, sizeof(name)),
			field, row->count);
	}
	if (stat->more_fields)
		fprintf(out, "%-20s %-20s %9lu\n", "others", "",
			stat->more_fields);
}

void decode_stat_print(struct decode_stat *stat, FILE *out)
{
	print_opcodes(stat, out);
	print_errors(stat, out);
	print_fields(stat, out);
}
