// SPDX-License-Identifier: BSD-2-Clause
/* What somebody else makes the log say again and again is counted instead. */
#include "../../src/log.h"
#include "check.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	TIMES = 500
};

static char text[1 << 16];

static unsigned int count(const char *what)
{
	unsigned int found = 0;

	for (const char *at = text; (at = strstr(at, what)); at++)
		found++;
	return found;
}

/* What is logged meanwhile stands in TEXT. */
static void record(void (*log)(void))
{
	int old = dup(STDERR_FILENO), ends[2];
	ssize_t len;

	CHECK_EQ(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	log();
	log_close();
	dup2(old, STDERR_FILENO);
	close(old);
	len = read(ends[0], text, sizeof(text) - 1);
	close(ends[0]);
	text[len > 0 ? len : 0] = '\0';
}

static void repeat(void)
{
	for (unsigned int i = 0; i < TIMES; i++) {
		errno = ENOTDIR;
		log_error("again: %m");
		CHECK_EQ(errno, ENOTDIR);
		log_info("of another place");
		log_debug("asked for");
	}
	log_warn("once");
}

static void nothing(void)
{
}

int main(void)
{
	log_level = LOG_LEVEL_DEBUG;
	record(repeat);
	CHECK_EQ(count("again: Not a directory\n"), LOG_BURST);
	CHECK_EQ(count("of another place\n"), LOG_BURST);
	CHECK_EQ(count("asked for\n"), TIMES);
	CHECK_EQ(count("once\n"), 1);
	CHECK_EQ(count("980 more lines"), 1);
	/* It is told once. */
	record(nothing);
	CHECK_EQ(count("more lines"), 0);
	return check_result();
}
