// SPDX-License-Identifier: BSD-2-Clause
/* Requests and replies byte by byte, and what holds for every reply. */
#include "probe.h"
#include <byteswap.h>
#include <crossfuse/wire.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define IN_HEADER  40U
#define OUT_HEADER 16U

/* Replies that fit no request before the probe gives up. */
#define STRAY_MAX 64U

static uint16_t turn16(const struct probe *probe, uint16_t value)
{
	return probe->link.swap ? bswap_16(value) : value;
}

static uint32_t turn32(const struct probe *probe, uint32_t value)
{
	return probe->link.swap ? bswap_32(value) : value;
}

static uint64_t turn64(const struct probe *probe, uint64_t value)
{
	return probe->link.swap ? bswap_64(value) : value;
}

void put_bytes(struct probe *probe, const void *bytes, size_t len)
{
	/* Too much for a request is a mistake of the probe's own. */
	if (len > sizeof(probe->request) - probe->request_len)
		len = sizeof(probe->request) - probe->request_len;
	if (len)
		memcpy(probe->request + probe->request_len, bytes, len);
	probe->request_len += len;
}

void put_zeros(struct probe *probe, size_t len)
{
	static const uint8_t zeros[256];

	while (len) {
		size_t part = len < sizeof(zeros) ? len : sizeof(zeros);

		put_bytes(probe, zeros, part);
		len -= part;
	}
}

void put_u16(struct probe *probe, uint16_t value)
{
	value = turn16(probe, value);
	put_bytes(probe, &value, sizeof(value));
}

void put_u32(struct probe *probe, uint32_t value)
{
	value = turn32(probe, value);
	put_bytes(probe, &value, sizeof(value));
}

void put_u64(struct probe *probe, uint64_t value)
{
	value = turn64(probe, value);
	put_bytes(probe, &value, sizeof(value));
}

void put_name(struct probe *probe, const char *name)
{
	put_bytes(probe, name, strlen(name) + 1);
}

void begin_request(struct probe *probe, uint32_t opcode, uint64_t nodeid)
{
	probe->opcode = opcode;
	probe->unique += 2;
	probe->lie = 0;
	probe->request_len = 0;
	put_u32(probe, 0); /* the length, when it is known */
	put_u32(probe, opcode);
	put_u64(probe, probe->unique);
	put_u64(probe, nodeid);
	put_u32(probe, geteuid());
	put_u32(probe, getegid());
	put_u32(probe, (uint32_t)getpid());
	put_u16(probe, 0); /* total_extlen */
	put_u16(probe, 0);
}

static int send_request(struct probe *probe, size_t room)
{
	uint32_t len = (uint32_t)probe->request_len + (uint32_t)probe->lie;
	int r;

	len = turn32(probe, len);
	memcpy(probe->request, &len, sizeof(len));
	if (!probe->open || probe->broken)
		return -ENOTCONN;
	r = probe->link.ops->send(&probe->link, probe->request,
				  probe->request_len, room);
	if (r < 0)
		probe->broken = true;
	return r;
}

int send_only(struct probe *probe)
{
	int r = send_request(probe, 0);

	/* A device that has no room to write to, and says that it wrote. */
	if (r == -EPROTO)
		rule_fail(probe, RULE_NO_REPLY, "bytes were written");
	return r;
}

const uint8_t *reply_bytes(const struct probe *probe)
{
	return probe->reply + OUT_HEADER;
}

size_t reply_size(const struct probe *probe)
{
	return probe->reply_len > OUT_HEADER ? probe->reply_len - OUT_HEADER
					     : 0;
}

static bool reply_has(const struct probe *probe, size_t offset, size_t len)
{
	size_t size = reply_size(probe);

	return offset <= size && len <= size - offset;
}

uint16_t reply_u16(const struct probe *probe, size_t offset)
{
	uint16_t value = 0;

	if (reply_has(probe, offset, sizeof(value)))
		memcpy(&value, reply_bytes(probe) + offset, sizeof(value));
	return turn16(probe, value);
}

uint32_t reply_u32(const struct probe *probe, size_t offset)
{
	uint32_t value = 0;

	if (reply_has(probe, offset, sizeof(value)))
		memcpy(&value, reply_bytes(probe) + offset, sizeof(value));
	return turn32(probe, value);
}

uint64_t reply_u64(const struct probe *probe, size_t offset)
{
	uint64_t value = 0;

	if (reply_has(probe, offset, sizeof(value)))
		memcpy(&value, reply_bytes(probe) + offset, sizeof(value));
	return turn64(probe, value);
}

struct reply_header {
	uint32_t len;
	int32_t error;
	uint64_t unique;
};

static struct reply_header read_header(const struct probe *probe)
{
	struct reply_header header;
	uint32_t error;

	memcpy(&header.len, probe->reply, 4);
	memcpy(&error, probe->reply + 4, 4);
	memcpy(&header.unique, probe->reply + 8, 8);
	header.len = turn32(probe, header.len);
	error = turn32(probe, error);
	memcpy(&header.error, &error, 4);
	header.unique = turn64(probe, header.unique);
	return header;
}

