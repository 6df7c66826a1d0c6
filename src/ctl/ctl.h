/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands that ask a running crossfuse: `crossfuse ctl` and `top`. */
#ifndef CTL_H
#define CTL_H

#include <stddef.h>

/* Negative after an error, which is logged. */
int ctl_command(int argc, char **argv);
int top_command(int argc, char **argv);

/*
 * Sends LINE (without its newline) to the control socket PATH, FD with it
 * unless that is -1, and reads the answer to its end: in *RET_TEXT, for
 * free(), without the word that tells its outcome. -EPROTO: what is said there
 * is why it was refused; other errors are logged.
 */
int ctl_ask(const char *path, const char *line, int fd, char **ret_text);

#endif
