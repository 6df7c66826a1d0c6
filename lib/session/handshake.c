/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FUSE_INIT and its reply: who the client is, whether it speaks canonical
 * constants, and what the server behind is to see of that.
 */
#include "../message/bytes.h"
#include "../message/parts.h"
#include "offer.h"
#include "private.h"
#include <errno.h>

/* The server behind sees a plain INIT. */
static void hide_offer(uint8_t *body, size_t len, uint32_t minor, bool swapped)
{
	uint32_t upper;

	if (len < END_OF(init_in, arch_id))
		return;
	upper = cf_get32(body + INIT_AT(flags2), swapped);
	upper &= ~(uint32_t)(canon_bits(minor) >> 32);
	cf_put32(body + INIT_AT(flags2), upper, swapped);
	cf_put32(body + INIT_AT(arch_id), 0, swapped);
}

/* A decision about the client, before anything is changed. */
struct decision {
	const struct crossfuse_abi *client;
	enum crossfuse_source source;
	uint32_t extra;
};

static bool is_big(const struct session *s)
{
	return s->swapped != cf_machine_big();
}

/*
 * One name may stand for both byte orders (mips64, a monitor of ppc64 and
 * ppc64le): the ABI like this one in the byte order of INIT, if there is one.
 */
static const struct crossfuse_abi *in_order(const struct session *s,
					    const struct crossfuse_abi *abi)
{
	const struct crossfuse_abi *other;

	if (!abi || crossfuse_abi_big_endian(abi) == is_big(s))
		return abi;
	for (size_t i = 0; (other = crossfuse_abi_at(i)); i++)
		if (crossfuse_abi_big_endian(other) == is_big(s) &&
		    crossfuse_abi_long_bits(other) ==
			    crossfuse_abi_long_bits(abi) &&
		    crossfuse_abi_page_size(other) ==
			    crossfuse_abi_page_size(abi) &&
		    !cf_session_values_differ(abi, other))
			return other;
	return abi;
}

/*
 * The client that does not speak canonical, by what is known of it. One that is
 * not Linux has the values of Linux on x86, on whatever machine its monitor
 * emulates.
 */
static void decide_known(const struct session *s, const struct offer *offer,
			 struct decision *ret)
{
	const struct crossfuse_abi *named =
		crossfuse_abi_by_arch_id(offer->arch_id);

	if (named)
		*ret = (struct decision){ named, CROSSFUSE_SOURCE_ARCH_ID, 0 };
	else if (s->config.client)
		*ret = (struct decision){ s->config.client,
					  CROSSFUSE_SOURCE_ADMIN, 0 };
	else if (s->config.monitor && !offer->from_linux && !is_big(s))
		*ret = (struct decision){ crossfuse_abi_by_name("x86_64"),
					  CROSSFUSE_SOURCE_INIT, 0 };
	else if (s->config.monitor)
		*ret = (struct decision){ s->config.monitor,
					  CROSSFUSE_SOURCE_MONITOR, 0 };
	else
		*ret = (struct decision){ NULL, CROSSFUSE_SOURCE_NONE, 0 };
	ret->client = in_order(s, ret->client);
}

static bool is_of_servers_abi(const struct session *s,
			      const struct decision *decision)
{
	return decision->client &&
	       !cf_session_values_differ(decision->client, s->config.server);
}

/*
 * 0, or -EPROTO if policy wants the client refused. SWAP: the byte orders of
 * the two sides differ.
 */
static int decide(const struct session *s, const struct offer *offer, bool swap,
		  struct decision *ret)
{
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	struct decision decision;

	decide_known(s, offer, &decision);
	if (s->config.policy == CROSSFUSE_IGNORE) {
		decision.extra = MODE_UNTOUCHED;
	} else if (offer->canon) {
		/* Not wanted where client and server agree anyway. */
		if (decision.source != CROSSFUSE_SOURCE_ARCH_ID ||
		    !is_of_servers_abi(s, &decision))
			decision = (struct decision){ canonical,
						      CROSSFUSE_SOURCE_CANON,
						      0 };
	} else if (s->config.policy == CROSSFUSE_REFUSE) {
		if (swap || !is_of_servers_abi(s, &decision))
			return -EPROTO;
	} else if (offer->arch_id && !decision.client) {
		return -EPROTO;
	} else if (!decision.client && !s->config.no_detect) {
		decision.extra = MODE_DETECT;
	}
	*ret = decision;
	return 0;
}

