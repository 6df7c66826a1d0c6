// SPDX-License-Identifier: GPL-2.0-only
/*
 * FUSE: canonical form of what differs between architectures.
 *
 * A FUSE message carries open flags, error numbers, lock types, poll events
 * and ioctl numbers as the kernel that sends it defines them. A server that
 * runs on another architecture, behind virtio-fs for example, would have to
 * know them all. Instead the client offers, in FUSE_INIT, to put them in the
 * form that asm-generic gives them; if the server takes the offer then this
 * file translates, in one place for all transports: arguments when the request
 * is queued, the reply when the request ends.
 */

#include "fuse_i.h"
#include "fuse_dev_i.h"
#include "canon.h"

#include <linux/utsname.h>

/*
 * The bits that are an answer: also that of the first proposal, which is not
 * offered, or is FUSE_ALLOW_IDMAP where there is that.
 */
#define CANON_ANSWER_BITS (FUSE_CANON_ARCH | 1ULL << 40)

/* Canonical max_pages counts pages of this size */
#define CANON_PAGE_SHIFT 12

/* The fields of a canonical ioctl number, those of asm-generic/ioctl.h */
#define CANON_IOC_WRITE 1U
#define CANON_IOC_READ 2U
#define CANON_IOC_SIZESHIFT 16
#define CANON_IOC_DIRSHIFT 30

/*
 * Bits of open flags that are the same everywhere: the access mode, the mark of
 * an open for execution, and bit 26, a mark of fanotify's or O_EMPTYPATH.
 */
#define CANON_OPEN_SAME (O_ACCMODE | 0x20 | 0x4000000)

/*
 * Error numbers of user space end here; what is above is the kernel's own and
 * the same everywhere.
 */
#define CANON_ERRNO_END 512

struct canon_pair {
	u32 native;
	u32 canonical;
};

/* The name of the architecture as uname(2) has it, by 32-bit FNV-1a; not 0 */
u32 fuse_canon_arch_id(void)
{
	const char *p;
	u32 hash = 0x811c9dc5;

	for (p = init_utsname()->machine; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 0x01000193;
	return hash ?: 1;
}

/*
 * Take the server's answer to the offer. Returns false if it is no answer to
 * anything that was offered.
 */
bool fuse_canon_answer(struct fuse_conn *fc, const struct fuse_init_in *in,
		       struct fuse_init_out *out, u64 flags)
{
	u64 offered = in->flags | (u64)in->flags2 << 32;

	if (flags & ~offered & CANON_ANSWER_BITS)
		return false;
	if (!(flags & FUSE_CANON_ARCH))
		return true;

	fc->canon_arch = 1;
	if (PAGE_SHIFT > CANON_PAGE_SHIFT)
		out->max_pages >>= PAGE_SHIFT - CANON_PAGE_SHIFT;
	return true;
}

static u32 canon_open_flags(u32 flags)
{
	u32 known = CANON_OPEN_SAME;
	u32 canon = flags & CANON_OPEN_SAME;

	if (fuse_canon_native_open())
		return flags;

#define CANON_OPEN
#define CANON(name, canonical) \
	(known |= (name), canon |= flags & (name) ? (canonical) : 0)
	canon = (
#include "canon_values.h"
		 canon);

	/* A flag that is new must find its way into canon_values.h */
	BUILD_BUG_ON(VALID_OPEN_FLAGS & ~known);
	return canon;
}

static const struct canon_pair canon_errnos[] = {
#define CANON_ERRNO
#define CANON(name, canonical) { E##name, (canonical) }
#include "canon_values.h"
};

int __fuse_canon_error(int error)
{
	unsigned int i;

	if (fuse_canon_native_errno() || error >= 0 ||
	    error <= -CANON_ERRNO_END)
		return error;

	for (i = 0; i < ARRAY_SIZE(canon_errnos); i++)
		if (canon_errnos[i].canonical == -error)
			return -(int)canon_errnos[i].native;
	if (error >= -ERANGE)
		return error;

	pr_warn_once("fuse: server sent error %d, which is not canonical\n",
		     error);
	return -EIO;
}

static const struct canon_pair canon_locks[] = {
#define CANON_LOCK
#define CANON(name, canonical) { (name), (canonical) }
#include "canon_values.h"
};

static u32 canon_lock(u32 type)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(canon_locks); i++)
		if (canon_locks[i].native == type)
			return canon_locks[i].canonical;
	return type;
}

static u32 native_lock(u32 type)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(canon_locks); i++)
		if (canon_locks[i].canonical == type)
			return canon_locks[i].native;
	/* Nobody's value: the caller must not take it for one of ours */
	return ~0U;
}

/* The kernel's own EPOLL values are those of asm-generic everywhere */
static u32 canon_poll(u32 events)
{
	if (fuse_canon_native_poll())
		return events;
	return (__force u32)demangle_poll(events);
}

static u32 native_poll(u32 events)
{
	if (fuse_canon_native_poll())
		return events;
	return mangle_poll((__force __poll_t)events);
}

static const struct {
	s64 native;
	s64 canonical;
} canon_ioctls[] = {
#define CANON_IOCTL
#define CANON(name, canonical) { (name), (canonical) }
#include "canon_values.h"
};

