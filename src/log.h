/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program's log: one line each on standard error, or to syslog. Every
 * function may be called from any thread, before log_open() too.
 */
#ifndef LOG_H
#define LOG_H

#include <stdatomic.h>
#include <stdbool.h>

enum log_level {
	LOG_LEVEL_OFF,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* An enum log_level, which may change at any time; default: LOG_LEVEL_INFO */
extern atomic_int log_level;

/*
 * From here on to syslog, which must still be reachable, or to stderr. BOTH: to
 * syslog, and warnings and errors to stderr too.
 */
void log_open(enum log_level level, bool to_syslog, bool both);

/* Says how many lines were left out, if any; at the end of the program. */
void log_close(void);

/*
 * One place of the program that logs. A client, its users or a peer may make
 * it do so as often as they like, so what is above LOG_LEVEL_DEBUG is left out,
 * and counted, after LOG_BURST lines in LOG_SECONDS.
 */
struct log_place {
	atomic_uint begin; /* of the current time, in seconds */
	atomic_uint lines; /* since then */
	atomic_uint left_out;
};
#define LOG_BURST   10
#define LOG_SECONDS 60

void log_line(struct log_place *place, enum log_level level, const char *format,
	      ...) __attribute__((format(printf, 3, 4)));

/* No newline at the end of FORMAT; %m works. */
#define log_at(level, ...)                                               \
	do {                                                             \
		static struct log_place log_this_place;                  \
		if ((level) <= log_level)                                \
			log_line(&log_this_place, (level), __VA_ARGS__); \
	} while (0)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
