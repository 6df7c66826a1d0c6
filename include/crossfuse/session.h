/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One FUSE connection between a client and a server that may be of different
 * architectures: the handshake, and the translation of every message.
 *
 * A message is handed over as its HEAD, contiguous memory that belongs to the
 * caller and is rewritten in place: all of it but the bytes of a file (WRITE,
 * READ, STORE, RETRIEVE), which are never looked at. A message never changes
 * its length. The library allocates nothing and keeps no pointer to a message.
 *
 * Threads: crossfuse_session_init() before anything else. After that requests,
 * replies and notifications of one session may be handled by any number of
 * threads at the same time, except that FUSE_INIT and its reply must not run
 * beside any other call on the session.
 *
 * Errors are negative errnos of the machine that runs the library.
 */
#ifndef CROSSFUSE_SESSION_H
#define CROSSFUSE_SESSION_H

#include <crossfuse/abi.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which side of a connection a session translates for. */
enum crossfuse_role {
	/*
	 * A server, or whatever stands in front of one: answers a client's
	 * offer, and translates between the client's form, or the canonical
	 * one, and the server's.
	 */
	CROSSFUSE_ROLE_SERVER,
	/*
	 * A client: adds arch_id and the offer to its FUSE_INIT. If the server
	 * answers, requests become canonical and replies native; otherwise all
	 * passes as it is. Byte order is the client's own, on both sides.
	 */
	CROSSFUSE_ROLE_CLIENT,
};

/* What to do about a client that cannot speak canonical constants. */
enum crossfuse_policy {
	CROSSFUSE_TRANSLATE, /* translate by what is known of it: default */
	CROSSFUSE_REFUSE, /* fail its INIT unless it is of the server's ABI */
	CROSSFUSE_IGNORE, /* pass everything on untouched, as of old */
};

/* How the client's ABI became known; a later one never overrides an earlier. */
enum crossfuse_source {
	CROSSFUSE_SOURCE_NONE,	  /* not known */
	CROSSFUSE_SOURCE_CANON,	  /* negotiated: the client speaks canonical */
	CROSSFUSE_SOURCE_ARCH_ID, /* the client's word, in FUSE_INIT */
	CROSSFUSE_SOURCE_ADMIN,	  /* the administrator's word */
	CROSSFUSE_SOURCE_INIT,	  /* its FUSE_INIT, which is not Linux's */
	CROSSFUSE_SOURCE_MONITOR, /* the virtual machine monitor's program */
	CROSSFUSE_SOURCE_TRAFFIC, /* what its requests look like */
};

enum crossfuse_event_type {
	CROSSFUSE_EVENT_INIT,	  /* handshake done; client, source say how */
	CROSSFUSE_EVENT_REFUSED,  /* INIT failed: policy, or too old a minor */
	CROSSFUSE_EVENT_DETECTED, /* the traffic told the client's ABI */
	CROSSFUSE_EVENT_CONTRADICTION, /* the traffic speaks against it */
	CROSSFUSE_EVENT_UNKNOWN_FLAGS, /* value: open flags without a meaning */
	CROSSFUSE_EVENT_UNKNOWN_ERRNO, /* value: errno without a counterpart */
	CROSSFUSE_EVENT_UNKNOWN_POLL,  /* value: poll bits without a meaning */
	CROSSFUSE_EVENT_UNKNOWN_LOCK,  /* value: lock type without a meaning */
	CROSSFUSE_EVENT_UNKNOWN_IOCTL, /* value: ioctl that cannot be carried */
	CROSSFUSE_EVENT_UNKNOWN_OPCODE, /* value: opcode; bytes are swapped */
	CROSSFUSE_EVENT_MALFORMED,	/* value: opcode of a broken message */
};

/* One event, for a log. Valid only during the callback. */
struct crossfuse_event {
	enum crossfuse_event_type type;
	enum crossfuse_source source;
	const struct crossfuse_abi *client; /* what it is taken for, or NULL */
	const struct crossfuse_abi *server;
	uint32_t arch_id; /* as the client sent it, 0 if it sent none */
	uint32_t minor;	  /* the client's protocol minor */
	uint32_t opcode;  /* of the message at hand */
	uint32_t value;	  /* see enum crossfuse_event_type */
	bool offered;	  /* the client offered FUSE_CANON_ARCH */
	bool answered;	  /* and the server took it */
	bool swapped;	  /* byte order differs from this machine's */
};

