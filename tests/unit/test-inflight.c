/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of calls in flight, and against a plain list of them. */
#include "check.h"
#include <crossfuse/inflight.h>
#include <crossfuse/wire.h>
#include <errno.h>

enum {
	SMALL = 4,
	MANY = 300,
	STEPS = 200000,
};

static struct crossfuse_inflight table;

/* Memory for a table, exactly as much as it takes, full of rubbish. */
static void *start(uint32_t capacity, uint64_t seed)
{
	size_t size = crossfuse_inflight_size(capacity);
	void *memory = malloc(size);

	if (!CHECK(memory))
		exit(check_result());
	memset(memory, 0xa5, size);
	memset(&table, 0xa5, sizeof(table));
	CHECK_EQ(crossfuse_inflight_init(&table, memory, size, capacity, seed),
		 0);
	return memory;
}

static void test_configuration(void)
{
	uint64_t memory[64];
	size_t size = crossfuse_inflight_size(SMALL);

	CHECK(size && size <= sizeof(memory));
	CHECK_EQ(crossfuse_inflight_size(0), 0);
	CHECK_EQ(crossfuse_inflight_size(CROSSFUSE_INFLIGHT_MAX + 1), 0);
	CHECK(crossfuse_inflight_size(CROSSFUSE_INFLIGHT_MAX));
	CHECK_EQ(crossfuse_inflight_init(&table, memory, size, 0, 1), -EINVAL);
	CHECK_EQ(crossfuse_inflight_init(&table, memory, size - 1, SMALL, 1),
		 -EINVAL);
	CHECK_EQ(crossfuse_inflight_init(&table, NULL, size, SMALL, 1),
		 -EINVAL);
	CHECK_EQ(crossfuse_inflight_init(&table, (char *)memory + 1, size,
					 SMALL, 1),
		 -EINVAL);
}

/* An answer counts once, and never for another call. */
static void test_answers(void)
{
	int calls[SMALL + 1];
	uint64_t unique[SMALL + 1], late, other;
	void *memory = start(SMALL, 7), *found = NULL;

	for (int i = 0; i < SMALL; i++) {
		CHECK_EQ(crossfuse_inflight_put(&table, 100, &calls[i],
						&unique[i]),
			 0);
		CHECK(unique[i] && !(unique[i] & CF_INT_REQ_BIT) &&
		      !(unique[i] & CF_UNIQUE_RESEND));
	}
	CHECK_EQ(crossfuse_inflight_count(&table), SMALL);
	late = 0x5a5a;
	CHECK_EQ(crossfuse_inflight_put(&table, 5, &calls[SMALL], &late),
		 -ENOBUFS);
	CHECK_EQ(late, 0x5a5a);

	CHECK_EQ(crossfuse_inflight_take(&table, unique[1], &found), 0);
	CHECK(found == &calls[1]);
	found = &late;
	CHECK_EQ(crossfuse_inflight_take(&table, unique[1], &found), -ENOENT);
	/* The same place again: what is late does not end it. */
	for (int i = 0; i < 1000; i++) {
		late = unique[1];
		CHECK_EQ(crossfuse_inflight_put(&table, 100, &calls[1],
						&unique[1]),
			 0);
		CHECK_EQ(crossfuse_inflight_take(&table, late, &found),
			 -ENOENT);
		CHECK_EQ(crossfuse_inflight_get(&table, late, &found), -ENOENT);
		CHECK(found == &late);
		CHECK_EQ(crossfuse_inflight_get(&table, unique[1], &found), 0);
		CHECK(found == &calls[1]);
		CHECK_EQ(crossfuse_inflight_take(&table, unique[1], &found), 0);
		found = &late;
	}
	/* Numbers that were never given: but for bits 1 and 2 of the place. */
	for (int bit = 3; bit < 63; bit++)
		CHECK_EQ(crossfuse_inflight_take(&table,
						 unique[0] ^ UINT64_C(1) << bit,
						 &found),
			 -ENOENT);
	CHECK_EQ(crossfuse_inflight_take(&table, 0, &found), -ENOENT);
	CHECK_EQ(crossfuse_inflight_take(&table, UINT64_MAX, &found), -ENOENT);
	CHECK_EQ(crossfuse_inflight_next(&table, UINT64_MAX - 1, &other,
					 &found),
		 -ENOENT);
	CHECK(found == &late);
	free(memory);
}

/* INTERRUPT names a request by the client's number; the latest is meant. */
static void test_interrupts(void)
{
	int calls[3];
	uint64_t unique[3], found_unique = 0;
	void *memory = start(MANY, 0), *found = NULL;

	for (int i = 0; i < 3; i++)
		CHECK_EQ(crossfuse_inflight_put(&table, i == 2 ? 6 : 4,
						&calls[i], &unique[i]),
			 0);
	CHECK_EQ(crossfuse_inflight_find(&table, 4, &found_unique, &found), 0);
	CHECK(found == &calls[1]);
	CHECK_EQ(found_unique, unique[1]);
	/* What comes back with the bit is the answer to the INTERRUPT. */
	CHECK_EQ(crossfuse_inflight_take(&table, unique[1] | CF_INT_REQ_BIT,
					 &found),
		 -ENOENT);
	CHECK_EQ(crossfuse_inflight_get(&table, unique[1] | CF_INT_REQ_BIT,
					&found),
		 0);
	CHECK(found == &calls[1]);
	CHECK_EQ(crossfuse_inflight_take(&table, unique[1], &found), 0);
	CHECK_EQ(crossfuse_inflight_get(&table, unique[1] | CF_INT_REQ_BIT,
					&found),
		 -ENOENT);
	CHECK_EQ(crossfuse_inflight_find(&table, 4, &found_unique, &found), 0);
	CHECK(found == &calls[0]);
	CHECK_EQ(found_unique, unique[0]);
	CHECK_EQ(crossfuse_inflight_take(&table, unique[0], &found), 0);
	CHECK_EQ(crossfuse_inflight_find(&table, 4, &found_unique, &found),
		 -ENOENT);
	CHECK_EQ(crossfuse_inflight_find(&table, 6, &found_unique, &found), 0);
	CHECK(found == &calls[2]);
	free(memory);
}

