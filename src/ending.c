// SPDX-License-Identifier: BSD-2-Clause
#include "ending.h"
#include "leftover.h"
#include "log.h"
#include "thread.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static unsigned int pending; /* what is about to end */
static uint64_t until;	     /* of the first of them */
static bool started;	     /* there is a thread that waits */
static int parent = -1;

static void end_now(void)
{
	log_error("requests still wait for a file system that does not answer: "
		  "ends without them");
	leftover_remove();
	log_close();
	if (parent >= 0 && write(parent, "", 1) < 0) {
		/* It waits no longer than it wants to. */
	}
	_exit(EXIT_FAILURE);
}

static void *wait_for_end(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	for (;;) {
		if (!pending)
			pthread_cond_wait(&changed, &lock);
		else if (!thread_wait(&changed, &lock, until) && pending)
			end_now();
	}
	return NULL;
}

void ending_begin(void)
{
	int ret;

	pthread_mutex_lock(&lock);
	if (!pending++)
		until = thread_now() + ENDING_SECONDS * SECOND_NS;
	if (!started) {
		thread_cond_init(&changed);
		ret = thread_start(NULL, 0, wait_for_end, NULL);
		started = ret == 0;
		if (ret < 0)
			log_warn("cannot start a thread: %s", strerror(-ret));
	} else {
		pthread_cond_signal(&changed);
	}
	pthread_mutex_unlock(&lock);
}

void ending_over(void)
{
	pthread_mutex_lock(&lock);
	pending--;
	if (started)
		pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}

void ending_tell(int fd)
{
	parent = fd;
}
