// SPDX-License-Identifier: BSD-2-Clause
#include "socket.h"
#include "leftover.h"
#include "log.h"
#include "pid_file.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *socket_group;

const struct option socket_options[] = {
	OPTION("socket-group", STRING, &socket_group, "GROUP",
	       "let this group connect to the socket"),
	{ 0 },
};

/* Where the socket is to be made. */
struct place {
	const char *path;
	int type; /* SOCK_STREAM, SOCK_SEQPACKET */
	int backlog;
	bool service; /* clients come here: --socket-group, SOCKET.pid */
	struct sockaddr_un address;
	int dir;    /* its directory */
	char *name; /* its name there */
};

int socket_address(const char *path, struct sockaddr_un *ret_address)
{
	size_t len = strlen(path);

	if (len >= sizeof(ret_address->sun_path)) {
		log_error("%s: a socket's path has at most %zu bytes: choose "
			  "a shorter one",
			  path, sizeof(ret_address->sun_path) - 1);
		return -ENAMETOOLONG;
	}
	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret_address->sun_path, path, len + 1);
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
	fd = socket(AF_UNIX, place->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
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

	fd = socket(AF_UNIX, place->type | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		r = -errno;
		log_error("cannot make a socket: %m");
		return r;
	}
	if (place->service && socket_group)
		r = bind_for_group(place, fd, socket_group);
	else
		r = bind_as(place, fd, 0177, getegid());
	if (r < 0)
		goto fail;
	r = leftover_note(place->path, -1);
	if (r == 0 && listen(fd, place->backlog) < 0)
		r = -errno;
	if (r < 0)
		log_error("%s: cannot listen: %s", place->path, strerror(-r));
	else if (place->service)
		r = pid_file_make(place->dir, place->name, place->path);
	if (r == 0)
		return fd;
	unlinkat(place->dir, place->name, 0);
fail:
	close(fd);
	return r;
}

static int listen_at(struct place *place)
{
	int r;

	r = socket_address(place->path, &place->address);
	if (r == 0)
		r = open_dir(place);
	if (r == 0)
		lock_dir(place);
	if (r == 0 && place->service)
		r = pid_file_clear(place->dir, place->name, place->path);
	if (r == 0)
		r = clear_path(place);
	if (r == 0)
		r = bind_and_listen(place);
	if (place->dir >= 0)
		close(place->dir);
	free(place->name);
	return r;
}

int socket_listen_at(const char *path, int type, int backlog)
{
	struct place place = { .path = path,
			       .type = type,
			       .backlog = backlog,
			       .service = true,
			       .dir = -1 };

	return listen_at(&place);
}

int socket_listen_private(const char *path)
{
	struct place place = {
		.path = path, .type = SOCK_STREAM, .backlog = 16, .dir = -1
	};

	return listen_at(&place);
}
