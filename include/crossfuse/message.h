/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The FUSE protocol described as data: every opcode, every notification, the
 * fields of each message and what kind of value stands in each.
 *
 * All data here is static and constant; every function may be called from any
 * thread at any time.
 */
#ifndef CROSSFUSE_MESSAGE_H
#define CROSSFUSE_MESSAGE_H

#include <crossfuse/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What stands in a field. Everything but BYTES is an integer. */
enum crossfuse_kind {
	CROSSFUSE_KIND_NUMBER, /* the same everywhere but for byte order */
	CROSSFUSE_KIND_OPEN_FLAGS,
	CROSSFUSE_KIND_ERRNO, /* negative, or 0 */
	CROSSFUSE_KIND_LOCK,
	CROSSFUSE_KIND_POLL,
	CROSSFUSE_KIND_IOCTL_CMD,
	CROSSFUSE_KIND_PAGES, /* a count of pages */
	CROSSFUSE_KIND_BYTES, /* never touched: padding, text, opaque bytes */
};

/* One field of a message's fixed part. */
struct crossfuse_field {
	const char *name; /* as in linux/fuse.h, dotted within nested structs */
	uint16_t offset;  /* bytes from the start of the struct */
	uint8_t width;	  /* bytes: 1, 2, 4 or 8; of BYTES any length */
	uint8_t kind;	  /* enum crossfuse_kind */
	uint8_t minor; /* the protocol minor it appeared in; 0: 7.23 or before */
};

/* What follows a message's fixed part. */
enum crossfuse_tail {
	CROSSFUSE_TAIL_NONE,
	CROSSFUSE_TAIL_NAME, /* one NUL-terminated name */
	CROSSFUSE_TAIL_TWO_NAMES,
	CROSSFUSE_TAIL_DATA,	     /* a file's bytes: not in the head */
	CROSSFUSE_TAIL_BYTES,	     /* other bytes, in the head */
	CROSSFUSE_TAIL_NAME_BYTES,   /* a name, then bytes (SETXATTR) */
	CROSSFUSE_TAIL_ARRAY,	     /* as many structs as a field says */
	CROSSFUSE_TAIL_DIRENTS,	     /* fuse_dirent records */
	CROSSFUSE_TAIL_DIRENTS_PLUS, /* fuse_direntplus records */
	CROSSFUSE_TAIL_IOCTL,	     /* an ioctl's payload */
};

/* One direction of one opcode, or one notification. */
struct crossfuse_layout {
	const char *struct_name; /* fuse_open_in; NULL: no fixed part */
	const struct crossfuse_field *fields;
	uint16_t field_count;
	uint16_t size;	    /* bytes of the fixed part in the newest minor */
	uint16_t min_size;  /* bytes of its shortest form since 7.23 */
	uint8_t tail;	    /* enum crossfuse_tail */
	uint8_t extensions; /* request may end in extension headers */
};

struct crossfuse_opcode {
	const char *name; /* "OPEN" */
	uint32_t code;
	uint16_t minor; /* the protocol minor it appeared in */
	bool has_reply;
	struct crossfuse_layout request; /* behind fuse_in_header */
	struct crossfuse_layout reply;	 /* behind fuse_out_header */
};

/* The opcode, or notify code, with this number; NULL if it is not known. */
const struct crossfuse_opcode *crossfuse_opcode(uint32_t code);
const struct crossfuse_opcode *crossfuse_notify(uint32_t code);

/* All of them, index from 0; NULL past the last one. */
const struct crossfuse_opcode *crossfuse_opcode_at(size_t index);
const struct crossfuse_opcode *crossfuse_notify_at(size_t index);

/*
 * Writes a message as one line of text, at most SIZE bytes with its NUL, for
 * people: "OPEN unique=8 nodeid=1 flags=O_RDONLY|O_DIRECT". HEAD is in the form
 * of ABI, its byte order this machine's unless SWAPPED. Anything may stand in
 * it: what cannot be decoded is said to be so. Returns the length without the
 * NUL, as snprintf() does.
 */
int crossfuse_format_request(const struct crossfuse_abi *abi, bool swapped,
			     const void *head, size_t head_len, char *buf,
			     size_t size);
int crossfuse_format_reply(const struct crossfuse_abi *abi, bool swapped,
			   uint32_t opcode, const void *head, size_t head_len,
			   char *buf, size_t size);

#ifdef __cplusplus
}
#endif
#endif
