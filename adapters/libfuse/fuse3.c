/* SPDX-License-Identifier: BSD-2-Clause */
/* The two calls of crossfuse/fuse3.h, and what libfuse calls. */
#include "adapter.h"
#include "libfuse.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/*
 * libfuse tells its hooks a descriptor, which may be a clone that nobody has
 * seen before, and what the server's author wanted to be told. So each session
 * has hooks of its own, which know their place in this table.
 */
#define FOR_EACH_PLACE(X) \
	X(0)              \
	X(1)              \
	X(2)              \
	X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

enum {
	PLACES = 16
};

static _Atomic(struct adapter *) places[PLACES];
static pthread_mutex_t places_lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t result(ssize_t n)
{
	if (n >= 0)
		return n;
	errno = (int)-n;
	return -1;
}

static ssize_t hook_read(int place, int fd, void *buf, size_t size)
{
	struct adapter *a = atomic_load(&places[place]);
	int cancel;
	ssize_t n;

	if (!a)
		return result(-ENODEV);

	/* The threads of a loop are cancelled when it ends. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	n = cf_adapter_read(a, fd, buf, size, cancel);
	pthread_setcancelstate(cancel, NULL);
	return result(n);
}

static ssize_t hook_writev(int place, int fd, const struct iovec *iov,
			   int count)
{
	struct adapter *a = atomic_load(&places[place]);
	int cancel;
	ssize_t n;

	/* A notification, after all has been freed. */
	if (!a)
		return result(-ENODEV);

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	n = cf_adapter_write(a, fd, iov, count);
	pthread_setcancelstate(cancel, NULL);
	return result(n);
}

#define HOOKS(place)                                                        \
	static ssize_t read_##place(int fd, void *buf, size_t size,         \
				    void *userdata)                         \
	{                                                                   \
		(void)userdata;                                             \
		return hook_read(place, fd, buf, size);                     \
	}                                                                   \
	static ssize_t writev_##place(int fd, struct iovec *iov, int count, \
				      void *userdata)                       \
	{                                                                   \
		(void)userdata;                                             \
		return hook_writev(place, fd, iov, count);                  \
	}
FOR_EACH_PLACE(HOOKS)

#define IO(place) [place] = { .read = read_##place, .writev = writev_##place },
static const struct fuse_custom_io ios[PLACES] = { FOR_EACH_PLACE(IO) };

static bool is_fuse_device(const struct stat *st)
{
	/* Of the miscellaneous devices, /dev/fuse and /dev/cuse. */
	return S_ISCHR(st->st_mode) && major(st->st_rdev) == 10 &&
	       (minor(st->st_rdev) == 229 || minor(st->st_rdev) == 203);
}

