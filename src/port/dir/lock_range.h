/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of locks without anybody who waits; under its owner's mutex. */
#ifndef DIR_LOCK_RANGE_H
#define DIR_LOCK_RANGE_H

#include "lock_table.h"

struct lock_range {
	struct lock_range *next;
	uint64_t start, end; /* inclusive; end at most INT64_MAX */
	uint64_t owner;
	uint64_t fh; /* of the handle that it was got by */
	uint32_t pid;
	int type; /* of this machine; of a wanted one also F_UNLCK */
};

/* Memory got before anything is changed. */
struct range_spare {
	struct lock_range *first, *second;
};

int range_spare(struct range_spare *spare);
void range_spare_free(struct range_spare *spare);

/* Whether two locks cannot stand beside each other. */
bool ranges_conflict(const struct lock_range *a, const struct lock_range *b);

/* A lock of another owner that WANTED cannot stand beside; NULL: none. */
const struct lock_range *range_conflict(const struct lock_file *file,
					const struct lock_range *wanted);

/* Sets or removes a lock that conflicts with none; takes from SPARE. */
void range_set(struct lock_file *file, const struct lock_range *wanted,
	       struct range_spare *spare);

/* The owner of a lock that was got by FH; false: there is none. */
bool range_owner_of(const struct lock_file *file, uint64_t fh,
		    uint64_t *ret_owner);
void range_free_all(struct lock_file *file);

/* The same of whole files. */
const struct lock_flock *flock_conflict(const struct lock_file *file,
					const struct lock_flock *mine,
					int type);
void flock_set(struct lock_file *file, struct lock_flock *flock, int type);

#endif
