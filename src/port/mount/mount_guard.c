// SPDX-License-Identifier: BSD-2-Clause
/*
 * A process that unmounts when the server has ended, however it did: the
 * server itself may be confined, or be gone without a word.
 */
#define FUSE_USE_VERSION 312
#include "../../log.h"
#include "mount.h"
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the other process knows of the mount. */
struct mounted {
	struct fuse_session *session;
	const char *where;
	uint32_t major, minor; /* of the device that it is to stat() */
};

/* linux/fuse.h, protocol 7.40 */
struct backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};

#define BACKING_OPEN  _IOW(229, 1, struct backing_map)
#define BACKING_CLOSE _IOW(229, 2, uint32_t)

/* Waits until nobody has the other end of FD open any more. */
static void wait_for_end(int fd)
{
	char byte;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n > 0 || (n < 0 && errno == EINTR));
}

/*
 * What the server asks for is a number: that to give back, or 0, with a
 * descriptor, for a new one.
 */
union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static struct msghdr message_of(struct iovec *iov, union control *control)
{
	return (struct msghdr){ .msg_iov = iov,
				.msg_iovlen = 1,
				.msg_control = control,
				.msg_controllen = sizeof(*control) };
}

/* In the other process. */
static int32_t open_backing(int device, int fd)
{
	struct backing_map map = { .fd = fd };
	int id = ioctl(device, BACKING_OPEN, &map);

	return id < 0 ? -errno : id;
}

static void answer(int life, int device, struct msghdr *message, int32_t number)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	uint32_t id = (uint32_t)number;
	int fd;

	if (number > 0 && ioctl(device, BACKING_CLOSE, &id) < 0)
		log_debug("a file behind cannot be given back: %m");
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	number = open_backing(device, fd);
	close(fd);
	if (send(life, &number, sizeof(number), MSG_NOSIGNAL) < 0)
		log_debug("nobody waits for the file behind: %m");
}

/* Until nobody has the other end of LIFE open any more. */
static void serve_backing(int life, int device)
{
	for (;;) {
		union control control;
		int32_t number = 0;
		struct iovec iov = { &number, sizeof(number) };
		struct msghdr message = message_of(&iov, &control);
		ssize_t n = recvmsg(life, &message, MSG_CMSG_CLOEXEC);

		if (n == 0 || (n < 0 && errno != EINTR))
			return;
		if (n > 0)
			answer(life, device, &message, number);
	}
}

int32_t mount_guard_backing_open(const struct mount_guard *guard, int fd)
{
	int32_t id = 0;
	struct iovec iov = { &id, sizeof(id) };
	union control control = { .bytes = { 0 } };
	struct msghdr message = message_of(&iov, &control);
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	ssize_t n;

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	if (sendmsg(guard->life, &message, MSG_NOSIGNAL) < 0)
		return -errno;
	do
		n = read(guard->life, &id, sizeof(id));
	while (n < 0 && errno == EINTR);
	return n == sizeof(id) ? id : -ENOTCONN;
}

void mount_guard_backing_close(const struct mount_guard *guard, int32_t id)
{
	if (write(guard->life, &id, sizeof(id)) < 0)
		log_debug("a file behind cannot be given back: %m");
}

/* What is mounted there; the server is not asked. */
static int look(struct mounted *mounted)
{
	struct statx st;

	if (statx(AT_FDCWD, mounted->where,
		  AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st) < 0)
		return -errno;
	mounted->major = st.stx_dev_major;
	mounted->minor = st.stx_dev_minor;
	return 0;
}

/* Somebody may have unmounted it, or mounted something on top of it. */
static bool is_there(const struct mounted *mounted)
{
	struct mounted now = *mounted;

	return look(&now) == 0 && now.major == mounted->major &&
	       now.minor == mounted->minor;
}

/* The end of a connection: whoever waits for an answer is told. */
static bool abort_connection(const struct mounted *mounted)
{
	char name[64];
	int fd;
	bool done;

	snprintf(name, sizeof(name), "/sys/fs/fuse/connections/%u/abort",
		 mounted->minor);
	fd = open(name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, "1", 1) == 1;
	close(fd);
	return done;
}

/*
 * A thread of a server that was killed may be in the kernel still, waiting for
 * a request that only this server could answer; it has the device open, so its
 * end alone would end nothing.
 */
static void unmount(const struct mounted *mounted)
{
	struct pollfd device = { .fd = fuse_session_fd(mounted->session) };
	bool alive = poll(&device, 1, 0) == 0;
	bool there = is_there(mounted);
	int nothing;

	/* A number that is not in use any more may be another's by now. */
	if (alive && !abort_connection(mounted) && there && geteuid() == 0)
		umount2(mounted->where, MNT_FORCE | UMOUNT_NOFOLLOW);
	/* libfuse unmounts nothing whose connection was aborted. */
	nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (nothing >= 0)
		dup2(nothing, device.fd);
	if (there && is_there(mounted))
		fuse_session_unmount(mounted->session);
}

/*
 * The kernel writes to files behind with what this process may do now: as the
 * server does for who is not the superuser.
 */
static void drop_privileges(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return;
	data[0].effective &= ~(1u << CAP_FSETID | 1u << CAP_SYS_RESOURCE);
	if (syscall(SYS_capset, &header, data) < 0)
		log_debug("the guardian keeps its capabilities: %m");
}

/* What the other process does. */
static void keep_guard(int life, const struct mounted *mounted)
{
	/* It ends when the server does; what ends that is not for it. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	setsid();
	if (chdir("/") < 0)
		log_debug("cannot leave the working directory: %m");
	drop_privileges();
	serve_backing(life, fuse_session_fd(mounted->session));
	unmount(mounted);
	_exit(EXIT_SUCCESS);
}

static int make_pipes(int life[2], int done[2])
{
	int ret;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, life) < 0)
		return -errno;
	if (pipe2(done, O_CLOEXEC) == 0)
		return 0;
	ret = -errno;
	close(life[0]);
	close(life[1]);
	return ret;
}

int mount_guard_start(struct mount_guard *ret_guard,
		      struct fuse_session *session, const char *where)
{
	struct mounted mounted = { .session = session, .where = where };
	int life[2], done[2], ret;
	pid_t pid;

	ret = look(&mounted);
	if (ret == 0)
		ret = make_pipes(life, done);
	if (ret < 0) {
		log_error("%s: cannot guard the mount: %s", where,
			  strerror(-ret));
		return ret;
	}
	pid = fork();
	if (pid == 0) {
		close(life[1]);
		close(done[0]);
		keep_guard(life[0], &mounted);
	}
	ret = -errno;
	close(life[0]);
	close(done[1]);
	if (pid < 0) {
		log_error("cannot start a process: %s", strerror(-ret));
		close(life[1]);
		close(done[0]);
		return ret;
	}
	*ret_guard = (struct mount_guard){ getpid(), life[1], done[0] };
	return 0;
}

void mount_guard_end(struct mount_guard *guard)
{
	close(guard->life);
	/* Not by wait(), which a confined process may not use. */
	if (getpid() == guard->parent)
		wait_for_end(guard->done);
	close(guard->done);
}
