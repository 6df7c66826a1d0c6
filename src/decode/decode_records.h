/* SPDX-License-Identifier: BSD-2-Clause */
/* The records of READDIR and READDIRPLUS replies. */
#ifndef DECODE_RECORDS_H
#define DECODE_RECORDS_H

#include "decode.h"

/* Adds the names to a message that has some: " [3 entries: . .. name]". */
void decode_records_text(const struct decode_message *message, char *buf,
			 size_t size);

#endif
