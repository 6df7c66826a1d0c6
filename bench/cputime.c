// SPDX-License-Identifier: BSD-2-Clause
#include "cputime.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DEPTH_MAX 8

static uint64_t cputime_of(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static uint64_t cputime_of_children(pid_t pid, const char *thread,
				    unsigned int depth);

static uint64_t add_tree(pid_t pid, unsigned int depth)
{
	uint64_t sum = cputime_of(pid);
	struct dirent *entry;
	char path[64];
	DIR *dir;

	if (depth == DEPTH_MAX)
		return sum;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return sum;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			sum += cputime_of_children(pid, entry->d_name, depth);
	closedir(dir);
	return sum;
}

static uint64_t cputime_of_children(pid_t pid, const char *thread,
				    unsigned int depth)
{
	char path[320];
	uint64_t sum = 0;
	FILE *file;
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)pid,
		 thread);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fscanf(file, "%d", &child) == 1)
		sum += add_tree(child, depth + 1);
	fclose(file);
	return sum;
}

uint64_t cputime_of_tree(pid_t pid)
{
	return add_tree(pid, 0);
}
