// SPDX-License-Identifier: BSD-2-Clause
/* Names instead of numbers, and checksums. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define E(name)             \
	{                   \
		name, #name \
	}

/* The numbers are those of the architecture this is compiled for. */
static const struct {
	int number;
	const char *name;
} errnos[] = {
	E(EPERM),	    E(ENOENT),	      E(ESRCH),
	E(EINTR),	    E(EIO),	      E(ENXIO),
	E(E2BIG),	    E(ENOEXEC),	      E(EBADF),
	E(ECHILD),	    E(EAGAIN),	      E(ENOMEM),
	E(EACCES),	    E(EFAULT),	      E(ENOTBLK),
	E(EBUSY),	    E(EEXIST),	      E(EXDEV),
	E(ENODEV),	    E(ENOTDIR),	      E(EISDIR),
	E(EINVAL),	    E(ENFILE),	      E(EMFILE),
	E(ENOTTY),	    E(ETXTBSY),	      E(EFBIG),
	E(ENOSPC),	    E(ESPIPE),	      E(EROFS),
	E(EMLINK),	    E(EPIPE),	      E(EDOM),
	E(ERANGE),	    E(EDEADLK),	      E(ENAMETOOLONG),
	E(ENOLCK),	    E(ENOSYS),	      E(ENOTEMPTY),
	E(ELOOP),	    E(ENOMSG),	      E(EIDRM),
	E(ENODATA),	    E(ETIME),	      E(EREMOTE),
	E(ENOLINK),	    E(EPROTO),	      E(EBADMSG),
	E(EOVERFLOW),	    E(EILSEQ),	      E(EUSERS),
	E(ENOTSOCK),	    E(EMSGSIZE),      E(EOPNOTSUPP),
	E(EADDRINUSE),	    E(EADDRNOTAVAIL), E(ENETDOWN),
	E(ECONNABORTED),    E(ECONNRESET),    E(ENOBUFS),
	E(EISCONN),	    E(ENOTCONN),      E(ETIMEDOUT),
	E(ECONNREFUSED),    E(EHOSTDOWN),     E(EALREADY),
	E(EINPROGRESS),	    E(ESTALE),	      E(EUCLEAN),
	E(EREMOTEIO),	    E(EDQUOT),	      E(ENOMEDIUM),
	E(ECANCELED),	    E(ENOKEY),	      E(EKEYEXPIRED),
	E(EKEYREVOKED),	    E(EKEYREJECTED),  E(ENOSR),
	E(ENOSTR),	    E(EBADR),	      E(EBADE),
	E(EXFULL),	    E(EPROTOTYPE),    E(ENOPROTOOPT),
	E(EPROTONOSUPPORT),
};

const char *errno_name(int err)
{
	static char unknown[32];

	if (!err)
		return "ok";
	for (size_t i = 0; i < sizeof(errnos) / sizeof(*errnos); i++)
		if (errnos[i].number == err)
			return errnos[i].name;
	snprintf(unknown, sizeof(unknown), "errno-%d", err);
	return unknown;
}

static const struct {
	int bits;
	const char *name;
} flag_names[] = {
	{ O_APPEND, "append" },	      { O_NONBLOCK, "nonblock" },
	{ O_SYNC, "sync" },	      { O_DSYNC, "dsync" },
	{ O_DIRECT, "direct" },	      { O_TMPFILE, "tmpfile" },
	{ O_DIRECTORY, "directory" }, { O_NOFOLLOW, "nofollow" },
	{ O_NOATIME, "noatime" },     { O_PATH, "path" },
	{ O_ASYNC, "async" },	      { O_CREAT, "creat" },
	{ O_EXCL, "excl" },	      { O_TRUNC, "trunc" },
	{ O_CLOEXEC, "cloexec" },
};

static int large_file(void)
{
#if defined(__mips__)
	return 0x2000;
#elif defined(__aarch64__) || defined(__arm__)
	return 0400000;
#elif defined(__powerpc__)
	return 0200000;
#else
	return 0100000;
#endif
}

const char *open_flags(int flags, char *buf, size_t size)
{
	static const char *const access[] = { "r", "w", "rw", "3" };
	int len = snprintf(buf, size, "%s", access[flags & O_ACCMODE]);

	flags &= ~(O_ACCMODE | large_file());
	for (size_t i = 0; i < sizeof(flag_names) / sizeof(*flag_names); i++) {
		if ((flags & flag_names[i].bits) != flag_names[i].bits)
			continue;
		flags &= ~flag_names[i].bits;
		len += snprintf(buf + len, size - (size_t)len, "+%s",
				flag_names[i].name);
	}
	if (flags)
		snprintf(buf + len, size - (size_t)len, "+0x%x",
			 (unsigned int)flags);
	return buf;
}

uint32_t crc32_of(uint32_t crc, const void *data, size_t size)
{
	static uint32_t table[256];
	const unsigned char *p = data;

	if (!table[1]) {
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t c = i;

			for (int k = 0; k < 8; k++)
				c = c & 1 ? 0xedb88320U ^ (c >> 1) : c >> 1;
			table[i] = c;
		}
	}
	crc = ~crc;
	while (size--)
		crc = table[(crc ^ *p++) & 0xff] ^ (crc >> 8);
	return ~crc;
}

void fill_pattern(void *data, size_t size, uint64_t offset, uint32_t seed)
{
	unsigned char *p = data;

	for (size_t i = 0; i < size; i++) {
		uint64_t o = offset + i;
		uint32_t x = (uint32_t)(o >> 2) * 2654435761U + seed;

		x ^= (uint32_t)(o >> 34) * 40503U;
		p[i] = (unsigned char)(x >> (8 * (o & 3)));
	}
}

uint32_t crc_of_file(const char *path, size_t chunk)
{
	char *buf = malloc(chunk);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint32_t crc = 0;
	ssize_t n = 0;

	while (buf && fd >= 0 && (n = read(fd, buf, chunk)) > 0)
		crc = crc32_of(crc, buf, (size_t)n);
	if (fd < 0 || n < 0)
		crc = 0;
	if (fd >= 0)
		close(fd);
	free(buf);
	return crc;
}

void keep(const char *path)
{
	char name[256];
	char target[256] = "";
	struct stat st;

	snprintf(name, sizeof(name), "keep:%s", path);
	if (lstat(path, &st)) {
		result(name, "%s", errno_name(errno));
		return;
	}
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlink(path, target, sizeof(target) - 1);

		target[n < 0 ? 0 : n] = 0;
	}
	result(name, "mode=%o uid=%u gid=%u nlink=%u size=%lld crc=%08x%s%s",
	       st.st_mode, st.st_uid, st.st_gid, (unsigned int)st.st_nlink,
	       S_ISDIR(st.st_mode) ? 0LL : (long long)st.st_size,
	       S_ISREG(st.st_mode) ? crc_of_file(path, 65536) : 0,
	       *target ? " -> " : "", target);
}
