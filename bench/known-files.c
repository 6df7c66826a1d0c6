// SPDX-License-Identifier: BSD-2-Clause
/*
 * What it costs to know many files: memory for each, the time of a LOOKUP with
 * few and with many, and the time to forget them all.
 *
 * usage: known-files DIRECTORY FILES
 *
 * Makes FILES empty files below DIRECTORY, 1000 in each directory, looks them
 * up through the server as a client does, and removes nothing. The server is
 * in the same process, without a transport.
 */
#include "../src/port/dir/dir.h"
#include "../src/port/dir/internal.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EACH	1000  /* files in a directory */
#define FEW	10000 /* to compare with */
#define ROUNDS	200000
#define A_BATCH 1000

struct request {
	struct call call; /* first */
	_Alignas(8) char head[65536];
	_Alignas(8) char out[4096];
};

static struct request request;
static struct dir *dir;

static void complete(struct call *call)
{
	(void)call;
}

/* In place of the relay. */
void relay_complete(struct call *call);
void relay_forward(struct call *call);
void relay_fail(struct call *call, int error);
void relay_call_waits(struct call *call);
int relay_reserve(struct call *call, size_t size);

void relay_complete(struct call *call)
{
	call->ops->complete(call);
}

void relay_forward(struct call *call)
{
	call->ops->complete(call);
}

void relay_fail(struct call *call, int error)
{
	(void)error;
	call->ops->complete(call);
}

void relay_call_waits(struct call *call)
{
	(void)call;
}

static void may_block(struct call *call)
{
	(void)call;
}

int relay_reserve(struct call *call, size_t size)
{
	(void)call;
	return size <= sizeof(request.out) ? 0 : -ENOMEM;
}

static const struct call_ops ops = {
	.complete = complete,
	.may_block = may_block,
};

static _Noreturn void die(const char *what, int error)
{
	fprintf(stderr, "known-files: %s: %s\n", what, strerror(error));
	exit(1);
}

/* The reply's body, which must be there if LEN is. */
static void *ask(uint32_t opcode, uint64_t nodeid, const void *arg, size_t len)
{
	struct cf_in_header *in = (void *)request.head;
	const struct cf_out_header *out = (void *)request.out;

	*in = (struct cf_in_header){
		.len = (uint32_t)(sizeof(*in) + len),
		.opcode = opcode,
		.nodeid = nodeid,
	};
	memcpy(in + 1, arg, len);
	request.call = (struct call){
		.ops = &ops,
		.head = request.head,
		.head_len = sizeof(*in) + len,
		.out = request.out,
		.out_size = sizeof(request.out),
		.room_len = sizeof(request.out),
	};
	dir_submit(dir, &request.call);
	if (request.call.out_len && out->error)
		die("a request", -out->error);
	return call_out_arg(&request.call);
}

static uint64_t lookup(uint64_t parent, const char *name)
{
	const struct cf_entry_out *out =
		ask(CF_LOOKUP, parent, name, strlen(name) + 1);

	return out->nodeid;
}

