/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file system in memory, written with libfuse 3 as any other; what is special
 * about it is one call in main(), crossfuse_fuse3_session(): with it the server
 * understands clients of every architecture.
 *
 *   memory-fs DIRECTORY      mounts itself here, as usual
 *   memory-fs /dev/fd/N      serves on descriptor N, which may be /dev/fuse, a
 *                            socket with messages (SOCK_SEQPACKET) or a stream
 *
 * Options are those of libfuse (-f, -d, -s, -o clone_fd, ...).
 */
#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 12)

#include <crossfuse/fuse3.h>
#include <errno.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	MAX_NODES = 4096,
	MAX_FILE = 64 << 20,
	MAX_NAME = 255,
	MAX_LISTING = 1 << 20,
};

/*
 * A node's number is its place in a table, so that a number which a client made
 * up is found to be wrong.
 */
struct node {
	struct stat st; /* st_ino 0: a free place */
	struct node *parent;
	char name[MAX_NAME + 1]; /* "": no longer in a directory */
	char *data;
	uint64_t lookups;
};

static struct node nodes[MAX_NODES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct node *node_of(fuse_ino_t ino)
{
	if (ino == 0 || ino >= MAX_NODES || !nodes[ino].st.st_ino)
		return NULL;
	return &nodes[ino];
}

static bool is_dir(const struct node *node)
{
	return node && S_ISDIR(node->st.st_mode);
}

/* The entries of a directory are all nodes that name it as their parent. */
static struct node *next_entry(const struct node *dir, size_t from)
{
	for (size_t i = from; i < MAX_NODES; i++)
		if (nodes[i].st.st_ino && nodes[i].parent == dir &&
		    nodes[i].name[0])
			return &nodes[i];
	return NULL;
}

static struct node *find(const struct node *dir, const char *name)
{
	struct node *node = next_entry(dir, 1);

	while (node && strcmp(node->name, name))
		node = next_entry(dir, node->st.st_ino + 1);
	return node;
}

static void touch(struct node *node)
{
	clock_gettime(CLOCK_REALTIME, &node->st.st_mtim);
	node->st.st_ctim = node->st.st_mtim;
}

/* A node is gone when it is in no directory and no client knows it. */
static void put(struct node *node)
{
	if (node->lookups || node->name[0] || node == &nodes[FUSE_ROOT_ID])
		return;
	free(node->data);
	memset(node, 0, sizeof(*node));
}

static int add(struct node *dir, const char *name, mode_t mode,
	       const struct fuse_ctx *ctx, struct node **ret_node)
{
	size_t i = FUSE_ROOT_ID + 1;

	if (!is_dir(dir))
		return ENOTDIR;
	if (strlen(name) > MAX_NAME)
		return ENAMETOOLONG;
	if (find(dir, name))
		return EEXIST;
	while (i < MAX_NODES && nodes[i].st.st_ino)
		i++;
	if (i == MAX_NODES)
		return ENOSPC;
	nodes[i].parent = dir;
	strcpy(nodes[i].name, name);
	nodes[i].st.st_ino = i;
	nodes[i].st.st_mode = mode;
	nodes[i].st.st_nlink = S_ISDIR(mode) ? 2 : 1;
	nodes[i].st.st_uid = ctx->uid;
	nodes[i].st.st_gid = ctx->gid;
	touch(&nodes[i]);
	touch(dir);
	*ret_node = &nodes[i];
	return 0;
}

static int resize(struct node *node, off_t size)
{
	char *data;

	if (!S_ISREG(node->st.st_mode))
		return EINVAL;
	if (size < 0 || size > MAX_FILE)
		return EFBIG;
	data = realloc(node->data, (size_t)size + 1);
	if (!data)
		return ENOSPC;
	if (size > node->st.st_size)
		memset(data + node->st.st_size, 0,
		       (size_t)(size - node->st.st_size));
	node->data = data;
	node->st.st_size = size;
	touch(node);
	return 0;
}

static void fill_entry(struct node *node, struct fuse_entry_param *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->ino = node->st.st_ino;
	ret->attr = node->st;
	ret->attr_timeout = ret->entry_timeout = 1.0;
	node->lookups++;
}

static void reply_entry(fuse_req_t req, int err, struct node *node)
{
	struct fuse_entry_param entry;

	if (!err)
		fill_entry(node, &entry);
	pthread_mutex_unlock(&lock);
	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_entry(req, &entry);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct node *dir, *node = NULL;

	pthread_mutex_lock(&lock);
	dir = node_of(parent);
	if (is_dir(dir))
		node = find(dir, name);
	reply_entry(req, node ? 0 : ENOENT, node);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	struct node *node;

	pthread_mutex_lock(&lock);
	node = node_of(ino);
	if (node) {
		node->lookups -= count < node->lookups ? count : node->lookups;
		put(node);
	}
	pthread_mutex_unlock(&lock);
	fuse_reply_none(req);
}

static void reply_attr(fuse_req_t req, int err, const struct node *node)
{
	struct stat st = { 0 };

	if (!err)
		st = node->st;
	pthread_mutex_unlock(&lock);
	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_attr(req, &st, 1.0);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *fi)
{
	const struct node *node;

	(void)fi;
	pthread_mutex_lock(&lock);
	node = node_of(ino);
	reply_attr(req, node ? 0 : ENOENT, node);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr,
		       int to_set, struct fuse_file_info *fi)
{
	struct node *node;
	int err = 0;

	(void)fi;
	pthread_mutex_lock(&lock);
	node = node_of(ino);
	if (!node)
		err = ENOENT;
	else if (to_set & FUSE_SET_ATTR_SIZE)
		err = resize(node, attr->st_size);
	if (!err && to_set & FUSE_SET_ATTR_MODE)
		node->st.st_mode = (node->st.st_mode & S_IFMT) |
				   (attr->st_mode & ~(mode_t)S_IFMT);
	if (!err && to_set & FUSE_SET_ATTR_UID)
		node->st.st_uid = attr->st_uid;
	if (!err && to_set & FUSE_SET_ATTR_GID)
		node->st.st_gid = attr->st_gid;
	if (!err && to_set & FUSE_SET_ATTR_MTIME)
		node->st.st_mtim = attr->st_mtim;
	reply_attr(req, err, node);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode)
{
	struct node *node = NULL;
	int err;

	pthread_mutex_lock(&lock);
	err = add(node_of(parent), name, S_IFDIR | (mode & 07777),
		  fuse_req_ctx(req), &node);
	reply_entry(req, err, node);
}

/* The flags are this machine's own, whatever the client's are. */
static int open_flags(struct node *node, int flags)
{
	if (S_ISDIR(node->st.st_mode))
		return flags & O_ACCMODE ? EISDIR : 0;
	if (flags & O_DIRECTORY)
		return ENOTDIR;
	return flags & O_TRUNC ? resize(node, 0) : 0;
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name,
		      mode_t mode, struct fuse_file_info *fi)
{
	struct fuse_entry_param entry;
	struct node *node = NULL;
	int err;

	pthread_mutex_lock(&lock);
	err = add(node_of(parent), name, S_IFREG | (mode & 07777),
		  fuse_req_ctx(req), &node);
	if (err == EEXIST && !(fi->flags & O_EXCL)) {
		node = find(node_of(parent), name);
		err = open_flags(node, fi->flags);
	}
	if (!err)
		fill_entry(node, &entry);
	pthread_mutex_unlock(&lock);
	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_create(req, &entry, fi);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct node *node;
	int err;

	pthread_mutex_lock(&lock);
	node = node_of(ino);
	err = node ? open_flags(node, fi->flags) : ENOENT;
	pthread_mutex_unlock(&lock);
	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_open(req, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	const struct node *node;
	size_t len = 0;

	(void)fi;
	pthread_mutex_lock(&lock);
	node = node_of(ino);
	if (node && off >= 0 && off < node->st.st_size)
		len = (size_t)(node->st.st_size - off);
	if (len > size)
		len = size;
	/* Under the lock: the data must not move meanwhile. */
	if (node)
		fuse_reply_buf(req, len ? node->data + off : NULL, len);
	else
		fuse_reply_err(req, ENOENT);
	pthread_mutex_unlock(&lock);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf,
		     size_t size, off_t off, struct fuse_file_info *fi)
{
	struct node *node;
	int err = 0;

	(void)fi;
	pthread_mutex_lock(&lock);
	node = node_of(ino);
	if (!node || !S_ISREG(node->st.st_mode))
		err = EBADF;
	else if (off < 0 || off > MAX_FILE || size > MAX_FILE)
		err = EFBIG;
	else if (off + (off_t)size > node->st.st_size)
		err = resize(node, off + (off_t)size);
	if (!err) {
		memcpy(node->data + off, buf, size);
		touch(node);
	}
	pthread_mutex_unlock(&lock);
	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_write(req, size);
}

static int take_out(fuse_ino_t parent, const char *name, bool dir)
{
	const struct node *from = node_of(parent);
	struct node *node;

	if (!is_dir(from))
		return ENOTDIR;
	node = find(from, name);
	if (!node)
		return ENOENT;
	if (is_dir(node) != dir)
		return dir ? ENOTDIR : EISDIR;
	if (dir && next_entry(node, 1))
		return ENOTEMPTY;
	node->name[0] = '\0';
	node->parent = NULL;
	node->st.st_nlink = 0;
	put(node);
	return 0;
}

static void remove_name(fuse_req_t req, fuse_ino_t parent, const char *name,
			bool dir)
{
	int err;

	pthread_mutex_lock(&lock);
	err = take_out(parent, name, dir);
	pthread_mutex_unlock(&lock);
	fuse_reply_err(req, err);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, false);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, true);
}

