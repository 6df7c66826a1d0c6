// SPDX-License-Identifier: BSD-2-Clause
#include "options.h"
#include "log.h"
#include "port/port.h"
#include "systemd.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How the word behind an option becomes a member of struct options. */
enum option_type {
	OPTION_SET,   /* no word: a bool becomes true */
	OPTION_CLEAR, /* no word: a bool becomes false */
	OPTION_STRING,
	OPTION_NUMBER, /* a uint64_t */
	OPTION_CHOICE, /* an int, by name */
	OPTION_ABI,
	OPTION_FD, /* an int */
	OPTION_TAG,
	OPTION_SOCKET_PATH, /* as virtiofsd: --socket-path=PATH */
	OPTION_SHARED_DIR,  /* and --shared-dir=DIR */
};

struct choice {
	const char *name;
	int value;
};

struct option {
	const char *name; /* without the dashes */
	enum option_type type;
	size_t offset;	  /* in struct options */
	const char *word; /* for the help text */
	const char *help;
	const struct choice *choices;
};

static const struct choice policies[] = {
	{ "translate", CROSSFUSE_TRANSLATE },
	{ "refuse", CROSSFUSE_REFUSE },
	{ "ignore", CROSSFUSE_IGNORE },
	{ NULL, 0 },
};

static const struct choice sandboxes[] = {
	{ "namespace", SANDBOX_NAMESPACE },
	{ "chroot", SANDBOX_CHROOT },
	{ "none", SANDBOX_NONE },
	{ NULL, 0 },
};

static const struct choice seccomp_modes[] = {
	{ "none", SECCOMP_NONE },
	{ "kill", SECCOMP_KILL },
	{ "log", SECCOMP_LOG },
	{ "trap", SECCOMP_TRAP },
	{ NULL, 0 },
};

static const struct choice caches[] = {
	{ "auto", CACHE_AUTO },
	{ "always", CACHE_ALWAYS },
	{ "metadata", CACHE_METADATA },
	{ "never", CACHE_NEVER },
	{ NULL, 0 },
};

static const struct choice dir_offsets[] = {
	{ "auto", DIR_OFFSETS_AUTO },
	{ "host", DIR_OFFSETS_HOST },
	{ "small", DIR_OFFSETS_SMALL },
	{ NULL, 0 },
};

static const struct choice log_levels[] = {
	{ "off", LOG_LEVEL_OFF },     { "error", LOG_LEVEL_ERROR },
	{ "warn", LOG_LEVEL_WARN },   { "info", LOG_LEVEL_INFO },
	{ "debug", LOG_LEVEL_DEBUG }, { NULL, 0 },
};

#define AT(member) offsetof(struct options, member)

