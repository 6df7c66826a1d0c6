/* SPDX-License-Identifier: BSD-2-Clause */
/* What the library decides and what passes through, as lines of the log. */
#ifndef EVENT_LOG_H
#define EVENT_LOG_H

#include "call.h"

/* For struct crossfuse_config. */
void event_log(void *opaque, const struct crossfuse_event *event);

/* A request as the client sent it; a reply as the client gets it. */
void event_log_request(const struct crossfuse_session *session,
		       const struct call *call);
void event_log_reply(const struct crossfuse_session *session,
		     const struct call *call);

/* How the client's ABI is known, for a line that names it. */
const char *event_source_text(enum crossfuse_source source);

#endif
