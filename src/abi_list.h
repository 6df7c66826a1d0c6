/* SPDX-License-Identifier: BSD-2-Clause */
/* `crossfuse abi`: what the program knows of Linux's architectures. */
#ifndef ABI_LIST_H
#define ABI_LIST_H

#include <stdio.h>

/* One line for each ABI. 0, or -EIO if it cannot be written, which is said. */
int abi_list(FILE *out);

/*
 * Every value of the ABI that is known by NAME, beside the canonical one. 0;
 * -EINVAL for an unknown name or -EIO as above, which is said.
 */
int abi_show(FILE *out, const char *name);

#endif
