// SPDX-License-Identifier: BSD-2-Clause
/* What client and server can, by name. */
#include "decode.h"
#include <crossfuse/wire.h>
#include <inttypes.h>
#include <string.h>

#define FLAG(name)                    \
	{                             \
		CF_INIT_##name, #name \
	}

static const struct {
	uint64_t bit;
	const char *name;
} flags[] = {
	FLAG(ASYNC_READ),
	FLAG(POSIX_LOCKS),
	FLAG(FILE_OPS),
	FLAG(ATOMIC_O_TRUNC),
	FLAG(EXPORT_SUPPORT),
	FLAG(BIG_WRITES),
	FLAG(DONT_MASK),
	FLAG(SPLICE_WRITE),
	FLAG(SPLICE_MOVE),
	FLAG(SPLICE_READ),
	FLAG(FLOCK_LOCKS),
	FLAG(HAS_IOCTL_DIR),
	FLAG(AUTO_INVAL_DATA),
	FLAG(DO_READDIRPLUS),
	FLAG(READDIRPLUS_AUTO),
	FLAG(ASYNC_DIO),
	FLAG(WRITEBACK_CACHE),
	FLAG(NO_OPEN_SUPPORT),
	FLAG(PARALLEL_DIROPS),
	FLAG(HANDLE_KILLPRIV),
	FLAG(POSIX_ACL),
	FLAG(ABORT_ERROR),
	FLAG(MAX_PAGES),
	FLAG(CACHE_SYMLINKS),
	FLAG(NO_OPENDIR_SUPPORT),
	FLAG(EXPLICIT_INVAL_DATA),
	FLAG(MAP_ALIGNMENT),
	FLAG(SUBMOUNTS),
	FLAG(HANDLE_KILLPRIV_V2),
	FLAG(SETXATTR_EXT),
	FLAG(EXT),
	FLAG(RESERVED),
	FLAG(SECURITY_CTX),
	FLAG(HAS_INODE_DAX),
	FLAG(CREATE_SUPP_GROUP),
	FLAG(HAS_EXPIRE_ONLY),
	FLAG(DIRECT_IO_ALLOW_MMAP),
	FLAG(PASSTHROUGH),
	FLAG(NO_EXPORT_SUPPORT),
	FLAG(HAS_RESEND),
	FLAG(ALLOW_IDMAP),
	FLAG(OVER_IO_URING),
	FLAG(REQUEST_TIMEOUT),
	FLAG(HAS_IO_URING_BUFPOOL),
	FLAG(CANON_ARCH),
};

/* A field of the fixed part; 0 if it is not there. */
static uint64_t field_of(const struct decode_message *message,
			 const struct crossfuse_layout *layout,
			 const char *name)
{
	size_t header = decode_header_len(message);

	for (size_t i = 0; i < layout->field_count; i++) {
		const struct crossfuse_field *field = &layout->fields[i];

		if (strcmp(field->name, name) == 0 &&
		    header + field->offset + field->width <= message->captured)
			return decode_get(message, header + field->offset,
					  field->width);
	}
	return 0;
}

void decode_init_text(const struct decode_message *message, char *buf,
		      size_t size)
{
	const struct crossfuse_opcode *opcode = decode_opcode(message);
	const struct crossfuse_layout *layout = decode_layout(message);
	uint64_t bits;
	int at;

	if (!opcode || opcode->code != CF_INIT || !layout)
		return;
	bits = field_of(message, layout, "flags");
	if (bits & CF_INIT_EXT)
		bits |= field_of(message, layout, "flags2") << 32;
	at = snprintf(buf, size, " [");
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		if (!(bits & flags[i].bit) || at + 32 > (int)size)
			continue;
		at += snprintf(buf + at, size - (size_t)at, "%s%s",
			       at > 2 ? "|" : "", flags[i].name);
		bits &= ~flags[i].bit;
	}
	if (bits || at == 2)
		at += snprintf(buf + at, size - (size_t)at, "%s0x%" PRIx64,
			       at > 2 ? "|" : "", bits);
	snprintf(buf + at, size - (size_t)at, "]");
}
