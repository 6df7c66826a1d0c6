/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages written down by hand, field by field, and put into bytes of either
 * order: what the library makes of a message is compared with this.
 *
 *   8 4 2     an integer of so many bytes
 *   {4:12}    an integer of 4 bytes, 12
 *   O L P C   open flags, a lock type, poll events, an ioctl number: 4 bytes
 *   E         minus an errno, 4 bytes
 *   [12]      12 bytes without an order
 *   <abc>     the bytes of a text, and a NUL
 */
#ifndef WIRE_TEXT_H
#define WIRE_TEXT_H

#include <crossfuse/abi.h>
#include <crossfuse/wire.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct wire_text {
	uint32_t code;
	const char *body;
	size_t data; /* bytes of a file behind the head */
	size_t ext;  /* of the body's bytes, those of extension headers */
	bool long_setxattr;  /* CF_INIT_SETXATTR_EXT was negotiated */
	const char *request; /* of a reply: what it answers, if that matters */
};

#define ATTR     \
	"888888" \
	"4444444444"
#define ENTRY  \
	"8888" \
	"44" ATTR
#define SX_TIME "844"
/* Two security contexts of 32 bytes each, then two groups: 96 bytes. */
#define EXTENSIONS                           \
	"{4:72}{4:2}"                        \
	"{4:5}{4:0}<security.selinux>[5][2]" \
	"{4:6}{4:0}<security.apparmor>[6]"   \
	"{4:24}{4:32}{4:2}44[4]"

static const struct wire_text wire_requests[] = {
	{ CF_LOOKUP, "<name>", 0, 0, 0, 0 },
	{ CF_FORGET, "8", 0, 0, 0, 0 },
	{ CF_GETATTR, "448", 0, 0, 0, 0 },
	{ CF_SETATTR,
	  "44"
	  "888888"
	  "44444444",
	  0, 0, 0, 0 },
	{ CF_READLINK, "", 0, 0, 0, 0 },
	{ CF_SYMLINK, "<name><target/path>", 0, 0, 0, 0 },
	{ CF_SYMLINK, "<name><target>" EXTENSIONS, 0, 96, 0, 0 },
	{ CF_MKNOD, "4444<name>", 0, 0, 0, 0 },
	{ CF_MKNOD, "4444<name>" EXTENSIONS, 0, 96, 0, 0 },
	{ CF_MKDIR, "44<n>", 0, 0, 0, 0 },
	{ CF_MKDIR, "44<n>{4:8}{4:0}", 0, 8, 0, 0 },
	{ CF_UNLINK, "<name>", 0, 0, 0, 0 },
	{ CF_RMDIR, "<name>", 0, 0, 0, 0 },
	{ CF_RENAME, "8<old><new name>", 0, 0, 0, 0 },
	{ CF_LINK, "8<name>", 0, 0, 0, 0 },
	{ CF_OPEN, "O4", 0, 0, 0, 0 },
	{ CF_READ, "88448O4", 0, 0, 0, 0 },
	{ CF_WRITE, "88{4:7}48O4", 7, 0, 0, 0 },
	{ CF_WRITE, "88{4:0}48O4", 0, 0, 0, 0 },
	{ CF_STATFS, "", 0, 0, 0, 0 },
	{ CF_RELEASE, "8O48", 0, 0, 0, 0 },
	{ CF_FSYNC, "844", 0, 0, 0, 0 },
	{ CF_SETXATTR, "{4:5}4<user.x>[5]", 0, 0, 0, 0 },
	{ CF_SETXATTR, "{4:5}444<user.x>[5]", 0, 0, true, 0 },
	{ CF_GETXATTR, "{4:9}4<user.x>", 0, 0, 0, 0 },
	{ CF_LISTXATTR, "{4:9}4", 0, 0, 0, 0 },
	{ CF_REMOVEXATTR, "<user.x>", 0, 0, 0, 0 },
	{ CF_FLUSH, "8448", 0, 0, 0, 0 },
	{ CF_OPENDIR, "O4", 0, 0, 0, 0 },
	{ CF_READDIR, "88448O4", 0, 0, 0, 0 },
	{ CF_RELEASEDIR, "8O48", 0, 0, 0, 0 },
	{ CF_FSYNCDIR, "844", 0, 0, 0, 0 },
	{ CF_GETLK, "8888L444", 0, 0, 0, 0 },
	{ CF_SETLK, "8888L444", 0, 0, 0, 0 },
	{ CF_SETLKW, "8888L444", 0, 0, 0, 0 },
	{ CF_ACCESS, "44", 0, 0, 0, 0 },
	{ CF_CREATE, "O444<name>", 0, 0, 0, 0 },
	{ CF_CREATE, "O444<name>" EXTENSIONS, 0, 96, 0, 0 },
	{ CF_INTERRUPT, "8", 0, 0, 0, 0 },
	{ CF_BMAP, "844", 0, 0, 0, 0 },
	{ CF_DESTROY, "", 0, 0, 0, 0 },
	{ CF_IOCTL, "8{4:0}C8{4:28}{4:28}44444[8]", 0, 0, 0, 0 },
	{ CF_POLL, "884P", 0, 0, 0, 0 },
	{ CF_NOTIFY_REPLY, "88{4:6}488", 6, 0, 0, 0 },
	{ CF_BATCH_FORGET, "{4:2}48888", 0, 0, 0, 0 },
	{ CF_FALLOCATE, "88844", 0, 0, 0, 0 },
	{ CF_READDIRPLUS, "88448O4", 0, 0, 0, 0 },
	{ CF_RENAME2, "844<old><new>", 0, 0, 0, 0 },
	{ CF_LSEEK, "8844", 0, 0, 0, 0 },
	{ CF_COPY_FILE_RANGE, "8888888", 0, 0, 0, 0 },
	{ CF_SETUPMAPPING, "88888", 0, 0, 0, 0 },
	{ CF_REMOVEMAPPING, "{4:2}8888", 0, 0, 0, 0 },
	{ CF_SYNCFS, "8", 0, 0, 0, 0 },
	{ CF_TMPFILE, "O444</>", 0, 0, 0, 0 },
	{ CF_TMPFILE, "O444</>" EXTENSIONS, 0, 96, 0, 0 },
	{ CF_STATX, "44844", 0, 0, 0, 0 },
	{ CF_COPY_FILE_RANGE_64, "8888888", 0, 0, 0, 0 },
};

