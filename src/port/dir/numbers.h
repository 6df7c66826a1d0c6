/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inode numbers that any client can hold. A 32-bit program without large-file
 * support cannot list a directory, or stat a file, whose inode number needs
 * more than 32 bits; and the numbers of two file systems may be the same where
 * the client sees only one. Such inodes get a number of their own from the top
 * of the 32-bit range, the same one as long as the connection lasts.
 */
#ifndef DIR_NUMBERS_H
#define DIR_NUMBERS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct number;

struct numbers {
	uint64_t home_dev; /* whose inodes keep their numbers */
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

#endif
