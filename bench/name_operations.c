// SPDX-License-Identifier: BSD-2-Clause
/* Attributes, names and directories. */
#include "load.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int find_dir(struct worker *worker, const char *name)
{
	struct cf_entry_out entry;
	int r = load_lookup(&worker->slots[0], CF_ROOT_ID, name, &entry);

	if (r == 0)
		worker->dir = guest_u64(worker->guest, entry.nodeid);
	return r;
}

static int check_small(struct slot *slot, const struct cf_attr *attr)
{
	struct guest *guest = slot->worker->guest;

	if (guest_u64(guest, attr->size) != sample_small_size(slot->file) ||
	    guest_u32(guest, attr->mode) != (S_IFREG | 0644) ||
	    guest_u32(guest, attr->nlink) != 1 || attr->ino == 0)
		return load_wrong(slot, "wrong attributes of f%u", slot->file);
	return 0;
}

/* The nodes of all small files. */
static int prepare_nodes(struct worker *worker)
{
	struct slot *slot = &worker->slots[0];
	int r;

	r = find_dir(worker, SAMPLE_SMALL_DIR);
	for (unsigned int i = 0; r == 0 && i < SAMPLE_SMALL_COUNT; i++) {
		struct cf_entry_out entry;
		char name[16];

		snprintf(name, sizeof(name), "f%u", i);
		r = load_lookup(slot, worker->dir, name, &entry);
		if (r < 0)
			break;
		slot->file = i;
		worker->nodes[i] = guest_u64(worker->guest, entry.nodeid);
		worker->lookups[i] = 1;
		r = check_small(slot, &entry.attr);
	}
	return r;
}

static int finish_nodes(struct worker *worker)
{
	int r = guest_forget(worker->guest, worker->dir, 1);

	for (unsigned int i = 0; r == 0 && i < SAMPLE_SMALL_COUNT; i++)
		r = guest_forget(worker->guest, worker->nodes[i],
				 worker->lookups[i]);
	return r;
}

static void request_getattr(struct slot *slot)
{
	struct worker *worker = slot->worker;

	slot->file = (unsigned int)(load_random(worker) % SAMPLE_SMALL_COUNT);
	guest_begin(worker->guest, &slot->call, CF_GETATTR,
		    worker->nodes[slot->file], sizeof(struct cf_getattr_in));
	slot->shape = (struct guest_shape){
		.arg_len = sizeof(struct cf_getattr_in),
		.out_len = sizeof(struct cf_attr_out),
	};
}

static int reply_getattr(struct slot *slot, size_t len)
{
	const struct cf_attr_out *out = guest_out(&slot->call);
	int r;

	if (len != sizeof(*out))
		return load_wrong(slot, "%zu bytes", len);
	r = check_small(slot, &out->attr);
	return r < 0 ? r : 1;
}

static int prepare_small(struct worker *worker)
{
	return find_dir(worker, SAMPLE_SMALL_DIR);
}

static int finish_dir(struct worker *worker)
{
	return guest_forget(worker->guest, worker->dir, 1);
}

static void request_name(struct slot *slot, uint32_t opcode, const char *name,
			 size_t fixed, size_t out_len)
{
	size_t len = strlen(name) + 1;
	char *arg = guest_begin(slot->worker->guest, &slot->call, opcode,
				slot->worker->dir, fixed + len);

	memcpy(arg + fixed, name, len);
	slot->shape = (struct guest_shape){ .arg_len = fixed + len,
					    .out_len = out_len };
}

static void request_open(struct slot *slot, uint32_t flags)
{
	struct guest *guest = slot->worker->guest;
	struct cf_open_in *in = guest_begin(guest, &slot->call, CF_OPEN,
					    slot->nodeid, sizeof(*in));

	in->flags = guest_u32(guest, flags | guest->abi->largefile);
	slot->shape =
		(struct guest_shape){ .arg_len = sizeof(*in),
				      .out_len = sizeof(struct cf_open_out) };
}

