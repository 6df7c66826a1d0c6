// SPDX-License-Identifier: BSD-2-Clause
/* Hard links, symbolic links, special files. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

static unsigned int links(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? 0 : (unsigned int)st.st_nlink;
}

static void hard(void)
{
	char name[32];
	char buf[64];
	struct stat a, b;
	int n = 0;
	int fd;

	make_file("a", "one", 0644);
	result_of("link", link("a", "b"));
	result("count", "%u %u", links("a"), links("b"));
	lstat("a", &a);
	lstat("b", &b);
	result("same", "%s", a.st_ino == b.st_ino ? "yes" : "no");
	fd = open("b", O_WRONLY | O_APPEND);
	if (write(fd, "+two", 4) != 4)
		result("write", "%s", errno_name(errno));
	close(fd);
	result("shared", "%s", content("a", buf, sizeof(buf)));
	result_of("again", link("a", "b"));
	mkdir("d", 0755);
	result_of("dir", link("d", "e"));
	result_of("missing", link("no", "e"));
	result_of("below-file", link("a", "b/c"));
	result_of("other-fs", link("a", "/tmp/a"));
	result_of("unlink", unlink("a"));
	result("count-after", "%u", links("b"));
	for (; n < 100; n++) {
		snprintf(name, sizeof(name), "d/%d", n);
		if (link("b", name))
			break;
	}
	result("many", "%d links, count %u", n, links("b"));
	fd = open("b", O_PATH);
	result_of("empty-path", linkat(fd, "", AT_FDCWD, "f", AT_EMPTY_PATH));
	if (symlink("b", "s"))
		result("symlink", "%s", errno_name(errno));
	result_of("of-symlink", linkat(AT_FDCWD, "s", AT_FDCWD, "s2", 0));
	result("symlink-count", "%u", links("s"));
	result_of("followed",
		  linkat(AT_FDCWD, "s", AT_FDCWD, "s3", AT_SYMLINK_FOLLOW));
	result("followed-count", "%u", links("b"));
	keep("b");
	keep("s2");
}

static void symbolic(void)
{
	char target[PATH_MAX + 1];
	char buf[PATH_MAX + 1];
	static const size_t lengths[] = { 1, 59, 60, 255, 1023, 4094, 4095 };
	struct stat st;
	char name[32];
	ssize_t n;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		memset(target, 't', sizeof(target));
		target[lengths[i]] = 0;
		snprintf(name, sizeof(name), "len-%zu", lengths[i]);
		if (symlink(target, name)) {
			result(name, "%s", errno_name(errno));
			continue;
		}
		n = readlink(name, buf, sizeof(buf));
		lstat(name, &st);
		result(name, "readlink %zd size %lld %s", n,
		       (long long)st.st_size,
		       n > 0 && !memcmp(buf, target, (size_t)n) ? "same"
								: "differs");
	}
	result_of("empty", symlink("", "e"));
	result_of("exists", symlink("x", "len-1"));
	result("short-buffer", "%zd", readlink("len-59", buf, 7));
	result_of("readlink-dir", readlink(".", buf, 7));
	make_file("f", "x", 0644);
	result_of("readlink-file", readlink("f", buf, 7));
	if (symlink("loop-b", "loop-a") || symlink("loop-a", "loop-b") ||
	    symlink("f", "to-f") || symlink("to-f", "to-to-f"))
		result("symlink", "%s", errno_name(errno));
	result_of("loop-stat", stat("loop-a", &st));
	result_of("loop-open", open("loop-a", O_RDONLY));
	result_of("loop-creat", open("loop-a", O_CREAT | O_RDWR, 0644));
	result("chain", "%s", content("to-to-f", buf, sizeof(buf)));
	result_of("file-as-dir", stat("to-f/x", &st));
	result_of("chmod-through", chmod("to-f", 0600));
	result_of("lchown", lchown("to-f", 77, 78));
	result_of("nofollow-chmod",
		  fchmodat(AT_FDCWD, "to-f", 0600, AT_SYMLINK_NOFOLLOW));
	result_of("unlink", unlink("to-to-f"));
	keep("to-f");
	keep("len-60");
}

static void nodes(void)
{
	static const struct {
		const char *name;
		mode_t mode;
		unsigned int major, minor;
	} list[] = {
		{ "fifo", S_IFIFO | 0640, 0, 0 },
		{ "sock", S_IFSOCK | 0755, 0, 0 },
		{ "chr", S_IFCHR | 0666, 1, 3 },
		{ "chr-large", S_IFCHR | 0600, 511, 1048575 },
		{ "blk", S_IFBLK | 0660, 259, 77777 },
		{ "reg", S_IFREG | 0644, 0, 0 },
		{ "whiteout", S_IFCHR, 0, 0 },
		{ "dir", S_IFDIR | 0755, 0, 0 },
		{ "none", 0644, 0, 0 },
		{ "bad", S_IFLNK | 0644, 0, 0 },
	};
	struct stat st = { 0 };

	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		int ret = mknod(list[i].name, list[i].mode,
				makedev(list[i].major, list[i].minor));

		if (ret || lstat(list[i].name, &st)) {
			result(list[i].name, "%s", errno_name(errno));
			continue;
		}
		result(list[i].name, "mode=%o rdev=%u:%u", st.st_mode,
		       major(st.st_rdev), minor(st.st_rdev));
	}
	result("null", "%zd", write(open("chr", O_WRONLY), "gone", 4));
	result_of("no-device", open("chr-large", O_RDONLY));
	result_of("socket-open", open("sock", O_RDONLY));
	result_of("fifo-no-reader", open("fifo", O_WRONLY | O_NONBLOCK));
	keep("fifo");
	keep("chr-large");
	keep("sock");
}

static void write_fifo(void *arg)
{
	int fd = open(arg, O_WRONLY);

	if (write(fd, "through", 7) != 7)
		_exit(1);
}

static void fifo(void)
{
	char buf[16] = "";
	struct pollfd p;
	int fd;

	mkfifo("p", 0600);
	fd = open("p", O_RDONLY | O_NONBLOCK);
	result_of("open", fd);
	result("writer", "%s", in_child(write_fifo, "p") ? "done" : "failed");
	p = (struct pollfd){ .fd = fd, .events = POLLIN };
	result("poll", "%d%s%s", poll(&p, 1, 1000),
	       p.revents & POLLIN ? " in" : "",
	       p.revents & POLLHUP ? " hup" : "");
	result("read", "%zd '%s'", read(fd, buf, sizeof(buf) - 1), buf);
}

static void unix_socket(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "s" };
	char buf[8] = "";
	int server = socket(AF_UNIX, SOCK_STREAM, 0);
	int client = socket(AF_UNIX, SOCK_STREAM, 0);
	struct stat st;
	int peer;

	if (server < 0 || client < 0) {
		result("socket", "%s", errno_name(errno));
		return;
	}
	result_of("bind", bind(server, (void *)&a, sizeof(a)));
	lstat("s", &st);
	result("mode", "%o", st.st_mode);
	result_of("listen", listen(server, 1));
	result_of("connect", connect(client, (void *)&a, sizeof(a)));
	peer = accept(server, NULL, NULL);
	result_of("accept", peer);
	if (write(client, "hi", 2) == 2)
		result("read", "%zd '%s'", read(peer, buf, 7), buf);
	close(server);
	result_of("bind-again",
		  bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof(a)));
	result_of("connect-closed", connect(socket(AF_UNIX, SOCK_STREAM, 0),
					    (void *)&a, sizeof(a)));
}

const struct checks link_groups[] = {
	{ "link", hard, 0 }, { "symlink", symbolic, 0 }, { "mknod", nodes, 0 },
	{ "fifo", fifo, 0 }, { "unix", unix_socket, 0 }, { 0 },
};