static const struct option known[] = {
	{ "socket-path", OPTION_SOCKET_PATH, AT(client), "PATH",
	  "the same as the client virtio:PATH", NULL },
	{ "shared-dir", OPTION_SHARED_DIR, AT(server), "DIR",
	  "the same as the server dir:DIR", NULL },
	{ "fd", OPTION_FD, AT(listen_fd), "N",
	  "take this open socket, listening or connected", NULL },
	{ "socket-group", OPTION_STRING, AT(socket_group), "GROUP",
	  "let this group connect to the socket", NULL },
	{ "tag", OPTION_TAG, AT(tag), "TAG",
	  "give the device this tag (the monitor asks for it)", NULL },
	{ "thread-pool-size", OPTION_NUMBER, AT(thread_pool_size), "N",
	  "threads that may wait for locks and disks (64)", NULL },
	{ "client-abi", OPTION_ABI, AT(client_abi), "NAME",
	  "the guest's architecture, if it is not found out", NULL },
	{ "legacy", OPTION_CHOICE, AT(policy), "POLICY",
	  "clients that cannot negotiate: translate, refuse, ignore",
	  policies },
	{ "no-detect", OPTION_SET, AT(no_detect), NULL,
	  "believe only the handshake and --client-abi", NULL },
	{ "sandbox", OPTION_CHOICE, AT(sandbox), "MODE",
	  "namespace (default), chroot, none", sandboxes },
	{ "seccomp", OPTION_CHOICE, AT(seccomp), "ACTION",
	  "on a forbidden system call: kill (default), log, trap; none",
	  seccomp_modes },
	{ "modcaps", OPTION_STRING, AT(modcaps), "LIST",
	  "capabilities to keep or drop besides, such as +sys_admin:-mknod",
	  NULL },
	{ "readonly", OPTION_SET, AT(readonly), NULL,
	  "let the client change nothing", NULL },
	{ "cache", OPTION_CHOICE, AT(cache), "MODE",
	  "what the client may keep: auto (default), always, metadata, never",
	  caches },
	{ "writeback", OPTION_SET, AT(writeback), NULL,
	  "let the client collect writes", NULL },
	{ "allow-direct-io", OPTION_SET, AT(allow_direct_io), NULL,
	  "the client's O_DIRECT bypasses this machine's page cache too",
	  NULL },
	{ "allow-mmap", OPTION_SET, AT(allow_mmap), NULL,
	  "shared mappings with --cache never and metadata", NULL },
	{ "no-readdirplus", OPTION_SET, AT(no_readdirplus), NULL,
	  "list names without attributes", NULL },
	{ "dir-offsets", OPTION_CHOICE, AT(dir_offsets), "MODE",
	  "telldir() positions: auto (default), host, small (31 bits)",
	  dir_offsets },
	{ "xattr", OPTION_SET, AT(xattr), NULL, "extended attributes (default)",
	  NULL },
	{ "no-xattr", OPTION_CLEAR, AT(xattr), NULL, "no extended attributes",
	  NULL },
	{ "posix-acl", OPTION_SET, AT(posix_acl), NULL,
	  "POSIX access control lists (default)", NULL },
	{ "no-posix-acl", OPTION_CLEAR, AT(posix_acl), NULL,
	  "no access control lists", NULL },
	{ "killpriv-v2", OPTION_SET, AT(killpriv_v2), NULL,
	  "clear set-user-ID bits here, not in the client (default)", NULL },
	{ "no-killpriv-v2", OPTION_CLEAR, AT(killpriv_v2), NULL,
	  "leave set-user-ID bits to the client", NULL },
	{ "posix-lock", OPTION_SET, AT(posix_lock), NULL,
	  "fcntl() locks also against other clients and here", NULL },
	{ "no-posix-lock", OPTION_CLEAR, AT(posix_lock), NULL,
	  "fcntl() locks within the client only (default)", NULL },
	{ "flock", OPTION_SET, AT(flock), NULL,
	  "flock() also against other clients and here", NULL },
	{ "no-flock", OPTION_CLEAR, AT(flock), NULL,
	  "flock() within the client only (default)", NULL },
	{ "security-label", OPTION_SET, AT(security_label), NULL,
	  "set the security context that the client gives new files", NULL },
	{ "announce-submounts", OPTION_SET, AT(announce_submounts), NULL,
	  "show file systems mounted in the directory as such", NULL },
	{ "preserve-noatime", OPTION_SET, AT(preserve_noatime), NULL,
	  "keep O_NOATIME even where that may fail", NULL },
	{ "rlimit-nofile", OPTION_NUMBER, AT(rlimit_nofile), "N",
	  "open files at most; 0: leave the limit as it is", NULL },
	{ "trace", OPTION_STRING, AT(trace), "FILE",
	  "record every message; `crossfuse decode` shows them", NULL },
	{ "trace-data", OPTION_SET, AT(trace_data), NULL,
	  "and the data that is read and written too", NULL },
	{ "log-level", OPTION_CHOICE, AT(log_level), "LEVEL",
	  "off, error, warn, info (default), debug", log_levels },
	{ "syslog", OPTION_SET, AT(syslog), NULL, "log to syslog", NULL },
};

