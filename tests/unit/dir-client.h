/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client of the directory server within the same process: it builds the
 * requests of a FUSE kernel and looks at the replies, without any transport.
 */
#ifndef DIR_CLIENT_H
#define DIR_CLIENT_H

#include "../../src/port/dir/dir.h"
#include "check.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPLY_SIZE (2u << 20)

struct client {
	struct dir_options options;
	struct dir *dir;
	char path[64]; /* the shared directory, for the bare system calls */
	int root;      /* the same, as a descriptor */
};

/* One request under way; any number may be, each with its own. */
struct request {
	struct call call; /* first */
	_Alignas(8) char head[70000];
	size_t head_len;
	struct iovec data, room;
	char *out;
	pthread_mutex_t mutex;
	pthread_cond_t done_cond;
	bool done;
	unsigned int may_block;
	uint32_t uid, gid;
	int error;   /* of the reply, negative */
	size_t len;  /* behind its header */
	char *reply; /* the same bytes */
};

void relay_complete(struct call *call);
void relay_forward(struct call *call);
void relay_fail(struct call *call, int error);
void relay_call_waits(struct call *call);
int relay_reserve(struct call *call, size_t size);

static inline void client_complete(struct call *call)
{
	struct request *request = (struct request *)call;
	const struct cf_out_header *header = call->out;

	pthread_mutex_lock(&request->mutex);
	request->out = call->out;
	request->reply = call_out_arg(call);
	request->error = 0;
	request->len = 0;
	if (call->out_len) {
		request->error = header->error;
		request->len =
			call->out_len - sizeof(*header) + call->out_data_len;
		/* No CHECK(): any thread may be here. */
		if (header->len != call->out_len + call->out_data_len ||
		    header->unique != call->state.unique)
			abort();
	}
	if (request->done)
		abort();
	request->done = true;
	pthread_cond_signal(&request->done_cond);
	pthread_mutex_unlock(&request->mutex);
}

static inline void client_may_block(struct call *call)
{
	if (((struct request *)call)->may_block++)
		abort(); /* once is all that is allowed */
}

int relay_reserve(struct call *call, size_t size)
{
	char *out = realloc(call->out, size);

	if (!out)
		return -ENOMEM;
	call->out = out;
	call->out_size = size;
	return 0;
}

static const struct call_ops client_ops = {
	.complete = client_complete,
	.may_block = client_may_block,
};

/* In place of the relay: no translation. */
void relay_complete(struct call *call)
{
	call->ops->complete(call);
}

/* The directory makes its own replies. */
void relay_forward(struct call *call)
{
	(void)call;
	abort();
}

void relay_fail(struct call *call, int error)
{
	(void)call;
	(void)error;
	abort();
}

void relay_call_waits(struct call *call)
{
	(void)call;
}

static inline struct request *request_new(uint32_t opcode, uint64_t nodeid)
{
	static _Atomic uint64_t unique = 2;
	struct request *request = calloc(1, sizeof(*request));
	struct cf_in_header *in;

	if (!request)
		abort();
	in = (struct cf_in_header *)(void *)request->head;
	in->opcode = opcode;
	in->unique = unique;
	unique += 2;
	in->nodeid = nodeid;
	in->pid = (uint32_t)getpid();
	request->head_len = sizeof(*in);
	request->out = calloc(1, 256);
	pthread_mutex_init(&request->mutex, NULL);
	pthread_cond_init(&request->done_cond, NULL);
	request->call = (struct call){
		.ops = &client_ops,
		.head = request->head,
		.out = request->out,
		.out_size = 256,
		.room_len = REPLY_SIZE,
	};
	request->call.state.unique = in->unique;
	request->call.state.opcode = opcode;
	return request;
}

static inline struct cf_in_header *request_in(struct request *request)
{
	return (struct cf_in_header *)(void *)request->head;
}

static inline void request_add(struct request *request, const void *bytes,
			       size_t len)
{
	if (request->head_len + len > sizeof(request->head))
		abort();
	memcpy(request->head + request->head_len, bytes, len);
	request->head_len += len;
}

static inline void request_name(struct request *request, const char *name)
{
	request_add(request, name, strlen(name) + 1);
}

