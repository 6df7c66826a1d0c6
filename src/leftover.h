/* SPDX-License-Identifier: BSD-2-Clause */
/* What the program puts into the file system and removes when it ends. */
#ifndef LEFTOVER_H
#define LEFTOVER_H

/*
 * Notes that PATH, which need not be absolute, is to be removed: four of them at
 * most. FD, -1: none, is kept open until then. 0 or -errno, FD being the
 * caller's still.
 */
int leftover_note(const char *path, int fd);

/*
 * Not by this process: its parent does it, which sees the same files as the
 * rest of the machine does.
 */
void leftover_forget(void);

/* Removes them, unless another program has its own there by now. */
void leftover_remove(void);

#endif