/* A request that is sent again keeps the bit that says so. */
static void test_resent(void)
{
	int calls[2];
	uint64_t unique[2], again;
	void *memory = start(SMALL, 3), *found;

	CHECK_EQ(crossfuse_inflight_put(&table, 8, &calls[0], &unique[0]), 0);
	CHECK_EQ(crossfuse_inflight_put(&table, 8 | CF_UNIQUE_RESEND, &calls[1],
					&unique[1]),
		 0);
	CHECK(unique[1] & CF_UNIQUE_RESEND);
	CHECK((unique[0] ^ unique[1]) & ~CF_UNIQUE_RESEND);
	for (int i = 0; i < 2; i++) {
		again = i ? 8 : 8 | CF_UNIQUE_RESEND;
		CHECK_EQ(crossfuse_inflight_find(&table, again, &again, &found),
			 0);
		CHECK_EQ(again, unique[1]);
	}
	/* Who resends on its own account is answered with the bit. */
	CHECK_EQ(crossfuse_inflight_take(&table, unique[0] | CF_UNIQUE_RESEND,
					 &found),
		 0);
	CHECK(found == &calls[0]);
	CHECK_EQ(crossfuse_inflight_take(&table, unique[1] & ~CF_UNIQUE_RESEND,
					 &found),
		 0);
	CHECK(found == &calls[1]);
	free(memory);
}

/* A new table does not take the numbers of one before it. */
static void test_seed(void)
{
	void *memory = start(SMALL, 1), *found;
	uint64_t first, second;

	CHECK_EQ(crossfuse_inflight_put(&table, 2, NULL, &first), 0);
	free(memory);
	memory = start(SMALL, 2);
	CHECK_EQ(crossfuse_inflight_put(&table, 2, NULL, &second), 0);
	CHECK(first != second);
	CHECK_EQ(crossfuse_inflight_take(&table, first, &found), -ENOENT);
	free(memory);
}

/* What is in flight, oldest first. */
static struct entry {
	uint64_t client_unique, unique;
} list[MANY];
static size_t listed;

static void check_order(void)
{
	uint64_t unique = 0;
	size_t count = 0;
	void *found;

	while (!crossfuse_inflight_next(&table, unique, &unique, &found)) {
		if (!CHECK(count < listed))
			return;
		CHECK_EQ(unique, list[count].unique);
		CHECK_EQ((uintptr_t)found, list[count].client_unique);
		count++;
	}
	CHECK_EQ(count, listed);
	CHECK_EQ(crossfuse_inflight_count(&table), listed);
}

static void put_one(uint64_t client_unique)
{
	uint64_t unique;
	int err = crossfuse_inflight_put(&table, client_unique,
					 (void *)(uintptr_t)client_unique,
					 &unique);

	CHECK_EQ(err, listed < MANY ? 0 : -ENOBUFS);
	if (err)
		return;
	for (size_t i = 0; i < listed; i++)
		if (list[i].unique == unique)
			CHECK_EQ(unique, 0); /* it is in flight already */
	list[listed++] = (struct entry){ client_unique, unique };
}

static void take_one(size_t at)
{
	void *found = NULL;

	CHECK_EQ(crossfuse_inflight_take(&table, list[at].unique, &found), 0);
	CHECK_EQ((uintptr_t)found, list[at].client_unique);
	CHECK_EQ(crossfuse_inflight_take(&table, list[at].unique, &found),
		 -ENOENT);
	listed--;
	memmove(&list[at], &list[at + 1], (listed - at) * sizeof(list[0]));
}

static void find_one(uint64_t client_unique)
{
	size_t i = listed;
	uint64_t unique = 0;
	void *found;
	int err =
		crossfuse_inflight_find(&table, client_unique, &unique, &found);

	while (i && list[i - 1].client_unique != client_unique)
		i--;
	CHECK_EQ(err, i ? 0 : -ENOENT);
	if (!err && i)
		CHECK_EQ(unique, list[i - 1].unique);
}

/* Whatever is done to it, it is what a list would be. */
static void test_at_random(void)
{
	void *memory = start(MANY, 12345);
	uint32_t state = 1;

	for (unsigned int i = 0; i < STEPS; i++) {
		uint32_t number;

		state = state * 1664525 + 1013904223;
		number = state >> 8;
		/* Few numbers, so that most are there several times. */
		if (number % 8 < 4)
			put_one(number / 8 % 100);
		else if (number % 8 < 7 && listed)
			take_one(number / 8 % listed);
		else
			find_one(number / 8 % 100);
		if (i % 1000 == 0)
			check_order();
	}
	while (listed)
		take_one(0);
	check_order();
	free(memory);
}

int main(void)
{
	test_configuration();
	test_answers();
	test_interrupts();
	test_resent();
	test_seed();
	test_at_random();
	return check_result();
}
