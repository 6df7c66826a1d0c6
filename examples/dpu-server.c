/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A FUSE server as the firmware of a DPU might have it: a transport of its own,
 * a file system of its own, and libcrossfuse between the two, so that the host
 * may be of any architecture. Nothing else is needed, no libfuse either.
 *
 * The pattern is in serve_slot() below:
 *
 *   1. Copy the head of a request out of the host's reach, ONCE: what has been
 *      checked must not change afterwards. The bytes of a file stay where they
 *      are; crossfuse_request_head_len() tells where they begin.
 *   2. crossfuse_session_request() turns the head into this machine's form. If
 *      it refuses, crossfuse_session_error() writes the answer.
 *   3. Carry the request out, with this machine's own flags, structs and error
 *      numbers. If both sides are alike, step 2 looks at nothing: lengths and
 *      names are still the host's word.
 *   4. crossfuse_session_reply() turns the reply's head into the host's form.
 *
 * The transport: memory that both sides see, divided into slots, and two
 * doorbells (eventfds here). The host writes a request into a slot, sets its
 * state to SLOT_REQUEST and rings; the server answers in the same slot, sets it
 * to SLOT_REPLY (or SLOT_FREE, if there is no answer) and rings back. The three
 * words of a slot are little-endian.
 *
 *   dpu-server MEMORY-FD DOORBELL-FD DOORBELL-BACK-FD
 */
#include <crossfuse/session.h>
#include <crossfuse/wire.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SLOT_FREE = 0,
	SLOT_REQUEST = 1,
	SLOT_REPLY = 2,

	DATA_MAX = 16384, /* of a file, in one message */
	AREA = DATA_MAX + 4096,

	FILES = 32,
	FILE_MAX = 1 << 20,
	NAME_MAX_LEN = 63,
	FIRST_FILE = CF_ROOT_ID + 1,
};

struct slot {
	_Atomic uint32_t state;
	_Atomic uint32_t request_len; /* read once: it may change */
	uint32_t reply_len;
	uint32_t unused[1021];
	uint8_t request[AREA];
	uint8_t reply[AREA];
};

/* A file without a name is none. Its node is its index and FIRST_FILE. */
struct file {
	char name[NAME_MAX_LEN + 1];
	uint32_t mode;
	uint32_t size;
	uint8_t *data;
};

/* One request and its reply, in this machine's form. */
struct exchange {
	const struct cf_in_header *header;
	const uint8_t *in; /* behind the header */
	size_t in_len;
	const uint8_t *in_data; /* a file's bytes, in the host's reach */
	size_t in_data_len;
	uint8_t *out; /* behind the header */
	size_t out_len;
	uint8_t *out_data; /* the same in the host's reach, for READ */
};

static struct file files[FILES];
static struct crossfuse_session session;

/* ---- The file system: one directory with a few files. ---- */

static struct file *file_of(uint64_t node)
{
	if (node < FIRST_FILE || node >= FIRST_FILE + FILES)
		return NULL;
	return files[node - FIRST_FILE].name[0] ? &files[node - FIRST_FILE]
						: NULL;
}

static uint64_t node_of(const struct file *file)
{
	return FIRST_FILE + (uint64_t)(file - files);
}

/* A name that ends within the request, SKIP bytes behind its beginning. */
static int name_of(const struct exchange *x, size_t skip, const char **ret_name)
{
	if (x->in_len <= skip || !memchr(x->in + skip, 0, x->in_len - skip))
		return EINVAL;
	*ret_name = (const char *)x->in + skip;
	return strlen(*ret_name) > NAME_MAX_LEN ? ENAMETOOLONG : 0;
}

static struct file *find(const char *name)
{
	for (size_t i = 0; i < FILES && name[0]; i++)
		if (!strcmp(files[i].name, name))
			return &files[i];
	return NULL;
}

static struct cf_attr attr_of(uint64_t node)
{
	const struct file *file = file_of(node);
	struct cf_attr attr = { .ino = node, .blksize = 4096, .nlink = 1 };

	attr.mode = file ? file->mode : S_IFDIR | 0755;
	attr.size = file ? file->size : 0;
	attr.blocks = (attr.size + 511) / 512;
	return attr;
}

static struct cf_entry_out entry_of(const struct file *file)
{
	return (struct cf_entry_out){
		.nodeid = node_of(file),
		.generation = 1,
		.entry_valid = 1,
		.attr_valid = 1,
		.attr = attr_of(node_of(file)),
	};
}

