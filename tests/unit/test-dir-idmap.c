// SPDX-License-Identifier: BSD-2-Clause
/* Users and groups that have other numbers on the host. */
#include "../../src/port/dir/idmap.h"
#include "dir-client.h"

#define RULES 6

static const struct {
	const char *rules[RULES];
	uint32_t guest, host; /* on its way there */
	int error;
	uint32_t from, to; /* and back */
} maps[] = {
	{ { NULL }, 5, 5, 0, 5, 5 },
	{ { "map:0:100000:65536" }, 0, 100000, 0, 165535, 65535 },
	{ { "map:0:100000:65536" }, 65536, 65536, 0, 99999, 99999 },
	{ { "map,0,100000,65536" }, 1, 100001, 0, 100001, 1 },
	{ { "guest:10:20:5" }, 14, 24, 0, 24, 24 },
	{ { "host:10:20:5" }, 14, 14, 0, 14, 24 },
	{ { "squash-guest:0:107:4294967295" }, 4294967294, 107, 0, 107, 107 },
	{ { "squash-guest:0:107:4294967295" }, 4294967295, 4294967295, 0, 0, 0 },
	{ { "squash-host:0:9:4294967295", "map:3:4294967295:1" },
	  3,
	  4294967295,
	  0,
	  77,
	  9 },
	{ { "forbid-guest:0:1000" }, 999, 0, -EPERM, 999, 999 },
	{ { "forbid-guest:0:1000" }, 1000, 1000, 0, 1000, 1000 },
	/* Touching ones, in any order. */
	{ { "map:20:120:10", "map:0:100:10", "map:30:30:1", "map:10:110:10" },
	  19,
	  119,
	  0,
	  120,
	  20 },
	{ { "map:20:120:10", "map:0:100:10", "map:30:30:1", "map:10:110:10" },
	  29,
	  129,
	  0,
	  109,
	  9 },
	{ { "guest:1000:1:1", "squash-guest:0:2:1000", "host:1:1000:1",
	    "squash-host:2:3:1", "forbid-guest:1001:10" },
	  1000,
	  1,
	  0,
	  2,
	  3 },
};

static struct idmap *make_map(const char *const *rules)
{
	struct idmap *map = NULL;

	for (int i = 0; i < RULES && rules[i]; i++)
		CHECK_EQ(idmap_add(&map, "test", rules[i]), 0);
	return map;
}

static void test_maps(void)
{
	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++) {
		struct idmap *map = make_map(maps[i].rules);
		uint32_t host = 0;

		if (!CHECK_EQ(idmap_to_host(map, maps[i].guest, &host),
			      maps[i].error) ||
		    !CHECK_EQ(host, maps[i].host) ||
		    !CHECK_EQ(idmap_to_guest(map, maps[i].from), maps[i].to))
			fprintf(stderr, "  %zu\n", i);
		idmap_free(map);
	}
}

static int create(struct client *c, uint32_t uid, uint32_t gid,
		  const char *name, struct cf_entry_out *ret)
{
	struct cf_mkdir_in in = { .mode = 0755 };

	return ask_as(c, uid, gid, CF_MKDIR, CF_ROOT_ID, &in, sizeof(in), name,
		      NULL, ret, sizeof(*ret));
}

static int ask_chown(struct client *c, uint64_t nodeid, uint32_t uid,
		     uint32_t gid, struct cf_attr_out *ret)
{
	struct cf_setattr_in in = { .valid = CF_FATTR_UID | CF_FATTR_GID,
				    .uid = uid,
				    .gid = gid };

	return ask(c, CF_SETATTR, nodeid, &in, sizeof(in), NULL, ret,
		   sizeof(*ret));
}

