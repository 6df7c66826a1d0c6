// SPDX-License-Identifier: BSD-2-Clause
/*
 * mount:DIR: a directory of this machine is the client. libfuse mounts it, as
 * root or through fusermount3, with all the options that mount(8) users know;
 * the requests are read here.
 */
#define FUSE_USE_VERSION 312
#include "mount.h"
#include "../../log.h"
#include "../../options.h"
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <mntent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Threads that may wait at once, where --thread-pool-size says nothing. */
#define THREADS 64

extern const struct client_port_ops mount_port_ops;

struct mount_port {
	struct client_port port; /* first */
	struct fuse_session *session;
	struct mount_client client;
	bool taken; /* accept() has handed the client out */
	atomic_bool stopped;
};

static const struct option_choice io_uring_modes[] = {
	{ "auto", IO_URING_AUTO },
	{ "on", IO_URING_ON },
	{ "off", IO_URING_OFF },
	{ NULL, 0 },
};

static const struct option_choice passthrough_modes[] = {
	{ "auto", PASSTHROUGH_AUTO },
	{ "on", PASSTHROUGH_ON },
	{ "off", PASSTHROUGH_OFF },
	{ NULL, 0 },
};

static int io_uring_mode;
static int passthrough_mode;
static const char *mount_options;

/* What mount(8) and mount.fuse3(8) mean for themselves, and may pass on. */
static bool is_for_mount(const char *item)
{
	static const char *const names[] = {
		"_netdev", "nofail", "auto",  "noauto", "user",	    "nouser",
		"users",   "owner",  "group", "rw",	"defaults", NULL,
	};

	if (strncmp(item, "x-", 2) == 0 || strncmp(item, "X-", 2) == 0 ||
	    strncmp(item, "comment=", 8) == 0)
		return true;
	for (size_t i = 0; names[i]; i++)
		if (strcmp(item, names[i]) == 0)
			return true;
	return false;
}

/* One list behind the other. */
static int add_mount_options(const struct option *option, const char *word)
{
	static char *all;
	char *list = strdup(word), *rest = list, *item;
	int ret = list ? 0 : -ENOMEM;

	(void)option;
	while (ret == 0 && (item = strsep(&rest, ",")))
		if (*item && !is_for_mount(item) &&
		    fuse_opt_add_opt(&all, item) < 0)
			ret = -ENOMEM;
	mount_options = all;
	free(list);
	return ret;
}

static const struct option rows[] = {
	OPTION("mount-options", PARSED, &mount_options, "LIST",
	       "as mount -o: ro, allow_other, auto_unmount, fsname=...",
	       .parse = add_mount_options),
	OPTION("io-uring", CHOICE, &io_uring_mode, "MODE",
	       "talk to the kernel through io_uring: auto (default), on, off",
	       .choices = io_uring_modes),
	OPTION("passthrough", CHOICE, &passthrough_mode, "MODE",
	       "open files that the kernel reads and writes by itself: auto "
	       "(default), on, off",
	       .choices = passthrough_modes),
	OPTION("s", NOTHING, NULL, NULL, NULL), /* libfuse's: one thread */
	{ 0 },
};

static const struct option *const row_lists[] = { rows, NULL };

/* What libfuse said last, in its own words; it goes into a line of ours. */
static char libfuse_said[256];

/* A line may come in pieces; its end stays, until the next one begins. */
static void log_libfuse(enum fuse_log_level level, const char *format,
			va_list arguments)
{
	size_t len = strlen(libfuse_said);

	(void)level;
	if (len && libfuse_said[len - 1] == '\n')
		len = 0;
	vsnprintf(libfuse_said + len, sizeof(libfuse_said) - len, format,
		  arguments);
}

/* Without the newline. */
static const char *what_libfuse_said(void)
{
	libfuse_said[strcspn(libfuse_said, "\n")] = '\0';
	return libfuse_said;
}

/*
 * The options for libfuse: what makes it like any other file system comes
 * first, so that the administrator's go before it. What is served is named as
 * in fstab(5), so that mount(8) knows it again.
 */
