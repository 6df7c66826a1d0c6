// SPDX-License-Identifier: BSD-2-Clause
/*
 * The driver's side of a device, set up against a back end of the test's own
 * that offers more or less, refuses, keeps silent or goes away.
 */
#include "../../src/vhost/driver.h"
#include "check.h"
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADDR  UINT64_C(0x40000000)
#define OTHER UINT64_C(0x9000000000)
#define SIZE  8192U

/* What the back end offers, and does to one request. */
static struct {
	uint64_t features;
	uint64_t protocol;
	unsigned int queues;
	unsigned int slots;
	uint32_t refuses;
	uint32_t ignores;
	uint32_t leaves_at;
} offer;

/* What it was told. */
static struct {
	unsigned int count[VHOST_REQUEST_COUNT];
	uint64_t features;
	uint64_t protocol;
	struct vhost_memory table;
	struct vhost_region region; /* the last that came or went by itself */
	unsigned int region_fds;
	char first[8]; /* bytes of the first region, through its descriptor */
	struct vhost_vring_addr addr[4];
	unsigned int enabled;
	int kick_fd[4];
	int call_fd[4];
	int err_fd[4];
} seen;

static struct vhost_channel back;
static int front;
static pthread_t back_thread;

static void look_at(const struct vhost_region *region, int fd)
{
	void *map = mmap(NULL, region->size, PROT_READ, MAP_SHARED, fd,
			 (off_t)region->mmap_offset);

	if (CHECK(map != MAP_FAILED)) {
		memcpy(seen.first, map, sizeof(seen.first));
		munmap(map, region->size);
	}
}

static uint64_t answer(const struct vhost_message *message)
{
	switch (message->header.request) {
	case VHOST_GET_FEATURES:
		return offer.features;
	case VHOST_GET_PROTOCOL_FEATURES:
		return offer.protocol;
	case VHOST_GET_QUEUE_NUM:
		return offer.queues;
	case VHOST_GET_MAX_MEM_SLOTS:
		return offer.slots;
	default:
		return message->header.request == offer.refuses;
	}
}

static void keep_fd(int *kept, const int *fds, unsigned int count, uint64_t u64)
{
	if (CHECK_EQ(count, 1) && CHECK(u64 < 4))
		kept[u64] = dup(fds[0]);
}

static void note(const struct vhost_message *message, const int *fds,
		 unsigned int count)
{
	const union vhost_payload *payload = &message->payload;

	switch (message->header.request) {
	case VHOST_SET_FEATURES:
		seen.features = payload->u64;
		break;
	case VHOST_SET_PROTOCOL_FEATURES:
		seen.protocol = payload->u64;
		break;
	case VHOST_SET_MEM_TABLE:
		seen.table = payload->memory;
		if (CHECK_EQ(count, payload->memory.count))
			look_at(&payload->memory.regions[0], fds[0]);
		break;
	case VHOST_ADD_MEM_REG:
	case VHOST_REM_MEM_REG:
		seen.region = payload->region.region;
		seen.region_fds = count;
		break;
	case VHOST_SET_VRING_ADDR:
		if (CHECK(payload->addr.index < 4))
			seen.addr[payload->addr.index] = payload->addr;
		break;
	case VHOST_SET_VRING_ENABLE:
		seen.enabled += payload->state.num;
		break;
	case VHOST_SET_VRING_KICK:
		keep_fd(seen.kick_fd, fds, count, payload->u64);
		break;
	case VHOST_SET_VRING_CALL:
		keep_fd(seen.call_fd, fds, count, payload->u64);
		break;
	case VHOST_SET_VRING_ERR:
		keep_fd(seen.err_fd, fds, count, payload->u64);
		break;
	}
}

static bool is_question(uint32_t request)
{
	return request == VHOST_GET_FEATURES ||
	       request == VHOST_GET_PROTOCOL_FEATURES ||
	       request == VHOST_GET_QUEUE_NUM ||
	       request == VHOST_GET_MAX_MEM_SLOTS ||
	       request == VHOST_GET_VRING_BASE;
}

