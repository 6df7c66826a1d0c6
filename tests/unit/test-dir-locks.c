// SPDX-License-Identifier: BSD-2-Clause
/* Locks: among owners of the client, and between the client and the host. */
#include "dir-client.h"
#include <sys/file.h>
#include <time.h>

static struct client client;
static uint64_t nodeid, fh;

static struct request *lock_request(uint32_t opcode, uint64_t owner, int type,
				    uint64_t start, uint64_t end)
{
	struct cf_lk_in in = {
		.fh = fh,
		.owner = owner,
		.lk = { .start = start,
			.end = end,
			.type = (uint32_t)type,
			.pid = (uint32_t)(owner + 1000) },
	};
	struct request *request = request_new(opcode, nodeid);

	request_add(request, &in, sizeof(in));
	return request;
}

static int run(struct request *request)
{
	int ret = request_run(&client, request);

	request_free(request);
	return ret;
}

static int set(uint64_t owner, int type, uint64_t start, uint64_t end)
{
	return run(lock_request(CF_SETLK, owner, type, start, end));
}

static struct request *start_wait(uint64_t owner, int type, uint64_t start,
				  uint64_t end)
{
	struct request *request =
		lock_request(CF_SETLKW, owner, type, start, end);

	request_send(&client, request);
	return request;
}

static struct cf_file_lock get(uint64_t owner, int type, uint64_t start,
			       uint64_t end)
{
	struct request *request =
		lock_request(CF_GETLK, owner, type, start, end);
	struct cf_lk_out out = { 0 };

	CHECK_EQ(request_run(&client, request), 0);
	CHECK_EQ(request->len, sizeof(out));
	memcpy(&out, request->reply, sizeof(out));
	request_free(request);
	return out.lk;
}

static void flush(uint64_t owner)
{
	struct cf_flush_in in = { .fh = fh, .lock_owner = owner };

	CHECK_EQ(ask(&client, CF_FLUSH, nodeid, &in, sizeof(in), NULL, NULL, 0),
		 0);
}

static void test_conflicts(void)
{
	struct cf_file_lock lock;

	CHECK_EQ(set(1, F_RDLCK, 0, 99), 0);
	CHECK_EQ(set(2, F_RDLCK, 50, 149), 0);
	CHECK_EQ(set(2, F_WRLCK, 50, 149), -EAGAIN);
	CHECK_EQ(set(2, F_WRLCK, 100, 149), 0);
	CHECK_EQ(set(1, F_WRLCK, 0, 49), 0);
	CHECK_EQ(set(3, F_RDLCK, 49, 49), -EAGAIN);
	CHECK_EQ(set(3, F_RDLCK, 50, 99), 0);
	lock = get(3, F_WRLCK, 120, INT64_MAX);
	CHECK_EQ(lock.type, F_WRLCK);
	CHECK_EQ(lock.start, 100);
	CHECK_EQ(lock.end, 149);
	CHECK_EQ(lock.pid, 1002);
	/* A hole in the middle. */
	CHECK_EQ(set(2, F_UNLCK, 110, 119), 0);
	CHECK_EQ(set(3, F_WRLCK, 110, 119), 0);
	CHECK_EQ(set(3, F_WRLCK, 109, 109), -EAGAIN);
	CHECK_EQ(set(3, F_WRLCK, 120, 120), -EAGAIN);
	lock = get(3, F_WRLCK, 150, INT64_MAX);
	CHECK_EQ(lock.type, F_UNLCK);
	CHECK_EQ(set(3, F_RDLCK, 10, 5), -EINVAL);
	CHECK_EQ(set(3, 77, 0, 5), -EINVAL);
	CHECK_EQ(set(3, F_RDLCK, 0, UINT64_MAX), -EINVAL);
	flush(1);
	CHECK_EQ(set(3, F_WRLCK, 0, 49), 0);
	flush(2);
	flush(3);
	CHECK_EQ(set(1, F_WRLCK, 0, INT64_MAX), 0);
	flush(1);
}

