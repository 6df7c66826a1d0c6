// SPDX-License-Identifier: BSD-2-Clause
/*
 * The relay before a proxy: requests that it numbers, replies in any order, too
 * late or twice, interrupts, notifications, and a server that dies.
 */
#include "../../src/log.h"
#include "../../src/options.h"
#include "../../src/port/port.h"
#include "../../src/relay.h"
#include "check.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

/* What reached the server, as it is. */
static struct {
	struct call *call; /* in submit() */
	char bytes[256];
	unsigned int count;
	int result;
	/* To be done within submit(). */
	void (*within)(void);
} seen;

static struct relay relay;

static struct cf_in_header *seen_in(void)
{
	return (struct cf_in_header *)(void *)seen.bytes;
}

static int server_submit(struct server *server, struct call *call)
{
	(void)server;
	seen.call = call;
	seen.count++;
	memcpy(seen.bytes, call->head, call->head_len);
	if (seen.within)
		seen.within();
	return seen.result;
}

static void nothing(struct server *server)
{
	(void)server;
}

static struct server_ops server_ops = {
	.numbered = true,
	.submit = server_submit,
	.reset = nothing,
	.detach = nothing,
};

static int port_attach(struct server_port *port, struct relay *to,
		       struct server **ret_server)
{
	static struct server server = { &server_ops };

	(void)port;
	(void)to;
	*ret_server = &server;
	return 0;
}

static const struct server_port_ops port_ops = {
	.scheme = "test",
	.attach = port_attach,
};

/* What the client was told besides. */
static struct {
	char bytes[128];
	size_t len;
	unsigned int count;
} told;

static int client_notify(struct client *client, const struct iovec *iov,
			 int count)
{
	(void)client;
	told.len = 0;
	for (int i = 0; i < count; i++) {
		memcpy(told.bytes + told.len, iov[i].iov_base, iov[i].iov_len);
		told.len += iov[i].iov_len;
	}
	told.count++;
	return 0;
}

static struct client_ops client_ops = { .notify = client_notify };
static struct client client = { &client_ops };

struct test_call {
	struct call call;
	uint64_t head[32];
	uint64_t out[64];
	atomic_int completions;
};

static void complete(struct call *call)
{
	((struct test_call *)call)->completions++;
}

static const struct call_ops call_ops = { .complete = complete };

static void ask(struct test_call *test, uint32_t opcode, uint64_t unique,
		const void *arg, size_t arg_len)
{
	struct cf_in_header header = {
		.len = (uint32_t)(sizeof(header) + arg_len),
		.opcode = opcode,
		.unique = unique,
		.nodeid = 1,
	};

	memset(test, 0, sizeof(*test));
	memcpy(test->head, &header, sizeof(header));
	if (arg_len)
		memcpy((char *)test->head + sizeof(header), arg, arg_len);
	test->call = (struct call){
		.ops = &call_ops,
		.head = test->head,
		.head_len = header.len,
		.out = test->out,
		.out_size = sizeof(test->out),
	};
	relay_submit(&relay, &test->call);
}

static void ask_statfs(struct test_call *test, uint64_t unique)
{
	ask(test, CF_STATFS, unique, NULL, 0);
}

static const struct cf_out_header *out(const struct test_call *test)
{
	return (const struct cf_out_header *)test->out;
}

/* What the peer says; whether there was a call for it. */
static bool answer(uint64_t number, int error, const void *arg, size_t arg_len)
{
	struct cf_out_header header = {
		.len = (uint32_t)(sizeof(header) + arg_len),
		.error = error,
		.unique = number,
	};
	struct call *call = relay_take(&relay, &header);

	if (!call)
		return false;
	if (arg_len)
		memcpy(call_reserve(call, arg_len), arg, arg_len);
	memcpy(call->out, &header, sizeof(header));
	call_forward(call, header.len, 0);
	return true;
}

static void answer_init(uint64_t flags)
{
	struct cf_init_out init = { .major = CF_KERNEL_VERSION, .minor = 36 };

	init.flags = (uint32_t)flags;
	init.flags2 = (uint32_t)(flags >> 32);
	CHECK(answer(seen_in()->unique, 0, &init, sizeof(init)));
}

