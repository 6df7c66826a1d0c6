// SPDX-License-Identifier: BSD-2-Clause
/* The calls of a numbered server, from its submit() to their replies. */
#include "log.h"
#include "port/port.h"
#include "relay_private.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

/* More than all queues of a client hold; what is not needed is not touched. */
#define CAPACITY (1U << 17)

int relay_flight_init(struct relay *relay)
{
	size_t size = crossfuse_inflight_size(CAPACITY);
	struct relay_flight *flight = calloc(1, sizeof(*flight));
	uint64_t seed = 0;

	if (!flight)
		return -ENOMEM;
	flight->memory = malloc(size);
	if (!flight->memory) {
		free(flight);
		return -ENOMEM;
	}
	/* Without it a client could only slow itself down. */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		log_debug("no random numbers: %m");
	crossfuse_inflight_init(&flight->table, flight->memory, size, CAPACITY,
				seed);
	pthread_mutex_init(&flight->lock, NULL);
	relay->flight = flight;
	return 0;
}

void relay_flight_destroy(struct relay *relay)
{
	struct relay_flight *flight = relay->flight;

	if (!flight)
		return;
	pthread_mutex_destroy(&flight->lock);
	free(flight->memory);
	free(flight);
	relay->flight = NULL;
}

/* The session that faces the server, and what it remembers of a call. */
static struct crossfuse_call *far_state(const struct relay *relay,
					struct call *call)
{
	return relay->server->ops->negotiates ? &call->far : &call->state;
}

static uint64_t unique_of(const struct relay *relay, const void *header)
{
	return crossfuse_reply_unique(
		relay->server->ops->negotiates ? &relay->far : &relay->session,
		header);
}

static int renumber(struct relay *relay, struct call *call, uint64_t number)
{
	return crossfuse_call_renumber(far_state(relay, call), call->head,
				       call->head_len, number);
}

/* It may be answered from here on. */
static int put(struct relay *relay, struct call *call, uint64_t *ret_number)
{
	struct relay_flight *flight = relay->flight;
	int ret;

	pthread_mutex_lock(&flight->lock);
	ret = flight->failed;
	if (ret == 0)
		ret = crossfuse_inflight_put(&flight->table, call->state.unique,
					     call, ret_number);
	if (ret == 0) {
		call->interrupted = false;
		ret = renumber(relay, call, *ret_number);
	}
	pthread_mutex_unlock(&flight->lock);
	return ret == -ENOBUFS ? -EAGAIN : ret;
}

/* NULL: it has ended. */
static struct call *take(struct relay *relay, uint64_t number)
{
	struct relay_flight *flight = relay->flight;
	void *call = NULL;

	pthread_mutex_lock(&flight->lock);
	if (crossfuse_inflight_take(&flight->table, number, &call) < 0)
		call = NULL;
	pthread_mutex_unlock(&flight->lock);
	return call;
}

/*
 * An INTERRUPT gets its target's number. The target keeps what the session
 * remembers of it, for its answer. False: that has ended, and so does this.
 */
static bool renumber_interrupt(struct relay *relay, struct call *call)
{
	struct relay_flight *flight = relay->flight;
	uint64_t unique, number;
	struct call *target;
	void *found;
	int ret;

	ret = crossfuse_interrupt_unique(far_state(relay, call), call->head,
					 call->head_len, &unique);
	if (ret < 0)
		return false;
	pthread_mutex_lock(&flight->lock);
	ret = crossfuse_inflight_find(&flight->table, unique, &number, &found);
	if (ret == 0)
		ret = renumber(relay, call, number);
	if (ret == 0) {
		target = found;
		target->interrupt = call->state;
		target->far_interrupt = call->far;
		target->interrupted = true;
	}
	pthread_mutex_unlock(&flight->lock);
	return ret == 0;
}

/* Those that no reply is looked for have a number that nobody else has. */
static bool renumber_silent(struct relay *relay, struct call *call)
{
	switch (call->state.opcode) {
	case CF_INTERRUPT:
		return renumber_interrupt(relay, call);
	case CF_NOTIFY_REPLY: /* has that of a notification */
		return true;
	default:
		return renumber(relay, call, 0) == 0;
	}
}

/* A request that is not answered: it is done when it was sent. */
static int submit_silent(struct relay *relay, struct call *call)
{
	bool failed;
	int ret = 0;

	pthread_mutex_lock(&relay->flight->lock);
	failed = relay->flight->failed;
	pthread_mutex_unlock(&relay->flight->lock);
	if (!failed && renumber_silent(relay, call))
		ret = relay->server->ops->submit(relay->server, call);
	if (ret == 0) {
		call->out_len = 0;
		call->out_data_len = 0;
		relay_finish(relay, call);
	}
	return ret;
}

