// SPDX-License-Identifier: BSD-2-Clause
/* Requests that no kernel would send. */
#include "attack.h"
#include <string.h>

static void nothing_to_read(struct attack *attack)
{
	attack_set_desc(attack->ring->desc, attack->page_addr, 512,
			VRING_DESC_WRITE, 0);
	attack_offer(attack, 0);
}

static void short_header(struct attack *attack)
{
	size_t len = attack_draw(attack) % 40;

	attack_header(attack, CF_GETATTR, len);
	attack_offer_request(attack, len, 120);
}

static void length_lies(struct attack *attack)
{
	attack_header(attack, CF_GETATTR, attack_draw(attack));
	attack_offer_request(attack, 56, 120);
}

static void random_opcode(struct attack *attack)
{
	size_t len = 40 + attack_draw(attack) % 1000;

	attack_scribble(attack, attack->page, len);
	attack_header(attack, (uint32_t)attack_draw(attack), len);
	attack_offer_request(attack, len, 512);
}

/* Any known opcode, with arguments, node and user drawn by lot. */
static void random_arguments(struct attack *attack)
{
	size_t len = 40 + attack_draw(attack) % 600;
	uint64_t lot = attack_draw(attack);
	struct cf_in_header *in;

	attack_scribble(attack, attack->page + 40, len - 40);
	in = attack_header(attack, 1 + (uint32_t)(lot % 53), len);
	if (lot & 0x100)
		in->nodeid = attack_draw(attack);
	if (lot & 0x200)
		in->total_extlen = (uint16_t)attack_draw(attack);
	if (lot & 0x400) /* fh 0 to 3: one that may exist */
		memset(attack->page + 41, 0, 7);
	attack_offer_request(attack, len, lot & 0x800 ? 16 : 900);
}

static void opposite_byte_order(struct attack *attack)
{
	struct cf_in_header *in = attack_header(attack, CF_GETATTR, 56);

	in->opcode = bswap_32(in->opcode);
	in->len = bswap_32(in->len);
	attack_offer_request(attack, 56, 120);
}

static void name_without_end(struct attack *attack)
{
	size_t len = 40 + 1 + attack_draw(attack) % 900;

	memset(attack->page + 40, 'x', len - 40);
	attack_header(attack, attack_draw(attack) & 1 ? CF_LOOKUP : CF_UNLINK,
		      len);
	attack_offer_request(attack, len, 160);
}

static void name_that_climbs(struct attack *attack)
{
	static const char *const names[] = { "..",     ".",    "",
					     "../etc", "/etc", "small/f0" };
	const char *name = names[attack_draw(attack) % 6];
	size_t len = 40 + strlen(name) + 1;

	attack_header(attack, CF_LOOKUP, len);
	strcpy(attack->page + 40, name);
	attack_offer_request(attack, len, 160);
}

static void no_room(struct attack *attack)
{
	attack_header(attack, CF_GETATTR, 56);
	attack_offer_request(attack, 56, attack_draw(attack) % 120);
}

static void read_more_than_room(struct attack *attack)
{
	struct cf_read_in *in = (struct cf_read_in *)(attack->page + 40);

	memset(in, 0, sizeof(*in));
	in->size = (uint32_t)attack_draw(attack);
	in->fh = attack_draw(attack) % 4;
	in->offset = attack_draw(attack) & 1 ? attack_draw(attack) : 0;
	attack_header(attack,
		      attack_draw(attack) & 1 ? CF_READ : CF_READDIRPLUS, 80);
	attack_offer_request(attack, 80, 16 + attack_draw(attack) % 900);
}

static void write_more_than_sent(struct attack *attack)
{
	struct cf_write_in *in = (struct cf_write_in *)(attack->page + 40);

	memset(in, 0, sizeof(*in));
	in->size = (uint32_t)attack_draw(attack);
	in->fh = attack_draw(attack) % 4;
	attack_header(attack, CF_WRITE, 80 + 128);
	attack_offer_request(attack, 80 + 128, 24);
}

/* Counts that go beyond the message. */
static void count_lies(struct attack *attack)
{
	static const uint32_t opcodes[] = { CF_BATCH_FORGET, CF_SETXATTR,
					    CF_REMOVEMAPPING, CF_IOCTL };
	uint32_t opcode = opcodes[attack_draw(attack) % 4];

	memset(attack->page + 40, 0, 64);
	for (unsigned int i = 40; i < 40 + 32; i += 8)
		memcpy(attack->page + i,
		       &(uint32_t){ (uint32_t)attack_draw(attack) }, 4);
	attack_header(attack, opcode, 40 + 64);
	attack_offer_request(attack, 40 + 64,
			     opcode == CF_BATCH_FORGET ? 0 : 160);
}

static void forget_too_much(struct attack *attack)
{
	uint64_t count = UINT64_MAX - attack_draw(attack) % 4;
	struct cf_in_header *in = attack_header(attack, CF_FORGET, 48);

	memcpy(attack->page + 40, &count, sizeof(count));
	if (attack_draw(attack) & 1)
		in->nodeid = attack_draw(attack);
	attack_offer_request(attack, 48, 0);
}

static void random_init(struct attack *attack)
{
	size_t len = 40 + attack_draw(attack) % 80;

	attack_scribble(attack, attack->page + 40, len - 40);
	attack_header(attack, CF_INIT, len);
	attack_offer_request(attack, len, 16 + attack_draw(attack) % 80);
}

const struct fault message_faults[] = {
	{ "nothing_to_read", nothing_to_read, true },
	{ "short_header", short_header, true },
	{ "length_lies", length_lies, true },
	{ "random_opcode", random_opcode, false },
	{ "random_arguments", random_arguments, false },
	{ "opposite_byte_order", opposite_byte_order, false },
	{ "name_without_end", name_without_end, false },
	{ "name_that_climbs", name_that_climbs, false },
	{ "no_room", no_room, false },
	{ "read_more_than_room", read_more_than_room, false },
	{ "write_more_than_sent", write_more_than_sent, false },
	{ "count_lies", count_lies, false },
	{ "forget_too_much", forget_too_much, false },
	{ "random_init", random_init, false },
};

const size_t message_fault_count =
	sizeof(message_faults) / sizeof(*message_faults);
