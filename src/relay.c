// SPDX-License-Identifier: BSD-2-Clause
#include "event_log.h"
#include "log.h"
#include "meter.h"
#include "options.h"
#include "port/port.h"
#include "relay_private.h"
#include "thread.h"
#include "trace.h"
#include <crossfuse/message.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* No reply but a file's bytes, which are not in call->out, comes near it. */
#define OUT_MAX (16 << 20)

/* Pieces of a notification, and bytes of it that are not a file's. */
#define NOTIFY_PIECES 64
#define NOTIFY_HEAD   8192

static int init_sessions(struct relay *relay, const struct options *options,
			 const struct crossfuse_abi *monitor)
{
	const struct server_ops *ops = relay->server->ops;
	const struct crossfuse_abi *abi = ops->abi ? ops->abi(relay->server)
						   : crossfuse_abi_native();
	int ret;

	relay->config = (struct crossfuse_config){
		.server = abi,
		.client = options->client_abi,
		.monitor = options->no_detect ? NULL : monitor,
		.policy = options->policy,
		.no_detect = options->no_detect,
		.no_check = ops->checks,
		.event = event_log,
	};
	ret = crossfuse_session_init(&relay->session, &relay->config);
	if (ret == 0 && ops->negotiates) {
		relay->far_config = (struct crossfuse_config){
			.role = CROSSFUSE_ROLE_CLIENT,
			.client = abi,
			.policy = options->policy == CROSSFUSE_IGNORE
					  ? CROSSFUSE_IGNORE
					  : CROSSFUSE_TRANSLATE,
		};
		ret = crossfuse_session_init(&relay->far, &relay->far_config);
	}
	if (ret < 0)
		log_error("the ABIs of client and server cannot be used "
			  "together: %s",
			  strerror(-ret));
	return ret;
}

static void init_gate(struct relay *relay)
{
	thread_cond_init(&relay->changed);
	pthread_mutex_init(&relay->lock, NULL);
}

int relay_init(struct relay *relay, struct client *client,
	       struct server_port *port, const struct options *options,
	       const struct crossfuse_abi *monitor)
{
	int ret;

	memset(relay, 0, sizeof(*relay));
	relay->client = client;
	init_gate(relay);
	/* A peer may speak, or die, before attach() has returned. */
	ret = relay_flight_init(relay);
	if (ret < 0)
		goto destroy_gate;
	ret = port->ops->attach(port, relay, &relay->server);
	if (ret < 0)
		goto destroy_flight;
	if (!relay->server->ops->numbered)
		relay_flight_destroy(relay);
	relay->proxied = relay->flight || relay->server->ops->negotiates;
	ret = init_sessions(relay, options, monitor);
	if (ret == 0) {
		atomic_store(&relay->ready, true);
		return 0;
	}
	relay->server->ops->detach(relay->server);
destroy_flight:
	relay_flight_destroy(relay);
destroy_gate:
	pthread_cond_destroy(&relay->changed);
	pthread_mutex_destroy(&relay->lock);
	return ret;
}

void relay_destroy(struct relay *relay)
{
	relay->server->ops->detach(relay->server);
	relay_flight_destroy(relay);
	pthread_cond_destroy(&relay->changed);
	pthread_mutex_destroy(&relay->lock);
}

ssize_t relay_head_len(struct relay *relay, const void *header,
		       size_t total_len)
{
	return crossfuse_request_head_len(&relay->session, header, total_len);
}

void *relay_alloc(struct relay *relay, size_t size)
{
	const struct server_ops *ops = relay->server->ops;

	return ops->alloc ? ops->alloc(relay->server, size) : malloc(size);
}

void relay_free(struct relay *relay, void *memory, size_t size)
{
	const struct server_ops *ops = relay->server->ops;

	if (!ops->alloc)
		free(memory);
	else if (memory)
		ops->free(relay->server, memory, size);
}

int relay_reserve(struct call *call, size_t size)
{
	void *out = size > OUT_MAX ? NULL : relay_alloc(call->relay, size);

	if (!out)
		return -ENOMEM;
	memcpy(out, call->out, sizeof(struct cf_out_header));
	relay_free(call->relay, call->out, call->out_size);
	call->out = out;
	call->out_size = size;
	return 0;
}

int relay_memory(struct relay *relay, const struct relay_region *regions,
		 unsigned int count)
{
	const struct server_ops *ops = relay->server->ops;

	return ops->memory ? ops->memory(relay->server, regions, count) : 0;
}

