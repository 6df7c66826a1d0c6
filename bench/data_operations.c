// SPDX-License-Identifier: BSD-2-Clause
/* Reading and writing of file data. */
#include "load.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define WHOLE_EVERY 64 /* a whole reply of so many is compared */

static int open_data(struct worker *worker)
{
	struct slot *slot = &worker->slots[0];
	struct cf_entry_out entry;
	int r;

	r = load_lookup(slot, CF_ROOT_ID, SAMPLE_DATA_FILE, &entry);
	if (r < 0)
		return r;
	worker->nodeid = guest_u64(worker->guest, entry.nodeid);
	if (guest_u64(worker->guest, entry.attr.size) != SAMPLE_DATA_BYTES)
		return load_wrong(slot, "size of " SAMPLE_DATA_FILE);
	return load_open(slot, CF_OPEN, worker->nodeid, O_RDONLY, &worker->fh);
}

static int close_file(struct worker *worker)
{
	int r = load_release(&worker->slots[0], CF_RELEASE, worker->nodeid,
			     worker->fh);

	return r < 0 ? r : guest_forget(worker->guest, worker->nodeid, 1);
}

static void request_read(struct slot *slot, uint64_t offset, size_t size)
{
	struct guest *guest = slot->worker->guest;
	struct cf_read_in *in;

	slot->offset = offset;
	in = guest_begin(guest, &slot->call, CF_READ, slot->worker->nodeid,
			 sizeof(*in));
	in->fh = guest_u64(guest, slot->worker->fh);
	in->offset = guest_u64(guest, offset);
	in->size = guest_u32(guest, (uint32_t)size);
	in->flags = guest_u32(guest, O_RDONLY | guest->abi->largefile);
	slot->shape = (struct guest_shape){ .arg_len = sizeof(*in),
					    .read_len = size };
	/* What an earlier reply left must not pass for this one. */
	for (size_t at = 0; at < size; at += GUEST_PAGE)
		memset(guest_data_page(&slot->call, at / GUEST_PAGE), 0, 8);
}

/* First and last word of every page; now and then all of it. */
static int check_data(struct slot *slot, uint64_t offset, size_t len)
{
	bool whole = slot->serial % WHOLE_EVERY == 0;

	for (size_t at = 0; at < len; at += GUEST_PAGE) {
		const char *page =
			guest_data_page(&slot->call, at / GUEST_PAGE);
		uint64_t here = offset + at;
		bool good;

		if (whole)
			good = sample_matches(page, here, GUEST_PAGE);
		else
			good = sample_matches(page, here, 8) &&
			       sample_matches(page + GUEST_PAGE - 8,
					      here + GUEST_PAGE - 8, 8);
		if (!good)
			return load_wrong(slot, "wrong data at %llu",
					  (unsigned long long)here);
	}
	return 1;
}

static int reply_read(struct slot *slot, size_t len)
{
	if (len != slot->shape.read_len)
		return load_wrong(slot, "%zu bytes instead of %zu", len,
				  slot->shape.read_len);
	return check_data(slot, slot->offset, len);
}

static void request_read4k(struct slot *slot)
{
	uint64_t pages = SAMPLE_DATA_BYTES / GUEST_PAGE;

	request_read(slot, load_random(slot->worker) % pages * GUEST_PAGE,
		     GUEST_PAGE);
}

static void request_read1m(struct slot *slot)
{
	struct worker *worker = slot->worker;
	size_t size = worker->guest->io_max;
	uint64_t places = SAMPLE_DATA_BYTES / size;
	/* Every worker begins at a place of its own. */
	uint64_t first = places / worker->guest->queue_count * worker->index;

	request_read(slot, (first + slot->serial) % places * size, size);
}

static void write_name(const struct worker *worker, char *name, size_t size)
{
	snprintf(name, size, "write-%u", worker->index);
}

/* CREATE; the reply's entry and fh go to the worker. */
static int create_file(struct worker *worker, const char *name)
{
	struct slot *slot = &worker->slots[0];
	struct guest *guest = worker->guest;
	size_t len = strlen(name) + 1;
	struct {
		struct cf_entry_out entry;
		struct cf_open_out open;
	} out;
	struct cf_create_in *in;
	ssize_t n;

	in = guest_begin(guest, &slot->call, CF_CREATE, CF_ROOT_ID,
			 sizeof(*in) + len);
	in->flags = guest_u32(guest, O_RDWR | guest->abi->creat |
					     guest->abi->trunc |
					     guest->abi->largefile);
	in->mode = guest_u32(guest, 0100644);
	in->umask = guest_u32(guest, 022);
	memcpy(in + 1, name, len);
	slot->shape = (struct guest_shape){ .arg_len = sizeof(*in) + len,
					    .out_len = sizeof(out) };
	n = load_call(slot);
	if (n < 0)
		return (int)n;
	if (n != sizeof(out))
		return load_wrong(slot, "CREATE: %zd bytes", n);
	memcpy(&out, guest_out(&slot->call), sizeof(out));
	worker->nodeid = guest_u64(guest, out.entry.nodeid);
	worker->fh = guest_u64(guest, out.open.fh);
	return 0;
}

