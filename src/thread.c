// SPDX-License-Identifier: BSD-2-Clause
#include "thread.h"
#include <errno.h>
#include <signal.h>
#include <time.h>

#define STACK_SIZE (256 << 10)

int thread_start(pthread_t *thread, int signal, void *(*start)(void *),
		 void *opaque)
{
	sigset_t blocked, old;
	pthread_attr_t attr;
	pthread_t other;
	int error;

	sigfillset(&blocked);
	/* Of the guest's memory: blocked, it would end the program unheard. */
	sigdelset(&blocked, SIGBUS);
	if (signal)
		sigdelset(&blocked, signal);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	if (!thread)
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &blocked, &old);
	error = pthread_create(thread ? thread : &other, &attr, start, opaque);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -error;
}

void thread_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

uint64_t thread_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

bool thread_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t until)
{
	struct timespec at = { .tv_sec = (time_t)(until / SECOND_NS),
			       .tv_nsec = (long)(until % SECOND_NS) };

	return pthread_cond_timedwait(cond, mutex, &at) != ETIMEDOUT;
}
