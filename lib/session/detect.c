/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which architecture a client is of that does not say so: by the flags of its
 * OPEN, OPENDIR and CREATE.
 *
 * Each group of open flags is a hypothesis. Until one is found, the client is
 * taken for the server's own group, and that is left only for what kernels of
 * that group cannot send, whatever a program asks of them: any user of the
 * client may choose all the rest. One request alone is not enough, either; a
 * second one must at least lack the O_LARGEFILE that 64-bit kernels force into
 * every open.
 *
 * Only among the others does likelihood count. The flags are read as each of
 * them would, and what is unlikely under that reading is added up: an O_DIRECT
 * here, an O_NOFOLLOW there. Something that a kernel never sends rules the
 * group out. The client is of a group once all the others are less likely by a
 * margin; and is unknown again once it sends what that group's kernels do not.
 */
#include "../message/bytes.h"
#include "private.h"
#include <string.h>
#ifndef __STDC_NO_THREADS__
#include <threads.h>
#endif

/* The canonical form's flags. */
enum {
	O_ACCMODE_ = 03,
	O_EXEC_ = 0x20,
	O_CREAT_ = 0x40,
	O_EXCL_ = 0x80,
	O_NOCTTY_ = 0x100,
	O_TRUNC_ = 0x200,
	O_APPEND_ = 0x400,
	O_NONBLOCK_ = 0x800,
	O_DSYNC_ = 0x1000,
	O_FASYNC_ = 0x2000,
	O_DIRECT_ = 0x4000,
	O_LARGEFILE_ = 0x8000,
	O_DIRECTORY_ = 0x10000,
	O_NOFOLLOW_ = 0x20000,
	O_NOATIME_ = 0x40000,
	O_CLOEXEC_ = 0x80000,
	O_SYNC_ = 0x100000, /* without O_DSYNC */
	O_PATH_ = 0x200000,
	O_TMPFILE_ = 0x400000, /* without O_DIRECTORY */
	O_KNOWN_ = 0x7fffe3,
};

/* The same everywhere: an access mode and __FMODE_EXEC, which say nothing. */
#define SAYS_NOTHING UINT32_C(0x23)
/* __FMODE_NONOTIFY: by fanotify(7), whose flags no kernel adds anything to. */
#define BY_FANOTIFY UINT32_C(0x4000000)

enum {
	RULED_OUT = 1000,
	MARGIN = 5,
	PATIENCE = 1000000,
	/* Requests that speak against the server's own group, to leave it. */
	AGAINST_OWN = 2,
	/* How often a decision is taken back before none is made any more. */
	MAX_REVISIONS = 8,
};

/* What is unlikely, and how much so: powers of a small number. */
static const struct {
	uint32_t flag;
	uint8_t doubt[EVIDENCE_NONE]; /* OPEN, OPENDIR, CREATE */
} doubts[] = {
	{ O_DIRECT_, { 4, 8, 4 } },   { O_FASYNC_, { 8, 8, 8 } },
	{ O_NOFOLLOW_, { 2, 1, 1 } }, { O_NOATIME_, { 2, 3, 2 } },
	{ O_DSYNC_, { 2, 7, 2 } },    { O_CLOEXEC_, { 3, 3, 3 } },
	{ O_NONBLOCK_, { 1, 0, 1 } }, { O_TRUNC_, { 0, 8, 0 } },
	{ O_APPEND_, { 1, 7, 1 } },   { O_DIRECTORY_, { 0, 0, 7 } },
};

/*
 * How rare a machine is. FORCED: every kernel of it is a 64-bit one without
 * 32-bit programs, so that O_LARGEFILE is never missing.
 */
enum {
	NO_SUCH = 255
};
static const struct {
	char name[12];
	uint8_t little, big;
	bool little_forced, big_forced;
} priors[] = {
	{ "generic", 0, 0, false, false },
	{ "arm", 0, 3, false, false },
	{ "powerpc", 1, 0, true, false },
	{ "mips", 2, 1, false, false },
	{ "alpha", 9, NO_SUCH, true, true },
	{ "sparc", NO_SUCH, 3, false, false },
	{ "parisc", NO_SUCH, 3, false, false },
};

/* One hypothesis: the first ABI of its group in the table. */
struct hypothesis {
	const struct crossfuse_abi *abi;
	uint16_t prior;
	bool forced;
};

