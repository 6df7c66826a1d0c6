// SPDX-License-Identifier: BSD-2-Clause
#include "options.h"
#include "log.h"
#include "port/dir/idmap.h"
#include "port/dir/xattrmap.h"
#include "port/port.h"
#include "systemd.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option_choice policies[] = {
	{ "translate", CROSSFUSE_TRANSLATE },
	{ "refuse", CROSSFUSE_REFUSE },
	{ "ignore", CROSSFUSE_IGNORE },
	{ NULL, 0 },
};

static const struct option_choice sandboxes[] = {
	{ "namespace", SANDBOX_NAMESPACE },
	{ "chroot", SANDBOX_CHROOT },
	{ "none", SANDBOX_NONE },
	{ NULL, 0 },
};

static const struct option_choice seccomp_modes[] = {
	{ "none", SECCOMP_NONE },
	{ "kill", SECCOMP_KILL },
	{ "log", SECCOMP_LOG },
	{ "trap", SECCOMP_TRAP },
	{ NULL, 0 },
};

static const struct option_choice caches[] = {
	{ "auto", CACHE_AUTO },
	{ "always", CACHE_ALWAYS },
	{ "metadata", CACHE_METADATA },
	{ "never", CACHE_NEVER },
	{ NULL, 0 },
};

static const struct option_choice toggles[] = {
	{ "never", TOGGLE_NEVER },
	{ "auto", TOGGLE_AUTO },
	{ "always", TOGGLE_ALWAYS },
	{ NULL, 0 },
};

static const struct option_choice dir_offsets[] = {
	{ "auto", DIR_OFFSETS_AUTO },
	{ "host", DIR_OFFSETS_HOST },
	{ "small", DIR_OFFSETS_SMALL },
	{ NULL, 0 },
};

static const struct option_choice inode_handles[] = {
	{ "prefer", HANDLES_PREFER },
	{ "never", HANDLES_NEVER },
	{ "mandatory", HANDLES_MANDATORY },
	{ "fallback", HANDLES_PREFER }, /* its older name in virtiofsd */
	{ NULL, 0 },
};

static const struct option_choice log_levels[] = {
	{ "off", LOG_LEVEL_OFF },     { "error", LOG_LEVEL_ERROR },
	{ "warn", LOG_LEVEL_WARN },   { "info", LOG_LEVEL_INFO },
	{ "debug", LOG_LEVEL_DEBUG }, { NULL, 0 },
};

/* What the command line says; its defaults at first. */
static struct options parsed = {
	.seccomp = HAVE_SECCOMP ? SECCOMP_KILL : SECCOMP_NONE,
	.rlimit_nofile = RLIMIT_NOFILE_DEFAULT,
	.xattr = true,
	.posix_acl = TOGGLE_AUTO,
	.announce_submounts = true,
	.killpriv_v2 = true,
	.log_level = LOG_LEVEL_INFO,
};

#define AT(member) (&parsed.member)

/* The last one counts, as of all options. */
static int parse_xattrmap(const struct option *option, const char *word)
{
	struct xattrmap *map;
	int ret = xattrmap_parse(word, &map);

	(void)option;
	if (ret < 0)
		return ret;
	xattrmap_free(parsed.xattrmap);
	parsed.xattrmap = map;
	return 0;
}

/* Each rule is one more. */
static int parse_idmap(const struct option *option, const char *word)
{
	return idmap_add(option->value, option->name, word);
}