static void reply(struct exchange *x, const void *body, size_t len)
{
	memcpy(x->out + x->out_len, body, len);
	x->out_len += len;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static int do_init(struct exchange *x)
{
	struct cf_init_in in = { 0 };
	struct cf_init_out out = { .major = CF_KERNEL_VERSION };
	uint32_t wanted = CF_INIT_BIG_WRITES | CF_INIT_MAX_PAGES |
			  CF_INIT_ATOMIC_O_TRUNC | CF_INIT_EXT;
	size_t len = sizeof(out);

	memcpy(&in, x->in, x->in_len < sizeof(in) ? x->in_len : sizeof(in));
	if (in.major < CF_KERNEL_VERSION)
		return EPROTO;
	out.minor = smaller(in.minor, CF_KERNEL_MINOR_VERSION);
	out.flags = in.flags & wanted;
	out.max_write = DATA_MAX;
	out.max_pages = DATA_MAX / 4096;
	out.time_gran = 1;
	if (in.minor < 23)
		len = in.minor < 5 ? CF_COMPAT_INIT_OUT_SIZE
				   : CF_COMPAT_22_INIT_OUT_SIZE;
	reply(x, &out, len);
	return 0;
}

static int do_lookup(struct exchange *x)
{
	struct cf_entry_out out;
	const char *name;
	int err = name_of(x, 0, &name);

	if (err)
		return err;
	if (!find(name))
		return ENOENT;
	out = entry_of(find(name));
	reply(x, &out, sizeof(out));
	return 0;
}

static int do_getattr(struct exchange *x)
{
	struct cf_attr_out out = { .attr_valid = 1 };

	if (x->header->nodeid != CF_ROOT_ID && !file_of(x->header->nodeid))
		return ENOENT;
	out.attr = attr_of(x->header->nodeid);
	reply(x, &out, sizeof(out));
	return 0;
}

/* The flags are this machine's, whatever the host's are. */
static int open_file(struct file *file, uint32_t flags)
{
	if (flags & O_DIRECTORY)
		return ENOTDIR;
	if (flags & O_TRUNC)
		file->size = 0;
	return 0;
}

static int do_open(struct exchange *x)
{
	const struct cf_open_in *in = (const void *)x->in;
	struct cf_open_out out = { 0 };
	struct file *file = file_of(x->header->nodeid);
	int err = 0;

	if (x->in_len < sizeof(*in))
		return EINVAL;
	if (x->header->opcode == CF_OPEN)
		err = file ? open_file(file, in->flags) : ENOENT;
	else if (x->header->nodeid != CF_ROOT_ID)
		err = ENOTDIR;
	if (!err)
		reply(x, &out, sizeof(out));
	return err;
}

static int new_file(const char *name, uint32_t mode, struct file **ret_file)
{
	for (size_t i = 0; i < FILES; i++) {
		struct file *file = &files[i];

		if (file->name[0])
			continue;
		if (!file->data)
			file->data = malloc(FILE_MAX);
		if (!file->data)
			return ENOMEM;
		strcpy(file->name, name);
		file->mode = S_IFREG | (mode & 07777);
		file->size = 0;
		*ret_file = file;
		return 0;
	}
	return ENOSPC;
}

static int do_create(struct exchange *x)
{
	const struct cf_create_in *in = (const void *)x->in;
	struct cf_open_out opened = { 0 };
	struct cf_entry_out entry;
	struct file *file;
	const char *name;
	int err = name_of(x, sizeof(*in), &name);

	if (err || !name[0])
		return err ? err : EINVAL;
	file = find(name);
	if (!file)
		err = new_file(name, in->mode & ~in->umask, &file);
	else
		err = in->flags & O_EXCL ? EEXIST : open_file(file, in->flags);
	if (err)
		return err;
	entry = entry_of(file);
	reply(x, &entry, sizeof(entry));
	reply(x, &opened, sizeof(opened));
	return 0;
}

static int do_unlink(struct exchange *x)
{
	struct file *file;
	const char *name;
	int err = name_of(x, 0, &name);

	if (err)
		return err;
	file = find(name);
	if (!file)
		return ENOENT;
	file->name[0] = '\0';
	return 0;
}

/* The bytes go straight from the file to where the host looks for them. */
static int do_read(struct exchange *x)
{
	const struct cf_read_in *in = (const void *)x->in;
	const struct file *file = file_of(x->header->nodeid);
	uint32_t len;

	if (x->in_len < sizeof(*in))
		return EINVAL;
	if (!file)
		return EBADF;
	if (in->offset >= file->size)
		return 0;
	len = smaller(in->size, file->size - (uint32_t)in->offset);
	len = smaller(len, DATA_MAX);
	memcpy(x->out_data, file->data + in->offset, len);
	x->out_len = len;
	return 0;
}

/* And straight back: they are the only part of a request left in its slot. */
static int do_write(struct exchange *x)
{
	const struct cf_write_in *in = (const void *)x->in;
	struct cf_write_out out = { 0 };
	struct file *file = file_of(x->header->nodeid);
	uint64_t at;

	if (x->in_len < sizeof(*in) || in->size > x->in_data_len)
		return EINVAL;
	if (!file)
		return EBADF;
	at = in->flags & O_APPEND ? file->size : in->offset;
	if (at > FILE_MAX || in->size > FILE_MAX - at)
		return EFBIG;
	if (at > file->size)
		memset(file->data + file->size, 0, at - file->size);
	memcpy(file->data + at, x->in_data, in->size);
	if (at + in->size > file->size)
		file->size = (uint32_t)(at + in->size);
	out.size = in->size;
	reply(x, &out, sizeof(out));
	return 0;
}

static int do_readdir(struct exchange *x)
{
	const struct cf_read_in *in = (const void *)x->in;

	if (x->in_len < sizeof(*in))
		return EINVAL;
	for (size_t i = in->offset < FILES ? in->offset : FILES; i < FILES;
	     i++) {
		struct cf_dirent entry = { 0 };
		size_t len = strlen(files[i].name);
		size_t padded = (sizeof(entry) + len + 7) & ~(size_t)7;

		if (!len)
			continue;
		if (x->out_len + padded > smaller(in->size, DATA_MAX))
			break;
		entry.ino = node_of(&files[i]);
		entry.off = i + 1;
		entry.namelen = (uint32_t)len;
		entry.type = S_IFREG >> 12;
		memset(x->out + x->out_len, 0, padded);
		memcpy(x->out + x->out_len, &entry, sizeof(entry));
		memcpy(x->out + x->out_len + sizeof(entry), files[i].name, len);
		x->out_len += padded;
	}
	return 0;
}

static int do_statfs(struct exchange *x)
{
	struct cf_statfs_out out = { .st = {
					     .blocks =
						     FILES * (FILE_MAX / 4096),
					     .bsize = 4096,
					     .frsize = 4096,
					     .files = FILES,
					     .namelen = NAME_MAX_LEN,
				     } };

	reply(x, &out, sizeof(out));
	return 0;
}

static int do_nothing(struct exchange *x)
{
	(void)x;
	return 0;
}

static int carry_out(struct exchange *x)
{
	static int (*const operations[])(struct exchange *) = {
		[CF_INIT] = do_init,	   [CF_LOOKUP] = do_lookup,
		[CF_GETATTR] = do_getattr, [CF_OPEN] = do_open,
		[CF_OPENDIR] = do_open,	   [CF_CREATE] = do_create,
		[CF_UNLINK] = do_unlink,   [CF_READ] = do_read,
		[CF_WRITE] = do_write,	   [CF_READDIR] = do_readdir,
		[CF_STATFS] = do_statfs,   [CF_RELEASE] = do_nothing,
		[CF_FLUSH] = do_nothing,   [CF_RELEASEDIR] = do_nothing,
		[CF_FORGET] = do_nothing,  [CF_BATCH_FORGET] = do_nothing,
		[CF_DESTROY] = do_nothing,
	};
	uint32_t opcode = x->header->opcode;

	if (opcode >= sizeof(operations) / sizeof(operations[0]) ||
	    !operations[opcode])
		return ENOSYS;
	return operations[opcode](x);
}

/* ---- The pattern: from the transport, through the library, and back. ---- */

/* Steps 1 and 2. 0, or a negative errno to be answered; CALL is filled in. */
static int take_request(const struct slot *slot, size_t len, uint8_t *head,
			struct crossfuse_call *call, size_t *ret_head_len)
{
	ssize_t head_len;
	int err;

	memcpy(head, slot->request, sizeof(struct cf_in_header));
	head_len = crossfuse_request_head_len(&session, head, len);
	/* A header alone is enough to tell whom to answer. */
	if (head_len < 0)
		head_len = sizeof(struct cf_in_header);
	/* What has been looked at is not copied a second time. */
	memcpy(head + sizeof(struct cf_in_header),
	       slot->request + sizeof(struct cf_in_header),
	       (size_t)head_len - sizeof(struct cf_in_header));
	err = crossfuse_session_request(&session, call, head, (size_t)head_len,
					len);
	if (!err && ((struct cf_in_header *)head)->len != len)
		err = -EBADMSG;
	*ret_head_len = (size_t)head_len;
	return err;
}

/* Step 3: a reply to HEAD in OUT; its length, header included. */
static size_t make_reply(struct slot *slot, const uint8_t *head,
			 size_t head_len, size_t len, uint8_t *out)
{
	struct cf_out_header *header = (struct cf_out_header *)out;
	struct exchange x = {
		.header = (const struct cf_in_header *)head,
		.in = head + sizeof(struct cf_in_header),
		.in_len = head_len - sizeof(struct cf_in_header),
		.in_data = slot->request + head_len,
		.in_data_len = len - head_len,
		.out = out + sizeof(*header),
		.out_data = slot->reply + sizeof(*header),
	};
	int err = carry_out(&x);

	header->len = (uint32_t)(sizeof(*header) + (err ? 0 : x.out_len));
	header->error = -err;
	header->unique = x.header->unique;
	return header->len;
}

/* All four steps. The length of the reply, 0 if there is to be none. */
static size_t serve_slot(struct slot *slot)
{
	static _Alignas(8) uint8_t head[AREA], out[AREA];
	size_t len = le32toh(atomic_load(&slot->request_len));
	size_t head_len, out_len, out_head_len;
	struct crossfuse_call call;
	int err;

	if (len < sizeof(struct cf_in_header) || len > AREA)
		return 0;
	err = take_request(slot, len, head, &call, &head_len);
	if (!err) {
		out_len = make_reply(slot, head, head_len, len, out);
		out_head_len = crossfuse_reply_head_len(&call, out_len);
	}
	if (!crossfuse_opcode_has_reply(call.opcode))
		return 0;
	if (!err && crossfuse_session_reply(&session, &call, out, out_head_len,
					    out_len))
		err = -EIO;
	if (err) {
		crossfuse_session_error(&session, &call, err, out);
		out_len = out_head_len = sizeof(struct cf_out_header);
	}
	memcpy(slot->reply, out, out_head_len);
	return out_len;
}

/* ---- The transport. ---- */

static int ring(int doorbell)
{
	uint64_t one = 1;

	return write(doorbell, &one, sizeof(one)) == sizeof(one) ? 0 : -errno;
}

static int serve(struct slot *slots, size_t count, int doorbell, int back)
{
	uint64_t rung;

	while (read(doorbell, &rung, sizeof(rung)) == sizeof(rung)) {
		for (size_t i = 0; i < count; i++) {
			struct slot *slot = &slots[i];
			size_t len;

			if (le32toh(atomic_load(&slot->state)) != SLOT_REQUEST)
				continue;
			len = serve_slot(slot);
			slot->reply_len = htole32((uint32_t)len);
			atomic_store(&slot->state,
				     htole32(len ? SLOT_REPLY : SLOT_FREE));
		}
		if (ring(back))
			break;
	}
	return -errno;
}

static void on_event(void *opaque, const struct crossfuse_event *event)
{
	const char *name = event->client ? crossfuse_abi_name(event->client)
					 : "unknown";

	(void)opaque;
	if (event->type == CROSSFUSE_EVENT_INIT)
		fprintf(stderr, "host: %s%s\n", name,
			event->swapped ? ", other byte order" : "");
}

int main(int argc, char *argv[])
{
	struct crossfuse_config config = { .event = on_event };
	struct slot *slots;
	struct stat st;
	int memory;

	if (argc != 4) {
		fputs("usage: dpu-server MEMORY-FD DOORBELL-FD BACK-FD\n",
		      stderr);
		return 2;
	}
	memory = atoi(argv[1]);
	if (fstat(memory, &st) < 0 || st.st_size < (off_t)sizeof(*slots)) {
		fputs("dpu-server: no memory for a slot\n", stderr);
		return 1;
	}
	slots = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE,
		     MAP_SHARED, memory, 0);
	if (slots == MAP_FAILED || crossfuse_session_init(&session, &config)) {
		perror("dpu-server");
		return 1;
	}
	serve(slots, (size_t)st.st_size / sizeof(*slots), atoi(argv[2]),
	      atoi(argv[3]));
	return 0;
}
