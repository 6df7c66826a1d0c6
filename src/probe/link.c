// SPDX-License-Identifier: BSD-2-Clause
#include "link.h"
#include "../log.h"
#include <errno.h>
#include <string.h>
#include <time.h>

static const struct link_ops *const all[] = {
	&virtio_link_ops,
	&connect_link_ops,
	&fd_link_ops,
	&exec_link_ops,
};

const struct link_ops *link_ops_at(size_t index)
{
	return index < sizeof(all) / sizeof(*all) ? all[index] : NULL;
}

int link_parse(struct link *link, const char *spec)
{
	size_t length = strcspn(spec, ":");

	for (size_t i = 0; link_ops_at(i); i++) {
		const struct link_ops *ops = link_ops_at(i);

		if (strlen(ops->scheme) != length ||
		    memcmp(ops->scheme, spec, length) != 0)
			continue;
		if (!spec[length] || !spec[length + 1]) {
			log_error("%s: give %s:%s", spec, ops->scheme,
				  ops->argument);
			return -EINVAL;
		}
		link->ops = ops;
		link->argument = spec + length + 1;
		link->fd = -1;
		return 0;
	}
	log_error("%s: no such kind of server: say virtio:SOCKET, "
		  "connect:PATH, fd:N or exec:COMMAND",
		  spec);
	return -EINVAL;
}

int64_t link_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
