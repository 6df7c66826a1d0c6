// SPDX-License-Identifier: BSD-2-Clause
#include "log.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

enum log_level log_level = LOG_LEVEL_INFO;

static bool use_syslog;

void log_open(enum log_level level, bool to_syslog)
{
	log_level = level;
	use_syslog = to_syslog;
	if (to_syslog)
		openlog("crossfuse", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

/* What a guest or a path put into a line must not forge another one. */
static void make_printable(char *line)
{
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

void log_line(enum log_level level, const char *format, ...)
{
	static const int priorities[] = {
		[LOG_LEVEL_OFF] = LOG_ERR,	[LOG_LEVEL_ERROR] = LOG_ERR,
		[LOG_LEVEL_WARN] = LOG_WARNING, [LOG_LEVEL_INFO] = LOG_INFO,
		[LOG_LEVEL_DEBUG] = LOG_DEBUG,
	};
	static const char prefix[] = "crossfuse: ";
	enum {
		PREFIX = sizeof(prefix) - 1
	};
	char line[2048];
	va_list arguments;
	size_t length;
	int saved = errno;

	memcpy(line, prefix, PREFIX);
	va_start(arguments, format);
	vsnprintf(line + PREFIX, sizeof(line) - PREFIX - 1, format, arguments);
	va_end(arguments);
	make_printable(line);
	if (use_syslog) {
		syslog(priorities[level], "%s", line + PREFIX);
	} else {
		/* One write, so that lines of threads do not mix. */
		length = strlen(line);
		line[length] = '\n';
		if (write(STDERR_FILENO, line, length + 1) < 0) {
			/* Nowhere is left to say it. */
		}
	}
	errno = saved;
}
