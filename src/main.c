// SPDX-License-Identifier: BSD-2-Clause
#include "abi_list.h"
#include "decode/decode.h"
#include "leftover.h"
#include "log.h"
#include "options.h"
#include "probe/command.h"
#include "serve.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int command_abi(int argc, char **argv)
{
	if (argc == 1)
		return abi_list(stdout);
	if (argc == 2 && argv[1][0] != '-')
		return abi_show(stdout, argv[1]);
	log_error("usage: crossfuse abi [NAME]");
	return -EINVAL;
}

static int command_serve(int argc, char **argv)
{
	static struct options options; /* what it points to lasts as long */
	int ret = options_parse(&options, argc, argv);

	if (ret) /* --help and its like have said all there is */
		return ret;
	log_open((enum log_level)options.log_level, options.syslog);
	ret = serve(&options);
	leftover_remove();
	return ret;
}

/* The first word; anything else is a port or an option of serving. */
static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "abi", command_abi },
	{ "decode", decode_command },
	{ "probe", probe_command },
};

int main(int argc, char **argv)
{
	const struct command *command = NULL;
	int ret;

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (argc > 1 && strcmp(argv[1], commands[i].name) == 0)
			command = &commands[i];
	if (command)
		ret = command->run(argc - 1, argv + 1);
	else
		ret = command_serve(argc, argv);
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
