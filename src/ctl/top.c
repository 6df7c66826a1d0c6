// SPDX-License-Identifier: BSD-2-Clause
#include "../log.h"
#include "ctl.h"
#include "top_sample.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define SHARES_MAX 64
#define WIDTH_MAX  512

static const char usage[] = "usage: crossfuse top [-i SECONDS] [-n TIMES] "
			    "SOCKET...\n"
			    "\n"
			    "Shows what passes through the crossfuses with "
			    "these --control "
			    "sockets.\n"
			    "On a terminal: o, b, l, e sort by operations, "
			    "bytes, latency, errors;\n"
			    "space stands still, q ends. Elsewhere a line a "
			    "share and interval.\n";

enum sort {
	SORT_OPERATIONS,
	SORT_BYTES,
	SORT_LATENCY,
	SORT_ERRORS,
};

struct share {
	const char *socket;
	bool known; /* LAST is there */
	struct top_sample last, rates;
};

struct top {
	struct share shares[SHARES_MAX];
	unsigned int count;
	double interval;     /* seconds */
	unsigned long times; /* 0: for ever */
	bool screen;
	enum sort sort;
	bool still;
	struct termios before;
	unsigned int rows, columns, row; /* of the screen; the next one */
};

static volatile sig_atomic_t ended;

static void on_end(int signal_number)
{
	(void)signal_number;
	ended = 1;
}

/* In at most seven characters: 0, 12.3k, 1.2M. */
static const char *amount(double value, char *text, size_t size)
{
	static const char units[] = " kMGTP";
	unsigned int unit = 0;

	while (value >= 1000 && unit + 2 < sizeof(units)) {
		value /= 1000;
		unit++;
	}
	if (!unit)
		snprintf(text, size, "%.0f", value);
	else
		snprintf(text, size, value < 10 ? "%.2f%c" : "%.1f%c", value,
			 units[unit]);
	return text;
}

static const char *duration(double seconds, char *text, size_t size)
{
	if (seconds < 0)
		snprintf(text, size, "-");
	else if (seconds < 1e-3)
		snprintf(text, size, "%.0fus", seconds * 1e6);
	else if (seconds < 1)
		snprintf(text, size, "%.1fms", seconds * 1e3);
	else
		snprintf(text, size, "%.1fs", seconds);
	return text;
}

/* One line, cut to the screen; false: there is no row left. */
static bool put_line(struct top *top, const char *style, const char *line)
{
	if (!top->screen) {
		puts(line);
		return true;
	}
	if (top->row >= top->rows)
		return false;
	if (top->row++)
		fputs("\r\n", stdout);
	printf("\033[K%s%.*s%s", style, (int)top->columns, line,
	       style[0] ? "\033[0m" : "");
	return true;
}

static const char *bold(const struct top *top)
{
	const char *no = getenv("NO_COLOR");

	return top->screen && !(no && *no) ? "\033[1m" : "";
}

/* Narrower screens show a share's name in the place of two columns. */
#define WIDE 100

static bool is_wide(const struct top *top)
{
	return !top->screen || top->columns >= WIDE;
}

static void put_head(struct top *top)
{
	char line[WIDTH_MAX];

	snprintf(line, sizeof(line), "%7s %8s %8s %7s %7s %7s %6s %7s%s %s",
		 "ops/s", "read B/s", "written", "p50", "p99", "err/s",
		 "flight", "oldest", is_wide(top) ? "   files    open" : "",
		 "share");
	put_line(top, bold(top), line);
}

static void put_share(struct top *top, const struct share *share)
{
	const struct top_sample *rates = &share->rates;
	struct top_opcode sum = top_sample_sum(rates);
	char text[10][24], more[48] = "", line[WIDTH_MAX];

	if (!share->known) {
		snprintf(line, sizeof(line), "not there: %s", share->socket);
		put_line(top, "", line);
		return;
	}
	if (is_wide(top))
		snprintf(more, sizeof(more), " %7s %7s",
			 amount(rates->known_files, text[7], 24),
			 amount(rates->open_files, text[8], 24));
	snprintf(line, sizeof(line), "%7s %8s %8s %7s %7s %7s %6.0f %7s%s %s%s",
		 amount(sum.requests, text[0], 24),
		 amount(sum.out_bytes, text[1], 24),
		 amount(sum.in_bytes, text[2], 24),
		 duration(top_quantile(sum.buckets, 0.5), text[3], 24),
		 duration(top_quantile(sum.buckets, 0.99), text[4], 24),
		 amount(sum.errors, text[5], 24), rates->in_flight,
		 duration(rates->oldest, text[6], 24), more, share->socket,
		 rates->paused > 0 ? " (paused)" : "");
	put_line(top, "", line);
}

