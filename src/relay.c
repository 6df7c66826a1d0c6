// SPDX-License-Identifier: BSD-2-Clause
#include "relay.h"
#include "event_log.h"
#include "log.h"
#include "options.h"
#include "port/port.h"
#include "trace.h"
#include <crossfuse/message.h>
#include <errno.h>
#include <string.h>

static const struct crossfuse_abi *server_abi(const struct relay *relay)
{
	const struct server_port_ops *ops = relay->server->ops;

	return ops->abi ? ops->abi(relay->server) : crossfuse_abi_native();
}

int relay_init(struct relay *relay, struct server_port *server,
	       const struct options *options,
	       const struct crossfuse_abi *monitor)
{
	memset(relay, 0, sizeof(*relay));
	relay->server = server;
	relay->config = (struct crossfuse_config){
		.server = server_abi(relay),
		.client = options->client_abi,
		.monitor = options->no_detect ? NULL : monitor,
		.policy = options->policy,
		.no_detect = options->no_detect,
		.event = event_log,
	};
	pthread_mutex_init(&relay->lock, NULL);
	pthread_cond_init(&relay->changed, NULL);
	return crossfuse_session_init(&relay->session, &relay->config);
}

void relay_destroy(struct relay *relay)
{
	pthread_cond_destroy(&relay->changed);
	pthread_mutex_destroy(&relay->lock);
}

ssize_t relay_head_len(struct relay *relay, const void *header,
		       size_t total_len)
{
	return crossfuse_request_head_len(&relay->session, header, total_len);
}

/* The stripe of this thread. */
static atomic_long *stripe(struct relay *relay)
{
	static atomic_uint next;
	static _Thread_local unsigned int mine; /* counted from 1 */

	if (!mine)
		mine = atomic_fetch_add(&next, 1) % RELAY_STRIPES + 1;
	return &relay->stripes[mine - 1].calls;
}

static long calls_under_way(struct relay *relay)
{
	long sum = 0;

	for (unsigned int i = 0; i < RELAY_STRIPES; i++)
		sum += atomic_load(&relay->stripes[i].calls);
	return sum;
}

/*
 * A call is counted before the gate is looked at, and the gate is closed
 * before the calls are counted: one of the two sees the other.
 */
static void enter(struct relay *relay)
{
	for (;;) {
		atomic_fetch_add(stripe(relay), 1);
		if (!atomic_load(&relay->closed))
			return;
		pthread_mutex_lock(&relay->lock);
		atomic_fetch_sub(stripe(relay), 1);
		pthread_cond_broadcast(&relay->changed);
		while (atomic_load(&relay->closed))
			pthread_cond_wait(&relay->changed, &relay->lock);
		pthread_mutex_unlock(&relay->lock);
	}
}

static void leave(struct relay *relay)
{
	atomic_fetch_sub(stripe(relay), 1);
	if (!atomic_load(&relay->closed))
		return;
	pthread_mutex_lock(&relay->lock);
	pthread_cond_broadcast(&relay->changed);
	pthread_mutex_unlock(&relay->lock);
}

/* Closes the gate for CALL and waits until no other call is under way. */
static void enter_alone(struct relay *relay, struct call *call)
{
	pthread_mutex_lock(&relay->lock);
	while (relay->alone)
		pthread_cond_wait(&relay->changed, &relay->lock);
	relay->alone = call;
	atomic_store(&relay->closed, true);
	if (calls_under_way(relay) && relay->server->ops->cancel)
		relay->server->ops->cancel(relay->server);
	while (calls_under_way(relay))
		pthread_cond_wait(&relay->changed, &relay->lock);
	pthread_mutex_unlock(&relay->lock);
}

static void leave_alone(struct relay *relay)
{
	pthread_mutex_lock(&relay->lock);
	relay->alone = NULL;
	atomic_store(&relay->closed, false);
	pthread_cond_broadcast(&relay->changed);
	pthread_mutex_unlock(&relay->lock);
}

/* INIT tells the byte order by its opcode, so it is known in either. */
static bool runs_alone(const struct call *call)
{
	static const uint32_t opcodes[] = { CF_INIT, CF_CUSE_INIT, CF_DESTROY };
	uint32_t opcode = call_in(call)->opcode;

	for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++)
		if (opcode == opcodes[i] ||
		    opcode == __builtin_bswap32(opcodes[i]))
			return true;
	return false;
}

static void finish(struct relay *relay, struct call *call)
{
	bool alone = relay->alone == call;

	if (log_level >= LOG_LEVEL_DEBUG)
		event_log_reply(&relay->session, call);
	/* The port may use the call anew from here on. */
	call->ops->complete(call);
	if (alone)
		leave_alone(relay);
	else
		leave(relay);
}

static void fail(struct relay *relay, struct call *call, int error)
{
	call->out_data_len = 0;
	call->out_len = 0;
	if (crossfuse_opcode_has_reply(call->state.opcode)) {
		crossfuse_session_error(&relay->session, &call->state, error,
					call->out);
		call->out_len = sizeof(struct cf_out_header);
		if (relay->trace)
			trace_own_reply(relay->trace, &relay->session, call);
	}
	finish(relay, call);
}

void relay_submit(struct relay *relay, struct call *call)
{
	int ret;

	call->relay = relay;
	if (runs_alone(call))
		enter_alone(relay, call);
	else
		enter(relay);

	if (log_level >= LOG_LEVEL_DEBUG)
		event_log_request(&relay->session, call);
	if (relay->trace)
		ret = trace_request(relay->trace, &relay->session, call);
	else
		ret = crossfuse_session_request(
			&relay->session, &call->state, call->head,
			call->head_len, call->head_len + call->data_len);
	if (ret < 0)
		fail(relay, call, ret);
	else
		relay->server->ops->submit(relay->server, call);
}

void relay_complete(struct call *call)
{
	struct relay *relay = call->relay;
	int ret;

	if (call->out_len) {
		if (relay->trace)
			ret = trace_reply(relay->trace, &relay->session, call);
		else
			ret = crossfuse_session_reply(
				&relay->session, &call->state, call->out,
				call->out_len,
				call->out_len + call->out_data_len);
		if (ret < 0) {
			log_error("the server's reply to opcode %u is "
				  "malformed; the client gets EIO",
				  call->state.opcode);
			fail(relay, call, -EIO);
			return;
		}
	}
	finish(relay, call);
}

void relay_reset(struct relay *relay)
{
	if (relay->trace)
		trace_reset(relay->trace);
	relay->server->ops->reset(relay->server);
	crossfuse_session_init(&relay->session, &relay->config);
}