/* Where READ and WRITE find the file's bytes. */
static inline void request_data(struct request *request, void *data, size_t len)
{
	request->data = (struct iovec){ data, len };
	request->call.data = &request->data;
	request->call.data_count = 1;
	request->call.data_len = len;
}

static inline void request_room(struct request *request, void *room, size_t len)
{
	request->room = (struct iovec){ room, len };
	request->call.room = &request->room;
	request->call.room_count = 1;
	request->call.room_len = len;
}

static inline void request_send(struct client *client, struct request *request)
{
	struct cf_in_header *in = request_in(request);

	request->call.head_len = request->head_len;
	in->len = (uint32_t)(request->head_len + request->call.data_len);
	in->uid = request->uid;
	in->gid = request->gid;
	dir_submit(client->dir, &request->call);
}

static inline int request_wait(struct request *request)
{
	pthread_mutex_lock(&request->mutex);
	while (!request->done)
		pthread_cond_wait(&request->done_cond, &request->mutex);
	pthread_mutex_unlock(&request->mutex);
	return request->error;
}

static inline bool request_is_done(struct request *request)
{
	bool done;

	pthread_mutex_lock(&request->mutex);
	done = request->done;
	pthread_mutex_unlock(&request->mutex);
	return done;
}

/* Sends it and waits for the answer; its error. */
static inline int request_run(struct client *client, struct request *request)
{
	request_send(client, request);
	return request_wait(request);
}

static inline void request_free(struct request *request)
{
	free(request->out);
	pthread_mutex_destroy(&request->mutex);
	pthread_cond_destroy(&request->done_cond);
	free(request);
}

/*
 * One request with a fixed part (that of GETATTR may be left out: no handle)
 * and up to two names; the reply is copied to
 * REPLY, REPLY_LEN bytes at most. The error, or the length of the reply.
 */
static inline int ask_as(struct client *client, uint32_t uid, uint32_t gid,
			 uint32_t opcode, uint64_t nodeid, const void *arg,
			 size_t arg_len, const char *name, const char *name2,
			 void *reply, size_t reply_len)
{
	static const struct cf_getattr_in getattr;
	struct request *request = request_new(opcode, nodeid);
	int ret;

	request->uid = uid;
	request->gid = gid;
	if (opcode == CF_GETATTR && !arg_len)
		request_add(request, &getattr, sizeof(getattr));
	if (arg_len)
		request_add(request, arg, arg_len);
	if (name)
		request_name(request, name);
	if (name2)
		request_name(request, name2);
	ret = request_run(client, request);
	if (ret == 0) {
		ret = (int)request->len;
		if (reply_len > request->len)
			reply_len = request->len;
		if (reply_len)
			memcpy(reply, request->reply, reply_len);
	}
	request_free(request);
	return ret;
}

static inline int ask(struct client *client, uint32_t opcode, uint64_t nodeid,
		      const void *arg, size_t arg_len, const char *name,
		      void *reply, size_t reply_len)
{
	return ask_as(client, geteuid(), getegid(), opcode, nodeid, arg,
		      arg_len, name, NULL, reply, reply_len);
}

static inline int ask_lookup(struct client *client, uint64_t parent,
			     const char *name, struct cf_entry_out *ret)
{
	struct cf_entry_out entry = { 0 };
	int error = ask(client, CF_LOOKUP, parent, NULL, 0, name, &entry,
			sizeof(entry));

	if (error > 0)
		*ret = entry;
	return error < 0 ? error : 0;
}

static inline uint64_t nodeid_of(struct client *client, const char *name)
{
	struct cf_entry_out entry = { 0 };

	CHECK_EQ(ask_lookup(client, CF_ROOT_ID, name, &entry), 0);
	return entry.nodeid;
}

static inline int ask_open(struct client *client, uint64_t nodeid, int flags,
			   uint64_t *ret_fh)
{
	struct cf_open_in in = { .flags = (uint32_t)flags };
	struct cf_open_out out;
	int error = ask(client, flags & O_DIRECTORY ? CF_OPENDIR : CF_OPEN,
			nodeid, &in, sizeof(in), NULL, &out, sizeof(out));

	if (error > 0)
		*ret_fh = out.fh;
	return error < 0 ? error : 0;
}

