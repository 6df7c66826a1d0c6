// SPDX-License-Identifier: BSD-2-Clause
/* The errors of a file system that no other group calls forth. */
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

static void paths(void)
{
	char *volatile nowhere = (char *)8; /* never mapped */
	char buf[16];
	struct stat st;

	make_file("f", "x", 0644);
	mkdir("d", 0755);
	result_of("enoent", stat("no", &st));
	result_of("enoent-dangling", open("no/no", O_RDONLY));
	result_of("enotdir", stat("f/x", &st));
	result_of("enotdir-slash", open("f/", O_RDONLY));
	result_of("enotdir-opendir", opendir("f") ? 0 : -1);
	result_of("eisdir-write", open("d", O_WRONLY));
	result_of("eisdir-read", read(open("d", O_RDONLY), buf, 1));
	result_of("eexist-mkdir", mkdir("f", 0755));
	result_of("eexist-mknod", mknod("f", S_IFREG, 0));
	result_of("eexist-symlink", symlink("x", "d"));
	result_of("einval-readlink", readlink("f", buf, 16));
	result_of("einval-rename", rename("d", "d/d"));
	result_of("exdev-link", link("f", "/dev/f"));
	result_of("exdev-rename", rename("f", "/dev/f"));
	result_of("efault-stat", stat(nowhere, &st));
	result_of("efault-read", read(open("f", O_RDONLY), nowhere, 1));
	result_of("ebadf", fstat(999, &st));
	result_of("ebadf-direction", write(open("f", O_RDONLY), "x", 1));
	result_of("ebadf-read", read(open("f", O_WRONLY), buf, 1));
	result_of("ebadf-path", read(open("f", O_PATH), buf, 1));
	result_of("ebadf-getdents",
		  readdir(fdopendir(open("d", O_RDONLY))) ? 0 : -1);
	result("enodev-mmap-dir", "%s",
	       mmap(NULL, 4096, PROT_READ, MAP_SHARED, open("d", O_RDONLY),
		    0) == MAP_FAILED
		       ? errno_name(errno)
		       : "ok");
	mkfifo("p", 0644);
	result_of("espipe", lseek(open("p", O_RDWR), 0, SEEK_SET));
	result_of("enotsup-xattr", fallocate(open("f", O_RDWR), 0x40, 0, 9));
}

static void on_signal(int number)
{
	(void)number;
}

static void limits(void)
{
	struct rlimit small = { 10000, 10000 };
	struct rlimit files = { 10, 10 };
	int fd = open("f", O_CREAT | O_RDWR, 0644);
	int n = 0;

	result_of("efbig-truncate", ftruncate(fd, 1LL << 60));
	result_of("efbig-write", pwrite(fd, "x", 1, 1LL << 60));
	result_of("efbig-fallocate", fallocate(fd, 0, 1LL << 60, 10));
	result_of("einval-offset", pwrite(fd, "x", 1, INT64_MAX));
	signal(SIGXFSZ, on_signal);
	setrlimit(RLIMIT_FSIZE, &small);
	result_of("efbig-limit", pwrite(fd, "x", 1, 10000));
	result("limit-part", "%zd", pwrite(fd, "xyz", 3, 9998));
	result_of("efbig-limit-truncate", ftruncate(fd, 10001));
	result("size", "%lld", size_of("f"));
	setrlimit(RLIMIT_NOFILE, &files);
	while (n < 100 && open("f", O_RDONLY) >= 0)
		n++;
	result("emfile", "%s", errno_name(errno));
}

