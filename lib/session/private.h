/* SPDX-License-Identifier: BSD-2-Clause */
/* What a session holds. Private to the library. */
#ifndef SESSION_PRIVATE_H
#define SESSION_PRIVATE_H

#include "../message/table.h"
#include <crossfuse/session.h>
#include <stdatomic.h>

/*
 * What is to be done to a message. 0: nothing, it passes as it is. The first
 * three are kept in a call as well, for its reply.
 */
enum {
	MODE_IN_SWAP =
		1 << 0, /* the client's integers are not this machine's */
	MODE_OUT_SWAP = 1 << 1,	 /* nor are the server's */
	MODE_UNTOUCHED = 1 << 2, /* policy: whatever it is */
	MODE_VALUES = 1 << 3,	 /* some group of values differs */
	MODE_DETECT = 1 << 4,	 /* the client's ABI is still to be found out */
};

#define MODE_OF_CALL (MODE_IN_SWAP | MODE_OUT_SWAP | MODE_UNTOUCHED)
#define MODE_ALL     UINT32_C(0xff)

/*
 * What was decided of the client, in one word: a message is looked at and
 * changed by one decision, whatever others decide meanwhile. Below it are the
 * modes; the client is 0 where it is not known, 1 for the canonical form, or
 * its place in the table of ABIs and 2 more.
 */
enum {
	STATE_CLIENT_SHIFT = 8,
	STATE_SOURCE_SHIFT = 16, /* enum crossfuse_source */
	STATE_CANONICAL = 1,
	STATE_FIRST_ABI = 2,
};

enum {
	DETECT_GROUPS = 8
};

/*
 * Open flags of a client, and what they are for the server: 8 bits of whose
 * they are, 28 of each, which are all that have a meaning. Read and written at
 * once. Some 32-bit machines cannot:
 * they would need another library for it.
 */
#if ATOMIC_LLONG_LOCK_FREE == 2
typedef _Atomic uint64_t last_flags_t;
#define HAVE_LAST_FLAGS 1
#else
typedef uint64_t last_flags_t;
#define HAVE_LAST_FLAGS 0
#endif

/* Values that were told of already; 0 is a free place. */
struct seen {
	_Atomic uint32_t place[8];
};

struct session {
	struct crossfuse_config config;
	_Atomic uint32_t state; /* what was decided: see above */

	/* The handshake; written by FUSE_INIT and its reply alone. */
	uint64_t init_flags; /* as the client sent them */
	uint32_t arch_id;
	uint32_t minor;
	uint32_t major;
	bool offered;
	bool own_offer; /* client's role: it is not ours to translate */
	bool answered;
	bool setxattr_ext;
	bool swapped;

	/* Whose error numbers a refused client gets; NULL: it was not. */
	const struct crossfuse_abi *refused;

	last_flags_t last_flags; /* 0: none; see value.c */

	/*
	 * Of OPEN, OPENDIR, CREATE: flags that speak against what the client is
	 * taken for, and flags the lack of which does.
	 */
	_Atomic uint32_t never[3];
	_Atomic uint32_t always[3];
	_Atomic bool contradicted;

	/* How much speaks against each group of open flags so far. */
	atomic_flag detecting;
	bool own_impossible;
	uint8_t against_own;	/* requests, to two */
	uint32_t first_against; /* of those, as last_evidence */
	uint8_t revisions;
	uint32_t meaningful; /* open flags of any group */
	uint16_t doubt[DETECT_GROUPS];
	uint32_t last_evidence;

	/* So that each surprise is told of only once. */
	_Atomic uint32_t seen_flags;
	_Atomic uint32_t seen_poll;
	_Atomic uint32_t seen_malformed[2]; /* by opcode, to 63 */
	struct seen seen_errno;
	struct seen seen_lock;
	struct seen seen_ioctl;
	struct seen seen_opcode;
};

static inline struct session *session_of(struct crossfuse_session *session)
{
	return (struct session *)session;
}

static inline const struct session *
session_of_const(const struct crossfuse_session *session)
{
	return (const struct session *)session;
}

/* Whether messages are looked at even where nothing is to be changed. */
static inline bool checks(const struct session *s)
{
	return !s->config.no_check;
}

static inline uint32_t state_of(const struct session *s)
{
	return atomic_load_explicit(&s->state, memory_order_acquire);
}

static inline unsigned int client_id(uint32_t state)
{
	return state >> STATE_CLIENT_SHIFT & 0xff;
}

static inline enum crossfuse_source source_of(uint32_t state)
{
	return (enum crossfuse_source)(state >> STATE_SOURCE_SHIFT & 0xff);
}

/* What the client was found to be; NULL: not known. */
static inline const struct crossfuse_abi *known_client(uint32_t state)
{
	unsigned int id = client_id(state);

	if (id == STATE_CANONICAL)
		return crossfuse_abi_canonical();
	return id ? crossfuse_abi_at(id - STATE_FIRST_ABI) : NULL;
}

/* What it is taken for: the server's ABI where nothing is known. */
static inline const struct crossfuse_abi *client_abi(const struct session *s,
						     uint32_t state)
{
	const struct crossfuse_abi *abi = known_client(state);

	return abi ? abi : s->config.server;
}

/* event.c: tells of something, once for each value where that makes sense. */
void cf_session_event(struct session *s, enum crossfuse_event_type type,
		      uint32_t opcode, uint32_t value);
void cf_session_unknown(struct session *s, enum crossfuse_event_type type,
			uint32_t opcode, uint32_t value);

/* Whether two ABIs differ in some group of values. */
bool cf_session_values_differ(const struct crossfuse_abi *a,
			      const struct crossfuse_abi *b);