/*
 * A server that knows no other byte order answers in its own. Which one it is
 * shows in the length, or where that is wrong, in the error.
 */
static void find_order(struct probe *probe, struct reply_header *header)
{
	uint32_t error = (uint32_t)header->error;
	bool plausible = header->error <= 0 && header->error >= -4095;
	bool turned = bswap_32(error) >= (uint32_t)-4095 ||
		      bswap_32(error) == 0;

	probe->reply_opposite = bswap_32(header->len) == probe->reply_len &&
				header->len != probe->reply_len &&
				(turned || !plausible);
	if (!probe->reply_opposite)
		return;
	header->len = bswap_32(header->len);
	error = bswap_32(error);
	memcpy(&header->error, &error, sizeof(error));
}

/* An INTERRUPT of ours may be answered, with one of two errors. */
static void note_interrupt(struct probe *probe, int32_t error)
{
	int32_t is = errno_canonical(probe, -error);

	rule_check(probe, RULE_INTERRUPT, is == 38 || is == 11,
		   "it was answered with %s", error_text(probe, -error));
}

/* Whether it is for someone else, and may be passed over. */
static bool is_stray(struct probe *probe, const struct reply_header *header)
{
	if (header->unique == probe->unique)
		return false;
	if (header->unique == 0) /* a notification */
		return true;
	if (header->unique == probe->forget_unique) {
		rule_fail(probe, RULE_NO_REPLY, "it was answered");
		return true;
	}
	if (header->unique == probe->interrupt_unique) {
		note_interrupt(probe, header->error);
		return true;
	}
	return false;
}

/* What holds for every reply. Returns the error, as talk(). */
static int judge(struct probe *probe, const struct reply_header *header,
		 size_t least, size_t most)
{
	size_t size = reply_size(probe);

	/* Of FUSE_INIT it is another rule. */
	if (probe->opcode != CF_INIT)
		rule_check(probe, RULE_ORDER, !probe->reply_opposite,
			   "that of opcode %u is not", probe->opcode);
	if (probe->link.keeps_lengths)
		rule_check(probe, RULE_REPLY_LENGTH,
			   header->len == probe->reply_len,
			   "%u in a reply of %zu bytes to opcode %u",
			   header->len, probe->reply_len, probe->opcode);
	rule_check(probe, RULE_REPLY_UNIQUE, header->unique == probe->unique,
		   "that of opcode %u has another", probe->opcode);
	rule_check(probe, RULE_E_RANGE,
		   header->error <= 0 && header->error >= -4095,
		   "%d of opcode %u", header->error, probe->opcode);
	if (header->error > 0 || header->error < -4095)
		return -EPROTO;
	if (header->error) {
		rule_check(probe, RULE_REPLY_ERROR, size == 0,
			   "%zu bytes follow the header of opcode %u", size,
			   probe->opcode);
		return -header->error;
	}
	rule_check(probe, RULE_REPLY_SIZE, size >= least && size <= most,
		   "%zu bytes behind the header of opcode %u", size,
		   probe->opcode);
	return 0;
}

static int receive(struct probe *probe, struct reply_header *header)
{
	int64_t deadline = link_now() + probe->link.timeout;

	for (unsigned int i = 0; i < STRAY_MAX; i++) {
		ssize_t n = probe->link.ops->receive(&probe->link, probe->reply,
						     sizeof(probe->reply),
						     deadline);

		if (n < 0)
			return (int)n;
		probe->reply_len = (size_t)n;
		/* A buffer that comes back with nothing in it. */
		if (n == 0 && probe->opcode == CF_DESTROY)
			return -ENODATA;
		if (n < (ssize_t)OUT_HEADER) {
			rule_fail(probe, RULE_REPLY_LENGTH,
				  "a reply of %zd bytes to opcode %u", n,
				  probe->opcode);
			return -EBADMSG;
		}
		*header = read_header(probe);
		find_order(probe, header);
		if (!is_stray(probe, header))
			return 0;
	}
	return -EPROTO;
}

int talk(struct probe *probe, size_t least, size_t most)
{
	struct reply_header header = { 0 };
	int r;

	r = send_request(probe, sizeof(probe->reply));
	if (r == 0)
		r = receive(probe, &header);
	if (r < 0) {
		probe->broken = r != -ENODATA;
		return r;
	}
	return judge(probe, &header, least, most);
}

uint32_t open_value(const struct probe *probe, uint32_t canonical)
{
	return crossfuse_open_flags(crossfuse_abi_canonical(), probe->form,
				    canonical, NULL);
}

int32_t errno_value(const struct probe *probe, int32_t canonical)
{
	return crossfuse_errno(crossfuse_abi_canonical(), probe->form,
			       canonical, NULL);
}

int32_t errno_canonical(const struct probe *probe, int32_t error)
{
	return crossfuse_errno(probe->form, crossfuse_abi_canonical(), error,
			       NULL);
}
