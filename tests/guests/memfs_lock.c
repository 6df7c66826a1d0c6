// SPDX-License-Identifier: BSD-2-Clause
/* Locks, those that wait among them, and interrupts. */
#include "memfs.h"

#include <stdlib.h>
#include <string.h>

#define WAITING 64

static struct waiting {
	uint64_t unique;
	uint32_t node;
	struct lock want;
} waiting[WAITING];

static struct lock *conflict(struct node *n, const struct lock *want)
{
	for (struct lock *l = n->locks; l; l = l->next)
		if (l->flock == want->flock && l->owner != want->owner &&
		    (l->type == C_F_WRLCK || want->type == C_F_WRLCK) &&
		    l->start <= want->end && want->start <= l->end)
			return l;
	return NULL;
}

static bool add(struct node *n, const struct lock *like, uint64_t start,
		uint64_t end)
{
	struct lock *l = malloc(sizeof(*l));

	if (!l)
		return false;
	*l = *like;
	l->start = start;
	l->end = end;
	l->next = n->locks;
	n->locks = l;
	return true;
}

/* Take away what the owner has of a range: a lock may become two. */
static bool clear(struct node *n, const struct lock *range)
{
	bool good = true;

	for (struct lock **p = &n->locks; *p;) {
		struct lock *l = *p;

		if (l->flock != range->flock || l->owner != range->owner ||
		    l->start > range->end || range->start > l->end) {
			p = &l->next;
			continue;
		}
		*p = l->next;
		/* What is added goes to the front, and does not overlap */
		if (l->start < range->start)
			good &= add(n, l, l->start, range->start - 1);
		if (l->end > range->end)
			good &= add(n, l, range->end + 1, l->end);
		free(l);
		p = &n->locks;
	}
	return good;
}

static bool set(struct node *n, const struct lock *want)
{
	return clear(n, want) && (want->type == C_F_UNLCK ||
				  add(n, want, want->start, want->end));
}

/* Something was unlocked: whoever can go on does. */
static void wake(void)
{
	for (size_t i = 0; i < WAITING; i++) {
		struct waiting *w = &waiting[i];
		uint64_t unique = w->unique;
		struct node *n = &nodes[w->node];

		if (!unique || conflict(n, &w->want))
			continue;
		w->unique = 0;
		memfs_reply_to(unique, set(n, &w->want) ? 0 : C_ENOSPC, NULL,
			       0);
	}
}

/* Whether who holds the lock waits, through others, for who wants it */
static bool deadlock(uint64_t holder, uint64_t wants, unsigned int depth)
{
	for (size_t i = 0; depth < WAITING && i < WAITING; i++) {
		struct waiting *w = &waiting[i];
		struct lock *l;

		if (!w->unique || w->want.owner != holder || w->want.flock)
			continue;
		l = conflict(&nodes[w->node], &w->want);
		if (l &&
		    (l->owner == wants || deadlock(l->owner, wants, depth + 1)))
			return true;
	}
	return false;
}

static void wait_for(struct node *n, const struct lock *want,
		     const struct lock *other)
{
	if (!want->flock && deadlock(other->owner, want->owner, 0)) {
		memfs_error(C_EDEADLK);
		return;
	}
	for (size_t i = 0; i < WAITING; i++)
		if (!waiting[i].unique) {
			waiting[i].unique = msg.in.unique;
			waiting[i].node = (uint32_t)(n - nodes);
			waiting[i].want = *want;
			return;
		}
	memfs_error(C_ENOSPC);
}

static void get(struct node *n, const struct lock *want)
{
	struct fuse_lk_out out = { .lk = msg.u.lk.lk };
	struct lock *l = conflict(n, want);

	out.lk.type = C_F_UNLCK;
	if (l) {
		out.lk.start = l->start;
		out.lk.end = l->end;
		out.lk.type = l->type;
		out.lk.pid = l->pid;
	}
	memfs_reply(&out, sizeof(out));
}

void memfs_lock(void)
{
	struct fuse_lk_in *in = &msg.u.lk;
	struct node *n = memfs_node(msg.in.nodeid);
	struct lock want = {
		.owner = in->owner,
		.start = in->lk.start,
		.end = in->lk.end,
		.type = in->lk.type,
		.pid = in->lk.pid,
		.flock = in->lk_flags & FUSE_LK_FLOCK,
	};
	struct lock *other;

	if (in->lk.type > C_F_UNLCK) {
		memfs_fail("lock of type %u", in->lk.type);
		memfs_error(C_EINVAL);
		return;
	}
	if (!n) {
		memfs_error(C_ENOENT);
		return;
	}
	if (want.flock)
		want.end = UINT64_MAX >> 1;
	if (msg.in.opcode == FUSE_GETLK) {
		get(n, &want);
		return;
	}
	other = want.type == C_F_UNLCK ? NULL : conflict(n, &want);
	if (other && msg.in.opcode == FUSE_SETLKW) {
		wait_for(n, &want, other);
		return;
	}
	if (other)
		memfs_error(C_EAGAIN);
	else
		memfs_reply_to(msg.in.unique, set(n, &want) ? 0 : C_ENOSPC,
			       NULL, 0);
	wake();
}

void memfs_flush(void)
{
	struct fuse_flush_in *in = &msg.u.flush;
	struct node *n = memfs_node(msg.in.nodeid);
	struct lock all = {
		.owner = in->lock_owner,
		.end = UINT64_MAX >> 1,
		.type = C_F_UNLCK,
	};

	if (n)
		clear(n, &all);
	memfs_reply(NULL, 0);
	wake();
}

/*
 * A request that is not known is one whose answer is under way; "again" has
 * the kernel look for itself.
 */
void memfs_interrupt(void)
{
	uint64_t unique = msg.u.interrupt.unique;

	for (size_t i = 0; i < WAITING; i++)
		if (waiting[i].unique == unique) {
			waiting[i].unique = 0;
			memfs_reply_to(unique, C_EINTR, NULL, 0);
			return;
		}
	if (!memfs_interrupted(unique))
		memfs_error(C_EAGAIN);
}
