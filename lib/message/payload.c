/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ioctls of a file system whose payload is known: linux/fs.h of the
 * kernel's uapi headers, with the letter and number given there.
 */
#include "payload.h"
#include "bytes.h"

/* First WORDS of 4 bytes, then LONGS of 8, then BYTES that have no order. */
struct cf_payload {
	uint8_t type;
	uint8_t number;
	uint8_t words;
	uint8_t longs;
	uint16_t bytes;
	/*
	 * The number says "long", an int is carried: that is what every
	 * kernel and every file system makes of it.
	 */
	bool is_long;
};

static const struct cf_payload payloads[] = {
	{ 'f', 1, 1, 0, 0, true },	/* FS_IOC_GETFLAGS */
	{ 'f', 2, 1, 0, 0, true },	/* FS_IOC_SETFLAGS */
	{ 'v', 1, 1, 0, 0, true },	/* FS_IOC_GETVERSION */
	{ 'v', 2, 1, 0, 0, true },	/* FS_IOC_SETVERSION */
	{ 'X', 31, 5, 0, 8, false },	/* FS_IOC_FSGETXATTR */
	{ 'X', 32, 5, 0, 8, false },	/* FS_IOC_FSSETXATTR */
	{ 'X', 121, 0, 3, 0, false },	/* FITRIM */
	{ 0x94, 9, 1, 0, 0, false },	/* FICLONE */
	{ 0x94, 13, 0, 4, 0, false },	/* FICLONERANGE */
	{ 0x94, 49, 0, 0, 256, false }, /* FS_IOC_GETFSLABEL */
	{ 0x94, 50, 0, 0, 256, false }, /* FS_IOC_SETFSLABEL */
	{ 0x15, 0, 0, 0, 17, false },	/* FS_IOC_GETFSUUID */
	{ 0x15, 1, 0, 0, 129, false },	/* FS_IOC_GETFSSYSFSPATH */
	{ 0x00, 2, 1, 0, 0, false },	/* FIGETBSZ */
	{ 'T', 0x1b, 1, 0, 0, false },	/* FIONREAD */
	{ 'T', 0x21, 1, 0, 0, false },	/* FIONBIO */
	{ 'T', 0x52, 1, 0, 0, false },	/* FIOASYNC */
	{ 'T', 0x60, 0, 1, 0, false },	/* FIOQSIZE */
};

const struct cf_payload *cf_payload(uint32_t cmd)
{
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++)
		if (payloads[i].type == (cmd >> 8 & 0xff) &&
		    payloads[i].number == (cmd & 0xff))
			return &payloads[i];
	return NULL;
}

bool cf_payload_fits(const struct cf_payload *payload, size_t size)
{
	return !size || (payload->is_long && size == 8) ||
	       size == payload->words * 4u + payload->longs * 8u +
			       payload->bytes;
}

void cf_payload_swap(const struct cf_payload *payload, void *at, size_t size)
{
	uint8_t *next = at;

	if (!size)
		return;
	if (payload->is_long && size == 8) {
		cf_swap64(next);
		return;
	}
	for (unsigned int i = 0; i < payload->words; i++, next += 4)
		cf_swap32(next);
	for (unsigned int i = 0; i < payload->longs; i++, next += 8)
		cf_swap64(next);
}

uint32_t cf_payload_cmd(const struct cf_payload *payload, uint32_t cmd,
			unsigned int long_bits)
{
	uint32_t size = cmd >> 16 & 0x3fff;

	if (!payload || !payload->is_long || (size != 4 && size != 8))
		return cmd;
	return (cmd & ~(UINT32_C(0x3fff) << 16)) | long_bits / 8 << 16;
}
