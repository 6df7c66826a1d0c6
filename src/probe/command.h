/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PROBE_COMMAND_H
#define PROBE_COMMAND_H

/* Exit status if the options are wrong, or the server cannot be reached. */
#define PROBE_UNUSABLE 2

/*
 * `crossfuse probe`; ARGV[0] is "probe". 0: all rules hold; negative: one is
 * broken. Does not return if the server cannot be probed at all.
 */
int probe_command(int argc, char **argv);

#endif
