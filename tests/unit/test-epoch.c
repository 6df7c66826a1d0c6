/* SPDX-License-Identifier: BSD-2-Clause */
/* Node ids and handles of servers that follow each other, in all messages. */
#include "../../src/port/epoch.h"
#include "check.h"
#include <errno.h>

#define MINE(number)  (UINT64_C(5) << 48 | (number))
#define STALE(number) (UINT64_C(4) << 48 | (number))

static struct epoch epoch;
static uint64_t head[64], out[64];
static struct call call;

/* A request for NODE with an argument of SIZE bytes, all 0. */
static void *request(uint32_t opcode, uint64_t node, size_t size)
{
	memset(head, 0, sizeof(head));
	call = (struct call){ .head = head,
			      .head_len = sizeof(struct cf_in_header) + size,
			      .out = out,
			      .out_size = sizeof(out),
			      .state.opcode = opcode };
	call_in(&call)->len = (uint32_t)call.head_len;
	call_in(&call)->opcode = opcode;
	call_in(&call)->nodeid = node;
	return call_arg(&call);
}

/* That many 8-byte words of the argument, at AT the NUMBER of a handle or node;
 * both what is of now and what is old come out right. */
static void number_at(uint32_t opcode, size_t size, size_t at, uint64_t number,
		      uint32_t flags)
{
	uint64_t *argument = request(opcode, MINE(77), size);

	argument[at / 8] = MINE(number);
	if (flags)
		memcpy(argument, &flags, sizeof(flags));
	CHECK_EQ(epoch_request(&epoch, &call), 0);
	CHECK_EQ(call_in(&call)->nodeid, 77);
	CHECK_EQ(argument[at / 8], number);

	argument = request(opcode, MINE(77), size);
	argument[at / 8] = STALE(number);
	if (flags)
		memcpy(argument, &flags, sizeof(flags));
	CHECK_EQ(epoch_request(&epoch, &call), -ESTALE);
}

#define NUMBER_AT(opcode, struct_, field)         \
	number_at(opcode, sizeof(struct struct_), \
		  offsetof(struct struct_, field), 3, 0)

static void test_requests(void)
{
	uint64_t *argument;

	request(CF_LOOKUP, MINE(77), 8);
	CHECK_EQ(epoch_request(&epoch, &call), 0);
	CHECK_EQ(call_in(&call)->nodeid, 77);
	request(CF_LOOKUP, STALE(77), 8);
	CHECK_EQ(epoch_request(&epoch, &call), -ESTALE);
	request(CF_LOOKUP, CF_ROOT_ID, 8);
	CHECK_EQ(epoch_request(&epoch, &call), 0);
	CHECK_EQ(call_in(&call)->nodeid, CF_ROOT_ID);

	NUMBER_AT(CF_READ, cf_read_in, fh);
	NUMBER_AT(CF_READDIRPLUS, cf_read_in, fh);
	NUMBER_AT(CF_WRITE, cf_write_in, fh);
	NUMBER_AT(CF_RELEASE, cf_release_in, fh);
	NUMBER_AT(CF_FSYNC, cf_fsync_in, fh);
	NUMBER_AT(CF_FLUSH, cf_flush_in, fh);
	NUMBER_AT(CF_SETLKW, cf_lk_in, fh);
	NUMBER_AT(CF_IOCTL, cf_ioctl_in, fh);
	NUMBER_AT(CF_POLL, cf_poll_in, fh);
	NUMBER_AT(CF_FALLOCATE, cf_fallocate_in, fh);
	NUMBER_AT(CF_LSEEK, cf_lseek_in, fh);
	NUMBER_AT(CF_LINK, cf_link_in, oldnodeid);
	NUMBER_AT(CF_RENAME, cf_rename_in, newdir);
	NUMBER_AT(CF_RENAME2, cf_rename2_in, newdir);
	NUMBER_AT(CF_COPY_FILE_RANGE, cf_copy_file_range_in, fh_in);
	NUMBER_AT(CF_COPY_FILE_RANGE, cf_copy_file_range_in, nodeid_out);
	NUMBER_AT(CF_COPY_FILE_RANGE_64, cf_copy_file_range_in, fh_out);
	number_at(CF_GETATTR, sizeof(struct cf_getattr_in), 8, 3,
		  CF_GETATTR_FH);
	number_at(CF_SETATTR, sizeof(struct cf_setattr_in), 8, 3, CF_FATTR_FH);

	/* No handle unless the flag says so; none of the client's is 0. */
	argument = request(CF_GETATTR, MINE(77), sizeof(struct cf_getattr_in));
	argument[1] = STALE(3);
	CHECK_EQ(epoch_request(&epoch, &call), 0);
	CHECK_EQ(argument[1], STALE(3));
	argument = request(CF_READ, MINE(77), sizeof(struct cf_read_in));
	CHECK_EQ(epoch_request(&epoch, &call), 0);
	CHECK_EQ(argument[0], 0);
	/* The end of a message that is cut is not looked behind. */
	request(CF_READ, MINE(77), 0);
	head[5] = STALE(3);
	CHECK_EQ(epoch_request(&epoch, &call), 0);
}

