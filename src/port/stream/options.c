// SPDX-License-Identifier: BSD-2-Clause
#include "../../log.h"
#include "stream.h"
#include <errno.h>
#include <string.h>

struct stream_options stream_options = { .timeout = 30 };

const struct option stream_rows[] = {
	OPTION("peer-timeout", NUMBER, &stream_options.timeout, "SECONDS",
	       "how long a peer may stall within a message (30)"),
	OPTION("tls-certificates", STRING, &stream_options.tls_certificates,
	       "DIR",
	       "tcp: with TLS, by DIR/ca-cert.pem, server-cert.pem, "
	       "server-key.pem, ..."),
	OPTION("tls-psk", STRING, &stream_options.tls_psk, "FILE",
	       "tcp: with TLS, by a key of FILE that both sides have"),
	OPTION("tls-username", STRING, &stream_options.tls_username, "NAME",
	       "connect: whose key of the file, if there are several"),
	OPTION("tls-hostname", STRING, &stream_options.tls_hostname, "NAME",
	       "connect: the server's name in its certificate (the host's)"),
	OPTION("tls-verify-peer", SET, &stream_options.tls_verify_peer, NULL,
	       "listen: only clients with a certificate of the authority"),
	OPTION("plain-tcp", SET, &stream_options.plain_tcp, NULL,
	       "tcp: without encryption, whoever may listen"),
	{ 0 },
};

static int check_tls(void)
{
	const char *wrong = NULL;

	if (stream_options.tls_certificates && stream_options.tls_psk)
		wrong = "--tls-certificates and --tls-psk: choose one";
	else if (stream_options.plain_tcp)
		wrong = "--plain-tcp goes without TLS: leave it out";
	else if (stream_options.tls_psk && stream_options.tls_verify_peer)
		wrong = "--tls-verify-peer is for --tls-certificates: with "
			"--tls-psk each side has the key, or fails";
	else if (stream_options.tls_psk && stream_options.tls_hostname)
		wrong = "--tls-hostname is for --tls-certificates";
	else if (stream_options.tls_certificates && stream_options.tls_username)
		wrong = "--tls-username is for --tls-psk";
	if (!wrong)
		return 0;
	log_error("%s", wrong);
	return -EINVAL;
}

/* TLS could be meant for the other port. */
static bool may_be_tcp(const char *port)
{
	return strncmp(port, "connect:tcp:", 12) == 0 ||
	       strncmp(port, "listen:tcp:", 11) == 0 ||
	       strcmp(port, "listen:") == 0;
}

/* The first that was given of those that want TLS; NULL: none was. */
static const char *tls_option(void)
{
	if (stream_options.tls_certificates)
		return "--tls-certificates";
	if (stream_options.tls_psk)
		return "--tls-psk";
	if (stream_options.tls_verify_peer)
		return "--tls-verify-peer";
	if (stream_options.tls_username)
		return "--tls-username";
	return stream_options.tls_hostname ? "--tls-hostname" : NULL;
}

static int refuse_plain(const char *port, const char *where, bool listens)
{
	log_error("%s:%s: anybody in the network could read and %s: say "
		  "--tls-certificates or --tls-psk, or --plain-tcp if that is "
		  "wanted",
		  port, where,
		  listens ? "write the files" : "change what passes");
	return -EACCES;
}

int stream_secure(const char *port, const struct address *address,
		  const char *other, struct layer_maker **ret_maker)
{
	const char *where = address ? address->text : "";
	bool tcp = !address || address->kind == ADDRESS_TCP;
	bool listens = strcmp(port, "listen") == 0;
	const char *option = tls_option();
	int ret;

	if (option && !tcp && !may_be_tcp(other)) {
		log_error("%s: %s:%s is no tcp: address: leave it out", option,
			  port, where);
		return -EINVAL;
	}
	if (!tcp)
		return 0;
	if (!option)
		return stream_options.plain_tcp ||
				       (address && address_is_local(address))
			       ? 0
			       : refuse_plain(port, where, listens);
	if (!stream_options.tls_certificates && !stream_options.tls_psk) {
		log_error("%s: without --tls-certificates or --tls-psk there "
			  "is no TLS",
			  option);
		return -EINVAL;
	}
	ret = check_tls();
	if (ret == 0)
		ret = tls_maker_new(listens, ret_maker);
	if (ret == 0 && listens && stream_options.tls_certificates &&
	    !stream_options.tls_verify_peer)
		log_warn("listen:%s: whoever reaches it may have the files: "
			 "--tls-verify-peer asks clients for a certificate",
			 where);
	return ret;
}
