// SPDX-License-Identifier: BSD-2-Clause
#include "sandbox.h"
#include "../log.h"
#include "capability.h"
#include "child.h"
#include "file_limit.h"
#include "mount_tree.h"
#include "seccomp_filter.h"
#include "user_namespace.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *remedy_of_path(int error)
{
	switch (error) {
	case ENOENT:
		return "create it or name another directory";
	case ENOTDIR:
		return "name a directory";
	case EACCES:
		return "run crossfuse as a user who may read and enter it";
	default:
		return "name another directory";
	}
}

static int tell_path(const char *path, int error)
{
	log_error("cannot share %s: %s: %s", path, strerror(error),
		  remedy_of_path(error));
	return -error;
}

/* Whether it takes a user name space. */
static bool maps_users(const struct sandbox_options *options)
{
	return options->mode != SANDBOX_NONE &&
	       (options->uid_map || options->gid_map || geteuid() != 0);
}

/*
 * Calls ACT with who is who: as the options say; without a map its own user,
 * or group, is alone there.
 */
static int with_maps(const struct sandbox_options *options,
		     int (*act)(const struct user_map *uids,
				const struct user_map *gids,
				struct user_ids *ret_ids),
		     struct user_ids *ret_ids)
{
	const uint32_t uid = geteuid(), gid = getegid();
	struct user_range users = { options->own_uid ? uid : 0, uid, 1 };
	struct user_range groups = { options->own_gid ? gid : 0, gid, 1 };
	const struct user_map own_uid = { &users, 1 }, own_gid = { &groups, 1 };

	return act(options->uid_map ? options->uid_map : &own_uid,
		   options->gid_map ? options->gid_map : &own_gid, ret_ids);
}

static int check_maps(const struct sandbox_options *options)
{
	struct user_ids ids;

	if (maps_users(options))
		return with_maps(options, user_namespace_try, &ids);
	if (!options->uid_map && !options->gid_map)
		return 0;
	log_error("--uid-map and --gid-map take a name space: leave --sandbox "
		  "none out, or use --translate-uid and --translate-gid");
	return -EINVAL;
}

int sandbox_check(const char *path, const struct sandbox_options *options)
{
	struct stat st;
	int ret;

	if (stat(path, &st) < 0)
		return tell_path(path, errno);
	if (!S_ISDIR(st.st_mode))
		return tell_path(path, ENOTDIR);
	/* In a name space of more users it may be another one's. */
	if (!options->uid_map &&
	    faccessat(AT_FDCWD, path, R_OK | X_OK, AT_EACCESS) < 0)
		return tell_path(path, errno);
	ret = seccomp_check(options->seccomp);
	if (ret < 0)
		return ret;
	ret = capability_check(options->modcaps);
	if (ret == 0)
		ret = check_maps(options);
	if (ret < 0)
		return ret;
	return file_limit_set(options->rlimit_nofile);
}

static const char *remedy_of_step(int error)
{
	if (error == ENOSYS)
		return "it takes Linux 5.12; use --sandbox none";
	if (geteuid() == 0)
		return "give it CAP_SYS_ADMIN, or use --sandbox none";
	return "run as root, allow user namespaces, or use --sandbox none";
}

static int tell_step(const char *step, int error)
{
	log_error("--sandbox: cannot %s: %s: %s", step, strerror(error),
		  remedy_of_step(error));
	return -error;
}

/* Whether every user and group there may be exists here, too. */
static bool has_all_ids(const char *map)
{
	unsigned int inside, outside, count;
	FILE *file = fopen(map, "re");
	bool all;

	if (!file)
		return false;
	all = fscanf(file, "%u %u %u", &inside, &outside, &count) == 3 &&
	      inside == 0 && count == UINT32_MAX;
	fclose(file);
	return all;
}

/*
 * From /proc/self/fd of this process nothing else of /proc, and no other file
 * of the machine, may be reached.
 */
static int clone_proc(int *ret_fd)
{
	int fd = mount_tree_clone(AT_FDCWD, "/proc/self/fd", false);

	if (fd == -ENOENT) {
		log_error("cannot use /proc/self/fd: mount /proc");
		return fd;
	}
	if (fd < 0)
		return tell_step("make a mount of /proc/self/fd", -fd);
	*ret_fd = fd;
	return 0;
}

/* TREE becomes the root, and all else goes. */
static int pivot_to(int tree)
{
	int ret = mount_tree_cover_root(tree);

	if (ret < 0)
		return tell_step("mount the directory", -ret);
	if (fchdir(tree) < 0)
		return tell_step("enter the directory", errno);
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return tell_step("make the directory its root", errno);
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return tell_step("leave the old root", errno);
	return 0;
}

