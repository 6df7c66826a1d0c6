// SPDX-License-Identifier: BSD-2-Clause
#include "call.h"
#include "relay.h"

void *call_reserve(struct call *call, size_t len)
{
	size_t size = sizeof(struct cf_out_header) + len;

	if (size > call->out_size && relay_reserve(call, size) < 0)
		return NULL;
	return call_out_arg(call);
}

static void fill_header(struct call *call, size_t total, int error)
{
	struct cf_out_header *header = call->out;

	header->len = (uint32_t)total;
	header->error = error;
	header->unique = call->state.unique;
}

void call_reply(struct call *call, size_t len)
{
	call->out_len = sizeof(struct cf_out_header) + len;
	call->out_data_len = 0;
	fill_header(call, call->out_len, 0);
	relay_complete(call);
}

void call_reply_data(struct call *call, size_t len)
{
	call->out_len = sizeof(struct cf_out_header);
	call->out_data_len = len;
	fill_header(call, call->out_len + len, 0);
	relay_complete(call);
}

void call_reply_error(struct call *call, int error)
{
	call->out_len = sizeof(struct cf_out_header);
	call->out_data_len = 0;
	fill_header(call, call->out_len, error);
	relay_complete(call);
}

void call_done(struct call *call)
{
	call->out_len = 0;
	call->out_data_len = 0;
	relay_complete(call);
}

void call_forward(struct call *call, size_t out_len, size_t data_len)
{
	call->out_len = out_len;
	call->out_data_len = data_len;
	relay_forward(call);
}

void call_fail(struct call *call, int error)
{
	relay_fail(call, error);
}

void call_waits(struct call *call)
{
	call->waits = true;
	relay_call_waits(call);
}

bool call_asks_only(const struct call *call)
{
	switch (call->state.opcode) {
	case CF_LOOKUP:
	case CF_GETATTR:
	case CF_STATX:
	case CF_READLINK:
	case CF_STATFS:
	case CF_ACCESS:
	case CF_GETXATTR:
	case CF_LISTXATTR:
	case CF_OPEN:
	case CF_OPENDIR:
	case CF_READ:
	case CF_READDIR:
	case CF_READDIRPLUS:
	case CF_LSEEK:
	case CF_BMAP:
	case CF_GETLK:
	case CF_POLL:
		return true;
	default:
		return false;
	}
}
