/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The locks on one file and their owners, as POSIX has them; with the file's
 * mutex held. Who waits for what becomes free is put into a list WOKEN, to be
 * tried again.
 */
#ifndef DIR_LOCK_RANGE_H
#define DIR_LOCK_RANGE_H

#include "lock_tree.h"

/* A lock that is wanted, of bytes or, with FLOCK, of the file. */
struct lock_request {
	struct handle *handle;
	uint64_t owner;
	uint64_t start, end; /* inclusive; end at most INT64_MAX */
	uint32_t pid;
	int type; /* F_RDLCK, F_WRLCK, F_UNLCK */
	bool flock;
};

struct lock_waiter {
	struct lock_waiter *next, **at; /* in LIST; NEXT also when it ended */
	struct wait_list *list;
	struct lock_request request; /* its handle is held */
	struct dir *dir;
	struct call *call;
	uint64_t unique;
	int result;
	bool ended; /* it is in no list, and is about to be answered */

	/* Under the table's mutex. */
	struct lock_waiter *hash_next, **hash_at;
	struct lock_waiter *search_next;
	uint64_t searched; /* the last search that saw it */
};

/* One who has locks on the file, or is about to. */
struct lock_owner {
	uint64_t id; /* first: the key */
	int fd;	     /* of the host, whose locks these are there too */
	uint64_t searched;
	struct lock_range *ranges;
	struct lock_owner *next, **at; /* of the same handle */
};

/* Memory got before anything is changed. */
struct range_spare {
	struct lock_range *first, *second;
};

void wait_append(struct wait_list *list, struct lock_waiter *waiter);
/* Takes it out of the list that it is in. */
void wait_remove(struct lock_waiter *waiter);
/* Moves all that are in FROM behind those in TO. */
void wait_move_all(struct wait_list *from, struct wait_list *to);

int range_spare(struct range_spare *spare);
void range_spare_free(struct range_spare *spare);

bool range_conflicts(const struct lock_range *range,
		     const struct lock_request *request);

/* A lock that REQUEST cannot stand beside; NULL: none. */
struct lock_range *range_conflict(struct lock_file *file,
				  const struct lock_request *request);

/* Sets or removes a lock that conflicts with none; takes from SPARE. */
void range_set(struct lock_file *file, struct lock_owner *owner,
	       const struct lock_request *request, struct range_spare *spare,
	       struct wait_list *woken);

struct lock_owner *owner_find(struct lock_file *file, uint64_t id);
/* A new one, of HANDLE; takes FD over. NULL: no memory. */
struct lock_owner *owner_new(struct lock_file *file, uint64_t id, int fd,
			     struct lock_handle *handle);
/* Ends it with all its locks. */
void owner_drop(struct lock_file *file, struct lock_owner *owner,
		struct wait_list *woken);

/* The same of whole files, for HANDLE. */
bool flock_conflicts(const struct lock_file *file, const struct handle *handle,
		     int type);
void flock_set(struct lock_file *file, struct handle *handle, int type,
	       struct wait_list *woken);

#endif
