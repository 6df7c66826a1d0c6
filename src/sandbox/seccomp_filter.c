// SPDX-License-Identifier: BSD-2-Clause
#include "seccomp_filter.h"
#include "../log.h"
#include <errno.h>
#include <string.h>

#if HAVE_SECCOMP
#include "seccomp_calls.h"
#include <sched.h>
#include <seccomp.h>
#include <sys/socket.h>
#include <unistd.h>

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

/*
 * A name that this machine's kernel never had is no error. CONDITIONS are of
 * the arguments.
 */
static int add_call(scmp_filter_ctx filter, uint32_t action, const char *name,
		    unsigned int count, const struct scmp_arg_cmp *conditions)
{
	int call = seccomp_syscall_resolve_name(name), ret;

	if (call == __NR_SCMP_ERROR)
		return 0;
	ret = seccomp_rule_add_array(filter, action, call, count, conditions);
	return ret == -EDOM ? 0 : ret;
}

static int add_calls(scmp_filter_ctx filter, const char *const *calls,
		     size_t count)
{
	int ret = 0;

	for (size_t i = 0; i < count && ret == 0; i++)
		ret = add_call(filter, SCMP_ACT_ALLOW, calls[i], 0, NULL);
	return ret;
}

/* What every C library makes a thread of; clone(2). */
#define THREAD_FLAGS                                                        \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | \
	 CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |               \
	 CLONE_CHILD_CLEARTID)
/* Ignored by Linux; musl sets it. */
#define IGNORED_FLAGS CLONE_DETACHED

#ifdef __s390__
#define CLONE_FLAGS_ARGUMENT 1
#else
#define CLONE_FLAGS_ARGUMENT 0
#endif

/* No process, no name space, no network, no other process hurt. */
static int add_limited(scmp_filter_ctx filter, bool sockets)
{
	const struct scmp_arg_cmp thread = {
		.arg = CLONE_FLAGS_ARGUMENT,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = UINT32_MAX & ~(scmp_datum_t)IGNORED_FLAGS,
		.datum_b = THREAD_FLAGS,
	};
	const struct scmp_arg_cmp own_fs = { .arg = 0,
					     .op = SCMP_CMP_EQ,
					     .datum_a = CLONE_FS };
	const struct scmp_arg_cmp self = { .arg = 0,
					   .op = SCMP_CMP_EQ,
					   .datum_a = (scmp_datum_t)getpid() };
	const struct scmp_arg_cmp only_read = { .arg = 2,
						.op = SCMP_CMP_EQ,
						.datum_a = 0 };
	const struct scmp_arg_cmp local = { .arg = 0,
					    .op = SCMP_CMP_EQ,
					    .datum_a = AF_UNIX };
	int ret;

	ret = add_call(filter, SCMP_ACT_ALLOW, "clone", 1, &thread);
	/* Its flags are in memory, where they cannot be looked at. */
	if (ret == 0)
		ret = add_call(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0,
			       NULL);
	if (ret == 0)
		ret = add_call(filter, SCMP_ACT_ALLOW, "unshare", 1, &own_fs);
	if (ret == 0)
		ret = add_call(filter, SCMP_ACT_ALLOW, "tgkill", 1, &self);
	if (ret == 0)
		ret = add_call(filter, SCMP_ACT_ALLOW, "prlimit64", 1,
			       &only_read);
	if (ret == 0 && sockets)
		ret = add_call(filter, SCMP_ACT_ALLOW, "socket", 1, &local);
	return ret;
}

int seccomp_enter(const struct sandbox_options *options)
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
		if (ret == 0 && options->connects)
			ret = add_calls(filter, connecting, COUNT(connecting));
		if (ret == 0)
			ret = add_limited(filter,
					  options->syslog || options->connects);
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

int seccomp_enter(const struct sandbox_options *options)
{
	(void)options;
	return 0;
}

#endif
