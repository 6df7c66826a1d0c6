// SPDX-License-Identifier: BSD-2-Clause
/* TLS, by GnuTLS. */
#include "../../log.h"
#include "layer.h"
#include "stream.h"
#include "tls_private.h"
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What one record carries. */
#define RECORD 16384

/* There is no renegotiation: who asks for one has left the conversation. */
#define VERSIONS "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define PSK	 VERSIONS ":-KX-ALL:+ECDHE-PSK:+DHE-PSK"

struct maker {
	struct layer_maker maker; /* first */
	bool server;
	gnutls_certificate_credentials_t certificates;
	gnutls_psk_client_credentials_t psk_client;
	gnutls_psk_server_credentials_t psk_server;
	struct psk_file *psk; /* NULL: certificates */
};

struct tls {
	struct layer layer; /* first */
	gnutls_session_t session;
	bool psk;
	gnutls_typed_vdata_st wanted[2]; /* of the peer's certificate */
	/*
	 * Reading and writing threads take turns in GnuTLS, where a change of
	 * keys may concern both.
	 */
	pthread_mutex_t lock;
	size_t pending;	  /* bytes that GnuTLS has and could not send yet */
	char reason[256]; /* see error() */
	char who[256];
	char record[RECORD];
};

static struct tls *tls_of(struct layer *layer)
{
	return (struct tls *)layer;
}

static void explain_verification(struct tls *tls)
{
	unsigned int status =
		gnutls_session_get_verify_cert_status(tls->session);
	gnutls_datum_t text;

	if (gnutls_certificate_verification_status_print(
		    status, GNUTLS_CRT_X509, &text, 0) < 0)
		return;
	snprintf(tls->reason, sizeof(tls->reason),
		 "its certificate is not to be trusted: %s", text.data);
	gnutls_free(text.data);
	/* It ends in a blank. */
	for (size_t len = strlen(tls->reason);
	     len && tls->reason[len - 1] == ' '; len--)
		tls->reason[len - 1] = '\0';
}

/* What went wrong, for error(). */
static void explain(struct tls *tls, int error, bool handshake)
{
	const char *what = NULL;

	switch (error) {
	case GNUTLS_E_PREMATURE_TERMINATION:
	case GNUTLS_E_PULL_ERROR:
	case GNUTLS_E_PUSH_ERROR:
		what = handshake ? "it has closed the connection in the TLS "
				   "handshake: see that it speaks TLS"
				 : "its connection was cut off";
		break;
	case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
	case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
	case GNUTLS_E_UNEXPECTED_PACKET:
	case GNUTLS_E_RECORD_OVERFLOW:
		what = handshake ? "it does not speak TLS 1.2 or later: see "
				   "that it has --tls-certificates or --tls-psk"
				 : "what it sends is no TLS";
		break;
	case GNUTLS_E_REHANDSHAKE:
	case GNUTLS_E_REAUTH_REQUEST:
		what = "it wants to renegotiate TLS, which is not done";
		break;
	}
	if (what)
		snprintf(tls->reason, sizeof(tls->reason), "%s", what);
	else if (error == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR)
		explain_verification(tls);
	else if (error == GNUTLS_E_FATAL_ALERT_RECEIVED)
		snprintf(tls->reason, sizeof(tls->reason),
			 "it refuses this side: TLS alert \"%s\"",
			 gnutls_alert_get_name(gnutls_alert_get(tls->session)));
	else
		snprintf(tls->reason, sizeof(tls->reason),
			 "the TLS %s with it has failed: %s%s",
			 handshake ? "handshake" : "conversation",
			 gnutls_strerror(error),
			 handshake && tls->psk ? " See that both sides have "
						 "the same key"
					       : "");
}

/* -EAGAIN, or -EPROTO and why. */
static int failed(struct tls *tls, int error, bool handshake)
{
	if (error == GNUTLS_E_AGAIN || error == GNUTLS_E_INTERRUPTED)
		return -EAGAIN;
	if (!tls->reason[0])
		explain(tls, error, handshake);
	return -EPROTO;
}

static void describe_certificate(struct tls *tls, const char *version)
{
	const gnutls_datum_t *list;
	gnutls_datum_t name = { 0 };
	gnutls_x509_crt_t certificate;
	unsigned int count;

	snprintf(tls->who, sizeof(tls->who), "%s, a peer without a certificate",
		 version);
	list = gnutls_certificate_get_peers(tls->session, &count);
	if (!list || gnutls_x509_crt_init(&certificate) < 0)
		return;
	if (gnutls_x509_crt_import(certificate, list, GNUTLS_X509_FMT_DER) ==
		    0 &&
	    gnutls_x509_crt_get_dn3(certificate, &name, 0) == 0) {
		snprintf(tls->who, sizeof(tls->who), "%s, certificate %s",
			 version, name.data);
		gnutls_free(name.data);
	}
	gnutls_x509_crt_deinit(certificate);
}

