// SPDX-License-Identifier: BSD-2-Clause
/* The calls of a numbered server, from its submit() to their replies. */
#include "log.h"
#include "port/port.h"
#include "relay_private.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* FUSE_INT_REQ_BIT, FUSE_UNIQUE_RESEND of linux/fuse.h */
#define INTERRUPT_BIT UINT64_C(1)
#define RESEND_BIT    (UINT64_C(1) << 63)

int relay_flight_init(struct relay *relay)
{
	struct relay_flight *flight = calloc(1, sizeof(*flight));

	if (!flight)
		return -ENOMEM;
	pthread_mutex_init(&flight->lock, NULL);
	relay->flight = flight;
	return 0;
}

void relay_flight_destroy(struct relay *relay)
{
	if (!relay->flight)
		return;
	pthread_mutex_destroy(&relay->flight->lock);
	free(relay->flight);
	relay->flight = NULL;
}

/* A number in a message of the server's, at 8 bytes behind its header's ERROR. */
static uint64_t get64(const struct relay *relay, const void *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return atomic_load(&relay->swapped) ? __builtin_bswap64(value) : value;
}

static void put64(const struct relay *relay, void *at, uint64_t value)
{
	if (atomic_load(&relay->swapped))
		value = __builtin_bswap64(value);
	memcpy(at, &value, sizeof(value));
}

static void *unique_of(void *header)
{
	return (char *)header + offsetof(struct cf_in_header, unique);
}

static_assert(offsetof(struct cf_in_header, unique) ==
		      offsetof(struct cf_out_header, unique),
	      "a request and its reply have their unique at the same place");

static struct call **bucket(struct relay_flight *flight, uint64_t number)
{
	return &flight->buckets[number / 2 % RELAY_BUCKETS];
}

/* The following with the lock held. */

static struct call **find(struct relay_flight *flight, uint64_t number)
{
	struct call **at = bucket(flight, number);

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

/* By the client's number. */
static struct call *find_client(struct relay_flight *flight, uint64_t unique)
{
	for (unsigned int i = 0; i < RELAY_BUCKETS; i++)
		for (struct call *call = flight->buckets[i]; call;
		     call = call->next)
			if (((call->state.unique ^ unique) & ~RESEND_BIT) == 0)
				return call;
	return NULL;
}

static uint64_t next_number(struct relay_flight *flight,
			    const struct call *call)
{
	flight->last += 2;
	return flight->last | (call->state.unique & RESEND_BIT);
}

static struct call *remove_call(struct relay_flight *flight, uint64_t number)
{
	struct call **at = find(flight, number);
	struct call *call = *at;

