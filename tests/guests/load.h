/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Load on a file system, in many processes, each of which knows what it has to
 * find: nothing here depends on what a kernel said before.
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DATA_FILES   3
#define DATA_SIZE    (256u << 10) /* of a file, at most */
#define LOCK_KINDS   3
#define LOCK_REGIONS 4
#define WORKERS	     16

/* What a file has to contain, kept from one mount to the next */
struct model {
	size_t size;
	unsigned char data[DATA_SIZE];
};

struct shared {
	bool stop;
	bool aborted; /* the connection is cut: errors are right now */
	bool memory;  /* the server is memfs */
	bool writeback;
	unsigned int failures;
	unsigned long ops[WORKERS];
	unsigned long errors, interrupted, killed;
	pid_t writer[LOCK_KINDS][LOCK_REGIONS];
	int readers[LOCK_KINDS][LOCK_REGIONS];
	struct model models[DATA_FILES];
};

struct worker {
	unsigned int number; /* among all */
	unsigned int index;  /* among those of its kind */
	const char *dir;
	uint64_t random;
};

extern struct shared *load;

uint64_t load_random(struct worker *w);
/* A number below limit */
uint32_t load_pick(struct worker *w, uint32_t limit);

/* Reports a failure with what errno says; ends the process if it was cut. */
void load_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The call has to have failed with that error */
void load_expect(bool failed, int error, const char *what);
bool load_more(struct worker *w);

void load_data(struct worker *w);
void load_data_verify(const char *dir, unsigned int index);
void load_tree(struct worker *w);
void load_lock(struct worker *w);
void load_misc(struct worker *w);
void load_signals(struct worker *w);

int load_begin(void);
int load_end(void);

#endif
