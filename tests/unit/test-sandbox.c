// SPDX-License-Identifier: BSD-2-Clause
/* Each sandbox, as root and as an ordinary user, in a process of its own. */
#include "../../src/log.h"
#include "../../src/sandbox/sandbox.h"
#include "../../src/sandbox/seccomp_filter.h"
#include "../../src/sandbox/user_map.h"
#include "dir-client.h"
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#if HAVE_SECCOMP
#include <seccomp.h>
#endif
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static char shared[64], beside[80];

/* In the sandbox: what it must still be able to do, and what no longer. */
static void inside(const struct sandbox_options *options, bool root)
{
	struct client client = {
		.options = { .readonly = options->readonly, .xattr = true },
	};
	struct cf_create_in in = { .flags = O_CREAT | O_RDWR,
				   .mode = S_IFREG | 0644 };
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	struct sandbox_view view;
	struct cf_entry_out entry;
	uint64_t fh = 0;
	char buf[8];
	int ret;

	ret = sandbox_check(shared, options);
	if (ret == 0)
		ret = sandbox_enter(shared, options, &view);
	if (ret == 1) /* the parent, whose child found everything right */
		exit(EXIT_SUCCESS);
	if (ret < 0)
		exit(ret == -ECHILD ? EXIT_FAILURE : 77);
	CHECK_EQ(dir_create(&client.options, &view, &client.dir), 0);
	ask_init(&client, 47, CLIENT_FLAGS, NULL);
	CHECK_EQ(ask_lookup(&client, CF_ROOT_ID, "file", &entry), 0);
	CHECK_EQ(ask_open(&client, entry.nodeid, O_RDONLY, &fh), 0);
	CHECK_EQ(ask_read(&client, fh, buf, sizeof(buf), 0), 4);
	ret = ask(&client, CF_CREATE, CF_ROOT_ID, &in, sizeof(in), "new", NULL,
		  0);
	CHECK_EQ(ret, options->readonly ? -EROFS : 144);
	if (!options->readonly) {
		CHECK_EQ(ask(&client, CF_UNLINK, CF_ROOT_ID, NULL, 0, "new",
			     NULL, 0),
			 0);
		ret = ask_as(&client, 1234, 1234, CF_CREATE, CF_ROOT_ID, &in,
			     sizeof(in), "new", NULL, NULL, 0);
		CHECK_EQ(ret, root ? 144 : -EPERM);
		if (ret > 0)
			ask(&client, CF_UNLINK, CF_ROOT_ID, NULL, 0, "new",
			    NULL, 0);
	}
	CHECK_EQ(ask_lookup(&client, CF_ROOT_ID, "..", &entry), 0);
	CHECK_EQ(entry.nodeid, CF_ROOT_ID);
	if (options->mode != SANDBOX_NONE) {
		CHECK_EQ(openat(AT_FDCWD, beside, O_RDONLY), -1);
		CHECK_EQ(errno, ENOENT);
		CHECK(openat(AT_FDCWD, "/file", O_RDONLY) >= 0);
	}
	if (options->mode == SANDBOX_NAMESPACE && options->readonly) {
		CHECK_EQ(openat(AT_FDCWD, "/new", O_CREAT | O_WRONLY, 0600),
			 -1);
		CHECK_EQ(errno, EROFS);
	}
	CHECK_EQ(syscall(SYS_capget, &header, data), 0);
	CHECK_EQ(data[0].permitted & 1u << CAP_SYS_ADMIN, 0);
	CHECK_EQ(data[0].permitted & 1u << CAP_SYS_PTRACE, 0);
	/* The filter has no need of this call. */
	if (options->seccomp == SECCOMP_NONE)
		CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	dir_destroy(client.dir);
	exit(check_result());
}

