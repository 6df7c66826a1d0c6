/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection: what happens to each request, reply and notification. */
#include "../message/bytes.h"
#include "../message/parts.h"
#include "private.h"
#include <assert.h>
#include <errno.h>

static_assert(sizeof(struct session) <= sizeof(struct crossfuse_session),
	      "struct session outgrew its public memory");

#define IN_AT(field)  offsetof(struct cf_in_header, field)
#define OUT_AT(field) offsetof(struct cf_out_header, field)

/* What the caller keeps in the head even of a message with a file's bytes. */
enum {
	WRITE_HEAD = sizeof(struct cf_in_header) + sizeof(struct cf_write_in),
	OUT_HEAD = sizeof(struct cf_out_header),
};

uint32_t cf_session_server_swap(const struct session *s)
{
	const struct crossfuse_abi *server = s->config.server;

	/* All is in the client's byte order, canonical or not. */
	if (s->config.role == CROSSFUSE_ROLE_CLIENT)
		return s->swapped ? MODE_OUT_SWAP : 0;
	return server != crossfuse_abi_canonical() &&
			       crossfuse_abi_big_endian(server) !=
				       cf_machine_big()
		       ? MODE_OUT_SWAP
		       : 0;
}

static bool page_size_fits(uint32_t size)
{
	return !(size & (size - 1)) && (!size || size >= 512);
}

static bool config_fits(const struct crossfuse_config *config)
{
	for (size_t i = 0; i < 4; i++)
		if (config->reserved[i])
			return false;
	if (config->role > CROSSFUSE_ROLE_CLIENT ||
	    config->policy > CROSSFUSE_IGNORE ||
	    !page_size_fits(config->server_page_size) ||
	    !page_size_fits(config->client_page_size))
		return false;
	if (config->role == CROSSFUSE_ROLE_SERVER)
		return !config->arch_id;
	return config->policy != CROSSFUSE_REFUSE && !config->server &&
	       !config->monitor && !config->server_page_size &&
	       config->client != crossfuse_abi_canonical();
}

/* What was left out of the configuration of a client. */
static void complete_client(struct session *s)
{
	struct crossfuse_config *config = &s->config;

	if (!config->client)
		config->client = crossfuse_abi_native();
	if (!config->arch_id)
		config->arch_id = crossfuse_abi_arch_id(config->client);
	config->server = config->client;
	s->swapped = crossfuse_abi_big_endian(config->client) !=
		     cf_machine_big();
}

int crossfuse_session_init(struct crossfuse_session *session,
			   const struct crossfuse_config *config)
{
	struct session *s = session_of(session);

	if (!session || !config || !config_fits(config))
		return -EINVAL;
	memset(session, 0, sizeof(*session));
	s->config = *config;
	if (!s->config.server)
		s->config.server = crossfuse_abi_native();
	if (!s->config.server_page_size)
		s->config.server_page_size = CF_CANON_PAGE_SIZE;
	if (s->config.role == CROSSFUSE_ROLE_CLIENT)
		complete_client(s);
	atomic_flag_clear(&s->detecting);
	/* Until FUSE_INIT tells otherwise the client is like the server. */
	atomic_store(&s->state, cf_session_server_swap(s)
					? MODE_IN_SWAP | MODE_OUT_SWAP
					: 0);
	return 0;
}

bool cf_session_values_differ(const struct crossfuse_abi *a,
			      const struct crossfuse_abi *b)
{
	for (unsigned int group = 0; group < CROSSFUSE_GROUP_COUNT; group++)
		if (!crossfuse_abi_same_group(a, b,
					      (enum crossfuse_group)group))
			return true;
	return false;
}

static uint32_t id_of(const struct crossfuse_abi *client)
{
	const struct crossfuse_abi *abi;

	if (client == crossfuse_abi_canonical())
		return STATE_CANONICAL;
	for (uint32_t i = 0; client && (abi = crossfuse_abi_at(i)); i++)
		if (abi == client)
			return STATE_FIRST_ABI + i;
	return 0;
}

void cf_session_set_client(struct session *s,
			   const struct crossfuse_abi *client,
			   enum crossfuse_source source, uint32_t extra)
{
	uint32_t state = extra | (s->swapped ? MODE_IN_SWAP : 0);

