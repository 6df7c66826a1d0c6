// SPDX-License-Identifier: BSD-2-Clause
/* Sections 2 and 3: what FUSE_INIT leads to. */
#include "client.h"
#include "session.h"
#include <crossfuse/wire.h>
#include <errno.h>
#include <string.h>

/* A name that no kernel prints. */
#define UNKNOWN_MACHINE "crossfuse-probe"

enum arch {
	ARCH_NONE,
	ARCH_OWN,
	ARCH_UNKNOWN
};

/* A FUSE_INIT that differs in little from the usual one. */
struct variant {
	enum rule rule;
	uint32_t minor;
	uint32_t len;
	uint64_t set;
	uint64_t clear;
	enum arch arch;
	uint64_t forbidden; /* in the reply */
};

static const struct variant unanswered[] = {
	{ RULE_BIT_EXT, 47, 64, CANON_ARCH, INIT_EXT, ARCH_OWN, CANON_ARCH },
	{ RULE_BIT_EXT, 40, 64, CANON_ARCH_OLD, INIT_EXT, ARCH_OWN,
	  CANON_ARCH_OLD | CANON_ARCH },
	{ RULE_BIT_ARCH, 47, 64, CANON_ARCH, 0, ARCH_NONE, CANON_ARCH },
	{ RULE_BIT_ARCH, 40, 64, CANON_ARCH_OLD, 0, ARCH_NONE,
	  CANON_ARCH_OLD | CANON_ARCH },
	{ RULE_BIT_40, 41, 64, CANON_ARCH_OLD, 0, ARCH_OWN, CANON_ARCH },
	{ RULE_ANSWER_NONE, 47, 64, 0, 0, ARCH_NONE, CANON_ARCH },
	{ RULE_ANSWER_NONE, 40, 64, 0, 0, ARCH_NONE,
	  CANON_ARCH_OLD | CANON_ARCH },
	{ RULE_ANSWER_ARCH, 47, 64, 0, 0, ARCH_OWN, CANON_ARCH },
	{ RULE_ANSWER_ARCH, 40, 64, 0, 0, ARCH_OWN,
	  CANON_ARCH_OLD | CANON_ARCH },
	{ RULE_INIT_16, 31, 16, 0, INIT_EXT, ARCH_NONE, CANON_ARCH },
	{ RULE_INIT_20, 47, 20, 0, INIT_EXT, ARCH_NONE, CANON_ARCH },
	{ RULE_INIT_80, 47, 80, 0, 0, ARCH_OWN, CANON_ARCH },
};

static struct hello hello_of(const struct probe *probe,
			     const struct variant *variant)
{
	struct hello hello = usual_hello(probe);

	hello.minor = variant->minor;
	hello.len = variant->len;
	hello.flags = (hello.flags | variant->set) & ~variant->clear;
	if (variant->arch == ARCH_NONE)
		hello.arch_id = 0;
	else if (variant->arch == ARCH_UNKNOWN)
		hello.arch_id = arch_id_of(UNKNOWN_MACHINE);
	return hello;
}

/* By its policy; as the client numbers it, or canonical (section 3.4). */
bool is_refusal(const struct probe *probe, int ret)
{
	return ret > 0 && (ret == errno_value(probe, 71) || ret == 71);
}

static void check_unanswered(struct probe *probe, const struct variant *variant)
{
	struct hello hello = hello_of(probe, variant);
	struct greeting greeting;
	int ret = hello_fresh(probe, &hello, &greeting);

	if (is_refusal(probe, ret)) {
		rule_ok(probe, variant->rule);
		return;
	}
	if (!rule_works(probe, variant->rule, ret, "FUSE_INIT"))
		return;
	rule_check(probe, variant->rule, !(greeting.flags & variant->forbidden),
		   "bit %d of the reply is set",
		   greeting.flags & CANON_ARCH ? 62 : 40);
}

static bool answers(struct probe *probe, const struct variant *variant,
		    uint64_t bit)
{
	struct hello hello = hello_of(probe, variant);
	struct greeting greeting;

	return hello_fresh(probe, &hello, &greeting) == 0 &&
	       greeting.flags & bit;
}

/*
 * Bit 40 tells nothing here: servers of 7.41 and later may take it for
 * FUSE_ALLOW_IDMAP, whatever the client's minor is.
 */
