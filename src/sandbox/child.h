/* SPDX-License-Identifier: BSD-2-Clause */
/* The process that serves, and its parent, which waits for it. */
#ifndef SANDBOX_CHILD_H
#define SANDBOX_CHILD_H

/*
 * Goes on in a child, 0, with no terminal and nothing that was inherited but
 * where the log goes. In the parent it returns only when the child has ended:
 * 1 if that was with success, -ECHILD if not, logged. Another -errno: there is
 * no child.
 */
int child_start(void);

/* Ends this process when its parent ends. Forgotten when privileges change. */
void child_end_with_parent(void);

#endif