	if (call)
		*at = call->next;
	return call;
}

/* Without the lock. */

static int put(struct relay_flight *flight, struct call *call)
{
	int ret;

	pthread_mutex_lock(&flight->lock);
	ret = flight->failed;
	if (ret == 0) {
		struct call **at;

		call->number = next_number(flight, call);
		call->interrupt = 0;
		at = bucket(flight, call->number);
		call->next = *at;
		*at = call;
	}
	pthread_mutex_unlock(&flight->lock);
	return ret;
}

/*
 * An INTERRUPT names its target by number, and is known by the same one with
 * bit 0 set. False: its target has ended, and so does it.
 */
static bool renumber_interrupt(struct relay *relay, struct call *call)
{
	struct cf_interrupt_in *in = call_arg(call);
	struct relay_flight *flight = relay->flight;
	struct call *target;
	uint64_t number = 0;

	pthread_mutex_lock(&flight->lock);
	target = find_client(flight, get64(relay, &in->unique));
	if (target) {
		number = target->number;
		target->interrupt = call->state.unique;
	}
	pthread_mutex_unlock(&flight->lock);
	if (!target)
		return false;
	put64(relay, &in->unique, number);
	put64(relay, unique_of(call->head), number | INTERRUPT_BIT);
	return true;
}

/* A request that is not answered: it is done when it was sent. */
static int submit_silent(struct relay *relay, struct call *call)
{
	struct relay_flight *flight = relay->flight;
	bool send;
	int ret = 0;

	pthread_mutex_lock(&flight->lock);
	call->number = next_number(flight, call);
	send = !flight->failed;
	pthread_mutex_unlock(&flight->lock);
	if (call->state.opcode == CF_INTERRUPT)
		send = send && renumber_interrupt(relay, call);
	/* NOTIFY_REPLY has the number of a notification. */
	else if (call->state.opcode != CF_NOTIFY_REPLY)
		put64(relay, unique_of(call->head), call->number);
	if (send)
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
	const struct cf_in_header *in = call_in(call);
	struct relay_flight *flight = relay->flight;
	struct call *own = NULL;
	uint64_t number;
	int ret;

	atomic_store(&relay->swapped,
		     in->len != call->head_len + call->data_len);
	if (!crossfuse_opcode_has_reply(call->state.opcode))
		return submit_silent(relay, call);
	call_waits(call);
	atomic_store(&call->phase, PHASE_SUBMITTING);
	ret = put(flight, call);
	if (ret < 0) {
		atomic_store(&call->phase, PHASE_SUBMITTED);
		return ret;
	}
	number = call->number;
	put64(relay, unique_of(call->head), number);
	ret = relay->server->ops->submit(relay->server, call);
	if (ret < 0) {
		pthread_mutex_lock(&flight->lock);
		own = remove_call(flight, number);
		pthread_mutex_unlock(&flight->lock);
	}
	if (own) {
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

void relay_flight_restore(struct relay *relay, struct call *call)
{
	put64(relay, unique_of(call->out), call->state.unique);
}

/* EAGAIN or ENOSYS, of this machine, if a peer answers an INTERRUPT so. */
static int interrupt_error(const struct relay *relay,
			   const struct cf_out_header *header)
{
	const struct crossfuse_abi *abi = relay->config.server;
	uint32_t raw = (uint32_t)header->error;
	int error;

	if (atomic_load(&relay->swapped))
		raw = __builtin_bswap32(raw);
	error = -(int)raw;
	if (relay->far_config.role == CROSSFUSE_ROLE_SERVER)
		error = crossfuse_errno(abi, crossfuse_abi_native(), error,
					NULL);
	return error == EAGAIN || error == ENOSYS ? -error : 0;
}

/* Passes what a peer says of an INTERRUPT on, if its target is in flight. */
static void take_interrupt(struct relay *relay,
			   const struct cf_out_header *header, uint64_t number)
{
	const struct client *client = relay->client;
	struct cf_out_header out;
	struct iovec iov = { &out, sizeof(out) };
	struct crossfuse_call state = { 0 };
	int error = interrupt_error(relay, header);
	struct call *target;

	pthread_mutex_lock(&relay->flight->lock);
	target = *find(relay->flight, number & ~INTERRUPT_BIT);
	if (target && target->interrupt) {
		state = target->state;
		state.unique = target->interrupt;
	}
	pthread_mutex_unlock(&relay->flight->lock);
	if (!error || !state.unique || !client || !client->ops->notify) {
		atomic_fetch_add(&relay->counters.late, 1);
		return;
	}
	crossfuse_session_error(&relay->session, &state, error, &out);
	client->ops->notify(relay->client, &iov, 1);
}

struct call *relay_take(struct relay *relay, const void *header)
{
	struct relay_flight *flight = relay->flight;
	struct cf_out_header copy;
	struct call *call;
	uint64_t number;

	memcpy(&copy, header, sizeof(copy));
	number = get64(relay, &copy.unique);
	if (number & INTERRUPT_BIT) {
		take_interrupt(relay, &copy, number);
		return NULL;
	}
	pthread_mutex_lock(&flight->lock);
	call = remove_call(flight, number);
	pthread_mutex_unlock(&flight->lock);
	if (!call && atomic_fetch_add(&relay->counters.late, 1) == 0)
		log_warn("the server answers a request that has ended, or "
			 "never was: thrown away (said once)");
	return call;
}

static struct call *take_all(struct relay_flight *flight, int error, bool dead)
{
	struct call *all = NULL, *call;

	pthread_mutex_lock(&flight->lock);
	if (dead)
		flight->dead = error;
	flight->failed = flight->dead ? flight->dead : error;
	for (unsigned int i = 0; i < RELAY_BUCKETS; i++) {
		while ((call = flight->buckets[i])) {
			flight->buckets[i] = call->next;
			call->next = all;
			all = call;
		}
	}
	pthread_mutex_unlock(&flight->lock);
	return all;
}

void relay_flight_fail(struct relay *relay, int error, bool dead)
{
	struct call *call, *next;

	for (call = take_all(relay->flight, error, dead); call; call = next) {
		next = call->next;
		relay_fail(call, error);
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
