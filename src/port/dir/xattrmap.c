// SPDX-License-Identifier: BSD-2-Clause
#include "xattrmap.h"
#include "../../log.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum rule_type {
	RULE_PREFIX, /* add PREPEND to the client's name, take it off the host's */
	RULE_OK,
	RULE_BAD,
	RULE_UNSUPPORTED,
};

enum {
	SCOPE_CLIENT = 1, /* names from the client, by KEY */
	SCOPE_SERVER = 2, /* names that the host lists, by PREPEND */
	SCOPE_ALL = SCOPE_CLIENT | SCOPE_SERVER,
};

struct rule {
	enum rule_type type;
	unsigned int scope;
	char *key, *prepend; /* prefixes; may be empty */
};

struct xattrmap {
	struct rule *rules;
	unsigned int count;
};

struct word {
	const char *name;
	int value;
};

static const struct word types[] = {
	{ "prefix", RULE_PREFIX },
	{ "ok", RULE_OK },
	{ "bad", RULE_BAD },
	{ "unsupported", RULE_UNSUPPORTED },
	{ NULL, 0 },
};

static const struct word scopes[] = {
	{ "client", SCOPE_CLIENT },
	{ "server", SCOPE_SERVER },
	{ "all", SCOPE_ALL },
	{ NULL, 0 },
};

/* A field of a rule, in the text. */
struct field {
	const char *at;
	size_t len;
};

/* Where parsing is. */
struct parser {
	const char *at;
	const char *rule; /* its start, for messages */
	unsigned int number;
	char separator;
};

static bool is_word(const struct field *field, const char *word)
{
	return field->len == strlen(word) &&
	       memcmp(field->at, word, field->len) == 0;
}

static int find_word(const struct word *words, const struct field *field,
		     int *ret_value)
{
	for (; words->name; words++)
		if (is_word(field, words->name)) {
			*ret_value = words->value;
			return 0;
		}
	return -EINVAL;
}

static int next_field(struct parser *parser, struct field *ret_field)
{
	const char *end = strchr(parser->at, parser->separator);

	if (!end) {
		log_error("--xattrmap: rule %u, %s, is not finished: say "
			  ":TYPE:SCOPE:KEY:PREPEND: or :map:KEY:PREPEND:",
			  parser->number, parser->rule);
		return -EINVAL;
	}
	*ret_field = (struct field){ parser->at, (size_t)(end - parser->at) };
	parser->at = end + 1;
	return 0;
}

static int unknown_word(const struct parser *parser, const char *what,
			const struct field *field, const char *all)
{
	log_error("--xattrmap: rule %u: '%.*s' is no %s: give %s",
		  parser->number, (int)field->len, field->at, what, all);
	return -EINVAL;
}