static void start_over(struct session *s, const struct offer *offer,
		       bool swapped)
{
	s->init_flags = offer->flags;
	s->arch_id = offer->arch_id;
	s->major = offer->major;
	s->minor = offer->minor;
	s->offered = offer->canon;
	s->answered = false;
	s->setxattr_ext = false;
	s->refused = NULL;
	s->swapped = swapped;
	atomic_store(&s->contradicted, false);
	cf_detect_start(s);
}

/*
 * What is known of the client does not fit together: it says otherwise than
 * its monitor or the administrator, or has a byte order that its ABI has not.
 */
static void compare_knowledge(struct session *s, const struct decision *known)
{
	const struct crossfuse_abi *said = s->config.client;
	bool differs;

	if (!said)
		said = s->config.monitor;
	differs = known->source == CROSSFUSE_SOURCE_ARCH_ID && said &&
		  cf_session_values_differ(said, known->client);
	if (differs || crossfuse_abi_big_endian(known->client) != is_big(s))
		cf_session_event(s, CROSSFUSE_EVENT_CONTRADICTION, CF_INIT,
				 s->arch_id);
}

/* Before this, messages had other layouts. */
static bool is_too_old(uint32_t major, uint32_t minor)
{
	return major == CF_KERNEL_VERSION && minor < CF_OLDEST_MINOR_VERSION;
}

static int refuse(struct session *s, const struct crossfuse_call *call,
		  const struct offer *offer)
{
	struct decision known;

	cf_session_set_client(s, NULL, CROSSFUSE_SOURCE_NONE, 0);
	decide_known(s, offer, &known);
	s->refused = known.client ? known.client : crossfuse_abi_canonical();
	cf_session_event(s, CROSSFUSE_EVENT_REFUSED, call->opcode, 0);
	return -EPROTO;
}

static void forward_request(struct session *s, struct crossfuse_call *call,
			    uint8_t *head, size_t len)
{
	uint8_t *body = head + sizeof(struct cf_in_header);
	const struct crossfuse_layout *layout = &call_op(call)->request;

	if (call->private_word & MODE_UNTOUCHED)
		return;
	if (call->opcode == CF_INIT && s->arch_id)
		hide_offer(body, len, s->minor, s->swapped);
	if (mode_swaps(call->private_word)) {
		cf_swap_in_header(head);
		cf_swap_fixed(layout, body,
			      len < layout->size ? len : layout->size);
	}
}

int cf_handshake_request(struct session *s, struct crossfuse_call *call,
			 uint8_t *head, size_t head_len, size_t total_len,
			 bool swapped)
{
	uint8_t *body = head + sizeof(struct cf_in_header);
	size_t len = head_len - sizeof(struct cf_in_header);
	struct decision decision = { NULL, CROSSFUSE_SOURCE_NONE, 0 };
	struct offer offer;
	uint32_t out;

	/* Even a refusal must be in the client's byte order. */
	call->opcode = cf_get32(head + IN_AT(opcode), swapped);
	call->unique = cf_get64(head + IN_AT(unique), swapped);
	call->private_word = swapped ? MODE_IN_SWAP : 0;
	call->private_data[CALL_OP] = (uintptr_t)cf_opcode(call->opcode);
	if (head_len != total_len || len < CF_COMPAT_INIT_IN_SIZE ||
	    cf_get32(head + IN_AT(len), swapped) != total_len)
		return cf_session_malformed(s, call->opcode);
	read_offer(body, len, swapped, &offer);
	if (!offer.major || offer.major > 0xffff || offer.minor > 0xffff)
		return cf_session_malformed(s, call->opcode);
	if (call->opcode == CF_CUSE_INIT) {
		offer.arch_id = 0;
		offer.from_linux = true;
		offer.canon = false;
	}

	start_over(s, &offer, swapped);
	if (is_too_old(offer.major, offer.minor) &&
	    (s->config.policy != CROSSFUSE_IGNORE ||
	     s->config.role == CROSSFUSE_ROLE_CLIENT))
		return refuse(s, call, &offer);
	if (s->config.role == CROSSFUSE_ROLE_CLIENT) {
		cf_client_offer(s, call, body, len, &offer);
		return 0;
	}
	out = cf_session_server_swap(s);
	/* Another major number: the server says its own, and INIT comes again. */
	if (offer.major == CF_KERNEL_VERSION &&
	    decide(s, &offer, !swapped != !out, &decision))
		return refuse(s, call, &offer);
	cf_session_set_client(s, decision.client, decision.source,
			      decision.extra);
	s->answered = decision.source == CROSSFUSE_SOURCE_CANON;
	call->private_word = state_of(s) & MODE_OF_CALL;
	if (decision.client && decision.client != crossfuse_abi_canonical())
		compare_knowledge(s, &decision);
	forward_request(s, call, head, len);
	return 0;
}

