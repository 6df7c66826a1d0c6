/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `crossfuse probe`: a FUSE client of any architecture that looks at how a
 * server keeps the rules of docs/protocol.md. What is sent and what must come
 * back is written out here; of the library only the tables of values are used.
 *
 * Everything that a server sends is hostile, and read with its bounds.
 */
#ifndef PROBE_PROBE_H
#define PROBE_PROBE_H

#include "link.h"
#include "rules.h"
#include <crossfuse/abi.h>

enum verdict {
	VERDICT_NONE,
	VERDICT_SKIP,
	VERDICT_OK,
	VERDICT_FAIL
};

struct result {
	enum verdict verdict;
	char detail[160]; /* why it was skipped, or what is wrong */
};

/* A FUSE_INIT as it is sent. */
struct hello {
	uint32_t major; /* 0 stands for itself */
	uint32_t minor;
	size_t len;	  /* bytes behind the header */
	uint64_t flags;	  /* those of 32 bits and up go into flags2 */
	uint32_t arch_id; /* 0: none */
	int32_t lie;	  /* added to the length field */
	bool again;	  /* on top of the session that there is */
};

/* And what came back. */
struct greeting {
	int error; /* positive: a FUSE error; negative: no reply */
	size_t len;
	uint32_t major;
	uint32_t minor;
	uint64_t flags; /* flags2 only counts with FUSE_INIT_EXT */
	uint32_t raw_flags2;
	uint32_t max_write;
	uint32_t max_pages;
	bool opposite; /* it was in the other byte order */
};

/* What a request may lead to, in canonical terms: see outcome.c. */
#define OUTCOME_FLAGS 13U
#define TOUR_MAX      20U

struct outcomes {
	bool known;
	int64_t open[OUTCOME_FLAGS]; /* OPEN with one flag */
	int64_t write_append;
	int64_t link;	   /* OPEN of a symbolic link */
	int64_t enotempty; /* errors, canonical */
	int64_t enametoolong;
	int64_t enodata;
	int64_t eopnotsupp;
	int64_t ioctl_flags; /* what GETFLAGS says after SETFLAGS */
	int64_t ioctl_unknown;
	int64_t ioctl_xattr;
	int64_t poll;
	int64_t max_bytes; /* max_pages times the page size */
	int64_t seek_hole;
	int64_t tour[TOUR_MAX]; /* of tour.c, one for each opcode */
};

struct probe {
	struct link link;
	const struct crossfuse_abi *server;
	uint32_t server_page; /* bytes; 0: not known */
	bool read_only;
	bool keep; /* one connection for all sessions */
	bool strict;
	bool quiet;

	/* The client being played. */
	const struct crossfuse_abi *abi;
	const struct crossfuse_abi *form; /* whose values are on the wire */
	bool canonical;
	bool speaks; /* the server answers offers at all */
	uint32_t minor;
	uint64_t flags; /* negotiated */
	struct greeting greeting;

	/* The session. */
	bool open;	   /* the link is */
	bool session;	   /* FUSE_INIT has been answered */
	bool session_swap; /* its byte order, as link.swap */
	bool gone;	   /* and it cannot be started over */
	bool broken;	   /* no more requests until it is started over */
	uint64_t unique;
	uint64_t forget_unique;
	uint64_t interrupt_unique;
	uint64_t dir; /* where the probe writes; 0: nowhere */
	uint64_t top;
	char top_name[64];
	uint32_t serial; /* of names */

	struct outcomes base;	 /* of a client like the server */
	struct outcomes current; /* of this client in this form */

	struct result results[RULE_COUNT];
	char why[160]; /* why what has no result is skipped */
	unsigned int ok, failed, warned, skipped;

	/* One request, and its reply. */
	uint8_t request[LINK_MESSAGE_MAX];
	size_t request_len;
	uint32_t opcode;
	int32_t lie; /* added to the length field */
	uint8_t reply[LINK_MESSAGE_MAX];
	size_t reply_len;
	bool reply_opposite;
};