static void test_waiting(void)
{
	struct request *a, *b, *c;

	CHECK_EQ(set(1, F_WRLCK, 0, 9), 0);
	a = start_wait(2, F_RDLCK, 0, 9);
	b = start_wait(3, F_RDLCK, 5, 9);
	c = start_wait(4, F_WRLCK, 0, 9);
	CHECK(!request_is_done(a) && !request_is_done(b) &&
	      !request_is_done(c));
	CHECK_EQ(set(1, F_UNLCK, 0, 9), 0);
	CHECK_EQ(request_wait(a), 0);
	CHECK_EQ(request_wait(b), 0);
	CHECK(!request_is_done(c));
	flush(2);
	CHECK(!request_is_done(c));
	CHECK_EQ(set(3, F_UNLCK, 0, 100), 0);
	CHECK_EQ(request_wait(c), 0);
	request_free(a);
	request_free(b);
	request_free(c);
	flush(4);
	flush(3);
}

static void test_deadlock(void)
{
	struct request *a, *b, *c;

	CHECK_EQ(set(1, F_WRLCK, 1, 1), 0);
	CHECK_EQ(set(2, F_WRLCK, 2, 2), 0);
	CHECK_EQ(set(3, F_WRLCK, 3, 3), 0);
	a = start_wait(1, F_WRLCK, 2, 2);
	b = start_wait(2, F_WRLCK, 3, 3);
	CHECK(!request_is_done(a) && !request_is_done(b));
	c = start_wait(3, F_RDLCK, 1, 1);
	CHECK_EQ(request_wait(c), -EDEADLK);
	request_free(c);
	flush(3);
	CHECK_EQ(request_wait(b), 0);
	flush(2);
	CHECK_EQ(request_wait(a), 0);
	request_free(a);
	request_free(b);
	flush(1);
}

static void test_interrupt(void)
{
	struct cf_interrupt_in in = { 0 };
	struct request *a, *b;

	CHECK_EQ(set(1, F_WRLCK, 0, 9), 0);
	a = start_wait(2, F_WRLCK, 0, 9);
	b = start_wait(3, F_WRLCK, 0, 9);
	in.unique = request_in(a)->unique;
	ask(&client, CF_INTERRUPT, nodeid, &in, sizeof(in), NULL, NULL, 0);
	CHECK_EQ(request_wait(a), -EINTR);
	CHECK(!request_is_done(b));
	request_free(a);
	/* One that comes before what it is for. */
	a = lock_request(CF_SETLKW, 2, F_WRLCK, 0, 9);
	in.unique = request_in(a)->unique;
	ask(&client, CF_INTERRUPT, nodeid, &in, sizeof(in), NULL, NULL, 0);
	CHECK_EQ(run(a), -EINTR);
	dir_cancel(client.dir);
	CHECK_EQ(request_wait(b), -EINTR);
	request_free(b);
	CHECK_EQ(run(lock_request(CF_SETLKW, 2, F_WRLCK, 0, 9)), -EINTR);
	flush(1);
}

static int init(uint32_t major, uint64_t flags, uint32_t minor)
{
	struct cf_init_in in = { .major = major,
				 .minor = minor,
				 .flags = (uint32_t)flags };

	return ask(&client, CF_INIT, 0, &in, sizeof(in), NULL, NULL, 0);
}

/* After FUSE_INIT: the file is known again, and open. */
static void open_again(void)
{
	nodeid = nodeid_of(&client, "f");
	CHECK_EQ(ask_open(&client, nodeid, O_RDWR, &fh), 0);
}

/* No number is special, and nobody was interrupted yet. */
static void test_unique_0(void)
{
	struct cf_interrupt_in in = { .unique = 0 };
	struct request *a;

	CHECK_EQ(set(1, F_WRLCK, 0, 9), 0);
	a = lock_request(CF_SETLKW, 2, F_WRLCK, 0, 9);
	request_in(a)->unique = 0;
	a->call.state.unique = 0;
	request_send(&client, a);
	CHECK(!request_is_done(a));
	ask(&client, CF_INTERRUPT, nodeid, &in, sizeof(in), NULL, NULL, 0);
	CHECK_EQ(request_wait(a), -EINTR);
	request_free(a);
	flush(1);
}