static void check_host(struct client *c, const char *name, uid_t uid, gid_t gid)
{
	struct stat st = { 0 };

	CHECK_EQ(fstatat(c->root, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_EQ(st.st_uid, uid);
	CHECK_EQ(st.st_gid, gid);
}

static void test_mapped(struct client *c)
{
	struct cf_statx_in in = { .sx_mask = STATX_BASIC_STATS };
	struct cf_entry_out entry = { 0 };
	struct cf_attr_out attr = { 0 };
	struct cf_statx_out stx = { 0 };

	CHECK(create(c, 5, 6, "five", &entry) > 0);
	CHECK_EQ(entry.attr.uid, 5);
	CHECK_EQ(entry.attr.gid, 6);
	check_host(c, "five", 100005, 200006);
	CHECK(ask_chown(c, entry.nodeid, 0, 9, &attr) > 0);
	CHECK_EQ(attr.attr.uid, 0);
	CHECK_EQ(attr.attr.gid, 9);
	check_host(c, "five", 100000, 200009);
	CHECK(ask(c, CF_STATX, entry.nodeid, &in, sizeof(in), NULL, &stx,
		  sizeof(stx)) > 0);
	CHECK_EQ(stx.stat.uid, 0);
	CHECK_EQ(stx.stat.gid, 9);
	/* The host's own superuser is somebody else to the client. */
	CHECK_EQ(mkdirat(c->root, "roots", 0755), 0);
	CHECK_EQ(fchownat(c->root, "roots", 0, 0, 0), 0);
	CHECK_EQ(ask_lookup(c, CF_ROOT_ID, "roots", &entry), 0);
	CHECK_EQ(entry.attr.uid, 65534);
	CHECK_EQ(ask_chown(c, entry.nodeid, 5000, 1, &attr), -EPERM);
	check_host(c, "roots", 0, 0);
}

/* A directory's group, as the client names it, is the host's. */
static void test_group(struct client *c)
{
	struct cf_create_in in = { .flags = O_CREAT | O_EXCL | O_RDWR,
				   .mode = S_IFREG | 02775 };
	struct {
		struct cf_ext_header header;
		uint32_t count, group;
	} ext = { { sizeof(ext), CF_EXT_GROUPS }, 1, 55 };
	struct request *request;
	char zeros[8] = { 0 };
	struct stat st;
	uint64_t nodeid;

	CHECK_EQ(mkdirat(c->root, "shared", 0700), 0);
	CHECK_EQ(fchownat(c->root, "shared", 100000, 200055, 0), 0);
	CHECK_EQ(fchmodat(c->root, "shared", 02777, 0), 0);
	nodeid = nodeid_of(c, "shared");
	request = request_new(CF_CREATE, nodeid);
	request->uid = 5;
	request->gid = 5;
	request_add(request, &in, sizeof(in));
	request_name(request, "program");
	request_add(request, zeros, -request->head_len & 7);
	request_add(request, &ext, sizeof(ext));
	request_in(request)->total_extlen = sizeof(ext) / 8;
	CHECK_EQ(request_run(c, request), 0);
	request_free(request);
	check_host(c, "shared/program", 100005, 200055);
	CHECK_EQ(fstatat(c->root, "shared/program", &st, 0), 0);
	CHECK_EQ(st.st_mode & 07777, 02775);
}

/* Who is forbidden names no file; what it has open it can close. */
static void test_forbidden(struct client *c)
{
	struct cf_entry_out entry = { 0 };
	struct cf_open_in open_in = { 0 };
	struct cf_open_out open = { 0 };
	struct cf_release_in release = { 0 };
	struct cf_flush_in flush = { 0 };
	uint64_t nodeid = nodeid_of(c, "five");

	CHECK_EQ(create(c, 5000, 6, "none", &entry), -EPERM);
	CHECK_EQ(create(c, 6, 5000, "none", &entry), -EPERM);
	CHECK_EQ(ask_as(c, 5000, 0, CF_LOOKUP, CF_ROOT_ID, NULL, 0, "five",
			NULL, NULL, 0),
		 -EPERM);
	CHECK_EQ(ask_as(c, 5000, 0, CF_GETATTR, nodeid, NULL, 0, NULL, NULL,
			NULL, 0),
		 -EPERM);
	CHECK_EQ(ask_as(c, 5000, 0, CF_OPENDIR, nodeid, &open_in,
			sizeof(open_in), NULL, NULL, NULL, 0),
		 -EPERM);
	CHECK(ask(c, CF_OPENDIR, nodeid, &open_in, sizeof(open_in), NULL, &open,
		  sizeof(open)) > 0);
	flush.fh = open.fh;
	release.fh = open.fh;
	CHECK_EQ(ask_as(c, 5000, 5000, CF_FLUSH, nodeid, &flush, sizeof(flush),
			NULL, NULL, NULL, 0),
		 0);
	CHECK_EQ(ask_as(c, 5000, 5000, CF_RELEASEDIR, nodeid, &release,
			sizeof(release), NULL, NULL, NULL, 0),
		 0);
	CHECK(faccessat(c->root, "none", F_OK, 0) < 0);
}

int main(void)
{
	static const char *const uids[RULES] = { "map:0:100000:1000",
						 "squash-host:0:65534:1",
						 "forbid-guest:5000:10" };
	static const char *const gids[RULES] = { "map:0:200000:1000", "forbid-"
								      "guest:"
								      "5000:"
								      "10" };
	struct client c = { .options = { .killpriv_v2 = true } };

	test_maps();
	if (geteuid() != 0) {
		check_result();
		printf("needs root\n");
		return 77;
	}
	umask(0);
	c.options.translate_uid = make_map(uids);
	c.options.translate_gid = make_map(gids);
	client_start(&c);
	CHECK_EQ(fchmod(c.root, 0777), 0);
	test_group(&c);
	test_mapped(&c);
	test_forbidden(&c);
	client_stop(&c);
	idmap_free(c.options.translate_uid);
	idmap_free(c.options.translate_gid);
	return check_result();
}
