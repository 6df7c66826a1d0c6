// SPDX-License-Identifier: BSD-2-Clause
#include "port.h"
#include <string.h>

static const struct client_port_ops *const clients[] = {
	&virtio_port_ops,
};

static const struct server_port_ops *const servers[] = {
	&dir_port_ops,
};

#define FIND(table, scheme, length)                                 \
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) \
		if (strlen(table[i]->scheme) == length &&           \
		    memcmp(table[i]->scheme, scheme, length) == 0)  \
			return table[i];                            \
	return NULL

const struct client_port_ops *client_port_find(const char *scheme,
					       size_t length)
{
	FIND(clients, scheme, length);
}

const struct server_port_ops *server_port_find(const char *scheme,
					       size_t length)
{
	FIND(servers, scheme, length);
}
