/* SPDX-License-Identifier: BSD-2-Clause */
/* The client's side of the handshake: the offer, and what becomes of it. */
#include "offer.h"
#include "private.h"
#include <errno.h>

/*
 * Adds to INIT what is needed for an offer; true if there is room for it. Not
 * by the old bit, whatever the minor: some servers answer that one in ignorance.
 */
static bool put_offer(const struct session *s, uint8_t *body, size_t len,
		      const struct offer *offer)
{
	uint64_t flags = (offer->flags & ~canon_bits(offer->minor)) |
			 CF_INIT_CANON_ARCH | CF_INIT_EXT;
	bool swapped = s->swapped;

	if (len < END_OF(init_in, arch_id))
		return false;
	cf_put32(body + INIT_AT(flags), (uint32_t)flags, swapped);
	cf_put32(body + INIT_AT(flags2), (uint32_t)(flags >> 32), swapped);
	cf_put32(body + INIT_AT(arch_id), s->config.arch_id, swapped);
	return true;
}

void cf_client_offer(struct session *s, struct crossfuse_call *call,
		     uint8_t *body, size_t len, const struct offer *offer)
{
	/* Until it is answered, the server is taken to be of our kind. */
	s->config.server = s->config.client;
	s->arch_id = offer->arch_id;
	s->offered = false;
	if (call->opcode == CF_INIT && offer->major == CF_KERNEL_VERSION &&
	    s->config.policy != CROSSFUSE_IGNORE &&
	    put_offer(s, body, len, offer)) {
		s->arch_id = s->config.arch_id;
		s->offered = true;
	}
	/* An offer that the client makes without us is its own affair. */
	s->own_offer = offer->canon && !s->offered;
	cf_session_set_client(s, s->config.client, CROSSFUSE_SOURCE_ADMIN, 0);
	call->private_word = state_of(s) & MODE_OF_CALL;
}

/* Canonical max_pages in pages of the client. */
static void put_pages(const struct session *s, uint8_t *body, size_t len,
		      uint64_t flags)
{
	uint32_t size = s->config.client_page_size;
	uint64_t pages;

	if (!size)
		size = crossfuse_abi_page_size(s->config.client);
	if (!size || !(flags & CF_INIT_MAX_PAGES) ||
	    len < END_OF(init_out, max_pages))
		return;
	pages = (uint64_t)CF_CANON_PAGE_SIZE *
		cf_get16(body + ANSWER_AT(max_pages), false);
	if (!pages)
		return;
	pages /= size;
	if (!pages)
		pages = 1;
	if (pages > UINT16_MAX)
		pages = UINT16_MAX;
	cf_put16(body + ANSWER_AT(max_pages), (uint16_t)pages, false);
}

/* The client sees an answer to the INIT that it sent, without the offer. */
static void hide_answer(const struct session *s, uint8_t *body, size_t len,
			uint64_t flags)
{
	if (len < END_OF(init_out, flags2))
		return;
	flags &= ~CF_INIT_CANON_ARCH;
	if (!(s->init_flags & CF_INIT_EXT))
		flags &= UINT32_MAX & ~CF_INIT_EXT;
	cf_put32(body + ANSWER_AT(flags), (uint32_t)flags, false);
	cf_put32(body + ANSWER_AT(flags2), (uint32_t)(flags >> 32), false);
}

int cf_client_answer(struct session *s, uint8_t *body, size_t len)
{
	uint64_t flags = read_answer(body, len);
	uint64_t bits = canon_bits(s->minor);
	uint64_t offered = 0;

	if (s->offered)
		offered = CF_INIT_CANON_ARCH;
	else if (s->own_offer)
		offered = s->init_flags & bits;
	if (flags & bits & ~offered)
		return -EPROTO;
	s->setxattr_ext = flags & s->init_flags & CF_INIT_SETXATTR_EXT;
	if (!s->offered)
		return 0;
	if (flags & CF_INIT_CANON_ARCH) {
		s->answered = true;
		s->config.server = crossfuse_abi_canonical();
		cf_session_set_client(s, s->config.client,
				      CROSSFUSE_SOURCE_CANON, 0);
		put_pages(s, body, len, flags);
	}
	hide_answer(s, body, len, flags);
	return 0;
}
