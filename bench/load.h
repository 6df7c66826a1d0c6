/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads a device: one worker (thread) a queue, as many slots a worker as
 * requests shall be under way. A slot goes through the steps of an operation
 * over and over; every reply is checked.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "guest.h"
#include "histogram.h"
#include "sample.h"
#include <stdarg.h>

#define DEPTH_MAX 1024U

struct operation;
struct worker;

struct slot {
	struct worker *worker;
	struct guest_call call;
	struct guest_shape shape;
	unsigned int index; /* within the worker */
	struct slot *next;  /* of those for which the queue had no room */
	unsigned int step;  /* of the operation */
	uint64_t started;   /* nanoseconds, when step 0 was sent */
	uint64_t serial;    /* of this transaction within the worker */
	/* For the operation's use. */
	uint64_t offset;
	uint64_t nodeid;
	uint64_t fh;
	unsigned int file;
	uint64_t seen;
	uint64_t sum;
};

struct worker {
	struct guest *guest;
	struct guest_queue *queue;
	const struct operation *operation;
	unsigned int index;
	unsigned int depth;
	struct slot *slots;
	struct slot *waiting; /* first in, first out */
	struct slot **waiting_end;
	uint64_t random;
	uint64_t limit;	  /* transactions to do; UINT64_MAX: until told */
	const bool *stop; /* atomic */
	pthread_barrier_t *barrier;
	pthread_t thread;
	/* Results. */
	int error;
	uint64_t begun;
	uint64_t done;
	uint64_t weight; /* directory entries */
	uint64_t ended;	 /* nanoseconds */
	struct histogram *latency;
	/* For the operation's use. */
	uint64_t dir;
	uint64_t nodeid;
	uint64_t fh;
	uint64_t nodes[SAMPLE_SMALL_COUNT];
	uint64_t lookups[SAMPLE_SMALL_COUNT]; /* to be forgotten */
};

struct operation {
	const char *name;
	const char *what; /* one line for the help */
	bool uses_data;	  /* the slots need io_max bytes of memory */
	/* Before and after the measurement, with slot 0. 0 or -errno, told. */
	int (*prepare)(struct worker *worker);
	int (*finish)(struct worker *worker);
	/* Fills slot->call and slot->shape for slot->step. */
	void (*request)(struct slot *slot);
	/*
	 * Looks at a reply without error whose length behind the header is
	 * LEN. 1: the transaction is done; 0: on to the next step; -EPROTO:
	 * wrong, told by load_wrong().
	 */
	int (*reply)(struct slot *slot, size_t len);
	/*
	 * The errno, of the client's, that this step must fail with; 0: it
	 * must not. NULL: no step must. Then reply() has LEN 0.
	 */
	int32_t (*error)(const struct slot *slot);
};

/* NULL: no such operation. */
const struct operation *operation_by_name(const char *name);
const struct operation *operation_at(unsigned int index);
extern const struct operation *const data_operations[3];
extern const struct operation *const name_operations[6];
extern const struct operation readdirplus_operation;

struct load_result {
	double seconds;
	uint64_t done;
	uint64_t weight;
	uint64_t cpu; /* nanoseconds of the server's */
	uint64_t kicks;
	uint64_t sleeps;
	struct histogram latency;
};

struct load_config {
	unsigned int depth; /* of each queue */
	uint64_t count;	    /* transactions in all; 0: for SECONDS */
	double seconds;
	pid_t server; /* 0: not known */
};

/* 0 or -errno, told on stderr. RET_RESULT is large. */
int load_run(struct guest *guest, const struct operation *operation,
	     const struct load_config *config, struct load_result *ret_result);

/* Says what is wrong with a reply. -EPROTO. */
int load_wrong(const struct slot *slot, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* One request of slot 0, its shape filled in; the reply's length, or -errno. */
ssize_t load_call(struct slot *slot);

uint64_t load_random(struct worker *worker);

/* LOOKUP in PARENT. 0 or -errno. */
int load_lookup(struct slot *slot, uint64_t parent, const char *name,
		struct cf_entry_out *ret_entry);

/* OPEN or OPENDIR. */
int load_open(struct slot *slot, uint32_t opcode, uint64_t nodeid,
	      uint32_t flags, uint64_t *ret_fh);
int load_release(struct slot *slot, uint32_t opcode, uint64_t nodeid,
		 uint64_t fh);

#endif
