// SPDX-License-Identifier: BSD-2-Clause
#include "abi_list.h"
#include "decode/decode.h"
#include "leftover.h"
#include "log.h"
#include "options.h"
#include "port/port.h"
#include "probe/command.h"
#include "relay.h"
#include "systemd.h"
#include "trace.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For the signal handler only. */
static struct client_port *running;

static void on_terminate(int signal_number)
{
	(void)signal_number;
	running->ops->stop(running);
}

/* From here on SIGTERM and SIGINT end serve(), and the program with 0. */
static void handle_signals(struct client_port *client)
{
	struct sigaction terminate = { .sa_handler = on_terminate };

	running = client;
	sigemptyset(&terminate.sa_mask);
	sigaction(SIGTERM, &terminate, NULL);
	sigaction(SIGINT, &terminate, NULL);
}

static const struct crossfuse_abi *monitor_abi(struct client_port *client)
{
	const struct crossfuse_abi *abi;
	const char *machine = client->ops->peer_machine(client);

	if (!machine) {
		log_debug("the peer's program does not tell an architecture");
		return NULL;
	}
	abi = crossfuse_abi_by_name(machine);
	if (abi)
		log_debug("the peer is a monitor for %s: ABI %s", machine,
			  crossfuse_abi_name(abi));
	else
		log_warn("the peer is a monitor for %s, an architecture that "
			 "is not known: name it with --client-abi",
			 machine);
	return abi;
}

static int serve(struct client_port *client, struct server_port *server,
		 const struct options *options, struct trace *trace)
{
	const struct crossfuse_abi *monitor = monitor_abi(client);
	static struct relay relay;
	int ret;

	ret = server->ops->confine(server);
	if (ret != 0) /* an error, or all is done by now */
		return ret;
	ret = relay_init(&relay, server, options, monitor);
	if (ret < 0) {
		log_error("the ABIs of client and server cannot be used "
			  "together: %s",
			  strerror(-ret));
		return ret;
	}
	if (trace)
		ret = trace_start(trace, relay.config.server);
	if (ret < 0)
		goto destroy;
	relay.trace = trace;
	handle_signals(client);
	ret = client->ops->serve(client, &relay);
destroy:
	relay_destroy(&relay);
	return ret;
}

/* PORT:ARGUMENT, as options.c has checked it. */
static const char *argument_of(const char *spec, size_t *ret_scheme_len)
{
	const char *colon = strchr(spec, ':');

	*ret_scheme_len = (size_t)(colon - spec);
	return colon[1] ? colon + 1 : NULL;
}

static int serve_and_close(struct client_port *client,
			   struct server_port *server,
			   const struct options *options, struct trace *trace)
{
	int ret = serve(client, server, options, trace);

	client->ops->close(client);
	return ret;
}

static int run(const struct options *options)
{
	const struct server_port_ops *server_ops;
	const struct client_port_ops *client_ops;
	const char *argument;
	struct server_port *server;
	struct client_port *client;
	struct trace *trace = NULL;
	size_t length;
	int ret;

	argument = argument_of(options->server, &length);
	server_ops = server_port_find(options->server, length);
	ret = server_ops->open(argument, options, &server);
	if (ret < 0)
		return ret;
	/* From the sandbox the file could not be reached. */
	if (options->trace)
		ret = trace_open(options->trace, options->trace_data, &trace);
	if (ret < 0)
		goto close_server;
	argument = argument_of(options->client, &length);
	client_ops = client_port_find(options->client, length);
	ret = client_ops->open(argument, options, &client);
	if (ret == -ECANCELED) /* by a signal, before anybody connected */
		ret = 0;
	else if (ret == 0)
		ret = serve_and_close(client, server, options, trace);
	trace_close(trace);
close_server:
	server->ops->close(server);
	return ret;
}

static int command_abi(int argc, char **argv)
{
	if (argc == 1)
		return abi_list(stdout);
	if (argc == 2 && argv[1][0] != '-')
		return abi_show(stdout, argv[1]);
	log_error("usage: crossfuse abi [NAME]");
	return -EINVAL;
}

static int command_serve(int argc, char **argv)
{
	static struct options options; /* what it points to lasts as long */
	int ret = options_parse(&options, argc, argv);

	if (ret) /* --help and its like have said all there is */
		return ret;
	log_open((enum log_level)options.log_level, options.syslog);
	ret = run(&options);
	leftover_remove();
	return ret;
}

/* The first word; anything else is a port or an option of serving. */
static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "abi", command_abi },
	{ "decode", decode_command },
	{ "probe", probe_command },
};

int main(int argc, char **argv)
{
	const struct command *command = NULL;
	int ret;

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (argc > 1 && strcmp(argv[1], commands[i].name) == 0)
			command = &commands[i];
	if (command)
		ret = command->run(argc - 1, argv + 1);
	else
		ret = command_serve(argc, argv);
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
