// SPDX-License-Identifier: BSD-2-Clause
/* Replies as they come; and when the back end ends, and another one begins. */
#include "../../log.h"
#include "../../sandbox/sandbox.h"
#include "../../thread.h"
#include "vhost.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Between two looks for a back end, while calls wait and afterwards. */
#define SOON_MS	 50
#define LATER_MS 1000

/* Of the number that tells one back end's nodes from another's. */
#define EPOCH_MAX UINT16_MAX

static uint64_t restart_wait = 10; /* seconds */

static const struct option rows[] = {
	OPTION("restart-wait", NUMBER, &restart_wait, "SECONDS",
	       "requests wait so long for a back end that has ended (10)"),
	{ 0 },
};

const struct option *const vhost_options[] = { rows, sandbox_rows, NULL };

/* Whether a request does no harm where it was carried out already. */
static bool can_be_repeated(const struct call *call)
{
	switch (call->state.opcode) {
	case CF_INIT:	 /* the next one knows nothing yet */
	case CF_SETATTR: /* sets the same once more */
	case CF_FLUSH:	 /* has nothing left to do the second time */
	case CF_FSYNC:
	case CF_FSYNCDIR:
	case CF_SYNCFS:
		return true;
	default:
		/* The second time it fails, or undoes what came between. */
		return call_asks_only(call);
	}
}

/* What a request needs no back end for: its files are closed. */
static bool is_done(struct call *call)
{
	switch (call->state.opcode) {
	case CF_RELEASE:
	case CF_RELEASEDIR:
	case CF_DESTROY:
		call_reply(call, 0);
		return true;
	default:
		if (crossfuse_opcode_has_reply(call->state.opcode))
			return false;
		call_done(call);
		return true;
	}
}

/* 0: the next back end can be asked; or what the client gets. TAKEN: the last
 * one may have carried it out. */
static int fate_of(const struct vhost_server *server, struct call *call,
		   bool taken)
{
	int gone = atomic_load(&server->gone);

	if (gone != -EAGAIN)
		return gone;
	/* ESTALE makes Linux ask again, by the path. */
	if (taken && !can_be_repeated(call))
		return -EIO;
	return vhost_nodes_named(server, call) ? -ESTALE : 0;
}

/* Ends what cannot wait for the next back end; the rest goes to KEPT. */
static void settle(const struct vhost_server *server, struct vhost_list *list,
		   bool taken, struct vhost_list *kept)
{
	while (list->first) {
		struct vhost_flight *request = list->first;
		struct call *call = request->call;
		int fate;

		vhost_list_remove(list, request);
		fate = call && !is_done(call) ? fate_of(server, call, taken)
					      : -ENOENT;
		if (fate == 0) {
			*request = (struct vhost_flight){ .call = call };
			vhost_list_add(kept, request);
			continue;
		}
		if (fate != -ENOENT)
			call_fail(call, fate);
		free(request);
	}
}

static void settle_queue(struct vhost_queue *queue, struct vhost_list *sent)
{
	struct vhost_list waiting, kept = { 0 };

	pthread_mutex_lock(&queue->lock);
	waiting = queue->waiting;
	queue->waiting = (struct vhost_list){ 0 };
	pthread_mutex_unlock(&queue->lock);
	settle(queue->server, sent, true, &kept);
	settle(queue->server, &waiting, false, &kept);
	pthread_mutex_lock(&queue->lock);
	while (kept.first) {
		struct vhost_flight *request = kept.first;

		vhost_list_remove(&kept, request);
		vhost_list_add(&queue->waiting, request);
	}
	pthread_mutex_unlock(&queue->lock);
}

static bool any_broken(const struct vhost_server *server)
{
	for (unsigned int i = 0; i < server->queue_count; i++)
		if (server->queues[i].broken)
			return true;
	return false;
}

/* Whether the client can go on with another back end. */
static bool can_go_on(const struct vhost_server *server)
{
	if (any_broken(server)) /* it would break the rules again */
		return false;
	if (!atomic_load(&server->inited))
		return true;
	return restart_wait && server->init.len &&
	       !atomic_load(&server->wide) && server->epoch < EPOCH_MAX;
}

/* The back end has ended; whether the client waits for another one. */
static bool lose(struct vhost_server *server)
{
	struct vhost_list sent[VHOST_QUEUES];
	bool waits;

	pthread_mutex_lock(&server->lock);
	waits = can_go_on(server);
	atomic_fetch_add(&server->epoch, 1);
	atomic_store(&server->gone, waits ? -EAGAIN : -ENOTCONN);
	vhost_server_disconnect(server, sent);
	pthread_mutex_unlock(&server->lock);
	for (unsigned int i = 0; i < VHOST_QUEUES; i++)
		settle_queue(&server->queues[i], &sent[i]);
	if (waits)
		log_warn("%s: the back end has ended: requests wait %llu s for "
			 "it to be started again; files that are open get "
			 "ESTALE",
			 server->path, (unsigned long long)restart_wait);
	else
		log_error("%s: the back end is gone: the client gets ENOTCONN "
			  "until it mounts anew",
			  server->path);
	return waits;
}