static const struct option known[] = {
	OPTION("client-abi", ABI, AT(client_abi), "NAME",
	       "the guest's architecture, if it is not found out"),
	OPTION("legacy", CHOICE, AT(policy), "POLICY",
	       "clients that cannot negotiate: translate, refuse, ignore",
	       .choices = policies),
	OPTION("no-detect", SET, AT(no_detect), NULL,
	       "believe only the handshake and --client-abi"),
	OPTION("sandbox", CHOICE, AT(sandbox), "MODE",
	       "namespace (default), chroot, none", .choices = sandboxes),
	OPTION("seccomp", CHOICE, AT(seccomp), "ACTION",
	       "on a forbidden system call: kill (default), log, trap; none",
	       .choices = seccomp_modes),
	OPTION("modcaps", STRING, AT(modcaps), "LIST",
	       "capabilities to keep or drop besides, such as "
	       "+sys_admin:-mknod"),
	OPTION("readonly", SET, AT(readonly), NULL,
	       "let the client change nothing"),
	OPTION("cache", CHOICE, AT(cache), "MODE",
	       "what the client may keep: auto (default), always, metadata, "
	       "never",
	       .choices = caches),
	OPTION("writeback", SET, AT(writeback), NULL,
	       "let the client collect writes"),
	OPTION("allow-direct-io", SET, AT(allow_direct_io), NULL,
	       "the client's O_DIRECT bypasses this machine's page cache too"),
	OPTION("allow-mmap", SET, AT(allow_mmap), NULL,
	       "shared mappings with --cache never and metadata"),
	OPTION("no-readdirplus", SET, AT(no_readdirplus), NULL,
	       "list names without attributes"),
	OPTION("dir-offsets", CHOICE, AT(dir_offsets), "MODE",
	       "telldir() positions: auto (default), host, small (31 bits)",
	       .choices = dir_offsets),
	OPTION("xattr", SET, AT(xattr), NULL, "extended attributes (default)"),
	OPTION("no-xattr", CLEAR, AT(xattr), NULL, "no extended attributes"),
	OPTION("xattrmap", PARSED, AT(xattrmap), "RULES",
	       "other names for them, such as :map:trusted.:user.virtiofs.:",
	       .parse = parse_xattrmap),
	OPTION("posix-acl", CHOICE, AT(posix_acl), "WHEN",
	       "POSIX access control lists: never, auto (default), always",
	       .choices = toggles, .left_out = "always"),
	OPTION("no-posix-acl", ZERO, AT(posix_acl), NULL,
	       "no access control lists"),
	OPTION("translate-uid", PARSED, AT(translate_uid), "RULE",
	       "other user numbers here, such as map:0:100000:65536; "
	       "repeatable",
	       .parse = parse_idmap),
	OPTION("translate-gid", PARSED, AT(translate_gid), "RULE",
	       "the same for groups", .parse = parse_idmap),
	OPTION("killpriv-v2", SET, AT(killpriv_v2), NULL,
	       "clear set-user-ID bits here, not in the client (default)"),
	OPTION("no-killpriv-v2", CLEAR, AT(killpriv_v2), NULL,
	       "leave set-user-ID bits to the client"),
	OPTION("posix-lock", SET, AT(posix_lock), NULL,
	       "fcntl() locks also against other clients and here"),
	OPTION("no-posix-lock", CLEAR, AT(posix_lock), NULL,
	       "fcntl() locks within the client only (default)"),
	OPTION("flock", SET, AT(flock), NULL,
	       "flock() also against other clients and here"),
	OPTION("no-flock", CLEAR, AT(flock), NULL,
	       "flock() within the client only (default)"),
	OPTION("security-label", CHOICE, AT(security_label), "WHEN",
	       "the client's security context of new files: never (default), "
	       "auto, always",
	       .choices = toggles, .left_out = "always"),
	OPTION("announce-submounts", SET, AT(announce_submounts), NULL,
	       "show file systems mounted in the directory as such (default)"),
	OPTION("no-announce-submounts", CLEAR, AT(announce_submounts), NULL,
	       "let the directory be one file system"),
	OPTION("inode-file-handles", CHOICE, AT(inode_file_handles), "MODE",
	       "find known files by handle: prefer (default), never, mandatory",
	       .choices = inode_handles),
	OPTION("preserve-noatime", SET, AT(preserve_noatime), NULL,
	       "keep O_NOATIME even where that may fail"),
	OPTION("rlimit-nofile", NUMBER, AT(rlimit_nofile), "N",
	       "open files at most; 0: leave the limit as it is"),
	OPTION("trace", STRING, AT(trace), "FILE",
	       "record every message; `crossfuse decode` shows them"),
	OPTION("trace-data", SET, AT(trace_data), NULL,
	       "and the data that is read and written too"),
	OPTION("log-level", CHOICE, AT(log_level), "LEVEL",
	       "off, error, warn, info (default), debug",
	       .choices = log_levels),
	OPTION("syslog", SET, AT(syslog), NULL, "log to syslog"),
	{ 0 },
};

