/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configurations that make no sense, for either role; and the client's page
 * size, which a server's side may be told.
 */
#include "session-pair.h"
#include <errno.h>

static struct crossfuse_session session;

static void refuse(const struct crossfuse_config *config, const char *what)
{
	struct crossfuse_session before;

	memset(&session, 0x5a, sizeof(session));
	before = session;
	if (!CHECK_EQ(crossfuse_session_init(&session, config), -EINVAL))
		fprintf(stderr, "  %s\n", what);
	CHECK(!memcmp(&session, &before, sizeof(session)));
}

#define REFUSE(good, field, value)                   \
	do {                                         \
		struct crossfuse_config bad_ = good; \
		bad_.field = value;                  \
		refuse(&bad_, #field " " #value);    \
	} while (0)

static void test_client(const struct crossfuse_abi *abi)
{
	const struct crossfuse_config good = {
		.role = CROSSFUSE_ROLE_CLIENT,
		.client = abi,
		.client_page_size = 16384,
		.arch_id = 1,
	};

	CHECK_EQ(crossfuse_session_init(&session, &good), 0);
	CHECK(!crossfuse_session_client(&session, NULL) ||
	      crossfuse_session_client(&session, NULL) == abi);
	REFUSE(good, role, (enum crossfuse_role)2);
	REFUSE(good, policy, CROSSFUSE_REFUSE);
	REFUSE(good, policy, (enum crossfuse_policy)3);
	/* What a client cannot know. */
	REFUSE(good, server, abi);
	REFUSE(good, monitor, abi);
	REFUSE(good, server_page_size, 4096);
	/* Nobody is canonical without having negotiated it. */
	REFUSE(good, client, crossfuse_abi_canonical());
}

static void test_server(const struct crossfuse_abi *abi)
{
	const struct crossfuse_config nothing = { .arch_id = 0 };
	const struct crossfuse_config good = {
		.policy = CROSSFUSE_REFUSE,
		.server = abi,
		.client = crossfuse_abi_canonical(),
		.monitor = abi,
		.no_detect = true,
		.server_page_size = 65536,
		.client_page_size = 512,
	};

	CHECK_EQ(crossfuse_session_init(&session, &nothing), 0);
	CHECK_EQ(crossfuse_session_init(&session, &good), 0);
	REFUSE(good, policy, (enum crossfuse_policy)3);
	/* Nothing that a server would send. */
	REFUSE(good, arch_id, 1);
}

static void test_both(enum crossfuse_role role)
{
	const struct crossfuse_config good = { .role = role };
	struct crossfuse_config config = good;

	for (uint32_t size = 512; size; size *= 2) {
		config.client_page_size = size;
		CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	}
	REFUSE(good, client_page_size, 1);
	REFUSE(good, client_page_size, 256);
	REFUSE(good, client_page_size, 4095);
	REFUSE(good, client_page_size, 4097);
	REFUSE(good, client_page_size, 0xffffffff);
	REFUSE(good, server_page_size, 511);
	REFUSE(good, server_page_size, 12288);
	for (int i = 0; i < 4; i++)
		REFUSE(good, reserved[i], UINT64_C(1) << 63);
	refuse(NULL, "no configuration");
	CHECK_EQ(crossfuse_session_init(NULL, &good), -EINVAL);
}

/* What a client of this ABI hears of as many pages of 4096 bytes. */
static void check_pages(const char *name, uint32_t page_size, bool offers,
			uint16_t pages, uint16_t want)
{
	struct crossfuse_config config = {
		.server = crossfuse_abi_by_name("x86_64"),
		.client_page_size = page_size,
	};
	bool big = crossfuse_abi_big_endian(crossfuse_abi_by_name(name));
	struct init_text init = { .major = 7, .minor = 45 };
	struct crossfuse_call call;
	struct wire_bytes b;
	uint16_t got;

	init.arch_id = crossfuse_arch_id(name);
	init.flags = CF_INIT_EXT | (offers ? CF_INIT_CANON_ARCH : 0);
	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	init_request(&b, init, big);
	CHECK_EQ(crossfuse_session_request(&session, &call, b.at, b.len, b.len),
		 0);
	init.flags = CF_INIT_EXT | CF_INIT_MAX_PAGES;
	init.max_pages = pages;
	init_reply(&b, init, false);
	CHECK_EQ(crossfuse_session_reply(&session, &call, b.at, b.len, b.len),
		 0);
	got = (uint16_t)(b.at[16 + 28 + !big] << 8 | b.at[16 + 28 + big]);
	CHECK_EQ(got, want);
}

static void test_client_pages(void)
{
	/* Legacy: in its own pages, rounded up. */
	check_pages("ppc64", 65536, false, 256, 16);
	check_pages("ppc64", 65536, false, 257, 17);
	check_pages("ppc64", 65536, false, 0, 0);
	check_pages("mips64el", 16384, false, 1, 1);
	/* Not known; known from the ABI; and said otherwise. */
	check_pages("mips64el", 0, false, 256, 256);
	check_pages("alpha", 0, false, 256, 128);
	check_pages("alpha", 16384, false, 256, 64);
	/* Canonical pages have 4096 bytes, whatever the client's have. */
	check_pages("ppc64", 65536, true, 256, 256);
}

int main(void)
{
	test_client(crossfuse_abi_by_name("s390x"));
	test_client(crossfuse_abi_by_name("aarch64"));
	test_server(crossfuse_abi_by_name("mips"));
	test_both(CROSSFUSE_ROLE_SERVER);
	test_both(CROSSFUSE_ROLE_CLIENT);
	test_client_pages();
	return check_result();
}
