// SPDX-License-Identifier: BSD-2-Clause
#include "trace.h"
#include "log.h"
#include "thread.h"
#include "trace_format.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	/* Room for both forms of one message. */
	BUFFER_SIZE = 4 << 20,
	BUFFER_HALF = BUFFER_SIZE / 2,
	/* How long a record may wait for others to be written with. */
	GATHER_NSEC = 50 * 1000 * 1000,
	/* Longer messages than this are copied to the heap meanwhile. */
	COPY_ROOM = 4096,
	WRITE_HEAD = sizeof(struct cf_in_header) + sizeof(struct cf_write_in),
};

static_assert(2 * (TRACE_CAPTURE_MAX + 2 * sizeof(struct trace_record) +
		   TRACE_NAME) <
		      BUFFER_SIZE,
	      "the buffer holds both forms of one message");

struct trace {
	int fd;
	bool with_data;
	bool started;
	uint64_t start; /* CLOCK_MONOTONIC, ns */
	pthread_t writer;
	atomic_bool failed; /* nothing more is recorded */

	pthread_mutex_t lock; /* for all below */
	pthread_cond_t filled;
	pthread_cond_t drained;
	bool ending;
	const struct crossfuse_abi *client; /* as recorded last */
	uint8_t *filling;
	size_t fill;
	uint8_t *writing; /* the writer's own */
};

/* One form of a message, as it is put into the file. */
struct form {
	const void *head;
	size_t head_len;
	const struct iovec *data; /* NULL: not to be recorded */
	unsigned int data_count;
	size_t data_len;
};

/* What a form was before it was translated in place. */
struct copy {
	void *at;
	size_t len;
	uint64_t room[COPY_ROOM / sizeof(uint64_t)];
};

static uint64_t now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int tell_open(const char *path, int error)
{
	const char *remedy = "give another file";

	if (error == ENOENT || error == ENOTDIR)
		remedy = "create its directory, or give another file";
	else if (error == EACCES || error == EPERM || error == EROFS)
		remedy = "give a file that this user may write";
	log_error("--trace: cannot write to %s: %s: %s", path, strerror(error),
		  remedy);
	return -error;
}

/* Takes over a file that exists, if it is one of this user. */
static int take_file(const char *path, int *ret_fd)
{
	struct stat stat;
	/* O_NONBLOCK: a pipe that nobody reads must not hold up the start. */
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY |
				    O_NONBLOCK);
	int error;

	if (fd < 0)
		return tell_open(path, errno);
	if (fstat(fd, &stat) < 0)
		goto fail;
	if (!S_ISREG(stat.st_mode) || stat.st_uid != geteuid()) {
		log_error("--trace: %s exists and is not a file of this user: "
			  "give another name",
			  path);
		close(fd);
		return -EEXIST;
	}
	/* In this order: nobody else may see what is written from here on. */
	if (fchmod(fd, 0600) < 0 || ftruncate(fd, 0) < 0)
		goto fail;
	*ret_fd = fd;
	return 0;
fail:
	error = errno;
	close(fd);
	return tell_open(path, error);
}

static int open_file(const char *path, int *ret_fd)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno == EEXIST ? take_file(path, ret_fd)
				       : tell_open(path, errno);
	*ret_fd = fd;
	return 0;
}

static void init_locks(struct trace *trace)
{
	pthread_mutex_init(&trace->lock, NULL);
	thread_cond_init(&trace->filled);
	pthread_cond_init(&trace->drained, NULL);
}

static int make_buffers(struct trace *trace)
{
	trace->filling = malloc(BUFFER_SIZE);
	trace->writing = malloc(BUFFER_SIZE);
	if (trace->filling && trace->writing)
		return 0;
	free(trace->filling);
	free(trace->writing);
	trace->filling = trace->writing = NULL;
	return -ENOMEM;
}

int trace_new(int fd, bool with_data, struct trace **ret_trace)
{
	struct trace *trace = calloc(1, sizeof(*trace));
	int ret = trace ? make_buffers(trace) : -ENOMEM;

	if (ret < 0) {
		free(trace);
		return ret;
	}
	trace->fd = fd;
	trace->with_data = with_data;
	init_locks(trace);
	*ret_trace = trace;
	return 0;
}

int trace_renew(struct trace *trace, int fd, bool with_data)
{
	int ret;

	pthread_mutex_lock(&trace->lock);
	ret = make_buffers(trace);
	if (ret == 0) {
		trace->fd = fd;
		trace->with_data = with_data;
		trace->client = NULL;
		trace->fill = 0;
		trace->ending = false;
		atomic_store(&trace->failed, false);
	}
	pthread_mutex_unlock(&trace->lock);
	return ret;
}

