// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a server tells the kernel unasked is written by a thread of its own: the
 * kernel takes locks for it that a request may hold which waits for that very
 * server, whose replies must go on being read.
 *
 * A reply that the server sends behind a notification finds it done, but where
 * the notification has to wait: then the two change places.
 */
#include "../../log.h"
#include "../../thread.h"
#include "mount.h"
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes that wait at most; an invalidation has less than 400. */
#define WAITING_MAX (16u << 20)

/* How long a notification is waited for before it is taken for stuck. */
#define ORDER_NS (20 * 1000000)

struct notice {
	struct notice *next;
	size_t len;
	char bytes[];
};

int mount_write(int fd, const struct iovec *iov, int count)
{
	for (;;) {
		if (writev(fd, iov, count) >= 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

static struct notice *notice_new(const struct iovec *iov, int count)
{
	struct notice *notice;
	size_t len = 0;

	for (int i = 0; i < count; i++)
		len += iov[i].iov_len;
	notice = malloc(sizeof(*notice) + len);
	if (!notice)
		return NULL;
	notice->next = NULL;
	notice->len = 0;
	for (int i = 0; i < count; i++) {
		memcpy(notice->bytes + notice->len, iov[i].iov_base,
		       iov[i].iov_len);
		notice->len += iov[i].iov_len;
	}
	return notice;
}

/* With the lock held; NULL: there are none. */
static struct notice *take_first(struct notifier *notifier)
{
	struct notice *notice = notifier->first;

	if (!notice)
		return NULL;
	notifier->first = notice->next;
	if (!notifier->first)
		notifier->last = &notifier->first;
	notifier->waiting -= notice->len;
	return notice;
}

static void write_notice(struct mount_client *client, struct notice *notice)
{
	struct iovec iov = { notice->bytes, notice->len };
	int ret = mount_write(client->fds[0], &iov, 1);

	/* ENOENT: it is of what the kernel does not have. */
	if (ret < 0 && ret != -ENOENT && ret != -ENOTDIR && ret != -ENODEV)
		log_debug("%s: the kernel does not take a notification: %s",
			  client->where, strerror(-ret));
}

static void *notifier_main(void *opaque)
{
	struct mount_client *client = opaque;
	struct notifier *notifier = &client->notifier;
	struct notice *notice;

	/*
	 * It may be stuck in the kernel when the process is killed, and what it
	 * has open then is closed only when the guardian has unmounted: that
	 * must not be what tells the guardian.
	 */
	if (unshare(CLONE_FILES) == 0)
		close(client->guard.life);
	pthread_mutex_lock(&notifier->lock);
	for (;;) {
		while (!notifier->first && !notifier->stopping)
			pthread_cond_wait(&notifier->wanted, &notifier->lock);
		notice = take_first(notifier);
		if (!notice)
			break;
		pthread_mutex_unlock(&notifier->lock);
		write_notice(client, notice);
		free(notice);
		pthread_mutex_lock(&notifier->lock);
		notifier->written++;
		if (!notifier->first)
			notifier->stuck = false;
		pthread_cond_broadcast(&notifier->done);
	}
	pthread_mutex_unlock(&notifier->lock);
	return NULL;
}

/* With the lock held. 0 or -errno. */
static int start(struct mount_client *client)
{
	struct notifier *notifier = &client->notifier;
	int ret = 0;

	if (notifier->stopping)
		return -ENOTCONN;
	if (!notifier->started)
		ret = mount_thread(&notifier->thread, notifier_main, client);
	notifier->started = ret == 0;
	return ret;
}

/* With the lock held: until PUT of them have been written. */
static void wait_for(struct notifier *notifier, uint64_t put)
{
	uint64_t until = thread_now() + ORDER_NS;

	while (!notifier->stuck && notifier->written < put)
		if (!thread_wait(&notifier->done, &notifier->lock, until))
			notifier->stuck = notifier->written < put;
}

int notifier_put(struct mount_client *client, const struct iovec *iov,
		 int count)
{
	struct notifier *notifier = &client->notifier;
	struct notice *notice = notice_new(iov, count);
	int ret;

	if (!notice)
		return -ENOMEM;
	pthread_mutex_lock(&notifier->lock);
	ret = start(client);
	if (ret == 0 && notifier->waiting + notice->len > WAITING_MAX)
		ret = -ENOBUFS;
	if (ret == 0) {
		*notifier->last = notice;
		notifier->last = &notice->next;
		notifier->waiting += notice->len;
		pthread_cond_signal(&notifier->wanted);
		wait_for(notifier, ++notifier->put);
	}
	pthread_mutex_unlock(&notifier->lock);
	if (ret == 0)
		return 0;
	free(notice);
	if (ret == -ENOBUFS)
		log_warn("%s: the server sends notifications while the kernel "
			 "waits for its answers, more than can be kept: some "
			 "are lost, and what the kernel has cached may be old",
			 client->where);
	return ret;
}

void notifier_init(struct notifier *notifier)
{
	pthread_mutex_init(&notifier->lock, NULL);
	pthread_cond_init(&notifier->wanted, NULL);
	thread_cond_init(&notifier->done);
	notifier->last = &notifier->first;
}

void notifier_stop(struct notifier *notifier)
{
	struct notice *notice;

	pthread_mutex_lock(&notifier->lock);
	notifier->stopping = true;
	while ((notice = take_first(notifier)))
		free(notice);
	notifier->stuck = true; /* nobody waits any more */
	pthread_cond_broadcast(&notifier->done);
	pthread_cond_signal(&notifier->wanted);
	pthread_mutex_unlock(&notifier->lock);
	if (notifier->started)
		pthread_join(notifier->thread, NULL);
	notifier->started = false;
}

void notifier_destroy(struct notifier *notifier)
{
	pthread_cond_destroy(&notifier->done);
	pthread_cond_destroy(&notifier->wanted);
	pthread_mutex_destroy(&notifier->lock);
}
