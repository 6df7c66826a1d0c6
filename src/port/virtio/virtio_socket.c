// SPDX-License-Identifier: BSD-2-Clause
#include "../../leftover.h"
#include "../../log.h"
#include "virtio.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MONITOR_PREFIX "qemu-system-"

/* Connections that have not said anything yet; the oldest gives way. */
#define SILENT_MAX 16

/* Where the socket is to be made. */
struct place {
	const char *path;
	struct sockaddr_un address;
	int dir;    /* its directory */
	char *name; /* its name there */
};

static int check_path(struct place *place)
{
	size_t len = strlen(place->path);

	place->address.sun_family = AF_UNIX;
	if (len >= sizeof(place->address.sun_path)) {
		log_error("%s: a socket's path has at most %zu bytes: choose "
			  "a shorter one",
			  place->path, sizeof(place->address.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(place->address.sun_path, place->path, len + 1);
	return 0;
}

static int open_dir(struct place *place)
{
	char copy[sizeof(place->address.sun_path)];
	const char *dir;

	strcpy(copy, place->path);
	place->name = strdup(basename(copy));
	if (!place->name)
		return -ENOMEM;
	strcpy(copy, place->path);
	dir = dirname(copy);
	place->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place->dir < 0 && errno == EACCES)
		place->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place->dir < 0) {
		int error = -errno;

		log_error("%s: %m: the socket's directory must exist", dir);
		return error;
	}
	return 0;
}

/*
 * Two programs that find the same stale socket must not remove each other's:
 * the directory is locked meanwhile, if it can be, and not for long.
 */
static void lock_dir(const struct place *place)
{
	for (int i = 0; i < 20; i++) {
		if (flock(place->dir, LOCK_EX | LOCK_NB) == 0 ||
		    errno != EWOULDBLOCK)
			return;
		usleep(50000);
	}
}

/* Removes what a program left that is gone; an error if there is another. */
static int clear_path(const struct place *place)
{
	struct stat st;
	int fd, r;

	if (fstatat(place->dir, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return 0;
		r = -errno;
		log_error("%s: %m", place->path);
		return r;
	}
	if (!S_ISSOCK(st.st_mode)) {
		log_error("%s: exists and is not a socket: remove it or "
			  "choose another path",
			  place->path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)&place->address,
		    sizeof(place->address)) < 0
		    ? errno
		    : 0;
	close(fd);
	if (r == ENOENT)
		return 0;
	if (r != ECONNREFUSED) {
		log_error("%s: the socket is taken: stop the program that "
			  "listens there or choose another path",
			  place->path);
		return -EADDRINUSE;
	}
	if (unlinkat(place->dir, place->name, 0) < 0 && errno != ENOENT) {
		r = -errno;
		log_error("%s: cannot remove the old socket: %m", place->path);
		return r;
	}
	return 0;
}

/* Only the owner may connect, or a group if the administrator says so. */
static int find_group(const char *name, gid_t *ret_gid)
{
	struct group *entry;

	errno = 0;
	entry = getgrnam(name);
	if (!entry) {
		log_error("--socket-group=%s: there is no such group", name);
		return -ENOENT;
	}
	*ret_gid = entry->gr_gid;
	return 0;
}

/*
 * The socket has its mode and group from the beginning: by its name a moment
 * later, another file could be given away.
 */
static int bind_as(const struct place *place, int fd, mode_t mask, gid_t gid)
{
	gid_t old_gid = (gid_t)setfsgid(gid);
	mode_t old_mask = umask(mask);
	int r = 0;

	if (bind(fd, (const struct sockaddr *)&place->address,
		 sizeof(place->address)) < 0)
		r = -errno;
	umask(old_mask);
	setfsgid(old_gid);
	if (r < 0)
		log_error("%s: cannot make the socket: %s", place->path,
			  strerror(-r));
	return r;
}

static int bind_for_group(const struct place *place, int fd, const char *name)
{
	struct stat st;
	gid_t gid, old;
	int r = find_group(name, &gid);

	if (r < 0)
		return r;
	old = (gid_t)setfsgid(gid);
	if ((gid_t)setfsgid(old) != gid) {
		log_error("--socket-group=%s: this user cannot make a socket "
			  "of that group: run as root, or a member as `sg %s "
			  "crossfuse ...`",
			  name, name);
		return -EPERM;
	}
	r = bind_as(place, fd, 0117, gid);
	if (r < 0)
		return r;
	if (fstatat(place->dir, place->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_gid == gid)
		return 0;
	log_error("--socket-group=%s: %s is of another group: choose a "
		  "directory without a set-group-ID bit",
		  name, place->path);
	unlinkat(place->dir, place->name, 0);
	return -EPERM;
}

static int bind_and_listen(const struct place *place)
{
	int fd, r;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		r = -errno;
		log_error("cannot make a socket: %m");
		return r;
	}
	if (virtio_options.socket_group)
		r = bind_for_group(place, fd, virtio_options.socket_group);
	else
		r = bind_as(place, fd, 0177, getegid());
	if (r < 0)
		goto fail;
	r = leftover_note(place->path);
	if (r == 0 && listen(fd, SILENT_MAX) < 0)
		r = -errno;
	if (r < 0) {
		log_error("%s: cannot listen: %s", place->path, strerror(-r));
		unlinkat(place->dir, place->name, 0);
		goto fail;
	}
	return fd;
fail:
	close(fd);
	return r;
}

/* A socket that listens at PATH until leftover_remove(); or -errno. */
static int listen_at(const char *path)
{
	struct place place = { .path = path, .dir = -1 };
	int r;

	r = check_path(&place);
	if (r == 0)
		r = open_dir(&place);
	if (r == 0) {
		lock_dir(&place);
		r = clear_path(&place);
	}
	if (r == 0)
		r = bind_and_listen(&place);
	if (place.dir >= 0)
		close(place.dir);
	free(place.name);
	return r;
}

static int socket_option(int fd, int option)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -1
								    : value;
}

/* --fd: *RET_LISTENS says whether a connection must be accepted yet. */
static int check_inherited(int fd, bool *ret_listens)
{
	struct sockaddr_un peer;
	socklen_t len = sizeof(peer);

	if (socket_option(fd, SO_DOMAIN) != AF_UNIX ||
	    socket_option(fd, SO_TYPE) != SOCK_STREAM) {
		log_error("file descriptor %d is not a Unix stream socket: "
			  "pass one that listens or is connected",
			  fd);
		return -ENOTSOCK;
	}
	*ret_listens = socket_option(fd, SO_ACCEPTCONN) == 1;
	if (!*ret_listens &&
	    getpeername(fd, (struct sockaddr *)&peer, &len) < 0) {
		log_error("file descriptor %d neither listens nor is "
			  "connected",
			  fd);
		return -ENOTCONN;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

struct silent {
	int fds[SILENT_MAX];
	unsigned int count;
};

static void silent_remove(struct silent *silent, unsigned int index)
{
	silent->count--;
	memmove(silent->fds + index, silent->fds + index + 1,
		(silent->count - index) * sizeof(*silent->fds));
}

/* 0 or -errno, logged. */
static int silent_accept(struct silent *silent, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), r;

	if (fd < 0) {
		if (errno == EINTR || errno == ECONNABORTED || errno == EAGAIN)
			return 0;
		r = -errno;
		log_error("cannot accept a connection: %m");
		return r;
	}
	if (silent->count == SILENT_MAX) {
		close(silent->fds[0]);
		silent_remove(silent, 0);
	}
	silent->fds[silent->count++] = fd;
	return 0;
}

/* The first that has something to say: taken out; -1: none. Who left goes. */
static int silent_take(struct silent *silent, const struct pollfd *ready,
		       unsigned int count)
{
	for (unsigned int i = count; i-- > 0;) {
		int fd = silent->fds[i];
		ssize_t n;
		char byte;

		if (!ready[i].revents)
			continue;
		n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		silent_remove(silent, i);
		if (n == 1)
			return fd;
		close(fd);
	}
	return -1;
}

/* As below, for one time that something happens; -EAGAIN: go on. */
static int wait_for_talker(struct silent *silent, int listener, int stop_fd,
			   int *ret_fd)
{
	struct pollfd ready[2 + SILENT_MAX] = {
		{ .fd = stop_fd, .events = POLLIN },
		{ .fd = listener, .events = POLLIN },
	};
	unsigned int count = silent->count;
	int fd, r;

	for (unsigned int i = 0; i < count; i++)
		ready[2 + i] = (struct pollfd){ .fd = silent->fds[i],
						.events = POLLIN };
	if (poll(ready, 2 + count, -1) < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (ready[0].revents)
		return 0;
	fd = silent_take(silent, ready + 2, count);
	if (fd >= 0) {
		*ret_fd = fd;
		return 1;
	}
	r = ready[1].revents ? silent_accept(silent, listener) : 0;
	return r < 0 ? r : -EAGAIN;
}

/*
 * Waits for a front end that says something: a connection that is closed
 * without a word was only somebody who asks whether the socket is taken, and
 * one that stays silent keeps out nobody.
 */
static int accept_talker(int listener, int stop_fd, int *ret_fd)
{
	struct silent silent = { .count = 0 };
	int r;

	do
		r = wait_for_talker(&silent, listener, stop_fd, ret_fd);
	while (r == -EAGAIN);
	while (silent.count)
		close(silent.fds[--silent.count]);
	return r;
}

int virtio_socket_accept(struct virtio_socket *sock, int stop_fd, int *ret_fd)
{
	int r;

	if (sock->fd < 0)
		return 0;
	if (!sock->listens) {
		*ret_fd = sock->fd;
		sock->fd = -1;
		return 1;
	}
	r = accept_talker(sock->fd, stop_fd, ret_fd);
	/* The next one shall be refused at once, not wait. */
	close(sock->fd);
	sock->fd = -1;
	return r;
}

/* What the program of process PID emulates; NULL if that is not known. */
static char *machine_of(const struct ucred *peer)
{
	char link[64], program[PATH_MAX];
	const size_t prefix = strlen(MONITOR_PREFIX);
	struct stat st;
	ssize_t n;
	char *name;

	if (peer->pid <= 0)
		return NULL;
	snprintf(link, sizeof(link), "/proc/%ld", (long)peer->pid);
	/* The process may be another one by now; its owner tells. */
	if (stat(link, &st) < 0 || (st.st_uid != peer->uid && st.st_uid != 0))
		return NULL;
	snprintf(link, sizeof(link), "/proc/%ld/exe", (long)peer->pid);
	n = readlink(link, program, sizeof(program) - 1);
	if (n < 0)
		return NULL;
	program[n] = '\0';
	name = strrchr(program, '/');
	if (!name || strncmp(name + 1, MONITOR_PREFIX, prefix) != 0)
		return NULL;
	name += 1 + prefix;
	/* " (deleted)" after an upgrade */
	name[strcspn(name, " ")] = '\0';
	return *name ? strdup(name) : NULL;
}

char *virtio_socket_machine(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return NULL;
	return machine_of(&peer);
}

int virtio_socket_open(struct virtio_socket *sock, const char *path)
{
	int fd = virtio_options.listen_fd;

	*sock = (struct virtio_socket){ .fd = -1, .listens = true };
	if (fd >= 0 && path) {
		log_error("--fd and virtio:%s: give one of them", path);
		return -EINVAL;
	}
	if (fd < 0 && !path) {
		log_error("virtio: wants a socket: give virtio:SOCKET or --fd");
		return -EINVAL;
	}
	if (path) {
		fd = listen_at(path);
		if (fd < 0)
			return fd;
		log_info("waiting for the monitor to connect to %s", path);
	} else {
		int r = check_inherited(fd, &sock->listens);

		if (r < 0)
			return r;
	}
	sock->fd = fd;
	return 0;
}

void virtio_socket_close(struct virtio_socket *sock)
{
	if (sock->fd >= 0)
		close(sock->fd);
	sock->fd = -1;
}
