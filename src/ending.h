/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process always ends, although a file system of the host may never answer
 * the threads that wait for it: what they use cannot be freed then.
 */
#ifndef ENDING_H
#define ENDING_H

/* All ends from here on, within this time. */
#define ENDING_SECONDS 6

/*
 * Something ends that the process cannot go on without. Unless as many calls of
 * ending_over() come in time, the process ends with a line. Any thread.
 */
void ending_begin(void);
void ending_over(void);

/* A byte is written to FD before that, for the parent; -1: there is none. */
void ending_tell(int fd);

#endif