/* An entry's offset is its node's number: it stays when others go. */
static size_t list(fuse_req_t req, const struct node *dir, char *buf,
		   size_t size, size_t off)
{
	struct node *node = next_entry(dir, off + 1);
	size_t used = 0, len;

	while (node) {
		len = fuse_add_direntry(req, buf + used, size - used,
					node->name, &node->st,
					(off_t)node->st.st_ino);
		if (len > size - used)
			break;
		used += len;
		node = next_entry(dir, node->st.st_ino + 1);
	}
	return used;
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	const struct node *dir;
	size_t used = 0;
	char *buf;

	(void)fi;
	if (size > MAX_LISTING)
		size = MAX_LISTING;
	buf = malloc(size);
	pthread_mutex_lock(&lock);
	dir = node_of(ino);
	if (buf && is_dir(dir) && off >= 0 && off < MAX_NODES)
		used = list(req, dir, buf, size, (size_t)off);
	pthread_mutex_unlock(&lock);
	if (buf && is_dir(dir))
		fuse_reply_buf(req, buf, used);
	else
		fuse_reply_err(req, buf ? ENOTDIR : ENOMEM);
	free(buf);
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = op_lookup,
	.forget = op_forget,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.mkdir = op_mkdir,
	.create = op_create,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.readdir = op_readdir,
};

