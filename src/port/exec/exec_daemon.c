// SPDX-License-Identifier: BSD-2-Clause
/* The daemon's process. */
#include "../../log.h"
#include "../../thread.h"
#include "exec.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEVICE "/dev/fd/199"

/* A message with 1 MiB of data, and what the kernel counts with it. */
#define SOCKET_BYTES (4 << 20)
#define MAX_DATA     (1u << 20)

/* Headers, names and fixed parts of a message. */
#define HEAD_BYTES 8192

/* How long it has to end by itself, and after SIGTERM. */
#define PATIENCE_MS 2000

/* Where the mount point stands in a command. */
#define HOLDER_DEVICE "{}"
#define HOLDER_DIR    "{dir}"
#define HOLDER_MOUNT  "{mount}"

/* In the daemon's own directory. */
#define MOUNT_POINT "mnt"
static const char *const helpers[] = { "fusermount", "fusermount3" };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

extern char **environ;

/*
 * With a directory for a mount point a daemon wants to mount. It cannot, in a
 * mount name space of its own and without the privilege; and the fusermount
 * that it then turns to is ours, which hands the socket over.
 */
#define LOSE_PRIVILEGE \
	"setpriv --inh-caps=-sys_admin --bounding-set=-sys_admin "
#define AS_ROOT "exec unshare --mount "
#define AS_USER "exec unshare --mount --user --map-current-user --keep-caps "
#define PREPARE                                                            \
	"sh -c 'for f in /bin/*fusermount*; do "                           \
	"test ! -e $f || mount --bind \"$CROSSFUSE_PROGRAM\" $f || exit; " \
	"done; eval \"exec $0 $CROSSFUSE_COMMAND\"' '" LOSE_PRIVILEGE "'"

/* COMMAND, with PLACE where it has HOLDER, or at its end. */
static char *fill_in(const char *command, const char *holder, const char *place)
{
	const char *at = strstr(command, holder);
	char *text;
	int n;

	if (at)
		n = asprintf(&text, "%.*s%s%s", (int)(at - command), command,
			     place, at + strlen(holder));
	else
		n = asprintf(&text, "%s %s", command, place);
	return n < 0 ? NULL : text;
}

static void remove_directory(const char *dir)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	for (size_t i = 0; i < COUNT(helpers); i++)
		unlinkat(fd, helpers[i], 0);
	unlinkat(fd, MOUNT_POINT, AT_REMOVEDIR);
	close(fd);
	rmdir(dir);
}

/* The mount point, and the helpers for who looks for them on PATH. */
static int fill_directory(const char *dir, const char *program)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0 || mkdirat(fd, MOUNT_POINT, 0700) < 0)
		ret = -errno;
	for (size_t i = 0; i < COUNT(helpers) && ret == 0; i++)
		if (symlinkat(program, fd, helpers[i]) < 0)
			ret = -errno;
	if (fd >= 0)
		close(fd);
	return ret;
}

static int make_directory(const char *program, char **ret_dir)
{
	const char *place = getenv("TMPDIR");
	char *dir;
	int ret = 0;

	if (asprintf(&dir, "%s/crossfuse-XXXXXX", place ? place : P_tmpdir) < 0)
		return -ENOMEM;
	if (!mkdtemp(dir)) {
		ret = -errno;
		free(dir);
		return ret;
	}
	ret = fill_directory(dir, program);
	if (ret < 0) {
		remove_directory(dir);
		free(dir);
		return ret;
	}
	*ret_dir = dir;
	return 0;
}

/* What the shell is to run, and what it finds in its environment. */
struct start {
	char *text;
	char *words[4]; /* VARIABLE=value; NULL at the end */
	bool watched;	/* by exec_device() */
};

static void free_start(struct start *start)
{
	free(start->text);
	for (size_t i = 0; i < COUNT(start->words); i++)
		free(start->words[i]);
}

/* What {dir} needs around its command, FILLED. */
static int prepare_name_space(const char *filled, const char *program,
			      const char *dir, struct start *start)
{
	const char *path = getenv("PATH");

	start->text =
		strdup(geteuid() == 0 ? AS_ROOT PREPARE : AS_USER PREPARE);
	if (!start->text ||
	    asprintf(&start->words[0], "CROSSFUSE_COMMAND=%s", filled) < 0 ||
	    asprintf(&start->words[1], "CROSSFUSE_PROGRAM=%s", program) < 0 ||
	    asprintf(&start->words[2], "PATH=%s:%s", dir, path ? path : "") < 0)
		return -ENOMEM;
	return 0;
}

