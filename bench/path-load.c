// SPDX-License-Identifier: BSD-2-Clause
/*
 * How many operations a second a directory stands, whatever is mounted there:
 *   path-load DIR OPERATION THREADS SECONDS
 * prints the rate. Attributes are asked of the file system each time, data
 * goes by O_DIRECT: so each operation is a request, not a matter of caches.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64
#define FILES	    10000U
#define FILE_SIZE   (64U << 20)
#define SMALL	    4096U
#define LARGE	    (1U << 20)

struct worker {
	pthread_t thread;
	int root;
	unsigned int index;
	int fd;		   /* of data operations */
	unsigned char *io; /* LARGE bytes, aligned */
	uint64_t turn;	   /* operations done, or being done */
	uint32_t random;
	int error;
};

struct operation {
	const char *name;
	/* Before the time begins. NULL: nothing. */
	int (*prepare)(struct worker *worker);
	/* How many operations that were, or -errno. */
	int (*run)(struct worker *worker);
	bool once; /* until it is over, whatever the time */
};

static atomic_bool over;
static const struct operation *operation;
static pthread_barrier_t ready;

static void file_name(const struct worker *worker, char *name, size_t size)
{
	snprintf(name, size, "many-%u/file-%05u", worker->index,
		 (unsigned int)(worker->turn % FILES));
}

static int run_stat(struct worker *worker)
{
	struct statx stx;
	char name[64];

	file_name(worker, name, sizeof(name));
	return statx(worker->root, name, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS,
		     &stx) < 0
		       ? -errno
		       : 1;
}

static int run_open(struct worker *worker)
{
	char name[64];
	int fd;

	file_name(worker, name, sizeof(name));
	fd = openat(worker->root, name, O_RDONLY);
	if (fd < 0)
		return -errno;
	return close(fd) < 0 ? -errno : 1;
}

static int run_create(struct worker *worker)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "many-%u/new", worker->index);
	fd = openat(worker->root, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return unlinkat(worker->root, name, 0) < 0 ? -errno : 1;
}

/* As ls -l does it. */
static int run_list(struct worker *worker)
{
	struct dirent *entry;
	struct stat st;
	char name[64];
	int count = 0, fd;
	DIR *dir;

	snprintf(name, sizeof(name), "many-%u", worker->index);
	fd = openat(worker->root, name, O_RDONLY | O_DIRECTORY);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			count = -errno;
			break;
		}
		count++;
	}
	closedir(dir);
	return count < 0 || count >= (int)FILES + 2 ? count : -EIO;
}

static int open_data(struct worker *worker)
{
	char name[64];

	snprintf(name, sizeof(name), "data-%u", worker->index);
	worker->fd = openat(worker->root, name, O_RDWR | O_DIRECT);
	return worker->fd < 0 ? -errno : 0;
}

static off_t any_page(struct worker *worker)
{
	worker->random = worker->random * 1664525 + 1013904223;
	return (off_t)(worker->random >> 8) % (FILE_SIZE / SMALL) * SMALL;
}

static off_t next_large(const struct worker *worker)
{
	return (off_t)(worker->turn % (FILE_SIZE / LARGE)) * LARGE;
}

static int moved(ssize_t n, size_t wanted)
{
	if (n < 0)
		return -errno;
	return (size_t)n == wanted ? 1 : -EIO;
}

static int run_read_small(struct worker *worker)
{
	return moved(pread(worker->fd, worker->io, SMALL, any_page(worker)),
		     SMALL);
}

static int run_write_small(struct worker *worker)
{
	return moved(pwrite(worker->fd, worker->io, SMALL, any_page(worker)),
		     SMALL);
}

static int run_read_large(struct worker *worker)
{
	return moved(pread(worker->fd, worker->io, LARGE, next_large(worker)),
		     LARGE);
}

static int run_write_large(struct worker *worker)
{
	return moved(pwrite(worker->fd, worker->io, LARGE, next_large(worker)),
		     LARGE);
}

static const struct operation operations[] = {
	{ "stat", NULL, run_stat, false },
	{ "open", NULL, run_open, false },
	{ "create", NULL, run_create, false },
	{ "list", NULL, run_list, true },
	{ "read4k", open_data, run_read_small, false },
	{ "write4k", open_data, run_write_small, false },
	{ "read1m", open_data, run_read_large, false },
	{ "write1m", open_data, run_write_large, false },
};

static void *worker_main(void *opaque)
{
	struct worker *worker = opaque;
	uint64_t done = 0;

	if (operation->prepare)
		worker->error = operation->prepare(worker);
	pthread_barrier_wait(&ready);
	while (!worker->error && !atomic_load(&over)) {
		int n = operation->run(worker);

		if (n < 0) {
			worker->error = n;
			break;
		}
		done += (uint64_t)n;
		worker->turn++;
		if (operation->once)
			break;
	}
	worker->turn = done;
	return NULL;
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static int measure(struct worker *workers, unsigned int count, double seconds,
		   double *ret_rate)
{
	struct timespec time = {
		.tv_sec = (time_t)seconds,
		.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9),
	};
	uint64_t begin, total = 0;
	unsigned int started;
	int error = 0;

	pthread_barrier_init(&ready, NULL, count + 1);
	for (started = 0; started < count; started++)
		if (pthread_create(&workers[started].thread, NULL, worker_main,
				   &workers[started]))
			return -EAGAIN; /* the process ends */
	pthread_barrier_wait(&ready);
	begin = now();
	if (!operation->once)
		nanosleep(&time, NULL);
	if (!operation->once)
		atomic_store(&over, true);
	for (unsigned int i = 0; i < count; i++) {
		pthread_join(workers[i].thread, NULL);
		total += workers[i].turn;
		if (workers[i].error)
			error = workers[i].error;
	}
	if (error)
		return error;
	*ret_rate = (double)total * 1e9 / (double)(now() - begin);
	return 0;
}

static int workers_init(struct worker *workers, unsigned int count,
			const char *where)
{
	int root = open(where, O_RDONLY | O_DIRECTORY);

	if (root < 0)
		return -errno;
	for (unsigned int i = 0; i < count; i++) {
		workers[i] = (struct worker){ .root = root, .index = i };
		workers[i].io = aligned_alloc(SMALL, LARGE);
		if (!workers[i].io)
			return -ENOMEM;
		memset(workers[i].io, (int)i + 1, LARGE);
		workers[i].random = i;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct worker workers[THREADS_MAX];
	unsigned long count;
	double seconds, rate = 0;
	int ret;

	if (argc != 5)
		goto usage;
	for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++)
		if (!strcmp(operations[i].name, argv[2]))
			operation = &operations[i];
	count = strtoul(argv[3], NULL, 10);
	seconds = strtod(argv[4], NULL);
	if (!operation || !count || count > THREADS_MAX || !(seconds > 0))
		goto usage;
	ret = workers_init(workers, (unsigned int)count, argv[1]);
	if (ret == 0)
		ret = measure(workers, (unsigned int)count, seconds, &rate);
	if (ret < 0) {
		fprintf(stderr, "path-load: %s in %s: %s\n", argv[2], argv[1],
			strerror(-ret));
		return 1;
	}
	printf("%.1f\n", rate);
	return 0;
usage:
	fprintf(stderr, "usage: path-load DIR OPERATION THREADS SECONDS\n");
	return 2;
}
