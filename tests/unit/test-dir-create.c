// SPDX-License-Identifier: BSD-2-Clause
/*
 * Files made by way of the server belong to the caller and have the mode that
 * the same system calls give them when the caller's own process makes them.
 */
#include "dir-client.h"
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

static struct client client;

struct who {
	uint32_t uid, gid;
	uint32_t group; /* supplementary; 0: none */
	mode_t umask;
};

/* What is made, and in which directory. */
struct job {
	uint32_t opcode;
	const char *dir;
	mode_t mode;
};

/* Does it by the bare system calls, in a process of WHO. */
static void do_locally(const struct who *who, const struct job *job,
		       const char *name)
{
	char path[256];
	int status;
	pid_t child = fork();

	snprintf(path, sizeof(path), "%s/%s/%s", client.path, job->dir, name);
	if (child == 0) {
		gid_t groups[1] = { who->group };
		int ret;

		if (setgroups(who->group ? 1 : 0, groups) < 0 ||
		    setresgid(who->gid, who->gid, who->gid) < 0 ||
		    setresuid(who->uid, who->uid, who->uid) < 0)
			_exit(255);
		umask(who->umask);
		if (job->opcode == CF_MKDIR)
			ret = mkdir(path, job->mode);
		else if (job->opcode == CF_MKNOD)
			ret = mknod(path, job->mode, 0x103);
		else if (job->opcode == CF_SYMLINK)
			ret = symlink("goal", path);
		else
			ret = open(path, O_CREAT | O_EXCL | O_WRONLY,
				   job->mode);
		_exit(ret < 0 ? errno : 0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

static void add_group(struct request *request, uint32_t group)
{
	struct {
		struct cf_ext_header header;
		uint32_t count, group;
	} ext = { { 0, CF_EXT_GROUPS }, 1, group };

	if (!group)
		return;
	ext.header.size = sizeof(ext);
	request_add(request, &ext, sizeof(ext));
	request_in(request)->total_extlen = sizeof(ext) / 8;
}

static int do_remotely(const struct who *who, const struct job *job,
		       uint64_t parent, const char *name)
{
	struct cf_mkdir_in mkdir_in = { job->mode, who->umask };
	struct cf_mknod_in mknod_in = { .mode = job->mode,
					.rdev = 0x103,
					.umask = who->umask };
	struct cf_create_in create_in = { .flags = O_CREAT | O_EXCL | O_WRONLY,
					  .mode = job->mode,
					  .umask = who->umask };
	struct request *request = request_new(job->opcode, parent);
	int ret;

	request->uid = who->uid;
	request->gid = who->gid;
	if (job->opcode == CF_MKDIR)
		request_add(request, &mkdir_in, sizeof(mkdir_in));
	else if (job->opcode == CF_MKNOD)
		request_add(request, &mknod_in, sizeof(mknod_in));
	else if (job->opcode == CF_CREATE)
		request_add(request, &create_in, sizeof(create_in));
	request_name(request, name);
	if (job->opcode == CF_SYMLINK)
		request_name(request, "goal");
	add_group(request, who->group);
	ret = request_run(&client, request);
	request_free(request);
	return ret;
}

static void compare(const struct who *who, const struct job *job)
{
	struct stat local = { 0 }, remote = { 0 };
	int dir, same;

	CHECK_EQ(do_remotely(who, job, nodeid_of(&client, job->dir), "r"), 0);
	do_locally(who, job, "l");
	dir = openat(client.root, job->dir, O_RDONLY | O_DIRECTORY);
	CHECK_EQ(fstatat(dir, "l", &local, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_EQ(fstatat(dir, "r", &remote, AT_SYMLINK_NOFOLLOW), 0);
	same = CHECK_EQ(remote.st_mode, local.st_mode);
	same += CHECK_EQ(remote.st_uid, local.st_uid);
	same += CHECK_EQ(remote.st_gid, local.st_gid);
	same += CHECK_EQ(remote.st_rdev, local.st_rdev);
	if (same < 4)
		fprintf(stderr, "  opcode %u mode %o in %s as %u:%u+%u\n",
			job->opcode, job->mode, job->dir, who->uid, who->gid,
			who->group);
	unlinkat(dir, "l", S_ISDIR(local.st_mode) ? AT_REMOVEDIR : 0);
	unlinkat(dir, "r", S_ISDIR(remote.st_mode) ? AT_REMOVEDIR : 0);
	close(dir);
}

/* A directory, by the host. */
static void make_dir(const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	CHECK_EQ(mkdirat(client.root, name, 0700), 0);
	CHECK_EQ(fchownat(client.root, name, uid, gid, 0), 0);
	CHECK_EQ(fchmodat(client.root, name, mode, 0), 0);
}

/* A default ACL: user rwx, group r-x, mask rwx, other ---, user 1234 rwx. */
static void set_default_acl(const char *name)
{
	static const unsigned char acl[] = {
		2,   0,	  0,   0,   1,	 0,    7,  0,	255, 255, 255,
		255, 2,	  0,   7,   0,	 0xd2, 4,  0,	0,   4,	  0,
		5,   0,	  255, 255, 255, 255,  16, 0,	7,   0,	  255,
		255, 255, 255, 32,  0,	 0,    0,  255, 255, 255, 255,
	};
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", client.path, name);
	if (setxattr(path, "system.posix_acl_default", acl, sizeof(acl), 0) < 0)
		printf("no default ACL here: %s\n", strerror(errno));
}

static void test_matrix(void)
{
	static const struct who people[] = {
		{ 0, 0, 0, 022 },      { 1000, 1000, 0, 027 },
		{ 1000, 1000, 50, 0 }, { 1000, 50, 0, 077 },
		{ 0, 1000, 0, 02 },
	};
	static const struct job jobs[] = {
		{ CF_CREATE, "open", S_IFREG | 0666 },
		{ CF_CREATE, "setgid", S_IFREG | 02777 },
		{ CF_CREATE, "acl", S_IFREG | 0666 },
		{ CF_CREATE, "open", S_IFREG | 06777 },
		{ CF_MKDIR, "open", 0777 },
		{ CF_MKDIR, "setgid", 0777 },
		{ CF_MKDIR, "sticky", 01777 },
		{ CF_MKDIR, "acl", 0777 },
		{ CF_MKNOD, "setgid", S_IFIFO | 0666 },
		{ CF_MKNOD, "acl", S_IFSOCK | 0777 },
		{ CF_MKNOD, "open", S_IFREG | 02755 },
		{ CF_SYMLINK, "setgid", 0 },
	};

	make_dir("open", 0777, 0, 0);
	make_dir("setgid", 02777, 7, 50);
	make_dir("sticky", 01777, 7, 50);
	make_dir("acl", 0777, 0, 0);
	set_default_acl("acl");
	for (size_t i = 0; i < sizeof(people) / sizeof(*people); i++)
		for (size_t j = 0; j < sizeof(jobs) / sizeof(*jobs); j++)
			compare(&people[i], &jobs[j]);
}

static void test_devices(void)
{
	struct who root = { 0, 0, 0, 0 }, user = { 1000, 1000, 0, 0 };
	struct job job = { CF_MKNOD, "open", S_IFCHR | 0666 };

	compare(&root, &job);
	/* The client's kernel has checked that this user may. */
	CHECK_EQ(do_remotely(&user, &job, nodeid_of(&client, "open"), "r"), 0);
	CHECK_EQ(faccessat(client.root, "open/r", F_OK, 0), 0);
	unlinkat(client.root, "open/r", 0);
}

/* Whoever was played, root is itself again. */
static void test_restored(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = { 0 };
	struct who user = { 1000, 1000, 50, 0 };
	struct job job = { CF_CREATE, "open", S_IFREG | 0600 };
	struct job bad = { CF_CREATE, "open", S_IFREG | 0600 };

	CHECK_EQ(do_remotely(&user, &job, nodeid_of(&client, "open"), "x"), 0);
	CHECK_EQ(do_remotely(&user, &bad, nodeid_of(&client, "open"), "x"),
		 -EEXIST);
	CHECK_EQ(setfsuid((uid_t)-1), 0);
	CHECK_EQ(getgroups(0, NULL), 0);
	CHECK_EQ(syscall(SYS_capget, &header, data), 0);
	CHECK_EQ(data[0].effective, data[0].permitted);
	CHECK_EQ(data[1].effective, data[1].permitted);
	user.uid = UINT32_MAX;
	CHECK_EQ(do_remotely(&user, &job, nodeid_of(&client, "open"), "y"),
		 -EPERM);
	CHECK_EQ(setfsuid((uid_t)-1), 0);
	unlinkat(client.root, "open/x", 0);
}

static mode_t mode_now(const char *name)
{
	struct stat st = { 0 };

	CHECK_EQ(fstatat(client.root, name, &st, 0), 0);
	return st.st_mode & 07777;
}

static void set_mode(const char *name, mode_t mode)
{
	struct cf_setattr_in nothing = { 0 };

	/* This thread, which was the server's, has all its powers again. */
	CHECK(ask_as(&client, 0, 0, CF_SETATTR, CF_ROOT_ID, &nothing,
		     sizeof(nothing), NULL, NULL, NULL, 0) > 0);
	CHECK_EQ(fchmodat(client.root, name, mode, 0), 0);
}

/* The mode of a file of 1000:1000 when its owner truncates it in group GID. */
static mode_t local_truncate(mode_t mode, gid_t gid)
{
	mode_t ret;
	pid_t child;
	int fd, status;

	fd = openat(client.root, "t", O_CREAT | O_RDWR, 0600);
	CHECK_EQ(fchown(fd, 1000, 1000), 0);
	set_mode("t", mode);
	child = fork();
	if (child == 0) {
		if (setresgid(gid, gid, gid) < 0 ||
		    setresuid(1000, 1000, 1000) < 0)
			_exit(1);
		_exit(ftruncate(fd, 100) < 0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	close(fd);
	ret = mode_now("t");
	unlinkat(client.root, "t", 0);
	return ret;
}

/* What follows total_extlen's minors: none, all that is left, what it says. */
static void test_extlen(void)
{
	static const struct {
		uint32_t minor;
		int ret;
	} cases[] = { { 12, 1 }, { 31, 1 }, { 37, 1 }, { 38, -EBADMSG } };
	struct cf_mkdir_in in = { .mode = 0755 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct request *request;
		int ret;

		ask_init(&client, cases[i].minor, CLIENT_FLAGS, NULL);
		request = request_new(CF_MKDIR, CF_ROOT_ID);
		request_add(request, &in, sizeof(in));
		request_name(request, "extlen");
		request_in(request)->total_extlen = 0xe1e8;
		ret = request_run(&client, request);
		CHECK_EQ(ret, cases[i].ret > 0 ? 0 : cases[i].ret);
		CHECK_EQ(unlinkat(client.root, "extlen", AT_REMOVEDIR),
			 cases[i].ret > 0 ? 0 : -1);
		request_free(request);
	}
	ask_init(&client, 47, CLIENT_FLAGS, NULL);
}

/* Set-id bits go when the client says so, and stay otherwise. */

static void setattr_as(uint32_t uid, uint32_t gid, uint64_t nodeid,
		       struct cf_setattr_in in)
{
	CHECK(ask_as(&client, uid, gid, CF_SETATTR, nodeid, &in, sizeof(in),
		     NULL, NULL, NULL, 0) > 0);
}

static void test_setid_of_write(uint64_t nodeid, uint64_t fh)
{
	struct cf_setattr_in in = { .valid = CF_FATTR_SIZE, .size = 100 };

	set_mode("s", 06755);
	CHECK_EQ(ask_write_as(&client, 0, fh, "x", 1, 0, O_RDWR, 0), 1);
	CHECK_EQ(mode_now("s"), 06755);
	CHECK_EQ(ask_write_as(&client, 1000, fh, "x", 1, 0, O_RDWR,
			      CF_WRITE_KILL_SUIDGID),
		 1);
	CHECK_EQ(mode_now("s"), 0755);
	set_mode("s", 06755);
	setattr_as(0, 0, nodeid, in);
	CHECK_EQ(mode_now("s"), 06755);
	in.valid |= CF_FATTR_KILL_SUIDGID;
	in.size = 50;
	setattr_as(0, 0, nodeid, in);
	CHECK_EQ(mode_now("s"), 0755);
	/* A member of the file's group may have it without execution. */
	CHECK_EQ(fchownat(client.root, "s", 1000, 1000, 0), 0);
	set_mode("s", 06745);
	in.size = 40;
	setattr_as(1000, 1000, nodeid, in);
	CHECK_EQ(mode_now("s"), local_truncate(06745, 1000));
	set_mode("s", 06745);
	in.size = 30;
	setattr_as(1000, 50, nodeid, in);
	CHECK_EQ(mode_now("s"), local_truncate(06745, 50));
	CHECK_EQ(fchownat(client.root, "s", 0, 0, 0), 0);
}

static void test_setid_of_attributes(uint64_t nodeid)
{
	/* chmod() by the client right behind it has the bit. */
	setattr_as(0, 0, nodeid,
		   (struct cf_setattr_in){ .valid = CF_FATTR_MODE,
					   .mode = 06711 });
	CHECK_EQ(mode_now("s"), 06711);
	/* A new owner clears them, as for everyone on a local file system. */
	setattr_as(0, 0, nodeid,
		   (struct cf_setattr_in){ .valid = CF_FATTR_UID,
					   .uid = 1000 });
	CHECK_EQ(mode_now("s"), 0711);
	CHECK_EQ(fchownat(client.root, "s", 0, 0, 0), 0);
}

static void test_setid_of_fallocate(uint64_t nodeid, uint64_t fh)
{
	struct cf_fallocate_in in = { .fh = fh, .length = 4096 };

	set_mode("s", 06711);
	ask_as(&client, 0, 0, CF_FALLOCATE, nodeid, &in, sizeof(in), NULL, NULL,
	       NULL, 0);
	CHECK_EQ(mode_now("s"), 06711);
	in.length = 8192;
	ask_as(&client, 1000, 1000, CF_FALLOCATE, nodeid, &in, sizeof(in), NULL,
	       NULL, NULL, 0);
	CHECK_EQ(mode_now("s"), 0711);
}

static void test_setid_of_open(uint64_t nodeid)
{
	struct cf_open_in in = { .flags = O_WRONLY | O_TRUNC,
				 .open_flags = CF_OPEN_KILL_SUIDGID };

	set_mode("s", 06755);
	CHECK(ask(&client, CF_OPEN, nodeid, &in, sizeof(in), NULL, NULL, 0) >
	      0);
	CHECK_EQ(mode_now("s"), 0755);
}

/* Before 7.33 what says so is padding, of CREATE too. */
static void test_setid_of_old_clients(void)
{
	struct cf_open_in open_in = { .flags = O_WRONLY | O_TRUNC,
				      .open_flags = CF_OPEN_KILL_SUIDGID };
	struct cf_create_in create_in = { .flags = O_WRONLY | O_TRUNC | O_CREAT,
					  .open_flags = UINT32_MAX };

	for (uint32_t minor = 32; minor < 34; minor++) {
		mode_t left = minor < 33 ? 06755 : 0755;

		ask_init(&client, minor, CLIENT_FLAGS, NULL);
		set_mode("s", 06755);
		CHECK(ask(&client, CF_OPEN, nodeid_of(&client, "s"), &open_in,
			  sizeof(open_in), NULL, NULL, 0) > 0);
		CHECK_EQ(mode_now("s"), left);
		set_mode("s", 06755);
		CHECK(ask(&client, CF_CREATE, CF_ROOT_ID, &create_in,
			  sizeof(create_in), "s", NULL, 0) > 0);
		CHECK_EQ(mode_now("s"), left);
	}
	ask_init(&client, 47, CLIENT_FLAGS, NULL);
}

static void test_setid(void)
{
	uint64_t nodeid, fh = 0;

	close(openat(client.root, "s", O_CREAT | O_WRONLY, 0755));
	nodeid = nodeid_of(&client, "s");
	CHECK_EQ(ask_open(&client, nodeid, O_RDWR, &fh), 0);
	test_setid_of_write(nodeid, fh);
	test_setid_of_attributes(nodeid);
	test_setid_of_fallocate(nodeid, fh);
	test_setid_of_open(nodeid);
	test_setid_of_old_clients();
}

int main(void)
{
	if (geteuid() != 0) {
		printf("skipped: only root can act as other users\n");
		return 77;
	}
	setgroups(0, NULL);
	client_start(&client);
	fchmod(client.root, 0755);
	test_matrix();
	test_devices();
	test_restored();
	test_extlen();
	test_setid();
	client_stop(&client);
	return check_result();
}