/*
 * Every place is written with the same data but for each page's first word,
 * which says where in the file it belongs.
 */
static void request_write1m(struct slot *slot)
{
	struct guest *guest = slot->worker->guest;
	size_t size = guest->io_max;
	uint64_t places = SAMPLE_WRITE_BYTES / size;
	struct cf_write_in *in;

	slot->offset = slot->serial % places * size;
	in = guest_begin(guest, &slot->call, CF_WRITE, slot->worker->nodeid,
			 sizeof(*in));
	in->fh = guest_u64(guest, slot->worker->fh);
	in->offset = guest_u64(guest, slot->offset);
	in->size = guest_u32(guest, (uint32_t)size);
	in->flags = guest_u32(guest, O_RDWR | guest->abi->largefile);
	for (size_t at = 0; at < size; at += GUEST_PAGE)
		sample_fill(guest_data_page(&slot->call, at / GUEST_PAGE),
			    slot->offset + at, 8);
	slot->shape =
		(struct guest_shape){ .arg_len = sizeof(*in),
				      .out_len = sizeof(struct cf_write_out),
				      .write_len = size };
}

static void fill_pages(struct slot *slot)
{
	for (size_t at = 0; at < slot->call.data_len; at += GUEST_PAGE)
		sample_fill(guest_data_page(&slot->call, at / GUEST_PAGE), at,
			    GUEST_PAGE);
}

/* Writes every place once, so that no page is new when it is measured. */
static int write_all(struct worker *worker)
{
	struct slot *slot = &worker->slots[0];
	int r = 0;

	for (slot->serial = 0;
	     r == 0 &&
	     slot->serial < SAMPLE_WRITE_BYTES / worker->guest->io_max;
	     slot->serial++) {
		ssize_t n;

		request_write1m(slot);
		n = load_call(slot);
		r = n < 0 ? (int)n : 0;
	}
	return r;
}

static int prepare_write(struct worker *worker)
{
	char name[32];
	int r;

	for (unsigned int i = 0; i < worker->depth; i++)
		fill_pages(&worker->slots[i]);
	write_name(worker, name, sizeof(name));
	r = create_file(worker, name);
	if (r == 0 && worker->limit == UINT64_MAX)
		r = write_all(worker);
	return r;
}

static int reply_write(struct slot *slot, size_t len)
{
	const struct cf_write_out *out = guest_out(&slot->call);
	uint32_t size;

	if (len != sizeof(*out))
		return load_wrong(slot, "%zu bytes", len);
	size = guest_u32(slot->worker->guest, out->size);
	if (size != slot->shape.write_len)
		return load_wrong(slot, "%u bytes written instead of %zu", size,
				  slot->shape.write_len);
	return 1;
}

static int verify_place(struct slot *slot, uint64_t offset, size_t size)
{
	ssize_t n;

	request_read(slot, offset, size);
	n = load_call(slot);
	if (n != (ssize_t)size)
		return load_wrong(slot, "read back: %zd", n);
	for (size_t at = 0; at < size; at += GUEST_PAGE) {
		const char *page =
			guest_data_page(&slot->call, at / GUEST_PAGE);

		if (!sample_matches(page, offset + at, 8) ||
		    !sample_matches(page + 8, at + 8, GUEST_PAGE - 8))
			return load_wrong(slot, "wrong data written at %llu",
					  (unsigned long long)(offset + at));
	}
	return 0;
}

static int remove_file(struct slot *slot, const char *name)
{
	size_t len = strlen(name) + 1;
	char *arg = guest_begin(slot->worker->guest, &slot->call, CF_UNLINK,
				CF_ROOT_ID, len);
	ssize_t n;

	memcpy(arg, name, len);
	slot->shape = (struct guest_shape){ .arg_len = len };
	n = load_call(slot);
	return n < 0 ? (int)n : 0;
}

/* Reads back what was written, all over the file, and removes it. */
static int finish_write(struct worker *worker)
{
	size_t size = worker->guest->io_max;
	uint64_t places = SAMPLE_WRITE_BYTES / size;
	uint64_t written = worker->begun < places ? worker->begun : places;
	uint64_t step = written > 16 ? written / 16 : 1;
	struct slot *slot = &worker->slots[0];
	char name[32];
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < written; i += step)
		r = verify_place(slot, i * size, size);
	write_name(worker, name, sizeof(name));
	if (r == 0)
		r = remove_file(slot, name);
	return r < 0 ? r : close_file(worker);
}

static const struct operation read4k = {
	.name = "read4k",
	.what = "random READ of 4 KiB",
	.prepare = open_data,
	.finish = close_file,
	.request = request_read4k,
	.reply = reply_read,
};

static const struct operation read1m = {
	.name = "read1m",
	.what = "sequential READ of 1 MiB",
	.uses_data = true,
	.prepare = open_data,
	.finish = close_file,
	.request = request_read1m,
	.reply = reply_read,
};

static const struct operation write1m = {
	.name = "write1m",
	.what = "sequential WRITE of 1 MiB",
	.uses_data = true,
	.prepare = prepare_write,
	.finish = finish_write,
	.request = request_write1m,
	.reply = reply_write,
};

const struct operation *const data_operations[3] = { &read4k, &read1m,
						     &write1m };
