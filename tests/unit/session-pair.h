/* SPDX-License-Identifier: BSD-2-Clause */
/* A session that has its handshake behind it, for tests. */
#ifndef SESSION_PAIR_H
#define SESSION_PAIR_H

#include "check.h"
#include "wire-text.h"
#include <crossfuse/message.h>
#include <crossfuse/session.h>
#include <crossfuse/wire.h>

static inline bool machine_big(void)
{
	return crossfuse_abi_big_endian(crossfuse_abi_native());
}

/* Of the flags that Linux has always sent since 7.23, some. */
#define LINUX_INIT                                                           \
	(CF_INIT_ASYNC_READ | CF_INIT_POSIX_LOCKS | CF_INIT_ATOMIC_O_TRUNC | \
	 CF_INIT_EXPORT_SUPPORT | CF_INIT_BIG_WRITES | CF_INIT_DONT_MASK |   \
	 CF_INIT_FLOCK_LOCKS)

/* What is in an INIT and in its reply; zeros where nothing is said. */
struct init_text {
	uint32_t major, minor;
	uint64_t flags;
	uint32_t arch_id;
	size_t len; /* of the body; 0: 64 */
	uint16_t max_pages;
};

static inline void init_request(struct wire_bytes *b, struct init_text init,
				bool big)
{
	size_t len = init.len ? init.len : 64;

	memset(b, 0, sizeof(*b));
	wire_put(b, 40 + len, 4, big);
	wire_put(b, CF_INIT, 4, big);
	wire_put(b, WIRE_UNIQUE, 8, big);
	b->len = 40;
	wire_put(b, init.major, 4, big);
	wire_put(b, init.minor, 4, big);
	wire_put(b, 0x20000, 4, big);
	wire_put(b, (uint32_t)init.flags, 4, big);
	wire_put(b, init.flags >> 32, 4, big);
	wire_put(b, init.arch_id, 4, big);
	b->len = b->head = 40 + len;
	memset(b->at + b->len, 0, sizeof(b->at) - b->len);
}

static inline void init_reply(struct wire_bytes *b, struct init_text init,
			      bool big)
{
	size_t len = init.len ? init.len : 64;

	memset(b, 0, sizeof(*b));
	wire_put(b, 16 + len, 4, big);
	wire_put(b, 0, 4, big);
	wire_put(b, WIRE_UNIQUE, 8, big);
	wire_put(b, init.major, 4, big);
	wire_put(b, init.minor, 4, big);
	wire_put(b, 0x20000, 4, big);
	wire_put(b, (uint32_t)init.flags, 4, big);
	wire_put(b, 12, 2, big);
	wire_put(b, 9, 2, big);
	wire_put(b, 0x100000, 4, big);
	wire_put(b, 1, 4, big);
	wire_put(b, init.max_pages, 2, big);
	wire_put(b, 0, 2, big);
	wire_put(b, init.flags >> 32, 4, big);
	b->len = b->head = 16 + len;
	memset(b->at + b->len, 0, sizeof(b->at) - b->len);
}

/* Sends INIT and its reply through; both have to pass. */
static inline void pair_shake_hands(struct crossfuse_session *session,
				    struct init_text client,
				    struct init_text server, bool client_big,
				    bool server_big)
{
	struct crossfuse_call call;
	struct wire_bytes b;

	init_request(&b, client, client_big);
	CHECK_EQ(crossfuse_session_request(session, &call, b.at, b.len, b.len),
		 0);
	init_reply(&b, server, server_big);
	CHECK_EQ(crossfuse_session_reply(session, &call, b.at, b.len, b.len),
		 0);
}

/* A session between a legacy client that the administrator names, and SERVER. */
static inline void pair_start(struct crossfuse_session *session,
			      struct wire_form client, struct wire_form server,
			      bool setxattr_ext)
{
	struct crossfuse_config config = {
		.server = server.abi,
		.client = client.abi,
	};
	struct init_text init = {
		.major = 7,
		.minor = 38,
		.flags = CF_INIT_EXT |
			 (setxattr_ext ? CF_INIT_SETXATTR_EXT : 0),
	};

	CHECK_EQ(crossfuse_session_init(session, &config), 0);
	pair_shake_hands(session, init, init, client.big, server.big);
}

#endif
