// SPDX-License-Identifier: BSD-2-Clause
/* The built-in server of a directory, as a port. */
#include "../../log.h"
#include "../../sandbox/sandbox.h"
#include "../port.h"
#include "dir.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct dir_port {
	struct server_port port; /* first */
	const struct options *options;
	char *path;
	struct dir *dir; /* NULL before confine() */
};

static struct dir_port *dir_port_of(struct server_port *port)
{
	return (struct dir_port *)port;
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
	ret = sandbox_check(argument, options);
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
	port->options = options;
	*ret_port = &port->port;
	return 0;
}

static int dir_confine(struct server_port *server)
{
	struct dir_port *port = dir_port_of(server);
	struct sandbox_view view;
	int ret;

	ret = sandbox_enter(port->path, port->options, &view);
	if (ret != 0)
		return ret;
	ret = dir_create(port->options, &view, &port->dir);
	if (ret < 0)
		log_error("cannot share %s: %s", port->path, strerror(-ret));
	return ret;
}

static void dir_port_submit(struct server_port *server, struct call *call)
{
	dir_submit(dir_port_of(server)->dir, call);
}

static void dir_port_cancel(struct server_port *server)
{
	dir_cancel(dir_port_of(server)->dir);
}

static void dir_port_reset(struct server_port *server)
{
	dir_reset(dir_port_of(server)->dir);
}

static void dir_close(struct server_port *server)
{
	struct dir_port *port = dir_port_of(server);

	if (port->dir)
		dir_destroy(port->dir);
	free(port->path);
	free(port);
}

const struct server_port_ops dir_port_ops = {
	.scheme = "dir",
	.argument = "DIRECTORY",
	.help = "serve a directory of this machine",
	.open = dir_open,
	.confine = dir_confine,
	.submit = dir_port_submit,
	.cancel = dir_port_cancel,
	.reset = dir_port_reset,
	.close = dir_close,
};
