// SPDX-License-Identifier: BSD-2-Clause
#include "kernel-wire.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <unistd.h>

#define LARGEFILE 0x8000    /* canonical */
#define EMPTYPATH 0x4000000 /* the same everywhere, and in new kernels only */

static unsigned int checks, failures;

void check(bool good, const char *fmt, ...)
{
	va_list args;

	checks++;
	if (!good)
		failures++;
	printf("%s ", good ? "pass" : "FAIL");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

static void same(const char *what, uint32_t seen, uint32_t wanted)
{
	check(seen == wanted, "%s: %#x, wanted %#x", what, seen, wanted);
}

static const char *path(const char *dir, const char *name)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s/%s", dir, name);
	return text;
}

/* RELEASE is sent without waiting for it */
static void settle(unsigned int opcode, unsigned int before)
{
	for (int i = 0; i < 200 && wire->count[opcode] == before; i++)
		usleep(10000);
}

static uint32_t arch_id(void)
{
	uint32_t hash = 2166136261u;
	struct utsname u;

	uname(&u);
	for (const char *p = u.machine; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619u;
	return hash ? hash : 1;
}

static void check_offer(void)
{
	uint64_t flags = wire->init.flags | (uint64_t)wire->init.flags2 << 32;

	check(wire->init.minor >= 38, "INIT minor 7.%u", wire->init.minor);
	same("INIT arch_id", wire->arch_id, arch_id());
	check(flags & WIRE_CANON, "INIT offers %#llx",
	      (unsigned long long)WIRE_CANON);
	check(flags & WIRE_INIT_EXT, "INIT has FUSE_INIT_EXT");
	if (wire->init.minor < WIRE_IDMAP_MINOR)
		check(!(flags & WIRE_CANON_FIRST), "INIT does not offer %#llx",
		      (unsigned long long)WIRE_CANON_FIRST);
}

static const struct {
	const char *name;
	int native;
	uint32_t canonical;
} opens[] = {
	{ "O_RDONLY", O_RDONLY, 0x0 },
	{ "O_WRONLY", O_WRONLY, 0x1 },
	{ "O_RDWR", O_RDWR, 0x2 },
	{ "O_APPEND", O_RDWR | O_APPEND, 0x402 },
	{ "O_NONBLOCK", O_RDWR | O_NONBLOCK, 0x802 },
	{ "O_DSYNC", O_RDWR | O_DSYNC, 0x1002 },
	{ "O_SYNC", O_RDWR | O_SYNC, 0x101002 },
	{ "O_ASYNC", O_RDWR | O_ASYNC, 0x2002 },
	{ "O_DIRECT", O_RDWR | O_DIRECT, 0x4002 },
	{ "O_NOFOLLOW", O_RDWR | O_NOFOLLOW, 0x20002 },
	{ "O_NOATIME", O_RDWR | O_NOATIME, 0x40002 },
	{ "O_TRUNC", O_RDWR | O_TRUNC, 0x202 },
	{ "O_CLOEXEC", O_RDWR | O_CLOEXEC, 0x2 },
	{ "O_EMPTYPATH", O_RDWR | EMPTYPATH, 0x2 },
	{ "O_DIRECT|O_NOFOLLOW|O_APPEND|O_SYNC|O_NONBLOCK",
	  O_RDWR | O_DIRECT | O_NOFOLLOW | O_APPEND | O_SYNC | O_NONBLOCK,
	  0x125c02 },
};

/* What is right: the canonical value, or the descriptor's own flags */
static uint32_t wanted(int fd, uint32_t canonical, int dropped)
{
	if (wire_canonical())
		return canonical | LARGEFILE |
		       ((uint32_t)fcntl(fd, F_GETFL) & EMPTYPATH);
	return (uint32_t)fcntl(fd, F_GETFL) | (uint32_t)dropped;
}

static void check_open(const char *dir)
{
	for (size_t i = 0; i < sizeof(opens) / sizeof(opens[0]); i++) {
		unsigned int before = wire->count[FUSE_RELEASE];
		int fd = open(path(dir, "file"), opens[i].native);
		uint32_t right, kept;
		char c = 0;

		if (fd < 0) {
			check(false, "open %s: %s", opens[i].name,
			      strerror(errno));
			continue;
		}
		right = wanted(fd, opens[i].canonical,
			       opens[i].native & O_TRUNC);
		/* The open file has no O_TRUNC any more */
		kept = wanted(fd, opens[i].canonical & ~0x200u, 0);
		same(opens[i].name, wire->value[FUSE_OPEN], right);
		if ((opens[i].native & O_ACCMODE) != O_WRONLY &&
		    pread(fd, &c, 1, 0) == 1)
			same(" READ", wire->value[FUSE_READ], kept);
		if ((opens[i].native & O_ACCMODE) != O_RDONLY &&
		    pwrite(fd, &c, 1, 0) == 1)
			same(" WRITE", wire->value[FUSE_WRITE], kept);
		close(fd);
		settle(FUSE_RELEASE, before);
		same(" RELEASE", wire->value[FUSE_RELEASE], kept);
	}
}

static void check_setfl(const char *dir)
{
	int fd = open(path(dir, "file"), O_RDWR);
	char c = 0;

	fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME);
	check(pread(fd, &c, 1, 0) == 1, "read after F_SETFL");
	same("F_SETFL", wire->value[FUSE_READ], wanted(fd, 0x44c02, 0));
	close(fd);
}

