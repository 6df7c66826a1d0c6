// SPDX-License-Identifier: BSD-2-Clause
/*
 * Locks of each kind on one file, from several processes: who has one notes it
 * in memory that all see, and nobody else may be noted there then.
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/time.h>
#include <unistd.h>

#define REGION 100

enum {
	POSIX,
	OFD,
	WHOLE
};

struct lock {
	struct worker *w;
	int fd, other; /* the other one is for questions */
	unsigned int kind, region;
};

static void on_alarm(int sig)
{
	(void)sig;
}

static void alarm_in(long us)
{
	struct itimerval t = { .it_value = { .tv_usec = us } };

	setitimer(ITIMER_REAL, &t, NULL);
}

static int do_lock(struct lock *l, short type, bool wait)
{
	struct flock f = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)l->region * REGION,
		.l_len = REGION,
	};
	int op = type == F_UNLCK   ? LOCK_UN
		 : type == F_WRLCK ? LOCK_EX
				   : LOCK_SH;

	if (l->kind == WHOLE)
		return flock(l->fd, op | (wait ? 0 : LOCK_NB));
	if (l->kind == OFD)
		return fcntl(l->fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &f);
	return fcntl(l->fd, wait ? F_SETLKW : F_SETLK, &f);
}

/* A lock of an open file is in the way of another open file of ours. */
static void question(struct lock *l, short held)
{
	struct flock f = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)l->region * REGION,
		.l_len = REGION,
	};

	if (l->kind != OFD)
		return;
	if (fcntl(l->other, F_OFD_GETLK, &f))
		load_fail("GETLK");
	else if (f.l_type != held)
		load_fail("GETLK says %d, must be %d", f.l_type, held);
}

static void have(struct lock *l, short type)
{
	pid_t *writer = &load->writer[l->kind][l->region];
	int *readers = &load->readers[l->kind][l->region];
	pid_t before;

	if (type == F_WRLCK)
		before =
			__atomic_exchange_n(writer, getpid(), __ATOMIC_SEQ_CST);
	else
		before = __atomic_load_n(writer, __ATOMIC_SEQ_CST);
	if (type == F_RDLCK)
		__atomic_add_fetch(readers, 1, __ATOMIC_SEQ_CST);
	if (before || (type == F_WRLCK && *readers)) {
		errno = 0;
		load_fail("lock of kind %u: %d has it, and %d readers", l->kind,
			  (int)before, *readers);
	}
	question(l, type);
	usleep(load_pick(l->w, 3000));
	if (type == F_RDLCK) {
		__atomic_sub_fetch(readers, 1, __ATOMIC_SEQ_CST);
		return;
	}
	before = __atomic_exchange_n(writer, 0, __ATOMIC_SEQ_CST);
	if (before != getpid()) {
		errno = 0;
		load_fail("lock of kind %u: %d has had it", l->kind,
			  (int)before);
	}
}

static void step(struct lock *l)
{
	short type = load_pick(l->w, 3) ? F_WRLCK : F_RDLCK;
	bool wait = load_pick(l->w, 3);
	bool soon = wait && !load_pick(l->w, 4);
	int ret;

	l->kind = load_pick(l->w, LOCK_KINDS);
	l->region = l->kind == WHOLE ? 0 : load_pick(l->w, LOCK_REGIONS);
	if (soon)
		alarm_in(1 + load_pick(l->w, 4000));
	ret = do_lock(l, type, wait);
	if (soon)
		alarm_in(0);
	if (ret) {
		if (soon && errno == EINTR)
			load->interrupted++;
		else if (!wait && errno == EAGAIN)
			load->errors++;
		else
			load_fail("lock of kind %u", l->kind);
		return;
	}
	have(l, type);
	if (do_lock(l, F_UNLCK, false))
		load_fail("unlock of kind %u", l->kind);
}

void load_lock(struct worker *w)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct lock l = { .w = w };
	char path[128];

	/* One file for each kind of lock would hide that they are apart. */
	snprintf(path, sizeof(path), "%s/locks", w->dir);
	l.fd = open(path, O_RDWR | O_CREAT, 0644);
	/* Closing it would drop the locks of the process: it stays open. */
	l.other = open(path, O_RDWR);
	if (l.fd < 0 || l.other < 0) {
		load_fail("%s", path);
		return;
	}
	sigaction(SIGALRM, &sa, NULL);
	while (load_more(w))
		step(&l);
}
