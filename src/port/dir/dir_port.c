// SPDX-License-Identifier: BSD-2-Clause
/* The built-in server of a directory, as a port. */
#include "../../log.h"
#include "../../options.h"
#include "../../sandbox/sandbox.h"
#include "../port.h"
#include "dir.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const struct server_port_ops dir_port_ops;

struct dir_port {
	struct server_port port; /* first */
	struct sandbox_options sandbox;
	char *path;
	struct sandbox_view view; /* -1: before confine() */
};

/* One connection: its inodes, handles and locks. */
struct dir_server {
	struct server server; /* first */
	struct dir *dir;
};

static const struct option *const option_lists[] = { dir_rows, sandbox_rows,
						     NULL };

static struct dir_port *dir_port_of(struct server_port *port)
{
	return (struct dir_port *)port;
}

static struct dir *dir_of(struct server *server)
{
	return ((struct dir_server *)server)->dir;
}

/* Of the sandbox, all that is said. */
static struct sandbox_options sandbox_of(const struct options *all)
{
	struct sandbox_options sandbox = sandbox_options;
	bool local = all->local_users;

	sandbox.readonly = dir_options.readonly;
	sandbox.syslog = all->syslog;
	/* --translate-* name it by its own number; so does a client here. */
	sandbox.own_uid = local || dir_options.translate_uid;
	sandbox.own_gid = local || dir_options.translate_gid;
	return sandbox;
}

/*
 * What is read through the share would be recorded, and so grow, and the client
 * could change the record. Of the root all is a part.
 */
static int check_trace(const char *path, const char *trace)
{
	char copy[PATH_MAX], share[PATH_MAX], dir[PATH_MAX];
	size_t len;

	if (!trace || strlen(trace) >= sizeof(copy) || !realpath(path, share))
		return 0;
	strcpy(copy, trace);
	if (!realpath(dirname(copy), dir))
		return 0; /* opening it tells */
	len = strlen(share);
	if (len == 1 || strncmp(dir, share, len) != 0 ||
	    (dir[len] && dir[len] != '/'))
		return 0;
	log_error("--trace: %s is in the shared directory %s: give a file "
		  "outside of it",
		  trace, path);
	return -EINVAL;
}

static int dir_open(const char *argument, const struct options *options,
		    struct server_port **ret_port)
{
	struct dir_port *port;
	int ret;

	if (!argument || !*argument) {
		log_error("dir: needs a directory: say dir:/PATH");
		return -EINVAL;
	}
	ret = dir_options_check(&dir_options);
	if (ret == 0)
		ret = sandbox_check(argument, &sandbox_options);
	if (ret == 0)
		ret = check_trace(argument, options->trace);
	if (ret < 0)
		return ret;
	port = calloc(1, sizeof(*port));
	if (port)
		port->path = strdup(argument);
	if (!port || !port->path) {
		free(port);
		log_error("out of memory");
		return -ENOMEM;
	}
	port->port.ops = &dir_port_ops;
	port->sandbox = sandbox_of(options);
	port->view = (struct sandbox_view){ .root_fd = -1, .proc_fd = -1 };
	*ret_port = &port->port;
	return 0;
}

static int dir_confine(struct server_port *server_port)
{
	struct dir_port *port = dir_port_of(server_port);

	return sandbox_enter(port->path, &port->sandbox, &port->view);
}

static int dir_port_submit(struct server *server, struct call *call)
{
	dir_submit(dir_of(server), call);
	return 0;
}

static void dir_port_cancel(struct server *server)
{
	dir_cancel(dir_of(server));
}

static void dir_port_reset(struct server *server)
{
	dir_reset(dir_of(server));
}

static void dir_port_report(struct server *server, report_fn *report,
			    void *opaque)
{
	dir_report(dir_of(server), report, opaque);
}

static void dir_detach(struct server *server)
{
	dir_destroy(dir_of(server));
	free(server);
}

static const struct server_ops dir_server_ops = {
	.checks = true,
	.submit = dir_port_submit,
	.cancel = dir_port_cancel,
	.reset = dir_port_reset,
	.report = dir_port_report,
	.detach = dir_detach,
};

/* A server with descriptors of its own. */
static int create(const struct dir_port *port, struct dir **ret_dir)
{
	struct sandbox_view view = port->view;
	int ret;

	view.root_fd = fcntl(port->view.root_fd, F_DUPFD_CLOEXEC, 0);
	view.proc_fd = fcntl(port->view.proc_fd, F_DUPFD_CLOEXEC, 0);
	if (view.root_fd >= 0 && view.proc_fd >= 0)
		return dir_create(&dir_options, &view, ret_dir);
	ret = -errno;
	if (view.root_fd >= 0)
		close(view.root_fd);
	if (view.proc_fd >= 0)
		close(view.proc_fd);
	return ret;
}

static int dir_attach(struct server_port *server_port, struct relay *relay,
		      struct server **ret_server)
{
	struct dir_port *port = dir_port_of(server_port);
	struct dir_server *server = calloc(1, sizeof(*server));
	int ret = server ? create(port, &server->dir) : -ENOMEM;

	(void)relay;
	if (ret < 0) {
		/* That there are no file handles is told already. */
		if (ret != -EOPNOTSUPP)
			log_error("cannot share %s: %s", port->path,
				  strerror(-ret));
		free(server);
		return ret;
	}
	server->server.ops = &dir_server_ops;
	*ret_server = &server->server;
	return 0;
}

static void dir_close(struct server_port *server_port)
{
	struct dir_port *port = dir_port_of(server_port);

	if (port->view.root_fd >= 0)
		close(port->view.root_fd);
	if (port->view.proc_fd >= 0)
		close(port->view.proc_fd);
	free(port->path);
	free(port);
}

const struct server_port_ops dir_port_ops = {
	.scheme = "dir",
	.argument = "DIR",
	.help = "a directory of this machine",
	.options = option_lists,
	.open = dir_open,
	.confine = dir_confine,
	.attach = dir_attach,
	.close = dir_close,
};
