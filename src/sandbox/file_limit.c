// SPDX-License-Identifier: BSD-2-Clause
#include "file_limit.h"
#include "../log.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

/* What virtiofsd takes at most, and plenty. */
#define WANTED_MAX 1000000

/* Of the machine's file table: several guests and the rest live on it. */
#define TABLE_SHARE 8

/* Less than this and not even one guest can be served. */
#define WANTED_MIN 64

static uint64_t read_number(const char *path, uint64_t otherwise)
{
	FILE *file = fopen(path, "re");
	uint64_t number;

	if (!file)
		return otherwise;
	if (fscanf(file, "%" SCNu64, &number) != 1)
		number = otherwise;
	fclose(file);
	return number;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int limit_as_told(uint64_t wanted)
{
	struct rlimit limit;
	rlim_t hard;

	if (wanted < WANTED_MIN) {
		log_error("--rlimit-nofile=%" PRIu64 ": too few to serve "
			  "anything: give %d or more, or 0 for no change",
			  wanted, WANTED_MIN);
		return -EINVAL;
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	hard = limit.rlim_max;
	limit.rlim_cur = limit.rlim_max = wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return 0;
	log_error("cannot have %" PRIu64 " files open (--rlimit-nofile): %m: "
		  "this user may have %llu; run as root, or raise LimitNOFILE",
		  wanted, (unsigned long long)hard);
	return -EPERM;
}

/* A limit that is higher already is somebody's wish, too. */
static int limit_by_default(void)
{
	uint64_t wanted = smaller(
		smaller(WANTED_MAX,
			read_number("/proc/sys/fs/nr_open", WANTED_MAX)),
		read_number("/proc/sys/fs/file-max", WANTED_MAX) / TABLE_SHARE);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	if (limit.rlim_cur >= wanted)
		return 0;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return 0;
	/* Without privilege, what it may have. */
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

int file_limit_set(uint64_t wanted)
{
	if (wanted == RLIMIT_NOFILE_DEFAULT)
		return limit_by_default();
	return wanted ? limit_as_told(wanted) : 0;
}