bool detect_speaking(struct probe *probe)
{
	static const struct variant unknown = { RULE_COUNT, 47, 64,
						CANON_ARCH, 0,	ARCH_UNKNOWN,
						0 };
	static const struct variant known = { RULE_COUNT, 47, 64, CANON_ARCH, 0,
					      ARCH_OWN,	  0 };
	bool big = crossfuse_abi_big_endian(probe->server), speaks;

	set_client(probe, probe->server);
	speaks = answers(probe, &unknown, CANON_ARCH);
	for (size_t i = 0; !speaks && crossfuse_abi_at(i); i++) {
		const struct crossfuse_abi *abi = crossfuse_abi_at(i);

		if (same_values(abi, probe->server) ||
		    crossfuse_abi_big_endian(abi) != big)
			continue;
		set_client(probe, abi);
		speaks = answers(probe, &known, CANON_ARCH);
		break;
	}
	return speaks;
}

/* A server that answers no offer must not seem to answer this one. */
static void check_misunderstanding(struct probe *probe,
				   const struct variant *variant)
{
	struct hello hello = hello_of(probe, variant);
	struct greeting greeting;

	if (hello_fresh(probe, &hello, &greeting) == 0 &&
	    greeting.flags & CANON_ARCH_OLD)
		rule_fail(probe, variant->rule,
			  "a server of minor %u seems to take it for "
			  "FUSE_ALLOW_IDMAP",
			  greeting.minor);
	else
		rule_skip(probe, variant->rule, "this server answers no offer");
}

/* A name that is too long; the number that ENAMETOOLONG has is the form's. */
static int look_too_far(struct probe *probe)
{
	uint64_t nodeid;
	char name[257];

	memset(name, 'x', 256);
	name[256] = 0;
	return do_lookup(probe, CF_ROOT_ID, name, &nodeid);
}

/* What follows an answer: the error is that of the canonical form. */
static void check_meaning(struct probe *probe)
{
	probe->form = crossfuse_abi_canonical();
	rule_error(probe, RULE_ANSWER_MEANS, look_too_far(probe), 36);
	probe->form = probe->abi;
}

/* An offer that a server which knows this protocol must answer with BIT. */
static void check_answered(struct probe *probe, const struct variant *variant,
			   uint64_t bit)
{
	struct hello hello = hello_of(probe, variant);
	struct greeting greeting;
	uint64_t other =
		variant->minor <= 40 ? (CANON_ARCH_OLD | CANON_ARCH) & ~bit : 0;
	int ret;

	if (!probe->speaks) {
		rule_skip(probe, variant->rule, "this server answers no offer");
		return;
	}
	ret = hello_fresh(probe, &hello, &greeting);
	if (!rule_works(probe, variant->rule, ret, "FUSE_INIT"))
		return;
	if (!(greeting.flags & INIT_EXT) &&
	    greeting.raw_flags2 & (uint32_t)(bit >> 32)) {
		rule_fail(probe, variant->rule,
			  "FUSE_INIT_EXT of the reply is not set");
		return;
	}
	rule_check(probe, variant->rule, greeting.flags & bit,
		   "it is not answered");
	rule_check(probe, variant->rule, !(greeting.flags & other),
		   "bit %d of the reply is set as well",
		   other == CANON_ARCH ? 62 : 40);
	if (greeting.flags & bit)
		check_meaning(probe);
}

