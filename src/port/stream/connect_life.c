// SPDX-License-Identifier: BSD-2-Clause
/*
 * One connection after the other. With --reconnect a lost one is followed by
 * another, whose server begins anew and is told what was agreed. Its numbers
 * are of a new epoch: what is left of the old one gets ESTALE.
 */
#include "../../log.h"
#include "../../thread.h"
#include "connect.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Between tries; twice as long before each next one. */
#define FIRST_PAUSE (SECOND_NS / 10)
#define LAST_PAUSE  (4 * SECOND_NS)

/* Longer nobody waits, whatever is said. */
#define DAY (24 * 60 * 60)

static const char *name_of(const struct connect_server *server)
{
	return server->port->address.text;
}

static int make_layer(const struct connect_server *server, int fd,
		      struct layer **ret_layer)
{
	struct layer_maker *tls = server->port->tls;
	const char *host = stream_options.tls_hostname;

	if (!host)
		host = server->port->address.host;
	return tls ? tls->make(tls, fd, host, ret_layer) : 0;
}

static int make_link(struct connect_server *server, int fd)
{
	struct layer *layer = NULL;
	int ret = make_layer(server, fd, &layer);

	if (ret < 0) {
		close(fd);
		return ret;
	}
	ret = link_init(&server->link, fd, fd, layer);
	if (ret < 0) {
		log_error("%s: %s", name_of(server), strerror(-ret));
		return ret;
	}
	pthread_mutex_lock(&server->lock);
	server->connected = true;
	if (server->cancelled)
		link_end(&server->link);
	pthread_mutex_unlock(&server->lock);
	return link_handshake(&server->link, name_of(server));
}

static void drop_link(struct connect_server *server)
{
	pid_t child;

	pthread_mutex_lock(&server->lock);
	if (server->connected)
		link_destroy(&server->link);
	server->connected = false;
	child = server->child;
	server->child = 0;
	pthread_mutex_unlock(&server->lock);
	if (child)
		command_end(child, name_of(server));
}

static int connect_once(struct connect_server *server, bool again)
{
	pid_t child;
	int fd, ret;

	fd = address_connect(&server->port->address, again, &child);
	if (fd < 0)
		return fd;
	server->child = child;
	ret = make_link(server, fd);
	if (ret < 0)
		drop_link(server);
	return ret;
}

static void set_up(struct connect_server *server, bool up, bool next)
{
	pthread_rwlock_wrlock(&server->gate);
	server->up = up;
	if (next)
		server->epoch.number++;
	pthread_rwlock_unlock(&server->gate);
}