/* The kernel opens what it executes with a mark of its own. */
static void check_exec(const char *dir)
{
	char *argv[] = { NULL };
	uint32_t seen;

	execv(path(dir, "exec"), argv);
	check(errno == ENOEXEC, "execute a file of zeros: %s", strerror(errno));
	seen = wire->value[FUSE_OPEN];
	if (wire_canonical())
		same("OPEN to execute", seen, LARGEFILE | 0x20);
	else
		check(seen & 0x20, "OPEN to execute: %#x", seen);
}

static void check_dir(const char *dir)
{
	unsigned int before = wire->count[FUSE_RELEASEDIR];
	int fd = open(path(dir, "dir"), O_RDONLY | O_DIRECTORY);
	uint32_t right = wanted(fd, 0x10000, 0);
	char buf[256];

	same("OPENDIR", wire->value[FUSE_OPENDIR], right);
	/* The server lets the kernel choose, and that begins with attributes */
	check(!syscall(SYS_getdents64, fd, buf, sizeof(buf)) &&
		      wire->count[FUSE_READDIRPLUS] == 1,
	      "first part of a directory: READDIRPLUS");
	same("READDIRPLUS", wire->value[FUSE_READDIRPLUS], right);
	check(lseek(fd, 100, SEEK_SET) == 100 &&
		      !syscall(SYS_getdents64, fd, buf, sizeof(buf)) &&
		      wire->count[FUSE_READDIR] == 1,
	      "another part of a directory: READDIR");
	same("READDIR", wire->value[FUSE_READDIR], right);
	close(fd);
	settle(FUSE_RELEASEDIR, before);
	same("RELEASEDIR", wire->value[FUSE_RELEASEDIR], right);
}

static void check_create(const char *dir)
{
	int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW;
	int fd = open(path(dir, "new"), flags, 0600);

	check(fd >= 0, "create");
	same("CREATE", wire->value[FUSE_CREATE],
	     wanted(fd, 0x200c2, O_CREAT | O_EXCL));
	close(fd);

	fd = open(path(dir, "dir"), O_TMPFILE | O_RDWR | O_EXCL, 0600);
	if (fd < 0) {
		check(false, "O_TMPFILE: %s", strerror(errno));
		return;
	}
	if (wire_canonical())
		same("TMPFILE", wire->value[WIRE_TMPFILE] & ~0x80u, 0x418002);
	else
		check((wire->value[WIRE_TMPFILE] & O_TMPFILE) == O_TMPFILE,
		      "TMPFILE: %#x", wire->value[WIRE_TMPFILE]);
	close(fd);
}