static void weigh_prior(const struct session *s, struct hypothesis *h)
{
	const char *name =
		crossfuse_abi_group(h->abi, CROSSFUSE_GROUP_OPEN_FLAGS);
	bool big = s->swapped != cf_machine_big();

	h->prior = 9;
	h->forced = false;
	for (size_t i = 0; i < sizeof(priors) / sizeof(priors[0]); i++)
		if (!strcmp(priors[i].name, name)) {
			h->prior = big ? priors[i].big : priors[i].little;
			if (h->prior == NO_SUCH)
				h->prior = RULED_OUT;
			h->forced = big ? priors[i].big_forced
					: priors[i].little_forced;
		}
}

/* Whether ABI stands better for its group than OTHER does. */
static bool is_better(const struct session *s, const struct crossfuse_abi *abi,
		      const struct crossfuse_abi *other)
{
	bool big = s->swapped != cf_machine_big();
	bool right = crossfuse_abi_big_endian(abi) == big;
	bool other_right = crossfuse_abi_big_endian(other) == big;

	if (right != other_right)
		return right;
	return crossfuse_abi_long_bits(abi) > crossfuse_abi_long_bits(other);
}

static size_t find_hypotheses(const struct session *s,
			      struct hypothesis h[DETECT_GROUPS])
{
	const struct crossfuse_abi *abi;
	size_t count = 0;

	for (size_t i = 0; (abi = crossfuse_abi_at(i)); i++) {
		size_t k = 0;

		while (k < count &&
		       !crossfuse_abi_same_group(abi, h[k].abi,
						 CROSSFUSE_GROUP_OPEN_FLAGS))
			k++;
		if (k == DETECT_GROUPS)
			continue;
		if (k == count)
			h[count++].abi = abi;
		else if (is_better(s, abi, h[k].abi))
			h[k].abi = abi;
	}
	for (size_t k = 0; k < count; k++)
		weigh_prior(s, &h[k]);
	return count;
}

/*
 * What a kernel never sends, in canonical flags: what FUSE itself takes out, and
 * what open(2) fails for. O_CREAT with O_DIRECTORY it did not before 6.4.
 */
static const uint32_t never_sent[EVIDENCE_NONE] = {
	[EVIDENCE_OPEN] = O_CREAT_ | O_EXCL_ | O_NOCTTY_ | O_DIRECTORY_ |
			  O_PATH_ | O_TMPFILE_,
	[EVIDENCE_OPENDIR] = O_CREAT_ | O_EXCL_ | O_NOCTTY_ | O_PATH_ |
			     O_TMPFILE_,
	[EVIDENCE_CREATE] = O_NOCTTY_ | O_PATH_ | O_TMPFILE_,
};

static bool is_impossible(uint32_t flags, unsigned int class)
{
	return flags & (never_sent[class] | ~(uint32_t)O_KNOWN_) ||
	       (class == EVIDENCE_CREATE && !(flags & O_CREAT_));
}

/* A canonical flag, which may be a part of a value, as ABI has it. */
static uint32_t bit_of(const struct crossfuse_abi *abi, uint32_t flag)
{
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	uint32_t whole = flag;

	if (flag == O_SYNC_)
		whole |= O_DSYNC_;
	else if (flag == O_TMPFILE_)
		whole |= O_DIRECTORY_;
	return crossfuse_open_flags(canonical, abi, whole, NULL) &
	       ~crossfuse_open_flags(canonical, abi, whole & ~flag, NULL);
}

/* How much FLAGS speak against the hypothesis. */
static unsigned int doubt_of(const struct hypothesis *h, uint32_t flags,
			     unsigned int class)
{
	uint32_t sync = bit_of(h->abi, O_SYNC_);
	uint32_t unknown = 0;
	uint32_t seen = crossfuse_open_flags(h->abi, crossfuse_abi_canonical(),
					     flags & ~sync, &unknown);
	unsigned int sum = flags & sync ? 8 : 0;

	if (unknown || is_impossible(seen, class))
		return RULED_OUT;
	for (size_t i = 0; i < sizeof(doubts) / sizeof(doubts[0]); i++)
		if (seen & doubts[i].flag)
			sum += doubts[i].doubt[class];
	if ((seen & O_ACCMODE_) == O_ACCMODE_)
		sum += 8;
	if (class == EVIDENCE_OPENDIR && !(seen & O_DIRECTORY_))
		sum += 4;
	if (!(seen & O_LARGEFILE_)) {
		if (h->forced)
			return RULED_OUT;
		/* A program that knows O_DIRECT knows large files. */
		sum += seen & O_DIRECT_ ? 5 : 2;
	}
	return sum;
}