/* Zero-initialised, this is a useful configuration. */
struct crossfuse_config {
	/*
	 * ABI of the server; NULL: the ABI of this machine. NULL with the
	 * client's role, which learns no more than whether it is canonical.
	 */
	const struct crossfuse_abi *server;
	/*
	 * ABI of the client: by the administrator's word, NULL: not said; with
	 * the client's role, its own, NULL: the ABI of this machine.
	 */
	const struct crossfuse_abi *client;
	/*
	 * ABI of the client by the monitor's program; NULL: not known. NULL
	 * with the client's role.
	 */
	const struct crossfuse_abi *monitor;
	enum crossfuse_role role;
	/*
	 * What to do about a legacy client. A session with the client's role
	 * makes no offer if it is CROSSFUSE_IGNORE, and cannot have
	 * CROSSFUSE_REFUSE.
	 */
	enum crossfuse_policy policy;
	/* Do not infer the ABI of a legacy client from its traffic. */
	bool no_detect;
	/*
	 * The caller checks lengths and counts itself: where both sides agree,
	 * messages pass without a look at them. So they do with
	 * CROSSFUSE_IGNORE.
	 */
	bool no_check;
	/*
	 * Bytes per page of max_pages: of the server's, 0: 4096; and of the
	 * client's, 0: what its ABI says, if that has one page size only.
	 * Powers of two from 512.
	 */
	uint32_t server_page_size;
	uint32_t client_page_size;
	/*
	 * With the client's role, the arch_id to send; 0: that of the client's
	 * ABI. crossfuse_arch_id() has it for any other name.
	 */
	uint32_t arch_id;
	/* Told of decisions and surprises; may be NULL. Must not call back. */
	void (*event)(void *opaque, const struct crossfuse_event *event);
	void *opaque;
	uint64_t reserved[4]; /* 0 */
};

/* One connection. The caller owns the memory; the contents are private. */
struct crossfuse_session {
	uint64_t private_data[64];
};

/*
 * What a session remembers between a request and its reply. The caller owns
 * it, one for each request under way; it needs no clean-up. OPCODE and UNIQUE
 * may be read, in the machine's byte order, once crossfuse_session_request()
 * has returned, whatever it returned.
 */
struct crossfuse_call {
	uint64_t unique;
	uint32_t opcode;
	uint32_t private_word;
	uint64_t private_data[6];
};

/*
 * Starts a session; CONFIG is copied. A session is started over by the next
 * FUSE_INIT, or by calling this again. 0, or -EINVAL for a configuration that
 * makes no sense.
 */
int crossfuse_session_init(struct crossfuse_session *session,
			   const struct crossfuse_config *config);

/*
 * For a transport that keeps no message boundaries: how long the request, or
 * the reply or notification, is that begins at START, of which LEN bytes have
 * arrived. 0 if more of it must arrive to tell. -EBADMSG if it would be shorter
 * than a header or longer than MAX_LEN: where the next message begins is then
 * not known either, and the connection is to be ended.
 */
ssize_t crossfuse_stream_request_len(const struct crossfuse_session *session,
				     const void *start, size_t len,
				     size_t max_len);
ssize_t crossfuse_stream_reply_len(const struct crossfuse_session *session,
				   const void *start, size_t len,
				   size_t max_len);

/*
 * How many bytes of a request, whose length by its transport is TOTAL_LEN,
 * must be in the head. HEADER is its first 40 bytes, not yet translated.
 * -EBADMSG if the length in the header is not TOTAL_LEN, or TOTAL_LEN is less
 * than 40 bytes.
 */
ssize_t crossfuse_request_head_len(const struct crossfuse_session *session,
				   const void *header, size_t total_len);

/*
 * Translates a request from the client's form to the server's. HEAD holds the
 * first HEAD_LEN of its TOTAL_LEN bytes. 0; or a negative errno with which the
 * caller must answer the client instead (crossfuse_session_error()), HEAD then
 * being untouched: -EBADMSG malformed, -ENOSYS an opcode of unknown layout on
 * a connection that swaps bytes, -ENOTTY an ioctl that cannot be carried,
 * -EPROTO an INIT that policy refuses, or of a minor below 12, -EINVAL a value without a counterpart.
 */
int crossfuse_session_request(struct crossfuse_session *session,
			      struct crossfuse_call *call, void *head,
			      size_t head_len, size_t total_len);

/* Whether a request of this opcode is answered at all (FORGET is not). */
bool crossfuse_opcode_has_reply(uint32_t opcode);

/*
 * How many bytes of a reply to CALL must be in the head, 16 at least, if the
 * reply is TOTAL_LEN bytes long.
 */
size_t crossfuse_reply_head_len(const struct crossfuse_call *call,
				size_t total_len);

/*
 * Translates a reply from the server's form to the client's, as above.
 * -EBADMSG if the server's reply is malformed, HEAD then being untouched; the
 * caller answers the client with -EIO. -EPROTO, with the client's role, if the
 * server answers an offer that was not made: the connection is to be ended.
 */
int crossfuse_session_reply(struct crossfuse_session *session,
			    const struct crossfuse_call *call, void *head,
			    size_t head_len, size_t total_len);

/*
 * Writes a reply of 16 bytes to BUF, in the client's form, that fails CALL
 * with ERROR, a negative errno of this machine.
 */
void crossfuse_session_error(const struct crossfuse_session *session,
			     const struct crossfuse_call *call, int error,
			     void *buf);

/*
 * How many bytes of a notification must be in the head, if it is TOTAL_LEN
 * bytes long. HEADER is its first 16 bytes, not yet translated. -EBADMSG if
 * TOTAL_LEN is less than that.
 */
ssize_t crossfuse_notify_head_len(const struct crossfuse_session *session,
				  const void *header, size_t total_len);

/*
 * Translates a notification (a server's message with unique 0) to the
 * client's form. -EBADMSG, -ENOSYS as for a request.
 */
