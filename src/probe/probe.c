// SPDX-License-Identifier: BSD-2-Clause
#include "probe.h"
#include "../log.h"
#include "command.h"
#include "session.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Set by SIGINT and SIGTERM; a second one ends the program at once. */
static volatile sig_atomic_t told_to_end;

/* The architectures that the table of the library can hold. */
#define ABI_MAX 64U

struct request {
	const struct crossfuse_abi *abis[ABI_MAX];
	size_t count;
};

/* Every byte order, every group of values that many clients have. */
static const char *const usual[] = { "x86_64", "aarch64", "ppc64le",
				     "mips64", "s390x",	  "sparc64",
				     "alpha",  "parisc",  "armv7l" };

static const char usage_head[] = "usage: crossfuse probe [OPTION]... SERVER\n"
				 "\n"
				 "Plays FUSE clients of several architectures "
				 "against SERVER, any FUSE\n"
				 "server, and prints which rules of "
				 "docs/protocol.md hold: a line for\n"
				 "each with its section, \"ok\", \"FAIL\", "
				 "\"warn\" (what a server "
				 "SHOULD do),\n"
				 "or \"skip\" with the reason.\n"
				 "\n";

static const char usage_tail[] =
	"\n"
	"  --as ABI[,ABI]...   the clients to play; `crossfuse abi` lists "
	"them;\n"
	"                      all: every one (this machine's, and some of "
	"each kind)\n"
	"  --server-abi ABI    the server's architecture (this machine's)\n"
	"  --timeout SECONDS   for each answer (10)\n"
	"  --read-only         write nothing; most rules are skipped then\n"
	"  --stream            a command gets a stream for its socket\n"
	"  --keep              one connection for all sessions, for a server "
	"that\n"
	"                      takes no second one\n"
	"  --strict            what a server SHOULD do counts as well\n"
	"  --quiet             only print what does not hold, and the summary\n"
	"  --rules             list the rules, and do nothing else\n"
	"\n"
	"The probe makes a directory in the root of the server, "
	"crossfuse-probe-"
	"PID,\n"
	"writes only there, and removes it at the end.\n"
	"\n"
	"The status is 0 if all rules hold, 1 if one is broken, 2 if the "
	"options are\n"
	"wrong or the server cannot be reached.";

static void print_usage(void)
{
	fputs(usage_head, stdout);
	for (size_t i = 0; link_ops_at(i); i++) {
		const struct link_ops *ops = link_ops_at(i);
		char left[32];

		snprintf(left, sizeof(left), "%s:%s", ops->scheme,
			 ops->argument);
		printf("  %s  %-15s  %s\n", i ? "      " : "SERVER", left,
		       ops->help);
	}
	puts(usage_tail);
}

static void add_abi(struct request *request, const struct crossfuse_abi *abi)
{
	for (size_t i = 0; i < request->count; i++)
		if (request->abis[i] == abi)
			return;
	if (request->count < ABI_MAX)
		request->abis[request->count++] = abi;
}

static int find_abi(const char *name, const struct crossfuse_abi **ret_abi)
{
	const struct crossfuse_abi *abi = crossfuse_abi_by_name(name);

	if (!abi || abi == crossfuse_abi_canonical()) {
		log_error("%s: unknown ABI; `crossfuse abi` lists those there "
			  "are",
			  name);
		return -EINVAL;
	}
	*ret_abi = abi;
	return 0;
}

static int add_abis(struct request *request, const char *word)
{
	const struct crossfuse_abi *abi;
	char name[64];
	int ret = 0;

	if (strcmp(word, "all") == 0) {
		for (size_t i = 0; crossfuse_abi_at(i); i++)
			add_abi(request, crossfuse_abi_at(i));
		return 0;
	}
	while (ret == 0) {
		size_t length = strcspn(word, ",");

		snprintf(name, sizeof(name), "%.*s",
			 (int)(length < sizeof(name) ? length : 0), word);
		ret = find_abi(name, &abi);
		if (ret == 0)
			add_abi(request, abi);
		if (!word[length])
			break;
		word += length + 1;
	}
	return ret;
}

static int parse_timeout(struct probe *probe, const char *word)
{
	char *end;
	long seconds = strtol(word, &end, 10);

	if (word[0] < '0' || word[0] > '9' || *end || seconds < 1 ||
	    seconds > 3600) {
		log_error("--timeout=%s: give seconds, from 1 to 3600", word);
		return -EINVAL;
	}
	probe->link.timeout = seconds * 1000;
	return 0;
}

