// SPDX-License-Identifier: BSD-2-Clause
/*
 * Set-user-ID and set-group-ID bits: what random callers do to random files by
 * way of the server comes out as if their own processes did it on the server's
 * file system, for clients of several ages. The client is played as Linux is:
 * what its kernel checks is not asked for, what it does itself is done here.
 */
#include "dir-client.h"
#include <grp.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ROUNDS 100

static struct client client;

/* A kernel, by what it offers and what it does itself. */
static const struct kernel {
	const char *name;
	uint32_t minor;
	bool v2;	  /* leaves set-id bits to its server */
	bool groups;	  /* tells the group that counts for a creation */
	bool strips;	  /* takes S_ISGID off a new file's mode itself */
	bool drops_plain; /* an S_ISGID without S_IXGRP goes as well */
} kernels[] = {
	{ "5.4", 31, false, false, false, false },
	{ "5.11", 33, true, false, false, false },
	{ "6.1, --no-killpriv-v2", 37, false, false, true, false },
	{ "6.1", 37, true, false, true, false },
	{ "6.12, --no-killpriv-v2", 41, false, true, true, true },
	{ "6.12", 41, true, true, true, true },
};

enum act {
	CHMOD,
	CHOWN,
	CREATE,
	MKNOD,
	MKDIR,
	TMPFILE,
	WRITE,
	TRUNCATE,
	FTRUNCATE,
	OPEN_TRUNC,
	CREATE_TRUNC,
	FALLOCATE,
	COPY_RANGE,
	ACTS
};

static const char *const act_names[] = {
	"chmod",	   "chown",	    "create",	       "mknod",
	"mkdir",	   "tmpfile",	    "write",	       "truncate",
	"ftruncate",	   "open(O_TRUNC)", "O_CREAT|O_TRUNC", "fallocate",
	"copy_file_range",
};

/* Who does what to a file, or in a directory. */
struct scene {
	enum act act;
	uid_t uid;
	gid_t gid, group; /* supplementary */
	mode_t mode;	  /* of the file, or the directory */
	uid_t owner;
	gid_t owner_group;
	mode_t new_mode;
	uid_t new_owner; /* -1: stays */
	gid_t new_group;
};

static uint32_t random_below(uint32_t n)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 33) % n;
}

#define PICK(array) (array)[random_below(sizeof(array) / sizeof(*(array)))]

static bool creates(enum act act)
{
	return act >= CREATE && act <= TMPFILE;
}

static struct scene random_scene(void)
{
	static const uid_t uids[] = { 0, 1001, 1001, 1001, 1002 };
	static const gid_t gids[] = { 0, 55, 77, 1001 };
	static const mode_t files[] = { 02666, 02676, 04666, 06777, 0666,
					02766, 04711, 06676, 02777 };
	static const mode_t dirs[] = { 02777, 02775, 02770, 0777, 03777, 02773 };
	static const mode_t modes[] = { 02775, 02755, 06777, 02666,
					0666,  04755, 02765 };
	struct scene scene = {
		.act = (enum act)random_below(ACTS),
		.uid = PICK(uids),
		.gid = PICK(gids),
		.group = PICK(gids),
		.owner = PICK(uids),
		.owner_group = PICK(gids),
		.new_mode = PICK(modes),
		.new_owner = (uid_t)-1,
		.new_group = PICK(gids),
	};

	scene.mode = creates(scene.act) ? PICK(dirs) : PICK(files);
	if (scene.uid == 0 && random_below(2))
		scene.new_owner = PICK(uids);
	return scene;
}

/*
 * The server puts capabilities of this thread aside, and does not expect them
 * to come back by themselves. The effective ones as they were.
 */
static uint32_t set_effective(uint32_t caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	uint32_t old;

	CHECK_EQ(syscall(SYS_capget, &header, data), 0);
	old = data[0].effective;
	data[0].effective = caps & data[0].permitted;
	CHECK_EQ(syscall(SYS_capset, &header, data), 0);
	return old;
}

/* The file f and the directory d below DIR, as the scene has them. */
static void arrange(const char *dir, const struct scene *scene)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s/d", client.path, dir);
	CHECK_EQ(mkdir(path, 0700), 0);
	CHECK_EQ(chown(path, scene->owner, scene->owner_group), 0);
	CHECK_EQ(chmod(path, creates(scene->act) ? scene->mode : 0777), 0);
	snprintf(path, sizeof(path), "%s/%s/f", client.path, dir);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	CHECK_EQ(ftruncate(fd, 4096), 0);
	CHECK_EQ(fchown(fd, scene->owner, scene->owner_group), 0);
	CHECK_EQ(fchmod(fd, scene->mode), 0);
	close(fd);
}

