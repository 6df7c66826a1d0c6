/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program's log: one line each on standard error, or to syslog. Every
 * function may be called from any thread, before log_open() too.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_OFF,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

extern enum log_level log_level; /* default: LOG_LEVEL_INFO */

/* From here on to syslog, which must still be reachable, or to stderr. */
void log_open(enum log_level level, bool to_syslog);

void log_line(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* No newline at the end of FORMAT; %m works. */
#define log_at(level, ...)                            \
	do {                                          \
		if ((level) <= log_level)             \
			log_line(level, __VA_ARGS__); \
	} while (0)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
