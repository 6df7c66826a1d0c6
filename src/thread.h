/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads of a program whose signals are for its main thread. */
#ifndef THREAD_H
#define THREAD_H

#include <pthread.h>

/*
 * As pthread_create(), which may take a NULL attribute, in a thread that takes
 * no signal but for a fault of its own. 0 or -errno.
 */
int thread_create(pthread_t *thread, const pthread_attr_t *attr,
		  void *(*start)(void *), void *opaque);

#endif
