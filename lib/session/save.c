/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A session as bytes, little-endian on every machine:
 *
 *   0  "CFSESSN" and a NUL     28  client: its arch_id, or 0
 *   8  version                 32  refused as: its arch_id, or 0
 *  12  length of all           36  arch_id as FUSE_INIT has it
 *  16  enum crossfuse_role     40  major
 *  20  enum crossfuse_source   44  minor
 *  24  SAVED_ bits             48  flags of FUSE_INIT, 64 bits
 *
 * From 16 on, all is 0 but the role before the first FUSE_INIT. What was seen
 * on the way to finding out what the client is, and what was told of already,
 * begins anew.
 */
#include "offer.h"
#include <assert.h>
#include <errno.h>

enum {
	AT_VERSION = 8,
	AT_LEN = 12,
	AT_ROLE = 16,
	AT_SOURCE = 20,
	AT_BITS = 24,
	AT_CLIENT = 28,
	AT_REFUSED = 32,
	AT_ARCH_ID = 36,
	AT_MAJOR = 40,
	AT_MINOR = 44,
	AT_FLAGS = 48,
	SAVED_LEN = 56,

	VERSION = 1,
};

enum {
	SAVED_BIG = 1 << 0, /* the client's integers are big-endian */
	SAVED_OFFERED = 1 << 1,
	SAVED_OWN_OFFER = 1 << 2,
	SAVED_ANSWERED = 1 << 3,
	SAVED_SETXATTR_EXT = 1 << 4,
	SAVED_UNTOUCHED = 1 << 5,
	SAVED_DETECT = 1 << 6,
	SAVED_CLIENT_CANON = 1 << 7, /* the client is the canonical form */
	SAVED_REFUSED = 1 << 8,	     /* if not by arch_id, then canonical */
	SAVED_UNKNOWN = ~((1 << 9) - 1),
};

static const char magic[8] = "CFSESSN";

static_assert(SAVED_LEN <= CROSSFUSE_SESSION_SAVE_MAX, "room for all of it");

/* What a session has to say, the same on every machine. */
struct saved {
	uint32_t role;
	uint32_t source;
	uint32_t bits;
	const struct crossfuse_abi *client;
	const struct crossfuse_abi *refused;
	uint32_t arch_id;
	uint32_t major;
	uint32_t minor;
	uint64_t init_flags;
};

static void put_le32(uint8_t *buf, size_t at, uint32_t value)
{
	cf_put32(buf + at, value, cf_machine_big());
}

static uint32_t get_le32(const uint8_t *buf, size_t at)
{
	return cf_get32(buf + at, cf_machine_big());
}

static uint32_t bits_of(const struct session *s, uint32_t state)
{
	uint32_t bits = 0;

	bits |= s->swapped != cf_machine_big() ? SAVED_BIG : 0;
	bits |= s->offered ? SAVED_OFFERED : 0;
	bits |= s->own_offer ? SAVED_OWN_OFFER : 0;
	bits |= s->answered ? SAVED_ANSWERED : 0;
	bits |= s->setxattr_ext ? SAVED_SETXATTR_EXT : 0;
	bits |= state & MODE_UNTOUCHED ? SAVED_UNTOUCHED : 0;
	bits |= state & MODE_DETECT ? SAVED_DETECT : 0;
	bits |= client_id(state) == STATE_CANONICAL ? SAVED_CLIENT_CANON : 0;
	bits |= s->refused ? SAVED_REFUSED : 0;
	return bits;
}

static uint32_t id_of(const struct crossfuse_abi *abi)
{
	return abi ? crossfuse_abi_arch_id(abi) : 0;
}

ssize_t crossfuse_session_save(const struct crossfuse_session *session,
			       void *buf, size_t size)
{
	const struct session *s = session_of_const(session);
	uint32_t state = state_of(s);
	uint8_t *at = buf;

	if (size < SAVED_LEN)
		return -ENOBUFS;
	memset(at, 0, SAVED_LEN);
	memcpy(at, magic, sizeof(magic));
	put_le32(at, AT_VERSION, VERSION);
	put_le32(at, AT_LEN, SAVED_LEN);
	put_le32(at, AT_ROLE, s->config.role);
	if (!s->major)
		return SAVED_LEN;
	put_le32(at, AT_SOURCE, source_of(state));
	put_le32(at, AT_BITS, bits_of(s, state));
	put_le32(at, AT_CLIENT, id_of(known_client(state)));
	put_le32(at, AT_REFUSED, id_of(s->refused));
	put_le32(at, AT_ARCH_ID, s->arch_id);
	put_le32(at, AT_MAJOR, s->major);
	put_le32(at, AT_MINOR, s->minor);
	cf_put64(at + AT_FLAGS, s->init_flags, cf_machine_big());
	return SAVED_LEN;
}

/* An ABI by its arch_id, or the canonical form. */
static int read_abi(uint32_t id, bool canonical,
		    const struct crossfuse_abi **ret)
{
	const struct crossfuse_abi *abi = NULL;

	if (canonical)
		abi = crossfuse_abi_canonical();
	else if (id)
		abi = crossfuse_abi_by_arch_id(id);
	/* Of several names, the first. */
	if (id_of(abi) != id)
		return -EBADMSG;
	*ret = abi;
	return 0;
}

