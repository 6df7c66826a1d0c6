// SPDX-License-Identifier: BSD-2-Clause
/*
 * Files that the kernel reads and writes by itself (protocol 7.40): a server
 * may offer the descriptor of what it has opened, see struct call. The kernel
 * wants all opens of a file at a time to go the same way, with one number for
 * the file behind it; so who comes first decides, and the number goes with the
 * last RELEASE, which the kernel sends when it is done with that open.
 */
#include "../../log.h"
#include "mount.h"
#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#define BUCKETS 1024

/* With auto: what is smaller when it is opened is not worth the two messages. */
#define SMALL (256 << 10)

/* A regular file that is open. */
struct backed {
	struct backed *next;
	uint64_t nodeid;
	uint64_t opens;
	int32_t id; /* in the kernel; 0: it goes through the server */
};

struct passthrough {
	enum passthrough_mode mode;
	pthread_mutex_t lock;
	bool refused; /* the kernel takes no file */
	struct backed *buckets[BUCKETS];
};

static struct backed **find(struct passthrough *passthrough, uint64_t nodeid)
{
	struct backed **at =
		&passthrough->buckets[(nodeid ^ nodeid >> 10) % BUCKETS];

	while (*at && (*at)->nodeid != nodeid)
		at = &(*at)->next;
	return at;
}

/*
 * What a set-user-ID file loses when it is written to is up to who writes, and
 * the kernel writes to the file behind as one and the same.
 */
static bool is_worth_it(const struct passthrough *passthrough, int fd)
{
	const mode_t special = S_ISUID | S_ISGID;
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_mode & special)
		return false;
	return passthrough->mode == PASSTHROUGH_ON || st.st_size >= SMALL;
}

/* With the lock held: the file behind FD, for the kernel; 0: none. */
static int32_t give(struct mount_client *client, int fd)
{
	struct passthrough *passthrough = client->passthrough;
	int32_t id;

	if (fd < 0 || passthrough->refused || !is_worth_it(passthrough, fd))
		return 0;
	id = mount_guard_backing_open(&client->guard, fd);
	if (id > 0)
		return id;
	/* ELOOP: of this file system; EPERM: never. */
	if (id == -EPERM || id == -ENOTTY || id == -ENOTCONN)
		passthrough->refused = true;
	if (passthrough->mode == PASSTHROUGH_ON)
		log_warn("%s: --passthrough on: the kernel does not take a "
			 "file: %s: it goes through the server",
			 client->where, strerror(-id));
	return 0;
}

void passthrough_open(struct mount_client *client, uint64_t nodeid, int fd,
		      struct cf_open_out *out)
{
	struct passthrough *passthrough = client->passthrough;
	struct backed **at, *backed;

	pthread_mutex_lock(&passthrough->lock);
	at = find(passthrough, nodeid);
	backed = *at;
	if (!backed) {
		backed = calloc(1, sizeof(*backed));
		/* Without it nothing that is open is passed through either. */
		if (!backed)
			goto unlock;
		backed->nodeid = nodeid;
		backed->id = give(client, fd);
		*at = backed;
	}
	backed->opens++;
	if (backed->id) {
		out->open_flags &= ~CF_FOPEN_DIRECT_IO;
		out->open_flags |= CF_FOPEN_PASSTHROUGH;
		out->backing_id = backed->id;
	}
unlock:
	pthread_mutex_unlock(&passthrough->lock);
}

void passthrough_release(struct mount_client *client, uint64_t nodeid)
{
	struct passthrough *passthrough = client->passthrough;
	struct backed **at, *backed;

	pthread_mutex_lock(&passthrough->lock);
	at = find(passthrough, nodeid);
	backed = *at;
	if (backed && --backed->opens == 0) {
		*at = backed->next;
		if (backed->id)
			mount_guard_backing_close(&client->guard, backed->id);
		free(backed);
	}
	pthread_mutex_unlock(&passthrough->lock);
}

/* What lies behind may be one more file system that lies upon another. */
static uint32_t stack_depth(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 && st.f_type == OVERLAYFS_SUPER_MAGIC ? 2
									   : 1;
}

int passthrough_init(struct mount_client *client, int fd,
		     struct cf_init_out *out)
{
	const uint32_t high = (uint32_t)(CF_INIT_PASSTHROUGH >> 32);
	struct passthrough *passthrough;

	/* The kernel does not have both. */
	if (fd < 0 || out->flags & (uint32_t)CF_INIT_WRITEBACK_CACHE)
		return -EOPNOTSUPP;
	passthrough = calloc(1, sizeof(*passthrough));
	if (!passthrough)
		return -ENOMEM;
	passthrough->mode = client->passthrough_mode;
	pthread_mutex_init(&passthrough->lock, NULL);
	out->flags |= (uint32_t)CF_INIT_EXT;
	out->flags2 |= high;
	out->max_stack_depth = stack_depth(fd);
	client->passthrough = passthrough;
	return 0;
}

void passthrough_free(struct mount_client *client)
{
	struct passthrough *passthrough = client->passthrough;

	client->passthrough = NULL;
	for (unsigned int i = 0; passthrough && i < BUCKETS; i++)
		while (passthrough->buckets[i]) {
			struct backed *backed = passthrough->buckets[i];

			passthrough->buckets[i] = backed->next;
			free(backed);
		}
	if (passthrough)
		pthread_mutex_destroy(&passthrough->lock);
	free(passthrough);
}
