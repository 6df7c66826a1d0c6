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

static struct {
	char *path; /* NULL: nothing */
	dev_t dev;
	ino_t ino;
} noted;

int leftover_note(const char *path)
{
	char copy[PATH_MAX], dir[PATH_MAX];
	struct stat st;
	char *absolute;

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
	leftover_forget();
	noted.path = absolute;
	noted.dev = st.st_dev;
	noted.ino = st.st_ino;
	return 0;
}

void leftover_forget(void)
{
	free(noted.path);
	noted.path = NULL;
}

void leftover_remove(void)
{
	struct stat st;

	if (noted.path && lstat(noted.path, &st) == 0 &&
	    st.st_dev == noted.dev && st.st_ino == noted.ino)
		unlinkat(AT_FDCWD, noted.path, 0);
	leftover_forget();
}