/*
 * A number that _IOC() made, or one that is no more than a number. Returns
 * CANON_NONE if it is something else.
 */
static s64 canon_ioctl_fields(u32 cmd)
{
	u32 dir;

	switch (_IOC_DIR(cmd)) {
	case _IOC_NONE:
		dir = 0;
		break;
	case _IOC_WRITE:
		dir = CANON_IOC_WRITE;
		break;
	case _IOC_READ:
		dir = CANON_IOC_READ;
		break;
	case _IOC_READ | _IOC_WRITE:
		dir = CANON_IOC_READ | CANON_IOC_WRITE;
		break;
	default:
		/* A bare number is the same everywhere, if it is no more */
		return cmd <= U16_MAX ? cmd : CANON_NONE;
	}
	return dir << CANON_IOC_DIRSHIFT |
	       _IOC_SIZE(cmd) << CANON_IOC_SIZESHIFT |
	       _IOC_TYPE(cmd) << _IOC_TYPESHIFT | _IOC_NR(cmd);
}

static s64 canon_ioctl(u32 cmd)
{
	unsigned int i;
	s64 canon;

	if (fuse_canon_native_ioctl())
		return cmd;

	for (i = 0; i < ARRAY_SIZE(canon_ioctls); i++)
		if (canon_ioctls[i].native == cmd)
			return canon_ioctls[i].canonical;

	/* The server would take it for the one that has this canonical number */
	canon = canon_ioctl_fields(cmd);
	for (i = 0; i < ARRAY_SIZE(canon_ioctls); i++)
		if (canon_ioctls[i].canonical == canon)
			return CANON_NONE;
	return canon;
}

bool __fuse_canon_ioctl_ok(const struct fuse_args *args)
{
	const struct fuse_ioctl_in *in = args->in_args[0].value;

	return canon_ioctl(in->cmd) != CANON_NONE;
}

/*
 * The field of a request that differs between architectures: there is never
 * more than one. The structure belongs to whoever sends the request and waits
 * for its end, and is const only in that a transport does not write to it.
 */
static u32 *canon_field(const struct fuse_args *args)
{
	void *in = (void *)args->in_args[0].value;

	switch (args->opcode) {
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return &((struct fuse_open_in *)in)->flags;
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		return &((struct fuse_create_in *)in)->flags;
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		return &((struct fuse_read_in *)in)->flags;
	case FUSE_WRITE:
		return &((struct fuse_write_in *)in)->flags;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return &((struct fuse_release_in *)in)->flags;
	case FUSE_GETLK:
	case FUSE_SETLK:
	case FUSE_SETLKW:
		return &((struct fuse_lk_in *)in)->lk.type;
	case FUSE_POLL:
		return &((struct fuse_poll_in *)in)->events;
	case FUSE_IOCTL:
		return &((struct fuse_ioctl_in *)in)->cmd;
	}
	return NULL;
}

static u32 canon_value(u32 opcode, u32 value)
{
	switch (opcode) {
	case FUSE_GETLK:
	case FUSE_SETLK:
	case FUSE_SETLKW:
		return canon_lock(value);
	case FUSE_POLL:
		return canon_poll(value);
	case FUSE_IOCTL:
		return canon_ioctl(value);
	}
	return canon_open_flags(value);
}

void __fuse_canon_request(struct fuse_req *req)
{
	u32 *field;

	if (fuse_canon_native())
		return;

	field = canon_field(req->args);
	__set_bit(FR_CANON, &req->flags);
	if (!field)
		return;

	req->canon_saved = *field;
	*field = canon_value(req->args->opcode, *field);
}

static void native_reply(struct fuse_args *args)
{
	void *out = args->out_args[0].value;
	struct fuse_ioctl_out *ioctl;

	switch (args->opcode) {
	case FUSE_GETLK:
		((struct fuse_lk_out *)out)->lk.type =
			native_lock(((struct fuse_lk_out *)out)->lk.type);
		break;
	case FUSE_POLL:
		((struct fuse_poll_out *)out)->revents =
			native_poll(((struct fuse_poll_out *)out)->revents);
		break;
	case FUSE_IOCTL:
		ioctl = out;
		ioctl->result = fuse_canon_error(ioctl->result);
		break;
	}
}

void __fuse_canon_reply(struct fuse_req *req)
{
	u32 *field;

	if (fuse_canon_native())
		return;

	/* Most have not, where nothing was agreed on: spare them the atomic */
	if (!test_bit(FR_CANON, &req->flags) ||
	    !test_and_clear_bit(FR_CANON, &req->flags))
		return;

	field = canon_field(req->args);
	if (field)
		*field = req->canon_saved;

	/*
	 * Only what the server sent is canonical: a request that ended without
	 * a reply has no unique in its reply's header, and one that was aborted
	 * while the reply was being copied has an error of ours.
	 */
	if (!req->out.h.unique || test_bit(FR_ABORTED, &req->flags))
		return;

	if (req->out.h.error)
		req->out.h.error = fuse_canon_error(req->out.h.error);
	else
		native_reply(req->args);
}
