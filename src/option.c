// SPDX-License-Identifier: BSD-2-Clause
#include "option.h"
#include "log.h"
#include <crossfuse/abi.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

	for (const struct option_choice *choice = option->choices; choice->name;
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

static int parse_abi(const struct option *option, const char *word,
		     const struct crossfuse_abi **ret_abi)
{
	const struct crossfuse_abi *abi = crossfuse_abi_by_name(word);

	if (!abi) {
		log_error("--%s=%s: unknown ABI; `crossfuse abi` lists those "
			  "there are",
			  option->name, word);
		return -EINVAL;
	}
	*ret_abi = abi;
	return 0;
}

int option_apply(const struct option *option, const char *word)
{
	uint64_t number;
	int ret = 0;

	switch (option->type) {
	case OPTION_SET:
	case OPTION_CLEAR:
		*(bool *)option->value = option->type == OPTION_SET;
		break;
	case OPTION_FIXED:
		*(int *)option->value = option->fixed;
		break;
	case OPTION_NOTHING:
		break;
	case OPTION_PARSED:
		ret = option->parse(option, word);
		break;
	case OPTION_STRING:
		if (option->max && (!*word || strlen(word) > option->max)) {
			log_error("--%s=%s: give 1 to %llu bytes", option->name,
				  word, (unsigned long long)option->max);
			return -EINVAL;
		}
		*(const char **)option->value = word;
		break;
	case OPTION_NUMBER:
		ret = parse_number(option->name, word, INT32_MAX,
				   option->value);
		break;
	case OPTION_INT:
		ret = parse_number(option->name, word, INT32_MAX, &number);
		if (ret == 0)
			*(int *)option->value = (int)number;
		break;
	case OPTION_CHOICE:
		ret = parse_choice(option, word, option->value);
		break;
	case OPTION_ABI:
		ret = parse_abi(option, word, option->value);
		break;
	case OPTION_ARGUMENT: /* the command line's own */
		break;
	}
	return ret;
}
