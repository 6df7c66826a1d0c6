// SPDX-License-Identifier: BSD-2-Clause
/* The host tells nobody when a lock is free, so it is asked again. */
#include "../../thread.h"
#include "lock_wait.h"
#include <errno.h>
#include <signal.h>
#include <time.h>

/* How often. */
#define POLL_NSEC 20000000

void lock_poll_add(struct dir *dir, struct lock_file *file)
{
	struct lock_poll *poll = &dir->locks.poll;

	if (file->polled)
		return;
	file->polled = true;
	slot_hold(&file->inode->slot);
	pthread_mutex_lock(&poll->mutex);
	file->poll_next = poll->files;
	poll->files = file;
	pthread_cond_broadcast(&poll->changed);
	pthread_mutex_unlock(&poll->mutex);
}

/* FILE is out of the list: asks for those that wait, and lets it go. */
static void poll_file(struct dir *dir, struct lock_file *file,
		      struct lock_waiter **done)
{
	struct inode *inode = file->inode;
	struct wait_list woken = { 0 };

	pthread_mutex_lock(&file->mutex);
	file->polled = false;
	wait_move_all(&file->host_waiters, &woken);
	lock_file_retry(dir, file, &woken, done);
	pthread_mutex_unlock(&file->mutex);
	inode_put(dir, inode);
}

static void poll_files(struct dir *dir, struct lock_file *file,
		       struct lock_waiter **done)
{
	struct lock_file *next;

	for (; file; file = next) {
		next = file->poll_next;
		poll_file(dir, file, done);
	}
}

static struct lock_file *take_files(struct lock_poll *poll)
{
	struct lock_file *files = poll->files;

	poll->files = NULL;
	return files;
}

static void *poll_host(void *opaque)
{
	const struct timespec pause = { .tv_nsec = POLL_NSEC };
	struct dir *dir = opaque;
	struct lock_poll *poll = &dir->locks.poll;
	struct lock_file *files;
	struct lock_waiter *done;

	pthread_mutex_lock(&poll->mutex);
	while (!poll->ending) {
		if (!poll->files) {
			pthread_cond_wait(&poll->changed, &poll->mutex);
			continue;
		}
		pthread_mutex_unlock(&poll->mutex);
		nanosleep(&pause, NULL);
		pthread_mutex_lock(&poll->mutex);
		files = take_files(poll);
		poll->asking = true;
		pthread_mutex_unlock(&poll->mutex);
		done = NULL;
		poll_files(dir, files, &done);
		pthread_mutex_lock(&poll->mutex);
		poll->asking = false;
		pthread_cond_broadcast(&poll->changed);
		pthread_mutex_unlock(&poll->mutex);
		lock_answer(dir, done);
		pthread_mutex_lock(&poll->mutex);
	}
	pthread_mutex_unlock(&poll->mutex);
	return NULL;
}

int lock_poll_start(struct dir *dir)
{
	struct lock_poll *poll = &dir->locks.poll;
	int ret;

	pthread_mutex_lock(&poll->mutex);
	if (!poll->running)
		poll->running =
			thread_start(&poll->thread, 0, poll_host, dir) == 0;
	ret = poll->running ? 0 : -ENOLCK;
	pthread_mutex_unlock(&poll->mutex);
	return ret;
}

void lock_poll_init(struct lock_poll *poll)
{
	pthread_mutex_init(&poll->mutex, NULL);
	pthread_cond_init(&poll->changed, NULL);
}

/* None of FILES has anybody who waits any longer. */
static void let_go(struct dir *dir, struct lock_file *files)
{
	struct lock_waiter *none = NULL;

	poll_files(dir, files, &none);
}

void lock_poll_reset(struct dir *dir)
{
	struct lock_poll *poll = &dir->locks.poll;
	struct lock_file *files;

	pthread_mutex_lock(&poll->mutex);
	while (poll->asking)
		pthread_cond_wait(&poll->changed, &poll->mutex);
	files = take_files(poll);
	pthread_mutex_unlock(&poll->mutex);
	let_go(dir, files);
}

void lock_poll_destroy(struct dir *dir)
{
	struct lock_poll *poll = &dir->locks.poll;

	pthread_mutex_lock(&poll->mutex);
	poll->ending = true;
	pthread_cond_broadcast(&poll->changed);
	pthread_mutex_unlock(&poll->mutex);
	if (poll->running)
		pthread_join(poll->thread, NULL);
	let_go(dir, take_files(poll));
	pthread_cond_destroy(&poll->changed);
	pthread_mutex_destroy(&poll->mutex);
}