static const struct wire_text wire_replies[] = {
	{ CF_LOOKUP, ENTRY, 0, 0, 0, 0 },
	{ CF_GETATTR, "844" ATTR, 0, 0, 0, 0 },
	{ CF_SETATTR, "844" ATTR, 0, 0, 0, 0 },
	{ CF_READLINK, "[9]", 0, 0, 0, 0 },
	{ CF_SYMLINK, ENTRY, 0, 0, 0, 0 },
	{ CF_MKNOD, ENTRY, 0, 0, 0, 0 },
	{ CF_MKDIR, ENTRY, 0, 0, 0, 0 },
	{ CF_UNLINK, "", 0, 0, 0, 0 },
	{ CF_RMDIR, "", 0, 0, 0, 0 },
	{ CF_RENAME, "", 0, 0, 0, 0 },
	{ CF_LINK, ENTRY, 0, 0, 0, 0 },
	{ CF_OPEN, "844", 0, 0, 0, 0 },
	{ CF_READ, "", 11, 0, 0, 0 },
	{ CF_WRITE, "44", 0, 0, 0, 0 },
	{ CF_STATFS,
	  "88888"
	  "4444"
	  "[24]",
	  0, 0, 0, 0 },
	{ CF_RELEASE, "", 0, 0, 0, 0 },
	{ CF_FSYNC, "", 0, 0, 0, 0 },
	{ CF_SETXATTR, "", 0, 0, 0, 0 },
	{ CF_GETXATTR, "[9]", 0, 0, 0, 0 },
	{ CF_GETXATTR, "44", 0, 0, 0, "{4:0}4<user.x>" },
	{ CF_LISTXATTR, "[9]", 0, 0, 0, 0 },
	{ CF_LISTXATTR, "44", 0, 0, 0, "{4:0}4" },
	{ CF_REMOVEXATTR, "", 0, 0, 0, 0 },
	{ CF_FLUSH, "", 0, 0, 0, 0 },
	{ CF_OPENDIR, "844", 0, 0, 0, 0 },
	{ CF_READDIR, "", 0, 0, 0, 0 },
	{ CF_READDIR,
	  "88{4:5}4[5][3]"
	  "88{4:8}4[8]",
	  0, 0, 0, 0 },
	{ CF_RELEASEDIR, "", 0, 0, 0, 0 },
	{ CF_FSYNCDIR, "", 0, 0, 0, 0 },
	{ CF_GETLK, "88L4", 0, 0, 0, 0 },
	{ CF_SETLK, "", 0, 0, 0, 0 },
	{ CF_SETLKW, "", 0, 0, 0, 0 },
	{ CF_ACCESS, "", 0, 0, 0, 0 },
	{ CF_CREATE, ENTRY "844", 0, 0, 0, 0 },
	{ CF_BMAP, "8", 0, 0, 0, 0 },
	{ CF_DESTROY, "", 0, 0, 0, 0 },
	{ CF_IOCTL, "{4:3}{4:0}{4:0}{4:0}44444[8]", 0, 0, 0, 0 },
	{ CF_IOCTL, "E{4:0}{4:0}{4:0}", 0, 0, 0, 0 },
	{ CF_IOCTL, "{4:0}{4:4}{4:1}{4:2}888888", 0, 0, 0, 0 },
	{ CF_POLL, "P4", 0, 0, 0, 0 },
	{ CF_FALLOCATE, "", 0, 0, 0, 0 },
	{ CF_READDIRPLUS, ENTRY "88{4:5}4[5][3]" ENTRY "88{4:1}4[1][7]", 0, 0,
	  0, 0 },
	{ CF_RENAME2, "", 0, 0, 0, 0 },
	{ CF_LSEEK, "8", 0, 0, 0, 0 },
	{ CF_COPY_FILE_RANGE, "44", 0, 0, 0, 0 },
	{ CF_SETUPMAPPING, "", 0, 0, 0, 0 },
	{ CF_REMOVEMAPPING, "", 0, 0, 0, 0 },
	{ CF_SYNCFS, "", 0, 0, 0, 0 },
	{ CF_TMPFILE, ENTRY "844", 0, 0, 0, 0 },
	{ CF_STATX,
	  "844[16]"
	  "448"
	  "444"
	  "2[2]"
	  "8888" SX_TIME SX_TIME SX_TIME SX_TIME "4444"
	  "[112]",
	  0, 0, 0, 0 },
	{ CF_COPY_FILE_RANGE_64, "8", 0, 0, 0, 0 },
};

