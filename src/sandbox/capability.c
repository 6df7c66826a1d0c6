// SPDX-License-Identifier: BSD-2-Clause
/*
 * The system calls themselves: a library would have to know less than this
 * file does, and every architecture would have to have it.
 */
#include "capability.h"
#include "../log.h"
#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const names[] = {
	[CAP_CHOWN] = "chown",
	[CAP_DAC_OVERRIDE] = "dac_override",
	[CAP_DAC_READ_SEARCH] = "dac_read_search",
	[CAP_FOWNER] = "fowner",
	[CAP_FSETID] = "fsetid",
	[CAP_KILL] = "kill",
	[CAP_SETGID] = "setgid",
	[CAP_SETUID] = "setuid",
	[CAP_SETPCAP] = "setpcap",
	[CAP_LINUX_IMMUTABLE] = "linux_immutable",
	[CAP_NET_BIND_SERVICE] = "net_bind_service",
	[CAP_NET_BROADCAST] = "net_broadcast",
	[CAP_NET_ADMIN] = "net_admin",
	[CAP_NET_RAW] = "net_raw",
	[CAP_IPC_LOCK] = "ipc_lock",
	[CAP_IPC_OWNER] = "ipc_owner",
	[CAP_SYS_MODULE] = "sys_module",
	[CAP_SYS_RAWIO] = "sys_rawio",
	[CAP_SYS_CHROOT] = "sys_chroot",
	[CAP_SYS_PTRACE] = "sys_ptrace",
	[CAP_SYS_PACCT] = "sys_pacct",
	[CAP_SYS_ADMIN] = "sys_admin",
	[CAP_SYS_BOOT] = "sys_boot",
	[CAP_SYS_NICE] = "sys_nice",
	[CAP_SYS_RESOURCE] = "sys_resource",
	[CAP_SYS_TIME] = "sys_time",
	[CAP_SYS_TTY_CONFIG] = "sys_tty_config",
	[CAP_MKNOD] = "mknod",
	[CAP_LEASE] = "lease",
	[CAP_AUDIT_WRITE] = "audit_write",
	[CAP_AUDIT_CONTROL] = "audit_control",
	[CAP_SETFCAP] = "setfcap",
	[CAP_MAC_OVERRIDE] = "mac_override",
	[CAP_MAC_ADMIN] = "mac_admin",
	[CAP_SYSLOG] = "syslog",
	[CAP_WAKE_ALARM] = "wake_alarm",
	[CAP_BLOCK_SUSPEND] = "block_suspend",
	[CAP_AUDIT_READ] = "audit_read",
};

#define NAMES	 (sizeof(names) / sizeof(*names))
#define BIT(cap) ((uint64_t)1 << (cap))

#define KEPT_READING                                                          \
	(BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_SETUID) | \
	 BIT(CAP_SETGID) | BIT(CAP_FOWNER))
/* Whether its user may change a file's flags the client's kernel checks. */
#define KEPT                                                                \
	(KEPT_READING | BIT(CAP_CHOWN) | BIT(CAP_FSETID) | BIT(CAP_MKNOD) | \
	 BIT(CAP_SETFCAP) | BIT(CAP_LINUX_IMMUTABLE))

/* The bit of a name of LEN bytes, with or without "cap_"; 0: none. */
static uint64_t find(const char *name, size_t len)
{
	if (len > 4 && strncasecmp(name, "cap_", 4) == 0) {
		name += 4;
		len -= 4;
	}
	for (size_t i = 0; i < NAMES; i++)
		if (names[i] && strlen(names[i]) == len &&
		    strncasecmp(names[i], name, len) == 0)
			return BIT(i);
	return 0;
}

static int modify(const char *modcaps, uint64_t *caps)
{
	const char *at = modcaps;

	if (at && !*at) {
		log_error("--modcaps=: say +NAME or -NAME");
		return -EINVAL;
	}
	while (at && *at) {
		size_t len = strcspn(at, ":");
		uint64_t bit = len > 1 ? find(at + 1, len - 1) : 0;

		if ((*at != '+' && *at != '-') || !bit) {
			log_error("--modcaps: %.*s is none: say +NAME or "
				  "-NAME, with a colon between several; see "
				  "capabilities(7)",
				  (int)len, at);
			return -EINVAL;
		}
		*caps = *at == '+' ? *caps | bit : *caps & ~bit;
		at += len;
		if (*at == ':')
			at++;
	}
	return 0;
}

/* What this process has is an upper bound; it may be the user's nothing. */
static int permitted(uint64_t *ret_caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	*ret_caps = data[0].permitted | (uint64_t)data[1].permitted << 32;
	return 0;
}

int capability_check(const char *modcaps)
{
	uint64_t wanted = 0, has = 0;
	int ret = modify(modcaps, &wanted);

	if (ret == 0)
		ret = permitted(&has);
	if (ret < 0 || !(wanted & ~has))
		return ret;
	log_error("--modcaps=%s: it cannot keep %s, which it does not have: "
		  "run as root, or leave it out",
		  modcaps, names[__builtin_ctzll(wanted & ~has)]);
	return -EPERM;
}

/* No program that this one might be made to run gets them back. */
static int drop_bounding(uint64_t keep)
{
	for (unsigned long cap = 0; cap < 64; cap++) {
		int has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (has < 0)
			break;
		if (has && !(keep & BIT(cap)) &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

static int limit(uint64_t keep)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	uint32_t setpcap = 1u << CAP_SETPCAP;

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	if (data[0].effective & setpcap && drop_bounding(keep) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(keep >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int capability_drop(const char *modcaps, bool readonly)
{
	uint64_t keep = readonly ? KEPT_READING : KEPT;
	int ret = modify(modcaps, &keep);

	if (ret < 0)
		return ret;
	ret = limit(keep);
	if (ret == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		ret = -errno;
	if (ret == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		ret = -errno;
	if (ret < 0)
		log_error("cannot give up capabilities: %s: run without a "
			  "filter of prctl and capset",
			  strerror(-ret));
	return ret;
}
