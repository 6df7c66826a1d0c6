// SPDX-License-Identifier: BSD-2-Clause
/* Names of extended attributes: whose they are, and rules that change them. */
#include "../../src/log.h"
#include "../../src/port/dir/xattrmap.h"
#include "dir-client.h"
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

/* From the client to the host, or (if HOST is NULL) an error; and back. */
static const struct {
	const char *rules, *client, *host;
	int error;
	const char *listed, *shown; /* NULL: not shown */
} maps[] = {
	/* virtiofsd's manual: everything under a prefix */
	{ ":prefix:all::user.virtiofs.::bad:all:::", "trusted.a",
	  "user.virtiofs.trusted.a", 0, "user.virtiofs.user.b", "user.b" },
	{ ":map::user.virtiofs.:", "user.a", "user.virtiofs.user.a", 0,
	  "user.a", NULL },
	/* trusted. under a prefix, all others as they are */
	{ "/prefix/all/trusted./user.virtiofs./\n /bad/server//trusted./\n"
	  "/bad/client/user.virtiofs.//\n\t/ok/all///",
	  "trusted.a", "user.virtiofs.trusted.a", 0, "user.virtiofs.trusted.a",
	  "trusted.a" },
	{ "/map/trusted./user.virtiofs./", "trusted.a",
	  "user.virtiofs.trusted.a", 0, "trusted.a", NULL },
	{ "/map/trusted./user.virtiofs./", "user.virtiofs.trusted.a", NULL,
	  -EPERM, "user.a", "user.a" },
	{ "/map/trusted./user.virtiofs./", "security.a", "security.a", 0,
	  "security.a", "security.a" },
	/* security. hidden, all others as they are */
	{ "/bad/all/security./security./ /ok/all///", "security.a", NULL,
	  -EPERM, "security.a", NULL },
	{ "/bad/all/security./security./ /ok/all///", "user.a", "user.a", 0,
	  "user.a", "user.a" },
	{ "#unsupported#client#user.x##,ok,all,,,", "user.xy", NULL,
	  -EOPNOTSUPP, "user.xy", "user.xy" },
	{ ":unsupported:all:user.x:user.x::ok:all:::", "user.y", "user.y", 0,
	  "user.x", NULL },
	/* The first rule counts; without a last one all else is forbidden. */
	{ ":ok:all:user.:user.::bad:all:::", "user.a", "user.a", 0, "user.a",
	  "user.a" },
	{ ":ok:all:user.:user.:", "trusted.a", NULL, -EPERM, "trusted.a",
	  NULL },
	{ ":prefix:client:user.:user.c.::ok:all:::", "user.a", "user.c.user.a",
	  0, "user.c.user.a", "user.c.user.a" },
	{ ":prefix:server:user.:user.s.::ok:all:::", "user.a", "user.a", 0,
	  "user.s.user.a", "user.a" },
	{ NULL, "user.a", "user.a", 0, "trusted.a", "trusted.a" },
};

static void test_maps(void)
{
	char longest[XATTR_NAME_MAX + 2];
	struct xattr_name name;
	struct xattrmap *map;
	const char *shown;
	int ret;

	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++) {
		map = NULL;
		if (maps[i].rules)
			CHECK_EQ(xattrmap_parse(maps[i].rules, &map), 0);
		ret = xattrmap_to_host(map, maps[i].client, &name);
		shown = xattrmap_to_client(map, maps[i].listed);
		if (!CHECK_EQ(ret, maps[i].error) ||
		    (ret == 0 && !CHECK(!strcmp(name.text, maps[i].host))) ||
		    !CHECK(shown && maps[i].shown
				   ? !strcmp(shown, maps[i].shown)
				   : shown == maps[i].shown))
			fprintf(stderr, "  %zu: %s, %s\n", i, maps[i].rules,
				shown);
		xattrmap_free(map);
	}
	memset(longest, 'x', sizeof(longest));
	longest[XATTR_NAME_MAX + 1] = '\0';
	CHECK_EQ(xattrmap_to_host(NULL, longest, &name), -ERANGE);
	longest[XATTR_NAME_MAX] = '\0';
	CHECK_EQ(xattrmap_to_host(NULL, longest, &name), 0);
}

static int set(struct client *c, uint64_t nodeid, const char *name,
	       const char *value)
{
	struct cf_setxattr_in in = { .size = (uint32_t)strlen(value) };
	struct request *request = request_new(CF_SETXATTR, nodeid);
	int ret;

	request_add(request, &in, sizeof(in));
	request_name(request, name);
	request_add(request, value, in.size);
	ret = request_run(c, request);
	request_free(request);
	return ret;
}

static int get(struct client *c, uint64_t nodeid, const char *name, char *buf,
	       size_t size)
{
	struct cf_getxattr_in in = { .size = (uint32_t)size };

	return ask(c, CF_GETXATTR, nodeid, &in, sizeof(in), name, buf, size);
}

