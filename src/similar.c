// SPDX-License-Identifier: BSD-2-Clause
#include "similar.h"
#include <string.h>

/* Of what is compared; longer words are similar to nothing. */
#define LONGEST 32

static unsigned int smaller(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Letters to put in, take out or change, until one is the other. */
static unsigned int distance(const char *a, size_t a_len, const char *b,
			     size_t b_len)
{
	unsigned int row[LONGEST + 1];

	for (unsigned int j = 0; j <= b_len; j++)
		row[j] = j;
	for (unsigned int i = 1; i <= a_len; i++) {
		unsigned int corner = row[0]; /* of the row before */

		row[0] = i;
		for (unsigned int j = 1; j <= b_len; j++) {
			unsigned int change = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			row[j] = smaller(change,
					 smaller(row[j], row[j - 1]) + 1);
		}
	}
	return row[b_len];
}

const char *similar(const char *word, size_t length, const char *known)
{
	size_t known_len = strlen(known);
	unsigned int allowed = known_len > 5 ? 2 : 1;

	if (length < 3 || length > LONGEST || known_len < 3 ||
	    known_len > LONGEST)
		return NULL;
	return distance(word, length, known, known_len) <= allowed ? known
								   : NULL;
}

const char *similar_find(const char *word, size_t length,
			 const char *const *list)
{
	for (; *list; list++)
		if (similar(word, length, *list))
			return *list;
	return NULL;
}