/*
 * Takes the client for CLIENT from now on, or for what SESSION.server is as
 * long as CLIENT is NULL. EXTRA is further modes.
 */
void cf_session_set_client(struct session *s,
			   const struct crossfuse_abi *client,
			   enum crossfuse_source source, uint32_t extra);

/* MODE_OUT_SWAP if the server's integers are not this machine's, or 0. */
uint32_t cf_session_server_swap(const struct session *s);

/* Refuses a request; an event tells of it. Always -EBADMSG. */
int cf_session_malformed(struct session *s, uint32_t opcode);

/* INIT says in what byte order it is: 1 swapped, 0 not, -1 no INIT. */
static inline int init_swapped(uint32_t raw_opcode)
{
	switch (raw_opcode) {
	case CF_INIT:
	case CF_CUSE_INIT:
		return 0;
	case CF_INIT_BSWAP_RESERVED:
	case CF_CUSE_INIT_BSWAP_RESERVED:
		return 1;
	default:
		return -1;
	}
}

/* detect.c */
enum {
	EVIDENCE_OPEN,
	EVIDENCE_OPENDIR,
	EVIDENCE_CREATE,
	EVIDENCE_NONE
};
static inline unsigned int evidence_class(uint32_t opcode)
{
	switch (opcode) {
	case CF_OPEN:
		return EVIDENCE_OPEN;
	case CF_OPENDIR:
		return EVIDENCE_OPENDIR;
	case CF_CREATE:
		return EVIDENCE_CREATE;
	default:
		return EVIDENCE_NONE;
	}
}

/* FUSE_INIT has come. */
void cf_detect_start(struct session *s);
/* Weighs the flags of an OPEN, OPENDIR or CREATE as the client sent them. */
void cf_detect_feed(struct session *s, uint32_t opcode, uint32_t flags);
/*
 * From now on requests are expected to be like those of ABI, NULL: like any.
 * GUESS: that comes from the traffic. DETECTING: it is what is to be found out.
 */
void cf_detect_expect(struct session *s, const struct crossfuse_abi *abi,
		      bool guess, bool detecting);
void cf_contradiction_found(struct session *s, uint32_t state, uint32_t opcode,
			    uint32_t flags);

static inline bool fits_expectation(const struct session *s, unsigned int class,
				    uint32_t flags)
{
	uint32_t never =
		atomic_load_explicit(&s->never[class], memory_order_relaxed);
	uint32_t always =
		atomic_load_explicit(&s->always[class], memory_order_relaxed);

	return !(flags & never) && (flags & always) == always;
}

static inline void contradiction_check(struct session *s, uint32_t state,
				       uint32_t opcode, uint32_t flags)
{
	unsigned int class = evidence_class(opcode);

	if (class != EVIDENCE_NONE && !fits_expectation(s, class, flags))
		cf_contradiction_found(s, state, opcode, flags);
}

/* handshake.c: FUSE_INIT and CUSE_INIT, and the reply to FUSE_INIT. */
int cf_handshake_request(struct session *s, struct crossfuse_call *call,
			 uint8_t *head, size_t head_len, size_t total_len,
			 bool swapped);
int cf_handshake_reply(struct session *s, const struct crossfuse_call *call,
		       uint8_t *head, size_t head_len, size_t total_len);

/* Where things are kept in crossfuse_call.private_data. */
enum {
	CALL_OP,      /* const struct crossfuse_opcode *, NULL if not known */
	CALL_PAYLOAD, /* const struct cf_payload *, what an ioctl carries */
	CALL_FLAGS,
	CALL_NUMBER, /* the server's unique, exclusive-or the client's */
};

enum {
	CALL_ASKS_SIZE = 1 << 0,   /* GETXATTR, LISTXATTR: the size alone */
	CALL_ANY_PAYLOAD = 1 << 1, /* the ioctl's payload passes as it is */
};

static inline const struct crossfuse_opcode *
call_op(const struct crossfuse_call *c)
{
	return (const struct crossfuse_opcode *)(uintptr_t)
		c->private_data[CALL_OP];
}

/*
 * value.c: the field of KIND in a message, OLD as its sender has it, in the
 * form of its receiver, by the decision STATE. 0, -EINVAL, or -ENOTTY.
 */
int cf_value_of_request(struct session *s, uint32_t state, unsigned int kind,
			uint32_t opcode, uint32_t old, uint32_t *ret_now);
int cf_value_of_reply(struct session *s, uint32_t state, unsigned int kind,
		      uint32_t opcode, uint32_t old, uint32_t *ret_now);
/* An error, 0 or negative, of the server as the client has it. */
int32_t cf_value_of_error(struct session *s, uint32_t state, uint32_t opcode,
			  int32_t error);

/* session_ioctl.c: whether the payload of a request can be carried, and its number. */
int cf_ioctl_request(struct session *s, uint32_t state,
		     struct crossfuse_call *call, const void *body,
		     uint32_t *ret_cmd);
/* Whether a reply's payload of so many bytes is what was expected. */
int cf_ioctl_reply(const struct crossfuse_call *call, size_t payload_len);
/* Turns round the payload of a request, or of a reply, that was checked. */
void cf_ioctl_request_swap(const struct crossfuse_call *call, void *payload,
			   size_t len);
void cf_ioctl_reply_swap(const struct crossfuse_call *call, void *payload,
			 size_t len, bool retry);

/* A mode's two byte orders. */
static inline bool mode_swaps(uint32_t mode)
{
	return !(mode & MODE_IN_SWAP) != !(mode & MODE_OUT_SWAP);
}

/* Whether anything in a message may have to be changed. */
static inline bool mode_translates(uint32_t mode)
{
	return mode_swaps(mode) || mode & (MODE_VALUES | MODE_DETECT);
}

#endif
