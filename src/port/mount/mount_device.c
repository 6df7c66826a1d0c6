// SPDX-License-Identifier: BSD-2-Clause
/*
 * Threads that read requests from /dev/fuse, each from a descriptor of its
 * own, so that they do not fight over the kernel's queue of requests under
 * way. Where all of them are busy another one is started: a request that waits
 * for a disk holds up nobody.
 */
#include "../../log.h"
#include "../../thread.h"
#include "mount.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <linux/fuse.h>

/* Idle threads that stay: to start one takes longer than most requests. */
#define IDLE_KEPT 12

/* Wakes a thread out of read(). */
#define WAKE_SIGNAL SIGUSR1
#define WAKE_NS	    10000000L

/* Where there is no memory for a request, how long until the next try. */
#define NO_MEMORY_USEC 10000

struct reader {
	struct mount_client *client;
	pthread_t thread;
	int fd;
	struct reader *next;
};

static int answer(struct mount_call *mcall, const struct iovec *iov, int count)
{
	return mount_write(mcall->fd, iov, count);
}

/*
 * More descriptors of the same mount, while /dev/fuse can be reached; without
 * them the threads share one.
 */
static void clone_devices(struct mount_client *client)
{
	uint32_t master = (uint32_t)client->fds[0];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	while (client->fd_count < MOUNT_FDS &&
	       client->fd_count < (unsigned long)(cpus > 0 ? cpus : 1)) {
		int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

		if (fd < 0)
			return;
		if (ioctl(fd, FUSE_DEV_IOC_CLONE, &master) < 0) {
			close(fd);
			return;
		}
		client->fds[client->fd_count++] = fd;
	}
}

static void on_wake(int signal_number)
{
	(void)signal_number;
}

void readers_init(struct mount_client *client, unsigned int limit)
{
	struct sigaction wake = { .sa_handler = on_wake };

	sigaction(WAKE_SIGNAL, &wake, NULL);
	clone_devices(client);
	client->readers.limit = limit;
	pthread_mutex_init(&client->readers.lock, NULL);
	pthread_cond_init(&client->readers.gone, NULL);
}

void readers_destroy(struct mount_client *client)
{
	for (unsigned int i = 1; i < client->fd_count; i++)
		close(client->fds[i]);
	client->fd_count = 1;
	pthread_cond_destroy(&client->readers.gone);
	pthread_mutex_destroy(&client->readers.lock);
}

/* A request for MCALL. 1; 0: try again; -errno: there will be none. */
static ssize_t read_request(struct reader *reader, struct mount_call *mcall)
{
	struct mount_client *client = reader->client;
	ssize_t n = read(reader->fd, mcall->base.in, MOUNT_MAX_REQUEST);

	if (n >= 0)
		return n;
	/* ENOENT: the request was interrupted while it was being read. */
	if (errno == EINTR || errno == EAGAIN || errno == ENOENT)
		return 0;
	if (errno != ENODEV)
		log_error("%s: cannot read requests: %m", client->where);
	return -errno;
}

static int start_reader(struct mount_client *client);

/* Serves one request, while nobody else reads if this thread was the last. */
static void serve_request(struct reader *reader, struct mount_call *mcall,
			  size_t len)
{
	struct mount_client *client = reader->client;
	ssize_t head_len;

	if (atomic_fetch_sub(&client->readers.idle, 1) == 1 &&
	    !atomic_load(&client->stopping))
		start_reader(client);
	mcall->answer = answer;
	mcall->fd = reader->fd;
	head_len = relay_head_len(client->relay, mcall->base.in, len);
	if (head_len >= 0) {
		mcall->base.data.iov_base = mcall->base.in + head_len;
		mcall->base.data.iov_len = len - (size_t)head_len;
		mount_call_submit(mcall, (size_t)head_len);
	} else {
		log_error("%s: the kernel sent what is no request",
			  client->where);
		buffered_call_put(&mcall->base);
	}
	atomic_fetch_add(&client->readers.idle, 1);
}

/*
 * Whether the calling thread is one too many; it is not counted any more then.
 * Both at once: threads that find so at the same time would all leave.
 */
static bool is_superfluous(struct readers *readers)
{
	unsigned int idle = atomic_load(&readers->idle);

	while (idle > IDLE_KEPT)
		if (atomic_compare_exchange_weak(&readers->idle, &idle,
						 idle - 1))
			return true;
	return false;
}

/* When it returns, the thread is not counted as idle. */
static void read_requests(struct reader *reader)
{
	struct mount_client *client = reader->client;

	while (!atomic_load(&client->stopping)) {
		struct mount_call *mcall = mount_call_get(client);
		ssize_t len;

		if (!mcall) {
			usleep(NO_MEMORY_USEC);
			continue;
		}
		len = read_request(reader, mcall);
		if (len <= 0) {
			buffered_call_put(&mcall->base);
			if (len < 0) {
				mount_client_end(client);
				break;
			}
			continue;
		}
		serve_request(reader, mcall, (size_t)len);
		if (is_superfluous(&client->readers))
			return;
	}
	atomic_fetch_sub(&client->readers.idle, 1);
}

static void *reader_main(void *opaque)
{
	struct reader *reader = opaque;
	struct readers *readers = &reader->client->readers;

	pthread_mutex_lock(&readers->lock);
	reader->thread = pthread_self();
	reader->next = readers->first;
	readers->first = reader;
	pthread_mutex_unlock(&readers->lock);
	read_requests(reader);
	pthread_mutex_lock(&readers->lock);
	for (struct reader **at = &readers->first; *at; at = &(*at)->next)
		if (*at == reader) {
			*at = reader->next;
			break;
		}
	readers->threads--;
	pthread_cond_signal(&readers->gone);
	pthread_mutex_unlock(&readers->lock);
	free(reader);
	return NULL;
}

int mount_thread(pthread_t *thread, void *(*start)(void *), void *opaque)
{
	return thread_start(thread, WAKE_SIGNAL, start, opaque);
}

static int start_reader(struct mount_client *client)
{
	struct readers *readers = &client->readers;
	struct reader *reader;
	int ret = -EAGAIN;

	pthread_mutex_lock(&readers->lock);
	if (readers->threads >= readers->limit)
		goto unlock;
	ret = -ENOMEM;
	reader = calloc(1, sizeof(*reader));
	if (!reader)
		goto unlock;
	reader->client = client;
	reader->fd = client->fds[readers->started++ % client->fd_count];
	atomic_fetch_add(&readers->idle, 1);
	ret = mount_thread(NULL, reader_main, reader);
	if (ret < 0) {
		atomic_fetch_sub(&readers->idle, 1);
		free(reader);
		goto unlock;
	}
	readers->threads++;
unlock:
	pthread_mutex_unlock(&readers->lock);
	return ret;
}

int readers_start(struct mount_client *client)
{
	int ret = start_reader(client);

	if (ret < 0)
		log_error("cannot start a thread: %s", strerror(-ret));
	return ret;
}

void readers_stop(struct mount_client *client)
{
	struct readers *readers = &client->readers;

	pthread_mutex_lock(&readers->lock);
	while (readers->threads) {
		struct timespec until;

		/* One that was just about to read() is woken next time. */
		for (struct reader *r = readers->first; r; r = r->next)
			pthread_kill(r->thread, WAKE_SIGNAL);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += WAKE_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&readers->gone, &readers->lock, &until);
	}
	pthread_mutex_unlock(&readers->lock);
}