/* Nothing speaks for anything. */
static void start_over(struct session *s)
{
	memset(s->doubt, 0, sizeof(s->doubt));
	s->last_evidence = 0;
	s->against_own = 0;
	s->own_impossible = false;
}

/* What the request, session.last_evidence, says of the server's own group. */
static void weigh_own(struct session *s, const struct hypothesis *own,
		      uint32_t flags, unsigned int class)
{
	bool impossible = doubt_of(own, flags, class) >= RULED_OUT;

	/* There are none in this byte order. */
	if (own->prior >= RULED_OUT) {
		s->own_impossible = true;
		s->against_own = AGAINST_OWN;
	}
	if (impossible)
		s->own_impossible = true;
	else if (flags & bit_of(own->abi, O_LARGEFILE_))
		return;
	/* The same again is none of two. */
	if (s->against_own && s->first_against == s->last_evidence)
		return;
	if (!s->against_own)
		s->first_against = s->last_evidence;
	if (s->against_own < AGAINST_OWN)
		s->against_own++;
}

/* Adds evidence up; the hypothesis that stands out, or COUNT. */
static size_t weigh(struct session *s, const struct hypothesis *h, size_t count,
		    uint32_t flags, unsigned int class)
{
	unsigned int best_sum = RULED_OUT;
	unsigned int next_sum = RULED_OUT;
	size_t best = count, own = count;

	for (size_t k = 0; k < count; k++) {
		unsigned int sum = s->doubt[k] + doubt_of(&h[k], flags, class);

		s->doubt[k] = (uint16_t)(sum < RULED_OUT ? sum : RULED_OUT);
		sum = s->doubt[k] + h[k].prior;
		if (sum < best_sum) {
			next_sum = best_sum;
			best_sum = sum;
			best = k;
		} else if (sum < next_sum) {
			next_sum = sum;
		}
		if (crossfuse_abi_same_group(h[k].abi, s->config.server,
					     CROSSFUSE_GROUP_OPEN_FLAGS))
			own = k;
	}
	if (own < count)
		weigh_own(s, &h[own], flags, class);
	if (next_sum < best_sum + MARGIN)
		return count;
	if (best != own && own < count &&
	    (!s->own_impossible || s->against_own < AGAINST_OWN))
		return count;
	return best;
}

static void let_others_run(void)
{
#ifndef __STDC_NO_THREADS__
	thrd_yield();
#endif
}

/*
 * One thread at a time. The others wait, as theirs may be the message that
 * decides; but not for ever, should that one not get on.
 */
static bool begin_detecting(struct session *s)
{
	for (unsigned int i = 0; i < PATIENCE; i++) {
		if (!atomic_flag_test_and_set_explicit(&s->detecting,
						       memory_order_acquire))
			return true;
		let_others_run();
	}
	return false;
}

static void end_detecting(struct session *s)
{
	atomic_flag_clear_explicit(&s->detecting, memory_order_release);
}

static bool has_servers_order(const struct session *s)
{
	return !s->swapped == !cf_session_server_swap(s);
}

/* A client of the server's own architecture stays what it is taken for. */
static bool is_settled_by(const struct session *s,
			  const struct crossfuse_abi *abi)
{
	return !has_servers_order(s) ||
	       !crossfuse_abi_same_group(abi, s->config.server,
					 CROSSFUSE_GROUP_OPEN_FLAGS);
}

/* With the right to decide. */
static void feed(struct session *s, uint32_t opcode, uint32_t flags)
{
	struct hypothesis h[DETECT_GROUPS];
	unsigned int class = evidence_class(opcode);
	size_t count, found;

	flags &= s->meaningful;
	/* Decided meanwhile? Nor is the same once more any news. */
	if (!(state_of(s) & MODE_DETECT) ||
	    s->last_evidence == (flags | class << 30))
		return;
	s->last_evidence = flags | class << 30;
	count = find_hypotheses(s, h);
	found = weigh(s, h, count, flags, class);
	if (found == count || !is_settled_by(s, h[found].abi))
		return;
	cf_session_set_client(s, h[found].abi, CROSSFUSE_SOURCE_TRAFFIC, 0);
	cf_session_event(s, CROSSFUSE_EVENT_DETECTED, opcode, flags);
}

