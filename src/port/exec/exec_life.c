// SPDX-License-Identifier: BSD-2-Clause
/*
 * One daemon after the other. A conversation begins with one that knows
 * nothing; one that dies in the middle is started again with --restart, and is
 * told what was agreed with its predecessor.
 */
#include "../../log.h"
#include "../../thread.h"
#include "exec.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MINUTE_NS (60 * SECOND_NS)

/* Before the second restart in a minute; twice as long before the next. */
#define FIRST_DELAY_NS (SECOND_NS / 4)

/* A reply to FUSE_INIT, or what else comes before it, cut. */
#define MESSAGE_SIZE 4096

int exec_life_init(struct exec_server *server, struct call *call)
{
	struct exec_talk *talk = &server->talk;
	int ret = 1;

	if (call_arg_len(call) < offsetof(struct cf_init_in, flags2) ||
	    call->head_len > sizeof(talk->init))
		return -EINVAL;
	pthread_mutex_lock(&server->lock);
	memcpy(talk->init, call->head, call->head_len);
	talk->init_len = call->head_len;
	talk->asked = true;
	talk->agreed = false;
	if (server->used) {
		server->renew = true;
		shutdown(server->daemon.fd, SHUT_RDWR);
		ret = 0;
	} else {
		server->used = true;
		exec_init_request(call->head, call->head_len, server->splices);
	}
	pthread_mutex_unlock(&server->lock);
	return ret;
}

void exec_life_destroy(struct exec_server *server)
{
	pthread_mutex_lock(&server->lock);
	server->talk.agreed = false;
	pthread_mutex_unlock(&server->lock);
}

void exec_life_agreed(struct exec_server *server, const void *reply, size_t len)
{
	const struct cf_out_header *header = reply;
	struct exec_talk *talk = &server->talk;

	pthread_mutex_lock(&server->lock);
	talk->asked = false;
	talk->agreed = !header->error &&
		       len >= sizeof(*header) + sizeof(talk->out);
	if (talk->agreed)
		memcpy(&talk->out, header + 1, sizeof(talk->out));
	pthread_mutex_unlock(&server->lock);
}

bool exec_life_to_splice(struct exec_server *server,
			 const struct cf_out_header *header)
{
	const struct cf_in_header *init = (const void *)server->talk.init;
	bool yes;

	if (header->error != -EPROTO)
		return false;
	pthread_mutex_lock(&server->lock);
	yes = server->talk.asked && !server->splices &&
	      header->unique == init->unique;
	if (yes)
		server->splices = server->renew = true;
	pthread_mutex_unlock(&server->lock);
	return yes;
}

/* How the daemon has ended, after daemon_end(). */
static void describe(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGTERM)
		snprintf(text, size, "was ended by signal %d (%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WIFEXITED(status) && WEXITSTATUS(status))
		snprintf(text, size, "has ended with status %d",
			 WEXITSTATUS(status));
	else
		snprintf(text, size, "has closed its device");
}

/* Ends it, and says how. With the lock held. */
static void end_daemon(struct exec_server *server, char *text, size_t size)
{
	int status;

	daemon_end(&server->daemon, &status);
	describe(status, text, size);
}

/*
 * Another one in the place of what has ended. 0; -ECANCELED: all ends; or
 * -errno, logged.
 */
static int start_another(struct exec_server *server)
{
	int ret = -ECANCELED, status;

	pthread_mutex_lock(&server->lock);
	if (!server->closing) {
		daemon_end(&server->daemon, &status);
		if (server->daemon.fd >= 0)
			close(server->daemon.fd);
		server->daemon = (struct daemon){ .fd = -1 };
		ret = daemon_start(server->port->command, &server->daemon);
	}
	pthread_mutex_unlock(&server->lock);
	return ret;
}

