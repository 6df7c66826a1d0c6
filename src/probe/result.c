// SPDX-License-Identifier: BSD-2-Clause
#include "probe.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum when {
	ONCE,
	FORM,
	LATE
};
enum force {
	MUST,
	SHOULD
};

static const struct {
	const char *id;
	enum when when;
	enum force force;
	const char *text;
} rules[] = {
#define ROW(name, id, when, force, text) { id, when, force, text },
	PROBE_RULES(ROW)
#undef ROW
};

void rule_ok(struct probe *probe, enum rule rule)
{
	struct result *result = &probe->results[rule];

	if (result->verdict != VERDICT_FAIL)
		result->verdict = VERDICT_OK;
}

void rule_skip(struct probe *probe, enum rule rule, const char *format, ...)
{
	struct result *result = &probe->results[rule];
	va_list args;

	if (result->verdict != VERDICT_NONE)
		return;
	result->verdict = VERDICT_SKIP;
	va_start(args, format);
	vsnprintf(result->detail, sizeof(result->detail), format, args);
	va_end(args);
}

/* The first fault stays. */
static void set_fault(struct result *result, const char *format, va_list args)
{
	if (result->verdict == VERDICT_FAIL)
		return;
	result->verdict = VERDICT_FAIL;
	vsnprintf(result->detail, sizeof(result->detail), format, args);
}

void rule_fail(struct probe *probe, enum rule rule, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_fault(&probe->results[rule], format, args);
	va_end(args);
}

void rule_check(struct probe *probe, enum rule rule, bool holds,
		const char *format, ...)
{
	va_list args;

	if (holds) {
		rule_ok(probe, rule);
		return;
	}
	va_start(args, format);
	set_fault(&probe->results[rule], format, args);
	va_end(args);
}

const char *error_text(const struct probe *probe, int ret)
{
	static char text[80];
	const char *name;

	if (ret == 0)
		return "success";
	if (ret < 0) {
		snprintf(text, sizeof(text), "no answer (%s)", strerror(-ret));
		return text;
	}
	name = crossfuse_errno_name(probe->form, ret);
	snprintf(text, sizeof(text), "error %d (%s)", ret,
		 name ? name : "of no meaning");
	return text;
}

bool rule_works(struct probe *probe, enum rule rule, int ret, const char *what)
{
	if (ret == 0)
		return true;
	rule_fail(probe, rule, "%s: %s", what, error_text(probe, ret));
	return false;
}

void rule_error(struct probe *probe, enum rule rule, int ret, int32_t error)
{
	int32_t wanted = errno_value(probe, error);

	rule_check(probe, rule, ret == wanted, "%s instead of %d",
		   error_text(probe, ret), wanted);
}

void results_clear(struct probe *probe)
{
	memset(probe->results, 0, sizeof(probe->results));
	probe->why[0] = 0;
}

static void print_line(struct probe *probe, enum rule rule)
{
	const struct result *result = &probe->results[rule];
	const char *word = "skip", *detail = result->detail;

	switch (result->verdict) {
	case VERDICT_OK:
		word = "ok  ";
		detail = "";
		probe->ok++;
		break;
	case VERDICT_FAIL:
		if (rules[rule].force == MUST || probe->strict) {
			word = "FAIL";
			probe->failed++;
		} else {
			word = "warn";
			probe->warned++;
		}
		break;
	case VERDICT_NONE:
		detail = probe->why[0] ? probe->why : "not reached";
		probe->skipped++;
		break;
	default:
		probe->skipped++;
		break;
	}
	if (probe->quiet && word[0] != 'F' && word[0] != 'w')
		return;
	printf("%s %s %s%s: %s%s%s%s\n", word, rules[rule].id,
	       crossfuse_abi_name(probe->abi),
	       probe->canonical ? " canonical" : "", rules[rule].text,
	       *detail ? " (" : "", detail, *detail ? ")" : "");
}

static void print_lines(struct probe *probe, enum when when)
{
	for (int rule = 0; rule < RULE_COUNT; rule++)
		if (rules[rule].when == when)
			print_line(probe, (enum rule)rule);
	fflush(stdout);
}

void results_print_once(struct probe *probe)
{
	print_lines(probe, ONCE);
}

void results_print(struct probe *probe)
{
	print_lines(probe, FORM);
}

void results_print_late(struct probe *probe)
{
	print_lines(probe, LATE);
}

void results_skip(struct probe *probe, const char *section)
{
	probe->skipped++;
	if (!probe->quiet)
		printf("skip %s %s%s: all that is left (%s)\n", section,
		       crossfuse_abi_name(probe->abi),
		       probe->canonical ? " canonical" : "", probe->why);
	fflush(stdout);
}

void result_print(struct probe *probe, enum rule rule)
{
	print_line(probe, rule);
	fflush(stdout);
}

void rules_list(void)
{
	for (int rule = 0; rule < RULE_COUNT; rule++)
		printf("%s: %s%s\n", rules[rule].id, rules[rule].text,
		       rules[rule].force == SHOULD ? " (SHOULD)" : "");
}
