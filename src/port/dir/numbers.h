/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inode numbers that the client sees: the host's, which last as long as
 * the file. But the numbers of two file systems may be the same: where the
 * client does not show them as two, those of all but the root's are made of the
 * number and the file system, so that they last as well.
 *
 * A 32-bit client has programs that cannot stat or list a file whose number
 * needs more than 32 bits. There such inodes get one of their own from the top
 * of the 32-bit range, the same one as long as the connection lasts.
 */
#ifndef DIR_NUMBERS_H
#define DIR_NUMBERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct number;
struct relay;

struct numbers {
	uint64_t home_dev;	   /* whose inodes keep their numbers */
	bool announced;		   /* the client shows file systems apart */
	bool small;		   /* it is a 32-bit one, whatever RELAY says */
	const struct relay *relay; /* knows it; or NULL */
	pthread_mutex_t mutex;
	struct number *table; /* open addressing */
	size_t size;	      /* a power of two, or 0 */
	size_t count;
};

int numbers_init(struct numbers *numbers, uint64_t home_dev);
void numbers_reset(struct numbers *numbers);
void numbers_destroy(struct numbers *numbers);

/* The client's number for inode INO of DEV. Never fails, never 0. */
uint64_t number_of(struct numbers *numbers, uint64_t dev, uint64_t ino);

/* Whether the client at RELAY is known to be a 32-bit machine. */
bool client_is_small(const struct relay *relay);

#endif
