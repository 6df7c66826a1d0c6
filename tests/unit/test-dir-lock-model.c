// SPDX-License-Identifier: BSD-2-Clause
/*
 * Random locks of several owners on several files, against a model that knows
 * of each byte who has it: first one request after the other, where every
 * answer is foretold; then from many threads at once, also of the host, where
 * nobody may have what another has, and everybody gets an answer.
 */
#include "dir-client.h"
#include <dirent.h>
#include <stdatomic.h>

#define FILES	3
#define OWNERS	6
#define BYTES	24
#define STEPS	30000
#define THREADS 6
#define ROUNDS	4000

static struct client client;
static uint64_t nodeids[FILES], handles[FILES];
static unsigned int seed = 1;

static unsigned int next_random(unsigned int *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 12;
}

struct wish {
	unsigned int file, owner;
	int type;
	uint64_t start, end;
};

static struct request *wish_request(uint32_t opcode, const struct wish *wish,
				    uint64_t fh)
{
	struct cf_lk_in in = {
		.fh = fh,
		.owner = wish->owner + 1,
		.lk = { .start = wish->start,
			.end = wish->end,
			.type = (uint32_t)wish->type,
			.pid = wish->owner + 1 },
	};
	struct request *request = request_new(opcode, nodeids[wish->file]);

	request_add(request, &in, sizeof(in));
	return request;
}

static void send_flush(unsigned int file, unsigned int owner, uint64_t fh)
{
	struct cf_flush_in in = { .fh = fh, .lock_owner = owner + 1 };

	ask(&client, CF_FLUSH, nodeids[file], &in, sizeof(in), NULL, NULL, 0);
}

static struct wish random_wish(unsigned int *state, bool lock)
{
	static const int types[] = { F_RDLCK, F_WRLCK, F_UNLCK };
	struct wish wish = {
		.file = next_random(state) % FILES,
		.owner = next_random(state) % OWNERS,
		.type = types[next_random(state) % (lock ? 2 : 3)],
		.start = next_random(state) % BYTES,
	};

	wish.end = wish.start + next_random(state) % (BYTES - wish.start);
	if (next_random(state) % 4 == 0)
		wish.end = wish.start;
	return wish;
}

/* The model: what each owner has of each byte; 0, 'r' or 'w'. */
static char held[FILES][OWNERS][BYTES];

/* By owner, each at most once. */
static struct waiting {
	struct request *request; /* NULL: it does not wait */
	struct wish wish;
} waiting[OWNERS];

/* Whether OTHER has something that WISH cannot stand beside. */
static bool in_the_way(const struct wish *wish, unsigned int other)
{
	if (other == wish->owner || wish->type == F_UNLCK)
		return false;
	for (uint64_t i = wish->start; i <= wish->end; i++) {
		char has = held[wish->file][other][i];

		if (has == 'w' || (has && wish->type == F_WRLCK))
			return true;
	}
	return false;
}

static bool conflicts(const struct wish *wish)
{
	for (unsigned int other = 0; other < OWNERS; other++)
		if (in_the_way(wish, other))
			return true;
	return false;
}

/* Whom WISH waits for, also by way of others: a bit for each. */
static unsigned int waits_for(const struct wish *wish)
{
	unsigned int found = 0, before;

	for (unsigned int other = 0; other < OWNERS; other++)
		if (in_the_way(wish, other))
			found |= 1u << other;
	do {
		before = found;
		for (unsigned int i = 0; i < OWNERS * OWNERS; i++)
			if (found & 1u << i / OWNERS &&
			    waiting[i / OWNERS].request &&
			    in_the_way(&waiting[i / OWNERS].wish, i % OWNERS))
				found |= 1u << i % OWNERS;
	} while (found != before);
	return found;
}

static void apply(const struct wish *wish)
{
	char has = wish->type == F_UNLCK   ? 0
		   : wish->type == F_WRLCK ? 'w'
					   : 'r';

	memset(&held[wish->file][wish->owner][wish->start], has,
	       wish->end - wish->start + 1);
}

static void end_waiting(unsigned int owner, int want)
{
	CHECK_EQ(request_wait(waiting[owner].request), want);
	request_free(waiting[owner].request);
	waiting[owner].request = NULL;
}

/* Applies what was granted; whoever still waits must have to. */
static unsigned int settle(void)
{
	unsigned int granted = 0, before;

	do {
		before = granted;
		for (unsigned int i = 0; i < OWNERS; i++) {
			struct waiting *at = &waiting[i];

			if (!at->request || !request_is_done(at->request) ||
			    conflicts(&at->wish))
				continue;
			end_waiting(i, 0);
			apply(&at->wish);
			granted++;
		}
	} while (granted != before);
	for (unsigned int i = 0; i < OWNERS; i++)
		CHECK(!waiting[i].request ||
		      (!request_is_done(waiting[i].request) &&
		       conflicts(&waiting[i].wish)));
	return granted;
}

static void step_set(const struct wish *wish)
{
	struct request *request =
		wish_request(CF_SETLK, wish, handles[wish->file]);
	bool conflict = conflicts(wish);

	CHECK_EQ(request_run(&client, request), conflict ? -EAGAIN : 0);
	request_free(request);
	if (!conflict)
		apply(wish);
}

