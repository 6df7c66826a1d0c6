// SPDX-License-Identifier: BSD-2-Clause
/* From a request to its handler, and the handshake. */
#include "../../log.h"
#include "idmap.h"
#include "internal.h"
#include "lock.h"
#include "removal.h"
#include <crossfuse/message.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	OP_INODE = 1,	 /* in->nodeid must be known */
	OP_WRITES = 8,	 /* refused on a share that is read-only */
	OP_DATA = 16,	 /* the reply stands in call->room */
	OP_SILENT = 32,	 /* there is no reply */
	OP_TEXT = 64,	 /* names need not be components (SYMLINK's target) */
	OP_BLOCKS = 128, /* may wait for a disk */
	OP_KEEP_SETID = 256,	 /* set-id bits are as the client asks for */
	OP_ACTS = 512,		 /* on the file itself: see is_lost() */
	OP_ANYBODY = 1024,	 /* not of its caller, who may be forbidden */
	OP_FD = 2048 | OP_INODE, /* and its O_PATH descriptor is open */
	OP_CREATES = OP_FD | OP_WRITES | OP_KEEP_SETID,
};

struct row {
	op_fn *fn;
	uint16_t flags;
};

static const struct row rows[] = {
	[CF_LOOKUP] = { op_lookup, OP_INODE | OP_TEXT },
	[CF_FORGET] = { op_forget, OP_SILENT },
	[CF_BATCH_FORGET] = { op_batch_forget, OP_SILENT },
	[CF_GETATTR] = { op_getattr, OP_FD },
	[CF_SETATTR] = { op_setattr,
			 OP_FD | OP_WRITES | OP_KEEP_SETID | OP_ACTS },
	[CF_READLINK] = { op_readlink, OP_FD },
	[CF_SYMLINK] = { op_symlink, OP_CREATES | OP_TEXT },
	[CF_MKNOD] = { op_mknod, OP_CREATES },
	[CF_MKDIR] = { op_mkdir, OP_CREATES },
	[CF_UNLINK] = { op_unlink, OP_FD | OP_WRITES },
	[CF_RMDIR] = { op_rmdir, OP_FD | OP_WRITES },
	[CF_RENAME] = { op_rename, OP_FD | OP_WRITES },
	[CF_RENAME2] = { op_rename2, OP_FD | OP_WRITES },
	[CF_LINK] = { op_link, OP_FD | OP_WRITES },
	[CF_OPEN] = { op_open, OP_INODE },
	[CF_READ] = { op_read, OP_DATA },
	[CF_WRITE] = { op_write, OP_WRITES },
	[CF_STATFS] = { op_statfs, OP_FD },
	[CF_RELEASE] = { op_release, 0 },
	[CF_FSYNC] = { op_fsync, OP_BLOCKS },
	[CF_SETXATTR] = { op_setxattr, OP_TEXT | OP_FD | OP_WRITES | OP_ACTS },
	[CF_GETXATTR] = { op_getxattr, OP_FD | OP_TEXT },
	[CF_LISTXATTR] = { op_listxattr, OP_FD },
	[CF_REMOVEXATTR] = { op_removexattr,
			     OP_FD | OP_TEXT | OP_WRITES | OP_ACTS },
	[CF_FLUSH] = { op_flush, OP_INODE | OP_ANYBODY },
	[CF_INIT] = { op_init, 0 },
	[CF_OPENDIR] = { op_opendir, OP_INODE },
	[CF_READDIR] = { op_readdir, 0 },
	[CF_RELEASEDIR] = { op_releasedir, 0 },
	[CF_FSYNCDIR] = { op_fsyncdir, OP_BLOCKS },
	[CF_GETLK] = { op_getlk, OP_INODE },
	[CF_SETLK] = { op_setlk, OP_INODE },
	[CF_SETLKW] = { op_setlkw, OP_INODE },
	[CF_ACCESS] = { op_access, OP_FD },
	[CF_CREATE] = { op_create, OP_CREATES },
	[CF_INTERRUPT] = { op_interrupt, OP_SILENT },
	[CF_DESTROY] = { op_destroy, 0 },
	[CF_IOCTL] = { op_ioctl, OP_INODE | OP_KEEP_SETID },
	[CF_FALLOCATE] = { op_fallocate, OP_WRITES | OP_BLOCKS },
	[CF_READDIRPLUS] = { op_readdirplus, 0 },
	[CF_LSEEK] = { op_lseek, 0 },
	[CF_COPY_FILE_RANGE] = { op_copy_file_range, OP_WRITES | OP_BLOCKS },
	[CF_SYNCFS] = { op_syncfs, OP_INODE | OP_BLOCKS },
	[CF_TMPFILE] = { op_tmpfile,
			 OP_FD | OP_TEXT | OP_WRITES | OP_KEEP_SETID },
	[CF_STATX] = { op_statx, OP_FD },
	[CF_COPY_FILE_RANGE_64] = { op_copy_file_range_64,
				    OP_WRITES | OP_BLOCKS },
};