static int run(const struct sandbox_options *options, uid_t uid)
{
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		if (uid &&
		    (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
		     setresuid(uid, uid, uid) < 0))
			_exit(1);
		/* As a program that this user has started. */
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
		inside(options, uid == 0 && geteuid() == 0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void expect(const char *what, const struct sandbox_options *options,
		   uid_t uid)
{
	int ret = run(options, uid);

	if (ret == 77)
		printf("not possible here: %s\n", what);
	else if (!CHECK_EQ(ret, 0))
		fprintf(stderr, "  %s\n", what);
}

#if HAVE_SECCOMP

#ifdef __s390__
#define CLONE(flags) syscall(SYS_clone, NULL, flags, NULL, NULL, 0)
#else
#define CLONE(flags) syscall(SYS_clone, flags, NULL, NULL, NULL, 0)
#endif

static void run_program(void)
{
	syscall(SYS_execve, "/bin/true", NULL, NULL);
}

static void start_process(void)
{
	CLONE(SIGCHLD);
}

static void leave_user(void)
{
	syscall(SYS_unshare, CLONE_NEWUSER);
}

static void leave_user_and_files(void)
{
	syscall(SYS_unshare, CLONE_NEWUSER | CLONE_FS);
}

static void start_elsewhere(void)
{
	CLONE(CLONE_NEWUSER | SIGCHLD);
}

static void start_almost_a_thread(void)
{
	CLONE(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
	      CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |
	      CLONE_CHILD_CLEARTID | CLONE_NEWNET);
}

static void hurt_another(void)
{
	syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static void connect_network(void)
{
	socket(AF_INET, SOCK_STREAM, 0);
}

static void *in_thread(void *argument)
{
	return argument;
}

/* What a server does all the time. */
static void permitted(void)
{
	pthread_t thread;
	int fd;

	if (pthread_create(&thread, NULL, in_thread, NULL) != 0 ||
	    pthread_join(thread, NULL) != 0)
		_exit(1);
	if (syscall(SYS_clone3, NULL, 0) != -1 || errno != ENOSYS)
		_exit(2);
	if (syscall(SYS_unshare, CLONE_FS) < 0)
		_exit(3);
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (fd < 0)
		_exit(4);
	close(fd);
}

/* The status of a process that calls ATTEMPT behind the filter. */
static int behind_filter(void (*attempt)(void))
{
	struct sandbox_options options = { .mode = SANDBOX_NONE,
					   .seccomp = SECCOMP_KILL,
					   .syslog = true };
	int status = 0;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		if (seccomp_enter(&options) < 0)
			_exit(77);
		attempt();
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	return status;
}

/* What is not permitted any more ends the process. */
static void test_filter(void)
{
	static const struct {
		const char *name;
		void (*attempt)(void);
	} forbidden[] = {
		{ "execve", run_program },
		{ "fork", start_process },
		{ "unshare", leave_user },
		{ "unshare, with what is permitted", leave_user_and_files },
		{ "clone", start_elsewhere },
		{ "clone, with what is permitted", start_almost_a_thread },
		{ "tgkill", hurt_another },
		{ "socket", connect_network },
	};

	for (size_t i = 0; i < sizeof(forbidden) / sizeof(*forbidden); i++) {
		int status = behind_filter(forbidden[i].attempt);

		if (!CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS))
			fprintf(stderr, "  %s\n", forbidden[i].name);
	}
	CHECK_EQ(behind_filter(permitted), 0);
}

/* Where privileges cannot be put aside, bits that should go do not stay. */
static void without_capset(void)
{
	struct client client = { .options = { .xattr = true } };
	struct cf_entry_out entry;
	uint64_t fh = 0;
	struct stat st;
	char path[128];
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	snprintf(path, sizeof(path), "%s/setid", shared);
	close(open(path, O_CREAT | O_WRONLY, 0755));
	CHECK_EQ(chmod(path, 06755), 0);
	client_attach(&client, shared);
	ask_init(&client, 47, CLIENT_FLAGS, NULL);
	CHECK_EQ(ask_lookup(&client, CF_ROOT_ID, "setid", &entry), 0);
	CHECK_EQ(ask_open(&client, entry.nodeid, O_WRONLY, &fh), 0);
	CHECK_EQ(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
				  SCMP_SYS(capset), 0),
		 0);
	CHECK_EQ(seccomp_load(filter), 0);
	seccomp_release(filter);
	CHECK_EQ(ask_write_as(&client, 1000, fh, "text", 4, 0, O_WRONLY,
			      CF_WRITE_KILL_SUIDGID),
		 -EPERM);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_size, 0);
	dir_destroy(client.dir);
	unlink(path);
}

