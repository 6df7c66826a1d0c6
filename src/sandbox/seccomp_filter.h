/* SPDX-License-Identifier: BSD-2-Clause */
/* Only the system calls that serving a directory needs. */
#ifndef SECCOMP_FILTER_H
#define SECCOMP_FILTER_H

#include "sandbox.h"

/* Whether this program was built with it. 0 or -ENOTSUP, logged. */
int seccomp_check(enum seccomp_mode mode);

/* Filters the system calls of this thread and those it starts. */
int seccomp_enter(const struct sandbox_options *options);

#endif