static inline int ask_release(struct client *client, uint64_t nodeid,
			      uint64_t fh, uint64_t owner)
{
	struct cf_release_in in = { .fh = fh, .lock_owner = owner };

	return ask(client, CF_RELEASE, nodeid, &in, sizeof(in), NULL, NULL, 0);
}

/* Bytes read or -errno. */
static inline ssize_t ask_read(struct client *client, uint64_t fh, void *buf,
			       size_t len, uint64_t offset)
{
	struct cf_read_in in = { .fh = fh,
				 .offset = offset,
				 .size = (uint32_t)len };
	struct request *request = request_new(CF_READ, CF_ROOT_ID);
	ssize_t ret;

	request_add(request, &in, sizeof(in));
	request_room(request, buf, len);
	ret = request_run(client, request);
	if (ret == 0)
		ret = (ssize_t)request->len;
	request_free(request);
	return ret;
}

static inline ssize_t ask_write_as(struct client *client, uint32_t uid,
				   uint64_t fh, const void *buf, size_t len,
				   uint64_t offset, int flags,
				   uint32_t write_flags)
{
	struct cf_write_in in = { .fh = fh,
				  .offset = offset,
				  .size = (uint32_t)len,
				  .flags = (uint32_t)flags,
				  .write_flags = write_flags };
	struct request *request = request_new(CF_WRITE, CF_ROOT_ID);
	ssize_t ret;

	request->uid = uid;
	request_add(request, &in, sizeof(in));
	request_data(request, (void *)(uintptr_t)buf, len);
	ret = request_run(client, request);
	if (ret == 0)
		ret = (ssize_t)((struct cf_write_out *)(void *)request->reply)
			      ->size;
	request_free(request);
	return ret;
}

static inline ssize_t ask_write(struct client *client, uint64_t fh,
				const void *buf, size_t len, uint64_t offset)
{
	return ask_write_as(client, geteuid(), fh, buf, len, offset, O_RDWR, 0);
}

/* All that the newest client offers. */
#define CLIENT_FLAGS (~(uint64_t)0 & ~CF_INIT_RESERVED)

static inline void ask_init(struct client *client, uint32_t minor,
			    uint64_t flags, struct cf_init_out *ret)
{
	struct cf_init_in in = {
		.major = CF_KERNEL_VERSION,
		.minor = minor,
		.max_readahead = 131072,
		.flags = (uint32_t)flags,
		.flags2 = (uint32_t)(flags >> 32),
	};
	struct cf_init_out out = { 0 };

	CHECK(ask(client, CF_INIT, 0, &in,
		  minor < 36 ? CF_COMPAT_INIT_IN_SIZE : sizeof(in), NULL, &out,
		  sizeof(out)) > 0);
	if (ret)
		*ret = out;
}

/* A server of PATH, with client->options. */
static inline void client_attach(struct client *client, const char *path)
{
	struct sandbox_view view = {
		.root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC),
		.proc_fd =
			open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC),
		.all_ids = geteuid() == 0,
	};

	if (view.root_fd < 0 || view.proc_fd < 0 ||
	    dir_create(&client->options, &view, &client->dir) < 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
}

static inline void client_start_in(struct client *client, const char *base)
{
	snprintf(client->path, sizeof(client->path), "%s/crossfuse-XXXXXX",
		 base);
	if (!mkdtemp(client->path)) {
		perror(client->path);
		exit(EXIT_FAILURE);
	}
	client->root = open(client->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	client->options.xattr = true;
	client->options.killpriv_v2 = true;
	client->options.posix_lock = true;
	client->options.flock = true;
	client->options.allow_direct_io = true;
	client_attach(client, client->path);
	ask_init(client, 47, CLIENT_FLAGS, NULL);
}

/* A server of a new, empty directory, with client->options; INIT is done. */
static inline void client_start(struct client *client)
{
	const char *base = getenv("TMPDIR");

	client_start_in(client, base ? base : "/tmp");
}

static inline void client_stop(struct client *client)
{
	char command[128];

	dir_destroy(client->dir);
	close(client->root);
	snprintf(command, sizeof(command), "rm -rf '%s'", client->path);
	CHECK_EQ(system(command), 0);
}

#endif