static int find_transport(struct adapter *a, unsigned int flags)
{
	socklen_t len = sizeof(int);
	struct stat st;
	int type;

	if (fstat(a->fd, &st) < 0)
		return -EBADF;
	a->kernel = is_fuse_device(&st);
	a->transport = a->kernel ? TRANSPORT_DEVICE : TRANSPORT_STREAM;
	a->socket = S_ISSOCK(st.st_mode);
	if (a->socket) {
		if (getsockopt(a->fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
			return -errno;
		if (type != SOCK_STREAM)
			a->transport = TRANSPORT_PACKETS;
	}
	if (flags & CROSSFUSE_FUSE3_STREAM)
		a->transport = TRANSPORT_STREAM;
	else if (flags & CROSSFUSE_FUSE3_MESSAGES)
		a->transport = a->socket ? TRANSPORT_PACKETS : TRANSPORT_DEVICE;
	return 0;
}

#if HAVE_CLONE_HOOK
/* Of /dev/fuse alone; libfuse goes on without a clone if there is none. */
static int clone_fd(int fd)
{
	uint32_t master = (uint32_t)fd;
	struct stat st;
	int clone;

	if (fstat(fd, &st) < 0 || !is_fuse_device(&st))
		return -1;
	clone = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (clone >= 0 && ioctl(clone, FUSE_DEV_IOC_CLONE, &master) < 0) {
		close(clone);
		return -1;
	}
	return clone;
}
#endif

static int set_hooks(const struct adapter *a, int place)
{
	struct fuse_custom_io io = ios[place];
	int err;

#if HAVE_CLONE_HOOK
	io.clone_fd = clone_fd;
	err = fuse_session_custom_io(a->se, &io, sizeof(io), a->fd);
#else
	err = fuse_session_custom_io(a->se, &io, a->fd);
#endif
	return err == -ENOTSUP ? -EOPNOTSUPP : err;
}

static int start_session(struct adapter *a,
			 const struct crossfuse_config *config)
{
	struct crossfuse_config copy = { 0 };

	if (config)
		copy = *config;
	if (copy.role != CROSSFUSE_ROLE_SERVER || copy.server)
		return -EINVAL;
	if (!copy.server_page_size)
		copy.server_page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	/* The kernel behind /dev/fuse is no stranger. */
	if (a->kernel && !copy.client && !copy.monitor)
		copy.client = crossfuse_abi_native();
	return crossfuse_session_init(&a->session, &copy);
}

static void adapter_free(struct adapter *a)
{
	if (!a)
		return;
	cf_calls_free(&a->calls);
	/* The last thread of the loop may have been cancelled with it. */
	cf_transport_lock(a);
	pthread_mutex_unlock(&a->reading);
	pthread_mutex_destroy(&a->writing);
	pthread_mutex_destroy(&a->reading);
	pthread_rwlock_destroy(&a->gate);
	free(a);
}

static int adapter_new(struct fuse_session *se, int fd,
		       const struct crossfuse_config *config,
		       unsigned int flags, struct adapter **ret)
{
	struct adapter *a = calloc(1, sizeof(*a));
	pthread_mutexattr_t robust;
	int err;

	if (!a)
		return -ENOMEM;
	a->se = se;
	a->fd = fd;
	pthread_rwlock_init(&a->gate, NULL);
	pthread_mutexattr_init(&robust);
	pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&a->reading, &robust);
	pthread_mutexattr_destroy(&robust);
	pthread_mutex_init(&a->writing, NULL);
	err = cf_calls_init(&a->calls);
	if (!err)
		err = find_transport(a, flags);
	if (!err)
		err = start_session(a, config);
	if (err)
		adapter_free(a);
	else
		*ret = a;
	return err;
}

/*
 * A free place, or that of a session which is gone: libfuse has closed its
 * descriptor, or freed it, if another has the same.
 */
static int find_place(const struct adapter *a)
{
	int place = -1;

	for (int i = PLACES - 1; i >= 0; i--) {
		const struct adapter *other = atomic_load(&places[i]);

		if (other && (other->fd == a->fd || other->se == a->se))
			return i;
		if (!other)
			place = i;
	}
	return place;
}

int crossfuse_fuse3_session(struct fuse_session *se, int fd,
			    const struct crossfuse_config *config,
			    unsigned int flags)
{
	struct adapter *a, *gone = NULL;
	int place, err;

	if (!se || flags > CROSSFUSE_FUSE3_STREAM)
		return -EINVAL;
	if (fd == -1)
		fd = fuse_session_fd(se);
	if (fd < 0)
		return -EBADF;
	err = adapter_new(se, fd, config, flags, &a);
	if (err)
		return err;
	pthread_mutex_lock(&places_lock);
	place = find_place(a);
	err = place < 0 ? -EMFILE : set_hooks(a, place);
	if (!err) {
		gone = atomic_exchange(&places[place], a);
	}
	pthread_mutex_unlock(&places_lock);
	adapter_free(err ? a : gone);
	return err;
}

void crossfuse_fuse3_free(struct fuse_session *se)
{
	struct adapter *gone = NULL;

	pthread_mutex_lock(&places_lock);
	for (int i = 0; i < PLACES && !gone; i++) {
		gone = atomic_load(&places[i]);
		if (gone && gone->se == se)
			atomic_store(&places[i], NULL);
		else
			gone = NULL;
	}
	pthread_mutex_unlock(&places_lock);
	adapter_free(gone);
}