static void mounted(void)
{
	struct stat st;

	mkdir("m", 0755);
	result_of("mount", mount("tmpfs", "m", "tmpfs", 0, NULL));
	result_of("ebusy-rmdir", rmdir("m"));
	result_of("ebusy-rename", rename("m", "n"));
	result_of("exdev", link("m/x", "y"));
	result_of("umount", umount("m"));
	result_of("rmdir", rmdir("m"));
	mkdir("ro", 0755);
	make_file("ro/f", "x", 0644);
	result_of("bind", mount("ro", "ro", NULL, MS_BIND, NULL));
	result_of("remount", mount(NULL, "ro", NULL,
				   MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	result_of("erofs-open", open("ro/f", O_RDWR));
	result_of("erofs-create", open("ro/g", O_CREAT | O_RDWR, 0644));
	result_of("erofs-unlink", unlink("ro/f"));
	result_of("erofs-chmod", chmod("ro/f", 0600));
	result_of("erofs-read", stat("ro/f", &st));
	result_of("umount-ro", umount("ro"));
}

/* The most links ext4 allows; the host has prepared them if it can. */
static void too_many_links(void)
{
	const char *path = "../../host/linked";
	char name[32];

	if (access(path, F_OK)) {
		path = "linked";
		make_file(path, "x", 0644);
		for (int i = 0; i < 65100; i++) {
			snprintf(name, sizeof(name), "l-%d", i);
			if (link(path, name))
				break;
		}
	}
	result_of("link", link(path, "one-more"));
}

static int copy_self(const char *to, mode_t mode)
{
	static char buf[65536];
	int in = open("/proc/self/exe", O_RDONLY);
	int out = open(to, O_CREAT | O_EXCL | O_WRONLY, mode);
	ssize_t n;

	if (in < 0 || out < 0)
		return -1;
	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			return -1;
	close(in);
	return close(out);
}

static const char *run(const char *path, char *buf, size_t size)
{
	int status = 0;
	int report[2];
	int err = 0;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC))
		return "pipe";
	fflush(stdout);
	pid = fork();
	if (!pid) {
		execl(path, path, "--exit", (char *)NULL);
		err = errno;
		if (write(report[1], &err, sizeof(err)) != sizeof(err))
			_exit(1);
		_exit(0);
	}
	close(report[1]);
	waitpid(pid, &status, 0);
	if (read(report[0], &err, sizeof(err)) == sizeof(err))
		snprintf(buf, size, "%s", errno_name(err));
	else
		snprintf(buf, size, "exit %d", WEXITSTATUS(status));
	close(report[0]);
	return buf;
}

static void running(void)
{
	char buf[64];
	int fd;

	result_of("copy", copy_self("program", 0755));
	result("exec", "%s", run("./program", buf, sizeof(buf)));
	fd = open("program", O_WRONLY);
	result("etxtbsy-exec", "%s", run("./program", buf, sizeof(buf)));
	close(fd);
	make_file("script", "#!./program\n", 0755);
	result("script", "%s", run("./script", buf, sizeof(buf)));
	make_file("no-exec", "#!./program\n", 0644);
	result("eacces", "%s", run("./no-exec", buf, sizeof(buf)));
	make_file("garbage", "\001\002\003\004 garbage", 0755);
	result("enoexec", "%s", run("./garbage", buf, sizeof(buf)));
	make_file("bad-script", "#!./missing\n", 0755);
	result("enoent-script", "%s", run("./bad-script", buf, sizeof(buf)));
	mkdir("d", 0755);
	result("eacces-dir", "%s", run("./d", buf, sizeof(buf)));
	result("enoent", "%s", run("./no", buf, sizeof(buf)));
	result("exec-size", "%s", size_of("program") > 10000 ? "ok" : "short");
}

static void text_busy(void)
{
	int ready[2], hold[2];
	pid_t pid;
	char c;

	result_of("copy", copy_self("program", 0755));
	if (pipe(ready) || pipe(hold))
		return;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		dup2(hold[0], 0);
		dup2(ready[1], 1);
		execl("./program", "program", "--hold", (char *)NULL);
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		result("start", "failed");
	result_of("open-write", open("program", O_WRONLY));
	result_of("truncate", truncate("program", 0));
	result_of("open-read", open("program", O_RDONLY));
	result_of("rename", rename("program", "renamed"));
	result_of("unlink", unlink("renamed"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

const struct checks errno_groups[] = {
	{ "errno", paths, 0 },
	{ "limits", limits, 0 },
	{ "mounts", mounted, 0 },
	{ "emlink", too_many_links, 300 },
	{ "exec", running, 0 },
	{ "etxtbsy", text_busy, 0 },
	{ 0 },
};
