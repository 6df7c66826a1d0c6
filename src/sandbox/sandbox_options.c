// SPDX-License-Identifier: BSD-2-Clause
#include "sandbox.h"
#include "user_map.h"

static const struct option_choice modes[] = {
	{ "namespace", SANDBOX_NAMESPACE },
	{ "chroot", SANDBOX_CHROOT },
	{ "none", SANDBOX_NONE },
	{ NULL, 0 },
};

static const struct option_choice actions[] = {
	{ "none", SECCOMP_NONE },
	{ "kill", SECCOMP_KILL },
	{ "log", SECCOMP_LOG },
	{ "trap", SECCOMP_TRAP },
	{ NULL, 0 },
};

struct sandbox_options sandbox_options = {
	.seccomp = HAVE_SECCOMP ? SECCOMP_KILL : SECCOMP_NONE,
	.rlimit_nofile = RLIMIT_NOFILE_DEFAULT,
};

#define AT(member) (&sandbox_options.member)

static int parse_map(const struct option *option, const char *word)
{
	return user_map_add(option->value, option->name, word);
}

const struct option sandbox_rows[] = {
	OPTION("sandbox", CHOICE, AT(mode), "MODE",
	       "namespace (default), chroot, none", .choices = modes),
	OPTION("seccomp", CHOICE, AT(seccomp), "ACTION",
	       "on a forbidden system call: kill (default), log, trap; none",
	       .choices = actions),
	OPTION("uid-map", PARSED, AT(uid_map), ":IN:HERE:COUNT:",
	       "users in a name space, such as :0:100000:65536:; repeatable",
	       .parse = parse_map),
	OPTION("gid-map", PARSED, AT(gid_map),
	       ":IN:HERE:COUNT:", "the same for groups", .parse = parse_map),
	OPTION("modcaps", STRING, AT(modcaps), "LIST",
	       "capabilities to keep or drop besides, such as "
	       "+sys_admin:-mknod"),
	OPTION("rlimit-nofile", NUMBER, AT(rlimit_nofile), "N",
	       "open files at most; 0: leave the limit as it is"),
	{ 0 },
};
