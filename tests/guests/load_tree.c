// SPDX-License-Identifier: BSD-2-Clause
/* Names come and go; what there is, and which error comes, is known before. */
#include "load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRS  2
#define NAMES 12

#define NOREPLACE 1u
#define EXCHANGE  2u

enum type {
	NONE,
	FILE_,
	LINK,
	EMPTY,
	FULL
}; /* the last two directories */

struct tree {
	struct worker *w;
	char base[96];
	enum type type[DIRS][NAMES];
	ino_t ino[DIRS][NAMES];
};

struct slot {
	unsigned int dir, name;
	char path[128];
};

static bool is_dir(enum type t)
{
	return t == EMPTY || t == FULL;
}

static struct slot pick(struct tree *t)
{
	struct slot s = { .dir = load_pick(t->w, DIRS),
			  .name = load_pick(t->w, NAMES) };

	snprintf(s.path, sizeof(s.path), "%s/%u/n%u", t->base, s.dir, s.name);
	return s;
}

static enum type *type(struct tree *t, const struct slot *s)
{
	return &t->type[s->dir][s->name];
}

static ino_t *ino(struct tree *t, const struct slot *s)
{
	return &t->ino[s->dir][s->name];
}

/* The call has to give that result: 0, or the error */
static bool gives(int ret, int error, const char *what, const char *path)
{
	if (!ret && !error)
		return true;
	if (ret < 0 && errno == error) {
		load->errors++;
		return false;
	}
	load_fail("%s %s gives %s, must be %s", what, path,
		  ret < 0 ? "an error" : "none", strerror(error));
	return false;
}

static void made(struct tree *t, const struct slot *s, enum type as)
{
	struct stat st = { 0 };

	if (lstat(s->path, &st))
		load_fail("%s: lstat", s->path);
	*type(t, s) = as;
	*ino(t, s) = st.st_ino;
}

static void do_create(struct tree *t)
{
	struct slot s = pick(t);
	enum type old = *type(t, &s);
	int fd = open(s.path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);

	if (gives(fd < 0 ? -1 : 0, old ? EEXIST : 0, "create", s.path))
		made(t, &s, FILE_);
	if (fd >= 0)
		close(fd);
}

static void do_mkdir(struct tree *t)
{
	struct slot s = pick(t);
	char child[160];

	if (!gives(mkdir(s.path, 0700), *type(t, &s) ? EEXIST : 0, "mkdir",
		   s.path))
		return;
	made(t, &s, EMPTY);
	if (load_pick(t->w, 2))
		return;
	snprintf(child, sizeof(child), "%s/child", s.path);
	if (gives(mknod(child, S_IFREG | 0644, 0), 0, "mknod", child))
		*type(t, &s) = FULL;
}

static void do_symlink(struct tree *t)
{
	struct slot s = pick(t);

	/* To follow it is an error, wherever it is moved */
	if (gives(symlink("loop", s.path), *type(t, &s) ? EEXIST : 0, "symlink",
		  s.path))
		made(t, &s, LINK);
}

static void do_link(struct tree *t)
{
	struct slot a = pick(t), b = pick(t);
	int error = *type(t, &b) ? EEXIST : 0;

	if (!*type(t, &a))
		error = ENOENT;
	else if (is_dir(*type(t, &a)) && !error)
		error = EPERM;
	if (!gives(link(a.path, b.path), error, "link", b.path))
		return;
	*type(t, &b) = *type(t, &a);
	*ino(t, &b) = *ino(t, &a);
}

static void do_remove(struct tree *t)
{
	struct slot s = pick(t);
	enum type *old = type(t, &s);
	bool dir = load_pick(t->w, 2);
	char child[160];
	int error = 0;

	if (dir && *old == FULL && load_pick(t->w, 2)) {
		snprintf(child, sizeof(child), "%s/child", s.path);
		if (gives(unlink(child), 0, "unlink", child))
			*old = EMPTY;
	}
	if (!*old)
		error = ENOENT;
	else if (is_dir(*old) != dir)
		error = dir ? ENOTDIR : EISDIR;
	else if (*old == FULL)
		error = ENOTEMPTY;
	if (gives(dir ? rmdir(s.path) : unlink(s.path), error,
		  dir ? "rmdir" : "unlink", s.path))
		*old = NONE;
}

static int rename_error(struct tree *t, const struct slot *a,
			const struct slot *b, unsigned int flags)
{
	enum type from = *type(t, a), to = *type(t, b);

	if (!from)
		return ENOENT;
	if (flags & EXCHANGE)
		return to ? 0 : ENOENT;
	if (to && flags & NOREPLACE)
		return EEXIST;
	if (!to || (*ino(t, a) == *ino(t, b)))
		return 0;
	if (is_dir(from) != is_dir(to))
		return is_dir(from) ? ENOTDIR : EISDIR;
	return to == FULL ? ENOTEMPTY : 0;
}

