// SPDX-License-Identifier: BSD-2-Clause
/* The relay between a client port and a server port made for the purpose. */
#include "../../src/log.h"
#include "../../src/options.h"
#include "../../src/port/port.h"
#include "../../src/relay.h"
#include "check.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

/* A server that answers at once, but for FSYNC, which waits to be cancelled. */
static atomic_int submitted, cancelled, resets, fsyncs_waiting;
static sem_t cancel;
static bool ends_all; /* cancelled, and not reset since */
static struct relay *cancels_meanwhile;

static int server_submit(struct server *server, struct call *call)
{
	(void)server;
	submitted++;
	switch (call->state.opcode) {
	case CF_INIT: {
		struct cf_init_out *out = call_reserve(call, sizeof(*out));

		/* INIT runs alone. */
		CHECK_EQ(fsyncs_waiting, 0);
		memset(out, 0, sizeof(*out));
		out->major = CF_KERNEL_VERSION;
		out->minor = 36;
		call_reply(call, sizeof(*out));
		break;
	}
	case CF_FORGET:
		call_done(call);
		break;
	case CF_FSYNC:
		fsyncs_waiting++;
		sem_wait(&cancel);
		fsyncs_waiting--;
		call_reply_error(call, -EINTR);
		break;
	case CF_READLINK:
		memcpy(call_reserve(call, 4), "path", 4);
		call_reply(call, 4);
		break;
	default:
		call_reply_error(call, -EACCES);
	}
	return 0;
}

static void server_cancel(struct server *server)
{
	(void)server;
	cancelled++;
	ends_all = true;
	sem_post(&cancel);
}

static void server_reset(struct server *server)
{
	(void)server;
	resets++;
	if (cancels_meanwhile)
		relay_cancel(cancels_meanwhile);
	ends_all = false;
}

static void server_detach(struct server *server)
{
	(void)server;
}

static const struct server_ops server_ops = {
	.submit = server_submit,
	.cancel = server_cancel,
	.reset = server_reset,
	.detach = server_detach,
};

static int port_attach(struct server_port *port, struct relay *relay,
		       struct server **ret_server)
{
	static struct server server = { &server_ops };

	(void)port;
	(void)relay;
	*ret_server = &server;
	return 0;
}

static const struct server_port_ops port_ops = {
	.scheme = "test",
	.attach = port_attach,
};

struct test_call {
	struct call call;
	uint64_t head[32];
	uint64_t out[64];
	sem_t completed;
	int completions;
};

static void complete(struct call *call)
{
	struct test_call *test = (struct test_call *)call;

	test->completions++;
	sem_post(&test->completed);
}

static const struct call_ops call_ops = { .complete = complete };

static void make_call(struct test_call *test, uint32_t opcode, uint64_t unique,
		      size_t arg_len)
{
	struct cf_in_header header = {
		.len = (uint32_t)(sizeof(header) + arg_len),
		.opcode = opcode,
		.unique = unique,
		.nodeid = 1,
	};

	memset(test, 0, sizeof(*test));
	memset(test->out, 0xa5, sizeof(test->out));
	memcpy(test->head, &header, sizeof(header));
	sem_init(&test->completed, 0, 0);
	test->call = (struct call){
		.ops = &call_ops,
		.head = test->head,
		.head_len = header.len,
		.out = test->out,
		.out_size = sizeof(test->out),
	};
}

static void make_init(struct test_call *test)
{
	struct cf_init_in init = { .major = CF_KERNEL_VERSION,
				   .minor = 36,
				   .flags = CF_INIT_EXT };

	make_call(test, CF_INIT, 2, sizeof(init));
	memcpy((char *)test->head + sizeof(struct cf_in_header), &init,
	       sizeof(init));
}

static const struct cf_out_header *out_header(const struct test_call *test)
{
	return (const struct cf_out_header *)test->out;
}

static void test_simple(struct relay *relay)
{
	struct test_call test;

	make_init(&test);
	relay_submit(relay, &test.call);
	CHECK_EQ(test.completions, 1);
	CHECK_EQ(out_header(&test)->error, 0);
	CHECK_EQ(out_header(&test)->len,
		 sizeof(struct cf_out_header) + sizeof(struct cf_init_out));

	make_call(&test, CF_GETATTR, 4, sizeof(struct cf_getattr_in));
	relay_submit(relay, &test.call);
	CHECK_EQ(test.completions, 1);
	CHECK_EQ(out_header(&test)->error, -EACCES);
	CHECK_EQ(out_header(&test)->unique, 4);
	CHECK_EQ(test.call.out_len, sizeof(struct cf_out_header));

	make_call(&test, CF_FORGET, 6, sizeof(struct cf_forget_in));
	relay_submit(relay, &test.call);
	CHECK_EQ(test.completions, 1);
	CHECK_EQ(test.call.out_len, 0);
}

