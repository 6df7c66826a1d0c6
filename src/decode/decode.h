/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `crossfuse decode`: captured messages as text. The input is not trusted:
 * whatever stands in it, it is shown or said to be wrong.
 */
#ifndef DECODE_H
#define DECODE_H

#include <crossfuse/message.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum decode_form {
	DECODE_GUESS,
	DECODE_RAW,
	DECODE_HEX,
};

enum decode_order {
	DECODE_ANY_ORDER,
	DECODE_LITTLE,
	DECODE_BIG,
};

enum {
	DECODE_ONLY = 64
};

struct decode_stat;

struct decoder {
	const struct crossfuse_abi *abi; /* NULL: not said */
	enum decode_form form;
	enum decode_order order;
	bool replies;		    /* a stream of replies */
	uint32_t opcode;	    /* what they answer; 0: not known */
	bool calls;		    /* of a trace: a line a call */
	bool follow;		    /* and what is written to it later */
	uint32_t only[DECODE_ONLY]; /* opcodes; the others are left out */
	size_t only_count;	    /* 0: all are shown */

	FILE *out;
	struct decode_stat *stat; /* counted, not shown; NULL: shown */
	unsigned long faults;
};

/* One message, or as much of it as was captured. */
struct decode_message {
	const uint8_t *bytes;
	size_t captured;
	size_t length; /* by its transport */
	const struct crossfuse_abi *abi;
	bool swapped; /* not in this machine's byte order */
	bool reply;   /* or a notification */
	bool cut;     /* the input ended before its end */
	uint32_t opcode;
};

enum {
	DECODE_LINE = 8192,
	/* Longer than any message that there is; what is longer is none. */
	DECODE_LENGTH_MAX = 32 << 20,
};

/* The command. Negative after an error, and if anything was wrong. */
int decode_command(int argc, char **argv);

/* Each reads all of INPUT. 0, or -errno, logged, if it could not be read. */
int decode_stream(struct decoder *decoder, FILE *input);
int decode_hex(struct decoder *decoder, FILE *input);
int decode_trace(struct decoder *decoder, FILE *input);

/* Shows or counts a message that stands for itself. */
void decode_one(struct decoder *decoder, const struct decode_message *message);

/* Whether messages of this opcode are to be shown or counted. */
bool decode_wanted(const struct decoder *decoder, uint32_t opcode);

/* A line about the input that is no message, and a fault. */
void decode_complain(struct decoder *decoder, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The message as a line of text; SIZE is at least 256. */
void decode_text(const struct decode_message *message, char *buf, size_t size);

/* The names of FUSE_INIT's flags, for the end of its line. */
void decode_init_text(const struct decode_message *message, char *buf,
		      size_t size);

/* Whether two such lines say the same; the order of flags does not count. */
bool decode_same_text(const char *a, const char *b);

/* What is wrong with it, as text in BUF; false if nothing is. */
bool decode_fault(const struct decode_message *message, char *buf, size_t size);

/* An integer of the message, which must lie within what was captured. */
uint64_t decode_get(const struct decode_message *message, size_t offset,
		    size_t width);

/* Length of the message's header. */
size_t decode_header_len(const struct decode_message *message);

/* What the message is, by its header; NULL if that is unknown. */
const struct crossfuse_opcode *
decode_opcode(const struct decode_message *message);

/* What stands behind the header; NULL for unknown ones and errors. */
const struct crossfuse_layout *
decode_layout(const struct decode_message *message);

/* 0, or the errno in a reply, positive. */
int32_t decode_error(const struct decode_message *message);

/* A value that CLIENT and SERVER, forms of one message, have differently. */
typedef void decode_difference(void *opaque, const char *field, uint64_t client,
			       uint64_t server);
void decode_compare(const struct decode_message *client,
		    const struct decode_message *server,
		    decode_difference *difference, void *opaque);

/* Statistics; all of them may be called with STAT NULL. */
struct decode_stat *decode_stat_new(void);
void decode_stat_free(struct decode_stat *stat);
void decode_stat_count(struct decode_stat *stat,
		       const struct decode_message *message, bool faulty);
void decode_stat_refused(struct decode_stat *stat,
			 const struct decode_message *message);
void decode_stat_pair(struct decode_stat *stat,
		      const struct decode_message *client,
		      const struct decode_message *server);
/* How long a reply took, in nanoseconds. */
void decode_stat_latency(struct decode_stat *stat, uint32_t opcode,
			 uint64_t nanoseconds);
void decode_stat_print(struct decode_stat *stat, FILE *out);

#endif