static void *serve(void *opaque)
{
	struct vhost_message message;
	int fds[VHOST_MAX_FDS];
	unsigned int count;

	while (vhost_receive(&back, &message, fds, &count) == 1) {
		uint32_t request = message.header.request;
		bool ack = message.header.flags & VHOST_FLAG_NEED_REPLY;

		seen.count[request]++;
		note(&message, fds, count);
		while (count)
			close(fds[--count]);
		if (request == offer.leaves_at)
			break;
		if (request == offer.ignores || !(ack || is_question(request)))
			continue;
		if (request != VHOST_GET_VRING_BASE) {
			message.payload.u64 = answer(&message);
			message.header.size = sizeof(uint64_t);
		}
		message.header.flags = VHOST_FLAG_VERSION | VHOST_FLAG_REPLY;
		vhost_send(&back, &message, NULL, 0);
	}
	shutdown(back.fd, SHUT_RDWR);
	return opaque;
}

/* A back end that has what crossfuse has, until the test changes that. */
static void begin(void)
{
	int fds[2];

	memset(&seen, 0, sizeof(seen));
	memset(&offer, 0, sizeof(offer));
	offer.features = VIRTIO_F_VERSION_1 | VHOST_F_PROTOCOL_FEATURES |
			 VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX;
	offer.protocol = VHOST_PF_MQ | VHOST_PF_REPLY_ACK |
			 VHOST_PF_RESET_DEVICE | VHOST_PF_LOG_SHMFD;
	offer.queues = 3;
	offer.slots = 3;
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	back = (struct vhost_channel){ .fd = fds[0] };
	front = fds[1];
}

static int open_driver(struct vhost_driver *driver, unsigned int queue_min)
{
	struct vhost_driver_config config = {
		.features = VIRTIO_F_EVENT_IDX,
		.protocol_features = VHOST_PF_RESET_DEVICE | VHOST_PF_CONFIG |
				     VHOST_PF_CONFIGURE_MEM_SLOTS,
		.queue_min = queue_min,
		.queue_max = 4,
		.queue_size = 16,
		.chain_max = 8,
		.memory_addr = ADDR,
		.memory_size = SIZE,
		.timeout = 1,
	};

	CHECK_EQ(pthread_create(&back_thread, NULL, serve, NULL), 0);
	return vhost_driver_open(driver, front, &config);
}

static void end(struct vhost_driver *driver)
{
	vhost_driver_close(driver);
	pthread_join(back_thread, NULL);
	close(back.fd);
	for (unsigned int i = 0; i < 4; i++) {
		if (seen.kick_fd[i])
			close(seen.kick_fd[i]);
		if (seen.call_fd[i])
			close(seen.call_fd[i]);
		if (seen.err_fd[i])
			close(seen.err_fd[i]);
	}
}

static void test_negotiation(void)
{
	struct vhost_driver driver;

	begin();
	CHECK_EQ(open_driver(&driver, 2), 0);
	CHECK_EQ(seen.features, VIRTIO_F_VERSION_1 | VHOST_F_PROTOCOL_FEATURES |
					VIRTIO_F_EVENT_IDX);
	CHECK_EQ(seen.protocol,
		 VHOST_PF_MQ | VHOST_PF_REPLY_ACK | VHOST_PF_RESET_DEVICE);
	CHECK_EQ(driver.frontend.protocol_features, seen.protocol);
	CHECK_EQ(driver.queue_count, 3);
	end(&driver);
	/* A device that does not tell. */
	begin();
	offer.protocol = VHOST_PF_REPLY_ACK;
	CHECK_EQ(open_driver(&driver, 2), 0);
	CHECK_EQ(driver.queue_count, 2);
	end(&driver);
}

static void test_unusable(void)
{
	struct vhost_driver driver;

	begin();
	offer.features &= ~VIRTIO_F_VERSION_1;
	CHECK_EQ(open_driver(&driver, 2), -EOPNOTSUPP);
	end(&driver);
	begin();
	CHECK_EQ(open_driver(&driver, 4), -ENODEV);
	end(&driver);
	begin();
	offer.queues = 257;
	CHECK_EQ(open_driver(&driver, 2), -EPROTO);
	end(&driver);
	begin();
	offer.refuses = VHOST_SET_MEM_TABLE;
	CHECK_EQ(open_driver(&driver, 2), -EREMOTEIO);
	CHECK_EQ(driver.frontend.request, VHOST_SET_MEM_TABLE);
	CHECK_EQ(driver.region_count, 0);
	end(&driver);
	begin();
	offer.ignores = VHOST_GET_QUEUE_NUM;
	CHECK_EQ(open_driver(&driver, 2), -ETIMEDOUT);
	end(&driver);
	begin();
	offer.leaves_at = VHOST_SET_OWNER;
	CHECK_EQ(open_driver(&driver, 2), -ECONNRESET);
	end(&driver);
}

