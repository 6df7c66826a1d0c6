// SPDX-License-Identifier: BSD-2-Clause
#include "sandbox.h"
#include "../log.h"
#include "capability.h"
#include "seccomp_filter.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *remedy_of_path(int error)
{
	switch (error) {
	case ENOENT:
		return "create it or name another directory";
	case ENOTDIR:
		return "name a directory";
	case EACCES:
		return "run crossfuse as a user who may enter it";
	default:
		return "name another directory";
	}
}

static int tell_path(const char *path, int error)
{
	log_error("cannot share %s: %s: %s", path, strerror(error),
		  remedy_of_path(error));
	return -error;
}

static uint64_t system_limit(void)
{
	unsigned long long limit = 1 << 20;
	FILE *file = fopen("/proc/sys/fs/nr_open", "re");

	if (file) {
		if (fscanf(file, "%llu", &limit) != 1)
			limit = 1 << 20;
		fclose(file);
	}
	return limit;
}

/* Each file that the client knows is an open descriptor here. */
static int raise_limit(uint64_t wanted)
{
	struct rlimit limit;
	rlim_t hard;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	hard = limit.rlim_max;
	limit.rlim_max = wanted ? wanted : system_limit();
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return 0;
	if (wanted) {
		log_error("cannot have %llu files open (--rlimit-nofile): %m: "
			  "this user may have %llu; run as root, or raise "
			  "LimitNOFILE",
			  (unsigned long long)wanted, (unsigned long long)hard);
		return -EPERM;
	}
	limit.rlim_cur = limit.rlim_max = hard;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

int sandbox_check(const char *path, const struct options *options)
{
	struct stat st;
	int ret;

	if (stat(path, &st) < 0)
		return tell_path(path, errno);
	if (!S_ISDIR(st.st_mode))
		return tell_path(path, ENOTDIR);
	ret = seccomp_check(options->seccomp);
	if (ret < 0)
		return ret;
	ret = capability_check(options->modcaps);
	if (ret < 0)
		return ret;
	return raise_limit(options->rlimit_nofile);
}

static int tell_step(const char *step, int error)
{
	log_error("--sandbox namespace: cannot %s: %s: %s", step,
		  strerror(error),
		  geteuid() == 0 ? "give it CAP_SYS_ADMIN, or use --sandbox "
				   "chroot or "
				   "none"
				 : "run as root, allow user namespaces, or use "
				   "--sandbox none");
	return -error;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = write(fd, text, strlen(text));
	close(fd);
	return len == (ssize_t)strlen(text) ? 0 : -EPERM;
}

/* An ordinary user is the superuser of a name space with itself alone. */
static int unshare_user(void)
{
	char uid_map[32], gid_map[32];
	int ret;

	snprintf(uid_map, sizeof(uid_map), "0 %u 1", (unsigned)geteuid());
	snprintf(gid_map, sizeof(gid_map), "0 %u 1", (unsigned)getegid());
	if (unshare(CLONE_NEWUSER) < 0)
		return tell_step("make a user name space", errno);
	ret = write_file("/proc/self/setgroups", "deny");
	if (ret == 0)
		ret = write_file("/proc/self/uid_map", uid_map);
	if (ret == 0)
		ret = write_file("/proc/self/gid_map", gid_map);
	return ret < 0 ? tell_step("map its own user", -ret) : 0;
}

/* How long a child has after a signal that should end it. */
#define PATIENCE   50
#define PAUSE_NSEC 200000000

static void end_like(int status)
{
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	log_error("the server was ended by signal %d (%s)", WTERMSIG(status),
		  strsignal(WTERMSIG(status)));
	_exit(128 + WTERMSIG(status));
}

/*
 * The first process of a name space ignores a signal that it does not handle
 * yet, so one that should end it is sent until it does.
 */
static void wait_for_child(pid_t child, const sigset_t *signals)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NSEC };
	int ending = 0, sent = 0, status, signal_number;

	for (;;) {
		if (waitpid(child, &status, WNOHANG) == child)
			end_like(status);
		if (!ending) {
			signal_number = sigwaitinfo(signals, NULL);
		} else {
			signal_number = sigtimedwait(signals, NULL, &pause);
			if (signal_number < 0 && errno == EAGAIN)
				kill(child,
				     ++sent < PATIENCE ? ending : SIGKILL);
		}
		if (signal_number == SIGTERM || signal_number == SIGINT) {
			ending = signal_number;
			kill(child, ending);
		}
	}
}