int trace_open(const char *path, bool with_data, struct trace **ret_trace)
{
	int fd = -1, ret;

	ret = open_file(path, &fd);
	if (ret < 0)
		return ret;
	ret = trace_new(fd, with_data, ret_trace);
	if (ret < 0) {
		close(fd);
		log_error("--trace: no memory for its buffers: leave it out");
	}
	return ret;
}

static void write_out(struct trace *trace, size_t len)
{
	const uint8_t *at = trace->writing;

	while (len && !atomic_load(&trace->failed)) {
		ssize_t done = write(trace->fd, at, len);

		if (done > 0) {
			at += done;
			len -= (size_t)done;
		} else if (done == 0 || errno != EINTR) {
			log_error("cannot write to the trace: %s: it ends "
				  "here, serving goes on",
				  done ? strerror(errno) : "no room");
			atomic_store(&trace->failed, true);
		}
	}
}

/* Waits until there is something, and then a moment for more of it. */
static void gather(struct trace *trace)
{
	uint64_t until;

	while (!trace->fill && !trace->ending)
		pthread_cond_wait(&trace->filled, &trace->lock);
	until = thread_now() + GATHER_NSEC;
	while (trace->fill < BUFFER_HALF && !trace->ending)
		if (!thread_wait(&trace->filled, &trace->lock, until))
			break;
}

static void *writer(void *argument)
{
	struct trace *trace = argument;
	uint8_t *full;
	size_t len;

	do {
		pthread_mutex_lock(&trace->lock);
		gather(trace);
		full = trace->filling;
		trace->filling = trace->writing;
		trace->writing = full;
		len = trace->fill;
		trace->fill = 0;
		pthread_cond_broadcast(&trace->drained);
		pthread_mutex_unlock(&trace->lock);
		write_out(trace, len);
	} while (len);
	return NULL;
}

/* Whether LEN bytes have room now; the lock is held. */
static bool make_room(struct trace *trace, size_t len)
{
	while (trace->fill + len > BUFFER_SIZE && !atomic_load(&trace->failed))
		pthread_cond_wait(&trace->drained, &trace->lock);
	return !atomic_load(&trace->failed);
}

static void put(struct trace *trace, const void *at, size_t len)
{
	bool first = !trace->fill;
	bool before_half = trace->fill < BUFFER_HALF;

	if (!len)
		return;
	memcpy(trace->filling + trace->fill, at, len);
	trace->fill += len;
	if (first || (before_half && trace->fill >= BUFFER_HALF))
		pthread_cond_signal(&trace->filled);
}

static size_t padding_of(size_t len)
{
	return -len % TRACE_ALIGN;
}

/* How much of a form goes into the file. */
static size_t captured_of(const struct form *form)
{
	size_t len = form->head_len + (form->data ? form->data_len : 0);

	return len < TRACE_CAPTURE_MAX ? len : TRACE_CAPTURE_MAX;
}

static size_t record_len(size_t captured)
{
	return sizeof(struct trace_record) + captured + padding_of(captured);
}

static void put_form(struct trace *trace, const struct form *form, size_t len)
{
	size_t part = form->head_len < len ? form->head_len : len;

	put(trace, form->head, part);
	len -= part;
	for (unsigned int i = 0; form->data && i < form->data_count; i++) {
		part = form->data[i].iov_len < len ? form->data[i].iov_len
						   : len;
		put(trace, form->data[i].iov_base, part);
		len -= part;
	}
	/* Lengths that do not agree must not spoil the records behind. */
	while (len--)
		put(trace, "", 1);
}

/* The rest of RECORD is filled in; the lock is held and there is room. */
static void put_record(struct trace *trace, struct trace_record record,
		       const struct form *form)
{
	static const uint8_t zeros[TRACE_ALIGN];
	size_t captured = captured_of(form);

	record.captured = (uint32_t)captured;
	record.record_len = (uint32_t)record_len(captured);
	put(trace, &record, sizeof(record));
	put_form(trace, form, captured);
	put(trace, zeros, padding_of(captured));
}

/* Both messages begin with their length. */
static uint8_t order_flag(const struct form *form, size_t length)
{
	uint32_t len;

	memcpy(&len, form->head, sizeof(len));
	return len != length && __builtin_bswap32(len) == length ? TRACE_SWAPPED
								 : 0;
}

