// SPDX-License-Identifier: BSD-2-Clause
/*
 * A driver with several queues, the virtio port, the relay and a directory, all
 * of them real, under load: INIT and DESTROY, locks that wait and interrupts,
 * pauses, new drivers, other memory, front ends that come and go. A request
 * that is not lost with its driver is answered once, and all comes to an end.
 *
 *   test-connection [ROUNDS]
 */
#include "../../src/log.h"
#include "../../src/options.h"
#include "../../src/port/dir/dir_options.h"
#include "../../src/port/port.h"
#include "../../src/port/virtio/virtio.h"
#include "../../src/sandbox/sandbox.h"
#include "../../src/vhost/driver.h"
#include "check.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	QUEUES = 4, /* the first is for INTERRUPT */
	WINDOW = 8, /* requests of a queue at a time */
	LOCKS = 4,  /* of these, those that may wait for ever */
	SPACE = 8192,
	FILE_SIZE = 65536,
	BLOCK = 4096,
	STEPS = 60,
	PATIENCE = 60, /* seconds for all that must come to an end */
};

extern const struct server_port_ops dir_port_ops;

static char path[] = "/tmp/crossfuse-connection-XXXXXX";
static struct server_port *dir_port;

/* The connection, and who may use the rings now. */
static struct vhost_driver driver;
static struct client *client;
static struct relay relay;
static pthread_t server;
static pthread_rwlock_t rings;
static unsigned int generation; /* of drivers; under RINGS */
static atomic_bool stopping, draining;
static atomic_uint failures, answered, interrupted, inits;
static atomic_uint outstanding[QUEUES];

/* One request under way. */
struct place {
	char *in, *out;
	uint32_t opcode, size;
	uint64_t unique, offset;
	bool busy;
};

/* One queue and its thread. */
struct load {
	unsigned int index;
	unsigned int generation;
	unsigned int seed;
	pthread_t thread;
	struct place places[WINDOW];
	unsigned int locks;
	uint64_t nodeid, fh; /* 0: not known; -1: not known */
	bool begun;	     /* INIT was sent */
};

static struct load loads[QUEUES];

/* For the interrupts: what may be waiting for a lock. */
static _Atomic uint64_t waits[QUEUES];

static void fail(const struct place *place, const char *what, long long value)
{
	if (atomic_fetch_add(&failures, 1) < 20)
		fprintf(stderr, "opcode %u: %s (%lld)\n", place->opcode, what,
			value);
}

static unsigned int chance(struct load *load, unsigned int count)
{
	load->seed = load->seed * 1103515245 + 12345;
	return (load->seed >> 16) % count;
}

static char pattern(uint64_t offset)
{
	return (char)(offset * 31 >> 4);
}

static void *add(struct place *place, uint32_t opcode, uint64_t nodeid,
		 size_t len)
{
	struct cf_in_header *in = (void *)place->in;
	static _Atomic uint64_t unique = 2;

	place->opcode = opcode;
	place->unique = atomic_fetch_add(&unique, 2);
	place->size = 0;
	*in = (struct cf_in_header){ .len = (uint32_t)(sizeof(*in) + len),
				     .opcode = opcode,
				     .unique = place->unique,
				     .nodeid = nodeid,
				     .pid = 1 };
	memset(in + 1, 0, len);
	return in + 1;
}

static void make_init(struct load *load, struct place *place)
{
	struct cf_init_in *in = add(place, CF_INIT, 0, sizeof(*in));

	*in = (struct cf_init_in){ .major = CF_KERNEL_VERSION,
				   .minor = 45,
				   .max_readahead = 131072,
				   .flags = CF_INIT_EXT | CF_INIT_POSIX_LOCKS };
	load->begun = true;
	load->nodeid = 0;
	atomic_fetch_add(&inits, 1);
}

static void make_lock(struct load *load, struct place *place, uint32_t opcode)
{
	struct cf_lk_in *in = add(place, opcode, load->nodeid, sizeof(*in));

	in->fh = load->fh;
	in->owner = 1 + chance(load, 12);
	in->lk.start = 100 * chance(load, 4);
	in->lk.end = in->lk.start + 99;
	in->lk.type = chance(load, 3) ? F_WRLCK : F_UNLCK;
	if (opcode == CF_SETLKW) {
		in->lk.type = F_WRLCK;
		load->locks++;
		atomic_store(&waits[load->index], place->unique);
	}
}

