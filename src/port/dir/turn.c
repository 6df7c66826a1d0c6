// SPDX-License-Identifier: BSD-2-Clause
#include "turn.h"
#include "../../log.h"
#include "../../thread.h"
#include "internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* A call that waits for a file system. */
struct turn {
	struct turn *next;
	struct call *call;
	struct mount *mount;
};

void turns_init(struct turns *turns)
{
	pthread_mutex_init(&turns->lock, NULL);
	pthread_cond_init(&turns->changed, NULL);
}

void turns_destroy(struct turns *turns)
{
	pthread_mutex_lock(&turns->lock);
	turns->closing = true;
	pthread_cond_broadcast(&turns->changed);
	pthread_mutex_unlock(&turns->lock);
	if (turns->started)
		pthread_join(turns->thread, NULL);
	pthread_cond_destroy(&turns->changed);
	pthread_mutex_destroy(&turns->lock);
}

/*
 * The file system that CALL goes to; NULL for the share's own. A look-up of
 * where one begins goes there, though its node is of another.
 */
static struct mount *mount_of_call(struct dir *dir, const struct call *call)
{
	const struct cf_in_header *in = call_in(call);
	struct inode *inode = inode_get(dir, in->nodeid);
	struct mount *mount = inode ? inode->mount : NULL;

	if (in->opcode == CF_LOOKUP && inode) {
		struct mount *below = mount_begins_at(
			dir, in->nodeid, call_arg(call), call_arg_len(call));

		mount = below ? below : mount;
	}
	if (inode)
		inode_put(dir, inode);
	return mount == dir->mounts.home ? NULL : mount;
}

/* With the lock held. */
static bool may_run(const struct turns *turns, const struct mount *mount)
{
	return mount->running < TURNS_OF_MOUNT && turns->running < TURNS_OF_ALL;
}

static void count(struct turns *turns, struct mount *mount)
{
	mount->running++;
	turns->running++;
}

/* The first that may run, taken out and counted. */
static struct turn *take_next(struct turns *turns)
{
	for (struct turn **at = &turns->first; *at; at = &(*at)->next) {
		struct turn *turn = *at;

		if (!may_run(turns, turn->mount))
			continue;
		*at = turn->next;
		count(turns, turn->mount);
		return turn;
	}
	return NULL;
}

static void *turns_main(void *opaque)
{
	struct dir *dir = opaque;
	struct turns *turns = &dir->turns;

	pthread_mutex_lock(&turns->lock);
	while (!turns->closing) {
		struct turn *turn = take_next(turns);

		if (!turn) {
			pthread_cond_wait(&turns->changed, &turns->lock);
			continue;
		}
		pthread_mutex_unlock(&turns->lock);
		if (call_resumes(turn->call))
			dir_run(dir, turn->call);
		else
			call_reply_error(turn->call, -EINTR);
		turn_end(dir, turn->mount);
		free(turn);
		pthread_mutex_lock(&turns->lock);
	}
	pthread_mutex_unlock(&turns->lock);
	return NULL;
}

/* With the lock held. 0 or -errno, in which case the call is not taken. */
static int wait_for_turn(struct dir *dir, struct call *call,
			 struct mount *mount)
{
	struct turns *turns = &dir->turns;
	struct turn *turn, **last;
	int ret;

	if (turns->cancelled)
		return -EINTR;
	if (!turns->started) {
		ret = thread_start(&turns->thread, 0, turns_main, dir);
		if (ret < 0)
			return ret;
		turns->started = true;
	}
	turn = calloc(1, sizeof(*turn));
	if (!turn)
		return -ENOMEM;
	turn->call = call;
	turn->mount = mount;
	call_waits(call);
	for (last = &turns->first; *last; last = &(*last)->next)
		;
	*last = turn;
	return 0;
}

static void tell(const struct mount *mount)
{
	log_warn("the file system %u:%u, mounted below the share at %s, does "
		 "not answer: %u requests are under way there, others wait, "
		 "the rest of the share goes on",
		 major(mount->dev), minor(mount->dev),
		 mount->name ? mount->name : "a place not known",
		 mount->running);
}

bool turn_begin(struct dir *dir, struct call *call, struct mount **ret_mount)
{
	struct turns *turns = &dir->turns;
	struct mount *mount = mount_of_call(dir, call);
	bool run = true;
	int ret = 0;

	if (mount) {
		pthread_mutex_lock(&turns->lock);
		run = may_run(turns, mount);
		if (run) {
			count(turns, mount);
		} else {
			tell(mount);
			ret = wait_for_turn(dir, call, mount);
		}
		pthread_mutex_unlock(&turns->lock);
	}
	if (ret < 0)
		call_reply_error(call, ret);
	*ret_mount = mount;
	return run;
}

void turn_end(struct dir *dir, struct mount *mount)
{
	struct turns *turns = &dir->turns;

	pthread_mutex_lock(&turns->lock);
	mount->running--;
	turns->running--;
	if (turns->first)
		pthread_cond_signal(&turns->changed);
	pthread_mutex_unlock(&turns->lock);
}

void turns_cancel(struct dir *dir)
{
	struct turns *turns = &dir->turns;
	struct turn *turn;

	pthread_mutex_lock(&turns->lock);
	turns->cancelled = true;
	turn = turns->first;
	turns->first = NULL;
	pthread_mutex_unlock(&turns->lock);
	while (turn) {
		struct turn *next = turn->next;

		call_reply_error(turn->call, -EINTR);
		free(turn);
		turn = next;
	}
}

void turns_reset(struct dir *dir)
{
	pthread_mutex_lock(&dir->turns.lock);
	dir->turns.cancelled = false;
	pthread_mutex_unlock(&dir->turns.lock);
}
