// SPDX-License-Identifier: BSD-2-Clause
/* What a relay records, read back by the offsets that docs/trace.md gives. */
#include "../../src/log.h"
#include "../../src/options.h"
#include "../../src/port/port.h"
#include "../../src/relay.h"
#include "../../src/trace.h"
#include "check.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[] = "/tmp/crossfuse-trace.XXXXXX";

/* The server answers READ with 8 bytes, BMAP badly, and all else with an error. */
static int server_submit(struct server *server, struct call *call)
{
	(void)server;
	switch (call->state.opcode) {
	case CF_INIT: {
		struct cf_init_out *out = call_reserve(call, sizeof(*out));

		memset(out, 0, sizeof(*out));
		out->major = CF_KERNEL_VERSION;
		out->minor = 36;
		call_reply(call, sizeof(*out));
		break;
	}
	case CF_READ:
		memcpy(call->room->iov_base, "received", 8);
		call_reply_data(call, 8);
		break;
	case CF_BMAP:
		call_reserve(call, 3);
		call_reply(call, 3);
		break;
	case CF_FORGET:
		call_done(call);
		break;
	default:
		call_reply_error(call, -ENOTEMPTY);
	}
	return 0;
}

static void server_reset(struct server *server)
{
	(void)server;
}

static const struct server_ops server_ops = {
	.submit = server_submit,
	.reset = server_reset,
	.detach = server_reset,
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

static void complete(struct call *call)
{
	(void)call;
}

static const struct call_ops call_ops = { .complete = complete };

struct test_call {
	struct call call;
	uint64_t head[32];
	uint64_t out[64];
	char data[8];
	char room[8];
	struct iovec data_vec, room_vec;
};

/* Headers are in the other byte order. */
static bool other_order;

static void turn_round(struct cf_in_header *header)
{
	header->len = __builtin_bswap32(header->len);
	header->opcode = __builtin_bswap32(header->opcode);
	header->unique = __builtin_bswap64(header->unique);
	header->nodeid = __builtin_bswap64(header->nodeid);
}

/* BODY is as the client has it. */
static void submit(struct relay *relay, uint32_t opcode, uint64_t unique,
		   const void *body, size_t body_len, size_t data_len)
{
	struct test_call test = {
		.data = { 's', 'e', 'n', 't', ' ', 'o', 'u', 't' },
	};
	struct cf_in_header header = {
		.len = (uint32_t)(sizeof(header) + body_len + data_len),
		.opcode = opcode,
		.unique = unique,
		.nodeid = 1,
	};

	test.data_vec = (struct iovec){ test.data, sizeof(test.data) };
	test.room_vec = (struct iovec){ test.room, sizeof(test.room) };
	if (other_order)
		turn_round(&header);
	memcpy(test.head, &header, sizeof(header));
	if (body_len)
		memcpy((char *)test.head + sizeof(header), body, body_len);
	test.call = (struct call){
		.ops = &call_ops,
		.head = test.head,
		.head_len = sizeof(header) + body_len,
		.data = &test.data_vec,
		.data_count = data_len ? 1 : 0,
		.data_len = data_len,
		.out = test.out,
		.out_size = sizeof(test.out),
		.room = &test.room_vec,
		.room_count = 1,
		.room_len = sizeof(test.room),
	};
	relay_submit(relay, &test.call);
}

/* The file, and where the next record is. */
static uint8_t file[16 << 20];
static size_t file_len, file_at;

static uint64_t number(size_t offset, size_t width)
{
	uint64_t value8;
	uint32_t value4;
	uint16_t value2;

	switch (width) {
	case 8:
		memcpy(&value8, file + offset, 8);
		return value8;
	case 4:
		memcpy(&value4, file + offset, 4);
		return value4;
	case 2:
		memcpy(&value2, file + offset, 2);
		return value2;
	default:
		return file[offset];
	}
}

static void load(void)
{
	FILE *stream = fopen(path, "rb");

	CHECK(stream != NULL);
	file_len = fread(file, 1, sizeof(file), stream);
	fclose(stream);
	CHECK(file_len > 96 && file_len < sizeof(file));
	CHECK(memcmp(file, "CFTRACE\n", 8) == 0);
	CHECK_EQ(number(8, 4), 0x01020304);
	CHECK_EQ(number(12, 2), 1);
	CHECK_EQ(number(14, 2), 96);
	CHECK(number(24, 8) > 1000000000000000000u);
	CHECK(strcmp((char *)file + 32,
		     crossfuse_abi_name(crossfuse_abi_native())) == 0);
	file_at = 96;
}

/* Offset of the next record, after a look at all that every one has. */
static size_t next_record(void)
{
	size_t at = file_at;
	size_t len;

	if (!CHECK(at + 32 <= file_len))
		exit(check_result());
	len = number(at, 4);
	CHECK_EQ(len, (32 + number(at + 28, 4) + 7) / 8 * 8);
	CHECK_EQ(number(at + 7, 1), 0);
	if (!CHECK(len <= file_len - at))
		exit(check_result());
	file_at += len;
	return at;
}

static size_t want_message(unsigned int type, unsigned int side,
			   unsigned int flags, uint32_t opcode, uint32_t length,
			   uint32_t captured)
{
	size_t at = next_record();

	CHECK_EQ(number(at + 4, 1), type);
	CHECK_EQ(number(at + 5, 1), side);
	CHECK_EQ(number(at + 6, 1), flags);
	CHECK_EQ(number(at + 16, 4), opcode);
	CHECK_EQ(number(at + 24, 4), length);
	CHECK_EQ(number(at + 28, 4), captured);
	return at + 32;
}

static void want_abi(const char *name)
{
	size_t at = next_record();

	CHECK_EQ(number(at + 4, 1), 4);
	CHECK_EQ(number(at + 5, 1), 0);
	CHECK_EQ(number(at + 28, 4), strlen(name));
	CHECK(memcmp(file + at + 32, name, strlen(name)) == 0);
}

static struct server_port port = { .ops = &port_ops };

static struct trace *start(struct relay *relay, const char *client, bool data)
{
	struct options options = {
		.client_abi = crossfuse_abi_by_name(client),
	};
	struct cf_init_in init = { .major = CF_KERNEL_VERSION,
				   .minor = 36,
				   .flags = CF_INIT_EXT };
	struct trace *trace;

	CHECK_EQ(relay_init(relay, NULL, &port, &options, NULL), 0);
	CHECK_EQ(trace_open(path, data, &trace), 0);
	CHECK_EQ(trace_start(trace, relay->config.server), 0);
	relay->trace = trace;
	submit(relay, CF_INIT, 2, &init, sizeof(init), 0);
	return trace;
}

static void stop(struct relay *relay, struct trace *trace)
{
	trace_close(trace);
	relay_destroy(relay);
	load();
}

static void skip_init(const char *client)
{
	want_abi(client);
	want_message(1, 0, 0, CF_INIT, 104, 104);
	want_message(1, 1, 0, CF_INIT, 104, 104);
	want_message(2, 1, 0, CF_INIT, 80, 80);
	want_message(2, 0, 0, CF_INIT, 80, 80);
}

/* An ABI whose O_DIRECTORY is not this machine's, in its byte order. */
static const char *foreign(void)
{
	bool big = crossfuse_abi_big_endian(crossfuse_abi_native());

	return big ? "parisc" : "alpha";
}

static void test_forms(void)
{
	const char *name = foreign();
	const struct crossfuse_abi *abi = crossfuse_abi_by_name(name);
	const struct crossfuse_abi *native = crossfuse_abi_native();
	/* O_DIRECTORY: parisc 0x1000, alpha 0x8000 */
	struct cf_open_in open = { .flags = strcmp(name, "parisc") ? 0x8000
								   : 0x1000 };
	uint32_t here = crossfuse_open_flags(abi, native, open.flags, NULL);
	static struct relay relay;
	struct trace *trace = start(&relay, name, false);
	size_t at;

	submit(&relay, CF_OPEN, 4, &open, sizeof(open), 0);
	submit(&relay, CF_LOOKUP, 6, "name", 4, 0);
	submit(&relay, CF_FORGET, 8, "12345678", 8, 0);
	submit(&relay, CF_BMAP, 10, "1234567890123456", 16, 0);
	stop(&relay, trace);

	skip_init(name);
	CHECK(here != open.flags);
	at = want_message(1, 0, 0, CF_OPEN, 48, 48);
	CHECK_EQ(number(at + 40, 4), open.flags);
	at = want_message(1, 1, 0, CF_OPEN, 48, 48);
	CHECK_EQ(number(at + 40, 4), here);
	at = want_message(2, 1, 0, CF_OPEN, 16, 16);
	CHECK_EQ((int32_t)number(at + 4, 4), -ENOTEMPTY);
	at = want_message(2, 0, 0, CF_OPEN, 16, 16);
	CHECK_EQ((int32_t)number(at + 4, 4),
		 -crossfuse_errno(native, abi, ENOTEMPTY, NULL));
	/* A name that does not end is refused, and never gets to the server. */
	at = want_message(1, 0, 2, CF_LOOKUP, 44, 44);
	CHECK_EQ(number(at - 12, 4), EBADMSG);
	want_message(2, 0, 4, CF_LOOKUP, 16, 16);
	want_message(1, 0, 0, CF_FORGET, 48, 48);
	want_message(1, 1, 0, CF_FORGET, 48, 48);
	want_message(1, 0, 0, CF_BMAP, 56, 56);
	want_message(1, 1, 0, CF_BMAP, 56, 56);
	/* So is a reply that is too short. */
	want_message(2, 1, 2, CF_BMAP, 19, 19);
	want_message(2, 0, 4, CF_BMAP, 16, 16);
	CHECK_EQ(file_at, file_len);
}

static void test_data(bool with_data)
{
	uint32_t data = with_data ? 8 : 0;
	struct cf_write_in write = { .size = 8 };
	struct cf_read_in read = { .size = 8 };
	static struct relay relay;
	struct trace *trace = start(&relay, foreign(), with_data);
	size_t at;

	submit(&relay, CF_WRITE, 4, &write, sizeof(write), 8);
	submit(&relay, CF_READ, 6, &read, sizeof(read), 0);
	relay_reset(&relay);
	stop(&relay, trace);
	CHECK_EQ(number(16, 4), with_data);
	skip_init(foreign());
	at = want_message(1, 0, 0, CF_WRITE, 88, 80 + data);
	if (with_data)
		CHECK(memcmp(file + at + 80, "sent out", 8) == 0);
	want_message(1, 1, 0, CF_WRITE, 88, 80);
	want_message(2, 1, 0, CF_WRITE, 16, 16);
	want_message(2, 0, 0, CF_WRITE, 16, 16);
	want_message(1, 0, 0, CF_READ, 80, 80);
	want_message(1, 1, 0, CF_READ, 80, 80);
	want_message(2, 1, 0, CF_READ, 24, 16);
	at = want_message(2, 0, 0, CF_READ, 24, 16 + data);
	if (with_data)
		CHECK(memcmp(file + at + 16, "received", 8) == 0);
	want_message(5, 0, 0, 0, 0, 0);
	CHECK_EQ(file_at, file_len);
	/* What the user did not ask for is nowhere in the file. */
	if (!with_data)
		CHECK(!memmem(file, file_len, "sent out", 8) &&
		      !memmem(file, file_len, "received", 8));
}

/* A client of the other byte order is marked as such, and the server not. */
static void test_order(void)
{
	bool big = crossfuse_abi_big_endian(crossfuse_abi_native());
	uint32_t init[16] = { __builtin_bswap32(7), __builtin_bswap32(31) };
	const char *name = big ? "x86_64" : "s390x";
	struct options options = {
		.client_abi = crossfuse_abi_by_name(name),
	};
	static struct relay relay;
	struct trace *trace;

	CHECK_EQ(relay_init(&relay, NULL, &port, &options, NULL), 0);
	CHECK_EQ(trace_open(path, false, &trace), 0);
	CHECK_EQ(trace_start(trace, relay.config.server), 0);
	relay.trace = trace;
	other_order = true;
	submit(&relay, CF_INIT, 2, init, sizeof(init), 0);
	submit(&relay, CF_STATFS, 4, NULL, 0, 0);
	other_order = false;
	stop(&relay, trace);
	want_abi(name);
	want_message(1, 0, 1, CF_INIT, 104, 104);
	want_message(1, 1, 0, CF_INIT, 104, 104);
	want_message(2, 1, 0, CF_INIT, 80, 80);
	want_message(2, 0, 1, CF_INIT, 80, 80);
	want_message(1, 0, 1, CF_STATFS, 40, 40);
	want_message(1, 1, 0, CF_STATFS, 40, 40);
	want_message(2, 1, 0, CF_STATFS, 16, 16);
	want_message(2, 0, 1, CF_STATFS, 16, 16);
	CHECK_EQ(file_at, file_len);
}

/* What the next open() will return. */
static int next_fd(void)
{
	int fd = dup(STDIN_FILENO);

	close(fd);
	return fd;
}

enum {
	THREADS = 4,
	ROUNDS = 10000
};

static void *hammer(void *argument)
{
	for (unsigned int i = 0; i < ROUNDS; i++)
		submit(argument, CF_GETATTR, 100 + i, "1234567890123456", 16,
		       0);
	return NULL;
}

/* A disk that is stalled at first, so that the buffers fill up. */
static void *read_late(void *argument)
{
	int *pipe_fd = argument;
	ssize_t len;

	usleep(300 * 1000);
	file_len = 0;
	while ((len = read(*pipe_fd, file + file_len,
			   sizeof(file) - file_len)) > 0)
		file_len += (size_t)len;
	return NULL;
}

static void hammer_with_threads(struct relay *relay)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, hammer, relay);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

