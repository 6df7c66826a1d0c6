/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What holds for every message between any two ABIs, tried with random ones of
 * every opcode. The seed is printed; CROSSFUSE_SEED sets another one, and
 * CROSSFUSE_ROUNDS how often all pairs are gone through: twice, or 50 times with
 * CROSSFUSE_LONG=1.
 */
#include "random-message.h"
#include <errno.h>

enum {
	RED_ZONE = 64,
	ZONE_BYTE = 0xa5,
	MAX_ABIS = 64
};

static struct random_values values;
static struct random source;
static uint64_t seed_now;
static bool long_setxattr;

/* A message's head between bytes that nobody may touch. */
struct zone {
	uint8_t before[RED_ZONE];
	uint8_t at[1024 + RED_ZONE];
};

static void zone_fill(struct zone *zone, const uint8_t *bytes, size_t len)
{
	memset(zone, ZONE_BYTE, sizeof(*zone));
	memcpy(zone->at, bytes, len);
}

static bool zone_whole(const struct zone *zone, size_t len)
{
	for (size_t i = 0; i < RED_ZONE; i++)
		if (zone->before[i] != ZONE_BYTE ||
		    zone->at[len + i] != ZONE_BYTE)
			return false;
	return true;
}

/* What the message at hand is, for whoever looks for the fault. */
static void tell(const char *what, uint32_t code, struct wire_form from,
		 struct wire_form to)
{
	fprintf(stderr, "  %s %u, %s to %s, made of %#" PRIx64 "\n", what, code,
		crossfuse_abi_name(from.abi), crossfuse_abi_name(to.abi),
		seed_now);
}

static struct wire_form form_of(const struct crossfuse_abi *abi)
{
	return (struct wire_form){ abi, crossfuse_abi_big_endian(abi) };
}

static bool same_values(const struct crossfuse_abi *a,
			const struct crossfuse_abi *b)
{
	for (unsigned int group = 0; group < CROSSFUSE_GROUP_COUNT; group++)
		if (!crossfuse_abi_same_group(a, b,
					      (enum crossfuse_group)group))
			return false;
	return true;
}

/* Then every message passes as it is, whatever stands in it. */
static bool nothing_to_do(struct wire_form a, struct wire_form b)
{
	return a.big == b.big && same_values(a.abi, b.abi);
}

enum way {
	REQUEST,
	REPLY,
	NOTIFY
};

/*
 * One message through a session; only its head is there, and nothing around it
 * changes. 0 or an error, with which nothing at all may have changed.
 */
static int pass(struct crossfuse_session *session, enum way way,
		struct crossfuse_call *call, struct wire_bytes *b)
{
	static struct zone zone;
	ssize_t head;
	int err;

	if (way == REQUEST)
		head = crossfuse_request_head_len(session, b->at, b->len);
	else if (way == REPLY)
		head = (ssize_t)crossfuse_reply_head_len(call, b->len);
	else
		head = crossfuse_notify_head_len(session, b->at, b->len);
	if (head < 0)
		return (int)head;
	/* Of less than a header there is no more than there is. */
	if (head > (ssize_t)b->len)
		head = (ssize_t)b->len;
	zone_fill(&zone, b->at, (size_t)head);
	if (way == REQUEST)
		err = crossfuse_session_request(session, call, zone.at,
						(size_t)head, b->len);
	else if (way == REPLY)
		err = crossfuse_session_reply(session, call, zone.at,
					      (size_t)head, b->len);
	else
		err = crossfuse_session_notify(session, zone.at, (size_t)head,
					       b->len);
	CHECK(err <= 0);
	CHECK(zone_whole(&zone, (size_t)head));
	if (err)
		CHECK(!memcmp(zone.at, b->at, (size_t)head));
	memcpy(b->at, zone.at, (size_t)head);
	return err;
}

static bool same_bytes(const struct wire_bytes *a, const struct wire_bytes *b)
{
	return a->len == b->len && !memcmp(a->at, b->at, a->len);
}

/* The message of the seed, in one form. */
static void make(struct wire_bytes *b, enum way way,
		 const struct crossfuse_opcode *op, struct wire_form form)
{
	if (way == REQUEST)
		random_request(b, &values, op, seed_now, form, long_setxattr);
	else if (way == REPLY)
		random_reply(b, &values, op, seed_now, form, seed_now % 4 == 0);
	else
		random_notify(b, &values, op, seed_now, form);
}

/* A client, perhaps a translator of its own, a server, and what is between. */
struct path {
	struct wire_form client, server;
	struct crossfuse_session near, far; /* FAR: at the server */
	bool two;			    /* NEAR is used as well */
	bool canonical;			    /* between them */
	bool untouched;			    /* nothing has to be translated */
	struct wire_form between;
};