static void check_offers(struct probe *probe)
{
	enum {
		OFFERS = 5
	};
	static const struct variant offers[OFFERS] = {
		{ RULE_ANSWER_OLD, 40, 64, CANON_ARCH_OLD, 0, ARCH_OWN, 0 },
		{ RULE_ANSWER_EARLY, 40, 64, CANON_ARCH, 0, ARCH_OWN, 0 },
		{ RULE_ANSWER_NEW, 41, 64, CANON_ARCH, 0, ARCH_OWN, 0 },
		{ RULE_CASE_OTHER, 47, 64, CANON_ARCH, 0, ARCH_OWN, 0 },
		{ RULE_INIT_24, 47, 24, CANON_ARCH, 0, ARCH_OWN, 0 },
	};
	static const struct variant unknown = {
		RULE_CASE_UNKNOWN, 47, 64, CANON_ARCH, 0, ARCH_UNKNOWN, 0
	};
	static const struct variant same = { RULE_ANSWER_SAME, 47, 64,
					     CANON_ARCH,       0,  ARCH_OWN,
					     CANON_ARCH };

	check_answered(probe, &unknown, CANON_ARCH);
	if (same_values(probe->abi, probe->server)) {
		check_unanswered(probe, &same);
		for (size_t i = 0; i < OFFERS; i++)
			rule_skip(probe, offers[i].rule,
				  "it is like the server");
		return;
	}
	rule_skip(probe, RULE_ANSWER_SAME, "it is not like the server");
	if (probe->speaks)
		check_answered(probe, &offers[0], CANON_ARCH_OLD);
	else
		check_misunderstanding(probe, &offers[0]);
	for (size_t i = 1; i < OFFERS; i++)
		check_answered(probe, &offers[i], CANON_ARCH);
}

static void check_silent(struct probe *probe)
{
	static const struct variant variant = { RULE_CASE_SILENT, 47, 64, 0, 0,
						ARCH_UNKNOWN,	  0 };
	struct hello hello = hello_of(probe, &variant);
	struct greeting greeting;
	int ret = hello_fresh(probe, &hello, &greeting);

	if (ret < 0)
		rule_works(probe, RULE_CASE_SILENT, ret, "FUSE_INIT");
	else
		rule_check(probe, RULE_CASE_SILENT,
			   ret > 0 || !(greeting.flags & CANON_ARCH),
			   "it is answered");
}

static void check_free_bits(struct probe *probe)
{
	struct hello hello = usual_hello(probe);
	struct greeting without, with;

	if (probe->speaks)
		hello.flags |= CANON_ARCH;
	if (hello_fresh(probe, &hello, &without)) {
		rule_skip(probe, RULE_BIT_FREE, "FUSE_INIT is refused");
		return;
	}
	hello.flags |= FREE_BITS;
	if (!rule_works(probe, RULE_BIT_FREE, hello_fresh(probe, &hello, &with),
			"FUSE_INIT"))
		return;
	rule_check(probe, RULE_BIT_FREE,
		   ((with.flags ^ without.flags) & ~FREE_BITS) == 0 &&
			   with.len == without.len,
		   "the reply is another one");
}

/* The same client again, on top of what there is. */
static int hello_again(struct probe *probe, struct greeting *greeting)
{
	struct hello hello = usual_hello(probe);
	int ret;

	hello.again = true;
	ret = hello_fresh(probe, &hello, greeting);
	if (is_refusal(probe, ret))
		return 0;
	return ret == 0 && greeting->opposite ? -EPROTO : ret;
}

static void check_majors(struct probe *probe)
{
	struct hello hello = usual_hello(probe);
	struct greeting greeting;

	hello.major = 8;
	if (rule_works(probe, RULE_MAJOR_NEW,
		       hello_fresh(probe, &hello, &greeting), "FUSE_INIT")) {
		rule_check(probe, RULE_MAJOR_NEW, greeting.major == 7,
			   "major %u is the answer", greeting.major);
		rule_works(probe, RULE_MAJOR_NEW, hello_again(probe, &greeting),
			   "FUSE_INIT after it");
	}
	hello.major = 0;
	hello_fresh(probe, &hello, &greeting);
	if (greeting.error < 0)
		rule_works(probe, RULE_MAJOR_ZERO, greeting.error, "FUSE_INIT");
	else
		rule_check(probe, RULE_MAJOR_ZERO, greeting.error > 0,
			   "it is taken");
}

static void check_minor(struct probe *probe)
{
	struct hello hello = usual_hello(probe);
	struct greeting greeting;
	int ret;

	hello.minor = 65536;
	ret = hello_fresh(probe, &hello, &greeting);
	if (ret < 0)
		rule_works(probe, RULE_MINOR_HUGE, ret, "FUSE_INIT");
	else
		rule_check(probe, RULE_MINOR_HUGE, ret > 0, "it is taken");
}