/* No call waits any longer. */
static void give_up(struct vhost_server *server)
{
	atomic_store(&server->gone, -ENOTCONN);
	for (unsigned int i = 0; i < VHOST_QUEUES; i++)
		vhost_queue_abandon(&server->queues[i], -ENOTCONN, true);
}

/* 0; -EPROTO: it does not agree to what the client was told; or -errno. */
static int say_init(struct vhost_server *server)
{
	const size_t header = sizeof(struct cf_out_header);
	const struct vhost_saved *before = &server->init_reply;
	struct vhost_saved reply;
	int ret = vhost_ask(server, &server->driver.queues[1], &server->init,
			    &reply);

	if (ret < 0)
		return ret;
	if (reply.len != before->len ||
	    memcmp((char *)reply.bytes + header, (char *)before->bytes + header,
		   reply.len - header) != 0)
		return -EPROTO;
	return 0;
}

/* Takes up with a back end, if one is there; as say_init(). */
static int come_back(struct vhost_server *server)
{
	int ret;

	pthread_mutex_lock(&server->lock);
	ret = vhost_server_connect(server);
	if (ret == 0 && atomic_load(&server->inited)) {
		ret = say_init(server);
		if (ret < 0)
			vhost_driver_close(&server->driver);
	}
	if (ret == 0)
		vhost_server_begin(server);
	pthread_mutex_unlock(&server->lock);
	if (ret == 0)
		log_info("%s: a back end is there again", server->path);
	return ret;
}

static void drain(int fd)
{
	uint64_t count;

	/* That there is nothing to read is no error. */
	if (read(fd, &count, sizeof(count)) < 0)
		return;
}

/* Sleeps until woken, or for a while. */
static void pause_reaper(struct vhost_server *server, int timeout)
{
	struct pollfd wake = { server->wake_fd, POLLIN, 0 };

	if (poll(&wake, 1, timeout) > 0)
		drain(server->wake_fd);
}

/* Until there is a back end, or none is wanted. WAITS: calls wait for one. */
static void wait_for_return(struct vhost_server *server, bool waits)
{
	uint64_t until = thread_now() + restart_wait * SECOND_NS;
	bool come = waits; /* or only when a client begins */

	while (!atomic_load(&server->closing)) {
		int ret = -EAGAIN;

		if (atomic_exchange(&server->wanted, false)) {
			until = thread_now() + restart_wait * SECOND_NS;
			atomic_store(&server->gone, -EAGAIN);
			waits = come = true;
		}
		if (come)
			ret = come_back(server);
		if (ret == 0)
			return;
		if (ret == -EPROTO) {
			log_error("%s: the back end that was started again "
				  "answers FUSE_INIT otherwise than before",
				  server->path);
			come = false;
		}
		if (waits && (!come || thread_now() >= until)) {
			log_error("%s: the client gets ENOTCONN until %s",
				  server->path,
				  come ? "a back end is there again"
				       : "it mounts anew");
			give_up(server);
			waits = false;
		}
		pause_reaper(server, waits ? SOON_MS : LATER_MS);
	}
}

/* Milliseconds for poll(): until cancelled calls are left, if there are any. */
static int patience_ms(const struct vhost_server *server)
{
	uint64_t until = atomic_load(&server->patience), now = thread_now();

	if (!until)
		return -1;
	return until > now ? (int)((until - now) / 1000000) + 1 : 0;
}

/* What was cancelled is not waited for any longer. */
static void lose_patience(struct vhost_server *server)
{
	atomic_store(&server->patience, 0);
	for (unsigned int i = 0; i < VHOST_QUEUES; i++)
		vhost_queue_abandon(&server->queues[i], -EINTR, true);
}

/* Sleeps until something came back. False: the back end is gone. */
static bool wait_for_calls(struct vhost_server *server)
{
	struct pollfd fds[2 * VHOST_QUEUES + 2];
	unsigned int count = server->queue_count, n = 0;
	bool woken;

	fds[n++] = (struct pollfd){ server->wake_fd, POLLIN, 0 };
	fds[n++] = (struct pollfd){ server->driver.frontend.channel.fd,
				    POLLRDHUP, 0 };
	for (unsigned int i = 0; i < count; i++) {
		struct vhost_driver_queue *queue = &server->driver.queues[i];

		fds[n++] = (struct pollfd){ queue->call_fd, POLLIN, 0 };
		fds[n++] = (struct pollfd){ queue->err_fd, POLLIN, 0 };
	}
	if (poll(fds, n, patience_ms(server)) < 0)
		return errno == EINTR;
	woken = fds[0].revents;
	if (woken)
		drain(server->wake_fd);
	if (patience_ms(server) == 0)
		lose_patience(server);
	for (unsigned int i = 0; i < count; i++) {
		if (fds[2 + 2 * i].revents)
			drain(fds[2 + 2 * i].fd);
		if (fds[2 + 2 * i].revents || woken)
			vhost_queue_reap(&server->queues[i], true);
		if (fds[3 + 2 * i].revents || server->queues[i].broken)
			return false;
	}
	return !fds[1].revents;
}

void *vhost_reaper(void *opaque)
{
	struct vhost_server *server = opaque;

	while (!atomic_load(&server->closing))
		if (!wait_for_calls(server) && !atomic_load(&server->closing))
			wait_for_return(server, lose(server));
	return NULL;
}
