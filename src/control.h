/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --control and --metrics: sockets by which whoever runs the program asks how
 * it is doing, and tells it what to do; docs/control.md has the commands.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdio.h>

struct control;
struct serving;

/* The longest command, its newline included. */
#define CONTROL_LINE 4096

/* What stands before all else in an answer. */
#define CONTROL_OK    "ok\n"
#define CONTROL_ERROR "error: "

/*
 * Makes the sockets that the options ask for, before the sandbox is entered,
 * and a meter; *RET_CONTROL is NULL if there are none. 0 or -errno, logged.
 */
int control_open(struct serving *serving, struct control **ret_control);

/* Serves them from now on, in a thread. NULL is fine. 0 or -errno, logged. */
int control_start(struct control *control);

/* No connection is left. NULL is fine. */
void control_close(struct control *control);

/* control_text.c. The lock of SERVING is not held. */
void control_status(struct serving *serving, FILE *out);
/* OpenMetrics. */
void control_metrics(struct serving *serving, FILE *out);

#endif
