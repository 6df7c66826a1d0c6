// SPDX-License-Identifier: BSD-2-Clause
/*
 * The first and only service of a guest: inserts the modules, then follows
 * the lines of /script. All it prints for the host starts with '@'.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define MAX_WORDS 32

/* Insert what goes in; modules wait for each other, so go round again. */
static void insert_modules(void)
{
	struct dirent *e;
	bool progress = true;
	DIR *d;

	while (progress) {
		progress = false;
		d = opendir("/modules");
		if (!d)
			return;
		while ((e = readdir(d))) {
			int fd;

			if (e->d_name[0] == '.')
				continue;
			fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC);
			if (fd < 0)
				continue;
			if (!syscall(SYS_finit_module, fd, "", 0)) {
				progress = true;
				unlinkat(dirfd(d), e->d_name, 0);
			}
			close(fd);
		}
		closedir(d);
	}
}

/* The console must pass every byte as it is, and echo nothing. */
static void raw_console(void)
{
	struct termios t;

	if (tcgetattr(0, &t))
		return;
	t.c_oflag &= (tcflag_t)~OPOST;
	t.c_lflag &= (tcflag_t) ~(ECHO | ECHONL);
	t.c_iflag |= ICRNL;
	tcsetattr(0, TCSANOW, &t);
}

static int report(const char *what, int ret)
{
	if (ret < 0)
		printf("@FAILED %s: %s\n", what, strerror(errno));
	fflush(stdout);
	return ret;
}

/* A device may turn up a moment after its driver. */
static int do_mount(const char *type, const char *source, const char *dir)
{
	int ret = -1;

	mkdir(dir, 0755);
	for (int i = 0; i < 50; i++) {
		ret = mount(source, dir, type, 0, NULL);
		if (!ret || (errno != ENOENT && errno != EINVAL))
			break;
		usleep(100 * 1000);
	}
	return report("mount", ret);
}

static int do_exec(char **argv)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		execv(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return report("exec", -1);
	if (WIFSIGNALED(status))
		printf("@FAILED %s: signal %d\n", argv[0], WTERMSIG(status));
	else if (WEXITSTATUS(status))
		printf("@FAILED %s: exit %d\n", argv[0], WEXITSTATUS(status));
	return 0;
}

/* Let the host act, and go on when it answers. */
static int do_wait(const char *word)
{
	char line[64];

	printf("@WAIT %s\n", word);
	fflush(stdout);
	return fgets(line, sizeof(line), stdin) ? 0 : -1;
}

static int do_copy(const char *from, const char *to)
{
	char line[512];
	FILE *in = fopen(from, "r");
	FILE *out = in ? fopen(to, "a") : NULL;

	if (!out)
		report(in ? to : from, -1);
	while (out && fgets(line, sizeof(line), in))
		fputs(line, out);
	if (out && fclose(out))
		report(to, -1);
	if (in)
		fclose(in);
	return 0;
}

/* The second boot finds the mark of the first and goes on. */
static int do_reboot_once(const char *mark)
{
	int fd = open(mark, O_CREAT | O_EXCL | O_WRONLY, 0644);

	if (fd < 0)
		return 0;
	close(fd);
	printf("@REBOOT\n");
	fflush(stdout);
	sync();
	return reboot(RB_AUTOBOOT);
}

static int command(char **w, int n)
{
	if (!strcmp(w[0], "mount") && n == 4)
		return do_mount(w[1], w[2], w[3]);
	if (!strcmp(w[0], "umount") && n == 2)
		return report("umount", umount2(w[1], 0));
	if (!strcmp(w[0], "exec") && n >= 2)
		return do_exec(w + 1);
	if (!strcmp(w[0], "wait") && n == 2)
		return do_wait(w[1]);
	if (!strcmp(w[0], "copy") && n == 3)
		return do_copy(w[1], w[2]);
	if (!strcmp(w[0], "reboot-once") && n == 2)
		return do_reboot_once(w[1]);
	errno = EINVAL;
	return report(w[0], -1);
}

static void follow_script(void)
{
	char *words[MAX_WORDS + 1] = { 0 };
	char line[1024];
	FILE *f = fopen("/script", "re");

	while (f && fgets(line, sizeof(line), f)) {
		char *save = NULL;
		int n = 0;

		for (char *p = strtok_r(line, " \n", &save); p && n < MAX_WORDS;
		     p = strtok_r(NULL, " \n", &save))
			words[n++] = p;
		words[n] = NULL;
		if (n && command(words, n) < 0)
			break;
	}
	if (f)
		fclose(f);
}

int main(void)
{
	umask(022);
	raw_console();
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
	insert_modules();
	printf("\n@BOOTED\n"); /* firmware may have left a line open */
	follow_script();
	printf("@DONE\n");
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
	pause();
	return 0;
}
