// SPDX-License-Identifier: BSD-2-Clause
#include "decode_call.h"
#include "decode_path.h"
#include <crossfuse/session.h>
#include <crossfuse/wire.h>
#include <stdlib.h>
#include <string.h>

enum {
	BUCKETS = 1 << 10,
	CALLS_MAX = 1 << 16, /* of more than these nothing is known */
};

struct call {
	struct call *next; /* in its bucket */
	uint64_t unique, since;
	uint32_t opcode;
	struct decode_names names;
	char *text; /* NULL: not kept */
};

struct decode_calls {
	struct call *buckets[BUCKETS];
	struct call *last; /* that was taken; NULL: it was no request */
	size_t count;
	struct decode_paths *paths;
};

struct decode_calls *decode_calls_new(void)
{
	struct decode_calls *calls = calloc(1, sizeof(*calls));

	if (calls)
		calls->paths = decode_paths_new();
	if (calls && calls->paths)
		return calls;
	free(calls);
	return NULL;
}

/* The caller gets the text. */
static char *end_call(struct decode_calls *calls, struct call **at)
{
	struct call *call = *at;
	char *text = call->text;

	*at = call->next;
	calls->count--;
	free(call->names.name);
	free(call->names.new_name);
	free(call);
	return text;
}

void decode_calls_forget(struct decode_calls *calls)
{
	for (size_t i = 0; i < BUCKETS; i++)
		while (calls->buckets[i])
			free(end_call(calls, &calls->buckets[i]));
	calls->last = NULL;
	decode_paths_forget(calls->paths);
}

void decode_calls_free(struct decode_calls *calls)
{
	if (!calls)
		return;
	decode_calls_forget(calls);
	decode_paths_free(calls->paths);
	free(calls);
}

static struct call **find(struct decode_calls *calls, uint64_t unique)
{
	size_t bucket = (unique * 0x9e3779b97f4a7c15) >> 54;
	struct call **at = &calls->buckets[bucket];

	while (*at && (*at)->unique != unique)
		at = &(*at)->next;
	return at;
}

static void take_request(struct decode_calls *calls,
			 const struct decode_message *message, uint64_t time,
			 struct decode_seen *seen)
{
	const struct crossfuse_opcode *opcode = decode_opcode(message);
	uint64_t unique =
		decode_get(message, offsetof(struct cf_in_header, unique), 8);
	struct call **at = find(calls, unique), *call;

	decode_paths_text(calls->paths,
			  decode_get(message,
				     offsetof(struct cf_in_header, nodeid), 8),
			  seen->path, sizeof(seen->path));
	if (*at) /* a client that counts anew */
		free(end_call(calls, at));
	if (!opcode || !crossfuse_opcode_has_reply(opcode->code) ||
	    calls->count == CALLS_MAX)
		return;
	call = calloc(1, sizeof(*call));
	if (!call)
		return;
	call->unique = unique;
	call->since = time;
	call->opcode = opcode->code;
	decode_names_of(message, &call->names);
	call->next = *at;
	*at = call;
	calls->count++;
	calls->last = call;
}

static void take_reply(struct decode_calls *calls,
		       const struct decode_message *message,
		       struct decode_seen *seen)
{
	uint64_t unique =
		decode_get(message, offsetof(struct cf_out_header, unique), 8);
	struct call **at = find(calls, unique);

	if (!unique || !*at || (*at)->opcode != message->opcode)
		return;
	if (decode_error(message) == 0)
		decode_paths_take(calls->paths, &(*at)->names, message);
	seen->answers = true;
	seen->since = (*at)->since;
	seen->request = end_call(calls, at);
}

void decode_calls_take(struct decode_calls *calls,
		       const struct decode_message *message, uint64_t time,
		       struct decode_seen *ret_seen)
{
	*ret_seen = (struct decode_seen){ 0 };
	calls->last = NULL;
	if (message->captured < decode_header_len(message))
		return;
	if (message->reply)
		take_reply(calls, message, ret_seen);
	else
		take_request(calls, message, time, ret_seen);
}

void decode_calls_keep(struct decode_calls *calls, const char *text)
{
	if (calls->last && !calls->last->text)
		calls->last->text = strdup(text);
}

static int by_time(const void *a, const void *b)
{
	const struct call *x = *(struct call *const *)a;
	const struct call *y = *(struct call *const *)b;

	return (x->since > y->since) - (x->since < y->since);
}

void decode_calls_rest(struct decode_calls *calls,
		       void (*show)(void *opaque, uint64_t since,
				    const char *text),
		       void *opaque)
{
	struct call **all = calloc(calls->count + 1, sizeof(struct call *));
	size_t count = 0;

	for (size_t i = 0; all && i < BUCKETS; i++)
		for (struct call *c = calls->buckets[i]; c; c = c->next)
			all[count++] = c;
	if (all)
		qsort(all, count, sizeof(struct call *), by_time);
	for (size_t i = 0; i < count; i++)
		if (all[i]->text)
			show(opaque, all[i]->since, all[i]->text);
	free(all);
}
