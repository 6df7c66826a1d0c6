// SPDX-License-Identifier: BSD-2-Clause
#include "epoch.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

/* The least node id and handle that are changed: 0 is none. */
#define FIRST_NODE   (CF_ROOT_ID + 1)
#define FIRST_HANDLE 1

/* Where handles stand that the flags at the beginning tell of. */
#define FLAGGED_HANDLE offsetof(struct cf_getattr_in, fh)
static_assert(offsetof(struct cf_statx_in, fh) == FLAGGED_HANDLE &&
		      offsetof(struct cf_setattr_in, fh) == FLAGGED_HANDLE,
	      "the same in all");

static uint64_t key(const struct epoch *epoch)
{
	return epoch->number << EPOCH_SHIFT;
}

/* The client's number becomes the server's. */
static int to_server(const struct epoch *epoch, uint64_t *number,
		     uint64_t first)
{
	if (*number < first)
		return 0;
	if (*number >> EPOCH_SHIFT != epoch->number &&
	    !atomic_load_explicit(&epoch->wide, memory_order_relaxed))
		return -ESTALE;
	*number ^= key(epoch);
	return 0;
}

/* And the other way round. A handle may be 0, which is none of the client's. */
static void to_client(struct epoch *epoch, uint64_t *number)
{
	if (*number >> EPOCH_SHIFT)
		atomic_store_explicit(&epoch->wide, true, memory_order_relaxed);
	*number ^= key(epoch);
}

static void node_to_client(struct epoch *epoch, uint64_t *node)
{
	if (*node >= FIRST_NODE)
		to_client(epoch, node);
}

/* The number at AT behind the header; one that is not there is let be. */
static int argument(const struct epoch *epoch, struct call *call, size_t at,
		    uint64_t first)
{
	if (at + sizeof(uint64_t) > call_arg_len(call))
		return 0;
	return to_server(epoch, (uint64_t *)((char *)call_arg(call) + at),
			 first);
}

static int flagged_handle(const struct epoch *epoch, struct call *call,
			  uint32_t mask)
{
	uint32_t flags = 0;

	if (call_arg_len(call) >= sizeof(flags))
		memcpy(&flags, call_arg(call), sizeof(flags));
	if (!(flags & mask))
		return 0;
	return argument(epoch, call, FLAGGED_HANDLE, FIRST_HANDLE);
}

#define ARGUMENT(struct_, field, first) \
	argument(epoch, call, offsetof(struct_, field), first)

/* Leaves those of this epoch. -ENOENT: there is none. */
static int batch_forget(const struct epoch *epoch, struct call *call)
{
	struct cf_batch_forget_in *in = call_arg(call);
	struct cf_forget_one *all = (struct cf_forget_one *)(in + 1);
	size_t count, kept = 0;

	if (call_arg_len(call) < sizeof(*in))
		return 0;
	count = (call_arg_len(call) - sizeof(*in)) / sizeof(*all);
	if (count > in->count)
		count = in->count;
	for (size_t i = 0; i < count; i++) {
		struct cf_forget_one one = all[i];

		if (to_server(epoch, &one.nodeid, FIRST_NODE) == 0)
			all[kept++] = one;
	}
	in->count = (uint32_t)kept;
	call->head_len =
		sizeof(struct cf_in_header) + sizeof(*in) + kept * sizeof(*all);
	call_in(call)->len = (uint32_t)call->head_len;
	return kept ? 0 : -ENOENT;
}

static int copy_file_range(const struct epoch *epoch, struct call *call)
{
	int ret = ARGUMENT(struct cf_copy_file_range_in, fh_in, FIRST_HANDLE);

	if (ret == 0)
		ret = ARGUMENT(struct cf_copy_file_range_in, nodeid_out,
			       FIRST_NODE);
	if (ret == 0)
		ret = ARGUMENT(struct cf_copy_file_range_in, fh_out,
			       FIRST_HANDLE);
	return ret;
}

static int arguments(const struct epoch *epoch, struct call *call)
{
	switch (call->state.opcode) {
	case CF_GETATTR:
	case CF_STATX:
		return flagged_handle(epoch, call, CF_GETATTR_FH);
	case CF_SETATTR:
		return flagged_handle(epoch, call, CF_FATTR_FH);
	case CF_READ:
	case CF_READDIR:
	case CF_READDIRPLUS:
		return ARGUMENT(struct cf_read_in, fh, FIRST_HANDLE);
	case CF_WRITE:
		return ARGUMENT(struct cf_write_in, fh, FIRST_HANDLE);
	case CF_RELEASE:
	case CF_RELEASEDIR:
		return ARGUMENT(struct cf_release_in, fh, FIRST_HANDLE);
	case CF_FSYNC:
	case CF_FSYNCDIR:
		return ARGUMENT(struct cf_fsync_in, fh, FIRST_HANDLE);
	case CF_FLUSH:
		return ARGUMENT(struct cf_flush_in, fh, FIRST_HANDLE);
	case CF_GETLK:
	case CF_SETLK:
	case CF_SETLKW:
		return ARGUMENT(struct cf_lk_in, fh, FIRST_HANDLE);
	case CF_IOCTL:
		return ARGUMENT(struct cf_ioctl_in, fh, FIRST_HANDLE);
	case CF_POLL:
		return ARGUMENT(struct cf_poll_in, fh, FIRST_HANDLE);
	case CF_FALLOCATE:
		return ARGUMENT(struct cf_fallocate_in, fh, FIRST_HANDLE);
	case CF_LSEEK:
		return ARGUMENT(struct cf_lseek_in, fh, FIRST_HANDLE);
	case CF_SETUPMAPPING:
		return ARGUMENT(struct cf_setupmapping_in, fh, FIRST_HANDLE);
	case CF_LINK:
		return ARGUMENT(struct cf_link_in, oldnodeid, FIRST_NODE);
	case CF_RENAME:
		return ARGUMENT(struct cf_rename_in, newdir, FIRST_NODE);
	case CF_RENAME2:
		return ARGUMENT(struct cf_rename2_in, newdir, FIRST_NODE);
	case CF_COPY_FILE_RANGE:
	case CF_COPY_FILE_RANGE_64:
		return copy_file_range(epoch, call);
	case CF_BATCH_FORGET:
		return batch_forget(epoch, call);
	default:
		return 0;
	}
}