static void test_forget(void)
{
	struct cf_batch_forget_in *in;
	struct cf_forget_one *one;

	request(CF_FORGET, STALE(77), sizeof(struct cf_forget_in));
	CHECK_EQ(epoch_request(&epoch, &call), -ENOENT);

	in = request(CF_BATCH_FORGET, 0, sizeof(*in) + 3 * sizeof(*one));
	one = (struct cf_forget_one *)(in + 1);
	in->count = 3;
	one[0] = (struct cf_forget_one){ STALE(7), 1 };
	one[1] = (struct cf_forget_one){ MINE(8), 2 };
	one[2] = (struct cf_forget_one){ STALE(9), 3 };
	CHECK_EQ(epoch_request(&epoch, &call), 0);
	CHECK_EQ(in->count, 1);
	CHECK_EQ(one[0].nodeid, 8);
	CHECK_EQ(one[0].nlookup, 2);
	CHECK_EQ(call.head_len, 40 + 8 + 16);
	CHECK_EQ(call_in(&call)->len, call.head_len);

	in = request(CF_BATCH_FORGET, 0, sizeof(*in) + sizeof(*one));
	in->count = 1000; /* more than there are */
	((struct cf_forget_one *)(in + 1))->nodeid = STALE(7);
	CHECK_EQ(epoch_request(&epoch, &call), -ENOENT);
}

/* A reply of SIZE bytes to OPCODE, all 0. */
static void *reply(uint32_t opcode)
{
	request(opcode, 1, 0);
	memset(out, 0, sizeof(out));
	return call_out_arg(&call);
}