/*
 * The server's limit in the unit that the client takes it for. Where the
 * client's page size is not known the number stays: a client with larger pages
 * then reads and writes at least as much at once as the server allows, and its
 * writes are still held to max_write, which counts bytes.
 */
static uint16_t client_pages(const struct session *s, uint16_t pages)
{
	const struct crossfuse_abi *client = known_client(state_of(s));
	uint64_t bytes = (uint64_t)pages * s->config.server_page_size;
	uint64_t size = s->config.client_page_size;
	uint64_t count;

	if (s->answered)
		size = CF_CANON_PAGE_SIZE;
	else if (!size && client)
		size = crossfuse_abi_page_size(client);
	if (!size || !pages)
		return pages;
	count = (bytes + size - 1) / size;
	return count < UINT16_MAX ? (uint16_t)count : UINT16_MAX;
}

/* The server could not be told to the client: its reply has no flags2. */
static int fall_back(struct session *s)
{
	const struct crossfuse_abi *named =
		crossfuse_abi_by_arch_id(s->arch_id);

	s->answered = false;
	if (!named)
		return -EBADMSG;
	cf_session_set_client(s, named, CROSSFUSE_SOURCE_ARCH_ID, 0);
	return 0;
}

/* The reply's flags: what was not offered goes, what was offered is answered. */
static void put_flags(const struct session *s, uint8_t *body, size_t len,
		      uint64_t flags)
{
	uint64_t bits = canon_bits(s->minor);
	uint64_t now = flags & ~bits;

	if (s->answered)
		now |= (s->init_flags & bits) | CF_INIT_EXT;
	if (now == flags || len < END_OF(init_out, flags2))
		return;
	cf_put32(body + ANSWER_AT(flags), (uint32_t)now, false);
	cf_put32(body + ANSWER_AT(flags2), (uint32_t)(now >> 32), false);
}

/* BODY is in this machine's byte order for as long as this takes. */
static int answer(struct session *s, uint8_t *body, size_t len)
{
	uint64_t flags = read_answer(body, len);

	if (s->answered && len < END_OF(init_out, flags2) && fall_back(s))
		return -EBADMSG;
	s->setxattr_ext = flags & s->init_flags & CF_INIT_SETXATTR_EXT;
	if (flags & CF_INIT_MAX_PAGES && len >= END_OF(init_out, max_pages))
		cf_put16(body + ANSWER_AT(max_pages),
			 client_pages(s, cf_get16(body + ANSWER_AT(max_pages),
						  false)),
			 false);
	put_flags(s, body, len, flags);
	return 0;
}

/* What a reply of this major version says; on a copy of it. */
static int take_answer(struct session *s, uint8_t *body, size_t len)
{
	int err = s->config.role == CROSSFUSE_ROLE_CLIENT
			  ? cf_client_answer(s, body, len)
			  : answer(s, body, len);

	if (err)
		return err;
	/* Of what is newer than what is known here nothing can be told. */
	if (checks(s) || mode_translates(state_of(s)))
		lower_minor(body);
	cf_session_event(s, CROSSFUSE_EVENT_INIT, CF_INIT, 0);
	return 0;
}

int cf_handshake_reply(struct session *s, const struct crossfuse_call *call,
		       uint8_t *head, size_t head_len, size_t total_len)
{
	uint8_t *body = head + sizeof(struct cf_out_header);
	const struct crossfuse_layout *layout = &call_op(call)->reply;
	uint8_t copy[sizeof(struct cf_init_out)];
	size_t len = head_len - sizeof(struct cf_out_header);
	bool out = call->private_word & MODE_OUT_SWAP;
	bool in = call->private_word & MODE_IN_SWAP;
	uint32_t major;
	int err;

	if (head_len != total_len || len < layout->min_size)
		return -EBADMSG;
	if (len > sizeof(copy))
		len = sizeof(copy);
	memcpy(copy, body, len);
	if (out)
		cf_swap_fixed(layout, copy, len);
	major = cf_get32(copy + ANSWER_AT(major), false);
	/* A reply to another major number says no more than its own. */
	if (s->major != CF_KERNEL_VERSION)
		major = 0;
	if (is_too_old(major, cf_get32(copy + ANSWER_AT(minor), false)))
		return -EBADMSG;
	if (major == CF_KERNEL_VERSION && len >= CF_COMPAT_22_INIT_OUT_SIZE) {
		err = take_answer(s, copy, len);
		if (err)
			return err;
	}
	if (in)
		cf_swap_fixed(layout, copy, len);
	memcpy(body, copy, len);
	if (in != out)
		cf_swap_out_header(head);
	return 0;
}
