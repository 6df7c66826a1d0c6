// SPDX-License-Identifier: BSD-2-Clause
#include "load.h"
#include <errno.h>
#include <string.h>

ssize_t load_call(struct slot *slot)
{
	return guest_roundtrip(slot->worker->guest, slot->worker->queue,
			       &slot->call, &slot->shape);
}

int load_lookup(struct slot *slot, uint64_t parent, const char *name,
		struct cf_entry_out *ret_entry)
{
	size_t len = strlen(name) + 1;
	ssize_t n;
	char *arg;

	arg = guest_begin(slot->worker->guest, &slot->call, CF_LOOKUP, parent,
			  len);
	memcpy(arg, name, len);
	slot->shape = (struct guest_shape){ .arg_len = len,
					    .out_len = sizeof(*ret_entry) };
	n = load_call(slot);
	if (n < 0)
		return (int)n;
	if (n != sizeof(*ret_entry))
		return load_wrong(slot, "LOOKUP of %s: %zd bytes", name, n);
	memcpy(ret_entry, guest_out(&slot->call), sizeof(*ret_entry));
	return 0;
}

int load_open(struct slot *slot, uint32_t opcode, uint64_t nodeid,
	      uint32_t flags, uint64_t *ret_fh)
{
	struct guest *guest = slot->worker->guest;
	const struct cf_open_out *out = guest_out(&slot->call);
	struct cf_open_in *in;
	ssize_t n;

	in = guest_begin(guest, &slot->call, opcode, nodeid, sizeof(*in));
	in->flags = guest_u32(guest, flags | guest->abi->largefile);
	slot->shape = (struct guest_shape){ .arg_len = sizeof(*in),
					    .out_len = sizeof(*out) };
	n = load_call(slot);
	if (n < 0)
		return (int)n;
	if (n != sizeof(*out))
		return load_wrong(slot, "OPEN: %zd bytes", n);
	*ret_fh = guest_u64(guest, out->fh);
	return 0;
}

int load_release(struct slot *slot, uint32_t opcode, uint64_t nodeid,
		 uint64_t fh)
{
	struct guest *guest = slot->worker->guest;
	struct cf_release_in *in;
	ssize_t n;

	in = guest_begin(guest, &slot->call, opcode, nodeid, sizeof(*in));
	in->fh = guest_u64(guest, fh);
	in->flags = guest_u32(guest, guest->abi->largefile);
	slot->shape = (struct guest_shape){ .arg_len = sizeof(*in) };
	n = load_call(slot);
	return n < 0 ? (int)n : 0;
}
