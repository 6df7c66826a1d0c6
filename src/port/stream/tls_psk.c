// SPDX-License-Identifier: BSD-2-Clause
/* Keys that both sides have, in a file that is read once. */
#include "../../log.h"
#include "stream.h"
#include "tls_private.h"
#include <errno.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a key that nobody has. */
#define RANDOM_KEY 32

struct psk_file {
	struct psk_key {
		char *name;
		gnutls_datum_t key;
	} * keys;
	size_t count;
};

void psk_file_free(struct psk_file *file)
{
	if (!file)
		return;
	for (size_t i = 0; i < file->count; i++) {
		free(file->keys[i].name);
		gnutls_memset(file->keys[i].key.data, 0,
			      file->keys[i].key.size);
		gnutls_free(file->keys[i].key.data);
	}
	free(file->keys);
	free(file);
}

/* "NAME:KEY" */
static int add_line(struct psk_file *file, char *line)
{
	char *colon = strrchr(line, ':');
	struct psk_key *keys;
	gnutls_datum_t hex, key;

	if (!colon || colon == line)
		return -EINVAL;
	*colon = '\0';
	hex.data = (unsigned char *)colon + 1;
	hex.size = (unsigned int)strlen(colon + 1);
	if (!hex.size || gnutls_hex_decode2(&hex, &key) < 0)
		return -EINVAL;
	keys = realloc(file->keys, (file->count + 1) * sizeof(*keys));
	if (keys) {
		file->keys = keys;
		keys[file->count].name = strdup(line);
		keys[file->count].key = key;
	}
	if (!keys || !keys[file->count].name) {
		gnutls_free(key.data);
		return -ENOMEM;
	}
	file->count++;
	return 0;
}

static int read_lines(FILE *from, const char *path, struct psk_file *file)
{
	char *line = NULL;
	size_t size = 0;
	unsigned int number = 0;
	int ret = 0;

	while (ret == 0 && getline(&line, &size, from) >= 0) {
		number++;
		line[strcspn(line, "\r\n")] = '\0';
		if (*line && *line != '#')
			ret = add_line(file, line);
	}
	if (line)
		gnutls_memset(line, 0, size);
	free(line);
	if (ret == 0 && ferror(from))
		ret = -EIO;
	if (ret == -EINVAL)
		log_error("--tls-psk: line %u of %s is not NAME:KEY, the key "
			  "in hexadecimal: make it with psktool",
			  number, path);
	return ret;
}

int psk_file_load(const char *path, struct psk_file **ret_file)
{
	struct psk_file *file = calloc(1, sizeof(*file));
	FILE *from = fopen(path, "re");
	int ret = -ENOMEM;

	if (!from) {
		ret = -errno;
		log_error("--tls-psk: %s: %m", path);
	} else if (file) {
		ret = read_lines(from, path, file);
	}
	if (from)
		fclose(from);
	if (ret == 0 && !file->count) {
		log_error("--tls-psk: %s has no key: make one with psktool",
			  path);
		ret = -EINVAL;
	}
	if (ret == 0)
		*ret_file = file;
	else
		psk_file_free(file);
	return ret;
}

static const struct psk_key *find(const struct psk_file *file, const char *name)
{
	for (size_t i = 0; i < file->count; i++)
		if (strcmp(file->keys[i].name, name) == 0)
			return &file->keys[i];
	return NULL;
}

/* Who has no key shall not learn that from how he fails. */
static int server_key(gnutls_session_t session, const char *name,
		      gnutls_datum_t *ret_key)
{
	const struct psk_file *file = gnutls_session_get_ptr(session);
	const struct psk_key *key = file ? find(file, name) : NULL;
	unsigned int size = key ? key->key.size : RANDOM_KEY;

	ret_key->data = gnutls_malloc(size);
	if (!ret_key->data)
		return -1;
	ret_key->size = size;
	if (key)
		memcpy(ret_key->data, key->key.data, size);
	else if (gnutls_rnd(GNUTLS_RND_KEY, ret_key->data, size) < 0)
		return -1;
	return 0;
}

int psk_serve(gnutls_psk_server_credentials_t *ret_credentials)
{
	if (gnutls_psk_allocate_server_credentials(ret_credentials) < 0)
		return -ENOMEM;
	gnutls_psk_set_server_credentials_function(*ret_credentials,
						   server_key);
	return 0;
}

int psk_file_use(struct psk_file *file, const char *name,
		 gnutls_psk_client_credentials_t *ret_credentials)
{
	const struct psk_key *key = name ? find(file, name) : &file->keys[0];

	if (!key || (!name && file->count > 1)) {
		if (name)
			log_error("--tls-username: %s has no key in the file "
				  "of --tls-psk",
				  name);
		else
			log_error("--tls-psk: the file has several keys: say "
				  "whose with --tls-username");
		return -EINVAL;
	}
	if (gnutls_psk_allocate_client_credentials(ret_credentials) < 0)
		return -ENOMEM;
	return gnutls_psk_set_client_credentials(*ret_credentials, key->name,
						 &key->key,
						 GNUTLS_PSK_KEY_RAW) < 0
		       ? -ENOMEM
		       : 0;
}
