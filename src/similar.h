/* SPDX-License-Identifier: BSD-2-Clause */
/* What a user may have meant. */
#ifndef SIMILAR_H
#define SIMILAR_H

#include <stddef.h>

/* KNOWN, if WORD of LENGTH bytes is so near that it was meant; NULL if not. */
const char *similar(const char *word, size_t length, const char *known);

/* The first of a list, NULL at its end, that is near; NULL: none. */
const char *similar_find(const char *word, size_t length,
			 const char *const *list);

#endif
