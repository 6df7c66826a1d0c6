/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What libcrossfuse costs: nanoseconds for each request and reply, from
 * clients of several architectures to a server of x86_64, beside a memcpy of
 * the same bytes. The best of many rounds over messages that lie in the cache.
 *
 *   usage: translate [ROUNDS]
 */
#include "../tests/unit/wire-text.h"
#include <crossfuse/message.h>
#include <crossfuse/session.h>
#include <stdio.h>
#include <time.h>

enum {
	BATCH = 64, /* messages between two looks at the clock */
	CLIENTS = 4,
};

static const char *const clients[CLIENTS] = { "x86_64", "aarch64", "mips64el",
					      "s390x" };

static uint8_t messages[BATCH][1024] __attribute__((aligned(64)));
static struct crossfuse_call calls[BATCH];

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void fail(const char *what, uint32_t code, int err)
{
	fprintf(stderr, "%s %u: %s\n", what, code, strerror(-err));
	exit(1);
}

static void put(uint8_t *at, uint32_t value, bool big)
{
	for (unsigned int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * (big ? 3 - i : i));
}

static void start(struct crossfuse_session *session, struct wire_form client,
		  struct wire_form server)
{
	struct crossfuse_config config = { .server = server.abi,
					   .client = client.abi };
	uint8_t init[104] = { 0 }, reply[80] = { 0 };
	struct crossfuse_call call;
	int err;

	put(init, sizeof(init), client.big);
	put(init + 4, CF_INIT, client.big);
	put(init + 40, 7, client.big);
	put(init + 44, 38, client.big);
	put(reply, sizeof(reply), server.big);
	put(reply + 16, 7, server.big);
	put(reply + 20, 38, server.big);
	err = crossfuse_session_init(session, &config);
	if (!err)
		err = crossfuse_session_request(session, &call, init,
						sizeof(init), sizeof(init));
	if (!err)
		err = crossfuse_session_reply(session, &call, reply,
					      sizeof(reply), sizeof(reply));
	if (err)
		fail("INIT", CF_INIT, err);
}

static void fill(const struct wire_bytes *from)
{
	for (size_t i = 0; i < BATCH; i++)
		memcpy(messages[i], from->at, from->head);
}

static double time_copy(const struct wire_bytes *from, long rounds)
{
	double best = 1e9;

	while (rounds--) {
		double begin = now();
		double took;

		for (size_t i = 0; i < BATCH; i++) {
			memcpy(messages[i], from->at, from->head);
			__asm__ volatile("" : : "r"(messages[i]) : "memory");
		}
		took = (now() - begin) / BATCH;
		if (took < best)
			best = took;
	}
	return best;
}

static double time_request(struct crossfuse_session *session,
			   const struct wire_bytes *from, long rounds)
{
	double best = 1e9;

	while (rounds--) {
		double begin, took;
		int err = 0;

		fill(from);
		begin = now();
		for (size_t i = 0; i < BATCH; i++)
			err |= crossfuse_session_request(session, &calls[i],
							 messages[i],
							 from->head, from->len);
		took = (now() - begin) / BATCH;
		if (err)
			fail("request", calls[0].opcode, err);
		if (took < best)
			best = took;
	}
	return best;
}

static double time_reply(struct crossfuse_session *session,
			 const struct wire_bytes *from, long rounds)
{
	double best = 1e9;

	while (rounds--) {
		double begin, took;
		int err = 0;

		fill(from);
		begin = now();
		for (size_t i = 0; i < BATCH; i++)
			err |= crossfuse_session_reply(session, &calls[i],
						       messages[i], from->head,
						       from->len);
		took = (now() - begin) / BATCH;
		if (err)
			fail("reply", calls[0].opcode, err);
		if (took < best)
			best = took;
	}
	return best;
}

static void print_row(const char *what, uint32_t code,
		      const struct wire_bytes *b, const double times[CLIENTS],
		      double copy)
{
	printf("%-8s %-19s %5zu", what, crossfuse_opcode(code)->name, b->head);
	for (size_t i = 0; i < CLIENTS; i++)
		printf(" %9.1f", times[i]);
	printf(" %9.1f\n", copy);
}

static void measure_request(const struct wire_text *text, long rounds)
{
	struct wire_form server = { crossfuse_abi_by_name("x86_64"), false };
	struct crossfuse_session session;
	double times[CLIENTS];
	struct wire_bytes b;

	for (size_t i = 0; i < CLIENTS; i++) {
		struct wire_form client = { crossfuse_abi_by_name(clients[i]),
					    false };

		client.big = crossfuse_abi_big_endian(client.abi);
		start(&session, client, server);
		wire_request(&b, text, client);
		times[i] = time_request(&session, &b, rounds);
	}
	print_row("request", text->code, &b, times, time_copy(&b, rounds));
}

/* What a reply answers: the request that it names, or the first of its kind. */
static struct wire_text question(const struct wire_text *reply)
{
	struct wire_text text = { .code = reply->code };

	for (size_t i = 0; !text.body; i++)
		if (wire_requests[i].code == reply->code)
			text = wire_requests[i];
	if (reply->request)
		text.body = reply->request;
	return text;
}

static void measure_reply(const struct wire_text *text, long rounds)
{
	struct wire_form server = { crossfuse_abi_by_name("x86_64"), false };
	struct wire_text request = question(text);
	struct crossfuse_session session;
	double times[CLIENTS];
	struct wire_bytes b;

	for (size_t i = 0; i < CLIENTS; i++) {
		struct wire_form client = { crossfuse_abi_by_name(clients[i]),
					    false };

		client.big = crossfuse_abi_big_endian(client.abi);
		start(&session, client, server);
		wire_request(&b, &request, client);
		time_request(&session, &b, 1);
		wire_reply(&b, text, server, 0, WIRE_UNIQUE);
		times[i] = time_reply(&session, &b, rounds);
	}
	print_row("reply", text->code, &b, times, time_copy(&b, rounds));
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;

	if (rounds < 1) {
		fprintf(stderr, "usage: translate [ROUNDS]\n");
		return 1;
	}
	printf("%-8s %-19s %5s", "", "ns per message", "bytes");
	for (size_t i = 0; i < CLIENTS; i++)
		printf(" %9s", clients[i]);
	printf(" %9s\n", "memcpy");
	for (size_t i = 0; i < WIRE_COUNT(wire_requests); i++)
		if (!wire_requests[i].long_setxattr)
			measure_request(&wire_requests[i], rounds);
	for (size_t i = 0; i < WIRE_COUNT(wire_replies); i++)
		measure_reply(&wire_replies[i], rounds);
	return 0;
}
