// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the kernel keeps for each thread: user and group, umask, working
 * directory, capabilities. The C library's setresuid() and its like change the
 * whole process, hence the bare system calls.
 */
#include "internal.h"
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_setgroups32
#define SETGROUPS SYS_setgroups32
#else
#define SETGROUPS SYS_setgroups
#endif

/* What this thread is known to be; nothing at first. */
static _Thread_local struct {
	bool own_fs;
	bool other_group; /* its group is not the process's but GROUP */
	gid_t group;
	bool no_setid; /* CAP_FSETID is put aside */
	mode_t umask;
	const struct dir *in_proc;
} thread;

static int own_fs(void)
{
	if (thread.own_fs)
		return 0;
	if (unshare(CLONE_FS) < 0)
		return -errno;
	thread.own_fs = true;
	thread.umask = umask(0);
	umask(thread.umask);
	return 0;
}

int thread_enter_proc(const struct dir *dir)
{
	int ret;

	if (thread.in_proc == dir)
		return 0;
	ret = own_fs();
	if (ret < 0)
		return ret;
	if (fchdir(dir->proc_fd) < 0)
		return -errno;
	thread.in_proc = dir;
	return 0;
}

int thread_umask(struct dir *dir, mode_t mask)
{
	int ret = own_fs();

	(void)dir;
	if (ret < 0)
		return ret;
	mask &= 0777;
	if (thread.umask != mask) {
		umask(mask);
		thread.umask = mask;
	}
	return 0;
}

struct fd_name fd_name(int fd)
{
	struct fd_name name;
	char digits[12];
	size_t n = 0, i = 0;

	do {
		digits[n++] = (char)('0' + fd % 10);
		fd /= 10;
	} while (fd > 0);
	while (n)
		name.text[i++] = digits[--n];
	name.text[i] = '\0';
	return name;
}

/* The effective capabilities of this thread; the permitted ones stay. */
static int set_effective(const struct dir *dir, uint64_t caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++)
		data[i] = (struct __user_cap_data_struct){
			.permitted = (uint32_t)(dir->caps >> (32 * i)),
			.effective = (uint32_t)(caps >> (32 * i)),
		};
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

#define CAP_BIT(cap) ((uint64_t)1 << (cap))

/*
 * The group stays until another one is asked for, because changing it is slow
 * and whoever has the superuser's capabilities is hindered by none.
 */
static int set_group(const struct dir *dir, gid_t gid)
{
	gid_t now = thread.other_group ? thread.group : dir->gid;

	if (now == gid)
		return 0;
	setfsgid(gid);
	/* The call tells no error; there is none where all groups exist. */
	if ((!dir->all_ids || gid == (gid_t)-1) &&
	    (gid_t)setfsgid((gid_t)-1) != gid)
		return -EPERM;
	thread.other_group = gid != dir->gid;
	thread.group = gid;
	return 0;
}

int thread_keep_setid(const struct op *op, bool keep)
{
	const struct dir *dir = op->dir;
	uint64_t caps = dir->caps;
	int ret;

	if (!(dir->caps & CAP_BIT(CAP_FSETID)))
		return 0;
	if (!keep && dir->privileged)
		set_group(dir, op->gid);
	if (thread.no_setid == !keep)
		return 0;
	if (!keep)
		caps &= ~CAP_BIT(CAP_FSETID);
	ret = set_effective(dir, caps);
	if (ret == 0)
		thread.no_setid = !keep;
	return ret;
}

int thread_keep_setid_of_root(const struct op *op)
{
	return thread_keep_setid(op, op->in->uid == 0 ||
					     !(op->dir->agreed.flags &
					       CF_INIT_HANDLE_KILLPRIV_V2));
}

int thread_keep_setid_of_open(const struct op *op, uint32_t open_flags)
{
	bool keep = op->in->uid == 0;

	if (op->dir->agreed.flags & CF_INIT_HANDLE_KILLPRIV_V2)
		keep = !(open_flags & CF_OPEN_KILL_SUIDGID);
	return thread_keep_setid(op, keep);
}

/*
 * The client's kernel has checked that the caller may write to the directory,
 * knowing all its groups, of which the request tells one at most: that check
 * is not made again. Put aside is what setfsuid() gives back: CAP_FSETID above
 * all, so that a set-group-ID bit goes where it would on a local file system.
 */
#define ASIDE                                                             \
	(CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_FOWNER) | \
	 CAP_BIT(CAP_LINUX_IMMUTABLE))

static int set_user(const struct dir *dir, uid_t uid)
{
	if (uid == dir->uid)
		return 0;
	setfsuid(uid);
	if ((!dir->all_ids || uid == (uid_t)-1) &&
	    (uid_t)setfsuid((uid_t)-1) != uid)
		return -EPERM;
	return 0;
}

static int cred_switch(struct op *op, const struct extensions *ext,
		       struct cred_scope *scope)
{
	struct dir *dir = op->dir;
	uint64_t aside = ASIDE;
	uid_t uid = op->uid;
	int ret;

	if (ext->stripped)
		aside &= ~CAP_BIT(CAP_FSETID);
	if (ext->has_group && dir->privileged) {
		if (syscall(SETGROUPS, (size_t)1, &ext->group) < 0)
			return -errno;
		scope->grouped = true;
	}
	scope->switched = true;
	ret = set_group(dir, op->gid);
	if (ret == 0)
		ret = set_user(dir, uid);
	if (ret == 0 && dir->privileged && uid != dir->uid)
		ret = set_effective(dir, dir->caps & ~aside);
	if (ret < 0)
		cred_leave(op, scope);
	return ret;
}

int cred_enter(struct op *op, const struct extensions *ext,
	       struct cred_scope *ret_scope)
{
	struct dir *dir = op->dir;

	*ret_scope = (struct cred_scope){ 0 };
	if (op->uid == dir->uid && op->gid == dir->gid)
		return set_group(dir, dir->gid);
	/* An ordinary user plays the client's root as well as it can. */
	if (!dir->privileged && op->uid == 0)
		return 0;
	return cred_switch(op, ext, ret_scope);
}

void cred_leave(struct op *op, const struct cred_scope *scope)
{
	int error = errno;

	/* The superuser's capabilities come back with its number. */
	if (scope->switched && op->uid != op->dir->uid) {
		setfsuid(op->dir->uid);
		thread.no_setid = false;
	}
	if (scope->grouped)
		syscall(SETGROUPS, (size_t)0, NULL);
	errno = error;
}

void cred_init(struct dir *dir, bool all_ids)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = { 0 };
	const uint64_t needed = CAP_BIT(CAP_SETUID) | CAP_BIT(CAP_SETGID);

	dir->uid = geteuid();
	dir->gid = getegid();
	if (syscall(SYS_capget, &header, data) == 0)
		dir->caps = data[0].permitted | (uint64_t)data[1].permitted
							<< 32;
	dir->privileged = dir->uid == 0 && (dir->caps & needed) == needed;
	dir->all_ids = dir->privileged && all_ids;
	/* The groups of who started it are no business of the client. */
	if (dir->privileged)
		syscall(SETGROUPS, (size_t)0, NULL);
}
