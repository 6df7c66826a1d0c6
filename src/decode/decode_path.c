// SPDX-License-Identifier: BSD-2-Clause
#include "decode_path.h"
#include <crossfuse/wire.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum {
	BUCKETS = 1 << 16,
	NODES_MAX = 1 << 20, /* of more than these no path is known */
	DEPTH_MAX = 64,
	ROOT = 1,
};

struct node {
	struct node *next; /* in its bucket */
	uint64_t id, parent;
	char name[]; /* of the parent's */
};

struct decode_paths {
	struct node *buckets[BUCKETS];
	size_t count;
};

struct decode_paths *decode_paths_new(void)
{
	return calloc(1, sizeof(struct decode_paths));
}

void decode_paths_forget(struct decode_paths *paths)
{
	for (size_t i = 0; paths && paths->count && i < BUCKETS; i++) {
		while (paths->buckets[i]) {
			struct node *node = paths->buckets[i];

			paths->buckets[i] = node->next;
			free(node);
			paths->count--;
		}
	}
}

void decode_paths_free(struct decode_paths *paths)
{
	decode_paths_forget(paths);
	free(paths);
}

/* Where the pointer to it stands; it may be NULL. */
static struct node **find(const struct decode_paths *paths, uint64_t id)
{
	size_t bucket = (id * 0x9e3779b97f4a7c15) >> 48;
	struct node **at = (struct node **)&paths->buckets[bucket];

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

static void set(struct decode_paths *paths, uint64_t id, uint64_t parent,
		const char *name)
{
	struct node **at = find(paths, id), *node = *at;
	size_t size = strlen(name) + 1;

	if (id == 0 || id == ROOT || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return;
	if (node) {
		*at = node->next;
		free(node);
		paths->count--;
	}
	if (paths->count == NODES_MAX)
		return;
	node = malloc(sizeof(*node) + size);
	if (!node)
		return;
	*node = (struct node){ .next = *at, .id = id, .parent = parent };
	memcpy(node->name, name, size);
	*at = node;
	paths->count++;
}

/* The string at *AT of the message, which is then behind it; NULL: none. */
static char *string_at(const struct decode_message *message, size_t *at)
{
	const char *start = (const char *)message->bytes + *at;
	size_t left = *at < message->captured ? message->captured - *at : 0;
	size_t len = strnlen(left ? start : "", left);

	*at += len + 1;
	return len && len < left ? strndup(start, len) : NULL;
}

void decode_names_of(const struct decode_message *request,
		     struct decode_names *ret_names)
{
	const struct crossfuse_layout *layout = decode_layout(request);
	size_t fixed = sizeof(struct cf_in_header), at;

	*ret_names = (struct decode_names){ 0 };
	if (!layout || request->captured < fixed)
		return;
	ret_names->opcode = decode_opcode(request)->code;
	ret_names->parent =
		decode_get(request, offsetof(struct cf_in_header, nodeid), 8);
	at = fixed + layout->size;
	switch (ret_names->opcode) {
	case CF_RENAME:
	case CF_RENAME2:
	case CF_LINK:
		if (request->captured < fixed + 8)
			return;
		ret_names->other = decode_get(request, fixed, 8);
		ret_names->name = string_at(request, &at);
		if (ret_names->opcode != CF_LINK)
			ret_names->new_name = string_at(request, &at);
		break;
	case CF_LOOKUP:
	case CF_MKNOD:
	case CF_MKDIR:
	case CF_SYMLINK:
	case CF_CREATE:
		ret_names->name = string_at(request, &at);
		break;
	default:
		break;
	}
}

static void take_rename(struct decode_paths *paths,
			const struct decode_names *names)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct node *node = paths->buckets[i]; node;
		     node = node->next) {
			if (node->parent == names->parent &&
			    strcmp(node->name, names->name) == 0) {
				set(paths, node->id, names->other,
				    names->new_name);
				return;
			}
		}
	}
}

/* Each entry: what LOOKUP has, a dirent, its name up to eight bytes. */
static void take_listing(struct decode_paths *paths, uint64_t parent,
			 const struct decode_message *reply)
{
	const size_t head = sizeof(struct cf_entry_out) + 24;
	size_t at = sizeof(struct cf_out_header);

	while (at + head < reply->captured) {
		uint64_t len = decode_get(reply, at + head - 8, 4);
		char name[256];

		if (len >= sizeof(name) || len > reply->captured - at - head)
			return;
		memcpy(name, reply->bytes + at + head, len);
		name[len] = '\0';
		if (len)
			set(paths, decode_get(reply, at, 8), parent, name);
		at += (head + len + 7) / 8 * 8;
	}
}

void decode_paths_take(struct decode_paths *paths,
		       const struct decode_names *names,
		       const struct decode_message *reply)
{
	const size_t header = sizeof(struct cf_out_header);

	if (names->opcode == CF_READDIRPLUS)
		take_listing(paths, names->parent, reply);
	else if (names->new_name && names->name)
		take_rename(paths, names);
	else if (names->name && reply->captured >= header + 8)
		set(paths, decode_get(reply, header, 8), names->parent,
		    names->name);
}

/* Puts a name before *AT of BUF; false if there is no room. */
static bool put_before(char *buf, size_t *at, const char *name)
{
	for (size_t i = strlen(name); i-- > 0;) {
		unsigned char c = (unsigned char)name[i];
		bool plain = isgraph(c) && c != '\\' && c != '<' && c != '>';
		size_t len = plain ? 1 : 4;
		char text[8];

		if (*at < len + 1)
			return false;
		snprintf(text, sizeof(text), plain ? "%c" : "\\x%02x", c);
		*at -= len;
		memcpy(buf + *at, text, len);
	}
	buf[--*at] = '/';
	return true;
}

void decode_paths_text(const struct decode_paths *paths, uint64_t node,
		       char *buf, size_t size)
{
	size_t at = size - 1;

	buf[at] = '\0';
	for (int depth = 0; node != ROOT; depth++) {
		const struct node *found = *find(paths, node);

		if (!found || depth == DEPTH_MAX ||
		    !put_before(buf, &at, found->name)) {
			buf[0] = '\0';
			return;
		}
		node = found->parent;
	}
	if (at == size - 1)
		buf[--at] = '/';
	memmove(buf, buf + at, size - at);
}
