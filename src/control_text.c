// SPDX-License-Identifier: BSD-2-Clause
/* What the control socket tells of the program, for people and for machines. */
#include "control.h"
#include "event_log.h"
#include "meter.h"
#include "options.h"
#include "port/port.h"
#include "serving.h"
#include <crossfuse/message.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Requests in flight that are shown. */
#define SHOWN 20

/* A number of a port's. */
struct number {
	const char *name, *help;
	uint64_t value;
	unsigned int client;
	bool written;
};

struct numbers_of {
	struct number *at;
	size_t count, room;
	unsigned int client; /* whose the next ones are */
};

static void add_number(void *opaque, const char *name, const char *help,
		       uint64_t value)
{
	struct numbers_of *numbers = opaque;
	struct number *at;

	if (numbers->count == numbers->room) {
		size_t room = numbers->room ? 2 * numbers->room : 32;

		at = reallocarray(numbers->at, room, sizeof(*at));
		if (!at)
			return;
		numbers->at = at;
		numbers->room = room;
	}
	numbers->at[numbers->count++] = (struct number){
		.name = name,
		.help = help,
		.value = value,
		.client = numbers->client,
	};
}

/* With the lock held. */
static void ask_server(struct connection *connection, report_fn *report,
		       void *opaque)
{
	struct server *server = connection->relay.server;

	if (server->ops->report)
		server->ops->report(server, report, opaque);
}

static const char *opcode_name(uint32_t code)
{
	const struct crossfuse_opcode *opcode = crossfuse_opcode(code);

	return opcode ? opcode->name : NULL;
}

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

static double age_of_process(const struct serving *serving)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)(time.tv_sec - serving->since.tv_sec) +
	       (double)(time.tv_nsec - serving->since.tv_nsec) / 1e9;
}

static void write_number(void *opaque, const char *name, const char *help,
			 uint64_t value)
{
	fprintf(opaque, "  %-24s %" PRIu64 "  (%s)\n", name, value, help);
}

static void write_client(struct connection *connection, FILE *out)
{
	const struct relay *relay = &connection->relay;
	const struct crossfuse_abi *abi;
	enum crossfuse_source source;

	abi = crossfuse_session_client(&relay->session, &source);
	fprintf(out, "client %u\n", connection->number);
	if (connection->machine)
		fprintf(out, "  %-24s %s\n", "monitor for",
			connection->machine);
	fprintf(out, "  %-24s %s (%s)\n", "ABI",
		abi ? crossfuse_abi_name(abi) : "unknown",
		event_source_text(source));
	fprintf(out, "  %-24s %s\n", "server's ABI",
		crossfuse_abi_name(relay->config.server));
	fprintf(out, "  %-24s %ld\n", "requests_in_flight",
		relay_in_flight(relay));
	ask_server(connection, write_number, out);
}

static void write_oldest(struct serving *serving, FILE *out)
{
	struct meter_request requests[SHOWN];
	unsigned int known = meter_oldest(serving->meter, requests, SHOWN);

	for (unsigned int i = 0; i < known && i < SHOWN; i++) {
		const struct meter_request *request = &requests[i];
		const char *name = opcode_name(request->opcode);

		fprintf(out,
			"in flight for %.3f s: %s of client %u, node %" PRIu64
			", unique %" PRIu64 "\n",
			seconds(request->age), name ? name : "another opcode",
			request->client, request->nodeid, request->unique);
	}
	if (known > SHOWN)
		fprintf(out, "and %u younger ones\n", known - SHOWN);
}

void control_status(struct serving *serving, FILE *out)
{
	const struct options *options = serving->options;
	struct connection *connection;

	fprintf(out, "crossfuse %s, process %ld, for %.1f s\n",
		CROSSFUSE_VERSION, (long)serving->pid, age_of_process(serving));
	fprintf(out, "client port %s\nserver port %s\n", options->client,
		options->server);
	pthread_mutex_lock(&serving->lock);
	if (serving->paused)
		fprintf(out, "paused: no request passes until resume\n");
	connection = serving->connections;
	if (!connection)
		fprintf(out, "no client is connected\n");
	for (; connection; connection = connection->next)
		if (connection->live)
			write_client(connection, out);
	pthread_mutex_unlock(&serving->lock);
	write_oldest(serving, out);
}

static void family(FILE *out, const char *name, const char *type,
		   const char *help)
{
	fprintf(out, "# TYPE crossfuse_%s %s\n# HELP crossfuse_%s %s.\n", name,
		type, name, help);
}

