// SPDX-License-Identifier: BSD-2-Clause
#include "port.h"
#include <string.h>

#define CLIENT_PORT(name) extern const struct client_port_ops name##_port_ops;
#define SERVER_PORT(name) extern const struct server_port_ops name##_port_ops;
#include "rows.h"
#undef CLIENT_PORT
#undef SERVER_PORT

#define CLIENT_PORT(name) &name##_port_ops,
#define SERVER_PORT(name)
const struct client_port_ops *const client_ports[] = {
#include "rows.h"
	NULL
};
#undef CLIENT_PORT
#undef SERVER_PORT

#define CLIENT_PORT(name)
#define SERVER_PORT(name) &name##_port_ops,
const struct server_port_ops *const server_ports[] = {
#include "rows.h"
	NULL
};

#define FIND(table, scheme, length)                            \
	for (size_t i = 0; table[i]; i++)                      \
		if (strlen(table[i]->scheme) == length &&      \
		    !memcmp(table[i]->scheme, scheme, length)) \
			return table[i];                       \
	return NULL

const struct client_port_ops *client_port_find(const char *scheme,
					       size_t length)
{
	FIND(client_ports, scheme, length);
}

const struct server_port_ops *server_port_find(const char *scheme,
					       size_t length)
{
	FIND(server_ports, scheme, length);
}
