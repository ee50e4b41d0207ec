/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Holds the digests that control keeps as it goes against those made anew from its sets.
 */
#ifndef AUDIT_CHECK_H
#define AUDIT_CHECK_H

#include <stdlib.h>

#include "control/audit.h"
#include "control/control.h"

/* How many buckets of all peers are wrong. */
static inline unsigned audit_check(const struct control *c)
{
	uint64_t *sum = calloc(DIGEST_BUCKETS, sizeof(*sum));
	const struct peer *peer;
	const struct sa_set *set;
	unsigned wrong = 0;

	TAILQ_FOREACH (peer, &c->peers, next) {
		for (unsigned i = 0; i < DIGEST_BUCKETS; i++)
			sum[i] = 0;
		TAILQ_FOREACH (set, &peer->sets, of_peer)
			if (set->id != 0)
				sum[digest_bucket(set->id)] += audit_digest(set);
		for (unsigned i = 0; i < DIGEST_BUCKETS && peer->digests != NULL; i++)
			wrong += sum[i] != peer->digests[i];
	}
	free(sum);
	return wrong;
}

#endif
