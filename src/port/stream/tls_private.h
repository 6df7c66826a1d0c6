/* SPDX-License-Identifier: BSD-2-Clause */
/* Between tls.c and tls_psk.c. */
#ifndef TLS_PRIVATE_H
#define TLS_PRIVATE_H

#include <gnutls/gnutls.h>

struct psk_file;

/* Reads a file of lines "NAME:KEY", as of psktool. 0 or -errno, logged. */
int psk_file_load(const char *path, struct psk_file **ret_file);
void psk_file_free(struct psk_file *file);

/*
 * A server that knows the keys of the struct psk_file that is the pointer of
 * each session. 0 or -ENOMEM.
 */
int psk_serve(gnutls_psk_server_credentials_t *ret_credentials);

/* A client with the key of NAME; NULL: the only one. 0 or -errno, logged. */
int psk_file_use(struct psk_file *file, const char *name,
		 gnutls_psk_client_credentials_t *ret_credentials);

#endif
