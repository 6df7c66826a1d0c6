/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SOCKET.pid beside a socket: this process's id and a newline, under a lock for
 * as long as it serves, as virtiofsd(1) makes it. Whoever has started the
 * program waits for it and ends the process by it, so that it is there only
 * when clients can connect, and whole.
 */
#ifndef PID_FILE_H
#define PID_FILE_H

/*
 * NAME is the socket's in directory DIR, PATH its path for messages. 0 or
 * -errno, logged.
 *
 * pid_file_clear() removes what a process that is gone has left there:
 * -EADDRINUSE if it still serves, -EEXIST if it is no such file, or not of this
 * user, which is left alone.
 */
int pid_file_clear(int dir, const char *name, const char *path);

/* Until leftover_remove(). */
int pid_file_make(int dir, const char *name, const char *path);

#endif
