/* SPDX-License-Identifier: BSD-2-Clause */
/* What serve.c does, for who watches and controls it: see control.h. */
#ifndef SERVING_H
#define SERVING_H

#include "relay.h"
#include <pthread.h>
#include <time.h>

struct connection {
	struct connection *next;
	struct serving *serving;
	struct client *client;
	const char *machine; /* the monitor's; NULL: not known */
	const struct crossfuse_abi *monitor;
	unsigned int number; /* counted from 1 */
	struct relay relay;
	pthread_t thread;
	struct trace *told; /* by the control socket; NULL: never was */
	bool live;	    /* RELAY works; under the lock */
	bool ended;
	int result;
};

struct serving {
	const struct options *options;
	struct client_port *client_port;
	struct server_port *server_port;
	struct trace *trace; /* --trace; NULL: none */
	struct meter *meter; /* NULL: nothing is counted */
	struct control *control;
	unsigned int clients;  /* that there have been */
	pid_t pid;	       /* of the process that was started */
	struct timespec since; /* CLOCK_MONOTONIC: the program's begin */

	/* Of all below, and of LIVE and ENDED in the connections. */
	pthread_mutex_t lock;
	struct connection *connections;
	struct connection *traced; /* is being recorded; NULL: none */
	bool trace_over;	   /* --trace's, by the control socket */
	bool paused;
	int wake_fd; /* a connection has ended, or all shall */
	int result;
};

/* Ends the process in order, as SIGTERM does. From any thread. */
void serving_stop(struct serving *serving);

#endif