/* The names, in BUF; or how long they are. */
static int list(struct client *c, uint32_t uid, uint64_t nodeid, char *buf,
		size_t size)
{
	struct cf_getxattr_in in = { .size = (uint32_t)size };
	struct cf_getxattr_out out = { 0 };
	int ret = ask_as(c, uid, uid, CF_LISTXATTR, nodeid, &in, sizeof(in),
			 NULL, NULL, size ? (void *)buf : &out,
			 size ? size : sizeof(out));

	return ret >= 0 && !size ? (int)out.size : ret;
}

static bool has_name(const char *names, int len, const char *name)
{
	for (int at = 0; at < len; at += (int)strlen(names + at) + 1)
		if (!strcmp(names + at, name))
			return true;
	return false;
}

static ssize_t on_host(struct client *c, const char *file, const char *name,
		       char *buf, size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", c->path, file);
	return getxattr(path, name, buf, size);
}

static uint64_t make(struct client *c, const char *name)
{
	close(openat(c->root, name, O_CREAT | O_WRONLY, 0600));
	return nodeid_of(c, name);
}

/* trusted. for a guest's overlayfs, where the server may not set them. */
static void test_trusted(struct client *c)
{
	char names[256], value[16];
	uint64_t nodeid = make(c, "upper");
	int len;

	CHECK_EQ(set(c, nodeid, "trusted.overlay.opaque", "y"), 0);
	CHECK_EQ(set(c, nodeid, "user.own", "mine"), 0);
	CHECK_EQ(on_host(c, "upper", "user.virtiofs.trusted.overlay.opaque",
			 value, sizeof(value)),
		 1);
	CHECK_EQ(get(c, nodeid, "trusted.overlay.opaque", value, 16), 1);
	CHECK_EQ(value[0], 'y');
	CHECK_EQ(get(c, nodeid, "user.virtiofs.trusted.overlay.opaque", value,
		     16),
		 -EPERM);
	CHECK_EQ(set(c, nodeid, "user.virtiofs.trusted.x", "z"), -EPERM);
	len = list(c, 0, nodeid, names, sizeof(names));
	CHECK_EQ(len,
		 strlen("trusted.overlay.opaque") + strlen("user.own") + 2);
	CHECK(has_name(names, len, "trusted.overlay.opaque"));
	CHECK(has_name(names, len, "user.own"));
	CHECK_EQ(list(c, 0, nodeid, NULL, 0), len);
	CHECK_EQ(list(c, 0, nodeid, names, (size_t)len - 1), -ERANGE);
	CHECK_EQ(list(c, 0, nodeid, names, (size_t)len), len);
	/* As Linux lists them: not for everybody. */
	len = list(c, 1000, nodeid, names, sizeof(names));
	CHECK_EQ(len, strlen("user.own") + 1);
	CHECK_EQ(list(c, 1000, nodeid, NULL, 0), len);
	CHECK_EQ(list(c, CF_INVALID_UIDGID, nodeid, NULL, 0), len);
	CHECK_EQ(ask(c, CF_REMOVEXATTR, nodeid, NULL, 0,
		     "trusted.overlay.opaque", NULL, 0),
		 0);
	CHECK(on_host(c, "upper", "user.virtiofs.trusted.overlay.opaque", value,
		      sizeof(value)) < 0);
}

/* Every change of a file takes its capabilities, wherever they are kept. */
static void test_capability(struct client *c)
{
	static const char name[] = "security.capability";
	struct cf_setattr_in attr = { 0 };
	struct cf_fallocate_in space = { .length = 10 };
	char value[16];
	uint64_t nodeid = make(c, "program"), fh, source;
	struct cf_copy_file_range_in copy = { .len = 2, .nodeid_out = nodeid };

	CHECK_EQ(ask_open(c, nodeid, O_RDWR, &fh), 0);
	CHECK_EQ(ask_write(c, fh, "text", 4, 0), 4);
	CHECK_EQ(ask_open(c, nodeid, O_RDONLY, &source), 0);
	for (int i = 0; i < 7; i++) {
		uint64_t other = 0;

		CHECK_EQ(set(c, nodeid, name, "bytes"), 0);
		CHECK_EQ(get(c, nodeid, name, value, 16), 5);
		attr.valid = i == 1 ? CF_FATTR_UID : CF_FATTR_SIZE;
		attr.uid = 0;
		attr.size = 100;
		space.fh = fh;
		copy.fh_in = source;
		copy.fh_out = fh;
		copy.off_out = 50;
		if (i == 0)
			CHECK_EQ(ask_write(c, fh, "x", 1, 0), 1);
		else if (i <= 2)
			CHECK(ask(c, CF_SETATTR, nodeid, &attr, sizeof(attr),
				  NULL, NULL, 0) > 0);
		else if (i == 3)
			CHECK_EQ(ask(c, CF_FALLOCATE, nodeid, &space,
				     sizeof(space), NULL, NULL, 0),
				 0);
		else if (i == 4)
			CHECK(ask(c, CF_COPY_FILE_RANGE, nodeid, &copy,
				  sizeof(copy), NULL, NULL, 0) > 0);
		else if (i == 5)
			CHECK_EQ(ask_open(c, nodeid, O_RDWR | O_TRUNC, &other),
				 0);
		if (other)
			ask_release(c, nodeid, other, 0);
		/* And nothing else does. */
		CHECK_EQ(get(c, nodeid, name, value, 16),
			 i == 6 ? 5 : -ENODATA);
	}
	ask_release(c, nodeid, fh, 0);
	ask_release(c, nodeid, source, 0);
}

