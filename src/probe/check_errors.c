// SPDX-License-Identifier: BSD-2-Clause
/* Section 5.2: error numbers, and what opcodes nobody knows lead to. */
#include "client.h"
#include "outcome.h"
#include "session.h"
#include <crossfuse/wire.h>
#include <stdio.h>
#include <string.h>

/* An opcode that no protocol up to 7.47 has. */
#define UNKNOWN_OPCODE 3000U

/*
 * What a server may say instead, for reasons that are no concern here: it has
 * no such feature, or it is not allowed to.
 */
static bool is_excuse(int64_t outcome)
{
	static const int64_t excuses[] = {
		0, -1, -9, -13, -17, -22, -30, -38, -95, OUTCOME_UNKNOWN
	};

	for (size_t i = 0; i < sizeof(excuses) / sizeof(*excuses); i++)
		if (outcome == excuses[i])
			return true;
	return false;
}

static void check_error(struct probe *probe, enum rule rule, int64_t is,
			int64_t base, int64_t wanted)
{
	if (base != -wanted && is_excuse(base))
		rule_skip(probe, rule, "this server's own clients get %s",
			  outcome_text(base));
	else
		rule_check(probe, rule, is == -wanted, "%s instead of %s",
			   outcome_text(is), outcome_text(-wanted));
}

static void check_unknown_opcode(struct probe *probe)
{
	int ret;

	begin_request(probe, UNKNOWN_OPCODE, CF_ROOT_ID);
	put_zeros(probe, 16);
	ret = talk(probe, 0, LINK_MESSAGE_MAX);
	rule_error(probe, RULE_E_ENOSYS, ret, 38);
}

void check_errors(struct probe *probe)
{
	const struct outcomes *is = &probe->current, *base = &probe->base;

	check_unknown_opcode(probe);
	if (!is->known || !base->known)
		return;
	check_error(probe, RULE_E_ENOTEMPTY, is->enotempty, base->enotempty,
		    39);
	check_error(probe, RULE_E_ENAMETOOLONG, is->enametoolong,
		    base->enametoolong, 36);
	check_error(probe, RULE_E_ELOOP, is->link, base->link, 40);
	check_error(probe, RULE_E_ENODATA, is->enodata, base->enodata, 61);
	/* Here its own excuse is the error. */
	if (base->eopnotsupp == -95)
		check_error(probe, RULE_E_EOPNOTSUPP, is->eopnotsupp, -95, 95);
	else
		rule_skip(probe, RULE_E_EOPNOTSUPP,
			  "this server's own clients get %s",
			  outcome_text(base->eopnotsupp));
}
