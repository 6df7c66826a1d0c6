// SPDX-License-Identifier: BSD-2-Clause
/* What is asked of the back end that no client asks. */
#include "../../log.h"
#include "../../thread.h"
#include "vhost.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ASK_SECONDS 3

/* Of a client that left without waiting: its memory is free again. */
static void drop(struct vhost_server *server, struct vhost_queue *queue,
		 struct vhost_flight *request)
{
	vhost_list_remove(&queue->sent, request);
	vhost_pool_give(&server->pool, request->memory, request->size);
	free(request);
}

/* The queue that DRIVER is one of. */
static struct vhost_queue *queue_of(struct vhost_server *server,
				    const struct vhost_driver_queue *driver)
{
	return &server->queues[driver - server->driver.queues];
}

/* Until TOKEN comes back; *RET_LEN bytes were written. */
static int wait_for(struct vhost_server *server,
		    struct vhost_driver_queue *driver, const void *token,
		    uint32_t *ret_len)
{
	uint64_t until = thread_now() + ASK_SECONDS * SECOND_NS;
	int ret = 0;

	for (;;) {
		void *found;
		uint64_t now;

		ret = driver_ring_reap(&driver->ring, &found, ret_len);
		if (ret < 0)
			return ret;
		if (ret > 0 && found == token)
			return 0;
		if (ret > 0) {
			drop(server, queue_of(server, driver), found);
			continue;
		}
		now = thread_now();
		if (now >= until)
			return -ETIMEDOUT;
		ret = vhost_driver_wait(&server->driver, driver,
					(int)((until - now) / 1000000) + 1);
		if (ret < 0 && ret != -ETIMEDOUT)
			return ret;
	}
}

/* How many segments it takes, the last two for the reply; or -errno. */
static int segments_of(const struct vhost_driver *driver, char *memory,
		       const struct vhost_saved *request,
		       struct driver_segment *segments)
{
	const size_t in = sizeof(struct cf_in_header);
	const size_t out = sizeof(struct cf_out_header);
	char *reply = memory + sizeof(request->bytes);
	const struct iovec pieces[] = {
		{ memory, in },
		{ memory + in, request->len - in },
		{ reply, out },
		{ reply + out, sizeof(request->bytes) - out },
	};
	int count = 0;

	memcpy(memory, request->bytes, request->len);
	memset(reply, 0, sizeof(request->bytes));
	for (unsigned int i = 0; i < 4; i++) {
		int ret = 0;

		if (pieces[i].iov_len)
			ret = vhost_driver_segment(driver, pieces[i].iov_base,
						   pieces[i].iov_len,
						   &segments[count++]);
		if (ret < 0)
			return ret;
	}
	return count;
}

int vhost_ask(struct vhost_server *server, struct vhost_driver_queue *queue,
	      const struct vhost_saved *request, struct vhost_saved *reply)
{
	const size_t size = 2 * sizeof(request->bytes);
	char *memory = vhost_pool_take(&server->pool, size);
	struct driver_segment segments[4];
	uint32_t len = 0;
	int ret;

	if (!memory)
		return -ENOMEM;
	ret = segments_of(&server->driver, memory, request, segments);
	if (ret >= 0)
		ret = driver_ring_add(&queue->ring, segments,
				      (unsigned int)ret - 2, 2, memory);
	if (ret < 0)
		goto give;
	ret = vhost_queue_kick(queue);
	if (ret >= 0)
		ret = wait_for(server, queue, memory, &len);
	driver_ring_enable(&queue->ring);
	if (ret < 0) /* the back end may still write there */
		return ret;
	reply->len = len < sizeof(reply->bytes) ? len : sizeof(reply->bytes);
	memcpy(reply->bytes, memory + sizeof(request->bytes), reply->len);
give:
	vhost_pool_give(&server->pool, memory, size);
	return ret;
}

void vhost_forget_client(struct vhost_server *server)
{
	struct cf_in_header header = { .len = sizeof(header),
				       .opcode = CF_DESTROY,
				       .unique = 2 };
	struct vhost_saved request = { .len = sizeof(header) }, reply;
	struct vhost_queue *queue = &server->queues[1];
	int ret = 0;

	if (!atomic_exchange(&server->inited, false))
		return;
	memcpy(request.bytes, &header, sizeof(header));
	pthread_mutex_lock(&server->lock);
	pthread_mutex_lock(&queue->lock);
	if (queue->runs)
		ret = vhost_ask(server, queue->queue, &request, &reply);
	if (ret < 0) {
		queue->broken = true;
		queue->runs = false;
		log_error("%s: does not answer FUSE_DESTROY: it is left, so "
			  "that it closes the client's files: %s",
			  server->path, strerror(-ret));
	}
	pthread_mutex_unlock(&queue->lock);
	pthread_mutex_unlock(&server->lock);
	/* Or what came meanwhile. */
	vhost_wake(server);
}
