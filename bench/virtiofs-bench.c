// SPDX-License-Identifier: BSD-2-Clause
/*
 * Loads a virtio-fs device without a guest: plays the driver of a guest of a
 * chosen architecture, checks every reply and measures.
 */
#include "bare.h"
#include "hostile.h"
#include "load.h"
#include "sample.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command {
	struct guest_config guest;
	struct load_config load;
	const char *operations; /* separated by commas */
	const char *create;	/* directory to fill */
	const char *bare;	/* directory for bare system calls */
	unsigned int reboots;
	unsigned int remounts;
	bool hostile;
	uint64_t seed;
};

enum option_id {
	OPT_OPERATION = 256,
	OPT_CLIENT,
	OPT_QUEUES,
	OPT_DEPTH,
	OPT_QUEUE_SIZE,
	OPT_COUNT,
	OPT_SECONDS,
	OPT_SERVER_PID,
	OPT_MINOR,
	OPT_NO_INDIRECT,
	OPT_NO_EVENT_IDX,
	OPT_SPIN,
	OPT_OFFER_CANON,
	OPT_ARCH_ID,
	OPT_REBOOTS,
	OPT_REMOUNTS,
	OPT_CREATE,
	OPT_BARE,
	OPT_HOSTILE,
	OPT_HELP,
};

static const struct option options[] = {
	{ "operation", required_argument, NULL, OPT_OPERATION },
	{ "client", required_argument, NULL, OPT_CLIENT },
	{ "queues", required_argument, NULL, OPT_QUEUES },
	{ "depth", required_argument, NULL, OPT_DEPTH },
	{ "queue-size", required_argument, NULL, OPT_QUEUE_SIZE },
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "seconds", required_argument, NULL, OPT_SECONDS },
	{ "server-pid", required_argument, NULL, OPT_SERVER_PID },
	{ "minor", required_argument, NULL, OPT_MINOR },
	{ "no-indirect", no_argument, NULL, OPT_NO_INDIRECT },
	{ "no-event-idx", no_argument, NULL, OPT_NO_EVENT_IDX },
	{ "spin", no_argument, NULL, OPT_SPIN },
	{ "offer-canon", no_argument, NULL, OPT_OFFER_CANON },
	{ "arch-id", no_argument, NULL, OPT_ARCH_ID },
	{ "reboots", required_argument, NULL, OPT_REBOOTS },
	{ "remounts", required_argument, NULL, OPT_REMOUNTS },
	{ "create", required_argument, NULL, OPT_CREATE },
	{ "bare", required_argument, NULL, OPT_BARE },
	{ "hostile", required_argument, NULL, OPT_HOSTILE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

static void help(void)
{
	const struct operation *operation;
	const struct client_abi *abi;

	puts("Usage: virtiofs-bench [OPTION]... SOCKET\n"
	     "       virtiofs-bench --create DIRECTORY\n"
	     "       virtiofs-bench --bare DIRECTORY [OPTION]...\n"
	     "       virtiofs-bench --hostile SEED [OPTION]... SOCKET\n"
	     "Loads the virtio-fs device behind a vhost-user socket. The\n"
	     "served directory must have been filled with --create.\n"
	     "--bare does the same by system calls in one thread, with the\n"
	     "memory that --queues and --depth make a guest use.\n\n"
	     "  --operation A,B     what to do, in turn; default: all\n"
	     "  --client ABI        the guest's architecture (x86_64)\n"
	     "  --queues N          request queues (1)\n"
	     "  --depth N           requests under way in each queue (1)\n"
	     "  --queue-size N      descriptors of a queue (1024)\n"
	     "  --count N           requests in all; or\n"
	     "  --seconds S         for so long (1)\n"
	     "  --server-pid PID    count its processor time\n"
	     "  --minor N           of the FUSE protocol (38)\n"
	     "  --no-indirect       do not negotiate indirect descriptors\n"
	     "  --no-event-idx      do not negotiate the event index\n"
	     "  --spin              poll for replies, never sleep: the\n"
	     "                      latency is then the server's\n"
	     "  --offer-canon       offer to speak canonical constants\n"
	     "  --arch-id           name the architecture, offer nothing\n"
	     "  --reboots N         reboot so often, and do it all again\n"
	     "  --remounts N        the same with DESTROY and INIT\n"
	     "  --hostile SEED      be a broken guest, --count N times, then\n"
	     "                      wait for the end of the input\n\n"
	     "Prints one line of JSON for each operation.\n\nOperations:");
	for (unsigned int i = 0; (operation = operation_at(i)); i++)
		printf("  %-19s %s\n", operation->name, operation->what);
	puts("Architectures:");
	for (unsigned int i = 0; (abi = client_abi_at(i)); i++)
		printf("  %s%s\n", abi->name,
		       abi->big_endian ? " (big-endian)" : "");
}

/* A number from LOW to HIGH; anything else ends the program. */
static uint64_t number(const char *name, const char *text, uint64_t low,
		       uint64_t high)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || value < low ||
	    value > high) {
		fprintf(stderr,
			"virtiofs-bench: --%s: %s is no number from %llu to "
			"%llu\n",
			name, text, (unsigned long long)low,
			(unsigned long long)high);
		exit(EXIT_FAILURE);
	}
	return value;
}

