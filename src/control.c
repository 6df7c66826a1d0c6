// SPDX-License-Identifier: BSD-2-Clause
#include "control.h"
#include "log.h"
#include "meter.h"
#include "options.h"
#include "port/port.h"
#include "serving.h"
#include "socket.h"
#include "thread.h"
#include "trace.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Who does not ask, or take the answer, within this time is left. */
#define PATIENCE_NS (2 * SECOND_NS)

/* How long a pause waits for the requests in flight. */
#define HOLD_NS (2 * SECOND_NS)

enum {
	FD_CONTROL,
	FD_METRICS,
	FD_STOP,
	FDS
};

struct control {
	struct serving *serving;
	int fds[FDS]; /* -1: there is none */
	bool started;
	pthread_t thread;
};

/* One command, and what it is answered with. */
struct request {
	struct serving *serving;
	char *line;
	int fd; /* that came with it; -1: none */
	FILE *out;
};

struct command {
	const char *name;
	/* ARGUMENT: what stands behind the name, "" for nothing. */
	void (*run)(struct request *request, const char *argument);
};

static void refuse(struct request *request, const char *why)
{
	fprintf(request->out, CONTROL_ERROR "%s\n", why);
}

static void run_status(struct request *request, const char *argument)
{
	(void)argument;
	fputs(CONTROL_OK, request->out);
	control_status(request->serving, request->out);
}

static void run_metrics(struct request *request, const char *argument)
{
	(void)argument;
	fputs(CONTROL_OK, request->out);
	control_metrics(request->serving, request->out);
}

static void run_log(struct request *request, const char *argument)
{
	for (const struct option_choice *level = log_level_choices; level->name;
	     level++) {
		if (strcmp(level->name, argument) != 0)
			continue;
		log_level = level->value;
		fputs(CONTROL_OK, request->out);
		return;
	}
	refuse(request, "log wants off, error, warn, info or debug");
}

/* With the lock held. */
static void hold_all(struct serving *serving, bool hold)
{
	struct connection *connection = serving->connections;

	for (; connection; connection = connection->next) {
		if (!connection->live)
			continue;
		if (!hold)
			relay_release(&connection->relay);
		else if (relay_hold(&connection->relay, HOLD_NS) < 0)
			log_warn("pause: requests of client %u are in flight "
				 "still",
				 connection->number);
	}
}

static void run_pause(struct request *request, const char *argument)
{
	struct serving *serving = request->serving;
	bool pause = strcmp(request->line, "pause") == 0;

	(void)argument;
	pthread_mutex_lock(&serving->lock);
	if (serving->paused != pause)
		hold_all(serving, pause);
	serving->paused = pause;
	pthread_mutex_unlock(&serving->lock);
	fputs(CONTROL_OK, request->out);
}

static void run_shutdown(struct request *request, const char *argument)
{
	(void)argument;
	log_info("ends, as it was told at its control socket");
	fputs(CONTROL_OK, request->out);
	serving_stop(request->serving);
}

/* The first that is served; NULL: none. With the lock held. */
static struct connection *live_one(struct serving *serving)
{
	struct connection *connection = serving->connections, *found = NULL;

	for (; connection; connection = connection->next)
		if (connection->live)
			found = connection;
	return found;
}

/* With the lock held. No request passes meanwhile. */
static void set_trace(struct relay *relay, struct trace *trace)
{
	relay_hold(relay, HOLD_NS);
	relay->trace = trace;
	relay_release(relay);
}

/* Takes FD over. With the lock held. */
static int begin_trace(struct serving *serving, int fd, bool with_data)
{
	struct connection *connection = live_one(serving);
	int ret = -EBUSY;

	if (serving->traced)
		goto close;
	ret = -ENOTCONN;
	if (!connection)
		goto close;
	ret = connection->told ? trace_renew(connection->told, fd, with_data)
			       : trace_new(fd, with_data, &connection->told);
	if (ret < 0)
		goto close;
	ret = trace_start(connection->told, connection->relay.config.server);
	if (ret < 0) {
		trace_stop(connection->told);
		return ret;
	}
	serving->traced = connection;
	set_trace(&connection->relay, connection->told);
	return 0;
close:
	close(fd);
	return ret;
}

/* What a trace may be written to. */
static bool is_trace_file(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && flags >= 0 &&
	       (flags & O_ACCMODE) != O_RDONLY;
}

