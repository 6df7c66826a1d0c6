// SPDX-License-Identifier: BSD-2-Clause
/*
 * Processes that do the same to two trees, and compare what comes of it:
 *   tree-exercise TESTED LOCAL PROCESSES OPERATIONS SEED [plain]
 * Names are made, moved, linked and removed, attributes and extended
 * attributes changed, files written to and read. Each process has a directory
 * of its own in either tree; a file system sees them all at a time. "plain" is
 * for servers without the flags of renameat2(). Status 1, and the operation,
 * where the two differ.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NAMES  8
#define MAX_IO 20000
#define RESULT 65536

static const char *roots[2];
static char process_dir[32];
static uint64_t state;
static int plain;
static unsigned char bytes[MAX_IO];

static uint32_t any(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

/* What an operation has found, as text. */
struct result {
	char text[RESULT];
	size_t len;
};

static void add(struct result *result, const char *format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(result->text + result->len, RESULT - result->len, format,
		      arguments);
	va_end(arguments);
	if (n > 0 && (size_t)n < RESULT - result->len)
		result->len += (size_t)n;
}

static void add_status(struct result *result, long ret)
{
	add(result, "%s ", ret < 0 ? strerrorname_np(errno) : "ok");
}

static void add_attributes(struct result *result, const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		add_status(result, -1);
		return;
	}
	add(result, "mode %o nlink %lu uid %u gid %u ", st.st_mode,
	    S_ISDIR(st.st_mode) ? 0UL : (unsigned long)st.st_nlink, st.st_uid,
	    st.st_gid);
	if (!S_ISDIR(st.st_mode))
		add(result, "size %lld ", (long long)st.st_size);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_names(struct result *result, const char *path)
{
	DIR *dir = opendir(path);
	char *names[4 * NAMES + 4];
	struct dirent *entry;
	size_t count = 0;

	if (!dir) {
		add_status(result, -1);
		return;
	}
	while ((entry = readdir(dir)) && count < 4 * NAMES + 4)
		names[count++] = strdup(entry->d_name);
	closedir(dir);
	qsort(names, count, sizeof(*names), by_name);
	for (size_t i = 0; i < count; i++) {
		add(result, "%s ", names[i]);
		free(names[i]);
	}
}

static uint32_t sum(const unsigned char *at, size_t len)
{
	uint32_t hash = 2166136261u;

	while (len--)
		hash = (hash ^ *at++) * 16777619u;
	return hash;
}

/* What is to be done, the same in both trees. */
struct step {
	uint32_t what, one, two, number, length;
	char first[64], second[64];
};

static void any_name(char *name, size_t size)
{
	uint32_t depth = any(3);

	if (depth == 0)
		snprintf(name, size, "%s/n%u", process_dir, any(NAMES));
	else
		snprintf(name, size, "%s/n%u/n%u", process_dir, any(NAMES),
			 any(NAMES));
}

static void do_write(struct result *result, const char *path,
		     const struct step *step, int flags)
{
	int fd = open(path, flags, 0640);
	ssize_t n = -1;

	add_status(result, fd);
	if (fd < 0)
		return;
	n = pwrite(fd, bytes, step->length, step->number % 100000);
	add_status(result, n);
	add(result, "%zd ", n);
	add_status(result, close(fd));
}

static void do_read(struct result *result, const char *path,
		    const struct step *step)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	unsigned char data[MAX_IO];
	ssize_t n;

	add_status(result, fd);
	if (fd < 0)
		return;
	n = pread(fd, data, step->length, step->number % 100000);
	add_status(result, n);
	add(result, "%zd %x ", n, n > 0 ? sum(data, (size_t)n) : 0);
	close(fd);
}

static void do_xattr(struct result *result, const char *path,
		     const struct step *step)
{
	char name[32], value[256];
	ssize_t n;

	snprintf(name, sizeof(name), "user.n%u", step->one % 3);
	if (step->two % 3 == 0)
		add_status(result,
			   lsetxattr(path, name, bytes, step->number % 200, 0));
	else if (step->two % 3 == 1)
		add_status(result, lremovexattr(path, name));
	n = lgetxattr(path, name, value, sizeof(value));
	add_status(result, n);
	add(result, "%zd ", n);
}