static void test_replies(void)
{
	struct cf_out_header *header = (void *)out;
	struct cf_entry_out *entry = reply(CF_LOOKUP);
	struct cf_open_out *open;
	struct cf_direntplus *record;

	entry->nodeid = 77;
	epoch_reply(&epoch, &call, sizeof(*header) + sizeof(*entry));
	CHECK_EQ(entry->nodeid, MINE(77));

	entry = reply(CF_LOOKUP); /* there is no such name, for a while */
	epoch_reply(&epoch, &call, sizeof(*header) + sizeof(*entry));
	CHECK_EQ(entry->nodeid, 0);

	entry = reply(CF_LOOKUP); /* an error has no entry */
	header->error = -ENOENT;
	entry->nodeid = 77;
	epoch_reply(&epoch, &call, sizeof(*header));
	CHECK_EQ(entry->nodeid, 77);

	open = reply(CF_OPEN);
	epoch_reply(&epoch, &call, sizeof(*header) + sizeof(*open));
	CHECK_EQ(open->fh, MINE(0));

	entry = reply(CF_CREATE);
	open = (struct cf_open_out *)(entry + 1);
	entry->nodeid = 77;
	open->fh = 3;
	epoch_reply(&epoch, &call,
		    sizeof(*header) + sizeof(*entry) + sizeof(*open));
	CHECK_EQ(entry->nodeid, MINE(77));
	CHECK_EQ(open->fh, MINE(3));

	record = reply(CF_READDIRPLUS);
	record->entry_out.nodeid = 7;
	record->dirent.namelen = 2;
	record = (void *)((char *)record + CF_DIRENTPLUS_SIZE(2));
	record->entry_out.nodeid = 8;
	record->dirent.namelen = 2;
	epoch_reply(&epoch, &call,
		    sizeof(*header) + 2 * (size_t)CF_DIRENTPLUS_SIZE(2));
	CHECK_EQ(record->entry_out.nodeid, MINE(8));
	record = call_out_arg(&call);
	CHECK_EQ(record->entry_out.nodeid, MINE(7));
	CHECK(!epoch.wide);
}

static void test_notifications(void)
{
	struct cf_out_header *header = (void *)out;
	struct cf_notify_delete_out *deleted = (void *)(header + 1);
	uint64_t *numbers = (void *)(header + 1);

	memset(out, 0, sizeof(out));
	header->error = CF_NOTIFY_DELETE;
	deleted->parent = CF_ROOT_ID;
	deleted->child = 8;
	epoch_notification(&epoch, out, sizeof(*header) + sizeof(*deleted));
	CHECK_EQ(deleted->parent, CF_ROOT_ID);
	CHECK_EQ(deleted->child, MINE(8));

	memset(out, 0, sizeof(out));
	header->error = CF_NOTIFY_RETRIEVE;
	numbers[0] = 6; /* the notification's own number */
	numbers[1] = 7;
	epoch_notification(&epoch, out,
			   sizeof(*header) +
				   sizeof(struct cf_notify_retrieve_out));
	CHECK_EQ(numbers[0], 6);
	CHECK_EQ(numbers[1], MINE(7));

	memset(out, 0, sizeof(out));
	header->error = CF_NOTIFY_INVAL_INODE;
	numbers[0] = 7; /* cut before its end */
	epoch_notification(&epoch, out, sizeof(*header) + 4);
	CHECK_EQ(numbers[0], 7);
}

/* More than 48 bits: all goes well as long as there is no other epoch. */
static void test_wide(void)
{
	const uint64_t wide = UINT64_C(0xabcd) << 48 | 7;
	struct cf_entry_out *entry;
	uint64_t given;

	epoch.number = 1;
	entry = reply(CF_LOOKUP);
	entry->nodeid = wide;
	epoch_reply(&epoch, &call,
		    sizeof(struct cf_out_header) + sizeof(*entry));
	CHECK(epoch.wide);
	given = entry->nodeid;
	request(CF_LOOKUP, given, 8);
	CHECK_EQ(epoch_request(&epoch, &call), 0);
	CHECK_EQ(call_in(&call)->nodeid, wide);
}

/* Without epochs nothing is changed. */
static void test_none(void)
{
	struct cf_entry_out *entry;

	epoch = (struct epoch){ 0 };
	request(CF_LOOKUP, STALE(7), 8);
	CHECK_EQ(epoch_request(&epoch, &call), 0);
	CHECK_EQ(call_in(&call)->nodeid, STALE(7));
	entry = reply(CF_LOOKUP);
	entry->nodeid = 7;
	epoch_reply(&epoch, &call,
		    sizeof(struct cf_out_header) + sizeof(*entry));
	CHECK_EQ(entry->nodeid, 7);
}

int main(void)
{
	epoch.number = 5;
	test_requests();
	test_forget();
	test_replies();
	test_notifications();
	test_wide();
	test_none();
	return check_result();
}