static int make_arguments(struct fuse_args *args, const char *server)
{
	char *usual = strdup("default_permissions,subtype=crossfuse"), *fsname;
	int ret = -ENOMEM;

	if (asprintf(&fsname, "fsname=%s", server) < 0)
		fsname = NULL;
	if (usual && fsname && fuse_opt_add_opt_escaped(&usual, fsname) == 0 &&
	    (geteuid() != 0 || fuse_opt_add_opt(&usual, "allow_other") == 0) &&
	    (!mount_options || fuse_opt_add_opt(&usual, mount_options) == 0) &&
	    fuse_opt_add_arg(args, "crossfuse") == 0 &&
	    fuse_opt_add_arg(args, "-o") == 0 &&
	    fuse_opt_add_arg(args, usual) == 0)
		ret = 0;
	free(usual);
	free(fsname);
	return ret;
}

/* 0 or -errno, logged. */
static int mount_it(struct mount_port *port, const char *server)
{
	static const struct fuse_lowlevel_ops none; /* it never reads itself */
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int ret;

	fuse_set_log_func(log_libfuse);
	ret = make_arguments(&args, server);
	if (ret < 0)
		goto free;
	ret = -EINVAL;
	port->session = fuse_session_new(&args, &none, sizeof(none), NULL);
	if (!port->session) {
		log_error("--mount-options=%s: %s", mount_options,
			  what_libfuse_said());
		goto free;
	}
	if (fuse_session_mount(port->session, port->client.where) == 0) {
		port->client.fds[0] = fuse_session_fd(port->session);
		port->client.fd_count = 1;
		fcntl(port->client.fds[0], F_SETFD, FD_CLOEXEC);
		ret = 0;
		goto free;
	}
	log_error("cannot mount at %s: %s: it must be a directory, and yours "
		  "or you root",
		  port->client.where, what_libfuse_said());
	fuse_session_destroy(port->session);
	port->session = NULL;
free:
	fuse_opt_free_args(&args);
	return ret;
}

static int open_rings(struct mount_client *client)
{
	int ret;

	if (io_uring_mode == IO_URING_OFF)
		return 0;
	ret = rings_open(&client->rings);
	if (ret == 0)
		return 0;
	if (io_uring_mode == IO_URING_ON) {
		log_error("--io-uring on: %s: use --io-uring off",
			  strerror(-ret));
		return ret;
	}
	log_debug("no io_uring: %s", strerror(-ret));
	return 0;
}

/* One on top of another would be unmounted in its place. */
static bool has_fuse_mount(const char *where)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	const struct mntent *entry;
	bool has = false;

	while (mounts && (entry = getmntent(mounts)))
		if (strcmp(entry->mnt_dir, where) == 0)
			has = strncmp(entry->mnt_type, "fuse", 4) == 0;
	if (mounts)
		endmntent(mounts);
	return has;
}

/* The absolute name: the process may change its root before it unmounts. */
static int find_directory(const char *name, char **ret_name)
{
	char *absolute = realpath(name, NULL);
	struct stat st;
	int ret = 0;

	if (absolute && has_fuse_mount(absolute)) {
		log_error("cannot mount at %s: a FUSE file system is mounted "
			  "there: unmount it first",
			  absolute);
		free(absolute);
		return -EBUSY;
	}
	if (!absolute || stat(absolute, &st) < 0)
		ret = -errno;
	else if (!S_ISDIR(st.st_mode))
		ret = -ENOTDIR;
	if (ret < 0) {
		log_error("cannot mount at %s: %s: name a directory that is "
			  "there%s",
			  name, strerror(-ret),
			  ret == -ENOTCONN ? ", or unmount what a dead program "
					     "left"
					   : "");
		free(absolute);
		return ret;
	}
	*ret_name = absolute;
	return 0;
}

static const struct client_ops mount_client_ops;

/* It takes CAP_SYS_ADMIN, and data that is to be recorded comes this way. */
static enum passthrough_mode choose_passthrough(const struct options *options)
{
	if (passthrough_mode == PASSTHROUGH_AUTO &&
	    (geteuid() != 0 || options->trace_data))
		return PASSTHROUGH_OFF;
	return (enum passthrough_mode)passthrough_mode;
}

static int mount_open(const char *argument, const struct options *all,
		      struct client_port **ret_port)
{
	struct mount_port *port;
	struct mount_client *client;
	int ret = -ENOMEM;

