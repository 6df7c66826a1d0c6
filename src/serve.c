// SPDX-License-Identifier: BSD-2-Clause
#include "serve.h"
#include "control.h"
#include "ending.h"
#include "log.h"
#include "meter.h"
#include "options.h"
#include "port/port.h"
#include "serving.h"
#include "systemd.h"
#include "thread.h"
#include "trace.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* For the signal handler only. */
static struct serving *running;
static volatile sig_atomic_t terminated;

static void wake(const struct serving *serving)
{
	uint64_t one = 1;
	int error = errno;

	if (write(serving->wake_fd, &one, sizeof(one)) < 0)
		errno = error;
}

void serving_stop(struct serving *serving)
{
	terminated = 1;
	if (serving->client_port)
		serving->client_port->ops->stop(serving->client_port);
	wake(serving);
}

static void on_terminate(int signal_number)
{
	(void)signal_number;
	serving_stop(running);
}

static void handle_signals(struct serving *serving)
{
	struct sigaction terminate = { .sa_handler = on_terminate };

	running = serving;
	sigemptyset(&terminate.sa_mask);
	sigaction(SIGTERM, &terminate, NULL);
	sigaction(SIGINT, &terminate, NULL);
}

static void ignore_signals(void)
{
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
}

static const char *monitor_machine(struct client *client)
{
	return client->ops->peer_machine ? client->ops->peer_machine(client)
					 : NULL;
}

static const struct crossfuse_abi *monitor_abi(const char *machine)
{
	const struct crossfuse_abi *abi;

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

/* A trace holds one conversation at a time. */
static int take_trace(struct connection *connection)
{
	struct serving *serving = connection->serving;
	struct relay *relay = &connection->relay;

	if (!serving->trace || serving->trace_over)
		return 0;
	if (serving->traced) {
		log_warn("--trace: another client is being recorded: this one "
			 "is not");
		return 0;
	}
	serving->traced = connection;
	relay->trace = serving->trace;
	return trace_start(serving->trace, relay->config.server);
}

/* From here on others may look at the connection, too. */
static int show_connection(struct connection *connection)
{
	struct serving *serving = connection->serving;
	struct relay *relay = &connection->relay;
	int ret;

	relay->meter = serving->meter;
	relay->number = connection->number;
	pthread_mutex_lock(&serving->lock);
	ret = take_trace(connection);
	if (serving->paused)
		relay_hold(relay, 0);
	connection->live = true;
	pthread_mutex_unlock(&serving->lock);
	return ret;
}

static void hide_connection(struct connection *connection)
{
	struct serving *serving = connection->serving;

	pthread_mutex_lock(&serving->lock);
	connection->live = false;
	if (serving->traced == connection)
		serving->traced = NULL;
	pthread_mutex_unlock(&serving->lock);
}

static int serve_client(struct connection *connection)
{
	struct serving *serving = connection->serving;
	struct client *client = connection->client;
	struct relay *relay = &connection->relay;
	int ret;

	/* Whoever fails in it is sent away; nothing here has gone wrong. */
	if (client->ops->greet && client->ops->greet(client) < 0)
		return 0;
	ret = relay_init(relay, client, serving->server_port, serving->options,
			 connection->monitor);
	if (ret < 0)
		return ret;
	ret = show_connection(connection);
	if (ret == 0)
		ret = client->ops->serve(client, relay);
	hide_connection(connection);
	relay_destroy(relay);
	trace_close(connection->told);
	return ret;
}

static void *connection_main(void *argument)
{
	struct connection *connection = argument;
	struct serving *serving = connection->serving;
	int result = serve_client(connection);

	pthread_mutex_lock(&serving->lock);
	connection->client->ops->close(connection->client);
	connection->result = result;
	connection->ended = true;
	pthread_mutex_unlock(&serving->lock);
	wake(serving);
	return NULL;
}

static int connect_client(struct serving *serving, struct client *client,
			  const char *machine,
			  const struct crossfuse_abi *monitor)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	int ret = -ENOMEM;

	if (connection) {
		connection->serving = serving;
		connection->client = client;
		connection->machine = machine;
		connection->monitor = monitor;
		connection->number = ++serving->clients;
		ret = thread_start(&connection->thread, 0, connection_main,
				   connection);
	}
	if (ret < 0) {
		log_error("cannot serve another client: %s", strerror(-ret));
		client->ops->close(client);
		free(connection);
		return ret;
	}
	pthread_mutex_lock(&serving->lock);
	connection->next = serving->connections;
	serving->connections = connection;
	pthread_mutex_unlock(&serving->lock);
	return 0;
}

