/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A libfuse server that does, on demand, what others do seldom: it keeps
 * requests, answers wrongly, notifies, and serves several descriptors at a time.
 * What it is to do is the name that is looked up.
 *
 *   libfuse-server [-m] FD...     -m: each with many threads
 */
#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 12)

#include <crossfuse/fuse3.h>
#include <errno.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	MAX_HELD = 1 << 17,
	FILE_SIZE = 256 << 10,
	NODE = 7,
	RELEASE_NODE = 77, /* to forget it answers all requests that are kept */
};

struct server {
	struct fuse_session *se;
	int fd;
	int file; /* a memfd: what READ returns comes from it */
	bool many;
	unsigned int capable;
	pthread_mutex_t lock;
	fuse_req_t *held;
	size_t held_count;
	uint64_t retrieved;
};

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct server *server = userdata;

	server->capable = conn->capable;
#ifdef FUSE_CAP_SETXATTR_EXT
	if (conn->capable & FUSE_CAP_SETXATTR_EXT)
		conn->want |= FUSE_CAP_SETXATTR_EXT;
#endif
}

static void on_interrupt(fuse_req_t req, void *data)
{
	struct server *server = data;
	bool found = false;

	pthread_mutex_lock(&server->lock);
	for (size_t i = 0; i < server->held_count && !found; i++)
		if (server->held[i] == req) {
			server->held[i] = server->held[--server->held_count];
			found = true;
		}
	pthread_mutex_unlock(&server->lock);
	if (found)
		fuse_reply_err(req, EINTR);
}

static void hold(struct server *server, fuse_req_t req)
{
	pthread_mutex_lock(&server->lock);
	server->held[server->held_count++] = req;
	pthread_mutex_unlock(&server->lock);
	fuse_req_interrupt_func(req, on_interrupt, server);
}

static void reply_number(fuse_req_t req, uint64_t number)
{
	struct fuse_entry_param entry = {
		.ino = NODE,
		.attr = { .st_ino = NODE,
			  .st_mode = S_IFREG | 0644,
			  .st_nlink = 1,
			  .st_size = (off_t)number },
	};

	fuse_reply_entry(req, &entry);
}

static void notify(struct server *server, fuse_req_t req)
{
	struct fuse_bufvec buf = FUSE_BUFVEC_INIT(5);
	char text[] = "store";
	int err;

	buf.buf[0].mem = text;
	err = fuse_lowlevel_notify_inval_inode(server->se, NODE, 3, 4);
	if (!err)
		err = fuse_lowlevel_notify_inval_entry(server->se, NODE,
						       "entry", 5);
	if (!err)
		err = fuse_lowlevel_notify_store(server->se, NODE, 9, &buf, 0);
	if (!err)
		err = fuse_lowlevel_notify_retrieve(server->se, NODE, 8, 6,
						    server);
	fuse_reply_err(req, err ? -err : ENOENT);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct server *server = fuse_req_userdata(req);

	(void)parent;
	if (!strcmp(name, "hold"))
		hold(server, req);
	else if (!strcmp(name, "short"))
		fuse_reply_buf(req, name, 5);
	else if (!strcmp(name, "notify"))
		notify(server, req);
	else if (!strcmp(name, "splice"))
		reply_number(req, server->capable & (FUSE_CAP_SPLICE_READ |
						     FUSE_CAP_SPLICE_WRITE |
						     FUSE_CAP_SPLICE_MOVE));
	else if (!strcmp(name, "retrieved"))
		reply_number(req, server->retrieved);
	else if (!strcmp(name, "fd"))
		reply_number(req, (uint64_t)server->fd);
	else
		fuse_reply_err(req, ENOENT);
}

static void op_retrieve_reply(fuse_req_t req, void *cookie, fuse_ino_t ino,
			      off_t offset, struct fuse_bufvec *buf)
{
	struct server *server = cookie;

	if (ino == NODE && offset == 6)
		server->retrieved = fuse_buf_size(buf);
	fuse_reply_none(req);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	struct server *server = fuse_req_userdata(req);
	fuse_req_t held;

	(void)count;
	fuse_reply_none(req);
	while (ino == RELEASE_NODE) {
		pthread_mutex_lock(&server->lock);
		held = server->held_count ? server->held[--server->held_count]
					  : NULL;
		pthread_mutex_unlock(&server->lock);
		if (!held)
			break;
		fuse_req_interrupt_func(held, NULL, NULL);
		fuse_reply_err(held, ENOENT);
	}
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *fi)
{
	struct stat st = { .st_ino = ino, .st_mode = S_IFREG | 0600 };

	(void)fi;
	fuse_reply_attr(req, &st, 1.0);
}

/* From a descriptor, which libfuse would splice to /dev/fuse. */
static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	struct server *server = fuse_req_userdata(req);
	struct fuse_bufvec buf = FUSE_BUFVEC_INIT(size);

	(void)ino;
	(void)fi;
	buf.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	buf.buf[0].fd = server->file;
	buf.buf[0].pos = off;
	fuse_reply_data(req, &buf, FUSE_BUF_SPLICE_MOVE);
}