static void request_release(struct slot *slot)
{
	struct guest *guest = slot->worker->guest;
	struct cf_release_in *in = guest_begin(guest, &slot->call, CF_RELEASE,
					       slot->nodeid, sizeof(*in));

	in->fh = guest_u64(guest, slot->fh);
	in->flags = guest_u32(guest, guest->abi->largefile);
	slot->shape = (struct guest_shape){ .arg_len = sizeof(*in) };
}

static int prepare_many(struct worker *worker)
{
	return find_dir(worker, SAMPLE_MANY_DIR);
}

/* LOOKUP of a file that the server does not know. */
static void request_lookup(struct slot *slot)
{
	struct worker *worker = slot->worker;
	unsigned int step = worker->guest->queue_count;
	char name[32];

	slot->file = (unsigned int)((worker->index + slot->serial * step) %
				    SAMPLE_MANY_COUNT);
	snprintf(name, sizeof(name), SAMPLE_MANY_NAME, slot->file);
	request_name(slot, CF_LOOKUP, name, 0, sizeof(struct cf_entry_out));
}

/* LOOKUP, OPEN, RELEASE. */
static void request_lookup_open(struct slot *slot)
{
	struct worker *worker = slot->worker;
	char name[16];

	switch (slot->step) {
	case 0:
		slot->file = (unsigned int)(load_random(worker) %
					    SAMPLE_SMALL_COUNT);
		snprintf(name, sizeof(name), "f%u", slot->file);
		request_name(slot, CF_LOOKUP, name, 0,
			     sizeof(struct cf_entry_out));
		break;
	case 1:
		request_open(slot, worker->guest->abi->nofollow);
		break;
	default:
		request_release(slot);
	}
}

static int reply_entry(struct slot *slot, size_t len, size_t wanted)
{
	const struct cf_entry_out *out = guest_out(&slot->call);

	if (len != wanted)
		return load_wrong(slot, "%zu bytes instead of %zu", len,
				  wanted);
	slot->nodeid = guest_u64(slot->worker->guest, out->nodeid);
	return slot->nodeid ? 0 : load_wrong(slot, "node 0");
}

static int reply_lookup_open(struct slot *slot, size_t len)
{
	struct guest *guest = slot->worker->guest;
	const struct cf_entry_out *entry = guest_out(&slot->call);
	const struct cf_open_out *open = guest_out(&slot->call);
	int r = 0;

	switch (slot->step) {
	case 0:
		r = reply_entry(slot, len, sizeof(*entry));
		if (r < 0)
			return r;
		if (slot->nodeid != slot->worker->nodes[slot->file])
			return load_wrong(slot, "another node");
		slot->worker->lookups[slot->file]++;
		return check_small(slot, &entry->attr);
	case 1:
		if (len != sizeof(*open))
			return load_wrong(slot, "%zu bytes", len);
		slot->fh = guest_u64(guest, open->fh);
		return 0;
	default:
		return 1;
	}
}

static int reply_lookup(struct slot *slot, size_t len)
{
	struct guest *guest = slot->worker->guest;
	const struct cf_entry_out *entry = guest_out(&slot->call);
	int r = reply_entry(slot, len, sizeof(*entry));

	if (r < 0)
		return r;
	if (guest_u64(guest, entry->attr.size) != (slot->file & 1))
		return load_wrong(slot, "wrong size of file %u", slot->file);
	r = guest_forget(guest, slot->nodeid, 1);
	return r < 0 ? r : 1;
}