static struct init_text init_of(uint32_t minor)
{
	return (struct init_text){
		.major = 7,
		.minor = minor,
		.flags = CF_INIT_EXT |
			 (long_setxattr ? CF_INIT_SETXATTR_EXT : 0),
	};
}

/* One session, whose client does not speak canonical. */
static void start_direct_as(struct path *path, struct wire_form client,
			    struct wire_form server, bool no_check)
{
	struct crossfuse_config config = { .client = client.abi,
					   .server = server.abi,
					   .no_check = no_check };
	struct init_text init = init_of(45);

	memset(path, 0, sizeof(*path));
	path->client = client;
	path->server = server;
	path->untouched = nothing_to_do(client, server);
	CHECK_EQ(crossfuse_session_init(&path->far, &config), 0);
	pair_shake_hands(&path->far, init, init, client.big, server.big);
}

static void start_direct(struct path *path, struct wire_form client,
			 struct wire_form server)
{
	start_direct_as(path, client, server, false);
}

/* FUSE_INIT and its reply through both sessions. */
static void shake_hands_twice(struct path *path, uint32_t minor)
{
	struct init_text init = init_of(minor);
	struct crossfuse_call near, far;
	enum crossfuse_source how;
	struct wire_bytes b, want;

	init_request(&b, init, path->client.big);
	CHECK_EQ(pass(&path->near, REQUEST, &near, &b), 0);
	CHECK_EQ(pass(&path->far, REQUEST, &far, &b), 0);
	/* The server sees what the client sent, but for what EXT lets in. */
	init_request(&want, init, path->server.big);
	CHECK(same_bytes(&b, &want));
	init_reply(&b, init, path->server.big);
	CHECK_EQ(pass(&path->far, REPLY, &far, &b), 0);
	CHECK_EQ(pass(&path->near, REPLY, &near, &b), 0);
	init_reply(&want, init, path->client.big);
	CHECK(same_bytes(&b, &want));
	crossfuse_session_client(&path->near, &how);
	CHECK_EQ(how == CROSSFUSE_SOURCE_CANON, path->canonical);
	crossfuse_session_client(&path->far, &how);
	CHECK_EQ(how == CROSSFUSE_SOURCE_CANON, path->canonical);
}

static void start_two(struct path *path, struct wire_form client,
		      struct wire_form server, uint32_t minor)
{
	struct crossfuse_config near = { .role = CROSSFUSE_ROLE_CLIENT,
					 .client = client.abi };
	struct crossfuse_config far = { .server = server.abi };

	memset(path, 0, sizeof(*path));
	path->two = true;
	path->client = client;
	path->server = server;
	path->canonical = !same_values(client.abi, server.abi);
	path->untouched = nothing_to_do(client, server);
	path->between = client;
	if (path->canonical)
		path->between.abi = crossfuse_abi_canonical();
	CHECK_EQ(crossfuse_session_init(&path->near, &near), 0);
	CHECK_EQ(crossfuse_session_init(&path->far, &far), 0);
	shake_hands_twice(path, minor);
}

/* The number of an ioctl that says "long" need not be canonical in its size. */
static bool between_is_loose(const struct crossfuse_opcode *op, enum way way,
			     struct wire_form client)
{
	return op->code == CF_IOCTL && way == REQUEST &&
	       crossfuse_abi_long_bits(client.abi) == 32;
}

static void check_between(const struct path *path, enum way way,
			  const struct crossfuse_opcode *op,
			  const struct wire_bytes *b)
{
	struct wire_bytes want;

	if (between_is_loose(op, way, path->client))
		return;
	make(&want, way, op, path->between);
	if (!CHECK(same_bytes(b, &want)))
		tell("between", op->code, path->client, path->server);
}

/* From the client to the server. */
static void send(struct path *path, const struct crossfuse_opcode *op,
		 struct crossfuse_call *near, struct crossfuse_call *far)
{
	struct wire_bytes b, want;
	int err = 0;

	make(&b, REQUEST, op, path->client);
	make(&want, REQUEST, op, path->untouched ? path->client : path->server);
	if (path->two) {
		err = pass(&path->near, REQUEST, near, &b);
		check_between(path, REQUEST, op, &b);
		/* Canonical values are the server's: a long stays as long. */
		if (op->code == CF_IOCTL &&
		    nothing_to_do(path->between, path->server))
			want = b;
	}
	if (!err)
		err = pass(&path->far, REQUEST, far, &b);
	if (!CHECK_EQ(err, 0) || !CHECK(same_bytes(&b, &want)))
		tell("request", op->code, path->client, path->server);
	CHECK_EQ(far->opcode, op->code);
	CHECK_EQ(far->unique, WIRE_UNIQUE);
}

