/* SPDX-License-Identifier: BSD-2-Clause */
/* From two ports to connections at work. */
#ifndef SERVE_H
#define SERVE_H

struct options;

/*
 * Opens the ports that OPTIONS name, and serves each client that comes until
 * there are no more, or SIGTERM or SIGINT. 0 or -errno, logged.
 */
int serve(const struct options *options);

#endif