static const struct wire_text wire_notifies[] = {
	{ CF_NOTIFY_POLL, "8", 0, 0, 0, 0 },
	{ CF_NOTIFY_INVAL_INODE, "888", 0, 0, 0, 0 },
	{ CF_NOTIFY_INVAL_ENTRY, "8{4:4}4<abcd>", 0, 0, 0, 0 },
	{ CF_NOTIFY_STORE, "88{4:6}4", 6, 0, 0, 0 },
	{ CF_NOTIFY_RETRIEVE, "88844", 0, 0, 0, 0 },
	{ CF_NOTIFY_DELETE, "88{4:4}4<abcd>", 0, 0, 0, 0 },
	{ CF_NOTIFY_RESEND, "", 0, 0, 0, 0 },
	{ CF_NOTIFY_INC_EPOCH, "", 0, 0, 0, 0 },
	{ CF_NOTIFY_PRUNE,
	  "{4:2}4"
	  "8"
	  "88",
	  0, 0, 0, 0 },
};

#define WIRE_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* In whose values and in which order a text is put into bytes. */
struct wire_form {
	const struct crossfuse_abi *abi;
	bool big;
};

/* The bytes, and where 4-byte integers given in braces stand in them. */
struct wire_bytes {
	uint8_t at[1024];
	size_t len; /* with data; the data is in AT too */
	size_t head;
	size_t counts[32];
	size_t count_count;
};

static inline void wire_put(struct wire_bytes *b, uint64_t value, size_t width,
			    bool big)
{
	for (size_t i = 0; i < width; i++)
		b->at[b->len + i] =
			(uint8_t)(value >> 8 * (big ? width - 1 - i : i));
	b->len += width;
}

