// SPDX-License-Identifier: BSD-2-Clause
/*
 * Numbers of nodes and handles, when one back end follows another. Each begins
 * to count anew, so an old number may be a new one's, of another file. The
 * upper 16 bits tell them apart: the client sees there how many back ends
 * there were before. For the first nothing is changed.
 */
#include "../epoch.h"
#include "vhost.h"
#include <crossfuse/message.h>
#include <errno.h>
#include <string.h>

#define NUMBER_MASK ((UINT64_C(1) << EPOCH_SHIFT) - 1)

/* Opcodes above are CUSE's and not known to a file system. */
#define OPCODES 64

#define PLACES 4

/* Where a message has such numbers, behind its header. */
struct places {
	unsigned int count;
	struct place {
		uint16_t at;
		bool node; /* or a handle */
	} list[PLACES];
};

static struct places requests[OPCODES], replies[OPCODES];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void note_places(const struct crossfuse_layout *layout,
			struct places *places)
{
	static const char *const names[] = { "nodeid", "oldnodeid",
					     "newdir", "nodeid_out",
					     "fh",     "fh_in",
					     "fh_out" };

	for (unsigned int i = 0; i < layout->field_count; i++) {
		const struct crossfuse_field *field = &layout->fields[i];
		const char *dot = strrchr(field->name, '.');
		const char *name = dot ? dot + 1 : field->name;

		for (size_t j = 0; j < sizeof(names) / sizeof(*names); j++)
			if (strcmp(name, names[j]) == 0 &&
			    places->count < PLACES)
				places->list[places->count++] = (struct place){
					.at = field->offset,
					.node = name[0] != 'f',
				};
	}
}

static void note_all(void)
{
	const struct crossfuse_opcode *opcode;

	for (size_t i = 0; (opcode = crossfuse_opcode_at(i)); i++) {
		if (opcode->code >= OPCODES)
			continue;
		note_places(&opcode->request, &requests[opcode->code]);
		note_places(&opcode->reply, &replies[opcode->code]);
	}
}

/* Of nothing, and of the root, which is the same for all. */
static bool is_fixed(uint64_t number)
{
	return number <= 1;
}

static uint64_t get(const void *at)
{
	uint64_t number;

	memcpy(&number, at, sizeof(number));
	return number;
}

/* Whether a handle in a request stands for one. */
static bool has_handle(const struct vhost_server *server,
		       const struct call *call)
{
	uint32_t flags = 0;

	if (call_arg_len(call) >= sizeof(flags))
		memcpy(&flags, call_arg(call), sizeof(flags));
	switch (call->state.opcode) {
	case CF_GETATTR:
	case CF_STATX:
		return flags & CF_GETATTR_FH;
	case CF_SETATTR:
		return flags & CF_FATTR_FH;
	default:
		return !atomic_load(&server->no_handles);
	}
}

/*
 * The next number of CALL that is not the same for all back ends: its address,
 * or NULL. *NEXT is 0 at first, *RET_NODE tells what it is.
 */
static char *next_number(const struct vhost_server *server, struct call *call,
			 unsigned int *next)
{
	const uint32_t opcode = call->state.opcode;
	char *at = (char *)&call_in(call)->nodeid;

	if (*next == 0) {
		*next = 1;
		if (!is_fixed(get(at)))
			return at;
	}
	while (opcode < OPCODES && *next <= requests[opcode].count) {
		const struct place *place = &requests[opcode].list[*next - 1];

		(*next)++;
		at = (char *)call_arg(call) + place->at;
		if (place->at + sizeof(uint64_t) > call_arg_len(call))
			break;
		if (place->node ? !is_fixed(get(at)) : has_handle(server, call))
			return at;
	}
	return NULL;
}

/* A number of the client's becomes the back end's. False: of another one. */
static bool take_off(uint64_t epoch, char *at)
{
	uint64_t number = get(at);

	if (number >> EPOCH_SHIFT != epoch)
		return false;
	number &= NUMBER_MASK;
	memcpy(at, &number, sizeof(number));
	return true;
}

/* BATCH_FORGET without the nodes of back ends that are no more. */
static void keep_forgets(uint64_t epoch, struct call *call)
{
	struct cf_batch_forget_in *in = call_arg(call);
	struct cf_forget_one *list = (void *)(in + 1);
	size_t room = (call_arg_len(call) - sizeof(*in)) / sizeof(*list);
	uint32_t kept = 0;

	for (uint32_t i = 0; i < in->count && i < room; i++) {
		if (take_off(epoch, (char *)&list[i].nodeid))
			list[kept++] = list[i];
	}
	in->count = kept;
	call->head_len = sizeof(struct cf_in_header) + sizeof(*in) +
			 kept * sizeof(*list);
	call_in(call)->len = (uint32_t)call->head_len;
}

int vhost_nodes_request(const struct vhost_server *server, struct call *call)
{
	const uint64_t epoch = atomic_load(&server->epoch);
	unsigned int next = 0;
	char *at;

	if (!epoch)
		return 0;
	if (call->state.opcode == CF_BATCH_FORGET) {
		if (call_arg_len(call) >= sizeof(struct cf_batch_forget_in))
			keep_forgets(epoch, call);
		return 0;
	}
	while ((at = next_number(server, call, &next)))
		if (!take_off(epoch, at))
			return -ESTALE;
	return 0;
}

bool vhost_nodes_named(const struct vhost_server *server, struct call *call)
{
	unsigned int next = 0;

	return next_number(server, call, &next);
}

/* A number of the back end's becomes the client's. */
static void put_on(struct vhost_server *server, char *at, bool node)
{
	uint64_t number = get(at);

	if (node && is_fixed(number))
		return;
	if (number & ~NUMBER_MASK)
		atomic_store(&server->wide, true);
	number |= (uint64_t)atomic_load(&server->epoch) << EPOCH_SHIFT;
	memcpy(at, &number, sizeof(number));
}

static void put_on_entries(struct vhost_server *server, char *at, size_t len)
{
	struct cf_direntplus entry;
	size_t size;

	for (; len >= sizeof(entry); at += size, len -= size) {
		memcpy(&entry, at, sizeof(entry));
		put_on(server, at, true);
		size = CF_DIRENTPLUS_SIZE((size_t)entry.dirent.namelen);
		if (size > len)
			break;
	}
}

void vhost_nodes_reply(struct vhost_server *server, struct call *call,
		       size_t head)
{
	const struct cf_out_header *header = call->out;
	const uint32_t opcode = call->state.opcode;
	char *body = call_out_arg(call);
	size_t len = head - sizeof(*header);
	const struct places *places;

	if (header->error == -ENOSYS &&
	    (opcode == CF_OPEN || opcode == CF_OPENDIR))
		atomic_store(&server->no_handles, true);
	if (header->error || opcode >= OPCODES)
		return;
	if (opcode == CF_READDIRPLUS) {
		put_on_entries(server, body, len);
		return;
	}
	places = &replies[opcode];
	for (unsigned int i = 0; i < places->count; i++)
		if (places->list[i].at + sizeof(uint64_t) <= len)
			put_on(server, body + places->list[i].at,
			       places->list[i].node);
}

void vhost_nodes_init(void)
{
	pthread_once(&once, note_all);
}