static double key_of(const struct top *top, const struct top_opcode *opcode)
{
	switch (top->sort) {
	case SORT_BYTES:
		return opcode->in_bytes + opcode->out_bytes;
	case SORT_LATENCY:
		return top_quantile(opcode->buckets, 0.99);
	case SORT_ERRORS:
		return opcode->errors;
	default:
		return opcode->requests;
	}
}

static int compare(const void *a, const void *b, void *opaque)
{
	double first = key_of(opaque, a), second = key_of(opaque, b);

	return first < second ? 1 : first > second ? -1 : strcmp(a, b);
}

static void put_opcodes(struct top *top, struct share *share)
{
	struct top_sample *rates = &share->rates;
	char text[6][24], line[WIDTH_MAX];

	qsort_r(rates->opcodes, rates->opcode_count, sizeof(*rates->opcodes),
		compare, top);
	for (unsigned int i = 0; i < rates->opcode_count; i++) {
		const struct top_opcode *opcode = &rates->opcodes[i];

		if (opcode->requests <= 0)
			continue;
		snprintf(line, sizeof(line), "%7s %8s %8s %7s %7s %7s %s",
			 amount(opcode->requests, text[0], 24),
			 amount(opcode->out_bytes, text[1], 24),
			 amount(opcode->in_bytes, text[2], 24),
			 duration(top_quantile(opcode->buckets, 0.5), text[3],
				  24),
			 duration(top_quantile(opcode->buckets, 0.99), text[4],
				  24),
			 amount(opcode->errors, text[5], 24), opcode->name);
		if (!put_line(top, "", line))
			return;
	}
}

/* What waits longest, as its status says it. */
static void put_waiting(struct top *top, const struct share *share)
{
	const char *at = share->last.status;
	char line[WIDTH_MAX];

	while (at && (at = strstr(at, "in flight for "))) {
		int len = (int)strcspn(at, "\n");

		snprintf(line, sizeof(line), "%.*s", len, at);
		if (!put_line(top, "", line))
			return;
		at += len;
	}
}

static void draw_screen(struct top *top)
{
	static const char *const orders[] = { "operations", "bytes", "latency",
					      "errors" };
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	char line[WIDTH_MAX];

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	top->rows = size.ws_row;
	top->columns = size.ws_col;
	top->row = 0;
	fputs("\033[H", stdout);
	snprintf(line, sizeof(line),
		 "crossfuse top: by %s (o b l e), every %g s%s; q ends",
		 orders[top->sort], top->interval,
		 top->still ? ", standing still" : "");
	put_line(top, "", line);
	put_head(top);
	for (unsigned int i = 0; i < top->count; i++)
		put_share(top, &top->shares[i]);
	for (unsigned int i = 0; i < top->count; i++) {
		struct share *share = &top->shares[i];

		if (!share->known)
			continue;
		put_line(top, "", "");
		snprintf(line, sizeof(line), "%49s%s", "", share->socket);
		put_line(top, bold(top), line);
		put_opcodes(top, share);
		put_waiting(top, share);
	}
	fputs("\033[J", stdout);
	fflush(stdout);
}

static void draw_lines(struct top *top)
{
	put_head(top);
	for (unsigned int i = 0; i < top->count; i++)
		put_share(top, &top->shares[i]);
	fflush(stdout);
}

/* How many of the shares are there. */
static unsigned int take_samples(struct top *top)
{
	unsigned int there = 0;

	for (unsigned int i = 0; i < top->count; i++) {
		struct share *share = &top->shares[i];
		static struct top_sample sample; /* large */

		if (top_sample_take(share->socket, &sample) < 0) {
			share->known = false;
			top_sample_free(&share->last);
			continue;
		}
		top_sample_rates(share->known ? &share->last : &sample, &sample,
				 &share->rates);
		top_sample_free(&share->last);
		share->last = sample;
		share->known = true;
		there++;
	}
	return there;
}