static void trace_on(struct request *request, bool with_data)
{
	struct serving *serving = request->serving;
	int ret;

	if (request->fd < 0 || !is_trace_file(request->fd)) {
		refuse(request, "trace on wants the descriptor of a file: use "
				"crossfuse ctl");
		return;
	}
	pthread_mutex_lock(&serving->lock);
	ret = begin_trace(serving, request->fd, with_data);
	pthread_mutex_unlock(&serving->lock);
	request->fd = -1;
	if (ret == 0)
		fputs(CONTROL_OK, request->out);
	else if (ret == -EBUSY)
		refuse(request, "it is recorded already: trace off first");
	else if (ret == -ENOTCONN)
		refuse(request, "no client is connected that could be traced");
	else
		refuse(request, strerror(-ret));
}

static void trace_off(struct request *request)
{
	struct serving *serving = request->serving;
	struct trace *trace = NULL;

	pthread_mutex_lock(&serving->lock);
	if (serving->traced) {
		trace = serving->traced->relay.trace;
		set_trace(&serving->traced->relay, NULL);
		serving->traced = NULL;
	}
	if (trace && trace == serving->trace)
		serving->trace_over = true;
	/* A call that waits may have it in hand: it is freed with the rest. */
	if (trace)
		trace_stop(trace);
	pthread_mutex_unlock(&serving->lock);
	if (trace)
		fputs(CONTROL_OK, request->out);
	else
		refuse(request, "nothing is recorded");
}

static void run_trace(struct request *request, const char *argument)
{
	if (strcmp(argument, "on") == 0)
		trace_on(request, false);
	else if (strcmp(argument, "on data") == 0)
		trace_on(request, true);
	else if (strcmp(argument, "off") == 0)
		trace_off(request);
	else
		refuse(request, "trace wants on or off");
}

static const struct command commands[] = {
	{ "status", run_status },     { "metrics", run_metrics },
	{ "trace", run_trace },	      { "log", run_log },
	{ "pause", run_pause },	      { "resume", run_pause },
	{ "shutdown", run_shutdown },
};

static void run_command(struct request *request)
{
	char *space = strchr(request->line, ' ');

	if (space)
		*space = 0;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(commands[i].name, request->line) == 0) {
			commands[i].run(request, space ? space + 1 : "");
			return;
		}
	}
	refuse(request, "unknown command: there are status, metrics, trace, "
			"log, pause, resume and shutdown");
}

/* Whether FD became ready for EVENTS in time. */
static bool wait_ready(int fd, short events, uint64_t until)
{
	struct pollfd ready = { .fd = fd, .events = events };
	uint64_t now = thread_now();

	return now < until &&
	       poll(&ready, 1, (int)((until - now) / 1000000) + 1) > 0;
}