/* A reply in more pieces than usual. */
static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	static const char text[] = "a target in many pieces";
	struct iovec iov[sizeof(text) - 1];

	(void)ino;
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		iov[i] = (struct iovec){ (char *)text + i, 1 };
	fuse_reply_iov(req, iov, sizeof(text) - 1);
}

/* The length of the value is told as an error number. */
static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
			const char *value, size_t size, int flags)
{
	(void)ino;
	(void)flags;
	fuse_reply_err(req, !strcmp(name, "user.a") && size < 30 &&
					    !strncmp(value, "value", size)
				    ? (int)size
				    : EINVAL);
}

static void op_write_buf(fuse_req_t req, fuse_ino_t ino,
			 struct fuse_bufvec *buf, off_t off,
			 struct fuse_file_info *fi)
{
	struct server *server = fuse_req_userdata(req);
	struct fuse_bufvec to = FUSE_BUFVEC_INIT(fuse_buf_size(buf));
	ssize_t n;

	(void)ino;
	(void)fi;
	to.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	to.buf[0].fd = server->file;
	to.buf[0].pos = off;
	n = fuse_buf_copy(&to, buf, 0);
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_write(req, (size_t)n);
}

static const struct fuse_lowlevel_ops ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.getattr = op_getattr,
	.read = op_read,
	.readlink = op_readlink,
	.setxattr = op_setxattr,
	.write_buf = op_write_buf,
	.retrieve_reply = op_retrieve_reply,
};

static void *serve(void *data)
{
	struct server *server = data;
	struct fuse_loop_config *config;
	int err;

	if (server->many) {
		config = fuse_loop_cfg_create();
		err = fuse_session_loop_mt(server->se, config);
		fuse_loop_cfg_destroy(config);
	} else {
		err = fuse_session_loop(server->se);
	}
	return err ? data : NULL;
}

static int start(struct server *server, int fd, bool many)
{
	char *argv[] = { "libfuse-server", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);

	server->fd = fd;
	server->many = many;
	pthread_mutex_init(&server->lock, NULL);
	server->held = calloc(MAX_HELD, sizeof(fuse_req_t));
	server->file = memfd_create("file", 0);
	if (server->file < 0 || ftruncate(server->file, FILE_SIZE))
		return -1;
	server->se = fuse_session_new(&args, &ops, sizeof(ops), server);
	fuse_opt_free_args(&args);
	return server->se ? crossfuse_fuse3_session(server->se, fd, NULL, 0)
			  : -1;
}

static void end(struct server *server)
{
	crossfuse_fuse3_free(server->se);
	/* Too late, but no reason to crash. */
	fuse_lowlevel_notify_inval_inode(server->se, NODE, 0, 0);
	for (size_t i = 0; i < server->held_count; i++) {
		fuse_req_interrupt_func(server->held[i], NULL, NULL);
		fuse_reply_err(server->held[i], EIO);
	}
	fuse_session_destroy(server->se);
	close(server->file);
	free(server->held);
	pthread_mutex_destroy(&server->lock);
}

/* What must be refused, each with its error. */
static int check_refusals(void)
{
	struct crossfuse_config config = { .role = CROSSFUSE_ROLE_CLIENT };
	struct server server = { 0 };
	char *argv[] = { "libfuse-server", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	bool good;

	server.se = fuse_session_new(&args, &ops, sizeof(ops), &server);
	good = crossfuse_fuse3_session(server.se, -1, NULL, 0) == -EBADF &&
	       crossfuse_fuse3_session(server.se, 9999, NULL, 0) == -EBADF &&
	       crossfuse_fuse3_session(NULL, 0, NULL, 0) == -EINVAL &&
	       crossfuse_fuse3_session(server.se, 0, NULL, 4) == -EINVAL &&
	       crossfuse_fuse3_session(server.se, 0, &config, 0) == -EINVAL;
	config.role = CROSSFUSE_ROLE_SERVER;
	config.server = crossfuse_abi_by_name("mips64");
	good = good &&
	       crossfuse_fuse3_session(server.se, 0, &config, 0) == -EINVAL;
	crossfuse_fuse3_free(server.se);
	fuse_session_destroy(server.se);
	fuse_opt_free_args(&args);
	return good ? 0 : -1;
}

static int serve_all(struct server *servers, size_t count)
{
	pthread_t *threads = calloc(count + 1, sizeof(*threads));
	int status = 0;
	void *result;

	for (size_t i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, serve, &servers[i]);
	for (size_t i = 0; i < count; i++) {
		pthread_join(threads[i], &result);
		status = result ? 4 : status;
	}
	free(threads);
	return status;
}

int main(int argc, char *argv[])
{
	bool many = argc > 1 && !strcmp(argv[1], "-m");
	size_t count = (size_t)(argc - 1 - many), started = 0;
	struct server *servers = calloc(count + 1, sizeof(*servers));
	int status = check_refusals() ? 1 : 0;
	int err = 0;

	while (started < count && !err) {
		err = start(&servers[started], atoi(argv[1 + many + started]),
			    many);
		started++;
	}
	if (err)
		status = err == -EMFILE && started == count ? 3 : 2;
	if (!status)
		status = serve_all(servers, count);
	for (size_t i = 0; i < started; i++)
		end(&servers[i]);
	free(servers);
	return status;
}
