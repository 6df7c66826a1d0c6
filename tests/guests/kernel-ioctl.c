// SPDX-License-Identifier: BSD-2-Clause
/* ioctl numbers, as section 5.5 of the protocol has them. */
#include "kernel-wire.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <unistd.h>

/* What two architectures have ioctls for that the C library knows nothing of */
struct wire_six {
	char bytes[6];
};
#define sgttyb	wire_six
#define tchars	wire_six
#define ltchars wire_six

/* Instead of a number that an architecture does not have */
#define NONE (-1LL)

struct named {
	const char *name;
	int64_t native, canonical;
};

/* The table of named numbers */
static const struct named named[] = {
#define ROW(name, canonical)           \
	{                              \
#name, name, canonical \
	}
	ROW(TCGETS, 0x5401),	       ROW(TCSETS, 0x5402),
	ROW(TCSETSW, 0x5403),	       ROW(TCSETSF, 0x5404),
	ROW(TCGETA, 0x5405),	       ROW(TCSETA, 0x5406),
	ROW(TCSETAW, 0x5407),	       ROW(TCSETAF, 0x5408),
	ROW(TCSBRK, 0x5409),	       ROW(TCXONC, 0x540a),
	ROW(TCFLSH, 0x540b),	       ROW(TIOCEXCL, 0x540c),
	ROW(TIOCNXCL, 0x540d),	       ROW(TIOCSCTTY, 0x540e),
	ROW(TIOCGPGRP, 0x540f),	       ROW(TIOCSPGRP, 0x5410),
	ROW(TIOCOUTQ, 0x5411),	       ROW(TIOCSTI, 0x5412),
	ROW(TIOCGWINSZ, 0x5413),       ROW(TIOCSWINSZ, 0x5414),
	ROW(TIOCMGET, 0x5415),	       ROW(TIOCMBIS, 0x5416),
	ROW(TIOCMBIC, 0x5417),	       ROW(TIOCMSET, 0x5418),
	ROW(TIOCGSOFTCAR, 0x5419),     ROW(TIOCSSOFTCAR, 0x541a),
	ROW(FIONREAD, 0x541b),	       ROW(TIOCLINUX, 0x541c),
	ROW(TIOCCONS, 0x541d),	       ROW(TIOCGSERIAL, 0x541e),
	ROW(TIOCSSERIAL, 0x541f),      ROW(TIOCPKT, 0x5420),
	ROW(FIONBIO, 0x5421),	       ROW(TIOCNOTTY, 0x5422),
	ROW(TIOCSETD, 0x5423),	       ROW(TIOCGETD, 0x5424),
	ROW(TCSBRKP, 0x5425),	       ROW(TIOCSBRK, 0x5427),
	ROW(TIOCCBRK, 0x5428),	       ROW(TIOCGSID, 0x5429),
	ROW(TIOCGRS485, 0x542e),       ROW(TIOCSRS485, 0x542f),
	ROW(TIOCVHANGUP, 0x5437),      ROW(TIOCGPTPEER, 0x5441),
	ROW(FIONCLEX, 0x5450),	       ROW(FIOCLEX, 0x5451),
	ROW(FIOASYNC, 0x5452),	       ROW(TIOCSERCONFIG, 0x5453),
	ROW(TIOCSERGWILD, 0x5454),     ROW(TIOCSERSWILD, 0x5455),
	ROW(TIOCGLCKTRMIOS, 0x5456),   ROW(TIOCSLCKTRMIOS, 0x5457),
	ROW(TIOCSERGSTRUCT, 0x5458),   ROW(TIOCSERGETLSR, 0x5459),
	ROW(TIOCSERGETMULTI, 0x545a),  ROW(TIOCSERSETMULTI, 0x545b),
	ROW(TIOCMIWAIT, 0x545c),       ROW(TIOCGICOUNT, 0x545d),
	ROW(FIOQSIZE, 0x5460),	       ROW(FIOSETOWN, 0x8901),
	ROW(SIOCSPGRP, 0x8902),	       ROW(FIOGETOWN, 0x8903),
	ROW(SIOCGPGRP, 0x8904),	       ROW(SIOCATMARK, 0x8905),
	ROW(SIOCGSTAMP_OLD, 0x8906),   ROW(SIOCGSTAMPNS_OLD, 0x8907),
	ROW(TIOCSPTLCK, 0x40045431),   ROW(TIOCSIG, 0x40045436),
	ROW(TIOCGPTN, 0x80045430),     ROW(TIOCGDEV, 0x80045432),
	ROW(TIOCGPKT, 0x80045438),     ROW(TIOCGPTLCK, 0x80045439),
	ROW(TIOCGEXCL, 0x80045440),    ROW(TIOCGISO7816, 0x80285442),
	ROW(TIOCSISO7816, 0xc0285443),
#ifdef TCGETX
	ROW(TCGETX, 0x5432),	       ROW(TCSETX, 0x5433),
	ROW(TCSETXF, 0x5434),	       ROW(TCSETXW, 0x5435),
#else
	ROW(NONE, 0x5432),
	ROW(NONE, 0x5433),
	ROW(NONE, 0x5434),
	ROW(NONE, 0x5435),
#endif
#ifdef TCGETS2
	ROW(TCGETS2, 0x802c542a),      ROW(TCSETS2, 0x402c542b),
	ROW(TCSETSW2, 0x402c542c),     ROW(TCSETSF2, 0x402c542d),
#else
	ROW(NONE, 0x802c542a),
	ROW(NONE, 0x402c542b),
	ROW(NONE, 0x402c542c),
	ROW(NONE, 0x402c542d),
#endif
#ifdef TIOCGETC
	ROW(TIOCGETC, NONE),	       ROW(TIOCSETC, NONE),
#endif
#ifdef TIOCGETP
	ROW(TIOCGETP, NONE),	       ROW(TIOCSETP, NONE),
	ROW(TIOCSETN, NONE),
#endif
#ifdef TIOCGLTC
	ROW(TIOCGLTC, NONE),	       ROW(TIOCSLTC, NONE),
#endif
#ifdef TIOCSTART
	ROW(TIOCSTART, NONE),	       ROW(TIOCSTOP, NONE),
#endif
#undef ROW
};

