// SPDX-License-Identifier: BSD-2-Clause
/*
 * How a daemon that takes no descriptor gets our socket: by what it takes for
 * fusermount; or, where it opens /dev/fuse and mounts by itself, in this way:
 * its calls open() and mount() are shown to a process that stands above it,
 * which answers the one with the socket and the other with success. Nothing is
 * mounted.
 */
#include "../../log.h"
#include "exec.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int pass_fd(int channel, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { (char[]){ 0 }, 1 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(channel, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* What libfuse and its like ask of fusermount: to unmount, or a descriptor. */
int exec_fusermount(int argc, char **argv)
{
	const char *channel = getenv("_FUSE_COMMFD");

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "-u") == 0)
			return 0; /* it goes with its socket */
	if (!channel || fcntl(EXEC_DEVICE_FD, F_GETFD) < 0) {
		log_error("%s: only for what crossfuse exec: starts", argv[0]);
		return -EINVAL;
	}
	if (pass_fd(atoi(channel), EXEC_DEVICE_FD) < 0) {
		log_error("%s: cannot hand over the device: %m", argv[0]);
		return -EIO;
	}
	return 0;
}

#if HAVE_SECCOMP
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/ioctl.h>

#define DEVICE_PATH "/dev/fuse"
#define FUSE_TYPE   "fuse"

/* Those by which a device is opened for reading and writing, and mounted. */
static int notify_of(scmp_filter_ctx filter)
{
	int ret = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(mount), 0);

	if (ret == 0)
		ret = seccomp_rule_add(
			filter, SCMP_ACT_NOTIFY, SCMP_SYS(openat), 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, O_RDWR));
#ifdef __NR_open
	if (ret == 0)
		ret = seccomp_rule_add(
			filter, SCMP_ACT_NOTIFY, SCMP_SYS(open), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE, O_RDWR));
#endif
	return ret;
}

/* From here on this process's calls are shown to who has *RET_FD. */
static int show_calls(int *ret_fd)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int ret = filter ? notify_of(filter) : -ENOMEM;

	if (ret == 0)
		ret = seccomp_load(filter);
	if (ret == 0)
		*ret_fd = seccomp_notify_fd(filter);
	seccomp_release(filter);
	return ret;
}

/* Whether TEXT is at ADDRESS in that process, with its end if WHOLE. */
static bool has_text(pid_t pid, uint64_t address, const char *text, bool whole)
{
	char path[32], seen[16];
	size_t len = strlen(text) + whole;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = pread(fd, seen, len, (off_t)address);
	close(fd);
	return n == (ssize_t)len && memcmp(seen, text, len) == 0;
}

static bool opens_device(const struct seccomp_notif *call, uint64_t *ret_flags)
{
	const uint64_t *args = (const uint64_t *)call->data.args;

	if (call->data.nr == SCMP_SYS(openat))
		args++;
	else if (call->data.nr != SCMP_SYS(open))
		return false;
	*ret_flags = args[1];
	return has_text((pid_t)call->pid, args[0], DEVICE_PATH, true);
}

static bool mounts_it(const struct seccomp_notif *call)
{
	return call->data.nr == SCMP_SYS(mount) &&
	       has_text((pid_t)call->pid, call->data.args[2], FUSE_TYPE, false);
}

/* One call of the daemon's; it may be gone meanwhile, which is no matter. */
static void answer(int listener, struct seccomp_notif *call,
		   struct seccomp_notif_resp *reply)
{
	uint64_t flags = 0;

	memset(call, 0, sizeof(*call));
	if (seccomp_notify_receive(listener, call) < 0)
		return;
	*reply = (struct seccomp_notif_resp){ .id = call->id };
	if (opens_device(call, &flags)) {
		struct seccomp_notif_addfd add = {
			.id = call->id,
			.flags = SECCOMP_ADDFD_FLAG_SEND,
			.srcfd = EXEC_DEVICE_FD,
			.newfd_flags = flags & O_CLOEXEC,
		};

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) >= 0)
			return;
		reply->error = -errno;
	} else if (!mounts_it(call)) {
		reply->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	}
	seccomp_notify_respond(listener, reply);
}

/* Until nobody is left whose calls these are, or PID has failed. */
static int watch(int listener, pid_t pid)
{
	struct pollfd ready[2] = { { .fd = listener, .events = POLLIN },
				   { .events = POLLIN } };
	struct seccomp_notif_resp *reply;
	struct seccomp_notif *call;
	int status = 0;

	ready[1].fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (seccomp_notify_alloc(&call, &reply) < 0)
		return SIGKILL;
	while (!(ready[0].revents & POLLHUP)) {
		if (poll(ready, 2, -1) < 0)
			continue;
		if (ready[0].revents & POLLIN)
			answer(listener, call, reply);
		if (!(ready[1].revents & POLLIN))
			continue;
		ready[1].fd = -1;
		ready[1].revents = 0;
		if (waitpid(pid, &status, 0) == pid && status)
			break; /* it has not just gone to the background */
	}
	return status;
}

static int take_fd(int channel)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { (char[]){ 0 }, 1 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	int fd = -1;

	if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) == 1 &&
	    message.msg_controllen >= sizeof(control.header))
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

static _Noreturn void be_daemon(int channel, char **argv)
{
	int listener, ret = show_calls(&listener);

	if (ret == 0)
		ret = pass_fd(channel, listener);
	if (ret == 0) {
		close(listener);
		close(EXEC_DEVICE_FD);
		signal(SIGPIPE, SIG_DFL);
		execvp(argv[0], argv);
		ret = -errno;
	}
	log_error("{mount}: %s: the kernel must be 5.14 or newer, and let "
		  "system calls be watched",
		  strerror(-ret));
	_exit(EXIT_FAILURE);
}

int exec_device(char **argv)
{
	int pair[2], listener, status;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		be_daemon(pair[1], argv);
	/* What ends the daemon ends this. */
	signal(SIGTERM, SIG_IGN);
	close(pair[1]);
	listener = take_fd(pair[0]);
	if (listener < 0)
		return -EIO; /* which the other has said */
	status = watch(listener, pid);
	if (WIFSIGNALED(status)) {
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	_exit(WEXITSTATUS(status));
}

#else

int exec_device(char **argv)
{
	(void)argv;
	log_error("{mount}: built without libseccomp");
	return -ENOSYS;
}

#endif
