// SPDX-License-Identifier: BSD-2-Clause
/*
 * A client at work. Threads take turns in reading: the one that has read a
 * request carries it out, and where none is left to read, another is started.
 */
#include "../../log.h"
#include "../../thread.h"
#include "listen.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Threads that may wait for disks at once, and those that stay idle. */
#define THREADS	  64
#define IDLE_KEPT 2

static void end_reading(struct stream_client *client, int error)
{
	if (client->error == 1)
		client->error = error;
	link_end(&client->link);
	pthread_mutex_lock(&client->lock);
	pthread_cond_broadcast(&client->changed);
	pthread_mutex_unlock(&client->lock);
}

/* The next request, as its head's length; 0: the client has gone; -errno. */
static ssize_t read_request(struct stream_client *client,
			    struct stream_call **ret_call)
{
	char start[sizeof(struct cf_in_header)];
	struct link *link = &client->link;
	struct stream_call *scall;
	ssize_t len, ret;

	ret = link_wait(
		link, atomic_load(&client->greeted) ? -1 : stream_timeout_ms());
	if (ret <= 0)
		return ret;
	atomic_store(&client->greeted, true);
	ret = link_read(link, start, sizeof(start));
	if (ret < 0)
		return ret;
	len = crossfuse_stream_request_len(&client->relay->session, start,
					   sizeof(start), STREAM_MAX_MESSAGE);
	if (len < 0)
		return len;
	scall = stream_call_get(client, (size_t)len);
	if (!scall)
		return atomic_load(&link->ended) ? -ECANCELED : -ENOMEM;
	memcpy(scall->base.in, start, sizeof(start));
	ret = link_read(link, scall->base.in + sizeof(start),
			(size_t)len - sizeof(start));
	if (ret == 0)
		ret = link_check_end(link);
	if (ret == 0)
		ret = relay_head_len(client->relay, start, (size_t)len);
	if (ret < 0)
		stream_call_put(scall);
	else
		*ret_call = scall;
	return ret;
}

static void start_thread(struct stream_client *client);

static void work(struct stream_client *client, bool stays)
{
	do {
		struct stream_call *scall;
		ssize_t ret;

		pthread_mutex_lock(&client->read_lock);
		ret = client->error;
		if (ret > 0)
			ret = read_request(client, &scall);
		if (ret <= 0)
			end_reading(client, (int)ret);
		pthread_mutex_unlock(&client->read_lock);
		if (ret <= 0)
			return;
		if (atomic_fetch_sub(&client->idle, 1) == 1)
			start_thread(client);
		stream_call_submit(scall, (size_t)ret);
		atomic_fetch_add(&client->idle, 1);
	} while (stays || atomic_load(&client->idle) <= IDLE_KEPT);
}

static void *thread_main(void *opaque)
{
	struct stream_client *client = opaque;

	work(client, false);
	atomic_fetch_sub(&client->idle, 1);
	pthread_mutex_lock(&client->lock);
	client->threads--;
	pthread_cond_broadcast(&client->changed);
	pthread_mutex_unlock(&client->lock);
	return NULL;
}

/* If there is no memory for one, those that are there come back. */
static void start_thread(struct stream_client *client)
{
	pthread_mutex_lock(&client->lock);
	if (client->threads < THREADS) {
		atomic_fetch_add(&client->idle, 1);
		if (thread_start(NULL, 0, thread_main, client) == 0)
			client->threads++;
		else
			atomic_fetch_sub(&client->idle, 1);
	}
	pthread_mutex_unlock(&client->lock);
}

static void tell_end(const struct stream_client *client)
{
	if (client->error == 0)
		log_info("%s: the client has gone", client->name);
	else if (client->error == -ETIMEDOUT && !client->greeted)
		log_warn("%s: a client that says nothing is sent away",
			 client->name);
	else if (client->error != -ECANCELED)
		log_warn("%s: the client's connection ends: %s", client->name,
			 link_error(&client->link, client->error));
}

static int stream_greet(struct client *base)
{
	struct stream_client *client = (struct stream_client *)base;

	return link_handshake(&client->link, client->name);
}

static int stream_serve(struct client *base, struct relay *relay)
{
	struct stream_client *client = (struct stream_client *)base;

	client->relay = relay;
	stream_calls_begin(client);
	atomic_store(&client->idle, 1);
	work(client, true);
	tell_end(client);
	relay_cancel(relay);
	pthread_mutex_lock(&client->lock);
	while (client->threads)
		pthread_cond_wait(&client->changed, &client->lock);
	pthread_mutex_unlock(&client->lock);
	stream_calls_end(client);
	relay_reset(relay);
	return 0;
}

/* The one that waits for memory is woken by completions. */
static void stream_stop(struct client *base)
{
	struct stream_client *client = (struct stream_client *)base;

	link_end(&client->link);
	pthread_mutex_lock(&client->lock);
	pthread_cond_broadcast(&client->changed);
	pthread_mutex_unlock(&client->lock);
}

static int stream_notify(struct client *base, const struct iovec *iov,
			 int count)
{
	struct stream_client *client = (struct stream_client *)base;

	return link_write(&client->link, iov, count);
}

static void stream_close(struct client *base)
{
	struct stream_client *client = (struct stream_client *)base;

	if (client->closed)
		client->closed(client->opaque);
	link_destroy(&client->link);
	pthread_cond_destroy(&client->changed);
	pthread_mutex_destroy(&client->lock);
	pthread_mutex_destroy(&client->read_lock);
	free(client->name);
	free(client);
}

static const struct client_ops ops = {
	.greet = stream_greet,
	.serve = stream_serve,
	.stop = stream_stop,
	.notify = stream_notify,
	.close = stream_close,
};

/* What a WRITE may carry so that all is in one message. */
static uint32_t max_write(const struct link *link)
{
	size_t packet = link_packet_max(link);

	if (packet >= STREAM_MAX_MESSAGE)
		return STREAM_MAX_DATA;
	return packet > 12288 ? (uint32_t)(packet - 8192) & ~4095u : 4096;
}

int stream_client_new(int in, int out, struct layer *layer, const char *name,
		      void (*closed)(void *opaque), void *opaque,
		      struct client **ret_client)
{
	struct stream_client *client = calloc(1, sizeof(*client));
	int ret = -ENOMEM;

	if (client) {
		client->name = strdup(name);
		ret = link_init(&client->link, in, out, layer);
	} else {
		if (layer)
			layer->ops->free(layer);
		close(in);
		if (out != in)
			close(out);
	}
	if (ret < 0) {
		log_error("%s: cannot serve another client: %s", name,
			  strerror(-ret));
		if (client)
			free(client->name);
		free(client);
		return ret;
	}
	client->client.ops = &ops;
	client->error = 1;
	client->closed = closed;
	client->opaque = opaque;
	client->max_write = max_write(&client->link);
	pthread_mutex_init(&client->read_lock, NULL);
	pthread_mutex_init(&client->lock, NULL);
	pthread_cond_init(&client->changed, NULL);
	*ret_client = &client->client;
	return 0;
}
