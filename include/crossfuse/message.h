/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The FUSE protocol described as data: every opcode, every notification, the
 * fields of each message and what kind of value stands in each; and whether a
 * message is one.
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

/* COUNT integers of WIDTH bytes, the first of them at OFFSET. */
struct crossfuse_run {
	uint8_t width;
	uint8_t count;
	uint16_t offset;
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
	const struct crossfuse_run *runs; /* the integers among the fields */
	uint16_t field_count;
	uint16_t run_count;
	uint16_t size;	    /* bytes of the fixed part in the newest minor */
	uint16_t min_size;  /* bytes of its shortest form since 7.12 */
	uint8_t tail;	    /* enum crossfuse_tail */
	uint8_t extensions; /* request may end in extension headers */
	uint8_t kind;	 /* of the field that depends on the ABI; or NUMBER */
	uint8_t element; /* bytes of each of the tail, as it is counted; or 0 */
	uint16_t kind_at;  /* offset of that field */
	uint16_t count_at; /* offset of the 32 bits that count the tail, if
			      ELEMENT is not 0 */
};

struct crossfuse_opcode {
	const char *name; /* "OPEN" */
	uint32_t code;
	uint16_t minor; /* the protocol minor it appeared in */
	bool has_reply;
	struct crossfuse_layout request; /* behind fuse_in_header */
	struct crossfuse_layout reply;	 /* behind fuse_out_header */
};

/*
 * What was agreed on in FUSE_INIT, as far as it decides how messages look, and
 * how they are to be read.
 */
struct crossfuse_terms {
	uint32_t minor;	   /* the client's; 0: not known, any form is right */
	bool setxattr_ext; /* CF_INIT_SETXATTR_EXT was; if MINOR is known */
	bool swapped;	   /* integers are not in this machine's byte order */
};

/* What is wrong with a message. */
enum crossfuse_fault_kind {
	CROSSFUSE_FAULT_HEADER,	   /* it is shorter than its header */
	CROSSFUSE_FAULT_LENGTH,	   /* LEN of its header tells another length */
	CROSSFUSE_FAULT_ERROR,	   /* of a reply: ERROR is no error number */
	CROSSFUSE_FAULT_FIXED,	   /* it ends within its fixed part */
	CROSSFUSE_FAULT_COUNT,	   /* FIELD counts other bytes than there are */
	CROSSFUSE_FAULT_EXTLEN,	   /* the same of TOTAL_EXTLEN in its header */
	CROSSFUSE_FAULT_NAME,	   /* a name does not end where it should */
	CROSSFUSE_FAULT_BEHIND,	   /* there are bytes behind its end */
	CROSSFUSE_FAULT_EXTENSION, /* an extension is not what it says */
	CROSSFUSE_FAULT_RECORD,	   /* a record of a reply is not */
	CROSSFUSE_FAULT_HEAD, /* the head ends too early; the message need not */
};

struct crossfuse_fault {
	enum crossfuse_fault_kind kind;
	uint32_t offset;   /* bytes from the start of the message */
	const char *field; /* as in crossfuse_field, or of a header; or NULL */
	uint64_t told;	   /* bytes, by the field or the layout */
	uint64_t there;	   /* bytes that are there */
};

/*
 * Whether a request is what it says: all that a server reads of it is there,
 * and what is counted is what was sent. HEAD is the first HEAD_LEN of its
 * TOTAL_LEN bytes, as crossfuse_request_head_len() tells how many. 0; -EBADMSG,
 * with *RET_FAULT, which may be NULL, telling why; -ENOSYS of an opcode that is
 * not known, if nothing is wrong with the header.
 */
int crossfuse_check_request(const struct crossfuse_terms *terms,
			    const void *head, size_t head_len, size_t total_len,
			    struct crossfuse_fault *ret_fault);

/*
 * The same of a reply to a request of OPCODE; or of a notification, which has a
 * unique of 0. GETXATTR's and LISTXATTR's replies pass in both of their forms.
 */
int crossfuse_check_reply(const struct crossfuse_terms *terms, uint32_t opcode,
			  const void *head, size_t head_len, size_t total_len,
			  struct crossfuse_fault *ret_fault);

/*
 * Writes a fault for people, at most SIZE bytes with the NUL: "size counts 100
 * bytes, but there are 44". Returns the length without it, as snprintf() does.
 */
int crossfuse_format_fault(const struct crossfuse_fault *fault, char *buf,
			   size_t size);

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
