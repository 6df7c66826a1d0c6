// SPDX-License-Identifier: BSD-2-Clause
/* FUSE_INIT, sessions, and the directory that a probe works in. */
#include "session.h"
#include "../log.h"
#include "client.h"
#include "probe.h"
#include <crossfuse/wire.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Removing what was made ends, whatever the server lists. */
#define REMOVE_MAX   16384U
#define REMOVE_DEPTH 3U

/* Section 3.1: 32-bit FNV-1a. */
uint32_t arch_id_of(const char *name)
{
	uint32_t hash = 0x811c9dc5;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x01000193;
	return hash ? hash : 1;
}

static void parse_greeting(struct probe *probe, struct greeting *greeting)
{
	greeting->len = reply_size(probe);
	greeting->major = reply_u32(probe, 0);
	greeting->minor = reply_u32(probe, 4);
	greeting->flags = reply_u32(probe, 12);
	greeting->max_write = reply_u32(probe, 20);
	greeting->max_pages = reply_u16(probe, 28);
	greeting->raw_flags2 = reply_u32(probe, 32);
	if (greeting->flags & INIT_EXT)
		greeting->flags |= (uint64_t)greeting->raw_flags2 << 32;
}

static void judge_greeting(struct probe *probe, const struct hello *hello,
			   const struct greeting *greeting)
{
	size_t len = greeting->len;

	rule_check(probe, RULE_INIT_REPLY,
		   (len == 8 || len == 24 || len == 64) &&
			   (greeting->major == 7 || hello->major != 7),
		   "%zu bytes, major %u", len, greeting->major);
}

int say_hello(struct probe *probe, const struct hello *hello,
	      struct greeting *greeting)
{
	size_t end;
	int ret;

	*greeting = (struct greeting){ 0 };
	begin_request(probe, CF_INIT, 0);
	end = probe->request_len + hello->len;
	put_u32(probe, hello->major);
	put_u32(probe, hello->minor);
	put_u32(probe, 128 << 10); /* max_readahead */
	put_u32(probe, (uint32_t)hello->flags);
	if (hello->len > 16)
		put_u32(probe, (uint32_t)(hello->flags >> 32));
	if (hello->len > 20)
		put_u32(probe, hello->arch_id);
	if (end > probe->request_len)
		put_zeros(probe, end - probe->request_len);
	probe->lie = hello->lie;
	ret = talk(probe, 8, LINK_MESSAGE_MAX);
	greeting->error = ret;
	greeting->opposite = ret >= 0 && probe->reply_opposite;
	if (ret == 0 && !greeting->opposite) {
		parse_greeting(probe, greeting);
		judge_greeting(probe, hello, greeting);
	}
	probe->session = ret == 0;
	probe->session_swap = probe->link.swap;
	return ret;
}

static int link_renew(struct probe *probe)
{
	int ret;

	if (probe->open)
		probe->link.ops->close(&probe->link);
	probe->open = false;
	ret = probe->link.ops->open(&probe->link);
	if (ret == 0)
		probe->open = true;
	return ret;
}

/* In the byte order of the session that ends, not of the next one. */
static void say_goodbye(struct probe *probe)
{
	bool swap = probe->link.swap;

	probe->link.swap = probe->session_swap;
	begin_request(probe, CF_DESTROY, 0);
	talk(probe, 0, 0); /* what is wrong shows at FUSE_INIT */
	probe->link.swap = swap;
}

/* No session is left, and requests can be sent. */
static int link_clear(struct probe *probe)
{
	const struct link_ops *ops = probe->link.ops;
	bool renew = !probe->open || (ops->renewable && !probe->keep);
	int ret = 0;

	if (!renew && probe->session && !probe->broken)
		say_goodbye(probe); /* if that fails, it is broken */
	if (renew || (probe->broken && ops->renewable))
		ret = link_renew(probe);
	else if (probe->broken)
		ret = ops->restart ? ops->restart(&probe->link) : -ENOTCONN;
	probe->gone = ret < 0;
	if (ret == 0) {
		probe->broken = false;
		probe->session = false;
	}
	return ret;
}

bool same_values(const struct crossfuse_abi *a, const struct crossfuse_abi *b)
{
	for (int group = 0; group < CROSSFUSE_GROUP_COUNT; group++)
		if (!crossfuse_abi_same_group(a, b,
					      (enum crossfuse_group)group))
			return false;
	return true;
}

bool is_translated(const struct probe *probe)
{
	return crossfuse_abi_big_endian(probe->abi) !=
		       crossfuse_abi_big_endian(probe->server) ||
	       !same_values(probe->form, probe->server);
}

void set_client(struct probe *probe, const struct crossfuse_abi *abi)
{
	probe->abi = abi;
	probe->form = abi;
	probe->canonical = false;
	set_order(probe, crossfuse_abi_big_endian(abi));
}