static void describe(struct tls *tls)
{
	const char *version = gnutls_protocol_get_name(
		gnutls_protocol_get_version(tls->session));
	const char *user;

	if (!tls->psk) {
		describe_certificate(tls, version);
		return;
	}
	user = gnutls_psk_server_get_username(tls->session);
	snprintf(tls->who, sizeof(tls->who), "%s, key%s%s", version,
		 user ? " of " : "", user ? user : "");
}

static int tls_handshake(struct layer *layer)
{
	struct tls *tls = tls_of(layer);
	int ret = gnutls_handshake(tls->session);

	if (ret == 0) {
		describe(tls);
		return 0;
	}
	if (failed(tls, ret, true) == -EAGAIN)
		return gnutls_record_get_direction(tls->session) ? POLLOUT
								 : POLLIN;
	/* So that the other side can say it, too. */
	gnutls_alert_send_appropriate(tls->session, ret);
	return -EPROTO;
}

static ssize_t tls_read(struct layer *layer, void *bytes, size_t size)
{
	struct tls *tls = tls_of(layer);
	ssize_t n;

	pthread_mutex_lock(&tls->lock);
	n = gnutls_record_recv(tls->session, bytes, size);
	if (n < 0)
		n = failed(tls, (int)n, false);
	pthread_mutex_unlock(&tls->lock);
	return n;
}

/* The first bytes of IOV, a record at most. */
static size_t gather(struct tls *tls, const struct iovec *iov, int count)
{
	size_t len = 0;

	for (int i = 0; i < count && len < RECORD; i++) {
		size_t part = iov[i].iov_len;

		if (part > RECORD - len)
			part = RECORD - len;
		memcpy(tls->record + len, iov[i].iov_base, part);
		len += part;
	}
	return len;
}

static ssize_t tls_write(struct layer *layer, const struct iovec *iov,
			 int count)
{
	struct tls *tls = tls_of(layer);
	ssize_t n;

	pthread_mutex_lock(&tls->lock);
	if (tls->pending) {
		n = gnutls_record_send(tls->session, NULL, 0);
	} else {
		tls->pending = gather(tls, iov, count);
		n = gnutls_record_send(tls->session, tls->record, tls->pending);
	}
	if (n < 0) {
		n = failed(tls, (int)n, false);
	} else {
		n = (ssize_t)tls->pending;
		tls->pending = 0;
	}
	pthread_mutex_unlock(&tls->lock);
	return n;
}

static const char *tls_error(const struct layer *layer)
{
	return ((const struct tls *)layer)->reason;
}

static const char *tls_peer(const struct layer *layer)
{
	return ((const struct tls *)layer)->who;
}

static void tls_free(struct layer *layer)
{
	struct tls *tls = tls_of(layer);

	if (!tls->pending && !tls->reason[0])
		gnutls_bye(tls->session, GNUTLS_SHUT_WR);
	gnutls_deinit(tls->session);
	pthread_mutex_destroy(&tls->lock);
	free(tls);
}

static const struct layer_ops tls_ops = {
	.handshake = tls_handshake,
	.read = tls_read,
	.write = tls_write,
	.error = tls_error,
	.peer = tls_peer,
	.free = tls_free,
};

/* Whom the session shall accept by its certificate. HOST lasts as long. */
static void ask_certificate(struct tls *tls, const struct maker *maker,
			    const char *host)
{
	const char *purpose = maker->server ? GNUTLS_KP_TLS_WWW_CLIENT
					    : GNUTLS_KP_TLS_WWW_SERVER;

	if (maker->server && !stream_options.tls_verify_peer)
		return;
	if (maker->server)
		gnutls_certificate_server_set_request(tls->session,
						      GNUTLS_CERT_REQUIRE);
	else
		gnutls_server_name_set(tls->session, GNUTLS_NAME_DNS, host,
				       strlen(host));
	tls->wanted[0].type = GNUTLS_DT_KEY_PURPOSE_OID;
	tls->wanted[0].data = (unsigned char *)purpose;
	tls->wanted[1].type = GNUTLS_DT_DNS_HOSTNAME;
	tls->wanted[1].data = (unsigned char *)host;
	/* It looks at them in the handshake. */
	gnutls_session_set_verify_cert2(tls->session, tls->wanted, host ? 2 : 1,
					0);
}

static int set_up(struct tls *tls, const struct maker *maker, int fd,
		  const char *host)
{
	int ret;

	tls->psk = maker->psk != NULL;
	ret = gnutls_priority_set_direct(tls->session,
					 tls->psk ? PSK : VERSIONS, NULL);
	if (ret < 0)
		return ret;
	gnutls_transport_set_int(tls->session, fd);
	gnutls_handshake_set_timeout(tls->session, 0);
	gnutls_session_set_ptr(tls->session, maker->psk);
	if (tls->psk && maker->server)
		return gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK,
					      maker->psk_server);
	if (tls->psk)
		return gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK,
					      maker->psk_client);
	ask_certificate(tls, maker, host);
	return gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE,
				      maker->certificates);
}

