// SPDX-License-Identifier: BSD-2-Clause
/* vhost: in front of a back end that lies in every way that it can. */
#include "vhost-back-end.h"

static bool all(const char *bytes, char byte)
{
	for (size_t i = 0; i < BYTES; i++)
		if (bytes[i] != byte)
			return false;
	return true;
}

static void check_honest(char *guest)
{
	static char elsewhere[BYTES];
	struct test_call test;

	CHECK_EQ(ask_read(&test, guest), 0);
	CHECK_EQ(test.call.out_data_len, BYTES);
	CHECK(all(guest, 'r'));
	CHECK_EQ(ask_read(&test, elsewhere), 0); /* no memory of the guest's */
	CHECK(all(elsewhere, 'r'));
	CHECK_EQ(relay_memory(&relay, NULL, 0), 0);
	memset(guest, 0, BYTES);
	CHECK_EQ(ask_read(&test, guest), 0);
	CHECK(all(guest, 'r'));
}

static void run(enum lie how, int listener, const char *path, char *guest,
		int guest_fd)
{
	struct relay_region region = {
		.fd = guest_fd, .size = BYTES, .address = guest, .guest = 0x1000
	};
	const struct options options = { 0 };
	const struct server_port_ops *ops = server_port_find("vhost", 5);
	struct server_port *port;
	struct test_call test;
	pthread_t thread;
	int error;

	lie = how;
	pthread_create(&thread, NULL, back_end, &listener);
	CHECK_EQ(ops->open(path, &options, &port), 0);
	if (CHECK_EQ(relay_init(&relay, NULL, port, &options, NULL), 0)) {
		CHECK_EQ(relay_memory(&relay, &region, 1), 0);
		CHECK_EQ(ask_init(), 0);
		if (how == HONEST) {
			check_honest(guest);
		} else {
			error = ask_read(&test, guest);
			if (how != TWICE && how != JUMP)
				CHECK(error == -EIO || error == -ENOTCONN);
			if (how < SHORT)
				while (ask_read(&test, guest) != -ENOTCONN)
					usleep(1000);
		}
		if (how != HONEST)
			CHECK_EQ(test.completions, 1);
		CHECK_EQ(relay_in_flight(&relay), 0);
		relay_destroy(&relay);
		pthread_join(thread, NULL);
	}
	ops->close(port);
}

int main(void)
{
	char dir[] = "/tmp/crossfuse-test-XXXXXX", path[64];
	int guest_fd = memfd_create("guest", 0), listener;
	char *guest;

	alarm(30);
	log_level = LOG_LEVEL_OFF;
	if (!mkdtemp(dir) || ftruncate(guest_fd, BYTES) < 0)
		return 1;
	guest = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, guest_fd,
		     0);
	snprintf(path, sizeof(path), "%s/s", dir);
	listener = listen_at(path);
	for (unsigned int i = 0; i < LEAVES; i++)
		run((enum lie)i, listener, path, guest, guest_fd);
	unlink(path);
	rmdir(dir);
	return check_result();
}