static int move_to(const char *path, const struct sandbox_options *options,
		   int *ret_root)
{
	int tree, ret;

	/* What the host mounts there later is still seen, and what it
	 * unmounts is not held. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return tell_step("detach its mounts", errno);
	tree = mount_tree_clone(AT_FDCWD, path, true);
	if (tree < 0)
		return tell_step("make a mount of the directory", -tree);
	ret = mount_tree_restrict(tree, options->readonly);
	if (ret < 0)
		ret = tell_step("restrict the mount of the directory", -ret);
	else
		ret = pivot_to(tree);
	if (ret < 0)
		close(tree);
	else
		*ret_root = tree;
	return ret;
}

/*
 * The parent, which waits, stays where the rest of the machine is: but for a
 * user name space, only the child leaves.
 */
static int enter_namespace(const char *path,
			   const struct sandbox_options *options,
			   struct sandbox_view *view)
{
	const bool users = maps_users(options);
	struct user_ids ids;
	int ret = 0;

	if (users)
		ret = with_maps(options, user_namespace_enter, &ids);
	if (ret < 0)
		return ret;
	if (unshare(CLONE_NEWPID) < 0)
		return tell_step("make a process name space", errno);
	ret = child_start();
	if (ret != 0)
		return ret;
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0)
		return tell_step("make name spaces", errno);
	ret = clone_proc(&view->proc_fd);
	if (ret < 0)
		return ret;
	ret = move_to(path, options, &view->root_fd);
	return ret == 0 && users ? user_namespace_become(&ids) : ret;
}

static int tell_chroot(const char *path, int error)
{
	if (error == EPERM)
		log_error("--sandbox chroot: %s: give it CAP_SYS_CHROOT, or "
			  "use --sandbox none",
			  strerror(error));
	else
		log_error("--sandbox chroot: cannot enter %s: %s: %s", path,
			  strerror(error), remedy_of_path(error));
	return -error;
}

static int change_root(const char *path, struct sandbox_view *view)
{
	int ret = clone_proc(&view->proc_fd);

	if (ret < 0)
		return ret;
	if (chroot(path) < 0 || chdir("/") < 0)
		return tell_chroot(path, errno);
	view->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return view->root_fd < 0 ? tell_chroot(path, errno) : 0;
}

static int enter_chroot(const char *path, const struct sandbox_options *options,
			struct sandbox_view *view)
{
	const bool users = maps_users(options);
	struct user_ids ids;
	int ret = 0;

	if (users)
		ret = with_maps(options, user_namespace_enter, &ids);
	if (ret == 0)
		ret = child_start();
	if (ret != 0)
		return ret;
	/* The superuser of a user name space mounts in its own only. */
	if (users && unshare(CLONE_NEWNS) < 0)
		return tell_step("make a mount name space", errno);
	ret = change_root(path, view);
	return ret == 0 && users ? user_namespace_become(&ids) : ret;
}

/* A parent waits here as well: see leave() of child.c. */
static int enter_none(const char *path, struct sandbox_view *view)
{
	int ret = child_start();

	if (ret != 0)
		return ret;
	view->proc_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (view->proc_fd < 0) {
		log_error("cannot use /proc/self/fd: %m: mount /proc");
		return -ENOENT;
	}
	view->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (view->root_fd < 0)
		return tell_path(path, errno);
	/* So that it is in nobody's way. */
	return chdir("/") < 0 ? tell_path("/", errno) : 0;
}

static int enter_view(const char *path, const struct sandbox_options *options,
		      struct sandbox_view *view)
{
	switch (options->mode) {
	case SANDBOX_NAMESPACE:
		return enter_namespace(path, options, view);
	case SANDBOX_CHROOT:
		return enter_chroot(path, options, view);
	default:
		return enter_none(path, view);
	}
}

static int give_up(const struct sandbox_options *options)
{
	int ret = capability_drop(options->modcaps, options->readonly);

	if (ret < 0)
		return ret;
	/* The change of capabilities has reset it. */
	child_end_with_parent();
	return seccomp_enter(options);
}

int sandbox_enter(const char *path, const struct sandbox_options *options,
		  struct sandbox_view *ret_view)
{
	struct sandbox_view view = {
		.root_fd = -1,
		.proc_fd = -1,
		.all_ids = geteuid() == 0 && !maps_users(options) &&
			   has_all_ids("/proc/self/uid_map") &&
			   has_all_ids("/proc/self/gid_map"),
	};
	int ret;

	ret = enter_view(path, options, &view);
	if (ret == 0)
		ret = give_up(options);
	if (ret == 0) {
		*ret_view = view;
		return 0;
	}
	if (view.root_fd >= 0)
		close(view.root_fd);
	if (view.proc_fd >= 0)
		close(view.proc_fd);
	return ret;
}