static void ask_init(uint64_t answered)
{
	struct cf_init_in init = { .major = CF_KERNEL_VERSION,
				   .minor = 36,
				   .flags = CF_INIT_EXT };
	struct test_call test;

	ask(&test, CF_INIT, 2, &init, sizeof(init));
	answer_init(answered);
	CHECK_EQ(test.completions, 1);
	CHECK_EQ(out(&test)->error, 0);
	CHECK_EQ(out(&test)->unique, 2);
}

static void start(const char *abi)
{
	static struct server_port port = { .ops = &port_ops };
	struct options options = { .client_abi = crossfuse_abi_by_name(abi) };

	seen.within = NULL;
	seen.result = 0;
	CHECK_EQ(relay_init(&relay, &client, &port, &options, NULL), 0);
}

/* Two requests of the same unique, answered the other way round. */
static void test_numbers(void)
{
	struct test_call one, two;
	uint64_t first, second;
	unsigned long late = relay.counters.late;

	ask_statfs(&one, 8);
	first = seen_in()->unique;
	ask_statfs(&two, 8);
	second = seen_in()->unique;
	CHECK(first != second && !(first & 1) && !(second & 1));
	CHECK(one.call.waits && two.call.waits);
	CHECK_EQ(relay_in_flight(&relay), 2);
	CHECK(answer(second, -EACCES, NULL, 0));
	CHECK_EQ(one.completions, 0);
	CHECK_EQ(two.completions, 1);
	CHECK_EQ(out(&two)->error, -EACCES);
	CHECK_EQ(out(&two)->unique, 8);
	/* Twice, and what was never asked. */
	CHECK(!answer(second, -EACCES, NULL, 0));
	CHECK(!answer(first + 4096, 0, NULL, 0));
	CHECK_EQ(relay.counters.late, late + 2);
	CHECK(answer(first, -EPERM, NULL, 0));
	CHECK_EQ(one.completions, 1);
	CHECK_EQ(out(&one)->unique, 8);
	CHECK_EQ(relay_in_flight(&relay), 0);
	/* Sent again by the client: the bit is for the server too. */
	ask_statfs(&one, 8 | CF_UNIQUE_RESEND);
	CHECK(seen_in()->unique & CF_UNIQUE_RESEND);
	CHECK(answer(seen_in()->unique, -EPERM, NULL, 0));
	CHECK_EQ(out(&one)->unique, 8 | CF_UNIQUE_RESEND);
}

/* Requests without a reply are done when they are sent. */
static void test_silent(void)
{
	struct cf_forget_in forget = { .nlookup = 1 };
	struct cf_notify_retrieve_in retrieve = { .size = 0 };
	struct test_call test;
	unsigned int before = seen.count;

	ask(&test, CF_FORGET, 12, &forget, sizeof(forget));
	CHECK_EQ(test.completions, 1);
	CHECK_EQ(test.call.out_len, 0);
	/* The number is the server's own. */
	ask(&test, CF_NOTIFY_REPLY, 77, &retrieve, sizeof(retrieve));
	CHECK_EQ(test.completions, 1);
	CHECK_EQ(seen_in()->unique, 77);
	CHECK_EQ(seen.count, before + 2);
	CHECK_EQ(relay_in_flight(&relay), 0);
}

static void test_interrupt(void)
{
	struct cf_interrupt_in in = { .unique = 20 };
	const struct cf_out_header *header =
		(const struct cf_out_header *)(void *)told.bytes;
	struct test_call test, interrupt;
	unsigned int before;
	uint64_t number, named;

	ask_statfs(&test, 20);
	number = seen_in()->unique;
	ask(&interrupt, CF_INTERRUPT, 21, &in, sizeof(in));
	memcpy(&named, seen.bytes + sizeof(struct cf_in_header), sizeof(named));
	CHECK_EQ(named, number);
	CHECK_EQ(seen_in()->unique, number | 1);
	CHECK_EQ(interrupt.completions, 1);
	CHECK_EQ(interrupt.call.out_len, 0);
	/* Not yet, says the server: the client asks again. */
	told.count = 0;
	CHECK(!answer(number | 1, -EAGAIN, NULL, 0));
	CHECK_EQ(told.count, 1);
	CHECK_EQ(told.len, sizeof(*header));
	CHECK_EQ(header->unique, 21);
	CHECK_EQ(header->error, -EAGAIN);
	CHECK(answer(number, -EINTR, NULL, 0));
	CHECK_EQ(out(&test)->error, -EINTR);
	/* Its target has ended, and so it ends here. */
	CHECK(!answer(number | 1, -EAGAIN, NULL, 0));
	CHECK_EQ(told.count, 1);
	before = seen.count;
	ask(&interrupt, CF_INTERRUPT, 21, &in, sizeof(in));
	CHECK_EQ(interrupt.completions, 1);
	CHECK_EQ(seen.count, before);
}

