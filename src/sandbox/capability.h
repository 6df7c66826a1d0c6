/* SPDX-License-Identifier: BSD-2-Clause */
/* The privileges of the superuser, one by one. */
#ifndef CAPABILITY_H
#define CAPABILITY_H

#include <stdbool.h>

/* Whether --modcaps makes sense, which may be NULL. 0 or -EINVAL, logged. */
int capability_check(const char *modcaps);

/*
 * Keeps only what serving a directory needs, changed as MODCAPS says
 * ("+name:-name", NULL: unchanged), for ever. Nothing to do for who has none.
 * 0 or -errno, logged.
 */
int capability_drop(const char *modcaps, bool readonly);

#endif
