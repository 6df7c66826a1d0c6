// SPDX-License-Identifier: BSD-2-Clause
#include "pid_file.h"
#include "leftover.h"
#include "log.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Digits of a process id, with the newline. */
#define PID_TEXT 16

/* Of the open file, so that a child that has it too does not lose it. */
static int lock(int fd)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_SETLK, &all) < 0 ? -errno : 0;
}

/* The text of FD; false if it is no process id. */
static bool read_pid(int fd, char text[static PID_TEXT])
{
	ssize_t len = read(fd, text, PID_TEXT - 1);
	size_t digits;

	if (len < 0)
		return false;
	text[len] = '\0';
	digits = strspn(text, "0123456789");
	if (text[digits] == '\n' && (ssize_t)digits == len - 1)
		text[digits] = '\0';
	return !text[digits];
}

/* Whether FD is what pid_file_make() makes, and this user's alone. */
static bool is_ours(int fd, char text[static PID_TEXT])
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
	       st.st_uid == geteuid() && st.st_size < PID_TEXT &&
	       read_pid(fd, text);
}

static int tell_taken(const char *path, const char *pid)
{
	log_error("%s: the socket is taken, by process %s: end it or choose "
		  "another path",
		  path, *pid ? pid : "that is just starting");
	return -EADDRINUSE;
}

static int clear_open(int dir, const char *file, int fd, const char *path)
{
	char pid[PID_TEXT];
	int r;

	if (!is_ours(fd, pid)) {
		log_error("%s.pid: exists and is not this user's file with a "
			  "process id: remove it or choose another path for "
			  "the socket",
			  path);
		return -EEXIST;
	}
	r = lock(fd);
	if (r == -EAGAIN || r == -EACCES)
		return tell_taken(path, pid);
	if (r == 0 && unlinkat(dir, file, 0) < 0 && errno != ENOENT)
		r = -errno;
	if (r < 0)
		log_error("%s.pid: cannot remove the old file: %s", path,
			  strerror(-r));
	return r;
}

int pid_file_clear(int dir, const char *name, const char *path)
{
	char file[NAME_MAX + 1];
	int fd, r;

	snprintf(file, sizeof(file), "%s.pid", name);
	fd = openat(dir, file,
		    O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0) {
		r = -errno;
		log_error("%s.pid: exists and cannot be used: %m: remove it or "
			  "choose another path for the socket",
			  path);
		return r;
	}
	r = clear_open(dir, file, fd, path);
	close(fd);
	return r;
}

/* FD, new and empty, gets its lock and its text, then its name. */
static int fill(int dir, int fd, const char *draft, const char *file)
{
	char text[PID_TEXT];
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	int r = lock(fd);

	if (r < 0)
		return r;
	if (write(fd, text, (size_t)len) != len)
		return -ENOSPC;
	/* In one step: killed in between, nothing is left that looks odd. */
	if (renameat2(dir, draft, dir, file, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* On a file system that cannot. */
	return linkat(dir, draft, dir, file, 0) < 0 ? -errno : 0;
}

int pid_file_make(int dir, const char *name, const char *path)
{
	char draft[NAME_MAX + 16], file[NAME_MAX + 1], whole[PATH_MAX];
	int fd, r;

	snprintf(file, sizeof(file), "%s.pid", name);
	snprintf(whole, sizeof(whole), "%s.pid", path);
	snprintf(draft, sizeof(draft), "%s.%ld", file, (long)getpid());
	fd = openat(dir, draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	r = fd < 0 ? -errno : 0;
	if (r == 0) {
		r = fill(dir, fd, draft, file);
		unlinkat(dir, draft, 0);
	}
	if (r == 0)
		r = leftover_note(whole, fd);
	if (r == 0)
		return 0;
	log_error("%s.pid: cannot make the file: %s: choose another path for "
		  "the socket",
		  path, strerror(-r));
	if (fd >= 0)
		close(fd);
	return r;
}