static const struct row *row_of(uint32_t opcode)
{
	if (opcode >= sizeof(rows) / sizeof(*rows) || !rows[opcode].fn)
		return NULL;
	return &rows[opcode];
}

/* One component, and not one that leads elsewhere. */
static int check_component(const char *name)
{
	if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return -EINVAL;
	return 0;
}

/* Its end was looked for already. */
static const char *take_name(struct op *op)
{
	const char *name = op->rest;
	size_t len = strlen(name) + 1;

	op->rest = name + len;
	op->rest_len -= len;
	return name;
}

/*
 * What this client's minor does not know yet is padding to it, and may hold
 * anything: zeros from here on. FUSE_INIT, which tells the minor, is not asked.
 */
static void clear_padding(struct op *op, const struct crossfuse_layout *layout)
{
	uint8_t *arg = call_arg(op->call);

	/* The last that added a field; a client of today has no such padding. */
	if (op->dir->agreed.minor >= CF_INIT_EXT_MINOR ||
	    op->in->opcode == CF_INIT)
		return;
	for (size_t i = 0; i < layout->field_count; i++) {
		const struct crossfuse_field *field = &layout->fields[i];

		if (field->minor > op->dir->agreed.minor &&
		    field->offset < layout->min_size)
			memset(arg + field->offset, 0, field->width);
	}
}

static int take_names(struct op *op, const struct crossfuse_layout *layout,
		      unsigned int flags)
{
	bool component = !(flags & OP_TEXT);

	switch (layout->tail) {
	case CROSSFUSE_TAIL_NAME:
	case CROSSFUSE_TAIL_NAME_BYTES:
		op->name = take_name(op);
		break;
	case CROSSFUSE_TAIL_TWO_NAMES:
		op->name = take_name(op);
		op->name2 = take_name(op);
		break;
	default:
		return 0;
	}
	if (component || op->in->opcode == CF_SYMLINK)
		if (check_component(op->name))
			return -EINVAL;
	return component && op->name2 ? check_component(op->name2) : 0;
}

/* A header and a fixed part, in which nothing is counted. */
static bool is_plain(const struct op *op, const struct crossfuse_layout *layout)
{
	const struct call *call = op->call;

	return layout->tail == CROSSFUSE_TAIL_NONE && !call->data_len &&
	       call->head_len == sizeof(*op->in) + layout->size &&
	       op->in->len == call->head_len;
}