static int serve(struct fuse_session *se, const struct fuse_cmdline_opts *opts)
{
	struct fuse_loop_config *config;
	int err;

	if (opts->singlethread)
		return fuse_session_loop(se);
	config = fuse_loop_cfg_create();
	if (!config)
		return -ENOMEM;
	fuse_loop_cfg_set_clone_fd(config, (unsigned int)opts->clone_fd);
	err = fuse_session_loop_mt(se, config);
	fuse_loop_cfg_destroy(config);
	return err;
}

static int run(struct fuse_session *se, const struct fuse_cmdline_opts *opts)
{
	int err;

	if (fuse_set_signal_handlers(se))
		return 1;
	if (fuse_session_mount(se, opts->mountpoint)) {
		fuse_remove_signal_handlers(se);
		return 1;
	}
	fuse_daemonize(opts->foreground);

	/* All there is to it. */
	err = crossfuse_fuse3_session(se, -1, NULL, 0);
	if (err)
		fprintf(stderr, "memory-fs: %s\n", strerror(-err));
	else
		err = serve(se, opts);

	fuse_session_unmount(se);
	fuse_remove_signal_handlers(se);
	crossfuse_fuse3_free(se);
	/* The number of a signal that ended the loop is no error. */
	return err < 0 ? 1 : 0;
}

int main(int argc, char *argv[])
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	struct fuse_cmdline_opts opts;
	struct fuse_session *se;
	int status = 1;

	if (fuse_parse_cmdline(&args, &opts))
		return 1;
	if (opts.show_help || opts.show_version || !opts.mountpoint) {
		puts("usage: memory-fs [OPTION]... DIRECTORY|/dev/fd/N");
		status = opts.show_help || opts.show_version ? 0 : 2;
		goto out;
	}
	nodes[FUSE_ROOT_ID].st = (struct stat){ .st_ino = FUSE_ROOT_ID,
						.st_mode = S_IFDIR | 0755,
						.st_nlink = 2 };
	touch(&nodes[FUSE_ROOT_ID]);
	se = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (se) {
		status = run(se, &opts);
		fuse_session_destroy(se);
	}
	for (size_t i = 0; i < MAX_NODES; i++)
		free(nodes[i].data);
out:
	free(opts.mountpoint);
	fuse_opt_free_args(&args);
	return status;
}