static void test_notify(void)
{
	struct {
		struct cf_out_header header;
		struct cf_notify_inval_inode_out inval;
	} message = { { sizeof(message), CF_NOTIFY_INVAL_INODE, 0 },
		      { .ino = 7, .off = 1, .len = 2 } };
	struct iovec iov[] = { { &message, 20 },
			       { (char *)&message + 20,
				 sizeof(message) - 20 } };

	told.count = 0;
	CHECK_EQ(relay_notify(&relay, iov, 2), 0);
	CHECK_EQ(told.count, 1);
	CHECK_EQ(told.len, sizeof(message));
	CHECK(memcmp(told.bytes, &message, sizeof(message)) == 0);
	CHECK_EQ(relay_notify(&relay, iov, 1), -EBADMSG);
	client_ops.notify = NULL;
	CHECK_EQ(relay_notify(&relay, iov, 2), -EOPNOTSUPP);
	client_ops.notify = client_notify;
	CHECK_EQ(relay.counters.refused, 2);
}

static struct test_call within;

static void answer_within(void)
{
	CHECK(answer(seen_in()->unique, -EXDEV, NULL, 0));
	/* Its memory is in use as long as submit() runs. */
	CHECK_EQ(within.completions, 0);
}

static void fail_within(void)
{
	relay_fail_all(&relay, -ENOTCONN);
	CHECK_EQ(within.completions, 0);
}

/* What happens to a call while submit() still has it in hand. */
static void test_within(void)
{
	seen.within = answer_within;
	ask_statfs(&within, 30);
	CHECK_EQ(within.completions, 1);
	CHECK_EQ(out(&within)->error, -EXDEV);
	/* Not taken by the server: once, whoever ends it. */
	seen.within = NULL;
	seen.result = -EIO;
	ask_statfs(&within, 32);
	CHECK_EQ(within.completions, 1);
	CHECK_EQ(out(&within)->error, -EIO);
	seen.within = fail_within;
	ask_statfs(&within, 34);
	CHECK_EQ(within.completions, 1);
	CHECK_EQ(out(&within)->error, -ENOTCONN);
	CHECK_EQ(relay_in_flight(&relay), 0);
	seen.within = NULL;
	seen.result = 0;
	relay_reset(&relay);
	ask_init(0);
}

/* A malformed reply is the server's fault, and costs one call. */
static void test_malformed(void)
{
	struct test_call test;

	ask_statfs(&test, 40);
	CHECK(answer(seen_in()->unique, 0, "xyz", 3));
	CHECK_EQ(test.completions, 1);
	CHECK_EQ(out(&test)->error, -EIO);
	CHECK_EQ(out(&test)->unique, 40);
}

static void test_death(void)
{
	struct test_call calls[3];
	unsigned int before;

	ask_statfs(&calls[0], 50);
	ask_statfs(&calls[1], 52);
	relay_fail_all(&relay, -ENOTCONN);
	before = seen.count;
	ask_statfs(&calls[2], 54);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(calls[i].completions, 1);
		CHECK_EQ(out(&calls[i])->error, -ENOTCONN);
	}
	CHECK_EQ(seen.count, before);
	relay_reset(&relay);
	ask_init(0);
	ask_statfs(&calls[0], 56);
	CHECK(answer(seen_in()->unique, -EPERM, NULL, 0));
	CHECK_EQ(out(&calls[0])->error, -EPERM);
}

/* The client goes while calls are under way, or begins anew. */
static void test_cancel(void)
{
	struct test_call test;
	uint64_t number;

	ask_statfs(&test, 60);
	number = seen_in()->unique;
	relay_cancel(&relay);
	CHECK_EQ(test.completions, 1);
	CHECK_EQ(out(&test)->error, -EINTR);
	CHECK(!answer(number, 0, NULL, 0));
	ask_statfs(&test, 62);
	CHECK_EQ(test.completions, 1);
	CHECK_EQ(out(&test)->error, -EINTR);
	relay_reset(&relay);
	ask_init(0);
	ask_statfs(&test, 64);
	ask_init(0); /* alone, so the other has ended */
	CHECK_EQ(test.completions, 1);
	CHECK_EQ(out(&test)->error, -EINTR);
	ask_statfs(&test, 66);
	CHECK(answer(seen_in()->unique, -EPERM, NULL, 0));
	CHECK_EQ(out(&test)->error, -EPERM);
}