	if (extra & MODE_UNTOUCHED)
		state |= s->swapped ? MODE_OUT_SWAP : 0;
	else
		state |= cf_session_server_swap(s);
	if (client && !(extra & MODE_UNTOUCHED) &&
	    cf_session_values_differ(client, s->config.server))
		state |= MODE_VALUES;
	state |= id_of(client) << STATE_CLIENT_SHIFT |
		 (uint32_t)source << STATE_SOURCE_SHIFT;
	/* INIT alone changes the server, and then there is no other message. */
	if (source != CROSSFUSE_SOURCE_TRAFFIC)
		s->last_flags = 0;
	/*
	 * Whoever meets one of the two too early goes on to where one thread
	 * decides at a time, and waits there for this one.
	 */
	if (extra & MODE_DETECT) {
		cf_detect_expect(s, s->config.server, false, true);
		atomic_store(&s->state, state);
	} else {
		atomic_store(&s->state, state);
		cf_detect_expect(s, client, source == CROSSFUSE_SOURCE_TRAFFIC,
				 false);
	}
}

ssize_t crossfuse_request_head_len(const struct crossfuse_session *session,
				   const void *header, size_t total_len)
{
	const struct session *s = session_of_const(session);
	const uint8_t *head = header;
	uint32_t mode, opcode;
	int init;
	bool swap;

	if (total_len < sizeof(struct cf_in_header) || total_len > UINT32_MAX)
		return -EBADMSG;
	mode = state_of(s);
	opcode = cf_get32(head + IN_AT(opcode), false);
	init = init_swapped(opcode);
	swap = init >= 0 ? init : (int)(mode & MODE_IN_SWAP);
	if (cf_get32(head + IN_AT(len), swap) != total_len)
		return -EBADMSG;
	opcode = cf_get32(head + IN_AT(opcode), swap);
	if ((opcode == CF_WRITE || opcode == CF_NOTIFY_REPLY) &&
	    total_len > WRITE_HEAD)
		return WRITE_HEAD;
	return (ssize_t)total_len;
}

bool crossfuse_opcode_has_reply(uint32_t opcode)
{
	const struct crossfuse_opcode *op = cf_opcode(opcode);

	return !op || op->has_reply;
}

int cf_session_malformed(struct session *s, uint32_t opcode)
{
	cf_session_unknown(s, CROSSFUSE_EVENT_MALFORMED, opcode, opcode);
	return -EBADMSG;
}

static uint16_t request_fixed(const struct session *s,
			      const struct crossfuse_layout *layout,
			      uint32_t opcode)
{
	return opcode == CF_SETXATTR && !s->setxattr_ext ? layout->min_size
							 : layout->size;
}

/* What the ABI changes in a request, before anything is written. */
static int request_value(struct session *s, struct crossfuse_call *call,
			 const struct crossfuse_layout *layout,
			 const uint8_t *body, uint32_t state, uint32_t *ret_now)
{
	bool swapped = state & MODE_IN_SWAP;
	uint32_t old;

	if (layout->kind == CROSSFUSE_KIND_IOCTL_CMD)
		return cf_ioctl_request(s, state, call, body, ret_now);
	old = cf_get32(body + layout->kind_at, swapped);
	if (layout->kind == CROSSFUSE_KIND_OPEN_FLAGS) {
		/* It may be the message that decides. */
		if (state & MODE_DETECT)
			cf_detect_feed(s, call->opcode, old);
		else
			contradiction_check(s, state, call->opcode, old);
		state = state_of(s);
	}
	return cf_value_of_request(s, state, layout->kind, call->opcode, old,
				   ret_now);
}

/*
 * Whether a request of a known opcode is what it says. 0 or -EBADMSG; *RET_PARTS
 * tells where things are in it.
 */
static inline int check_request(struct session *s, struct crossfuse_call *call,
				const uint8_t *head, size_t head_len,
				size_t total_len, uint32_t mode,
				struct cf_parts *ret_parts)
{
	const uint8_t *body = head + sizeof(struct cf_in_header);
	const struct crossfuse_layout *layout = &call_op(call)->request;
	bool swapped = mode & MODE_IN_SWAP;
	struct crossfuse_fault fault;
	struct cf_source source = {
		.swapped = swapped,
		.swap = mode_swaps(mode),
		.minor = s->minor,
		.fixed = request_fixed(s, layout, call->opcode),
		.extlen = 8u * cf_get16(head + IN_AT(total_extlen), swapped),
	};

