/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client's file handles (name_to_handle_at() there, and NFS) hold the
 * number of a node, which the client may have forgotten when it comes back with
 * it: by LOOKUP of "." or "..". So the last nodes that it has forgotten keep
 * their numbers, as far as they are found again by a handle of the host. No
 * other request may name them.
 */
#ifndef DIR_FORGOTTEN_H
#define DIR_FORGOTTEN_H

#include <pthread.h>
#include <stdint.h>

struct dir;

/* About 130 bytes each. */
#define FORGOTTEN_MOST 65536

struct forgotten {
	pthread_mutex_t mutex;
	uint64_t *nodeids; /* FORGOTTEN_MOST, 0: none; the oldest is at NEXT */
	uint32_t next;
	/* Of all nodes but the root's: a handle of another server is stale. */
	uint32_t generation;
};

int forgotten_init(struct dir *dir);
void forgotten_destroy(struct dir *dir);
/* NODEID is, and the one that was longest ago is so no more. */
void forgotten_add(struct dir *dir, uint64_t nodeid);

#endif