static void clear(const char *dir)
{
	static const char *const names[] = { "d/n", "f" };
	char path[128];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", client.path, dir,
			 names[i]);
		if (unlink(path) < 0 && errno == EISDIR)
			rmdir(path);
	}
	snprintf(path, sizeof(path), "%s/%s/d", client.path, dir);
	CHECK_EQ(rmdir(path), 0);
}

/* What came of it: the new file, or f. */
static struct stat result_of(const char *dir, const struct scene *scene)
{
	struct stat st = { 0 };
	char path[128];

	snprintf(path, sizeof(path), "%s/%s/%s", client.path, dir,
		 creates(scene->act) ? "d/n" : "f");
	CHECK_EQ(lstat(path, &st), 0);
	return st;
}

static int open_and(const struct scene *scene)
{
	int fd = open("f", O_RDWR), from, ret = -1;

	if (fd < 0)
		return -1;
	if (scene->act == WRITE) {
		ret = pwrite(fd, "x", 1, 5) == 1 ? 0 : -1;
	} else if (scene->act == FTRUNCATE) {
		ret = ftruncate(fd, 9);
	} else if (scene->act == FALLOCATE) {
		ret = fallocate(fd, 0, 0, 9000);
	} else {
		from = open("../source", O_RDONLY);
		ret = copy_file_range(from, NULL, fd, NULL, 5, 0) == 5 ? 0 : -1;
	}
	return ret;
}

static int link_tmpfile(mode_t mode)
{
	int fd = open("d", O_TMPFILE | O_RDWR, mode);
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fd < 0 ? -1
		      : linkat(AT_FDCWD, path, AT_FDCWD, "d/n",
			       AT_SYMLINK_FOLLOW);
}

static int act_locally(const struct scene *scene)
{
	switch (scene->act) {
	case CHMOD:
		return chmod("f", scene->new_mode);
	case CHOWN:
		return chown("f", scene->new_owner, scene->new_group);
	case CREATE:
		return open("d/n", O_CREAT | O_EXCL | O_RDWR, scene->new_mode);
	case MKNOD:
		return mknod("d/n", S_IFREG | scene->new_mode, 0);
	case MKDIR:
		return mkdir("d/n", scene->new_mode & 01777);
	case TMPFILE:
		return link_tmpfile(scene->new_mode);
	case TRUNCATE:
		return truncate("f", 9);
	case OPEN_TRUNC:
		return open("f", O_WRONLY | O_TRUNC);
	case CREATE_TRUNC:
		return open("f", O_CREAT | O_WRONLY | O_TRUNC, 0600);
	default:
		return open_and(scene);
	}
}