/* Every error, by name; those of alpha's EAGAIN are not ours to see here */
static const struct {
	const char *name;
	int native, canonical;
} errors[] = {
#define E(name, number)             \
	{                           \
#name, name, number \
	}
	E(EPERM, 1),
	E(ENOENT, 2),
	E(EIO, 5),
	E(EAGAIN, 11),
	E(ENOMEM, 12),
	E(EACCES, 13),
	E(EEXIST, 17),
	E(EXDEV, 18),
	E(ENOSPC, 28),
	E(ERANGE, 34),
	E(EDEADLK, 35),
	E(ENAMETOOLONG, 36),
	E(ENOLCK, 37),
	E(ENOSYS, 38),
	E(ENOTEMPTY, 39),
	E(ELOOP, 40),
	E(ENOMSG, 42),
	E(EIDRM, 43),
	E(ECHRNG, 44),
	E(EL2NSYNC, 45),
	E(EL3HLT, 46),
	E(EL3RST, 47),
	E(ELNRNG, 48),
	E(EUNATCH, 49),
	E(ENOCSI, 50),
	E(EL2HLT, 51),
	E(EBADE, 52),
	E(EBADR, 53),
	E(EXFULL, 54),
	E(ENOANO, 55),
	E(EBADRQC, 56),
	E(EBADSLT, 57),
	E(EBFONT, 59),
	E(ENOSTR, 60),
	E(ENODATA, 61),
	E(ETIME, 62),
	E(ENOSR, 63),
	E(ENONET, 64),
	E(ENOPKG, 65),
	E(EREMOTE, 66),
	E(ENOLINK, 67),
	E(EADV, 68),
	E(ESRMNT, 69),
	E(ECOMM, 70),
	E(EPROTO, 71),
	E(EMULTIHOP, 72),
	E(EDOTDOT, 73),
	E(EBADMSG, 74),
	E(EOVERFLOW, 75),
	E(ENOTUNIQ, 76),
	E(EBADFD, 77),
	E(EREMCHG, 78),
	E(ELIBACC, 79),
	E(ELIBBAD, 80),
	E(ELIBSCN, 81),
	E(ELIBMAX, 82),
	E(ELIBEXEC, 83),
	E(EILSEQ, 84),
	E(ERESTART, 85),
	E(ESTRPIPE, 86),
	E(EUSERS, 87),
	E(ENOTSOCK, 88),
	E(EDESTADDRREQ, 89),
	E(EMSGSIZE, 90),
	E(EPROTOTYPE, 91),
	E(ENOPROTOOPT, 92),
	E(EPROTONOSUPPORT, 93),
	E(ESOCKTNOSUPPORT, 94),
	E(EOPNOTSUPP, 95),
	E(EPFNOSUPPORT, 96),
	E(EAFNOSUPPORT, 97),
	E(EADDRINUSE, 98),
	E(EADDRNOTAVAIL, 99),
	E(ENETDOWN, 100),
	E(ENETUNREACH, 101),
	E(ENETRESET, 102),
	E(ECONNABORTED, 103),
	E(ECONNRESET, 104),
	E(ENOBUFS, 105),
	E(EISCONN, 106),
	E(ENOTCONN, 107),
	E(ESHUTDOWN, 108),
	E(ETOOMANYREFS, 109),
	E(ETIMEDOUT, 110),
	E(ECONNREFUSED, 111),
	E(EHOSTDOWN, 112),
	E(EHOSTUNREACH, 113),
	E(EALREADY, 114),
	E(EINPROGRESS, 115),
	E(ESTALE, 116),
	E(EUCLEAN, 117),
	E(ENOTNAM, 118),
	E(ENAVAIL, 119),
	E(EISNAM, 120),
	E(EREMOTEIO, 121),
	E(EDQUOT, 122),
	E(ENOMEDIUM, 123),
	E(EMEDIUMTYPE, 124),
	E(ECANCELED, 125),
	E(ENOKEY, 126),
	E(EKEYEXPIRED, 127),
	E(EKEYREVOKED, 128),
	E(EKEYREJECTED, 129),
	E(EOWNERDEAD, 130),
	E(ENOTRECOVERABLE, 131),
	E(ERFKILL, 132),
	E(EHWPOISON, 133),
#undef E
};