/* What was cancelled for INIT may wait again after it, also if it failed. */
static void test_failed_init(void)
{
	struct request *a;

	dir_cancel(client.dir);
	CHECK_EQ(init(6, CF_INIT_POSIX_LOCKS, 47), -EPROTO);
	/* Nothing is agreed upon now. */
	nodeid = nodeid_of(&client, "f");
	CHECK_EQ(ask_open(&client, nodeid, O_RDWR, &fh), 0);
	CHECK_EQ(run(lock_request(CF_SETLKW, 2, F_WRLCK, 0, 9)), -ENOSYS);
	CHECK(init(7, CF_INIT_POSIX_LOCKS, 47) > 0);
	open_again();
	CHECK_EQ(set(1, F_WRLCK, 0, 9), 0);
	a = start_wait(2, F_WRLCK, 0, 9);
	CHECK(!request_is_done(a));
	flush(1);
	CHECK_EQ(request_wait(a), 0);
	request_free(a);
	flush(2);
}

/* A process of the host sees the locks and holds some itself. */
static void test_host(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = 10, .l_len = 10 };
	int fd = openat(client.root, "f", O_RDWR);
	struct request *a;

	CHECK_EQ(set(1, F_WRLCK, 15, 16), 0);
	CHECK_EQ(fcntl(fd, F_OFD_SETLK, &lock), -1);
	CHECK_EQ(errno, EAGAIN);
	flush(1);
	CHECK_EQ(fcntl(fd, F_OFD_SETLK, &lock), 0);
	CHECK_EQ(set(1, F_RDLCK, 0, 10), -EAGAIN);
	CHECK_EQ(set(1, F_RDLCK, 0, 9), 0);
	CHECK_EQ(get(1, F_RDLCK, 0, 100).type, F_WRLCK);
	CHECK_EQ(get(1, F_RDLCK, 0, 100).start, 10);
	CHECK_EQ(get(1, F_RDLCK, 0, 100).end, 19);
	a = start_wait(1, F_RDLCK, 0, 10);
	CHECK(!request_is_done(a));
	close(fd);
	CHECK_EQ(request_wait(a), 0);
	request_free(a);
	flush(1);
}

static struct request *flock_request(uint32_t opcode, uint64_t handle, int type)
{
	struct cf_lk_in in = {
		.fh = handle,
		.owner = handle,
		.lk = { .end = INT64_MAX, .type = (uint32_t)type },
		.lk_flags = CF_LK_FLOCK,
	};
	struct request *request = request_new(opcode, nodeid);

	request_add(request, &in, sizeof(in));
	return request;
}

static void test_flock(void)
{
	struct cf_lk_in lk = { .owner = 4, .lk = { 0, 9, F_WRLCK, 1 } };
	int fd = openat(client.root, "f", O_RDONLY);
	struct request *a;
	uint64_t other = 0;

	CHECK_EQ(ask_open(&client, nodeid, O_RDONLY, &other), 0);
	CHECK_EQ(run(flock_request(CF_SETLK, fh, F_RDLCK)), 0);
	CHECK_EQ(run(flock_request(CF_SETLK, other, F_RDLCK)), 0);
	CHECK_EQ(flock(fd, LOCK_EX | LOCK_NB), -1);
	CHECK_EQ(flock(fd, LOCK_SH | LOCK_NB), 0);
	CHECK_EQ(run(flock_request(CF_SETLK, fh, F_UNLCK)), 0);
	CHECK_EQ(flock(fd, LOCK_UN), 0);
	CHECK_EQ(run(flock_request(CF_SETLK, fh, F_WRLCK)), -EAGAIN);
	a = flock_request(CF_SETLKW, fh, F_WRLCK);
	request_send(&client, a);
	CHECK(!request_is_done(a));
	/* Closing the file is unlocking it. */
	CHECK_EQ(ask_release(&client, nodeid, other, 0), 0);
	CHECK_EQ(request_wait(a), 0);
	request_free(a);
	CHECK_EQ(flock(fd, LOCK_SH | LOCK_NB), -1);
	CHECK_EQ(run(flock_request(CF_SETLK, fh, F_UNLCK)), 0);
	CHECK_EQ(flock(fd, LOCK_EX | LOCK_NB), 0);
	a = flock_request(CF_SETLKW, fh, F_RDLCK);
	request_send(&client, a);
	CHECK(!request_is_done(a));
	close(fd);
	CHECK_EQ(request_wait(a), 0);
	request_free(a);
	/* The lock of an open file description, whose owner never flushes. */
	CHECK_EQ(ask_open(&client, nodeid, O_RDWR, &other), 0);
	lk.fh = other;
	CHECK_EQ(ask(&client, CF_SETLK, nodeid, &lk, sizeof(lk), NULL, NULL, 0),
		 0);
	CHECK_EQ(set(5, F_RDLCK, 7, 7), -EAGAIN);
	CHECK_EQ(ask_release(&client, nodeid, other, 0), 0);
	CHECK_EQ(set(5, F_RDLCK, 7, 7), 0);
	flush(5);
	/* POSIX locks and flock() know nothing of each other. */
	CHECK_EQ(set(1, F_WRLCK, 0, 9), 0);
	flush(1);
	CHECK_EQ(run(flock_request(CF_SETLK, fh, F_UNLCK)), 0);
}

