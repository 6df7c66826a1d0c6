/* SPDX-License-Identifier: BSD-2-Clause */
/* systemd's two protocols for services: socket activation and readiness. */
#ifndef SYSTEMD_H
#define SYSTEMD_H

/*
 * The socket that the service manager opened for this process, see
 * sd_listen_fds(3): its descriptor; -1 if there is none; -EINVAL, logged, if
 * there are several. Clears the variables.
 */
int systemd_listen_fd(void);

/* Tells the service manager STATE, such as "READY=1"; see sd_notify(3). */
void systemd_notify(const char *state);

#endif