/* True if it would have been a deadlock. */
static bool step_wait(const struct wish *wish)
{
	struct request *request =
		wish_request(CF_SETLKW, wish, handles[wish->file]);
	bool conflict = conflicts(wish);
	bool deadlock = conflict && waits_for(wish) & 1u << wish->owner;

	request_send(&client, request);
	if (!CHECK_EQ(request_is_done(request), deadlock || !conflict))
		exit(EXIT_FAILURE);
	waiting[wish->owner] = (struct waiting){ request, *wish };
	if (!request_is_done(request))
		return false;
	end_waiting(wish->owner, deadlock ? -EDEADLK : 0);
	if (!deadlock)
		apply(wish);
	return deadlock;
}

static void step_get(const struct wish *wish)
{
	struct request *request =
		wish_request(CF_GETLK, wish, handles[wish->file]);
	struct cf_lk_out out = { 0 };
	struct wish found = *wish;

	CHECK_EQ(request_run(&client, request), 0);
	memcpy(&out, request->reply, sizeof(out));
	request_free(request);
	if (!CHECK_EQ(out.lk.type != F_UNLCK, conflicts(wish)) ||
	    out.lk.type == F_UNLCK)
		return;
	CHECK(out.lk.start <= wish->end && out.lk.end >= wish->start);
	CHECK(out.lk.pid >= 1 && out.lk.pid <= OWNERS &&
	      in_the_way(wish, out.lk.pid - 1));
	/* All of it is that owner's, and it has no more to either side. */
	found.owner = out.lk.pid - 1;
	for (uint64_t i = 0; i < BYTES; i++) {
		char has = held[wish->file][found.owner][i];
		bool same = has == (out.lk.type == F_WRLCK ? 'w' : 'r');

		if (i >= out.lk.start && i <= out.lk.end)
			CHECK(same);
		else if (i + 1 == out.lk.start || i == out.lk.end + 1)
			CHECK(!same);
	}
}

static void step_interrupt(unsigned int owner)
{
	struct cf_interrupt_in in = {
		.unique = request_in(waiting[owner].request)->unique,
	};

	ask(&client, CF_INTERRUPT, 0, &in, sizeof(in), NULL, NULL, 0);
	end_waiting(owner, -EINTR);
}

static void test_model(void)
{
	unsigned int granted = 0, deadlocks = 0;

	for (int step = 0; step < STEPS && !check_failed; step++) {
		unsigned int action = next_random(&seed) % 12;
		struct wish wish = random_wish(&seed, action > 6);

		if (waiting[wish.owner].request) {
			if (action < 4)
				step_interrupt(wish.owner);
		} else if (action == 0) {
			send_flush(wish.file, wish.owner, handles[wish.file]);
			memset(held[wish.file][wish.owner], 0, BYTES);
		} else if (action < 7) {
			if (action < 5)
				wish.type = F_UNLCK;
			step_set(&wish);
		} else if (action < 9 && wish.type != F_UNLCK) {
			step_get(&wish);
		} else {
			deadlocks += step_wait(&wish);
		}
		granted += settle();
	}
	for (unsigned int i = 0; i < OWNERS; i++)
		if (waiting[i].request)
			step_interrupt(i);
	for (unsigned int i = 0; i < FILES * OWNERS; i++)
		send_flush(i / OWNERS, i % OWNERS, handles[i / OWNERS]);
	printf("%d steps: %u granted after a wait, %u deadlocks\n", STEPS,
	       granted, deadlocks);
	CHECK(granted > 100 && deadlocks > 100);
}

/*
 * The many threads. A byte is -1 for who writes it, or how many read it. It is
 * given back here before it is there, and taken here when it was got there.
 */
static atomic_int bytes[FILES][BYTES];
static atomic_uint broken, got, interrupted, deadlocked;
static atomic_bool ending;
static _Atomic uint64_t now_waiting[THREADS];

struct actor {
	unsigned int number, state;
	uint64_t handles[FILES];
	char has[FILES][BYTES];
};

static void take_byte(atomic_int *byte, char *has, int type)
{
	int expected = *has == 'r';

	if (type == F_WRLCK && *has != 'w') {
		if (!atomic_compare_exchange_strong(byte, &expected, -1))
			atomic_fetch_add(&broken, 1);
		*has = 'w';
	} else if (type == F_RDLCK && !*has) {
		if (atomic_fetch_add(byte, 1) < 0)
			atomic_fetch_add(&broken, 1);
		*has = 'r';
	}
}

static void give_byte(atomic_int *byte, char *has, int type)
{
	if (*has == 'w' && type == F_RDLCK) {
		atomic_store(byte, 1);
		*has = 'r';
	} else if (type == F_UNLCK) {
		if (*has == 'w')
			atomic_store(byte, 0);
		else if (*has)
			atomic_fetch_sub(byte, 1);
		*has = 0;
	}
}

static void give_all(struct actor *actor, unsigned int file)
{
	for (unsigned int i = 0; i < BYTES; i++)
		give_byte(&bytes[file][i], &actor->has[file][i], F_UNLCK);
}

