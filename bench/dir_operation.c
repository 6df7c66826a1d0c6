// SPDX-License-Identifier: BSD-2-Clause
/* READDIRPLUS through a large directory, a page at a time as Linux does. */
#include "load.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* Every slot has the directory open itself. */
static int open_dirs(struct worker *worker)
{
	struct guest *guest = worker->guest;
	struct cf_entry_out entry;
	int r;

	r = load_lookup(&worker->slots[0], CF_ROOT_ID, SAMPLE_MANY_DIR, &entry);
	if (r < 0)
		return r;
	worker->dir = guest_u64(guest, entry.nodeid);
	for (unsigned int i = 0; r == 0 && i < worker->depth; i++)
		r = load_open(&worker->slots[i], CF_OPENDIR, worker->dir,
			      O_RDONLY | guest->abi->nonblock |
				      guest->abi->directory,
			      &worker->slots[i].fh);
	return r;
}

static int close_dirs(struct worker *worker)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < worker->depth; i++)
		r = load_release(&worker->slots[i], CF_RELEASEDIR, worker->dir,
				 worker->slots[i].fh);
	return r < 0 ? r : guest_forget(worker->guest, worker->dir, 1);
}

static void request_readdirplus(struct slot *slot)
{
	struct guest *guest = slot->worker->guest;
	struct cf_read_in *in;

	in = guest_begin(guest, &slot->call, CF_READDIRPLUS, slot->worker->dir,
			 sizeof(*in));
	in->fh = guest_u64(guest, slot->fh);
	in->offset = guest_u64(guest, slot->offset);
	in->size = guest_u32(guest, GUEST_PAGE);
	in->flags =
		guest_u32(guest, guest->abi->nonblock | guest->abi->directory |
					 guest->abi->largefile);
	slot->shape = (struct guest_shape){ .arg_len = sizeof(*in),
					    .read_len = GUEST_PAGE };
}

/* One record's entry; "." and ".." come without a node. */
static int check_entry(struct slot *slot, const struct cf_direntplus *record,
		       size_t name_len)
{
	struct guest *guest = slot->worker->guest;
	const struct cf_attr *attr = &record->entry_out.attr;
	const char *name = (const char *)(&record->dirent + 1);
	uint64_t nodeid = guest_u64(guest, record->entry_out.nodeid);
	int index;

	if (name_len <= 2 && name[0] == '.' && name[name_len - 1] == '.')
		return 0;
	index = sample_many_index(name, name_len);
	if (index < 0)
		return load_wrong(slot, "name %.*s", (int)name_len, name);
	if (guest_u32(guest, attr->mode) != (S_IFREG | 0644) ||
	    guest_u64(guest, attr->size) != (unsigned int)(index & 1) ||
	    attr->ino != record->dirent.ino || nodeid == 0)
		return load_wrong(slot, "attributes of %.*s", (int)name_len,
				  name);
	slot->seen++;
	slot->sum += (uint64_t)index;
	slot->worker->weight++;
	return 0;
}

static int end_of_dir(struct slot *slot)
{
	uint64_t count = SAMPLE_MANY_COUNT;

	if (slot->seen != count || slot->sum != count * (count - 1) / 2)
		return load_wrong(slot, "%llu entries",
				  (unsigned long long)slot->seen);
	slot->offset = 0;
	slot->seen = 0;
	slot->sum = 0;
	return 1;
}

static int reply_readdirplus(struct slot *slot, size_t len)
{
	struct guest *guest = slot->worker->guest;
	const char *page = guest_data_page(&slot->call, 0);
	size_t at = 0;

	if (len > GUEST_PAGE)
		return load_wrong(slot, "%zu bytes", len);
	if (len == 0)
		return end_of_dir(slot);
	while (at < len) {
		const struct cf_direntplus *record = (const void *)(page + at);
		uint32_t name_len;
		int r;

		if (len - at < CF_NAME_OFFSET_DIRENTPLUS)
			return load_wrong(slot, "a torn record");
		name_len = guest_u32(guest, record->dirent.namelen);
		if (name_len == 0 || name_len > 255 ||
		    CF_DIRENTPLUS_SIZE(name_len) > len - at)
			return load_wrong(slot, "a name of %u bytes", name_len);
		r = check_entry(slot, record, name_len);
		if (r < 0)
			return r;
		slot->offset = guest_u64(guest, record->dirent.off);
		at += CF_DIRENTPLUS_SIZE(name_len);
	}
	return 1;
}

const struct operation readdirplus_operation = {
	.name = "readdirplus",
	.what = "READDIRPLUS of a directory of 10,000 entries",
	.prepare = open_dirs,
	.finish = close_dirs,
	.request = request_readdirplus,
	.reply = reply_readdirplus,
};