/* What the library refuses never reaches the server. */
static void test_malformed(struct relay *relay)
{
	struct test_call test;
	int before = submitted;

	make_call(&test, CF_LOOKUP, 8, 4);
	memcpy((char *)test.head + sizeof(struct cf_in_header), "name", 4);
	relay_submit(relay, &test.call);
	CHECK_EQ(submitted, before);
	CHECK_EQ(test.completions, 1);
	CHECK_EQ(test.call.out_len, sizeof(struct cf_out_header));
	CHECK_EQ(out_header(&test)->unique, 8);
	CHECK(out_header(&test)->error < 0);

	/* Nor is there an answer to what has none. */
	make_call(&test, CF_FORGET, 10, 3);
	relay_submit(relay, &test.call);
	CHECK_EQ(submitted, before);
	CHECK_EQ(test.completions, 1);
	CHECK_EQ(test.call.out_len, 0);
}

/* A reply with bytes behind its header. */
static void test_reply(struct relay *relay)
{
	struct test_call test;

	make_call(&test, CF_READLINK, 12, 0);
	relay_submit(relay, &test.call);
	CHECK_EQ(out_header(&test)->error, 0);
	CHECK_EQ(test.call.out_len, sizeof(struct cf_out_header) + 4);
	CHECK(memcmp((char *)test.out + 16, "path", 4) == 0);
}

static void *submit_thread(void *argument)
{
	struct test_call *test = argument;

	relay_submit(test->call.relay, &test->call);
	return NULL;
}

/* INIT cancels what waits, and runs when that has ended. */
static void init_ends_waiting(struct relay *relay)
{
	struct test_call waiting, init;
	int before = cancelled;
	pthread_t thread;

	make_call(&waiting, CF_FSYNC, 14, sizeof(struct cf_fsync_in));
	waiting.call.relay = relay;
	pthread_create(&thread, NULL, submit_thread, &waiting);
	while (!fsyncs_waiting)
		usleep(100);
	make_init(&init);
	relay_submit(relay, &init.call);
	CHECK_EQ(init.completions, 1);
	CHECK_EQ(out_header(&init)->error, 0);
	pthread_join(thread, NULL);
	CHECK_EQ(waiting.completions, 1);
	CHECK_EQ(out_header(&waiting)->error, -EINTR);
	CHECK(cancelled > before);
}

static void test_init_runs_alone(struct relay *relay)
{
	int before = cancelled;

	init_ends_waiting(relay);
	CHECK_EQ(cancelled, before + 1);
	CHECK(!ends_all);
}

/* The client goes while INIT lets the server wait again: it does not. */
static void test_cancel_beside_init(struct relay *relay)
{
	cancels_meanwhile = relay;
	init_ends_waiting(relay);
	cancels_meanwhile = NULL;
	CHECK(ends_all);
	relay_reset(relay);
	CHECK(!ends_all);
	while (sem_trywait(&cancel) == 0)
		;
}

enum {
	THREADS = 4,
	ROUNDS = 5000
};

static void *hammer(void *argument)
{
	struct relay *relay = argument;
	struct test_call test;
	uintptr_t failed = 0;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		if (i % 100 == 0)
			make_init(&test);
		else
			make_call(&test, CF_GETATTR, i,
				  sizeof(struct cf_getattr_in));
		relay_submit(relay, &test.call);
		failed += test.completions != 1;
	}
	return (void *)failed;
}

static void test_threads(struct relay *relay)
{
	pthread_t threads[THREADS];
	int before = submitted;

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, hammer, relay);
	for (int i = 0; i < THREADS; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		CHECK_EQ((uintptr_t)failed, 0);
	}
	CHECK_EQ(submitted - before, THREADS * ROUNDS);
}

int main(void)
{
	static struct server_port port = { .ops = &port_ops };
	/* Another ABI than any machine's that this runs on: it is checked. */
	struct options options = {
		.client_abi = crossfuse_abi_by_name("parisc"),
	};
	static struct relay relay;

	log_level = LOG_LEVEL_OFF;
	sem_init(&cancel, 0, 0);
	CHECK_EQ(relay_init(&relay, NULL, &port, &options, NULL), 0);
	test_simple(&relay);
	test_malformed(&relay);
	test_reply(&relay);
	test_init_runs_alone(&relay);
	test_cancel_beside_init(&relay);
	test_threads(&relay);
	resets = 0;
	relay_reset(&relay);
	CHECK_EQ(resets, 1);
	relay_destroy(&relay);
	return check_result();
}
