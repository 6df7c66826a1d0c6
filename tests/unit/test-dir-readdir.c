// SPDX-License-Identifier: BSD-2-Clause
/* Directories: complete, with positions that any client can hold. */
#include "../../src/port/dir/positions.h"
#include "dir-client.h"
#include <dirent.h>
#include <stddef.h>

#define FILES 3000

struct seen {
	unsigned char times[FILES];
	unsigned int others;
};

static struct client client;

static uint64_t open_dir(uint64_t nodeid)
{
	uint64_t fh = 0;

	CHECK_EQ(ask_open(&client, nodeid, O_DIRECTORY, &fh), 0);
	return fh;
}

/* One READDIR; its length or error, the bytes in BUF. */
static int read_dir(bool plus, uint64_t fh, uint64_t offset, char *buf,
		    size_t size)
{
	struct cf_read_in in = { .fh = fh,
				 .offset = offset,
				 .size = (uint32_t)size };

	return ask(&client, plus ? CF_READDIRPLUS : CF_READDIR, CF_ROOT_ID, &in,
		   sizeof(in), NULL, buf, size);
}

static void note(struct seen *seen, const struct cf_dirent *entry)
{
	char name[256] = "";
	struct stat st;
	int number;

	memcpy(name, (const char *)entry + sizeof(struct cf_dirent),
	       entry->namelen);
	CHECK_EQ(fstatat(client.root, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	if (strcmp(name, ".."))
		CHECK_EQ(entry->ino, st.st_ino);
	CHECK_EQ((unsigned)entry->type, IFTODT(st.st_mode));
	CHECK(entry->off);
	if (client.options.dir_offsets == DIR_OFFSETS_SMALL)
		CHECK(entry->off <= INT32_MAX);
	CHECK(entry->ino <= UINT32_MAX);
	if (sscanf(name, "file-with-a-name-%d", &number) == 1)
		seen->times[number]++;
	else
		seen->others++;
}

static void forget(uint64_t nodeid)
{
	struct cf_forget_in in = { .nlookup = 1 };

	if (nodeid)
		ask(&client, CF_FORGET, nodeid, &in, sizeof(in), NULL, NULL, 0);
}

/* The records in BUF; the position behind the last one. */
static uint64_t walk(bool plus, const char *buf, int len, struct seen *seen)
{
	const struct cf_direntplus *record;
	const struct cf_dirent *entry;
	uint64_t offset = 0;

	for (int at = 0; at < len;) {
		record = (const void *)(buf + at);
		entry = plus ? &record->dirent : (const void *)(buf + at);
		if (seen)
			note(seen, entry);
		if (plus)
			forget(record->entry_out.nodeid);
		if (plus && record->entry_out.nodeid)
			CHECK_EQ(record->entry_out.attr.ino, entry->ino);
		offset = entry->off;
		at += (int)((((plus ? sizeof(*record) : sizeof(*entry)) +
			      entry->namelen) +
			     7) &
			    ~7u);
		CHECK(at <= len);
	}
	return offset;
}

static void check_all(const struct seen *seen)
{
	unsigned int right = 0;

	for (int i = 0; i < FILES; i++)
		right += seen->times[i] == 1;
	CHECK_EQ(right, FILES);
	CHECK_EQ(seen->others, 3); /* ".", ".." and "sub" */
}

static void test_listing(bool plus, size_t size)
{
	struct seen seen = { 0 };
	uint64_t fh = open_dir(CF_ROOT_ID), offset = 0;
	char *buf = malloc(size);
	int len;

	while ((len = read_dir(plus, fh, offset, buf, size)) > 0)
		offset = walk(plus, buf, len, &seen);
	CHECK_EQ(len, 0);
	check_all(&seen);
	ask_release(&client, CF_ROOT_ID, fh, 0);
	free(buf);
}

/* telldir() and seekdir() in any order, also in a directory opened anew. */
static void test_seeking(void)
{
	enum {
		CALLS = 40,
		SIZE = 704
	};
	static _Alignas(8) char bufs[CALLS][SIZE], again[SIZE];
	uint64_t offsets[CALLS + 1] = { 0 }, fh = open_dir(CF_ROOT_ID);
	int lens[CALLS];

	for (int i = 0; i < CALLS; i++) {
		lens[i] = read_dir(false, fh, offsets[i], bufs[i], SIZE);
		CHECK(lens[i] > 0);
		offsets[i + 1] = walk(false, bufs[i], lens[i], NULL);
	}
	for (int i = 0; i < 2 * CALLS; i++) {
		int j = i * 7919 % CALLS;

		if (i == CALLS) {
			ask_release(&client, CF_ROOT_ID, fh, 0);
			fh = open_dir(CF_ROOT_ID);
			j = CALLS - 1;
		}
		CHECK_EQ(read_dir(false, fh, offsets[j], again, SIZE), lens[j]);
		CHECK(memcmp(bufs[j], again, (size_t)lens[j]) == 0);
	}
	if (client.options.dir_offsets == DIR_OFFSETS_SMALL)
		CHECK_EQ(read_dir(false, fh, 0x7ffffff0, again, SIZE), -EINVAL);
	ask_release(&client, CF_ROOT_ID, fh, 0);
}

static void test_small(void)
{
	uint64_t fh = open_dir(CF_ROOT_ID);
	_Alignas(8) char buf[64];

	CHECK_EQ(read_dir(false, fh, 0, buf, 20), -EINVAL);
	CHECK_EQ(read_dir(false, fh, 0, buf, 32), 32);
	CHECK_EQ(read_dir(true, fh, 0, buf, 64), -EINVAL);
	CHECK_EQ(read_dir(false, fh + 1, 0, buf, 64), -EBADF);
	ask_release(&client, CF_ROOT_ID, fh, 0);
}

/* A lookup counts for each entry but the dots, and for what fits only. */
static void test_lookups(void)
{
	struct cf_entry_out entry;
	static _Alignas(8) char buf[4096];
	uint64_t fh = open_dir(CF_ROOT_ID), nodeid = 0;
	const struct cf_direntplus *record = (const void *)buf;
	int len = read_dir(true, fh, 0, buf, sizeof(buf));

	for (int at = 0; at < len;
	     at += (int)(sizeof(*record) + record->dirent.namelen + 7) & ~7) {
		record = (const void *)(buf + at);
		if (record->entry_out.nodeid)
			nodeid = record->entry_out.nodeid;
		else
			CHECK(memcmp((const char *)record + sizeof(*record),
				     "..", record->dirent.namelen) == 0);
	}
	CHECK(nodeid);
	CHECK(ask(&client, CF_GETATTR, nodeid, NULL, 0, NULL, &entry, 8) > 0);
	forget(nodeid);
	CHECK_EQ(ask(&client, CF_GETATTR, nodeid, NULL, 0, NULL, &entry, 8),
		 -ESTALE);
	ask_release(&client, CF_ROOT_ID, fh, 0);
}

/* What came or went since is seen from the start on. */
static void test_rewind(void)
{
	uint64_t sub = nodeid_of(&client, "sub"), fh = open_dir(sub);
	int fd = openat(client.root, "sub", O_RDONLY | O_DIRECTORY);
	_Alignas(8) char buf[1024];

	CHECK_EQ(read_dir(false, fh, 0, buf, sizeof(buf)), 64);
	close(openat(client.root, "sub/new", O_CREAT | O_WRONLY, 0600));
	CHECK_EQ(read_dir(false, fh, 0, buf, sizeof(buf)), 96);
	unlinkat(client.root, "sub/new", 0);
	CHECK_EQ(read_dir(true, fh, 0, buf, sizeof(buf)), 2 * 160);
	unlinkat(client.root, "sub", AT_REMOVEDIR);
	/* As to a process that has the directory open. */
	CHECK_EQ(getdents64(fd, buf, sizeof(buf)), -1);
	CHECK_EQ(read_dir(false, fh, 0, buf, sizeof(buf)), -errno);
	close(fd);
	ask_release(&client, sub, fh, 0);
}

/* The host's own positions, to the bit, in the order of the host. */
static void test_host_positions(void)
{
	static _Alignas(8) char ours[1 << 20], theirs[1 << 20];
	uint64_t fh = open_dir(CF_ROOT_ID);
	int fd = openat(client.root, ".", O_RDONLY | O_DIRECTORY);
	int len = read_dir(false, fh, 0, ours, sizeof(ours)), at = 0, right = 0;
	ssize_t host;

	while ((host = getdents64(fd, theirs, sizeof(theirs))) > 0)
		for (ssize_t i = 0; i < host && at < len; right++) {
			const struct dirent64 *entry = (void *)(theirs + i);
			const struct cf_dirent *dirent = (void *)(ours + at);

			CHECK_EQ(dirent->off, entry->d_off);
			CHECK(!memcmp(ours + at + sizeof(*dirent),
				      entry->d_name, dirent->namelen));
			i += entry->d_reclen;
			at += (int)(sizeof(*dirent) + dirent->namelen + 7) & ~7;
		}
	CHECK_EQ(at, len);
	CHECK_EQ(right, FILES + 3);
	close(fd);
	ask_release(&client, CF_ROOT_ID, fh, 0);
}

/* COUNT positions beyond 31 bits get numbers, and keep them. */
static void number_all(struct positions *positions, uint64_t first,
		       uint32_t count)
{
	uint32_t number, wrong = 0;
	uint64_t position;

	for (uint32_t step = 1; step <= 97; step += 96)
		for (uint32_t i = 0; i < count; i += step) {
			wrong += positions_number(positions, first + i,
						  &number) < 0 ||
				 number != i;
			wrong += !positions_find(positions, i, &position) ||
				 position != first + i;
		}
	CHECK_EQ(wrong, 0);
	CHECK(!positions_find(positions, count, &position));
}

/* Any number of directories: one that is in use always gets its numbers. */
static void test_tables(void)
{
	enum {
		TABLES = 6
	};
	static struct positions tables[TABLES], big;
	uint32_t each = POSITIONS_IDLE / 4, number, emptied = 0;

	for (int i = 0; i < TABLES; i++) {
		number_all(&tables[i], (uint64_t)i << 40, each);
		positions_rest(&tables[i]);
	}
	for (int i = 0; i < TABLES; i++) {
		positions_use(&tables[i]);
		emptied += tables[i].emptied;
		CHECK_EQ(tables[i].count, tables[i].emptied ? 0 : each);
		/* The longest idle ones. */
		CHECK_EQ(tables[i].emptied, i < TABLES - 4);
		positions_destroy(&tables[i]);
	}
	CHECK_EQ(emptied, TABLES - 4);
	for (uint64_t i = 0; i < POSITIONS_MOST; i++)
		if (positions_number(&big, i << 8, &number) < 0)
			CHECK_EQ(i, POSITIONS_MOST);
	CHECK_EQ(positions_number(&big, 1, &number), -EOVERFLOW);
	CHECK_EQ(positions_number(&big, 5 << 8, &number), 0);
	CHECK_EQ(number, 5);
	positions_destroy(&big);
}

int main(void)
{
	char name[64];

	client_start(&client);
	mkdirat(client.root, "sub", 0700);
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file-with-a-name-%d", i);
		close(openat(client.root, name, O_CREAT | O_WRONLY, 0600));
	}
	for (int small = 0; small < 2; small++) {
		client.options.dir_offsets = small ? DIR_OFFSETS_SMALL
						   : DIR_OFFSETS_AUTO;
		for (int plus = 0; plus < 2; plus++) {
			test_listing(plus, 300);
			test_listing(plus, 4096);
			test_listing(plus, 1 << 20);
		}
		test_seeking();
	}
	client.options.dir_offsets = DIR_OFFSETS_AUTO;
	test_host_positions();
	test_tables();
	test_small();
	test_lookups();
	test_rewind();
	client_stop(&client);
	return check_result();
}