static void do_rename(struct tree *t)
{
	struct slot a = pick(t), b = pick(t);
	unsigned int flags = load_pick(t->w, 3);
	int error = rename_error(t, &a, &b, flags);
	enum type other = *type(t, &b);
	ino_t other_ino = *ino(t, &b);

	if (!gives(renameat2(AT_FDCWD, a.path, AT_FDCWD, b.path, flags), error,
		   "rename to", b.path))
		return;
	if (!(flags & EXCHANGE) && other && *ino(t, &a) == other_ino)
		return; /* two names of one file: both stay */
	*type(t, &b) = *type(t, &a);
	*ino(t, &b) = *ino(t, &a);
	*type(t, &a) = flags & EXCHANGE ? other : NONE;
	*ino(t, &a) = other_ino;
}

/* Opening for what it is, and for what it is not */
static void do_open(struct tree *t)
{
	static const int flags[] = { O_RDONLY, O_RDONLY | O_NOFOLLOW,
				     O_RDONLY | O_DIRECTORY, O_RDWR,
				     O_WRONLY | O_APPEND | O_NOFOLLOW };
	unsigned int how = load_pick(t->w, 5);
	struct slot s = pick(t);
	enum type old = *type(t, &s);
	int error = 0, fd;

	if (!old)
		error = ENOENT;
	else if (old == LINK)
		error = ELOOP;
	else if (is_dir(old) && how > 2)
		error = EISDIR;
	else if (!is_dir(old) && how == 2)
		error = ENOTDIR;
	fd = open(s.path, flags[how]);
	gives(fd < 0 ? -1 : 0, error, "open", s.path);
	if (fd >= 0)
		close(fd);
}

static void do_list(struct tree *t)
{
	unsigned int dir = load_pick(t->w, DIRS), seen = 0;
	char path[128];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%u", t->base, dir);
	d = opendir(path);
	if (!d) {
		load_fail("%s: opendir", path);
		return;
	}
	while ((e = readdir(d))) {
		unsigned int n = (unsigned int)strtoul(e->d_name + 1, NULL, 10);

		if (e->d_name[0] == '.' || !strcmp(e->d_name, "loop"))
			continue;
		if (e->d_name[0] != 'n' || n >= NAMES || !t->type[dir][n] ||
		    (seen & (1u << n)))
			load_fail("%s: %s is in it", path, e->d_name);
		else
			seen |= 1u << n;
	}
	closedir(d);
	for (unsigned int n = 0; n < NAMES; n++)
		if (t->type[dir][n] && !(seen & (1u << n)))
			load_fail("%s: n%u is not in it", path, n);
}

static void do_stat(struct tree *t)
{
	struct slot s = pick(t);
	struct stat st;
	enum type old = *type(t, &s);
	char name[512];

	if (gives(lstat(s.path, &st), old ? 0 : ENOENT, "lstat", s.path) &&
	    (S_ISDIR(st.st_mode) != is_dir(old) ||
	     S_ISLNK(st.st_mode) != (old == LINK) || st.st_ino != *ino(t, &s)))
		load_fail("%s: mode %o, inode %llu, must be %llu", s.path,
			  st.st_mode, (unsigned long long)st.st_ino,
			  (unsigned long long)*ino(t, &s));
	snprintf(name, sizeof(name), "%s/%0300d", t->base, 0);
	load_expect(mkdir(name, 0700) < 0, ENAMETOOLONG,
		    "mkdir of a long name");
	snprintf(name, sizeof(name), "%s/x", s.path);
	load_expect(stat(name, &st) < 0,
		    old == LINK	   ? ELOOP
		    : old == FILE_ ? ENOTDIR
				   : ENOENT,
		    "stat below");
}

static void step(struct tree *t)
{
	static void (*const calls[])(struct tree *) = {
		do_create, do_mkdir,  do_symlink, do_link, do_remove, do_remove,
		do_rename, do_rename, do_open,	  do_list, do_stat,
	};

	calls[load_pick(t->w, sizeof(calls) / sizeof(calls[0]))](t);
}

/* Take away what an earlier mount may have left. */
static void empty(struct tree *t)
{
	char path[160], child[192];

	mkdir(t->base, 0755);
	for (unsigned int d = 0; d < DIRS; d++) {
		snprintf(path, sizeof(path), "%s/%u", t->base, d);
		mkdir(path, 0755);
		snprintf(child, sizeof(child), "%s/loop", path);
		symlink("loop", child);
		for (unsigned int n = 0; n < NAMES; n++) {
			snprintf(path, sizeof(path), "%s/%u/n%u", t->base, d,
				 n);
			snprintf(child, sizeof(child), "%s/child", path);
			unlink(child);
			rmdir(path);
			unlink(path);
		}
	}
}

void load_tree(struct worker *w)
{
	struct tree t = { .w = w };

	snprintf(t.base, sizeof(t.base), "%s/tree-%u", w->dir, w->index);
	empty(&t);
	while (load_more(w))
		step(&t);
}
