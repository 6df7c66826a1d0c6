/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that mount(8) starts goes on in the background once the file system
 * is there; its exit status tells whether it is.
 */
#ifndef BACKGROUND_H
#define BACKGROUND_H

/*
 * Returns in the process that goes on; the calling one shows what is logged
 * until background_ready(), and ends. Before there are threads. 0 or -errno,
 * logged.
 */
int background_start(void);

/*
 * What was asked for is there: who started the program need not wait any more.
 * Any process that was forked since, and any thread; nothing the second time,
 * or where background_start() was not called.
 */
void background_ready(void);

#endif