static int parse_word(struct probe *probe, struct request *request,
		      const char *name, const char *word)
{
	if (strcmp(name, "--as") == 0)
		return add_abis(request, word);
	if (strcmp(name, "--server-abi") == 0)
		return find_abi(word, &probe->server);
	return parse_timeout(probe, word);
}

static bool takes_word(const char *name)
{
	return strcmp(name, "--as") == 0 || strcmp(name, "--server-abi") == 0 ||
	       strcmp(name, "--timeout") == 0;
}

static bool parse_flag(struct probe *probe, const char *word)
{
	if (strcmp(word, "--read-only") == 0)
		probe->read_only = true;
	else if (strcmp(word, "--stream") == 0)
		probe->link.prefer_stream = true;
	else if (strcmp(word, "--keep") == 0)
		probe->keep = true;
	else if (strcmp(word, "--strict") == 0)
		probe->strict = true;
	else if (strcmp(word, "--quiet") == 0)
		probe->quiet = true;
	else
		return false;
	return true;
}

static int parse_option(struct probe *probe, struct request *request,
			char **argv, int *index)
{
	const char *word = argv[*index];
	size_t length = strcspn(word, "=");
	char name[32];

	if (parse_flag(probe, word))
		return 0;
	snprintf(name, sizeof(name), "%.*s",
		 (int)(length < sizeof(name) ? length : 0), word);
	if (!takes_word(name)) {
		log_error("unknown option %s: see crossfuse probe --help",
			  word);
		return -EINVAL;
	}
	if (word[length])
		return parse_word(probe, request, name, word + length + 1);
	if (argv[*index + 1])
		return parse_word(probe, request, name, argv[++*index]);
	log_error("%s wants a value", name);
	return -EINVAL;
}

/* 1: --help or --rules was asked for, and is done. */
static int parse(struct probe *probe, struct request *request, int argc,
		 char **argv)
{
	const char *spec = NULL;
	int ret = 0;

	for (int i = 1; ret == 0 && i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-h") == 0) {
			print_usage();
			return 1;
		}
		if (strcmp(argv[i], "--rules") == 0) {
			rules_list();
			return 1;
		}
		if (argv[i][0] == '-') {
			ret = parse_option(probe, request, argv, &i);
		} else if (spec) {
			log_error("%s and %s: give one server", spec, argv[i]);
			ret = -EINVAL;
		} else {
			spec = argv[i];
		}
	}
	if (ret < 0)
		return ret;
	if (!spec) {
		log_error("give a server: see crossfuse probe --help");
		return -EINVAL;
	}
	return link_parse(&probe->link, spec);
}

/* One check after the other, as long as there is a session. */
static void run_checks(struct probe *probe)
{
	static const struct {
		void (*check)(struct probe *probe);
		bool writes;
	} checks[] = {
		{ check_open, true },	  { check_errors, false },
		{ check_locks, true },	  { check_poll, true },
		{ check_ioctl, true },	  { check_pages, false },
		{ check_bytes, true },	  { check_same, true },
		{ check_records, false }, { check_messages, false },
		{ check_tour, true },	  { check_destroy, false },
	};

	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
		if (session_mend(probe) < 0)
			return;
		if (told_to_end)
			return;
		if (probe->dir || !checks[i].writes)
			checks[i].check(probe);
	}
}

static void choose_form(struct probe *probe, const struct crossfuse_abi *abi,
			bool canonical)
{
	results_clear(probe);
	set_client(probe, abi);
	probe->canonical = canonical;
}

/* Why what needs a place to write is skipped, if there is none. */
static void explain_workspace(struct probe *probe)
{
	if (probe->read_only)
		strcpy(probe->why, "--read-only");
	else if (!probe->dir)
		strcpy(probe->why, "nothing can be written there");
}

/* Whether there was a session in this form. */
static bool probe_form(struct probe *probe)
{
	probe->current.known = false;
	if (session_start(probe) != 0)
		return false;
	explain_workspace(probe);
	outcomes_find(probe, &probe->current);
	run_checks(probe);
	return true;
}