/* Sees that a request is what it says, and where things are in it. */
static int take_apart(struct op *op, const struct row *row)
{
	const struct crossfuse_layout *layout =
		&crossfuse_opcode(op->in->opcode)->request;
	const struct call *call = op->call;
	struct crossfuse_terms terms = {
		.minor = op->dir->agreed.minor,
		.setxattr_ext = op->dir->agreed.flags & CF_INIT_SETXATTR_EXT,
	};
	size_t fixed = layout->size;
	int ret = 0;

	if (!is_plain(op, layout))
		ret = crossfuse_check_request(&terms, call->head,
					      call->head_len,
					      call->head_len + call->data_len,
					      NULL);
	if (ret < 0)
		return ret;
	if (op->in->opcode == CF_INIT ||
	    (op->in->opcode == CF_SETXATTR && !terms.setxattr_ext))
		fixed = layout->min_size;
	clear_padding(op, layout);
	op->arg = call_arg(call);
	op->rest = (const char *)op->arg + fixed;
	op->rest_len = call_arg_len(call) - fixed;
	ret = take_names(op, layout, row->flags);
	if (layout->extensions) {
		op->ext = op->rest;
		op->ext_len = op->rest_len;
		op->rest_len = 0;
	}
	return ret;
}

/* The host has removed the file, and the request is of no open one. */
static bool is_lost(const struct op *op)
{
	const struct cf_setattr_in *in = op->arg;

	if (op->in->opcode == CF_SETATTR && in->valid & CF_FATTR_FH)
		return false;
	return inode_is_lost(op->dir, op->inode);
}

/* LOOKUP of "." or ".." alone may name a node that was forgotten. */
static bool comes_back(const struct op *op)
{
	return op->in->opcode == CF_LOOKUP && check_component(op->name) < 0;
}

/* The file that the request is about. */
static int take_inode(struct op *op, const struct row *row)
{
	int fd = 0;

	op->inode = inode_get(op->dir, op->in->nodeid);
	if (!op->inode)
		return -ESTALE;
	if (atomic_load_explicit(&op->inode->forgotten, memory_order_relaxed) &&
	    !comes_back(op)) {
		inode_put(op->dir, op->inode);
		return -ESTALE;
	}
	if ((row->flags & OP_FD) == OP_FD)
		fd = inode_fd(op->dir, op->inode);
	if (fd < 0)
		inode_put(op->dir, op->inode);
	return fd < 0 ? fd : 0;
}

/*
 * The caller, in the host's numbers. Who is forbidden can name no file; what
 * a handle or the client's own kernel does has no caller to be asked for.
 */
static int take_caller(struct op *op, const struct row *row)
{
	const struct dir_options *options = op->dir->options;
	int ret;

	op->uid = CF_INVALID_UIDGID;
	op->gid = CF_INVALID_UIDGID;
	ret = idmap_to_host(options->translate_uid, op->in->uid, &op->uid);
	if (ret == 0)
		ret = idmap_to_host(options->translate_gid, op->in->gid,
				    &op->gid);
	return row->flags & OP_INODE && !(row->flags & OP_ANYBODY) ? ret : 0;
}

static ssize_t handle(struct op *op, const struct row *row)
{
	ssize_t ret = take_apart(op, row);

	if (ret == 0)
		ret = take_caller(op, row);

	if (ret < 0)
		return ret;
	if (row->flags & OP_WRITES && op->dir->options->readonly)
		return -EROFS;
	if (row->flags & OP_INODE) {
		ret = take_inode(op, row);
		if (ret < 0)
			return ret;
	}
	if (row->flags & OP_BLOCKS)
		op_may_block(op);
	ret = row->flags & OP_KEEP_SETID ? thread_keep_setid(op, true) : 0;
	if (ret == 0)
		ret = row->flags & OP_ACTS && is_lost(op) ? -ESTALE
							  : row->fn(op);
	/*
	 * The directory's own name may mean another by now: look again. But who
	 * has it open means this one.
	 */
	if (ret == -ENOENT && op->name && inode_is_lost(op->dir, op->inode))
		ret = -ESTALE;
	if (op->inode)
		inode_put(op->dir, op->inode);
	return ret;
}

