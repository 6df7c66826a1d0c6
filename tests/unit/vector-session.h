/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One session as the test vectors and the filter drive it. Errors come out as
 * canonical numbers, so that they read the same on every machine.
 */
#ifndef VECTOR_SESSION_H
#define VECTOR_SESSION_H

#include <crossfuse/session.h>
#include <stdlib.h>
#include <string.h>

enum {
	VECTOR_EBADMSG = 74
};

struct vector_session {
	struct crossfuse_session session;
	struct crossfuse_call call;
};

static inline uint32_t vector_canonical(int err)
{
	return (uint32_t)crossfuse_errno(crossfuse_abi_native(),
					 crossfuse_abi_canonical(), -err, NULL);
}

/*
 * 0, or -1 for names that mean nothing. CLIENT "-": nothing is said; SERVER
 * "-": with the client's role, whose pages PAGE is of then.
 */
static inline int vector_start(struct vector_session *v, const char *server,
			       const char *client, const char *policy,
			       uint32_t page)
{
	struct crossfuse_config config = { .no_detect = true };
	bool plays_client = !strcmp(server, "-");

	config.server = crossfuse_abi_by_name(server);
	config.client = crossfuse_abi_by_name(client);
	if (plays_client) {
		config.role = CROSSFUSE_ROLE_CLIENT;
		config.client_page_size = page;
	} else {
		config.server_page_size = page;
	}
	if ((!config.server && !plays_client) ||
	    (!config.client && strcmp(client, "-")))
		return -1;
	if (!strcmp(policy, "refuse"))
		config.policy = CROSSFUSE_REFUSE;
	else if (!strcmp(policy, "ignore"))
		config.policy = CROSSFUSE_IGNORE;
	else if (strcmp(policy, "translate"))
		return -1;
	memset(v, 0, sizeof(*v));
	return crossfuse_session_init(&v->session, &config);
}

/* Hands over no more than the head, in memory that ends with it. */
static inline uint32_t vector_translate(struct vector_session *v, char what,
					uint8_t *message, size_t len,
					size_t head_len)
{
	uint8_t *head = malloc(head_len ? head_len : 1);
	int err = -1;

	if (!head)
		abort();
	memcpy(head, message, head_len);
	if (what == 'Q')
		err = crossfuse_session_request(&v->session, &v->call, head,
						head_len, len);
	else if (what == 'R')
		err = crossfuse_session_reply(&v->session, &v->call, head,
					      head_len, len);
	else
		err = crossfuse_session_notify(&v->session, head, head_len,
					       len);
	/* What is refused must be as it was. */
	if (err && memcmp(head, message, head_len))
		abort();
	memcpy(message, head, head_len);
	free(head);
	return vector_canonical(err);
}

/*
 * Translates a request (Q), a reply to the last one (R) or a notification (N)
 * in place. 0, or a canonical error.
 */
static inline uint32_t vector_pass(struct vector_session *v, char what,
				   uint8_t *message, size_t len)
{
	size_t head_len = len;
	ssize_t need;

	if (what == 'Q') {
		if (len < 40)
			return VECTOR_EBADMSG;
		need = crossfuse_request_head_len(&v->session, message, len);
		if (need < 0)
			return vector_canonical((int)need);
		head_len = (size_t)need;
	} else if (what == 'R') {
		head_len = crossfuse_reply_head_len(&v->call, len);
		if (head_len > len)
			return VECTOR_EBADMSG;
	}
	return vector_translate(v, what, message, len, head_len);
}

/* The library's own reply that fails the last request; ERROR is canonical. */
static inline void vector_error(struct vector_session *v, uint32_t error,
				uint8_t reply[16])
{
	int native = crossfuse_errno(crossfuse_abi_canonical(),
				     crossfuse_abi_native(), (int)error, NULL);

	crossfuse_session_error(&v->session, &v->call, -native, reply);
}

#endif