/* Which forms can be spoken: bit 0, client form; bit 1, canonical. */
static unsigned int probe_abi(struct probe *probe,
			      const struct crossfuse_abi *abi)
{
	unsigned int forms = 0;

	choose_form(probe, abi, false);
	check_handshake(probe);
	if (probe->why[0]) {
		result_print(probe, RULE_INIT_ORDER);
		results_skip(probe, "2");
		return 0;
	}
	check_legacy(probe);
	if (probe_form(probe))
		forms |= 1;
	results_print_once(probe);
	if (forms)
		results_print(probe);
	else
		results_skip(probe, "3.3.6");
	choose_form(probe, abi, true);
	if (!probe->speaks)
		strcpy(probe->why, "this server answers no offer");
	else if (probe_form(probe))
		forms |= 2;
	if (forms & 2)
		results_print(probe);
	else
		results_skip(probe, "3.3.5");
	return forms;
}

/* What may be the end of a server, when all else has been seen. */
static void probe_late(struct probe *probe, const struct crossfuse_abi *abi,
		       unsigned int forms)
{
	for (unsigned int canonical = 0; canonical < 2; canonical++) {
		if (!(forms & (1U << canonical)))
			continue;
		choose_form(probe, abi, canonical);
		if (session_start(probe) != 0) {
			results_skip(probe, "4");
			continue;
		}
		explain_workspace(probe);
		check_malformed(probe);
		results_print_late(probe);
	}
}

/* What a client like the server gets, to compare with. */
static int find_base(struct probe *probe)
{
	int ret;

	set_client(probe, probe->server);
	ret = session_start(probe);
	if (!probe->open)
		return ret;
	if (ret < 0 && !probe->session) {
		log_error("%s: no answer to FUSE_INIT: %s",
			  probe->link.argument, strerror(-ret));
		return ret;
	}
	outcomes_find(probe, &probe->base);
	if (!probe->base.known && !probe->read_only)
		log_warn("a client of %s, as the server is said to be, cannot "
			 "write there: many rules are skipped",
			 crossfuse_abi_name(probe->server));
	return 0;
}

static void on_signal(int signal_number)
{
	(void)signal_number;
	told_to_end = 1;
}

static void handle_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = (int)SA_RESETHAND };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static void clean_up(struct probe *probe)
{
	set_client(probe, probe->server);
	if (probe->read_only)
		return;
	if (session_start(probe) == 0)
		workspace_remove(probe);
	else
		log_warn("%s may be left in the root of the server",
			 probe->top_name);
}

static int run(struct probe *probe, const struct request *request)
{
	unsigned int forms[ABI_MAX];
	int ret;

	snprintf(probe->top_name, sizeof(probe->top_name),
		 "crossfuse-probe-%ld", (long)getpid());
	probe->server_page = crossfuse_abi_page_size(probe->server);
	if (!probe->server_page && probe->server == crossfuse_abi_native())
		probe->server_page = (uint32_t)sysconf(_SC_PAGESIZE);
	handle_signals();
	ret = find_base(probe);
	if (ret < 0) {
		session_end(probe);
		return ret;
	}
	probe->speaks = detect_speaking(probe);
	for (size_t i = 0; i < request->count && !told_to_end; i++)
		forms[i] = probe_abi(probe, request->abis[i]);
	clean_up(probe);
	for (size_t i = 0; i < request->count && !told_to_end; i++)
		probe_late(probe, request->abis[i], forms[i]);
	clean_up(probe);
	session_end(probe);
	printf("%u rules hold, %u are broken, %u warnings, %u skipped\n",
	       probe->ok, probe->failed, probe->warned, probe->skipped);
	if (told_to_end) {
		log_error("interrupted: not all was looked at");
		return -EINTR;
	}
	return fflush(stdout) || ferror(stdout) ? -EIO : 0;
}

int probe_command(int argc, char **argv)
{
	static struct probe probe;
	struct request request = { .count = 0 };
	int ret;

	probe.link.timeout = 10000;
	probe.link.fd = -1;
	probe.server = crossfuse_abi_native();
	ret = parse(&probe, &request, argc, argv);
	if (ret > 0)
		return 0;
	if (ret == 0 && request.count == 0) {
		add_abi(&request, crossfuse_abi_native());
		for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++)
			add_abi(&request, crossfuse_abi_by_name(usual[i]));
	}
	if (ret == 0)
		ret = run(&probe, &request);
	if (ret < 0) /* which is no word about the server */
		exit(PROBE_UNUSABLE);
	return probe.failed ? -EPROTO : 0;
}
