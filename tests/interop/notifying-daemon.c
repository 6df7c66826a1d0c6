// SPDX-License-Identifier: BSD-2-Clause
/*
 * notifying-daemon NOTIFICATION COUNT [LIBFUSE OPTION]... DEVICE: a FUSE daemon
 * of one file, "file", and of whatever is created beside it. While a request
 * that changes something is with it, it sends COUNT notifications of what the
 * kernel has locked for that very request, and only then answers:
 *   inode  INVAL_INODE of the file, at each WRITE
 *   entry  INVAL_ENTRY of the name, at each MKDIR
 *   stop   as inode, but stops instead of answering
 * On /dev/fuse a daemon has to do this in a thread of its own; its device here
 * is a socket.
 */
#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fuse_lowlevel.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define FILE_INO 2
#define SIZE	 4096

static struct fuse_session *session;
static const char *what;
static int count;
static char text[SIZE] = "text\n";
static const char *name; /* of what is being made; NULL: a file is written */

static void attributes(fuse_ino_t ino, struct stat *st)
{
	*st = (struct stat){
		.st_ino = ino,
		.st_mode = ino == FILE_INO ? S_IFREG | 0644 : S_IFDIR | 0755,
		.st_nlink = 1,
		.st_size = ino == FILE_INO ? SIZE : 0,
	};
}

static void getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	attributes(ino, &st);
	fuse_reply_attr(req, &st, 3600);
}

static void reply_entry(fuse_req_t req, fuse_ino_t ino)
{
	struct fuse_entry_param entry = { .ino = ino,
					  .attr_timeout = 3600,
					  .entry_timeout = 3600 };

	attributes(ino, &entry.attr);
	fuse_reply_entry(req, &entry);
}

static void lookup(fuse_req_t req, fuse_ino_t parent, const char *wanted)
{
	if (parent == FUSE_ROOT_ID && strcmp(wanted, "file") == 0)
		reply_entry(req, FILE_INO);
	else
		fuse_reply_err(req, ENOENT);
}

static void open_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fi->keep_cache = 1;
	fuse_reply_open(req, fi);
}

static void read_file(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		      struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	if (off >= SIZE)
		size = 0;
	else if (size > (size_t)(SIZE - off))
		size = (size_t)(SIZE - off);
	fuse_reply_buf(req, text + off, size);
}

static void notify(void)
{
	for (int i = 0; i < count; i++)
		if (name)
			fuse_lowlevel_notify_inval_entry(session, FUSE_ROOT_ID,
							 name, strlen(name));
		else
			fuse_lowlevel_notify_inval_inode(session, FILE_INO, 0,
							 0);
	if (strcmp(what, "stop") == 0)
		raise(SIGSTOP);
}

static void write_file(fuse_req_t req, fuse_ino_t ino, const char *bytes,
		       size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	if (off < SIZE && size <= (size_t)(SIZE - off))
		memcpy(text + off, bytes, size);
	notify();
	fuse_reply_write(req, size);
}

static void make_directory(fuse_req_t req, fuse_ino_t parent,
			   const char *wanted, mode_t mode)
{
	static fuse_ino_t next = 100;

	(void)parent;
	(void)mode;
	name = wanted;
	notify();
	reply_entry(req, next++);
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = lookup,
	.getattr = getattr,
	.open = open_file,
	.read = read_file,
	.write = write_file,
	.mkdir = make_directory,
};

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc - 3, argv + 2);

	if (argc < 4)
		return 2;
	what = argv[1];
	count = atoi(argv[2]);
	args.argv[0] = argv[0];
	session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (!session || fuse_session_mount(session, argv[argc - 1]) != 0)
		return 1;
	fuse_session_loop_mt(session, NULL);
	fuse_session_unmount(session);
	fuse_session_destroy(session);
	return 0;
}
