// SPDX-License-Identifier: BSD-2-Clause
#include "thread.h"
#include <signal.h>

int thread_create(pthread_t *thread, const pthread_attr_t *attr,
		  void *(*start)(void *), void *opaque)
{
	sigset_t blocked, old;
	int error;

	sigfillset(&blocked);
	/* Of the guest's memory: blocked, it would end the program unheard. */
	sigdelset(&blocked, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &blocked, &old);
	error = pthread_create(thread, attr, start, opaque);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -error;
}
