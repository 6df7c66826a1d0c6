/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What passes through the relays of this process, counted for who watches it
 * (--control, --metrics): requests, errors, bytes and times of each opcode, and
 * the requests in flight.
 */
#ifndef METER_H
#define METER_H

#include "call.h"
#include <stdbool.h>
#include <stdint.h>

struct meter;

/* Opcodes below this one are counted apart, the others together, as 0. */
#define METER_OPCODES 64

/* Times up to 1, 2, 4, ... microseconds; the last one: any longer. */
#define METER_BUCKETS 22

/* The time of one request in so many is taken. */
#define METER_SAMPLE 8

/* Of one opcode, since the process began. */
struct meter_count {
	uint64_t requests; /* that have ended */
	uint64_t errors;   /* of these, with an error */
	uint64_t in_bytes; /* of requests and replies, headers included */
	uint64_t out_bytes;
	uint64_t timed; /* of these, the time was taken */
	uint64_t time;	/* of those, nanoseconds in all */
	uint64_t buckets[METER_BUCKETS];
};

/* A request in flight. */
struct meter_request {
	uint64_t age; /* nanoseconds, exact to some milliseconds */
	uint32_t opcode;
	uint32_t client; /* its connection's number */
	uint64_t unique; /* the client's */
	uint64_t nodeid;
};

/* NULL: no memory. */
struct meter *meter_new(void);
void meter_free(struct meter *meter);

/* For the relay: a request is about to be served, and has ended. */
void meter_begin(struct meter *meter, uint32_t client, struct call *call);
void meter_end(struct meter *meter, const struct call *call);

/* A moment's sum; what moves meanwhile is in it or not. */
void meter_read(struct meter *meter, unsigned int opcode,
		struct meter_count *ret_count);

/*
 * The requests that have been in flight longest, that one first: at most COUNT
 * of them. How many are known: 64 at a time of what one thread took.
 */
unsigned int meter_oldest(struct meter *meter, struct meter_request *requests,
			  unsigned int count);

#endif
