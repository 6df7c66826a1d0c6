// SPDX-License-Identifier: BSD-2-Clause
/* The options that are no port's, and their defaults. */
#include "log.h"
#include "options_private.h"
#include <limits.h>
#include <stddef.h>

static const struct option_choice policies[] = {
	{ "translate", CROSSFUSE_TRANSLATE },
	{ "refuse", CROSSFUSE_REFUSE },
	{ "ignore", CROSSFUSE_IGNORE },
	{ NULL, 0 },
};

const struct option_choice log_level_choices[] = {
	{ "off", LOG_LEVEL_OFF },     { "error", LOG_LEVEL_ERROR },
	{ "warn", LOG_LEVEL_WARN },   { "info", LOG_LEVEL_INFO },
	{ "debug", LOG_LEVEL_DEBUG }, { "trace", LOG_LEVEL_DEBUG },
	{ "err", LOG_LEVEL_ERROR },   { NULL, 0 },
};

/* What the command line says; its defaults at first. */
struct options parsed = {
	.log_level = LOG_LEVEL_INFO,
};

#define AT(member) (&parsed.member)

const struct option known[] = {
	OPTION("client-abi", ABI, AT(client_abi), "NAME",
	       "the guest's architecture, if it is not found out"),
	OPTION("legacy", CHOICE, AT(policy), "POLICY",
	       "clients that cannot negotiate: translate, refuse, ignore",
	       .choices = policies),
	OPTION("no-detect", SET, AT(no_detect), NULL,
	       "believe only the handshake and --client-abi"),
	OPTION("trace", STRING, AT(trace), "FILE",
	       "record every message; `crossfuse decode` shows them",
	       .max = PATH_MAX),
	OPTION("trace-data", SET, AT(trace_data), NULL,
	       "and the data that is read and written too"),
	OPTION("control", STRING, AT(control), "SOCKET",
	       "where crossfuse ctl and top ask and tell"),
	OPTION("metrics", STRING, AT(metrics), "unix:PATH",
	       "OpenMetrics for who asks there by HTTP"),
	OPTION("log-level", CHOICE, AT(log_level), "LEVEL",
	       "off, error, warn, info (default), debug, trace",
	       .choices = log_level_choices),
	OPTION("syslog", SET, AT(syslog), NULL, "log to syslog"),
	/* Other spellings of virtiofsd's and libfuse's. */
	OPTION("loglevel", CHOICE, AT(log_level), "LEVEL", NULL,
	       .choices = log_level_choices),
	OPTION("debug", FIXED, AT(log_level), NULL, NULL,
	       .fixed = LOG_LEVEL_DEBUG),
	OPTION("d", FIXED, AT(log_level), NULL, NULL, .fixed = LOG_LEVEL_DEBUG),
	OPTION("f", SET, AT(foreground), NULL, NULL),
	OPTION("foreground", SET, AT(foreground), NULL, NULL),
	{ 0 },
};
