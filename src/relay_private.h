/* SPDX-License-Identifier: BSD-2-Clause */
/* Between relay.c and relay_flight.c, which knows a numbered server's calls. */
#ifndef RELAY_PRIVATE_H
#define RELAY_PRIVATE_H

#include "relay.h"

/* call->phase: a call is handed over when both its halves are done. */
enum {
	PHASE_SUBMITTING,
	PHASE_SUBMITTED,
	PHASE_ENDED
};

/* 0 or -ENOMEM. */
int relay_flight_init(struct relay *relay);
void relay_flight_destroy(struct relay *relay);

/*
 * Submits a call that has been translated. 0: it is completed, or will be;
 * -errno: it is not, and is the caller's to fail.
 */
int relay_flight_submit(struct relay *relay, struct call *call);

/*
 * Whether a call that has its reply can be handed to the client: not while
 * its submit() still runs, which sees to it then.
 */
bool relay_flight_ends(struct call *call);

/* Ends all calls with ERROR, and those that come; DEAD: until reset. */
void relay_flight_fail(struct relay *relay, int error, bool dead);

/* New calls are welcome, unless the server is dead (RESET: it is not). */
void relay_flight_open(struct relay *relay, bool reset);

/* Hands a call whose reply stands to the client. */
void relay_finish(struct relay *relay, struct call *call);

#endif
