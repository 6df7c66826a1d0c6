/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One option of the command line. Whoever reads its value declares it: a port
 * in its row, the command in options.c.
 */
#ifndef OPTION_H
#define OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the word behind an option becomes a value. */
enum option_type {
	OPTION_SET,	/* no word: a bool becomes true */
	OPTION_CLEAR,	/* no word: a bool becomes false */
	OPTION_FIXED,	/* no word: an int becomes FIXED */
	OPTION_NOTHING, /* no word: taken for others' sake */
	OPTION_STRING,
	OPTION_NUMBER, /* a uint64_t */
	OPTION_INT,    /* an int, not negative */
	OPTION_CHOICE, /* an int, by name */
	OPTION_ABI,
	OPTION_PARSED, /* by PARSE, each time it is given */
	/* No value: the word is the argument of the port with this row. */
	OPTION_ARGUMENT,
};

struct option_choice {
	const char *name; /* NULL: the end of the list */
	int value;
};

struct option {
	const char *name; /* without the dashes; NULL: the end of the list */
	enum option_type type;
	void *value;	  /* holds the default at first; lasts for ever */
	const char *word; /* for the help text; NULL exactly if there is none */
	const char *help; /* NULL: another spelling, that is not shown */
	int fixed;
	const struct option_choice *choices;
	uint64_t max;	      /* bytes of a string; 0: any */
	const char *left_out; /* stands for the word if there is no "="; NULL */
	/* 0, -ENOMEM, or -EINVAL, logged. */
	int (*parse)(const struct option *option, const char *word);
	/* Given without a port of its row's kind, it stands for SCHEME: */
	bool selects;
};

/* A row, with further members behind it. */
#define OPTION(name_, type_, value_, word_, help_, ...)                 \
	{                                                               \
		.name = name_, .type = OPTION_##type_, .value = value_, \
		.word = word_, .help = help_, __VA_ARGS__               \
	}

static inline bool option_takes_word(const struct option *option)
{
	return option->type != OPTION_SET && option->type != OPTION_CLEAR &&
	       option->type != OPTION_FIXED && option->type != OPTION_NOTHING;
}

/*
 * Puts WORD (NULL exactly for those without one) into the option's value.
 * 0 or -EINVAL, logged.
 */
int option_apply(const struct option *option, const char *word);

#endif