static void flush_all(struct actor *actor)
{
	for (unsigned int file = 0; file < FILES; file++) {
		give_all(actor, file);
		send_flush(file, actor->number, actor->handles[file]);
	}
}

static void actor_lock(struct actor *actor, bool wait)
{
	struct wish wish = random_wish(&actor->state, wait);
	struct request *request;
	int ret;

	wish.owner = actor->number;
	for (uint64_t i = wish.start; i <= wish.end; i++)
		give_byte(&bytes[wish.file][i], &actor->has[wish.file][i],
			  wish.type);
	request = wish_request(wait ? CF_SETLKW : CF_SETLK, &wish,
			       actor->handles[wish.file]);
	atomic_store(&now_waiting[actor->number], request_in(request)->unique);
	ret = request_run(&client, request);
	request_free(request);
	if (ret == 0) {
		atomic_fetch_add(&got, 1);
		for (uint64_t i = wish.start; i <= wish.end; i++)
			take_byte(&bytes[wish.file][i],
				  &actor->has[wish.file][i], wish.type);
	} else if (wait && ret == -EINTR) {
		atomic_fetch_add(&interrupted, 1);
	} else if (wait && ret == -EDEADLK) {
		atomic_fetch_add(&deadlocked, 1);
		flush_all(actor);
	} else if (wait || ret != -EAGAIN) {
		atomic_fetch_add(&broken, 1);
	}
}

/* Closes a file without FLUSH, as an open file description ends. */
static void actor_reopen(struct actor *actor, unsigned int file)
{
	give_all(actor, file);
	if (ask_release(&client, nodeids[file], actor->handles[file], 0) != 0 ||
	    ask_open(&client, nodeids[file], O_RDWR, &actor->handles[file]))
		atomic_fetch_add(&broken, 1);
}

static void *act(void *opaque)
{
	struct actor *actor = opaque;

	for (unsigned int i = 0; i < FILES; i++)
		if (ask_open(&client, nodeids[i], O_RDWR, &actor->handles[i]))
			atomic_fetch_add(&broken, 1);
	for (int i = 0; i < ROUNDS; i++) {
		switch (next_random(&actor->state) % 10) {
		case 0:
			flush_all(actor);
			break;
		case 1:
			actor_reopen(actor, next_random(&actor->state) % FILES);
			break;
		case 2:
		case 3:
		case 4:
			actor_lock(actor, true);
			break;
		default:
			actor_lock(actor, false);
		}
	}
	for (unsigned int file = 0; file < FILES; file++) {
		give_all(actor, file);
		ask_release(&client, nodeids[file], actor->handles[file], 0);
	}
	return NULL;
}

/* A program of the host, which locks as well; and who interrupts. */
static void *disturb(void *opaque)
{
	unsigned int state = 99;
	int fd = openat(client.root, "f0", O_RDWR);
	char has = 0;

	(void)opaque;
	while (!atomic_load(&ending)) {
		unsigned int i = next_random(&state) % BYTES;
		struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };
		struct cf_interrupt_in in = {
			.unique = now_waiting[next_random(&state) % THREADS],
		};

		lock.l_start = i;
		if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
			take_byte(&bytes[0][i], &has, F_WRLCK);
			usleep(100);
			give_byte(&bytes[0][i], &has, F_UNLCK);
			lock.l_type = F_UNLCK;
			fcntl(fd, F_OFD_SETLK, &lock);
		}
		if (next_random(&state) % 8 == 0)
			ask(&client, CF_INTERRUPT, 0, &in, sizeof(in), NULL,
			    NULL, 0);
		usleep(200);
	}
	close(fd);
	return NULL;
}

static unsigned int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void test_threads(void)
{
	static struct actor actors[THREADS];
	unsigned int before = descriptors();
	pthread_t threads[THREADS], other;

	CHECK_EQ(pthread_create(&other, NULL, disturb, NULL), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		actors[i].number = i;
		actors[i].state = i * 7919 + 1;
		CHECK_EQ(pthread_create(&threads[i], NULL, act, &actors[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&ending, true);
	pthread_join(other, NULL);
	printf("%u threads: %u got, %u interrupted, %u deadlocks\n", THREADS,
	       got, interrupted, deadlocked);
	CHECK_EQ(broken, 0);
	CHECK(got > 1000 && deadlocked);
	CHECK_EQ(descriptors(), before);
}

int main(void)
{
	struct cf_create_in in = { .flags = O_RDWR | O_CREAT,
				   .mode = S_IFREG | 0644 };
	struct {
		struct cf_entry_out entry;
		struct cf_open_out open;
	} made;
	char name[8];

	alarm(300);
	client_start(&client);
	for (unsigned int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		CHECK(ask(&client, CF_CREATE, CF_ROOT_ID, &in, sizeof(in), name,
			  &made, sizeof(made)) > 0);
		nodeids[i] = made.entry.nodeid;
		handles[i] = made.open.fh;
	}
	test_model();
	test_threads();
	client_stop(&client);
	return check_result();
}