int crossfuse_session_notify(struct crossfuse_session *session, void *head,
			     size_t head_len, size_t total_len);

/*
 * The same three for a message that lies in pieces, and for memory that must
 * not be written to. IOV, IOV_COUNT pieces, is only read. The head is copied to
 * HEAD, of HEAD_SIZE bytes, and translated there. RET_IOV, with room for
 * IOV_COUNT + 1 pieces, describes the translated message: HEAD, then what of
 * IOV is not in the head, where it lies.
 *
 * The number of pieces in RET_IOV. Negative: what the other three return. Or,
 * with CALL set to zero and nothing done: -ENOBUFS if the head is longer than
 * HEAD_SIZE (a message's whole length is always enough); -EINVAL for an
 * IOV_COUNT that is not positive, or lengths that do not add up. HEAD may be
 * written to even so, RET_IOV is not.
 */
int crossfuse_session_request_iov(struct crossfuse_session *session,
				  struct crossfuse_call *call,
				  const struct iovec *iov, int iov_count,
				  void *head, size_t head_size,
				  struct iovec *ret_iov);
int crossfuse_session_reply_iov(struct crossfuse_session *session,
				const struct crossfuse_call *call,
				const struct iovec *iov, int iov_count,
				void *head, size_t head_size,
				struct iovec *ret_iov);
int crossfuse_session_notify_iov(struct crossfuse_session *session,
				 const struct iovec *iov, int iov_count,
				 void *head, size_t head_size,
				 struct iovec *ret_iov);

/*
 * For whoever passes requests on under numbers of its own
 * (crossfuse/inflight.h). All numbers are in this machine's byte order.
 *
 * crossfuse_call_renumber() gives a request that crossfuse_session_request()
 * has translated, CALL and HEAD, another number: its header's `unique` becomes
 * UNIQUE, crossfuse_session_reply() expects it in the reply and puts the
 * client's own there again. It may be called again, if the request is sent
 * again. Of an INTERRUPT, UNIQUE is the number that was given to the request
 * which it interrupts: with CF_INT_REQ_BIT it becomes the INTERRUPT's own.
 * NOTIFY_REPLY is no reply to look for, and its number is that which the server
 * gave in its RETRIEVE: it keeps it. 0; -EINVAL for NOTIFY_REPLY; -EBADMSG for
 * an INTERRUPT that is too short.
 */
int crossfuse_call_renumber(struct crossfuse_call *call, void *head,
			    size_t head_len, uint64_t unique);

/*
 * Which request the INTERRUPT that is CALL and HEAD, translated but not yet
 * renumbered, names by the client's number. 0; -EINVAL for another opcode;
 * -EBADMSG if it is too short.
 */
int crossfuse_interrupt_unique(const struct crossfuse_call *call,
			       const void *head, size_t head_len,
			       uint64_t *ret_unique);

/*
 * The number in a reply as it came from the server, not yet translated, of
 * which HEADER is the first 16 bytes; 0 of a notification.
 */
uint64_t crossfuse_reply_unique(const struct crossfuse_session *session,
				const void *header);

/*
 * How long a reply to CALL can be, HEAD being its translated request: by the
 * size that the request allows, or by what the opcode has, which for READLINK
 * and CUSE_INIT is a bound. 0 if there is no reply (of INTERRUPT there may be
 * one). At most 2^32 + 31: the client chooses these sizes, and what it has
 * room for bounds them as well. -EBADMSG if HEAD is too short for the field
 * that tells; -ENOSYS for an opcode that is not known.
 */
int64_t crossfuse_reply_max_len(const struct crossfuse_call *call,
				const void *head, size_t head_len);

/*
 * A session on its way to another process or machine, of any architecture and
 * any later version of the library: what the handshake came to, and what the
 * client is taken for and why. Not the configuration, which is the other
 * side's own and may name another server ABI; nor the calls in flight.
 *
 * crossfuse_session_save() writes it to BUF, of SIZE bytes: the length,
 * CROSSFUSE_SESSION_SAVE_MAX at most; -ENOBUFS if there is no room. No other
 * call on the session may run at the same time.
 *
 * crossfuse_session_load() starts SESSION as crossfuse_session_init() does and
 * then goes on where the saved one was. What stands in BUF is not trusted. 0;
 * -EPROTONOSUPPORT if it is of a version that is not known here; -EBADMSG if
 * it is not what crossfuse_session_save() writes; -EINVAL for a configuration
 * that makes no sense, or has another role, or another client in that role.
 * SESSION is untouched then.
 */
#define CROSSFUSE_SESSION_SAVE_MAX 128
ssize_t crossfuse_session_save(const struct crossfuse_session *session,
			       void *buf, size_t size);
int crossfuse_session_load(struct crossfuse_session *session,
			   const struct crossfuse_config *config,
			   const void *buf, size_t len);

/* What is known of the client now; *RET_SOURCE may be NULL. */
const struct crossfuse_abi *
crossfuse_session_client(const struct crossfuse_session *session,
			 enum crossfuse_source *ret_source);

#ifdef __cplusplus
}
#endif
#endif