static int add(struct xattrmap *map, enum rule_type type, unsigned int scope,
	       const struct field *key, const struct field *prepend)
{
	struct rule *rules, *rule;

	rules = realloc(map->rules, (map->count + 1) * sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	map->rules = rules;
	rule = &rules[map->count++];
	*rule = (struct rule){
		.type = type,
		.scope = scope,
		.key = strndup(key->at, key->len),
		.prepend = strndup(prepend->at, prepend->len),
	};
	return rule->key && rule->prepend ? 0 : -ENOMEM;
}

/*
 * KEY gets the prefix. What has it already the client must not name, and what
 * the host has under KEY itself is not shown. All other names stay.
 */
static int add_map(struct xattrmap *map, const struct field *key,
		   const struct field *prepend)
{
	static const struct field none = { "", 0 };
	int ret = add(map, RULE_PREFIX, SCOPE_ALL, key, prepend);

	if (ret == 0 && !key->len)
		return add(map, RULE_BAD, SCOPE_ALL, &none, &none);
	if (ret == 0)
		ret = add(map, RULE_BAD, SCOPE_SERVER, &none, key);
	if (ret == 0)
		ret = add(map, RULE_BAD, SCOPE_CLIENT, prepend, &none);
	if (ret == 0)
		ret = add(map, RULE_OK, SCOPE_ALL, &none, &none);
	return ret;
}

/* 0; 1 after the last rule there can be. */
static int parse_rule(struct parser *parser, struct xattrmap *map)
{
	struct field type, scope, key, prepend;
	int type_value, scope_value, ret;
	bool is_map;

	ret = next_field(parser, &type);
	if (ret < 0)
		return ret;
	is_map = is_word(&type, "map");
	if (!is_map && find_word(types, &type, &type_value) < 0)
		return unknown_word(parser, "type", &type,
				    "prefix, ok, bad, unsupported or map");
	if (!is_map) {
		ret = next_field(parser, &scope);
		if (ret < 0)
			return ret;
		if (find_word(scopes, &scope, &scope_value) < 0)
			return unknown_word(parser, "scope", &scope,
					    "client, server or all");
	}
	ret = next_field(parser, &key);
	if (ret == 0)
		ret = next_field(parser, &prepend);
	if (ret < 0)
		return ret;
	if (key.len > XATTR_NAME_MAX || prepend.len > XATTR_NAME_MAX) {
		log_error("--xattrmap: rule %u: no name has more than %d "
			  "bytes: give a shorter one",
			  parser->number, XATTR_NAME_MAX);
		return -EINVAL;
	}
	if (!is_map)
		return add(map, (enum rule_type)type_value,
			   (unsigned int)scope_value, &key, &prepend);
	ret = add_map(map, &key, &prepend);
	return ret < 0 ? ret : 1;
}

static void skip_space(struct parser *parser)
{
	while (isspace((unsigned char)*parser->at))
		parser->at++;
}

static int parse(const char *text, struct xattrmap *map)
{
	struct parser parser = { .at = text };
	int ret = 0;

	for (skip_space(&parser); *parser.at; skip_space(&parser)) {
		parser.number++;
		if (ret == 1) {
			log_error("--xattrmap: rule %u, %s, is behind 'map': "
				  "that must be the last one",
				  parser.number, parser.at);
			return -EINVAL;
		}
		parser.rule = parser.at;
		parser.separator = *parser.at++;
		ret = parse_rule(&parser, map);
		if (ret < 0)
			return ret;
	}
	if (!map->count) {
		log_error("--xattrmap: no rule: say :TYPE:SCOPE:KEY:PREPEND: "
			  "or :map:KEY:PREPEND:");
		return -EINVAL;
	}
	return 0;
}

int xattrmap_parse(const char *text, struct xattrmap **ret_map)
{
	struct xattrmap *map = calloc(1, sizeof(*map));
	int ret;

	if (!map)
		return -ENOMEM;
	ret = parse(text, map);
	if (ret < 0)
		xattrmap_free(map);
	else
		*ret_map = map;
	return ret;
}

void xattrmap_free(struct xattrmap *map)
{
	if (!map)
		return;
	for (unsigned int i = 0; i < map->count; i++) {
		free(map->rules[i].key);
		free(map->rules[i].prepend);
	}
	free(map->rules);
	free(map);
}

static bool starts_with(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* The rule for a name of the client, or of the host; NULL: none. */
static const struct rule *find_rule(const struct xattrmap *map,
				    const char *name, unsigned int scope)
{
	for (unsigned int i = 0; i < map->count; i++) {
		const struct rule *rule = &map->rules[i];

		if (rule->scope & scope &&
		    starts_with(name, scope == SCOPE_CLIENT ? rule->key
							    : rule->prepend))
			return rule;
	}
	return NULL;
}

int xattrmap_to_host(const struct xattrmap *map, const char *name,
		     struct xattr_name *ret_name)
{
	const struct rule *rule = NULL;
	const char *prefix = "";

	if (strlen(name) > XATTR_NAME_MAX)
		return -ERANGE;
	if (map) {
		rule = find_rule(map, name, SCOPE_CLIENT);
		if (!rule || rule->type == RULE_BAD)
			return -EPERM;
		if (rule->type == RULE_UNSUPPORTED)
			return -EOPNOTSUPP;
		if (rule->type == RULE_PREFIX)
			prefix = rule->prepend;
	}
	stpcpy(stpcpy(ret_name->text, prefix), name);
	return 0;
}

const char *xattrmap_to_client(const struct xattrmap *map, const char *name)
{
	const struct rule *rule;

	if (!map)
		return name;
	rule = find_rule(map, name, SCOPE_SERVER);
	if (!rule || rule->type == RULE_BAD || rule->type == RULE_UNSUPPORTED)
		return NULL;
	if (rule->type == RULE_PREFIX)
		name += strlen(rule->prepend);
	return name;
}

bool xattrmap_keeps(const struct xattrmap *map, const char *name)
{
	struct xattr_name host;

	return xattrmap_to_host(map, name, &host) == 0 &&
	       strcmp(host.text, name) == 0;
}