/* More than the buffers hold: all of it comes, and no form without the other. */
static void test_threads(void)
{
	struct options options = { 0 };
	static struct relay relay;
	struct trace *trace;
	unsigned int requests = 0;
	pthread_t reader;
	int fds[2], fd;

	fd = next_fd();
	CHECK_EQ(trace_open(path, false, &trace), 0);
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(dup2(fds[1], fd), fd);
	close(fds[1]);
	CHECK_EQ(relay_init(&relay, NULL, &port, &options, NULL), 0);
	CHECK_EQ(trace_start(trace, relay.config.server), 0);
	relay.trace = trace;
	pthread_create(&reader, NULL, read_late, &fds[0]);
	hammer_with_threads(&relay);
	trace_close(trace);
	pthread_join(reader, NULL);
	close(fds[0]);
	relay_destroy(&relay);
	file_at = 96;
	while (file_at < file_len) {
		size_t first = next_record();
		size_t second = next_record();

		CHECK_EQ(number(first + 4, 1), number(second + 4, 1));
		CHECK_EQ(number(first + 8, 8), number(second + 8, 8));
		CHECK_EQ(number(first + 5, 1), !number(second + 5, 1));
		requests += number(first + 4, 1) == 1;
	}
	CHECK_EQ(requests, THREADS * ROUNDS);
}