static int unlink_error(const char *dir, int number)
{
	char name[16];

	snprintf(name, sizeof(name), "e%d", number);
	return unlink(path(dir, name)) ? errno : 0;
}

static void check_errors(const char *dir)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		int number = wire_canonical() ? errors[i].canonical
					      : errors[i].native;
		int seen = unlink_error(dir, number);

		check(seen == errors[i].native, "%s: %d, wanted %d",
		      errors[i].name, seen, errors[i].native);
	}
	/* Canonical values have holes; what is in one is nobody's error */
	if (!wire_canonical() || EDEADLOCK == 35)
		return;
	check(unlink_error(dir, 41) == EIO, "error 41: %s", strerror(errno));
	check(unlink_error(dir, 58) == EIO, "error 58: %s", strerror(errno));
}

static void check_locks(const char *dir)
{
	static const short native[] = { F_RDLCK, F_WRLCK, F_UNLCK };
	int fd = open(path(dir, "file"), O_RDWR);

	for (uint32_t i = 0; i < 3; i++) {
		struct flock l = { .l_type = native[i], .l_whence = SEEK_SET };
		uint32_t right = wire_canonical() ? i : (uint32_t)native[i];

		check(!fcntl(fd, F_SETLK, &l), "lock %u: %s", i,
		      strerror(errno));
		same("SETLK", wire->value[FUSE_SETLK], right);
		wire->lock_type = right;
		l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
		check(!fcntl(fd, F_GETLK, &l), "test lock");
		same("GETLK reply", (uint32_t)l.l_type, (uint32_t)native[i]);
		same("GETLK", wire->value[FUSE_GETLK],
		     wire_canonical() ? 1 : F_WRLCK);
	}
	wire->lock_type = 7;
	check(fcntl(fd, F_GETLK, &(struct flock){ .l_type = F_WRLCK }) &&
		      errno == EIO,
	      "GETLK of an unknown type: %s", strerror(errno));
	close(fd);
}

static void check_poll(const char *dir)
{
	static const struct {
		const char *name;
		short native;
		uint32_t canonical;
	} bits[] = {
		{ "POLLIN", POLLIN, 0x1 },
		{ "POLLPRI", POLLPRI, 0x2 },
		{ "POLLOUT", POLLOUT, 0x4 },
		{ "POLLRDNORM", POLLRDNORM, 0x40 },
		{ "POLLRDBAND", POLLRDBAND, 0x80 },
		{ "POLLWRNORM", POLLWRNORM, 0x100 },
		{ "POLLWRBAND", POLLWRBAND, 0x200 },
		{ "POLLRDHUP", POLLRDHUP, 0x2000 },
	};
	int fd = open(path(dir, "file"), O_RDWR);

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		struct pollfd p = { .fd = fd, .events = bits[i].native };
		uint32_t value = wire_canonical() ? bits[i].canonical
						  : (uint32_t)bits[i].native;

		wire->revents = value;
		check(poll(&p, 1, 1000) == 1 && p.revents == bits[i].native,
		      "poll %s: revents %#x", bits[i].name, p.revents);
		check(wire->value[FUSE_POLL] & value, "POLL %s: %#x",
		      bits[i].name, wire->value[FUSE_POLL]);
	}
	close(fd);
}

