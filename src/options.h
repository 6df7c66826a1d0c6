/* SPDX-License-Identifier: BSD-2-Clause */
/* What the command line says, checked. Ports read it; only options.c writes. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "option.h"
#include <crossfuse/session.h>
#include <stdbool.h>
#include <stdint.h>

struct options {
	const char *client; /* "virtio:/run/share.sock"; never NULL */
	const char *server; /* "dir:/srv/share"; never NULL */

	bool local_users; /* CLIENT's are this machine's, by its numbers */

	/* Architectures. */
	const struct crossfuse_abi *client_abi; /* --client-abi; NULL: detect */
	enum crossfuse_policy policy;		/* --legacy */
	bool no_detect;				/* --no-detect */

	const char *trace; /* --trace: a file; NULL: none */
	bool trace_data;   /* --trace-data */

	const char *control; /* --control: a socket; NULL: none */
	const char *metrics; /* --metrics: an address; NULL: none */

	bool foreground; /* -f */
	bool background; /* go there once the client's side is there */

	int log_level; /* enum log_level */
	bool syslog;
};

/* The names of log levels, as --log-level takes them. */
extern const struct option_choice log_level_choices[];

/*
 * Reads the command line into OPTIONS, whose strings then point into ARGV or
 * last until the program ends. 0; 1 if it asked only for text, which has been
 * printed; -EINVAL, logged in one line, for what is wrong.
 */
int options_parse(struct options *options, int argc, char **argv);

#endif
