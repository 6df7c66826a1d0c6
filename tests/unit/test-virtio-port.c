// SPDX-License-Identifier: BSD-2-Clause
/*
 * The virtio client port between a driver and a server made for the purpose,
 * which answers at once, late, from another thread or not until told to.
 */
#include "../../src/log.h"
#include "../../src/port/virtio/virtio.h"
#include "../../src/vhost/driver_ring.h"
#include "../../src/vhost/frontend.h"
#include "check.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* What the test's requests ask of its server. */
enum {
	ECHO = 100,	  /* data comes back as data */
	LIST,		  /* a long reply from the server's own memory */
	TOO_LONG,	  /* a reply that the client has no room for */
	NOTHING,	  /* no reply */
	SLOW,		  /* takes a while and does not say so */
	WAIT,		  /* waits until RELEASE, and says so */
	LOCK = CF_SETLKW, /* the same, as a file lock does */
	RELEASE = 110,
	LATER, /* is completed by another thread */
};

#define LIST_LEN 50000U

#define MEMORY	  (16U << 20)
#define USER	  UINT64_C(0x7000000000)
#define GUEST	  UINT64_C(0x80000000)
#define NUM	  64U
#define QUEUES	  2U
#define SLOT	  (256U << 10) /* bytes of memory for one request */
#define SLOTS	  30U
#define DATA_ROOM (100U << 10)

/* The server. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned int waiting, releases, cancels, resets;
static struct call *later[64];
static unsigned int later_count;
static bool later_ends;
static unsigned int memory_told;
static struct call *locks[64]; /* that wait; no thread does */
static unsigned int lock_count;

static void reply(struct call *call, int error, size_t len, size_t data_len)
{
	struct cf_out_header *out = call->out;

	out->len = (uint32_t)(sizeof(*out) + len + data_len);
	out->error = error;
	out->unique = call_in(call)->unique;
	call->out_len = sizeof(*out) + len;
	call->out_data_len = data_len;
	call->ops->complete(call);
}

static void echo(struct call *call)
{
	char copy[70000];
	size_t len = 0, done = 0;

	for (unsigned int i = 0; i < call->data_count; i++) {
		memcpy(copy + len, call->data[i].iov_base,
		       call->data[i].iov_len);
		len += call->data[i].iov_len;
	}
	for (unsigned int i = 0; i < call->room_count && done < len; i++) {
		size_t n = call->room[i].iov_len;

		if (n > len - done)
			n = len - done;
		memcpy(call->room[i].iov_base, copy + done, n);
		done += n;
	}
	reply(call, 0, 0, done);
}

static void wait_for_release(struct call *call)
{
	unsigned int mine;
	int error;

	pthread_mutex_lock(&lock);
	waiting++;
	mine = releases;
	pthread_cond_broadcast(&changed);
	while (mine == releases && !cancels)
		pthread_cond_wait(&changed, &lock);
	error = mine == releases ? -EINTR : 0;
	waiting--;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	reply(call, error, 0, 0);
}