int relay_flight_submit(struct relay *relay, struct call *call)
{
	bool ended = false;
	uint64_t number;
	int ret;

	if (!crossfuse_opcode_has_reply(call->state.opcode))
		return submit_silent(relay, call);
	call_waits(call);
	atomic_store(&call->phase, PHASE_SUBMITTING);
	ret = put(relay, call, &number);
	if (ret == 0) {
		ret = relay->server->ops->submit(relay->server, call);
		/* Others may have ended it meanwhile. */
		ended = ret < 0 && !take(relay, number);
	}
	if (ret < 0 && !ended) {
		atomic_store(&call->phase, PHASE_SUBMITTED);
		return ret;
	}
	if (atomic_exchange(&call->phase, PHASE_SUBMITTED) == PHASE_ENDED)
		relay_finish(relay, call);
	return 0;
}

bool relay_flight_ends(struct call *call)
{
	return atomic_exchange(&call->phase, PHASE_ENDED) != PHASE_SUBMITTING;
}

/* What a peer says of an INTERRUPT, translated; -errno: nobody wants it. */
static int pass_interrupt(struct relay *relay, struct call *target,
			  struct cf_out_header *header)
{
	int ret = 0;

	if (!target->interrupted)
		return -ENOENT;
	if (relay->server->ops->negotiates)
		ret = crossfuse_session_reply(&relay->far,
					      &target->far_interrupt, header,
					      sizeof(*header), sizeof(*header));
	if (ret == 0)
		ret = crossfuse_session_reply(&relay->session,
					      &target->interrupt, header,
					      sizeof(*header), sizeof(*header));
	return ret;
}

/*
 * A peer answers an INTERRUPT itself only to have it again later (EAGAIN) or
 * never (ENOSYS). That is for the client if its target is still in flight.
 */
static void take_interrupt(struct relay *relay, struct cf_out_header *header,
			   uint64_t number)
{
	const struct client *client = relay->client;
	struct iovec iov = { header, sizeof(*header) };
	void *target;
	int ret;

	pthread_mutex_lock(&relay->flight->lock);
	ret = crossfuse_inflight_get(&relay->flight->table, number, &target);
	if (ret == 0)
		ret = pass_interrupt(relay, target, header);
	pthread_mutex_unlock(&relay->flight->lock);
	if (ret < 0 || !client || !client->ops->notify)
		atomic_fetch_add(&relay->counters.late, 1);
	else
		client->ops->notify(relay->client, &iov, 1);
}

struct call *relay_take(struct relay *relay, const void *header)
{
	struct cf_out_header copy;
	struct call *call;
	uint64_t number;

	/* Before relay_init() is done nothing was asked. */
	if (!atomic_load(&relay->ready))
		return NULL;
	memcpy(&copy, header, sizeof(copy));
	number = unique_of(relay, &copy);
	if (number & CF_INT_REQ_BIT) {
		take_interrupt(relay, &copy, number);
		return NULL;
	}
	call = take(relay, number);
	if (call && !call_resumes(call)) {
		relay_fail(call, -EINTR);
		return NULL;
	}
	if (!call && atomic_fetch_add(&relay->counters.late, 1) == 0)
		log_warn("the server answers a request that has ended, or "
			 "never was: thrown away (said once)");
	return call;
}

/* NULL: there is none any more. */
static struct call *take_oldest(struct relay_flight *flight)
{
	uint64_t number;
	void *call;

	pthread_mutex_lock(&flight->lock);
	if (crossfuse_inflight_next(&flight->table, 0, &number, &call) < 0 ||
	    crossfuse_inflight_take(&flight->table, number, &call) < 0)
		call = NULL;
	pthread_mutex_unlock(&flight->lock);
	return call;
}

void relay_flight_fail(struct relay *relay, int error, bool dead)
{
	struct relay_flight *flight = relay->flight;
	struct call *call;

	pthread_mutex_lock(&flight->lock);
	if (dead)
		flight->dead = error;
	flight->failed = flight->dead ? flight->dead : error;
	pthread_mutex_unlock(&flight->lock);
	/* None comes any more. */
	while ((call = take_oldest(flight)))
		relay_fail(call, error);
}

void relay_fail_each(struct relay *relay, int (*error)(const struct call *call))
{
	struct relay_flight *flight = relay->flight;
	uint32_t count;

	pthread_mutex_lock(&flight->lock);
	count = crossfuse_inflight_count(&flight->table);
	pthread_mutex_unlock(&flight->lock);
	while (count--) {
		struct call *call = take_oldest(flight);

		if (!call)
			return;
		relay_fail(call, error(call));
	}
}

void relay_flight_open(struct relay *relay, bool reset)
{
	struct relay_flight *flight = relay->flight;

	pthread_mutex_lock(&flight->lock);
	if (reset)
		flight->dead = 0;
	flight->failed = flight->dead;
	pthread_mutex_unlock(&flight->lock);
}