/* The descriptor in MESSAGE, of which there is room for one; -1: none. */
static int descriptor_of(struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fd;

	if (!header || header->cmsg_level != SOL_SOCKET ||
	    header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len < CMSG_LEN(sizeof(fd)))
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

/* More of what is asked. False: there is no more, or no room. */
static bool receive(int fd, char *line, size_t *len, int *ret_fd)
{
	union {
		struct cmsghdr header; /* for its alignment */
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { line + *len, CONTROL_LINE - *len };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  /* One: the padding has room for another. */
				  .msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	int passed;

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	passed = descriptor_of(&message);
	if (passed >= 0 && *ret_fd >= 0)
		close(passed);
	else if (passed >= 0)
		*ret_fd = passed;
	*len += (size_t)n;
	return *len < CONTROL_LINE;
}

/* What is asked, up to END, in LINE, without it; false: nothing whole came. */
static bool read_line(int fd, char *line, const char *end, int *ret_fd)
{
	uint64_t until = thread_now() + PATIENCE_NS;
	size_t len = 0;
	char *found;

	do {
		line[len] = 0;
		found = strstr(line, end);
		if (found) {
			*found = 0;
			return true;
		}
	} while (wait_ready(fd, POLLIN, until) &&
		 receive(fd, line, &len, ret_fd));
	return false;
}

static void write_all(int fd, const char *text, size_t len)
{
	uint64_t until = thread_now() + PATIENCE_NS;

	while (len && wait_ready(fd, POLLOUT, until)) {
		struct iovec iov = { (char *)text, len };
		struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
}

static void serve_control(struct control *control, int fd)
{
	struct request request = { .serving = control->serving, .fd = -1 };
	char line[CONTROL_LINE + 1], *text = NULL;
	size_t len = 0;

	if (!read_line(fd, line, "\n", &request.fd))
		goto close_passed;
	request.line = line;
	request.out = open_memstream(&text, &len);
	if (!request.out)
		goto close_passed;
	run_command(&request);
	if (fclose(request.out) == 0)
		write_all(fd, text, len);
	free(text);
close_passed:
	if (request.fd >= 0)
		close(request.fd);
}

/* As a scraper asks: HTTP, one answer a connection. */
static void serve_metrics(struct control *control, int fd)
{
	char line[CONTROL_LINE + 1], head[256], *text = NULL;
	int passed = -1;
	size_t len = 0;
	FILE *out;

	if (!read_line(fd, line, "\r\n\r\n", &passed))
		goto close_passed;
	if (strncmp(line, "GET ", 4) != 0) {
		snprintf(head, sizeof(head),
			 "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\n"
			 "Content-Length: 0\r\nConnection: close\r\n\r\n");
		write_all(fd, head, strlen(head));
		goto close_passed;
	}
	out = open_memstream(&text, &len);
	if (!out)
		goto close_passed;
	control_metrics(control->serving, out);
	if (fclose(out) == 0) {
		snprintf(head, sizeof(head),
			 "HTTP/1.1 200 OK\r\n"
			 "Content-Type: application/openmetrics-text; "
			 "version=1.0.0; charset=utf-8\r\n"
			 "Content-Length: %zu\r\nConnection: close\r\n\r\n",
			 len);
		write_all(fd, head, strlen(head));
		write_all(fd, text, len);
	}
	free(text);
close_passed:
	if (passed >= 0)
		close(passed);
}

static void accept_one(struct control *control, int which)
{
	int fd = accept4(control->fds[which], NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (which == FD_CONTROL)
		serve_control(control, fd);
	else
		serve_metrics(control, fd);
	close(fd);
}

static void *control_main(void *argument)
{
	struct control *control = argument;
	struct pollfd ready[FDS];

	for (int i = 0; i < FDS; i++)
		ready[i] = (struct pollfd){ .fd = control->fds[i],
					    .events = POLLIN };
	for (;;) {
		if (poll(ready, FDS, -1) < 0)
			continue;
		if (ready[FD_STOP].revents)
			return NULL;
		for (int i = 0; i < FD_STOP; i++)
			if (ready[i].revents)
				accept_one(control, i);
	}
}

/* unix:PATH; *RET_FD stays -1 for none. */
static int open_metrics(const char *address, int *ret_fd)
{
	int fd;

	if (!address)
		return 0;
	if (strncmp(address, "unix:", 5) != 0 || !address[5]) {
		log_error("--metrics=%s: say unix:PATH", address);
		return -EINVAL;
	}
	fd = socket_listen_private(address + 5);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

static int open_fds(struct control *control)
{
	const struct options *options = control->serving->options;

	control->fds[FD_STOP] = eventfd(0, EFD_CLOEXEC);
	if (control->fds[FD_STOP] < 0)
		return -errno;
	if (options->control) {
		int fd = socket_listen_private(options->control);

		if (fd < 0)
			return fd;
		control->fds[FD_CONTROL] = fd;
	}
	return open_metrics(options->metrics, &control->fds[FD_METRICS]);
}

int control_open(struct serving *serving, struct control **ret_control)
{
	struct control *control;
	int ret;

	if (!serving->options->control && !serving->options->metrics)
		return 0;
	serving->meter = meter_new();
	control = calloc(1, sizeof(*control));
	if (!serving->meter || !control) {
		log_error("no memory for counters: leave --control and "
			  "--metrics out");
		free(control);
		return -ENOMEM;
	}
	control->serving = serving;
	for (int i = 0; i < FDS; i++)
		control->fds[i] = -1;
	*ret_control = control;
	ret = open_fds(control);
	return ret;
}

int control_start(struct control *control)
{
	int ret;

	if (!control)
		return 0;
	ret = thread_start(&control->thread, 0, control_main, control);
	control->started = ret == 0;
	if (ret < 0)
		log_error("cannot start a thread: %s", strerror(-ret));
	return ret;
}

void control_close(struct control *control)
{
	uint64_t one = 1;

	if (!control)
		return;
	if (control->started &&
	    write(control->fds[FD_STOP], &one, sizeof(one)) > 0)
		pthread_join(control->thread, NULL);
	for (int i = 0; i < FDS; i++)
		if (control->fds[i] >= 0)
			close(control->fds[i]);
	meter_free(control->serving->meter);
	control->serving->meter = NULL;
	free(control);
}
