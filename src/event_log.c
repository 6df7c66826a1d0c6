// SPDX-License-Identifier: BSD-2-Clause
#include "event_log.h"
#include "log.h"
#include <crossfuse/message.h>
#include <crossfuse/wire.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *event_source_text(enum crossfuse_source source)
{
	switch (source) {
	case CROSSFUSE_SOURCE_NONE:
		return "not known yet";
	case CROSSFUSE_SOURCE_CANON:
		return "negotiated";
	case CROSSFUSE_SOURCE_ARCH_ID:
		return "by the client's arch_id";
	case CROSSFUSE_SOURCE_ADMIN:
		return "by --client-abi";
	case CROSSFUSE_SOURCE_INIT:
		return "by its FUSE_INIT, which is not Linux's";
	case CROSSFUSE_SOURCE_MONITOR:
		return "by the program at the other end";
	case CROSSFUSE_SOURCE_TRAFFIC:
		return "by its requests";
	}
	return "by an unknown source";
}

static const char *client_name(const struct crossfuse_event *event)
{
	return event->client ? crossfuse_abi_name(event->client) : "unknown";
}

static const char *opcode_name(uint32_t opcode)
{
	const struct crossfuse_opcode *known = crossfuse_opcode(opcode);

	return known ? known->name : "an unknown opcode";
}

static void log_init(const struct crossfuse_event *event)
{
	const char *offer = event->offered ? "offered" : "not offered";

	log_info("client: ABI %s (%s), protocol 7.%" PRIu32 "%s; server: ABI "
		 "%s",
		 client_name(event), event_source_text(event->source),
		 event->minor, event->swapped ? ", other byte order" : "",
		 crossfuse_abi_name(event->server));
	log_debug("handshake: arch_id 0x%08" PRIx32 ", FUSE_CANON_ARCH %s and "
		  "%s",
		  event->arch_id, offer,
		  event->answered ? "answered" : "not answered");
}

static void log_refused(const struct crossfuse_event *event)
{
	if (event->minor < CF_OLDEST_MINOR_VERSION) {
		log_error("refused a client that speaks FUSE 7.%" PRIu32
			  ": 7.%d is the oldest that is spoken here",
			  event->minor, CF_OLDEST_MINOR_VERSION);
		return;
	}
	log_error("refused a client of ABI %s (arch_id 0x%08" PRIx32
		  ") that does not speak canonical constants: name its ABI "
		  "with --client-abi, or allow it with --legacy",
		  client_name(event), event->arch_id);
}

static void log_unknown(const struct crossfuse_event *event, const char *what)
{
	log_warn("%s: %s 0x%" PRIx32 " has no counterpart between ABI %s and "
		 "ABI %s (said once)",
		 opcode_name(event->opcode), what, event->value,
		 client_name(event), crossfuse_abi_name(event->server));
}

void event_log(void *opaque, const struct crossfuse_event *event)
{
	(void)opaque;
	switch (event->type) {
	case CROSSFUSE_EVENT_INIT:
		log_init(event);
		break;
	case CROSSFUSE_EVENT_REFUSED:
		log_refused(event);
		break;
	case CROSSFUSE_EVENT_DETECTED:
		log_info("client: its %s tells ABI %s",
			 opcode_name(event->opcode), client_name(event));
		break;
	case CROSSFUSE_EVENT_CONTRADICTION:
		log_error("the client's %s does not fit ABI %s, which it is "
			  "taken for (%s): name the right one with "
			  "--client-abi",
			  opcode_name(event->opcode), client_name(event),
			  event_source_text(event->source));
		break;
	case CROSSFUSE_EVENT_UNKNOWN_FLAGS:
		log_unknown(event, "open flag");
		break;
	case CROSSFUSE_EVENT_UNKNOWN_ERRNO:
		log_unknown(event, "error number");
		break;
	case CROSSFUSE_EVENT_UNKNOWN_POLL:
		log_unknown(event, "poll event");
		break;
	case CROSSFUSE_EVENT_UNKNOWN_LOCK:
		log_unknown(event, "lock type");
		break;
	case CROSSFUSE_EVENT_UNKNOWN_IOCTL:
		log_unknown(event, "ioctl");
		break;
	case CROSSFUSE_EVENT_UNKNOWN_OPCODE:
		log_warn("opcode %" PRIu32 " is not known, so its bytes cannot "
			 "be swapped: the client gets ENOSYS (said once)",
			 event->value);
		break;
	case CROSSFUSE_EVENT_MALFORMED:
		log_warn("the client's %s is malformed: refused",
			 opcode_name(event->value));
		break;
	}
}

/* The client's ABI as far as it is known, for the names of its values. */
static const struct crossfuse_abi *
shown_abi(const struct crossfuse_session *session)
{
	const struct crossfuse_abi *abi =
		crossfuse_session_client(session, NULL);

	return abi ? abi : crossfuse_abi_native();
}

/* The length of a message tells its byte order: none is 16 MiB long. */
static bool looks_swapped(const void *head)
{
	uint32_t len;

	memcpy(&len, head, sizeof(len));
	return len > __builtin_bswap32(len);
}

void event_log_request(const struct crossfuse_session *session,
		       const struct call *call)
{
	char text[1024];

	crossfuse_format_request(shown_abi(session), looks_swapped(call->head),
				 call->head, call->head_len, text,
				 sizeof(text));
	log_debug("> %s", text);
}

void event_log_reply(const struct crossfuse_session *session,
		     const struct call *call)
{
	char text[1024];

	if (!call->out_len)
		return;
	crossfuse_format_reply(shown_abi(session), looks_swapped(call->out),
			       call->state.opcode, call->out, call->out_len,
			       text, sizeof(text));
	log_debug("< %s", text);
}