static int with_directory(const char *command, const char *holder,
			  struct start *start, char **ret_dir)
{
	char program[PATH_MAX], *dir = NULL, *place, *filled = NULL;
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	int ret;

	if (n < 0)
		return -errno;
	program[n] = '\0';
	ret = make_directory(program, &dir);
	if (ret < 0)
		return ret;
	if (asprintf(&place, "%s/" MOUNT_POINT, dir) >= 0) {
		filled = fill_in(command, holder, place);
		free(place);
	}
	if (!filled)
		ret = -ENOMEM;
	else if (!start->watched)
		ret = prepare_name_space(filled, program, dir, start);
	else if (asprintf(&start->text, "exec %s", filled) < 0)
		ret = -ENOMEM;
	free(filled);
	if (ret < 0) {
		remove_directory(dir);
		free(dir);
	} else {
		*ret_dir = dir;
	}
	return ret;
}

static int with_device(const char *command, struct start *start)
{
	char *filled = fill_in(command, HOLDER_DEVICE, DEVICE);

	if (!filled || asprintf(&start->text, "exec %s", filled) < 0)
		start->text = NULL;
	free(filled);
	return start->text ? 0 : -ENOMEM;
}

/* As much as this user may have; what one message may then hold of a file. */
static uint32_t enlarge(const int pair[2])
{
	const int wanted = SOCKET_BYTES;
	uint32_t least = MAX_DATA;

	for (int i = 0; i < 2; i++) {
		socklen_t len = sizeof(int);
		int size = 0;

		if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &wanted,
			       sizeof(wanted)) < 0)
			setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &wanted,
				   sizeof(wanted));
		getsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, &len);
		/* One message may take up the buffer, as unix(7) says. */
		size = (size - HEAD_BYTES - 64) & ~4095;
		if (size < 4096)
			size = 4096;
		if ((uint32_t)size < least)
			least = (uint32_t)size;
	}
	return least;
}

/* Ours, and before it what START has. */
static char **extended_environment(const struct start *start)
{
	size_t count = 0, own = 0;
	char **all;

	while (environ[count])
		count++;
	while (start->words[own])
		own++;
	all = calloc(count + own + 1, sizeof(*all));
	if (!all)
		return NULL;
	memcpy(all, start->words, own * sizeof(*all));
	for (size_t i = 0; i < count; i++)
		if (!own || strncmp(environ[i], "PATH=", 5) != 0)
			all[own++] = environ[i];
	return all;
}

static int spawn(const struct start *start, int fd, pid_t *ret_pid)
{
	char *const argv[] = { EXEC_DEVICE_NAME, "sh", "-c", start->text,
			       NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int ret;

	char **environment = extended_environment(start);

	if (!environment)
		return -ENOMEM;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP |
						POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawn_file_actions_init(&actions);
	ret = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO,
					       "/dev/null", O_RDONLY, 0);
	if (ret == 0) /* what it says goes where the log goes */
		ret = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO,
						       STDOUT_FILENO);
	if (ret == 0)
		ret = posix_spawn_file_actions_adddup2(&actions, fd,
						       EXEC_DEVICE_FD);
	if (ret == 0)
		ret = posix_spawn(ret_pid,
				  start->watched ? "/proc/self/exe" : "/bin/sh",
				  &actions, &attr,
				  start->watched ? argv : argv + 1,
				  environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	free(environment);
	return -ret;
}

/* A descriptor that is not EXEC_DEVICE_FD itself, which dup2() would leave as it is,
 * closed on exec. */
static int move_away(int fd)
{
	int other;

	if (fd != EXEC_DEVICE_FD)
		return fd;
	other = fcntl(fd, F_DUPFD_CLOEXEC, EXEC_DEVICE_FD + 1);
	close(fd);
	return other;
}

static int start_process(const struct start *start, struct daemon *daemon)
{
	int pair[2], ret;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	daemon->max_data = enlarge(pair);
	pair[1] = move_away(pair[1]);
	ret = pair[1] < 0 ? -errno : spawn(start, pair[1], &daemon->pid);
	if (pair[1] >= 0)
		close(pair[1]);
	daemon->fd = pair[0];
	if (ret < 0)
		close(pair[0]);
	return ret;
}

