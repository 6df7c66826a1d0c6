// SPDX-License-Identifier: BSD-2-Clause
#include "seccomp_filter.h"
#include "../log.h"
#include <errno.h>
#include <string.h>

#if HAVE_SECCOMP
#include "seccomp_calls.h"
#include <seccomp.h>

int seccomp_check(enum seccomp_mode mode)
{
	(void)mode;
	return 0;
}

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static uint32_t action_of(enum seccomp_mode mode)
{
	switch (mode) {
	case SECCOMP_LOG:
		return SCMP_ACT_LOG;
	case SECCOMP_TRAP:
		return SCMP_ACT_TRAP;
	default:
		return SCMP_ACT_KILL_PROCESS;
	}
}

/* A name that this machine's kernel never had is no error. */
static int add_calls(scmp_filter_ctx filter, const char *const *calls,
		     size_t count)
{
	int call, ret;

	for (size_t i = 0; i < count; i++) {
		call = seccomp_syscall_resolve_name(calls[i]);
		if (call == __NR_SCMP_ERROR)
			continue;
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
		if (ret < 0 && ret != -EDOM)
			return ret;
	}
	return 0;
}

int seccomp_enter(const struct options *options)
{
	scmp_filter_ctx filter;
	int ret = -ENOMEM;

	if (options->seccomp == SECCOMP_NONE)
		return 0;
	filter = seccomp_init(action_of(options->seccomp));
	if (filter) {
		ret = add_calls(filter, serving, COUNT(serving));
		/* The C library connects anew where syslog has gone. */
		if (ret == 0 && options->syslog)
			ret = add_calls(filter, logging, COUNT(logging));
		if (ret == 0)
			ret = seccomp_load(filter);
		seccomp_release(filter);
	}
	if (ret < 0)
		log_error("cannot filter system calls: %s: use --seccomp none",
			  strerror(-ret));
	return ret;
}

#else

int seccomp_check(enum seccomp_mode mode)
{
	if (mode == SECCOMP_NONE)
		return 0;
	log_error("this crossfuse was built without libseccomp: use --seccomp "
		  "none");
	return -ENOTSUP;
}

int seccomp_enter(const struct options *options)
{
	(void)options;
	return 0;
}

#endif