static void put_message(struct trace *trace, struct trace_record record,
			const struct form *form)
{
	size_t length = form->head_len + form->data_len;

	record.length = length < UINT32_MAX ? (uint32_t)length : UINT32_MAX;
	if (form->head_len >= sizeof(uint32_t))
		record.flags |= order_flag(form, length);
	put_record(trace, record, form);
}

/* Tells the file what the client is taken for from here on. */
static void put_client(struct trace *trace, uint64_t time,
		       const struct crossfuse_session *session)
{
	const struct crossfuse_abi *abi =
		crossfuse_session_client(session, NULL);
	struct trace_record record = { .type = TRACE_ABI,
				       .side = TRACE_CLIENT,
				       .time = time };
	const char *name = abi ? crossfuse_abi_name(abi) : "";
	struct form form = { .head = name,
			     .head_len = strnlen(name, TRACE_NAME) };

	if (abi == trace->client)
		return;
	trace->client = abi;
	record.length = (uint32_t)form.head_len;
	put_record(trace, record, &form);
}

/* FIRST and SECOND, which may be NULL, one right behind the other. */
static void record_forms(struct trace *trace,
			 const struct crossfuse_session *session,
			 struct trace_record record, const struct form *first,
			 const struct form *second)
{
	size_t need = record_len(captured_of(first)) + record_len(TRACE_NAME);

	if (second)
		need += record_len(captured_of(second));
	pthread_mutex_lock(&trace->lock);
	if (make_room(trace, need)) {
		put_client(trace, record.time, session);
		put_message(trace, record, first);
		record.side = !record.side;
		if (second)
			put_message(trace, record, second);
	}
	pthread_mutex_unlock(&trace->lock);
}

static void copy_take(struct copy *copy, const void *at, size_t len)
{
	copy->at = len > sizeof(copy->room) ? malloc(len) : copy->room;
	copy->len = len;
	if (!copy->at) {
		copy->at = copy->room;
		copy->len = sizeof(copy->room);
	}
	memcpy(copy->at, at, copy->len);
}

static void copy_free(struct copy *copy)
{
	if (copy->at != copy->room)
		free(copy->at);
}

/*
 * A form of LEN bytes with DATA_LEN more in the client's memory, of which the
 * first KEEP are never a file's bytes. What is not kept is counted as data.
 */
static struct form make_form(const struct copy *copy, size_t len, size_t keep,
			     size_t data_len)
{
	size_t head_len = copy->len < keep ? copy->len : keep;

	return (struct form){
		.head = copy->at,
		.head_len = head_len,
		.data_len = data_len + len - head_len,
	};
}

/* The bytes of a file are the same on both sides: once is enough. */
static void add_data(struct form *form, size_t len, const struct iovec *data,
		     unsigned int count)
{
	if (form->head_len != len || !count)
		return;
	form->data = data;
	form->data_count = count;
}

static size_t request_keep(const struct trace *trace, uint32_t opcode)
{
	if (!trace->with_data &&
	    (opcode == CF_WRITE || opcode == CF_NOTIFY_REPLY))
		return WRITE_HEAD;
	return SIZE_MAX;
}

static size_t reply_keep(const struct trace *trace, uint32_t opcode)
{
	return !trace->with_data && opcode == CF_READ
		       ? sizeof(struct cf_out_header)
		       : SIZE_MAX;
}

static struct form request_form(const struct trace *trace,
				const struct call *call,
				const struct copy *copy)
{
	return make_form(copy, call->head_len,
			 request_keep(trace, call->state.opcode),
			 call->data_len);
}

static struct form reply_form(const struct trace *trace,
			      const struct call *call, const struct copy *copy)
{
	return make_form(copy, call->out_len,
			 reply_keep(trace, call->state.opcode),
			 call->out_data_len);
}

int trace_request(struct trace *trace, struct crossfuse_session *session,
		  struct call *call)
{
	struct copy after = { .at = call->head, .len = call->head_len };
	struct trace_record record = { .type = TRACE_REQUEST,
				       .side = TRACE_CLIENT };
	struct form client, server;
	struct copy before;
	int ret;

	record.time = now(CLOCK_MONOTONIC) - trace->start;
	copy_take(&before, call->head, call->head_len);
	ret = crossfuse_session_request(session, &call->state, call->head,
					call->head_len,
					call->head_len + call->data_len);
	record.opcode = call->state.opcode;
	if (ret < 0) {
		record.flags = TRACE_REFUSED;
		record.error = (uint32_t)-ret;
	}
	client = request_form(trace, call, &before);
	server = request_form(trace, call, &after);
	if (trace->with_data)
		add_data(&client, call->head_len, call->data, call->data_count);
	record_forms(trace, session, record, &client, ret < 0 ? NULL : &server);
	copy_free(&before);
	return ret;
}