static void make_data(struct load *load, struct place *place, bool write)
{
	uint64_t offset = BLOCK * chance(load, FILE_SIZE / BLOCK);
	struct cf_write_in *out;
	struct cf_read_in *in;

	place->offset = offset;
	if (!write) {
		in = add(place, CF_READ, load->nodeid, sizeof(*in));
		in->fh = load->fh;
		in->offset = offset;
		in->size = BLOCK;
		place->size = BLOCK;
		return;
	}
	out = add(place, CF_WRITE, load->nodeid, sizeof(*out) + BLOCK);
	out->fh = load->fh;
	out->offset = offset;
	out->size = BLOCK;
	for (unsigned int i = 0; i < BLOCK; i++)
		((char *)(out + 1))[i] = pattern(offset + i);
}

/* Something that needs a node; false: it has none yet. */
static bool make_known(struct load *load, struct place *place)
{
	struct cf_open_in *open;

	if (!load->nodeid)
		return false;
	if (load->fh == UINT64_MAX) {
		open = add(place, CF_OPEN, load->nodeid, sizeof(*open));
		open->flags = O_RDWR;
		return true;
	}
	switch (chance(load, 6)) {
	case 0:
		add(place, CF_GETATTR, load->nodeid,
		    sizeof(struct cf_getattr_in));
		break;
	case 1:
		make_data(load, place, true);
		break;
	case 2:
		make_data(load, place, false);
		break;
	case 3:
		if (load->locks < LOCKS) {
			make_lock(load, place, CF_SETLKW);
			break;
		}
		/* fall through */
	default:
		make_lock(load, place, CF_SETLK);
	}
	return true;
}

static bool make_interrupt(struct load *load, struct place *place)
{
	uint64_t unique =
		atomic_exchange(&waits[1 + chance(load, QUEUES - 1)], 0);
	struct cf_interrupt_in *in;

	if (!unique)
		return false;
	in = add(place, CF_INTERRUPT, 0, sizeof(*in));
	in->unique = unique;
	return true;
}

/* False: there is nothing to ask now. */
static bool make_request(struct load *load, struct place *place)
{
	if (load->index == 0)
		return chance(load, 4) == 0 && make_interrupt(load, place);
	if (load->index == 1 && (!load->begun || chance(load, 300) == 0))
		make_init(load, place);
	else if (load->index == 2 && chance(load, 600) == 0)
		add(place, CF_DESTROY, 0, 0);
	else if (!make_known(load, place))
		memcpy(add(place, CF_LOOKUP, CF_ROOT_ID, 5), "file", 5);
	return true;
}

static void send_request(struct load *load, struct place *place)
{
	const struct cf_in_header *in = (void *)place->in;
	struct driver_segment segments[2];

	if (vhost_driver_segment(&driver, place->in, in->len, &segments[0]) ||
	    vhost_driver_segment(&driver, place->out, SPACE, &segments[1]) ||
	    driver_ring_add(&driver.queues[load->index].ring, segments, 1, 1,
			    place)) {
		fail(place, "cannot be sent", 0);
		return;
	}
	memset(place->out, 0xa5, sizeof(struct cf_out_header));
	place->busy = true;
	atomic_fetch_add(&outstanding[load->index], 1);
}

static void done(struct load *load, struct place *place)
{
	place->busy = false;
	if (place->opcode == CF_SETLKW)
		load->locks--;
	atomic_fetch_sub(&outstanding[load->index], 1);
}

static bool error_fits(uint32_t opcode, int error)
{
	switch (-error) {
	case EINTR:
	case EDEADLK:
		return opcode == CF_SETLKW;
	case EAGAIN:
		return opcode == CF_SETLK;
	case ENOSYS: /* before INIT there are none */
		return opcode == CF_SETLK || opcode == CF_SETLKW;
	case ESTALE: /* the client has begun anew meanwhile */
	case EBADF:
	case ENOENT:
		return opcode != CF_INIT && opcode != CF_DESTROY &&
		       opcode != CF_LOOKUP;
	}
	return error == 0;
}

static void check_data(const struct place *place)
{
	const char *at = place->out + sizeof(struct cf_out_header);

	for (unsigned int i = 0; i < BLOCK; i++)
		if (at[i] != pattern(place->offset + i)) {
			fail(place, "other data at", i);
			return;
		}
}

/* What is learnt of a reply without an error. */
static void use_reply(struct load *load, const struct place *place,
		      uint32_t len)
{
	const void *arg = place->out + sizeof(struct cf_out_header);
	const struct cf_entry_out *entry = arg;
	const struct cf_open_out *open = arg;

	len -= (uint32_t)sizeof(struct cf_out_header);
	if (place->opcode == CF_LOOKUP && len == sizeof(*entry)) {
		load->nodeid = entry->nodeid;
		load->fh = UINT64_MAX;
	} else if (place->opcode == CF_OPEN && len == sizeof(*open)) {
		load->fh = open->fh;
	} else if (place->opcode == CF_READ && len == BLOCK) {
		check_data(place);
	} else if (place->opcode == CF_READ || place->opcode == CF_LOOKUP ||
		   place->opcode == CF_OPEN) {
		fail(place, "a reply of length", len);
	}
}