/* result.c */
void rule_ok(struct probe *probe, enum rule rule);
void rule_skip(struct probe *probe, enum rule rule, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void rule_fail(struct probe *probe, enum rule rule, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* ok if HOLDS, otherwise as rule_fail(). */
void rule_check(struct probe *probe, enum rule rule, bool holds,
		const char *format, ...) __attribute__((format(printf, 4, 5)));
/* For a request that must succeed; RET as talk() returns it. True: it did. */
bool rule_works(struct probe *probe, enum rule rule, int ret, const char *what);
/* It must fail with this canonical error. */
void rule_error(struct probe *probe, enum rule rule, int ret, int32_t error);
void results_clear(struct probe *probe);
/* Print lines, and count them: of the handshake, of a form, of what is late. */
void results_print_once(struct probe *probe);
void results_print(struct probe *probe);
void results_print_late(struct probe *probe);
void result_print(struct probe *probe, enum rule rule);
/* One line instead, for all that could not be looked at. */
void results_skip(struct probe *probe, const char *section);
void rules_list(void);
/* An error as talk() returns it, for people; static storage. */
const char *error_text(const struct probe *probe, int ret);

/* talk.c: a request is begun, filled, and sent. */
void begin_request(struct probe *probe, uint32_t opcode, uint64_t nodeid);
void put_bytes(struct probe *probe, const void *bytes, size_t len);
void put_zeros(struct probe *probe, size_t len);
void put_u16(struct probe *probe, uint16_t value);
void put_u32(struct probe *probe, uint32_t value);
void put_u64(struct probe *probe, uint64_t value);
void put_name(struct probe *probe, const char *name); /* with its NUL */
/*
 * Sends it and waits for the reply, which must have LEAST to MOST bytes behind
 * its header. 0; a positive errno as it came, in the client's form; or a
 * negative errno of this machine if there is no answer.
 */
int talk(struct probe *probe, size_t least, size_t most);
/* Sends what has no reply. 0 or -errno. */
int send_only(struct probe *probe);
/* Parts of the reply, from behind its header; 0 beyond its end. */
uint16_t reply_u16(const struct probe *probe, size_t offset);
uint32_t reply_u32(const struct probe *probe, size_t offset);
uint64_t reply_u64(const struct probe *probe, size_t offset);
const uint8_t *reply_bytes(const struct probe *probe);
size_t reply_size(const struct probe *probe); /* without the header */

/* Values: canonical to the client's form, and back. */
uint32_t open_value(const struct probe *probe, uint32_t canonical);
int32_t errno_value(const struct probe *probe, int32_t canonical);
int32_t errno_canonical(const struct probe *probe, int32_t error);

/* session.c */
uint32_t arch_id_of(const char *name);
/* FUSE_INIT; fills GREETING. The reply's error, as talk(). */
int say_hello(struct probe *probe, const struct hello *hello,
	      struct greeting *greeting);
/* A whole session for PROBE->abi, and a directory to write in. */
int session_start(struct probe *probe);
/* Starts it again if it broke. 0 or -errno. */
int session_mend(struct probe *probe);
void session_end(struct probe *probe);
/* Removes what the probe has made; in a session of the server's own kind. */
void workspace_remove(struct probe *probe);

/* Whether RET of a FUSE_INIT is a refusal by policy. */
bool is_refusal(const struct probe *probe, int ret);

/* The checks; each looks at some of the rules. */
void check_handshake(struct probe *probe); /* before any session */
void check_legacy(struct probe *probe);
void check_destroy(struct probe *probe);
void check_tour(struct probe *probe);
bool detect_speaking(struct probe *probe);
void outcomes_find(struct probe *probe, struct outcomes *outcomes);
void check_errors(struct probe *probe);
void check_open(struct probe *probe);
void check_locks(struct probe *probe);
void check_poll(struct probe *probe);
void check_ioctl(struct probe *probe);
void check_bytes(struct probe *probe);
void check_pages(struct probe *probe);
void check_same(struct probe *probe);
void check_messages(struct probe *probe);
void check_malformed(struct probe *probe);
void check_records(struct probe *probe);

#endif
