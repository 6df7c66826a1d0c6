// SPDX-License-Identifier: BSD-2-Clause
#include "leftover.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LEFTOVERS = 4 /* sockets, and the process id beside one */
};

static struct leftover {
	char *path;
	dev_t dev;
	ino_t ino;
	int fd;
} noted[LEFTOVERS];
static unsigned int count;

int leftover_note(const char *path, int fd)
{
	char copy[PATH_MAX], dir[PATH_MAX];
	struct stat st;
	char *absolute;

	if (count == LEFTOVERS)
		return -ENOBUFS;
	if (lstat(path, &st) < 0)
		return -errno;
	if (strlen(path) >= sizeof(copy))
		return -ENAMETOOLONG;
	strcpy(copy, path);
	if (!realpath(dirname(copy), dir))
		return -errno;
	strcpy(copy, path);
	if (asprintf(&absolute, "%s/%s", dir, basename(copy)) < 0)
		return -ENOMEM;
	noted[count++] = (struct leftover){
		.path = absolute, .dev = st.st_dev, .ino = st.st_ino, .fd = fd
	};
	return 0;
}

void leftover_forget(void)
{
	while (count) {
		struct leftover *leftover = &noted[--count];

		free(leftover->path);
		if (leftover->fd >= 0)
			close(leftover->fd);
	}
}

void leftover_remove(void)
{
	struct stat st;

	for (unsigned int i = 0; i < count; i++)
		if (lstat(noted[i].path, &st) == 0 &&
		    st.st_dev == noted[i].dev && st.st_ino == noted[i].ino)
			unlinkat(AT_FDCWD, noted[i].path, 0);
	leftover_forget();
}
