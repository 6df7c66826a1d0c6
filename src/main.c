// SPDX-License-Identifier: BSD-2-Clause
#include "abi_list.h"
#include "background.h"
#include "ctl/ctl.h"
#include "decode/decode.h"
#include "leftover.h"
#include "log.h"
#include "options.h"
#include "port/exec/exec.h"
#include "probe/command.h"
#include "serve.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int command_abi(int argc, char **argv)
{
	if (argc == 1)
		return abi_list(stdout);
	if (argc == 2 &&
	    (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		puts("usage: crossfuse abi [NAME]");
		return 0;
	}
	if (argc == 2 && argv[1][0] != '-')
		return abi_show(stdout, argv[1]);
	if (argv[1][0] == '-')
		log_error("unknown option %s: see crossfuse abi --help",
			  argv[1]);
	else
		log_error("abi %s %s: give one name", argv[1], argv[2]);
	return -EINVAL;
}

/*
 * The only files that are mapped to be read and written are the guest's memory.
 * What a request wanted of it is not there any more: nothing of the request may
 * be done, least of all with zeros in place of its bytes.
 */
static void on_bus_error(int signal_number, siginfo_t *info, void *context)
{
	static atomic_flag told = ATOMIC_FLAG_INIT;

	(void)context;
	if (info->si_code != BUS_ADRERR) {
		signal(signal_number, SIG_DFL);
		raise(signal_number);
		return;
	}
	while (atomic_flag_test_and_set(&told))
		sched_yield(); /* until another thread has ended all */
	/* This thread was in its own code: it holds no lock of the log. */
	log_error("the guest's memory is gone: the monitor has cut its file "
		  "short, or this machine has no memory left for it");
	_exit(EXIT_FAILURE);
}

static void handle_faults(void)
{
	struct sigaction bus = { .sa_sigaction = on_bus_error,
				 .sa_flags = SA_SIGINFO };

	sigemptyset(&bus.sa_mask);
	sigaction(SIGBUS, &bus, NULL);
	/* A write beyond this process's limit fails with EFBIG. */
	signal(SIGXFSZ, SIG_IGN);
}

static int command_serve(int argc, char **argv)
{
	static struct options options; /* what it points to lasts as long */
	int ret = options_parse(&options, argc, argv);

	if (ret) /* --help and its like have said all there is */
		return ret;
	log_open((enum log_level)options.log_level, options.syslog,
		 options.background);
	if (options.background) {
		ret = background_start();
		if (ret < 0)
			return ret;
		/* What confines the process is to let it reach that. */
		options.syslog = true;
	}
	handle_faults();
	ret = serve(&options);
	leftover_remove();
	log_close();
	return ret;
}

/* The first word; anything else is a port or an option of serving. */
static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "abi", command_abi },	      { "ctl", ctl_command },
	{ "decode", decode_command }, { "probe", probe_command },
	{ "top", top_command },
};

/* The last part of the program's name. */
static const char *called_as(const char *name)
{
	const char *slash = name ? strrchr(name, '/') : NULL;

	return slash ? slash + 1 : name ? name : "";
}

int main(int argc, char **argv)
{
	const struct command *command = NULL;
	int ret;

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (argc > 1 && strcmp(argv[1], commands[i].name) == 0)
			command = &commands[i];
	if (strstr(called_as(argv[0]), "fusermount"))
		ret = exec_fusermount(argc, argv);
	else if (argc > 1 && strcmp(argv[0], EXEC_DEVICE_NAME) == 0)
		ret = exec_device(argv + 1);
	else if (command)
		ret = command->run(argc - 1, argv + 1);
	else
		ret = command_serve(argc, argv);
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
