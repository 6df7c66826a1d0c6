// SPDX-License-Identifier: BSD-2-Clause
/*
 * usage: kernel CASE...
 *        kernel tmpfs FOLDER OPTIONS
 *        kernel files PROGRAM [ARGUMENT...]
 *
 * Each case is a mount of its own, with a server that answers FUSE_INIT in one
 * of several ways. "dump" before a case prints every message.
 */
#include "kernel-wire.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOUNT "/tmp/wire"

struct wire *wire;

/*
 * Where FUSE is built into the kernel, the changed one is a module beside it,
 * with names of its own.
 */
static const char *beside(const char *name)
{
	static char text[64];
	bool there = !access("/dev/fusebeside", F_OK);

	snprintf(text, sizeof(text), "%s%s", name, there ? "beside" : "");
	return text;
}

static pid_t start(int fd, void (*server)(int))
{
	pid_t pid = fork();

	if (!pid) {
		server(fd);
		_exit(0);
	}
	close(fd);
	for (int i = 0; i < 500 && !wire->has_init; i++)
		usleep(10000);
	return pid;
}

static void stop(pid_t pid)
{
	int status;

	/* It ends when the last user of the mount has gone */
	for (int i = 0; i < 300; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return;
		usleep(10000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

static pid_t mount_it(enum wire_answer answer)
{
	/* The kernel copies a page, from wherever it starts */
	static char options[1 << 16];
	bool dump = wire->dump;
	int fd = open(beside("/dev/fuse"), O_RDWR);

	if (fd < 0) {
		check(false, "/dev/fuse: %s", strerror(errno));
		return -1;
	}
	memset(wire, 0, sizeof(*wire));
	wire->dump = dump;
	wire->answer = answer;
	mkdir(MOUNT, 0755);
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd);
	if (mount("wire", MOUNT, beside("fuse"), 0, options)) {
		check(false, "mount: %s", strerror(errno));
		close(fd);
		return -1;
	}
	return start(fd, serve);
}

static void unmount(pid_t pid)
{
	if (umount2(MOUNT, 0))
		check(false, "umount: %s", strerror(errno));
	stop(pid);
}

static void full(enum wire_answer answer)
{
	pid_t pid = mount_it(answer);

	if (pid < 0)
		return;
	check_all(MOUNT);
	unmount(pid);
}

/* No more than INIT, and requests as long as it allows. */
static void brief(enum wire_answer answer)
{
	pid_t pid = mount_it(answer);

	if (pid < 0)
		return;
	wire->dump = false;
	printf("page %ld\n", sysconf(_SC_PAGESIZE));
	check_pages(MOUNT);
	printf("write %u\n", wire->size[FUSE_WRITE] - 80);
	fflush(stdout);
	unmount(pid);
}

/* A mount whose handshake failed: nothing works, nothing hangs. */
static void refused(enum wire_answer answer)
{
	pid_t pid = mount_it(answer);
	struct stat st;
	int fd;

	if (pid < 0)
		return;
	fd = open(MOUNT "/file", O_RDWR);
	check(fd < 0 && errno == ECONNREFUSED, "open: %s",
	      fd < 0 ? strerror(errno) : "done");
	check(stat(MOUNT "/file", &st) < 0, "stat: %s", strerror(errno));
	unmount(pid);
}

static void cuse(void)
{
	bool dump = wire->dump;
	int fd = open(beside("/dev/cuse"), O_RDWR);
	pid_t pid;

	if (fd < 0) {
		check(false, "/dev/cuse: %s", strerror(errno));
		return;
	}
	memset(wire, 0, sizeof(*wire));
	wire->dump = dump;
	pid = start(fd, serve_cuse);
	for (int i = 0; i < 300 && access("/dev/wiretest", F_OK); i++)
		usleep(10000);
	check_cuse();
	kill(pid, SIGTERM);
	stop(pid);
}

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		printf("@FAILED %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* Give the devices of the built-in driver to the module */
static void rebind(void)
{
	static const char old[] = "/sys/bus/virtio/drivers/virtiofs";
	struct dirent *e;
	DIR *d = opendir(old);

	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, "virtio", 6))
			continue;
		write_to("/sys/bus/virtio/drivers/virtiofs/unbind", e->d_name);
		write_to("/sys/bus/virtio/drivers/fusebeside/bind", e->d_name);
	}
	if (d)
		closedir(d);
}

