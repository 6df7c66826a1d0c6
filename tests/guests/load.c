// SPDX-License-Identifier: BSD-2-Clause
/*
 * usage: load virtiofs|memory SECONDS ROUNDS SEED
 *        load begin|end
 *
 * Load on a share of the host, or on a file system in memory whose server is
 * here too. In each round it is mounted, used by many processes, and
 * unmounted; what is in the files of a share has to be there in the next
 * round, and the server in memory goes, each second time while it is in use.
 * "begin" and "end" look at what the kernel's own checkers have found.
 */
#include "load.h"
#include "memfs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOUNT "/tmp/load"

struct shared *load;

static const struct {
	const char *name;
	void (*run)(struct worker *);
	unsigned int count;
} kinds[] = {
	{ "data", load_data, DATA_FILES }, { "tree", load_tree, 2 },
	{ "lock", load_lock, 3 },	   { "misc", load_misc, 1 },
	{ "signals", load_signals, 1 },
};

static pid_t workers[WORKERS], server;

/* xorshift64*, so that a run can be done again with its seed */
uint64_t load_random(struct worker *w)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return w->random * UINT64_C(2685821657736338717);
}

uint32_t load_pick(struct worker *w, uint32_t limit)
{
	return (uint32_t)(load_random(w) >> 32) % limit;
}

void load_fail(const char *fmt, ...)
{
	int error = errno;
	va_list args;

	if (load->aborted)
		_exit(0);
	if (__atomic_add_fetch(&load->failures, 1, __ATOMIC_SEQ_CST) > 40)
		return;
	printf("FAIL load: ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf(" (%s)\n", strerror(error));
	fflush(stdout);
}

void load_expect(bool failed, int error, const char *what)
{
	if (failed && errno == error) {
		load->errors++;
		return;
	}
	if (!failed)
		errno = 0;
	load_fail("%s has to fail with \"%s\"", what, strerror(error));
}

bool load_more(struct worker *w)
{
	if (load->aborted)
		_exit(0);
	load->ops[w->number]++;
	return !load->stop;
}

static void start_workers(uint64_t seed)
{
	unsigned int number = 0;

	fflush(stdout);
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		for (unsigned int i = 0; i < kinds[k].count; i++, number++) {
			struct worker w = {
				.number = number,
				.index = i,
				.dir = MOUNT "/load",
				.random = seed * 1000003 + number + 1,
			};

			workers[number] = fork();
			if (workers[number])
				continue;
			kinds[k].run(&w);
			_exit(0);
		}
}

static void wait_for_workers(void)
{
	int status;

	for (unsigned int i = 0; i < WORKERS; i++) {
		if (workers[i] <= 0)
			continue;
		if (waitpid(workers[i], &status, 0) != workers[i] || status) {
			errno = 0;
			load->aborted = false;
			load_fail("worker %u: status %#x", i, status);
		}
		workers[i] = 0;
	}
}

static bool mount_share(void)
{
	for (int i = 0; i < 100; i++) {
		if (!mount("share", MOUNT, "virtiofs", 0, NULL))
			return true;
		usleep(100000);
	}
	load_fail("mount");
	return false;
}

static bool mount_memory(void)
{
	/* The kernel copies a page, from wherever it starts */
	static char options[1 << 16];
	int fd = open("/dev/fuse", O_RDWR);

	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd);
	if (fd < 0 || mount("memory", MOUNT, "fuse", 0, options)) {
		load_fail("mount");
		return false;
	}
	fflush(stdout);
	server = fork();
	if (!server) {
		memfs_serve(fd, load->writeback);
		_exit(0);
	}
	close(fd);
	return true;
}

/* RELEASE is sent without waiting for it: a mount may be busy for a while. */
static void unmount(void)
{
	int status;

	for (int i = 0; umount2(MOUNT, 0); i++) {
		if (errno != EBUSY || i > 200) {
			load_fail("umount");
			return;
		}
		usleep(50000);
	}
	if (!server)
		return;
	if (waitpid(server, &status, 0) != server || status) {
		errno = 0;
		load_fail("server: status %#x", status);
	}
	server = 0;
}

static void sleep_for(double seconds)
{
	struct timespec t = { .tv_sec = (time_t)seconds };

	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	while (nanosleep(&t, &t))
		;
}

/* Cut the connection under the feet of the processes */
static void cut(void)
{
	load->aborted = true;
	umount2(MOUNT, MNT_FORCE);
}

static void run_round(unsigned int round, double seconds, uint64_t seed)
{
	bool cutting = load->memory && round % 2;

	load->stop = load->aborted = false;
	memset(load->writer, 0, sizeof(load->writer));
	memset(load->readers, 0, sizeof(load->readers));
	load->writeback = load->memory && round / 2 % 2;
	if (load->memory)
		memset(load->models, 0, sizeof(load->models));
	if (!(load->memory ? mount_memory() : mount_share()))
		return;
	if (mkdir(MOUNT "/load", 0777) && errno != EEXIST)
		load_fail("mkdir");
	for (unsigned int i = 0; i < DATA_FILES; i++)
		load_data_verify(MOUNT "/load", i);
	start_workers(seed + round);
	sleep_for(seconds);
	if (cutting)
		cut();
	load->stop = true;
	wait_for_workers();
	load->aborted = false;
	unmount();
}

static void say(unsigned int rounds)
{
	unsigned int number = 0;
	unsigned long all = 0;

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		unsigned long sum = 0;

		for (unsigned int i = 0; i < kinds[k].count; i++)
			sum += load->ops[number++];
		printf("load %s %lu\n", kinds[k].name, sum);
		all += sum;
	}
	printf("load %lu operations in %u rounds, %lu errors that had to be, "
	       "%lu interrupted, %lu killed, %u failures\n",
	       all, rounds, load->errors, load->interrupted, load->killed,
	       load->failures);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	unsigned int rounds;
	double seconds;

	if (argc == 2 && !strcmp(argv[1], "begin"))
		return load_begin();
	if (argc == 2 && !strcmp(argv[1], "end"))
		return load_end();
	if (argc != 5)
		return 2;
	load = mmap(NULL, sizeof(*load), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (load == MAP_FAILED)
		return 1;
	load->memory = !strcmp(argv[1], "memory");
	seconds = strtod(argv[2], NULL);
	rounds = (unsigned int)strtoul(argv[3], NULL, 10);
	mkdir(MOUNT, 0755);
	for (unsigned int i = 0; i < rounds; i++)
		run_round(i, seconds / rounds, strtoull(argv[4], NULL, 10));
	say(rounds);
	return load->failures ? 1 : 0;
}