	if (cf_check(layout, &source, body,
		     head_len - sizeof(struct cf_in_header),
		     total_len - sizeof(struct cf_in_header), ret_parts,
		     &fault))
		return cf_session_malformed(s, call->opcode);
	if (call->opcode == CF_GETXATTR || call->opcode == CF_LISTXATTR)
		if (!cf_get32(body, swapped))
			call->private_data[CALL_FLAGS] |= CALL_ASKS_SIZE;
	return 0;
}

/* A request that was checked. */
static int translate_request(struct session *s, struct crossfuse_call *call,
			     uint8_t *head, uint32_t state,
			     const struct cf_parts *parts)
{
	uint8_t *body = head + sizeof(struct cf_in_header);
	const struct crossfuse_layout *layout = &call_op(call)->request;
	uint32_t now = 0;
	int err;

	if (layout->kind) {
		err = request_value(s, call, layout, body, state, &now);
		if (err)
			return err;
	}
	if (mode_swaps(state)) {
		if (layout->tail == CROSSFUSE_TAIL_IOCTL)
			cf_ioctl_request_swap(call, body + parts->tail_at,
					      parts->tail_len);
		cf_swap_in_header(head);
		cf_swap_parts(layout, parts, state & MODE_IN_SWAP, body);
	}
	if (layout->kind)
		cf_put32(body + layout->kind_at, now, state & MODE_OUT_SWAP);
	return 0;
}

/* All that is not: nothing to do. */
static int slow_request(struct session *s, struct crossfuse_call *call,
			uint8_t *head, size_t head_len, size_t total_len,
			uint32_t state)
{
	bool swapped = state & MODE_IN_SWAP;
	struct cf_parts parts;
	int err;

	call->opcode = cf_get32(head + IN_AT(opcode), swapped);
	call->unique = cf_get64(head + IN_AT(unique), swapped);
	if (cf_get32(head + IN_AT(len), swapped) != total_len)
		return cf_session_malformed(s, call->opcode);
	if (state & MODE_UNTOUCHED || (!checks(s) && !mode_translates(state)))
		return 0;
	call->private_data[CALL_OP] = (uintptr_t)cf_opcode(call->opcode);
	if (!call_op(call)) {
		if (!mode_swaps(state))
			return 0;
		cf_session_unknown(s, CROSSFUSE_EVENT_UNKNOWN_OPCODE,
				   call->opcode, call->opcode);
		return -ENOSYS;
	}
	err = check_request(s, call, head, head_len, total_len, state, &parts);
	if (err || !mode_translates(state))
		return err;
	return translate_request(s, call, head, state, &parts);
}

/* The sides agree: what a message says is looked at, and nothing is changed. */
static int plain_request(struct session *s, struct crossfuse_call *call,
			 const uint8_t *head, size_t head_len, size_t total_len)
{
	struct cf_parts parts;

	if (cf_get32(head + IN_AT(len), false) != total_len)
		return cf_session_malformed(s, call->opcode);
	call->private_data[CALL_OP] = (uintptr_t)cf_opcode(call->opcode);
	if (!call_op(call))
		return 0;
	return check_request(s, call, head, head_len, total_len, 0, &parts);
}

int crossfuse_session_request(struct crossfuse_session *session,
			      struct crossfuse_call *call, void *head,
			      size_t head_len, size_t total_len)
{
	struct session *s = session_of(session);
	uint32_t state = state_of(s), mode = state & MODE_ALL, raw;
	uint8_t *at = head;

	*call = (struct crossfuse_call){ 0 };
	call->private_word = mode & MODE_OF_CALL;
	if (head_len < sizeof(struct cf_in_header) || head_len > total_len)
		return cf_session_malformed(s, 0);
	raw = cf_get32(at + IN_AT(opcode), false);
	if (init_swapped(raw) >= 0)
		return cf_handshake_request(s, call, at, head_len, total_len,
					    init_swapped(raw));
	/* While the client is being found out, few requests matter for it. */
	if (mode == MODE_DETECT && evidence_class(raw) == EVIDENCE_NONE)
		mode = 0;
	if (mode)
		return slow_request(s, call, at, head_len, total_len, state);
	call->opcode = raw;
	call->unique = cf_get64(at + IN_AT(unique), false);
	return checks(s) ? plain_request(s, call, at, head_len, total_len) : 0;
}

