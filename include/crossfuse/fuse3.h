/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libcrossfuse for servers that are written with libfuse 3 (3.13 or later):
 * one call, and the server understands clients of every architecture. It goes
 * through fuse_session_custom_io(), which libfuse must have been built with:
 * from 3.18.3 on that is a build option of libfuse's.
 *
 * This is a library of its own, libcrossfuse-fuse3 (static only), so that
 * libcrossfuse needs nothing but a C library.
 */
#ifndef CROSSFUSE_FUSE3_H
#define CROSSFUSE_FUSE3_H

#include <crossfuse/session.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fuse_session;

/*
 * What the descriptor does with messages. Neither: sockets are asked, /dev/fuse
 * and /dev/cuse keep them whole, all else is a stream.
 */
enum crossfuse_fuse3_flags {
	CROSSFUSE_FUSE3_MESSAGES = 1 << 0, /* one read(), one request */
	CROSSFUSE_FUSE3_STREAM = 1 << 1,   /* bytes without boundaries */
};

/*
 * Makes SE serve on FD and translate whatever its client needs translated. To
 * be called once for a session, before its loop: instead of
 * fuse_session_mount(), or after it with an FD of -1, which stands for the
 * descriptor that SE has then. As ever, fuse_session_destroy() closes it.
 *
 * CONFIG may be NULL, and is copied. Its server is this machine: NULL, and a
 * server_page_size of 0 is the machine's. Its event callback is called by the
 * threads of SE's loop. FLAGS is 0 or of enum crossfuse_fuse3_flags.
 *
 * Every loop of libfuse's may be used, also with many threads and with
 * clone_fd. The loop ends when the client closes its end. Splicing is off, as
 * with any custom I/O; the bytes of files are not copied here either.
 *
 * Requests are checked before libfuse, which believes the kernel, sees them:
 * no name without an end, no count or length beyond the message. What is not
 * checked is whether node and file handles exist: a server that takes them for
 * addresses has to trust its client.
 *
 * 0, or -EINVAL (the configuration, or the flags), -EBADF (FD), -EMFILE (more
 * than 16 sessions at a time in this process), -ENOMEM, -EOPNOTSUPP (libfuse
 * was built without custom I/O). SE is then as it was.
 */
int crossfuse_fuse3_session(struct fuse_session *se, int fd,
			    const struct crossfuse_config *config,
			    unsigned int flags);

/*
 * Frees what the call above took. To be called when SE's loop has ended, before
 * fuse_session_destroy(). A process that ends thereafter need not call it.
 */
void crossfuse_fuse3_free(struct fuse_session *se);

#ifdef __cplusplus
}
#endif
#endif