static bool says_nothing(const struct session *s, uint32_t flags)
{
	return !(flags & s->meaningful & ~SAYS_NOTHING) || flags & BY_FANOTIFY;
}

void cf_detect_feed(struct session *s, uint32_t opcode, uint32_t flags)
{
	unsigned int class = evidence_class(opcode);

	if (class == EVIDENCE_NONE || says_nothing(s, flags))
		return;
	/* By far the most: what clients like the server send. */
	if (fits_expectation(s, class, flags) && has_servers_order(s))
		return;
	if (!begin_detecting(s))
		return;
	feed(s, opcode, flags);
	end_detecting(s);
}

/* All bits that have a meaning. */
static uint32_t known_bits(const struct crossfuse_abi *abi)
{
	uint32_t known = 0;

	for (uint32_t flag = 1; flag < O_KNOWN_; flag <<= 1)
		if (flag & O_KNOWN_)
			known |= bit_of(abi, flag);
	return known | SAYS_NOTHING | BY_FANOTIFY;
}

/* Those that have one somewhere: a kernel newer than this may send others. */
static uint32_t meaningful_bits(void)
{
	const struct crossfuse_abi *abi;
	uint32_t known = 0;

	for (size_t i = 0; (abi = crossfuse_abi_at(i)); i++)
		known |= known_bits(abi);
	return known;
}

void cf_detect_start(struct session *s)
{
	start_over(s);
	s->revisions = 0;
	s->meaningful = meaningful_bits();
}

static bool is_forced(const struct session *s, const struct crossfuse_abi *abi)
{
	struct hypothesis h = { .abi = abi };

	weigh_prior(s, &h);
	return h.forced;
}

void cf_detect_expect(struct session *s, const struct crossfuse_abi *abi,
		      bool guess, bool detecting)
{
	uint32_t largefile = 0;

	if (abi && (detecting || (guess && is_forced(s, abi))))
		largefile = bit_of(abi, O_LARGEFILE_);
	for (unsigned int class = 0; class < EVIDENCE_NONE; class ++) {
		uint32_t never = abi ? s->meaningful & ~known_bits(abi) : 0;
		uint32_t always = largefile;

		for (uint32_t flag = 1; abi && flag < O_KNOWN_; flag <<= 1)
			if (flag & never_sent[class])
				never |= bit_of(abi, flag);
		if (abi && class == EVIDENCE_CREATE && (guess || detecting))
			always |= bit_of(abi, O_CREAT_);
		atomic_store_explicit(&s->never[class], never,
				      memory_order_relaxed);
		atomic_store_explicit(&s->always[class], always,
				      memory_order_relaxed);
	}
}

/*
 * What was guessed was wrong: the client is as unknown as it was, and this
 * request may be the first to tell what it is. Unless others have found out
 * more meanwhile.
 */
static void take_back(struct session *s, uint32_t opcode, uint32_t flags)
{
	if (!begin_detecting(s))
		return;
	if (source_of(state_of(s)) == CROSSFUSE_SOURCE_TRAFFIC &&
	    !fits_expectation(s, evidence_class(opcode), flags)) {
		cf_session_event(s, CROSSFUSE_EVENT_CONTRADICTION, opcode,
				 flags);
		start_over(s);
		cf_session_set_client(
			s, NULL, CROSSFUSE_SOURCE_NONE,
			++s->revisions < MAX_REVISIONS ? MODE_DETECT : 0);
	}
	feed(s, opcode, flags);
	end_detecting(s);
}

void cf_contradiction_found(struct session *s, uint32_t state, uint32_t opcode,
			    uint32_t flags)
{
	enum crossfuse_source source = source_of(state);

	if (says_nothing(s, flags))
		return;
	if (source == CROSSFUSE_SOURCE_TRAFFIC) {
		take_back(s, opcode, flags);
		return;
	}
	/* It is the client's own word that it speaks canonical. */
	if (atomic_load_explicit(&s->contradicted, memory_order_relaxed) ||
	    source == CROSSFUSE_SOURCE_CANON ||
	    atomic_exchange(&s->contradicted, true))
		return;
	cf_session_event(s, CROSSFUSE_EVENT_CONTRADICTION, opcode, flags);
}