size_t crossfuse_reply_head_len(const struct crossfuse_call *call,
				size_t total_len)
{
	if (call->opcode == CF_READ || total_len < OUT_HEAD)
		return OUT_HEAD;
	return total_len;
}

/* GETXATTR answers with a struct or with the value. */
static uint16_t reply_fixed(const struct crossfuse_call *call,
			    const struct crossfuse_layout *layout)
{
	if (call->opcode == CF_GETXATTR || call->opcode == CF_LISTXATTR)
		return call->private_data[CALL_FLAGS] & CALL_ASKS_SIZE
			       ? layout->size
			       : 0;
	return layout->size;
}

/* Of a reply without an error that is not INIT's. */
static inline int check_reply(const struct crossfuse_call *call,
			      const uint8_t *head, size_t head_len,
			      size_t total_len, uint32_t mode,
			      struct cf_parts *ret_parts)
{
	const struct crossfuse_layout *layout = &call_op(call)->reply;
	struct cf_source source = {
		.swapped = mode & MODE_OUT_SWAP,
		.swap = mode_swaps(mode),
		.fixed = reply_fixed(call, layout),
	};
	struct crossfuse_fault fault;

	if (cf_check(layout, &source, head + OUT_HEAD, head_len - OUT_HEAD,
		     total_len - OUT_HEAD, ret_parts, &fault))
		return -EBADMSG;
	return call->private_data[CALL_FLAGS] & CALL_ASKS_SIZE &&
			       ret_parts->tail_len
		       ? -EBADMSG
		       : 0;
}

/* A reply that was checked. */
static int translate_reply(struct session *s, uint32_t state,
			   const struct crossfuse_call *call, uint8_t *head,
			   uint32_t mode, const struct cf_parts *parts)
{
	uint8_t *body = head + OUT_HEAD;
	const struct crossfuse_layout *layout = &call_op(call)->reply;
	bool swapped = mode & MODE_OUT_SWAP;
	bool retry = false;
	uint32_t now = 0;

	if (layout->tail == CROSSFUSE_TAIL_IOCTL) {
		retry = cf_get32(body + offsetof(struct cf_ioctl_out, flags),
				 swapped) &
			CF_IOCTL_RETRY;
		if (!retry && cf_ioctl_reply(call, parts->tail_len))
			return -EBADMSG;
	}
	if (layout->kind &&
	    cf_value_of_reply(s, state, layout->kind, call->opcode,
			      cf_get32(body + layout->kind_at, swapped), &now))
		return -EBADMSG;
	if (mode_swaps(mode)) {
		if (layout->tail == CROSSFUSE_TAIL_IOCTL)
			cf_ioctl_reply_swap(call, body + parts->tail_at,
					    parts->tail_len, retry);
		cf_swap_out_header(head);
		cf_swap_parts(layout, parts, swapped, body);
	}
	if (layout->kind)
		cf_put32(body + layout->kind_at, now, mode & MODE_IN_SWAP);
	return 0;
}

/* The error alone, of a reply that has nothing else to change. */
static void translate_error(struct session *s, uint32_t state,
			    const struct crossfuse_call *call, uint8_t *head,
			    int32_t error, uint32_t mode)
{
	int32_t now = cf_value_of_error(s, state, call->opcode, error);

	if (mode_swaps(mode))
		cf_swap_out_header(head);
	cf_put32(head + OUT_AT(error), (uint32_t)now, mode & MODE_IN_SWAP);
}

/* The number of a reply is still the server's. */
static int any_reply(struct session *s, const struct crossfuse_call *call,
		     uint8_t *at, size_t head_len, size_t total_len)
{
	uint32_t state = state_of(s);
	uint32_t mode = call->private_word | (state & MODE_VALUES);
	uint64_t unique = call->unique ^ call->private_data[CALL_NUMBER];
	bool swapped = mode & MODE_OUT_SWAP;
	struct cf_parts parts;
	int32_t error;
	int err;

	if (head_len < OUT_HEAD || head_len > total_len ||
	    cf_get32(at + OUT_AT(len), swapped) != total_len ||
	    cf_get64(at + OUT_AT(unique), swapped) != unique)
		return -EBADMSG;
	error = (int32_t)cf_get32(at + OUT_AT(error), swapped);
	if (error > 0 || error < -4095 || (error && total_len != OUT_HEAD))
		return -EBADMSG;
	if (mode & MODE_UNTOUCHED)
		return 0;
	if (!error && call->opcode == CF_INIT)
		return cf_handshake_reply(s, call, at, head_len, total_len);
	if (error || !call_op(call)) {
		if (mode_translates(mode))
			translate_error(s, state, call, at, error, mode);
		return 0;
	}
	if (!checks(s) && !mode_translates(mode))
		return 0;
	err = check_reply(call, at, head_len, total_len, mode, &parts);
	if (err || !mode_translates(mode))
		return err;
	return translate_reply(s, state, call, at, mode, &parts);
}

