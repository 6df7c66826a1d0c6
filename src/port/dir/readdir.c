// SPDX-License-Identifier: BSD-2-Clause
/* Listing directories. */
#include "../../relay.h"
#include "internal.h"
#include "stream.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Where the reply's records go. */
struct list {
	struct op *op;
	struct handle *handle;
	bool plus;
	char *at;
	size_t left;
};

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

static size_t record_size(const struct list *list, size_t name_len)
{
	size_t fixed = sizeof(struct cf_dirent);

	if (list->plus)
		fixed = sizeof(struct cf_direntplus);
	return (fixed + name_len + 7) & ~(size_t)7;
}

static uint64_t number_of_entry(const struct list *list,
				const struct dirent64 *entry)
{
	struct dir *dir = list->op->dir;
	const struct inode *inode = list->handle->inode;

	/* What is above the root is no business of the client. */
	if (inode == dir->root && is_dots(entry->d_name))
		return number_of(&dir->numbers, inode->mount->dev, inode->ino);
	return number_of(&dir->numbers, inode->mount->dev, entry->d_ino);
}

static bool is_mount_point(const struct list *list, const char *name)
{
	struct dir *dir = list->op->dir;

	return atomic_load_explicit(&dir->mounts.several,
				    memory_order_relaxed) &&
	       mount_begins_at(dir, list->handle->inode->slot.id, name,
			       strlen(name));
}

/* The file of an entry, counted as looked up; 0 or -errno. */
static int fill_entry(struct list *list, const struct dirent64 *entry,
		      uint64_t ino, struct cf_entry_out *out)
{
	struct inode *inode;
	struct stat st;
	int ret;

	/* Who wants to know of a file system below asks it alone. */
	if (is_dots(entry->d_name) || is_mount_point(list, entry->d_name)) {
		*out = (struct cf_entry_out){
			.attr = { .ino = ino,
				  .mode = (uint32_t)entry->d_type << 12 },
		};
		return 0;
	}
	ret = inode_lookup_entry(list->op->dir, list->handle->inode,
				 entry->d_name, entry->d_ino, &inode, &st);
	if (ret < 0)
		return ret;
	entry_fill(list->op->dir, list->handle->inode, inode, &st, out);
	inode_put(list->op->dir, inode);
	return 0;
}

static void fill_dirent(struct cf_dirent *out, const struct dirent64 *entry,
			uint64_t ino, uint64_t position, size_t name_len)
{
	char *name = (char *)out + sizeof(struct cf_dirent);

	out->ino = ino;
	out->off = position;
	out->namelen = (uint32_t)name_len;
	out->type = entry->d_type;
	memcpy(name, entry->d_name, name_len);
	/* Up to the next multiple of 8 from the record's start. */
	memset(name + name_len, 0, -(sizeof(*out) + name_len) & 7);
}

/* Adds the entry: 1, or 0 if there is no room for it; -errno. */
static int add(struct list *list, const struct dirent64 *entry,
	       uint64_t position)
{
	size_t name_len = strlen(entry->d_name);
	size_t size = record_size(list, name_len);
	uint64_t ino = number_of_entry(list, entry);
	struct cf_direntplus *plus = (void *)list->at;
	int ret;

	if (size > list->left)
		return 0;
	if (list->plus) {
		ret = fill_entry(list, entry, ino, &plus->entry_out);
		/* Gone between being read and being looked up. */
		if (ret == -ENOENT || ret == -ESTALE)
			return 1;
		/* Listed all the same: the client will look it up. */
		if (ret < 0)
			plus->entry_out = (struct cf_entry_out){ 0 };
		fill_dirent(&plus->dirent, entry, ino, position, name_len);
	} else {
		fill_dirent((void *)list->at, entry, ino, position, name_len);
	}
	list->at += size;
	list->left -= size;
	return 1;
}

static int fill(struct list *list, struct stream *stream)
{
	const struct dirent64 *entry;
	uint64_t position;
	int ret;

	while ((entry = stream_peek(stream, &ret))) {
		ret = stream_position(stream, &position);
		if (ret < 0)
			break;
		ret = add(list, entry, position);
		if (ret <= 0)
			break;
		stream_next(stream);
	}
	return ret < 0 ? ret : 0;
}

static ssize_t list_stream(struct list *list, struct stream *stream,
			   uint64_t offset, size_t size)
{
	int ret, error;

	ret = stream_seek(stream, offset);
	if (ret < 0)
		return ret;
	ret = fill(list, stream);
	if (list->left < size) /* an error can wait for the next request */
		return (ssize_t)(size - list->left);
	if (ret < 0)
		return ret;
	/* Nothing fits: that is not the end. */
	return stream_peek(stream, &error) ? -EINVAL : 0;
}

/* A 32-bit kernel hands positions to programs that may have 31 bits for them. */
static bool wants_small_positions(const struct op *op)
{
	if (op->dir->options->dir_offsets != DIR_OFFSETS_AUTO)
		return op->dir->options->dir_offsets == DIR_OFFSETS_SMALL;
	return client_is_small(op->call->relay);
}

/* The mutex of the handle is held. */
static ssize_t list_handle(struct list *list, uint64_t offset, size_t size)
{
	struct handle *handle = list->handle;
	ssize_t ret;

	if (handle->inode->type != S_IFDIR)
		return -ENOTDIR;
	if (!handle->stream)
		handle->stream =
			stream_new(handle->fd, wants_small_positions(list->op));
	if (!handle->stream)
		return -ENOMEM;
	ret = list_stream(list, handle->stream, offset, size);
	stream_rest(handle->stream);
	return ret;
}

static ssize_t list_directory(struct op *op, bool plus)
{
	const struct cf_read_in *in = op->arg;
	struct list list = { .op = op, .plus = plus };
	size_t size = in->size;
	ssize_t ret;

	if (size > op->call->room_len)
		size = op->call->room_len;
	if (size > DIR_MAX_WRITE)
		size = DIR_MAX_WRITE;
	list.at = call_reserve(op->call, size);
	list.left = size;
	if (!list.at)
		return -ENOMEM;
	list.handle = handle_get(op->dir, in->fh);
	if (!list.handle)
		return -EBADF;
	pthread_mutex_lock(&list.handle->mutex);
	ret = list_handle(&list, in->offset, size);
	pthread_mutex_unlock(&list.handle->mutex);
	handle_put(op->dir, list.handle);
	return ret;
}

ssize_t op_readdir(struct op *op)
{
	return list_directory(op, false);
}

ssize_t op_readdirplus(struct op *op)
{
	return list_directory(op, true);
}