void dir_run(struct dir *dir, struct call *call)
{
	struct op op = { .dir = dir, .call = call, .in = call_in(call) };
	const struct row *row = row_of(op.in->opcode);
	ssize_t ret;

	ret = row ? handle(&op, row) : -ENOSYS;
	if (ret == OP_WAITS)
		return;
	if (row && row->flags & OP_SILENT)
		call_done(call);
	else if (ret < 0)
		call_reply_error(call, (int)ret);
	else if (row->flags & OP_DATA)
		call_reply_data(call, (size_t)ret);
	else
		call_reply(call, (size_t)ret);
}

/* What this server offers to do, whatever the client can. */
static uint64_t offers(const struct dir *dir)
{
	const struct dir_options *options = dir->options;
	uint64_t flags = CF_INIT_ASYNC_READ | CF_INIT_ATOMIC_O_TRUNC |
			 CF_INIT_EXPORT_SUPPORT | CF_INIT_BIG_WRITES |
			 CF_INIT_DONT_MASK | CF_INIT_HAS_IOCTL_DIR |
			 CF_INIT_ASYNC_DIO | CF_INIT_PARALLEL_DIROPS |
			 CF_INIT_MAX_PAGES | CF_INIT_CACHE_SYMLINKS |
			 CF_INIT_SETXATTR_EXT | CF_INIT_EXT |
			 CF_INIT_CREATE_SUPP_GROUP;

	if (options->posix_lock)
		flags |= CF_INIT_POSIX_LOCKS;
	if (options->flock)
		flags |= CF_INIT_FLOCK_LOCKS;
	if (!options->no_readdirplus)
		flags |= CF_INIT_DO_READDIRPLUS | CF_INIT_READDIRPLUS_AUTO;
	if (options->cache == CACHE_AUTO)
		flags |= CF_INIT_AUTO_INVAL_DATA;
	if (options->killpriv_v2)
		flags |= CF_INIT_HANDLE_KILLPRIV_V2;
	if (options->security_label == TOGGLE_ALWAYS ||
	    (options->security_label == TOGGLE_AUTO && xattr_can_label(dir)))
		flags |= CF_INIT_SECURITY_CTX;
	if (options->announce_submounts)
		flags |= CF_INIT_SUBMOUNTS;
	if (dir_options_keep_acl(options))
		flags |= CF_INIT_POSIX_ACL;
	if (options->writeback)
		flags |= CF_INIT_WRITEBACK_CACHE;
	if (options->allow_mmap)
		flags |= CF_INIT_DIRECT_IO_ALLOW_MMAP;
	return flags;
}

static size_t init_reply(struct dir *dir, const struct cf_init_in *in,
			 struct cf_init_out *out)
{
	memset(out, 0, sizeof(*out));
	out->major = CF_KERNEL_VERSION;
	if (in->major > CF_KERNEL_VERSION) /* it will ask again */
		return sizeof(*out);
	out->minor = dir->agreed.minor;
	out->max_readahead = in->max_readahead;
	out->flags = (uint32_t)dir->agreed.flags;
	out->flags2 = (uint32_t)(dir->agreed.flags >> 32);
	out->max_background = 256;
	out->congestion_threshold = 192;
	out->max_write = DIR_MAX_WRITE;
	out->time_gran = 1;
	out->max_pages = DIR_MAX_PAGES;
	return in->minor < 23 ? CF_COMPAT_22_INIT_OUT_SIZE : sizeof(*out);
}

/* Whether the client offers what options insist on. */
static bool offers_enough(const struct dir_options *options, uint64_t flags)
{
	const bool acl = options->posix_acl == TOGGLE_ALWAYS &&
			 !(flags & CF_INIT_POSIX_ACL);
	const bool label = options->security_label == TOGGLE_ALWAYS &&
			   !(flags & CF_INIT_SECURITY_CTX);

	if (acl || label)
		log_error("--%s: the client knows no %s, and is refused: say "
			  "--%s=auto to go without",
			  acl ? "posix-acl" : "security-label",
			  acl ? "access control lists" : "security contexts",
			  acl ? "posix-acl" : "security-label");
	return !acl && !label;
}

