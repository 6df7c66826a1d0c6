// SPDX-License-Identifier: BSD-2-Clause
/*
 * Many locks and many that wait for them: how much is looked at for a request
 * is counted, and what it costs is printed.
 */
#include "../../src/port/dir/internal.h"
#include "../../src/port/dir/lock_file.h"
#include "dir-client.h"
#include <sys/resource.h>
#include <time.h>

#define RANGES	10000
#define HOLDERS 100
#define WAITERS 1000
#define CHAIN	3200
#define FILES	8
#define STACK	(256u << 10)
#define TIMES	2000

static struct client client;
static uint64_t nodeids[FILES], handles[FILES];

static struct request *lock_request(uint32_t opcode, unsigned int file,
				    uint64_t owner, int type, uint64_t start,
				    uint64_t end)
{
	struct cf_lk_in in = {
		.fh = handles[file],
		.owner = owner,
		.lk = { .start = start, .end = end, .type = (uint32_t)type },
	};
	struct request *request = request_new(opcode, nodeids[file]);

	request_add(request, &in, sizeof(in));
	return request;
}

static int set(unsigned int file, uint64_t owner, int type, uint64_t start,
	       uint64_t end)
{
	struct request *request =
		lock_request(CF_SETLK, file, owner, type, start, end);
	int ret = request_run(&client, request);

	request_free(request);
	return ret;
}

static struct request *start_wait(unsigned int file, uint64_t owner,
				  uint64_t start, uint64_t end)
{
	struct request *request =
		lock_request(CF_SETLKW, file, owner, F_WRLCK, start, end);

	request_send(&client, request);
	return request;
}

static int end_wait(struct request *request)
{
	int ret = request_wait(request);

	request_free(request);
	return ret;
}

static void flush(unsigned int file, uint64_t owner)
{
	struct cf_flush_in in = { .fh = handles[file], .lock_owner = owner };

	ask(&client, CF_FLUSH, nodeids[file], &in, sizeof(in), NULL, NULL, 0);
}

/* What was ever looked at in a file. */
static uint64_t visits(unsigned int file)
{
	struct inode *inode = inode_get(client.dir, nodeids[file]);
	struct lock_file *locks = lock_file_of(inode);
	uint64_t count;

	pthread_mutex_lock(&locks->mutex);
	count = locks->visits;
	pthread_mutex_unlock(&locks->mutex);
	inode_put(client.dir, inode);
	return count;
}

