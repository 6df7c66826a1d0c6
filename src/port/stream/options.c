// SPDX-License-Identifier: BSD-2-Clause
#include "stream.h"

struct stream_options stream_options = { .timeout = 30 };

const struct option stream_rows[] = {
	OPTION("peer-timeout", NUMBER, &stream_options.timeout, "SECONDS",
	       "how long a peer may stall within a message (30)"),
	OPTION("plain-tcp", SET, &stream_options.plain_tcp, NULL,
	       "tcp: without encryption, whoever may listen"),
	{ 0 },
};