static void check_length(struct probe *probe)
{
	struct hello hello = usual_hello(probe);
	struct greeting greeting;
	int ret;

	if (!probe->link.keeps_lengths) {
		rule_skip(probe, RULE_INIT_LENGTH,
			  "a stream has no other length than this");
		return;
	}
	hello.lie = 8;
	ret = hello_fresh(probe, &hello, &greeting);
	if (ret == -ECONNRESET) /* which is an end to it as well */
		rule_ok(probe, RULE_INIT_LENGTH);
	else if (ret < 0)
		rule_works(probe, RULE_INIT_LENGTH, ret, "FUSE_INIT");
	else
		rule_check(probe, RULE_INIT_LENGTH, ret > 0, "it is taken");
}

static bool turn_order(struct probe *probe, bool big_endian)
{
	struct hello hello = usual_hello(probe);
	struct greeting greeting;
	int ret;

	set_order(probe, big_endian);
	hello.again = true;
	hello.arch_id = 0; /* its values are not looked at */
	ret = hello_fresh(probe, &hello, &greeting);
	if (is_refusal(probe, ret) && !greeting.opposite)
		return true;
	if (ret == 0 && !greeting.opposite) {
		ret = do_getattr(probe, CF_ROOT_ID);
		if (ret == 0 && !probe->reply_opposite)
			return true;
	}
	rule_fail(probe, RULE_INIT_AGAIN, "%s-endian on top: %s",
		  big_endian ? "big" : "little", error_text(probe, ret));
	return false;
}

static void check_again(struct probe *probe)
{
	bool big = crossfuse_abi_big_endian(probe->abi);
	struct hello hello = usual_hello(probe);
	struct greeting greeting;
	struct result order = probe->results[RULE_ORDER];

	if (hello_fresh(probe, &hello, &greeting)) {
		rule_skip(probe, RULE_INIT_AGAIN, "FUSE_INIT is refused");
		return;
	}
	if (turn_order(probe, !big) && turn_order(probe, big))
		rule_ok(probe, RULE_INIT_AGAIN);
	set_order(probe, big);
	/* It is this rule that tells of it. */
	probe->results[RULE_ORDER] = order;
}

static void check_forgets(struct probe *probe)
{
	struct hello hello = usual_hello(probe);
	struct greeting greeting;
	int ret;

	hello.flags |= CANON_ARCH;
	if (hello_fresh(probe, &hello, &greeting) ||
	    !(greeting.flags & CANON_ARCH)) {
		rule_skip(probe, RULE_FORGETS, "nothing can be negotiated");
		return;
	}
	hello.flags &= ~CANON_ARCH;
	hello.again = true;
	ret = hello_fresh(probe, &hello, &greeting);
	if (is_refusal(probe, ret)) {
		rule_ok(probe, RULE_FORGETS);
		return;
	}
	if (!rule_works(probe, RULE_FORGETS, ret, "FUSE_INIT"))
		return;
	rule_check(probe, RULE_FORGETS, !(greeting.flags & CANON_ARCH),
		   "the answer is given again");
	rule_error(probe, RULE_FORGETS, look_too_far(probe), 36);
}

static bool check_order(struct probe *probe)
{
	struct hello hello = usual_hello(probe);
	struct greeting greeting;
	int ret = hello_fresh(probe, &hello, &greeting);

	if (probe->gone)
		rule_skip(probe, RULE_INIT_ORDER, "the server is gone");
	else if (ret < 0)
		rule_works(probe, RULE_INIT_ORDER, ret, "FUSE_INIT");
	else if (greeting.opposite)
		rule_fail(probe, RULE_INIT_ORDER,
			  "the reply is in the other byte order");
	else if (ret > 0 && !is_refusal(probe, ret))
		rule_fail(probe, RULE_INIT_ORDER, "%s", error_text(probe, ret));
	else
		rule_ok(probe, RULE_INIT_ORDER);
	return probe->results[RULE_INIT_ORDER].verdict == VERDICT_OK;
}

void check_handshake(struct probe *probe)
{
	if (!check_order(probe)) {
		strcpy(probe->why, probe->gone ? "the server is gone"
					       : "FUSE_INIT is not understood");
		return;
	}
	check_length(probe);
	for (size_t i = 0; i < sizeof(unanswered) / sizeof(*unanswered); i++)
		check_unanswered(probe, &unanswered[i]);
	check_offers(probe);
	check_silent(probe);
	check_free_bits(probe);
	check_majors(probe);
	check_minor(probe);
	check_again(probe);
	check_forgets(probe);
}