bool relay_poll(struct relay *relay, bool more)
{
	const struct server_ops *ops = relay->server->ops;

	return ops->poll && ops->poll(relay->server, more);
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

static long passed(const struct relay *relay)
{
	long sum = 0;

	for (unsigned int i = 0; i < RELAY_STRIPES; i++)
		sum += atomic_load(&relay->stripes[i].calls);
	return sum;
}

long relay_in_flight(const struct relay *relay)
{
	return passed(relay) + (relay->alone ? 1 : 0);
}

/* With the lock held. */
static void set_closed(struct relay *relay)
{
	atomic_store(&relay->closed, relay->alone || relay->holds);
	pthread_cond_broadcast(&relay->changed);
}

/* Tells those that wait at the gate, if any, that something has changed. */
static __attribute__((noinline)) void tell_gate(struct relay *relay)
{
	pthread_mutex_lock(&relay->lock);
	pthread_cond_broadcast(&relay->changed);
	pthread_mutex_unlock(&relay->lock);
}

static inline __attribute__((always_inline)) void leave(struct relay *relay)
{
	atomic_fetch_sub(stripe(relay), 1);
	if (atomic_load(&relay->closed))
		tell_gate(relay);
}

/*
 * A call is counted before the gate is looked at, and the gate is closed
 * before the calls are counted: one of the two sees the other. False: the
 * client has cancelled it.
 */
static bool enter(struct relay *relay)
{
	bool cancelled;

	for (;;) {
		atomic_fetch_add(stripe(relay), 1);
		if (!atomic_load(&relay->closed))
			return true;
		leave(relay);
		pthread_mutex_lock(&relay->lock);
		while (atomic_load(&relay->closed) && !relay->cancelled)
			pthread_cond_wait(&relay->changed, &relay->lock);
		cancelled = relay->cancelled;
		pthread_mutex_unlock(&relay->lock);
		if (cancelled)
			return false;
	}
}

static void leave_alone(struct relay *relay)
{
	pthread_mutex_lock(&relay->lock);
	relay->alone = NULL;
	set_closed(relay);
	pthread_mutex_unlock(&relay->lock);
}

/* Ends the calls that wait. The lock is not held: they complete in here. */
static void cancel_calls(struct relay *relay)
{
	const struct server_ops *ops = relay->server->ops;

	if (ops->cancel)
		ops->cancel(relay->server);
	if (relay->flight)
		relay_flight_fail(relay, -EINTR, false);
}

/* Nothing is in flight: the server waits again where it has to. */
static void end_cancel(struct relay *relay)
{
	const struct server_ops *ops = relay->server->ops;

	if (ops->cancel)
		ops->reset(relay->server);
	if (relay->flight)
		relay_flight_open(relay, false);
}

/*
 * The client, or a call that is to run alone, may have cancelled meanwhile, and
 * what was done before this has let calls pass again.
 */
static void renew_cancel(struct relay *relay)
{
	bool cancelled;

	pthread_mutex_lock(&relay->lock);
	cancelled = relay->cancelled || (relay->alone && passed(relay));
	pthread_mutex_unlock(&relay->lock);
	if (cancelled)
		cancel_calls(relay);
}

/*
 * Closes the gate for CALL and waits until no other call is in flight; those
 * that wait are cancelled, for the conversation that they belong to is over.
 * False: the client has cancelled this one too.
 */
static bool enter_alone(struct relay *relay, struct call *call)
{
	bool cancelled, busy;

	pthread_mutex_lock(&relay->lock);
	while ((relay->alone || relay->holds) && !relay->cancelled)
		pthread_cond_wait(&relay->changed, &relay->lock);
	cancelled = relay->cancelled;
	if (!cancelled)
		relay->alone = call;
	set_closed(relay);
	pthread_mutex_unlock(&relay->lock);
	if (cancelled)
		return false;
	busy = passed(relay);
	if (busy)
		cancel_calls(relay);
	pthread_mutex_lock(&relay->lock);
	while (passed(relay) && !relay->cancelled)
		pthread_cond_wait(&relay->changed, &relay->lock);
	cancelled = relay->cancelled;
	pthread_mutex_unlock(&relay->lock);
	if (cancelled) {
		leave_alone(relay);
	} else if (busy) {
		end_cancel(relay);
		renew_cancel(relay);
	}
	return !cancelled;
}

void relay_cancel(struct relay *relay)
{
	pthread_mutex_lock(&relay->lock);
	relay->cancelled = true;
	pthread_cond_broadcast(&relay->changed);
	pthread_mutex_unlock(&relay->lock);
	cancel_calls(relay);
}

void relay_drain(struct relay *relay)
{
	pthread_mutex_lock(&relay->lock);
	relay->holds++;
	set_closed(relay);
	while (relay_in_flight(relay))
		pthread_cond_wait(&relay->changed, &relay->lock);
	relay->holds--;
	set_closed(relay);
	pthread_mutex_unlock(&relay->lock);
}

/* Those that hold() does not wait for; behind a proxy most calls are short. */
static long patient(const struct relay *relay)
{
	return relay->flight ? 0 : atomic_load(&relay->waiting);
}

int relay_hold(struct relay *relay, uint64_t timeout_ns)
{
	uint64_t until = thread_now() + timeout_ns;
	int ret = 0;

	pthread_mutex_lock(&relay->lock);
	relay->holds++;
	set_closed(relay);
	while (ret == 0 && relay_in_flight(relay) > patient(relay))
		if (!thread_wait(&relay->changed, &relay->lock, until))
			ret = -ETIMEDOUT;
	pthread_mutex_unlock(&relay->lock);
	return ret;
}

void relay_release(struct relay *relay)
{
	pthread_mutex_lock(&relay->lock);
	relay->holds--;
	set_closed(relay);
	pthread_mutex_unlock(&relay->lock);
}

/* INIT tells the byte order by its opcode, so it is known in either. */
static bool runs_alone(const struct call *call)
{
	uint32_t opcode = call_in(call)->opcode;

	if (opcode > 0xffff) /* the other byte order */
		opcode = __builtin_bswap32(opcode);
	return opcode == CF_INIT || opcode == CF_DESTROY ||
	       opcode == CF_CUSE_INIT;
}

static inline struct trace *trace_of(struct relay *relay)
{
	return atomic_load_explicit(&relay->trace, memory_order_relaxed);
}

/* For every call, so that it is worth to be inlined. */
static inline __attribute__((always_inline)) void hand_over(struct relay *relay,
							    struct call *call)
{
	bool alone = atomic_load_explicit(&relay->alone,
					  memory_order_relaxed) == call;

	if (log_level >= LOG_LEVEL_DEBUG)
		event_log_reply(&relay->session, call);
	if (relay->meter)
		meter_end(relay->meter, call);
	if (call->waits)
		atomic_fetch_sub(&relay->waiting, 1);
	/* The client may use the call anew from here on. */
	call->ops->complete(call);
	if (alone)
		leave_alone(relay);
	else
		leave(relay);
}

void relay_finish(struct relay *relay, struct call *call)
{
	hand_over(relay, call);
}

static void finish(struct relay *relay, struct call *call)
{
	if (!relay->flight || relay_flight_ends(call))
		hand_over(relay, call);
}

void relay_write_error(struct call *call, int error)
{
	crossfuse_session_error(&call->relay->session, &call->state, error,
				call->out);
	call->out_len = sizeof(struct cf_out_header);
	call->out_data_len = 0;
}

void relay_fail(struct call *call, int error)
{
	struct relay *relay = call->relay;
	struct trace *trace = trace_of(relay);

	call->out_data_len = 0;
	call->out_len = 0;
	if (crossfuse_opcode_has_reply(call->state.opcode)) {
		relay_write_error(call, error);
		if (trace)
			trace_own_reply(trace, &relay->session, call);
	}
	finish(relay, call);
}

static int translate_request(struct relay *relay, struct call *call)
{
	struct trace *trace = trace_of(relay);

	if (trace)
		return trace_request(trace, &relay->session, call);
	return crossfuse_session_request(&relay->session, &call->state,
					 call->head, call->head_len,
					 call->head_len + call->data_len);
}

/* The same for a server whose peer has a session of its own, or numbers. */
static int submit_proxied(struct relay *relay, struct call *call)
{
	int ret = 0;

	if (relay->server->ops->negotiates)
		ret = crossfuse_session_request(
			&relay->far, &call->far, call->head, call->head_len,
			call->head_len + call->data_len);
	if (ret == 0 && relay->flight)
		ret = relay_flight_submit(relay, call);
	else if (ret == 0)
		ret = relay->server->ops->submit(relay->server, call);
	return ret;
}

/* False: it is completed already. */
static inline __attribute__((always_inline)) bool begin(struct relay *relay,
							struct call *call)
{
	call->relay = relay;
	call->waits = false;
	call->backing_fd = -1;
	call->touches = false;
	call->meter = NULL;
	if (!(runs_alone(call) ? enter_alone(relay, call) : enter(relay))) {
		call->out_len = 0; /* nobody is there to read it */
		call->ops->complete(call);
		return false;
	}
	if (log_level >= LOG_LEVEL_DEBUG)
		event_log_request(&relay->session, call);
	atomic_init(&call->phase, PHASE_SUBMITTED);
	return true;
}

void relay_refuse(struct relay *relay, struct call *call, int error)
{
	int ret;

	if (!begin(relay, call))
		return;
	ret = translate_request(relay, call);
	relay_fail(call, ret < 0 ? ret : error);
}

void relay_submit(struct relay *relay, struct call *call)
{
	int ret;

	if (!begin(relay, call))
		return;
	ret = translate_request(relay, call);
	if (ret == 0) {
		if (relay->meter)
			meter_begin(relay->meter, relay->number, call);
		if (relay->proxied)
			ret = submit_proxied(relay, call);
		else
			ret = relay->server->ops->submit(relay->server, call);
	}
	if (ret < 0)
		relay_fail(call, ret);
}

static int translate_reply(struct relay *relay, struct call *call)
{
	struct trace *trace = trace_of(relay);

	if (trace)
		return trace_reply(trace, &relay->session, call);
	return crossfuse_session_reply(&relay->session, &call->state, call->out,
				       call->out_len,
				       call->out_len + call->out_data_len);
}

static void refuse_reply(struct call *call)
{
	log_error("the server's reply to opcode %u is malformed; the client "
		  "gets EIO",
		  call->state.opcode);
	relay_fail(call, -EIO);
}

void relay_complete(struct call *call)
{
	struct relay *relay = call->relay;

	if (call->out_len && translate_reply(relay, call) < 0)
		refuse_reply(call);
	else if (!relay->flight || relay_flight_ends(call))
		hand_over(relay, call);
}

/* A peer may answer with less than was asked for, and with no more. */
static int check_length(const struct call *call)
{
	const struct crossfuse_call *state =
		call->relay->server->ops->negotiates ? &call->far
						     : &call->state;
	int64_t longest =
		crossfuse_reply_max_len(state, call->head, call->head_len);
	size_t len = call->out_len + call->out_data_len;

	if (call->out_len < sizeof(struct cf_out_header))
		return -EBADMSG;
	return longest > 0 && len > (uint64_t)longest ? -EBADMSG : 0;
}

void relay_forward(struct call *call)
{
	struct relay *relay = call->relay;
	int ret = check_length(call);

	if (ret == 0 && relay->server->ops->negotiates)
		ret = crossfuse_session_reply(
			&relay->far, &call->far, call->out, call->out_len,
			call->out_len + call->out_data_len);
	if (ret == 0)
		relay_complete(call);
	else
		refuse_reply(call);
}

void relay_call_waits(struct call *call)
{
	struct relay *relay = call->relay;

	/* A peer that is sent the data has it before submit() returns. */
	call->touches = call->state.opcode == CF_READ ||
			(call->data_len && !relay->flight);
	atomic_fetch_add(&relay->waiting, 1);
	if (atomic_load(&relay->closed))
		tell_gate(relay);
}

static int pass_notify(struct relay *relay, const struct iovec *iov, int count)
{
	uint64_t head[NOTIFY_HEAD / 8], far_head[NOTIFY_HEAD / 8];
	struct iovec pieces[NOTIFY_PIECES + 2], far[NOTIFY_PIECES + 1];

	if (relay->server->ops->negotiates) {
		count = crossfuse_session_notify_iov(&relay->far, iov, count,
						     far_head, sizeof(far_head),
						     far);
		iov = far;
	}
	if (count > 0)
		count = crossfuse_session_notify_iov(&relay->session, iov,
						     count, head, sizeof(head),
						     pieces);
	if (count < 0)
		return count;
	return relay->client->ops->notify(relay->client, pieces, count);
}

int relay_notify(struct relay *relay, const struct iovec *iov, int count)
{
	const struct client *client = relay->client;
	int ret = -EAGAIN;

	if (count <= 0 || count > NOTIFY_PIECES)
		return -EINVAL;
	if (!client || !client->ops->notify) {
		atomic_fetch_add(&relay->counters.refused, 1);
		return -EOPNOTSUPP;
	}
	/* One between two conversations belongs to neither. */
	atomic_fetch_add(stripe(relay), 1);
	if (atomic_load(&relay->ready) &&
	    (!atomic_load(&relay->closed) || !atomic_load(&relay->alone)))
		ret = pass_notify(relay, iov, count);
	leave(relay);
	if (ret < 0)
		atomic_fetch_add(&relay->counters.refused, 1);
	return ret;
}

void relay_fail_all(struct relay *relay, int error)
{
	relay_flight_fail(relay, error, true);
}

void relay_revive(struct relay *relay)
{
	relay_flight_open(relay, true);
	renew_cancel(relay);
}

void relay_reset(struct relay *relay)
{
	struct trace *trace = trace_of(relay);

	if (trace)
		trace_reset(trace);
	pthread_mutex_lock(&relay->lock);
	relay->cancelled = false;
	pthread_mutex_unlock(&relay->lock);
	/* A server that is dead for good says so again. */
	if (relay->flight)
		relay_flight_open(relay, true);
	relay->server->ops->reset(relay->server);
	crossfuse_session_init(&relay->session, &relay->config);
	if (relay->server->ops->negotiates)
		crossfuse_session_init(&relay->far, &relay->far_config);
}
