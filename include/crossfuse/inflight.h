/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The calls in flight of one connection, for whoever passes requests on and
 * has to find what a reply belongs to.
 *
 * A client's own `unique` does not do for that: it may come twice, and a late
 * reply must not be taken for that of a newer request. So each call is given a
 * number of its own, which the server sees instead (crossfuse_call_renumber()
 * of crossfuse/session.h). It is even, so that the number with CF_INT_REQ_BIT
 * is free for an INTERRUPT of the call, it is never 0, and CF_UNIQUE_RESEND is
 * in it exactly if it is in the client's. A number comes back after 2^38 other
 * calls in its place at the earliest.
 *
 * All memory is the caller's. Nothing here locks: calls on one table must not
 * run at the same time. Every function takes constant time, but for what is
 * said of crossfuse_inflight_find().
 *
 * Errors are negative errnos of the machine that runs the library.
 */
#ifndef CROSSFUSE_INFLIGHT_H
#define CROSSFUSE_INFLIGHT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The largest number of calls that a table can hold. */
#define CROSSFUSE_INFLIGHT_MAX (UINT32_C(1) << 24)

/* One table. The contents are private. */
struct crossfuse_inflight {
	uint64_t private_data[8];
};

/*
 * How many bytes of memory a table for CAPACITY calls takes; 0 if CAPACITY is
 * 0 or more than CROSSFUSE_INFLIGHT_MAX.
 */
size_t crossfuse_inflight_size(uint32_t capacity);

/*
 * Makes TABLE an empty one for CAPACITY calls in MEMORY, of SIZE bytes, aligned
 * for uint64_t, which belongs to it from now on; there is nothing to free. What
 * stands in MEMORY does not matter, and most of it is not written to before it
 * is needed. SEED is a random number that the client does not know, so that it
 * cannot slow down crossfuse_inflight_find(), nor a server from before guess
 * what it has not seen. 0, or -EINVAL.
 */
int crossfuse_inflight_init(struct crossfuse_inflight *table, void *memory,
			    size_t size, uint32_t capacity, uint64_t seed);

/*
 * Adds a call, CLIENT_UNIQUE being its request's `unique`, in this machine's
 * byte order, as everywhere here. OPAQUE is the caller's own. 0, or -ENOBUFS
 * if the table is full.
 */
int crossfuse_inflight_put(struct crossfuse_inflight *table,
			   uint64_t client_unique, void *opaque,
			   uint64_t *ret_unique);

/*
 * Ends the call that was given the number UNIQUE, and hands back its OPAQUE.
 * CF_UNIQUE_RESEND in UNIQUE does not matter. 0, or -ENOENT: no such call was
 * made, or it has ended already (a reply that came twice, or too late), or it
 * is the number of an INTERRUPT.
 */
int crossfuse_inflight_take(struct crossfuse_inflight *table, uint64_t unique,
			    void **ret_opaque);

/* The same, and the call goes on. CF_INT_REQ_BIT does not matter either. */
int crossfuse_inflight_get(const struct crossfuse_inflight *table,
			   uint64_t unique, void **ret_opaque);

/*
 * The latest call in flight with this `unique` of the client's, which an
 * INTERRUPT names. CF_UNIQUE_RESEND does not matter. Takes constant time,
 * unless the client has sent many requests with the same `unique`. 0, or
 * -ENOENT.
 */
int crossfuse_inflight_find(const struct crossfuse_inflight *table,
			    uint64_t client_unique, uint64_t *ret_unique,
			    void **ret_opaque);

/*
 * The call that was put next after the one with the number UNIQUE; the oldest
 * if UNIQUE is 0. 0, or -ENOENT: it was the latest, or is not in flight.
 */
int crossfuse_inflight_next(const struct crossfuse_inflight *table,
			    uint64_t unique, uint64_t *ret_unique,
			    void **ret_opaque);

/* How many calls are in flight. */
uint32_t crossfuse_inflight_count(const struct crossfuse_inflight *table);

#ifdef __cplusplus
}
#endif
#endif