static struct vhost_driver_region make_region(uint64_t addr, char fill)
{
	struct vhost_driver_region region = { .size = SIZE, .addr = addr };

	region.fd = memfd_create("other", MFD_CLOEXEC);
	CHECK_EQ(ftruncate(region.fd, SIZE), 0);
	region.base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			   region.fd, 0);
	if (CHECK(region.base != MAP_FAILED))
		memset(region.base, fill, SIZE);
	return region;
}

static void drop_region(const struct vhost_driver_region *region)
{
	munmap(region->base, region->size);
	close(region->fd);
}

/* Regions come and go in a table that is sent as a whole. */
static void test_table(void)
{
	struct vhost_driver_region other = make_region(OTHER, 'o');
	struct vhost_driver_region more[8];
	struct vhost_driver driver;

	begin();
	CHECK_EQ(open_driver(&driver, 2), 0);
	CHECK_EQ(seen.table.count, 1);
	CHECK_EQ(seen.table.regions[0].guest_addr, ADDR);
	CHECK_EQ(vhost_driver_add_region(&driver, &other), 0);
	CHECK_EQ(seen.table.count, 2);
	CHECK_EQ(seen.table.regions[1].guest_addr, OTHER);
	CHECK_EQ(seen.table.regions[1].size, SIZE);
	CHECK_EQ(vhost_driver_add_region(&driver, &other), -EEXIST);
	more[0] = make_region(ADDR + 1, 'm');
	CHECK_EQ(vhost_driver_add_region(&driver, &more[0]), -EEXIST);
	drop_region(&more[0]);
	for (unsigned int i = 0; i < 7; i++) {
		more[i] = make_region(OTHER + (i + 1) * SIZE, 'm');
		CHECK_EQ(vhost_driver_add_region(&driver, &more[i]),
			 i < 6 ? 0 : -E2BIG);
	}
	CHECK_EQ(seen.table.count, 8);
	CHECK_EQ(vhost_driver_remove_region(&driver, other.base), 0);
	CHECK_EQ(seen.table.count, 7);
	CHECK_EQ(seen.table.regions[1].guest_addr, OTHER + SIZE);
	CHECK_EQ(vhost_driver_remove_region(&driver, other.base), -ENOENT);
	CHECK_EQ(vhost_driver_remove_region(&driver, driver.regions->base),
		 -ENOENT);
	CHECK_EQ(seen.count[VHOST_ADD_MEM_REG], 0);
	end(&driver);
	for (unsigned int i = 0; i < 7; i++)
		drop_region(&more[i]);
	drop_region(&other);
}

/* Regions come and go one by one. */
static void test_slots(void)
{
	struct vhost_driver_region other = make_region(OTHER, 'o');
	struct vhost_driver_region third = make_region(OTHER + SIZE, 't');
	struct vhost_driver_region fourth = make_region(OTHER + 2 * SIZE, 'f');
	struct vhost_driver driver;

	begin();
	offer.protocol |= VHOST_PF_CONFIGURE_MEM_SLOTS;
	CHECK_EQ(open_driver(&driver, 2), 0);
	CHECK_EQ(seen.region.guest_addr, ADDR);
	CHECK_EQ(vhost_driver_add_region(&driver, &other), 0);
	CHECK_EQ(seen.region.guest_addr, OTHER);
	CHECK_EQ(seen.region_fds, 1);
	CHECK_EQ(vhost_driver_add_region(&driver, &third), 0);
	CHECK_EQ(vhost_driver_add_region(&driver, &fourth), -E2BIG);
	CHECK_EQ(vhost_driver_remove_region(&driver, other.base), 0);
	CHECK_EQ(seen.region.guest_addr, OTHER);
	CHECK_EQ(seen.region.user_addr, (uintptr_t)other.base);
	CHECK_EQ(seen.region_fds, 0);
	CHECK_EQ(vhost_driver_add_region(&driver, &fourth), 0);
	CHECK_EQ(seen.count[VHOST_SET_MEM_TABLE], 0);
	offer.refuses = VHOST_ADD_MEM_REG;
	CHECK_EQ(vhost_driver_remove_region(&driver, third.base), 0);
	CHECK_EQ(vhost_driver_add_region(&driver, &third), -EREMOTEIO);
	CHECK_EQ(driver.region_count, 2);
	end(&driver);
	drop_region(&other);
	drop_region(&third);
	drop_region(&fourth);
}

