/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads, and waiting by the clock that nobody sets. */
#ifndef THREAD_H
#define THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define SECOND_NS UINT64_C(1000000000)

/*
 * Starts a thread with a small stack, that takes no signal but for a fault of
 * its own and SIGNAL (0: none): the others are for the main thread. THREAD is
 * NULL for one that nobody joins. 0 or -errno.
 */
int thread_start(pthread_t *thread, int signal, void *(*start)(void *),
		 void *opaque);

/* For thread_wait(). */
void thread_cond_init(pthread_cond_t *cond);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t thread_now(void);

/* pthread_cond_wait() until that time. False: it has passed. */
bool thread_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t until);

#endif