/* Goes on in a child, the first process of its name space. */
static int fork_child(void)
{
	sigset_t signals, old;
	pid_t child;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, &old);
	child = fork();
	if (child < 0)
		return tell_step("start a process", errno);
	if (child > 0)
		wait_for_child(child, &signals);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return 0;
}

/* The flags that a remount in a user name space must not take away. */
static unsigned long locked_flags(const char *path)
{
	struct statvfs fs;
	unsigned long flags = 0;

	if (statvfs(path, &fs) < 0)
		return 0;
	if (fs.f_flag & ST_NOSUID)
		flags |= MS_NOSUID;
	if (fs.f_flag & ST_NODEV)
		flags |= MS_NODEV;
	if (fs.f_flag & ST_NOEXEC)
		flags |= MS_NOEXEC;
	if (fs.f_flag & ST_NOATIME)
		flags |= MS_NOATIME;
	if (fs.f_flag & ST_NODIRATIME)
		flags |= MS_NODIRATIME;
	if (fs.f_flag & ST_RELATIME)
		flags |= MS_RELATIME;
	return flags;
}

/* The shared directory becomes the root, and all else goes. */
static int pivot_to(const char *path, bool readonly)
{
	/* What the host mounts below it later is still seen. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return tell_step("detach its mounts", errno);
	if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0)
		return tell_step("bind the directory", errno);
	if (readonly &&
	    mount(NULL, path, NULL,
		  MS_BIND | MS_REMOUNT | MS_RDONLY | locked_flags(path),
		  NULL) < 0)
		return tell_step("make the directory read-only", errno);
	if (chdir(path) < 0)
		return tell_step("enter the directory", errno);
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return tell_step("make the directory its root", errno);
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return tell_step("leave the old root", errno);
	return 0;
}

static int enter_namespace(const char *path, const struct options *options)
{
	int ret = 0;

	if (geteuid() != 0)
		ret = unshare_user();
	if (ret < 0)
		return ret;
	if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) < 0)
		return tell_step("make name spaces", errno);
	ret = fork_child();
	return ret < 0 ? ret : pivot_to(path, options->readonly);
}

static int enter_chroot(const char *path)
{
	if (chroot(path) == 0 && chdir("/") == 0)
		return 0;
	if (errno == EPERM)
		log_error("--sandbox chroot: %m: run as root, or use --sandbox "
			  "namespace or none");
	else
		log_error("--sandbox chroot: cannot enter %s: %m: %s", path,
			  remedy_of_path(errno));
	return -EPERM;
}

static int enter_view(const char *path, const struct options *options)
{
	switch (options->sandbox) {
	case SANDBOX_NAMESPACE:
		return enter_namespace(path, options);
	case SANDBOX_CHROOT:
		return enter_chroot(path);
	default:
		return 0;
	}
}

static int open_view(int proc, const char *path, struct sandbox_view *ret_view)
{
	struct sandbox_view view;

	view.proc_fd =
		openat(proc, "self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (view.proc_fd < 0) {
		log_error("cannot use /proc/self/fd: %m: mount /proc");
		return -ENOENT;
	}
	view.root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (view.root_fd < 0) {
		close(view.proc_fd);
		return tell_path(path, errno);
	}
	*ret_view = view;
	return 0;
}

int sandbox_enter(const char *path, const struct options *options,
		  struct sandbox_view *ret_view)
{
	struct sandbox_view view;
	int proc, ret;

	/* The number behind "self" is looked up when it is walked. */
	proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0) {
		log_error("cannot open /proc: %m: mount it");
		return -ENOENT;
	}
	ret = enter_view(path, options);
	if (ret == 0)
		ret = open_view(proc,
				options->sandbox == SANDBOX_NONE ? path : "/",
				&view);
	close(proc);
	if (ret < 0)
		return ret;
	ret = capability_drop(options->modcaps, options->readonly);
	if (ret == 0)
		ret = seccomp_enter(options);
	/* After the change of capabilities, which resets it. */
	if (ret == 0 && options->sandbox == SANDBOX_NAMESPACE)
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (ret < 0) {
		close(view.root_fd);
		close(view.proc_fd);
		return ret;
	}
	*ret_view = view;
	return 0;
}
