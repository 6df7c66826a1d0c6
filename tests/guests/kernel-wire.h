/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A FUSE server and the client that drives it, in one program that runs inside
 * a guest: the server notes what the kernel sends, the client compares.
 */
#ifndef KERNEL_WIRE_H
#define KERNEL_WIRE_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stdint.h>

/* Numbers of the protocol that the C library's headers may be too old for */
#define WIRE_CANON	 (UINT64_C(1) << 62)
#define WIRE_CANON_FIRST (UINT64_C(1) << 40) /* as it was first proposed */
#define WIRE_IDMAP_MINOR 41
#define WIRE_INIT_EXT	 (UINT64_C(1) << 30)
#define WIRE_TMPFILE	 51
#define WIRE_MAX_OPCODE	 64

/* Inodes that a name stands for */
#define NODE_FILE  2
#define NODE_DIR   3
#define NODE_BLOCK 4	/* a read of it waits until it is interrupted */
#define NODE_EXEC  5	/* may be executed, were it a program */
#define NODE_ERROR 1000 /* plus the error that unlink of it gets */

enum wire_answer {
	ANSWER_NOTHING, /* as a server that does not know the offer */
	ANSWER_CANON,
	ANSWER_NO_EXT,	  /* the flag, without FUSE_INIT_EXT */
	ANSWER_UNOFFERED, /* the flag of the other versions */
	ANSWER_REFUSE,	  /* FUSE_INIT fails */
};

/* What the server saw; shared between the two processes */
struct wire {
	enum wire_answer answer;
	bool dump; /* print every message */
	struct fuse_init_in init;
	uint32_t arch_id;
	bool has_init;
	unsigned int count[WIRE_MAX_OPCODE];
	uint32_t value[WIRE_MAX_OPCODE]; /* flags, type, events or cmd */
	uint32_t size[WIRE_MAX_OPCODE];
	unsigned int interrupts;
	/* What the server is to say */
	uint32_t lock_type;
	uint32_t revents;
	int32_t ioctl_result;
	bool retry; /* ask for what the ioctl's argument points to */
};

extern struct wire *wire;

/* Whether the kernel was told to use canonical values, and can know it */
static inline bool wire_canonical(void)
{
	return wire->answer == ANSWER_CANON;
}

/* The bit that this kernel has to offer */

/* Serve until the file system is unmounted. */
void serve(int fd);
void serve_cuse(int fd);

void check(bool good, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void check_all(const char *dir);
void check_pages(const char *dir);
void check_ioctl_numbers(int fd);
void check_cuse(void);

#endif
