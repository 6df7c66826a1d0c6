/* SPDX-License-Identifier: BSD-2-Clause */
/* Ioctls: their number, and whether what they carry can be carried. */
#include "../message/bytes.h"
#include "../message/payload.h"
#include "private.h"
#include <errno.h>

#define AT(type, field) offsetof(struct cf_##type, field)

static const struct cf_payload *call_payload(const struct crossfuse_call *call)
{
	return (const struct cf_payload *)(uintptr_t)
		call->private_data[CALL_PAYLOAD];
}

/* The number as the server has it; the payload as the tables know it. */
static int translate_cmd(const struct session *s,
			 const struct crossfuse_abi *client, uint32_t old,
			 uint32_t *ret_cmd,
			 const struct cf_payload **ret_payload)
{
	const struct crossfuse_abi *server = s->config.server;
	const struct crossfuse_abi *canonical = crossfuse_abi_canonical();
	const struct cf_payload *payload;
	uint32_t cmd, sized;

	/* A client's own size stays: what it carries is not looked at. */
	if (s->config.role == CROSSFUSE_ROLE_CLIENT) {
		*ret_payload = NULL;
		return crossfuse_ioctl_cmd(client, server, old, ret_cmd);
	}
	/* What has no canonical number may still be known to both sides. */
	if (crossfuse_ioctl_cmd(client, canonical, old, &cmd)) {
		*ret_payload = NULL;
		return crossfuse_ioctl_cmd(client, server, old, ret_cmd);
	}
	payload = cf_payload(cmd);
	sized = cf_payload_cmd(payload, cmd, crossfuse_abi_long_bits(server));
	if (sized != cmd) {
		if (crossfuse_ioctl_cmd(canonical, server, sized, ret_cmd))
			return -ENOTTY;
	} else if (crossfuse_ioctl_cmd(client, server, old, ret_cmd)) {
		return -ENOTTY;
	}
	*ret_payload = payload;
	return 0;
}

/* A 32-bit program on a 64-bit kernel has 32-bit structs. */
static unsigned int sender_long_bits(const struct crossfuse_abi *client,
				     uint32_t flags)
{
	if (flags & (CF_IOCTL_COMPAT | CF_IOCTL_32BIT))
		return 32;
	return crossfuse_abi_long_bits(client);
}

int cf_ioctl_request(struct session *s, uint32_t state,
		     struct crossfuse_call *call, const void *body,
		     uint32_t *ret_cmd)
{
	const struct crossfuse_abi *client = client_abi(s, state);
	const uint8_t *in = body;
	bool swapped = call->private_word & MODE_IN_SWAP;
	uint32_t old = cf_get32(in + AT(ioctl_in, cmd), swapped);
	uint32_t flags = cf_get32(in + AT(ioctl_in, flags), swapped);
	uint32_t in_size = cf_get32(in + AT(ioctl_in, in_size), swapped);
	uint32_t out_size = cf_get32(in + AT(ioctl_in, out_size), swapped);
	const struct cf_payload *payload = NULL;
	uint32_t cmd;

	if (translate_cmd(s, client, old, &cmd, &payload))
		goto cannot;
	call->private_data[CALL_PAYLOAD] = (uintptr_t)payload;
	if (s->config.role == CROSSFUSE_ROLE_CLIENT ||
	    (!mode_swaps(call->private_word) &&
	     sender_long_bits(client, flags) ==
		     crossfuse_abi_long_bits(s->config.server)))
		call->private_data[CALL_FLAGS] |= CALL_ANY_PAYLOAD;
	else if (payload ? !cf_payload_fits(payload, in_size) ||
				   !cf_payload_fits(payload, out_size)
			 : in_size || out_size)
		goto cannot;
	*ret_cmd = cmd;
	return 0;
cannot:
	cf_session_unknown(s, CROSSFUSE_EVENT_UNKNOWN_IOCTL, CF_IOCTL, old);
	return -ENOTTY;
}

int cf_ioctl_reply(const struct crossfuse_call *call, size_t payload_len)
{
	const struct cf_payload *payload = call_payload(call);

	if (call->private_data[CALL_FLAGS] & CALL_ANY_PAYLOAD)
		return 0;
	if (!payload)
		return payload_len ? -EBADMSG : 0;
	return cf_payload_fits(payload, payload_len) ? 0 : -EBADMSG;
}

void cf_ioctl_request_swap(const struct crossfuse_call *call, void *payload,
			   size_t len)
{
	if (call_payload(call))
		cf_payload_swap(call_payload(call), payload, len);
}

void cf_ioctl_reply_swap(const struct crossfuse_call *call, void *payload,
			 size_t len, bool retry)
{
	uint8_t *at = payload;

	if (!retry) {
		cf_ioctl_request_swap(call, payload, len);
		return;
	}
	for (size_t i = 0; i + 8 <= len; i += 8)
		cf_swap64(at + i);
}
