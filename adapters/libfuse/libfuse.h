/* SPDX-License-Identifier: BSD-2-Clause */
/* libfuse's interface, in whichever form this version of it has. */
#ifndef ADAPTER_LIBFUSE_H
#define ADAPTER_LIBFUSE_H

#include <libfuse_config.h>

/* From 3.17 on the struct has one more hook, and its size is told. */
#if FUSE_MAJOR_VERSION > 3 || FUSE_MINOR_VERSION >= 17
#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 17)
#define HAVE_CLONE_HOOK	 1
#else
#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 12)
#define HAVE_CLONE_HOOK	 0
#endif

#include <fuse_lowlevel.h>

#endif