static void check_ioctl(const char *dir)
{
	int fd = open(path(dir, "file"), O_RDWR);

	check_ioctl_numbers(fd);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		int right = errors[i].native == ENOSYS ? ENOTTY
						       : errors[i].native;
		int ret;

		wire->ioctl_result = wire_canonical() ? -errors[i].canonical
						      : -errors[i].native;
		ret = ioctl(fd, _IO('x', 5), 0);
		check(ret == -1 && errno == right, "ioctl result %s: %d",
		      errors[i].name, errno);
	}
	wire->ioctl_result = 77;
	check(ioctl(fd, _IO('x', 6), 0) == 77, "ioctl result 77");
	wire->ioctl_result = 0;
	close(fd);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* The server answers the interrupts: again, and never again. */
static void check_interrupt(const char *dir)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval soon = { .it_value = { .tv_usec = 300000 } };
	int fd = open(path(dir, "block"), O_RDONLY);
	char c;

	sigaction(SIGALRM, &sa, NULL);
	wire->interrupts = 0;
	setitimer(ITIMER_REAL, &soon, NULL);
	check(read(fd, &c, 1) < 0 && errno == EINTR, "read interrupted: %s",
	      strerror(errno));
	same("interrupt sent again", wire->interrupts, 2);
	setitimer(ITIMER_REAL, &soon, NULL);
	check(read(fd, &c, 1) == 1, "read not interrupted");
	same("no interrupt after ENOSYS", wire->interrupts, 2);
	close(fd);
}

void check_pages(const char *dir)
{
	size_t size = 8u << 20, page = (size_t)sysconf(_SC_PAGESIZE);
	size_t right = 256 * (wire_canonical() ? 4096 : page);
	unsigned int before;
	int fd = open(path(dir, "file"), O_RDWR);
	void *buf = NULL;
	uint32_t seen;

	if (posix_memalign(&buf, page, size))
		return;
	memset(buf, 1, size);
	check(pwrite(fd, buf, size, 0) == (ssize_t)size, "write 8 MiB");
	seen = wire->size[FUSE_WRITE] - 80;
	/* The last one has the rest, which is all of it or a whole one */
	same("bytes of a WRITE", seen, (uint32_t)(right > size ? size : right));
	free(buf);
	before = wire->count[FUSE_RELEASE];
	close(fd);
	/* Or it may go with the mount */
	settle(FUSE_RELEASE, before);
}

void check_all(const char *dir)
{
	check_offer();
	check_open(dir);
	check_setfl(dir);
	check_exec(dir);
	check_dir(dir);
	check_create(dir);
	check_errors(dir);
	check_locks(dir);
	check_poll(dir);
	check_ioctl(dir);
	check_interrupt(dir);
	check_pages(dir);
	printf("sum %u checks, %u failed\n", checks, failures);
	fflush(stdout);
	checks = failures = 0;
}

/* CUSE is local, so nothing is canonical there; RETRY has to work */
void check_cuse(void)
{
	int fd = open("/dev/wiretest", O_RDWR);
	int value = 1;

	if (fd < 0) {
		check(false, "open /dev/wiretest: %s", strerror(errno));
		return;
	}
	same("CUSE OPEN", wire->value[FUSE_OPEN], (uint32_t)fcntl(fd, F_GETFL));
	wire->retry = true;
	wire->ioctl_result = 0;
	check(!ioctl(fd, TCGETS, &value), "CUSE ioctl: %s", strerror(errno));
	same("CUSE TCGETS", wire->value[FUSE_IOCTL], (uint32_t)TCGETS);
	same("CUSE ioctl sent again", wire->count[FUSE_IOCTL], 2);
	same("CUSE ioctl copied out", (uint32_t)value, 0);
	wire->ioctl_result = -ELOOP;
	check(ioctl(fd, _IOWR('x', 1, int), &value) && errno == ELOOP,
	      "CUSE ioctl fails: %s", strerror(errno));
	same("CUSE _IOWR", wire->value[FUSE_IOCTL],
	     (uint32_t)_IOWR('x', 1, int));
	close(fd);
	printf("sum %u checks, %u failed\n", checks, failures);
	fflush(stdout);
	checks = failures = 0;
}