/* And back. */
static void answer(struct path *path, enum way way,
		   const struct crossfuse_opcode *op,
		   struct crossfuse_call *near, struct crossfuse_call *far)
{
	struct wire_bytes b, want;
	int err;

	make(&b, way, op, path->server);
	make(&want, way, op, path->untouched ? path->server : path->client);
	err = pass(&path->far, way, far, &b);
	if (path->two && !err) {
		check_between(path, way, op, &b);
		err = pass(&path->near, way, near, &b);
	}
	if (!CHECK_EQ(err, 0) || !CHECK(same_bytes(&b, &want)))
		tell(way == REPLY ? "reply" : "notify", op->code, path->client,
		     path->server);
}

/* Every opcode and notification once. */
static void test_messages(struct path *path)
{
	const struct crossfuse_opcode *op;
	struct crossfuse_call near, far;

	for (size_t i = 0; (op = crossfuse_opcode_at(i)); i++) {
		if (op->code == CF_INIT || op->code == CF_CUSE_INIT)
			continue;
		seed_now = random_64(&source);
		send(path, op, &near, &far);
		if (op->has_reply)
			answer(path, REPLY, op, &near, &far);
	}
	for (size_t i = 0; (op = crossfuse_notify_at(i)); i++) {
		seed_now = random_64(&source);
		answer(path, NOTIFY, op, NULL, NULL);
	}
}

/* From A by way of the canonical form back to A. */
static void test_identity(const struct crossfuse_abi *abi)
{
	struct crossfuse_config config = { .role = CROSSFUSE_ROLE_CLIENT,
					   .client = abi };
	struct init_text init = init_of(45), answer = init;
	struct wire_form form = form_of(abi);
	struct wire_form plain = { crossfuse_abi_canonical(), form.big };
	struct path path;

	/* It answers to nobody, but is told that its client is canonical. */
	start_direct(&path, plain, form);
	path.client = form;
	path.two = true;
	path.untouched = false;
	path.between = plain;
	CHECK_EQ(crossfuse_session_init(&path.near, &config), 0);
	answer.flags |= CF_INIT_CANON_ARCH;
	pair_shake_hands(&path.near, init, answer, form.big, form.big);
	test_messages(&path);
}

static void put_word(uint8_t *at, uint32_t value, bool big)
{
	for (size_t i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * (big ? 3 - i : i));
}

/* Any bytes with a right length, of any opcode but FUSE_INIT's. */
static void random_bytes(struct wire_bytes *b, bool big, bool reply)
{
	size_t least = reply ? RANDOM_OUT_HEADER : RANDOM_IN_HEADER;

	memset(b, 0, sizeof(*b));
	b->len = b->head = least + random_below(&source, 200);
	random_text(&source, b->at, b->len);
	put_word(b->at, (uint32_t)b->len, big);
	if (reply) {
		put_word(b->at + 4, 0, big);
		put_word(b->at + 8,
			 big ? WIRE_UNIQUE >> 32 : (uint32_t)WIRE_UNIQUE, big);
		put_word(b->at + 12,
			 big ? (uint32_t)WIRE_UNIQUE : WIRE_UNIQUE >> 32, big);
	} else {
		put_word(b->at + 4, 1 + random_below(&source, 25), big);
	}
}

/* Nothing to translate, nor to check: nothing is even looked at. */
static void test_same(const struct crossfuse_abi *abi)
{
	struct wire_form form = form_of(abi);
	const struct crossfuse_opcode *op;
	struct crossfuse_call call;
	struct wire_bytes b, first;
	struct path path;

	start_direct_as(&path, form, form, true);
	for (size_t i = 0; i < 64; i++) {
		random_bytes(&b, form.big, false);
		first = b;
		CHECK_EQ(pass(&path.far, REQUEST, &call, &b), 0);
		CHECK(same_bytes(&b, &first));
		op = crossfuse_opcode_at(random_below(&source, 20));
		seed_now = random_64(&source);
		make(&b, REQUEST, op, form);
		CHECK_EQ(pass(&path.far, REQUEST, &call, &b), 0);
		random_bytes(&b, form.big, true);
		first = b;
		CHECK_EQ(pass(&path.far, REPLY, &call, &b), 0);
		CHECK(same_bytes(&b, &first));
	}
}