#define NAMED (sizeof(named) / sizeof(named[0]))

static int64_t ioc(uint32_t dir, uint32_t type, uint32_t nr, uint32_t size)
{
	return (int64_t)(dir << 30 | size << 16 | type << 8 | nr);
}

/* Whether this architecture's numbers are the canonical ones */
static bool generic(void)
{
	if (_IOC_NONE != 0 || _IOC_READ != 2 || _IOC_WRITE != 1)
		return false;
	for (size_t i = 0; i < NAMED; i++)
		if (named[i].native != named[i].canonical)
			return false;
	return true;
}

/* These do not reach the file system of a regular file. */
static bool is_vfs(uint32_t number)
{
	return number == FIOCLEX || number == FIONCLEX || number == FIONBIO ||
	       number == FIOASYNC || number == FIOQSIZE || number == FIONREAD;
}

/* What the server has to see of a number that the rules make RESULT of. */
static int64_t expected(uint32_t number, int64_t result)
{
	if (!wire_canonical() || generic())
		return number;
	for (size_t i = 0; i < NAMED; i++)
		if (named[i].native == number)
			return named[i].canonical;
	for (size_t i = 0; i < NAMED; i++)
		if (named[i].canonical == result)
			return NONE;
	return result;
}

/* Whether the server sees what it has to, or nothing if it must not */
static bool arrives(int fd, uint32_t number, int64_t right)
{
	static char buf[1 << 14];
	unsigned int before = wire->count[FUSE_IOCTL];
	int ret;

	wire->value[FUSE_IOCTL] = 0;
	ret = ioctl(fd, (unsigned long)number, buf);
	if (right == NONE)
		return ret < 0 && errno == ENOTTY &&
		       wire->count[FUSE_IOCTL] == before;
	return !ret && wire->count[FUSE_IOCTL] == before + 1 &&
	       wire->value[FUSE_IOCTL] == (uint32_t)right;
}

static void check_number(int fd, const char *name, uint32_t number,
			 int64_t result)
{
	int64_t right = expected(number, result);

	check(arrives(fd, number, right), "ioctl %s %#x: %#x, wanted %#llx",
	      name, number, wire->value[FUSE_IOCTL], (long long)right);
}

/*
 * All numbers that belong to terminals, as the kernel's macro makes them and
 * as bare numbers. Returns how many have no canonical form.
 */
static unsigned int sweep(int fd, bool bare)
{
	unsigned int refused = 0, wrong = 0;

	for (uint32_t nr = 0; nr < 256; nr++) {
		uint32_t number = bare ? 0x5400 | nr : (uint32_t)_IO('T', nr);
		int64_t right = expected(number, ioc(0, 'T', nr, 0));

		if (is_vfs(number))
			continue;
		refused += right == NONE;
		if (arrives(fd, number, right))
			continue;
		wrong++;
		check(false, "ioctl %#x: %#x, wanted %#llx", number,
		      wire->value[FUSE_IOCTL], (long long)right);
	}
	check(!wrong, "ioctl numbers of terminals, %s: %u refused",
	      bare ? "bare" : "_IO", refused);
	return refused;
}

/* NONE set with READ, and no direction but a size: no macro makes that. */
static void check_odd(int fd)
{
	bool native = !wire_canonical();

	if (_IOC_NONE == 0)
		return;
	check(arrives(fd, 3u << 29 | 0x7801, native ? 3u << 29 | 0x7801 : NONE),
	      "ioctl number of two directions: %s", strerror(errno));
	check(arrives(fd, 0x41234, native ? 0x41234 : NONE),
	      "ioctl number of a size without a direction: %s",
	      strerror(errno));
}

void check_ioctl_numbers(int fd)
{
	unsigned int refused;

	wire->ioctl_result = 0;
	check_number(fd, "_IO", _IO('x', 1), ioc(0, 'x', 1, 0));
	check_number(fd, "_IOR", _IOR('x', 2, int), ioc(2, 'x', 2, 4));
	check_number(fd, "_IOW", _IOW('x', 3, char[4096]),
		     ioc(1, 'x', 3, 4096));
	check_number(fd, "_IOWR", _IOWR('x', 4, char[8191]),
		     ioc(3, 'x', 4, 8191));
	check_number(fd, "a bare number", 0x1234, 0x1234);
	for (size_t i = 0; i < NAMED; i++) {
		uint32_t number = (uint32_t)named[i].native;

		if (named[i].native != NONE && !is_vfs(number))
			check_number(fd, named[i].name, number, NONE);
	}
	refused = sweep(fd, false) + sweep(fd, true);
	/* The point of it: where numbers differ some would be mistaken */
	if (wire_canonical() && !generic())
		check(refused > 0, "%u numbers would be another's", refused);
	check_odd(fd);
}
