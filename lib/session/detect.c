/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which architecture a client is of that does not say so: by the flags of its
 * OPEN, OPENDIR and CREATE.
 *
 * Each group of open flags is a hypothesis. The flags are read as each of them
 * would, and what is unlikely under that reading is added up: an O_DIRECT here,
 * an O_NOFOLLOW there, a missing O_LARGEFILE, which a 64-bit kernel forces into
 * every open. Something that a kernel never sends rules the group out. The
 * client is of a group once all the others are less likely by a margin.
 */
#include "private.h"
#include <string.h>

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

enum {
	RULED_OUT = 1000,
	MARGIN = 5,
	PATIENCE = 1000000,
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
	{ O_APPEND_, { 1, 7, 1 } },
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
	bool big = s->swapped !=
		   crossfuse_abi_big_endian(crossfuse_abi_native());

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
	bool big = s->swapped !=
		   crossfuse_abi_big_endian(crossfuse_abi_native());
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

/* What a kernel never sends, in canonical flags. */
static bool is_impossible(uint32_t flags, unsigned int class)
{
	if (flags & (O_NOCTTY_ | O_PATH_ | O_TMPFILE_))
		return true;
	if (flags & O_SYNC_ && !(flags & O_DSYNC_))
		return true;
	if (class == EVIDENCE_CREATE)
		return !(flags & O_CREAT_) || flags & O_DIRECTORY_;
	if (flags & (O_CREAT_ | O_EXCL_))
		return true;
	return class == EVIDENCE_OPEN && flags & O_DIRECTORY_;
}

/* How much FLAGS speak against the hypothesis. */
static unsigned int doubt_of(const struct hypothesis *h, uint32_t flags,
			     unsigned int class)
{
	uint32_t unknown = 0;
	uint32_t seen = crossfuse_open_flags(h->abi, crossfuse_abi_canonical(),
					     flags, &unknown);
	unsigned int sum = 0;

	if (unknown || seen & ~(uint32_t)O_KNOWN_ || is_impossible(seen, class))
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

void cf_detect_start(struct session *s)
{
	memset(s->doubt, 0, sizeof(s->doubt));
	s->last_evidence = 0;
}

/* Adds evidence up; the hypothesis that stands out, or COUNT. */
static size_t weigh(struct session *s, const struct hypothesis *h, size_t count,
		    uint32_t flags, unsigned int class)
{
	unsigned int best_sum = RULED_OUT;
	unsigned int next_sum = RULED_OUT;
	size_t best = count;

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
	}
	return next_sum >= best_sum + MARGIN ? best : count;
}

/*
 * One thread at a time. The others wait, as theirs may be the message that
 * decides; but not for ever, should that one not get on.
 */
static bool begin_detecting(struct session *s)
{
	for (unsigned int i = 0; i < PATIENCE; i++)
		if (!atomic_flag_test_and_set_explicit(&s->detecting,
						       memory_order_acquire))
			return true;
	return false;
}

void cf_detect_feed(struct session *s, uint32_t opcode, uint32_t flags)
{
	struct hypothesis h[DETECT_GROUPS];
	unsigned int class = evidence_class(opcode);
	size_t count, found;

	/* A bare O_RDONLY may come from the kernel itself and says nothing. */
	if (class == EVIDENCE_NONE || !(flags & ~UINT32_C(0x23)))
		return;
	if (!begin_detecting(s))
		return;
	/* Decided meanwhile? Nor is the same once more any news. */
	if (!(atomic_load(&s->mode) & MODE_DETECT) ||
	    s->last_evidence == (flags | class << 30))
		goto out;
	s->last_evidence = flags | class << 30;
	count = find_hypotheses(s, h);
	found = weigh(s, h, count, flags, class);
	if (found < count) {
		cf_session_set_client(s, h[found].abi, CROSSFUSE_SOURCE_TRAFFIC,
				      0);
		cf_session_event(s, CROSSFUSE_EVENT_DETECTED, opcode, flags);
	}
out:
	atomic_flag_clear_explicit(&s->detecting, memory_order_release);
}

void cf_contradiction_prepare(struct session *s)
{
	static const uint32_t never[EVIDENCE_NONE] = {
		[EVIDENCE_OPEN] = O_CREAT_ | O_EXCL_ | O_NOCTTY_ |
				  O_DIRECTORY_ | O_PATH_,
		[EVIDENCE_OPENDIR] = O_CREAT_ | O_EXCL_ | O_NOCTTY_ | O_PATH_,
		[EVIDENCE_CREATE] = O_NOCTTY_ | O_PATH_,
	};
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	const struct crossfuse_abi *client = atomic_load(&s->client);

	for (unsigned int class = 0; class < EVIDENCE_NONE; class ++)
		s->never[class] =
			client ? crossfuse_open_flags(canonical, client,
						      never[class], NULL)
			       : 0;
}

void cf_contradiction_found(struct session *s, uint32_t opcode, uint32_t flags)
{
	/* It is the client's own word that it speaks canonical. */
	if (atomic_load_explicit(&s->contradicted, memory_order_relaxed) ||
	    atomic_load(&s->source) == CROSSFUSE_SOURCE_CANON ||
	    atomic_exchange(&s->contradicted, true))
		return;
	cf_session_event(s, CROSSFUSE_EVENT_CONTRADICTION, opcode, flags);
}