static void take_key(struct top *top, char key)
{
	switch (key) {
	case 'q':
		ended = 1;
		break;
	case 'o':
		top->sort = SORT_OPERATIONS;
		break;
	case 'b':
		top->sort = SORT_BYTES;
		break;
	case 'l':
		top->sort = SORT_LATENCY;
		break;
	case 'e':
		top->sort = SORT_ERRORS;
		break;
	case ' ':
		top->still = !top->still;
		break;
	}
}

/* Waits for the next interval, or for a key. True: it is over. */
static bool wait_interval(struct top *top, double *left)
{
	struct pollfd ready = { .fd = top->screen ? STDIN_FILENO : -1,
				.events = POLLIN };
	struct timespec begin, end;
	char key;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	if (poll(&ready, 1, (int)(*left * 1000) + 1) > 0) {
		if (read(STDIN_FILENO, &key, 1) == 1)
			take_key(top, key);
		else
			ended = 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	*left -= (double)(end.tv_sec - begin.tv_sec) +
		 (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	return *left <= 0;
}

static void show_interval(struct top *top)
{
	double left = top->interval;

	do {
		if (top->screen)
			draw_screen(top);
		/* A signal interrupts it, for the screen's size or the end. */
	} while (!ended && !wait_interval(top, &left));
}

static int run(struct top *top)
{
	unsigned long times = 0;

	if (!take_samples(top))
		return -ENOTCONN; /* each is logged */
	if (!top->screen) {
		double left = top->interval;

		while (!ended && !wait_interval(top, &left))
			;
	}
	while (!ended) {
		if (!top->still && !take_samples(top) && !top->screen)
			return -ENOTCONN;
		if (!top->screen)
			draw_lines(top);
		if (top->times && ++times >= top->times)
			break;
		show_interval(top);
	}
	return 0;
}

static void on_resize(int signal_number)
{
	(void)signal_number;
}

static void screen_begin(struct top *top)
{
	struct sigaction end = { .sa_handler = on_end };
	struct sigaction resize = { .sa_handler = on_resize };
	struct termios raw;

	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGHUP, &end, NULL);
	sigaction(SIGWINCH, &resize, NULL);
	if (!top->screen)
		return;
	log_level = LOG_LEVEL_OFF; /* a line would spoil the picture */
	tcgetattr(STDIN_FILENO, &top->before);
	raw = top->before;
	raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fputs("\033[?1049h\033[?25l", stdout);
}

static void screen_end(struct top *top)
{
	if (!top->screen)
		return;
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, &top->before);
}

static int parse(struct top *top, int argc, char **argv)
{
	int option;
	char *end;

	opterr = 0;
	while ((option = getopt(argc, argv, "+i:n:")) != -1) {
		if (option == '?') {
			log_error("top does not know this option: see "
				  "crossfuse top --help");
			return -EINVAL;
		}
		if (option == 'i')
			top->interval = strtod(optarg, &end);
		else
			top->times = strtoul(optarg, &end, 10);
		if (*end || end == optarg ||
		    !(top->interval >= 0.1 && top->interval <= 3600)) {
			log_error("-%c %s: give %s", option, optarg,
				  option == 'i' ? "0.1 to 3600 seconds"
						: "a number");
			return -EINVAL;
		}
	}
	for (; optind < argc && top->count < SHARES_MAX; optind++)
		top->shares[top->count++].socket = argv[optind];
	if (!top->count || optind < argc) {
		log_error("top wants one to %d control sockets: see crossfuse "
			  "top --help",
			  SHARES_MAX);
		return -EINVAL;
	}
	return 0;
}

int top_command(int argc, char **argv)
{
	static struct top top = { .interval = 1 }; /* large */
	int ret;

	if (argc > 1 &&
	    (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(usage, stdout);
		return 0;
	}
	ret = parse(&top, argc, argv);
	if (ret < 0)
		return ret;
	top.screen = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	screen_begin(&top);
	ret = run(&top);
	screen_end(&top);
	if (ret < 0 && top.screen) {
		log_level = LOG_LEVEL_ERROR;
		log_error("no crossfuse answers at the sockets given");
	}
	for (unsigned int i = 0; i < top.count; i++)
		top_sample_free(&top.shares[i].last);
	return ret;
}