/* All locks are given, or taken away from those who wait. */
static void end_locks(int error)
{
	struct call *ended[64];
	unsigned int count;

	pthread_mutex_lock(&lock);
	count = lock_count;
	memcpy(ended, locks, sizeof(ended));
	lock_count = 0;
	pthread_mutex_unlock(&lock);
	for (unsigned int i = 0; i < count; i++)
		reply(ended[i], error, 0, 0);
	pthread_mutex_lock(&lock);
	waiting -= count;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void wait_for_lock(struct call *call)
{
	bool waits;

	pthread_mutex_lock(&lock);
	waits = !cancels;
	if (waits) {
		call_waits(call);
		locks[lock_count++] = call;
		waiting++;
		pthread_cond_broadcast(&changed);
	}
	pthread_mutex_unlock(&lock);
	if (!waits)
		reply(call, -EINTR, 0, 0);
}

void relay_submit(struct relay *relay, struct call *call)
{
	call->relay = relay;
	call->waits = false;
	call->state.opcode = call_in(call)->opcode;
	call->state.unique = call_in(call)->unique;
	switch (call_in(call)->opcode) {
	case ECHO:
		echo(call);
		break;
	case LIST:
		memset(call_reserve(call, LIST_LEN), 'l', LIST_LEN);
		reply(call, 0, LIST_LEN, 0);
		break;
	case TOO_LONG:
		reply(call, 0, call->room_len + 1, 0);
		break;
	case NOTHING:
		call->out_len = 0;
		call->ops->complete(call);
		break;
	case WAIT:
		call_may_block(call);
		wait_for_release(call);
		break;
	case LOCK:
		wait_for_lock(call);
		break;
	case SLOW:
		wait_for_release(call);
		break;
	case RELEASE:
		pthread_mutex_lock(&lock);
		releases++;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
		end_locks(0);
		reply(call, 0, 0, 0);
		break;
	case LATER:
		pthread_mutex_lock(&lock);
		later[later_count++] = call;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
		break;
	default:
		reply(call, -ENOSYS, 0, 0);
	}
}

void relay_refuse(struct relay *relay, struct call *call, int error)
{
	(void)relay;
	reply(call, error, 0, 0);
}

static void *complete_later(void *opaque)
{
	(void)opaque;
	pthread_mutex_lock(&lock);
	for (;;) {
		struct call *call;

		while (!later_count && !later_ends)
			pthread_cond_wait(&changed, &lock);
		if (!later_count)
			break;
		call = later[--later_count];
		pthread_mutex_unlock(&lock);
		reply(call, -EXDEV, 0, 0);
		pthread_mutex_lock(&lock);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* The rest of the relay and of the library, as far as a port uses it. */
ssize_t relay_head_len(struct relay *relay, const void *header,
		       size_t total_len)
{
	const struct cf_in_header *in = header;

	(void)relay;
	return in->len == total_len ? (ssize_t)sizeof(*in) : -EBADMSG;
}

void relay_reset(struct relay *relay)
{
	(void)relay;
	resets++;
}

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
	reply(call, error, 0, 0);
}

void relay_call_waits(struct call *call)
{
	(void)call;
}

void relay_write_error(struct call *call, int error)
{
	struct cf_out_header *out = call->out;

	out->len = sizeof(*out);
	out->error = error;
	out->unique = call->state.unique;
	call->out_len = sizeof(*out);
	call->out_data_len = 0;
}

void relay_cancel(struct relay *relay)
{
	(void)relay;
	pthread_mutex_lock(&lock);
	cancels++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	end_locks(-EINTR);
}

/* The two regions that set_memory() says, through their descriptor. */
int relay_memory(struct relay *relay, const struct relay_region *regions,
		 unsigned int count)
{
	char byte = 0;

	(void)relay;
	CHECK_EQ(count, 2);
	for (unsigned int i = 0; i < count; i++) {
		char *own = regions[i].address;

		CHECK_EQ(regions[i].guest, GUEST + i * (8U << 20));
		CHECK_EQ(regions[i].user, USER + i * (64U << 20));
		CHECK_EQ(regions[i].offset, i * (8U << 20));
		CHECK_EQ(regions[i].size, 8U << 20);
		CHECK_EQ(pread(regions[i].fd, &byte, 1,
			       (off_t)regions[i].offset + 4095),
			 1);
		CHECK_EQ(byte, own[4095]);
	}
	memory_told++;
	return 0;
}

bool relay_poll(struct relay *relay, bool more)
{
	(void)relay;
	(void)more;
	return false;
}

int relay_reserve(struct call *call, size_t size)
{
	void *out = malloc(size);

	if (!out)
		return -ENOMEM;
	memcpy(out, call->out, sizeof(struct cf_out_header));
	free(call->out);
	call->out = out;
	call->out_size = size;
	return 0;
}

void *relay_alloc(struct relay *relay, size_t size)
{
	(void)relay;
	return malloc(size);
}

void relay_free(struct relay *relay, void *memory, size_t size)
{
	(void)relay;
	(void)size;
	free(memory);
}

/* The driver. */
static char *memory;
static int memory_fd;
static struct vhost_frontend frontend;

static struct {
	struct driver_ring ring;
	struct vhost_frontend_ring setup;
} queues[QUEUES];

static struct client *client;
static struct relay relay;
static pthread_t server_thread;
static int serve_result;

static void *serve(void *opaque)
{
	(void)opaque;
	serve_result = client->ops->serve(client, &relay);
	return NULL;
}

/* Where the request of a token is: header, data, reply's header, room. */
static char *slot(unsigned int token)
{
	return memory + (4U << 20) + (token - 1) * SLOT;
}

static uint64_t guest(const void *address)
{
	return GUEST + (uint64_t)((const char *)address - memory);
}

static void open_port(const char *tag)
{
	extern const struct client_port_ops virtio_port_ops;
	struct client_port *port;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		exit(1);
	virtio_options.tag = tag;
	virtio_options.thread_pool_size = 2;
	virtio_options.listen_fd = fds[0];
	CHECK_EQ(virtio_port_ops.open(NULL, NULL, &port), 0);
	CHECK_EQ(port->ops->accept(port, &client), 1);
	CHECK_EQ(port->ops->accept(port, &client), 0);
	port->ops->close(port);
	CHECK(!client->ops->peer_machine(client));
	cancels = 0;
	pthread_create(&server_thread, NULL, serve, NULL);
	CHECK_EQ(vhost_frontend_attach(&frontend, fds[1], 10), 0);
}

static void set_memory(void)
{
	/* As two regions: the second one is for data. */
	struct vhost_region regions[] = {
		{ GUEST, 8U << 20, USER, 0 },
		{ GUEST + (8U << 20), 8U << 20, USER + (64U << 20), 8U << 20 },
	};
	int fds[] = { memory_fd, memory_fd };

	CHECK_EQ(vhost_frontend_set_memory(&frontend, regions, fds, 2), 0);
}

static uint64_t user(const void *part)
{
	return USER + (uint64_t)((const char *)part - memory);
}

static void start_queue(unsigned int index, unsigned int base)
{
	struct driver_ring *ring = &queues[index].ring;
	struct vhost_frontend_ring *setup = &queues[index].setup;

	*setup = (struct vhost_frontend_ring){
		.num = NUM,
		.base = base,
		.desc = user(ring->desc),
		.avail = user(ring->avail),
		.used = user(ring->used),
		.kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
		.call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
		.err_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
	};
	CHECK_EQ(vhost_frontend_start(&frontend, index, setup), 0);
}

static void stop_queue(unsigned int index, unsigned int *ret_base)
{
	struct vhost_frontend_ring *setup = &queues[index].setup;

	CHECK_EQ(vhost_frontend_stop(&frontend, index, ret_base), 0);
	close(setup->kick_fd);
	close(setup->call_fd);
	close(setup->err_fd);
}

static void start(bool event_idx, bool indirect)
{
	uint64_t wanted = VIRTIO_F_VERSION_1 | VHOST_F_PROTOCOL_FEATURES;

	if (event_idx)
		wanted |= VIRTIO_F_EVENT_IDX;
	if (indirect)
		wanted |= VIRTIO_F_INDIRECT_DESC;
	CHECK_EQ(vhost_frontend_negotiate(&frontend, wanted, wanted,
					  VHOST_PF_MQ | VHOST_PF_REPLY_ACK |
						  VHOST_PF_CONFIG |
						  VHOST_PF_CONFIGURE_MEM_SLOTS |
						  VHOST_PF_RESET_DEVICE),
		 0);
	CHECK_EQ(frontend.queue_max, 65);
	memset(memory, 0, 4U << 20);
	set_memory();
	for (unsigned int i = 0; i < QUEUES; i++) {
		struct driver_ring_config config = {
			.num = NUM,
			.table_len = indirect ? 8 : 0,
			.event_idx = event_idx,
			.memory = memory + i * (1U << 20),
			.addr = GUEST + i * (1U << 20),
		};

		CHECK_EQ(driver_ring_init(&queues[i].ring, &config), 0);
		start_queue(i, 0);
	}
}

/* The front end goes away; serve() ends well. */
static void finish(void)
{
	vhost_frontend_close(&frontend);
	pthread_join(server_thread, NULL);
	CHECK_EQ(serve_result, 0);
	for (unsigned int i = 0; i < QUEUES; i++) {
		driver_ring_release(&queues[i].ring);
		close(queues[i].setup.kick_fd);
		close(queues[i].setup.call_fd);
		close(queues[i].setup.err_fd);
	}
	client->ops->close(client);
}

static void send_request(unsigned int queue, unsigned int token,
			 uint32_t opcode, uint32_t data_len)
{
	char *at = slot(token);
	struct cf_in_header *in = (struct cf_in_header *)(void *)at;
	struct driver_segment segments[] = {
		{ guest(at), 17 },
		{ guest(at + 17), (uint32_t)sizeof(*in) - 17 + data_len / 2 },
		{ guest(at + sizeof(*in) + data_len / 2),
		  data_len - data_len / 2 },
		{ guest(at + DATA_ROOM), 5 },
		{ guest(at + DATA_ROOM + 5), 1000 },
		{ guest(at + DATA_ROOM + 1005), DATA_ROOM - 1005 },
	};

	*in = (struct cf_in_header){
		.len = (uint32_t)sizeof(*in) + data_len,
		.opcode = opcode,
		.unique = token,
	};
	for (uint32_t i = 0; i < data_len; i++)
		at[sizeof(*in) + i] = (char)(i * 7 + token);
	memset(at + DATA_ROOM, 0xee, DATA_ROOM);
	CHECK_EQ(driver_ring_add(&queues[queue].ring, segments, 3, 3,
				 slot(token)),
		 0);
}

static void kick(unsigned int queue)
{
	uint64_t one = 1;

	if (driver_ring_publish(&queues[queue].ring))
		CHECK_EQ(write(queues[queue].setup.kick_fd, &one, 8), 8);
}

/* Takes back any request; its token, or 0 after SECONDS without one. */
static unsigned int reap(unsigned int queue, uint32_t *ret_len)
{
	struct driver_ring *ring = &queues[queue].ring;
	struct pollfd call = { queues[queue].setup.call_fd, POLLIN, 0 };
	uint64_t count;
	void *token;

	for (;;) {
		int r = driver_ring_reap(ring, &token, ret_len);

		CHECK(r >= 0);
		if (r > 0)
			return (unsigned int)(((char *)token - slot(1)) /
					      SLOT) +
			       1;
		if (driver_ring_enable(ring))
			continue;
		if (poll(&call, 1, 10000) != 1)
			return 0;
		if (read(call.fd, &count, 8) < 0 && errno != EAGAIN)
			return 0;
		driver_ring_disable(ring);
	}
}

static const struct cf_out_header *header_of(unsigned int token)
{
	return (const struct cf_out_header *)(void *)(slot(token) + DATA_ROOM);
}

/* One request from beginning to end; the error in its reply. */
static int ask(unsigned int queue, uint32_t opcode, uint32_t data_len,
	       uint32_t *ret_len)
{
	/* Each queue has its own memory, so that a race would be seen. */
	unsigned int token = queue ? 1 : SLOTS;
	uint32_t len = 0;

	send_request(queue, token, opcode, data_len);
	kick(queue);
	CHECK_EQ(reap(queue, &len), token);
	if (ret_len)
		*ret_len = len;
	if (len) {
		CHECK_EQ(header_of(token)->unique, token);
		CHECK_EQ(header_of(token)->len, len);
	}
	return header_of(token)->error;
}

static void check_echo(unsigned int token, uint32_t len, uint32_t data_len)
{
	const char *at = slot(token) + DATA_ROOM + 16;
	uint32_t wrong = 0;

	CHECK_EQ(len, 16 + data_len);
	CHECK_EQ(header_of(token)->error, 0);
	for (uint32_t i = 0; i < data_len; i++)
		wrong += at[i] != (char)(i * 7 + token);
	CHECK_EQ(wrong, 0);
	CHECK_EQ((unsigned char)at[data_len], 0xee);
}

static void test_replies(void)
{
	uint32_t len;

	CHECK_EQ(ask(1, ECHO, 0, &len), 0);
	check_echo(1, len, 0);
	CHECK_EQ(ask(1, ECHO, 1, &len), 0);
	check_echo(1, len, 1);
	CHECK_EQ(ask(1, ECHO, 70000, &len), 0);
	check_echo(1, len, 70000);
	CHECK_EQ(ask(1, LIST, 0, &len), 0);
	CHECK_EQ(len, 16 + LIST_LEN);
	CHECK_EQ(slot(1)[DATA_ROOM + 16], 'l');
	CHECK_EQ(slot(1)[DATA_ROOM + 15 + LIST_LEN], 'l');
	CHECK_EQ((unsigned char)slot(1)[DATA_ROOM + 16 + LIST_LEN], 0xee);
	CHECK_EQ(ask(1, TOO_LONG, 0, &len), -EIO);
	CHECK_EQ(len, 16);
	ask(0, NOTHING, 10, &len);
	CHECK_EQ(len, 0);
	CHECK_EQ(ask(1, LATER, 0, NULL), -EXDEV);
	CHECK_EQ(ask(1, 1, 0, NULL), -ENOSYS);
}

/* Every token comes back once, with its own data. */
static void test_batches(void)
{
	for (unsigned int round = 0; round < 200; round++) {
		unsigned int count = 1 + round % 8, seen = 0;
		uint32_t len;

		for (unsigned int i = 0; i < count; i++) {
			unsigned int token = 1 + i + (round & 1 ? 0 : 8);

			send_request(round & 1, token,
				     (round + i) % 5 ? ECHO : LATER, 100 * i);
		}
		kick(round & 1);
		for (unsigned int i = 0; i < count; i++) {
			unsigned int token = reap(round & 1, &len);

			if (!CHECK(token))
				return;
			token -= round & 1 ? 0 : 8;
			CHECK(!(seen & 1U << token));
			seen |= 1U << token;
			if ((round + token - 1) % 5)
				check_echo(token + (round & 1 ? 0 : 8), len,
					   100 * (token - 1));
		}
	}
}

static void wait_until_waiting(unsigned int count)
{
	pthread_mutex_lock(&lock);
	while (waiting < count)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

/* Requests that wait, more of them than the pool has threads for. */
static void test_waits(uint32_t opcode, unsigned int count)
{
	unsigned int seen = 0;
	uint32_t len;

	for (unsigned int i = 0; i < count; i++)
		send_request(1, i + 2, opcode, 0);
	kick(1);
	wait_until_waiting(count);
	/* All others go on meanwhile, in the same queue. */
	CHECK_EQ(ask(1, ECHO, 10, &len), 0);
	send_request(1, 1, RELEASE, 0);
	kick(1);
	for (unsigned int i = 0; i <= count; i++)
		seen |= 1U << reap(1, &len);
	CHECK_EQ(seen, (1U << (count + 2)) - 2);
}

/* A request that takes long without a word does not hold up the next one. */
static void test_slow(void)
{
	uint32_t len;

	send_request(1, 1, SLOW, 0);
	kick(1);
	wait_until_waiting(1);
	send_request(1, 2, RELEASE, 0);
	kick(1);
	CHECK_EQ(reap(1, &len) + reap(1, &len), 3);
}

/* Other memory at the same place, while requests are under way. */
static void test_memory(void)
{
	uint32_t len;

	for (unsigned int i = 0; i < 20; i++) {
		send_request(1, 2, WAIT, 0);
		kick(1);
		set_memory();
		wait_until_waiting(1);
		set_memory();
		send_request(1, 1, RELEASE, 0);
		kick(1);
		CHECK_EQ(reap(1, &len) + reap(1, &len), 3);
		CHECK_EQ(header_of(2)->error, 0);
	}
}

/* A guest that is paused and goes on; one that starts over. */
static void test_stop(void)
{
	unsigned int base[QUEUES], resets_before = resets;
	uint32_t len;

	for (unsigned int i = 0; i < QUEUES; i++)
		stop_queue(i, &base[i]);
	CHECK_EQ(base[1], queues[1].ring.avail_idx);
	for (unsigned int i = 0; i < QUEUES; i++)
		start_queue(i, base[i]);
	CHECK_EQ(ask(1, ECHO, 10, &len), 0);
	CHECK_EQ(resets, resets_before);
}

static void wait_until_none_waits(void)
{
	pthread_mutex_lock(&lock);
	while (waiting)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static void release_all(void)
{
	pthread_mutex_lock(&lock);
	releases++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	end_locks(0);
	wait_until_none_waits();
}

/* A guest is paused while it waits for a lock, and gets it afterwards. */
static void test_lock_over_pause(bool released_meanwhile)
{
	unsigned int base[QUEUES];
	uint32_t len;

	send_request(1, 3, LOCK, 0);
	kick(1);
	wait_until_waiting(1);
	for (unsigned int i = 0; i < QUEUES; i++)
		stop_queue(i, &base[i]);
	CHECK_EQ(cancels, 0);
	if (released_meanwhile) {
		release_all();
		CHECK_EQ((unsigned char)slot(3)[DATA_ROOM], 0xee);
	}
	for (unsigned int i = 0; i < QUEUES; i++)
		start_queue(i, base[i]);
	if (!released_meanwhile)
		release_all();
	CHECK_EQ(reap(1, &len), 3);
	CHECK_EQ(len, 16);
	CHECK_EQ(header_of(3)->error, 0);
	CHECK_EQ(ask(1, ECHO, 10, &len), 0);
}

/* A guest that starts over while it waits for a lock: nothing reaches it. */
static void test_lock_over_reboot(void)
{
	unsigned int base, resets_before = resets;
	uint32_t len;

	send_request(1, 3, LOCK, 0);
	kick(1);
	wait_until_waiting(1);
	for (unsigned int i = 0; i < QUEUES; i++) {
		stop_queue(i, &base);
		driver_ring_release(&queues[i].ring);
	}
	start(true, true);
	CHECK(cancels);
	CHECK_EQ(resets, resets_before + 1);
	wait_until_none_waits();
	cancels = 0;
	CHECK_EQ((unsigned char)slot(3)[DATA_ROOM], 0xee);
	CHECK_EQ(ask(1, ECHO, 10, &len), 0);
}

/* The front end goes away while a request waits. */
static void test_lock_over_end(void)
{
	send_request(1, 3, LOCK, 0);
	kick(1);
	wait_until_waiting(1);
	finish();
	CHECK(cancels);
	CHECK_EQ((unsigned char)slot(3)[DATA_ROOM], 0xee);
}

static void test_reset(void)
{
	unsigned int base, resets_before = resets;
	uint32_t len;

	CHECK_EQ(vhost_frontend_reset(&frontend), 0);
	CHECK_EQ(resets, resets_before + 1);
	for (unsigned int i = 0; i < QUEUES; i++) {
		stop_queue(i, &base);
		driver_ring_release(&queues[i].ring);
	}
	start(true, true);
	CHECK_EQ(ask(1, ECHO, 10, &len), 0);
}

/* A header that lies: the queue ends, and only that. */
static void test_broken(void)
{
	struct pollfd err = { queues[1].setup.err_fd, POLLIN, 0 };
	uint32_t len;

	send_request(1, 1, ECHO, 10);
	((struct cf_in_header *)(void *)slot(1))->len = 49;
	kick(1);
	CHECK_EQ(poll(&err, 1, 10000), 1);
	CHECK_EQ(ask(0, ECHO, 10, &len), 0);
	test_reset();
}

static void test_config(void)
{
	struct virtio_fs_config config;

	CHECK_EQ(vhost_frontend_get_config(&frontend, 0, &config,
					   sizeof(config)),
		 0);
	CHECK(memcmp(config.tag, "share\0\0\0", 8) == 0);
	CHECK(le32toh(config.num_request_queues) >= 1);
}

int main(void)
{
	pthread_t late;

	signal(SIGPIPE, SIG_IGN);
	memory_fd = memfd_create("guest", MFD_CLOEXEC);
	if (memory_fd < 0 || ftruncate(memory_fd, MEMORY) < 0)
		return 1;
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED,
		      memory_fd, 0);
	pthread_create(&late, NULL, complete_later, NULL);

	for (unsigned int i = 0; i < 4; i++) {
		open_port("share");
		start(i & 1, i & 2);
		test_replies();
		test_batches();
		finish();
	}
	open_port("share");
	start(true, true);
	test_waits(WAIT, 2);
	test_waits(LOCK, 20);
	test_slow();
	test_memory();
	test_stop();
	test_lock_over_pause(false);
	test_lock_over_pause(true);
	test_lock_over_reboot();
	test_reset();
	test_broken();
	test_config();
	test_lock_over_end();
	CHECK(memory_told > 40);

	pthread_mutex_lock(&lock);
	later_ends = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	pthread_join(late, NULL);
	return check_result();
}