/* virtiofsd's and others' that a user may try. */
static const char *const absent[] = {
	"xattrmap",
	"uid-map",
	"gid-map",
	"translate-uid",
	"translate-gid",
	"inode-file-handles",
	"migration-mode",
	"migration-on-error",
	"migration-verify-handles",
	"migration-confirm-paths",
	"daemonize",
	"no-announce-submounts",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void print_help(void)
{
	puts("usage: crossfuse [OPTION]... CLIENT SERVER\n"
	     "       crossfuse abi [NAME]\n"
	     "       crossfuse decode [OPTION]... [FILE]\n"
	     "       crossfuse probe [OPTION]... SERVER\n"
	     "\n"
	     "Shares SERVER with a FUSE client of any architecture.\n"
	     "\n"
	     "  CLIENT  virtio:SOCKET  a vhost-user-fs device of a virtual "
	     "machine\n"
	     "  SERVER  dir:DIR        a directory of this machine\n"
	     "\n"
	     "Options (--NAME VALUE or --NAME=VALUE):");
	for (size_t i = 0; i < COUNT(known); i++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s", known[i].name,
			 known[i].word ? " " : "",
			 known[i].word ? known[i].word : "");
		printf("  %-24s %s\n", left, known[i].help);
	}
	puts("  --print-capabilities     what a manager may use, as JSON\n"
	     "  --help, --version\n"
	     "\n"
	     "crossfuse(1) tells more.");
}

static const struct option *find_option(const char *name, size_t length)
{
	for (size_t i = 0; i < COUNT(known); i++)
		if (strlen(known[i].name) == length &&
		    memcmp(known[i].name, name, length) == 0)
			return &known[i];
	return NULL;
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

static int parse_number(const char *name, const char *word, uint64_t max,
			uint64_t *ret_number)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(word, &end, 10);
	if (word[0] < '0' || word[0] > '9' || *end || errno || number > max) {
		log_error("--%s=%s: give a number from 0 to %llu", name, word,
			  (unsigned long long)max);
		return -EINVAL;
	}
	*ret_number = number;
	return 0;
}

static int parse_choice(const struct option *option, const char *word,
			int *ret_value)
{
	char all[128] = "";

	for (const struct choice *choice = option->choices; choice->name;
	     choice++) {
		if (strcmp(choice->name, word) == 0) {
			*ret_value = choice->value;
			return 0;
		}
		if (all[0])
			strcat(all, ", ");
		strcat(all, choice->name);
	}
	log_error("--%s=%s: give one of %s", option->name, word, all);
	return -EINVAL;
}

static int parse_abi(const char *word, const struct crossfuse_abi **ret_abi)
{
	const struct crossfuse_abi *abi = crossfuse_abi_by_name(word);

	if (!abi) {
		log_error("--client-abi=%s: unknown ABI; `crossfuse abi` lists "
			  "those there are",
			  word);
		return -EINVAL;
	}
	*ret_abi = abi;
	return 0;
}

/* "virtio:" + PATH, for the rest of the program's life. */
static int prefixed(const char *scheme, const char *word, const char **ret_spec)
{
	char *spec;

	if (*ret_spec) {
		log_error("%s%s: %s was given already: give one", scheme, word,
			  *ret_spec);
		return -EINVAL;
	}
	if (asprintf(&spec, "%s%s", scheme, word) < 0)
		return -ENOMEM;
	*ret_spec = spec;
	return 0;
}

static int parse_tag(const char *word, const char **ret_tag)
{
	/* struct virtio_fs_config, virtio 5.11.4 */
	if (strlen(word) > 36 || !word[0]) {
		log_error("--tag=%s: give 1 to 36 bytes", word);
		return -EINVAL;
	}
	*ret_tag = word;
	return 0;
}

/* WORD is NULL exactly for the types without one. */
static int apply(struct options *options, const struct option *option,
		 const char *word)
{
	void *member = (char *)options + option->offset;
	uint64_t number;
	int ret = 0;

	switch (option->type) {
	case OPTION_SET:
		*(bool *)member = true;
		break;
	case OPTION_CLEAR:
		*(bool *)member = false;
		break;
	case OPTION_STRING:
		*(const char **)member = word;
		break;
	case OPTION_NUMBER:
		ret = parse_number(option->name, word, INT32_MAX, member);
		break;
	case OPTION_CHOICE:
		ret = parse_choice(option, word, member);
		break;
	case OPTION_ABI:
		ret = parse_abi(word, member);
		break;
	case OPTION_FD:
		ret = parse_number(option->name, word, INT32_MAX, &number);
		if (ret == 0)
			*(int *)member = (int)number;
		break;
	case OPTION_TAG:
		ret = parse_tag(word, member);
		break;
	case OPTION_SOCKET_PATH:
		ret = prefixed("virtio:", word, member);
		break;
	case OPTION_SHARED_DIR:
		ret = prefixed("dir:", word, member);
		break;
	}
	return ret;
}

