/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/audit.h"

uint64_t audit_digest(const struct sa_set *set)
{
	const struct dpl_set_name *name = &set->name;
	const struct digest_subject subject = {.set_id = set->id,
					       .reference = name->reference,
					       .state = set->state,
					       .flags = name->flags,
					       .alg = name->alg,
					       .ealg = name->ealg,
					       .mod = name->mod,
					       .selectors = &set->selectors,
					       .subscriber = name->subscriber,
					       .registration_id = name->registration_id};

	return digest_of(&subject);
}

static uint64_t *sum_of(const struct sa_set *set)
{
	return &set->peer->digests[digest_bucket(set->id)];
}

void audit_enter(struct sa_set *set)
{
	if (set->id == 0)
		return;
	set->digest = audit_digest(set);
	set->is_digested = true;
	*sum_of(set) += set->digest;
}

void audit_leave(struct sa_set *set)
{
	if (set->is_digested)
		*sum_of(set) -= set->digest;
	set->is_digested = false;
}

void audit_change(struct sa_set *set)
{
	if (!set->is_digested)
		return;
	audit_leave(set);
	audit_enter(set);
}