/* Of a watcher. */
struct watch {
	int process; /* a pidfd */
	int device;  /* our end of the socket, its own descriptor */
};

/*
 * A daemon that dies may leave processes behind that have its device open: ends
 * that as the daemon's end would. One that ends well may have gone to the
 * background.
 */
static void *watch_daemon(void *opaque)
{
	struct watch *watch = opaque;
	struct pollfd ended = { .fd = watch->process, .events = POLLIN };
	siginfo_t info = { 0 };

	while (poll(&ended, 1, -1) < 0 && errno == EINTR)
		;
	if (waitid(P_PIDFD, (id_t)watch->process, &info, WEXITED | WNOWAIT) ==
		    0 &&
	    (info.si_code != CLD_EXITED || info.si_status))
		shutdown(watch->device, SHUT_RDWR);
	close(watch->process);
	close(watch->device);
	free(watch);
	return NULL;
}

static int start_watcher(struct daemon *daemon)
{
	struct watch *watch = malloc(sizeof(*watch));
	int ret;

	if (!watch)
		return -ENOMEM;
	watch->process = (int)syscall(SYS_pidfd_open, daemon->pid, 0);
	watch->device = fcntl(daemon->fd, F_DUPFD_CLOEXEC, 0);
	ret = watch->process < 0 || watch->device < 0
		      ? -errno
		      : thread_start(&daemon->watcher, 0, watch_daemon, watch);
	if (ret == 0)
		return 0;
	if (watch->process >= 0)
		close(watch->process);
	if (watch->device >= 0)
		close(watch->device);
	free(watch);
	return ret;
}

int daemon_start(const char *command, struct daemon *ret_daemon)
{
	struct daemon daemon = { .fd = -1 };
	struct start start = { 0 };
	int ret;

	start.watched = strstr(command, HOLDER_MOUNT);
	if (start.watched)
		ret = with_directory(command, HOLDER_MOUNT, &start,
				     &daemon.dir);
	else if (strstr(command, HOLDER_DIR))
		ret = with_directory(command, HOLDER_DIR, &start, &daemon.dir);
	else
		ret = with_device(command, &start);
	if (ret == 0)
		ret = start_process(&start, &daemon);
	free_start(&start);
	if (ret == 0) {
		ret = start_watcher(&daemon);
		if (ret < 0) {
			kill(-daemon.pid, SIGKILL);
			waitpid(daemon.pid, NULL, 0);
			close(daemon.fd);
		}
	}
	if (ret < 0) {
		log_error("cannot start %s: %s", command, strerror(-ret));
		if (daemon.dir)
			remove_directory(daemon.dir);
		free(daemon.dir);
		return ret;
	}
	*ret_daemon = daemon;
	return 0;
}

/* Whether it has ended, after a while. */
static bool wait_a_while(const struct daemon *daemon)
{
	int fd = (int)syscall(SYS_pidfd_open, daemon->pid, 0);
	struct pollfd ended = { .fd = fd, .events = POLLIN };
	int n;

	if (fd < 0)
		return errno == ESRCH;
	do
		n = poll(&ended, 1, PATIENCE_MS);
	while (n < 0 && errno == EINTR);
	close(fd);
	return n > 0;
}

/* Ends all of its process group; until it is waited for, that is no other's. */
static int end_processes(const struct daemon *daemon)
{
	siginfo_t info;
	int status = 0;

	kill(-daemon->pid, SIGTERM);
	if (!wait_a_while(daemon)) {
		/* Nothing to read: that ends what does not heed signals. */
		shutdown(daemon->fd, SHUT_RDWR);
		if (!wait_a_while(daemon))
			kill(-daemon->pid, SIGKILL);
	}
	while (waitid(P_PID, (id_t)daemon->pid, &info, WEXITED | WNOWAIT) < 0 &&
	       errno == EINTR)
		;
	pthread_join(daemon->watcher, NULL);
	/* What it has started itself. */
	kill(-daemon->pid, SIGKILL);
	while (waitpid(daemon->pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

void daemon_end(struct daemon *daemon, int *ret_status)
{
	*ret_status = 0;
	if (!daemon->pid) /* it has been ended, and no other was started */
		return;
	*ret_status = end_processes(daemon);
	daemon->pid = 0;
	shutdown(daemon->fd, SHUT_RDWR);
	if (daemon->dir)
		remove_directory(daemon->dir);
	free(daemon->dir);
	daemon->dir = NULL;
}
