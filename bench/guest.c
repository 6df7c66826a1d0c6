// SPDX-License-Identifier: BSD-2-Clause
#include "guest.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define LOW_ADDR  UINT64_C(0x40000000)
#define HIGH_ADDR UINT64_C(0x100000000)
#define LOW_EXTRA (16U << 20) /* head pages, beside the rings */

static int tell(const char *what, int error)
{
	fprintf(stderr, "virtiofs-bench: %s: %s\n", what, strerror(-error));
	return error;
}

void *guest_alloc(struct guest_region *region, size_t size)
{
	size_t at = (region->taken + GUEST_PAGE - 1) &
		    ~(size_t)(GUEST_PAGE - 1);

	if (at > region->size || size > region->size - at)
		return NULL;
	region->taken = at + size;
	return region->base + at;
}

static void *alloc_zeroed(struct guest_region *region, size_t size)
{
	void *memory = guest_alloc(region, size);

	return memory ? memset(memory, 0, size) : NULL;
}

static unsigned int table_len(const struct guest *guest)
{
	return guest->frontend.features & VIRTIO_F_INDIRECT_DESC
		       ? GUEST_SEGMENT_MAX
		       : 0;
}

static int make_memory(struct guest *guest)
{
	size_t ring =
		driver_ring_bytes(guest->config.queue_size, GUEST_SEGMENT_MAX);
	size_t low = (GUEST_QUEUE_MAX < guest->config.queues
			      ? GUEST_QUEUE_MAX
			      : guest->config.queues) +
		     1;
	size_t high = guest->config.data_bytes;
	char *base;

	low = low * (ring + GUEST_PAGE) + LOW_EXTRA;
	low = (low + GUEST_PAGE - 1) & ~(size_t)(GUEST_PAGE - 1);
	guest->memory_fd = memfd_create("guest", MFD_CLOEXEC);
	if (guest->memory_fd < 0 ||
	    ftruncate(guest->memory_fd, (off_t)(low + high)) < 0)
		return -errno;
	base = mmap(NULL, low + high, PROT_READ | PROT_WRITE, MAP_SHARED,
		    guest->memory_fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	guest->low = (struct guest_region){ .base = base,
					    .addr = LOW_ADDR,
					    .size = low };
	guest->high = (struct guest_region){ .base = base + low,
					     .addr = HIGH_ADDR,
					     .size = high };
	return 0;
}

static int share_memory(struct guest *guest)
{
	struct vhost_region regions[2] = {
		{ .guest_addr = guest->low.addr,
		  .size = guest->low.size,
		  .user_addr = (uint64_t)(uintptr_t)guest->low.base },
		{ .guest_addr = guest->high.addr,
		  .size = guest->high.size,
		  .user_addr = (uint64_t)(uintptr_t)guest->high.base,
		  .mmap_offset = guest->low.size },
	};
	int fds[2] = { guest->memory_fd, guest->memory_fd };

	return vhost_frontend_set_memory(&guest->frontend, regions, fds,
					 guest->high.size ? 2 : 1);
}

static uint64_t guest_addr(const struct guest *guest, const char *at)
{
	const struct guest_region *region =
		at >= guest->high.base ? &guest->high : &guest->low;

	return region->addr + (uint64_t)(at - region->base);
}

/* The ring's memory stays the same over a reboot. */
static int start_queue(struct guest *guest, unsigned int index, void *memory)
{
	struct guest_queue *queue = &guest->queues[index];
	struct driver_ring_config config = {
		.num = guest->config.queue_size,
		.table_len = table_len(guest),
		.event_idx = guest->frontend.features & VIRTIO_F_EVENT_IDX,
		.memory = memory,
		.addr = guest_addr(guest, memory),
	};
	struct vhost_frontend_ring ring = {
		.num = config.num,
		.kick_fd = queue->kick_fd,
		.call_fd = queue->call_fd,
		.err_fd = queue->err_fd,
	};
	int r;

	r = driver_ring_init(&queue->ring, &config);
	if (r < 0)
		return r;
	ring.desc = (uint64_t)(uintptr_t)queue->ring.desc;
	ring.avail = (uint64_t)(uintptr_t)queue->ring.avail;
	ring.used = (uint64_t)(uintptr_t)queue->ring.used;
	return vhost_frontend_start(&guest->frontend, index, &ring);
}

static int make_queue(struct guest *guest, unsigned int index)
{
	struct guest_queue *queue = &guest->queues[index];
	void *memory = guest_alloc(&guest->low,
				   driver_ring_bytes(guest->config.queue_size,
						     table_len(guest)));

	if (!memory)
		return -ENOMEM;
	queue->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	queue->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	queue->err_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->kick_fd < 0 || queue->call_fd < 0 || queue->err_fd < 0)
		return -errno;
	return start_queue(guest, index, memory);
}

