// SPDX-License-Identifier: BSD-2-Clause
#include "systemd.h"
#include "log.h"
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* SD_LISTEN_FDS_START of sd_listen_fds(3) */
#define LISTEN_FDS_START 3

int systemd_listen_fd(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *count = getenv("LISTEN_FDS");
	int fd = -1;

	if (pid && count && strtol(pid, NULL, 10) == getpid()) {
		if (strcmp(count, "1") != 0) {
			log_error("socket activation passed %s sockets: "
				  "give the unit exactly one",
				  count);
			fd = -EINVAL;
		} else {
			fd = LISTEN_FDS_START;
			fcntl(fd, F_SETFD, FD_CLOEXEC);
		}
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return fd;
}

void systemd_notify(const char *state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t length;
	int fd;

	if (!path || (path[0] != '/' && path[0] != '@'))
		return;
	length = strlen(path);
	if (length >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@') /* the abstract name space */
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	length += offsetof(struct sockaddr_un, sun_path);
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL,
		   (struct sockaddr *)&address, (socklen_t)length) < 0)
		log_warn("cannot tell the service manager %s: %m", state);
	close(fd);
}