static double duration(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value > 0 && value < 3600)) {
		fprintf(stderr, "virtiofs-bench: --seconds: %s\n", text);
		exit(EXIT_FAILURE);
	}
	return value;
}

static const struct client_abi *abi_option(const char *name)
{
	const struct client_abi *abi = client_abi_by_name(name);

	if (!abi) {
		fprintf(stderr, "virtiofs-bench: --client: %s is not known\n",
			name);
		exit(EXIT_FAILURE);
	}
	return abi;
}

static void take_device_option(struct command *command, int id,
			       const char *name, const char *value)
{
	struct guest_config *guest = &command->guest;

	switch (id) {
	case OPT_CLIENT:
		guest->abi = abi_option(value);
		break;
	case OPT_QUEUES:
		guest->queues =
			(unsigned int)number(name, value, 1, GUEST_QUEUE_MAX);
		break;
	case OPT_QUEUE_SIZE:
		guest->queue_size = (unsigned int)number(name, value, 8, 32768);
		break;
	case OPT_MINOR:
		guest->minor = (unsigned int)number(name, value, 23, 99);
		break;
	case OPT_NO_INDIRECT:
		guest->no_indirect = true;
		break;
	case OPT_NO_EVENT_IDX:
		guest->no_event_idx = true;
		break;
	case OPT_SPIN:
		guest->spin = true;
		break;
	case OPT_OFFER_CANON:
		guest->offer_canon = true;
		break;
	case OPT_ARCH_ID:
		guest->send_arch_id = true;
		break;
	default:
		exit(EXIT_FAILURE); /* getopt has said why */
	}
}

static void take_option(struct command *command, int id, const char *name,
			const char *value)
{
	switch (id) {
	case OPT_HELP:
		help();
		exit(EXIT_SUCCESS);
	case OPT_OPERATION:
		command->operations = value;
		break;
	case OPT_DEPTH:
		command->load.depth =
			(unsigned int)number(name, value, 1, DEPTH_MAX);
		break;
	case OPT_COUNT:
		command->load.count = number(name, value, 1, UINT32_MAX);
		break;
	case OPT_SECONDS:
		command->load.seconds = duration(value);
		break;
	case OPT_SERVER_PID:
		command->load.server = (pid_t)number(name, value, 1, INT32_MAX);
		break;
	case OPT_REBOOTS:
		command->reboots = (unsigned int)number(name, value, 0, 1000);
		break;
	case OPT_REMOUNTS:
		command->remounts = (unsigned int)number(name, value, 0, 1000);
		break;
	case OPT_CREATE:
		command->create = value;
		break;
	case OPT_BARE:
		command->bare = value;
		break;
	case OPT_HOSTILE:
		command->hostile = true;
		command->seed = number(name, value, 0, UINT64_MAX);
		break;
	default:
		take_device_option(command, id, name, value);
	}
}

static void print_result(const struct guest *guest,
			 const struct operation *operation,
			 const struct load_config *config,
			 const struct load_result *result)
{
	double done = (double)result->done;
	uint64_t units = result->weight ? result->weight : result->done;

	printf("{\"operation\":\"%s\",\"client\":\"%s\",\"canon\":%s,"
	       "\"spin\":%s,\"queues\":%u,\"depth\":%u,\"bytes\":%zu,",
	       operation->name, guest->config.abi->name,
	       guest->canon ? "true" : "false",
	       guest->config.spin ? "true" : "false", guest->queue_count,
	       config->depth, operation->uses_data ? guest->io_max : 0);
	printf("\"count\":%llu,\"units\":%llu,\"seconds\":%.6f,\"rate\":%.1f,"
	       "\"p50_us\":%.2f,\"p99_us\":%.2f,\"p999_us\":%.2f,"
	       "\"cpu_us\":%.3f,\"kicks\":%.4f,\"sleeps\":%.4f}\n",
	       (unsigned long long)result->done, (unsigned long long)units,
	       result->seconds, (double)units / result->seconds,
	       (double)histogram_at(&result->latency, 0.5) / 1e3,
	       (double)histogram_at(&result->latency, 0.99) / 1e3,
	       (double)histogram_at(&result->latency, 0.999) / 1e3,
	       (double)result->cpu / (double)units / 1e3,
	       (double)result->kicks / done, (double)result->sleeps / done);
	fflush(stdout);
}