static int make_queues(struct guest *guest)
{
	unsigned int most = guest->frontend.queue_max - 1;
	int r = 0;

	if (most == 0)
		return -EPROTO;
	guest->queue_count = guest->config.queues < most ? guest->config.queues
							 : most;
	if (guest->queue_count > GUEST_QUEUE_MAX)
		guest->queue_count = GUEST_QUEUE_MAX;
	for (unsigned int i = 0; r == 0 && i <= guest->queue_count; i++)
		r = make_queue(guest, i);
	return r;
}

/* What Linux 6.1 offers on virtio-fs, but for creation contexts. */
#define INIT_FLAGS                                                           \
	(CF_INIT_ASYNC_READ | CF_INIT_POSIX_LOCKS | CF_INIT_ATOMIC_O_TRUNC | \
	 CF_INIT_EXPORT_SUPPORT | CF_INIT_BIG_WRITES | CF_INIT_DONT_MASK |   \
	 CF_INIT_FLOCK_LOCKS | CF_INIT_HAS_IOCTL_DIR |                       \
	 CF_INIT_AUTO_INVAL_DATA | CF_INIT_DO_READDIRPLUS |                  \
	 CF_INIT_READDIRPLUS_AUTO | CF_INIT_ASYNC_DIO |                      \
	 CF_INIT_NO_OPEN_SUPPORT | CF_INIT_PARALLEL_DIROPS |                 \
	 CF_INIT_HANDLE_KILLPRIV | CF_INIT_ABORT_ERROR | CF_INIT_MAX_PAGES | \
	 CF_INIT_CACHE_SYMLINKS | CF_INIT_NO_OPENDIR_SUPPORT |               \
	 CF_INIT_EXPLICIT_INVAL_DATA | CF_INIT_SUBMOUNTS |                   \
	 CF_INIT_HANDLE_KILLPRIV_V2 | CF_INIT_SETXATTR_EXT)

static uint64_t canon_bit(const struct guest *guest)
{
	return guest->config.minor <= CF_CANON_ARCH_OLD_MINOR
		       ? CF_INIT_CANON_ARCH_OLD
		       : CF_INIT_CANON_ARCH;
}

static void note_init(struct guest *guest, const struct cf_init_out *out)
{
	uint32_t flags = guest_u32(guest, out->flags);
	size_t write_max = guest_u32(guest, out->max_write);
	size_t pages = 32;

	guest->server_minor = guest_u32(guest, out->minor);
	guest->server_flags = flags;
	if (flags & CF_INIT_EXT)
		guest->server_flags |= (uint64_t)guest_u32(guest, out->flags2)
				       << 32;
	if (flags & CF_INIT_MAX_PAGES)
		pages = guest_u16(guest, out->max_pages);
	guest->server_max_pages = (uint32_t)pages;
	/* As Linux does: not more pages than a queue without tables holds. */
	if (pages > guest->config.queue_size - 4)
		pages = guest->config.queue_size - 4;
	guest->io_max = pages * GUEST_PAGE;
	if (guest->io_max > write_max)
		guest->io_max = write_max & ~(size_t)(GUEST_PAGE - 1);
	if (guest->io_max > GUEST_IO_MAX)
		guest->io_max = GUEST_IO_MAX;
	guest->canon = guest->config.offer_canon &&
		       guest->server_flags & canon_bit(guest);
	if (guest->canon)
		guest->abi = client_abi_canonical();
}

static int say_init(struct guest *guest)
{
	struct guest_call call = { .head = alloc_zeroed(&guest->low,
							GUEST_PAGE) };
	struct guest_shape shape = { .arg_len = sizeof(struct cf_init_in),
				     .out_len = sizeof(struct cf_init_out) };
	uint64_t flags = INIT_FLAGS;
	struct cf_init_in *in;
	ssize_t len;

	if (!call.head)
		return -ENOMEM;
	guest->abi = guest->config.abi;
	guest->swap = guest->abi->big_endian != (__BYTE_ORDER == __BIG_ENDIAN);
	if (guest->config.minor >= 36)
		flags |= CF_INIT_EXT;
	else
		shape.arg_len = CF_COMPAT_INIT_IN_SIZE;
	if (guest->config.offer_canon)
		flags |= canon_bit(guest);
	in = guest_begin(guest, &call, CF_INIT, 0, shape.arg_len);
	in->major = guest_u32(guest, CF_KERNEL_VERSION);
	in->minor = guest_u32(guest, guest->config.minor);
	in->max_readahead = guest_u32(guest, 128 << 10);
	in->flags = guest_u32(guest, (uint32_t)flags);
	in->flags2 = guest_u32(guest, (uint32_t)(flags >> 32));
	if (guest->config.send_arch_id || guest->config.offer_canon)
		in->arch_id =
			guest_u32(guest, client_arch_id(guest->abi->name));
	len = guest_roundtrip(guest, &guest->queues[1], &call, &shape);
	if (len < 0)
		return (int)len;
	if (len < CF_COMPAT_22_INIT_OUT_SIZE)
		return -EPROTO;
	note_init(guest, guest_out(&call));
	return 0;
}