/* Who may read it, and which files are not overwritten. */
static void test_file(void)
{
	char other[sizeof(path) + 8];
	struct trace *trace;
	struct stat stat_now;
	int fd;

	CHECK_EQ(chmod(path, 0644), 0);
	CHECK_EQ(trace_open(path, false, &trace), 0);
	trace_close(trace);
	CHECK_EQ(stat(path, &stat_now), 0);
	CHECK_EQ(stat_now.st_mode & 0777, 0600);
	CHECK_EQ(stat_now.st_size, 0);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(trace_open(path, false, &trace), 0);
	trace_close(trace);
	CHECK_EQ(stat(path, &stat_now), 0);
	CHECK_EQ(stat_now.st_mode & 0777, 0600);

	snprintf(other, sizeof(other), "%s.link", path);
	CHECK_EQ(symlink(path, other), 0);
	CHECK(trace_open(other, false, &trace) < 0);
	unlink(other);
	CHECK_EQ(mkfifo(other, 0600), 0);
	CHECK(trace_open(other, false, &trace) < 0);
	fd = open(other, O_RDWR);
	CHECK_EQ(trace_open(other, false, &trace), -EEXIST);
	close(fd);
	unlink(other);
	CHECK_EQ(trace_open("/nonexistent/trace", false, &trace), -ENOENT);
	trace_close(NULL);
}