/* Calls RUN for every operation that was asked for. 0 or -errno. */
static int for_operations(struct command *command,
			  int (*run)(struct command *command,
				     const struct operation *operation,
				     void *opaque),
			  void *opaque)
{
	const struct operation *operation;
	const char *at = command->operations;
	int r = 0;

	for (unsigned int i = 0; !at && r == 0 && (operation = operation_at(i));
	     i++)
		r = run(command, operation, opaque);
	while (r == 0 && at && *at) {
		size_t len = strcspn(at, ",");
		char name[32];

		snprintf(name, sizeof(name), "%.*s", (int)len, at);
		operation = operation_by_name(name);
		if (!operation) {
			fprintf(stderr, "virtiofs-bench: no operation %s\n",
				name);
			return -EINVAL;
		}
		r = run(command, operation, opaque);
		at += len + (at[len] == ',');
	}
	return r;
}

static int run_load(struct command *command, const struct operation *operation,
		    void *opaque)
{
	static struct load_result result;
	struct guest *guest = opaque;
	int r = load_run(guest, operation, &command->load, &result);

	if (r == 0)
		print_result(guest, operation, &command->load, &result);
	return r;
}

static int load_device(struct command *command)
{
	static struct guest guest;
	int r = guest_open(&guest, &command->guest);

	/* A device of fewer queues than were wanted gets the same load. */
	if (r == 0) {
		command->load.depth = command->load.depth *
				      command->guest.queues / guest.queue_count;
		if (command->load.depth > DEPTH_MAX)
			command->load.depth = DEPTH_MAX;
		r = for_operations(command, run_load, &guest);
	}
	for (unsigned int i = 0; r == 0 && i < command->remounts; i++) {
		r = guest_remount(&guest);
		if (r == 0)
			r = for_operations(command, run_load, &guest);
	}
	for (unsigned int i = 0; r == 0 && i < command->reboots; i++) {
		r = guest_halt(&guest);
		if (r == 0)
			r = guest_boot(&guest);
		if (r == 0)
			r = for_operations(command, run_load, &guest);
	}
	guest_close(&guest);
	return r;
}

static int run_bare(struct command *command, const struct operation *operation,
		    void *opaque)
{
	struct bare_result result;
	int r;

	(void)opaque;
	r = bare_run(command->bare, operation->name, command->load.seconds,
		     command->guest.queues * command->load.depth, &result);
	if (r == 0)
		printf("{\"operation\":\"%s\",\"client\":\"bare\","
		       "\"queues\":%u,\"depth\":%u,\"rate\":%.1f,"
		       "\"cpu_us\":%.3f}\n",
		       operation->name, command->guest.queues,
		       command->load.depth,
		       (double)result.done / result.seconds,
		       result.cpu / (double)result.done * 1e6);
	else
		fprintf(stderr, "virtiofs-bench: %s: %s\n", operation->name,
			strerror(-r));
	return r;
}

static int run(struct command *command)
{
	int r;

	if (command->create) {
		r = sample_create(command->create);
		if (r < 0)
			fprintf(stderr, "virtiofs-bench: %s: %s\n",
				command->create, strerror(-r));
		return r;
	}
	if (command->bare)
		return for_operations(command, run_bare, NULL);
	if (command->hostile)
		return hostile_run(command->guest.path, command->seed,
				   command->load.count ? command->load.count
						       : 100);
	return load_device(command);
}

int main(int argc, char **argv)
{
	struct command command = {
		.guest = { .abi = client_abi_at(0),
			   .queues = 1,
			   .queue_size = 1024,
			   .minor = 38 },
		.load = { .depth = 1, .seconds = 1 },
	};
	int id, index = 0;

	while ((id = getopt_long(argc, argv, "", options, &index)) != -1)
		take_option(&command, id, options[index].name, optarg);
	if (!command.create && !command.bare) {
		if (optind + 1 != argc) {
			fputs("virtiofs-bench: one SOCKET is needed; see "
			      "--help\n",
			      stderr);
			return EXIT_FAILURE;
		}
		command.guest.path = argv[optind];
	}
	/* Each slot needs room for one transfer. */
	command.guest.data_bytes = (size_t)command.guest.queues *
				   command.load.depth * GUEST_IO_MAX;
	return run(&command) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
