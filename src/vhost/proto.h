/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vhost-user protocol and the split virtqueue as they stand on the wire
 * and in memory: what the front end (a virtual machine monitor, or the driver
 * role) and the back end (the device role) have in common.
 *
 * Sources: QEMU's docs/interop/vhost-user.rst; virtio 1.2, sections 2.7
 * (split virtqueues), 5.11 (file system device) and 6 (feature bits).
 */
#ifndef VHOST_PROTO_H
#define VHOST_PROTO_H

#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Requests of the front end. */
enum vhost_request {
	VHOST_GET_FEATURES = 1,
	VHOST_SET_FEATURES = 2,
	VHOST_SET_OWNER = 3,
	VHOST_RESET_OWNER = 4,
	VHOST_SET_MEM_TABLE = 5,
	VHOST_SET_LOG_BASE = 6,
	VHOST_SET_LOG_FD = 7,
	VHOST_SET_VRING_NUM = 8,
	VHOST_SET_VRING_ADDR = 9,
	VHOST_SET_VRING_BASE = 10,
	VHOST_GET_VRING_BASE = 11,
	VHOST_SET_VRING_KICK = 12,
	VHOST_SET_VRING_CALL = 13,
	VHOST_SET_VRING_ERR = 14,
	VHOST_GET_PROTOCOL_FEATURES = 15,
	VHOST_SET_PROTOCOL_FEATURES = 16,
	VHOST_GET_QUEUE_NUM = 17,
	VHOST_SET_VRING_ENABLE = 18,
	VHOST_SEND_RARP = 19,
	VHOST_NET_SET_MTU = 20,
	VHOST_SET_BACKEND_REQ_FD = 21,
	VHOST_IOTLB_MSG = 22,
	VHOST_SET_VRING_ENDIAN = 23,
	VHOST_GET_CONFIG = 24,
	VHOST_SET_CONFIG = 25,
	VHOST_CREATE_CRYPTO_SESSION = 26,
	VHOST_CLOSE_CRYPTO_SESSION = 27,
	VHOST_POSTCOPY_ADVISE = 28,
	VHOST_POSTCOPY_LISTEN = 29,
	VHOST_POSTCOPY_END = 30,
	VHOST_GET_INFLIGHT_FD = 31,
	VHOST_SET_INFLIGHT_FD = 32,
	VHOST_GPU_SET_SOCKET = 33,
	VHOST_RESET_DEVICE = 34,
	VHOST_VRING_KICK = 35,
	VHOST_GET_MAX_MEM_SLOTS = 36,
	VHOST_ADD_MEM_REG = 37,
	VHOST_REM_MEM_REG = 38,
	VHOST_SET_STATUS = 39,
	VHOST_GET_STATUS = 40,
	VHOST_GET_SHARED_OBJECT = 41,
	VHOST_SET_DEVICE_STATE_FD = 42,
	VHOST_CHECK_DEVICE_STATE = 43,
	VHOST_REQUEST_COUNT
};

/* Every message begins with this, in the front end's byte order. */
struct vhost_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* bytes of the payload that follows */
};

static_assert(sizeof(struct vhost_header) == 12, "vhost-user header");

#define VHOST_FLAG_VERSION	0x1U
#define VHOST_FLAG_VERSION_MASK 0x3U
#define VHOST_FLAG_REPLY	0x4U
#define VHOST_FLAG_NEED_REPLY	0x8U

/* File descriptors that one message may carry (regions of SET_MEM_TABLE). */
#define VHOST_MAX_FDS 8

struct vhost_vring_state {
	uint32_t index;
	uint32_t num;
};

struct vhost_vring_addr {
	uint32_t index;
	uint32_t flags; /* bit 0: log; refused here */
	uint64_t desc;	/* addresses of the front end's address space */
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

struct vhost_region {
	uint64_t guest_addr;
	uint64_t size;
	uint64_t user_addr;   /* in the front end's address space */
	uint64_t mmap_offset; /* of the region within its file */
};

struct vhost_memory {
	uint32_t count;
	uint32_t padding;
	struct vhost_region regions[VHOST_MAX_FDS];
};

struct vhost_single_region {
	uint64_t padding;
	struct vhost_region region;
};

#define VHOST_CONFIG_MAX 256

struct vhost_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t data[VHOST_CONFIG_MAX];
};

static_assert(sizeof(struct vhost_vring_state) == 8, "vring state");
static_assert(sizeof(struct vhost_vring_addr) == 40, "vring addresses");
static_assert(sizeof(struct vhost_region) == 32, "memory region");
static_assert(offsetof(struct vhost_memory, regions) == 8, "memory table");
static_assert(sizeof(struct vhost_single_region) == 40, "single region");
static_assert(offsetof(struct vhost_config, data) == 12, "configuration");

/* The payload of SET_VRING_KICK, _CALL and _ERR: a u64. */
#define VHOST_VRING_INDEX_MASK 0xffU
#define VHOST_VRING_NOFD       0x100U

union vhost_payload {
	uint64_t u64;
	struct vhost_vring_state state;
	struct vhost_vring_addr addr;
	struct vhost_memory memory;
	struct vhost_single_region region;
	struct vhost_config config;
};

/* A message with its payload; its file descriptors travel beside it. */
struct vhost_message {
	struct vhost_header header;
	union vhost_payload payload;
};

/* Device feature bits (GET_FEATURES, SET_FEATURES). */
#define VHOST_F_LOG_ALL		  (UINT64_C(1) << 26)
#define VIRTIO_F_INDIRECT_DESC	  (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_IDX	  (UINT64_C(1) << 29)
#define VHOST_F_PROTOCOL_FEATURES (UINT64_C(1) << 30)
#define VIRTIO_F_VERSION_1	  (UINT64_C(1) << 32)