static uint64_t flags_offered(struct client *c)
{
	struct cf_init_out out;

	ask_init(c, 47, CLIENT_FLAGS, &out);
	return out.flags | (uint64_t)out.flags2 << 32;
}

static void test_mapped(void)
{
	struct client c = { .options = { .posix_acl = TOGGLE_AUTO } };
	struct xattrmap *map, *all;

	CHECK_EQ(xattrmap_parse(":prefix:all:trusted.:user.virtiofs.:"
				":prefix:all:security.:user.virtiofs.:"
				":bad:client:user.virtiofs.::"
				":ok:all:::",
				&map),
		 0);
	c.options.xattrmap = map;
	client_start(&c);
	CHECK(flags_offered(&c) & CF_INIT_POSIX_ACL);
	test_trusted(&c);
	test_capability(&c);
	/* ACLs that the host would not see are none. */
	CHECK_EQ(xattrmap_parse(":map::user.virtiofs.:", &all), 0);
	c.options.xattrmap = all;
	CHECK_EQ(flags_offered(&c) & CF_INIT_POSIX_ACL, 0);
	client_stop(&c);
	xattrmap_free(map);
	xattrmap_free(all);
}

static int create_labelled(struct client *c, const char *file, const char *name)
{
	struct {
		struct cf_ext_header header;
		struct cf_secctx ctx;
		char text[24];
	} ext = { { sizeof(ext), 1 },
		  { .size = 6 },
		  "security.selinux\0label" };
	struct cf_mkdir_in in = { .mode = 0755 };
	struct request *request = request_new(CF_MKDIR, CF_ROOT_ID);
	int ret;

	strcpy(stpcpy(ext.text, name) + 1, "label");
	request_add(request, &in, sizeof(in));
	request_name(request, file);
	request_add(request, &ext, sizeof(ext));
	request_in(request)->total_extlen = sizeof(ext) / 8;
	ret = request_run(c, request);
	request_free(request);
	return ret;
}

/* Without CAP_SYS_ADMIN no SELinux label can be kept, but under a name else. */
static void test_powerless(void)
{
	struct client c = { .options = { .security_label = TOGGLE_AUTO } };
	struct xattrmap *map;
	uint64_t nodeid;
	char value[16];

	client_start(&c);
	nodeid = make(&c, "f");
	CHECK_EQ(set(&c, nodeid, "security.foo", "x"), -EOPNOTSUPP);
	CHECK_EQ(ask(&c, CF_REMOVEXATTR, nodeid, NULL, 0, "security.foo", NULL,
		     0),
		 -EOPNOTSUPP);
	CHECK_EQ(set(&c, nodeid, "trusted.foo", "x"), -EPERM);
	CHECK_EQ(set(&c, nodeid, "user.foo", "x"), 0);
	CHECK_EQ(flags_offered(&c) & CF_INIT_SECURITY_CTX, 0);
	CHECK_EQ(create_labelled(&c, "auto", "security.foo"), 0);
	CHECK_EQ(faccessat(c.root, "auto", F_OK, 0), 0);
	/* Whoever insists is told, and nothing is left behind. */
	c.options.security_label = TOGGLE_ALWAYS;
	CHECK(flags_offered(&c) & CF_INIT_SECURITY_CTX);
	CHECK(create_labelled(&c, "always", "security.foo") < 0);
	CHECK(faccessat(c.root, "always", F_OK, 0) < 0);
	CHECK_EQ(xattrmap_parse(":map:security.:user.virtiofs.:", &map), 0);
	c.options.xattrmap = map;
	c.options.security_label = TOGGLE_AUTO;
	CHECK(flags_offered(&c) & CF_INIT_SECURITY_CTX);
	CHECK_EQ(create_labelled(&c, "mapped", "security.selinux"), 0);
	CHECK_EQ(on_host(&c, "mapped", "user.virtiofs.security.selinux", value,
			 sizeof(value)),
		 6);
	client_stop(&c);
	xattrmap_free(map);
}

static void without_capability(unsigned int cap, void (*test)(void))
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		CHECK_EQ(syscall(SYS_capget, &header, data), 0);
		data[cap / 32].effective &= ~(1u << cap % 32);
		data[cap / 32].permitted &= ~(1u << cap % 32);
		CHECK_EQ(syscall(SYS_capset, &header, data), 0);
		test();
		exit(check_result());
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

int main(void)
{
	test_maps();
	if (geteuid() != 0) {
		check_result();
		printf("needs root\n");
		return 77;
	}
	without_capability(CAP_SYS_ADMIN, test_powerless);
	test_mapped();
	return check_result();
}