static int read_saved(const uint8_t *buf, size_t len, struct saved *ret)
{
	uint32_t refused;

	if (len < AT_ROLE || memcmp(buf, magic, sizeof(magic)))
		return -EBADMSG;
	if (get_le32(buf, AT_VERSION) != VERSION)
		return -EPROTONOSUPPORT;
	if (len != SAVED_LEN || get_le32(buf, AT_LEN) != SAVED_LEN)
		return -EBADMSG;
	*ret = (struct saved){
		.role = get_le32(buf, AT_ROLE),
		.source = get_le32(buf, AT_SOURCE),
		.bits = get_le32(buf, AT_BITS),
		.arch_id = get_le32(buf, AT_ARCH_ID),
		.major = get_le32(buf, AT_MAJOR),
		.minor = get_le32(buf, AT_MINOR),
		.init_flags = cf_get64(buf + AT_FLAGS, cf_machine_big()),
	};
	refused = get_le32(buf, AT_REFUSED);
	if (read_abi(get_le32(buf, AT_CLIENT), ret->bits & SAVED_CLIENT_CANON,
		     &ret->client) ||
	    read_abi(refused, ret->bits & SAVED_REFUSED && !refused,
		     &ret->refused) ||
	    !ret->refused != !(ret->bits & SAVED_REFUSED))
		return -EBADMSG;
	return 0;
}

static bool has(const struct saved *saved, int bits)
{
	return saved->bits & (uint32_t)bits;
}

/* Before the first FUSE_INIT. */
static bool is_blank(const struct saved *saved)
{
	return !saved->source && !saved->bits && !saved->client &&
	       !saved->arch_id && !saved->minor && !saved->init_flags;
}

/* How much is known of the client, and from where. */
static bool source_fits(const struct saved *saved)
{
	bool canonical = saved->client == crossfuse_abi_canonical();

	switch (saved->source) {
	case CROSSFUSE_SOURCE_NONE:
		return !saved->client;
	case CROSSFUSE_SOURCE_CANON:
		return canonical;
	case CROSSFUSE_SOURCE_ADMIN:
	case CROSSFUSE_SOURCE_MONITOR:
		return saved->client;
	case CROSSFUSE_SOURCE_ARCH_ID:
	case CROSSFUSE_SOURCE_INIT:
	case CROSSFUSE_SOURCE_TRAFFIC:
		return saved->client && !canonical;
	default:
		return false;
	}
}

static bool server_fits(const struct saved *saved)
{
	bool known = saved->source != CROSSFUSE_SOURCE_NONE;
	bool canon = saved->source == CROSSFUSE_SOURCE_CANON;

	if (!source_fits(saved) || has(saved, SAVED_OWN_OFFER) ||
	    has(saved, SAVED_ANSWERED) != canon)
		return false;
	if (canon && has(saved, SAVED_UNTOUCHED))
		return false;
	if (has(saved, SAVED_DETECT))
		return !known && !has(saved, SAVED_UNTOUCHED | SAVED_REFUSED);
	return !has(saved, SAVED_REFUSED) ||
	       (!known && !has(saved, SAVED_UNTOUCHED));
}

static bool client_fits(const struct saved *saved)
{
	bool canon = saved->source == CROSSFUSE_SOURCE_CANON;

	return (canon || saved->source == CROSSFUSE_SOURCE_ADMIN) &&
	       saved->client && !has(saved, SAVED_CLIENT_CANON) &&
	       !has(saved, SAVED_UNTOUCHED | SAVED_DETECT | SAVED_REFUSED) &&
	       !(has(saved, SAVED_OFFERED) && has(saved, SAVED_OWN_OFFER)) &&
	       has(saved, SAVED_ANSWERED) == canon;
}

static bool saved_fits(const struct saved *saved)
{
	if (saved->role > CROSSFUSE_ROLE_CLIENT || has(saved, SAVED_UNKNOWN))
		return false;
	if (!saved->major)
		return is_blank(saved);
	if (saved->major > 0xffff || saved->minor > 0xffff ||
	    (has(saved, SAVED_ANSWERED) && !has(saved, SAVED_OFFERED)) ||
	    (has(saved, SAVED_OFFERED) && !saved->arch_id))
		return false;
	return saved->role == CROSSFUSE_ROLE_SERVER ? server_fits(saved)
						    : client_fits(saved);
}

static void go_on(struct session *s, const struct saved *saved)
{
	uint32_t extra = 0;

	cf_detect_start(s);
	s->init_flags = saved->init_flags;
	s->arch_id = saved->arch_id;
	s->major = saved->major;
	s->minor = saved->minor;
	s->offered = has(saved, SAVED_OFFERED);
	s->own_offer = has(saved, SAVED_OWN_OFFER);
	s->answered = has(saved, SAVED_ANSWERED);
	s->setxattr_ext = has(saved, SAVED_SETXATTR_EXT);
	s->swapped = has(saved, SAVED_BIG) != cf_machine_big();
	s->refused = saved->refused;
	extra |= has(saved, SAVED_UNTOUCHED) ? MODE_UNTOUCHED : 0;
	extra |= has(saved, SAVED_DETECT) ? MODE_DETECT : 0;
	if (saved->role == CROSSFUSE_ROLE_CLIENT && s->answered)
		s->config.server = crossfuse_abi_canonical();
	cf_session_set_client(s, saved->client,
			      (enum crossfuse_source)saved->source, extra);
}

int crossfuse_session_load(struct crossfuse_session *session,
			   const struct crossfuse_config *config,
			   const void *buf, size_t len)
{
	struct crossfuse_session loaded;
	struct session *s = session_of(&loaded);
	struct saved saved;
	int err;

	if (!session || !buf)
		return -EINVAL;
	err = crossfuse_session_init(&loaded, config);
	if (err)
		return err;
	err = read_saved(buf, len, &saved);
	if (err)
		return err;
	if (!saved_fits(&saved))
		return -EBADMSG;
	if (saved.role != s->config.role ||
	    (saved.role == CROSSFUSE_ROLE_CLIENT && saved.client &&
	     saved.client != s->config.client))
		return -EINVAL;
	if (saved.major)
		go_on(s, &saved);
	memcpy(session, &loaded, sizeof(loaded));
	return 0;
}