	if (!argument) {
		log_error("mount: wants a directory: say mount:/DIR");
		return -EINVAL;
	}
	port = calloc(1, sizeof(*port));
	if (!port)
		return -ENOMEM;
	port->port.ops = &mount_port_ops;
	client = &port->client;
	client->client.ops = &mount_client_ops;
	client->passthrough_mode = choose_passthrough(all);
	client->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (client->stop_fd < 0) {
		ret = -errno;
		log_error("cannot make an event descriptor: %m");
		goto fail;
	}
	ret = find_directory(argument, &client->where);
	if (ret < 0)
		goto fail;
	ret = open_rings(client);
	if (ret == 0)
		ret = mount_it(port, all->server);
	if (ret < 0)
		goto fail;
	ret = mount_guard_start(&client->guard, port->session, client->where);
	if (ret < 0) {
		fuse_session_unmount(port->session);
		fuse_session_destroy(port->session);
		goto fail;
	}
	notifier_init(&client->notifier);
	readers_init(client, THREADS);
	*ret_port = &port->port;
	return 0;
fail:
	rings_close(client->rings);
	if (client->stop_fd >= 0)
		close(client->stop_fd);
	free(client->where);
	free(port);
	return ret;
}

static int mount_accept(struct client_port *client_port,
			struct client **ret_client)
{
	struct mount_port *port = (struct mount_port *)client_port;

	if (port->taken || atomic_load(&port->stopped))
		return 0;
	port->taken = true;
	*ret_client = &port->client.client;
	return 1;
}

static void mount_port_stop(struct client_port *client_port)
{
	atomic_store(&((struct mount_port *)client_port)->stopped, true);
}

/* The client that a mount has is the kernel of this machine. */
static const char *mount_peer_machine(struct client *client)
{
	static struct utsname name;

	(void)client;
	return uname(&name) == 0 ? name.machine : NULL;
}

void mount_client_end(struct mount_client *client)
{
	uint64_t one = 1;
	int error = errno;

	atomic_store(&client->ending, true);
	/* It can only fail if it was called very often before. */
	if (write(client->stop_fd, &one, sizeof(one)) < 0)
		errno = error;
}

static int mount_serve(struct client *base, struct relay *relay)
{
	struct mount_client *client = (struct mount_client *)base;
	struct pollfd ready = { .fd = client->stop_fd, .events = POLLIN };
	int ret;

	client->relay = relay;
	mount_calls_init(client);
	ret = readers_start(client);
	if (ret < 0) {
		buffered_calls_destroy(&client->calls);
		return ret;
	}
	while (poll(&ready, 1, -1) < 0 && errno == EINTR)
		;
	relay_cancel(relay);
	/* While those requests are answered that it may wait for. */
	notifier_stop(&client->notifier);
	atomic_store(&client->stopping, true);
	readers_stop(client);
	rings_stop(client->rings);
	/* A server may be about to answer one into our memory. */
	relay_drain(relay);
	rings_close(client->rings);
	client->rings = NULL;
	relay_reset(relay);
	buffered_calls_destroy(&client->calls);
	passthrough_free(client);
	return client->refused;
}

static void mount_stop(struct client *client)
{
	mount_client_end((struct mount_client *)client);
}

static int mount_notify(struct client *base, const struct iovec *iov, int count)
{
	struct mount_client *client = (struct mount_client *)base;
	const struct cf_out_header *header = iov[0].iov_base;

	/* An answer to an INTERRUPT waits for nothing. */
	return header->unique ? mount_write(client->fds[0], iov, count)
			      : notifier_put(client, iov, count);
}

/* The client is a part of the port. */
static void mount_client_close(struct client *client)
{
	(void)client;
}

static void mount_close(struct client_port *client_port)
{
	struct mount_port *port = (struct mount_port *)client_port;
	struct mount_client *client = &port->client;

	rings_close(client->rings);
	readers_destroy(client);
	notifier_destroy(&client->notifier);
	fuse_session_destroy(port->session); /* closes the descriptor */
	mount_guard_end(&client->guard);
	close(client->stop_fd);
	free(client->where);
	free(port);
}

static const struct client_ops mount_client_ops = {
	.peer_machine = mount_peer_machine,
	.serve = mount_serve,
	.stop = mount_stop,
	.notify = mount_notify,
	.close = mount_client_close,
};

const struct client_port_ops mount_port_ops = {
	.scheme = "mount",
	.argument = "DIRECTORY",
	.help = "mount it on this machine",
	.options = row_lists,
	.list_option = "mount-options",
	.plain_directory = true,
	.local_users = true,
	.open = mount_open,
	.accept = mount_accept,
	.stop = mount_port_stop,
	.close = mount_close,
};