static int compare(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* Microseconds of a lock and an unlock in FILE, the median. */
static double cost(unsigned int file)
{
	static double took[TIMES];
	struct timespec a, b;

	for (int i = 0; i < TIMES; i++) {
		clock_gettime(CLOCK_MONOTONIC, &a);
		set(file, 7, F_WRLCK, 0, 9);
		set(file, 7, F_UNLCK, 0, 9);
		clock_gettime(CLOCK_MONOTONIC, &b);
		took[i] = (double)(b.tv_sec - a.tv_sec) * 1e6 +
			  (double)(b.tv_nsec - a.tv_nsec) / 1e3;
	}
	qsort(took, TIMES, sizeof(*took), compare);
	return took[TIMES / 2];
}

/* Range I of the file; none of them touches another. */
static uint64_t place(unsigned int i)
{
	return 10 + 2 * (uint64_t)i;
}

static uint64_t holder(unsigned int i)
{
	return 1000 + i % HOLDERS;
}

static void test_other_file(void)
{
	static struct request *waiters[WAITERS];
	double idle, loaded;
	uint64_t before, searches;

	set(0, 1, F_RDLCK, 0, 0);
	idle = cost(1);
	for (unsigned int i = 0; i < RANGES; i++)
		CHECK_EQ(set(0, holder(i), F_WRLCK, place(i), place(i)), 0);
	/* Half of them want all, half one range each. */
	for (unsigned int i = 0; i < WAITERS; i++)
		waiters[i] = start_wait(0, 5000 + i, i % 2 ? place(i) : 0,
					i % 2 ? place(i) : INT64_MAX);
	before = visits(0);
	searches = client.dir->locks.searches;
	CHECK_EQ(searches, WAITERS);
	loaded = cost(1);
	CHECK_EQ(visits(0), before);
	CHECK_EQ(client.dir->locks.searches, searches);
	printf("another file, %d ranges and %d waiters: %.2f us idle, %.2f us "
	       "loaded: %.2f\n",
	       RANGES, WAITERS, idle, loaded, loaded / idle);

	/* Here, what nobody waits for frees nobody. */
	CHECK_EQ(set(0, holder(4), F_UNLCK, place(4), place(4)), 0);
	CHECK(visits(0) - before < 10);
	/* One range, which one waits for and all that want everything do. */
	before = visits(0);
	CHECK_EQ(set(0, holder(5), F_UNLCK, place(5), place(5)), 0);
	CHECK_EQ(end_wait(waiters[5]), 0);
	CHECK(visits(0) - before < 4 * WAITERS);
	for (unsigned int i = 0; i < HOLDERS; i++)
		flush(0, 1000 + i);
	flush(0, 1);
	/* Each lets the next have it. */
	before = visits(0);
	for (unsigned int i = 1; i < WAITERS; i += 2)
		if (i != 5)
			CHECK_EQ(end_wait(waiters[i]), 0);
	for (unsigned int i = 1; i < WAITERS; i += 2)
		flush(0, 5000 + i);
	for (unsigned int i = 0; i < WAITERS; i += 2) {
		CHECK_EQ(end_wait(waiters[i]), 0);
		flush(0, 5000 + i);
	}
	printf("%d waiters, one after the other: %" PRIu64 " visits\n", WAITERS,
	       visits(0) - before);
	CHECK(visits(0) - before < (uint64_t)WAITERS * WAITERS);
}

/* Each waits for the next, in all files; the last closes the circle. */
static void *chain(void *opaque)
{
	static struct request *waiters[CHAIN];
	struct lock_table *table = &client.dir->locks;
	uint64_t before = table->visits;

	(void)opaque;
	for (unsigned int i = 0; i < CHAIN; i++)
		CHECK_EQ(set(i % FILES, 1 + i, F_WRLCK, i, i), 0);
	for (unsigned int i = CHAIN - 1; i-- > 0;) {
		waiters[i] = start_wait((i + 1) % FILES, 1 + i, i + 1, i + 1);
		/* At most once each. */
		CHECK(table->visits - before <= CHAIN - i);
		before = table->visits;
	}
	for (unsigned int i = 0; i < CHAIN - 1; i++)
		CHECK(!request_is_done(waiters[i]));
	CHECK_EQ(end_wait(start_wait(0, CHAIN, 0, 0)), -EDEADLK);
	CHECK_EQ(end_wait(start_wait(3, CHAIN, 3, 3)), -EDEADLK);
	CHECK(table->visits - before <= 2 * CHAIN);
	/* From the end each gets what it waits for. */
	for (unsigned int i = CHAIN; i-- > 0;) {
		if (i < CHAIN - 1)
			CHECK_EQ(end_wait(waiters[i]), 0);
		flush(i % FILES, 1 + i);
		flush((i + 1) % FILES, 1 + i);
	}
	return NULL;
}

/*
 * Each waits with a file of its own, which is closed meanwhile, so each lets go
 * at once what it gets, and the next gets it.
 */
static void *closed(void *opaque)
{
	static struct request *waiters[CHAIN];
	uint64_t kept = handles[0];

	(void)opaque;
	CHECK_EQ(set(0, 1, F_WRLCK, 0, 0), 0);
	for (unsigned int i = 0; i < CHAIN; i++) {
		CHECK_EQ(ask_open(&client, nodeids[0], O_RDWR, &handles[0]), 0);
		waiters[i] = start_wait(0, 2 + i, 0, 0);
		CHECK_EQ(ask_release(&client, nodeids[0], handles[0], 0), 0);
	}
	handles[0] = kept;
	flush(0, 1);
	for (unsigned int i = 0; i < CHAIN; i++)
		CHECK_EQ(end_wait(waiters[i]), 0);
	CHECK_EQ(set(0, 1, F_WRLCK, 0, 0), 0);
	flush(0, 1);
	return NULL;
}

static void on_small_stack(void *(*run)(void *opaque))
{
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	pthread_attr_init(&attr);
	CHECK_EQ(pthread_attr_setstacksize(&attr, STACK), 0);
	/* It counts its checks: none here before it has ended. */
	error = pthread_create(&thread, &attr, run, NULL);
	if (!error)
		pthread_join(thread, NULL);
	CHECK_EQ(error, 0);
	pthread_attr_destroy(&attr);
}

int main(void)
{
	struct cf_create_in in = { .flags = O_RDWR | O_CREAT,
				   .mode = S_IFREG | 0644 };
	struct {
		struct cf_entry_out entry;
		struct cf_open_out open;
	} made;
	struct rlimit limit;
	char name[8];

	alarm(300);
	/* A descriptor for each owner and file. */
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	client_start(&client);
	for (unsigned int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		CHECK(ask(&client, CF_CREATE, CF_ROOT_ID, &in, sizeof(in), name,
			  &made, sizeof(made)) > 0);
		nodeids[i] = made.entry.nodeid;
		handles[i] = made.open.fh;
	}
	test_other_file();
	on_small_stack(chain);
	on_small_stack(closed);
	client_stop(&client);
	return check_result();
}