static void test_failed_capset(void)
{
	int status = 0;
	pid_t child;

	if (geteuid() != 0)
		return;
	fflush(NULL);
	child = fork();
	if (child == 0) {
		without_capset();
		_exit(check_result());
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

#else

static void test_filter(void)
{
}

static void test_failed_capset(void)
{
}

#endif

static void test_errors(void)
{
	struct sandbox_options options = { 0 };
	char path[128];

	log_level = LOG_LEVEL_OFF;
	snprintf(path, sizeof(path), "%s/none", shared);
	CHECK_EQ(sandbox_check(path, &options), -ENOENT);
	snprintf(path, sizeof(path), "%s/file", shared);
	CHECK_EQ(sandbox_check(path, &options), -ENOTDIR);
	options.modcaps = "sys_admin";
	CHECK_EQ(sandbox_check(shared, &options), -EINVAL);
	options.modcaps = "+nonsense";
	CHECK_EQ(sandbox_check(shared, &options), -EINVAL);
	options.modcaps = "+sys_admin:-CAP_MKNOD";
	CHECK_EQ(sandbox_check(shared, &options), 0);
	options.modcaps = NULL;
	options.mode = SANDBOX_NONE;
	CHECK_EQ(user_map_add(&options.uid_map, "uid-map", ":0:0:1:"), 0);
	CHECK_EQ(sandbox_check(shared, &options), -EINVAL);
	user_map_free(options.uid_map);
	options.uid_map = NULL;
	options.rlimit_nofile = 1ull << 40;
	CHECK_EQ(sandbox_check(shared, &options), -EPERM);
	log_level = LOG_LEVEL_INFO;
}

static void test_mode(enum sandbox_mode mode, bool readonly,
		      enum seccomp_mode seccomp)
{
	static const char *const names[] = { "namespace", "chroot", "none" };
	struct sandbox_options options = {
		.mode = mode,
		.seccomp = seccomp,
		.readonly = readonly,
	};
	char what[128];

	snprintf(what, sizeof(what), "%s%s%s", names[mode],
		 readonly ? ", read-only" : "",
		 seccomp == SECCOMP_NONE ? ", no filter" : "");
	expect(what, &options, 0);
	if (geteuid() != 0)
		return;
	strcat(what, ", ordinary user");
	expect(what, &options, 12345);
}

int main(void)
{
	char path[256];
	int fd;

	alarm(120);
	snprintf(shared, sizeof(shared), "%s/crossfuse-XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(shared))
		return EXIT_FAILURE;
	chmod(shared, 0777);
	snprintf(beside, sizeof(beside), "%s-beside", shared);
	close(open(beside, O_CREAT | O_WRONLY, 0644));
	snprintf(path, sizeof(path), "%s/file", shared);
	fd = open(path, O_CREAT | O_WRONLY, 0644);
	CHECK_EQ(write(fd, "text", 4), 4);
	close(fd);
	for (int mode = SANDBOX_NAMESPACE; mode <= SANDBOX_NONE; mode++)
		for (int readonly = 0; readonly < 2; readonly++) {
			test_mode((enum sandbox_mode)mode, readonly,
				  SECCOMP_NONE);
			if (HAVE_SECCOMP)
				test_mode((enum sandbox_mode)mode, readonly,
					  SECCOMP_KILL);
		}
	test_filter();
	test_failed_capset();
	test_errors();
	snprintf(path, sizeof(path), "rm -rf '%s' '%s'", shared, beside);
	CHECK_EQ(system(path), 0);
	return check_result();
}