static void run(struct result *result, const char *root,
		const struct step *step)
{
	char path[512], other[512], target[64] = "";
	const struct timespec times[2] = { { .tv_sec = step->number },
					   { .tv_sec = step->number / 2 } };

	snprintf(path, sizeof(path), "%s/%s", root, step->first);
	snprintf(other, sizeof(other), "%s/%s", root, step->second);
	result->len = 0;
	switch (step->what) {
	case 0:
		add_status(result, mkdir(path, 0750));
		break;
	case 1:
		add_status(result, rmdir(path));
		break;
	case 2:
		add_status(result, unlink(path));
		break;
	case 3:
		add_status(result, rename(path, other));
		break;
	case 4:
		add_status(result,
			   syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD,
				   other, step->one % 2 ? 1 : 2));
		break;
	case 5:
		add_status(result, link(path, other));
		break;
	case 6:
		add_status(result, symlink(step->second, path));
		break;
	case 7:
		add_status(result, chmod(path, step->number & 07777));
		break;
	case 8:
		add_status(result, truncate(path, step->number % 200000));
		break;
	case 9:
		add_status(result, utimensat(AT_FDCWD, path, times,
					     AT_SYMLINK_NOFOLLOW));
		break;
	case 10:
		add_names(result, path);
		break;
	case 11:
		add_status(result, readlink(path, target, sizeof(target) - 1));
		add(result, "%s ", target);
		break;
	case 12:
		add_status(result, mknod(path, S_IFIFO | 0600, 0));
		break;
	case 13:
	case 14:
		do_xattr(result, path, step);
		break;
	case 15:
	case 16:
	case 17:
		do_read(result, path, step);
		break;
	case 18:
		do_write(result, path, step, O_WRONLY | O_NONBLOCK | O_TRUNC);
		break;
	default:
		do_write(result, path, step, O_RDWR | O_CREAT | O_NONBLOCK);
		break;
	}
	add_attributes(result, path);
}

static int of_process(unsigned int number, unsigned long operations)
{
	static struct result results[2];
	char path[512];

	state += number * 7919u;
	snprintf(process_dir, sizeof(process_dir), "p%u", number);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", roots[i], process_dir);
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return 1;
	}
	for (unsigned long i = 0; i < operations; i++) {
		struct step step = { .what = any(23),
				     .one = any(1000),
				     .two = any(1000),
				     .number = any(1u << 30),
				     .length = any(MAX_IO) };

		if (plain && step.what == 4)
			step.what = 3;
		any_name(step.first, sizeof(step.first));
		any_name(step.second, sizeof(step.second));
		if (step.what >= 18)
			for (uint32_t j = 0; j < step.length; j++)
				bytes[j] = (unsigned char)any(256);
		for (int tree = 0; tree < 2; tree++)
			run(&results[tree], roots[tree], &step);
		if (strcmp(results[0].text, results[1].text)) {
			printf("process %u operation %lu (%u on %s, %s):\n"
			       "  tested %s\n  local  %s\n",
			       number, i, step.what, step.first, step.second,
			       results[0].text, results[1].text);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int processes;
	unsigned long operations;
	int failed = 0, status;

	if (argc < 6)
		return 2;
	plain = argc > 6;
	roots[0] = argv[1];
	roots[1] = argv[2];
	processes = (unsigned int)strtoul(argv[3], NULL, 10);
	operations = strtoul(argv[4], NULL, 10);
	state = strtoull(argv[5], NULL, 10);
	umask(022);
	for (unsigned int i = 0; i < processes; i++)
		if (fork() == 0) {
			status = of_process(i, operations);
			fflush(stdout);
			_exit(status);
		}
	while (wait(&status) > 0)
		failed |= status != 0;
	return failed;
}