static struct test_call held;

static void *ask_held(void *unused)
{
	ask_statfs(&held, 72);
	return unused;
}

static void test_hold(void)
{
	struct test_call test;
	pthread_t thread;
	uint64_t number;
	unsigned int before;

	ask_statfs(&test, 70);
	number = seen_in()->unique;
	CHECK_EQ(relay_hold(&relay, 1000000), -ETIMEDOUT);
	before = seen.count;
	pthread_create(&thread, NULL, ask_held, NULL);
	CHECK(answer(number, -EPERM, NULL, 0));
	CHECK_EQ(relay_hold(&relay, UINT64_C(10000000000)), 0);
	usleep(20000);
	CHECK_EQ(seen.count, before);
	relay_release(&relay);
	relay_release(&relay);
	pthread_join(thread, NULL);
	CHECK_EQ(seen.count, before + 1);
	CHECK(answer(seen_in()->unique, -EPERM, NULL, 0));
	/* A client that has gone does not wait at the gate. */
	CHECK_EQ(relay_hold(&relay, 1000000), 0);
	pthread_create(&thread, NULL, ask_held, NULL);
	relay_cancel(&relay);
	pthread_join(thread, NULL);
	CHECK_EQ(held.completions, 1);
	CHECK_EQ(held.call.out_len, 0);
	relay_release(&relay);
	relay_reset(&relay);
	ask_init(0);
}

static const struct crossfuse_abi *abi;

static const struct crossfuse_abi *server_abi(struct server *server)
{
	(void)server;
	return abi;
}

/* An error of this machine's is told in the client's numbers: ENOTCONN. */
static void test_errors(void)
{
	struct test_call test;

	abi = crossfuse_abi_by_name("mips64el");
	server_ops.abi = server_abi;
	start("parisc");
	ask_init(0);
	ask_statfs(&test, 80);
	CHECK(answer(seen_in()->unique, -134, NULL, 0));
	CHECK_EQ(out(&test)->error, -235);
	seen.result = -ENOTCONN;
	ask_statfs(&test, 82);
	CHECK_EQ(out(&test)->error, -235);
	relay_destroy(&relay);
	server_ops.abi = NULL;
}

/*
 * A client of x86_64, a server of Alpha whose peer may take up the handshake:
 * O_DIRECTORY is 0x10000 and 0x8000, ENOTEMPTY 39 and 66; the canonical ones
 * are those of x86_64.
 */
static void test_negotiates(bool taken)
{
	struct cf_open_in in = { .flags = 0x10000 };
	struct cf_init_in init;
	struct test_call test;
	uint32_t flags;

	abi = crossfuse_abi_by_name("alpha");
	server_ops.abi = server_abi;
	server_ops.negotiates = true;
	start("x86_64");
	ask_init(taken ? CF_INIT_CANON_ARCH | CF_INIT_EXT : 0);
	memcpy(&init, seen.bytes + sizeof(struct cf_in_header), sizeof(init));
	CHECK(init.flags2 & CF_INIT_CANON_ARCH >> 32);
	ask(&test, CF_OPEN, 90, &in, sizeof(in));
	memcpy(&flags, seen.bytes + sizeof(struct cf_in_header), sizeof(flags));
	CHECK_EQ(flags & 0x18000, taken ? 0x10000 : 0x8000);
	CHECK(answer(seen_in()->unique, taken ? -39 : -66, NULL, 0));
	CHECK_EQ(out(&test)->error, -39);
	CHECK_EQ(out(&test)->unique, 90);
	relay_destroy(&relay);
	server_ops.abi = NULL;
	server_ops.negotiates = false;
}

int main(void)
{
	log_level = LOG_LEVEL_OFF;
	start(NULL);
	ask_init(0);
	test_numbers();
	test_silent();
	test_interrupt();
	test_notify();
	test_within();
	test_malformed();
	test_death();
	test_cancel();
	test_hold();
	relay_destroy(&relay);
	test_errors();
	test_negotiates(true);
	test_negotiates(false);
	return check_result();
}