/* CREATE, RELEASE, UNLINK; then FORGET, as Linux does. */
static void request_create(struct slot *slot)
{
	struct worker *worker = slot->worker;
	struct guest *guest = worker->guest;
	struct cf_create_in *in;
	char name[48];

	snprintf(name, sizeof(name), "new-%u-%u", worker->index, slot->index);
	switch (slot->step) {
	case 0:
		request_name(slot, CF_CREATE, name, sizeof(*in),
			     sizeof(struct cf_entry_out) +
				     sizeof(struct cf_open_out));
		in = (struct cf_create_in *)(slot->call.head + GUEST_ARG_AT);
		in->flags = guest_u32(guest, O_WRONLY | guest->abi->creat |
						     guest->abi->excl |
						     guest->abi->largefile);
		in->mode = guest_u32(guest, S_IFREG | 0644);
		in->umask = guest_u32(guest, 022);
		break;
	case 1:
		request_release(slot);
		break;
	default:
		request_name(slot, CF_UNLINK, name, 0, 0);
	}
}

static int reply_create(struct slot *slot, size_t len)
{
	const struct cf_entry_out *entry = guest_out(&slot->call);
	const struct cf_open_out *open = (const void *)(entry + 1);
	int r;

	switch (slot->step) {
	case 0:
		r = reply_entry(slot, len, sizeof(*entry) + sizeof(*open));
		if (r == 0 && entry->attr.size)
			r = load_wrong(slot, "a new file has a size");
		slot->fh = guest_u64(slot->worker->guest, open->fh);
		return r;
	case 1:
		return 0;
	default:
		r = guest_forget(slot->worker->guest, slot->nodeid, 1);
		return r < 0 ? r : 1;
	}
}

/* Requests that fail, with errors whose numbers differ or do not. */
static void request_errors(struct slot *slot)
{
	char name[258] = "no-such-file";

	switch (slot->step) {
	case 0:
		request_name(slot, CF_UNLINK, name, 0, 0);
		break;
	case 1:
		memset(name, 'n', 256);
		request_name(slot, CF_UNLINK, name, 0, 0);
		break;
	default:
		request_name(slot, CF_RMDIR, SAMPLE_SMALL_DIR, 0, 0);
	}
}

static int32_t error_of_errors(const struct slot *slot)
{
	const struct client_abi *abi = slot->worker->guest->abi;
	int32_t errors[] = { ENOENT, abi->enametoolong, abi->enotempty };

	return errors[slot->step];
}

static int reply_errors(struct slot *slot, size_t len)
{
	(void)len;
	return slot->step == 2;
}

static int prepare_errors(struct worker *worker)
{
	worker->dir = CF_ROOT_ID;
	return 0;
}

static const struct operation errors = {
	.name = "errors",
	.what = "requests that fail",
	.prepare = prepare_errors,
	.request = request_errors,
	.reply = reply_errors,
	.error = error_of_errors,
};

static const struct operation getattr = {
	.name = "getattr",
	.what = "GETATTR",
	.prepare = prepare_nodes,
	.finish = finish_nodes,
	.request = request_getattr,
	.reply = reply_getattr,
};

static const struct operation lookup_open = {
	.name = "open",
	.what = "LOOKUP, OPEN and RELEASE",
	.prepare = prepare_nodes,
	.finish = finish_nodes,
	.request = request_lookup_open,
	.reply = reply_lookup_open,
};

static const struct operation lookup = {
	.name = "lookup",
	.what = "LOOKUP of a file that is not known, and FORGET",
	.prepare = prepare_many,
	.finish = finish_dir,
	.request = request_lookup,
	.reply = reply_lookup,
};

static const struct operation create = {
	.name = "create",
	.what = "CREATE, RELEASE and UNLINK",
	.prepare = prepare_small,
	.finish = finish_dir,
	.request = request_create,
	.reply = reply_create,
};

const struct operation *const name_operations[6] = {
	&getattr, &lookup, &lookup_open, &create, &readdirplus_operation,
	&errors,
};

const struct operation *operation_at(unsigned int index)
{
	if (index < 3)
		return data_operations[index];
	return index < 9 ? name_operations[index - 3] : NULL;
}

const struct operation *operation_by_name(const char *name)
{
	const struct operation *operation;

	for (unsigned int i = 0; (operation = operation_at(i)); i++)
		if (strcmp(operation->name, name) == 0)
			return operation;
	return NULL;
}
