// SPDX-License-Identifier: BSD-2-Clause
/* Many requests at once on the same few files, some of them stale. */
#include "dir-client.h"
#include <stdatomic.h>

#define THREADS 4
#define ROUNDS	1500
#define NAMES	8

static struct client client;
static _Atomic uint64_t nodeids[NAMES], handles[NAMES];
static atomic_uint looked_up, opened, written, locked;

static unsigned int next_random(unsigned int *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 16;
}

/* The test's own checks count in plain variables: none of them in threads. */
static int quiet(uint32_t opcode, uint64_t nodeid, const void *arg, size_t len,
		 const char *name, void *reply, size_t reply_len)
{
	return ask(&client, opcode, nodeid, arg, len, name, reply, reply_len);
}

static void look_up(unsigned int i, const char *name)
{
	struct cf_entry_out entry;

	if (quiet(CF_LOOKUP, CF_ROOT_ID, NULL, 0, name, &entry, sizeof(entry)) >
	    0) {
		atomic_store(&nodeids[i], entry.nodeid);
		atomic_fetch_add(&looked_up, 1);
	}
}

static void create(unsigned int i, const char *name)
{
	struct cf_create_in in = { .flags = O_CREAT | O_RDWR,
				   .mode = S_IFREG | 0600 };
	struct {
		struct cf_entry_out entry;
		struct cf_open_out open;
	} made;

	if (quiet(CF_CREATE, CF_ROOT_ID, &in, sizeof(in), name, &made,
		  sizeof(made)) > 0) {
		atomic_store(&nodeids[i], made.entry.nodeid);
		atomic_store(&handles[i], made.open.fh);
		atomic_fetch_add(&opened, 1);
	}
}

static void take_lock(unsigned int i, unsigned int owner, int type)
{
	struct cf_lk_in in = { .fh = atomic_load(&handles[i]),
			       .owner = owner,
			       .lk = { 0, 10, (uint32_t)type, 1 } };

	if (quiet(CF_SETLK, atomic_load(&nodeids[i]), &in, sizeof(in), NULL,
		  NULL, 0) == 0)
		atomic_fetch_add(&locked, 1);
}

static void one(unsigned int action, unsigned int i, unsigned int thread)
{
	struct cf_forget_in forget = { 1 };
	struct cf_setattr_in setattr = { .valid = CF_FATTR_MODE, .mode = 0600 };
	struct cf_read_in dir_in = { .size = 4096 };
	uint64_t nodeid = atomic_load(&nodeids[i]), fh = 0;
	char name[8], buf[64];

	snprintf(name, sizeof(name), "n%u", i);
	switch (action) {
	case 0:
	case 1:
		look_up(i, name);
		break;
	case 2:
	case 3:
		create(i, name);
		break;
	case 4:
		quiet(CF_FORGET, nodeid, &forget, sizeof(forget), NULL, NULL,
		      0);
		break;
	case 5:
		quiet(CF_GETATTR, nodeid, NULL, 0, NULL, NULL, 0);
		quiet(CF_SETATTR, nodeid, &setattr, sizeof(setattr), NULL, NULL,
		      0);
		break;
	case 6:
		fh = atomic_load(&handles[i]);
		if (ask_write(&client, fh, name, 2, 0) == 2)
			atomic_fetch_add(&written, 1);
		ask_read(&client, fh, buf, sizeof(buf), 0);
		break;
	case 7:
		ask_release(&client, nodeid, atomic_load(&handles[i]), thread);
		break;
	case 8:
		quiet(CF_UNLINK, CF_ROOT_ID, NULL, 0, name, NULL, 0);
		break;
	case 9:
		take_lock(i, thread, F_WRLCK);
		take_lock(i, thread, F_UNLCK);
		break;
	default:
		if (ask_open(&client, CF_ROOT_ID, O_DIRECTORY, &fh) < 0)
			break;
		dir_in.fh = fh;
		quiet(action & 1 ? CF_READDIR : CF_READDIRPLUS, CF_ROOT_ID,
		      &dir_in, sizeof(dir_in), NULL, NULL, 0);
		ask_release(&client, CF_ROOT_ID, fh, 0);
		break;
	}
}

static void *run(void *number)
{
	unsigned int thread = (unsigned int)(uintptr_t)number;
	unsigned int state = thread * 77777;

	for (int i = 0; i < ROUNDS; i++) {
		unsigned int action = next_random(&state) % 12;

		one(action, next_random(&state) % NAMES, thread);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	struct cf_entry_out entry;

	client_start(&client);
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, run,
					(void *)(i + 1)),
			 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("%u looked up, %u opened, %u written, %u locked\n", looked_up,
	       opened, written, locked);
	CHECK(looked_up && opened && written && locked);
	/* All is as new after the client's next mount. */
	ask_init(&client, 47, CLIENT_FLAGS, NULL);
	for (int i = 0; i < NAMES; i++)
		CHECK(quiet(CF_GETATTR, nodeids[i], NULL, 0, NULL, NULL, 0) ==
		      -ESTALE);
	CHECK_EQ(ask_lookup(&client, CF_ROOT_ID, ".", &entry), 0);
	client_stop(&client);
	return check_result();
}