/* In a process of the caller's; false: it may not. */
static bool do_locally(const struct scene *scene)
{
	char path[128];
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		snprintf(path, sizeof(path), "%s/local", client.path);
		umask(0);
		if (chdir(path) < 0 || setgroups(1, &scene->group) < 0 ||
		    setresgid(scene->gid, scene->gid, scene->gid) < 0 ||
		    setresuid(scene->uid, scene->uid, scene->uid) < 0)
			_exit(2);
		_exit(act_locally(scene) < 0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return status == 0;
}

static bool is_member(const struct scene *scene, gid_t gid)
{
	return scene->uid == 0 || scene->gid == gid || scene->group == gid;
}

static int ask_caller(const struct scene *scene, uint32_t opcode,
		      uint64_t nodeid, const void *arg, size_t len,
		      const char *name, void *out, size_t out_len)
{
	int ret = ask_as(&client, scene->uid, scene->gid, opcode, nodeid, arg,
			 len, name, NULL, out, out_len);

	CHECK(ret >= 0);
	return ret;
}

static void ask_setattr(const struct scene *scene, uint64_t nodeid,
			struct cf_setattr_in in)
{
	ask_caller(scene, CF_SETATTR, nodeid, &in, sizeof(in), NULL, NULL, 0);
}

/*
 * Before it changes a file: the mode that a kernel sets which sees to the bits
 * itself; 0: none. Linux: setattr_should_drop_suidgid().
 */
static mode_t mode_without(const struct kernel *kernel,
			   const struct scene *scene)
{
	mode_t mode = scene->mode;

	if (kernel->v2 || scene->uid == 0)
		return 0;
	mode &= ~(mode_t)S_ISUID;
	if (mode & S_IXGRP ||
	    (kernel->drops_plain && !is_member(scene, scene->owner_group)))
		mode &= ~(mode_t)S_ISGID;
	return mode == scene->mode ? 0 : S_IFREG | mode;
}

static void kill_first(const struct kernel *kernel, const struct scene *scene,
		       uint64_t nodeid)
{
	mode_t mode = mode_without(kernel, scene);

	if (mode)
		ask_setattr(scene, nodeid,
			    (struct cf_setattr_in){ .valid = CF_FATTR_MODE,
						    .mode = mode });
}

static void change_remotely(const struct kernel *kernel,
			    const struct scene *scene, uint64_t nodeid)
{
	mode_t mode = mode_without(kernel, scene);
	struct cf_setattr_in in = {
		.valid = mode ? CF_FATTR_MODE : 0,
		.mode = mode,
		.size = 9,
		.uid = scene->new_owner,
		.gid = scene->new_group,
	};

	if (scene->act == CHMOD) {
		in.valid = CF_FATTR_MODE;
		in.mode = S_IFREG | scene->new_mode;
		if (!is_member(scene, scene->owner_group))
			in.mode &= ~(uint32_t)S_ISGID;
	} else if (scene->act == CHOWN) {
		in.valid |= CF_FATTR_GID;
		if (scene->new_owner != (uid_t)-1)
			in.valid |= CF_FATTR_UID;
	} else {
		in.valid |= CF_FATTR_SIZE;
		if (kernel->v2 && scene->uid)
			in.valid |= CF_FATTR_KILL_SUIDGID;
	}
	ask_setattr(scene, nodeid, in);
}

static void add_group(struct request *request, const struct kernel *kernel,
		      const struct scene *scene)
{
	struct {
		struct cf_ext_header header;
		uint32_t count, group;
	} ext = { { sizeof(ext), CF_EXT_GROUPS }, 1, scene->owner_group };

	if (!kernel->groups || scene->gid == scene->owner_group ||
	    scene->group != scene->owner_group)
		return;
	request_add(request, &ext, sizeof(ext));
	request_in(request)->total_extlen = sizeof(ext) / 8;
}

/* Linux: mode_strip_sgid(). */
static mode_t stripped(const struct kernel *kernel, const struct scene *scene)
{
	mode_t mode = scene->new_mode;

	if (kernel->strips && (mode & 02010) == 02010 && scene->mode & 02000 &&
	    !is_member(scene, scene->owner_group))
		mode &= ~(mode_t)S_ISGID;
	return mode;
}

static void link_remotely(const struct scene *scene, uint64_t parent,
			  uint64_t nodeid)
{
	struct cf_link_in in = { .oldnodeid = nodeid };

	ask_caller(scene, CF_LINK, parent, &in, sizeof(in), "n", NULL, 0);
}

static void create_remotely(const struct kernel *kernel,
			    const struct scene *scene, uint64_t parent)
{
	static const uint32_t opcodes[] = {
		[CREATE] = CF_CREATE,
		[MKNOD] = CF_MKNOD,
		[MKDIR] = CF_MKDIR,
		[TMPFILE] = CF_TMPFILE,
	};
	mode_t mode = stripped(kernel, scene);
	struct cf_create_in create = { .flags = O_RDWR | O_CREAT | O_EXCL,
				       .mode = S_IFREG | mode };
	struct cf_mknod_in node = { .mode = S_IFREG | mode };
	struct cf_mkdir_in dir = { .mode = scene->new_mode & 01777 };
	struct request *request;

	if (scene->act == TMPFILE)
		create.flags = O_RDWR;
	request = request_new(opcodes[scene->act], parent);
	request->uid = scene->uid;
	request->gid = scene->gid;
	if (scene->act == MKNOD)
		request_add(request, &node, sizeof(node));
	else if (scene->act == MKDIR)
		request_add(request, &dir, sizeof(dir));
	else
		request_add(request, &create, sizeof(create));
	request_name(request, scene->act == TMPFILE ? "/" : "n");
	add_group(request, kernel, scene);
	CHECK_EQ(request_run(&client, request), 0);
	if (scene->act == TMPFILE)
		link_remotely(
			scene, parent,
			((struct cf_entry_out *)(void *)request->reply)->nodeid);
	request_free(request);
}

/* Opens f, truncating it as the act wants. Its fh. */
static uint64_t open_remotely(const struct kernel *kernel,
			      const struct scene *scene, uint64_t parent,
			      uint64_t nodeid)
{
	uint32_t kill = kernel->v2 && scene->uid ? CF_OPEN_KILL_SUIDGID : 0;
	struct cf_open_in open_in = { .flags = O_RDWR };
	struct cf_create_in create_in = { .flags = O_CREAT | O_WRONLY | O_TRUNC,
					  .mode = S_IFREG | 0600,
					  .open_flags = kill };
	struct {
		struct cf_entry_out entry;
		struct cf_open_out open;
	} out = { 0 };

	if (scene->act == OPEN_TRUNC) {
		open_in.flags = O_WRONLY | O_TRUNC;
		open_in.open_flags = kill;
	}
	if (scene->act == CREATE_TRUNC)
		ask_caller(scene, CF_CREATE, parent, &create_in,
			   sizeof(create_in), "f", &out, sizeof(out));
	else
		ask_caller(scene, CF_OPEN, nodeid, &open_in, sizeof(open_in),
			   NULL, &out.open, sizeof(out.open));
	return out.open.fh;
}

static void ask_write_x(const struct kernel *kernel, const struct scene *scene,
			uint64_t fh)
{
	struct cf_write_in in = { .fh = fh, .size = 1, .offset = 5 };
	struct request *request = request_new(CF_WRITE, CF_ROOT_ID);

	if (kernel->v2 && scene->uid)
		in.write_flags = CF_WRITE_KILL_SUIDGID;
	request->uid = scene->uid;
	request->gid = scene->gid;
	request_add(request, &in, sizeof(in));
	request_data(request, (char[]){ 'x' }, 1);
	CHECK_EQ(request_run(&client, request), 0);
	request_free(request);
}

static void use_remotely(const struct kernel *kernel, const struct scene *scene,
			 uint64_t parent, uint64_t nodeid)
{
	uint64_t fh = open_remotely(kernel, scene, parent, nodeid), from = 0;
	struct cf_setattr_in size = { .valid = CF_FATTR_SIZE | CF_FATTR_FH,
				      .fh = fh,
				      .size = 9 };
	struct cf_fallocate_in space = { .fh = fh, .length = 9000 };
	struct cf_copy_file_range_in copy = { .fh_out = fh, .len = 5 };
	mode_t mode = mode_without(kernel, scene);

	if (scene->act == FTRUNCATE) {
		if (kernel->v2 && scene->uid)
			size.valid |= CF_FATTR_KILL_SUIDGID;
		else if (mode)
			size.valid |= CF_FATTR_MODE;
		size.mode = mode;
		ask_setattr(scene, nodeid, size);
	} else if (scene->act != OPEN_TRUNC && scene->act != CREATE_TRUNC) {
		kill_first(kernel, scene, nodeid);
	}
	if (scene->act == WRITE)
		ask_write_x(kernel, scene, fh);
	if (scene->act == FALLOCATE)
		ask_caller(scene, CF_FALLOCATE, nodeid, &space, sizeof(space),
			   NULL, NULL, 0);
	if (scene->act == COPY_RANGE) {
		ask_open(&client, nodeid_of(&client, "source"), O_RDONLY,
			 &from);
		copy.fh_in = from;
		copy.nodeid_out = nodeid;
		ask_caller(scene, CF_COPY_FILE_RANGE, nodeid, &copy,
			   sizeof(copy), NULL, NULL, 0);
		ask_release(&client, nodeid, from, 0);
	}
	ask_release(&client, nodeid, fh, 0);
}

static void do_remotely(const struct kernel *kernel, const struct scene *scene)
{
	struct cf_entry_out f = { 0 }, d = { 0 };
	uint64_t parent = nodeid_of(&client, "remote");

	CHECK_EQ(ask_lookup(&client, parent, "f", &f), 0);
	CHECK_EQ(ask_lookup(&client, parent, "d", &d), 0);
	if (creates(scene->act))
		create_remotely(kernel, scene, d.nodeid);
	else if (scene->act == CHMOD || scene->act == CHOWN ||
		 scene->act == TRUNCATE)
		change_remotely(kernel, scene, f.nodeid);
	else
		use_remotely(kernel, scene, parent, f.nodeid);
}

/*
 * What no server can know, because the request does not tell the caller's
 * groups. Never a bit that makes anybody another user or group.
 */
static bool may_differ(const struct kernel *kernel, const struct scene *scene,
		       mode_t local, mode_t remote)
{
	if ((local ^ remote) != S_ISGID)
		return false;
	/* In a directory that all may write to: a member, or not? Then not. */
	if (creates(scene->act))
		return !kernel->strips && !(remote & S_ISGID) &&
		       scene->group == scene->owner_group &&
		       scene->gid != scene->owner_group;
	if (local & S_IXGRP)
		return false;
	/* Without S_IXGRP it means nothing. Kept, as that kernel's own did. */
	if (remote & S_ISGID)
		return !kernel->v2 && !kernel->drops_plain;
	return scene->group == scene->owner_group &&
	       scene->gid != scene->owner_group;
}

/* 1 if it was compared, 0 if the caller may not. */
static int play(const struct kernel *kernel, const struct scene *scene,
		unsigned int *unknown)
{
	struct stat local, remote;
	uint32_t caps = set_effective(UINT32_MAX);
	bool may, same = true;

	arrange("local", scene);
	arrange("remote", scene);
	may = do_locally(scene);
	set_effective(caps);
	if (!may) {
		clear("local");
		clear("remote");
		return 0;
	}
	do_remotely(kernel, scene);
	local = result_of("local", scene);
	remote = result_of("remote", scene);
	if (may_differ(kernel, scene, local.st_mode, remote.st_mode))
		++*unknown;
	else
		same = CHECK_EQ(remote.st_mode, local.st_mode);
	same = CHECK_EQ(remote.st_uid, local.st_uid) && same;
	same = CHECK_EQ(remote.st_gid, local.st_gid) && same;
	if (!same)
		fprintf(stderr,
			"  %s: %s by %u:%u+%u; mode %o of %u:%u; to %o, "
			"%d:%d; here %o, there %o\n",
			kernel->name, act_names[scene->act], scene->uid,
			scene->gid, scene->group, scene->mode, scene->owner,
			scene->owner_group, scene->new_mode,
			(int)scene->new_owner, (int)scene->new_group,
			local.st_mode, remote.st_mode);
	clear("local");
	clear("remote");
	return 1;
}

static void test_kernel(const struct kernel *kernel)
{
	uint64_t flags = CLIENT_FLAGS;
	unsigned int unknown = 0, compared = 0;

	if (!kernel->v2)
		flags &= ~CF_INIT_HANDLE_KILLPRIV_V2;
	if (!kernel->groups)
		flags &= ~CF_INIT_CREATE_SUPP_GROUP;
	if (kernel->minor < 36)
		flags &= UINT32_MAX & ~CF_INIT_EXT;
	ask_init(&client, kernel->minor, flags, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		struct scene scene = random_scene();

		compared += (unsigned int)play(kernel, &scene, &unknown);
	}
	printf("%s: %u of %u compared, %u not to be known\n", kernel->name,
	       compared, ROUNDS, unknown);
	CHECK(compared > ROUNDS / 3);
	CHECK(unknown < compared / 8);
}

/* One scene each, by name. */
static void test_named(void)
{
	static const struct scene member = {
		CREATE, 1001, 1001, 55, 02777, 0, 55, 02775, 0, 0,
	};
	static const struct scene chown_own = {
		CHOWN, 1001, 1001, 77, 02666, 1001, 55, 0, (uid_t)-1, 77,
	};
	unsigned int unknown = 0;

	for (size_t i = 2; i < sizeof(kernels) / sizeof(*kernels); i++) {
		ask_init(&client, kernels[i].minor,
			 kernels[i].groups
				 ? CLIENT_FLAGS
				 : CLIENT_FLAGS & ~CF_INIT_CREATE_SUPP_GROUP,
			 NULL);
		CHECK_EQ(play(&kernels[i], &member, &unknown), 1);
		if (kernels[i].v2)
			CHECK_EQ(play(&kernels[i], &chown_own, &unknown), 1);
	}
	CHECK_EQ(unknown, 0);
}

int main(void)
{
	int fd;

	if (geteuid() != 0) {
		printf("needs root\n");
		return 77;
	}
	umask(0);
	client_start(&client);
	CHECK_EQ(fchmod(client.root, 0755), 0);
	mkdirat(client.root, "local", 0755);
	mkdirat(client.root, "remote", 0755);
	fd = openat(client.root, "source", O_CREAT | O_WRONLY, 0644);
	CHECK_EQ(write(fd, "source", 6), 6);
	close(fd);
	test_named();
	for (size_t i = 0; i < sizeof(kernels) / sizeof(*kernels); i++)
		test_kernel(&kernels[i]);
	client_stop(&client);
	return check_result();
}
