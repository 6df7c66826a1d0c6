/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trace file, as docs/trace.md describes it. Its integers are in the byte
 * order of the machine that wrote it.
 */
#ifndef TRACE_FORMAT_H
#define TRACE_FORMAT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_MAGIC "CFTRACE\n"

enum {
	TRACE_VERSION = 1,
	TRACE_ORDER = 0x01020304,
	TRACE_NAME = 32,
	/* Of one record; what is longer is recorded up to here. */
	TRACE_CAPTURE_MAX = 3 << 19,
	TRACE_ALIGN = 8,
};

/* trace_header.flags */
enum {
	TRACE_WITH_DATA = 1,
};

struct trace_header {
	char magic[8];
	uint32_t order;
	uint16_t version;
	uint16_t header_len;
	uint32_t flags;
	uint32_t reserved;
	uint64_t start;		  /* ns since 1970 */
	char machine[TRACE_NAME]; /* ABI names, filled up with NULs */
	char server[TRACE_NAME];
};

enum trace_type {
	TRACE_REQUEST = 1,
	TRACE_REPLY = 2,
	TRACE_NOTIFY = 3,
	TRACE_ABI = 4,
	TRACE_RESET = 5,
};

enum trace_side {
	TRACE_CLIENT = 0,
	TRACE_SERVER = 1,
};

/* trace_record.flags */
enum {
	TRACE_SWAPPED = 1,
	TRACE_REFUSED = 2,
	TRACE_OWN = 4,
};

struct trace_record {
	uint32_t record_len; /* with this header and padding */
	uint8_t type;
	uint8_t side;
	uint8_t flags;
	uint8_t reserved;
	uint64_t time; /* ns since trace_header.start */
	uint32_t opcode;
	uint32_t error;
	uint32_t length;   /* of the message */
	uint32_t captured; /* how much of it follows */
};

static_assert(sizeof(struct trace_header) == 96, "docs/trace.md says 96");
static_assert(offsetof(struct trace_header, start) == 24, "at 24");
static_assert(offsetof(struct trace_header, server) == 64, "at 64");
static_assert(sizeof(struct trace_record) == 32, "docs/trace.md says 32");
static_assert(offsetof(struct trace_record, time) == 8, "at 8");
static_assert(offsetof(struct trace_record, captured) == 28, "at 28");

#endif