static void check_reply(struct load *load, const struct place *place,
			uint32_t len)
{
	const struct cf_out_header *out = (const void *)place->out;

	atomic_fetch_add(&answered, 1);
	if (place->opcode == CF_INTERRUPT) {
		if (len)
			fail(place, "answered with", len);
		return;
	}
	if (len < sizeof(*out) || out->len != len)
		fail(place, "a reply's length", len);
	else if (out->unique != place->unique)
		fail(place, "another unique", (long long)out->unique);
	else if (!error_fits(place->opcode, out->error))
		fail(place, "error", out->error);
	else if (out->error == 0)
		use_reply(load, place, len);
	else if (out->error == -ESTALE || out->error == -EBADF ||
		 out->error == -ENOENT)
		load->nodeid = 0;
	if (out->error == -EINTR)
		atomic_fetch_add(&interrupted, 1);
}

/* With RINGS held to read. */
static void step(struct load *load)
{
	struct vhost_driver_queue *queue = &driver.queues[load->index];
	struct place *place;
	uint32_t len;
	void *token;

	if (load->generation != generation) {
		for (unsigned int i = 0; i < WINDOW; i++)
			if (load->places[i].busy)
				done(load, &load->places[i]);
		load->generation = generation;
		load->nodeid = 0;
		load->begun = false;
	}
	while (driver_ring_reap(&queue->ring, &token, &len) == 1) {
		place = token;
		check_reply(load, place, len);
		done(load, place);
	}
	/* The last place is for drain(): all others may wait for locks. */
	for (unsigned int i = 0; i + 1 < WINDOW && !draining; i++) {
		place = &load->places[i];
		if (!place->busy && make_request(load, place))
			send_request(load, place);
	}
	vhost_queue_kick(queue);
}

static void *load_main(void *opaque)
{
	struct load *load = opaque;

	while (!stopping) {
		pthread_rwlock_rdlock(&rings);
		step(load);
		pthread_rwlock_unlock(&rings);
		usleep(50);
	}
	return NULL;
}

static void *serve(void *unused)
{
	(void)unused;
	return (void *)(intptr_t)client->ops->serve(client, &relay);
}