static int tls_make(struct layer_maker *base, int fd, const char *host,
		    struct layer **ret_layer)
{
	const struct maker *maker = (const struct maker *)base;
	struct tls *tls = calloc(1, sizeof(*tls));
	int ret;

	if (!tls)
		return -ENOMEM;
	ret = gnutls_init(&tls->session,
			  (maker->server ? GNUTLS_SERVER : GNUTLS_CLIENT) |
				  GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL |
				  GNUTLS_NO_TICKETS);
	if (ret < 0) {
		free(tls);
		return -ENOMEM;
	}
	tls->layer.ops = &tls_ops;
	pthread_mutex_init(&tls->lock, NULL);
	ret = set_up(tls, maker, fd, host);
	if (ret == 0) {
		*ret_layer = &tls->layer;
		return 0;
	}
	log_error("TLS: %s", gnutls_strerror(ret));
	tls->pending = 1; /* no goodbye */
	tls_free(&tls->layer);
	return -EPROTO;
}

static void maker_free(struct layer_maker *base)
{
	struct maker *maker = (struct maker *)base;

	if (maker->certificates)
		gnutls_certificate_free_credentials(maker->certificates);
	if (maker->psk_client)
		gnutls_psk_free_client_credentials(maker->psk_client);
	if (maker->psk_server)
		gnutls_psk_free_server_credentials(maker->psk_server);
	psk_file_free(maker->psk);
	free(maker);
}

/* One of the files in --tls-certificates. */
static int file_name(char *name, size_t size, const char *file)
{
	int len = snprintf(name, size, "%s/%s", stream_options.tls_certificates,
			   file);

	return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

static int tell_file(const char *name, int error, const char *remedy)
{
	log_error("--tls-certificates: %s: %s %s", name, gnutls_strerror(error),
		  remedy);
	return -EINVAL;
}

static bool is_there(const char *file, char *name, size_t size)
{
	return file_name(name, size, file) == 0 && access(name, F_OK) == 0;
}

/* Whom to trust: needed by who verifies the other side. */
static int load_authority(struct maker *maker)
{
	char name[4096];
	int ret;

	if (is_there("ca-cert.pem", name, sizeof(name)) || !maker->server ||
	    stream_options.tls_verify_peer) {
		ret = gnutls_certificate_set_x509_trust_file(
			maker->certificates, name, GNUTLS_X509_FMT_PEM);
		if (ret <= 0)
			return tell_file(name, ret ? ret : GNUTLS_E_FILE_ERROR,
					 "It is to hold the certificate of "
					 "the authority.");
	}
	if (is_there("ca-crl.pem", name, sizeof(name))) {
		ret = gnutls_certificate_set_x509_crl_file(
			maker->certificates, name, GNUTLS_X509_FMT_PEM);
		if (ret < 0)
			return tell_file(name, ret, "");
	}
	return 0;
}

/* Its own certificate: a server's must be there. */
static int load_own(struct maker *maker)
{
	const char *role = maker->server ? "server" : "client";
	char cert[4096], key[4096], file[32];
	int ret;

	snprintf(file, sizeof(file), "%s-key.pem", role);
	ret = file_name(key, sizeof(key), file);
	if (ret < 0)
		return ret;
	snprintf(file, sizeof(file), "%s-cert.pem", role);
	if (!is_there(file, cert, sizeof(cert)) && !maker->server)
		return 0;
	ret = gnutls_certificate_set_x509_key_file2(
		maker->certificates, cert, key, GNUTLS_X509_FMT_PEM, NULL, 0);
	return ret < 0 ? tell_file(cert, ret,
				   "Its key is to be beside it, as "
				   "server-key.pem or client-key.pem.")
		       : 0;
}

static int load_psk(struct maker *maker)
{
	int ret = psk_file_load(stream_options.tls_psk, &maker->psk);

	if (ret < 0)
		return ret;
	if (maker->server)
		return psk_serve(&maker->psk_server);
	return psk_file_use(maker->psk, stream_options.tls_username,
			    &maker->psk_client);
}

int tls_maker_new(bool server, struct layer_maker **ret_maker)
{
	struct maker *maker = calloc(1, sizeof(*maker));
	int ret;

	if (!maker)
		return -ENOMEM;
	maker->maker.make = tls_make;
	maker->maker.free = maker_free;
	maker->server = server;
	if (stream_options.tls_psk) {
		ret = load_psk(maker);
	} else {
		ret = gnutls_certificate_allocate_credentials(
			      &maker->certificates) < 0
			      ? -ENOMEM
			      : load_authority(maker);
		if (ret == 0)
			ret = load_own(maker);
	}
	if (ret < 0) {
		maker_free(&maker->maker);
		return ret;
	}
	*ret_maker = &maker->maker;
	return 0;
}
