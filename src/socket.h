/* SPDX-License-Identifier: BSD-2-Clause */
/* Unix sockets that clients connect to. */
#ifndef SOCKET_H
#define SOCKET_H

#include "option.h"
#include <sys/un.h>

/* For ports that listen: --socket-group. */
extern const struct option socket_options[];

/* 0, or -ENAMETOOLONG, logged. */
int socket_address(const char *path, struct sockaddr_un *ret_address);

/*
 * A socket of TYPE (SOCK_STREAM, SOCK_SEQPACKET) that listens at PATH until
 * leftover_remove(), for its owner and --socket-group only; or -errno, logged.
 * What a program that is gone has left there is removed first.
 */
int socket_listen_at(const char *path, int type, int backlog);

/* A stream socket for its owner alone, that no service is known by. */
int socket_listen_private(const char *path);

#endif