static void forget(const uint64_t *nodeids, size_t count, uint64_t nlookup)
{
	static struct {
		struct cf_batch_forget_in in;
		struct cf_forget_one one[A_BATCH];
	} batch;

	for (size_t i = 0; i < count; i += batch.in.count) {
		batch.in.count =
			(uint32_t)(count - i < A_BATCH ? count - i : A_BATCH);
		for (uint32_t k = 0; k < batch.in.count; k++)
			batch.one[k] = (struct cf_forget_one){
				.nodeid = nodeids[i + k],
				.nlookup = nlookup,
			};
		ask(CF_BATCH_FORGET, 0, &batch,
		    sizeof(batch.in) + batch.in.count * sizeof(*batch.one));
	}
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Bytes of this process that are in memory. */
static double memory(void)
{
	unsigned long long size, resident;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file || fscanf(file, "%llu %llu", &size, &resident) != 2)
		die("/proc/self/statm", errno);
	fclose(file);
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void make_files(int root, size_t count)
{
	char path[64];
	int fd;

	for (size_t i = 0; i < count; i++) {
		if (i % EACH == 0) {
			snprintf(path, sizeof(path), "d%zu", i / EACH);
			if (mkdirat(root, path, 0700) < 0 && errno != EEXIST)
				die(path, errno);
		}
		snprintf(path, sizeof(path), "d%zu/f%zu", i / EACH, i % EACH);
		fd = openat(root, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		if (fd < 0)
			die(path, errno);
		close(fd);
	}
}

static void know(uint64_t *dirs, uint64_t *files, size_t count)
{
	char name[32];

	for (size_t i = 0; i < count; i++) {
		if (i % EACH == 0) {
			snprintf(name, sizeof(name), "d%zu", i / EACH);
			dirs[i / EACH] = lookup(CF_ROOT_ID, name);
		}
		snprintf(name, sizeof(name), "f%zu", i % EACH);
		files[i] = lookup(dirs[i / EACH], name);
	}
}

/*
 * LOOKUPs of known files, of no order but within FEW of them that are near each
 * other: the host's own caches are the same for any number of files.
 */
static double time_lookups(const uint64_t *dirs, size_t count)
{
	size_t base = (count - FEW) / EACH / 2 * EACH;
	uint64_t random = 1;
	double start = 0;
	char name[32];

	for (int i = -ROUNDS; i < ROUNDS; i++) {
		size_t at;

		if (i == 0)
			start = seconds();
		random = random * 6364136223846793005u + 1442695040888963407u;
		at = base + (random >> 33) % FEW;
		snprintf(name, sizeof(name), "f%zu", at % EACH);
		lookup(dirs[at / EACH], name);
	}
	return (seconds() - start) / ROUNDS * 1e9;
}

/* And of any of them. */
static double time_all(const uint64_t *dirs, size_t count)
{
	uint64_t random = 1;
	double start = seconds();
	char name[32];

	for (int i = 0; i < ROUNDS; i++) {
		size_t at;

		random = random * 6364136223846793005u + 1442695040888963407u;
		at = (random >> 33) % count;
		snprintf(name, sizeof(name), "f%zu", at % EACH);
		lookup(dirs[at / EACH], name);
	}
	return (seconds() - start) / ROUNDS * 1e9;
}

static void start(const char *path)
{
	static struct dir_options options = { .cache = CACHE_AUTO };
	struct sandbox_view view = {
		.root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC),
		.proc_fd = open("/proc/self/fd", O_PATH | O_CLOEXEC),
		.all_ids = geteuid() == 0,
	};
	struct cf_init_in in = { .major = CF_KERNEL_VERSION, .minor = 38 };
	int ret;

	if (view.root_fd < 0)
		die(path, errno);
	ret = dir_create(&options, &view, &dir);
	if (ret < 0)
		die(path, -ret);
	ask(CF_INIT, 0, &in, sizeof(in));
	if (!mount_has_handles(dir->mounts.home))
		die("no file handles here", EOPNOTSUPP);
}

static void measure(const char *path, size_t count)
{
	uint64_t *files = calloc(count, sizeof(*files));
	uint64_t *dirs = calloc(count / EACH + 1, sizeof(*dirs));
	const struct timespec idle = { .tv_sec = 3 };
	double before, begun, near, all;

	if (!files || !dirs)
		die("memory", ENOMEM);
	memset(files, 1, count * sizeof(*files)); /* counted before */
	start(path);
	before = memory();
	begun = seconds();
	know(dirs, files, count);
	printf("%zu files known in %.1f s\n", count, seconds() - begun);
	nanosleep(&idle, NULL); /* what is open is closed */
	printf("memory of each: %.0f bytes\n",
	       (memory() - before) / (double)count);
	near = time_lookups(dirs, count);
	all = time_all(dirs, count);
	printf("LOOKUP of one of %d: %.0f ns, of any: %.0f ns\n", FEW, near,
	       all);
	begun = seconds();
	forget(files, count, UINT64_MAX);
	forget(dirs, (count + EACH - 1) / EACH, UINT64_MAX);
	printf("all forgotten in %.2f s\n", seconds() - begun);
	dir_destroy(dir);
	free(files);
	free(dirs);
}

int main(int argc, char **argv)
{
	size_t count = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
	int root;

	if (count < FEW) {
		fprintf(stderr,
			"usage: known-files DIRECTORY FILES (%d or "
			"more)\n",
			FEW);
		return 2;
	}
	root = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		die(argv[1], errno);
	make_files(root, count);
	close(root);
	measure(argv[1], FEW);
	measure(argv[1], count);
	return 0;
}
