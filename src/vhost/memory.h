/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's memory as the front end shares it: a set of regions, each a part
 * of a file that is mapped here.
 *
 * A set never changes once it is made. Adding a region makes another set that
 * shares the old mappings, which stay until nobody holds a set with them: a
 * request under way keeps the memory that it was given.
 */
#ifndef VHOST_MEMORY_H
#define VHOST_MEMORY_H

#include "proto.h"
#include <stdbool.h>
#include <sys/uio.h>

/* As many as the front end may add one by one. */
#define MEMORY_SLOTS_MAX 509

struct memory;

/* An empty set, held once; NULL if there is no memory. */
struct memory *memory_new(void);

struct memory *memory_hold(struct memory *memory);

/* NULL is allowed. */
void memory_drop(struct memory *memory);

/*
 * MEMORY and one more region, held once. FD is the caller's. -EINVAL: the
 * region's numbers make no sense, overlap another one or go beyond the end of
 * the file; -ENOSPC: too many; another -errno: mapping failed. *RET_WHY says
 * it in words.
 */
int memory_add(const struct memory *memory, const struct vhost_region *region,
	       int fd, struct memory **ret_memory, const char **ret_why);

/* MEMORY without a region; -ENOENT if it is not there. */
int memory_remove(const struct memory *memory,
		  const struct vhost_region *region,
		  struct memory **ret_memory);

/* Whether all that OTHER maps is mapped by MEMORY, too. */
bool memory_includes(const struct memory *memory, const struct memory *other);

/*
 * The address here of LEN bytes at an address of the front end's process; NULL
 * unless all of them are in one region.
 */
void *memory_of_user(const struct memory *memory, uint64_t user, size_t len);

/*
 * The address here of guest memory, and in *LEN how many bytes of those that
 * were asked for lie there in one piece; NULL if nothing is there. *HINT, 0 at
 * first, makes the next look-up fast.
 */
void *memory_of_guest(const struct memory *memory, uint64_t guest, size_t *len,
		      unsigned int *hint);

/* A region of the guest's memory, for whoever looks up much in it. */
struct memory_window {
	uint64_t guest;
	uint64_t size; /* 0: none */
	char *host;
};

/* The region that contains GUEST; one of size 0 if there is none. */
struct memory_window memory_window(const struct memory *memory, uint64_t guest,
				   unsigned int *hint);

/* A region as the front end shares it, for who shares it with others. */
struct memory_part {
	int fd; /* valid as long as the set is held */
	uint64_t offset, size;
	void *address;
	uint64_t user, guest;
};

/* The region of that number, from 0; false: there are no more. */
bool memory_part(const struct memory *memory, unsigned int index,
		 struct memory_part *ret_part);

/*
 * Whether there is nothing but zeros in its files, as far as they are looked
 * at: whoever uses the memory has written to a copy of them. Takes its time.
 */
bool memory_is_blank(const struct memory *memory);

#endif
