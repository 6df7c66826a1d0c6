// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whatever a user of the client repeats, nothing of it stays: for each kind of
 * object that can be made, also where making it fails, the descriptors and the
 * memory in use after many rounds are what they were after a few.
 */
#include "dir-client.h"
#include <dirent.h>
#include <linux/fs.h>
#include <malloc.h>

#define FEW    200 /* so that caches and tables have their size */
#define ROUNDS 2500
#define SLACK  16384 /* bytes, over all rounds */
#define KNOWN  4     /* files that are closed when idle, and opened again */

static struct client client;
static uint64_t nodeid, fh; /* a file that is open all the time */
static uint64_t unique_owner = 1000;

static unsigned int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static size_t memory(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static int simple(uint32_t opcode, uint64_t node, const void *arg, size_t len,
		  const char *name)
{
	return ask(&client, opcode, node, arg, len, name, NULL, 0);
}

#define SIMPLE(opcode, node, arg, name) \
	simple(opcode, node, &(arg), sizeof(arg), name)

static void forget(uint64_t node, uint64_t count)
{
	struct cf_forget_in in = { .nlookup = count };

	SIMPLE(CF_FORGET, node, in, NULL);
}

static void send_flush(uint64_t handle, uint64_t owner)
{
	struct cf_flush_in in = { .fh = handle, .lock_owner = owner };

	CHECK_EQ(SIMPLE(CF_FLUSH, nodeid, in, NULL), 0);
}

static uint64_t open_file(void)
{
	uint64_t handle = 0;

	CHECK_EQ(ask_open(&client, nodeid, O_RDWR, &handle), 0);
	return handle;
}

/* As a process closes it, whose number is not the one of its OFD locks. */
static void close_file(uint64_t handle)
{
	send_flush(handle, 1);
	CHECK_EQ(ask_release(&client, nodeid, handle, 0), 0);
}

static struct cf_lk_in lock_of(uint64_t handle, uint64_t owner, int type)
{
	return (struct cf_lk_in){
		.fh = handle,
		.owner = owner,
		.lk = { .start = 10, .end = 19, .type = (uint32_t)type },
	};
}

static int lock(uint32_t opcode, uint64_t handle, uint64_t owner, int type)
{
	struct cf_lk_in in = lock_of(handle, owner, type);

	return SIMPLE(opcode, nodeid, in, NULL);
}

static void do_open(void)
{
	uint64_t none;

	close_file(open_file());
	CHECK_EQ(ask_open(&client, nodeid, O_RDONLY | O_DIRECTORY, &none),
		 -ENOTDIR);
	CHECK_EQ(ask_open(&client, CF_ROOT_ID, O_RDWR, &none), -EISDIR);
}

/* Each time another owner: an open file description, or a process. */
static void do_get_lock(void)
{
	uint64_t handle = open_file();

	CHECK(lock(CF_GETLK, handle, unique_owner++, F_WRLCK) > 0);
	close_file(handle);
	/* Where the file lives on, too. */
	CHECK(lock(CF_GETLK, fh, unique_owner++, F_WRLCK) > 0);
}

static void do_unlock(void)
{
	uint64_t handle = open_file(), owner = unique_owner++;

	CHECK_EQ(lock(CF_SETLK, handle, owner, F_UNLCK), 0);
	CHECK_EQ(lock(CF_SETLK, handle, owner, F_RDLCK), 0);
	CHECK_EQ(lock(CF_SETLK, handle, owner, F_UNLCK), 0);
	CHECK_EQ(lock(CF_SETLK, fh, owner + 1, F_RDLCK), 0);
	CHECK_EQ(lock(CF_SETLK, fh, owner + 1, F_UNLCK), 0);
	unique_owner++;
	close_file(handle);
}

static void do_lock_and_close(void)
{
	uint64_t handle = open_file();

	CHECK_EQ(lock(CF_SETLK, handle, unique_owner++, F_WRLCK), 0);
	close_file(handle);
}

static void do_lock_and_flush(void)
{
	uint64_t owner = unique_owner++;

	CHECK_EQ(lock(CF_SETLK, fh, owner, F_WRLCK), 0);
	send_flush(fh, owner);
}

static void do_lock_in_vain(void)
{
	struct flock host = { .l_type = F_WRLCK, .l_start = 15, .l_len = 1 };
	int fd = openat(client.root, "file", O_RDWR | O_CLOEXEC);

	CHECK_EQ(lock(CF_SETLK, fh, 1, F_WRLCK), 0);
	CHECK_EQ(lock(CF_SETLK, fh, unique_owner++, F_RDLCK), -EAGAIN);
	send_flush(fh, 1);
	/* The same where it is the host that has it. */
	CHECK_EQ(fcntl(fd, F_OFD_SETLK, &host), 0);
	CHECK_EQ(lock(CF_SETLK, fh, unique_owner++, F_RDLCK), -EAGAIN);
	close(fd);
}

static void do_wait_and_interrupt(void)
{
	struct cf_lk_in in = lock_of(fh, unique_owner++, F_WRLCK);
	struct request *request = request_new(CF_SETLKW, nodeid);
	struct cf_interrupt_in target = {
		.unique = request_in(request)->unique,
	};

	CHECK_EQ(lock(CF_SETLK, fh, 1, F_WRLCK), 0);
	request_add(request, &in, sizeof(in));
	request_send(&client, request);
	SIMPLE(CF_INTERRUPT, 0, target, NULL);
	CHECK_EQ(request_wait(request), -EINTR);
	request_free(request);
	/* For one that does not exist. */
	target.unique += 1000000;
	SIMPLE(CF_INTERRUPT, 0, target, NULL);
	send_flush(fh, 1);
}

static void do_wait_and_get(void)
{
	struct cf_lk_in in = lock_of(fh, unique_owner++, F_WRLCK);
	struct request *request = request_new(CF_SETLKW, nodeid);

	CHECK_EQ(lock(CF_SETLK, fh, 1, F_WRLCK), 0);
	request_add(request, &in, sizeof(in));
	request_send(&client, request);
	send_flush(fh, 1);
	CHECK_EQ(request_wait(request), 0);
	request_free(request);
	send_flush(fh, in.owner);
}

static void do_flock(void)
{
	uint64_t handle = open_file();
	struct cf_lk_in in = lock_of(handle, unique_owner++, F_WRLCK);

	in.lk_flags = CF_LK_FLOCK;
	CHECK_EQ(SIMPLE(CF_SETLK, nodeid, in, NULL), 0);
	in.fh = fh;
	CHECK_EQ(SIMPLE(CF_SETLK, nodeid, in, NULL), -EAGAIN);
	close_file(handle);
}

/* Positions to and fro, and none at all. */
static void do_directory(void)
{
	static char room[4096];
	const struct cf_dirent *first = (const void *)room;
	struct cf_read_in in = { .size = sizeof(room) };
	struct request *request;
	uint64_t handle = 0;

	CHECK_EQ(ask_open(&client, CF_ROOT_ID, O_DIRECTORY, &handle), 0);
	in.fh = handle;
	for (int i = 0; i < 4; i++) {
		request = request_new(CF_READDIR, CF_ROOT_ID);
		request_add(request, &in, sizeof(in));
		request_room(request, room, sizeof(room));
		CHECK_EQ(request_run(&client, request), 0);
		memcpy(room, request->reply,
		       request->len < sizeof(room) ? request->len
						   : sizeof(room));
		request_free(request);
		in.offset = i == 1 ? 12345 * unique_owner : first->off;
	}
	CHECK_EQ(SIMPLE(CF_RELEASEDIR, CF_ROOT_ID,
			((struct cf_release_in){ .fh = handle }), NULL),
		 0);
}

/* READDIRPLUS looks up what it lists. */
static void do_directory_plus(void)
{
	struct cf_read_in in = { .size = 4096 };
	struct request *request = request_new(CF_READDIRPLUS, CF_ROOT_ID);
	uint64_t handle = 0;
	size_t at = 0;

	CHECK_EQ(ask_open(&client, CF_ROOT_ID, O_DIRECTORY, &handle), 0);
	in.fh = handle;
	request_add(request, &in, sizeof(in));
	CHECK_EQ(request_run(&client, request), 0);
	while (at < request->len) {
		const struct cf_direntplus *entry =
			(const void *)(request->reply + at);

		if (entry->entry_out.nodeid)
			forget(entry->entry_out.nodeid, 1);
		at += (sizeof(*entry) + entry->dirent.namelen + 7) & ~(size_t)7;
	}
	request_free(request);
	CHECK_EQ(SIMPLE(CF_RELEASEDIR, CF_ROOT_ID,
			((struct cf_release_in){ .fh = handle }), NULL),
		 0);
}

static void do_xattr(void)
{
	struct {
		struct cf_setxattr_in in;
		char text[32];
	} set = { .in = { .size = 5 } };
	struct cf_getxattr_in get = { .size = 1000 };
	char name[20];
	int len;

	/* Each has a name of its own. */
	snprintf(name, sizeof(name), "user.n%" PRIu64, unique_owner++ % 10000);
	len = snprintf(set.text, sizeof(set.text), "%s", name);
	memcpy(set.text + len + 1, "value", 5);
	CHECK_EQ(simple(CF_SETXATTR, nodeid, &set,
			sizeof(set.in) + (size_t)len + 6, NULL),
		 0);
	CHECK_EQ(SIMPLE(CF_GETXATTR, nodeid, get, name), 5);
	CHECK(SIMPLE(CF_LISTXATTR, nodeid, get, NULL) > 0);
	CHECK_EQ(simple(CF_REMOVEXATTR, nodeid, NULL, 0, name), 0);
	CHECK_EQ(simple(CF_REMOVEXATTR, nodeid, NULL, 0, name), -ENODATA);
}

struct made {
	struct cf_entry_out entry;
	struct cf_open_out open;
};

static void do_tmpfile(void)
{
	struct cf_create_in in = { .flags = O_RDWR, .mode = S_IFREG | 0600 };
	struct made made = { 0 };

	CHECK(ask(&client, CF_TMPFILE, CF_ROOT_ID, &in, sizeof(in), "#", &made,
		  sizeof(made)) > 0);
	CHECK_EQ(ask_release(&client, made.entry.nodeid, made.open.fh, 0), 0);
	forget(made.entry.nodeid, 1);
}

static void do_create(void)
{
	struct cf_create_in in = { .flags = O_RDWR | O_CREAT | O_EXCL,
				   .mode = S_IFREG | 0600 };
	struct made made = { 0 };
	char name[32];

	snprintf(name, sizeof(name), "c%" PRIu64, unique_owner++);
	CHECK(ask(&client, CF_CREATE, CF_ROOT_ID, &in, sizeof(in), name, &made,
		  sizeof(made)) > 0);
	CHECK_EQ(SIMPLE(CF_CREATE, CF_ROOT_ID, in, name), -EEXIST);
	CHECK_EQ(ask_write(&client, made.open.fh, name, 4, 0), 4);
	CHECK_EQ(simple(CF_UNLINK, CF_ROOT_ID, NULL, 0, name), 0);
	CHECK_EQ(ask_release(&client, made.entry.nodeid, made.open.fh, 0), 0);
	forget(made.entry.nodeid, 1);
}

/* The reply's node is forgotten; the name is still there. */
static void make(uint32_t opcode, const void *arg, size_t len, const char *name,
		 const char *name2)
{
	struct cf_entry_out entry = { 0 };

	CHECK_EQ(ask_as(&client, 0, 0, opcode, CF_ROOT_ID, arg, len, name,
			name2, &entry, sizeof(entry)),
		 sizeof(entry));
	CHECK(ask_as(&client, 0, 0, opcode, CF_ROOT_ID, arg, len, name, name2,
		     NULL, 0) == -EEXIST);
	forget(entry.nodeid, 1);
}

static void do_names(void)
{
	struct cf_mkdir_in mkdir_in = { .mode = 0700 };
	struct cf_mknod_in mknod_in = { .mode = S_IFIFO | 0600 };
	struct cf_link_in link_in = { .oldnodeid = nodeid };
	struct cf_rename_in rename_in = { .newdir = CF_ROOT_ID };

	make(CF_MKDIR, &mkdir_in, sizeof(mkdir_in), "dir", NULL);
	CHECK_EQ(simple(CF_RMDIR, CF_ROOT_ID, NULL, 0, "dir"), 0);
	make(CF_MKNOD, &mknod_in, sizeof(mknod_in), "fifo", NULL);
	CHECK_EQ(ask_as(&client, 0, 0, CF_RENAME, CF_ROOT_ID, &rename_in,
			sizeof(rename_in), "fifo", "pipe", NULL, 0),
		 0);
	CHECK_EQ(simple(CF_UNLINK, CF_ROOT_ID, NULL, 0, "pipe"), 0);
	make(CF_SYMLINK, NULL, 0, "symlink", "target");
	CHECK_EQ(simple(CF_UNLINK, CF_ROOT_ID, NULL, 0, "symlink"), 0);
	make(CF_LINK, &link_in, sizeof(link_in), "link", NULL);
	CHECK_EQ(simple(CF_UNLINK, CF_ROOT_ID, NULL, 0, "link"), 0);
}

static void do_lookup(void)
{
	struct cf_entry_out entry = { 0 };
	char name[32];

	snprintf(name, sizeof(name), "none%" PRIu64, unique_owner++);
	CHECK_EQ(ask_lookup(&client, CF_ROOT_ID, name, &entry), -ENOENT);
	CHECK_EQ(ask_lookup(&client, CF_ROOT_ID, "other", &entry), 0);
	CHECK_EQ(ask_lookup(&client, CF_ROOT_ID, "other", &entry), 0);
	forget(entry.nodeid, 2);
	CHECK_EQ(ask_lookup(&client, CF_ROOT_ID, "link-other", &entry), 0);
	CHECK_EQ(simple(CF_READLINK, entry.nodeid, NULL, 0, NULL), 5);
	forget(entry.nodeid, 1);
}

static void do_attributes(void)
{
	struct cf_statx_in statx_in = { .sx_mask = 0xfff };
	struct cf_getattr_in getattr_in = { 0 };
	struct cf_setattr_in setattr_in = { .valid = CF_FATTR_MODE |
						     CF_FATTR_SIZE,
					    .mode = 0644,
					    .size = 100 };
	struct cf_access_in access_in = { .mask = 4 };

	CHECK(SIMPLE(CF_STATX, nodeid, statx_in, NULL) > 0);
	CHECK(SIMPLE(CF_GETATTR, nodeid, getattr_in, NULL) > 0);
	CHECK(SIMPLE(CF_SETATTR, nodeid, setattr_in, NULL) > 0);
	CHECK_EQ(SIMPLE(CF_ACCESS, nodeid, access_in, NULL), 0);
	CHECK(simple(CF_STATFS, nodeid, NULL, 0, NULL) > 0);
}

static void do_file(void)
{
	struct cf_lseek_in lseek_in = { .fh = fh, .whence = SEEK_DATA };
	struct cf_fallocate_in fallocate_in = { .fh = fh, .length = 4096 };
	struct cf_copy_file_range_in copy_in = {
		.fh_in = fh,
		.nodeid_out = nodeid,
		.fh_out = fh,
		.off_out = 1000,
		.len = 10,
	};
	struct cf_fsync_in fsync_in = { .fh = fh };
	char text[10] = "text";

	CHECK_EQ(ask_write(&client, fh, text, sizeof(text), 0), sizeof(text));
	CHECK_EQ(ask_read(&client, fh, text, sizeof(text), 0), sizeof(text));
	SIMPLE(CF_LSEEK, nodeid, lseek_in, NULL);
	SIMPLE(CF_FALLOCATE, nodeid, fallocate_in, NULL);
	SIMPLE(CF_COPY_FILE_RANGE, nodeid, copy_in, NULL);
	if (unique_owner++ % 100 == 0)
		CHECK_EQ(SIMPLE(CF_FSYNC, nodeid, fsync_in, NULL), 0);
}

/* Also what is refused. */
static void do_rest(void)
{
	struct cf_poll_in poll_in = { .fh = fh,
				      .kh = unique_owner++,
				      .flags = CF_POLL_SCHEDULE_NOTIFY,
				      .events = 1 };
	struct cf_ioctl_in ioctl_in = {
		.fh = fh,
		.cmd = FS_IOC_GETFLAGS,
		.out_size = 4,
	};
	struct cf_open_in open_in = { .flags = O_RDWR };

	SIMPLE(CF_POLL, nodeid, poll_in, NULL);
	SIMPLE(CF_IOCTL, nodeid, ioctl_in, NULL);
	SIMPLE(CF_BMAP, nodeid, poll_in, NULL);
	SIMPLE(CF_OPEN, unique_owner << 32, open_in, NULL);
}

static const struct {
	const char *name;
	void (*round)(void);
} kinds[] = {
	{ "open file", do_open },
	{ "owner of a test for a lock", do_get_lock },
	{ "owner of an unlock", do_unlock },
	{ "lock, ended by close", do_lock_and_close },
	{ "lock, ended by flush", do_lock_and_flush },
	{ "lock, not got", do_lock_in_vain },
	{ "waiting lock, interrupted", do_wait_and_interrupt },
	{ "waiting lock, got", do_wait_and_get },
	{ "flock", do_flock },
	{ "directory position", do_directory },
	{ "directory entry", do_directory_plus },
	{ "extended attribute", do_xattr },
	{ "tmpfile", do_tmpfile },
	{ "new file", do_create },
	{ "names", do_names },
	{ "lookup", do_lookup },
	{ "attributes", do_attributes },
	{ "reading and writing", do_file },
	{ "watch, ioctl and what is refused", do_rest },
};

static void repeat(size_t kind)
{
	unsigned int fds;
	size_t bytes;

	for (int i = 0; i < FEW; i++)
		kinds[kind].round();
	fds = descriptors();
	bytes = memory();
	for (int i = 0; i < ROUNDS && !check_failed; i++)
		kinds[kind].round();
	printf("%s: %d rounds, %d descriptors and %td bytes more\n",
	       kinds[kind].name, ROUNDS, (int)(descriptors() - fds),
	       (ptrdiff_t)(memory() - bytes));
	CHECK(descriptors() <= fds + KNOWN);
	CHECK(memory() <= bytes + SLACK);
}

int main(void)
{
	struct cf_create_in in = { .flags = O_RDWR | O_CREAT,
				   .mode = S_IFREG | 0644 };
	struct made made = { 0 };

	alarm(300);
	client_start(&client);
	close(openat(client.root, "other", O_CREAT | O_WRONLY, 0600));
	CHECK_EQ(symlinkat("other", client.root, "link-other"), 0);
	CHECK(ask(&client, CF_CREATE, CF_ROOT_ID, &in, sizeof(in), "file",
		  &made, sizeof(made)) > 0);
	nodeid = made.entry.nodeid;
	fh = made.open.fh;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		repeat(i);
	client_stop(&client);
	return check_result();
}