/* A full disk ends the trace, not the service; that is said once. */
static void test_full(void)
{
	static struct relay relay;
	struct options options = { 0 };
	int fd = next_fd(), full, old, log;
	struct trace *trace;
	char text[4096];
	ssize_t len;

	CHECK_EQ(trace_open(path, false, &trace), 0);
	full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	CHECK(full >= 0);
	CHECK_EQ(dup2(full, fd), fd);
	close(full);
	log = open(path, O_RDWR | O_TRUNC);
	old = dup(STDERR_FILENO);
	dup2(log, STDERR_FILENO);
	log_level = LOG_LEVEL_ERROR;
	CHECK_EQ(relay_init(&relay, NULL, &port, &options, NULL), 0);
	CHECK_EQ(trace_start(trace, relay.config.server), 0);
	relay.trace = trace;
	hammer_with_threads(&relay);
	trace_close(trace);
	relay_destroy(&relay);
	log_level = LOG_LEVEL_OFF;
	dup2(old, STDERR_FILENO);
	close(old);
	len = pread(log, text, sizeof(text) - 1, 0);
	close(log);
	if (!CHECK(len > 0))
		return;
	text[len] = '\0';
	CHECK(strstr(text, "No space left") != NULL);
	CHECK(strchr(text, '\n') == text + len - 1);
}

int main(void)
{
	int fd = mkstemp(path);

	log_level = LOG_LEVEL_OFF;
	CHECK(fd >= 0);
	close(fd);
	test_file();
	test_forms();
	test_data(false);
	test_data(true);
	test_order();
	test_threads();
	test_full();
	unlink(path);
	return check_result();
}