/* Protocol feature bits (GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES). */
#define VHOST_PF_MQ		      (UINT64_C(1) << 0)
#define VHOST_PF_LOG_SHMFD	      (UINT64_C(1) << 1)
#define VHOST_PF_RARP		      (UINT64_C(1) << 2)
#define VHOST_PF_REPLY_ACK	      (UINT64_C(1) << 3)
#define VHOST_PF_MTU		      (UINT64_C(1) << 4)
#define VHOST_PF_BACKEND_REQ	      (UINT64_C(1) << 5)
#define VHOST_PF_CROSS_ENDIAN	      (UINT64_C(1) << 6)
#define VHOST_PF_CONFIG		      (UINT64_C(1) << 9)
#define VHOST_PF_BACKEND_SEND_FD      (UINT64_C(1) << 10)
#define VHOST_PF_HOST_NOTIFIER	      (UINT64_C(1) << 11)
#define VHOST_PF_INFLIGHT_SHMFD	      (UINT64_C(1) << 12)
#define VHOST_PF_RESET_DEVICE	      (UINT64_C(1) << 13)
#define VHOST_PF_INBAND_NOTIFICATIONS (UINT64_C(1) << 14)
#define VHOST_PF_CONFIGURE_MEM_SLOTS  (UINT64_C(1) << 15)
#define VHOST_PF_STATUS		      (UINT64_C(1) << 16)

/* The file system device's configuration space; integers little-endian. */
#define VIRTIO_ID_FS  26
#define VIRTIO_FS_TAG 36

struct virtio_fs_config {
	uint8_t tag[VIRTIO_FS_TAG]; /* padded with NULs, not terminated */
	uint32_t num_request_queues;
};

static_assert(sizeof(struct virtio_fs_config) == 40, "virtio_fs_config");

/* A split virtqueue. All integers in it are little-endian (VERSION_1). */
#define VRING_SIZE_MAX 32768U

struct vring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

#define VRING_DESC_NEXT	    0x1U
#define VRING_DESC_WRITE    0x2U /* the device writes it */
#define VRING_DESC_INDIRECT 0x4U

struct vring_avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[]; /* then used_event */
};

#define VRING_AVAIL_NO_INTERRUPT 0x1U

struct vring_used_elem {
	uint32_t id;
	uint32_t len;
};

struct vring_used {
	uint16_t flags;
	uint16_t idx;
	struct vring_used_elem ring[]; /* then avail_event */
};

#define VRING_USED_NO_NOTIFY 0x1U

static_assert(sizeof(struct vring_desc) == 16, "vring_desc");
static_assert(sizeof(struct vring_used_elem) == 8, "vring_used_elem");
static_assert(offsetof(struct vring_avail, ring) == 4, "vring_avail");
static_assert(offsetof(struct vring_used, ring) == 4, "vring_used");

/* Bytes and alignment of the three parts; the event index included. */
#define VRING_DESC_ALIGN  16U
#define VRING_AVAIL_ALIGN 2U
#define VRING_USED_ALIGN  4U

static inline size_t vring_desc_bytes(unsigned int num)
{
	return sizeof(struct vring_desc) * (size_t)num;
}

static inline size_t vring_avail_bytes(unsigned int num)
{
	return 6 + 2 * (size_t)num;
}

static inline size_t vring_used_bytes(unsigned int num)
{
	return 6 + sizeof(struct vring_used_elem) * (size_t)num;
}

/*
 * Whether the other side, which asked to be told when the index passes EVENT,
 * must be told of the step from OLD to NEW (virtio 2.7.7.1, 2.7.10.1).
 */
static inline bool vring_need_event(uint16_t event, uint16_t new_idx,
				    uint16_t old_idx)
{
	return (uint16_t)(new_idx - event - 1) < (uint16_t)(new_idx - old_idx);
}

/* The name of a request, for the log: "SET_MEM_TABLE"; "?" if unknown. */
const char *vhost_request_name(uint32_t request);

/*
 * Brings the integers of a request's, or of a reply's, payload from the other
 * byte order into this machine's, or back. LEN is the payload's length.
 */
void vhost_swap_payload(uint32_t request, bool reply,
			union vhost_payload *payload, size_t len);
void vhost_swap_header(struct vhost_header *header);

/*
 * A connected socket. The peer may be of the other byte order if one of the
 * two programs is emulated: messages stand in the order of the front end,
 * which its first message gives away, and are converted here and nowhere else.
 */
struct vhost_channel {
	int fd;
	bool known;   /* the peer's byte order is known; at first false */
	bool swapped; /* and it is not this machine's; at first false */
	/*
	 * A message takes no longer than this from its first byte on, and ends
	 * with -ECANCELED when STOP_FD can be read; 0: it may take its time.
	 */
	unsigned int message_seconds;
	int stop_fd;
};

/*
 * Reads one message and stores the file descriptors that came with it, which
 * are the caller's from here on, in FDS. 1: a message; 0: the peer closed the
 * connection; -EPROTO: the message makes no sense (its version, a length
 * beyond struct vhost_message, more than VHOST_MAX_FDS descriptors); another
 * -errno: reading failed. On anything but 1 no descriptor is left open.
 */
int vhost_receive(struct vhost_channel *channel, struct vhost_message *message,
		  int fds[VHOST_MAX_FDS], unsigned int *ret_fd_count);

/*
 * Sends a message whose header is filled in, with its descriptors, which stay
 * the caller's. 0 or -errno. A reply is told by VHOST_FLAG_REPLY.
 */
int vhost_send(struct vhost_channel *channel,
	       const struct vhost_message *message, const int *fds,
	       unsigned int fd_count);

#endif