/* virtiofsd's and others' that a user may try. */
static const char *const absent[] = {
	"uid-map",
	"gid-map",
	"migration-mode",
	"migration-on-error",
	"migration-verify-handles",
	"migration-confirm-paths",
	"daemonize",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The row of a port, of either kind, as far as options go. */
struct row {
	const char *scheme;
	const char *argument;
	const char *help;
	const struct option *const *lists;
	const char **spec; /* what is filled in if it is chosen */
};

/* The row of that number; false: there are no more. */
static bool row_at(size_t index, struct row *ret_row)
{
	size_t clients = 0;

	while (client_ports[clients])
		clients++;
	if (index < clients) {
		const struct client_port_ops *ops = client_ports[index];

		*ret_row = (struct row){ ops->scheme, ops->argument, ops->help,
					 ops->options, &parsed.client };
		return true;
	}
	for (size_t i = 0; server_ports[i]; i++) {
		const struct server_port_ops *ops = server_ports[i];

		if (i != index - clients)
			continue;
		*ret_row = (struct row){ ops->scheme, ops->argument, ops->help,
					 ops->options, &parsed.server };
		return true;
	}
	return false;
}

static void print_option(const struct option *option)
{
	char left[64];

	snprintf(left, sizeof(left), "--%s%s%s%s", option->name,
		 option->left_out ? "[="
		 : option->word	  ? " "
				  : "",
		 option->word ? option->word : "", option->left_out ? "]" : "");
	printf("  %-24s %s\n", left, option->help);
}

static void print_ports(const char *kind, const char **spec)
{
	struct row row;

	for (size_t i = 0; row_at(i, &row); i++) {
		char left[64];

		if (row.spec != spec)
			continue;
		snprintf(left, sizeof(left), "%s:%s", row.scheme, row.argument);
		printf("  %-7s %-16s %s\n", kind, left, row.help);
		kind = "";
	}
}

/* Those of a port, unless a row before it has them too. */
static void print_list(size_t index, const struct option *list)
{
	struct row row;

	for (size_t i = 0; i < index && row_at(i, &row); i++)
		for (size_t j = 0; row.lists && row.lists[j]; j++)
			if (row.lists[j] == list)
				return;
	for (; list->name; list++)
		print_option(list);
}

static void print_help(void)
{
	struct row row;

	puts("usage: crossfuse [OPTION]... CLIENT SERVER\n"
	     "       crossfuse abi [NAME]\n"
	     "       crossfuse decode [OPTION]... [FILE]\n"
	     "       crossfuse probe [OPTION]... SERVER\n"
	     "\n"
	     "Shares SERVER with a FUSE client of any architecture.\n");
	print_ports("CLIENT", &parsed.client);
	print_ports("SERVER", &parsed.server);
	puts("\nOptions (--NAME VALUE or --NAME=VALUE):");
	for (size_t i = 0; row_at(i, &row); i++)
		for (size_t j = 0; row.lists && row.lists[j]; j++)
			print_list(i, row.lists[j]);
	for (const struct option *option = known; option->name; option++)
		print_option(option);
	puts("  --print-capabilities     what a manager may use, as JSON\n"
	     "  --help, --version\n"
	     "\n"
	     "crossfuse(1) tells more.");
}

static const struct option *find_in(const struct option *list, const char *name,
				    size_t length)
{
	for (; list->name; list++)
		if (strlen(list->name) == length &&
		    memcmp(list->name, name, length) == 0)
			return list;
	return NULL;
}

static const struct option *find_in_row(const struct row *row, const char *name,
					size_t length)
{
	const struct option *option = NULL;

	for (size_t i = 0; row->lists && row->lists[i] && !option; i++)
		option = find_in(row->lists[i], name, length);
	return option;
}

/* *RET_ROW is a port's that has it; its scheme is NULL if it is anybody's. */
static const struct option *find_option(const char *name, size_t length,
					struct row *ret_row)
{
	const struct option *option = find_in(known, name, length);
	struct row row;

	*ret_row = (struct row){ 0 };
	for (size_t i = 0; !option && row_at(i, &row); i++) {
		option = find_in_row(&row, name, length);
		if (option)
			*ret_row = row;
	}
	return option;
}

static int unknown_option(const char *name, size_t length)
{
	for (size_t i = 0; i < COUNT(absent); i++)
		if (strlen(absent[i]) == length &&
		    memcmp(absent[i], name, length) == 0) {
			log_error("--%s is not supported by crossfuse: leave "
				  "it out",
				  absent[i]);
			return -EINVAL;
		}
	log_error("unknown option --%.*s: see crossfuse --help", (int)length,
		  name);
	return -EINVAL;
}

/* SCHEME:WORD, for the rest of the program's life. */
static int choose(const char **spec, const char *scheme, const char *word)
{
	char *text;

	if (asprintf(&text, "%s:%s", scheme, word) < 0)
		return -ENOMEM;
	if (*spec) {
		log_error("%s: %s was given already: give one", text, *spec);
		free(text);
		return -EINVAL;
	}
	*spec = text;
	return 0;
}

/* ARGV[*INDEX] is an option; *INDEX moves on if its word is the next one. */
static int parse_option(char **argv, int *index)
{
	const char *name = argv[*index] + 2;
	size_t length = strcspn(name, "=");
	const char *word = name[length] ? name + length + 1 : NULL;
	const struct option *option;
	struct row row;

	option = find_option(name, length, &row);
	if (!option)
		return unknown_option(name, length);
	if (!word)
		word = option->left_out;
	if (option_takes_word(option) && !word) {
		word = argv[*index + 1];
		if (!word) {
			log_error("--%s wants a value: %s", option->name,
				  option->word);
			return -EINVAL;
		}
		++*index;
	} else if (!option_takes_word(option) && word) {
		log_error("--%s takes no value", option->name);
		return -EINVAL;
	}
	if (option->type == OPTION_ARGUMENT)
		return choose(row.spec, row.scheme, word);
	return option_apply(option, word);
}

/* A word that is not an option: CLIENT or SERVER. */
static int parse_port(const char *word)
{
	size_t length = strcspn(word, ":");
	char known_ports[256] = "";
	struct row row;

	for (size_t i = 0; row_at(i, &row); i++) {
		size_t used = strlen(known_ports);

		if (word[length] && strlen(row.scheme) == length &&
		    memcmp(row.scheme, word, length) == 0)
			return choose(row.spec, row.scheme, word + length + 1);
		snprintf(known_ports + used, sizeof(known_ports) - used,
			 "%s%s:%s", used ? ", " : "", row.scheme, row.argument);
	}
	log_error("%s: not one of %s", word, known_ports);
	return -EINVAL;
}

/* Whether the port of SPEC, if there is one, has this option. */
static bool spec_has(const char *spec, const char *name, size_t length)
{
	size_t scheme = spec ? strcspn(spec, ":") : 0;
	struct row row;

	for (size_t i = 0; spec && row_at(i, &row); i++)
		if (strlen(row.scheme) == scheme &&
		    memcmp(row.scheme, spec, scheme) == 0 &&
		    find_in_row(&row, name, length))
			return true;
	return false;
}

/* An option of a port that is not there, or one that tells which it is. */
static int check_option(char **argv, int *index)
{
	const char *name = argv[*index] + 2;
	size_t length = strcspn(name, "=");
	const struct option *option;
	struct row row;

	option = find_option(name, length, &row);
	if (option && option_takes_word(option) && !option->left_out &&
	    !name[length])
		++*index;
	if (!option || !row.scheme || option->type == OPTION_ARGUMENT)
		return 0;
	if (!*row.spec && option->selects)
		return choose(row.spec, row.scheme, "");
	if (!*row.spec || spec_has(*row.spec, name, length))
		return 0;
	log_error("--%s is an option of %s: and does nothing for %s: leave it "
		  "out",
		  option->name, row.scheme, *row.spec);
	return -EINVAL;
}

/* The socket of a service manager, for who can take one. */
static int take_listen_fd(void)
{
	const struct client_port_ops *ops = NULL;
	size_t length = parsed.client ? strcspn(parsed.client, ":") : 0;
	int fd;

	if (parsed.client && parsed.client[length + 1])
		return 0;
	if (parsed.client)
		ops = client_port_find(parsed.client, length);
	for (size_t i = 0; !ops && client_ports[i]; i++)
		if (client_ports[i]->listen_fd)
			ops = client_ports[i];
	if (!ops || !ops->listen_fd || *ops->listen_fd >= 0)
		return 0;
	fd = systemd_listen_fd();
	if (fd < 0)
		return fd == -1 ? 0 : fd;
	*ops->listen_fd = fd;
	return parsed.client ? 0 : choose(&parsed.client, ops->scheme, "");
}

static bool keeps_acl(void)
{
	return parsed.xattr &&
	       xattrmap_keeps(parsed.xattrmap, "system.posix_acl_access") &&
	       xattrmap_keeps(parsed.xattrmap, "system.posix_acl_default");
}

/* Fills in what was left out, and refuses what cannot be. */
static int complete(void)
{
	int ret = take_listen_fd();
	const bool no_server = parsed.client;

	if (ret < 0)
		return ret;
	if (!parsed.client || !parsed.server) {
		log_error("no %s: give %s:%s; see crossfuse --help",
			  no_server ? "server" : "client",
			  no_server ? server_ports[0]->scheme
				    : client_ports[0]->scheme,
			  no_server ? server_ports[0]->argument
				    : client_ports[0]->argument);
		return -EINVAL;
	}
	if (parsed.translate_uid || parsed.translate_gid) {
		if (parsed.posix_acl == TOGGLE_ALWAYS) {
			log_error("--posix-acl=always and --translate-*: the "
				  "numbers in access control lists are not "
				  "translated: leave one of them out");
			return -EINVAL;
		}
		parsed.posix_acl = TOGGLE_NEVER;
	}
	if (parsed.posix_acl == TOGGLE_ALWAYS && !keeps_acl()) {
		log_error("--posix-acl=always: --no-xattr and --xattrmap leave "
			  "no way for the names system.posix_acl_*: leave one "
			  "of them out");
		return -EINVAL;
	}
	if (parsed.trace_data && !parsed.trace) {
		log_error("--trace-data: give --trace FILE too");
		return -EINVAL;
	}
	return 0;
}

/* Options that print and end, whatever else is given. */
static bool print_and_end(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--print-capabilities") == 0) {
			/* QEMU's docs/interop/vhost-user, section fs */
			puts("{\n  \"type\": \"fs\",\n"
			     "  \"features\": [\"separate-options\"]\n}");
			return true;
		}
	}
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-h") == 0) {
			print_help();
			return true;
		}
		if (strcmp(argv[i], "--version") == 0 ||
		    strcmp(argv[i], "-V") == 0) {
			puts("crossfuse " CROSSFUSE_VERSION);
			return true;
		}
	}
	return false;
}

static int check_options(int argc, char **argv)
{
	int ret = 0;

	for (int i = 1; i < argc && ret == 0; i++) {
		if (strcmp(argv[i], "--") == 0)
			break;
		if (strncmp(argv[i], "--", 2) == 0)
			ret = check_option(argv, &i);
	}
	return ret;
}

int options_parse(struct options *options, int argc, char **argv)
{
	bool only_ports = false;
	int ret;

	if (print_and_end(argc, argv))
		return 1;
	for (int i = 1; i < argc; i++) {
		if (!only_ports && strcmp(argv[i], "--") == 0) {
			only_ports = true;
			continue;
		}
		if (!only_ports && strncmp(argv[i], "--", 2) == 0)
			ret = parse_option(argv, &i);
		else if (!only_ports && argv[i][0] == '-' && argv[i][1])
			ret = unknown_option(argv[i] + 1, strlen(argv[i] + 1));
		else
			ret = parse_port(argv[i]);
		if (ret < 0)
			return ret;
	}
	ret = check_options(argc, argv);
	if (ret == 0)
		ret = complete();
	*options = parsed;
	return ret;
}