int epoch_request(struct epoch *epoch, struct call *call)
{
	int ret;

	if (!epoch->number)
		return 0;
	ret = to_server(epoch, &call_in(call)->nodeid, FIRST_NODE);
	if (ret == 0)
		ret = arguments(epoch, call);
	if (ret < 0 && !crossfuse_opcode_has_reply(call->state.opcode))
		ret = -ENOENT;
	return ret;
}

void epoch_reply(struct epoch *epoch, struct call *call, size_t out_len)
{
	const struct cf_out_header *header = call->out;
	struct granted granted = granted_first(call, out_len);

	if (!epoch->number || header->error)
		return;
	while (granted_next(&granted)) {
		if (granted.entry)
			node_to_client(epoch, &granted.entry->nodeid);
		if (granted.open)
			to_client(epoch, &granted.open->fh);
	}
}

/* In a notification the id is at AT. */
static void notified_node(struct epoch *epoch, void *body, size_t len,
			  size_t at)
{
	uint64_t node;

	if (at + sizeof(node) > len)
		return;
	memcpy(&node, (char *)body + at, sizeof(node));
	node_to_client(epoch, &node);
	memcpy((char *)body + at, &node, sizeof(node));
}

#define NOTIFIED(struct_, field) \
	notified_node(epoch, body, len, offsetof(struct_, field))

void epoch_notification(struct epoch *epoch, void *message, size_t len)
{
	const struct cf_out_header *header = message;
	char *body = (char *)message + sizeof(*header);

	if (!epoch->number || len < sizeof(*header))
		return;
	len -= sizeof(*header);
	switch (header->error) {
	case CF_NOTIFY_INVAL_INODE:
		NOTIFIED(struct cf_notify_inval_inode_out, ino);
		break;
	case CF_NOTIFY_INVAL_ENTRY:
		NOTIFIED(struct cf_notify_inval_entry_out, parent);
		break;
	case CF_NOTIFY_DELETE:
		NOTIFIED(struct cf_notify_delete_out, parent);
		NOTIFIED(struct cf_notify_delete_out, child);
		break;
	case CF_NOTIFY_STORE:
		NOTIFIED(struct cf_notify_store_out, nodeid);
		break;
	case CF_NOTIFY_RETRIEVE:
		NOTIFIED(struct cf_notify_retrieve_out, nodeid);
		break;
	case CF_NOTIFY_PRUNE:
		for (size_t at = sizeof(struct cf_notify_prune_out); at < len;
		     at += sizeof(uint64_t))
			notified_node(epoch, body, len, at);
		break;
	default:
		break;
	}
}

bool epoch_agrees(const struct cf_init_out *agreed,
		  const struct cf_init_out *now)
{
	return now->minor == agreed->minor && now->flags == agreed->flags &&
	       now->flags2 == agreed->flags2 &&
	       now->time_gran == agreed->time_gran &&
	       now->max_pages >= agreed->max_pages &&
	       now->max_write >= agreed->max_write;
}

struct granted granted_first(const struct call *call, size_t out_len)
{
	return (struct granted){
		.at = call_out_arg(call),
		.len = out_len - sizeof(struct cf_out_header),
		.opcode = call->state.opcode,
	};
}

/* The next SIZE bytes; NULL: they are not there. */
static void *next_bytes(struct granted *granted, size_t size)
{
	char *at = granted->at;

	if (size > granted->len) {
		granted->len = 0;
		return NULL;
	}
	granted->at += size;
	granted->len -= size;
	return at;
}

/* Records one behind the other; the last may be cut. */
static void next_record(struct granted *granted)
{
	struct cf_direntplus *record = (struct cf_direntplus *)granted->at;

	granted->entry = NULL;
	if (granted->len < sizeof(*record)) {
		granted->len = 0;
		return;
	}
	granted->entry = &record->entry_out;
	next_bytes(granted, CF_DIRENTPLUS_SIZE(record->dirent.namelen));
}

bool granted_next(struct granted *granted)
{
	granted->entry = NULL;
	granted->open = NULL;
	switch (granted->opcode) {
	case CF_LOOKUP:
	case CF_MKNOD:
	case CF_MKDIR:
	case CF_SYMLINK:
	case CF_LINK:
		granted->entry = next_bytes(granted, sizeof(*granted->entry));
		break;
	case CF_CREATE:
	case CF_TMPFILE:
		granted->entry = next_bytes(granted, sizeof(*granted->entry));
		granted->open = next_bytes(granted, sizeof(*granted->open));
		break;
	case CF_OPEN:
	case CF_OPENDIR:
		granted->open = next_bytes(granted, sizeof(*granted->open));
		break;
	case CF_READDIRPLUS:
		next_record(granted);
		break;
	default:
		break;
	}
	return granted->entry || granted->open;
}