/* What is not agreed upon is the client's own business: nothing is locked. */
static void test_not_agreed(void)
{
	int fd = openat(client.root, "f", O_RDWR);
	struct flock lock = { .l_type = F_WRLCK };

	CHECK(init(7, CF_INIT_FLOCK_LOCKS, 47) > 0);
	open_again();
	CHECK_EQ(set(1, F_WRLCK, 0, 9), -ENOSYS);
	CHECK_EQ(run(lock_request(CF_SETLKW, 1, F_WRLCK, 0, 9)), -ENOSYS);
	CHECK_EQ(run(lock_request(CF_GETLK, 1, F_WRLCK, 0, 9)), -ENOSYS);
	CHECK_EQ(fcntl(fd, F_OFD_SETLK, &lock), 0);
	CHECK_EQ(run(flock_request(CF_SETLK, fh, F_WRLCK)), 0);
	CHECK(init(7, CF_INIT_POSIX_LOCKS, 47) > 0);
	open_again();
	CHECK_EQ(run(flock_request(CF_SETLK, fh, F_WRLCK)), -ENOSYS);
	CHECK_EQ(flock(fd, LOCK_EX | LOCK_NB), 0);
	CHECK_EQ(flock(fd, LOCK_UN), 0);
	/* Before 7.17 one flag meant both. */
	CHECK(init(7, CF_INIT_POSIX_LOCKS, 16) > 0);
	open_again();
	CHECK_EQ(run(flock_request(CF_SETLK, fh, F_WRLCK)), 0);
	CHECK_EQ(flock(fd, LOCK_EX | LOCK_NB), -1);
	/* Nor is it offered where the user does not want it. */
	client.options.posix_lock = false;
	client.options.flock = false;
	CHECK(init(7, CF_INIT_POSIX_LOCKS | CF_INIT_FLOCK_LOCKS, 47) > 0);
	open_again();
	CHECK_EQ(set(1, F_WRLCK, 0, 9), -ENOSYS);
	CHECK_EQ(run(flock_request(CF_SETLK, fh, F_WRLCK)), -ENOSYS);
	close(fd);
}

int main(void)
{
	struct cf_create_in in = { .flags = O_RDWR | O_CREAT,
				   .mode = S_IFREG | 0644 };
	struct {
		struct cf_entry_out entry;
		struct cf_open_out open;
	} made = { 0 };

	alarm(60);
	client_start(&client);
	CHECK_EQ(ask(&client, CF_CREATE, CF_ROOT_ID, &in, sizeof(in), "f",
		     &made, sizeof(made)),
		 sizeof(made));
	nodeid = made.entry.nodeid;
	fh = made.open.fh;
	test_conflicts();
	test_waiting();
	test_deadlock();
	test_host();
	test_flock();
	test_interrupt();
	test_failed_init();
	test_unique_0();
	test_not_agreed();
	client_stop(&client);
	return check_result();
}
