// SPDX-License-Identifier: BSD-2-Clause
/* What the kernel says of itself: its log, and memory that nobody has. */
#include "load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <unistd.h>

#define DEBUG	"/sys/kernel/debug"
#define LEAKS	DEBUG "/kmemleak"
#define SLAB	"/sys/kernel/slab"
#define LOG_MAX (4 << 20)

enum {
	READ_ALL = 3
};

static int tell(const char *word)
{
	int fd = open(LEAKS, O_WRONLY);
	int ret = fd < 0 || write(fd, word, strlen(word)) < 0 ? -1 : 0;

	if (ret)
		printf("@FAILED kmemleak %s: %s\n", word, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ret;
}

/* What the kernel has allocated up to here is not ours to judge. */
int load_begin(void)
{
	if (mount("debugfs", DEBUG, "debugfs", 0, NULL) && errno != EBUSY) {
		printf("@FAILED debugfs: %s\n", strerror(errno));
		return 1;
	}
	sleep(6);
	return tell("scan") || tell("clear");
}

static void show(const char *what, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		printf("%s %s\n", what, line);
}

/*
 * The allocator's own lists of free objects are looked through by kmemleak,
 * and still have the addresses of what they gave away last: leaks hide there.
 */
static void shrink(void)
{
	DIR *d = opendir(SLAB);
	struct dirent *e;
	char path[512];

	while (d && (e = readdir(d))) {
		int fd;

		snprintf(path, sizeof(path), "%s/%s/shrink", SLAB, e->d_name);
		fd = open(path, O_WRONLY);
		if (fd < 0)
			continue;
		if (write(fd, "1", 1) < 0)
			printf("@FAILED %s: %s\n", path, strerror(errno));
		close(fd);
	}
	if (d)
		closedir(d);
}

/*
 * Twice, with time in between: an object is a leak only if it is old enough,
 * and what is on its way to be freed is not.
 */
int load_end(void)
{
	char *text = calloc(1, LOG_MAX);
	ssize_t n = 0, got;
	int fd;

	if (!text)
		return 1;
	sleep(3);
	shrink();
	tell("scan");
	sleep(8);
	tell("scan");
	fd = open(LEAKS, O_RDONLY);
	while (fd >= 0 && n < LOG_MAX - 1 &&
	       (got = read(fd, text + n, (size_t)(LOG_MAX - 1 - n))) > 0)
		n += got;
	show("leak", text);
	memset(text, 0, LOG_MAX);
	if (klogctl(READ_ALL, text, LOG_MAX - 1) < 0)
		printf("@FAILED klogctl: %s\n", strerror(errno));
	show("dmesg", text);
	printf("load checked\n");
	fflush(stdout);
	return 0;
}