static bool takes_word(const struct option *option)
{
	return option->type != OPTION_SET && option->type != OPTION_CLEAR;
}

/* ARGV[*INDEX] is an option; *INDEX moves on if its word is the next one. */
static int parse_option(struct options *options, char **argv, int *index)
{
	const char *name = argv[*index] + 2;
	size_t length = strcspn(name, "=");
	const char *word = name[length] ? name + length + 1 : NULL;
	const struct option *option = find_option(name, length);

	if (!option)
		return unknown_option(name, length);
	if (takes_word(option) && !word) {
		word = argv[*index + 1];
		if (!word) {
			log_error("--%s wants a value: %s", option->name,
				  option->word);
			return -EINVAL;
		}
		++*index;
	} else if (!takes_word(option) && word) {
		log_error("--%s takes no value", option->name);
		return -EINVAL;
	}
	return apply(options, option, word);
}

/* A word that is not an option: CLIENT first, then SERVER. */
static int parse_port(struct options *options, const char *word)
{
	size_t length = strcspn(word, ":");
	const char **member = NULL;

	if (word[length] && client_port_find(word, length))
		member = &options->client;
	else if (word[length] && server_port_find(word, length))
		member = &options->server;
	if (!member) {
		log_error("%s: not a client (virtio:SOCKET) nor a server "
			  "(dir:DIR)",
			  word);
		return -EINVAL;
	}
	return prefixed("", word, member);
}

/* Fills in what was left out, and refuses what cannot be. */
static int complete(struct options *options)
{
	if (options->listen_fd < 0 &&
	    (!options->client || strcmp(options->client, "virtio:") == 0)) {
		options->listen_fd = systemd_listen_fd();
		if (options->listen_fd < -1)
			return -EINVAL;
	}
	if (options->listen_fd >= 0 && options->client &&
	    strcmp(options->client, "virtio:") != 0) {
		log_error("--fd and %s: give one of them", options->client);
		return -EINVAL;
	}
	if (!options->client && options->listen_fd >= 0)
		options->client = "virtio:";
	if (!options->client || !options->server) {
		log_error("no %s: give %s; see crossfuse --help",
			  options->client ? "server" : "client",
			  options->client ? "dir:DIR" : "virtio:SOCKET");
		return -EINVAL;
	}
	if (strcmp(options->client, "virtio:") == 0 && options->listen_fd < 0) {
		log_error("virtio: wants a socket: give virtio:SOCKET or --fd");
		return -EINVAL;
	}
	if (options->trace_data && !options->trace) {
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

int options_parse(struct options *options, int argc, char **argv)
{
	bool only_ports = false;
	int ret;

	*options = (struct options){
		.listen_fd = -1,
		.thread_pool_size = 64,
		.rlimit_nofile = RLIMIT_NOFILE_DEFAULT,
		.seccomp = HAVE_SECCOMP ? SECCOMP_KILL : SECCOMP_NONE,
		.xattr = true,
		.posix_acl = true,
		.killpriv_v2 = true,
		.log_level = LOG_LEVEL_INFO,
	};
	if (print_and_end(argc, argv))
		return 1;
	for (int i = 1; i < argc; i++) {
		if (!only_ports && strcmp(argv[i], "--") == 0) {
			only_ports = true;
			continue;
		}
		if (!only_ports && strncmp(argv[i], "--", 2) == 0)
			ret = parse_option(options, argv, &i);
		else if (!only_ports && argv[i][0] == '-' && argv[i][1])
			ret = unknown_option(argv[i] + 1, strlen(argv[i] + 1));
		else
			ret = parse_port(options, argv[i]);
		if (ret < 0)
			return ret;
	}
	return complete(options);
}