/* What the client's INIT was becomes what this daemon is asked. */
static int send_init(struct exec_server *server)
{
	uint64_t request[EXEC_INIT_SIZE / 8];
	size_t len;
	ssize_t n;

	pthread_mutex_lock(&server->lock);
	memcpy(request, server->talk.init, sizeof(request));
	len = server->talk.init_len;
	pthread_mutex_unlock(&server->lock);
	exec_init_request(request, len, server->splices);
	do
		n = send(server->daemon.fd, request, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -ENOTCONN : 0;
}

/* There is a daemon; its numbers are of a new epoch if AFTER_DEATH. */
static void set_up(struct exec_server *server, bool used, bool after_death)
{
	pthread_rwlock_wrlock(&server->gate);
	server->up = true;
	server->used = used;
	if (after_death)
		server->epoch.number++;
	pthread_rwlock_unlock(&server->gate);
}

/* For an INIT that is under way. */
static bool renew(struct exec_server *server)
{
	if (start_another(server) < 0)
		return false;
	set_up(server, true, false);
	/* If it has died already, that is found out next. */
	send_init(server);
	return true;
}

/* The answer to the INIT that was sent: its length, or -ENOTCONN. */
static ssize_t receive_init(struct exec_server *server, void *message)
{
	const struct cf_in_header *init = (const void *)server->talk.init;
	const struct cf_out_header *header = message;
	struct iovec iov = { message, MESSAGE_SIZE };
	ssize_t n;

	do {
		n = exec_receive(server->daemon.fd, &iov, 1, 0);
		if (n <= 0)
			return -ENOTCONN;
	} while ((size_t)n < sizeof(*header) || header->unique != init->unique);
	return n;
}

/*
 * Has the new daemon agree to what its predecessor has. 0; -ENOTCONN: it has
 * died; -EPROTO, logged: it does not.
 */
static int agree_again(struct exec_server *server)
{
	uint64_t message[MESSAGE_SIZE / 8];
	const struct cf_out_header *header = (const void *)message;
	ssize_t len;

	if (send_init(server) < 0)
		return -ENOTCONN;
	len = receive_init(server, message);
	if (len < 0)
		return -ENOTCONN;
	len = (ssize_t)exec_init_reply(message, (size_t)len,
				       server->daemon.max_data);
	if (!header->error &&
	    (size_t)len >= sizeof(*header) + sizeof(server->talk.out) &&
	    epoch_agrees(&server->talk.out, (const void *)(header + 1)))
		return 0;
	log_error("%s: started again, it answers FUSE_INIT otherwise than "
		  "before: the client gets ENOTCONN; start crossfuse anew",
		  server->port->command);
	return -EPROTO;
}

/* How long to wait before it is started again; false: not once more. */
static bool may_restart(struct exec_server *server, uint64_t *ret_delay)
{
	uint64_t now = thread_now();
	unsigned int recent = 0, oldest = 0;

	for (unsigned int i = 0; i < EXEC_RESTARTS; i++) {
		uint64_t at = server->restarts[i];

		if (at && now - at < MINUTE_NS)
			recent++;
		if (at < server->restarts[oldest])
			oldest = i;
	}
	if (recent == EXEC_RESTARTS || server->epoch.number == EPOCH_LAST)
		return false;
	server->restarts[oldest] = now;
	*ret_delay = recent ? FIRST_DELAY_NS << (recent - 1) : 0;
	return true;
}

/* False: all ends. */
static bool wait_for(struct exec_server *server, uint64_t delay)
{
	uint64_t until = thread_now() + delay;
	bool closing;

	pthread_mutex_lock(&server->lock);
	while (!server->closing &&
	       thread_wait(&server->changed, &server->lock, until))
		;
	closing = server->closing;
	pthread_mutex_unlock(&server->lock);
	return !closing;
}

/* One try. 0; -ENOTCONN: the daemon has died; other: there will be none. */
static int restart_once(struct exec_server *server)
{
	const char *command = server->port->command;
	char how[80];
	uint64_t delay;

	pthread_mutex_lock(&server->lock);
	end_daemon(server, how, sizeof(how));
	pthread_mutex_unlock(&server->lock);
	if (!may_restart(server, &delay)) {
		log_error("%s: %s, after %u restarts in a minute: it is not "
			  "started again, the client gets ENOTCONN",
			  command, how, EXEC_RESTARTS);
		return -ECANCELED;
	}
	log_warn("%s: %s: the client gets ENOTCONN until it is started again",
		 command, how);
	if (!wait_for(server, delay))
		return -ECANCELED;
	if (start_another(server) < 0)
		return -ENOTCONN;
	return server->talk.agreed ? agree_again(server) : 0;
}

static bool restart(struct exec_server *server)
{
	int ret;

	if (atomic_load(&server->epoch.wide)) {
		log_error("%s: its node ids or handles have more than %d bits: "
			  "it cannot be started again, the client gets "
			  "ENOTCONN; start crossfuse anew",
			  server->port->command, EPOCH_SHIFT);
		return false;
	}
	do
		ret = restart_once(server);
	while (ret == -ENOTCONN);
	if (ret < 0)
		return false;
	set_up(server, server->talk.agreed, true);
	relay_revive(server->relay);
	log_info("%s: it was started again", server->port->command);
	return true;
}

/* What there is to do, now that there is no daemon. */
static bool down(struct exec_server *server, bool *ret_renew)
{
	bool closing;

	pthread_rwlock_wrlock(&server->gate);
	server->up = false;
	pthread_rwlock_unlock(&server->gate);
	pthread_mutex_lock(&server->lock);
	closing = server->closing;
	*ret_renew = server->renew;
	server->renew = false;
	pthread_mutex_unlock(&server->lock);
	return !closing;
}

bool exec_life_next(struct exec_server *server)
{
	bool to_renew, open = down(server, &to_renew);

	if (open && to_renew && renew(server))
		return true;
	if (open && !server->port->restart)
		log_error("%s: has closed its device: the client gets "
			  "ENOTCONN; start crossfuse anew, or use --restart",
			  server->port->command);
	relay_fail_all(server->relay, -ENOTCONN);
	return open && server->port->restart && restart(server);
}

void exec_life_end(struct exec_server *server)
{
	int status;

	pthread_mutex_lock(&server->lock);
	server->closing = true;
	pthread_cond_broadcast(&server->changed);
	daemon_end(&server->daemon, &status);
	pthread_mutex_unlock(&server->lock);
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGTERM)
		log_warn("%s: ended by signal %d (%s)", server->port->command,
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
}