static void set_away(struct connect_server *server, bool away)
{
	uint64_t seconds = server->port->reconnect;

	pthread_mutex_lock(&server->lock);
	server->away = away;
	server->until =
		thread_now() + (seconds < DAY ? seconds : DAY) * SECOND_NS;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

int connect_begin(struct connect_server *server)
{
	int ret;

	server->cancelled = false;
	ret = connect_once(server, false);
	if (ret < 0)
		return ret;
	server->used = false;
	atomic_store(&server->lost, false);
	set_up(server, true, false);
	return 0;
}

void connect_cut(struct connect_server *server)
{
	pthread_mutex_lock(&server->lock);
	server->cancelled = true;
	if (server->connected)
		link_end(&server->link);
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

void connect_end(struct connect_server *server)
{
	if (server->used)
		pthread_join(server->reader, NULL);
	drop_link(server);
	server->used = false;
	server->agreed = false;
	set_away(server, false);
}

void connect_lose(struct connect_server *server, int error)
{
	link_end(&server->link);
	/* Whoever has ended it sees to that. */
	if (error == -ECANCELED || server->cancelled ||
	    atomic_exchange(&server->lost, true))
		return;
	log_error("%s: the server is lost: %s", name_of(server),
		  link_error(&server->link, error));
	relay_fail_all(server->relay, -ENOTCONN);
}

/*
 * A new server knows none of the numbers in it but the root's. On ESTALE Linux
 * asks again by path, which then waits for the server; of what may have been
 * done already nobody can tell whether it was.
 */
int connect_lost_error(const struct call *call)
{
	const struct connect_server *server =
		(const struct connect_server *)call->relay->server;

	if (server->port->reconnect == RECONNECT_NEVER ||
	    server->port->reconnect == 0)
		return -ENOTCONN;
	return call_asks_only(call) ? -ESTALE : -EIO;
}

/* 0; -ENOTCONN: it is lost again; -EPROTO, logged: it is another one. */
static int read_agreement(struct connect_server *server)
{
	const struct cf_in_header *init = (const void *)server->init;
	struct link *link = &server->link;
	struct cf_out_header header;
	struct cf_init_out out;
	ssize_t len;

	if (link_wait(link, stream_timeout_ms()) <= 0 ||
	    link_read(link, &header, sizeof(header)) < 0)
		return -ENOTCONN;
	len = crossfuse_stream_reply_len(&server->relay->far, &header,
					 sizeof(header), STREAM_MAX_MESSAGE);
	if (len < 0 || header.unique != init->unique)
		return -ENOTCONN;
	len -= (ssize_t)sizeof(header);
	if (!header.error && (size_t)len >= sizeof(out)) {
		if (link_read(link, &out, sizeof(out)) < 0 ||
		    link_skip(link, (size_t)len - sizeof(out)) < 0)
			return -ENOTCONN;
		if (epoch_agrees(&server->out, &out))
			return 0;
	}
	log_error("%s: the server is back, and answers FUSE_INIT otherwise "
		  "than before: the client gets ENOTCONN: mount anew",
		  name_of(server));
	return -EPROTO;
}

static int try_again(struct connect_server *server)
{
	const struct iovec init = { server->init, server->init_len };
	int ret;

	drop_link(server);
	ret = connect_once(server, true);
	if (ret < 0)
		return server->cancelled ? -ECANCELED : -ENOTCONN;
	if (link_write(&server->link, &init, 1) < 0)
		return -ENOTCONN;
	return read_agreement(server);
}

/* False: all ends. */
static bool pause_for(struct connect_server *server, uint64_t pause)
{
	uint64_t until = thread_now() + pause;

	pthread_mutex_lock(&server->lock);
	while (!server->cancelled &&
	       thread_wait(&server->changed, &server->lock, until))
		;
	pthread_mutex_unlock(&server->lock);
	return !server->cancelled;
}

static int try_until_it_is_there(struct connect_server *server)
{
	uint64_t pause = FIRST_PAUSE;
	int ret;

	while ((ret = try_again(server)) == -ENOTCONN) {
		if (!pause_for(server, pause))
			return -ECANCELED;
		pause = pause < LAST_PAUSE / 2 ? 2 * pause : LAST_PAUSE;
	}
	return ret;
}

static bool may_reconnect(const struct connect_server *server)
{
	return server->port->reconnect != RECONNECT_NEVER && server->agreed &&
	       server->epoch.number < EPOCH_LAST;
}

bool connect_again(struct connect_server *server, int error)
{
	int ret;

	if (!may_reconnect(server) || server->cancelled ||
	    error == -ECANCELED) {
		connect_lose(server, error);
		return false;
	}
	if (atomic_load(&server->epoch.wide)) {
		log_error("%s: its node ids or handles have more than %d bits: "
			  "--reconnect cannot tell old ones from new ones",
			  name_of(server), EPOCH_SHIFT);
		connect_lose(server, error);
		return false;
	}
	log_warn("%s: the server is lost: %s; trying to reach it again",
		 name_of(server), link_error(&server->link, error));
	set_away(server, true);
	link_end(&server->link);
	set_up(server, false, false);
	relay_fail_each(server->relay, connect_lost_error);
	ret = try_until_it_is_there(server);
	if (ret == 0) {
		set_up(server, true, true);
		set_away(server, false);
		log_info("%s: the server is back", name_of(server));
		return true;
	}
	set_away(server, false);
	if (ret == -EPROTO)
		relay_fail_all(server->relay, -ENOTCONN);
	return false;
}

/* 0: look again; or -errno. */
static int wait_for_server(struct connect_server *server)
{
	int ret = 0;

	pthread_mutex_lock(&server->lock);
	if (server->cancelled)
		ret = -EINTR;
	else if (!server->away ||
		 !thread_wait(&server->changed, &server->lock, server->until))
		ret = -ENOTCONN;
	pthread_mutex_unlock(&server->lock);
	return ret;
}

/*
 * Whether it makes sense to wait with a request: not with numbers of the old
 * server, which the next one will not know. With the gate held.
 */
static int look_ahead(const struct connect_server *server, struct call *call)
{
	struct epoch next = { .number = server->epoch.number + 1 };

	/* Nobody waits for the answer. */
	if (!crossfuse_opcode_has_reply(call->state.opcode))
		return -ENOTCONN;
	return server->port->reconnect ? epoch_request(&next, call) : 0;
}

int connect_enter(struct connect_server *server, struct call *call)
{
	bool told = false;

	for (;;) {
		int ret;

		pthread_rwlock_rdlock(&server->gate);
		if (server->up)
			return 0;
		ret = look_ahead(server, call);
		pthread_rwlock_unlock(&server->gate);
		if (ret == 0 && !told)
			call_may_block(call);
		told = true;
		if (ret == 0)
			ret = wait_for_server(server);
		if (ret < 0)
			return ret;
	}
}

void connect_asked(struct connect_server *server, const struct call *call)
{
	pthread_mutex_lock(&server->lock);
	server->agreed = false;
	server->init_len = 0;
	if (call->head_len <= sizeof(server->init)) {
		memcpy(server->init, call->head, call->head_len);
		server->init_len = call->head_len;
	}
	pthread_mutex_unlock(&server->lock);
}

void connect_agreed(struct connect_server *server, const struct call *call,
		    size_t out_len)
{
	const struct cf_out_header *header = call->out;

	pthread_mutex_lock(&server->lock);
	server->agreed = server->init_len && !header->error &&
			 out_len >= sizeof(*header) + sizeof(server->out);
	if (server->agreed)
		memcpy(&server->out, header + 1, sizeof(server->out));
	pthread_mutex_unlock(&server->lock);
}

void connect_destroyed(struct connect_server *server)
{
	pthread_mutex_lock(&server->lock);
	server->agreed = false;
	pthread_mutex_unlock(&server->lock);
}
