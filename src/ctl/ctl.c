// SPDX-License-Identifier: BSD-2-Clause
#include "ctl.h"
#include "../control.h"
#include "../log.h"
#include "../similar.h"
#include "../socket.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Longer than a server takes to hold its requests. */
#define PATIENCE_SECONDS 10

/* More than thousands of clients have to say. */
#define ANSWER_MAX (64u << 20)

static const char usage[] =
	"usage: crossfuse ctl SOCKET COMMAND\n"
	"\n"
	"Asks the crossfuse with --control SOCKET, or tells it what to do:\n"
	"  status              clients, files, and what waits longest\n"
	"  metrics             counters, as OpenMetrics\n"
	"  trace on FILE       record every message; `crossfuse decode FILE`\n"
	"  trace on FILE data  with the data that is read and written too\n"
	"  trace off           no more\n"
	"  log LEVEL           off, error, warn, info, debug\n"
	"  pause, resume       let no request pass, and let them again\n"
	"  shutdown            end in order\n";

static const char *const names[] = { "status", "metrics", "trace",    "log",
				     "pause",  "resume",  "shutdown", NULL };

static int connect_to(const char *path)
{
	const struct timeval patience = { .tv_sec = PATIENCE_SECONDS };
	struct sockaddr_un address;
	int ret = socket_address(path, &address), fd;

	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	ret = -errno;
	log_error("%s: %m: name the socket of a crossfuse that was started "
		  "with --control",
		  path);
	close(fd);
	return ret;
}

static int send_line(int to, const char *line, int fd)
{
	union {
		struct cmsghdr header; /* for its alignment */
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov[2] = { { (char *)line, strlen(line) },
				{ (char *)"\n", 1 } };
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };

	if (fd >= 0) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	return sendmsg(to, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* All that comes, ended by a NUL. */
static int read_all(int fd, char **ret_text)
{
	size_t len = 0, room = 16384;
	char *text = malloc(room), *more;
	ssize_t n = -1;

	while (text && len < ANSWER_MAX) {
		n = read(fd, text + len, room - len - 1);
		if (n <= 0)
			break;
		len += (size_t)n;
		if (len + 1 < room)
			continue;
		more = realloc(text, room *= 2);
		if (!more)
			free(text);
		text = more;
	}
	if (!text)
		return -ENOMEM;
	if (n < 0) {
		free(text);
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	}
	text[len] = 0;
	*ret_text = text;
	return 0;
}

/* Drops PREFIX from the beginning of TEXT if it is there. */
static bool drop(char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncmp(text, prefix, len) != 0)
		return false;
	memmove(text, text + len, strlen(text + len) + 1);
	return true;
}

int ctl_ask(const char *path, const char *line, int fd, char **ret_text)
{
	int socket = connect_to(path), ret;
	char *text = NULL;

	if (socket < 0)
		return socket;
	ret = send_line(socket, line, fd);
	if (ret == 0)
		ret = read_all(socket, &text);
	close(socket);
	if (ret < 0) {
		log_error("%s: no answer: %s", path, strerror(-ret));
		return ret;
	}
	if (!drop(text, CONTROL_OK)) {
		if (!drop(text, CONTROL_ERROR)) {
			log_error("%s: what answers there is no crossfuse",
				  path);
			free(text);
			return -EBADMSG;
		}
		text[strcspn(text, "\n")] = 0;
		ret = -EPROTO;
	}
	*ret_text = text;
	return ret;
}

/* The file that is to be recorded into; -1 for other commands. */
static int open_trace(int argc, char **argv, int *ret_fd)
{
	int fd;

	*ret_fd = -1;
	if (argc < 2 || strcmp(argv[0], "trace") != 0 ||
	    strcmp(argv[1], "on") != 0)
		return 0;
	if (argc < 3) {
		log_error("trace on wants a file");
		return -EINVAL;
	}
	fd = open(argv[2],
		  O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		int ret = -errno;

		log_error("%s: %m: give a file that you may write", argv[2]);
		return ret;
	}
	*ret_fd = fd;
	return 0;
}

/* The words of a command as its line, but for a trace's file. */
static int make_line(int argc, char **argv, bool with_file, char *line)
{
	size_t len = 0;

	line[0] = 0;
	for (int i = 0; i < argc; i++) {
		size_t more = strlen(argv[i]);

		if (with_file && i == 2)
			continue;
		if (len + more + 2 > CONTROL_LINE || strchr(argv[i], '\n')) {
			log_error("the command is too long, or not one line");
			return -EINVAL;
		}
		if (len)
			line[len++] = ' ';
		memcpy(line + len, argv[i], more + 1);
		len += more;
	}
	return 0;
}

static int check_name(const char *name)
{
	const char *near;

	for (size_t i = 0; names[i]; i++)
		if (strcmp(names[i], name) == 0)
			return 0;
	near = similar_find(name, strlen(name), names);
	if (near)
		log_error("ctl knows no %s: did you mean %s?", name, near);
	else
		log_error("ctl knows no %s: see crossfuse ctl --help", name);
	return -EINVAL;
}

static int tell(const char *path, int argc, char **argv)
{
	char line[CONTROL_LINE], *text = NULL;
	int fd, ret;

	ret = check_name(argv[0]);
	if (ret < 0)
		return ret;
	ret = open_trace(argc, argv, &fd);
	if (ret == 0)
		ret = make_line(argc, argv, fd >= 0, line);
	if (ret == 0)
		ret = ctl_ask(path, line, fd, &text);
	if (ret == -EPROTO)
		log_error("%s: %s", path, text);
	else if (ret == 0)
		fputs(text, stdout);
	free(text);
	if (fd >= 0)
		close(fd);
	return ret;
}

int ctl_command(int argc, char **argv)
{
	if (argc > 1 &&
	    (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc < 3) {
		log_error("ctl wants a socket and a command: see crossfuse "
			  "ctl --help");
		return -EINVAL;
	}
	return tell(argv[1], argc - 2, argv + 2);
}