void set_order(struct probe *probe, bool big_endian)
{
	probe->link.swap = big_endian !=
			   (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

struct hello usual_hello(const struct probe *probe)
{
	return (struct hello){
		.major = 7,
		.minor = 47,
		.len = 64,
		.flags = USUAL_FLAGS,
		.arch_id = arch_id_of(crossfuse_abi_name(probe->abi)),
	};
}

int hello_fresh(struct probe *probe, const struct hello *hello,
		struct greeting *greeting)
{
	int ret;

	*greeting = (struct greeting){ 0 };
	if (!hello->again || probe->broken || !probe->open) {
		ret = link_clear(probe);
		if (ret < 0) {
			probe->broken = true;
			greeting->error = ret;
			return ret;
		}
	}
	return say_hello(probe, hello, greeting);
}

void take_greeting(struct probe *probe, const struct hello *hello,
		   const struct greeting *greeting)
{
	probe->greeting = *greeting;
	probe->flags = greeting->flags & hello->flags;
	probe->minor = greeting->minor < hello->minor ? greeting->minor
						      : hello->minor;
	probe->dir = 0;
}

/* The directory for this client, within the one of the probe. */
static int enter_workspace(struct probe *probe)
{
	char name[64];
	int ret;

	if (probe->read_only)
		return 0;
	ret = do_mkdir(probe, CF_ROOT_ID, probe->top_name, 0755, &probe->top);
	if (ret == 17) /* EEXIST, the same everywhere */
		ret = do_lookup(probe, CF_ROOT_ID, probe->top_name,
				&probe->top);
	if (ret)
		return ret;
	snprintf(name, sizeof(name), "%s%s", crossfuse_abi_name(probe->abi),
		 probe->canonical ? "-canonical" : "");
	ret = do_mkdir(probe, probe->top, name, 0755, &probe->dir);
	if (ret == 17)
		ret = do_lookup(probe, probe->top, name, &probe->dir);
	if (ret)
		probe->dir = 0;
	return ret;
}

static void explain(struct probe *probe, const char *what, int ret)
{
	if (!probe->why[0])
		snprintf(probe->why, sizeof(probe->why), "%s: %s", what,
			 error_text(probe, ret));
}

int session_start(struct probe *probe)
{
	struct hello hello = usual_hello(probe);
	struct greeting greeting;
	int ret;

	if (probe->canonical)
		hello.flags |= CANON_ARCH;
	probe->form = probe->abi;
	ret = hello_fresh(probe, &hello, &greeting);
	if (ret || greeting.opposite) {
		explain(probe, "FUSE_INIT", ret ? ret : -EPROTO);
		return ret ? ret : -EPROTO;
	}
	if (probe->canonical && !(greeting.flags & CANON_ARCH)) {
		snprintf(probe->why, sizeof(probe->why),
			 "the offer is not answered");
		return -EOPNOTSUPP;
	}
	if (probe->canonical)
		probe->form = crossfuse_abi_canonical();
	take_greeting(probe, &hello, &greeting);
	ret = enter_workspace(probe);
	if (ret < 0)
		explain(probe, "a directory of its own", ret);
	/* Without one, there is something left to look at. */
	return ret < 0 ? ret : 0;
}

int session_mend(struct probe *probe)
{
	int ret;

	if (!probe->broken && probe->session)
		return 0;
	ret = session_start(probe);
	if (ret < 0 || !probe->session) {
		probe->broken = true;
		if (!probe->why[0])
			snprintf(probe->why, sizeof(probe->why),
				 "the server no longer answers");
		return ret < 0 ? ret : -ENOTCONN;
	}
	return 0;
}

void session_end(struct probe *probe)
{
	if (!probe->open)
		return;
	if (probe->session && !probe->broken)
		say_goodbye(probe);
	probe->link.ops->close(&probe->link);
	probe->open = false;
	probe->session = false;
}

static bool remove_entry(struct probe *probe, uint64_t parent, const char *name,
			 unsigned int depth, unsigned int *left);

/* What one listing has of a directory. Whether anything went away. */
static bool remove_some(struct probe *probe, uint64_t nodeid,
			unsigned int depth, unsigned int *left)
{
	struct listing *listing = &probe_listing[depth];
	bool progress = false;

	if (list_directory(probe, nodeid, listing, false) != 0)
		return false;
	for (unsigned int i = 0; i < listing->count && *left; i++) {
		const char *entry = listing->names[i];

		if (strcmp(entry, ".") == 0 || strcmp(entry, "..") == 0)
			continue;
		(*left)--;
		if (remove_entry(probe, nodeid, entry, depth + 1, left))
			progress = true;
	}
	return progress;
}

/* Some servers only remove what was looked up, as a kernel always does. */
static bool remove_entry(struct probe *probe, uint64_t parent, const char *name,
			 unsigned int depth, unsigned int *left)
{
	uint64_t nodeid;

	if (do_lookup(probe, parent, name, &nodeid))
		return false;
	if ((reply_u32(probe, 100) & 0170000) != 0040000)
		return do_unlink(probe, parent, name) == 0;
	if (do_rmdir(probe, parent, name) == 0)
		return true;
	if (depth >= REMOVE_DEPTH)
		return false;
	while (remove_some(probe, nodeid, depth, left))
		if (do_rmdir(probe, parent, name) == 0)
			return true;
	return false;
}

void workspace_remove(struct probe *probe)
{
	unsigned int left = REMOVE_MAX;

	if (!remove_entry(probe, CF_ROOT_ID, probe->top_name, 0, &left))
		log_warn("%s, in the root of the server, could not be removed",
			 probe->top_name);
	probe->dir = 0;
}