/* Frees the connections that have ended; STOP ends the others. */
static void reap(struct serving *serving, bool stop)
{
	struct connection **at = &serving->connections;

	while (*at) {
		struct connection *connection = *at;
		bool ended;

		pthread_mutex_lock(&serving->lock);
		ended = connection->ended;
		if (!ended && stop)
			connection->client->ops->stop(connection->client);
		pthread_mutex_unlock(&serving->lock);
		if (!ended) {
			at = &connection->next;
			continue;
		}
		pthread_join(connection->thread, NULL);
		if (connection->result < 0)
			serving->result = connection->result;
		pthread_mutex_lock(&serving->lock);
		*at = connection->next;
		pthread_mutex_unlock(&serving->lock);
		free(connection);
	}
}

static void wait_for_connections(struct serving *serving)
{
	bool ending = false;
	uint64_t count;

	for (;;) {
		/* From here on the process ends, whoever still waits. */
		if (terminated && !ending)
			ending_begin();
		ending |= terminated;
		reap(serving, terminated);
		if (!serving->connections)
			return;
		if (read(serving->wake_fd, &count, sizeof(count)) < 0 &&
		    errno != EINTR)
			log_error("cannot wait for clients to end: %m");
	}
}

static int accept_client(struct serving *serving, struct client **ret_client)
{
	struct client_port *port = serving->client_port;

	return port->ops->accept(port, ret_client);
}

/*
 * What the first client's program is can be seen from outside the sandbox
 * only; there are no threads before it is entered.
 */
static int serve_clients(struct serving *serving)
{
	struct server_port *server = serving->server_port;
	const struct crossfuse_abi *monitor;
	const char *machine;
	struct client *client;
	int ret;

	ret = accept_client(serving, &client);
	if (ret <= 0)
		return ret;
	machine = monitor_machine(client);
	monitor = monitor_abi(machine);
	if (server->ops->confine) {
		ret = server->ops->confine(server);
		if (ret != 0) { /* an error, or a child has done all */
			client->ops->close(client);
			return ret < 0 ? ret : 0;
		}
	}
	ret = control_start(serving->control);
	if (ret < 0) {
		client->ops->close(client);
		return ret;
	}
	do {
		/* One that cannot be served does not end the others. */
		ret = connect_client(serving, client, machine, monitor);
		if (ret < 0)
			serving->result = ret;
		ret = accept_client(serving, &client);
		reap(serving, false);
		if (ret > 0) {
			machine = monitor_machine(client);
			monitor = monitor_abi(machine);
		}
	} while (ret > 0);
	wait_for_connections(serving);
	return ret < 0 ? ret : serving->result;
}

/* SCHEME:ARGUMENT, as options.c has checked it. */
static const char *argument_of(const char *spec, size_t *ret_scheme_len)
{
	const char *colon = strchr(spec, ':');

	*ret_scheme_len = (size_t)(colon - spec);
	return colon[1] ? colon + 1 : NULL;
}

static int open_server(struct serving *serving)
{
	const struct options *options = serving->options;
	const struct server_port_ops *ops;
	const char *argument;
	size_t length;

	argument = argument_of(options->server, &length);
	ops = server_port_find(options->server, length);
	return ops->open(argument, options, &serving->server_port);
}

static int open_client(struct serving *serving)
{
	const struct options *options = serving->options;
	const struct client_port_ops *ops;
	const char *argument;
	size_t length;

	argument = argument_of(options->client, &length);
	ops = client_port_find(options->client, length);
	return ops->open(argument, options, &serving->client_port);
}

int serve(const struct options *options)
{
	struct serving serving = { .options = options,
				   .lock = PTHREAD_MUTEX_INITIALIZER };
	int ret;

	serving.pid = getpid();
	clock_gettime(CLOCK_MONOTONIC, &serving.since);
	serving.wake_fd = eventfd(0, EFD_CLOEXEC);
	if (serving.wake_fd < 0)
		return -errno;
	ret = open_server(&serving);
	if (ret < 0)
		goto close_wake;
	/* From the sandbox the file could not be reached. */
	if (options->trace)
		ret = trace_open(options->trace, options->trace_data,
				 &serving.trace);
	if (ret == 0)
		ret = control_open(&serving, &serving.control);
	if (ret < 0)
		goto close_trace;
	/* A mount that can be seen is one that a signal ends in order. */
	handle_signals(&serving);
	ret = open_client(&serving);
	if (ret == 0) {
		if (terminated)
			serving.client_port->ops->stop(serving.client_port);
		systemd_notify("READY=1");
		ret = serve_clients(&serving);
	}
	ignore_signals();
	if (serving.client_port)
		serving.client_port->ops->close(serving.client_port);
close_trace:
	control_close(serving.control);
	trace_close(serving.trace);
	serving.server_port->ops->close(serving.server_port);
close_wake:
	close(serving.wake_fd);
	return ret;
}
