// SPDX-License-Identifier: BSD-2-Clause
/* Extended attributes and access control lists. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in order, without those a security module adds. */
static void tell_list(const char *what, const char *path)
{
	char buf[4096];
	char line[1024] = "";
	char *names[64];
	size_t len = 0;
	int n = 0;
	ssize_t size = llistxattr(path, buf, sizeof(buf));

	if (size < 0) {
		result(what, "%s", errno_name(errno));
		return;
	}
	for (char *p = buf; p < buf + size && n < 64; p += strlen(p) + 1)
		if (strncmp(p, "security.", 9))
			names[n++] = p;
	qsort(names, (size_t)n, sizeof(*names), by_text);
	for (int i = 0; i < n; i++)
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%s ",
					names[i]);
	result(what, "%d: %s", n, line);
}

static void user(void)
{
	char buf[256] = "";
	ssize_t size;

	make_file("f", "x", 0644);
	result_of("get-none", getxattr("f", "user.a", buf, sizeof(buf)));
	result_of("set", setxattr("f", "user.a", "value", 5, 0));
	result("get", "%zd %s", getxattr("f", "user.a", buf, sizeof(buf)), buf);
	result("get-size", "%zd", getxattr("f", "user.a", NULL, 0));
	result_of("get-short", getxattr("f", "user.a", buf, 4));
	result("get-exact", "%zd", getxattr("f", "user.a", buf, 5));
	result_of("create-again",
		  setxattr("f", "user.a", "other", 5, XATTR_CREATE));
	result_of("replace", setxattr("f", "user.a", "new", 3, XATTR_REPLACE));
	result_of("replace-none",
		  setxattr("f", "user.b", "new", 3, XATTR_REPLACE));
	result_of("create", setxattr("f", "user.b", "b", 1, XATTR_CREATE));
	result_of("bad-flags", setxattr("f", "user.c", "b", 1, 8));
	result_of("empty-value", setxattr("f", "user.empty", "", 0, 0));
	result("get-empty", "%zd", getxattr("f", "user.empty", buf, 10));
	result_of("zeros", setxattr("f", "user.zeros", "a\0b\0c", 5, 0));
	memset(buf, 0, sizeof(buf));
	size = getxattr("f", "user.zeros", buf, sizeof(buf));
	result("get-zeros", "%zd %s", size,
	       memcmp(buf, "a\0b\0c", 5) ? "other" : "same");
	tell_list("list", "f");
	result("list-size", "%s", listxattr("f", NULL, 0) > 20 ? "fits" : "no");
	result_of("list-short", listxattr("f", buf, 3));
	result_of("remove", removexattr("f", "user.b"));
	result_of("remove-none", removexattr("f", "user.b"));
	tell_list("list-after", "f");
}

static void names(void)
{
	static char big[65537];
	char name[300] = "user.";
	char buf[16];
	int fd;

	make_file("f", "x", 0644);
	mkdir("d", 0755);
	if (symlink("f", "s"))
		result("symlink", "%s", errno_name(errno));
	mkfifo("p", 0644);
	memset(name + 5, 'n', sizeof(name) - 6);
	name[255] = 0;
	result_of("name-255", setxattr("f", name, "v", 1, 0));
	name[255] = 'n';
	name[256] = 0;
	result_of("name-256", setxattr("f", name, "v", 1, 0));
	result_of("no-name", setxattr("f", "user.", "v", 1, 0));
	result_of("empty-name", setxattr("f", "", "v", 1, 0));
	result_of("bad-namespace", setxattr("f", "nothing.x", "v", 1, 0));
	result_of("value-1000", setxattr("f", "user.k", big, 1000, 0));
	result_of("value-64k+1", setxattr("f", "user.big", big, 65537, 0));
	result_of("on-dir", setxattr("d", "user.a", "v", 1, 0));
	result_of("on-symlink", lsetxattr("s", "user.a", "v", 1, 0));
	result_of("through-symlink", setxattr("s", "user.t", "v", 1, 0));
	result_of("on-fifo", setxattr("p", "user.a", "v", 1, 0));
	result_of("trusted", setxattr("f", "trusted.a", "v", 1, 0));
	result_of("trusted-symlink", lsetxattr("s", "trusted.a", "v", 1, 0));
	result("get-trusted", "%zd", getxattr("f", "trusted.a", buf, 16));
	result_of("missing", setxattr("no", "user.a", "v", 1, 0));
	result_of("system", setxattr("f", "system.nothing", "v", 1, 0));
	result_of("list-missing", listxattr("no", buf, 16));
	fd = open("f", O_RDONLY);
	result_of("fsetxattr", fsetxattr(fd, "user.fd", "v", 1, 0));
	result("fgetxattr", "%zd", fgetxattr(fd, "user.fd", buf, 16));
	result_of("fremovexattr", fremovexattr(fd, "user.fd"));
	unlink("f");
	result_of("unlinked-set", fsetxattr(fd, "user.u", "v", 1, 0));
	result("unlinked-get", "%zd", fgetxattr(fd, "user.u", buf, 16));
}

static void acl(void)
{
	/* little-endian by definition: version 2, then tag, perm, id */
	static const unsigned char value[] = {
		2,    0, 0, 0,			       /* */
		1,    0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* user:: */
		2,    0, 4, 0, 0xe8, 3,	   0,	 0,    /* user:1000: */
		4,    0, 4, 0, 0xff, 0xff, 0xff, 0xff, /* group:: */
		0x10, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, /* mask:: */
		0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, /* other:: */
	};
	static const char access[] = "system.posix_acl_access";
	static const char inherit[] = "system.posix_acl_default";
	unsigned char back[128] = { 0 };
	struct stat st;
	ssize_t n;

	make_file("f", "x", 0600);
	mkdir("d", 0755);
	result_of("get-none", getxattr("f", access, back, sizeof(back)));
	result_of("set", setxattr("f", access, value, sizeof(value), 0));
	n = getxattr("f", access, back, sizeof(back));
	result("get", "%zd crc=%08x", n,
	       n > 0 ? crc32_of(0, back, (size_t)n) : 0);
	stat("f", &st);
	result("mode", "%o", st.st_mode);
	result_of("bad", setxattr("f", access, value, 9, 0));
	result_of("default-on-file",
		  setxattr("f", inherit, value, sizeof(value), 0));
	result_of("default", setxattr("d", inherit, value, sizeof(value), 0));
	make_file("d/child", "x", 0666);
	stat("d/child", &st);
	result("inherited-mode", "%o", st.st_mode);
	result("inherited-size", "%zd", getxattr("d/child", access, NULL, 0));
	mkdir("d/sub", 0777);
	result("inherited-default", "%zd", getxattr("d/sub", inherit, NULL, 0));
	result_of("remove", removexattr("f", access));
	stat("f", &st);
	result("mode-after", "%o", st.st_mode);
}

const struct checks xattr_groups[] = {
	{ "xattr", user, 0 },
	{ "xattr-names", names, 0 },
	{ "acl", acl, 0 },
	{ 0 },
};