static double passed(const struct timespec *a)
{
	struct timespec b;

	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a->tv_sec) * 1e9 +
	       (double)(b.tv_nsec - a->tv_nsec);
}

/*
 * Instructions in a nanosecond, where the machine's clock counts instructions:
 * not each kernel knows how fast its clock really is.
 */
static double clock_rate(void)
{
	const unsigned int rounds = 200000, per_round = 103;
	struct timespec a;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (unsigned int i = 0; i < rounds; i++)
		__asm__ volatile(".rept 100\n\tnop\n\t.endr");
	return (double)rounds * per_round / passed(&a);
}

/* Nanoseconds of one call */
static double cost_of(const char *what, unsigned int count)
{
	struct timespec a;
	char c = 0;
	int fd = open(MOUNT "/file", O_RDWR);
	double sum;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (unsigned int i = 0; i < count; i++) {
		if (!strcmp(what, "open"))
			close(open(MOUNT "/file", O_RDONLY));
		else if (!strcmp(what, "read"))
			pread(fd, &c, 1, 0);
		else if (!strcmp(what, "write"))
			pwrite(fd, &c, 1, 0);
		else if (!strcmp(what, "error"))
			unlink(MOUNT "/e39");
		else
			ioctl(fd, _IOR('x', 2, int), &c);
	}
	sum = passed(&a);
	close(fd);
	return sum / count;
}

/* One warm-up, then what the machine needs for one call of each kind */
static void cost(enum wire_answer answer)
{
	static const char *const kinds[] = { "open", "read", "write", "error",
					     "ioctl" };
	pid_t pid = mount_it(answer);

	if (pid < 0)
		return;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		cost_of(kinds[i], 200);
		printf("cost %s %.1f\n", kinds[i],
		       cost_of(kinds[i], 3000) * clock_rate());
	}
	fflush(stdout);
	unmount(pid);
}

static void run(const char *name)
{
	printf("case %s\n", name);
	fflush(stdout);
	if (!strcmp(name, "canon")) {
		full(ANSWER_CANON);
	} else if (!strcmp(name, "plain")) {
		full(ANSWER_NOTHING);
	} else if (!strcmp(name, "brief-canon")) {
		brief(ANSWER_CANON);
	} else if (!strcmp(name, "brief-plain")) {
		brief(ANSWER_NOTHING);
	} else if (!strcmp(name, "no-ext")) {
		full(ANSWER_NO_EXT);
	} else if (!strcmp(name, "unoffered")) {
		refused(ANSWER_UNOFFERED);
	} else if (!strcmp(name, "refuse")) {
		refused(ANSWER_REFUSE);
	} else if (!strcmp(name, "cuse")) {
		cuse();
	} else if (!strcmp(name, "cost-canon")) {
		cost(ANSWER_CANON);
	} else if (!strcmp(name, "cost-plain")) {
		cost(ANSWER_NOTHING);
	} else if (!strcmp(name, "rebind")) {
		rebind();
	} else if (!strcmp(name, "dump")) {
		wire->dump = true;
	} else {
		check(false, "%s: no such case", name);
	}
}

/* A program that keeps a descriptor for each file it knows of */
static int with_files(char **argv)
{
	const struct rlimit many = { 1 << 17, 1 << 17 };

	if (setrlimit(RLIMIT_NOFILE, &many))
		perror("RLIMIT_NOFILE");
	execv(argv[0], argv);
	perror(argv[0]);
	return 1;
}

int main(int argc, char **argv)
{
	wire = mmap(NULL, sizeof(*wire), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (wire == MAP_FAILED)
		return 1;
	if (argc == 4 && !strcmp(argv[1], "tmpfs"))
		return mkdir(argv[2], 0755) ||
		       mount("tmpfs", argv[2], "tmpfs", 0, argv[3]);
	if (argc > 2 && !strcmp(argv[1], "files"))
		return with_files(argv + 2);
	for (int i = 1; i < argc; i++)
		run(argv[i]);
	printf("kernel.end\n");
	fflush(stdout);
	return 0;
}