static void connect_client(void)
{
	struct options options = { .policy = CROSSFUSE_TRANSLATE };
	struct vhost_driver_config config = {
		.features = VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC,
		.protocol_features = VHOST_PF_CONFIGURE_MEM_SLOTS,
		.queue_min = QUEUES,
		.queue_max = QUEUES,
		.queue_size = 32,
		.chain_max = 4,
		.memory_addr = UINT64_C(0x100000000),
		.memory_size = 2U * QUEUES * WINDOW * SPACE,
		.timeout = PATIENCE,
	};
	int fds[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	CHECK_EQ(virtio_client_new(fds[0], -1, NULL, &client), 0);
	CHECK_EQ(relay_init(&relay, client, dir_port, &options, NULL), 0);
	pthread_create(&server, NULL, serve, NULL);
	CHECK_EQ(vhost_driver_open(&driver, fds[1], &config), 0);
	for (unsigned int i = 0; i < QUEUES; i++) {
		struct load *load = &loads[i];

		*load = (struct load){ .index = i, .seed = 7 * i + 1 };
		for (unsigned int j = 0; j < WINDOW; j++) {
			load->places[j].in = vhost_driver_alloc(&driver, SPACE);
			load->places[j].out =
				vhost_driver_alloc(&driver, SPACE);
		}
		atomic_store(&outstanding[i], 0);
	}
	generation = 1;
	CHECK_EQ(vhost_driver_start(&driver), 0);
	stopping = draining = false;
	for (unsigned int i = 0; i < QUEUES; i++)
		pthread_create(&loads[i].thread, NULL, load_main, &loads[i]);
}

/* The guest is paused, and goes on. */
static void pause_guest(void)
{
	unsigned int base[QUEUES];

	for (unsigned int i = 0; i < QUEUES; i++)
		CHECK_EQ(vhost_frontend_stop(&driver.frontend, i, &base[i]), 0);
	for (unsigned int i = 0; i < QUEUES; i++) {
		struct vhost_driver_queue *queue = &driver.queues[i];
		struct vhost_frontend_ring ring = {
			.num = queue->ring.config.num,
			.base = base[i],
			.desc = (uintptr_t)queue->ring.desc,
			.avail = (uintptr_t)queue->ring.avail,
			.used = (uintptr_t)queue->ring.used,
			.kick_fd = queue->kick_fd,
			.call_fd = queue->call_fd,
			.err_fd = queue->err_fd,
		};

		CHECK_EQ(vhost_frontend_start(&driver.frontend, i, &ring), 0);
	}
}

/* Another driver; what was under way is lost. */
static void restart_guest(void)
{
	CHECK_EQ(vhost_driver_stop(&driver), 0);
	generation++;
	CHECK_EQ(vhost_driver_start(&driver), 0);
}

static void change_memory(void)
{
	int fd = memfd_create("more", MFD_CLOEXEC);
	struct vhost_driver_region region = { .size = 1U << 20,
					      .addr = UINT64_C(0x200000000),
					      .fd = fd };

	CHECK_EQ(ftruncate(fd, (off_t)region.size), 0);
	region.base = mmap(NULL, region.size, PROT_READ | PROT_WRITE,
			   MAP_SHARED, fd, 0);
	CHECK_EQ(vhost_driver_add_region(&driver, &region), 0);
	CHECK_EQ(vhost_driver_remove_region(&driver, region.base), 0);
	munmap(region.base, region.size);
	close(fd);
}

static void disturb(unsigned int number)
{
	usleep(1000 + 977 * number % 3000);
	pthread_rwlock_wrlock(&rings);
	switch (number % 5) {
	case 0:
		restart_guest();
		break;
	case 2:
		change_memory();
		break;
	default:
		pause_guest();
	}
	pthread_rwlock_unlock(&rings);
}

static void send_init(void)
{
	struct load *first = &loads[1];

	pthread_rwlock_wrlock(&rings);
	step(first);
	for (unsigned int i = 0; i < WINDOW; i++)
		if (!first->places[i].busy) {
			make_init(first, &first->places[i]);
			send_request(first, &first->places[i]);
			break;
		}
	pthread_rwlock_unlock(&rings);
}

/*
 * All that was asked is answered: an INIT ends the locks that wait. What the
 * server takes after it may wait again, for one another: then the next does.
 */
static void drain(void)
{
	time_t end = time(NULL) + PATIENCE;
	unsigned int left, round = 0;

	draining = true;
	do {
		if (round++ % 100 == 0)
			send_init();
		usleep(1000);
		left = 0;
		for (unsigned int i = 0; i < QUEUES; i++)
			left += outstanding[i];
	} while (left && time(NULL) < end);
	CHECK_EQ(left, 0);
}

static void disconnect(bool gently)
{
	void *result;

	if (gently)
		drain();
	stopping = true;
	for (unsigned int i = 0; i < QUEUES; i++)
		pthread_join(loads[i].thread, NULL);
	/* Its memory is in use until the server has let go of it. */
	vhost_frontend_close(&driver.frontend);
	pthread_join(server, &result);
	CHECK_EQ((intptr_t)result, 0);
	CHECK_EQ(relay_in_flight(&relay), 0);
	relay_destroy(&relay);
	client->ops->close(client);
	vhost_driver_close(&driver);
}

static void open_dir(void)
{
	static const struct options options;
	static char data[FILE_SIZE];
	char name[64];
	int fd, ret;

	if (!mkdtemp(path))
		exit(EXIT_FAILURE);
	snprintf(name, sizeof(name), "%s/file", path);
	fd = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	for (unsigned int i = 0; i < FILE_SIZE; i++)
		data[i] = pattern(i);
	CHECK_EQ(write(fd, data, sizeof(data)), FILE_SIZE);
	close(fd);
	sandbox_options.mode = SANDBOX_NONE;
	sandbox_options.seccomp = SECCOMP_NONE;
	sandbox_options.rlimit_nofile = 0;
	dir_options.posix_lock = true;
	CHECK_EQ(dir_port_ops.open(path, &options, &dir_port), 0);
	ret = dir_port_ops.confine(dir_port);
	if (ret) /* the parent */
		exit(ret == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void close_dir(void)
{
	char name[64];

	dir_port_ops.close(dir_port);
	snprintf(name, sizeof(name), "%s/file", path);
	CHECK_EQ(unlink(name), 0);
	CHECK_EQ(rmdir(path), 0);
}

/* What hangs is the failure that this is for. */
static void on_alarm(int signal_number)
{
	static const char text[] = "it hangs\n";

	(void)signal_number;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : 4;
	pthread_rwlockattr_t attr;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, on_alarm);
	log_level = LOG_LEVEL_OFF;
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(
		&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&rings, &attr);
	open_dir();
	for (unsigned int i = 0; i < rounds; i++) {
		alarm(3 * PATIENCE);
		connect_client();
		for (unsigned int j = 0; j < STEPS; j++)
			disturb(j + i);
		disconnect(i & 1);
	}
	close_dir();
	CHECK_EQ(failures, 0);
	CHECK(answered > rounds * 1000);
	CHECK(inits > rounds);
	CHECK(interrupted);
	printf("%u answers, %u INITs, %u interrupted\n", answered, inits,
	       interrupted);
	return check_result();
}