/* FS_IOC_FSGETXATTR, O_RDWR|O_APPEND|..., POLLIN|..., F_WRLCK, ENAMETOOLONG */
static inline uint32_t wire_kind(char kind, const struct crossfuse_abi *abi,
				 bool create)
{
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	uint32_t value = 0;

	switch (kind) {
	case 'O':
		return crossfuse_open_flags(canonical, abi,
					    create ? 0x8642 : 0x3d402, NULL);
	case 'P':
		return crossfuse_poll_events(canonical, abi, 0x347, NULL);
	case 'L':
		crossfuse_lock_type(canonical, abi, 1, &value);
		return value;
	case 'C':
		crossfuse_ioctl_cmd(canonical, abi, 0x801c581f, &value);
		return value;
	default:
		return (uint32_t)-crossfuse_errno(canonical, abi, 36, NULL);
	}
}

static inline void wire_body(struct wire_bytes *b, const char *text,
			     struct wire_form form, bool create)
{
	unsigned int serial = 1;

	for (; *text; text++, serial++) {
		uint64_t value = UINT64_C(0x0123456789abcdef) + serial * 0x1111;

		if (strchr("842", *text)) {
			wire_put(b, value, (size_t)(*text - '0'), form.big);
		} else if (*text == '{') {
			b->counts[b->count_count++] = b->len;
			wire_put(b, strtoull(text + 3, NULL, 10), 4, form.big);
			text = strchr(text, '}');
		} else if (*text == '[') {
			for (long n = strtol(text + 1, NULL, 10); n; n--)
				b->at[b->len++] = (uint8_t)(0x80 + n);
			text = strchr(text, ']');
		} else if (*text == '<') {
			while (*++text != '>')
				b->at[b->len++] = (uint8_t)*text;
			b->at[b->len++] = 0;
		} else {
			wire_put(b, wire_kind(*text, form.abi, create), 4,
				 form.big);
		}
	}
}

static inline void wire_data(struct wire_bytes *b, size_t data)
{
	b->head = b->len;
	memset(b->at + b->len, 0xd5, data);
	b->len += data;
}

static inline void wire_request(struct wire_bytes *b,
				const struct wire_text *text,
				struct wire_form form)
{
	struct wire_bytes header = { .len = 0 };
	bool create = text->code == CF_CREATE || text->code == CF_TMPFILE;

	memset(b, 0, sizeof(*b));
	b->len = 40;
	wire_body(b, text->body, form, create);
	wire_data(b, text->data);
	wire_put(&header, b->len, 4, form.big);
	wire_put(&header, text->code, 4, form.big);
	wire_put(&header, 0x8877665544332210, 8, form.big);
	wire_put(&header, 0x1020304050607080, 8, form.big);
	wire_put(&header, 1000, 4, form.big);
	wire_put(&header, 100, 4, form.big);
	wire_put(&header, 4711, 4, form.big);
	wire_put(&header, text->ext / 8, 2, form.big);
	wire_put(&header, 0, 2, form.big);
	memcpy(b->at, header.at, 40);
}

/* The first request of the reply's opcode, or the one that the reply names. */
static inline void wire_request_for(struct wire_bytes *b,
				    const struct wire_text *reply,
				    struct wire_form client)
{
	struct wire_text text = { .code = reply->code };

	for (size_t i = 0; !text.body; i++)
		if (wire_requests[i].code == reply->code)
			text = wire_requests[i];
	if (reply->request)
		text.body = reply->request;
	wire_request(b, &text, client);
}

/* A reply, or with UNIQUE 0 the notification that ERROR says. */
static inline void wire_reply(struct wire_bytes *b,
			      const struct wire_text *text,
			      struct wire_form form, uint32_t error,
			      uint64_t unique)
{
	struct wire_bytes header = { .len = 0 };

	memset(b, 0, sizeof(*b));
	b->len = 16;
	wire_body(b, text->body, form, false);
	wire_data(b, text->data);
	wire_put(&header, b->len, 4, form.big);
	wire_put(&header, error, 4, form.big);
	wire_put(&header, unique, 8, form.big);
	memcpy(b->at, header.at, 16);
}

#define WIRE_UNIQUE UINT64_C(0x8877665544332210)

#endif