/* A label's value, quoted. */
static void quote(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		if (*text == '\n')
			fputs("\\n", out);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

struct counts {
	struct meter_count of[METER_OPCODES];
};

static const char *label(unsigned int opcode)
{
	const char *name = opcode_name(opcode);

	return name ? name : "other";
}

/* A counter of each opcode; OFFSET: of its member in struct meter_count. */
static void write_counter(FILE *out, const struct counts *counts,
			  const char *name, const char *help, size_t offset)
{
	family(out, name, "counter", help);
	for (unsigned int i = 0; i < METER_OPCODES; i++) {
		const char *count = (const char *)&counts->of[i];
		uint64_t value;

		memcpy(&value, count + offset, sizeof(value));
		if (counts->of[i].requests && (opcode_name(i) || !i))
			fprintf(out,
				"crossfuse_%s_total{opcode=\"%s\"} %" PRIu64
				"\n",
				name, label(i), value);
	}
}

static void write_times_of(FILE *out, const char *opcode,
			   const struct meter_count *count)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < METER_BUCKETS; i++) {
		sum += count->buckets[i];
		fprintf(out,
			"crossfuse_request_duration_seconds_bucket{"
			"opcode=\"%s\",le=\"",
			opcode);
		if (i + 1 < METER_BUCKETS)
			fprintf(out, "%g", (double)(1u << i) / 1e6);
		else
			fputs("+Inf", out);
		fprintf(out, "\"} %" PRIu64 "\n", sum);
	}
	fprintf(out,
		"crossfuse_request_duration_seconds_count{opcode=\"%s\"} "
		"%" PRIu64 "\n",
		opcode, sum);
	fprintf(out,
		"crossfuse_request_duration_seconds_sum{opcode=\"%s\"} %.9f\n",
		opcode, seconds(count->time));
}

static void write_times(FILE *out, const struct counts *counts)
{
	family(out, "request_duration_seconds", "histogram",
	       "From a request's arrival to its reply, of one request in 8");
	for (unsigned int i = 0; i < METER_OPCODES; i++)
		if (counts->of[i].timed && (opcode_name(i) || !i))
			write_times_of(out, label(i), &counts->of[i]);
}

static void write_requests(struct serving *serving, FILE *out)
{
	struct counts *counts = malloc(sizeof(*counts));

	if (!counts)
		return;
	for (unsigned int i = 0; i < METER_OPCODES; i++)
		meter_read(serving->meter, i, &counts->of[i]);
	write_counter(out, counts, "requests", "Requests that have ended",
		      offsetof(struct meter_count, requests));
	write_counter(out, counts, "request_errors",
		      "Requests that have ended with an error",
		      offsetof(struct meter_count, errors));
	write_counter(out, counts, "request_bytes",
		      "Bytes of requests, headers included",
		      offsetof(struct meter_count, in_bytes));
	write_counter(out, counts, "reply_bytes",
		      "Bytes of replies, headers included",
		      offsetof(struct meter_count, out_bytes));
	write_times(out, counts);
	free(counts);
}

/* All numbers of one name together, as the format wants it. */
static void write_family(FILE *out, struct numbers_of *numbers, size_t first)
{
	const char *name = numbers->at[first].name;

	family(out, name, "gauge", numbers->at[first].help);
	for (size_t i = first; i < numbers->count; i++) {
		struct number *number = &numbers->at[i];

		if (number->written || strcmp(number->name, name) != 0)
			continue;
		number->written = true;
		fprintf(out, "crossfuse_%s{client=\"%u\"} %" PRIu64 "\n", name,
			number->client, number->value);
	}
}

static void write_ports(struct serving *serving, FILE *out)
{
	struct numbers_of numbers = { 0 };
	struct connection *connection;

	pthread_mutex_lock(&serving->lock);
	connection = serving->connections;
	for (; connection; connection = connection->next) {
		long calls;

		if (!connection->live)
			continue;
		calls = relay_in_flight(&connection->relay);
		numbers.client = connection->number;
		add_number(&numbers, "requests_in_flight",
			   "Requests that wait for their reply",
			   calls > 0 ? (uint64_t)calls : 0);
		ask_server(connection, add_number, &numbers);
	}
	pthread_mutex_unlock(&serving->lock);
	for (size_t i = 0; i < numbers.count; i++)
		if (!numbers.at[i].written)
			write_family(out, &numbers, i);
	free(numbers.at);
}

static void write_oldest_age(struct serving *serving, FILE *out)
{
	struct meter_request oldest = { 0 };

	meter_oldest(serving->meter, &oldest, 1);
	family(out, "oldest_request_seconds", "gauge",
	       "How long the oldest request in flight has been so");
	fprintf(out, "crossfuse_oldest_request_seconds %.3f\n",
		seconds(oldest.age));
}

void control_metrics(struct serving *serving, FILE *out)
{
	const struct options *options = serving->options;
	bool paused;

	pthread_mutex_lock(&serving->lock);
	paused = serving->paused;
	pthread_mutex_unlock(&serving->lock);
	family(out, "build", "info", "The program and its ports");
	fprintf(out, "crossfuse_build_info{version=\"%s\",client=",
		CROSSFUSE_VERSION);
	quote(out, options->client);
	fputs(",server=", out);
	quote(out, options->server);
	fputs("} 1\n", out);
	family(out, "uptime_seconds", "gauge", "Since the program began");
	fprintf(out, "crossfuse_uptime_seconds %.3f\n",
		age_of_process(serving));
	family(out, "paused", "gauge", "1 while no request passes");
	fprintf(out, "crossfuse_paused %d\n", paused);
	write_oldest_age(serving, out);
	write_requests(serving, out);
	write_ports(serving, out);
	fputs("# EOF\n", out);
}