static void test_addresses(void)
{
	struct vhost_driver_region other = make_region(OTHER, 'o');
	struct driver_segment segment = { 1, 2 };
	struct vhost_driver driver;
	char *memory;

	begin();
	CHECK_EQ(open_driver(&driver, 2), 0);
	memory = vhost_driver_alloc(&driver, 100);
	strcpy(driver.regions->base, "before");
	CHECK_EQ(vhost_driver_add_region(&driver, &other), 0);
	CHECK_EQ(strcmp(seen.first, "before"), 0);
	CHECK_EQ(vhost_driver_segment(&driver, memory + 8, 20, &segment), 0);
	CHECK_EQ(segment.addr,
		 ADDR + (uint64_t)(memory + 8 - driver.regions->base));
	CHECK_EQ(segment.len, 20);
	CHECK_EQ(vhost_driver_segment(&driver, other.base + 1, SIZE - 1,
				      &segment),
		 0);
	CHECK_EQ(segment.addr, OTHER + 1);
	CHECK_EQ(vhost_driver_segment(&driver, other.base + 1, SIZE, &segment),
		 -EFAULT);
	CHECK_EQ(vhost_driver_segment(&driver, &driver, 1, &segment), -EFAULT);
	CHECK_EQ(segment.addr, OTHER + 1);
	/* Two pages were asked for beside the rings; one is taken. */
	CHECK(vhost_driver_alloc(&driver, 4096) != NULL);
	CHECK(vhost_driver_alloc(&driver, 1) == NULL);
	end(&driver);
	drop_region(&other);
}

static void signal_event(int fd)
{
	uint64_t one = 1;

	CHECK_EQ(write(fd, &one, sizeof(one)), sizeof(one));
}

static void check_ring(const struct vhost_driver *driver, unsigned int index)
{
	const struct driver_ring *ring = &driver->queues[index].ring;

	CHECK_EQ(seen.addr[index].desc, (uintptr_t)ring->desc);
	CHECK_EQ(seen.addr[index].avail, (uintptr_t)ring->avail);
	CHECK_EQ(seen.addr[index].used, (uintptr_t)ring->used);
	CHECK_EQ(driver_ring_addr(ring, ring->desc),
		 ADDR + (uint64_t)((char *)ring->desc - driver->regions->base));
}

static void test_queues(void)
{
	struct vhost_driver driver;
	struct vhost_driver_queue *queue;
	struct driver_segment segment;
	char *memory;

	begin();
	CHECK_EQ(open_driver(&driver, 2), 0);
	CHECK_EQ(vhost_driver_start(&driver), 0);
	CHECK_EQ(seen.enabled, 3);
	for (unsigned int i = 0; i < 3; i++)
		check_ring(&driver, i);
	queue = &driver.queues[1];
	memory = vhost_driver_alloc(&driver, 64);
	CHECK_EQ(vhost_driver_segment(&driver, memory, 64, &segment), 0);
	CHECK_EQ(vhost_queue_kick(queue), 0);
	CHECK_EQ(driver_ring_add(&queue->ring, &segment, 1, 0, memory), 0);
	CHECK_EQ(vhost_queue_kick(queue), 1);
	CHECK_EQ(vhost_driver_wait(&driver, queue, 0), -ETIMEDOUT);
	signal_event(seen.call_fd[1]);
	CHECK_EQ(vhost_driver_wait(&driver, queue, 1000), 0);
	CHECK_EQ(vhost_driver_wait(&driver, queue, 0), -ETIMEDOUT);
	signal_event(seen.err_fd[1]);
	CHECK_EQ(vhost_driver_wait(&driver, queue, 1000), -EREMOTEIO);
	/* All is as new after it. */
	CHECK_EQ(vhost_driver_stop(&driver), 0);
	CHECK_EQ(seen.count[VHOST_GET_VRING_BASE], 3);
	for (unsigned int i = 0; i < 3; i++) {
		close(seen.kick_fd[i]);
		close(seen.call_fd[i]);
		close(seen.err_fd[i]);
	}
	CHECK_EQ(vhost_driver_start(&driver), 0);
	CHECK_EQ(queue->ring.avail->idx, 0);
	CHECK_EQ(queue->ring.free_count, 16);
	CHECK_EQ(vhost_driver_wait(&driver, queue, 0), -ETIMEDOUT);
	shutdown(back.fd, SHUT_RDWR);
	CHECK_EQ(vhost_driver_wait(&driver, queue, 1000), -ECONNRESET);
	end(&driver);
}

int main(void)
{
	test_negotiation();
	test_unusable();
	test_table();
	test_slots();
	test_addresses();
	test_queues();
	return check_result();
}