static int say_destroy(struct guest *guest)
{
	struct guest_call call = { .head = alloc_zeroed(&guest->low,
							GUEST_PAGE) };
	struct guest_shape shape = { 0 };
	ssize_t len;

	if (!call.head)
		return -ENOMEM;
	guest_begin(guest, &call, CF_DESTROY, 0, 0);
	len = guest_roundtrip(guest, &guest->queues[1], &call, &shape);
	return len < 0 ? (int)len : 0;
}

/* The server may just be about to listen. */
static int connect_patiently(struct guest *guest)
{
	struct timespec pause = { .tv_nsec = 10000000 };
	int r = -ECONNREFUSED;

	for (unsigned int i = 0; r == -ECONNREFUSED && i < 500; i++) {
		if (i)
			nanosleep(&pause, NULL);
		r = vhost_frontend_connect(&guest->frontend, guest->config.path,
					   GUEST_TIMEOUT);
	}
	return r;
}

static int connect_device(struct guest *guest)
{
	uint64_t wanted = VHOST_F_PROTOCOL_FEATURES;
	uint64_t protocol = VHOST_PF_MQ | VHOST_PF_REPLY_ACK | VHOST_PF_CONFIG |
			    VHOST_PF_RESET_DEVICE;
	int r;

	if (!guest->config.no_indirect)
		wanted |= VIRTIO_F_INDIRECT_DESC;
	if (!guest->config.no_event_idx)
		wanted |= VIRTIO_F_EVENT_IDX;
	r = connect_patiently(guest);
	if (r < 0)
		return tell(guest->config.path, r);
	r = vhost_frontend_negotiate(&guest->frontend, wanted,
				     VIRTIO_F_VERSION_1, protocol);
	if (r < 0)
		return tell("features", r);
	return 0;
}

int guest_open(struct guest *guest, const struct guest_config *config)
{
	int r;

	*guest = (struct guest){
		.config = *config,
		.frontend.channel.fd = -1,
		.memory_fd = -1,
		.unique_step = 2,
	};
	pthread_mutex_init(&guest->forget_lock, NULL);
	r = connect_device(guest);
	if (r < 0)
		return r;
	r = make_memory(guest);
	if (r < 0)
		return tell("memory", r);
	r = share_memory(guest);
	if (r < 0)
		return tell("SET_MEM_TABLE", r);
	r = make_queues(guest);
	if (r < 0)
		return tell("queues", r);
	guest->forget_page =
		guest_alloc(&guest->low, guest->config.queue_size * (size_t)64);
	if (!guest->forget_page)
		return tell("memory", -ENOMEM);
	r = say_init(guest);
	return r < 0 ? tell("FUSE_INIT", r) : 0;
}

int guest_remount(struct guest *guest)
{
	int r = say_destroy(guest);

	if (r == 0)
		r = say_init(guest);
	return r < 0 ? tell("remount", r) : 0;
}

int guest_reboot(struct guest *guest)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i <= guest->queue_count; i++) {
		unsigned int base;

		r = vhost_frontend_stop(&guest->frontend, i, &base);
	}
	for (unsigned int i = 0; r == 0 && i <= guest->queue_count; i++) {
		struct driver_ring *ring = &guest->queues[i].ring;
		void *memory = ring->config.memory;

		driver_ring_release(ring);
		memset(memory, 0, driver_ring_bytes(ring->config.num, 0));
		r = start_queue(guest, i, memory);
	}
	memset(guest->forget_page, 0, guest->config.queue_size * (size_t)64);
	guest->forgets = 0;
	if (r == 0)
		r = say_init(guest);
	return r < 0 ? tell("reboot", r) : 0;
}

void guest_close(struct guest *guest)
{
	vhost_frontend_close(&guest->frontend);
	for (unsigned int i = 0; i <= guest->queue_count; i++) {
		struct guest_queue *queue = &guest->queues[i];

		if (!queue->ring.slots)
			continue;
		driver_ring_release(&queue->ring);
		close(queue->kick_fd);
		close(queue->call_fd);
		close(queue->err_fd);
	}
	if (guest->low.base)
		munmap(guest->low.base, guest->low.size + guest->high.size);
	if (guest->memory_fd >= 0)
		close(guest->memory_fd);
	pthread_mutex_destroy(&guest->forget_lock);
}