/* The newest protocol whose messages are all known here. */
#define MINOR 47

ssize_t op_init(struct op *op)
{
	struct cf_init_in in = { 0 };
	size_t len = call_arg_len(op->call);
	struct agreed agreed;
	uint64_t flags;

	memcpy(&in, op->arg, len < sizeof(in) ? len : sizeof(in));
	/* Also if it fails: what was before is over, and cancel with it. */
	dir_reset(op->dir);
	if (in.major < CF_KERNEL_VERSION ||
	    (in.major == CF_KERNEL_VERSION &&
	     in.minor < CF_OLDEST_MINOR_VERSION))
		return -EPROTO;
	flags = in.flags;
	if (in.flags & CF_INIT_EXT)
		flags |= (uint64_t)in.flags2 << 32;
	if (in.major == CF_KERNEL_VERSION &&
	    !offers_enough(op->dir->options, flags))
		return -EPROTO;
	agreed.minor = in.minor < MINOR ? in.minor : MINOR;
	agreed.flags = flags & offers(op->dir);
	op->dir->agreed = agreed;
	op->dir->numbers.announced = agreed.flags & CF_INIT_SUBMOUNTS;
	op->dir->numbers.relay = op->call->relay;
	op->call->backing_fd = atomic_load(&op->dir->root->fd);
	return (ssize_t)init_reply(op->dir, &in, call_out_arg(op->call));
}

ssize_t op_destroy(struct op *op)
{
	dir_reset(op->dir);
	return 0;
}

ssize_t op_interrupt(struct op *op)
{
	const struct cf_interrupt_in *in = op->arg;

	lock_interrupt(op->dir, in->unique);
	return 0;
}

void dir_submit(struct dir *dir, struct call *call)
{
	struct mount *mount = NULL;

	/* One file system: nothing is to be held up for another's sake. */
	if (atomic_load_explicit(&dir->mounts.several, memory_order_relaxed) &&
	    !turn_begin(dir, call, &mount))
		return;
	dir_run(dir, call);
	if (mount)
		turn_end(dir, mount);
}

void dir_cancel(struct dir *dir)
{
	turns_cancel(dir);
	lock_cancel(dir);
}

void dir_reset(struct dir *dir)
{
	handles_reset(dir);
	inodes_reset(dir);
	numbers_reset(&dir->numbers);
	lock_table_reset(dir);
	turns_reset(dir);
	dir->agreed = (struct agreed){ 0 };
}

void dir_destroy(struct dir *dir)
{
	turns_destroy(&dir->turns);
	handles_destroy(dir);
	lock_table_destroy(dir); /* it may hold inodes */
	inodes_destroy(dir);
	numbers_destroy(&dir->numbers);
	close(dir->proc_fd);
	free(dir);
}

static uint64_t timeout_of(enum cache_mode cache)
{
	switch (cache) {
	case CACHE_NEVER:
		return 0;
	case CACHE_AUTO:
		return 1;
	default:
		return 24 * 60 * 60;
	}
}

int dir_create(const struct dir_options *options,
	       const struct sandbox_view *view, struct dir **ret_dir)
{
	struct dir *dir = calloc(1, sizeof(*dir));
	int ret;

	if (!dir) {
		close(view->root_fd);
		close(view->proc_fd);
		return -ENOMEM;
	}
	dir->options = options;
	dir->proc_fd = view->proc_fd;
	dir->timeout_sec = options->timeout_given ? options->timeout
						  : timeout_of(options->cache);
	cred_init(dir, view->all_ids);
	lock_table_init(&dir->locks);
	turns_init(&dir->turns);
	ret = handles_init(dir);
	if (ret < 0)
		close(view->root_fd);
	else
		ret = inodes_init(dir, view->root_fd);
	if (ret == 0)
		ret = numbers_init(&dir->numbers, dir->mounts.home->dev);
	if (ret < 0) {
		dir_destroy(dir);
		return ret;
	}
	*ret_dir = dir;
	return 0;
}
