// SPDX-License-Identifier: BSD-2-Clause
#include "guest.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MEMORY_ADDR  UINT64_C(0x40000000)
#define MEMORY_BYTES (20U << 20) /* head pages and FORGETs, beside the rings */
#define DATA_ADDR    UINT64_C(0x100000000)

static int tell(const char *what, int error)
{
	fprintf(stderr, "virtiofs-bench: %s: %s\n", what, strerror(-error));
	return error;
}

/* A region of its own, so that the device has to look addresses up. */
static int make_data(struct guest *guest)
{
	struct vhost_driver_region *data = &guest->data;

	data->addr = DATA_ADDR;
	data->size = guest->config.data_bytes;
	data->fd = memfd_create("data", MFD_CLOEXEC);
	if (data->fd < 0 || ftruncate(data->fd, (off_t)data->size) < 0)
		return -errno;
	data->base = mmap(NULL, data->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			  data->fd, 0);
	if (data->base == MAP_FAILED) {
		data->base = NULL;
		return -errno;
	}
	return 0;
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
	struct guest_call call = { .head = vhost_driver_alloc(&guest->driver,
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
	struct guest_call call = { .head = vhost_driver_alloc(&guest->driver,
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
static int connect_patiently(const char *path)
{
	struct timespec pause = { .tv_nsec = 10000000 };
	int r = -ECONNREFUSED;

	for (unsigned int i = 0; r == -ECONNREFUSED && i < 500; i++) {
		if (i)
			nanosleep(&pause, NULL);
		r = vhost_connect(path);
	}
	return r;
}

static int open_driver(struct guest *guest)
{
	const struct guest_config *config = &guest->config;
	struct vhost_driver_config want = {
		.protocol_features = VHOST_PF_CONFIG | VHOST_PF_RESET_DEVICE |
				     VHOST_PF_CONFIGURE_MEM_SLOTS,
		.queue_min = 2,
		.queue_max = 1 + (config->queues < GUEST_QUEUE_MAX
					  ? config->queues
					  : GUEST_QUEUE_MAX),
		.queue_size = config->queue_size,
		.chain_max = GUEST_SEGMENT_MAX,
		.memory_addr = MEMORY_ADDR,
		.memory_size = MEMORY_BYTES,
		.timeout = GUEST_TIMEOUT,
	};
	int fd = connect_patiently(config->path);
	int r;

	if (fd < 0)
		return tell(config->path, fd);
	if (!config->no_indirect)
		want.features |= VIRTIO_F_INDIRECT_DESC;
	if (!config->no_event_idx)
		want.features |= VIRTIO_F_EVENT_IDX;
	r = vhost_driver_open(&guest->driver, fd, &want);
	if (r < 0)
		return tell(vhost_request_name(guest->driver.frontend.request),
			    r);
	guest->queue_count = guest->driver.queue_count - 1;
	for (unsigned int i = 0; i <= guest->queue_count; i++)
		guest->queues[i].vq = &guest->driver.queues[i];
	return 0;
}

int guest_open(struct guest *guest, const struct guest_config *config)
{
	int r;

	*guest = (struct guest){
		.config = *config,
		.driver = VHOST_DRIVER_NONE,
		.data.fd = -1,
		.unique_step = 2,
	};
	pthread_mutex_init(&guest->forget_lock, NULL);
	r = open_driver(guest);
	if (r < 0)
		return r;
	guest->forget_page = vhost_driver_alloc(
		&guest->driver, guest->config.queue_size * (size_t)64);
	if (!guest->forget_page)
		return tell("memory", -ENOMEM);
	r = make_data(guest);
	if (r < 0)
		return tell("memory", r);
	return guest_boot(guest);
}

int guest_remount(struct guest *guest)
{
	int r = say_destroy(guest);

	if (r == 0)
		r = say_init(guest);
	return r < 0 ? tell("remount", r) : 0;
}

int guest_halt(struct guest *guest)
{
	struct vhost_driver *driver = &guest->driver;
	int r = vhost_driver_stop(driver);

	if (r == 0)
		r = vhost_driver_remove_region(driver, guest->data.base);
	return r < 0 ? tell(vhost_request_name(driver->frontend.request), r)
		     : 0;
}

int guest_boot(struct guest *guest)
{
	struct vhost_driver *driver = &guest->driver;
	int r = vhost_driver_add_region(driver, &guest->data);

	if (r == 0)
		r = vhost_driver_start(driver);
	if (r < 0)
		return tell(vhost_request_name(driver->frontend.request), r);
	memset(guest->forget_page, 0, guest->config.queue_size * (size_t)64);
	guest->forgets = 0;
	r = say_init(guest);
	return r < 0 ? tell("FUSE_INIT", r) : 0;
}

void guest_close(struct guest *guest)
{
	vhost_driver_close(&guest->driver);
	if (guest->data.base)
		munmap(guest->data.base, guest->data.size);
	if (guest->data.fd >= 0)
		close(guest->data.fd);
	pthread_mutex_destroy(&guest->forget_lock);
}