int trace_reply(struct trace *trace, struct crossfuse_session *session,
		struct call *call)
{
	struct copy after = { .at = call->out, .len = call->out_len };
	struct trace_record record = { .type = TRACE_REPLY,
				       .side = TRACE_SERVER,
				       .opcode = call->state.opcode };
	struct form server, client;
	struct copy before;
	int ret;

	record.time = now(CLOCK_MONOTONIC) - trace->start;
	copy_take(&before, call->out, call->out_len);
	ret = crossfuse_session_reply(session, &call->state, call->out,
				      call->out_len,
				      call->out_len + call->out_data_len);
	if (ret < 0) {
		record.flags = TRACE_REFUSED;
		record.error = (uint32_t)-ret;
	}
	server = reply_form(trace, call, &before);
	client = reply_form(trace, call, &after);
	if (trace->with_data)
		add_data(&client, call->out_len, call->room, call->room_count);
	record_forms(trace, session, record, &server, ret < 0 ? NULL : &client);
	copy_free(&before);
	return ret;
}

void trace_own_reply(struct trace *trace, struct crossfuse_session *session,
		     const struct call *call)
{
	struct trace_record record = {
		.type = TRACE_REPLY,
		.side = TRACE_CLIENT,
		.flags = TRACE_OWN,
		.time = now(CLOCK_MONOTONIC) - trace->start,
		.opcode = call->state.opcode,
	};
	struct form form = { .head = call->out, .head_len = call->out_len };

	record_forms(trace, session, record, &form, NULL);
}

void trace_reset(struct trace *trace)
{
	struct trace_record record = {
		.type = TRACE_RESET,
		.side = TRACE_CLIENT,
		.time = now(CLOCK_MONOTONIC) - trace->start,
	};
	struct form form = { .head = "" };

	pthread_mutex_lock(&trace->lock);
	if (make_room(trace, record_len(0)))
		put_record(trace, record, &form);
	pthread_mutex_unlock(&trace->lock);
}

static void put_header(struct trace *trace, const struct crossfuse_abi *server)
{
	struct trace_header header = {
		.magic = TRACE_MAGIC,
		.order = TRACE_ORDER,
		.version = TRACE_VERSION,
		.header_len = sizeof(header),
		.flags = trace->with_data ? TRACE_WITH_DATA : 0,
		.start = now(CLOCK_REALTIME),
	};
	const char *machine = crossfuse_abi_name(crossfuse_abi_native());
	const char *name = crossfuse_abi_name(server);

	memcpy(header.machine, machine, strnlen(machine, TRACE_NAME - 1));
	memcpy(header.server, name, strnlen(name, TRACE_NAME - 1));
	pthread_mutex_lock(&trace->lock);
	put(trace, &header, sizeof(header));
	pthread_mutex_unlock(&trace->lock);
}

int trace_start(struct trace *trace, const struct crossfuse_abi *server)
{
	int ret;

	if (trace->started)
		return 0;
	trace->start = now(CLOCK_MONOTONIC);
	put_header(trace, server);
	ret = thread_start(&trace->writer, 0, writer, trace);
	if (ret < 0) {
		log_error("--trace: cannot start a thread: %s: leave it out, "
			  "or allow more",
			  strerror(-ret));
		return ret;
	}
	trace->started = true;
	return 0;
}

void trace_stop(struct trace *trace)
{
	pthread_mutex_lock(&trace->lock);
	trace->ending = true;
	pthread_cond_signal(&trace->filled);
	pthread_mutex_unlock(&trace->lock);
	if (trace->started)
		pthread_join(trace->writer, NULL);
	trace->started = false;
	/* Whoever has a reply to record still finds that nothing is. */
	pthread_mutex_lock(&trace->lock);
	atomic_store(&trace->failed, true);
	pthread_cond_broadcast(&trace->drained);
	free(trace->filling);
	free(trace->writing);
	trace->filling = trace->writing = NULL;
	if (trace->fd >= 0)
		close(trace->fd);
	trace->fd = -1;
	pthread_mutex_unlock(&trace->lock);
}

void trace_close(struct trace *trace)
{
	if (!trace)
		return;
	trace_stop(trace);
	pthread_cond_destroy(&trace->filled);
	pthread_cond_destroy(&trace->drained);
	pthread_mutex_destroy(&trace->lock);
	free(trace);
}
