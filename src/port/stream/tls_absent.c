// SPDX-License-Identifier: BSD-2-Clause
#include "../../log.h"
#include "layer.h"
#include <errno.h>

int tls_maker_new(bool server, struct layer_maker **ret_maker)
{
	(void)server;
	(void)ret_maker;
	log_error("this crossfuse was built without GnuTLS: go through ssh, "
		  "as connect:cmd:'ssh HOST crossfuse stdio: dir:/DIR'");
	return -ENOTSUP;
}
