/* SPDX-License-Identifier: BSD-2-Clause */
/* What the program puts into the file system and removes when it ends. */
#ifndef LEFTOVER_H
#define LEFTOVER_H

/*
 * Notes that PATH, which need not be absolute, is to be removed. At most once.
 * 0 or -errno.
 */
int leftover_note(const char *path);

/*
 * Not by this process: its parent does it, which sees the same files as the
 * rest of the machine does.
 */
void leftover_forget(void);

/* Removes it, unless another program has its own there by now. */
void leftover_remove(void);

#endif