/* Of a client whose ABI nobody knows yet, only byte order is changed. */
static void test_undecided(const struct crossfuse_abi *abi)
{
	struct crossfuse_config config = { .server = abi };
	struct init_text init = init_of(45);
	struct crossfuse_session session;
	const struct crossfuse_opcode *op;
	struct crossfuse_call call;

	CHECK_EQ(crossfuse_session_init(&session, &config), 0);
	for (int big = 0; big < 2; big++) {
		struct wire_form client = { abi, big }, server = form_of(abi);
		struct wire_bytes b, want;

		pair_shake_hands(&session, init, init, client.big, server.big);
		for (size_t i = 0; (op = crossfuse_opcode_at(i)); i++) {
			/* INIT; and what would decide it. */
			if (op->code == CF_INIT || op->code == CF_CUSE_INIT ||
			    op->code == CF_OPEN || op->code == CF_OPENDIR ||
			    op->code == CF_CREATE)
				continue;
			seed_now = random_64(&source);
			make(&b, REQUEST, op, client);
			make(&want, REQUEST, op, server);
			CHECK_EQ(pass(&session, REQUEST, &call, &b), 0);
			if (!CHECK(same_bytes(&b, &want)))
				tell("undecided", op->code, client, server);
			make(&b, REPLY, op, server);
			make(&want, REPLY, op, client);
			CHECK_EQ(pass(&session, REPLY, &call, &b), 0);
			CHECK(same_bytes(&b, &want));
		}
	}
}

/* Damages a message somewhere; its header keeps to its length. */
static void damage(struct wire_bytes *b, bool big)
{
	size_t from = 4 + random_below(&source, (uint32_t)b->len - 4);

	switch (random_below(&source, 4)) {
	case 0:
		b->at[from] = (uint8_t)random_64(&source);
		break;
	case 1:
		b->at[from] ^= (uint8_t)(1 << random_below(&source, 8));
		break;
	case 2:
		b->len = from;
		break;
	default:
		random_text(&source, b->at + b->len, 24);
		b->len += 1 + random_below(&source, 24);
		break;
	}
	put_word(b->at, (uint32_t)b->len, big);
}

/*
 * Damaged messages: pass() sees that nothing is written to one that is refused,
 * and nothing around one that is not.
 */
static unsigned int test_damaged(struct path *path)
{
	const struct crossfuse_opcode *op;
	unsigned int refused = 0;
	struct crossfuse_call call;
	struct wire_bytes b;

	for (size_t i = 0; (op = crossfuse_opcode_at(i)); i++) {
		if (op->code == CF_INIT || op->code == CF_CUSE_INIT)
			continue;
		seed_now = random_64(&source);
		make(&b, REQUEST, op, path->client);
		damage(&b, path->client.big);
		refused += pass(&path->far, REQUEST, &call, &b) != 0;
		make(&b, REQUEST, op, path->client);
		CHECK_EQ(pass(&path->far, REQUEST, &call, &b), 0);
		make(&b, REPLY, op, path->server);
		damage(&b, path->server.big);
		refused += pass(&path->far, REPLY, &call, &b) != 0;
	}
	for (size_t i = 0; (op = crossfuse_notify_at(i)); i++) {
		seed_now = random_64(&source);
		make(&b, NOTIFY, op, path->server);
		damage(&b, path->server.big);
		refused += pass(&path->far, NOTIFY, NULL, &b) != 0;
	}
	return refused;
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

int main(void)
{
	uint64_t seed = setting("CROSSFUSE_SEED", 1);
	uint64_t rounds = setting("CROSSFUSE_ROUNDS",
				  setting("CROSSFUSE_LONG", 0) ? 50 : 2);
	const struct crossfuse_abi *client, *server;
	unsigned int refused = 0;
	struct path path;

	printf("CROSSFUSE_SEED=%" PRIu64 " CROSSFUSE_ROUNDS=%" PRIu64 "\n",
	       seed, rounds);
	source.state = seed;
	find_values(&values);
	CHECK(values.error_count > 30 && values.poll_count > 10);
	for (; rounds; rounds--)
		for (size_t i = 0; (client = crossfuse_abi_at(i)); i++) {
			test_identity(client);
			test_same(client);
			test_undecided(client);
			for (size_t k = 0; (server = crossfuse_abi_at(k));
			     k++) {
				uint32_t minor = 36 + random_below(&source, 12);

				long_setxattr = random_below(&source, 2);
				start_direct(&path, form_of(client),
					     form_of(server));
				test_messages(&path);
				refused += test_damaged(&path);
				start_two(&path, form_of(client),
					  form_of(server), minor);
				test_messages(&path);
			}
		}
	CHECK(refused > 10000);
	return check_result();
}
