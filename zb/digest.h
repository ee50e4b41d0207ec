/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The digest of a set and the buckets of AUDIT (PROTOCOL.md chapter 6), for both ends. Pure.
 */
#ifndef ZB_DIGEST_H
#define ZB_DIGEST_H

#include <stdint.h>

#include "bgf_sa.h"

enum {
	DIGEST_BUCKETS = 4096,
	DIGEST_LEN = 8, /* octets on the wire */
	DIGEST_ROW_LEN = 16,
};

/* What is digested. The strings end with a NUL. */
struct digest_subject {
	uint64_t set_id, reference;
	uint8_t state, flags, alg, ealg, mod;
	const struct bgf_set_selectors *selectors;
	const char *subscriber, *registration_id;
};

uint64_t digest_of(const struct digest_subject *subject);

static inline unsigned digest_bucket(uint64_t set_id)
{
	return set_id % DIGEST_BUCKETS;
}

#endif
