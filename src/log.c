// SPDX-License-Identifier: BSD-2-Clause
#include "log.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

atomic_int log_level = LOG_LEVEL_INFO;

static bool use_syslog;
static bool use_stderr = true;
static atomic_uint all_left_out; /* that no line has told yet */

#define PREFIX	   "crossfuse: "
#define PREFIX_LEN (sizeof(PREFIX) - 1)

void log_open(enum log_level level, bool to_syslog, bool both)
{
	log_level = level;
	use_syslog = to_syslog || both;
	use_stderr = !to_syslog || both;
	if (use_syslog)
		openlog("crossfuse", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

/* What a guest or a path put into a line must not forge another one. */
static void make_printable(char *line)
{
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

static void put_line(enum log_level level, char *line)
{
	static const int priorities[] = {
		[LOG_LEVEL_OFF] = LOG_ERR,	[LOG_LEVEL_ERROR] = LOG_ERR,
		[LOG_LEVEL_WARN] = LOG_WARNING, [LOG_LEVEL_INFO] = LOG_INFO,
		[LOG_LEVEL_DEBUG] = LOG_DEBUG,
	};
	size_t length;

	make_printable(line);
	if (use_syslog)
		syslog(priorities[level], "%s", line + PREFIX_LEN);
	if (!use_stderr || (use_syslog && level > LOG_LEVEL_WARN))
		return;
	/* One write, so that lines of threads do not mix. */
	length = strlen(line);
	line[length] = '\n';
	if (write(STDERR_FILENO, line, length + 1) < 0) {
		/* Nowhere is left to say it. */
	}
}

/*
 * Whether a line may be written now; then *RET_LEFT_OUT is how many were not
 * since the last one. Without a lock, for a fault may be told at any time: where
 * threads meet, a line more or less is.
 */
static bool admit(struct log_place *place, unsigned int *ret_left_out)
{
	unsigned int begin = atomic_load(&place->begin), now;
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	now = (unsigned int)time.tv_sec;
	if (now - begin >= LOG_SECONDS &&
	    atomic_compare_exchange_strong(&place->begin, &begin, now))
		atomic_store(&place->lines, 0);
	if (atomic_load(&place->lines) >= LOG_BURST ||
	    atomic_fetch_add(&place->lines, 1) >= LOG_BURST) {
		atomic_fetch_add(&place->left_out, 1);
		atomic_fetch_add(&all_left_out, 1);
		return false;
	}
	*ret_left_out = atomic_exchange(&place->left_out, 0);
	atomic_fetch_sub(&all_left_out, *ret_left_out);
	return true;
}

void log_line(struct log_place *place, enum log_level level, const char *format,
	      ...)
{
	char line[2048] = PREFIX;
	unsigned int left_out = 0;
	va_list arguments;
	int saved = errno;
	size_t length;

	if (level < LOG_LEVEL_DEBUG && !admit(place, &left_out))
		goto out;
	errno = saved; /* for %m */
	va_start(arguments, format);
	vsnprintf(line + PREFIX_LEN, sizeof(line) - PREFIX_LEN - 64, format,
		  arguments);
	va_end(arguments);
	length = strlen(line);
	if (left_out)
		snprintf(line + length, sizeof(line) - length - 1,
			 " (%u lines like this were left out)", left_out);
	put_line(level, line);
out:
	errno = saved;
}

void log_close(void)
{
	unsigned int left_out = atomic_exchange(&all_left_out, 0);
	char line[128];

	if (!left_out)
		return;
	snprintf(line, sizeof(line) - 1,
		 PREFIX "%u more lines like those above were left out",
		 left_out);
	put_line(LOG_LEVEL_WARN, line);
}
