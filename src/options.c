// SPDX-License-Identifier: BSD-2-Clause
#include "log.h"
#include "options_private.h"
#include "port/port.h"
#include "similar.h"
#include "systemd.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* The first words that are no port, for hints. */
static const char *const commands_names[] = { "abi",   "ctl", "decode",
					      "probe", "top", NULL };

/* The options that print and end; those two are also said as words. */
static const char *const printing[] = { "help", "version", "print-capabilities",
					NULL };

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
		if (list->help)
			print_option(list);
}

static void print_help(void)
{
	struct row row;

	puts("usage: crossfuse [OPTION]... CLIENT SERVER\n"
	     "       crossfuse abi [NAME]\n"
	     "       crossfuse ctl SOCKET COMMAND\n"
	     "       crossfuse decode [OPTION]... [FILE]\n"
	     "       crossfuse probe [OPTION]... SERVER\n"
	     "       crossfuse top [OPTION]... SOCKET...\n"
	     "\n"
	     "Shares SERVER with a FUSE client of any architecture.\n");
	print_ports("CLIENT", &parsed.client);
	print_ports("SERVER", &parsed.server);
	puts("\nOptions (--NAME VALUE or --NAME=VALUE):");
	for (size_t i = 0; row_at(i, &row); i++)
		for (size_t j = 0; row.lists && row.lists[j]; j++)
			print_list(i, row.lists[j]);
	for (const struct option *option = known; option->name; option++)
		if (option->help)
			print_option(option);
	puts("  -o LIST                  NAME[=VALUE],... of these, with _ "
	     "for -; mount: also as\n"
	     "                           mount -o\n"
	     "  -f                       SERVER DIRECTORY: stay in the "
	     "foreground\n"
	     "  --print-capabilities     what a manager may use, as JSON\n"
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

/* One of all there are that NAME may be meant for; NULL: none is near. */
static const char *near_option(const char *name, size_t length)
{
	const char *near = similar_find(name, length, printing);
	struct row row;

	for (const struct option *o = known; o->name && !near; o++)
		near = o->help ? similar(name, length, o->name) : NULL;
	for (size_t i = 0; !near && row_at(i, &row); i++)
		for (size_t j = 0; row.lists && row.lists[j]; j++)
			for (const struct option *o = row.lists[j];
			     o->name && !near; o++)
				near = similar(name, length, o->name);
	return near;
}

static int unknown_option(const char *text)
{
	const char *name = text + (text[1] == '-' ? 2 : 1);
	size_t length = strcspn(name, "=");
	const char *near = near_option(name, length);

	if (length == 9 && memcmp(name, "daemonize", length) == 0)
		log_error("--daemonize is not supported by crossfuse: leave it "
			  "out, and let a service manager start it");
	else if (near)
		log_error("unknown option --%.*s: did you mean --%s?",
			  (int)length, name, near);
	else
		log_error("unknown option %.*s: see crossfuse --help",
			  (int)(name - text + (ptrdiff_t)length), text);
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

/* One of the words of the command line, with what belongs to it. */
struct word {
	const char *text; /* all of it */
	const char *name; /* of an option; a port; NULL: "--" */
	size_t length;
	const char *value; /* behind its "=", or the next word; NULL: none */
	bool port;
	bool list; /* -o, whose list is VALUE */
	/* Of options; NULL: there is none of that name. */
	const struct option *option;
	struct row row;
};

/* An option by its whole name; a value may begin with a dash. */
static bool is_option(const char *text)
{
	struct row row;

	return strncmp(text, "--", 2) == 0 &&
	       find_option(text + 2, strcspn(text + 2, "="), &row);
}

static int take_value(struct word *word, const char *word_for, char **argv,
		      int *index)
{
	if (word->value)
		return 0;
	word->value = argv[*index + 1];
	if (!word->value || is_option(word->value)) {
		log_error("-%s%.*s wants a value: %s", word->list ? "" : "-",
			  (int)word->length, word->name, word_for);
		return -EINVAL;
	}
	++*index;
	return 0;
}

/* ARGV[*INDEX] and what belongs to it; *INDEX is left at its last word. */
static int read_word(char **argv, int *index, bool only_ports,
		     struct word *ret_word)
{
	const char *text = argv[*index];
	struct word word = { .text = text,
			     .name = text,
			     .length = strlen(text) };
	int ret = 0;

	if (only_ports || text[0] != '-' || !text[1]) {
		word.port = true;
	} else if (strcmp(text, "--") == 0) {
		word.name = NULL;
	} else if (text[1] == 'o') {
		word.list = true;
		word.name = "o";
		word.length = 1;
		word.value = text[2] ? text + 2 : NULL;
		ret = take_value(&word, "LIST", argv, index);
	} else {
		word.name = text + (text[1] == '-' ? 2 : 1);
		word.length = strcspn(word.name, "=");
		/* -d is short for an option, --d and -debug are none. */
		if ((text[1] == '-') == (word.length > 1))
			word.option =
				find_option(word.name, word.length, &word.row);
		if (word.name[word.length])
			word.value = word.name + word.length + 1;
		else if (word.option)
			word.value = word.option->left_out;
		if (word.option && option_takes_word(word.option))
			ret = take_value(&word, word.option->word, argv, index);
	}
	if (ret == 0)
		*ret_word = word;
	return ret;
}

static const struct client_port_ops *chosen_client(void)
{
	const char *spec = parsed.client;

	return spec ? client_port_find(spec, strcspn(spec, ":")) : NULL;
}

/* The option that takes what -o has and is not ours; NULL: there is none. */
static const struct option *list_option(void)
{
	const struct client_port_ops *client = chosen_client();
	const char *name = client ? client->list_option : NULL;
	struct row row;

	return name ? find_option(name, strlen(name), &row) : NULL;
}

/* The name is ours, but for "_"; what has one letter is not, in a list. */
static int apply_item(const char *item)
{
	const struct option *others = list_option();
	struct word word = { .length = strcspn(item, "=") };
	char name[64];

	if (item[word.length])
		word.value = item + word.length + 1;
	if (word.length >= sizeof(name))
		word.length = sizeof(name) - 1;
	for (size_t i = 0; i < word.length; i++)
		name[i] = item[i] == '_' ? '-' : item[i];
	if (word.length > 1 || !others)
		word.option = find_option(name, word.length, &word.row);
	if (!word.option && others)
		return option_apply(others, item);
	if (!word.option) {
		log_error("-o %s: there is no such option: see crossfuse "
			  "--help",
			  item);
		return -EINVAL;
	}
	if (!word.value)
		word.value = word.option->left_out;
	if (option_takes_word(word.option) != (word.value != NULL)) {
		log_error("-o %s: %s%s", item,
			  word.value ? "it takes no value"
				     : "it wants a value: ",
			  word.value ? "" : word.option->word);
		return -EINVAL;
	}
	if (word.option->type == OPTION_ARGUMENT)
		return choose(word.row.spec, word.row.scheme, word.value);
	return option_apply(word.option, word.value);
}

/* Up to the next comma that has no "\\" before it, which stays. */
static char *next_item(char **rest)
{
	char *item = *rest, *at = item;

	while (*at && *at != ',')
		at += at[0] == '\\' && at[1] ? 2 : 1;
	*rest = *at ? at + 1 : NULL;
	*at = '\0';
	return item;
}

static int apply_list(const char *text)
{
	char *rest = strdup(text); /* for the rest of the program's life */
	int ret = rest ? 0 : -ENOMEM;

	while (ret == 0 && rest) {
		const char *item = next_item(&rest);

		if (*item)
			ret = apply_item(item);
	}
	return ret;
}

static int apply(const struct word *word)
{
	if (word->list)
		return apply_list(word->value);
	if (!option_takes_word(word->option) && word->value) {
		log_error("--%s takes no value", word->option->name);
		return -EINVAL;
	}
	if (word->option->type == OPTION_ARGUMENT)
		return choose(word->row.spec, word->row.scheme, word->value);
	return option_apply(word->option, word->value);
}

/* As mount(8) calls programs: SERVER DIRECTORY -o LIST. */
static int choose_directory(const char *word, bool *ret_chosen)
{
	for (size_t i = 0; client_ports[i]; i++) {
		if (!client_ports[i]->plain_directory || parsed.client ||
		    !parsed.server || word[0] != '/')
			continue;
		*ret_chosen = true;
		parsed.background = true;
		return choose(&parsed.client, client_ports[i]->scheme, word);
	}
	return 0;
}

/* A scheme that the beginning of WORD may be meant for; NULL: none is near. */
static const char *near_scheme(const char *word)
{
	size_t length = strcspn(word, ":=");
	const char *near = NULL;
	struct row row;

	for (size_t i = 0; word[length] && !near && row_at(i, &row); i++)
		near = length == strlen(row.scheme) &&
				       strncasecmp(word, row.scheme, length) ==
					       0
			       ? row.scheme
			       : similar(word, length, row.scheme);
	return near;
}

/* Not one of a port, nor a command. */
static int unknown_word(const char *word, const char *ports)
{
	const char *command = similar_find(word, strlen(word), commands_names);
	const char *option = similar_find(word, strlen(word), printing);
	const char *scheme = near_scheme(word);
	struct stat st;

	if (command)
		log_error("%s: did you mean `crossfuse %s`?", word, command);
	else if (option)
		log_error("%s: did you mean `crossfuse --%s`?", word, option);
	else if (scheme)
		log_error("%s: did you mean %s:%s?", word, scheme,
			  word + strcspn(word, ":=") + 1);
	else if (parsed.client && parsed.server)
		log_error("%s: there are %s and %s already: leave it out", word,
			  parsed.client, parsed.server);
	else if (stat(word, &st) == 0 && S_ISDIR(st.st_mode))
		log_error("%s: did you mean %s:%s?", word,
			  server_ports[0]->scheme, word);
	else if (strchr(word, '/') && !strchr(word, ':'))
		log_error("%s: did you mean %s:%s?", word,
			  client_ports[0]->scheme, word);
	else
		log_error("%s: not one of %s", word, ports);
	return -EINVAL;
}

/* A word that is not an option: CLIENT or SERVER. */
static int parse_port(const char *word)
{
	size_t length = strcspn(word, ":");
	char known_ports[256] = "";
	bool chosen = false;
	struct row row;
	int ret;

	for (size_t i = 0; row_at(i, &row); i++) {
		size_t used = strlen(known_ports);

		if (word[length] && strlen(row.scheme) == length &&
		    memcmp(row.scheme, word, length) == 0)
			return choose(row.spec, row.scheme, word + length + 1);
		snprintf(known_ports + used, sizeof(known_ports) - used,
			 "%s%s:%s", used ? ", " : "", row.scheme, row.argument);
	}
	ret = choose_directory(word, &chosen);
	return chosen ? ret : unknown_word(word, known_ports);
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
static int check(const struct word *word)
{
	const struct option *option = word->option;
	const struct row *row = &word->row;

	if (!option || !row->scheme || option->type == OPTION_ARGUMENT)
		return 0;
	if (!*row->spec && option->selects)
		return choose(row->spec, row->scheme, "");
	/* Ports of both kinds may have it. */
	if (!*row->spec || spec_has(parsed.client, word->name, word->length) ||
	    spec_has(parsed.server, word->name, word->length))
		return 0;
	log_error("--%s is an option of %s: and does nothing for %s: leave it "
		  "out",
		  option->name, row->scheme, *row->spec);
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
	parsed.local_users = chosen_client()->local_users;
	if (parsed.foreground || parsed.log_level >= LOG_LEVEL_DEBUG)
		parsed.background = false;
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

/* Whatever else is wrong: what follows it may be meant for its value. */
static int refuse_unknown(const struct word *word)
{
	if (word->port || word->list || !word->name || word->option)
		return 0;
	return unknown_option(word->text);
}

static int take_port(const struct word *word)
{
	return word->port ? parse_port(word->name) : 0;
}

static int take_option(const struct word *word)
{
	return word->port || !word->name ? 0 : apply(word);
}

/* Each word of the command line. */
static int for_each_word(char **argv, int (*take)(const struct word *word))
{
	bool only_ports = false;
	int ret = 0;

	for (int i = 1; argv[i] && ret == 0; i++) {
		struct word word;

		ret = read_word(argv, &i, only_ports, &word);
		if (ret < 0)
			return ret;
		only_ports = only_ports || !word.name;
		ret = take(&word);
	}
	return ret;
}

int options_parse(struct options *options, int argc, char **argv)
{
	int ret;

	if (print_and_end(argc, argv))
		return 1;
	ret = for_each_word(argv, refuse_unknown);
	/* What -o means depends on the client. */
	if (ret == 0)
		ret = for_each_word(argv, take_port);
	if (ret == 0)
		ret = for_each_word(argv, take_option);
	if (ret == 0)
		ret = for_each_word(argv, check);
	if (ret == 0)
		ret = complete();
	*options = parsed;
	return ret;
}