int crossfuse_session_reply(struct crossfuse_session *session,
			    const struct crossfuse_call *call, void *head,
			    size_t head_len, size_t total_len)
{
	uint8_t *at = head;
	int err = any_reply(session_of(session), call, at, head_len, total_len);

	if (!err && call->private_data[CALL_NUMBER])
		cf_put64(at + OUT_AT(unique), call->unique,
			 call->private_word & MODE_IN_SWAP);
	return err;
}

void crossfuse_session_error(const struct crossfuse_session *session,
			     const struct crossfuse_call *call, int error,
			     void *buf)
{
	const struct session *s = session_of_const(session);
	bool swap = call->private_word & MODE_IN_SWAP;
	uint8_t *at = buf;
	int32_t now = 0;

	if (error < 0)
		now = -crossfuse_errno(crossfuse_abi_native(),
				       s->refused ? s->refused
						  : client_abi(s, state_of(s)),
				       -error, NULL);
	cf_put32(at + OUT_AT(len), OUT_HEAD, swap);
	cf_put32(at + OUT_AT(error), (uint32_t)now, swap);
	cf_put64(at + OUT_AT(unique), call->unique, swap);
}

ssize_t crossfuse_notify_head_len(const struct crossfuse_session *session,
				  const void *header, size_t total_len)
{
	const struct session *s = session_of_const(session);
	uint32_t mode = state_of(s);
	const uint8_t *at = header;
	const struct crossfuse_layout *layout;

	if (total_len < OUT_HEAD || total_len > UINT32_MAX)
		return -EBADMSG;
	layout = cf_notify(cf_get32(at + OUT_AT(error), mode & MODE_OUT_SWAP));
	if (layout && layout->tail == CROSSFUSE_TAIL_DATA &&
	    total_len > (size_t)OUT_HEAD + layout->size)
		return (ssize_t)OUT_HEAD + layout->size;
	return (ssize_t)total_len;
}

int crossfuse_session_notify(struct crossfuse_session *session, void *head,
			     size_t head_len, size_t total_len)
{
	struct session *s = session_of(session);
	uint32_t mode = state_of(s);
	bool swapped = mode & MODE_OUT_SWAP;
	struct cf_source source = { .swapped = swapped,
				    .swap = mode_swaps(mode) };
	const struct crossfuse_layout *layout;
	struct crossfuse_fault fault;
	struct cf_parts parts;
	uint8_t *at = head;
	uint32_t code;

	if (head_len < OUT_HEAD || head_len > total_len ||
	    cf_get32(at + OUT_AT(len), swapped) != total_len ||
	    cf_get64(at + OUT_AT(unique), swapped))
		return -EBADMSG;
	code = cf_get32(at + OUT_AT(error), swapped);
	if (!code || code > INT32_MAX)
		return -EBADMSG;
	if (mode & MODE_UNTOUCHED || (!source.swap && !checks(s)))
		return 0;
	layout = cf_notify(code);
	if (!layout && !source.swap)
		return 0;
	if (!layout) {
		cf_session_unknown(s, CROSSFUSE_EVENT_UNKNOWN_OPCODE, 0, code);
		return -ENOSYS;
	}
	source.fixed = layout->size;
	if (cf_check(layout, &source, at + OUT_HEAD, head_len - OUT_HEAD,
		     total_len - OUT_HEAD, &parts, &fault))
		return -EBADMSG;
	if (source.swap) {
		cf_swap_out_header(at);
		cf_swap_parts(layout, &parts, swapped, at + OUT_HEAD);
	}
	return 0;
}

const struct crossfuse_abi *
crossfuse_session_client(const struct crossfuse_session *session,
			 enum crossfuse_source *ret_source)
{
	uint32_t state = state_of(session_of_const(session));

	if (ret_source)
		*ret_source = source_of(state);
	return known_client(state);
}
