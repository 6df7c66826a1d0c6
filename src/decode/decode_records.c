// SPDX-License-Identifier: BSD-2-Clause
#include "decode_records.h"
#include <crossfuse/wire.h>
#include <string.h>

enum {
	SHOWN = 16, /* names; the others are only counted */
};

struct walk {
	const struct decode_message *message;
	size_t at;   /* of the next record */
	size_t plus; /* bytes before each fuse_dirent */
};

struct entry {
	const uint8_t *name;
	size_t len;
};

static struct walk start_walk(const struct decode_message *message, bool plus)
{
	return (struct walk){
		.message = message,
		.at = sizeof(struct cf_out_header),
		.plus = plus ? offsetof(struct cf_direntplus, dirent) : 0,
	};
}

/* 1: an entry; 0: the end; -1: what follows is no record. */
static int next_entry(struct walk *walk, struct entry *ret_entry)
{
	const struct decode_message *message = walk->message;
	size_t left = message->captured - walk->at;
	size_t head = walk->plus + sizeof(struct cf_dirent);
	size_t len, size;

	if (!left)
		return 0;
	if (left < head)
		return -1;
	len = (size_t)decode_get(
		message,
		walk->at + walk->plus + offsetof(struct cf_dirent, namelen), 4);
	if (!len || len > left - head)
		return -1;
	size = (head + len + 7) & ~(size_t)7;
	if (size > left)
		return -1;
	ret_entry->name = message->bytes + walk->at + head;
	ret_entry->len = len;
	walk->at += size;
	return 1;
}

/* At most as much as there is room for. */
static size_t put_name(char *buf, size_t size, const struct entry *entry)
{
	size_t at = 0;

	for (size_t i = 0; i < entry->len && at + 8 < size; i++) {
		uint8_t c = entry->name[i];

		if (c <= ' ' || c > '~' || c == '\\' || c == ']')
			at += (size_t)snprintf(buf + at, size - at, "\\x%02x",
					       c);
		else
			buf[at++] = (char)c;
	}
	buf[at] = '\0';
	return at;
}

static bool has_records(const struct decode_message *message, bool *ret_plus)
{
	const struct crossfuse_layout *layout = decode_layout(message);

	if (!message->reply || !layout)
		return false;
	*ret_plus = layout->tail == CROSSFUSE_TAIL_DIRENTS_PLUS;
	return *ret_plus || layout->tail == CROSSFUSE_TAIL_DIRENTS;
}

void decode_records_text(const struct decode_message *message, char *buf,
			 size_t size)
{
	size_t count = 0, at = 0;
	struct entry entry;
	struct walk walk;
	bool plus;

	if (size < 512 || !has_records(message, &plus))
		return;
	walk = start_walk(message, plus);
	while (next_entry(&walk, &entry) > 0)
		count++;
	at = (size_t)snprintf(buf, size, " [%zu entr%s", count,
			      count == 1 ? "y:"
			      : count	 ? "ies:"
					 : "ies");
	walk = start_walk(message, plus);
	for (unsigned int i = 0;
	     i < SHOWN && at + 300 < size && next_entry(&walk, &entry) > 0;
	     i++) {
		buf[at++] = ' ';
		at += put_name(buf + at, 272, &entry);
	}
	snprintf(buf + at, size - at, "%s]", count > SHOWN ? " ..." : "");
}
