// SPDX-License-Identifier: GPL-2.0-only
//
// The hooks of fs/fuse/canon.c in Linux's FUSE client.
//
// What was agreed with the server is kept in struct fuse_conn. Requests find
// it there as long as they belong to a struct fuse_mount; where they belong to
// a struct fuse_chan, that one gets a copy, as it gets of what else it needs.

virtual channel

@ connection @
@@
struct fuse_conn {
	...
	unsigned conn_error:1;
+
+	/** @canon_arch: Server has taken the offer of canonical values */
+	unsigned int canon_arch:1;
	...
};

@ request @
@@
struct fuse_req {
	...
	wait_queue_head_t waitq;
+
+	/** @canon_saved: What the argument was that is canonical now */
+	u32 canon_saved;
	...
};

@ request_flag @
@@
enum fuse_req_flag {
	...,
	FR_ASYNC,
+	FR_CANON,
	...
};

@ offer @
expression IA, FLAGS;
@@
+	IA->in.arch_id = fuse_canon_arch_id();
+	FLAGS |= FUSE_CANON_ARCH;
+
	IA->in.flags = FLAGS;
	IA->in.flags2 = FLAGS >> 32;

@ answer @
typedef u64;
expression FLAGS, ARG;
@@
	if (FLAGS & FUSE_INIT_EXT)
		FLAGS |= (u64) ARG->flags2 << 32;
+	if (!fuse_canon_answer(fc, &ia->in, ARG, FLAGS))
+		ok = false;

@ depends on channel @
@@
struct fuse_chan_param {
	...
	unsigned int max_pages;
+	bool canon_arch;
	...
};

@ depends on channel @
@@
struct fuse_chan {
	...
	unsigned int max_pages;
+
+	/* Requests go out with canonical values */
+	bool canon_arch;
	...
};

@ depends on channel @
identifier CP;
expression PAGES;
@@
struct fuse_chan_param CP = {
	...,
	.max_pages = PAGES,
+	.canon_arch = fc->canon_arch,
	...
};

@ depends on channel @
expression CHAN, PARAM;
@@
	CHAN->max_pages = PARAM->max_pages;
+	CHAN->canon_arch = PARAM->canon_arch;

// Both ways of a request: where its arguments are complete but it has not been
// queued yet, where it ends, and where it is given up without an end.

@ depends on !channel @
identifier REQ, ARGS;
@@
fuse_args_to_req(struct fuse_req *REQ, struct fuse_args *ARGS)
{
	...
	if (ARGS->end)
		__set_bit(FR_ASYNC, &REQ->flags);
+	if (REQ->fm->fc->canon_arch)
+		fuse_canon_request(REQ);
}

@ depends on channel @
identifier REQ, ARGS;
@@
fuse_args_to_req(struct fuse_req *REQ, struct fuse_args *ARGS)
{
	...
	if (ARGS->end)
		__set_bit(FR_ASYNC, &REQ->flags);
+	if (REQ->chan->canon_arch)
+		fuse_canon_request(REQ);
}

@@
identifier REQ;
@@
fuse_request_end(struct fuse_req *REQ)
{
	... when any
+	/* Before FR_FINISHED: the requester may go on as soon as it is set */
+	fuse_canon_reply(REQ);
	if (test_and_set_bit(FR_FINISHED, &REQ->flags))
		goto put_request;
	... when any
}

@@
identifier REQ;
@@
fuse_put_request(struct fuse_req *REQ)
{
	<...
+	fuse_canon_reply(REQ);
	fuse_request_free(REQ);
	...>
}

// The reply to an interrupt has no request of its own that ends

@ depends on !channel @
identifier OH;
@@
fuse_dev_do_write(...)
{
	<...
	if (OH.unique & FUSE_INT_REQ_BIT) {
+		if (fc->canon_arch)
+			OH.error = fuse_canon_error(OH.error);
		...
	}
	...>
}

@ depends on channel @
identifier OH;
@@
fuse_dev_do_write(...)
{
	<...
	if (OH.unique & FUSE_INT_REQ_BIT) {
+		if (fch->canon_arch)
+			OH.error = fuse_canon_error(OH.error);
		...
	}
	...>
}

@@
identifier FM, ARGS, RET;
@@
fuse_send_ioctl(struct fuse_mount *FM, struct fuse_args *ARGS, ...)
{
	...
	ssize_t RET;
+
+	if (FM->fc->canon_arch && !fuse_canon_ioctl_ok(ARGS))
+		return -ENOTTY;
	...
}

@ depends on !channel || !(file in "dev.c") @
@@
	#include "fuse_i.h"
+	#include "canon.h"

@ depends on channel && file in "dev.c" @
@@
	#include "args.h"
+	#include "canon.h"
